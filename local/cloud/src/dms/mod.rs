//! Database Migration Service, and the metrics that CloudWatch has of it.
//!
//! Rules and words: the DMS API reference (API version 2016-01-01) and docs.aws.amazon.com/dms/latest/userguide. What moves
//! rows is behind [`Replicator`]; here are instances, endpoints, tasks, their states and who may be deleted when. A state
//! that changes by itself does so in a task that sleeps on tokio's clock.

mod assessments;
mod conversions;
mod documents;
mod endpoints;
mod errors;
mod events;
mod instances;
mod knobs;
mod lifecycle;
mod memory;
pub(crate) mod metrics;
mod replicator;
mod tables;
mod tasks;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use documents::{ErrorPolicy, Mappings, Preparation, Settings};
pub use knobs::{AssessmentEnd, DmsKnobs, Trouble, What, When};
pub use memory::MemoryReplicator;
pub use replicator::{
    Begin, Counts, EndpointSpec, Halt, Lag, Moving, Replicator, Stop, TableProgress, TableState, TaskSpec, Validation,
};

use crate::fleet::Spread;
use crate::fleet::members::{Members, not_simulated, page};
use crate::hub::{AwsError, Hub};
use crate::operations;
use world::World;

/// The knobs as service and replicator share them: they may be turned while tasks run.
#[derive(Debug, Clone)]
pub struct SharedKnobs(Arc<Mutex<DmsKnobs>>);

impl SharedKnobs {
    /// These knobs.
    pub fn new(knobs: DmsKnobs) -> SharedKnobs {
        SharedKnobs(Arc::new(Mutex::new(knobs)))
    }

    /// As they are now.
    pub fn get(&self) -> DmsKnobs {
        lock(&self.0).clone()
    }

    fn turn(&self, turn: impl FnOnce(&mut DmsKnobs)) {
        turn(&mut lock(&self.0));
    }
}

/// What does an operation.
type Act = fn(&Dms, &Value) -> Result<Value, AwsError>;

/// What is simulated, besides schema conversion.
const OPERATIONS: [(&str, Act); 18] = [
    ("CreateReplicationInstance", instances::create),
    ("DescribeReplicationInstances", instances::describe),
    ("DeleteReplicationInstance", instances::delete),
    ("CreateEndpoint", endpoints::create),
    ("DescribeEndpoints", endpoints::describe),
    ("DeleteEndpoint", endpoints::delete),
    ("TestConnection", endpoints::test),
    ("DescribeConnections", endpoints::describe_connections),
    ("CreateReplicationTask", tasks::create),
    ("DescribeReplicationTasks", tasks::describe),
    ("DeleteReplicationTask", tasks::delete),
    ("StartReplicationTask", lifecycle::start),
    ("StopReplicationTask", lifecycle::stop),
    ("DescribeTableStatistics", tables::describe),
    ("ListTagsForResource", list_tags),
    ("StartReplicationTaskAssessmentRun", assessments::start),
    ("DescribeReplicationTaskAssessmentRuns", assessments::describe),
    (
        "DescribeReplicationTaskIndividualAssessments",
        assessments::describe_individual,
    ),
];

/// The operations that are simulated.
pub(crate) fn operations() -> Vec<&'static str> {
    [
        operations::names(&OPERATIONS),
        operations::names(&conversions::OPERATIONS),
    ]
    .concat()
}

/// The simulated service; clones share one state. Use it inside a tokio runtime: tasks of DMS are tasks of tokio.
#[derive(Clone)]
pub struct Dms {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<dyn Hub>,
    knobs: SharedKnobs,
    replicator: Mutex<Arc<dyn Replicator>>,
    world: Mutex<World>,
}

/// One instant of the service.
pub(crate) struct Scene<'a> {
    pub now: Timestamp,
    pub knobs: DmsKnobs,
    pub hub: &'a dyn Hub,
}

impl Scene<'_> {
    /// A duration from one of the knobs' spreads.
    pub fn pick(&self, spread: Spread) -> Duration {
        spread.pick(self.hub.random())
    }

    /// A new ARN of this kind: `rep`, `endpoint`, `task`…
    pub fn arn(&self, kind: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letter = |_| char::from(ALPHABET[(self.hub.random() % 32) as usize]);
        let id: String = (0..26).map(letter).collect();
        format!("arn:aws:dms:{}:{}:{kind}:{id}", self.hub.region(), self.hub.account())
    }
}

/// What exists: `instance:…`, `endpoint:…`, `task:…` by identifier, for a look at what was left behind.
pub type Inventory = Vec<String>;

impl Dms {
    /// A service without anything in it.
    pub fn new(hub: Arc<dyn Hub>, knobs: SharedKnobs, replicator: Arc<dyn Replicator>) -> Dms {
        Dms {
            inner: Arc::new(Inner {
                hub,
                knobs,
                replicator: Mutex::new(replicator),
                world: Mutex::default(),
            }),
        }
    }

    /// Has another replicator move rows from now on. Do it before tasks are started.
    pub fn set_replicator(&self, replicator: Arc<dyn Replicator>) {
        *lock(&self.inner.replicator) = replicator;
    }

    /// Changes the knobs from now on.
    pub fn set_knobs(&self, knobs: DmsKnobs) {
        self.inner.knobs.turn(|old| *old = knobs);
    }

    /// The knobs.
    pub fn knobs(&self) -> DmsKnobs {
        self.inner.knobs.get()
    }

    /// Adds a trouble.
    pub fn add_trouble(&self, trouble: Trouble) {
        self.inner.knobs.turn(|knobs| knobs.troubles.push(trouble));
    }

    /// Takes every trouble away.
    pub fn clear_troubles(&self) {
        self.inner.knobs.turn(|knobs| knobs.troubles.clear());
    }

    /// What exists now, deleting things included.
    pub fn inventory(&self) -> Inventory {
        self.with(|world, _| world.inventory())
    }

    /// The status of the task of that identifier.
    pub fn task_status(&self, identifier: &str) -> Option<String> {
        self.with(|world, _| {
            let task = world.tasks.values().find(|task| task.identifier == identifier);
            task.map(|task| task.status.clone())
        })
    }

    /// One call of DMS: the operation by AWS's name, and its body.
    pub fn handle(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        self.with(|world, scene| world.bucket.take(scene))?;
        let act = match operations::find("dms", &OPERATIONS, operation) {
            Ok(act) => act,
            Err(_) => operations::find("dms", &conversions::OPERATIONS, operation)?,
        };
        act(self, body)
    }

    /// One call of CloudWatch.
    pub fn monitoring(&self, operation: &str, body: &Value) -> Result<crate::protocol::cbor::Item, AwsError> {
        metrics::handle(self, operation, body)
    }

    /// The tags of a resource, by key; empty when it is not known.
    pub fn tags_of(&self, arn: &str) -> BTreeMap<String, String> {
        let tags = self
            .with(|world, _| world.tags(arn).map(|tags| json!(tags)))
            .unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let each = tags.as_array().into_iter().flatten();
        each.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
    }

    /// Runs one change or reading of the state at one instant, then emits the events it left.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut World, &Scene) -> R) -> R {
        let hub = self.inner.hub.as_ref();
        let scene = Scene {
            now: hub.now(),
            knobs: self.inner.knobs.get(),
            hub,
        };
        let mut world = lock(&self.inner.world);
        let answer = act(&mut world, &scene);
        let events = std::mem::take(&mut world.outbox);
        drop(world);
        for event in events {
            hub.emit(event);
        }
        answer
    }

    /// The same, later.
    fn later(&self, delay: Duration, act: impl FnOnce(&mut World, &Scene) + Send + 'static) {
        let dms = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            dms.with(act);
        });
    }

    fn replicator(&self) -> Arc<dyn Replicator> {
        lock(&self.inner.replicator).clone()
    }
}

/// Nothing here is left half changed by a panic in a way that matters to a run that is failing anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn members<'a>(operation: &str, body: &'a Value, known: &[&str]) -> Result<Members<'a>, AwsError> {
    Members::of("dms", operation, body, known)
}

/// DMS's times: epoch seconds with a fraction.
fn seconds(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1e3)
}

/// The filters of a describe call, by name; a name that is not known here is refused.
fn filters(operation: &str, members: &Members<'_>, known: &[&str]) -> Result<Vec<(String, Vec<String>)>, AwsError> {
    let read = |filter: &Value| {
        let filter = Members::of("dms", operation, filter, &["Name", "Values"])?;
        let name = filter.required("Name")?;
        if !known.contains(&name) {
            return Err(not_simulated(format_args!("dms:{operation} filter {name}")));
        }
        Ok((name.to_owned(), filter.texts("Values")?.unwrap_or_default()))
    };
    members.list("Filters")?.iter().map(read).collect()
}

/// Whether every filter has one of these values.
fn passes(filters: &[(String, Vec<String>)], value: impl Fn(&str) -> String) -> bool {
    filters.iter().all(|(name, values)| values.contains(&value(name)))
}

/// One page of a describe call, and its answer. Nothing found is a fault, or an empty list, as the knob says.
fn paged(
    scene: &Scene,
    members: &Members<'_>,
    most: i64,
    list: &str,
    items: Vec<Value>,
    narrowed: bool,
) -> Result<Value, AwsError> {
    if items.is_empty() && narrowed && scene.knobs.empty_is_fault {
        return Err(errors::not_found(format!("No {list} found matching criteria")));
    }
    let asked = members.number("MaxRecords", 20, most)?.unwrap_or(100);
    let (items, marker) = page(items, members.text("Marker")?, Some(asked as usize), scene.knobs.page)
        .ok_or_else(|| errors::invalid_value("The marker is not one of DMS's"))?;
    let mut answer = json!({ list: items });
    if let Some(marker) = marker {
        answer["Marker"] = json!(marker);
    }
    Ok(answer)
}

fn list_tags(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let members = members("ListTagsForResource", body, &["ResourceArn"])?;
    let arn = members.required("ResourceArn")?;
    dms.with(|world, _| {
        let tags = world
            .tags(arn)
            .ok_or_else(|| errors::not_found(format!("Resource {arn} not found")))?;
        Ok(json!({ "TagList": tags }))
    })
}

/// The tags of a request, each with a key and a value.
fn tags(members: &Members<'_>) -> Result<Vec<Value>, AwsError> {
    members
        .list("Tags")?
        .iter()
        .map(|tag| {
            let tag = Members::of("dms", "Tag", tag, &["Key", "Value"])?;
            Ok(json!({"Key": tag.required("Key")?, "Value": tag.text("Value")?.unwrap_or_default()}))
        })
        .collect()
}
