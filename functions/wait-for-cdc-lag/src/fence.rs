//! The fence: written by a login that may write nothing else, on a side that is closed to applications; read on the
//! other. Transactional apply keeps the order of commits, so everything before it is there when it is.
//!
//! Its id is that of the closing it stands behind: a row that an earlier attempt left proves nothing, and is never
//! mistaken for this one.

use crate::{Outcome, POLL};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::Deps;
use landfall_aws::database::Database;
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table, names};
use landfall_domain::StepError;
use landfall_domain::database::TableName;
use landfall_domain::decide::{TaskStanding, is_switched, task_standing};
use landfall_domain::record::{Closing, DatabaseRecord, DatabaseState, Direction, FenceFacts};

/// What is left of the deadline for opening again: an answer that comes later than this is late.
const RESERVE: SignedDuration = SignedDuration::from_secs(10);

/// How long one invocation looks. A function has 60 s.
const LOOK: SignedDuration = SignedDuration::from_secs(50);

/// Which fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fence {
    First,
    /// With batch apply, which reorders across tables: written after the first was read, and the one that counts.
    Second,
    Return,
}

impl Fence {
    fn id(self, closing: &str) -> String {
        match self {
            Self::First | Self::Return => format!("fence-{closing}"),
            Self::Second => format!("fence-2-{closing}"),
        }
    }

    fn facts(self, database: &mut DatabaseRecord) -> &mut FenceFacts {
        match self {
            Self::First => &mut database.cutover.fence,
            Self::Second => &mut database.cutover.second_fence,
            Self::Return => &mut database.fail_back.fence,
        }
    }
}

/// The fences of a way, and the side they are written on.
fn of(database: &DatabaseRecord, direction: Direction) -> (&'static [Fence], Side, Side) {
    let batches = database.plan.task_settings.batch_apply.enabled;
    match direction {
        Direction::Forward if batches => (&[Fence::First, Fence::Second], Side::Source, Side::Target),
        Direction::Forward => (&[Fence::First], Side::Source, Side::Target),
        // Reverse tasks never apply in batches.
        Direction::Rollback => (&[Fence::Return], Side::Target, Side::Source),
    }
}

/// Writes the fence, or finds it written, and waits for it.
pub async fn cross(deps: &Deps, step: &mut DatabaseStep) -> Result<Outcome, StepError> {
    let direction = step.step.guard.direction;
    let (fences, from, to) = of(&step.database, direction);
    if let Some(outcome) = known(&mut step.database, direction, fences) {
        return Ok(outcome);
    }
    let closing = closing(&step.database, direction).clone();
    let Some(id) = closing.id.clone() else {
        return late(deps, step, vec!["the closing has no id on record".to_owned()]).await;
    };
    let began = deps.now();
    let end = closing.deadline.map_or(began + LOOK, |deadline| deadline - RESERVE);
    let until = end.min(began + LOOK);
    if began >= until {
        let why = format!("it is {began}, and the deadline is too near to wait for the fence");
        return late(deps, step, vec![why]).await;
    }
    let (here, there) = (fence_table(&step.database, from)?, fence_table(&step.database, to)?);
    let mut writer = step.connect(deps, from, Who::Fence)?;
    let mut reader = step.connect(deps, to, Who::Admin)?;
    for fence in fences {
        write(deps, step, *fence, &fence.id(&id), (&mut *writer, &here)).await?;
        if !arrives(deps, step, *fence, (&mut *reader, &there), until).await? {
            let standing = standing(deps, step, direction).await?;
            // Nothing comes through a task that does not run, however much time there is.
            if until < end && standing.is_none() {
                return Ok(again());
            }
            let mut reasons = vec![format!(
                "the fence was not read on the other side within {:.0} s",
                deps.now().duration_since(written_at(step, *fence, began)).as_secs_f64()
            )];
            reasons.extend(standing);
            return late(deps, step, reasons).await;
        }
    }
    Ok(arrived())
}

fn written_at(step: &mut DatabaseStep, fence: Fence, began: Timestamp) -> Timestamp {
    fence.facts(&mut step.database).written_at.unwrap_or(began)
}

/// The closing that the fence stands behind.
fn closing(database: &DatabaseRecord, direction: Direction) -> &Closing {
    match direction {
        Direction::Forward => &database.source_closing,
        Direction::Rollback => &database.target_closing,
    }
}

/// What can be answered from the record: a fence of this closing that was seen, or a side that is not closed.
fn known(database: &mut DatabaseRecord, direction: Direction, fences: &[Fence]) -> Option<Outcome> {
    let closing = closing(database, direction).clone();
    let of_closing = |fence: &Fence, facts: &FenceFacts| {
        let id = closing.id.as_deref().map(|id| fence.id(id));
        facts.seen_at.is_some() && facts.id == id
    };
    let seen = fences.iter().all(|fence| of_closing(fence, fence.facts(database)));
    if seen {
        return Some(arrived());
    }
    let wanted = match direction {
        Direction::Forward => DatabaseState::Frozen,
        Direction::Rollback => DatabaseState::ReturnFrozen,
    };
    let closed = closing.closed_at.is_some() && closing.open_intended_at.is_none();
    if database.state == wanted && closed {
        return None;
    }
    let why = if direction == Direction::Forward && is_switched(database.state) {
        "the switch is on record, and no fence of it".to_owned()
    } else {
        format!(
            "a fence proves nothing on a side that is open to applications: the database is {:?}",
            database.state
        )
    };
    Some(Outcome {
        outcome: "LATE",
        reasons: vec![why],
    })
}

/// Puts the id on record and writes it. Writing the same id again writes nothing.
async fn write(
    deps: &Deps,
    step: &mut DatabaseStep,
    fence: Fence,
    id: &str,
    (database, table): (&mut dyn Database, &TableName),
) -> Result<(), StepError> {
    let facts = fence.facts(&mut step.database);
    if facts.id.as_deref() != Some(id) {
        *facts = FenceFacts {
            id: Some(id.to_owned()),
            ..FenceFacts::default()
        };
        step.save(deps, None).await?;
    }
    if fence.facts(&mut step.database).written_at.is_some() {
        return Ok(());
    }
    let at = deps.now();
    database.write_fence(table, id).await?;
    fence.facts(&mut step.database).written_at = Some(at);
    step.save(deps, None).await
}

/// Looks for it until then.
async fn arrives(
    deps: &Deps,
    step: &mut DatabaseStep,
    fence: Fence,
    (database, table): (&mut dyn Database, &TableName),
    until: Timestamp,
) -> Result<bool, StepError> {
    let facts = fence.facts(&mut step.database);
    if facts.seen_at.is_some() {
        return Ok(true);
    }
    let ids: Vec<String> = facts.id.iter().cloned().collect();
    while deps.now() < until {
        if !database.read_fences(table, &ids).await?.is_empty() {
            fence.facts(&mut step.database).seen_at = Some(deps.now());
            let text = format!("the fence of database {} has arrived", step.database.database_id);
            step.save(deps, Some(text)).await?;
            return Ok(true);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(false)
}

/// What keeps the fence away, when it is the task.
async fn standing(deps: &Deps, step: &DatabaseStep, direction: Direction) -> Result<Option<String>, StepError> {
    let identifier = match direction {
        Direction::Forward => names::task(&step.database),
        Direction::Rollback => names::back_task(&step.database),
    };
    let Some(task) = deps.dms.task(&identifier).await? else {
        return Ok(Some(format!("DMS knows no task {identifier}")));
    };
    Ok(match task_standing(&task) {
        TaskStanding::Runs => None,
        TaskStanding::Waits | TaskStanding::Stopped => Some(format!("the task is {}", task.status)),
        TaskStanding::Failed(why) => Some(why),
    })
}

async fn late(deps: &Deps, step: &mut DatabaseStep, reasons: Vec<String>) -> Result<Outcome, StepError> {
    let text = reasons.join("; ");
    step.database.cutover.failure = Some(text.clone());
    let log = format!("database {}: {text}", step.database.database_id);
    step.save(deps, Some(log)).await?;
    Ok(Outcome {
        outcome: "LATE",
        reasons,
    })
}

fn arrived() -> Outcome {
    Outcome {
        outcome: "ARRIVED",
        reasons: Vec::new(),
    }
}

/// The deadline leaves more time than one invocation has.
fn again() -> Outcome {
    Outcome {
        outcome: "AGAIN",
        reasons: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_domain::record::DatabaseRecord;
    use serde_json::json;

    /// A frozen database whose fence of the closing `one` was seen.
    fn frozen() -> DatabaseRecord {
        let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf");
        let side = |side: &str| {
            json!({
                "engine": "postgres",
                "adminSecretArn": secret(&format!("{side}/landfall")),
                "fenceSecretArn": secret(&format!("{side}/fence")),
                "applicationSecretArn": secret(&format!("{side}/shop")),
                "dmsSecretArn": secret(&format!("{side}/dms")),
                "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms-secrets",
            })
        };
        let record = json!({
            "waveId": "w", "databaseId": "shop", "moveGroup": "all", "state": "FROZEN",
            "plan": {
                "databaseId": "shop", "source": side("source"), "target": side("target"),
                "replicationInstance": {
                    "class": "dms.c5.large", "allocatedStorageGb": 100, "subnetGroupIdentifier": "dms",
                    "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
                },
                "tableMappings": { "rules": [{
                    "rule-type": "selection", "rule-id": "1", "rule-name": "shop", "rule-action": "include",
                    "object-locator": { "schema-name": "shop", "table-name": "%" },
                }]},
                "switch": { "parameter": { "name": "/shop/host", "targetValue": "shop.example" } },
            },
            "sourceClosing": {
                "id": "one", "intendedAt": "2026-01-10T02:00:00Z", "closedAt": "2026-01-10T02:00:02Z",
                "deadline": "2026-01-10T02:02:00Z",
            },
            "cutover": { "fence": {
                "id": "fence-one", "writtenAt": "2026-01-10T02:00:03Z", "seenAt": "2026-01-10T02:00:04Z",
            }},
        });
        serde_json::from_value(record).expect("a record")
    }

    fn answer(database: &mut DatabaseRecord) -> Option<&'static str> {
        let (fences, ..) = of(database, Direction::Forward);
        known(database, Direction::Forward, fences).map(|outcome| outcome.outcome)
    }

    #[test]
    fn a_fence_that_was_seen_behind_this_closing_has_arrived_however_late_it_is_asked_for() {
        let mut database = frozen();
        assert_eq!(answer(&mut database), Some("ARRIVED"));
        database.state = DatabaseState::Switching;
        assert_eq!(answer(&mut database), Some("ARRIVED"));
    }

    #[test]
    fn a_fence_of_an_earlier_closing_proves_nothing() {
        let mut database = frozen();
        database.source_closing.id = Some("two".into());
        assert_eq!(answer(&mut database), None, "another one has to be written");
        database.state = DatabaseState::OnSource;
        assert_eq!(answer(&mut database), Some("LATE"));
    }

    #[test]
    fn no_fence_is_written_on_a_side_that_is_or_may_be_open() {
        let mut database = frozen();
        database.cutover.fence = FenceFacts::default();
        assert_eq!(answer(&mut database), None);
        database.source_closing.open_intended_at = database.source_closing.closed_at;
        assert_eq!(answer(&mut database), Some("LATE"));
        database.source_closing.open_intended_at = None;
        database.source_closing.closed_at = None;
        assert_eq!(answer(&mut database), Some("LATE"));
    }

    #[test]
    fn with_batch_apply_the_first_fence_alone_proves_nothing() {
        let mut database = frozen();
        database.plan.task_settings.batch_apply.enabled = true;
        assert_eq!(answer(&mut database), None);
        database.cutover.second_fence = FenceFacts {
            id: Some("fence-2-one".into()),
            ..database.cutover.fence.clone()
        };
        assert_eq!(answer(&mut database), Some("ARRIVED"));
    }
}
