//! DescribeInstances and DescribeInstanceStatus.

use jiff::Timestamp;

use super::query::{Filter, Query};
use super::refusal;
use super::xml::{list, nest, tag_set, text};
use crate::fleet::members::page;
use crate::fleet::times;
use crate::fleet::words::{InstanceState, StatusCheck};
use crate::fleet::world::{Instance, World};
use crate::fleet::{Fleet, Scene};
use crate::hub::AwsError;

/// InvalidInstanceID.NotFound, in EC2's words for one and for several.
pub(super) fn unknown(ids: &[&str]) -> AwsError {
    let message = match ids {
        [only] => format!("The instance ID '{only}' does not exist"),
        several => format!("The instance IDs '{}' do not exist", several.join(", ")),
    };
    refusal("InvalidInstanceID.NotFound", message)
}

/// The instances of a call; one that EC2 does not know, or no longer, refuses all of it.
pub(super) fn check_ids(world: &World, scene: &Scene, ids: &[String]) -> Result<(), AwsError> {
    let known = |id: &String| {
        let one = world.instances.get(id);
        one.is_some_and(|one| one.visible(scene.now, scene.knobs.ec2_terminated_visible))
    };
    let missing: Vec<&str> = ids.iter().filter(|id| !known(id)).map(String::as_str).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(unknown(&missing))
    }
}

/// DescribeInstances by ids and filters; all instances without any, a page at a time.
pub(super) fn describe(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    let ids = query.list("InstanceId");
    let filters = query.filters();
    let most = query.number("MaxResults")?;
    let token = query.text("NextToken");
    query.finish()?;
    fleet.with(|world, scene| {
        let (rows, next) = select(world, scene, query, &ids, &filters, most, token, |_| true)?;
        let account = scene.hub.account();
        let reservations = rows.into_iter().map(|one| {
            text("reservationId", one.id.replacen("i-", "r-", 1))
                + &text("ownerId", &account)
                + &nest("groupSet", "")
                + &list("instancesSet", [render(scene, one)])
        });
        Ok(list("reservationSet", reservations) + &next_token(next))
    })
}

/// DescribeInstanceStatus; only running instances unless IncludeAllInstances.
pub(super) fn describe_status(fleet: &Fleet, query: &Query) -> Result<String, AwsError> {
    let ids = query.list("InstanceId");
    let filters = query.filters();
    let all = query.flag("IncludeAllInstances")?;
    let most = query.number("MaxResults")?;
    let token = query.text("NextToken");
    query.finish()?;
    fleet.with(|world, scene| {
        let shown = |one: &Instance| all || one.state(scene.now) == InstanceState::Running;
        let (rows, next) = select(world, scene, query, &ids, &filters, most, token, shown)?;
        let items = rows.into_iter().map(|one| render_status(world, scene, one));
        Ok(list("instanceStatusSet", items) + &next_token(next))
    })
}

pub(super) fn next_token(next: Option<String>) -> String {
    next.map(|token| text("nextToken", token)).unwrap_or_default()
}

#[allow(clippy::too_many_arguments)] // The request's parts, read beforehand, and the two views of the world.
fn select<'w>(
    world: &'w World,
    scene: &Scene,
    query: &Query,
    ids: &[String],
    filters: &[Filter],
    most: Option<usize>,
    token: Option<&str>,
    shown: impl Fn(&Instance) -> bool,
) -> Result<(Vec<&'w Instance>, Option<String>), AwsError> {
    if !ids.is_empty() && most.is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(refusal("InvalidParameterCombination", message));
    }
    check_ids(world, scene, ids)?;
    let kept = scene.knobs.ec2_terminated_visible;
    let mut chosen = Vec::new();
    for one in world.instances.values() {
        let asked = ids.is_empty() || ids.contains(&one.id);
        if asked && one.visible(scene.now, kept) && shown(one) && passes(scene, query, one, filters)? {
            chosen.push(one);
        }
    }
    // A call by ids answers on one page.
    let cap = if ids.is_empty() {
        scene.knobs.ec2_page
    } else {
        usize::MAX
    };
    page(chosen, token, most, cap).ok_or_else(|| refusal("InvalidParameterValue", "NextToken is not valid"))
}

fn passes(scene: &Scene, query: &Query, one: &Instance, filters: &[Filter]) -> Result<bool, AwsError> {
    for filter in filters {
        let actual = match filter.name.as_str() {
            "instance-id" => Some(one.id.as_str()),
            "instance-state-name" => Some(one.state(scene.now).as_str()),
            "private-ip-address" => Some(one.private_ip.as_str()),
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

pub(super) fn render_state(name: &str, state: InstanceState) -> String {
    nest(
        name,
        &(text("code", state.code().to_string()) + &text("name", state.as_str())),
    )
}

fn render(scene: &Scene, one: &Instance) -> String {
    let state = one.state(scene.now);
    let groups = one
        .security_groups
        .iter()
        .map(|id| text("groupId", id) + &text("groupName", id));
    let volumes = one.volumes.iter().enumerate().map(|(place, (volume, _))| {
        text(
            "deviceName",
            format!("/dev/xvd{}", char::from(b'a' + (place % 26) as u8)),
        ) + &nest("ebs", &(text("volumeId", volume) + &text("status", "attached")))
    });
    let mut item = text("instanceId", &one.id)
        + &text("imageId", "ami-0123456789abcdef0")
        + &render_state("instanceState", state)
        + &text("instanceType", &one.instance_type)
        + &text("launchTime", times::zulu(one.launched_at))
        + &nest(
            "placement",
            &text("availabilityZone", format!("{}a", scene.hub.region())),
        );
    // A terminated instance has given its address back.
    if !matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        item += &text("subnetId", "subnet-0fedcba9876543210");
        item += &text("vpcId", "vpc-0123456789abcdef0");
        item += &text("privateIpAddress", &one.private_ip);
        let dashed = one.private_ip.replace('.', "-");
        item += &text(
            "privateDnsName",
            format!("ip-{dashed}.{}.compute.internal", scene.hub.region()),
        );
    }
    item += &text("architecture", "x86_64");
    item += &text("rootDeviceType", "ebs");
    item += &list("blockDeviceMapping", volumes);
    item += &list("groupSet", groups);
    item + &tag_set(&one.tags)
}

fn render_status(world: &World, scene: &Scene, one: &Instance) -> String {
    let check = |check| {
        let status = check_status(world, scene, one, check);
        let passed = match status {
            "ok" => "passed",
            "impaired" => "failed",
            other => other,
        };
        let details = list("details", [text("name", "reachability") + &text("status", passed)]);
        nest(
            check.as_str(),
            &(text("status", status) + if status == "not-applicable" { "" } else { &details }),
        )
    };
    text("instanceId", &one.id)
        + &text("availabilityZone", format!("{}a", scene.hub.region()))
        + &render_state("instanceState", one.state(scene.now))
        + &check(StatusCheck::System)
        + &check(StatusCheck::Instance)
}

fn check_status(world: &World, scene: &Scene, one: &Instance, check: StatusCheck) -> &'static str {
    if one.state(scene.now) != InstanceState::Running {
        return "not-applicable";
    }
    if scene.now < one.checks_at {
        return "initializing";
    }
    let until: Option<Option<Timestamp>> = world
        .scripts
        .impaired(&one.server, one.purpose, check)
        .map(|lasts| lasts.map(|lasts| one.checks_at + lasts));
    match until {
        Some(None) => "impaired",
        Some(Some(until)) if scene.now < until => "impaired",
        _ => "ok",
    }
}
