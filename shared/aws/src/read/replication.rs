//! Reading whether DMS has moved on with what a database waits for.
//!
//! Going on needs logins to databases and rights to make and delete, which `on-event` must not have. So it only reads,
//! and answers [`AGAIN`]: the state machine enters the same task again at once, which reads the same way and goes on. A
//! state that does not know that outcome would take it for a failure, so only a wait that says so is answered with it
//! ([`ReplicationRead::again`]); every other one is entered again at its period.

use crate::deps::Deps;
use crate::dms::{AssessmentView, ConnectionView, Conversion, ConversionView};
use crate::step::Step;
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::decide::{
    AssessmentStanding, Standing, TaskEnd, TaskStanding, assessment_standing, conversion_standing, instance_standing,
    task_end, task_standing,
};
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::observe_dms::{TaskStatus, TaskView};
use landfall_domain::record::{DatabaseRecord, Direction, ReplicationFacts, Resource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The outcome of a wait that is to be entered again at once: DMS has moved on.
pub const AGAIN: &str = "AGAIN";

/// How long after its intent something may not show yet in what DMS lists. How late DMS shows it is documented nowhere.
pub const SHOWS_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// The parts of a schema conversion, in order.
pub const CONVERSIONS: [(Conversion, &str); 3] = [
    (Conversion::Assessment, "assessment"),
    (Conversion::Conversion, "conversion"),
    (Conversion::ExportToTarget, "export to the target"),
];

/// What a wait for a replication is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Doing {
    /// Making everything that a replication needs.
    Provision,
    /// Starting the task.
    Start,
    /// Stopping the task.
    Stop,
    /// Starting the task of the way back.
    Reverse,
    /// Ending everything.
    Retire,
}

/// Which replication, and what is done to it: the input of a waiting token. What else a function puts there is its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationRead {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch.
    pub epoch: u64,
    /// Which way the wave moves.
    pub direction: Direction,
    /// The database.
    pub database: DatabaseId,
    /// What is done.
    pub mode: Doing,
    /// Whether the state that waits takes [`AGAIN`] for an outcome.
    #[serde(default)]
    pub again: bool,
}

/// What a wait for a database's replication waits under.
pub fn resource(wave: &WaveId, database: &DatabaseId) -> String {
    format!("REPLICATION#{wave}#{database}")
}

/// Reads what the wait waits for. [`None`]: DMS has not moved on.
pub async fn read(deps: &Deps, input: &ReplicationRead) -> Result<Option<Value>, StepError> {
    if !input.again {
        return Ok(None);
    }
    let step = Step::begin(deps, &input.wave_id, input.epoch, input.direction).await?;
    let database = deps.table.database(&input.wave_id, &input.database).await?;
    let moved = match input.mode {
        Doing::Provision => provisioning_moved(deps, &database, step.now).await?,
        Doing::Start => {
            let known = database.replication.running_at.is_some();
            task_moved(deps, &database.replication.task, |standing| {
                !known && *standing == TaskStanding::Runs
            })
            .await?
        }
        Doing::Stop => task_moved(deps, &database.replication.task, |_| false).await?,
        Doing::Reverse => {
            task_moved(deps, &database.fail_back.task, |standing| {
                *standing == TaskStanding::Runs
            })
            .await?
        }
        Doing::Retire => retiring_moved(deps, &database).await?,
    };
    Ok(moved.then(|| json!({ "outcome": AGAIN, "reasons": [] })))
}

/// True when a task stopped or failed, or stands as is waited for.
async fn task_moved(deps: &Deps, task: &Resource, awaited: impl Fn(&TaskStanding) -> bool) -> Result<bool, StepError> {
    let Some(view) = task_of(deps, task).await? else {
        return Ok(false);
    };
    let standing = task_standing(&view);
    let over = matches!(standing, TaskStanding::Stopped | TaskStanding::Failed(_));
    Ok(over || awaited(&standing))
}

/// True when the one thing that provisioning waits for by now is not under way any more. No event tells of assessments
/// and schema conversions: those are read at the next entry.
async fn provisioning_moved(deps: &Deps, database: &DatabaseRecord, now: Timestamp) -> Result<bool, StepError> {
    let facts = &database.replication;
    if facts.instance.may_exist() && facts.instance.ready_at.is_none() {
        return Ok(instance(deps, &facts.instance, now).await? != Standing::Waits);
    }
    if facts.tests_intended_at.is_some() && facts.connected_at.is_none() {
        let views = connections(deps, facts).await?;
        return Ok(!views.contains(&ConnectionView::Testing));
    }
    if facts.task.may_exist() && facts.task.ready_at.is_none() {
        return Ok(provisioned_task(deps, &facts.task, now).await? != Standing::Waits);
    }
    Ok(false)
}

/// True when something that is to end is gone, or can be ended by now.
async fn retiring_moved(deps: &Deps, database: &DatabaseRecord) -> Result<bool, StepError> {
    let (forward, back) = (&database.replication, &database.fail_back);
    let mut tasks = false;
    for task in [&forward.task, &back.task] {
        if task.may_exist() {
            tasks = true;
            match task_of(deps, task).await? {
                None => return Ok(true),
                Some(view) if task_end(&view.status)? == TaskEnd::Delete => return Ok(true),
                Some(_) => {}
            }
        }
    }
    if tasks {
        return Ok(false);
    }
    let mut endpoints = false;
    for endpoint in [
        &forward.source_endpoint,
        &forward.target_endpoint,
        &back.source_endpoint,
        &back.target_endpoint,
    ] {
        if let Some(identifier) = endpoint.identifier.as_ref().filter(|_| endpoint.may_exist()) {
            endpoints = true;
            if deps.dms.endpoint(identifier).await?.is_none() {
                return Ok(true);
            }
        }
    }
    if endpoints {
        return Ok(false);
    }
    match forward
        .instance
        .identifier
        .as_ref()
        .filter(|_| forward.instance.may_exist())
    {
        Some(identifier) => Ok(deps.dms.instance(identifier).await?.is_none()),
        None => Ok(false),
    }
}

/// The task of a record, as DMS shows it.
async fn task_of(deps: &Deps, task: &Resource) -> Result<Option<TaskView>, StepError> {
    match &task.identifier {
        Some(identifier) => deps.dms.task(identifier).await,
        None => Ok(None),
    }
}

/// What it means that DMS does not show something.
fn unseen(what: &str, resource: &Resource, now: Timestamp) -> Standing {
    let may_show = resource.intended_at.is_some_and(|at| now < at + SHOWS_WITHIN);
    if may_show {
        Standing::Waits
    } else {
        let name = resource.identifier.as_deref().unwrap_or("without a name");
        Standing::Failed(format!("DMS does not know the {what} {name} any more"))
    }
}

/// How the replication instance stands.
pub async fn instance(deps: &Deps, resource: &Resource, now: Timestamp) -> Result<Standing, StepError> {
    let identifier = resource.identifier.as_deref().unwrap_or_default();
    match deps.dms.instance(identifier).await? {
        Some(view) => instance_standing(identifier, &view.status),
        None => Ok(unseen("replication instance", resource, now)),
    }
}

/// How the connection tests stand: the source's, the target's.
pub async fn connections(deps: &Deps, facts: &ReplicationFacts) -> Result<[ConnectionView; 2], StepError> {
    let arn = |resource: &Resource, what: &str| {
        let missing = || StepError::Corrupt(format!("connections are tested, and the {what} has no ARN on record"));
        resource.arn.clone().ok_or_else(missing)
    };
    let instance = arn(&facts.instance, "replication instance")?;
    let source = arn(&facts.source_endpoint, "source endpoint")?;
    let target = arn(&facts.target_endpoint, "target endpoint")?;
    Ok([
        deps.dms.connection(&instance, &source).await?,
        deps.dms.connection(&instance, &target).await?,
    ])
}

/// How a task stands that was made and not started yet.
pub async fn provisioned_task(deps: &Deps, resource: &Resource, now: Timestamp) -> Result<Standing, StepError> {
    let Some(view) = task_of(deps, resource).await? else {
        return Ok(unseen("replication task", resource, now));
    };
    match (&view.status, task_standing(&view)) {
        (TaskStatus::Ready, _) => Ok(Standing::Ready),
        (TaskStatus::Unknown(word), _) => Err(StepError::UnknownValue {
            service: crate::dms::SERVICE,
            what: format!("task {}", view.arn),
            value: word.clone(),
        }),
        (TaskStatus::Starting | TaskStatus::Stopping, _) | (_, TaskStanding::Runs | TaskStanding::Stopped) => {
            let text = format!("the task is {} before Landfall has started it", view.status);
            Ok(Standing::Failed(text))
        }
        (_, TaskStanding::Waits) => Ok(Standing::Waits),
        (_, TaskStanding::Failed(why)) => Ok(Standing::Failed(why)),
    }
}

/// How the assessment run stands. [`None`]: DMS shows none.
pub async fn assessment(
    deps: &Deps,
    facts: &ReplicationFacts,
) -> Result<Option<(AssessmentStanding, AssessmentView)>, StepError> {
    let (Some(task), Some(name)) = (&facts.task.arn, &facts.assessment.identifier) else {
        return Ok(None);
    };
    let Some(view) = deps.dms.assessment(task, name).await? else {
        return Ok(None);
    };
    Ok(Some((assessment_standing(&view.status)?, view)))
}

/// How a request of the schema conversion stands, by its place in [`CONVERSIONS`]; with it what DMS says.
pub async fn conversion(
    deps: &Deps,
    project: &str,
    place: usize,
    resource: &Resource,
    now: Timestamp,
) -> Result<(Standing, Option<String>), StepError> {
    let Some((part, name)) = CONVERSIONS.get(place) else {
        return Err(StepError::Corrupt(format!("a schema conversion has no part {place}")));
    };
    let Some(request) = &resource.arn else {
        return Ok((Standing::Waits, None));
    };
    match deps.dms.conversion(project, *part, request).await? {
        Some(ConversionView { status, error }) => Ok((conversion_standing(name, &status, error.as_deref())?, error)),
        None => Ok((unseen("schema conversion request", resource, now), None)),
    }
}
