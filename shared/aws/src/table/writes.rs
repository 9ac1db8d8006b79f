//! Writing. Everything is a transaction, everything has a condition.

use super::item::to_item;
use super::{Key, SERVICE, Stored, Table};
use crate::classify::step_error;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{Direction, LogRecord, WaveRecord};
use serde::Serialize;
use std::collections::HashMap;

/// Actions of one transaction: DynamoDB takes 100, one is kept for the guard.
const ACTIONS_MAX: usize = 99;

/// Attempts of a transaction that met another one on the same item.
const CONFLICT_ATTEMPTS_MAX: usize = 4;

/// How long a line of the audit trail is kept: thirteen months, so that a yearly audit finds the whole year.
const LOG_KEPT: SignedDuration = SignedDuration::from_hours(24 * 396);

/// How long a waiting token is kept that nobody took away: the longest approval is 30 days.
const AWAIT_KEPT: SignedDuration = SignedDuration::from_hours(24 * 40);

/// One write.
#[derive(Debug, Clone)]
pub struct Write {
    key: Key,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Put {
        item: HashMap<String, AttributeValue>,
        expected: u64,
    },
    Delete {
        expected: u64,
    },
    DeleteAny,
}

/// The condition that the wave is where its writer believes it to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// Its direction.
    pub direction: Direction,
}

impl Write {
    /// Writes a record on condition that it is still at the version it was read at (or absent, when new), and counts the
    /// version up in place.
    pub fn save<T: Serialize>(stored: &mut Stored<T>) -> Result<Self, StepError> {
        let expected = stored.version;
        stored.version += 1;
        let item = to_item(&stored.key, stored.version, &stored.value)?;
        Ok(Self {
            key: stored.key.clone(),
            action: Action::Put { item, expected },
        })
    }

    /// Like [`Write::save`], for a token that waits: it expires by itself when forgotten.
    pub fn save_awaiting<T: Serialize>(stored: &mut Stored<T>, now: Timestamp) -> Result<Self, StepError> {
        let mut write = Self::save(stored)?;
        write.expire(now, AWAIT_KEPT);
        Ok(write)
    }

    /// Deletes a record on condition that it is still at the version it was read at.
    pub fn delete<T>(stored: &Stored<T>) -> Self {
        Self {
            key: stored.key.clone(),
            action: Action::Delete {
                expected: stored.version,
            },
        }
    }

    /// Deletes an item whatever it holds; for items that carry no state, such as the entry in the list of open waves.
    pub fn delete_any(key: Key) -> Self {
        Self {
            key,
            action: Action::DeleteAny,
        }
    }

    /// Adds a line to a wave's audit trail.
    pub fn log(wave: &WaveId, line: &LogRecord, id: &str) -> Result<Self, StepError> {
        let mut stored = Stored::new(Key::log(wave, line.at, id), line.clone());
        let mut write = Self::save(&mut stored)?;
        write.expire(line.at, LOG_KEPT);
        Ok(write)
    }

    fn expire(&mut self, now: Timestamp, after: SignedDuration) {
        if let Action::Put { item, .. } = &mut self.action {
            let at = (now + after).as_second();
            item.insert("ttl".to_owned(), AttributeValue::N(at.to_string()));
        }
    }

    fn into_action(self, table: &str) -> TransactWriteItem {
        let built = "a table, a key and an item are given";
        let key = self.key.attributes();
        let version = |expected: u64| AttributeValue::N(expected.to_string());
        match self.action {
            Action::Put { item, expected: 0 } => {
                let put = Put::builder().table_name(table).set_item(Some(item));
                let put = put
                    .condition_expression("attribute_not_exists(PK)")
                    .build()
                    .expect(built);
                TransactWriteItem::builder().put(put).build()
            }
            Action::Put { item, expected } => {
                let put = Put::builder().table_name(table).set_item(Some(item));
                let put = put
                    .condition_expression("#v = :v")
                    .expression_attribute_names("#v", "version");
                let put = put
                    .expression_attribute_values(":v", version(expected))
                    .build()
                    .expect(built);
                TransactWriteItem::builder().put(put).build()
            }
            Action::Delete { expected } => {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .condition_expression("#v = :v");
                let delete = delete.expression_attribute_names("#v", "version");
                let delete = delete
                    .expression_attribute_values(":v", version(expected))
                    .build()
                    .expect(built);
                TransactWriteItem::builder().delete(delete).build()
            }
            Action::DeleteAny => {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .build()
                    .expect(built);
                TransactWriteItem::builder().delete(delete).build()
            }
        }
    }
}

impl Table {
    /// Writes all, in as few transactions as the limit on actions allows; each on condition of the guard, when one is
    /// given. A transaction holds all of its writes or none; between two of them a crash may leave the first done, so
    /// callers order their writes accordingly and repeat them safely.
    pub async fn write(&self, guard: Option<&Guard>, writes: Vec<Write>) -> Result<(), StepError> {
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            let chunk: Vec<Write> = writes.by_ref().take(ACTIONS_MAX).collect();
            self.transact(guard, chunk).await?;
        }
        Ok(())
    }

    async fn transact(&self, guard: Option<&Guard>, writes: Vec<Write>) -> Result<(), StepError> {
        let guard = guard.filter(|guard| !writes.iter().any(|write| write.key == Key::wave(&guard.wave_id)));
        let keys: Vec<String> = writes.iter().map(|write| write.key.to_string()).collect();
        let mut actions: Vec<TransactWriteItem> =
            writes.into_iter().map(|write| write.into_action(&self.name)).collect();
        actions.extend(guard.map(|guard| self.guard_action(guard)));
        for attempt in 1.. {
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(actions.clone()))
                .send()
                .await;
            let Err(error) = sent else { return Ok(()) };
            let reasons = cancellation(&error);
            if let Some(failed) = reasons.iter().position(|code| code == "ConditionalCheckFailed") {
                return Err(self.failed_condition(guard, keys.get(failed)).await);
            }
            let conflict = reasons.iter().any(|code| code == "TransactionConflict");
            if !conflict || attempt >= CONFLICT_ATTEMPTS_MAX {
                return Err(step_error(SERVICE, "TransactWriteItems", error));
            }
        }
        Ok(())
    }

    /// Says whose condition failed: a write's own, or the guard's, whose action comes last.
    async fn failed_condition(&self, guard: Option<&Guard>, key: Option<&String>) -> StepError {
        match (key, guard) {
            (None, Some(guard)) => match self.wave(&guard.wave_id).await {
                Ok(wave) => superseded(guard, &wave),
                Err(error) => error,
            },
            (key, _) => StepError::WriteConflict {
                item: key.cloned().unwrap_or_else(|| "an item".to_owned()),
            },
        }
    }

    fn guard_action(&self, guard: &Guard) -> TransactWriteItem {
        let key = Key::wave(&guard.wave_id);
        let direction = match guard.direction {
            Direction::Forward => "FORWARD",
            Direction::Rollback => "ROLLBACK",
        };
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .key("PK", AttributeValue::S(key.pk))
            .key("SK", AttributeValue::S(key.sk))
            .condition_expression("#e = :e AND #r = :r")
            .expression_attribute_names("#e", "epoch")
            .expression_attribute_names("#r", "direction")
            .expression_attribute_values(":e", AttributeValue::N(guard.epoch.to_string()))
            .expression_attribute_values(":r", AttributeValue::S(direction.to_owned()))
            .build()
            .expect("a table, a key and a condition are given");
        TransactWriteItem::builder().condition_check(check).build()
    }
}

/// The refusal of a step whose wave has moved on.
pub(crate) fn superseded(guard: &Guard, wave: &WaveRecord) -> StepError {
    StepError::EpochSuperseded {
        wave: guard.wave_id.clone(),
        given: guard.epoch,
        current: wave.epoch,
    }
}

fn cancellation<R>(error: &SdkError<TransactWriteItemsError, R>) -> Vec<String> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => canceled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code().unwrap_or_default().to_owned())
            .collect(),
        _ => Vec::new(),
    }
}
