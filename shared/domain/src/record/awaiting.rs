//! A token that waits, kept under what it waits for.

use crate::ids::WaveId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is waited for; the function that reads it again when an event comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AwaitKind {
    /// Servers of a wave to become ready for testing.
    Readiness,
    /// An MGN job.
    Job,
    /// A DMS replication instance or task.
    Replication,
    /// A person.
    Approval,
    /// Something that no event announces: only re-entry reads it again.
    Poll,
}

/// Which of two tokens of one state is the newer: by the time the state was entered, then redrives, then retries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenAge {
    /// When the state was entered.
    pub entered_at: Timestamp,
    /// How often the execution was redriven.
    pub redrive_count: u64,
    /// How often the state was retried.
    pub retry_count: u64,
}

/// A token that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AwaitRecord {
    /// What it waits for.
    pub kind: AwaitKind,
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch.
    pub epoch: u64,
    /// The token of the task.
    pub token: String,
    /// How new the token is.
    pub age: TokenAge,
    /// The input of the function that entered the wait, so that it can read again.
    pub input: serde_json::Value,
    /// Until when somebody is reading already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading_until: Option<Timestamp>,
}
