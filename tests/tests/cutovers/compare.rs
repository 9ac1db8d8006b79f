//! Whether two tables are equal while they are written: rows are compared by their hashes, those that differ once more a
//! moment later. A row that was found equal at one of these moments has arrived; one that stays different, the same on
//! both sides, differs.

use crate::session::{Failed, Kind, Session};
use jiff::{SignedDuration, Timestamp};
use landfall_cloud::VirtualClock;
use landfall_domain::database::TableName;
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys of a part whose rows are added up together.
const PART: u32 = 500;

/// How often what differs is looked at again, and the pause before.
const LOOKS: usize = 6;
const PAUSE: Duration = Duration::from_millis(60);

/// A row that is different for so long, with neither side changed, does not only lag behind.
const LAGS_AT_MOST: SignedDuration = SignedDuration::from_secs(5);

/// A table that both sides have under the same name.
pub struct Table {
    pub kind: Kind,
    pub name: TableName,
    /// The expression for its key as text, and for the part of the table that a key belongs to. [`None`]: no key.
    pub key: Option<Key>,
    /// The expression for a row's hash.
    pub hash: String,
}

/// How rows are told apart.
pub struct Key {
    pub text: String,
    /// Whether it is one number.
    pub number: bool,
}

/// The hash of a row on each side; none where there is no such row.
type BothHashes = (Option<String>, Option<String>);

/// Rows that differ, by key: both hashes, and since when they are these.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    differ: BTreeMap<String, (BothHashes, Timestamp)>,
    at: Option<Timestamp>,
}

impl Comparison {
    /// Rows that have to be looked at again.
    pub fn pending(&self) -> u64 {
        self.differ.len() as u64 - self.failed()
    }

    /// Rows that differ for good.
    pub fn failed(&self) -> u64 {
        let late = |since: &Timestamp| self.at.is_some_and(|at| at.duration_since(*since) > LAGS_AT_MOST);
        self.differ.values().filter(|(_, since)| late(since)).count() as u64
    }
}

/// Hashes by key, or sums by part.
type Hashes = BTreeMap<String, String>;

impl Table {
    pub fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Compares, knowing what differed before.
    pub async fn compare(
        &self,
        before: Comparison,
        source: &mut Session,
        target: &mut Session,
        clock: &VirtualClock,
    ) -> Result<Comparison, Failed> {
        let Some(key) = &self.key else {
            return Ok(Comparison::default());
        };
        let parts = differing(&self.both(&self.parts(key), source, target).await?);
        let mut differ = BTreeMap::new();
        if !parts.is_empty() {
            differ = differing(
                &self
                    .both(&self.rows(key, &self.part(key), parts.keys()), source, target)
                    .await?,
            );
        }
        for _ in 0..LOOKS {
            if differ.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            differ = differing(
                &self
                    .both(&self.rows(key, &key.text, differ.keys()), source, target)
                    .await?,
            );
        }
        let now = clock.now();
        let since = |key: &String, hashes: &(Option<String>, Option<String>)| match before.differ.get(key) {
            Some((known, since)) if known == hashes => *since,
            _ => now,
        };
        let differ = differ.into_iter().map(|(key, hashes)| {
            let since = since(&key, &hashes);
            (key, (hashes, since))
        });
        Ok(Comparison {
            differ: differ.collect(),
            at: Some(now),
        })
    }

    fn part(&self, key: &Key) -> String {
        match (key.number, self.kind) {
            (false, _) => "'all'".to_owned(),
            (true, Kind::Postgres) => format!("(id / {PART})::text"),
            (true, Kind::Mariadb) => format!("cast(id DIV {PART} AS char)"),
        }
    }

    fn parts(&self, key: &Key) -> String {
        let (part, hash, table) = (self.part(key), &self.hash, self.quoted());
        let sum = match self.kind {
            Kind::Postgres => format!("sum(('x' || substr({hash}, 1, 15))::bit(60)::bigint)"),
            Kind::Mariadb => format!("sum(cast(conv(substr({hash}, 1, 15), 16, 10) AS decimal(20, 0)))"),
        };
        format!("SELECT {part}, concat(count(*), ' ', {sum}) FROM {table} t GROUP BY 1")
    }

    fn rows<'a>(&self, key: &Key, of: &str, wanted: impl Iterator<Item = &'a String>) -> String {
        let (text, hash, table) = (&key.text, &self.hash, self.quoted());
        let wanted: Vec<String> = wanted.map(|one| format!("'{}'", one.replace('\'', "''"))).collect();
        format!(
            "SELECT {text}, {hash} FROM {table} t WHERE {of} IN ({})",
            wanted.join(", ")
        )
    }

    fn quoted(&self) -> String {
        let quote = match self.kind {
            Kind::Postgres => '"',
            Kind::Mariadb => '`',
        };
        format!("{quote}{}{quote}.{quote}{}{quote}", self.name.schema, self.name.table)
    }

    async fn both(&self, query: &str, source: &mut Session, target: &mut Session) -> Result<(Hashes, Hashes), Failed> {
        let (here, there) = tokio::join!(source.rows(query), target.rows(query));
        let pairs = |rows: Vec<Vec<String>>| {
            let pair = |row: Vec<String>| Some((row.first()?.clone(), row.get(1)?.clone()));
            rows.into_iter().filter_map(pair).collect()
        };
        Ok((pairs(here?), pairs(there?)))
    }
}

/// What is not the same on both sides.
fn differing((here, there): &(Hashes, Hashes)) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let mut differ = BTreeMap::new();
    for key in here.keys().chain(there.keys()) {
        let hashes = (here.get(key).cloned(), there.get(key).cloned());
        if hashes.0 != hashes.1 {
            differ.insert(key.clone(), hashes);
        }
    }
    differ
}
