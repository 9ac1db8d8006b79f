//! A loaded definition: everything checked, every expression found.

use crate::resource::Resource;
use crate::template::Template;
use indexmap::IndexMap;
use std::sync::Arc;

/// A state machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub flow: Arc<Flow>,
    /// Seconds an execution may take.
    pub timeout_seconds: Option<u64>,
}

/// A set of states with a start: a machine, a Parallel branch, or a Map's processor.
#[derive(Debug)]
pub(crate) struct Flow {
    pub start_at: String,
    pub states: IndexMap<String, Arc<State>>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub name: String,
    pub kind: Kind,
    /// `None` ends the flow.
    pub next: Option<String>,
    pub assign: Option<Template>,
    pub output: Option<Template>,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Pass,
    Succeed,
    Fail {
        error: Option<Template>,
        cause: Option<Template>,
    },
    Wait(WaitFor),
    Choice {
        rules: Vec<Rule>,
        default: Option<String>,
    },
    Task(Task),
    Parallel {
        branches: Vec<Arc<Flow>>,
        arguments: Option<Template>,
    },
    Map(Box<Map>),
}

impl Kind {
    /// The state type as definitions and histories spell it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Pass => "Pass",
            Kind::Succeed => "Succeed",
            Kind::Fail { .. } => "Fail",
            Kind::Wait(_) => "Wait",
            Kind::Choice { .. } => "Choice",
            Kind::Task(_) => "Task",
            Kind::Parallel { .. } => "Parallel",
            Kind::Map(_) => "Map",
        }
    }
}

#[derive(Debug)]
pub(crate) enum WaitFor {
    Seconds(Template),
    Timestamp(Template),
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub condition: Template,
    pub next: String,
    pub assign: Option<Template>,
    pub output: Option<Template>,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub resource: Resource,
    pub arguments: Option<Template>,
    pub timeout_seconds: Option<Template>,
    pub heartbeat_seconds: Option<Template>,
}

#[derive(Debug)]
pub(crate) struct Map {
    pub items: Option<Template>,
    pub item_selector: Option<Template>,
    pub processor: Arc<Flow>,
    pub max_concurrency: Option<Template>,
    pub distributed: Option<Distributed>,
    pub tolerated_count: Option<Template>,
    pub tolerated_percentage: Option<Template>,
}

/// What only a distributed Map has.
#[derive(Debug)]
pub(crate) struct Distributed {
    pub label: Option<String>,
    pub batcher: Option<Batcher>,
}

#[derive(Debug)]
pub(crate) struct Batcher {
    pub max_items: Option<Template>,
    pub max_bytes: Option<Template>,
    pub batch_input: Option<Template>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Retrier {
    pub error_equals: Vec<String>,
    pub interval_seconds: u64,
    pub max_attempts: u64,
    pub backoff_rate: f64,
    pub max_delay_seconds: Option<u64>,
    pub full_jitter: bool,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub error_equals: Vec<String>,
    pub next: String,
    pub assign: Option<Template>,
    pub output: Option<Template>,
}
