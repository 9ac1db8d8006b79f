//! Who calls: the function, its invocation, and the switch that kills it.

use std::sync::Arc;

use tokio::sync::watch;

/// The identity that a client's calls carry into the ledger and into fault rules.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The function's name, or `operator` for a person.
    pub name: String,
    /// Tells invocations of one function apart.
    pub invocation: u64,
    /// Tripped when a fault kills this invocation.
    pub killed: KillSwitch,
}

impl Caller {
    /// A caller with a fresh switch.
    pub fn new(name: &str, invocation: u64) -> Caller {
        Caller {
            name: name.to_owned(),
            invocation,
            killed: KillSwitch::new(),
        }
    }
}

/// Ends an invocation from outside: whoever runs the function selects on [`KillSwitch::tripped`] and drops it.
#[derive(Debug, Clone)]
pub struct KillSwitch {
    state: Arc<watch::Sender<bool>>,
}

impl KillSwitch {
    /// A switch that nobody tripped yet.
    pub fn new() -> KillSwitch {
        KillSwitch {
            state: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Kills. Tripping twice is the same as once.
    pub fn trip(&self) {
        self.state.send_replace(true);
    }

    /// Whether it was tripped.
    pub fn is_tripped(&self) -> bool {
        *self.state.borrow()
    }

    /// Resolves once the switch is tripped, at once if it already is.
    pub async fn tripped(&self) {
        let mut changes = self.state.subscribe();
        // The sender lives in `self`, so waiting cannot end without the value.
        let _ = changes.wait_for(|killed| *killed).await;
    }
}

impl Default for KillSwitch {
    fn default() -> KillSwitch {
        KillSwitch::new()
    }
}
