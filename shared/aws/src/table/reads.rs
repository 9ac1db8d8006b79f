//! Reading. Every read is consistent: a decision on a stale item would be a guess.

use super::item::from_item;
use super::{Key, SERVICE, Stored, Table};
use crate::classify::step_error;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use landfall_domain::StepError;
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::record::{
    AwaitRecord, BatchRecord, DatabaseRecord, DnsRecord, LogRecord, ServerRecord, WaveRecord,
};
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// Pages of one query: 1,000 servers of 2 KB each are 2 pages of 1 MB, so this is far beyond any wave.
const PAGES_MAX: usize = 50;

/// Keys of one BatchGetItem.
const KEYS_PER_BATCH_MAX: usize = 100;

/// A wave with its parts, without the audit trail.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveParts {
    /// The wave.
    pub wave: Stored<WaveRecord>,
    /// Its batches, by number.
    pub batches: Vec<Stored<BatchRecord>>,
    /// Its servers, by id.
    pub servers: Vec<Stored<ServerRecord>>,
    /// Its databases, by id.
    pub databases: Vec<Stored<DatabaseRecord>>,
    /// Its record sets, by zone, name and type.
    pub dns: Vec<Stored<DnsRecord>>,
}

/// Which items of a partition, by sort key.
#[derive(Debug, Clone, Copy)]
enum Keys<'a> {
    All,
    /// Those that begin so.
    Of(&'a str),
    /// From one to another, both included.
    Between(&'a str, &'a str),
}

fn put<T: DeserializeOwned>(into: &mut Vec<Stored<T>>, item: HashMap<String, AttributeValue>) -> Result<(), StepError> {
    into.push(from_item(item)?);
    Ok(())
}

impl Table {
    /// One item.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, StepError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("PK", AttributeValue::S(key.pk.clone()))
            .key("SK", AttributeValue::S(key.sk.clone()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "GetItem", error))?;
        answer.item.map(from_item).transpose()
    }

    /// Those of many items that exist, in no particular order.
    pub async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Stored<T>>, StepError> {
        let items = self.batch_get(keys).await?;
        items.into_iter().map(from_item).collect()
    }

    async fn batch_get(&self, keys: &[Key]) -> Result<Vec<HashMap<String, AttributeValue>>, StepError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(KEYS_PER_BATCH_MAX) {
            let mut wanted: Vec<HashMap<String, AttributeValue>> = chunk.iter().map(Key::attributes).collect();
            for _ in 0..PAGES_MAX {
                let keys = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .consistent_read(true)
                    .build();
                let keys = keys.map_err(|error| StepError::Corrupt(format!("keys cannot be asked for: {error}")))?;
                let sent = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, keys)
                    .send()
                    .await;
                let answer = sent.map_err(|error| step_error(SERVICE, "BatchGetItem", error))?;
                let items = answer.responses.unwrap_or_default().remove(&self.name);
                found.extend(items.unwrap_or_default());
                let rest = answer.unprocessed_keys.unwrap_or_default().remove(&self.name);
                wanted = rest.map(|rest| rest.keys).unwrap_or_default();
                if wanted.is_empty() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The wave itself; an error when there is none.
    pub async fn wave(&self, wave: &WaveId) -> Result<Stored<WaveRecord>, StepError> {
        self.get(&Key::wave(wave))
            .await?
            .ok_or_else(|| StepError::WaveUnknown(wave.clone()))
    }

    /// A batch; an error when there is none.
    pub async fn batch(&self, wave: &WaveId, number: u32) -> Result<Stored<BatchRecord>, StepError> {
        let key = Key::batch(wave, number);
        self.get(&key)
            .await?
            .ok_or_else(|| StepError::Corrupt(format!("{key} is missing")))
    }

    /// A wave and one of its batches, in one call; an error when one of them is missing.
    pub async fn wave_and_batch(
        &self,
        wave: &WaveId,
        number: u32,
    ) -> Result<(Stored<WaveRecord>, Stored<BatchRecord>), StepError> {
        let (wave, batch, _) = self.wave_batch_and_token(wave, number, None).await?;
        Ok((wave, batch))
    }

    /// The same, with a token that waits, if there is one.
    pub async fn wave_batch_and_token(
        &self,
        wave: &WaveId,
        number: u32,
        token: Option<Key>,
    ) -> Result<(Stored<WaveRecord>, Stored<BatchRecord>, Option<Stored<AwaitRecord>>), StepError> {
        let mut keys = vec![Key::wave(wave), Key::batch(wave, number)];
        keys.extend(token);
        let (mut found_wave, mut found_batch, mut found_token) = (None, None, None);
        for item in self.batch_get(&keys).await? {
            let is = |key: &Key| {
                let same = |name: &str, value: &String| item.get(name).and_then(|text| text.as_s().ok()) == Some(value);
                same("PK", &key.pk) && same("SK", &key.sk)
            };
            if is(&keys[0]) {
                found_wave = Some(from_item(item)?);
            } else if is(&keys[1]) {
                found_batch = Some(from_item(item)?);
            } else {
                found_token = Some(from_item(item)?);
            }
        }
        let batch = || StepError::Corrupt(format!("{} is missing", keys[1]));
        Ok((
            found_wave.ok_or_else(|| StepError::WaveUnknown(wave.clone()))?,
            found_batch.ok_or_else(batch)?,
            found_token,
        ))
    }

    /// The servers of a wave, or of one of its batches, by id.
    pub async fn servers(&self, wave: &WaveId, batch: Option<u32>) -> Result<Vec<Stored<ServerRecord>>, StepError> {
        let items = self
            .query(&Key::wave(wave).pk, Keys::Of("SERVER#"), usize::MAX, true)
            .await?;
        let servers: Vec<Stored<ServerRecord>> = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(servers
            .into_iter()
            .filter(|server| batch.is_none_or(|number| server.batch == number))
            .collect())
    }

    /// A database; an error when there is none.
    pub async fn database(&self, wave: &WaveId, database: &DatabaseId) -> Result<Stored<DatabaseRecord>, StepError> {
        let key = Key::database(wave, database);
        self.get(&key)
            .await?
            .ok_or_else(|| StepError::Corrupt(format!("{key} is missing")))
    }

    /// The databases of a wave, by id.
    pub async fn databases(&self, wave: &WaveId) -> Result<Vec<Stored<DatabaseRecord>>, StepError> {
        self.query(&Key::wave(wave).pk, Keys::Of("DATABASE#"), usize::MAX, true)
            .await?
            .into_iter()
            .map(from_item)
            .collect()
    }

    /// The record sets of a wave.
    pub async fn dns(&self, wave: &WaveId) -> Result<Vec<Stored<DnsRecord>>, StepError> {
        self.query(&Key::wave(wave).pk, Keys::Of("DNS#"), usize::MAX, true)
            .await?
            .into_iter()
            .map(from_item)
            .collect()
    }

    /// The batches of a wave.
    pub async fn batches(&self, wave: &WaveId) -> Result<Vec<Stored<BatchRecord>>, StepError> {
        self.query(&Key::wave(wave).pk, Keys::Of("BATCH#"), usize::MAX, true)
            .await?
            .into_iter()
            .map(from_item)
            .collect()
    }

    /// The newest lines of a wave's audit trail, oldest first.
    pub async fn log(&self, wave: &WaveId, newest: usize) -> Result<Vec<LogRecord>, StepError> {
        let mut items = self.query(&Key::wave(wave).pk, Keys::Of("LOG#"), newest, false).await?;
        items.reverse();
        items
            .into_iter()
            .map(|item| from_item(item).map(|stored| stored.value))
            .collect()
    }

    /// A wave with its parts, in two calls: the audit trail, which is long, lies between them. An error when there is no
    /// wave.
    pub async fn parts(&self, wave: &WaveId) -> Result<WaveParts, StepError> {
        let partition = Key::wave(wave).pk;
        let (mut waves, mut batches, mut servers, mut databases, mut dns) = <_>::default();
        for keys in [Keys::Between("BATCH#", "DNS$"), Keys::Between("SERVER#", "WAVE")] {
            for item in self.query(&partition, keys, usize::MAX, true).await? {
                let sort_key = item.get("SK").and_then(|key| key.as_s().ok());
                let kind = sort_key.and_then(|key| key.split('#').next()).unwrap_or_default();
                match kind {
                    "WAVE" => put(&mut waves, item)?,
                    "BATCH" => put(&mut batches, item)?,
                    "SERVER" => put(&mut servers, item)?,
                    "DATABASE" => put(&mut databases, item)?,
                    "DNS" => put(&mut dns, item)?,
                    _ => {
                        return Err(StepError::Corrupt(format!(
                            "{partition} has an unknown part: {sort_key:?}"
                        )));
                    }
                }
            }
        }
        Ok(WaveParts {
            wave: waves.pop().ok_or_else(|| StepError::WaveUnknown(wave.clone()))?,
            batches,
            servers,
            databases,
            dns,
        })
    }

    /// The tokens that wait for a resource.
    pub async fn awaiting(&self, resource: &str) -> Result<Vec<Stored<AwaitRecord>>, StepError> {
        let items = self
            .query(&Key::awaiting_partition(resource), Keys::All, usize::MAX, true)
            .await?;
        items.into_iter().map(from_item).collect()
    }

    /// The ids of all open waves.
    pub async fn open_waves(&self) -> Result<Vec<WaveId>, StepError> {
        let items = self.query(Key::OPEN_WAVES, Keys::Of("WAVE#"), usize::MAX, true).await?;
        items
            .into_iter()
            .map(|item| from_item::<WaveId>(item).map(|stored| stored.value))
            .collect()
    }

    async fn query(
        &self,
        partition: &str,
        keys: Keys<'_>,
        most: usize,
        forward: bool,
    ) -> Result<Vec<HashMap<String, AttributeValue>>, StepError> {
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..PAGES_MAX {
            let mut query = self
                .client
                .query()
                .table_name(&self.name)
                .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
                .consistent_read(true)
                .scan_index_forward(forward)
                .set_exclusive_start_key(start);
            query = match keys {
                Keys::All => query.key_condition_expression("PK = :pk"),
                Keys::Of(prefix) => query
                    .key_condition_expression("PK = :pk AND begins_with(SK, :sk)")
                    .expression_attribute_values(":sk", AttributeValue::S(prefix.to_owned())),
                Keys::Between(first, last) => query
                    .key_condition_expression("PK = :pk AND SK BETWEEN :first AND :last")
                    .expression_attribute_values(":first", AttributeValue::S(first.to_owned()))
                    .expression_attribute_values(":last", AttributeValue::S(last.to_owned())),
            };
            if let Ok(limit) = i32::try_from(most.saturating_sub(items.len())) {
                query = query.limit(limit);
            }
            let page = query
                .send()
                .await
                .map_err(|error| step_error(SERVICE, "Query", error))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || items.len() >= most {
                return Ok(items);
            }
        }
        Err(StepError::Corrupt(format!(
            "{partition} has more than {PAGES_MAX} pages of {keys:?}"
        )))
    }
}
