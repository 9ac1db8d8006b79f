//! The simulated DMS and its metrics, through the SDK's clients, on a paused clock.

mod common;

#[path = "dms_suite/lifecycle.rs"]
mod lifecycle;
#[path = "dms_suite/metrics.rs"]
mod metrics;
#[path = "dms_suite/rows.rs"]
mod rows;
#[path = "dms_suite/support.rs"]
mod support;
