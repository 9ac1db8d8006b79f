//! DMS's stand-in: a [`Replicator`] that lets the engines replicate themselves. PostgreSQL: a publication, a subscription
//! and its slot. MariaDB: a snapshot that is copied, and the binary log from its position on.
//!
//! What the engines say becomes what DMS says: tables that are loaded, rows that are compared, a lag, an error that ends
//! the task. Nothing here knows of Landfall.

use crate::compare::{Comparison, Table};
use crate::native::{Engine, Native};
use crate::session::{Failed, Kind, Login, Session};
use jiff::Timestamp;
use landfall_cloud::dms::{
    Begin, Counts, EndpointSpec, Halt, Lag, Moving, Replicator, Stop, TableProgress, TableState, TaskSpec, Validation,
};
use landfall_cloud::{Secrets, VirtualClock};
use landfall_domain::database::TableName;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks at a task: at its load, its errors, its lag, and whether both sides are equal.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// For how long a comparison counts. Then its table reads as not compared.
const COMPARED_FOR: Duration = Duration::from_millis(2_500);

/// The replicator of a pair of servers.
pub struct NativeReplicator {
    shared: Arc<Shared>,
}

struct Shared {
    kind: Kind,
    secrets: Secrets,
    clock: VirtualClock,
    /// Another thread's: DMS is another machine.
    runtime: tokio::runtime::Handle,
    tasks: Mutex<BTreeMap<String, Arc<Mutex<Progress>>>>,
    listener: Listener,
}

/// Is told, of a task: that somebody has asked about its tables before all were compared, and then that all are.
pub type Listener = Arc<dyn Fn(&str, Compared) + Send + Sync>;

/// What a [`Listener`] is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    NotYet,
    All,
}

/// What is known of a task.
#[derive(Default)]
struct Progress {
    tables: BTreeMap<TableName, Known>,
    lag: Option<f64>,
    /// Where it goes on after a pause.
    position: Option<String>,
}

#[derive(Clone)]
struct Known {
    keyed: bool,
    state: TableState,
    began: Timestamp,
    ended: Option<Timestamp>,
    loaded: u64,
    /// When the last comparison began, and what it found.
    compared: Option<(Timestamp, Comparison)>,
}

impl NativeReplicator {
    /// A replicator for servers of this kind.
    pub fn new(
        kind: Kind,
        secrets: Secrets,
        clock: VirtualClock,
        runtime: tokio::runtime::Handle,
        listener: Listener,
    ) -> Self {
        let shared = Shared {
            kind,
            secrets,
            clock,
            runtime,
            tasks: Mutex::default(),
            listener,
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Shared {
    /// The login in an endpoint's secret.
    fn login(&self, endpoint: &EndpointSpec) -> Result<Login, Failed> {
        let answer = self
            .secrets
            .handle("GetSecretValue", &json!({ "SecretId": endpoint.secret }))
            .map_err(|error| format!("the secret cannot be read: {}", error.code))?;
        let text = answer["SecretString"].as_str().unwrap_or_default();
        let secret: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let member = |name: &str| secret[name].as_str().unwrap_or_default().to_owned();
        Ok(Login {
            kind: self.kind,
            port: u16::try_from(secret["port"].as_u64().unwrap_or_default()).unwrap_or_default(),
            database: member("dbname"),
            username: member("username"),
            password: member("password"),
        })
    }

    fn native(&self, task: &TaskSpec) -> Result<Native, Failed> {
        let name = format!("dms_{}", task.identifier.replace('-', "_"));
        let slot = task.source.attributes.as_deref().unwrap_or_default();
        let slot = slot.split(';').find_map(|part| part.strip_prefix("slotName="));
        Ok(Native {
            engine: Engine(self.kind),
            name,
            source: self.login(&task.source)?,
            target: self.login(&task.target)?,
            slot: slot.map(str::to_owned),
        })
    }

    fn progress(&self, task: &TaskSpec) -> Arc<Mutex<Progress>> {
        locked(&self.tasks).entry(task.arn.clone()).or_default().clone()
    }

    fn known(&self, task: &TaskSpec) -> Option<Arc<Mutex<Progress>>> {
        locked(&self.tasks).get(&task.arn).cloned()
    }

    /// One run of a task. An error ends it, as a fatal error ends DMS's.
    async fn run(self: Arc<Self>, task: TaskSpec, begin: Begin, mut stop: Stop) -> Result<(), Failed> {
        let native = self.native(&task)?;
        let (mut source, mut target) = (
            Session::open(&native.source).await?,
            Session::open(&native.target).await?,
        );
        let tables = self.selected(&task, &native, &mut source).await?;
        let names: Vec<TableName> = tables.iter().map(|table| table.name.clone()).collect();
        let progress = self.progress(&task);
        self.begin(&progress, &tables, task.full_load);
        match begin {
            Begin::Fresh => {
                native.create_missing(&names, &mut source, &mut target).await?;
                let position = task.cdc_start_position.as_deref();
                native
                    .start(&names, task.full_load, position, &mut source, &mut target)
                    .await?;
            }
            Begin::Resume => {
                let position = locked(&progress).position.clone();
                native.resume(position.as_deref(), &mut target).await?;
            }
        }
        let mut ready = BTreeMap::new();
        while !stop.is_told() {
            if let Some(error) = native.error(&mut target).await? {
                return Err(error);
            }
            if ready.len() < tables.len() {
                ready = native.loaded(&names, &mut target).await?;
                self.note_load(&progress, &ready);
            }
            let lag = native.lag(&mut source, &mut target).await?;
            locked(&progress).lag = lag;
            if task.settings.validation {
                for table in tables
                    .iter()
                    .filter(|table| table.is_keyed() && ready.contains_key(&table.name))
                {
                    self.compare(&progress, table, &mut source, &mut target).await?;
                }
                if self.views(&progress, true).iter().all(is_compared) {
                    (self.listener)(&task.identifier, Compared::All);
                }
            }
            tokio::select! {
                () = stop.told() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        let position = native.pause(&mut target).await?;
        locked(&progress).position = position;
        Ok(())
    }

    /// The tables of the source that the mappings select. The engines rename nothing.
    async fn selected(&self, task: &TaskSpec, native: &Native, source: &mut Session) -> Result<Vec<Table>, Failed> {
        let mut tables = Vec::new();
        for name in native.tables(source).await? {
            match task.mappings.on_target(&name) {
                Some(there) if there == name => tables.push(native.describe(&name, source).await?),
                Some(there) => return Err(format!("{name} is to become {there}, and the engines rename nothing")),
                None => {}
            }
        }
        Ok(tables)
    }

    fn begin(&self, progress: &Mutex<Progress>, tables: &[Table], full_load: bool) {
        let now = self.clock.now();
        let mut progress = locked(progress);
        for table in tables {
            let known = Known {
                keyed: table.is_keyed(),
                state: if full_load {
                    TableState::FullLoad
                } else {
                    TableState::Completed
                },
                began: now,
                ended: (!full_load).then_some(now),
                loaded: 0,
                compared: None,
            };
            progress.tables.entry(table.name.clone()).or_insert(known);
        }
    }

    fn note_load(&self, progress: &Mutex<Progress>, ready: &BTreeMap<TableName, u64>) {
        let now = self.clock.now();
        let mut progress = locked(progress);
        for (name, rows) in ready {
            if let Some(known) = progress.tables.get_mut(name).filter(|known| known.ended.is_none()) {
                known.state = TableState::Completed;
                known.loaded = *rows;
                known.ended = Some(now);
            }
        }
    }

    async fn compare(
        &self,
        progress: &Mutex<Progress>,
        table: &Table,
        source: &mut Session,
        target: &mut Session,
    ) -> Result<(), Failed> {
        let began = self.clock.now();
        let before = {
            let progress = locked(progress);
            let known = progress.tables.get(&table.name);
            known.and_then(|known| known.compared.as_ref().map(|(_, comparison)| comparison.clone()))
        };
        let found = table
            .compare(before.unwrap_or_default(), source, target, &self.clock)
            .await?;
        if let Some(known) = locked(progress).tables.get_mut(&table.name) {
            known.compared = Some((began, found));
        }
        Ok(())
    }

    fn views(&self, progress: &Mutex<Progress>, validated: bool) -> Vec<TableProgress> {
        let tables = locked(progress).tables.clone();
        let views = tables.iter().map(|(name, known)| self.view(name, known, validated));
        views.collect()
    }

    fn view(&self, name: &TableName, known: &Known, validated: bool) -> TableProgress {
        let old = |began: Timestamp| {
            let age = self.clock.now().duration_since(began);
            Duration::try_from(age).is_ok_and(|age| age > COMPARED_FOR)
        };
        let found = known.compared.as_ref().map(|(_, found)| found);
        let validation = match &known.compared {
            _ if !validated => Validation::NotEnabled,
            _ if !known.keyed => Validation::NoPrimaryKey,
            _ if known.state != TableState::Completed => Validation::Pending,
            None => Validation::Preparing,
            Some((_, found)) if found.failed() > 0 => Validation::Mismatched,
            Some((began, _)) if old(*began) => Validation::PendingRevalidation,
            Some((_, found)) if found.pending() > 0 => Validation::PendingRecords,
            Some(_) => Validation::Validated,
        };
        TableProgress {
            name: name.clone(),
            state: known.state,
            loaded: known.loaded,
            load_errors: 0,
            load_began: Some(known.began),
            load_ended: known.ended,
            read: Counts::default(),
            applied: Counts::default(),
            validation,
            pending: found.map_or(0, Comparison::pending),
            failed: found.map_or(0, Comparison::failed),
            updated_at: Some(known.compared.as_ref().map_or(known.began, |(began, _)| *began)),
        }
    }
}

impl Replicator for NativeReplicator {
    fn check<'a>(&'a self, endpoint: &'a EndpointSpec) -> Moving<'a, Result<(), String>> {
        Box::pin(async move {
            let login = self.shared.login(endpoint)?;
            Session::open(&login).await.map(drop)
        })
    }

    fn run<'a>(&'a self, task: &'a TaskSpec, begin: Begin, stop: Stop) -> Moving<'a, Halt> {
        let running = self
            .shared
            .runtime
            .spawn(self.shared.clone().run(task.clone(), begin, stop));
        Box::pin(async move {
            let ended = running.await.unwrap_or_else(|panic| Err(panic.to_string()));
            match ended {
                Ok(()) => Halt::Stopped,
                Err(message) => Halt::Died {
                    status: "failed".to_owned(),
                    reason: "FATAL_ERROR".to_owned(),
                    message,
                },
            }
        })
    }

    fn tables(&self, task: &TaskSpec) -> Vec<TableProgress> {
        let Some(progress) = self.shared.known(task) else {
            return Vec::new();
        };
        let views = self.shared.views(&progress, task.settings.validation);
        if !views.iter().all(is_compared) {
            (self.shared.listener)(&task.identifier, Compared::NotYet);
        }
        views
    }

    fn lag(&self, task: &TaskSpec) -> Lag {
        let lag = self.shared.known(task).and_then(|progress| locked(&progress).lag);
        lag.map_or(Lag::Absent, |lag| Lag::Seconds {
            source: 0.0,
            target: lag,
        })
    }

    fn forget<'a>(&'a self, task: &'a TaskSpec) -> Moving<'a, ()> {
        Box::pin(async move {
            locked(&self.shared.tasks).remove(&task.arn);
            let forgotten = match self.shared.native(task) {
                Ok(native) => native.forget().await,
                Err(error) => Err(error),
            };
            if let Err(error) = forgotten {
                // What is left is found by the test's own look at both servers.
                eprintln!("task {} is not taken away: {error}", task.identifier);
            }
        })
    }
}

/// Whether there is nothing to wait for before a table counts as equal, or as not.
fn is_compared(table: &TableProgress) -> bool {
    !matches!(
        table.validation,
        Validation::Pending | Validation::Preparing | Validation::PendingRevalidation | Validation::PendingRecords
    )
}

/// Nothing that is kept here can be left half changed by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
