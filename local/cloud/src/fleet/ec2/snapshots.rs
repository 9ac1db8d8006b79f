//! CreateSnapshots, DescribeSnapshots, DeleteSnapshot: copies of an instance's volumes, kept as evidence.

use super::instances::{check_ids, next_token};
use super::query::{Filter, Query};
use super::refusal;
use super::xml::{list, tag_set, text};
use crate::fleet::members::page;
use crate::fleet::times;
use crate::fleet::world::VolumeSnapshot;
use crate::fleet::{Fleet, Scene};
use crate::hub::AwsError;

/// CreateSnapshots: one snapshot of each volume of an instance, `pending` at first.
pub(super) fn create(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    let instance = query.required("InstanceSpecification.InstanceId")?.to_owned();
    let without_boot = query.flag("InstanceSpecification.ExcludeBootVolume")?;
    let description = query.text("Description").unwrap_or_default().to_owned();
    let tags = query.tags("snapshot")?;
    query.finish()?;
    fleet.with(|world, scene| {
        check_ids(world, scene, std::slice::from_ref(&instance))?;
        let Some(one) = world.instances.get(&instance).filter(|one| one.exists()) else {
            return Err(refusal(
                "IncorrectState",
                format!("The instance '{instance}' is terminated"),
            ));
        };
        let volumes = one.volumes.iter().skip(usize::from(without_boot));
        let made: Vec<VolumeSnapshot> = volumes
            .map(|(volume, size_gib)| VolumeSnapshot {
                id: scene.id("snap-", 17),
                volume: volume.clone(),
                server: one.server.clone(),
                size_gib: *size_gib,
                description: description.clone(),
                started_at: scene.now,
                completed_at: scene.now + scene.pick(scene.knobs.ec2_snapshot),
                tags: tags.clone(),
            })
            .collect();
        let items: Vec<String> = made.iter().map(|one| render(scene, one, "state")).collect();
        world
            .snapshots
            .extend(made.into_iter().map(|one| (one.id.clone(), one)));
        Ok(list("snapshotSet", items))
    })
}

/// DescribeSnapshots by ids and by filters; this account's own ones without any.
pub(super) fn describe(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    let ids = query.list("SnapshotId");
    let filters = query.filters();
    let most = query.number("MaxResults")?;
    let token = query.text("NextToken");
    let owners = query.list("Owner");
    query.finish()?;
    if owners
        .iter()
        .any(|owner| owner != "self" && *owner != fleet.inner.hub.account())
    {
        return Err(crate::fleet::members::not_simulated(
            "ec2:DescribeSnapshots of other owners",
        ));
    }
    fleet.with(|world, scene| {
        if let Some(missing) = ids.iter().find(|id| !world.snapshots.contains_key(*id)) {
            return Err(not_found(missing));
        }
        let mut chosen = Vec::new();
        for one in world.snapshots.values() {
            if (ids.is_empty() || ids.contains(&one.id)) && passes(scene, query, one, &filters)? {
                chosen.push(one);
            }
        }
        let (rows, next) = page(chosen, token, most, scene.knobs.ec2_page)
            .ok_or_else(|| refusal("InvalidParameterValue", "NextToken is not valid"))?;
        let items = rows.into_iter().map(|one| render(scene, one, "status"));
        Ok(list("snapshotSet", items) + &next_token(next))
    })
}

/// DeleteSnapshot.
pub(super) fn delete(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    let id = query.required("SnapshotId")?;
    query.finish()?;
    fleet.with(|world, _| match world.snapshots.remove(id) {
        Some(_) => Ok(text("return", "true")),
        None => Err(not_found(id)),
    })
}

fn not_found(id: &str) -> AwsError {
    refusal(
        "InvalidSnapshot.NotFound",
        format!("The snapshot '{id}' does not exist."),
    )
}

fn status(scene: &Scene, one: &VolumeSnapshot) -> &'static str {
    if scene.now < one.completed_at {
        "pending"
    } else {
        "completed"
    }
}

fn passes(scene: &Scene, query: &Query, one: &VolumeSnapshot, filters: &[Filter]) -> Result<bool, AwsError> {
    for filter in filters {
        let actual = match filter.name.as_str() {
            "snapshot-id" => Some(one.id.as_str()),
            "volume-id" => Some(one.volume.as_str()),
            "status" => Some(status(scene, one)),
            name => match name.strip_prefix("tag:") {
                Some(key) => one.tags.get(key).map(String::as_str),
                None => return Err(query.unknown_filter(name)),
            },
        };
        if !actual.is_some_and(|actual| filter.values.iter().any(|value| value == actual)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A snapshot; CreateSnapshots calls its status `state`, DescribeSnapshots calls it `status`.
fn render(scene: &Scene, one: &VolumeSnapshot, status_name: &str) -> String {
    let status = status(scene, one);
    text("snapshotId", &one.id)
        + &text("volumeId", &one.volume)
        + &text(status_name, status)
        + &text("startTime", times::zulu(one.started_at))
        + &text("progress", if status == "completed" { "100%" } else { "0%" })
        + &text("ownerId", scene.hub.account())
        + &text("volumeSize", one.size_gib.to_string())
        + &text("description", &one.description)
        + &text("encrypted", "false")
        + &tag_set(&one.tags)
}
