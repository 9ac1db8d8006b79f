//! Gates: what a server must show before the next step.

use crate::error::StepError;
use crate::observe::{Lifecycle, Replication, ServerView};
use jiff::Timestamp;

/// Whether a server can be tested now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// Not yet; why.
    NotYet(String),
    /// Never, as it stands; why and what to do.
    Refused(String),
}

/// Says why a server cannot be part of a new wave, with its state and the remedy; [`None`] when it can. A server that
/// an earlier attempt of the same wave left in a later state is taken up again (`own` is true).
pub fn plannable(server: &ServerView, own: bool) -> Option<String> {
    let id = &server.id;
    if server.archived {
        return Some(format!(
            "server {id} is archived; unarchive it in the MGN console, or leave it out of the plan"
        ));
    }
    let state = &server.lifecycle;
    let remedy = match state {
        Lifecycle::NotReady | Lifecycle::ReadyForTest => return None,
        Lifecycle::Testing | Lifecycle::ReadyForCutover | Lifecycle::CuttingOver if own => return None,
        Lifecycle::Testing | Lifecycle::ReadyForCutover => {
            "revert it to \"ready for testing\" and terminate its test instance first"
        }
        Lifecycle::CuttingOver => "revert or finalize its present cutover first",
        Lifecycle::Cutover => "it is cut over already: leave it out of the plan",
        Lifecycle::Stopped => "start its replication first",
        Lifecycle::Disconnected | Lifecycle::Discovered | Lifecycle::PendingInstallation => {
            "install the replication agent first"
        }
        Lifecycle::Unknown(_) => "this version does not know the state: a person has to look",
    };
    Some(format!(
        "server {id} is in lifecycle state {state}, from which a wave cannot start; {remedy}"
    ))
}

/// Decides whether a server can be tested now.
pub fn readiness(server: &ServerView) -> Readiness {
    let id = &server.id;
    match &server.lifecycle {
        Lifecycle::ReadyForTest | Lifecycle::Testing | Lifecycle::ReadyForCutover => {}
        Lifecycle::NotReady => {
            let state = server.replication.as_ref().map_or("nothing", Replication::as_str);
            return Readiness::NotYet(format!("{id} is not ready; its replication is at {state}"));
        }
        state => {
            return Readiness::Refused(format!(
                "{id} is in lifecycle state {state}; bring it back to READY_FOR_TEST"
            ));
        }
    }
    match &server.replication {
        Some(Replication::Continuous | Replication::Backlog | Replication::CreatingSnapshot)
            if server.lag.is_some() =>
        {
            Readiness::Ready
        }
        Some(Replication::Unknown(word)) => {
            Readiness::Refused(format!("{id} shows the unknown replication state {word}"))
        }
        Some(state) => Readiness::NotYet(format!("{id} has no launchable state; its replication is at {state}")),
        None => Readiness::NotYet(format!("{id} says nothing of its replication")),
    }
}

/// Whether a quiesced source can be launched from without loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchGate {
    /// Everything written before the stop is in this snapshot.
    Open {
        /// When the snapshot was taken.
        snapshot_at: Timestamp,
    },
    /// Not yet, or not any more; what was seen.
    Closed(String),
}

/// Decides whether a source whose services stopped at `stopped_at` can be launched from: replication is continuous,
/// nothing waits to be sent, nothing is behind, and the newest snapshot is later than the stop. After the launch
/// replication goes on into the staging area only, so what is missing then is lost.
/// <https://docs.aws.amazon.com/mgn/latest/ug/launch-cutover.html>
pub fn launch_gate(server: &ServerView, stopped_at: Timestamp) -> Result<LaunchGate, StepError> {
    let closed = |text: String| Ok(LaunchGate::Closed(format!("{} {text}", server.id)));
    match &server.replication {
        Some(Replication::Continuous) => {}
        Some(Replication::Unknown(word)) => {
            return Err(StepError::UnknownValue {
                service: "MGN",
                what: format!("the replication state of {}", server.id),
                value: word.clone(),
            });
        }
        Some(state) => return closed(format!("is not replicating continuously but at {state}")),
        None => return closed("says nothing of its replication".to_owned()),
    }
    match server.backlog_bytes {
        Some(0) => {}
        Some(bytes) => return closed(format!("has {bytes} bytes still to send")),
        None => return closed("does not say how much it has still to send".to_owned()),
    }
    match server.lag {
        Some(lag) if lag.is_zero() => {}
        Some(lag) => return closed(format!("is {} ms behind", lag.milliseconds)),
        None => return closed("has no launchable state".to_owned()),
    }
    match server.last_snapshot_at {
        Some(snapshot_at) if snapshot_at > stopped_at => Ok(LaunchGate::Open { snapshot_at }),
        Some(snapshot_at) => closed(format!(
            "has its newest snapshot from {snapshot_at}, before the stop at {stopped_at}"
        )),
        None => closed("has no snapshot".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SourceServerId;
    use crate::observe::Lag;

    fn server() -> ServerView {
        ServerView {
            id: SourceServerId::parse("s-00000000000000001").unwrap(),
            hostname: None,
            lifecycle: Lifecycle::ReadyForTest,
            replication: Some(Replication::Continuous),
            lag: Lag::read("P0D"),
            backlog_bytes: Some(0),
            last_snapshot_at: Some("2026-01-10T02:00:01Z".parse().unwrap()),
            archived: false,
            instance: None,
        }
    }

    fn gate(change: impl FnOnce(&mut ServerView)) -> Result<LaunchGate, StepError> {
        let mut server = server();
        change(&mut server);
        launch_gate(&server, "2026-01-10T02:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_launch_needs_a_snapshot_later_than_the_stop_and_nothing_left_to_send() {
        assert!(matches!(gate(|_| ()), Ok(LaunchGate::Open { .. })));
        let closed: [fn(&mut ServerView); 7] = [
            |s| s.last_snapshot_at = Some("2026-01-10T02:00:00Z".parse().unwrap()),
            |s| s.last_snapshot_at = None,
            |s| s.backlog_bytes = Some(1),
            |s| s.backlog_bytes = None,
            |s| s.lag = Lag::read("PT1S"),
            |s| s.lag = None,
            |s| s.replication = Some(Replication::Rescan),
        ];
        for change in closed {
            assert!(matches!(gate(change), Ok(LaunchGate::Closed(_))));
        }
        assert!(matches!(
            gate(|s| s.replication = Some(Replication::Unknown("FROZEN".into()))),
            Err(StepError::UnknownValue { .. })
        ));
    }

    #[test]
    fn a_wave_starts_only_from_states_that_a_test_can_follow() {
        let why = |state: Lifecycle, own| {
            let mut server = server();
            server.lifecycle = state;
            plannable(&server, own)
        };
        assert_eq!(why(Lifecycle::NotReady, false), None);
        assert_eq!(why(Lifecycle::Testing, true), None);
        assert!(why(Lifecycle::Testing, false).unwrap().contains("revert it"));
        assert!(why(Lifecycle::Cutover, true).unwrap().contains("leave it out"));
        assert!(
            why(Lifecycle::Unknown("X".into()), true)
                .unwrap()
                .contains("a person has to look")
        );
    }

    #[test]
    fn readiness_needs_a_launchable_state() {
        let mut stalled = server();
        stalled.replication = Some(Replication::Stalled);
        assert!(matches!(readiness(&stalled), Readiness::NotYet(_)));
        let mut unlaunchable = server();
        unlaunchable.lag = None;
        assert!(matches!(readiness(&unlaunchable), Readiness::NotYet(_)));
        assert_eq!(readiness(&server()), Readiness::Ready);
    }
}
