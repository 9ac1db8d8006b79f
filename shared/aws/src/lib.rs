//! AWS in, domain out.
//!
//! Adapters for the services Landfall drives (concrete SDK clients; a simulated AWS sits below the SDK, so nothing here
//! is mocked), the wave table, the waiting pattern, and the shell of a Lambda function.

pub mod classify;
pub mod cloudwatch;
pub mod commands;
pub mod database;
pub mod database_step;
pub mod deps;
pub mod dms;
pub mod dns_change;
pub mod document_database;
pub mod ec2;
pub mod executions;
pub mod freeze;
pub mod hold;
pub mod input;
pub mod jobs;
pub mod launched;
pub mod lifecycle;
pub mod mgn;
pub mod quota;
pub mod read;
pub mod remote_database;
pub mod route53;
pub mod scheduler;
pub mod secrets;
pub mod sequences;
pub mod sfn;
pub mod shell;
pub mod sns;
pub mod ssm;
pub mod step;
pub mod switch_point;
pub mod table;
pub mod waiting;
pub mod warm;

pub use deps::{Clock, Config, Deps, Ids};
pub use input::{Callback, parse};
pub use step::Step;
