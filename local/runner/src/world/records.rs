//! What is on record, read past AWS's APIs, so that looking is no call.

use super::{TABLE, World};
use landfall_domain::ids::WaveId;
use landfall_domain::record::{
    BatchRecord, ClaimRecord, DatabaseClaimRecord, DatabaseRecord, DnsRecord, LogRecord, ServerRecord, WaveRecord,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// The wave table at one moment.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// All waves, by id.
    pub waves: Vec<WaveRecord>,
    /// All batches, by wave and number.
    pub batches: Vec<BatchRecord>,
    /// All servers, by wave and id.
    pub servers: Vec<ServerRecord>,
    /// All record sets, by wave.
    pub dns: Vec<DnsRecord>,
    /// All databases, by wave and id.
    pub databases: Vec<DatabaseRecord>,
    /// All claims on servers.
    pub claims: Vec<ClaimRecord>,
    /// All claims on databases.
    pub database_claims: Vec<DatabaseClaimRecord>,
    /// The audit trails, by wave and time.
    pub log: Vec<(String, LogRecord)>,
    /// Items that are not what their key says they are: a fault of Landfall.
    pub broken: Vec<String>,
}

impl Records {
    /// A wave.
    pub fn wave(&self, wave: &str) -> Option<&WaveRecord> {
        self.waves.iter().find(|record| record.wave_id.as_str() == wave)
    }

    /// A server, by its id.
    pub fn server(&self, server: &str) -> Option<&ServerRecord> {
        self.servers
            .iter()
            .find(|record| record.source_server_id.as_str() == server)
    }

    /// The servers of a wave.
    pub fn servers_of<'a>(&'a self, wave: &'a WaveId) -> impl Iterator<Item = &'a ServerRecord> {
        self.servers.iter().filter(move |record| &record.wave_id == wave)
    }

    /// The record sets of a wave.
    pub fn dns_of<'a>(&'a self, wave: &'a WaveId) -> impl Iterator<Item = &'a DnsRecord> {
        self.dns.iter().filter(move |record| &record.wave_id == wave)
    }

    /// A database, by its id.
    pub fn database(&self, database: &str) -> Option<&DatabaseRecord> {
        self.databases
            .iter()
            .find(|record| record.database_id.as_str() == database)
    }

    /// The databases of a wave.
    pub fn databases_of<'a>(&'a self, wave: &'a WaveId) -> impl Iterator<Item = &'a DatabaseRecord> {
        self.databases.iter().filter(move |record| &record.wave_id == wave)
    }

    fn add(&mut self, item: &Value) {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let (pk, sk) = (text("PK"), text("SK"));
        let text = item["data"].as_str().unwrap_or_default();
        let data = &serde_json::from_str::<Value>(text).unwrap_or_default();
        let kind = sk.split('#').next().unwrap_or_default();
        let read = match (pk.split('#').next().unwrap_or_default(), kind) {
            ("WAVE", "WAVE") => push(&mut self.waves, data),
            ("WAVE", "BATCH") => push(&mut self.batches, data),
            ("WAVE", "SERVER") => push(&mut self.servers, data),
            ("WAVE", "DNS") => push(&mut self.dns, data),
            ("WAVE", "DATABASE") => push(&mut self.databases, data),
            ("CLAIM", _) if data.get("databaseId").is_some() => push(&mut self.database_claims, data),
            ("CLAIM", _) => push(&mut self.claims, data),
            ("WAVE", "LOG") => LogRecord::deserialize(data).map(|line| {
                self.log.push((pk.trim_start_matches("WAVE#").to_owned(), line));
            }),
            _ => Ok(()),
        };
        if let Err(error) = read {
            self.broken.push(format!("{pk} / {sk}: {error}"));
        }
    }
}

fn push<T: DeserializeOwned>(records: &mut Vec<T>, data: &Value) -> Result<(), serde_json::Error> {
    records.push(T::deserialize(data)?);
    Ok(())
}

impl World {
    /// The wave table now.
    pub fn records(&self) -> Records {
        let mut records = Records::default();
        for item in self.cloud.table_items(TABLE) {
            records.add(&item);
        }
        records
    }
}
