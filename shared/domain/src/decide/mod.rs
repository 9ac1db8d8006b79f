//! Decisions: what was seen goes in, what to do comes out. No clock, no client, no log.

mod batches;
mod dns;
mod ending;
mod gates;
mod job;
mod quota;
mod way_back;

pub use batches::{Batch, cut_batches};
pub use dns::{Change, Restore, lowered, restore, settled, switched, upserts};
pub use ending::{Ending, ending};
pub use gates::{LaunchGate, Readiness, launch_gate, plannable, readiness};
pub use job::{JobVerdict, ServerResult, job_verdict};
pub use quota::{Room, room};
pub use way_back::{way_back, way_back_kind};
