//! Landfall on one machine: the world in which the product runs against simulated AWS, the scripted operator, the
//! invariants, and the scenarios of the demo.

#![forbid(unsafe_code)]

pub mod cli;
pub mod evidence;
pub mod invariants;
pub mod numbers;
pub mod operator;
pub mod plans;
pub mod record;
pub mod scenarios;
pub mod summary;
pub mod ui;
pub mod up;
pub mod world;
