//! Tasks that start, run, stop and die.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::replicator::{Begin, Halt, Stop, TaskSpec};
use super::tasks::{show, task_mut};
use super::world::{Task, World};
use super::{Dms, Scene, endpoints, errors, events, instances, members, metrics};
use crate::fleet::members::not_simulated;
use crate::hub::AwsError;

/// One run of a task.
struct Run {
    arn: String,
    number: u64,
    spec: Arc<TaskSpec>,
    begin: Begin,
}

pub(super) fn start(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let members = members(
        "StartReplicationTask",
        body,
        &["ReplicationTaskArn", "StartReplicationTaskType"],
    )?;
    let arn = members.required("ReplicationTaskArn")?.to_owned();
    let begin = match members.required("StartReplicationTaskType")? {
        "start-replication" => Begin::Fresh,
        "resume-processing" => Begin::Resume,
        other => return Err(not_simulated(format_args!("dms:StartReplicationTask {other}"))),
    };
    let (shown, run, stop, delay) = dms.with(|world, scene| begin_start(world, scene, &arn, begin))?;
    tokio::spawn(carry(dms.clone(), run, stop, delay));
    Ok(json!({ "ReplicationTask": shown }))
}

fn begin_start(
    world: &mut World,
    scene: &Scene,
    arn: &str,
    begin: Begin,
) -> Result<(Value, Run, Stop, Duration), AwsError> {
    let task = task_mut(world, arn)?;
    if !matches!(task.status.as_str(), "ready" | "stopped" | "failed") {
        let message = format!("Replication task {arn} cannot be started while it is {}", task.status);
        return Err(errors::wrong_state(message));
    }
    match (begin, task.fresh_start) {
        (Begin::Fresh, Some(_)) => {
            let message = "Start Type : START_REPLICATION, valid only for replications running for the first time";
            return Err(errors::invalid_combination(message));
        }
        (Begin::Resume, None) => {
            let message = "Start Type : RESUME_PROCESSING, not valid for replications running for the first time";
            return Err(errors::invalid_combination(message));
        }
        _ => {}
    }
    let (instance, source, target) = (
        task.instance_arn.clone(),
        task.source_arn.clone(),
        task.target_arn.clone(),
    );
    instances::available(world, &instance)?;
    endpoints::connected(world, &instance, &source)?;
    endpoints::connected(world, &instance, &target)?;
    let task = task_mut(world, arn)?;
    "starting".clone_into(&mut task.status);
    let (sender, stop) = Stop::new();
    task.stop = Some(sender);
    task.stop_reason = None;
    task.last_failure = None;
    task.run += 1;
    task.fresh_start.get_or_insert(scene.now);
    task.started_at = Some(scene.now);
    let run = Run {
        arn: arn.to_owned(),
        number: task.run,
        spec: task.spec.clone(),
        begin,
    };
    Ok((
        show(arn, task, &[], true),
        run,
        stop,
        scene.pick(scene.knobs.task_start),
    ))
}

/// The task, while this run of it is the last.
fn current<'a>(world: &'a mut World, arn: &str, number: u64) -> Option<&'a mut Task> {
    world.tasks.get_mut(arn).filter(|task| task.run == number)
}

async fn carry(dms: Dms, run: Run, stop: Stop, delay: Duration) {
    tokio::time::sleep(delay).await;
    let begun = dms.with(|world, _| {
        let task = current(world, &run.arn, run.number)?;
        "running".clone_into(&mut task.status);
        let how = match run.begin {
            Begin::Fresh => "fresh start",
            Begin::Resume => "resume",
        };
        let message = format!("Replication task started, with flag = {how}");
        let event = events::task(&run.arn, "StateChange", "STARTED", "DMS-EVENT-0069", &message);
        world.outbox.push(event);
        Some(())
    });
    if begun.is_none() {
        return;
    }
    tokio::spawn(metrics::publish(dms.clone(), run.arn.clone(), run.number));
    let halt = dms.replicator().run(&run.spec, run.begin, stop).await;
    if halt == Halt::Stopped {
        let knobs = dms.knobs();
        tokio::time::sleep(dms.with(|_, scene| scene.pick(knobs.task_stop))).await;
    }
    dms.with(|world, scene| end(world, scene, &run, halt));
}

fn end(world: &mut World, scene: &Scene, run: &Run, halt: Halt) {
    let Some(task) = current(world, &run.arn, run.number) else {
        return;
    };
    let (status, reason, message) = match halt {
        Halt::Stopped => ("stopped".to_owned(), "NORMAL".to_owned(), None),
        Halt::Died {
            status,
            reason,
            message,
        } => (status, reason, Some(message)),
    };
    task.stopped_at = Some(scene.now);
    task.stop = None;
    let event = if status == "failed" {
        let said = message.clone().unwrap_or_default();
        events::task(&run.arn, "Failure", "FAILED", "DMS-EVENT-0078", &said)
    } else {
        let said = format!("Stop Reason {reason}");
        events::task(&run.arn, "StateChange", "STOPPED", "DMS-EVENT-0079", &said)
    };
    task.status = status;
    task.stop_reason = Some(reason);
    task.last_failure = message;
    world.outbox.push(event);
}

pub(super) fn stop(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let members = members("StopReplicationTask", body, &["ReplicationTaskArn"])?;
    let arn = members.required("ReplicationTaskArn")?;
    dms.with(|world, _| {
        let task = task_mut(world, arn)?;
        if task.status != "running" {
            let message = format!("Replication task {arn} is {}, and is not running", task.status);
            return Err(errors::wrong_state(message));
        }
        "stopping".clone_into(&mut task.status);
        if let Some(stop) = &task.stop {
            // Nobody listening means that the task is dying at this moment, which ends it too.
            let _ = stop.send(true);
        }
        Ok(json!({ "ReplicationTask": show(arn, task, &[], true) }))
    })
}
