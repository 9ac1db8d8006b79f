//! Replication tasks: made, shown, deleted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::documents::{Mappings, Settings};
use super::replicator::{TableProgress, TableState, TaskSpec};
use super::world::{Task, World};
use super::{Dms, Scene, errors, events, filters, instances, members, paged, passes, seconds, tags};
use crate::fleet::members::Members;
use crate::hub::AwsError;

/// The request of a task, read.
struct Request {
    identifier: String,
    source_arn: String,
    target_arn: String,
    instance_arn: String,
    migration_type: String,
    mappings: String,
    settings: String,
    parsed: (Mappings, Settings),
    position: Option<String>,
    tags: Vec<Value>,
}

pub(super) fn create(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let known = [
        "ReplicationTaskIdentifier",
        "SourceEndpointArn",
        "TargetEndpointArn",
        "ReplicationInstanceArn",
        "MigrationType",
        "TableMappings",
        "ReplicationTaskSettings",
        "CdcStartPosition",
        "Tags",
    ];
    let request = read(&members("CreateReplicationTask", body, &known)?)?;
    let (arn, shown, delay) = dms.with(|world, scene| insert(world, scene, request))?;
    dms.later(delay, move |world, _| {
        if let Some(task) = world.tasks.get_mut(&arn).filter(|task| task.status == "creating") {
            "ready".clone_into(&mut task.status);
            let event = events::task(
                &arn,
                "Creation",
                "CREATED",
                "DMS-EVENT-0074",
                "Replication task created",
            );
            world.outbox.push(event);
        }
    });
    Ok(json!({ "ReplicationTask": shown }))
}

fn read(members: &Members<'_>) -> Result<Request, AwsError> {
    let migration_type = members.required("MigrationType")?;
    if !matches!(migration_type, "full-load-and-cdc" | "cdc") {
        return Err(AwsError::not_simulated(&format!(
            "dms: the migration type {migration_type}"
        )));
    }
    let position = members.text("CdcStartPosition")?.map(str::to_owned);
    if migration_type != "cdc" && position.is_some() {
        let message = "CdcStartPosition is not valid for a task with a full load";
        return Err(errors::invalid_combination(message));
    }
    let mappings = members.required("TableMappings")?;
    let settings = members.text("ReplicationTaskSettings")?;
    Ok(Request {
        identifier: members.required("ReplicationTaskIdentifier")?.to_lowercase(),
        source_arn: members.required("SourceEndpointArn")?.to_owned(),
        target_arn: members.required("TargetEndpointArn")?.to_owned(),
        instance_arn: members.required("ReplicationInstanceArn")?.to_owned(),
        migration_type: migration_type.to_owned(),
        parsed: (Mappings::parse(mappings)?, Settings::parse(settings)?),
        mappings: mappings.to_owned(),
        settings: settings.unwrap_or("{}").to_owned(),
        position,
        tags: tags(members)?,
    })
}

fn insert(world: &mut World, scene: &Scene, request: Request) -> Result<(String, Value, Duration), AwsError> {
    let identifier = request.identifier;
    if let Some((arn, _)) = world.tasks.iter().find(|(_, task)| task.identifier == identifier) {
        let message = format!("A replication task with the identifier {identifier} already exists");
        return Err(errors::exists(message, arn));
    }
    instances::available(world, &request.instance_arn)?;
    let endpoint = |arn: &str, role: &str| match world.endpoints.get(arn) {
        Some(endpoint) if endpoint.role == role && endpoint.status == "active" => Ok(endpoint.spec.clone()),
        Some(_) => Err(errors::wrong_state(format!("Endpoint {arn} is no active {role}"))),
        None => Err(errors::not_found(format!("Endpoint {arn} not found"))),
    };
    let arn = scene.arn("task");
    let (mappings, settings) = request.parsed;
    let spec = TaskSpec {
        arn: arn.clone(),
        identifier: identifier.clone(),
        source: endpoint(&request.source_arn, "source")?,
        target: endpoint(&request.target_arn, "target")?,
        full_load: request.migration_type != "cdc",
        cdc_start_position: request.position,
        mappings,
        settings,
    };
    let task = Task {
        identifier,
        status: "creating".to_owned(),
        stop_reason: None,
        last_failure: None,
        source_arn: request.source_arn,
        target_arn: request.target_arn,
        instance_arn: request.instance_arn,
        migration_type: request.migration_type,
        mappings: request.mappings,
        settings: request.settings,
        spec: Arc::new(spec),
        created_at: scene.now,
        fresh_start: None,
        started_at: None,
        stopped_at: None,
        run: 0,
        stop: None,
        points: Vec::new(),
        tags: request.tags,
    };
    let shown = show(&arn, &task, &[], true);
    world.tasks.insert(arn.clone(), task);
    Ok((arn, shown, scene.pick(scene.knobs.task_create)))
}

pub(super) fn describe(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "DescribeReplicationTasks";
    let members = members(OPERATION, body, &["Filters", "MaxRecords", "Marker", "WithoutSettings"])?;
    let known = [
        "replication-task-arn",
        "replication-task-id",
        "migration-type",
        "endpoint-arn",
        "replication-instance-arn",
    ];
    let filters = filters(OPERATION, &members, &known)?;
    let whole = !members.flag("WithoutSettings")?.unwrap_or_default();
    let replicator = dms.replicator();
    dms.with(|world, scene| {
        let wanted = world.tasks.iter().filter(|(arn, task)| {
            let endpoint = [&task.source_arn, &task.target_arn];
            filters.iter().all(|filter| match filter.0.as_str() {
                "endpoint-arn" => endpoint.iter().any(|arn| filter.1.contains(arn)),
                _ => passes(std::slice::from_ref(filter), |name| match name {
                    "replication-task-arn" => (*arn).clone(),
                    "replication-task-id" => task.identifier.clone(),
                    "migration-type" => task.migration_type.clone(),
                    _ => task.instance_arn.clone(),
                }),
            })
        });
        let items = wanted
            .map(|(arn, task)| show(arn, task, &replicator.tables(&task.spec), whole))
            .collect();
        paged(scene, &members, 100, "ReplicationTasks", items, !filters.is_empty())
    })
}

pub(super) fn show(arn: &str, task: &Task, tables: &[TableProgress], whole: bool) -> Value {
    let mut shown = json!({
        "ReplicationTaskIdentifier": task.identifier,
        "ReplicationTaskArn": arn,
        "SourceEndpointArn": task.source_arn,
        "TargetEndpointArn": task.target_arn,
        "ReplicationInstanceArn": task.instance_arn,
        "MigrationType": task.migration_type,
        "Status": task.status,
        "ReplicationTaskCreationDate": seconds(task.created_at),
    });
    if whole {
        shown["TableMappings"] = json!(task.mappings);
        shown["ReplicationTaskSettings"] = json!(task.settings);
    }
    if let Some(position) = &task.spec.cdc_start_position {
        shown["CdcStartPosition"] = json!(position);
    }
    if let Some(reason) = &task.stop_reason {
        shown["StopReason"] = json!(format!("Stop Reason {reason}"));
    }
    if let Some(message) = &task.last_failure {
        shown["LastFailureMessage"] = json!(message);
    }
    if let Some(fresh) = task.fresh_start {
        shown["ReplicationTaskStartDate"] = seconds(task.started_at.unwrap_or(fresh));
        shown["ReplicationTaskStats"] = stats(task, tables);
    }
    shown
}

fn stats(task: &Task, tables: &[TableProgress]) -> Value {
    let count = |state| tables.iter().filter(|table| table.state == state).count();
    let (loaded, total) = (count(TableState::Completed), tables.len());
    let over = total > 0 && loaded + count(TableState::Error) == total;
    let mut stats = json!({
        "FullLoadProgressPercent": if task.spec.full_load { (loaded * 100).checked_div(total).unwrap_or(0) } else { 100 },
        "TablesLoaded": loaded,
        "TablesLoading": count(TableState::FullLoad),
        "TablesQueued": count(TableState::BeforeLoad),
        "TablesErrored": count(TableState::Error),
    });
    let mut date = |name: &str, at: Option<_>| {
        if let Some(at) = at {
            stats[name] = seconds(at);
        }
    };
    date("FreshStartDate", task.fresh_start);
    date("StartDate", task.started_at);
    date("StopDate", task.stopped_at);
    if task.spec.full_load {
        date(
            "FullLoadStartDate",
            tables.iter().filter_map(|table| table.load_began).min(),
        );
        if over {
            date(
                "FullLoadFinishDate",
                tables.iter().filter_map(|table| table.load_ended).max(),
            );
        }
    }
    stats
}

/// The task of that ARN; else the fault.
pub(super) fn task_mut<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Task, AwsError> {
    world
        .tasks
        .get_mut(arn)
        .ok_or_else(|| errors::not_found(format!("Replication task {arn} not found")))
}

pub(super) fn delete(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let members = members("DeleteReplicationTask", body, &["ReplicationTaskArn"])?;
    let arn = members.required("ReplicationTaskArn")?.to_owned();
    let (shown, spec, delay) = dms.with(|world, scene| {
        let task = task_mut(world, &arn)?;
        if !matches!(task.status.as_str(), "ready" | "stopped" | "failed") {
            let message = format!("Replication task {arn} cannot be deleted while it is {}", task.status);
            return Err(errors::wrong_state(message));
        }
        "deleting".clone_into(&mut task.status);
        let shown = show(&arn, task, &[], true);
        Ok((shown, task.spec.clone(), scene.pick(scene.knobs.task_delete)))
    })?;
    let dms = dms.clone();
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        dms.replicator().forget(&spec).await;
        dms.with(|world, _| {
            world.tasks.remove(&arn);
            world.assessments.retain(|run| run.task_arn != arn);
            let event = events::task(
                &arn,
                "Deletion",
                "DELETED",
                "DMS-EVENT-0073",
                "Replication task deleted",
            );
            world.outbox.push(event);
        });
    });
    Ok(json!({ "ReplicationTask": shown }))
}
