//! A batch: servers that go through MGN in one job.

use crate::ids::{JobId, WaveId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobPhase {
    /// Test instances are launched.
    Test,
    /// Test instances are terminated.
    TestTermination,
    /// Cutover instances are launched.
    Cutover,
    /// Instances are terminated by a rollback.
    RollbackTermination,
}

impl JobPhase {
    /// As it stands in keys, tags and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "TEST",
            Self::TestTermination => "TEST_TERMINATION",
            Self::Cutover => "CUTOVER",
            Self::RollbackTermination => "ROLLBACK_TERMINATION",
        }
    }
}

/// The intent to start a job, and what became of it. MGN's start calls take no client token, so a call whose answer was
/// lost is found again by the intent's id, which the job carries as a tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobIntent {
    /// Names the intent; the tag `landfall:intent` of the job.
    pub intent_id: String,
    /// The epoch that intended it.
    pub epoch: u64,
    /// When it was put on record, before the call.
    pub intended_at: Timestamp,
    /// Until when the job must be over.
    pub deadline: Timestamp,
    /// How many servers were asked for.
    pub servers: u32,
    /// The job, once the answer was seen or the job was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// When it was seen to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}

/// Which execution works on a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The execution.
    pub execution_arn: String,
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Since when.
    pub at: Timestamp,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRecord {
    /// The wave.
    pub wave_id: WaveId,
    /// Its number, from 1.
    pub number: u32,
    /// The move group it belongs to.
    pub move_group: String,
    /// How many servers it has.
    pub servers: u32,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Its jobs, by [`JobPhase`].
    #[serde(default)]
    pub jobs: BTreeMap<String, JobIntent>,
}

impl BatchRecord {
    /// The job of a phase.
    pub fn job(&self, phase: JobPhase) -> Option<&JobIntent> {
        self.jobs.get(phase.as_str())
    }
}
