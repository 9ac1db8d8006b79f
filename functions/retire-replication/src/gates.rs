//! What must be true before anything is ended. Reality is read again: a replication that is gone can carry nothing back.

use landfall_aws::Deps;
use landfall_aws::database::DatabaseError;
use landfall_aws::database_step::{DatabaseStep, Side, Who};
use landfall_aws::freeze::probe;
use landfall_domain::StepError;
use landfall_domain::database::Probe;
use landfall_domain::plan::database::{Dialect, SwitchPoint};
use landfall_domain::record::{ApprovalKind, DatabaseRecord, DatabaseState, Decision, Direction, WaveRecord};
use std::collections::BTreeSet;

/// What keeps it from being retired, each a sentence; empty when nothing does. What was begun is ended: once something is
/// gone there is no way back to keep.
pub async fn closed(deps: &Deps, step: &DatabaseStep, direction: Direction) -> Result<Vec<String>, StepError> {
    let database = &step.database;
    let forward = direction == Direction::Forward;
    if is_begun(database) && (!forward || database.state == DatabaseState::OnTarget) {
        return Ok(Vec::new());
    }
    if !forward {
        return Ok(not_on_source(database).into_iter().collect());
    }
    let mut closed = not_final(&step.step.wave, database, deps.now());
    if closed.is_empty() {
        closed.extend(not_in_reality(deps, step).await?);
    }
    Ok(closed)
}

fn is_begun(database: &DatabaseRecord) -> bool {
    [&database.replication.task, &database.fail_back.task]
        .into_iter()
        .any(|task| task.ended_at.is_some())
}

/// A rollback retires only what nobody needs to come back: applications write on the source.
fn not_on_source(database: &DatabaseRecord) -> Option<String> {
    let id = &database.database_id;
    if database.state != DatabaseState::OnSource {
        return Some(format!(
            "database {id} is not back on its source; its replication is kept until it is, or somebody accepts the loss"
        ));
    }
    database
        .source_closing
        .may_be_closed()
        .then(|| format!("the source of database {id} is not known to be open to its applications; open it first"))
}

/// What the record says against it: not moved, not checked, not let go by a person.
fn not_final(wave: &WaveRecord, database: &DatabaseRecord, now: jiff::Timestamp) -> Vec<String> {
    let (id, cutover) = (&database.database_id, &database.cutover);
    let baked = wave.bake_until.is_some_and(|until| until <= now);
    let gates = [
        (
            database.state != DatabaseState::OnTarget || cutover.switched_at.is_none(),
            "is not on its target",
        ),
        (cutover.verified_at.is_none(), "was not found equal on its target"),
        (
            cutover.checked_at.is_none(),
            "was not seen to work for an application on its target",
        ),
        (
            database.target_closing.may_be_closed(),
            "has a target that is not known to be open",
        ),
        (!baked, "is still within its bake time"),
        (
            wave.decision(ApprovalKind::Finalize) != Some(Decision::Approved),
            "was let go by nobody: the finalization is not approved in this epoch",
        ),
    ];
    let closed = gates.into_iter().filter(|(closed, _)| *closed);
    closed.map(|(_, what)| format!("database {id} {what}")).collect()
}

/// What is seen against it: the switch point, an application on the target, an application on the source.
async fn not_in_reality(deps: &Deps, step: &DatabaseStep) -> Result<Vec<String>, StepError> {
    let id = &step.database.database_id;
    let mut closed = Vec::new();
    if !points_at_target(deps, &step.database.plan.switch).await? {
        closed.push(format!(
            "the switch point of database {id} does not hold the target's value any more"
        ));
    }
    if let Probe::Refused(said) = probe(deps, &step.database, Side::Target).await? {
        closed.push(format!(
            "an application cannot write on the target of database {id}: {said}"
        ));
    }
    // A source that is switched off is as closed as one that refuses; one without a dialect has no logins to try.
    if step.database.plan.source.engine.dialect() != Dialect::Documents {
        let mut application = step.connect(deps, Side::Source, Who::Application)?;
        match application.probe().await {
            Ok(Probe::Accepted) => closed.push(format!(
                "an application can write on the source of database {id}, which is closed on record"
            )),
            Err(DatabaseError::Service(error)) => return Err(*error),
            Ok(Probe::Refused(_)) | Err(_) => {}
        }
    }
    Ok(closed)
}

async fn points_at_target(deps: &Deps, point: &SwitchPoint) -> Result<bool, StepError> {
    match point {
        SwitchPoint::Parameter { name, target_value } => {
            Ok(deps.ssm.parameter(name).await?.as_ref() == Some(target_value))
        }
        SwitchPoint::Route53 {
            hosted_zone_id,
            name,
            target_value,
        } => {
            let absolute = format!("{}.", name.trim_end_matches('.'));
            let group = (absolute, "CNAME".to_owned());
            let found = deps
                .route53
                .record_sets(hosted_zone_id, &BTreeSet::from([group.clone()]))
                .await?;
            let sets = found.get(&group).into_iter().flatten();
            let mut values = sets.flat_map(|set| &set.values);
            let same = |value: &String| value.trim_end_matches('.') == target_value.trim_end_matches('.');
            Ok(values.any(same))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn database(state: &str) -> DatabaseRecord {
        let plan: serde_json::Value =
            serde_json::from_str(include_str!("../../../examples/database-wave.json")).expect("a plan");
        serde_json::from_value(json!({
            "waveId": "shop", "databaseId": "shop", "moveGroup": "all", "plan": plan["databases"][0], "state": state,
        }))
        .expect("a record")
    }

    #[test]
    fn a_rollback_retires_nothing_that_has_still_to_come_back() {
        assert_eq!(not_on_source(&database("ON_SOURCE")), None);
        for state in [
            "FROZEN",
            "UNFREEZING",
            "SWITCHING",
            "ON_TARGET",
            "RETURN_FROZEN",
            "RETURNING",
        ] {
            assert!(not_on_source(&database(state)).is_some(), "{state}");
        }
        let mut open = database("ON_SOURCE");
        open.source_closing.intended_at = Some("2026-01-10T00:00:00Z".parse().expect("an instant"));
        assert!(not_on_source(&open).is_some(), "a source that may be closed");
    }
}
