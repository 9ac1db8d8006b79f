//! What a rollback after the switch does with what was written on the target.

use crate::plan::Acceptance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a rollback after the switch does with what was written on the target. Without either, somebody is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum FailBack {
    /// A reverse task carries it back, from the target's log position before the target was opened. A rollback is then
    /// a cutover in the other direction, and loses nothing.
    ReverseReplication {},
    /// It is lost, and somebody accepts that beforehand.
    AcceptLoss(Acceptance),
}
