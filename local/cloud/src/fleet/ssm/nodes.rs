//! Managed nodes: which hosts SSM knows, and DescribeInstanceInformation.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::refusal;
use crate::fleet::host::Host;
use crate::fleet::members::{Members, invalid, not_simulated, page, texts_of};
use crate::fleet::times;
use crate::fleet::words::{HostKind, InstanceState};
use crate::fleet::world::{Server, World};
use crate::fleet::{Fleet, Scene};
use crate::hub::AwsError;

/// A host that SSM knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub id: String,
    pub server: String,
    pub kind: HostKind,
    /// PingStatus Online; otherwise ConnectionLost.
    pub online: bool,
}

/// The node of an id, if SSM knows it at all. A fresh instance is unknown until its agent has registered.
pub(super) fn find(world: &World, scene: &Scene, id: &str) -> Option<Node> {
    let (server, kind, running) = if id.starts_with("mi-") {
        let source = world
            .servers
            .values()
            .find(|one| one.spec.managed_instance_id.as_deref() == Some(id))?;
        (source.spec.id.clone(), HostKind::Source, true)
    } else {
        let one = world.instances.get(id)?;
        let registered = one.registered_at.is_some_and(|at| scene.now >= at);
        if !registered || world.scripts.never_registers(&one.server, one.purpose) {
            return None;
        }
        let state = one.state(scene.now);
        if matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated) {
            return None;
        }
        (one.server.clone(), one.host_kind(), state == InstanceState::Running)
    };
    let lost = world.scripts.connection_lost(&server, kind, scene.now);
    Some(Node {
        id: id.to_owned(),
        server,
        kind,
        online: running && !lost,
    })
}

/// The host behind a node.
pub(super) fn host_mut<'w>(world: &'w mut World, node: &Node) -> Option<&'w mut Host> {
    match node.kind {
        HostKind::Source => world.servers.get_mut(&node.server).map(|one| &mut one.host),
        HostKind::Test | HostKind::Cutover => world.instances.get_mut(&node.id).map(|one| &mut one.host),
    }
}

/// InvalidInstanceId, in the words SSM uses for ids that are unknown, unregistered or not running.
pub(super) fn invalid_instance(ids: &[String], scene: &Scene) -> AwsError {
    let message = format!(
        "Instances [[{}]] not in a valid state for account {}",
        ids.join(", "),
        scene.hub.account()
    );
    refusal("InvalidInstanceId", message)
}

/// DescribeInstanceInformation, by `Filters` or the older `InstanceInformationFilterList`.
pub(super) fn describe(fleet: &Fleet, body: &Value) -> Result<Value, AwsError> {
    let operation = "DescribeInstanceInformation";
    let known = ["Filters", "InstanceInformationFilterList", "MaxResults", "NextToken"];
    let request = Members::of("ssm", operation, body, &known)?;
    let most = request.number("MaxResults", 5, 50)?.map(|most| most as usize);
    let token = request.text("NextToken")?;
    let mut filters = Vec::new();
    for (list, key, values) in [
        ("Filters", "Key", "Values"),
        ("InstanceInformationFilterList", "key", "valueSet"),
    ] {
        for filter in request.list(list)? {
            let members = Members::of("ssm", &format!("{operation} {list}"), filter, &[key, values])?;
            let wanted = members.value(values).and_then(texts_of).unwrap_or_default();
            filters.push((members.required(key)?.to_owned(), wanted));
        }
    }
    fleet.with(|world, scene| {
        let sources = world
            .servers
            .values()
            .filter_map(|one| one.spec.managed_instance_id.clone());
        let ids: Vec<String> = sources.chain(world.instances.keys().cloned()).collect();
        let mut chosen = Vec::new();
        for id in ids {
            let Some(node) = find(world, scene, &id) else { continue };
            if passes(&node, &filters)? {
                chosen.push(node);
            }
        }
        let (rows, next) = page(chosen, token, most, scene.knobs.ssm_page)
            .ok_or_else(|| refusal("InvalidNextToken", "The specified token isn't valid."))?;
        let rows: Vec<Value> = rows.iter().map(|node| render(world, scene, node)).collect();
        let mut answer = json!({"InstanceInformationList": rows});
        if let Some(next) = next {
            answer["NextToken"] = next.into();
        }
        Ok(answer)
    })
}

fn passes(node: &Node, filters: &[(String, Vec<String>)]) -> Result<bool, AwsError> {
    for (key, wanted) in filters {
        if wanted.is_empty() {
            return Err(invalid(format!("filter {key} has no values")));
        }
        let actual = match key.as_str() {
            "InstanceIds" => node.id.as_str(),
            "PingStatus" => ping(node),
            "ResourceType" => resource_type(node),
            other => {
                return Err(not_simulated(format_args!(
                    "ssm:DescribeInstanceInformation filter {other}"
                )));
            }
        };
        if !wanted.iter().any(|value| value == actual) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn ping(node: &Node) -> &'static str {
    if node.online { "Online" } else { "ConnectionLost" }
}

fn resource_type(node: &Node) -> &'static str {
    match node.kind {
        HostKind::Source => "ManagedInstance",
        HostKind::Test | HostKind::Cutover => "EC2Instance",
    }
}

/// Is the source a Windows host? Its instances are so too.
pub(super) fn is_windows(server: &Server) -> bool {
    server.spec.os.contains("Windows")
}

fn render(world: &World, scene: &Scene, node: &Node) -> Value {
    let Some(server) = world.servers.get(&node.server) else {
        return json!({"InstanceId": node.id});
    };
    let ip = match world.instances.get(&node.id) {
        Some(instance) => &instance.private_ip,
        None => &server.spec.source_ip,
    };
    // The agent pings every five minutes; a lost one did so some time ago.
    let ago = SignedDuration::from_secs(if node.online { scene.now.as_second() % 300 } else { 1200 });
    let mut item = json!({
        "InstanceId": node.id,
        "PingStatus": ping(node),
        "LastPingDateTime": times::epoch_seconds(scene.now - ago),
        "AgentVersion": "3.3.1611.0",
        "IsLatestVersion": true,
        "PlatformType": if is_windows(server) { "Windows" } else { "Linux" },
        "PlatformName": server.spec.os,
        "ResourceType": resource_type(node),
        "IPAddress": ip,
        "ComputerName": server.spec.hostname,
    });
    if node.kind == HostKind::Source {
        item["Name"] = server.spec.hostname.clone().into();
        item["RegistrationDate"] = times::epoch_seconds(server.added_at);
    }
    item
}
