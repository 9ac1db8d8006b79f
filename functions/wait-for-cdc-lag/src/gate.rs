//! The gate before a freeze. Metrics may only refuse: one point a minute cannot prove five seconds, and 0 can mean idle.
//! Canaries measure.

use crate::canaries::Canaries;
use crate::{Outcome, POLL};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table, names};
use landfall_domain::StepError;
use landfall_domain::database::OpenTransaction;
use landfall_domain::decide::{LagView, TaskStanding, Verification, lag_gate, task_standing, verification};
use landfall_domain::plan::database::Dialect;
use landfall_domain::record::{DatabaseState, Phase};
use landfall_domain::text::few;
use std::time::Duration;

/// How long one invocation measures. Reading everything else comes after it, and re-entry after 15 s.
const MEASURE: SignedDuration = SignedDuration::from_secs(12);

/// For how long an open gate stays open. The freeze comes next; what was measured longer ago is measured again.
const OPEN: SignedDuration = SignedDuration::from_mins(5);

/// Measures, and looks at everything that a freeze needs. [`None`]: it is closed, and there is time.
pub async fn advance(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<Outcome>, StepError> {
    step.step.enter(deps, Phase::CutOverDatabases).await?;
    let state = step.database.state;
    let opened = step.database.cutover.gate_open_at;
    match state {
        DatabaseState::OnSource => {}
        // The gate was passed, its answer lost: the freeze goes on by itself.
        DatabaseState::Frozen if opened.is_some() => return Ok(Some(open())),
        // An earlier attempt has put the switch on record: from here it only goes forward.
        DatabaseState::Switching | DatabaseState::OnTarget => return Ok(Some(switched())),
        other => {
            let why = format!("applications do not write on the source: the database is {other:?}");
            return Ok(Some(refused(vec![why])));
        }
    }
    if opened.is_some_and(|at| deps.now() < at + OPEN) {
        return Ok(Some(open()));
    }
    let name = format!("GATE-{}", step.database.database_id);
    let began = step.step.wait_began(deps, &name).await?;
    measure(deps, step).await?;
    let (standing, closed) = look(deps, step).await?;
    let now = deps.now();
    if closed.is_empty() {
        step.database.cutover.gate_open_at = Some(now);
        step.database.cutover.failure = None;
        let text = format!(
            "the lag of database {} is small enough to freeze it",
            step.database.database_id
        );
        step.save(deps, Some(text)).await?;
        return Ok(Some(open()));
    }
    step.database.cutover.gate_open_at = None;
    let minutes = i64::from(step.database.plan.lag.wait_minutes);
    let over = now >= began + SignedDuration::from_mins(minutes);
    if !over && !matches!(standing, TaskStanding::Failed(_)) {
        step.save(deps, None).await?;
        return Ok(None);
    }
    let reasons = few(closed);
    let text = format!("the cutover is refused, nothing was frozen: {}", reasons.join("; "));
    step.database.cutover.failure = Some(text.clone());
    let log = format!("database {}: {text}", step.database.database_id);
    step.save(deps, Some(log)).await?;
    Ok(Some(refused(reasons)))
}

/// Writes one canary after another on the source, and reads them on the target. They go on record together at the end:
/// a canary of an invocation that died is a row that nobody looks for, and goes with the table.
async fn measure(deps: &Deps, step: &mut DatabaseStep) -> Result<(), StepError> {
    let began = deps.now();
    let seconds_max = step.database.plan.lag.seconds_max;
    let recorded = std::mem::take(&mut step.database.cutover.canaries);
    let mut canaries = Canaries::recent(recorded, seconds_max, began);
    let here = fence_table(&step.database, Side::Source)?;
    let there = fence_table(&step.database, Side::Target)?;
    let mut source = step.connect(deps, Side::Source, Who::Fence)?;
    let mut target = step.connect(deps, Side::Target, Who::Admin)?;
    loop {
        let missing = canaries.missing();
        if !missing.is_empty() {
            let seen = target.read_fences(&there, &missing).await?;
            canaries.seen(&seen, deps.now());
        }
        let now = deps.now();
        if canaries.enough() || now >= began + MEASURE {
            break;
        }
        if canaries.due(now) && canaries.returns_within(MEASURE - now.duration_since(began)) {
            let id = deps.ids.next();
            canaries.write(id.clone(), now);
            source.write_fence(&here, &id).await?;
        }
        tokio::time::sleep(POLL).await;
    }
    step.database.cutover.canaries = canaries.into_record();
    Ok(())
}

/// Reads everything that the gate looks at: how the task stands, and what keeps the gate closed.
async fn look(deps: &Deps, step: &DatabaseStep) -> Result<(TaskStanding, Vec<String>), StepError> {
    let database = &step.database;
    let identifier = names::task(database);
    let Some(task) = deps.dms.task(&identifier).await? else {
        let why = format!("DMS knows no task {identifier}");
        return Ok((TaskStanding::Failed(why.clone()), vec![why]));
    };
    let tables = deps.dms.tables(&task.arn).await?;
    let instance = names::instance(database);
    let metrics = deps.cloudwatch.latencies(&instance, &task.arn, deps.now()).await?;
    let (transactions, prepared) = under_way(deps, step).await?;
    let standing = task_standing(&task);
    let view = LagView {
        task: standing.clone(),
        tables: verification(&database.plan, &tables),
        canaries: &database.cutover.canaries,
        transactions: &transactions,
        prepared: &prepared,
        metrics: &metrics,
    };
    let now: Timestamp = deps.now();
    let mut closed = lag_gate(&database.plan, &view, now);
    if database.replication.loaded_at.is_none() && view.tables == Verification::Clean {
        closed.push("nobody saw the load end: start-replication has not answered RUNNING".to_owned());
    }
    Ok((standing, closed))
}

/// Old transactions and prepared ones on the source.
async fn under_way(deps: &Deps, step: &DatabaseStep) -> Result<(Vec<OpenTransaction>, Vec<String>), StepError> {
    if step.side(Side::Source).engine.dialect() == Dialect::Documents {
        // The plan's document looks for them when it freezes, and is held by them.
        return Ok((Vec::new(), Vec::new()));
    }
    let mut source = step.connect(deps, Side::Source, Who::Admin)?;
    let longest = u64::from(step.database.plan.freeze.longest_transaction_seconds);
    let transactions = source.open_transactions(Duration::from_secs(longest)).await?;
    Ok((transactions, source.prepared_transactions().await?))
}

fn switched() -> Outcome {
    Outcome {
        outcome: "SWITCHED",
        reasons: Vec::new(),
    }
}

fn open() -> Outcome {
    Outcome {
        outcome: "OPEN",
        reasons: Vec::new(),
    }
}

fn refused(reasons: Vec<String>) -> Outcome {
    Outcome {
        outcome: "REFUSED",
        reasons,
    }
}
