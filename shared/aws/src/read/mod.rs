//! What a wait reads. The function that enters a wait and `on-event`, which hears of it, read the same way: here.

pub mod job;
pub mod readiness;
pub mod replication;
