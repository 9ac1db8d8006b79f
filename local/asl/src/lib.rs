//! An interpreter of the Amazon States Language, faithful to Standard workflows of AWS Step Functions.
//!
//! [`Engine`] holds state machines and executions and answers the calls of the Step Functions API;
//! task states call a [`TaskHandler`]. Time is `tokio::time` throughout, so a paused clock makes a
//! day-long `Wait` instant. What is simulated, what is refused, and where each rule comes from is in
//! the crate's `README.md`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;
mod clock;
mod engine;
mod error;
mod history;
mod json;
mod jsonata;
mod load;
pub mod mocks;
mod model;
mod resource;
mod run;
mod template;

pub use clock::{Clock, SystemClock, TokioClock};
pub use engine::handler::{TaskCall, TaskFailure, TaskHandler, TaskResource};
pub use engine::types::{EngineOptions, ExecutionDescription, ExecutionStatus, StartedExecution};
pub use engine::{Engine, HistoryListener, StatusListener};
pub use error::{ApiError, ApiErrorCode, DefinitionErrors, Problem};
pub use history::HistoryEvent;
pub use jsonata::evaluate_expression;
pub use run::retry::{matches_error, retry_delay_seconds};
pub use serde_json::Value;
