//! Replication instances.

use serde_json::{Value, json};

use super::world::{Instance, World};
use super::{Dms, Scene, errors, events, filters, members, paged, passes, seconds, tags};
use crate::hub::AwsError;

/// Members of the request that the answers repeat.
const REPEATED: [&str; 5] = [
    "ReplicationInstanceClass",
    "AllocatedStorage",
    "MultiAZ",
    "EngineVersion",
    "PubliclyAccessible",
];

pub(super) fn create(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let known = [
        "ReplicationInstanceIdentifier",
        "ReplicationInstanceClass",
        "AllocatedStorage",
        "ReplicationSubnetGroupIdentifier",
        "VpcSecurityGroupIds",
        "MultiAZ",
        "EngineVersion",
        "PubliclyAccessible",
        "KmsKeyId",
        "Tags",
    ];
    let members = members("CreateReplicationInstance", body, &known)?;
    let identifier = members.required("ReplicationInstanceIdentifier")?.to_lowercase();
    members.required("ReplicationInstanceClass")?;
    members.number("AllocatedStorage", 5, 6144)?;
    let tags = tags(&members)?;
    if identifier.is_empty() || identifier.len() > 63 || identifier.contains("--") || identifier.ends_with('-') {
        return Err(errors::invalid_value(format!(
            "The replication instance identifier {identifier} is not valid"
        )));
    }
    let (shown, arn, delay, fails) = dms.with(|world, scene| {
        let taken = world.instances.iter().find(|(_, one)| one.identifier == identifier);
        if let Some((arn, _)) = taken {
            let message = format!("A replication instance with the identifier {identifier} already exists");
            return Err(errors::exists(message, arn));
        }
        let arn = scene.arn("rep");
        let instance = Instance {
            identifier: identifier.clone(),
            status: "creating",
            created_at: scene.now,
            request: body.clone(),
            tags,
        };
        let shown = show(&arn, &instance);
        world.instances.insert(arn.clone(), instance);
        let event = events::instance(
            &arn,
            "Creation",
            "CREATING",
            "DMS-EVENT-0067",
            "Replication instance creating",
        );
        world.outbox.push(event);
        let fails = scene
            .knobs
            .failing_instances
            .iter()
            .any(|part| identifier.contains(part));
        Ok((shown, arn, scene.pick(scene.knobs.instance_create), fails))
    })?;
    dms.later(delay, move |world, _| settle(world, &arn, fails));
    Ok(json!({ "ReplicationInstance": shown }))
}

fn settle(world: &mut World, arn: &str, fails: bool) {
    let Some(instance) = world.instances.get_mut(arn).filter(|one| one.status == "creating") else {
        return;
    };
    let event = if fails {
        instance.status = "failed";
        events::instance(
            arn,
            "Failure",
            "FAILED",
            "DMS-EVENT-0031",
            "Replication instance failed",
        )
    } else {
        instance.status = "available";
        events::instance(
            arn,
            "Creation",
            "CREATED",
            "DMS-EVENT-0005",
            "Replication instance created",
        )
    };
    world.outbox.push(event);
}

pub(super) fn describe(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "DescribeReplicationInstances";
    let members = members(OPERATION, body, &["Filters", "MaxRecords", "Marker"])?;
    let known = [
        "replication-instance-arn",
        "replication-instance-id",
        "replication-instance-class",
        "engine-version",
    ];
    let filters = filters(OPERATION, &members, &known)?;
    dms.with(|world, scene| {
        let wanted = world.instances.iter().filter(|(arn, one)| {
            passes(&filters, |name| match name {
                "replication-instance-arn" => (*arn).clone(),
                "replication-instance-id" => one.identifier.clone(),
                "replication-instance-class" => word(&one.request, "ReplicationInstanceClass"),
                _ => word(&one.request, "EngineVersion"),
            })
        });
        let items = wanted.map(|(arn, one)| show(arn, one)).collect();
        paged(scene, &members, 100, "ReplicationInstances", items, !filters.is_empty())
    })
}

fn word(request: &Value, name: &str) -> String {
    request[name].as_str().unwrap_or_default().to_owned()
}

fn show(arn: &str, instance: &Instance) -> Value {
    let mut shown = json!({
        "ReplicationInstanceIdentifier": instance.identifier,
        "ReplicationInstanceArn": arn,
        "ReplicationInstanceStatus": instance.status,
        "InstanceCreateTime": seconds(instance.created_at),
    });
    for name in REPEATED {
        if let Some(value) = instance.request.get(name) {
            shown[name] = value.clone();
        }
    }
    shown
}

/// An instance that can be used; else the fault.
pub(super) fn available<'a>(world: &'a World, arn: &str) -> Result<&'a Instance, AwsError> {
    let instance = world
        .instances
        .get(arn)
        .ok_or_else(|| errors::not_found(format!("Replication instance {arn} not found")))?;
    if instance.status != "available" {
        let message = format!("Replication instance {arn} is in status {}", instance.status);
        return Err(errors::wrong_state(message));
    }
    Ok(instance)
}

pub(super) fn delete(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let members = members("DeleteReplicationInstance", body, &["ReplicationInstanceArn"])?;
    let arn = members.required("ReplicationInstanceArn")?.to_owned();
    let (shown, delay) = dms.with(|world, scene| begin_delete(world, scene, &arn))?;
    dms.later(delay, move |world, _| {
        world.instances.remove(&arn);
        world.connections.retain(|(instance, _), _| *instance != arn);
        let event = events::instance(
            &arn,
            "Deletion",
            "DELETED",
            "DMS-EVENT-0003",
            "Replication instance deleted",
        );
        world.outbox.push(event);
    });
    Ok(json!({ "ReplicationInstance": shown }))
}

fn begin_delete(world: &mut World, scene: &Scene, arn: &str) -> Result<(Value, std::time::Duration), AwsError> {
    let busy = world.tasks.values().any(|task| task.instance_arn == arn);
    let instance = world
        .instances
        .get_mut(arn)
        .ok_or_else(|| errors::not_found(format!("Replication instance {arn} not found")))?;
    if busy {
        let message = format!("Replication instance {arn} has one or more replication tasks");
        return Err(errors::wrong_state(message));
    }
    if !matches!(instance.status, "available" | "failed") {
        let message = format!("Replication instance {arn} is in status {}", instance.status);
        return Err(errors::wrong_state(message));
    }
    instance.status = "deleting";
    let shown = show(arn, instance);
    let event = events::instance(
        arn,
        "Deletion",
        "DELETING",
        "DMS-EVENT-0066",
        "Replication instance deleting",
    );
    world.outbox.push(event);
    Ok((shown, scene.pick(scene.knobs.instance_delete)))
}
