//! Decisions: what was seen goes in, what to do comes out. No clock, no client, no log.

mod batches;
mod database_state;
mod dns;
mod ending;
mod gates;
mod job;
mod preflight;
mod provisioning;
mod quota;
mod replication;
mod reverse;
mod tables;
mod way_back;

pub use batches::{Batch, cut_batches};
pub use database_state::{is_switched, may_follow};
pub use dns::{Change, Restore, lowered, restore, settled, switched, upserts};
pub use ending::{Ending, ending};
pub use gates::{LaunchGate, Readiness, launch_gate, plannable, readiness};
pub use job::{JobVerdict, ServerResult, job_verdict};
pub use preflight::{Finding, Logins, Severity, preflight};
pub use provisioning::{
    AssessmentStanding, Standing, TaskEnd, assessment_standing, conversion_standing, instance_standing, task_end,
};
pub use quota::{Room, room};
pub use replication::{
    CANARIES, Cover, LagView, TaskStanding, Verification, cover, lag_gate, sums_differ, task_standing, verification,
};
pub use reverse::{mirrored, reverse_settings};
pub use tables::{MISMATCHES_MAX, TABLE_REPORTS_MAX, load_pending, mismatches, replicated, table_reports};
pub use way_back::{loss_is_planned, way_back, way_back_kind};
