//! Databases in the report.

use crate::record::DatabaseRecord;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a database stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DatabaseOutcome {
    /// Nothing was made for it yet.
    Waiting,
    /// Its replication is being set up, or loads.
    Loading,
    /// Everything is loaded and found equal; changes follow.
    Replicating,
    /// It is being cut over: its source is closed, or the switch is on record and not finished.
    CuttingOver,
    /// Applications write on the target.
    Switched,
    /// Applications write on the target, and its replication is ended.
    Finalized,
    /// An attempt was refused or taken back; applications write on the source.
    TakenBack,
    /// It is on its source for good: the wave went back.
    RolledBack,
    /// It is held for a person.
    Held,
}

/// One table of a database, as verified last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// Schema and table on the source.
    pub name: String,
    /// Rows of the full load.
    pub rows: u64,
    /// DMS's state of the validation, or `CHECKSUM` where count and checksum were compared, or `WAIVED`.
    pub state: String,
    /// Rows that are not compared yet.
    pub pending: u64,
    /// Rows that differ.
    pub failed: u64,
}

/// What a database's applications waited for, in milliseconds, in this order. Parts add up to the downtime.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseDowntime {
    /// From the intent to freeze to the refused probe.
    pub freeze_ms: u64,
    /// From there to the fence that was read on the target.
    pub drain_ms: u64,
    /// From there to everything found equal.
    pub verify_ms: u64,
    /// From there to a target that is ready.
    pub ready_ms: u64,
    /// From there to the switch point that holds the target's value.
    pub switch_ms: u64,
}

/// Milliseconds from one instant to a later one; 0 when it is not later.
pub fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

impl DatabaseDowntime {
    /// The downtime of a cutover that reached its switch. A part that was not taken has no length; the parts add up to the
    /// time from the intent to freeze to the switch.
    pub fn of(database: &DatabaseRecord) -> Option<Self> {
        let (closing, cutover) = (&database.source_closing, &database.cutover);
        let (mut last, end) = (closing.intended_at?, cutover.switched_at?);
        let mut part = |at: Option<Timestamp>| {
            let at = at.unwrap_or(last).clamp(last, end.max(last));
            let length = milliseconds(last, at);
            last = at;
            length
        };
        Some(Self {
            freeze_ms: part(closing.closed_at),
            drain_ms: part(database.counting_fence().seen_at),
            verify_ms: part(cutover.verified_at),
            ready_ms: part(cutover.ready_at),
            switch_ms: part(Some(end)),
        })
    }

    /// All of it.
    pub fn total_ms(&self) -> u64 {
        self.freeze_ms + self.drain_ms + self.verify_ms + self.ready_ms + self.switch_ms
    }
}

/// One database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseReport {
    /// The database.
    pub database_id: String,
    /// From which engine.
    pub source_engine: String,
    /// To which engine.
    pub target_engine: String,
    /// Which move group.
    pub move_group: String,
    /// How it stands.
    pub outcome: DatabaseOutcome,
    /// Where applications write now: `SOURCE`, `TARGET`, or `NOWHERE` while both sides are closed to them.
    pub writes_on: String,
    /// One sentence: what happened to it.
    pub sentence: String,
    /// Full load in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u32>,
    /// When replication had loaded and validated everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub loaded_at: Option<Timestamp>,
    /// When the last closing of the source was put on record, before anything was changed. Downtime begins here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub frozen_at: Option<Timestamp>,
    /// Since when applications can write nowhere. Absent when they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub closed_since: Option<Timestamp>,
    /// When a closed source opens by itself. Absent unless it would.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub opens_at: Option<Timestamp>,
    /// When the switch was on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub committed_at: Option<Timestamp>,
    /// When applications were pointed at the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub switched_at: Option<Timestamp>,
    /// When the source was opened again, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reopened_at: Option<Timestamp>,
    /// The downtime of a cutover that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<DatabaseDowntime>,
    /// The downtime of an attempt that was taken back, from the freeze to the opened source, in milliseconds; of a database
    /// that went back after its switch, from the closing of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_downtime_ms: Option<u64>,
    /// The slowest of the last ten canaries, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// Its tables.
    pub tables: Vec<TableReport>,
    /// Rows that differ, each a sentence.
    pub mismatches: Vec<String>,
    /// What was found beforehand.
    pub findings: Vec<String>,
    /// What is waived, each a sentence.
    pub waivers: Vec<String>,
    /// What a rollback would do with what was written on the target.
    pub fail_back: String,
    /// What is left and has to be ended by hand.
    pub left: Vec<String>,
}
