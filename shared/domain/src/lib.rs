//! What a migration is: plans, lifecycles, decisions and errors.
//!
//! Nothing here calls a service, reads a clock or runs concurrently: what was seen goes in as data, and decisions come
//! out as data. Everything that acts is in `landfall-aws` and in the functions.

pub mod database;
pub mod decide;
pub mod error;
pub mod ids;
pub mod observe;
pub mod observe_dms;
pub mod plan;
pub mod record;
pub mod report;
pub mod text;
mod words;

pub use error::{ErrorClass, StepError};
