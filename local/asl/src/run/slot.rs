//! Where each flow of an execution stands: read to record aborts, and to resume when redriven.

use crate::jsonata::Variables;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// The position of one flow: of the execution, of a branch, of an iteration.
pub(crate) struct Slot(Mutex<Position>);

#[derive(Clone)]
pub(crate) enum Position {
    /// Not started.
    Idle,
    /// Inside a state.
    In(Box<Inside>),
    /// Ended with this output.
    Done(Value),
}

#[derive(Clone)]
pub(crate) struct Inside {
    pub state: String,
    pub kind: &'static str,
    pub input: Value,
    pub variables: Arc<Variables>,
    pub entered_id: u64,
    pub entered_time: Timestamp,
    /// Whether a `…StateAborted` event is due if the flow ends here.
    pub abortable: bool,
    /// Branches of a Parallel, iterations of an inline Map.
    pub children: Vec<Child>,
    /// Runs of a distributed Map.
    pub map_run: Option<Arc<MapRun>>,
}

#[derive(Clone)]
pub(crate) struct Child {
    pub slot: Arc<Slot>,
    /// The iteration's index, in a Map.
    pub iteration: Option<usize>,
}

/// A distributed Map's run: its children are executions of their own.
pub(crate) struct MapRun {
    pub arn: String,
    pub inputs: Vec<Value>,
    /// Items in each child's input.
    pub sizes: Vec<usize>,
    /// ARNs of the children that were started, by index.
    pub children: Mutex<Vec<Option<String>>>,
    pub redrives: Mutex<u32>,
}

impl Slot {
    pub(crate) fn idle() -> Arc<Slot> {
        Arc::new(Slot(Mutex::new(Position::Idle)))
    }

    pub(crate) fn get(&self) -> Position {
        self.0.lock().expect("slot poisoned").clone()
    }

    pub(crate) fn set(&self, position: Position) {
        *self.0.lock().expect("slot poisoned") = position;
    }

    /// Changes the state the flow is in; does nothing outside of one.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Inside)) {
        if let Position::In(inside) = &mut *self.0.lock().expect("slot poisoned") {
            change(inside);
        }
    }

    /// The `…StateAborted` and `MapIterationAborted` events due in this flow, innermost first. An
    /// iteration's own event is the caller's to record, before these.
    pub(crate) fn aborted_events(&self) -> Vec<Aborted> {
        let mut events = Vec::new();
        if let Position::In(inside) = self.get() {
            for child in &inside.children {
                if !matches!(child.slot.get(), Position::In(_)) {
                    continue;
                }
                if let Some(index) = child.iteration {
                    events.push(Aborted::Iteration(inside.state.clone(), index));
                }
                events.extend(child.slot.aborted_events());
            }
            if inside.abortable {
                if inside.map_run.is_some() {
                    events.push(Aborted::MapRun);
                }
                events.push(Aborted::State(inside.kind));
            }
        }
        events
    }
}

/// An event that says that something was cut short.
pub(crate) enum Aborted {
    /// A state of this type.
    State(&'static str),
    /// The run of a distributed Map.
    MapRun,
    /// An iteration of the named Map.
    Iteration(String, usize),
}
