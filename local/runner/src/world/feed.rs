//! What happens in a world, told as it happens to whoever listens: the screen, a log, a test.

use super::{World, lock};
use asl::{ExecutionDescription, ExecutionStatus, HistoryEvent};
use jiff::Timestamp;
use landfall_cloud::Notification;
use landfall_domain::record::{ApprovalKind, Decision};
use serde_json::Value;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An execution began.
    Started {
        /// The state machine's name.
        machine: String,
        /// The execution's name.
        execution: String,
    },
    /// An execution entered a state.
    Entered {
        /// The state machine's name.
        machine: String,
        /// The execution's name.
        execution: String,
        /// The state.
        state: String,
    },
    /// An execution closed.
    Closed {
        /// The state machine's name.
        machine: String,
        /// The execution's name.
        execution: String,
        /// How.
        status: ExecutionStatus,
    },
    /// A function has ended.
    Invoked {
        /// The function.
        function: String,
    },
    /// A service emitted an event, whether or not it arrives.
    Event {
        /// As in `MGN Source Server Launch Result`.
        detail_type: String,
        /// What the event says happened, as in `TEST_LAUNCH_SUCCEEDED`.
        state: String,
        /// The source server it is about.
        server: String,
    },
    /// Landfall told people something.
    Message {
        /// The subject.
        subject: String,
    },
    /// A person answered a question.
    Answered {
        /// The wave.
        wave: String,
        /// What was asked.
        kind: ApprovalKind,
        /// What was said.
        decision: Decision,
    },
    /// The script of a scenario did something.
    Script(String),
}

/// Told of everything that happens, with the virtual time.
pub type Listener = Arc<dyn Fn(Timestamp, &Notice) + Send + Sync>;

impl World {
    /// Adds a listener for everything that happens from now on.
    pub fn listen(&self, listener: Listener) {
        lock(&self.inner.listeners).push(listener);
    }

    /// Tells every listener.
    pub(crate) fn tell(&self, notice: &Notice) {
        let listeners = lock(&self.inner.listeners).clone();
        let at = self.now();
        for listener in listeners {
            listener(at, notice);
        }
    }

    /// Calls back for every message that is published, without keeping the world alive.
    pub(crate) fn on_message(&self, call: impl Fn(&World, &Notification) + Send + Sync + 'static) {
        let outside = self.outside();
        self.cloud.sns().on_publish(Arc::new(move |notification| {
            if let Some(world) = outside.world() {
                call(&world, notification);
            }
        }));
    }

    /// Has the cloud's own observers speak to the listeners.
    pub(super) fn feed(&self) {
        let outside = self.outside();
        self.engine().on_status_change(Arc::new(move |execution| {
            if let Some(world) = outside.world() {
                world.tell(&status_notice(execution));
            }
        }));
        let outside = self.outside();
        self.engine().on_history_event(Arc::new(move |arn, event| {
            if let (Some(world), Some(notice)) = (outside.world(), entered_notice(arn, event)) {
                world.tell(&notice);
            }
        }));
        let outside = self.outside();
        self.cloud.events().on_emit(Arc::new(move |event| {
            if let (Some(world), Some(notice)) = (outside.world(), event_notice(event)) {
                world.tell(&notice);
            }
        }));
        self.on_message(|world, notification| {
            let subject = notification.subject.clone().unwrap_or_default();
            world.tell(&Notice::Message { subject });
        });
    }
}

/// Machine and execution of an execution's ARN.
fn names(arn: &str) -> (String, String) {
    let mut parts = arn.rsplit(':');
    let execution = parts.next().unwrap_or_default().to_owned();
    (parts.next().unwrap_or_default().to_owned(), execution)
}

fn status_notice(described: &ExecutionDescription) -> Notice {
    let (machine, execution) = names(&described.execution_arn);
    match described.status {
        ExecutionStatus::Running => Notice::Started { machine, execution },
        status => Notice::Closed {
            machine,
            execution,
            status,
        },
    }
}

fn entered_notice(arn: &str, event: &HistoryEvent) -> Option<Notice> {
    if !event.event_type.ends_with("StateEntered") {
        return None;
    }
    let (_, details) = event.details.as_ref()?;
    let (machine, execution) = names(arn);
    let state = details["name"].as_str()?.to_owned();
    Some(Notice::Entered {
        machine,
        execution,
        state,
    })
}

fn event_notice(event: &Value) -> Option<Notice> {
    if event["source"] != "aws.mgn" {
        return None;
    }
    let server = event["resources"][0].as_str().unwrap_or_default();
    Some(Notice::Event {
        detail_type: event["detail-type"].as_str().unwrap_or_default().to_owned(),
        state: event["detail"]["state"].as_str().unwrap_or_default().to_owned(),
        server: server.rsplit('/').next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_an_execution_are_the_end_of_its_arn() {
        let arn = "arn:aws:states:eu-west-1:111122223333:execution:migrate-wave:web-1";
        assert_eq!(names(arn), ("migrate-wave".to_owned(), "web-1".to_owned()));
    }
}
