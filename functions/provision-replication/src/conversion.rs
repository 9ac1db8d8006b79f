//! The schema conversion that comes first when source and target are different engines: assessment, conversion, export.
//!
//! Nothing but the export changes a database, so a person is asked once, before it, about all that is left to people.
//! No undo: what was exported stays on the target, which nobody uses yet.

use crate::{Outcome, Stop, fail, is_of_this_attempt, wait_or_fail};
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side};
use landfall_aws::dms::Conversion;
use landfall_aws::read::replication::{CONVERSIONS, conversion};
use landfall_domain::StepError;
use landfall_domain::decide::Standing;
use landfall_domain::plan::database::SchemaConversion;
use landfall_domain::record::{ApprovalKind, Decision, Resource};
use landfall_domain::text::few;
use serde_json::{Value, json};

/// The longest that the SDK's own waiter waits for an assessment is six hours; the others take less.
const PART_MINUTES_MAX: i64 = 6 * 60;

/// What is left to people that a record keeps.
const ITEMS_MAX: usize = 50;

/// The place of the export in [`CONVERSIONS`].
const EXPORT: usize = 2;

/// Converts the schema, when the plan says so.
pub async fn run(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    let Some(plan) = step.database.plan.schema_conversion.clone() else {
        return Ok(());
    };
    for place in 0..CONVERSIONS.len() {
        let known = step.database.replication.conversions.get(place);
        if known.is_some_and(|request| request.ready_at.is_some()) {
            continue;
        }
        if place == EXPORT && known.is_none() {
            approved(deps, step).await?;
        }
        request(deps, step, &plan, place).await?;
        over(deps, step, &plan, place).await?;
    }
    Ok(())
}

/// Makes the request, or finds the one of a call whose answer was lost.
async fn request(deps: &Deps, step: &mut DatabaseStep, plan: &SchemaConversion, place: usize) -> Result<(), Stop> {
    let project = &plan.migration_project_identifier;
    let (part, name) = CONVERSIONS[place];
    let known = step.database.replication.conversions.get(place);
    let current = known.is_some_and(|request| is_of_this_attempt(step, request.intended_at));
    let standing = match known {
        Some(request) if !current => Some(conversion(deps, project, place, request, deps.now()).await?.0),
        _ => None,
    };
    if known.is_none() || matches!(standing, Some(Standing::Failed(_))) {
        let intent = Resource {
            identifier: Some(name.to_owned()),
            intended_at: Some(deps.now()),
            ..Resource::default()
        };
        let requests = &mut step.database.replication.conversions;
        requests.truncate(place);
        requests.push(intent);
        let text = format!(
            "the schema conversion's {name} of database {} is asked for",
            step.database.database_id
        );
        step.save(deps, Some(text)).await?;
    }
    let Some(intent) = step.database.replication.conversions.get(place) else {
        return Ok(());
    };
    let (Some(intended_at), None) = (intent.intended_at, &intent.arn) else {
        return Ok(());
    };
    let found = match deps.dms.conversion_since(project, part, intended_at).await? {
        Some(request) => request,
        None => {
            let rules = rules(deps, step, plan, part).await?;
            deps.dms.start_conversion(project, part, &rules).await?
        }
    };
    step.database.replication.conversions[place].arn = Some(found);
    Ok(step.save(deps, None).await?)
}

/// Goes on when the request is over.
async fn over(deps: &Deps, step: &mut DatabaseStep, plan: &SchemaConversion, place: usize) -> Result<(), Stop> {
    let request = step.database.replication.conversions[place].clone();
    let project = &plan.migration_project_identifier;
    let (part, name) = CONVERSIONS[place];
    let (standing, said) = conversion(deps, project, place, &request, deps.now()).await?;
    match standing {
        Standing::Failed(why) => return Err(fail(deps, step, vec![why]).await),
        Standing::Waits => {
            let what = format!("the schema conversion's {name} was not over");
            return Err(wait_or_fail(deps, step, request.intended_at, PART_MINUTES_MAX, &what).await);
        }
        Standing::Ready => {}
    }
    let facts = &mut step.database.replication;
    facts.conversions[place].ready_at = Some(deps.now());
    if part == Conversion::ExportToTarget {
        let said = said.into_iter().map(|said| format!("the schema's export says: {said}"));
        step.database.findings.extend(said);
        let stays = "the converted schema was written to the target; no rollback takes it away, drop it there by hand";
        step.database.findings.push(stays.to_owned());
    } else {
        let items = said.iter().flat_map(|said| items(said));
        let new: Vec<String> = items.filter(|item| !facts.action_items.contains(item)).collect();
        facts.action_items.extend(new);
        facts.action_items.truncate(ITEMS_MAX);
    }
    let text = format!(
        "the schema conversion's {name} of database {} is over",
        step.database.database_id
    );
    Ok(step.save(deps, Some(text)).await?)
}

/// What DMS leaves to people, a sentence a line.
fn items(said: &str) -> Vec<String> {
    said.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a person has let through what is left to people: in this epoch, and asked after it was on record.
async fn approved(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    let facts = &step.database.replication;
    if facts.action_items.is_empty() {
        return Ok(());
    }
    let items = few(facts.action_items.clone());
    let known_at = facts.conversions.last().and_then(|request| request.ready_at);
    let wave = &step.step.wave;
    let asked_at = wave
        .approvals
        .get(ApprovalKind::SchemaConversion.as_str())
        .filter(|asked| asked.epoch == wave.epoch)
        .map(|asked| asked.asked_at);
    let known_when_asked = asked_at.zip(known_at).is_some_and(|(asked, known)| asked >= known);
    match wave.decision(ApprovalKind::SchemaConversion) {
        Some(Decision::Approved) if known_when_asked => Ok(()),
        // Whoever answered was not told of this database. A new attempt asks anew.
        Some(Decision::Approved) => {
            let mut reasons = vec![
                "the converted schemas were approved before this was known; start migrate-wave with the same plan to be asked about it".to_owned(),
            ];
            reasons.extend(items);
            Err(crate::hold(deps, step, reasons).await)
        }
        Some(Decision::Rejected | Decision::Expired) => {
            let mut reasons = vec!["nobody let the converted schema through".to_owned()];
            reasons.extend(items);
            Err(fail(deps, step, reasons).await)
        }
        None => Err(Stop::End(Outcome {
            outcome: "CONVERSION_TO_APPROVE",
            reasons: items,
        })),
    }
}

/// What the part is about. The export takes rules about the target, the others about the source.
/// <https://docs.aws.amazon.com/dms/latest/userguide/sc-selection-rules.html>
async fn rules(
    deps: &Deps,
    step: &DatabaseStep,
    plan: &SchemaConversion,
    part: Conversion,
) -> Result<Value, StepError> {
    let side = match part {
        Conversion::Assessment | Conversion::Conversion => Side::Source,
        Conversion::ExportToTarget => Side::Target,
    };
    let server = step.login(deps, side, &step.side(side).dms_secret_arn).await?.host;
    let mappings = &step.database.plan.table_mappings;
    let rules = plan.schemas.iter().enumerate().map(|(index, schema)| {
        let renamed = mappings.on_target(schema, &step.database.plan.fence.table);
        let schema = match (side, renamed) {
            (Side::Target, Some((renamed, _))) => renamed,
            _ => schema.clone(),
        };
        let number = (index + 1).to_string();
        json!({
            "rule-type": "selection",
            "rule-id": number,
            "rule-name": number,
            "rule-action": "explicit",
            "object-locator": { "server-name": server, "schema-name": schema },
        })
    });
    Ok(json!({ "rules": rules.collect::<Vec<_>>() }))
}
