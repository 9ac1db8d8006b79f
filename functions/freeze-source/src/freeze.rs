//! Shutting applications out of a source.

use crate::deadline::EARLY;
use crate::{Outcome, Stands};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::Deps;
use landfall_aws::database::DatabaseError;
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table, names};
use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use landfall_aws::freeze::{self, Opened, Why, enter, open_source, probe, repeats};
use landfall_aws::switch_point::{self, Pointed};
use landfall_domain::StepError;
use landfall_domain::database::{Closed, KeepOpen, Probe};
use landfall_domain::decide::is_switched;
use landfall_domain::record::{
    ApprovalKind, Closing, CutoverFacts, DatabaseRecord, DatabaseState, Decision, FenceFacts, FreezeRecord, Phase,
    WaveRecord,
};
use landfall_domain::text::count;
use serde_json::json;
use std::time::Duration;

/// For how long sessions are ended that come back.
const CLOSE_WITHIN: SignedDuration = SignedDuration::from_secs(20);

/// What is left of the time to the deadline when the closing has to be over, for opening again.
const RESERVE: SignedDuration = SignedDuration::from_secs(5);

/// How old the answer of the lag gate may be.
const GATE_AGE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// After a source was opened, whoever opens it as well may still be at work for so long: what it opens late would be the
/// next freeze. A function's longest time, and something for clocks.
const QUIET: SignedDuration = SignedDuration::from_secs(FUNCTION_SECONDS_MAX as i64 + 5);

/// Logins and settings that one closing may change: they are kept in one item of the table.
const CHANGES_MAX: usize = 500;

/// What is found before anything is changed.
struct Found {
    record: FreezeRecord,
    keep: KeepOpen,
    pointed: Pointed,
}

/// Freezes the source, or goes on with a freeze that is on record.
pub(crate) async fn freeze(deps: &Deps, mut step: DatabaseStep) -> Result<Outcome, StepError> {
    match step.database.state {
        DatabaseState::OnSource => {
            step.step.enter(deps, Phase::CutOverDatabases).await?;
            let found = match look(deps, &step).await? {
                Ok(found) => found,
                Err(reasons) => return Ok(Outcome::new(Stands::Failed, reasons)),
            };
            let keep = found.keep.clone();
            if let Some(refused) = intend(deps, &mut step, found).await? {
                return Ok(Outcome::new(Stands::Failed, vec![refused]));
            }
            close(deps, step, keep).await
        }
        DatabaseState::Frozen if step.database.source_closing.closed_at.is_some() => Ok(frozen(&step.database)),
        DatabaseState::Frozen => {
            let keep = step.keep_open(deps, Side::Source).await?;
            close(deps, step, keep).await
        }
        state if is_switched(state) => Ok(Outcome::new(Stands::Switched, Vec::new())),
        _ => {
            let why = "an earlier attempt was being taken back";
            take_back(deps, step, why.to_owned()).await
        }
    }
}

fn frozen(database: &DatabaseRecord) -> Outcome {
    Outcome {
        deadline: database.source_closing.deadline,
        ..Outcome::new(Stands::Frozen, Vec::new())
    }
}

/// Everything that the freeze relies on, before anything is changed and before applications notice.
async fn look(deps: &Deps, step: &DatabaseStep) -> Result<Result<Found, Vec<String>>, StepError> {
    let database = &step.database;
    let mut reasons = refusals(database, deps.now());
    reasons.extend(unasked(&step.step.wave, deps.now()));
    if deps.config.scheduler_role_arn.is_none() || deps.config.freeze_source_arn.is_none() {
        reasons.push("the deployment names no role and no function for the deadline; deploy the template".to_owned());
    }
    if !reasons.is_empty() {
        return Ok(Err(reasons));
    }
    if let Probe::Accepted = probe(deps, database, Side::Target).await? {
        reasons.push(
            "the application's login can write on the target, which has to be closed until the switch; close it"
                .to_owned(),
        );
    }
    if let Probe::Refused(said) = probe(deps, database, Side::Source).await? {
        reasons.push(format!(
            "the application's login cannot write on the source even before the freeze, so its refusal would prove nothing: {said}"
        ));
    }
    let keep = step.keep_open(deps, Side::Source).await?;
    let mut admin = step.connect(deps, Side::Source, Who::Admin)?;
    let prepared = admin.prepared_transactions().await?;
    if !prepared.is_empty() {
        reasons.push(format!(
            "prepared transactions hold the source: {}; commit them or roll them back",
            prepared.join(", ")
        ));
    }
    let longest = database.plan.freeze.longest_transaction_seconds;
    for open in admin.open_transactions(Duration::from_secs(longest.into())).await? {
        reasons.push(format!(
            "{} has had a transaction open for {} s in session {}, more than the {longest} s that the plan allows",
            open.login, open.seconds, open.session
        ));
    }
    let record = admin.plan_closing(&keep).await?;
    let changes = record.logins.len() + record.settings.len();
    if changes > CHANGES_MAX {
        reasons.push(format!(
            "closing would change {}, more than {CHANGES_MAX}: lock those that are not used",
            count(changes, "login or setting")
        ));
    }
    let pointed = match switch_point::read(deps, &database.plan.switch).await? {
        Ok(pointed) if pointed == switch_point::at_target(&pointed, &database.plan.switch) => {
            reasons.push(format!(
                "{} points at the target already, so there would be nothing to go back to; point it at the source",
                switch_point::name(&database.plan.switch)
            ));
            None
        }
        Ok(pointed) => Some(pointed),
        Err(problem) => {
            reasons.push(problem);
            None
        }
    };
    Ok(match pointed {
        Some(pointed) if reasons.is_empty() => Ok(Found { record, keep, pointed }),
        _ => Err(reasons),
    })
}

/// Applications go down here, so what lets them is looked at once more.
fn unasked(wave: &WaveRecord, now: Timestamp) -> Vec<String> {
    let mut reasons = Vec::new();
    if wave.decision(ApprovalKind::Cutover) != Some(Decision::Approved) {
        reasons.push("nobody has approved the cutover in this epoch".to_owned());
    }
    if let Some(window) = wave.window.as_ref().filter(|window| now > window.not_after) {
        reasons.push(format!("it is {now}, after the window's end {}", window.not_after));
    }
    reasons
}

/// What the record alone says against a freeze now.
fn refusals(database: &DatabaseRecord, now: Timestamp) -> Vec<String> {
    let mut reasons = Vec::new();
    match database.cutover.gate_open_at {
        Some(at) if now.duration_since(at) <= GATE_AGE_MAX => {}
        Some(at) => reasons.push(format!(
            "the lag gate opened at {at}, which is too long ago; measure again"
        )),
        None => {
            let before = database.cutover.failure.as_ref();
            let before = before
                .map(|why| format!("; the last attempt: {why}"))
                .unwrap_or_default();
            reasons.push(format!("the lag gate is not open{before}"));
        }
    }
    let last = &database.source_closing;
    if last.may_be_closed() {
        reasons.push(format!("an earlier freeze is not taken back: {}", last.left.join("; ")));
    }
    if let Some(opened) = last.opened_at.filter(|opened| now < *opened + QUIET) {
        reasons.push(format!(
            "the source was opened again at {opened}; it is not frozen before {}",
            opened + QUIET
        ));
    }
    let target = &database.target_closing;
    if target.id.is_none() || target.record.is_none() || !target.may_be_closed() {
        reasons
            .push("the target is not on record as closed to applications; provision the replication first".to_owned());
    }
    reasons
}

/// Makes the schedule, then puts the freeze on record. Gives why it could not be, with nothing changed.
async fn intend(deps: &Deps, step: &mut DatabaseStep, found: Found) -> Result<Option<String>, StepError> {
    let (Some(role), Some(function)) = (&deps.config.scheduler_role_arn, &deps.config.freeze_source_arn) else {
        return Ok(Some("the deployment names no function for the deadline".to_owned()));
    };
    let database = &mut step.database;
    let id = deps.ids.next();
    let now = deps.now();
    let deadline = now + SignedDuration::from_secs(database.plan.freeze.deadline_seconds.into());
    let schedule = names::schedule(database, &id);
    let call = json!({
        "mode": "DEADLINE", "waveId": database.wave_id, "database": database.database_id, "closingId": id,
        "deadline": deadline,
    });
    // A schedule of the past would be refused.
    let at = (deadline - EARLY).max(now + RESERVE);
    if let Err(error) = deps.scheduler.once(&schedule, at, function, role, &call).await {
        // Its answer may have been lost; it would find nothing.
        let _ = deps.scheduler.delete(&schedule).await;
        return Ok(Some(format!(
            "the deadline could not be scheduled, so nothing is frozen: {error}"
        )));
    }
    enter(database, DatabaseState::Frozen)?;
    database.source_closing = Closing {
        id: Some(id),
        record: Some(found.record),
        intended_at: Some(deps.now()),
        deadline: Some(deadline),
        schedule: Some(schedule.clone()),
        ..Closing::default()
    };
    begin_attempt(database, &found.pointed)?;
    let text = format!("the source is frozen next; it opens again by itself at {deadline}");
    let written = step.save(deps, Some(text)).await;
    if let Err(StepError::WriteConflict { .. } | StepError::EpochSuperseded { .. }) = &written {
        // Nothing is on record, so the schedule would find nothing; where its deletion fails, it does.
        let _ = deps.scheduler.delete(&schedule).await;
    }
    written.map(|()| None)
}

/// The facts of a new attempt: the gate and its canaries, and what the switch point held before.
fn begin_attempt(database: &mut DatabaseRecord, pointed: &Pointed) -> Result<(), StepError> {
    let before = serde_json::to_value(pointed)
        .map_err(|error| StepError::Corrupt(format!("a switch point cannot be written: {error}")))?;
    database.cutover = CutoverFacts {
        canaries: std::mem::take(&mut database.cutover.canaries),
        gate_open_at: database.cutover.gate_open_at,
        switch_before: Some(before),
        ..CutoverFacts::default()
    };
    let back = &mut database.fail_back;
    (back.fence, back.returned_at, back.loss_accepted_by) = (FenceFacts::default(), None, None);
    Ok(())
}

/// Closes what is on record to be closed, and proves it.
async fn close(deps: &Deps, mut step: DatabaseStep, keep: KeepOpen) -> Result<Outcome, StepError> {
    let closing = &step.database.source_closing;
    let (Some(id), Some(record), Some(deadline)) = (&closing.id, &closing.record, closing.deadline) else {
        return Err(StepError::Corrupt(
            "a frozen source has no closing on record".to_owned(),
        ));
    };
    // After the write, never before it: at the deadline nothing is closed that was not on record then.
    let within = CLOSE_WITHIN.min(deadline.duration_since(deps.now()) - RESERVE);
    let Some(within) = Duration::try_from(within).ok().filter(|within| !within.is_zero()) else {
        return take_back(
            deps,
            step,
            format!("there was no time left to close the source before {deadline}"),
        )
        .await;
    };
    let fence = fence_table(&step.database, Side::Source)?;
    let closed = match step.connect(deps, Side::Source, Who::Admin) {
        Ok(mut admin) => admin.close(&fence, id, record, &keep, within).await,
        Err(error) => Err(error),
    };
    let ended = match closed {
        Ok(Closed::Empty { ended }) => ended,
        Ok(Closed::StillOpen { logins }) => {
            let why = format!("sessions came back until the time was over: {}", logins.join(", "));
            return take_back(deps, step, why).await;
        }
        Ok(Closed::Held { why }) => {
            let why = format!("prepared transactions hold the source: {}", why.join(", "));
            return take_back(deps, step, why).await;
        }
        Err(error) if repeats(&error) => return Err(error.into()),
        Err(DatabaseError::Superseded { .. }) => {
            // Somebody has opened it meanwhile, and their write is on record or will be.
            step.database = read_again(deps, &step).await?;
            return take_back(
                deps,
                step,
                "the source was opened again while it was being closed".to_owned(),
            )
            .await;
        }
        Err(error) => return take_back(deps, step, format!("the source could not be closed: {error}")).await,
    };
    match probe(deps, &step.database, Side::Source).await {
        Ok(Probe::Refused(_)) => {}
        Ok(Probe::Accepted) => {
            let login = step.side(Side::Source).application_secret_arn.as_str();
            let why = format!("the login of the application can still write on the source ({login})");
            return take_back(deps, step, why).await;
        }
        Err(StepError::DatabaseRefused(said)) => {
            let why = format!("the closed source could not be tried through the application's login: {said}");
            return take_back(deps, step, why).await;
        }
        Err(error) => return Err(error),
    }
    step.database.source_closing.closed_at = Some(deps.now());
    let text = format!(
        "the source is frozen: {} ended, and the application's login is refused",
        count(ended, "session")
    );
    step.save(deps, Some(text)).await?;
    Ok(frozen(&step.database))
}

/// The record as it is now; the lease has not changed.
async fn read_again(
    deps: &Deps,
    step: &DatabaseStep,
) -> Result<landfall_aws::table::Stored<DatabaseRecord>, StepError> {
    deps.table
        .database(&step.database.wave_id, &step.database.database_id)
        .await
}

/// Opens the source again, for this reason: the freeze has failed.
async fn take_back(deps: &Deps, mut step: DatabaseStep, why: String) -> Result<Outcome, StepError> {
    let guard = step.step.guard.clone();
    match open_source(deps, &mut step.database, Some(&guard), Why::TakenBack(&why)).await? {
        Opened::Switched => Ok(Outcome::new(Stands::Switched, Vec::new())),
        Opened::AsRecorded | Opened::Nothing => {
            freeze::tell(deps, &mut step.database).await?;
            let failure = step.database.cutover.failure.clone();
            Ok(Outcome::new(Stands::Failed, vec![failure.unwrap_or(why)]))
        }
        Opened::Partial(left) => {
            let reasons = [why].into_iter().chain(left.clone()).collect();
            Ok(Outcome {
                left,
                ..Outcome::new(Stands::Failed, reasons)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::database;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_is_frozen_only_behind_an_open_gate_and_over_a_closed_target() {
        let now = at("2026-03-01T02:00:00Z");
        let mut database = database("ON_SOURCE", json!({}));
        assert_eq!(refusals(&database, now).len(), 2, "no gate, no closed target");
        database.cutover.gate_open_at = Some(at("2026-03-01T01:59:00Z"));
        database.target_closing = Closing {
            id: Some("t1".into()),
            record: Some(FreezeRecord::default()),
            intended_at: Some(at("2026-02-20T00:00:00Z")),
            ..Closing::default()
        };
        assert_eq!(refusals(&database, now), Vec::<String>::new());
        let later = at("2026-03-01T02:15:00Z");
        assert_eq!(refusals(&database, later).len(), 1, "an old answer of the gate");
        database.target_closing.opened_at = Some(now);
        assert_eq!(refusals(&database, now).len(), 1, "an open target");
    }

    #[test]
    fn a_source_is_not_frozen_while_somebody_may_still_be_opening_it() {
        let opened = at("2026-03-01T02:00:00Z");
        let mut database = database("ON_SOURCE", json!({ "id": "c1", "intendedAt": "2026-03-01T01:59:00Z" }));
        let refused = |database: &DatabaseRecord, now| refusals(database, now).len();
        let others = 2;
        assert_eq!(refused(&database, opened), others + 1, "not opened as it was recorded");
        database.source_closing.opened_at = Some(opened);
        assert_eq!(refused(&database, opened + SignedDuration::from_secs(64)), others + 1);
        assert_eq!(refused(&database, opened + SignedDuration::from_secs(65)), others);
    }
}
