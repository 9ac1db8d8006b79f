//! Calls that only move a server's lifecycle: change, finalize, archive, disconnect. None touches an instance.

use serde_json::Value;

use super::super::Fleet;
use super::super::Scene;
use super::super::members::not_simulated;
use super::super::words::{LifeCycleState, Purpose};
use super::super::world::{Server, World};
use super::errors::{BUSY, conflict, not_found, validation};
use super::{Answer, members, servers, source_server_id};
use crate::hub::AwsError;

use LifeCycleState::{Cutover, CuttingOver, Disconnected, ReadyForCutover, ReadyForTest, Testing};

/// ChangeServerLifeCycleState: mark as ready, skip testing, revert, or close a disconnected server.
pub(super) fn change(fleet: &Fleet, body: &Value) -> Answer {
    let operation = "ChangeServerLifeCycleState";
    let request = members(fleet, operation, body, &["sourceServerID", "lifeCycle"])?;
    let id = request.required("sourceServerID")?;
    let to = wanted_state(request.value("lifeCycle"))?;
    answer_with(fleet, id, |world, scene| {
        let busy = world.open_job_of(id).is_some();
        if busy && !scene.knobs.change_during_job {
            return Err(conflict(BUSY, &[id]));
        }
        let server = known(world, id)?;
        check_change(server, scene, id, to)?;
        match (server.life, to) {
            (Testing, ReadyForTest) | (ReadyForCutover, ReadyForTest) => {
                server.marks(Purpose::Test).reverted = Some(scene.now);
            }
            (CuttingOver, ReadyForCutover) => {
                server.marks(Purpose::Cutover).reverted = Some(scene.now);
            }
            _ => {}
        }
        server.life = to;
        Ok(())
    })
}

fn wanted_state(life_cycle: Option<&Value>) -> Result<LifeCycleState, AwsError> {
    let map = life_cycle
        .and_then(Value::as_object)
        .ok_or_else(|| validation("lifeCycle must be present"))?;
    if let Some(unknown) = map.keys().find(|key| *key != "state") {
        return Err(not_simulated(format_args!(
            "mgn:ChangeServerLifeCycleState member lifeCycle.{unknown}"
        )));
    }
    let word = map.get("state").and_then(Value::as_str).unwrap_or_default();
    match LifeCycleState::parse(word) {
        Some(state @ (ReadyForTest | ReadyForCutover | Cutover)) => Ok(state),
        _ => Err(validation(format!(
            "lifeCycle.state must be READY_FOR_TEST, READY_FOR_CUTOVER or CUTOVER, not {word}"
        ))),
    }
}

fn check_change(server: &Server, scene: &Scene, id: &str, to: LifeCycleState) -> Result<(), AwsError> {
    let allowed = match (server.life, to) {
        (Testing | ReadyForTest, ReadyForCutover) => true,
        (Testing | ReadyForCutover, ReadyForTest) => true,
        (CuttingOver, ReadyForCutover) => true,
        (Disconnected, Cutover) => true,
        (from, to) if from == to => scene.knobs.change_to_same_state,
        _ => false,
    };
    if !allowed || server.archived {
        let message = format!("Source Server cannot change from {} to {to}", server.life);
        return Err(conflict(&message, &[id]));
    }
    // Only a launchable server can be ready for anything; a disconnected one may still be closed.
    if to != Cutover && !server.replication.launchable(scene.now) {
        return Err(conflict("Source Server is not launchable", &[id]));
    }
    Ok(())
}

/// FinalizeCutover: the point of no return. Replication ends and its data is discarded; instances stay.
pub(super) fn finalize(fleet: &Fleet, body: &Value) -> Answer {
    let id = source_server_id(fleet, "FinalizeCutover", body)?;
    answer_with(fleet, id, |world, scene| {
        if world.open_job_of(id).is_some() {
            return Err(conflict(BUSY, &[id]));
        }
        let server = known(world, id)?;
        if server.life != CuttingOver {
            let message = format!("FinalizeCutover is not allowed in lifecycle state {}", server.life);
            return Err(conflict(&message, &[id]));
        }
        server.life = Cutover;
        // `lastTest.finalized` stays empty for ever; only this one is ever set.
        server.marks(Purpose::Cutover).finalized = Some(scene.now);
        end_replication(server, scene);
        Ok(())
    })
}

/// MarkAsArchived: only after CUTOVER or DISCONNECTED; the state stays as it is.
pub(super) fn archive(fleet: &Fleet, body: &Value) -> Answer {
    let id = source_server_id(fleet, "MarkAsArchived", body)?;
    answer_with(fleet, id, |world, _| {
        let server = known(world, id)?;
        if !matches!(server.life, Cutover | Disconnected) {
            let message = format!("MarkAsArchived is not allowed in lifecycle state {}", server.life);
            return Err(conflict(&message, &[id]));
        }
        server.archived = true;
        Ok(())
    })
}

/// DisconnectFromService: ends replication of a server in any state but a finalized one.
pub(super) fn disconnect(fleet: &Fleet, body: &Value) -> Answer {
    let id = source_server_id(fleet, "DisconnectFromService", body)?;
    answer_with(fleet, id, |world, scene| {
        if world.open_job_of(id).is_some() {
            return Err(conflict(BUSY, &[id]));
        }
        let server = known(world, id)?;
        if server.replication.ended() {
            return Err(conflict("Source Server is disconnected already", &[id]));
        }
        server.life = Disconnected;
        end_replication(server, scene);
        Ok(())
    })
}

fn end_replication(server: &mut Server, scene: &Scene) {
    server.replication.disconnect(scene.now);
    server.replication_ended_at = Some(scene.now);
}

fn known<'a>(world: &'a mut World, id: &str) -> Result<&'a mut Server, AwsError> {
    world.servers.get_mut(id).ok_or_else(|| not_found(id))
}

/// Changes the world, then answers 200 with the source server as it is after that.
fn answer_with(fleet: &Fleet, id: &str, change: impl FnOnce(&mut World, &Scene) -> Result<(), AwsError>) -> Answer {
    fleet.with(|world, scene| {
        known(world, id)?;
        change(world, scene)?;
        let server = known(world, id)?;
        Ok((200, servers::render(scene, server)))
    })
}
