//! StopInstances, StartInstances, TerminateInstances, and moving an instance into other security groups.

use super::instances::{check_ids, render_state};
use super::query::Query;
use super::refusal;
use super::xml::{list, text};
use crate::fleet::words::InstanceState;
use crate::fleet::world::{Instance, Power};
use crate::fleet::{Fleet, Scene};
use crate::hub::AwsError;

/// StopInstances: the host shuts down now. Stopping what is stopped, or stopping already, changes nothing.
pub(super) fn stop(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    query.flag("Force")?;
    let allowed = |state| !matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated);
    change(fleet, query, "stopped", allowed, |scene, one| {
        if matches!(one.state(scene.now), InstanceState::Pending | InstanceState::Running) {
            one.host.shut_down(scene.now);
            one.power = Power::Off(scene.now + scene.pick(scene.knobs.ec2_stop));
        }
    })
}

/// StartInstances: only from `stopped`. The host boots, its checks and its SSM agent begin anew.
pub(super) fn start(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    let allowed = |state| {
        matches!(
            state,
            InstanceState::Pending | InstanceState::Running | InstanceState::Stopped
        )
    };
    change(fleet, query, "started", allowed, |scene, one| {
        if one.state(scene.now) == InstanceState::Stopped {
            let running_at = scene.now + scene.pick(scene.knobs.ec2_boot);
            one.power = Power::On(running_at);
            one.host.boot(scene.now);
            one.checks_at = running_at + scene.pick(scene.knobs.ec2_checks);
            one.registered_at = Some(running_at + scene.pick(scene.knobs.ssm_registration));
        }
    })
}

/// TerminateInstances, from any state; repeating it changes nothing.
pub(super) fn terminate(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    change(fleet, query, "terminated", |_| true, |scene, one| one.terminate(scene))
}

/// ModifyInstanceAttribute with `GroupId.n`: other security groups, and no other attribute.
pub(super) fn modify_attribute(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    let id = query.required("InstanceId")?.to_owned();
    let groups = query.list("GroupId");
    query.finish()?;
    if groups.is_empty() {
        return Err(refusal("InvalidParameterCombination", "No attributes specified"));
    }
    fleet.with(|world, scene| {
        check_ids(world, scene, std::slice::from_ref(&id))?;
        if let Some(one) = world.instances.get_mut(&id) {
            one.security_groups = groups;
        }
        Ok(text("return", "true"))
    })
}

/// Changes all instances of the call or, if one of them is in a state that does not allow it, none.
fn change(
    fleet: &Fleet,
    query: &Query,
    participle: &str,
    allowed: impl Fn(InstanceState) -> bool,
    act: impl Fn(&Scene, &mut Instance),
) -> Result<String, AwsError> {
    let ids = query.list("InstanceId");
    query.finish()?;
    if ids.is_empty() {
        let message = "The request must contain the parameter InstanceId";
        return Err(refusal("MissingParameter", message));
    }
    fleet.with(|world, scene| {
        check_ids(world, scene, &ids)?;
        let state_of = |id: &String| world.instances.get(id).map(|one| one.state(scene.now));
        let previous: Vec<InstanceState> = ids.iter().filter_map(state_of).collect();
        if let Some((id, state)) = ids.iter().zip(&previous).find(|(_, state)| !allowed(**state)) {
            let message =
                format!("The instance '{id}' is not in a state from which it can be {participle} ('{state}')");
            return Err(refusal("IncorrectInstanceState", message));
        }
        let mut rows = Vec::new();
        for (id, previous) in ids.iter().zip(previous) {
            let Some(one) = world.instances.get_mut(id) else {
                continue;
            };
            act(scene, one);
            rows.push(
                text("instanceId", id)
                    + &render_state("currentState", one.state(scene.now))
                    + &render_state("previousState", previous),
            );
        }
        Ok(list("instancesSet", rows))
    })
}
