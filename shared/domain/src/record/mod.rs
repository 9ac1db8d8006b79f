//! What the wave table remembers: one struct an item, and nothing that grows with servers inside an item.
//!
//! Facts are instants and outcomes, never a single status that would have to be kept in step with them: what a wave
//! has to undo is read off the facts ([`crate::decide`]).

mod awaiting;
mod batch;
mod database;
mod dns;
mod quota;
mod server;
mod wave;

pub use awaiting::{AwaitKind, AwaitRecord, TokenAge};
pub use batch::{BatchRecord, JobIntent, JobPhase, Lease};
pub use database::{
    CanaryFacts, Closing, CutoverFacts, DatabaseRecord, DatabaseState, FailBackFacts, FenceFacts, FreezeRecord,
    LoginRecord, ReplicationFacts, Resource, SettingRecord,
};
pub use dns::{DnsRecord, DnsTarget, RecordSet};
pub use quota::{OPEN_JOBS_MAX, OPEN_SERVERS_MAX, QuotaRecord, Reservation};
pub use server::{CheckRun, CommandFacts, LaunchFacts, QuiesceFacts, ServerRecord};
pub use wave::{
    ApprovalKind, ApprovalRecord, ClaimRecord, DatabaseClaimRecord, Decision, Direction, LogRecord, NextStep, Phase,
    PhaseRecord, WaveRecord, WaveStatus,
};
