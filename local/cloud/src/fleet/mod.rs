//! Servers on their way to AWS: MGN, EC2 and SSM, and the hosts behind them.
//!
//! One [`Fleet`] holds the source servers (hosts with services that write), MGN's replication and jobs, the EC2 instances
//! launched from them and SSM's view of all these hosts. The three services share one state, because what one does the
//! others show: a job's instance in EC2, its agent in SSM, the data that a snapshot misses.
//!
//! State changes by itself in two ways. What only has to be *seen* at the right time (snapshots, status checks, SSM
//! registration) is computed from the clock when read. What *does* something (jobs, commands, the end of an initial sync) is
//! a task that sleeps on tokio's clock. Events are emitted after the state's lock is released.

mod cost;
pub(crate) mod ec2;
mod host;
mod knobs;
pub(crate) mod members;
pub(crate) mod mgn;
mod observe;
mod replication;
mod script;
mod spec;
pub(crate) mod ssm;
pub(crate) mod times;
mod words;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use knobs::{FailedLaunch, FleetKnobs, QuotaError, Spread, TimestampStyle, UnknownIdError};
pub use script::{CommandOutcome, Script, When};
pub use spec::{
    CostItem, CostKind, Initial, InstanceView, JobView, LaunchObservation, ServiceView, SourceServerSpec,
    SourceServerView, WritingPeriod,
};
pub use ssm::{OwnDocument, Ran};
pub use words::{
    HostKind, InitiatedBy, InstanceState, JobStatus, JobType, LaunchStatus, LifeCycleState, Purpose, ReplicationState,
    StatusCheck,
};

use crate::hub::Hub;
use crate::parameters::Parameters;
use world::World;

/// The simulated fleet; clones share one state. Use it inside a tokio runtime: jobs and commands are tasks.
#[derive(Clone)]
pub struct Fleet {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<dyn Hub>,
    knobs: FleetKnobs,
    world: Mutex<World>,
    parameters: Parameters,
}

/// What a change of state may ask of its surroundings.
pub(crate) struct Scene<'a> {
    /// Virtual time, one instant for the whole change.
    pub now: Timestamp,
    pub knobs: &'a FleetKnobs,
    pub hub: &'a dyn Hub,
}

impl Scene<'_> {
    /// An AWS id: the prefix and this many hexadecimal digits.
    pub fn id(&self, prefix: &str, digits: usize) -> String {
        let mut id = format!("{:016x}{:016x}", self.hub.random(), self.hub.random());
        id.truncate(digits);
        format!("{prefix}{id}")
    }

    /// A UUID-shaped id, as SSM gives to commands.
    pub fn uuid(&self) -> String {
        let hex = self.id("", 32);
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }

    /// A duration from one of the knobs' spreads.
    pub fn pick(&self, spread: Spread) -> std::time::Duration {
        spread.pick(self.hub.random())
    }

    /// The ARN of an MGN resource, as in `source-server/s-…`.
    pub fn mgn_arn(&self, resource: &str) -> String {
        format!("arn:aws:mgn:{}:{}:{resource}", self.hub.region(), self.hub.account())
    }
}

impl Fleet {
    /// An empty fleet on this hub.
    pub fn new(hub: Arc<dyn Hub>, knobs: FleetKnobs) -> Fleet {
        Fleet {
            inner: Arc::new(Inner {
                parameters: Parameters::new(hub.clone()),
                hub,
                knobs,
                world: Mutex::new(World::default()),
            }),
        }
    }

    /// Systems Manager's parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.inner.parameters
    }

    /// Runs one change or reading of the state at one instant, then emits the events it left.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut World, &Scene) -> R) -> R {
        let hub = self.inner.hub.as_ref();
        let scene = Scene {
            now: hub.now(),
            knobs: &self.inner.knobs,
            hub,
        };
        let mut world = self.lock();
        let answer = act(&mut world, &scene);
        let events = std::mem::take(&mut world.outbox);
        drop(world);
        for event in events {
            hub.emit(event);
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic elsewhere cannot leave the state half changed in a way that matters to a run that is failing anyway.
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knobs(&self) -> &FleetKnobs {
        &self.inner.knobs
    }
}
