//! What the databases themselves say, where DMS says nothing: rows that could not be applied, rows that differ, prepared
//! transactions, the schema, and tables without a key.

use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, Who};
use landfall_domain::StepError;
use landfall_domain::database::TableName;
use landfall_domain::decide::{self, MISMATCHES_MAX, replicated, sums_differ};
use landfall_domain::observe_dms::TableView;
use landfall_domain::plan::database::{DatabaseRule, Dialect};
use landfall_domain::text::count;

/// What differs, each a sentence; empty when nothing does. The quick looks come first, and end it when they find something.
pub async fn differences(deps: &Deps, step: &DatabaseStep, tables: &[TableView]) -> Result<Vec<String>, StepError> {
    let mut found = on_target(deps, step).await?;
    found.extend(on_source(deps, step, tables).await?);
    if found.is_empty() {
        found = sums(deps, step).await?;
    }
    Ok(found)
}

/// Rows that validation found different, each a sentence.
pub async fn mismatches(deps: &Deps, step: &DatabaseStep) -> Result<Vec<String>, StepError> {
    let mut target = step.connect(deps, Side::Target, Who::Admin)?;
    Ok(decide::mismatches(&target.validation_failures(MISMATCHES_MAX).await?))
}

async fn on_target(deps: &Deps, step: &DatabaseStep) -> Result<Vec<String>, StepError> {
    let mut target = step.connect(deps, Side::Target, Who::Admin)?;
    let mut found = Vec::new();
    let left_out = target.apply_exceptions().await?;
    // A plan may let rows be left out; somebody has approved that, and the report says so.
    if left_out > 0 && !step.database.plan.waives(DatabaseRule::ErrorsGoOn) {
        found.push(format!(
            "{} could not be applied on the target; look at awsdms_apply_exceptions",
            count(left_out, "change")
        ));
    }
    let failures = target.validation_failures(MISMATCHES_MAX).await?;
    found.extend(decide::mismatches(&failures));
    Ok(found)
}

async fn on_source(deps: &Deps, step: &DatabaseStep, tables: &[TableView]) -> Result<Vec<String>, StepError> {
    if step.side(Side::Source).engine.dialect() == Dialect::Documents {
        // The plan's document has looked for prepared transactions when it froze, and nothing reads the schema there.
        return Ok(Vec::new());
    }
    let mut source = step.connect(deps, Side::Source, Who::Admin)?;
    let mut found = Vec::new();
    let prepared = source.prepared_transactions().await?;
    if !prepared.is_empty() {
        found.push(format!(
            "prepared transactions are open on the source: {}",
            prepared.join(", ")
        ));
    }
    match &step.database.replication.fingerprint {
        Some(loaded) if *loaded == source.fingerprint(&replicated(tables)).await? => {}
        Some(_) => found.push(
            "the schema of the source has changed since the load; change the target's too, and load again".to_owned(),
        ),
        None => found.push("the schema's fingerprint at the end of the load is not on record".to_owned()),
    }
    Ok(found)
}

/// Count and checksum of the tables that the plan names, on both sides at once.
async fn sums(deps: &Deps, step: &DatabaseStep) -> Result<Vec<String>, StepError> {
    let plan = &step.database.plan;
    let mut found = Vec::new();
    if plan.verify.checksum_tables.is_empty() {
        return Ok(found);
    }
    // Each dialect adds up in its own way, and a document does not at all.
    let dialect = |side| step.side(side).engine.dialect();
    if dialect(Side::Source) != dialect(Side::Target) {
        found.push(format!(
            "{} cannot be compared by checksum between different engines; waive TABLE_WITHOUT_KEY for what people compare",
            plan.verify.checksum_tables.join(", ")
        ));
        return Ok(found);
    }
    let mut source = step.connect(deps, Side::Source, Who::Admin)?;
    let mut target = step.connect(deps, Side::Target, Who::Admin)?;
    for name in &plan.verify.checksum_tables {
        let sides = name.split_once('.').and_then(|(schema, table)| {
            let (to_schema, to_table) = plan.table_mappings.on_target(schema, table)?;
            Some((TableName::new(schema, table), TableName::new(to_schema, to_table)))
        });
        let Some((here, there)) = sides else {
            found.push(format!("{name} is to be compared and is not replicated"));
            continue;
        };
        let (here, there) = tokio::join!(source.table_sum(&here), target.table_sum(&there));
        found.extend(sums_differ(name, &here?, &there?));
    }
    Ok(found)
}
