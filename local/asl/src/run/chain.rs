//! The chain of `previousEventId`s that one flow adds events to.

use super::Failure;
use crate::engine::Inner;
use crate::engine::execution::Execution;
use serde_json::Value;
use std::sync::Arc;

/// The end of a flow's chain of events.
pub(crate) struct Chain {
    inner: Arc<Inner>,
    execution: Arc<Execution>,
    /// The event that the next one follows.
    pub head: u64,
    /// The event that an `EvaluationFailed` follows. Histories recorded on AWS show it following the
    /// event before `…StateEntered` when a state fails in the same step as it is entered.
    before_step: u64,
}

impl Chain {
    pub(crate) fn new(inner: Arc<Inner>, execution: Arc<Execution>, head: u64) -> Chain {
        Chain {
            inner,
            execution,
            head,
            before_step: head,
        }
    }

    /// Adds an event after the head, which it becomes.
    pub(crate) fn push(&mut self, event_type: &str, details: Option<Value>) -> Result<u64, Failure> {
        self.head = self.beside(self.head, event_type, details)?;
        self.before_step = self.head;
        Ok(self.head)
    }

    /// Adds an event that opens a step: until the next one, a failed evaluation follows the event before.
    pub(crate) fn push_step(&mut self, event_type: &str, details: Option<Value>) -> Result<u64, Failure> {
        let before = self.head;
        self.push(event_type, details)?;
        self.before_step = before;
        Ok(self.head)
    }

    /// Continues after `event`, which another flow or a passed-by event may have added.
    pub(crate) fn jump(&mut self, event: u64) {
        self.head = event;
        self.before_step = event;
    }

    /// Ends the step that the last event opened: a failed evaluation now follows the head.
    pub(crate) fn settle(&mut self) {
        self.before_step = self.head;
    }

    /// Adds `EvaluationFailed`.
    pub(crate) fn push_evaluation_failed(&mut self, details: Value) -> Result<(), Failure> {
        self.head = self.before_step;
        self.push("EvaluationFailed", Some(details)).map(|_| ())
    }

    /// Adds an event after `previous` that the chain passes by; gives its id.
    pub(crate) fn beside(&self, previous: u64, event_type: &str, details: Option<Value>) -> Result<u64, Failure> {
        self.inner.record(&self.execution, previous, event_type, details)
    }
}
