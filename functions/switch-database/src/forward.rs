//! The switch: on record first, then the target is opened, then applications are pointed at it.

use crate::{Outcome, Stands, fail, line};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, Who, names};
use landfall_aws::freeze::{alert, delete_schedule, enter, let_in};
use landfall_aws::switch_point::{self, Pointed};
use landfall_domain::StepError;
use landfall_domain::plan::database::FailBack;
use landfall_domain::record::{DatabaseRecord, DatabaseState};

/// How long before its deadline a switch must be on record: the write itself takes a moment, and clocks differ.
const BEFORE_DEADLINE: SignedDuration = SignedDuration::from_secs(3);

/// Switches, from wherever an earlier call came to.
pub(crate) async fn switch(deps: &Deps, mut step: DatabaseStep) -> Result<Outcome, StepError> {
    match step.database.state {
        DatabaseState::OnTarget => {
            return Ok(Outcome::new(
                Stands::Switched,
                step.database.target_closing.left.clone(),
            ));
        }
        DatabaseState::Switching => {}
        DatabaseState::Frozen => {
            if let Some(refused) = commit(deps, &mut step).await? {
                return Ok(refused);
            }
        }
        DatabaseState::OnSource | DatabaseState::Unfreezing => {
            return Ok(too_late("the source was opened again".to_owned()));
        }
        DatabaseState::ReturnFrozen | DatabaseState::Returning => {
            return Ok(too_late("the database is on its way back".to_owned()));
        }
    }
    if step.database.cutover.target_open_at.is_none()
        && let Some(failed) = open_target(deps, &mut step).await?
    {
        return Ok(failed);
    }
    point(deps, &mut step).await
}

fn too_late(why: String) -> Outcome {
    Outcome::new(Stands::TooLate, vec![format!("{why}; nothing was switched")])
}

/// SWITCH_COMMITTED. Gives an outcome when the switch is not on record and is not to be.
async fn commit(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<Outcome>, StepError> {
    if let Some(observed) = missing(&step.database) {
        return Err(StepError::GateClosed {
            gate: "the switch of a database",
            observed,
        });
    }
    if fails_back(&step.database) {
        // Before the target is opened: everything written later is carried back.
        let mut admin = step.connect(deps, Side::Target, Who::Admin)?;
        let slot = names::back_slot(&step.database);
        step.database.cutover.target_log_position = Some(admin.hold_log(&slot).await?);
    }
    if step.database.cutover.switch_before.is_none() {
        let before = match switch_point::read(deps, &step.database.plan.switch).await? {
            Ok(before) => before,
            Err(problem) => {
                return Err(StepError::GateClosed {
                    gate: "the switch of a database",
                    observed: problem,
                });
            }
        };
        step.database.cutover.switch_before = Some(to_record(&before)?);
    }
    let now = deps.now();
    if !in_time(&step.database, now) {
        return Ok(Some(too_late(format!("it is {now}, and the deadline is too near"))));
    }
    enter(&mut step.database, DatabaseState::Switching)?;
    step.database.cutover.committed_at = Some(now);
    step.database.cutover.failure = None;
    step.database.target_closing.open_intended_at = Some(now);
    let text = line(
        &step.database,
        "the switch is on record: the source stays closed, and the target is opened next",
    );
    step.save(deps, text).await?;
    Ok(None)
}

/// What has to be on record before a switch, and is not.
fn missing(database: &DatabaseRecord) -> Option<String> {
    let cutover = &database.cutover;
    let facts = [
        (
            database.source_closing.closed_at,
            "the source was not proven to be closed",
        ),
        (
            database.counting_fence().seen_at,
            "the fence was not read on the target",
        ),
        (cutover.verified_at, "the target was not found equal to the source"),
        (cutover.ready_at, "the target was not made ready"),
    ];
    let text = facts.iter().find(|(at, _)| at.is_none()).map(|(_, text)| *text);
    text.map(|text| format!("database {}: {text}", database.database_id))
}

fn in_time(database: &DatabaseRecord, now: Timestamp) -> bool {
    let deadline = database.source_closing.deadline;
    deadline.is_some_and(|deadline| now < deadline - BEFORE_DEADLINE)
}

fn fails_back(database: &DatabaseRecord) -> bool {
    matches!(database.plan.fail_back, Some(FailBack::ReverseReplication {}))
}

/// Opens the target, and proves it through an application's login. Gives an outcome when it is not open: then applications
/// are not pointed at it.
async fn open_target(deps: &Deps, step: &mut DatabaseStep) -> Result<Option<Outcome>, StepError> {
    let opened = let_in(deps, &step.database, Side::Target).await?;
    let news = !opened.left.is_empty() && step.database.target_closing.left != opened.left;
    step.database.target_closing.left.clone_from(&opened.left);
    if news {
        let text = format!(
            "The target was opened after the switch, and not everything is as it was: {}. The source stays closed.",
            opened.left.join("; ")
        );
        alert(deps, &step.database, &text).await?;
    }
    if !opened.works {
        return Ok(Some(fail(deps, step, opened.left).await?));
    }
    let now = deps.now();
    step.database.cutover.target_open_at = Some(now);
    if opened.left.is_empty() {
        step.database.target_closing.opened_at = Some(now);
    }
    let text = line(&step.database, "the target is open to applications");
    step.save(deps, text).await?;
    Ok(None)
}

/// Points applications at the target.
async fn point(deps: &Deps, step: &mut DatabaseStep) -> Result<Outcome, StepError> {
    let plan = step.database.plan.switch.clone();
    let before = recorded(&step.database)?;
    let wanted = switch_point::at_target(&before, &plan);
    let comment = format!(
        "Landfall wave {}: point database {} at its target",
        step.database.wave_id, step.database.database_id
    );
    let done = match switch_point::turn(deps, &plan, &before, &wanted, &comment).await? {
        Ok(done) => done,
        Err(problem) => return fail(deps, step, vec![problem]).await,
    };
    enter(&mut step.database, DatabaseState::OnTarget)?;
    step.database.cutover.switched_at = Some(deps.now());
    step.database.cutover.failure = None;
    let text = line(
        &step.database,
        format!("applications are pointed at the target: {done}"),
    );
    step.save(deps, text).await?;
    // Last, for every call before it is downtime; it would find the switch on record.
    delete_schedule(deps, &step.database).await?;
    Ok(Outcome::new(
        Stands::Switched,
        step.database.target_closing.left.clone(),
    ))
}

fn to_record(before: &Pointed) -> Result<serde_json::Value, StepError> {
    serde_json::to_value(before)
        .map_err(|error| StepError::Corrupt(format!("a switch point cannot be written: {error}")))
}

/// What the switch point held before.
pub(crate) fn recorded(database: &DatabaseRecord) -> Result<Pointed, StepError> {
    let before = database.cutover.switch_before.clone().unwrap_or_default();
    serde_json::from_value(before).map_err(|error| {
        StepError::Corrupt(format!(
            "what the switch point of database {} held before cannot be read: {error}",
            database.database_id
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::database;

    #[test]
    fn nothing_is_switched_without_every_proof_and_none_too_near_the_deadline() {
        let now: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        let mut database = database("FROZEN");
        let mut steps = 0;
        while let Some(text) = missing(&database) {
            steps += 1;
            let place = match text {
                text if text.contains("closed") => &mut database.source_closing.closed_at,
                text if text.contains("fence") => &mut database.cutover.fence.seen_at,
                text if text.contains("equal") => &mut database.cutover.verified_at,
                _ => &mut database.cutover.ready_at,
            };
            assert!(place.replace(now).is_none(), "asked for once");
        }
        assert_eq!(steps, 4);
        assert!(!in_time(&database, now), "without a deadline");
        database.source_closing.deadline = Some(now + SignedDuration::from_secs(4));
        assert!(in_time(&database, now));
        assert!(!in_time(&database, now + SignedDuration::from_secs(1)));
    }
}
