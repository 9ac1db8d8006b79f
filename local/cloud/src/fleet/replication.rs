//! Block replication of one source server: its state, its snapshots, and which writes they hold.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::host::Host;
use super::knobs::FleetKnobs;
use super::times::scramble;
use super::words::ReplicationState;

/// The backlog that is left at once after the last writer stopped; it drains to nothing.
const BACKLOG_AT_STOP: u64 = 48 << 20;

/// One server's replication.
#[derive(Debug, Clone)]
pub(crate) struct Replication {
    pub state: ReplicationState,
    /// When this state began.
    pub since: Timestamp,
    /// The end of initial sync, while it runs.
    pub sync_ends: Option<Timestamp>,
    /// Continuous replication takes a snapshot now and then every so often.
    rhythm: Duration,
    /// The newest snapshot outside the rhythm: frozen at a regression, or made by a launch.
    taken: Option<Timestamp>,
    /// Makes this server's small fluctuations its own.
    seed: u64,
    /// Set by each regression, so that the end of an older one does not end a newer one.
    pub generation: u64,
}

/// What MGN says of replication at an instant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub lag: Option<SignedDuration>,
    pub backlog: u64,
    pub rescanned: u64,
    /// Share of the initial sync that is done, in thousandths.
    pub synced_permille: u64,
    pub last_snapshot: Option<Timestamp>,
    pub eta: Option<Timestamp>,
}

impl Replication {
    /// In continuous replication since `since`, when the first snapshot was taken.
    pub fn continuous(since: Timestamp, rhythm: Duration, seed: u64) -> Replication {
        Replication {
            state: ReplicationState::Continuous,
            since,
            sync_ends: None,
            rhythm,
            taken: None,
            seed,
            generation: 0,
        }
    }

    /// In initial sync from `since` to `ends`.
    pub fn initial(since: Timestamp, ends: Timestamp, rhythm: Duration, seed: u64) -> Replication {
        Replication {
            state: ReplicationState::InitialSync,
            sync_ends: Some(ends),
            ..Replication::continuous(since, rhythm, seed)
        }
    }

    /// Changes state; the snapshots so far stay.
    pub fn turn(&mut self, to: ReplicationState, now: Timestamp) {
        self.taken = self.last_snapshot(now);
        self.state = to;
        self.since = now;
        self.generation += 1;
    }

    /// Ends for good, or until a new agent comes: replicated data is discarded.
    pub fn disconnect(&mut self, now: Timestamp) {
        self.turn(ReplicationState::Disconnected, now);
        self.taken = None;
    }

    /// A snapshot outside the rhythm, for a launch.
    pub fn take_snapshot(&mut self, now: Timestamp) {
        self.taken = Some(now);
    }

    /// The newest consistent snapshot.
    pub fn last_snapshot(&self, now: Timestamp) -> Option<Timestamp> {
        let rhythmic = (self.state == ReplicationState::Continuous).then(|| {
            let rhythm = self.rhythm.as_millis().max(1) as i64;
            let elapsed = now.duration_since(self.since).as_millis() as i64;
            self.since + SignedDuration::from_millis(elapsed.max(0) / rhythm * rhythm)
        });
        rhythmic.max(self.taken)
    }

    /// MGN's word is "launchable": there is a snapshot, and replication was not ended. `lagDuration` is present then, and only then.
    pub fn launchable(&self, now: Timestamp) -> bool {
        !self.ended() && self.last_snapshot(now).is_some()
    }

    /// No replication any more: nothing is staged, nothing costs.
    pub fn ended(&self) -> bool {
        matches!(self.state, ReplicationState::Disconnected | ReplicationState::Stopped)
    }

    /// Up to which write the snapshot taken at `at` is complete.
    pub fn data_through(&self, host: &Host, at: Timestamp, knobs: &FleetKnobs) -> Timestamp {
        let run = host.runs.iter().rev().find(|run| run.started <= at);
        match run {
            None => at,
            Some(run) => match (run.stopped, run.drained) {
                (Some(stopped), Some(drained)) if stopped <= at => {
                    if drained <= at {
                        at
                    } else {
                        // Part of the last writes is still on its way.
                        stopped - (drained.duration_since(at)).min(stopped.duration_since(run.started))
                    }
                }
                // It was writing: the newest writes were still on their way.
                _ => {
                    at - SignedDuration::try_from(knobs.drain.least)
                        .unwrap_or(SignedDuration::ZERO)
                        .min(at.duration_since(run.started))
                }
            },
        }
    }

    /// What MGN says now.
    pub fn reading(&self, host: &Host, now: Timestamp, knobs: &FleetKnobs) -> Reading {
        let last_snapshot = self.last_snapshot(now);
        let nothing = Reading {
            lag: last_snapshot.map(|_| SignedDuration::ZERO),
            backlog: 0,
            rescanned: 0,
            synced_permille: 1000,
            last_snapshot,
            eta: None,
        };
        if self.ended() {
            return Reading {
                lag: None,
                last_snapshot: None,
                ..nothing
            };
        }
        match self.state {
            ReplicationState::Continuous => self.continuous_reading(host, now, knobs, nothing),
            ReplicationState::Initiating | ReplicationState::InitialSync | ReplicationState::CreatingSnapshot
                if last_snapshot.is_none() =>
            {
                let ends = self.sync_ends.unwrap_or(now);
                let whole = ends.duration_since(self.since).as_millis().max(1);
                let done = now.duration_since(self.since).as_millis().clamp(0, whole);
                Reading {
                    synced_permille: (done * 1000 / whole) as u64,
                    eta: Some(ends),
                    ..nothing
                }
            }
            state => {
                // Nothing arrives: the lag is the snapshot's age, and what is written piles up.
                let idle = now.duration_since(self.since);
                let wrote = host.last_write_at(now).is_some_and(|at| at > self.since);
                let rescan = state == ReplicationState::Rescan;
                Reading {
                    lag: last_snapshot.map(|at| now.duration_since(at)),
                    backlog: (1 << 20) + if wrote { idle.as_secs() as u64 * (256 << 10) } else { 0 },
                    rescanned: if rescan { idle.as_secs() as u64 * (64 << 20) } else { 0 },
                    ..nothing
                }
            }
        }
    }

    fn continuous_reading(&self, host: &Host, now: Timestamp, knobs: &FleetKnobs, nothing: Reading) -> Reading {
        if host.writing() {
            // A reading in some slots of ten seconds falls between a write and its arrival.
            let noise = scramble(self.seed ^ (now.as_second() / 10) as u64);
            if noise % 100 >= knobs.busy_backlog_percent {
                return nothing;
            }
            return Reading {
                lag: nothing
                    .last_snapshot
                    .map(|_| SignedDuration::from_micros(1_000_000 + (noise >> 8) as i64 % 9_000_000)),
                backlog: 4096 * (1 + (noise >> 16) % 2048),
                ..nothing
            };
        }
        let draining = host.runs.last().and_then(|run| Some((run.stopped?, run.drained?)));
        match draining {
            Some((stopped, drained)) if drained > now && stopped >= self.since => {
                let whole = drained.duration_since(stopped).as_millis().max(1) as u64;
                let left = drained.duration_since(now).as_millis() as u64;
                Reading {
                    lag: nothing.last_snapshot.map(|_| drained.duration_since(now)),
                    backlog: (BACKLOG_AT_STOP / whole * left).max(4096),
                    ..nothing
                }
            }
            _ => nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::HostState;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    /// A host that wrote from 0 to 1000 s and whose last writes had arrived at 1030 s.
    fn stopped_host() -> Host {
        let mut host = Host::running(&["app".to_owned()], at(0));
        host.become_state(HostState::default(), at(1000), Duration::from_secs(30));
        host
    }

    fn replication() -> Replication {
        Replication::continuous(at(0), Duration::from_secs(90), 7)
    }

    #[test]
    fn a_snapshot_taken_before_replication_drained_misses_the_last_writes() {
        let (knobs, host) = (FleetKnobs::default(), stopped_host());
        let through = |second| replication().data_through(&host, at(second), &knobs);
        assert!(through(1010) < at(1000), "later than the stop, and still not whole");
        assert_eq!(through(1030), at(1030));
        assert!(through(990) < at(990), "it was writing");
    }

    #[test]
    fn snapshots_keep_their_rhythm_and_freeze_outside_continuous_replication() {
        let mut replication = replication();
        assert_eq!(replication.last_snapshot(at(89)), Some(at(0)));
        assert_eq!(replication.last_snapshot(at(181)), Some(at(180)));
        replication.turn(ReplicationState::Stalled, at(200));
        assert_eq!(replication.last_snapshot(at(900)), Some(at(180)));
        replication.turn(ReplicationState::Continuous, at(1000));
        assert_eq!(replication.last_snapshot(at(1001)), Some(at(1000)));
        replication.disconnect(at(1100));
        assert_eq!(replication.last_snapshot(at(1200)), None);
    }

    #[test]
    fn backlog_falls_to_nothing_while_it_drains() {
        let (knobs, host) = (FleetKnobs::default(), stopped_host());
        let read = |second| replication().reading(&host, at(second), &knobs);
        let backlogs: Vec<u64> = [1001, 1010, 1020, 1029, 1030]
            .map(|second| read(second).backlog)
            .to_vec();
        assert!(backlogs.windows(2).all(|pair| pair[0] > pair[1]), "{backlogs:?}");
        assert_eq!((backlogs[4], read(1030).lag), (0, Some(SignedDuration::ZERO)));
    }
}
