//! Rows moved between simulated databases, in the order in which they were committed.

mod apply;
mod batch;
mod load;
mod progress;
mod validate;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use landfall_domain::plan::database::Dialect;
use serde_json::{Value, json};

use super::knobs::{Trouble, What, When};
use super::replicator::{Begin, EndpointSpec, Halt, Lag, Moving, Replicator, Stop, TableProgress, TaskSpec};
use super::{SharedKnobs, lock};
use crate::clock::VirtualClock;
use crate::databases::DatabaseFleet;
use crate::databases::replication::ReplicationRefusal;
use crate::random::Random;
use crate::secrets::Secrets;
use progress::Progress;
use worker::Worker;

/// The default [`Replicator`].
pub struct MemoryReplicator {
    databases: DatabaseFleet,
    secrets: Secrets,
    clock: VirtualClock,
    knobs: SharedKnobs,
    random: Arc<Random>,
    tasks: Mutex<BTreeMap<String, Arc<Mutex<Progress>>>>,
}

/// A database, as the task is logged in to it.
#[derive(Debug, Clone)]
struct Side {
    host: String,
    username: String,
}

impl MemoryReplicator {
    /// A replicator over these databases.
    pub fn new(
        databases: DatabaseFleet,
        secrets: Secrets,
        clock: VirtualClock,
        knobs: SharedKnobs,
        random: Arc<Random>,
    ) -> MemoryReplicator {
        MemoryReplicator {
            databases,
            secrets,
            clock,
            knobs,
            random,
            tasks: Mutex::default(),
        }
    }

    /// Logs in to an endpoint, or says why not.
    fn log_in(&self, endpoint: &EndpointSpec) -> Result<Side, String> {
        let failed = |why: String| format!("Test Endpoint failed: {why}");
        let request = json!({ "SecretId": endpoint.secret });
        let answer = self
            .secrets
            .handle("GetSecretValue", &request)
            .map_err(|error| failed(format!("unable to use the secret: {}", error.code)))?;
        let secret: Value = answer["SecretString"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| failed("the secret is not a JSON object".to_owned()))?;
        let member = |name: &str| {
            let text = secret[name].as_str().map(str::to_owned);
            text.ok_or_else(|| failed(format!("the secret lacks {name}")))
        };
        let (host, username, password) = (member("host")?, member("username")?, member("password")?);
        self.databases
            .check_replication(&host, &username, &password)
            .map_err(|refusal| {
                failed(match refusal {
                    ReplicationRefusal::Unreachable => format!("{host} cannot be reached"),
                    ReplicationRefusal::LoginRefused(why) => why,
                    ReplicationRefusal::Refused(refusal) => refusal.message,
                })
            })?;
        Ok(Side { host, username })
    }

    fn progress(&self, task: &TaskSpec) -> Arc<Mutex<Progress>> {
        lock(&self.tasks).entry(task.arn.clone()).or_default().clone()
    }

    /// The task's progress, once it has run.
    fn known(&self, task: &TaskSpec) -> Option<Arc<Mutex<Progress>>> {
        lock(&self.tasks).get(&task.arn).cloned()
    }

    /// What is wrong with a task now, and since when.
    fn troubles(&self, task: &TaskSpec, progress: &Progress) -> Vec<(Timestamp, What)> {
        let (now, started) = (self.clock.now(), progress.started.unwrap_or(Timestamp::MIN));
        let since = |trouble: &Trouble| match trouble.when {
            When::Always => Some(started),
            When::After(delay) => started.checked_add(delay).ok(),
            When::SourceClosed => progress.closed_since,
        };
        let knobs = self.knobs.get();
        let ours = knobs.troubles.into_iter();
        ours.filter(|trouble| task.identifier.contains(&trouble.task))
            .filter_map(|trouble| Some((since(&trouble)?, trouble.what)))
            .filter(|(since, _)| *since <= now)
            .collect()
    }

    /// The name of the replication slot of a task whose source is PostgreSQL: the endpoint's, or one that DMS makes.
    fn slot(&self, task: &TaskSpec, source: &Side) -> Option<String> {
        if self.databases.engine(&source.host)?.dialect() != Dialect::Postgres {
            return None;
        }
        let resource = task.arn.rsplit(':').next()?.to_lowercase();
        let named = task.source.slot().map(str::to_owned);
        Some(named.unwrap_or_else(|| format!("{resource}_00016402")))
    }

    /// A start position of PostgreSQL needs a slot that is there already: one that DMS makes begins later, and what was
    /// written in between is lost. A slot that an endpoint names is never made by DMS.
    /// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html>
    fn check_slot(&self, task: &TaskSpec, source: &Side, slot: &str) -> Result<(), String> {
        match (task.source.slot(), &task.cdc_start_position) {
            (Some(_), _) if !self.databases.has_slot(&source.host, slot) => {
                Err(format!("replication slot \"{slot}\" does not exist"))
            }
            (None, Some(position)) => Err(format!(
                "The start position {position} of a PostgreSQL source needs the attribute slotName"
            )),
            _ => Ok(()),
        }
    }
}

impl Replicator for MemoryReplicator {
    fn check<'a>(&'a self, endpoint: &'a EndpointSpec) -> Moving<'a, Result<(), String>> {
        Box::pin(async move { self.log_in(endpoint).map(|_| ()) })
    }

    fn run<'a>(&'a self, task: &'a TaskSpec, _: Begin, stop: Stop) -> Moving<'a, Halt> {
        Box::pin(async move {
            let sides = self
                .log_in(&task.source)
                .and_then(|source| Ok((source, self.log_in(&task.target)?)));
            let (source, target) = match sides {
                Ok(sides) => sides,
                Err(message) => return died(message),
            };
            let slot = self.slot(task, &source);
            if let Some(slot) = &slot {
                if let Err(message) = self.check_slot(task, &source, slot) {
                    return died(message);
                }
                self.databases.add_slot(&source.host, slot, true);
            }
            let host = source.host.clone();
            let halt = Worker::new(self, task, source, target, stop).run().await;
            if let Some(slot) = &slot {
                self.databases.add_slot(&host, slot, false);
            }
            halt
        })
    }

    fn tables(&self, task: &TaskSpec) -> Vec<TableProgress> {
        let Some(progress) = self.known(task) else {
            return Vec::new();
        };
        let progress = lock(&progress);
        let now = self.clock.now();
        let revalidates = self
            .troubles(task, &progress)
            .into_iter()
            .any(|(since, what)| match what {
                What::Revalidates(lasting) => since.checked_add(lasting).is_ok_and(|until| now < until),
                _ => false,
            });
        let tables = progress.tables.iter();
        tables
            .map(|(name, table)| table.view(name, task.settings.validation, revalidates))
            .collect()
    }

    fn lag(&self, task: &TaskSpec) -> Lag {
        let Some(progress) = self.known(task) else {
            return Lag::Absent;
        };
        let progress = lock(&progress);
        let troubles = self.troubles(task, &progress);
        let wrong = |what: &What| troubles.iter().any(|(_, one)| one == what);
        if wrong(&What::NoMetrics) {
            return Lag::Absent;
        }
        if wrong(&What::ZeroMetrics) || wrong(&What::RestartsForever) {
            return Lag::Seconds {
                source: 0.0,
                target: 0.0,
            };
        }
        let now = self.clock.now();
        let age = |at: Option<Timestamp>| at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
        let host = progress.source_host.as_deref().unwrap_or_default();
        Lag::Seconds {
            source: age(self.databases.oldest_transaction(host)),
            target: age(progress.oldest_unapplied()),
        }
    }

    fn forget<'a>(&'a self, task: &'a TaskSpec) -> Moving<'a, ()> {
        Box::pin(async move {
            lock(&self.tasks).remove(&task.arn);
            // A slot that the endpoint names is not DMS's to drop.
            if self.knobs.get().leaves_slot || task.source.slot().is_some() {
                return;
            }
            // A source that cannot be reached keeps its slot, as DMS leaves it.
            let Ok(source) = self.log_in(&task.source) else { return };
            if let Some(slot) = self.slot(task, &source) {
                self.databases.drop_slot(&source.host, &slot);
            }
        })
    }
}

/// A failure that ends a task.
fn died(message: impl Into<String>) -> Halt {
    Halt::Died {
        status: "failed".to_owned(),
        reason: "FATAL_ERROR".to_owned(),
        message: message.into(),
    }
}
