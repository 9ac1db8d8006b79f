//! The way back after a switch: the same cutover, mirrored. The target is closed, what was written on it is carried to
//! the source or given up by somebody who may, the source is opened, applications are pointed back.
//!
//! A walk over the record: each state does one thing and puts the next one on record, so that it can be entered again
//! anywhere. There is no dead man's switch here. Before ReturnFrozen everything that can be proven is proven with the
//! target open; from ReturnFrozen on it only goes forward, and what keeps it is a failure that an operator looks at: both
//! sides are closed then, and never both open.

use crate::forward::recorded;
use crate::return_fence::{self, Crossing};
use crate::{Outcome, Stands, fail, line};
use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::database::DatabaseError;
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table};
use landfall_aws::freeze::{Opened, Why, alert, enter, let_in, open_source, probe};
use landfall_aws::sequences::{carry, replicated_tables};
use landfall_aws::switch_point;
use landfall_domain::StepError;
use landfall_domain::database::{Closed, Probe};
use landfall_domain::plan::database::FailBack;
use landfall_domain::record::{Closing, CommandFacts, DatabaseRecord, DatabaseState, FenceFacts, WaveRecord};
use std::time::Duration;
use tokio::time::Instant;

/// How long one invocation works on: its task is entered again after 15 seconds.
const INVOCATION: Duration = Duration::from_secs(11);

/// For how long sessions on the target are ended in one invocation.
const CLOSE_WITHIN: Duration = Duration::from_secs(6);

/// How long the target may take to close before somebody has to look.
const CLOSE_MINUTES_MAX: i64 = 10;

/// What one state's part of the way came to.
enum Walked {
    /// The next state is on record.
    On,
    /// There is more to wait for.
    Wait,
    /// It is over.
    Over(Outcome),
}

/// Walks on. [`None`]: there is more to wait for.
pub(crate) async fn advance(deps: &Deps, mut step: DatabaseStep) -> Result<Option<Outcome>, StepError> {
    let until = Instant::now() + INVOCATION;
    loop {
        let walked = match step.database.state {
            DatabaseState::OnSource => Walked::Over(Outcome::new(
                match step.database.fail_back.returned_at {
                    Some(_) => Stands::Returned,
                    None => Stands::NothingToReturn,
                },
                step.database.source_closing.left.clone(),
            )),
            DatabaseState::Frozen | DatabaseState::Unfreezing => unfreeze(deps, &mut step).await?,
            DatabaseState::Switching | DatabaseState::OnTarget => begin(deps, &mut step, until).await?,
            DatabaseState::ReturnFrozen => cross(deps, &mut step, until).await?,
            DatabaseState::Returning => open(deps, &mut step).await?,
        };
        match walked {
            Walked::On => {}
            Walked::Wait => return Ok(None),
            Walked::Over(outcome) => return Ok(Some(outcome)),
        }
    }
}

/// The switch never came: the source is opened as it would have been by `freeze-source`.
async fn unfreeze(deps: &Deps, step: &mut DatabaseStep) -> Result<Walked, StepError> {
    let guard = step.step.guard.clone();
    let why = Why::TakenBack("the wave is rolled back");
    Ok(match open_source(deps, &mut step.database, Some(&guard), why).await? {
        Opened::Partial(left) => Walked::Over(Outcome::new(Stands::Failed, left)),
        Opened::AsRecorded | Opened::Nothing | Opened::Switched => Walked::On,
    })
}

/// Decides what becomes of what was written on the target, and puts its closing on record.
async fn begin(deps: &Deps, step: &mut DatabaseStep, until: Instant) -> Result<Walked, StepError> {
    let back = &step.database.fail_back;
    let carried = back.running_at.is_some() && back.task.may_exist();
    let accepted = loss_accepted_by(&step.database, &step.step.wave);
    if !carried && accepted.is_none() {
        let why = unaccepted(&step.database);
        return fail(deps, step, vec![why]).await.map(Walked::Over);
    }
    if carried {
        match return_fence::canary(deps, step, until).await? {
            Crossing::Seen => {}
            Crossing::Wait => return Ok(Walked::Wait),
            Crossing::Lost(why) => return fail(deps, step, vec![why]).await.map(Walked::Over),
        }
    }
    let keep = step.keep_open(deps, Side::Target).await?;
    let mut admin = step.connect(deps, Side::Target, Who::Admin)?;
    let prepared = admin.prepared_transactions().await?;
    if !prepared.is_empty() {
        let why = format!(
            "prepared transactions hold the target: {}; commit them or roll them back, then start rollback-wave again; nothing was changed",
            prepared.join(", ")
        );
        return fail(deps, step, vec![why]).await.map(Walked::Over);
    }
    let record = admin.plan_closing(&keep).await?;
    let database = &mut step.database;
    enter(database, DatabaseState::ReturnFrozen)?;
    database.target_closing = Closing {
        id: Some(deps.ids.next()),
        record: Some(record),
        intended_at: Some(deps.now()),
        ..Closing::default()
    };
    database.fail_back.fence = FenceFacts::default();
    database.fail_back.loss_accepted_by = accepted.filter(|_| !carried);
    database.cutover.failure = None;
    let what = match &database.fail_back.loss_accepted_by {
        Some(by) => format!("what was written on it is given up, as {by} accepts"),
        None => "what was written on it is carried back".to_owned(),
    };
    let text = line(database, format!("the target is closed next, for the way back: {what}"));
    step.save(deps, text).await?;
    Ok(Walked::On)
}

/// Who accepted that what was written on the target is lost.
fn loss_accepted_by(database: &DatabaseRecord, wave: &WaveRecord) -> Option<String> {
    match &database.plan.fail_back {
        Some(FailBack::AcceptLoss(acceptance)) => Some(acceptance.accepted_by.clone()),
        _ => wave.loss_accepted_by(),
    }
}

fn unaccepted(database: &DatabaseRecord) -> String {
    let since = database.cutover.target_open_at.or(database.cutover.committed_at);
    let since = since.map(|at| at.to_string()).unwrap_or_default();
    format!(
        "what applications wrote on the target since {since} would be lost, for no replication carries it back: somebody who may lose it starts rollback-wave with {{\"waveId\": \"{}\", \"acceptance\": {{\"acceptedBy\": \"…\", \"reason\": \"…\"}}}}; nothing was changed",
        database.wave_id
    )
}

/// Closes the target, waits for the fence on the source, and puts the way back on record.
async fn cross(deps: &Deps, step: &mut DatabaseStep, until: Instant) -> Result<Walked, StepError> {
    if step.database.target_closing.closed_at.is_none() {
        match close_target(deps, step).await? {
            Walked::On => {}
            other => return Ok(other),
        }
    }
    let mut given_up = step.database.fail_back.loss_accepted_by.clone();
    if given_up.is_none() {
        match return_fence::cross(deps, step, until).await? {
            Crossing::Seen => {}
            Crossing::Wait => return Ok(Walked::Wait),
            Crossing::Lost(why) => {
                // Only who started this very rollback with an acceptance gives up what was to be carried back.
                let Some(acceptance) = step.step.wave.rollback_acceptance.clone() else {
                    return fail(deps, step, vec![why]).await.map(Walked::Over);
                };
                given_up = Some(acceptance.accepted_by);
            }
        }
    }
    if given_up.is_none() {
        carry_sequences(deps, step).await?;
    }
    let now = deps.now();
    let database = &mut step.database;
    enter(database, DatabaseState::Returning)?;
    database.fail_back.returned_at = Some(now);
    database.fail_back.loss_accepted_by = given_up;
    database.source_closing.open_intended_at = Some(now);
    database.source_closing.opened_at = None;
    database.cutover.restart = CommandFacts::default();
    let text = line(
        database,
        "the way back is on record: the target stays closed, and the source is opened next",
    );
    step.save(deps, text).await?;
    Ok(Walked::On)
}

async fn close_target(deps: &Deps, step: &mut DatabaseStep) -> Result<Walked, StepError> {
    let closing = &step.database.target_closing;
    let (Some(id), Some(record), Some(intended_at)) = (&closing.id, &closing.record, closing.intended_at) else {
        return Err(StepError::Corrupt("the closing of a target has no record".to_owned()));
    };
    let late = deps.now() >= intended_at + SignedDuration::from_mins(CLOSE_MINUTES_MAX);
    let keep = step.keep_open(deps, Side::Target).await?;
    let fence = fence_table(&step.database, Side::Target)?;
    let mut admin = step.connect(deps, Side::Target, Who::Admin)?;
    let held = match admin.close(&fence, id, record, &keep, CLOSE_WITHIN).await {
        Ok(Closed::Empty { .. }) => None,
        Ok(Closed::StillOpen { logins }) => Some(format!("sessions come back: {}", logins.join(", "))),
        Ok(Closed::Held { why }) => Some(format!("prepared transactions hold it: {}", why.join(", "))),
        Err(error @ (DatabaseError::Unreachable { .. } | DatabaseError::Service(_))) if !late => {
            return Err(error.into());
        }
        Err(error) => Some(error.to_string()),
    };
    let held = match held {
        None => match probe(deps, &step.database, Side::Target).await? {
            Probe::Refused(_) => None,
            Probe::Accepted => Some("the application's login can still write".to_owned()),
        },
        held => held,
    };
    let Some(held) = held else {
        step.database.target_closing.closed_at = Some(deps.now());
        let text = line(
            &step.database,
            "the target is closed, and the application's login is refused",
        );
        step.save(deps, text).await?;
        return Ok(Walked::On);
    };
    if !late {
        return Ok(Walked::Wait);
    }
    let why = format!(
        "the target could not be closed in {CLOSE_MINUTES_MAX} minutes: {held}; the source stays closed until it is; end what holds it, then start rollback-wave again"
    );
    fail(deps, step, vec![why]).await.map(Walked::Over)
}

/// What the target has given out is not given again. One that cannot be set is told, and keeps nobody: both sides are
/// closed now.
async fn carry_sequences(deps: &Deps, step: &mut DatabaseStep) -> Result<(), StepError> {
    let tables = match replicated_tables(deps, &step.database).await {
        Ok(tables) => tables,
        // The forward task may be gone already; the mappings name schemas too.
        Err(StepError::Corrupt(_) | StepError::ServiceRefused { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let problems = match carry(deps, &step.database, &tables, Side::Target).await {
        Ok(carried) => carried.missing,
        Err(StepError::DatabaseRefused(said)) => vec![said],
        Err(error) => return Err(error),
    };
    if problems.is_empty() {
        return Ok(());
    }
    let text = format!(
        "The source is opened again, and sequences of it are behind what the target gave: {}. Set them by hand at once.",
        problems.join("; ")
    );
    alert(deps, &step.database, &text).await?;
    let new: Vec<String> = problems
        .into_iter()
        .filter(|problem| !step.database.left.contains(problem))
        .collect();
    step.database.left.extend(new);
    Ok(())
}

/// Opens the source and points applications back at it.
async fn open(deps: &Deps, step: &mut DatabaseStep) -> Result<Walked, StepError> {
    if step.database.source_closing.opened_at.is_none() {
        let opened = let_in(deps, &step.database, Side::Source).await?;
        let news = !opened.left.is_empty() && step.database.source_closing.left != opened.left;
        step.database.source_closing.left.clone_from(&opened.left);
        if news {
            let text = format!(
                "The source was opened again for the way back, and not everything is as it was: {}.",
                opened.left.join("; ")
            );
            alert(deps, &step.database, &text).await?;
        }
        if !opened.works {
            return fail(deps, step, opened.left).await.map(Walked::Over);
        }
        if opened.left.is_empty() {
            step.database.source_closing.opened_at = Some(deps.now());
        }
        let text = line(&step.database, "the source is open to applications again");
        step.save(deps, text).await?;
    }
    let plan = step.database.plan.switch.clone();
    let before = recorded(&step.database)?;
    let ours = switch_point::at_target(&before, &plan);
    let comment = format!(
        "Landfall wave {}: point database {} back at its source",
        step.database.wave_id, step.database.database_id
    );
    let done = match switch_point::turn(deps, &plan, &ours, &before, &comment).await? {
        Ok(done) => done,
        Err(problem) => return fail(deps, step, vec![problem]).await.map(Walked::Over),
    };
    enter(&mut step.database, DatabaseState::OnSource)?;
    step.database.cutover.gate_open_at = None;
    step.database.cutover.failure = None;
    let text = line(
        &step.database,
        format!("applications are pointed back at the source: {done}"),
    );
    step.save(deps, text).await?;
    Ok(Walked::On)
}
