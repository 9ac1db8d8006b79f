//! Simulated AWS in one process: one function from HTTP request to HTTP response, on tokio's paused clock.
//!
//! [`Cloud`] holds the services. Real SDK clients reach it through [`Cloud::sdk_config`], anything else that speaks
//! HTTP through [`Cloud::handle`]. Whatever is not simulated is an error `NotSimulated` that names it.

pub mod caller;
pub mod calls;
pub mod clock;
pub mod cloud;
pub mod connector;
pub mod databases;
pub mod dms;
pub mod dynamodb;
pub mod eventbridge;
pub mod faults;
pub mod fleet;
pub mod hub;
pub mod knobs;
pub mod lambda;
mod operations;
pub mod parameters;
pub mod protocol;
pub mod random;
pub mod route53;
pub mod scheduler;
pub mod secrets;
pub mod sns;
mod stepfunctions;

pub use caller::{Caller, KillSwitch};
pub use calls::{CallRecord, Outcome};
pub use clock::VirtualClock;
pub use cloud::{Answer, Cloud, CloudOptions, Reply};
pub use connector::Connector;
pub use databases::{DatabaseFleet, DatabaseKnobs};
pub use dms::{Dms, DmsKnobs};
pub use dynamodb::DynamoDb;
pub use eventbridge::{DeliveryKnobs, EventBus, EventFate, EventKnobs, EventLogEntry, EventPattern};
pub use faults::{Authorizer, CallContext, Fault, FaultRule};
pub use fleet::{Fleet, FleetKnobs};
pub use hub::{AwsError, EventDetail, Hub};
pub use knobs::Knobs;
pub use route53::{Route53, Route53Knobs};
pub use scheduler::{Scheduler, SchedulerKnobs};
pub use secrets::Secrets;
pub use sns::{Notification, Sns};
