//! Decisions: what was seen goes in, what to do comes out. No clock, no client, no log.

mod batches;
mod database_state;
mod dns;
mod ending;
mod gates;
mod job;
mod preflight;
mod quota;
mod replication;
mod way_back;

pub use batches::{Batch, cut_batches};
pub use database_state::{is_switched, may_follow};
pub use dns::{Change, Restore, lowered, restore, settled, switched, upserts};
pub use ending::{Ending, ending};
pub use gates::{LaunchGate, Readiness, launch_gate, plannable, readiness};
pub use job::{JobVerdict, ServerResult, job_verdict};
pub use preflight::{Finding, Logins, Severity, preflight};
pub use quota::{Room, room};
pub use replication::{
    CANARIES, Cover, LagView, TaskStanding, Verification, cover, lag_gate, sums_differ, task_standing, verification,
};
pub use way_back::{way_back, way_back_kind};
