//! What exists before a migration: source servers with their agents, record sets that point at them, and databases.

use super::{World, lock};
use landfall_cloud::fleet::SourceServerSpec;
use landfall_cloud::route53::RecordSet;
use landfall_domain::plan::{ProgramPlan, RecordType, WavePlan};
use std::collections::BTreeSet;

/// The TTL of every record set at the beginning, in seconds.
pub const ORIGINAL_TTL_SECONDS: u32 = 300;

/// A record set as it was before anything happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalSet {
    /// Its zone.
    pub hosted_zone_id: String,
    /// The set.
    pub set: RecordSet,
    /// The wave that switches it.
    pub wave_id: String,
}

impl World {
    /// Sets up what a program finds: its servers, replicating and ready for test, and its record sets.
    pub fn load_program(&self, program: &ProgramPlan) {
        for wave in &program.waves {
            self.load_wave(wave);
        }
    }

    /// Sets up what a wave finds. Servers run the services that their plan stops; record sets point at them, with the
    /// TTL of [`super::WorldOptions::original_ttl_seconds`]. Databases have their logins, tables and secrets.
    pub fn load_wave(&self, wave: &WavePlan) {
        let first = lock(&self.inner.plans)
            .iter()
            .map(|wave| wave.servers.len())
            .sum::<usize>();
        for (index, server) in wave.servers.iter().enumerate() {
            let id = server.source_server_id.as_str();
            let mut spec = SourceServerSpec::ready(id, &server.hostname, &source_address(first + index));
            spec.managed_instance_id = Some(server.quiesce.managed_instance_id.as_str().to_owned());
            if !server.quiesce.services.is_empty() {
                spec.services = server.quiesce.services.clone();
            }
            self.cloud.fleet().add_source_server(spec);
        }
        let mut zones = BTreeSet::new();
        for record in &wave.traffic.dns {
            let zone = record.hosted_zone_id.as_str();
            let known = !self.cloud.route53().records(zone).is_empty();
            if !known && zones.insert(zone.to_owned()) {
                self.cloud.route53().add_zone(zone, zone_name(&record.name));
            }
            let source = wave
                .servers
                .iter()
                .position(|server| server.source_server_id == record.source_server_id);
            let address = source_address(first + source.unwrap_or_default());
            let value = match record.record_type {
                RecordType::A => address,
                RecordType::Aaaa => format!("2001:db8::{}", address.replace('.', ":")),
                RecordType::Cname => format!("source-{}", record.stored_name()),
            };
            let mut set = RecordSet::simple(
                &record.name,
                record.record_type.as_str(),
                self.inner.original_ttl_seconds,
                &[&value],
            );
            if let Some(member) = &record.set_identifier {
                set = set.weighted(member, 100);
            }
            let put = self.cloud.route53().put_record(zone, set.clone());
            put.expect("the zone has just been added");
            lock(&self.inner.originals).push(OriginalSet {
                hosted_zone_id: zone.to_owned(),
                set,
                wave_id: wave.wave_id.to_string(),
            });
        }
        for database in &wave.databases {
            self.load_database(wave.wave_id.as_str(), database);
        }
        lock(&self.inner.plans).push(wave.clone());
    }

    /// The plans that were set up, in order.
    pub fn plans(&self) -> Vec<WavePlan> {
        lock(&self.inner.plans).clone()
    }

    /// The record sets as they were set up.
    pub fn originals(&self) -> Vec<OriginalSet> {
        lock(&self.inner.originals).clone()
    }
}

/// The private address of the n-th source server.
fn source_address(index: usize) -> String {
    format!("10.10.{}.{}", index / 200, 11 + index % 200)
}

/// The zone of a name: everything behind its first label.
fn zone_name(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, zone)| zone)
}
