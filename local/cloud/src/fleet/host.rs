//! A host: services that run, the writing they do, and what Landfall's own document keeps on it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::spec::{ServiceView, WritingPeriod};

/// One service of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Service {
    pub enabled: bool,
    pub active: bool,
}

impl Service {
    /// `enabled/active`, as the quiesce document prints it.
    pub fn words(self) -> String {
        format!(
            "{}/{}",
            if self.enabled { "enabled" } else { "disabled" },
            if self.active { "active" } else { "inactive" }
        )
    }
}

/// What is on a host's disk and in its service manager; a snapshot copies it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HostState {
    pub services: BTreeMap<String, Service>,
    /// For each marker, the services as they were before that marker's first quiesce.
    pub markers: BTreeMap<String, BTreeMap<String, Service>>,
}

/// A time of writing, and when replication had all of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub started: Timestamp,
    pub stopped: Option<Timestamp>,
    pub drained: Option<Timestamp>,
}

/// A host with its past.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    history: Vec<(Timestamp, HostState)>,
    pub runs: Vec<Run>,
}

impl Host {
    /// A host that has run since `at` with all its services on.
    pub fn running(services: &[String], at: Timestamp) -> Host {
        let on = Service {
            enabled: true,
            active: true,
        };
        let services = services.iter().map(|name| (name.clone(), on)).collect();
        let mut host = Host {
            history: Vec::new(),
            runs: Vec::new(),
        };
        host.become_state(
            HostState {
                services,
                markers: BTreeMap::new(),
            },
            at,
            Duration::ZERO,
        );
        host
    }

    /// A host made from a snapshot, not yet booted: nothing runs.
    pub fn from_snapshot(mut state: HostState, at: Timestamp) -> Host {
        for service in state.services.values_mut() {
            service.active = false;
        }
        Host {
            history: vec![(at, state)],
            runs: Vec::new(),
        }
    }

    /// The present state.
    pub fn state(&self) -> &HostState {
        &self.history.last().expect("a host is never without a state").1
    }

    /// The state at an instant; the first one for an instant before it.
    pub fn state_at(&self, at: Timestamp) -> &HostState {
        let row = self.history.iter().rev().find(|(since, _)| *since <= at);
        &row.or(self.history.first()).expect("a host is never without a state").1
    }

    /// Takes a new state on; `drain` is how long replication needs for the rest, should the writing end here.
    pub fn become_state(&mut self, state: HostState, now: Timestamp, drain: Duration) {
        let writes = state.services.values().any(|service| service.active);
        match self.runs.last_mut() {
            Some(run) if run.stopped.is_none() && writes => {}
            Some(run) if run.stopped.is_none() => {
                run.stopped = Some(now);
                run.drained = Some(now + drain);
            }
            _ if writes => self.runs.push(Run {
                started: now,
                stopped: None,
                drained: None,
            }),
            _ => {}
        }
        self.history.push((now, state));
    }

    /// Boots: what is enabled starts.
    pub fn boot(&mut self, now: Timestamp) {
        let mut state = self.state().clone();
        for service in state.services.values_mut() {
            service.active = service.enabled;
        }
        self.become_state(state, now, Duration::ZERO);
    }

    /// Shuts down: nothing runs any more.
    pub fn shut_down(&mut self, now: Timestamp) {
        let mut state = self.state().clone();
        for service in state.services.values_mut() {
            service.active = false;
        }
        self.become_state(state, now, Duration::ZERO);
    }

    /// Does any service run?
    pub fn writing(&self) -> bool {
        self.runs.last().is_some_and(|run| run.stopped.is_none())
    }

    /// Did any service run at that instant?
    pub fn was_writing_at(&self, at: Timestamp) -> bool {
        self.runs
            .iter()
            .any(|run| run.started <= at && run.stopped.is_none_or(|stop| stop > at))
    }

    /// The last write: now while it writes, else when the last service stopped.
    pub fn last_write_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.runs.last().map(|run| run.stopped.unwrap_or(now))
    }

    /// The services, for people.
    pub fn services(&self) -> Vec<ServiceView> {
        let services = self.state().services.iter();
        services
            .map(|(name, service)| ServiceView {
                name: name.clone(),
                enabled: service.enabled,
                active: service.active,
            })
            .collect()
    }

    /// When it wrote, for people.
    pub fn periods(&self) -> Vec<WritingPeriod> {
        let runs = self.runs.iter();
        runs.map(|run| WritingPeriod {
            started: run.started,
            stopped: run.stopped,
        })
        .collect()
    }
}

impl HostState {
    /// Landfall's quiesce: records, once for each marker, what was on; then disables and stops. One line a service.
    /// An unknown service is refused before anything changes.
    pub fn quiesce(&mut self, names: &[String], marker: &str) -> Result<String, String> {
        if let Some(unknown) = names.iter().find(|name| !self.services.contains_key(*name)) {
            return Err(format!("{unknown}: no such service\n"));
        }
        let record = self.markers.entry(marker.to_owned()).or_default();
        let mut output = String::new();
        for name in names {
            let service = self.services.get_mut(name).expect("checked above");
            let was = *record.entry(name.clone()).or_insert(*service);
            *service = Service {
                enabled: false,
                active: false,
            };
            output.push_str(&format!("{name} was={} now={}\n", was.words(), service.words()));
        }
        Ok(output)
    }

    /// Landfall's restart: puts back exactly what the marker recorded. One line a service.
    pub fn restart(&mut self, marker: &str) -> String {
        let record = self.markers.get(marker).cloned().unwrap_or_default();
        let mut output = String::new();
        for (name, before) in &record {
            let Some(service) = self.services.get_mut(name) else {
                continue;
            };
            let was = *service;
            *service = *before;
            output.push_str(&format!("{name} was={} now={}\n", was.words(), before.words()));
        }
        if output.is_empty() {
            "nothing recorded\n".to_owned()
        } else {
            output
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn state() -> HostState {
        let on = Service {
            enabled: true,
            active: true,
        };
        let manual = Service {
            enabled: false,
            active: true,
        };
        HostState {
            services: BTreeMap::from([("app".to_owned(), on), ("batch".to_owned(), manual)]),
            markers: BTreeMap::new(),
        }
    }

    #[test]
    fn quiesce_records_once_and_restart_restores_exactly() {
        let mut host = state();
        let first = host.quiesce(&names(&["app", "batch"]), "w1").expect("known");
        let second = host.quiesce(&names(&["app", "batch"]), "w1").expect("known");
        assert_eq!(first, second);
        assert!(first.contains("batch was=disabled/active now=disabled/inactive"));
        host.restart("w1");
        assert_eq!(host.services, state().services);
    }

    #[test]
    fn restart_of_a_foreign_marker_changes_nothing() {
        let mut host = state();
        host.quiesce(&names(&["app"]), "w1").expect("known");
        let before = host.clone();
        assert_eq!(host.restart("w2"), "nothing recorded\n");
        assert_eq!(host, before);
    }

    #[test]
    fn quiesce_of_an_unknown_service_changes_nothing() {
        let mut host = state();
        assert!(host.quiesce(&names(&["app", "ghost"]), "w1").is_err());
        assert_eq!(host, state());
    }
}
