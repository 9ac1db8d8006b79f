//! The replication instance, the endpoints, and whether the one reaches the others.

use crate::{Stop, fail, is_of_this_attempt, wait_or_fail};
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, names};
use landfall_aws::dms::{ConnectionView, EndpointRequest, EndpointRole, Made};
use landfall_aws::read::replication::{connections, instance};
use landfall_domain::StepError;
use landfall_domain::decide::Standing;
use landfall_domain::record::{ReplicationFacts, Resource};

/// The longest that the SDK's own waiter waits for an instance.
const INSTANCE_MINUTES_MAX: i64 = 60;

/// The longest that the connection tests may take; the SDK's own waiter waits for five minutes.
const TESTS_MINUTES_MAX: i64 = 10;

/// How long something that exists by its name may not show.
const SHOWS_MINUTES_MAX: i64 = 10;

/// Makes the instance and waits until it is available.
pub async fn make(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    if step.database.replication.instance.ready_at.is_some() {
        return Ok(());
    }
    let identifier = names::instance(&step.database);
    intend(
        deps,
        step,
        |facts| &mut facts.instance,
        &identifier,
        "the replication instance",
    )
    .await?;
    if step.database.replication.instance.arn.is_none() {
        let plan = step.database.plan.replication_instance.clone();
        let made = deps.dms.create_instance(&identifier, &plan, &step.owner()).await?;
        let found = match &made {
            Made::New(_) => None,
            Made::Exists => deps.dms.instance(&identifier).await?.map(|view| view.arn),
        };
        adopt(
            deps,
            step,
            |facts| &mut facts.instance,
            made,
            found,
            "replication instance",
        )
        .await?;
    }
    let resource = step.database.replication.instance.clone();
    match instance(deps, &resource, deps.now()).await? {
        Standing::Waits => {
            let what = format!("the replication instance {identifier} was not available");
            Err(wait_or_fail(deps, step, resource.intended_at, INSTANCE_MINUTES_MAX, &what).await)
        }
        Standing::Failed(why) => Err(fail(deps, step, vec![why]).await),
        Standing::Ready => {
            step.database.replication.instance.ready_at = Some(deps.now());
            let text = format!("the replication instance {identifier} is available");
            Ok(step.save(deps, Some(text)).await?)
        }
    }
}

/// Makes the endpoint that reads the source and the one that writes the target.
pub async fn make_endpoints(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    make_endpoint(deps, step, Side::Source, |facts| &mut facts.source_endpoint).await?;
    make_endpoint(deps, step, Side::Target, |facts| &mut facts.target_endpoint).await
}

async fn make_endpoint(
    deps: &Deps,
    step: &mut DatabaseStep,
    side: Side,
    of: fn(&mut ReplicationFacts) -> &mut Resource,
) -> Result<(), Stop> {
    if of(&mut step.database.replication).ready_at.is_some() {
        return Ok(());
    }
    let (identifier, role, what) = match side {
        Side::Source => (
            names::source_endpoint(&step.database),
            EndpointRole::Source,
            "source endpoint",
        ),
        Side::Target => (
            names::target_endpoint(&step.database),
            EndpointRole::Target,
            "target endpoint",
        ),
    };
    intend(deps, step, of, &identifier, &format!("the {what}")).await?;
    let plan = step.side(side).clone();
    let login = step.login(deps, side, &plan.dms_secret_arn).await?;
    let owner = step.owner();
    let request = EndpointRequest {
        identifier: &identifier,
        role,
        side: &plan,
        database_name: &login.database,
        owner: &owner,
    };
    let made = deps.dms.create_endpoint(&request).await?;
    let found = match &made {
        Made::New(_) => None,
        Made::Exists => deps.dms.endpoint(&identifier).await?.map(|view| view.arn),
    };
    of(&mut step.database.replication).ready_at = Some(deps.now());
    adopt(deps, step, of, made, found, what).await
}

/// Tests both connections, once in an attempt, and waits for the results.
pub async fn test_connections(deps: &Deps, step: &mut DatabaseStep) -> Result<(), Stop> {
    let facts = &step.database.replication;
    if facts.connected_at.is_some() {
        return Ok(());
    }
    let (Some(instance), Some(source), Some(target)) = (
        facts.instance.arn.clone(),
        facts.source_endpoint.arn.clone(),
        facts.target_endpoint.arn.clone(),
    ) else {
        let text = "connections are to be tested, and what they connect has no ARN on record";
        return Err(StepError::Corrupt(text.to_owned()).into());
    };
    let fresh = !is_of_this_attempt(step, facts.tests_intended_at);
    let views = if fresh {
        step.database.replication.tests_intended_at = Some(deps.now());
        step.save(deps, None).await?;
        [ConnectionView::Untested, ConnectionView::Untested]
    } else {
        connections(deps, &step.database.replication).await?
    };
    let (mut failures, mut waits) = (Vec::new(), false);
    for (what, endpoint, view) in [("source", source, &views[0]), ("target", target, &views[1])] {
        match view {
            ConnectionView::Successful => {}
            ConnectionView::Testing => waits = true,
            ConnectionView::Untested => {
                deps.dms.test_connection(&instance, &endpoint).await?;
                waits = true;
            }
            ConnectionView::Failed(said) => {
                failures.push(format!("the replication instance cannot connect to the {what}: {said}"));
            }
        }
    }
    if !failures.is_empty() {
        return Err(fail(deps, step, failures).await);
    }
    if waits {
        let since = step.database.replication.tests_intended_at;
        let what = "the tests of the connections to source and target were not over";
        return Err(wait_or_fail(deps, step, since, TESTS_MINUTES_MAX, what).await);
    }
    step.database.replication.connected_at = Some(deps.now());
    let text = format!(
        "the replication instance reaches both sides of database {}",
        step.database.database_id
    );
    Ok(step.save(deps, Some(text)).await?)
}

/// Puts the making of something on record, before the call.
pub async fn intend(
    deps: &Deps,
    step: &mut DatabaseStep,
    of: fn(&mut ReplicationFacts) -> &mut Resource,
    identifier: &str,
    what: &str,
) -> Result<(), StepError> {
    let resource = of(&mut step.database.replication);
    if resource.intended_at.is_some() {
        return Ok(());
    }
    resource.identifier = Some(identifier.to_owned());
    resource.intended_at = Some(deps.now());
    step.save(deps, Some(format!("{what} {identifier} is about to be made")))
        .await
}

/// Puts on record what was made; something that existed is ours only with our tags.
pub async fn adopt(
    deps: &Deps,
    step: &mut DatabaseStep,
    of: fn(&mut ReplicationFacts) -> &mut Resource,
    made: Made,
    found: Option<String>,
    what: &str,
) -> Result<(), Stop> {
    let arn = match (made, found) {
        (Made::New(arn), _) => arn,
        (Made::Exists, Some(arn)) if deps.dms.is_owned(&arn, &step.owner()).await? => arn,
        (Made::Exists, Some(arn)) => {
            // Nothing of ours exists, so nothing of ours is to be ended.
            *of(&mut step.database.replication) = Resource::default();
            let text = format!(
                "the {what} {arn} has the name that Landfall needs, and is not Landfall's; delete or rename it"
            );
            return Err(fail(deps, step, vec![text]).await);
        }
        (Made::Exists, None) => {
            let resource = of(&mut step.database.replication);
            resource.ready_at = None;
            let since = resource.intended_at;
            let text = format!("DMS says that the {what} exists, and did not show it");
            return Err(wait_or_fail(deps, step, since, SHOWS_MINUTES_MAX, &text).await);
        }
    };
    let text = format!("the {what} is {arn}");
    of(&mut step.database.replication).arn = Some(arn);
    Ok(step.save(deps, Some(text)).await?)
}
