//! Keys of the table's items.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use landfall_domain::ids::{DatabaseId, HostedZoneId, SourceServerId, WaveId};
use std::collections::HashMap;
use std::fmt;

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.pk, self.sk)
    }
}

impl Key {
    /// The key as the service takes it.
    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("PK".to_owned(), AttributeValue::S(self.pk.clone())),
            ("SK".to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }

    fn of_wave(wave: &WaveId, sk: impl Into<String>) -> Self {
        Self {
            pk: format!("WAVE#{wave}"),
            sk: sk.into(),
        }
    }

    /// The wave itself.
    pub fn wave(wave: &WaveId) -> Self {
        Self::of_wave(wave, "WAVE")
    }

    /// A batch of a wave.
    pub fn batch(wave: &WaveId, number: u32) -> Self {
        Self::of_wave(wave, format!("BATCH#{number:04}"))
    }

    /// A server of a wave.
    pub fn server(wave: &WaveId, server: &SourceServerId) -> Self {
        Self::of_wave(wave, format!("SERVER#{server}"))
    }

    /// A database of a wave.
    pub fn database(wave: &WaveId, database: &DatabaseId) -> Self {
        Self::of_wave(wave, format!("DATABASE#{database}"))
    }

    /// A record set of a wave.
    pub fn dns(wave: &WaveId, zone: &HostedZoneId, name: &str, record_type: &str) -> Self {
        Self::of_wave(wave, format!("DNS#{zone}#{name}#{record_type}"))
    }

    /// A line of a wave's audit trail.
    pub fn log(wave: &WaveId, at: Timestamp, id: &str) -> Self {
        Self::of_wave(wave, format!("LOG#{at:.6}#{id}"))
    }

    /// The claim on a server, in an account and Region.
    pub fn claim(account: &str, region: &str, server: &SourceServerId) -> Self {
        Self {
            pk: format!("CLAIM#{account}#{region}#{server}"),
            sk: "CLAIM".to_owned(),
        }
    }

    /// The claim on a database, by the secret that opens its source: two waves that name it differently mean the same.
    pub fn database_claim(account: &str, region: &str, source_secret: &str) -> Self {
        Self {
            pk: format!("CLAIM#{account}#{region}#{source_secret}"),
            sk: "CLAIM".to_owned(),
        }
    }

    /// The places taken of MGN's limits, in an account and Region.
    pub fn quota(account: &str, region: &str) -> Self {
        Self {
            pk: format!("QUOTA#{account}#{region}"),
            sk: "QUOTA".to_owned(),
        }
    }

    /// The partition of the tokens that wait for a resource.
    pub fn awaiting_partition(resource: &str) -> String {
        format!("AWAIT#{resource}")
    }

    /// A token that waits for a resource.
    pub fn awaiting(resource: &str, execution_arn: &str, state: &str) -> Self {
        Self {
            pk: Self::awaiting_partition(resource),
            sk: format!("{execution_arn}#{state}"),
        }
    }

    /// The list of open waves, for the sweep.
    pub fn open_wave(wave: &WaveId) -> Self {
        Self {
            pk: Self::OPEN_WAVES.to_owned(),
            sk: format!("WAVE#{wave}"),
        }
    }

    /// The partition of the list of open waves.
    pub const OPEN_WAVES: &'static str = "OPEN";
}
