//! The interpreter's own suite. Histories named "recorded" are what real Step Functions was seen to emit
//! for the same shape of definition.

mod cli;
mod definitions;
mod distributed;
mod executions;
mod expressions;
mod histories;
mod histories_failing;
mod mocks;
mod retries;
mod support;
mod tasks;
mod tokens;
