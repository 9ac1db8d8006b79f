//! What the target needs before it is opened, done through Landfall's own login.

use crate::{Outcome, Stands, fail};
use jiff::SignedDuration;
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, Who};
use landfall_aws::freeze::repeats;
use landfall_aws::sequences::{Carried, carry, on_target, replicated_tables};
use landfall_domain::StepError;
use landfall_domain::database::{Readiness, TableName};
use landfall_domain::record::{DatabaseRecord, DatabaseState};
use std::time::Duration;

/// What is left of the time to the deadline when the target has to be ready: for the switch, or for opening again.
const RESERVE: SignedDuration = SignedDuration::from_secs(8);

/// The longest that one call may take: a function has 60 seconds.
const TIME_MAX: SignedDuration = SignedDuration::from_secs(50);

/// Makes the target ready. Sequences first: without them the first row of an application is refused.
pub(crate) async fn ready(deps: &Deps, mut step: DatabaseStep) -> Result<Outcome, StepError> {
    if step.database.cutover.ready_at.is_some() {
        return Ok(Outcome::good(Stands::Ready));
    }
    if let Some(refused) = refused(&step.database) {
        return fail(deps, step, vec![refused]).await;
    }
    let now = deps.now();
    let deadline = step.database.source_closing.deadline.unwrap_or(now + TIME_MAX);
    let rest = (deadline.duration_since(now) - RESERVE).min(TIME_MAX);
    let rest = Duration::try_from(rest).unwrap_or_default();
    let done = match tokio::time::timeout(rest, make_ready(deps, &step)).await {
        Ok(done) => done?,
        Err(_) => {
            let why = format!(
                "the target was not ready after {} s, which is all that the deadline {deadline} leaves; gather its statistics and validate its foreign keys beforehand",
                rest.as_secs()
            );
            return fail(deps, step, vec![why]).await;
        }
    };
    let (carried, readiness) = done;
    let missing: Vec<String> = carried.missing.into_iter().chain(readiness.missing).collect();
    if !missing.is_empty() {
        return fail(deps, step, missing).await;
    }
    step.database.cutover.ready_at = Some(deps.now());
    let text = format!(
        "database {}: the target is ready: {}{}",
        step.database.database_id,
        sequences(&step.database, carried.set),
        readiness
            .done
            .iter()
            .map(|done| format!("; {done}"))
            .collect::<String>()
    );
    step.save(deps, Some(text)).await?;
    Ok(Outcome::good(Stands::Ready))
}

async fn make_ready(deps: &Deps, step: &DatabaseStep) -> Result<(Carried, Readiness), StepError> {
    let tables = replicated_tables(deps, &step.database).await?;
    let carried = carry(deps, &step.database, &tables, Side::Source).await?;
    let tables = data_tables(&step.database, on_target(&step.database.plan, &tables));
    let mut admin = step.connect(deps, Side::Target, Who::Admin)?;
    let readiness = match admin.make_ready(&tables).await {
        Ok(readiness) => readiness,
        Err(error) if repeats(&error) => return Err(error.into()),
        Err(error) => Readiness {
            done: Vec::new(),
            missing: vec![error.to_string()],
        },
    };
    Ok((carried, readiness))
}

/// The tables without the one for fences, which is Landfall's own.
fn data_tables(database: &DatabaseRecord, tables: Vec<TableName>) -> Vec<TableName> {
    let fence = database.plan.fence_on_target();
    let fence = fence.map(|(schema, table)| TableName::new(schema, table));
    tables
        .into_iter()
        .filter(|table| Some(table) != fence.as_ref())
        .collect()
}

/// Nothing is made ready for a switch that cannot come.
fn refused(database: &DatabaseRecord) -> Option<String> {
    if database.state != DatabaseState::Frozen {
        return Some(format!(
            "the target is made ready while the source is closed, and it is not: {:?}",
            database.state
        ));
    }
    if database.cutover.verified_at.is_none() {
        return Some("the target is not found equal to the source yet".to_owned());
    }
    None
}

fn sequences(database: &DatabaseRecord, set: usize) -> String {
    let (source, target) = (
        database.plan.source.engine.dialect(),
        database.plan.target.engine.dialect(),
    );
    if source == target {
        format!(
            "{set} sequences and counters are {} past the source's",
            database.plan.ready_target.sequence_margin
        )
    } else {
        "sequences are not set between different engines: whoever converted the schema sets them".to_owned()
    }
}
