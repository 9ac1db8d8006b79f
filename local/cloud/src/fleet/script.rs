//! What goes wrong, told beforehand: the scripted troubles of a fleet.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::words::{HostKind, InitiatedBy, LaunchStatus, Purpose, ReplicationState, StatusCheck};

/// When a scripted change happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// At a virtual instant; at once if it has passed.
    At(Timestamp),
    /// After a while.
    After(Duration),
    /// When the next launch of this purpose is accepted for the server, before its snapshot.
    OnLaunch(Purpose),
}

/// How a scripted command ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It runs and exits with this code and output; 0 is Success, any other Failed.
    Exit {
        /// The exit code.
        code: i32,
        /// Its standard output.
        output: String,
    },
    /// StatusDetails `Undeliverable`: the host never saw it.
    Undeliverable,
    /// StatusDetails `Delivery Timed Out` after `TimeoutSeconds`: the host never saw it.
    DeliveryTimedOut,
    /// StatusDetails `Execution Timed Out` after the document's `executionTimeout` (3,600 s).
    ExecutionTimedOut,
    /// StatusDetails `Terminated`: the parent command passed MaxErrors.
    Terminated,
    /// Status `Cancelled`.
    Cancelled,
    /// It never ends: InProgress for ever.
    Hangs,
}

/// One scripted trouble. Servers are named by MGN's id.
#[derive(Debug, Clone, PartialEq)]
pub enum Script {
    /// The next `times` launches of this purpose end FAILED (LAUNCH_FAILED in the log, the event too).
    FailLaunch {
        /// The source server.
        server: String,
        /// Test or cutover.
        purpose: Purpose,
        /// How many launches.
        times: u32,
    },
    /// The next launch skips the server (SERVER_SKIPPED), which keeps this status for good.
    SkipServer {
        /// The source server.
        server: String,
        /// Test or cutover.
        purpose: Purpose,
        /// PENDING or FAILED, say.
        left_as: LaunchStatus,
    },
    /// The next launch of this purpose uses the last periodic snapshot (USING_PREVIOUS_SNAPSHOT) and still reads LAUNCHED.
    UsePreviousSnapshot {
        /// The source server.
        server: String,
        /// Test or cutover.
        purpose: Purpose,
    },
    /// The next `times` terminations fail: CLEANUP_FAIL, FAILED, the instance keeps running.
    FailTermination {
        /// The source server.
        server: String,
        /// How many terminations.
        times: u32,
    },
    /// Replication leaves CONTINUOUS (STALLED, RESCAN, BACKLOG, PAUSED…) and comes back, or does not.
    RegressReplication {
        /// The source server.
        server: String,
        /// When it leaves.
        when: When,
        /// Into which state. STALLED emits its event, both ways.
        to: ReplicationState,
        /// For how long; for ever if none.
        lasts: Option<Duration>,
    },
    /// A DIAGNOSTIC job of AWS Support's holds these servers, from now on.
    ForeignJob {
        /// The source servers.
        servers: Vec<String>,
        /// For how long.
        lasts: Duration,
    },
    /// The next `times` jobs begun by such a call take longer.
    SlowJob {
        /// Which call.
        initiated_by: InitiatedBy,
        /// By how much.
        extra: Duration,
        /// How many jobs.
        times: u32,
    },
    /// A status check of instances of this purpose reads `impaired` instead of `ok`.
    ImpairedInstance {
        /// The source server.
        server: String,
        /// Test or cutover.
        purpose: Purpose,
        /// Which of the two checks.
        check: StatusCheck,
        /// For how long after `running`; for ever if none.
        lasts: Option<Duration>,
    },
    /// The SSM agent of instances of this purpose never registers.
    NeverRegisters {
        /// The source server.
        server: String,
        /// Test or cutover.
        purpose: Purpose,
    },
    /// The SSM agent of a host loses its connection: PingStatus ConnectionLost, commands time out undelivered.
    ConnectionLost {
        /// The source server.
        server: String,
        /// Which of its hosts.
        host: HostKind,
        /// From when on.
        from: Timestamp,
        /// For how long; for ever if none.
        lasts: Option<Duration>,
    },
    /// DescribeSourceServers tells something else of a server, or nothing: an enum value nobody has seen, a missing backlog.
    Misreport {
        /// The source server.
        server: String,
        /// JSON pointer into the item, as in `/dataReplicationInfo/replicatedDisks/0/backloggedStorageBytes`.
        pointer: String,
        /// What it says there; none leaves the member out.
        value: Option<Value>,
        /// From when on.
        from: Timestamp,
        /// For how long; for ever if none.
        lasts: Option<Duration>,
    },
    /// Commands whose text contains `contains` end as told. The text is the document's name and then `key=value` for each parameter
    /// in the order of their names, as in `Landfall-Quiesce action=Quiesce marker=wave-1 services=nginx,app`.
    Command {
        /// The source server.
        server: String,
        /// Which of its hosts.
        host: HostKind,
        /// Part of the text; empty for every command.
        contains: String,
        /// Only from this virtual instant on.
        not_before: Option<Timestamp>,
        /// Only from the n-th matching run on; 1 is the first.
        from_run: u32,
        /// Only so many times; for ever if none.
        times: Option<u32>,
        /// How it ends.
        outcome: CommandOutcome,
        /// Does the command's effect on the host happen all the same?
        applied: bool,
    },
}

impl Script {
    /// A command that exits with 1 from the n-th run on, for ever.
    pub fn failing_command(server: &str, host: HostKind, contains: &str, from_run: u32) -> Script {
        Script::Command {
            server: server.to_owned(),
            host,
            contains: contains.to_owned(),
            not_before: None,
            from_run,
            times: None,
            outcome: CommandOutcome::Exit {
                code: 1,
                output: "scripted failure\n".to_owned(),
            },
            applied: false,
        }
    }
}

/// A script with what has been used of it.
#[derive(Debug, Clone)]
pub(crate) struct ScriptEntry {
    pub script: Script,
    /// Matches so far.
    pub seen: u32,
    /// Matches that took effect.
    pub used: u32,
}

/// The scripts of a fleet, asked at the moments they speak of.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    pub entries: Vec<ScriptEntry>,
}

impl Scripts {
    pub fn add(&mut self, script: Script) {
        self.entries.push(ScriptEntry {
            script,
            seen: 0,
            used: 0,
        });
    }

    /// Uses up one of the scripts that `times` accepts: it answers how often that script may be used.
    fn spend(&mut self, times: impl Fn(&Script) -> Option<u32>) -> Option<&Script> {
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| times(&entry.script).is_some_and(|limit| entry.used < limit))?;
        entry.used += 1;
        Some(&entry.script)
    }

    pub fn launch_fails(&mut self, id: &str, purpose: Purpose) -> bool {
        self.spend(|script| match script {
            Script::FailLaunch {
                server,
                purpose: p,
                times,
            } if server == id && *p == purpose => Some(*times),
            _ => None,
        })
        .is_some()
    }

    pub fn skipped(&mut self, id: &str, purpose: Purpose) -> Option<LaunchStatus> {
        let script = self.spend(|script| match script {
            Script::SkipServer { server, purpose: p, .. } if server == id && *p == purpose => Some(1),
            _ => None,
        })?;
        match script {
            Script::SkipServer { left_as, .. } => Some(*left_as),
            _ => None,
        }
    }

    pub fn uses_previous_snapshot(&mut self, id: &str, purpose: Purpose) -> bool {
        self.spend(|script| match script {
            Script::UsePreviousSnapshot { server, purpose: p } if server == id && *p == purpose => Some(1),
            _ => None,
        })
        .is_some()
    }

    pub fn termination_fails(&mut self, id: &str) -> bool {
        self.spend(|script| match script {
            Script::FailTermination { server, times } if server == id => Some(*times),
            _ => None,
        })
        .is_some()
    }

    /// The regressions that a launch sets off.
    pub fn regressions_on_launch(&mut self, id: &str, purpose: Purpose) -> Vec<(ReplicationState, Option<Duration>)> {
        let mut due = Vec::new();
        for entry in &mut self.entries {
            if let Script::RegressReplication {
                server,
                when: When::OnLaunch(p),
                to,
                lasts,
            } = &entry.script
                && server == id
                && *p == purpose
                && entry.used == 0
            {
                entry.used = 1;
                due.push((*to, *lasts));
            }
        }
        due
    }

    pub fn extra_duration(&mut self, by: InitiatedBy) -> Duration {
        let script = self.spend(|script| match script {
            Script::SlowJob {
                initiated_by, times, ..
            } if *initiated_by == by => Some(*times),
            _ => None,
        });
        match script {
            Some(Script::SlowJob { extra, .. }) => *extra,
            _ => Duration::ZERO,
        }
    }

    /// How long after `running` this check stays impaired, if it is scripted to: `Some(None)` is for ever.
    pub fn impaired(&self, id: &str, purpose: Purpose, check: StatusCheck) -> Option<Option<Duration>> {
        self.entries.iter().find_map(|entry| match &entry.script {
            Script::ImpairedInstance {
                server,
                purpose: p,
                check: c,
                lasts,
            } if server == id && *p == purpose && *c == check => Some(*lasts),
            _ => None,
        })
    }

    pub fn never_registers(&self, id: &str, purpose: Purpose) -> bool {
        self.entries.iter().any(|entry| {
            matches!(&entry.script, Script::NeverRegisters { server, purpose: p } if server == id && *p == purpose)
        })
    }

    pub fn connection_lost(&self, id: &str, host: HostKind, now: Timestamp) -> bool {
        self.entries.iter().any(|entry| match &entry.script {
            Script::ConnectionLost {
                server,
                host: h,
                from,
                lasts,
            } => server == id && *h == host && *from <= now && lasts.is_none_or(|lasts| now < *from + lasts),
            _ => false,
        })
    }

    /// Puts into a described server what it is scripted to say.
    pub fn misreport(&self, id: &str, now: Timestamp, item: &mut Value) {
        for entry in &self.entries {
            let Script::Misreport {
                server,
                pointer,
                value,
                from,
                lasts,
            } = &entry.script
            else {
                continue;
            };
            let due = *from <= now && lasts.is_none_or(|lasts| now < *from + lasts);
            if server != id || !due {
                continue;
            }
            let (parent, member) = pointer.rsplit_once('/').unwrap_or_default();
            match (item.pointer_mut(parent), value) {
                (Some(Value::Object(map)), Some(value)) => {
                    map.insert(member.to_owned(), value.clone());
                }
                (Some(Value::Object(map)), None) => {
                    map.remove(member);
                }
                _ => {}
            }
        }
    }

    /// The outcome scripted for a command that begins now, and whether its effect happens all the same. Counts the run for every
    /// script it matches; the first that is due speaks.
    pub fn command(&mut self, id: &str, host: HostKind, text: &str, now: Timestamp) -> Option<(CommandOutcome, bool)> {
        let mut spoken = None;
        for entry in &mut self.entries {
            let Script::Command {
                server,
                host: h,
                contains,
                not_before,
                from_run,
                times,
                outcome,
                applied,
            } = &entry.script
            else {
                continue;
            };
            if server != id || *h != host || !text.contains(contains.as_str()) {
                continue;
            }
            entry.seen += 1;
            let due = entry.seen >= *from_run
                && not_before.is_none_or(|instant| now >= instant)
                && times.is_none_or(|limit| entry.used < limit);
            if due && spoken.is_none() {
                entry.used += 1;
                spoken = Some((outcome.clone(), *applied));
            }
        }
        spoken
    }
}
