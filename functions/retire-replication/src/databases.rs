//! What replication left on the databases, after everything that could make more of it is gone.

use landfall_aws::Deps;
use landfall_aws::database::{Database, DatabaseError};
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table};
use landfall_domain::StepError;
use landfall_domain::plan::database::Dialect;
use landfall_domain::record::{DatabaseRecord, Direction};

/// Ends what is left on both databases; says what could not be ended, each a sentence with its remedy. What is on a
/// source that only its owners' document speaks to is theirs, and no reason to keep a wave open ([`to_be_known`]).
pub async fn clean(deps: &Deps, step: &mut DatabaseStep, direction: Direction) -> Result<Vec<String>, StepError> {
    if !is_touched(&step.database) {
        return Ok(Vec::new());
    }
    let mut left = Vec::new();
    for side in [Side::Source, Side::Target] {
        if step.side(side).engine.dialect() == Dialect::Documents {
            continue;
        }
        match reach(deps, step, side).await {
            Ok((mut database, found)) => {
                left.extend(clean_side(deps, step, side, direction, (database.as_mut(), found)).await?);
            }
            Err(error) => left.push(format!(
                "{}; look on the {} for replication slots, publications and tables named awsdms_… or landfall_…, and drop them",
                said(error)?,
                word(side)
            )),
        }
    }
    Ok(left)
}

/// What a database says of what replication left there.
type Found = Result<Vec<String>, DatabaseError>;

/// A side, and what replication left there. One that cannot be reached, or refuses Landfall's login, is asked nothing more.
async fn reach(deps: &Deps, step: &DatabaseStep, side: Side) -> Result<(Box<dyn Database>, Found), DatabaseError> {
    let mut database = step.connect(deps, side, Who::Admin)?;
    match database.leftovers().await {
        Err(
            lost @ (DatabaseError::Unreachable { .. } | DatabaseError::LoginRefused { .. } | DatabaseError::Service(_)),
        ) => Err(lost),
        found => Ok((database, found)),
    }
}

/// An error of the database's own; one of a service on the way says nothing of it, and is to be repeated.
fn said(error: DatabaseError) -> Result<DatabaseError, StepError> {
    match error {
        DatabaseError::Service(error) => Err(*error),
        own => Ok(own),
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Target => "target",
    }
}

/// True when anything was ever done on the databases.
fn is_touched(database: &DatabaseRecord) -> bool {
    let facts = &database.replication;
    facts.fence_table.intended_at.is_some()
        || facts.task.intended_at.is_some()
        || database.target_closing.intended_at.is_some()
        || database.source_closing.intended_at.is_some()
}

async fn clean_side(
    deps: &Deps,
    step: &mut DatabaseStep,
    side: Side,
    direction: Direction,
    (database, found): (&mut dyn Database, Found),
) -> Result<Vec<String>, StepError> {
    let mut left = Vec::new();
    let before = &step.database.replication.left_before;
    let prefix = format!("{} ", word(side).to_uppercase());
    let ours = |one: &String| !before.contains(&format!("{prefix}{one}"));
    match found {
        Ok(found) => {
            for one in found.into_iter().filter(ours) {
                if let Err(error) = database.end_leftover(&one).await {
                    let error = said(error)?;
                    left.push(format!("{one} is left on the {}: {error}; drop it by hand", word(side)));
                }
            }
        }
        Err(error) => left.push(format!(
            "what replication left on the {} is not known: {error}; look for replication slots, publications and tables named awsdms_…",
            word(side)
        )),
    }
    if side == Side::Target && direction == Direction::Rollback {
        left.extend(open_target(deps, step, database).await?);
    }
    let fence = fence_table(&step.database, side)?;
    match database.drop_fence_table(&fence).await {
        Ok(()) if side == Side::Source && step.database.replication.fence_table.may_exist() => {
            step.database.replication.fence_table.ended_at = Some(deps.now());
            step.save(deps, None).await?;
        }
        Ok(()) => {}
        Err(error) => left.push(format!(
            "{fence} is left on the {}: {}; drop it by hand",
            word(side),
            said(error)?
        )),
    }
    Ok(left)
}

/// After a rollback from before the switch the target is as it was found: no application has ever been pointed at it.
/// One that applications have worked on stays closed, for some may still hold its address, and what they wrote there
/// would be lost.
async fn open_target(
    deps: &Deps,
    step: &mut DatabaseStep,
    target: &mut dyn Database,
) -> Result<Vec<String>, StepError> {
    if !step.database.target_closing.may_be_closed() || was_used(&step.database) {
        return Ok(Vec::new());
    }
    let fence = fence_table(&step.database, Side::Target)?;
    let closing = &mut step.database.target_closing;
    let (Some(id), Some(record)) = (closing.id.clone(), closing.record.clone()) else {
        return Err(StepError::Corrupt("a closing of the target has no record".to_owned()));
    };
    if closing.open_intended_at.is_none() {
        closing.open_intended_at = Some(deps.now());
        let text = format!(
            "the target of database {} is about to be put back to what it was",
            step.database.database_id
        );
        step.save(deps, Some(text)).await?;
    }
    let left = match target.open(&fence, &id, &record).await {
        Ok(left) => left,
        Err(error) => {
            let error = said(error)?;
            return Ok(vec![format!(
                "the logins of the target are still locked: {error}; unlock those that are on record as locked"
            )]);
        }
    };
    if !left.is_empty() {
        return Ok(left);
    }
    step.database.target_closing.opened_at = Some(deps.now());
    step.save(deps, None).await?;
    Ok(Vec::new())
}

/// True when applications were ever let into the target.
fn was_used(database: &DatabaseRecord) -> bool {
    database.cutover.committed_at.is_some()
        || database.cutover.target_open_at.is_some()
        || database.fail_back.returned_at.is_some()
}

/// What stays although everything is retired, for people to know.
pub fn to_be_known(database: &DatabaseRecord, direction: Direction) -> Vec<String> {
    let id = &database.database_id;
    let theirs = database.plan.source.engine.dialect() == Dialect::Documents && is_touched(database);
    let theirs = theirs.then(|| {
        format!(
            "Landfall does not look for what replication left on the source of database {id}: the table of fences and tables named awsdms_… are its owners' to drop"
        )
    });
    stays_closed(database, direction).into_iter().chain(theirs).collect()
}

fn stays_closed(database: &DatabaseRecord, direction: Direction) -> Option<String> {
    let id = &database.database_id;
    match direction {
        Direction::Forward if database.source_closing.may_be_closed() => Some(format!(
            "the source of database {id} stays closed to applications until it is retired"
        )),
        Direction::Rollback if database.target_closing.may_be_closed() => Some(format!(
            "the target of database {id} stays closed to applications, because they have worked on it; unlock its logins when none of them holds its address any more"
        )),
        _ => None,
    }
}
