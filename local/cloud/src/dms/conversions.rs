//! Schema conversion: requests to a migration project, each with a status.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_SchemaConversion.html>

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::world::{ConversionRequest, World};
use super::{Act, Dms, Scene, errors, filters, members, paged, passes};
use crate::hub::AwsError;

/// What starts a request, and what shows it.
const PARTS: [(&str, &str); 3] = [
    ("StartMetadataModelAssessment", "DescribeMetadataModelAssessments"),
    ("StartMetadataModelConversion", "DescribeMetadataModelConversions"),
    (
        "StartMetadataModelExportToTarget",
        "DescribeMetadataModelExportsToTarget",
    ),
];

/// How long a request reads `RECEIVED`.
const RECEIVED: Duration = Duration::from_secs(5);

/// What is simulated.
pub(super) const OPERATIONS: [(&str, Act); 6] = [
    (PARTS[0].0, |dms, body| start(dms, PARTS[0].0, body)),
    (PARTS[0].1, |dms, body| describe(dms, PARTS[0].0, PARTS[0].1, body)),
    (PARTS[1].0, |dms, body| start(dms, PARTS[1].0, body)),
    (PARTS[1].1, |dms, body| describe(dms, PARTS[1].0, PARTS[1].1, body)),
    (PARTS[2].0, |dms, body| start(dms, PARTS[2].0, body)),
    (PARTS[2].1, |dms, body| describe(dms, PARTS[2].0, PARTS[2].1, body)),
];

fn start(dms: &Dms, operation: &'static str, body: &Value) -> Result<Value, AwsError> {
    let mut known = vec!["MigrationProjectIdentifier", "SelectionRules"];
    if operation.ends_with("ExportToTarget") {
        known.push("OverwriteExtensionPack");
    }
    let members = members(operation, body, &known)?;
    let project = members.required("MigrationProjectIdentifier")?.to_owned();
    let rules: Result<Value, _> = serde_json::from_str(members.required("SelectionRules")?);
    if !rules.is_ok_and(|rules| rules["rules"].as_array().is_some_and(|rules| !rules.is_empty())) {
        return Err(errors::invalid_value("The selection rules are not valid"));
    }
    dms.with(|world, scene| {
        let open = world
            .conversions
            .iter()
            .any(|one| one.project == project && one.operation == operation && scene.now < one.ends);
        if open {
            let message = format!("Migration project {project} has a request of this kind in progress");
            return Err(errors::wrong_state(message));
        }
        Ok(insert(world, scene, operation, project))
    })
}

fn insert(world: &mut World, scene: &Scene, operation: &str, project: String) -> Value {
    let delay = SignedDuration::try_from(RECEIVED + scene.pick(scene.knobs.conversion)).unwrap_or(SignedDuration::ZERO);
    let id = format!("{:016x}{:016x}", scene.hub.random(), scene.hub.random());
    let request = ConversionRequest {
        id: id.clone(),
        project,
        operation: operation.to_owned(),
        began: scene.now,
        ends: scene.now.saturating_add(delay).unwrap_or(Timestamp::MAX),
        failure: scene.knobs.failing_conversions.get(operation).cloned(),
        remark: scene.knobs.conversion_remarks.get(operation).cloned(),
    };
    world.conversions.push(request);
    json!({ "RequestIdentifier": id })
}

fn status(request: &ConversionRequest, now: Timestamp) -> &'static str {
    let received = SignedDuration::try_from(RECEIVED).unwrap_or(SignedDuration::ZERO);
    if now.duration_since(request.began) < received {
        "RECEIVED"
    } else if now < request.ends {
        "IN_PROGRESS"
    } else if request.failure.is_some() {
        "FAILED"
    } else {
        "SUCCESS"
    }
}

fn describe(dms: &Dms, started_by: &str, operation: &str, body: &Value) -> Result<Value, AwsError> {
    let known = ["MigrationProjectIdentifier", "Filters", "MaxRecords", "Marker"];
    let members = members(operation, body, &known)?;
    let project = members.required("MigrationProjectIdentifier")?;
    let filters = filters(operation, &members, &["request-id", "status"])?;
    dms.with(|world, scene| {
        // Newest first; the answers carry no times.
        let of_project = world.conversions.iter().rev();
        let wanted = of_project.filter(|one| {
            one.project == project
                && one.operation == started_by
                && passes(&filters, |name| match name {
                    "request-id" => one.id.clone(),
                    _ => status(one, scene.now).to_owned(),
                })
        });
        let items = wanted.map(|one| show(one, scene)).collect();
        paged(scene, &members, 100, "Requests", items, false)
    })
}

fn show(request: &ConversionRequest, scene: &Scene) -> Value {
    let status = status(request, scene.now);
    let (region, account) = (scene.hub.region(), scene.hub.account());
    let mut shown = json!({
        "Status": status,
        "RequestIdentifier": request.id,
        "MigrationProjectArn": format!("arn:aws:dms:{region}:{account}:migration-project:{}", request.project),
    });
    let said = match status {
        "FAILED" => &request.failure,
        "SUCCESS" => &request.remark,
        _ => &None,
    };
    if let Some(message) = said {
        shown["Error"] = json!({ "defaultErrorDetails": { "Message": message } });
    }
    shown
}
