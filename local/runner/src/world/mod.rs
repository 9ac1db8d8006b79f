//! A world: simulated AWS with the product deployed in it.
//!
//! The functions are the shipped ones, behind a Lambda service of one line each; the state machines are the shipped
//! definitions. Time is tokio's paused clock, so make a world inside [`simulate`], or in a test with
//! `#[tokio::test(start_paused = true)]`. With real databases time is real: [`in_real_time`].

mod databases;
mod determinism;
mod feed;
pub mod functions;
mod invoke;
pub mod machines;
mod permissions;
mod records;
mod rules;
mod set_up;

pub use databases::{APPLICATION_LOGIN, SetUpDatabase};
pub use feed::{Listener, Notice};
pub use invoke::{Elsewhere, FunctionWrapper, Invocation, InvocationRecord, LambdaFailure, twice};
pub use records::Records;
pub(crate) use rules::Outside;
pub use rules::{DeadLetter, SWEEP_SCHEDULE};
pub use set_up::{ORIGINAL_TTL_SECONDS, OriginalSet};

use asl::{Engine, ExecutionDescription, ExecutionStatus};
use determinism::{SeededIds, WorldClock};
use jiff::Timestamp;
use landfall_aws::database::Databases;
use landfall_aws::warm::Warm;
use landfall_cloud::{Cloud, CloudOptions, Knobs};
use landfall_domain::plan::WavePlan;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The account of every world.
pub const ACCOUNT: &str = "111122223333";
/// The Region of every world.
pub const REGION: &str = "eu-west-1";
/// The wave table.
pub const TABLE: &str = "landfall";
/// The topic that operators and approvers are subscribed to.
const TOPIC: &str = "landfall-operators";

/// How a world is made.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// Decides everything that is random: the same seed, the same run.
    pub seed: u64,
    /// Virtual time at the beginning.
    pub start: Timestamp,
    /// How simulated AWS behaves.
    pub knobs: Knobs,
    /// Only for a run on a real clock: so many seconds after which a wait is entered again whose period is 30 s in the
    /// definitions. Nothing between a freeze and its switch waits so.
    pub reread_seconds: Option<u32>,
    /// The TTL of every record set at the beginning, in seconds. Default [`ORIGINAL_TTL_SECONDS`].
    pub original_ttl_seconds: u32,
}

impl Default for WorldOptions {
    /// A calm day that begins on a Saturday morning.
    fn default() -> Self {
        Self {
            seed: 1,
            start: "2026-03-07T06:00:00Z".parse().expect("a timestamp"),
            knobs: Knobs::default(),
            reread_seconds: None,
            original_ttl_seconds: ORIGINAL_TTL_SECONDS,
        }
    }
}

/// Simulated AWS with the product deployed in it. Clones share it.
#[derive(Clone)]
pub struct World {
    /// The cloud.
    pub cloud: Cloud,
    inner: Arc<Inner>,
}

struct Inner {
    cloud: Cloud,
    clock: Arc<WorldClock>,
    ids: Arc<SeededIds>,
    /// The token bucket that the retries of this world's clients share; no other world has it.
    partition: String,
    topic_arn: String,
    /// ARNs of the state machines by name.
    machines: BTreeMap<String, String>,
    invocations: AtomicU64,
    wrapper: Mutex<Option<FunctionWrapper>>,
    original_ttl_seconds: u32,
    /// Where functions run, when it is not here.
    elsewhere: Mutex<Option<Elsewhere>>,
    /// Idle execution environments by function, the one used last at the end.
    environments: Mutex<BTreeMap<&'static str, Vec<Arc<Warm>>>>,
    log: Mutex<Vec<InvocationRecord>>,
    plans: Mutex<Vec<WavePlan>>,
    originals: Mutex<Vec<OriginalSet>>,
    databases: Mutex<Vec<SetUpDatabase>>,
    /// What functions reach databases with, in place of the simulated ones.
    real_databases: Mutex<Option<Arc<dyn Databases>>>,
    listeners: Mutex<Vec<Listener>>,
    /// The roles of the template.
    permissions: Arc<iam::Permissions>,
    dead_letters: Mutex<Vec<DeadLetter>>,
}

impl World {
    /// Deploys the product into a fresh cloud.
    ///
    /// # Panics
    /// When the state machines of this repository cannot be loaded; the message lists every problem.
    pub fn new(options: WorldOptions) -> Self {
        Self::try_new(options).unwrap_or_else(|problems| panic!("the state machines cannot be deployed:\n{problems}"))
    }

    /// The same, with what is wrong with the state machines as an error.
    pub fn try_new(options: WorldOptions) -> Result<Self, String> {
        let mut definitions = machines::read(&machines::directory(), ACCOUNT, REGION)?;
        let WorldOptions {
            seed,
            start,
            knobs,
            reread_seconds,
            original_ttl_seconds,
        } = options;
        if let Some(seconds) = reread_seconds {
            for definition in &mut definitions {
                machines::hasten_rereading(&mut definition.document, seconds);
            }
        }
        let cloud = Cloud::new(CloudOptions {
            seed,
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            start,
            knobs,
        });
        cloud.create_table(TABLE);
        let mut machines = BTreeMap::new();
        let mut problems = Vec::new();
        for definition in &definitions {
            match cloud
                .engine()
                .create_state_machine(&definition.name, &definition.document)
            {
                Ok(arn) => {
                    machines.insert(definition.name.clone(), arn);
                }
                Err(errors) => problems.push(format!("{}.asl.json: {errors}", definition.name)),
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let inner = Arc::new(Inner {
            cloud: cloud.clone(),
            clock: Arc::new(WorldClock(cloud.clock())),
            ids: Arc::new(SeededIds::new(seed)),
            partition: next_partition(),
            topic_arn: cloud.sns().create_topic(TOPIC),
            machines,
            invocations: AtomicU64::new(0),
            wrapper: Mutex::default(),
            original_ttl_seconds,
            elsewhere: Mutex::default(),
            environments: Mutex::default(),
            log: Mutex::default(),
            plans: Mutex::default(),
            originals: Mutex::default(),
            databases: Mutex::default(),
            real_databases: Mutex::default(),
            listeners: Mutex::default(),
            permissions: permissions::of_template(),
            dead_letters: Mutex::default(),
        });
        let world = Self { cloud, inner };
        world
            .cloud
            .engine()
            .set_task_handler(Arc::new(rules::Lambda::new(&world)));
        world.cloud.set_functions(Arc::new(invoke::Deployed::new(&world)));
        permissions::enforce(&world);
        rules::add(&world);
        world.feed();
        Ok(world)
    }

    /// The state machine interpreter.
    pub fn engine(&self) -> &Engine {
        self.cloud.engine()
    }

    /// Virtual time now.
    pub fn now(&self) -> Timestamp {
        self.cloud.clock().now()
    }

    /// The ARN of a state machine.
    ///
    /// # Panics
    /// When there is no machine of that name.
    pub fn machine_arn(&self, machine: &str) -> &str {
        self.inner
            .machines
            .get(machine)
            .unwrap_or_else(|| panic!("there is no state machine {machine}"))
    }

    /// Starts an execution, as a person would; gives its ARN.
    ///
    /// # Panics
    /// When the machine does not exist or the name is taken: a fault of the script that calls this.
    pub fn start(&self, machine: &str, name: &str, input: Value) -> String {
        let started = self
            .engine()
            .start_execution(self.machine_arn(machine), Some(name), input);
        started
            .unwrap_or_else(|error| panic!("{machine} cannot be started as {name}: {error}"))
            .execution_arn
    }

    /// Waits until an execution is closed.
    ///
    /// # Panics
    /// When there is no such execution.
    pub async fn finished(&self, arn: &str) -> ExecutionDescription {
        self.engine().wait(arn).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until no execution runs any more.
    pub async fn quiet(&self) {
        while let Some(running) = self
            .engine()
            .list_executions(None, Some(ExecutionStatus::Running))
            .pop()
        {
            self.finished(&running.execution_arn).await;
        }
    }

    /// Has every later invocation go through a wrapper, or through none again.
    pub fn set_wrapper(&self, wrapper: Option<FunctionWrapper>) {
        *lock(&self.inner.wrapper) = wrapper;
    }

    /// Has `reach-database` log in through this from now on, in place of the simulated ones.
    pub fn set_databases(&self, databases: Arc<dyn Databases>) {
        *lock(&self.inner.real_databases) = Some(databases);
    }

    /// Every invocation that has ended, in the order of their ends.
    pub fn invocations(&self) -> Vec<InvocationRecord> {
        lock(&self.inner.log).clone()
    }
}

/// Runs something in virtual time: on one thread, with tokio's clock paused.
pub fn simulate<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime
        .expect("a runtime without input and output needs nothing of the machine")
        .block_on(future)
}

/// Runs something on the real clock, with input and output: on one thread, as a world wants it.
pub fn in_real_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .unwrap_or_else(|error| panic!("a runtime cannot be made: {error}"))
        .block_on(future)
}

/// A name that no other world of this process has.
fn next_partition() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("world-{}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// Nothing that is kept here can be left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
