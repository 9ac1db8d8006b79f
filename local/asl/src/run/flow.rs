//! Running a flow: entering states, leaving them, following their transitions.

use super::chain::Chain;
use super::context::{Item, StateContext};
use super::slot::{Inside, Position, Slot};
use super::{Failure, Severity, state};
use crate::engine::Inner;
use crate::engine::execution::Execution;
use crate::history::whole;
use crate::jsonata::Variables;
use crate::model::{Flow, State};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What all flows of an execution share, and what a flow inherits.
#[derive(Clone)]
pub(crate) struct Scope {
    pub inner: Arc<Inner>,
    pub execution: Arc<Execution>,
    pub variables: Arc<Variables>,
    pub item: Option<Arc<Item>>,
}

/// One flow while it runs.
pub(crate) struct Frame {
    pub inner: Arc<Inner>,
    pub execution: Arc<Execution>,
    pub variables: Arc<Variables>,
    pub item: Option<Arc<Item>>,
    pub slot: Arc<Slot>,
    pub chain: Chain,
}

/// How a flow ended, and the event its chain ended with.
pub(crate) struct FlowEnd {
    pub result: Result<Value, Failure>,
    pub head: u64,
}

/// Where a state leads.
pub(crate) enum Step {
    Goto(String, Value),
    End(Value),
}

impl Step {
    pub(crate) fn of(state: &State, output: Value) -> Step {
        match &state.next {
            Some(next) => Step::Goto(next.clone(), output),
            None => Step::End(output),
        }
    }
}

/// Runs a flow from its start with `input`, or from where `slot` says it stood. `head` is the event its
/// chain starts from.
pub(crate) fn run_flow(
    scope: Scope,
    flow: Arc<Flow>,
    slot: Arc<Slot>,
    input: Value,
    head: u64,
) -> BoxFuture<'static, FlowEnd> {
    Box::pin(async move {
        let mut frame = Frame {
            chain: Chain::new(scope.inner.clone(), scope.execution.clone(), head),
            inner: scope.inner,
            execution: scope.execution,
            variables: scope.variables,
            item: scope.item,
            slot,
        };
        let result = frame.run(&flow, input).await;
        if let Ok(output) = &result {
            frame.slot.set(Position::Done(output.clone()));
        }
        FlowEnd {
            result,
            head: frame.chain.head,
        }
    })
}

impl Frame {
    async fn run(&mut self, flow: &Flow, input: Value) -> Result<Value, Failure> {
        let mut at = (flow.start_at.clone(), input);
        let mut resume = match self.slot.get() {
            Position::In(inside) => {
                at = (inside.state.clone(), inside.input.clone());
                self.variables = inside.variables.clone();
                Some(inside)
            }
            _ => None,
        };
        loop {
            let (name, input) = at;
            let Some(next) = flow.states.get(&name).cloned() else {
                // The loader checks every target, so this is a defect of the engine.
                return Err(Failure::runtime(format!("there is no state '{name}'")));
            };
            let context = match &resume {
                Some(inside) => self.resumed(&next, inside),
                None => self.enter(&next, &input)?,
            };
            self.transition();
            let children = resume.take().map(|inside| *inside);
            match state::run_state(self, &next, context, input, children).await? {
                Step::Goto(target, output) => at = (target, output),
                Step::End(output) => return Ok(output),
            }
            // Gives other flows their turn: a loop of states that never wait must not starve them.
            tokio::task::yield_now().await;
        }
    }

    fn enter(&mut self, state: &State, input: &Value) -> Result<StateContext, Failure> {
        let kind = state.kind.name();
        let details = json!({ "name": state.name, "input": input.to_string(), "inputDetails": whole() });
        let entered_id = self.chain.push_step(&format!("{kind}StateEntered"), Some(details))?;
        let entered_time = self.inner.options.clock.now();
        self.slot.set(Position::In(Box::new(Inside {
            state: state.name.clone(),
            kind,
            input: input.clone(),
            variables: self.variables.clone(),
            entered_id,
            entered_time,
            abortable: matches!(kind, "Task" | "Wait" | "Map" | "Parallel"),
            children: Vec::new(),
            map_run: None,
        })));
        Ok(self.context(state, entered_id, entered_time))
    }

    fn resumed(&mut self, state: &State, inside: &Inside) -> StateContext {
        self.slot
            .update(|inside| inside.abortable = matches!(inside.kind, "Task" | "Wait" | "Map" | "Parallel"));
        self.context(state, inside.entered_id, inside.entered_time)
    }

    fn context(&self, state: &State, entered_id: u64, entered_time: jiff::Timestamp) -> StateContext {
        let retryable = matches!(state.kind.name(), "Task" | "Map" | "Parallel");
        StateContext {
            name: state.name.clone(),
            entered_id,
            entered_time,
            retry_count: retryable.then_some(0),
            token: None,
        }
    }

    /// Counts a state transition, as AWS bills them.
    pub(crate) fn transition(&self) {
        self.execution.transitions.fetch_add(1, Ordering::Relaxed);
        self.inner.transitions.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the `EvaluationFailed` event a failure still owes.
    pub(crate) fn record_evaluation(&mut self, state: &str, failure: Failure) -> Failure {
        let Some(error) = failure.evaluation.clone() else {
            return failure;
        };
        let mut details = serde_json::Map::new();
        details.insert("error".to_owned(), json!(failure.error));
        details.insert("cause".to_owned(), json!(failure.cause));
        if let Some(location) = &error.location {
            details.insert("location".to_owned(), json!(location));
        }
        details.insert("state".to_owned(), json!(state));
        match self.chain.push_evaluation_failed(Value::Object(details)) {
            Ok(()) => Failure {
                evaluation: None,
                ..failure
            },
            Err(closed) => closed,
        }
    }

    /// The scope that branches and iterations of a state run in.
    pub(crate) fn scope(&self, item: Option<Arc<Item>>) -> Scope {
        Scope {
            inner: self.inner.clone(),
            execution: self.execution.clone(),
            variables: self.variables.clone(),
            item: item.or_else(|| self.item.clone()),
        }
    }
}

/// Whether a failure is one that retriers, catchers and `…StateFailed` events see.
pub(crate) fn is_error(failure: &Failure) -> bool {
    failure.severity == Severity::Error
}
