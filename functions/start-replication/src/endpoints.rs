//! The endpoints of the way back: the target is read, the source is written.

use crate::back::Moved;
use landfall_aws::Deps;
use landfall_aws::database_step::{DatabaseStep, Side, names};
use landfall_aws::dms::{ConnectionView, EndpointRequest, EndpointRole, Made};
use landfall_domain::StepError;
use landfall_domain::plan::database::{DatabaseSide, Dialect};
use landfall_domain::record::{DatabaseRecord, Resource};

/// The attribute that names the slot which was made before the target was opened. With a start position, DMS needs it:
/// a slot that it makes itself begins later, and what was written in between is lost.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html#CHAP_Source.PostgreSQL.v10>
const SLOT: &str = "slotName";

/// One of the two endpoints.
#[derive(Clone, Copy)]
struct End {
    side: Side,
    role: EndpointRole,
    identifier: fn(&DatabaseRecord) -> String,
    resource: fn(&mut DatabaseRecord) -> &mut Resource,
}

const ENDS: [End; 2] = [
    End {
        side: Side::Target,
        role: EndpointRole::Source,
        identifier: names::back_source_endpoint,
        resource: |database| &mut database.fail_back.source_endpoint,
    },
    End {
        side: Side::Source,
        role: EndpointRole::Target,
        identifier: names::back_target_endpoint,
        resource: |database| &mut database.fail_back.target_endpoint,
    },
];

/// Makes both and tests that the instance reaches them.
pub async fn ensure(deps: &Deps, step: &mut DatabaseStep) -> Result<Moved, StepError> {
    for end in ENDS {
        if (end.resource)(&mut step.database).arn.is_none()
            && let Some(why) = make(deps, step, end).await?
        {
            return Ok(Moved::Failed(why));
        }
    }
    let mut waits = None;
    for end in ENDS {
        match connect(deps, step, end).await? {
            Moved::Done => {}
            Moved::Waits(what) => waits = Some(what),
            failed => return Ok(failed),
        }
    }
    Ok(waits.map_or(Moved::Done, Moved::Waits))
}

/// Makes an endpoint, or adopts the one of an earlier try. Says why not.
async fn make(deps: &Deps, step: &mut DatabaseStep, end: End) -> Result<Option<String>, StepError> {
    let identifier = (end.identifier)(&step.database);
    let now = deps.now();
    let resource = (end.resource)(&mut step.database);
    if resource.intended_at.is_none() {
        resource.identifier = Some(identifier.clone());
        resource.intended_at = Some(now);
        step.save(deps, None).await?;
    }
    let side = attributed(step.side(end.side).clone(), end.role, &step.database);
    let login = step.login(deps, end.side, &side.admin_secret_arn).await?;
    let owner = step.owner();
    let request = EndpointRequest {
        identifier: &identifier,
        role: end.role,
        side: &side,
        database_name: &login.database,
        owner: &owner,
    };
    let arn = match deps.dms.create_endpoint(&request).await? {
        Made::New(arn) => arn,
        Made::Exists => match deps.dms.endpoint(&identifier).await? {
            Some(view) if deps.dms.is_owned(&view.arn, &owner).await? => view.arn,
            _ => {
                return Ok(Some(format!(
                    "the endpoint {identifier} is there and is not Landfall's"
                )));
            }
        },
    };
    (end.resource)(&mut step.database).arn = Some(arn);
    let log = format!("endpoint {identifier} is made, for the way back");
    step.save(deps, Some(log)).await?;
    Ok(None)
}

/// The plan's side, with the slot that a PostgreSQL source is read from.
fn attributed(mut side: DatabaseSide, role: EndpointRole, database: &DatabaseRecord) -> DatabaseSide {
    if role == EndpointRole::Source && side.engine.dialect() == Dialect::Postgres {
        let slot = names::back_slot(database);
        side.extra_connection_attributes.insert(SLOT.to_owned(), slot);
    }
    side
}

async fn connect(deps: &Deps, step: &mut DatabaseStep, end: End) -> Result<Moved, StepError> {
    let identifier = (end.identifier)(&step.database);
    let instance = step.database.replication.instance.arn.clone();
    let resource = (end.resource)(&mut step.database);
    if resource.ready_at.is_some() {
        return Ok(Moved::Done);
    }
    let (Some(instance), Some(endpoint)) = (instance, resource.arn.clone()) else {
        return Ok(Moved::Failed("the replication instance is not on record".to_owned()));
    };
    match deps.dms.connection(&instance, &endpoint).await? {
        ConnectionView::Untested => {
            // Testing changes nothing and can be repeated, so it needs no intent of its own.
            deps.dms.test_connection(&instance, &endpoint).await?;
            Ok(Moved::Waits(format!("the connection of {identifier} is being tested")))
        }
        ConnectionView::Testing => Ok(Moved::Waits(format!("the connection of {identifier} is being tested"))),
        ConnectionView::Failed(why) => Ok(Moved::Failed(format!(
            "the replication instance cannot reach {identifier}: {why}; repair it, test the connection again in DMS, then go on"
        ))),
        ConnectionView::Successful => {
            resource.ready_at = Some(deps.now());
            step.save(deps, None).await?;
            Ok(Moved::Done)
        }
    }
}
