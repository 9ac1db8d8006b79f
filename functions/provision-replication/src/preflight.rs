//! What is found before anything is made. Reads only.

use crate::{Outcome, Stop, hold};
use landfall_aws::Deps;
use landfall_aws::database::{Database, DatabaseError};
use landfall_aws::database_step::{DatabaseStep, Side, Who, fence_table};
use landfall_domain::StepError;
use landfall_domain::database::Inspection;
use landfall_domain::decide::{Finding, Logins, Severity, preflight};
use landfall_domain::plan::DatabasePlan;
use landfall_domain::plan::database::{Dialect, MigrationType, RuleAction, RuleType};
use landfall_domain::record::Phase;
use std::collections::BTreeSet;

/// Findings that a record keeps.
const FINDINGS_MAX: usize = 50;

/// What looks like left by replication before it began; more than this is no database to begin with.
const LEFT_MAX: usize = 200;

/// Looks at both databases and puts on record what is found. Held when something refuses; nothing is made then.
pub async fn run(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    let facts = &step.database.replication;
    if facts.instance.intended_at.is_some() || !facts.conversions.is_empty() {
        return Ok(());
    }
    step.step.enter(deps, Phase::ReplicateDatabases).await?;
    let mut found = look(deps, step).await?;
    found.sort_by_key(|one| one.severity != Severity::Error);
    let errors: Vec<String> = found
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .map(|one| one.sentence.clone())
        .collect();
    step.database.findings = found.into_iter().map(|one| one.sentence).take(FINDINGS_MAX).collect();
    if errors.is_empty() {
        let text = format!(
            "database {}: nothing that was found refuses the replication; {} to be known",
            step.database.database_id,
            step.database.findings.len()
        );
        return Ok(step.save(deps, Some(text)).await?);
    }
    match hold(deps, step, errors.clone()).await {
        // The reasons may be on record from the last look, and the findings not.
        Stop::End(Outcome { outcome, reasons }) => {
            step.save(deps, None).await?;
            Err(Stop::End(Outcome { outcome, reasons }))
        }
        other => Err(other),
    }
}

async fn look(deps: &Deps, step: &mut DatabaseStep) -> Result<Vec<Finding>, Stop> {
    let plan = step.database.plan.clone();
    let mut notes = Vec::new();
    let (schemas, patterns) = source_schemas(&plan);
    for pattern in patterns {
        notes.push(note(format!(
            "the schemas that {pattern} selects are not looked at; look at their keys, large objects and sizes yourself"
        )));
    }
    let mut source = step.connect(deps, Side::Source, Who::Admin)?;
    let keep = step.keep_open(deps, Side::Source).await?;
    let seen_source = match source.inspect(&schemas, &keep).await {
        Err(DatabaseError::Unsupported(why)) if plan.source.engine.dialect() == Dialect::Documents => {
            notes.push(note(format!("the source was not looked at: {why}")));
            Inspection::default()
        }
        other => other?,
    };
    let mut target = step.connect(deps, Side::Target, Who::Admin)?;
    let keep = step.keep_open(deps, Side::Target).await?;
    let schemas = target_schemas(&plan, &schemas, fence_table(&step.database, Side::Target)?.schema);
    let seen_target = target.inspect(&schemas, &keep).await?;
    notes.extend(start_position(step, &plan, source.as_mut()).await?);
    notes.extend(left_before(step, source.as_mut(), target.as_mut()).await?);
    notes.extend(application(deps, step).await?);
    let mut found = preflight(
        &plan,
        &seen_source,
        &seen_target,
        &logins(deps, step, Side::Source).await?,
    );
    // The target is closed by telling logins apart too. Empty databases leave only what is found of the logins.
    let empty = Inspection::default();
    for one in preflight(&plan, &empty, &empty, &logins(deps, step, Side::Target).await?) {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found.extend(notes);
    Ok(found)
}

fn note(sentence: String) -> Finding {
    Finding {
        severity: Severity::Note,
        sentence,
    }
}

/// The schemas that the mappings name, with the fence's; and the patterns among them.
fn source_schemas(plan: &DatabasePlan) -> (Vec<String>, Vec<String>) {
    let included = plan
        .table_mappings
        .rules
        .iter()
        .filter(|rule| rule.rule_type == RuleType::Selection && rule.rule_action == RuleAction::Include);
    let named = included.map(|rule| rule.object_locator.schema_name.clone());
    let all: BTreeSet<String> = named.chain(plan.fence_schema().map(str::to_owned)).collect();
    let (patterns, names) = all.into_iter().partition(|name| name.contains('%'));
    (names, patterns)
}

/// The schemas that those become on the target, with the fence's.
fn target_schemas(plan: &DatabasePlan, schemas: &[String], fence: String) -> Vec<String> {
    let any_table = &plan.fence.table;
    let renamed = schemas.iter().map(|schema| {
        let renamed = plan.table_mappings.on_target(schema, any_table);
        renamed.map_or_else(|| schema.clone(), |(schema, _)| schema)
    });
    renamed.chain([fence]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The user names of a side's logins.
async fn logins(deps: &Deps, step: &DatabaseStep, side: Side) -> Result<Logins, StepError> {
    let of = step.side(side);
    let secrets = [
        &of.application_secret_arn,
        &of.admin_secret_arn,
        &of.fence_secret_arn,
        &of.dms_secret_arn,
    ];
    let mut names = Vec::new();
    for secret in secrets {
        names.push(step.login(deps, side, secret).await?.username);
    }
    let mut names = names.into_iter();
    let mut next = || names.next().unwrap_or_default();
    Ok(Logins {
        application: next(),
        admin: next(),
        fence: next(),
        dms: next(),
    })
}

/// Where a task without a full load begins: where MySQL's log stands at the first look. PostgreSQL keeps its log only for
/// a slot, which DMS makes when the task starts, so that is where it begins there.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Task.CDC.html>
async fn start_position(
    step: &mut DatabaseStep,
    plan: &DatabasePlan,
    source: &mut dyn Database,
) -> Result<Option<Finding>, Stop> {
    if plan.migration_type != MigrationType::Cdc {
        return Ok(None);
    }
    let facts = &mut step.database.replication;
    if facts.start_position.is_none() && plan.source.engine.dialect() == Dialect::Mysql {
        facts.start_position = Some(source.log_position().await?);
    }
    let from = match &facts.start_position {
        Some(position) => format!("the log's position {position}"),
        None => "the start of the task".to_owned(),
    };
    Ok(Some(note(format!(
        "only changes are replicated, from {from} on; what was written between the copy on the target and then is not"
    ))))
}

/// What looks like left by replication and is none of ours, so that retiring leaves it alone.
async fn left_before(
    step: &mut DatabaseStep,
    source: &mut dyn Database,
    target: &mut dyn Database,
) -> Result<Vec<Finding>, Stop> {
    let mut found = Vec::new();
    for (side, looked) in [
        ("SOURCE", source.leftovers().await),
        ("TARGET", target.leftovers().await),
    ] {
        match looked {
            Ok(left) => found.extend(left.into_iter().map(|one| format!("{side} {one}"))),
            // Retiring cannot look there either, and says so.
            Err(DatabaseError::Unsupported(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.truncate(LEFT_MAX);
    let notes = found
        .iter()
        .map(|one| note(format!("{one} was there before, so Landfall leaves it alone; drop it if nobody needs it, a slot that nobody reads fills the disk")));
    let notes = notes.collect();
    step.database.replication.left_before = found;
    Ok(notes)
}

/// A login that cannot log in to the target now cannot after the switch either: opening restores what was found.
async fn application(deps: &Deps, step: &DatabaseStep) -> Result<Option<Finding>, Stop> {
    if step.database.target_closing.may_be_closed() {
        return Ok(None);
    }
    let mut application = step.connect(deps, Side::Target, Who::Application)?;
    match application.probe().await {
        Ok(_) => Ok(None),
        Err(refused @ DatabaseError::LoginRefused { .. }) => Ok(Some(Finding {
            severity: Severity::Error,
            sentence: format!(
                "applications could not log in after the switch: {refused}; let that login in on the target, it is locked until the switch and then as it was found"
            ),
        })),
        Err(error) => Err(error.into()),
    }
}
