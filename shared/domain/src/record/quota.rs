//! MGN's limits on what is open at once in an account and Region, shared by all waves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Jobs that may be open at once.
/// <https://docs.aws.amazon.com/general/latest/gr/mgn.html>
pub const OPEN_JOBS_MAX: usize = 20;

/// Servers that may be in open jobs at once, over all jobs.
pub const OPEN_SERVERS_MAX: usize = 200;

/// A place taken before a job is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// How many servers.
    pub servers: u32,
    /// When it was taken.
    pub at: Timestamp,
}

/// The places taken in an account and Region; at most [`OPEN_JOBS_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaRecord {
    /// By the id of the intent.
    pub reservations: BTreeMap<String, Reservation>,
}
