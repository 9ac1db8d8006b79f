//! Restarting applications, so that they look again where their database is: the plan's document, once, on every host.

use crate::{Outcome, Stands, fail, line};
use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::commands::{Order, Sent, send};
use landfall_aws::database_step::DatabaseStep;
use landfall_aws::ssm::{Invocation, InvocationOutcome};
use landfall_domain::StepError;
use landfall_domain::plan::database::AfterSwitch;
use landfall_domain::record::{CommandFacts, DatabaseRecord, DatabaseState, Direction};
use landfall_domain::text::{QUOTE_CHARS_MAX, one_line};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long applications may take to restart before somebody has to look.
const RESTART_MINUTES_MAX: i64 = 15;

/// How often one invocation looks, a pause apart: eight seconds.
const LOOKS_MAX: usize = 5;

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Moves the restart on. [`None`]: there is more to wait for.
pub(crate) async fn advance(deps: &Deps, mut step: DatabaseStep) -> Result<Option<Outcome>, StepError> {
    let Some(plan) = step.database.plan.after_switch.clone() else {
        return Ok(Some(Outcome::new(Stands::NotPlanned, Vec::new())));
    };
    if let Some(why) = refused(&step.database, step.step.guard.direction) {
        return fail(deps, &mut step, vec![why]).await.map(Some);
    }
    for look in 1..=LOOKS_MAX {
        if let Some(outcome) = self::look(deps, &mut step, &plan).await? {
            return Ok(Some(outcome));
        }
        if look < LOOKS_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(None)
}

/// Applications are restarted where they are pointed at already.
fn refused(database: &DatabaseRecord, direction: Direction) -> Option<String> {
    let pointed = match direction {
        Direction::Forward => database.state == DatabaseState::OnTarget,
        Direction::Rollback => database.state == DatabaseState::OnSource && database.fail_back.returned_at.is_some(),
    };
    (!pointed).then(|| {
        format!(
            "applications are restarted after the switch, which is not over: {:?}",
            database.state
        )
    })
}

async fn look(deps: &Deps, step: &mut DatabaseStep, plan: &AfterSwitch) -> Result<Option<Outcome>, StepError> {
    let facts = step.database.cutover.restart.clone();
    let (Some(intent_id), Some(intended_at)) = (facts.intent_id, facts.intended_at) else {
        intend(deps, step).await?;
        return order(deps, step, plan, true).await;
    };
    if facts.done_at.is_some() {
        return Ok(Some(Outcome::new(Stands::Restarted, Vec::new())));
    }
    let Some(command) = facts.command_id else {
        return order(deps, step, plan, false).await;
    };
    let hosts: Vec<String> = plan.managed_instance_ids.iter().map(ToString::to_string).collect();
    let seen = standing(&hosts, &deps.ssm.invocations(&command).await?);
    let now = deps.now();
    if seen.failed.is_empty() && seen.pending.is_empty() {
        step.database.cutover.restart.done_at = Some(now);
        step.database.cutover.failure = None;
        let text = line(
            &step.database,
            format!("applications are restarted on {}", hosts.join(", ")),
        );
        step.save(deps, text).await?;
        return Ok(Some(Outcome::new(Stands::Restarted, Vec::new())));
    }
    if !seen.pending.is_empty() && now < intended_at + SignedDuration::from_mins(RESTART_MINUTES_MAX) {
        return Ok(None);
    }
    // Whoever starts again after a failure wants it tried again; a repetition of the same execution does not.
    let newer = step.database.lease.as_ref().is_some_and(|lease| lease.at > intended_at);
    if newer && seen.pending.is_empty() {
        let text = line(
            &step.database,
            format!("the restart {intent_id} failed, and is tried again"),
        );
        step.database.cutover.restart = CommandFacts::default();
        step.save(deps, text).await?;
        return Ok(None);
    }
    let late = seen.pending.iter().map(|host| {
        format!("applications on {host} were not restarted in {RESTART_MINUTES_MAX} minutes; restart them by hand")
    });
    let reasons = seen.failed.iter().cloned().chain(late).collect();
    fail(deps, step, reasons).await.map(Some)
}

async fn intend(deps: &Deps, step: &mut DatabaseStep) -> Result<(), StepError> {
    step.database.cutover.restart = CommandFacts::intended(deps.ids.next(), deps.now());
    let text = line(&step.database, "applications are restarted next");
    step.save(deps, text).await
}

/// Sends the command of the intent that is on record.
async fn order(
    deps: &Deps,
    step: &mut DatabaseStep,
    plan: &AfterSwitch,
    fresh: bool,
) -> Result<Option<Outcome>, StepError> {
    let facts = &step.database.cutover.restart;
    let order = Order {
        intent_id: facts.intent_id.clone().unwrap_or_default(),
        intended_at: facts.intended_at.unwrap_or_else(|| deps.now()),
        document: plan.document.clone(),
        parameters: plan.parameters.clone(),
        instances: plan.managed_instance_ids.iter().map(ToString::to_string).collect(),
    };
    match send(deps, &order, fresh).await? {
        Sent::Command(command) => {
            let text = line(&step.database, format!("{command} is sent to restart applications"));
            step.database.cutover.restart.command_id = Some(command);
            step.save(deps, text).await?;
            Ok(None)
        }
        Sent::NotManaged(said) => {
            let why = format!(
                "Systems Manager does not reach one of {}: {said}; nothing was restarted",
                order.instances.join(", ")
            );
            fail(deps, step, vec![why]).await.map(Some)
        }
    }
}

/// How a command stands on its hosts.
#[derive(Debug, Default, PartialEq)]
struct Standing {
    pending: Vec<String>,
    failed: Vec<String>,
}

fn standing(hosts: &[String], invocations: &BTreeMap<String, Invocation>) -> Standing {
    let mut standing = Standing::default();
    for host in hosts {
        let Some(invocation) = invocations.get(host) else {
            standing.pending.push(host.clone());
            continue;
        };
        match &invocation.outcome {
            InvocationOutcome::Running => standing.pending.push(host.clone()),
            InvocationOutcome::Succeeded => {}
            InvocationOutcome::Failed(why) => {
                let said = one_line(&invocation.output, QUOTE_CHARS_MAX);
                standing
                    .failed
                    .push(format!("restarting applications on {host} failed, {why}: {said}"));
            }
            InvocationOutcome::NotDelivered(why) => standing
                .failed
                .push(format!("the restart of applications never reached {host}: {why}")),
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_not_listed_yet_is_waited_for_and_one_that_failed_is_named_with_what_it_said() {
        let invocation = |outcome| Invocation {
            outcome,
            output: "no such unit".into(),
            finished_at: None,
        };
        let invocations = BTreeMap::from([
            ("i-1".to_owned(), invocation(InvocationOutcome::Succeeded)),
            (
                "i-2".to_owned(),
                invocation(InvocationOutcome::Failed("exit status 5".into())),
            ),
        ]);
        let hosts = ["i-1", "i-2", "i-3"].map(str::to_owned);
        let standing = standing(&hosts, &invocations);
        assert_eq!(standing.pending, ["i-3"]);
        assert_eq!(
            standing.failed,
            ["restarting applications on i-2 failed, exit status 5: no such unit"]
        );
    }
}
