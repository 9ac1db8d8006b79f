//! The simulated fleet against the rules of MGN, EC2 and SSM, on a paused clock.

// The services' own error type is as large as AWS's error shapes are.
#![allow(clippy::result_large_err)]

#[path = "fleet_suite/support.rs"]
mod support;

#[path = "fleet_suite/data.rs"]
mod data;
#[path = "fleet_suite/ec2.rs"]
mod ec2;
#[path = "fleet_suite/jobs.rs"]
mod jobs;
#[path = "fleet_suite/lifecycle.rs"]
mod lifecycle;
#[path = "fleet_suite/quotas.rs"]
mod quotas;
#[path = "fleet_suite/ssm.rs"]
mod ssm;
