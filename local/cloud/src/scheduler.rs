//! EventBridge Scheduler: one-shot schedules that invoke a function.
//!
//! Scheduler gives its event to Lambda's queue, which invokes the function: what the function says is heard by nobody
//! but that queue. An event that cannot be given is tried again as the schedule's retry policy says; a function that
//! fails is invoked twice more by Lambda.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::fleet::members::{Members, invalid, not_simulated};
use crate::fleet::times;
use crate::hub::{AwsError, Hub};
use crate::lambda::queued;
use crate::operations;

/// The group that every account has.
const DEFAULT_GROUP: &str = "default";

/// The pause before an event is offered again, doubled for each further one.
const OFFERED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The defaults of a schedule's retry policy.
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html>
const RETRIES: i64 = 185;
const AGE_SECONDS: i64 = 86_400;

/// What a schedule invokes.
#[derive(Debug, Clone, PartialEq)]
pub struct ToInvoke {
    /// The ARN of the role that invokes.
    pub role: String,
    /// The function's ARN.
    pub function: String,
    /// What it is given.
    pub input: Value,
}

/// Invokes a function; an error is a function that failed.
pub type Invoker = Arc<dyn Fn(ToInvoke) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Told of every invocation that Lambda's queue has given up, with what the function said last.
pub type GivenUpObserver = Arc<dyn Fn(&ToInvoke, &str) + Send + Sync>;

/// How Scheduler behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerKnobs {
    /// How long after its time a schedule runs. It is promised to the minute only. Default 300 ms.
    pub delay: Duration,
    /// Whether schedules never run. Default no.
    pub lose: bool,
    /// How often an event cannot be given to Lambda before it can. Default 0.
    pub undeliverable: u32,
}

impl Default for SchedulerKnobs {
    fn default() -> SchedulerKnobs {
        SchedulerKnobs {
            delay: Duration::from_millis(300),
            lose: false,
            undeliverable: 0,
        }
    }
}

/// What became of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleFate {
    /// It was made.
    Created,
    /// It was deleted by a call.
    Deleted,
    /// Its time came, and it did not run.
    Lost,
    /// Its event could not be given to Lambda.
    Undelivered,
    /// The function it invoked succeeded.
    Invoked,
    /// The function it invoked failed, with this.
    Failed(String),
    /// It ended, and deleted itself.
    Completed,
}

/// A line of Scheduler's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleLogEntry {
    /// When.
    pub at: Timestamp,
    /// The schedule.
    pub name: String,
    /// What happened.
    pub fate: ScheduleFate,
}

/// A schedule as it was made.
#[derive(Debug, Clone, PartialEq)]
struct Schedule {
    /// When it runs.
    at: Timestamp,
    made_at: Timestamp,
    body: Value,
    /// The token of the call that made it: the same call again is no conflict.
    token: Option<String>,
}

#[derive(Default)]
struct State {
    knobs: SchedulerKnobs,
    groups: BTreeSet<String>,
    /// By group and name.
    schedules: BTreeMap<(String, String), (Schedule, AbortHandle)>,
    invoker: Option<Invoker>,
    given_up: Vec<GivenUpObserver>,
    log: Vec<ScheduleLogEntry>,
}

/// What does an operation: group, name and body in.
type Act = fn(&Scheduler, &str, &str, &Value) -> Result<Value, AwsError>;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Act); 3] = [
    ("CreateSchedule", |scheduler, _, name, body| {
        scheduler.create(name, body)
    }),
    ("DeleteSchedule", |scheduler, group, name, _| {
        scheduler.delete(group, name)
    }),
    ("GetSchedule", |scheduler, group, name, _| scheduler.get(group, name)),
];

/// The simulated service. Cloning shares it.
#[derive(Clone)]
pub struct Scheduler {
    hub: Arc<dyn Hub>,
    state: Arc<Mutex<State>>,
}

impl Scheduler {
    /// A service with the group `default`.
    pub fn new(hub: Arc<dyn Hub>, knobs: SchedulerKnobs) -> Scheduler {
        let state = State {
            knobs,
            groups: BTreeSet::from([DEFAULT_GROUP.to_owned()]),
            ..State::default()
        };
        Scheduler {
            hub,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Makes a group, as a template does.
    pub fn add_group(&self, name: &str) {
        self.lock().groups.insert(name.to_owned());
    }

    /// Adds an observer of invocations that are given up.
    pub fn on_given_up(&self, observer: GivenUpObserver) {
        self.lock().given_up.push(observer);
    }

    /// Says how functions are invoked. Until then every invocation fails.
    pub fn set_invoker(&self, invoker: Invoker) {
        self.lock().invoker = Some(invoker);
    }

    /// Changes the knobs, also for schedules that exist.
    pub fn set_knobs(&self, knobs: SchedulerKnobs) {
        self.lock().knobs = knobs;
    }

    /// The schedules that exist, as `group/name` with their times.
    pub fn schedules(&self) -> Vec<(String, Timestamp)> {
        let state = self.lock();
        let one = |((group, name), (schedule, _)): (&(String, String), &(Schedule, AbortHandle))| {
            (format!("{group}/{name}"), schedule.at)
        };
        state.schedules.iter().map(one).collect()
    }

    /// What happened so far, in order.
    pub fn log(&self) -> Vec<ScheduleLogEntry> {
        self.lock().log.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, name: &str, fate: ScheduleFate) {
        let at = self.hub.now();
        let name = name.to_owned();
        self.lock().log.push(ScheduleLogEntry { at, name, fate });
    }

    /// One call: the operation by AWS's name, the schedule's name, the query, and the body.
    pub fn handle(
        &self,
        operation: &str,
        name: &str,
        query: &BTreeMap<String, String>,
        body: &Value,
    ) -> Result<Value, AwsError> {
        let unknown = query
            .keys()
            .find(|key| !matches!(key.as_str(), "groupName" | "clientToken"));
        if let Some(unknown) = unknown {
            return Err(not_simulated(format_args!("scheduler:{operation} query {unknown}")));
        }
        let group = query.get("groupName").map_or(DEFAULT_GROUP, String::as_str);
        operations::find("scheduler", &OPERATIONS, operation)?(self, group, name, body)
    }

    fn create(&self, name: &str, body: &Value) -> Result<Value, AwsError> {
        const KNOWN: [&str; 9] = [
            "GroupName",
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "FlexibleTimeWindow",
            "Target",
            "ActionAfterCompletion",
            "ClientToken",
            "Description",
            "State",
        ];
        let request = Members::of("scheduler", "CreateSchedule", body, &KNOWN)?;
        let group = request.text("GroupName")?.unwrap_or(DEFAULT_GROUP).to_owned();
        let expression = request.required("ScheduleExpression")?;
        let zone = request.text("ScheduleExpressionTimezone")?.unwrap_or("UTC");
        if zone != "UTC" {
            return Err(not_simulated(format_args!("scheduler: time zone {zone}")));
        }
        let at = instant(expression)?;
        let now = self.hub.now();
        if at <= now {
            return Err(not_simulated("scheduler: a one-time schedule in the past"));
        }
        if body["FlexibleTimeWindow"] != json!({"Mode": "OFF"}) {
            return Err(not_simulated("scheduler: a flexible time window"));
        }
        if request.text("ActionAfterCompletion")? != Some("DELETE") {
            return Err(not_simulated("scheduler: a schedule that does not delete itself"));
        }
        if request.text("State")?.is_some_and(|state| state != "ENABLED") {
            return Err(not_simulated("scheduler: a schedule that is disabled"));
        }
        let target = Target::of(&body["Target"])?;
        let token = request.text("ClientToken")?.map(str::to_owned);
        let key = (group.clone(), name.to_owned());
        let arn = self.arn(&group, name);
        let mut state = self.lock();
        if !state.groups.contains(&group) {
            return Err(not_found(format!("Schedule group {group} does not exist.")));
        }
        if let Some((present, _)) = state.schedules.get(&key) {
            // The same call again, as a client's own retry makes it.
            if token.is_some() && present.token == token {
                return Ok(json!({"ScheduleArn": arn}));
            }
            let message = format!("Schedule {name} already exists.");
            return Err(AwsError::new(409, "ConflictException", message));
        }
        let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        let (this, mine) = (self.clone(), key.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            this.run(mine, target).await;
        });
        let schedule = Schedule {
            at,
            made_at: now,
            body: body.clone(),
            token,
        };
        state.schedules.insert(key, (schedule, task.abort_handle()));
        drop(state);
        self.note(name, ScheduleFate::Created);
        Ok(json!({"ScheduleArn": arn}))
    }

    /// The time of a schedule has come.
    async fn run(self, key: (String, String), target: Target) {
        let knobs = self.lock().knobs.clone();
        if knobs.lose {
            return self.note(&key.1, ScheduleFate::Lost);
        }
        tokio::time::sleep(knobs.delay).await;
        let began = tokio::time::Instant::now();
        let mut pause = OFFERED_AGAIN_AFTER;
        for offer in 0..=target.retries {
            if offer >= u64::from(knobs.undeliverable) {
                let this = self.clone();
                let name = key.1.clone();
                // The queue goes on without the schedule, which is over.
                tokio::spawn(async move { this.invoke(&name, target).await });
                break;
            }
            self.note(&key.1, ScheduleFate::Undelivered);
            if began.elapsed() + pause > target.age {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        self.lock().schedules.remove(&key);
        self.note(&key.1, ScheduleFate::Completed);
    }

    /// The function is invoked by Lambda's queue.
    async fn invoke(&self, name: &str, target: Target) {
        let invoke = || async {
            let invoker = self.lock().invoker.clone();
            let answer = match invoker {
                Some(invoke) => invoke(target.invocation.clone()).await,
                None => Err("nothing invokes functions here".to_owned()),
            };
            let fate = match &answer {
                Ok(()) => ScheduleFate::Invoked,
                Err(error) => ScheduleFate::Failed(error.clone()),
            };
            self.note(name, fate);
            answer
        };
        let Err(said) = queued(invoke).await else { return };
        let observers = self.lock().given_up.clone();
        for observer in observers {
            observer(&target.invocation, &said);
        }
    }

    fn delete(&self, group: &str, name: &str) -> Result<Value, AwsError> {
        let key = (group.to_owned(), name.to_owned());
        let Some((_, task)) = self.lock().schedules.remove(&key) else {
            return Err(not_found(format!("Schedule {name} does not exist.")));
        };
        task.abort();
        self.note(name, ScheduleFate::Deleted);
        Ok(json!({}))
    }

    fn get(&self, group: &str, name: &str) -> Result<Value, AwsError> {
        let key = (group.to_owned(), name.to_owned());
        let state = self.lock();
        let Some((schedule, _)) = state.schedules.get(&key) else {
            return Err(not_found(format!("Schedule {name} does not exist.")));
        };
        let mut answer = schedule.body.clone();
        if let Some(members) = answer.as_object_mut() {
            members.remove("ClientToken");
        }
        answer["Name"] = name.into();
        answer["GroupName"] = group.into();
        answer["Arn"] = self.arn(group, name).into();
        answer["State"] = "ENABLED".into();
        answer["CreationDate"] = times::epoch_seconds(schedule.made_at);
        answer["LastModificationDate"] = times::epoch_seconds(schedule.made_at);
        Ok(answer)
    }

    fn arn(&self, group: &str, name: &str) -> String {
        let (account, region) = (self.hub.account(), self.hub.region());
        format!("arn:aws:scheduler:{region}:{account}:schedule/{group}/{name}")
    }
}

/// What a schedule invokes.
#[derive(Debug, Clone)]
struct Target {
    invocation: ToInvoke,
    /// How often an event is offered again.
    retries: u64,
    /// For how long.
    age: Duration,
}

impl Target {
    fn of(target: &Value) -> Result<Target, AwsError> {
        let known = ["Arn", "RoleArn", "Input", "RetryPolicy"];
        let request = Members::of("scheduler", "CreateSchedule Target", target, &known)?;
        let function = request.required("Arn")?.to_owned();
        if !function.contains(":lambda:") {
            return Err(not_simulated(format_args!("scheduler: the target {function}")));
        }
        let role = request.required("RoleArn")?.to_owned();
        let input = serde_json::from_str(request.text("Input")?.unwrap_or("{}"))
            .map_err(|error| invalid(format!("the input of the target is no JSON: {error}")))?;
        let none = json!({});
        let policy = request.value("RetryPolicy").unwrap_or(&none);
        let known = ["MaximumRetryAttempts", "MaximumEventAgeInSeconds"];
        let policy = Members::of("scheduler", "CreateSchedule RetryPolicy", policy, &known)?;
        let retries = policy.number("MaximumRetryAttempts", 0, RETRIES)?.unwrap_or(RETRIES);
        let age = policy
            .number("MaximumEventAgeInSeconds", 60, AGE_SECONDS)?
            .unwrap_or(AGE_SECONDS);
        Ok(Target {
            invocation: ToInvoke { role, function, input },
            retries: retries.unsigned_abs(),
            age: Duration::from_secs(age.unsigned_abs()),
        })
    }
}

/// `at(yyyy-mm-ddThh:mm:ss)`, in UTC.
fn instant(expression: &str) -> Result<Timestamp, AwsError> {
    let wrong = || invalid(format!("Invalid Schedule Expression {expression}."));
    let inner = expression
        .strip_prefix("at(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(wrong)?;
    // Whole seconds and no zone are all that it takes.
    if inner.len() != "2026-03-07T06:00:00".len() {
        return Err(wrong());
    }
    let time: DateTime = inner.parse().map_err(|_| wrong())?;
    let zoned = time.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp())
}

fn not_found(message: String) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message)
}
