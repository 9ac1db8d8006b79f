//! DescribeSourceServers, and a source server as MGN prints it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::super::Fleet;
use super::super::Scene;
use super::super::members::{Members, page};
use super::super::replication::Reading;
use super::super::times;
use super::super::words::{LifeCycleState, Purpose, ReplicationState};
use super::super::world::{Launched, Marks, Server};
use super::errors::validation;
use super::{Answer, members};
use crate::hub::AwsError;

struct Filters {
    ids: Option<Vec<String>>,
    archived: Option<bool>,
    states: Option<Vec<LifeCycleState>>,
    replication_types: Option<Vec<String>>,
}

/// DescribeSourceServers, by id, a page at a time. Unknown ids in the filter are simply not found.
pub(super) fn describe(fleet: &Fleet, body: &Value) -> Answer {
    let operation = "DescribeSourceServers";
    let request = members(fleet, operation, body, &["filters", "maxResults", "nextToken"])?;
    let filters = filters(operation, request.value("filters"))?;
    let most = request.number("maxResults", 1, 1000)?.map(|most| most as usize);
    let token = request.text("nextToken")?;
    fleet.with(|world, scene| {
        let chosen: Vec<&Server> = world
            .servers
            .values()
            .filter(|server| matches(server, &filters, scene))
            .collect();
        let (rows, next) =
            page(chosen, token, most, scene.knobs.mgn_page).ok_or_else(|| validation("nextToken is not valid"))?;
        let told = |server: &Server| {
            let mut item = render(scene, server);
            world.scripts.misreport(&server.spec.id, scene.now, &mut item);
            item
        };
        let items: Vec<Value> = rows.into_iter().map(told).collect();
        Ok((200, with_token(items, next)))
    })
}

/// `{items, nextToken}`, the token left out on the last page.
pub(super) fn with_token(items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({"items": items});
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    answer
}

fn filters(operation: &str, value: Option<&Value>) -> Result<Filters, AwsError> {
    let empty = json!({});
    let known = ["sourceServerIDs", "isArchived", "lifeCycleStates", "replicationTypes"];
    let members = Members::of("mgn", &format!("{operation} filters"), value.unwrap_or(&empty), &known)?;
    let ids = members.texts("sourceServerIDs")?;
    if ids.as_ref().is_some_and(|ids| ids.len() > 200) {
        return Err(validation("filters.sourceServerIDs must hold at most 200 ids"));
    }
    let states = members.texts("lifeCycleStates")?.map(|words| {
        words
            .iter()
            .map(|word| LifeCycleState::parse(word).ok_or_else(|| validation(format!("no lifecycle state {word}"))))
            .collect::<Result<Vec<_>, _>>()
    });
    Ok(Filters {
        ids,
        archived: members.flag("isArchived")?,
        states: states.transpose()?,
        replication_types: members.texts("replicationTypes")?,
    })
}

fn matches(server: &Server, filters: &Filters, scene: &Scene) -> bool {
    let archived = match filters.archived {
        Some(wanted) => server.archived == wanted,
        None => !server.archived || scene.knobs.archived_returned_by_default,
    };
    archived
        && filters.ids.as_ref().is_none_or(|ids| ids.contains(&server.spec.id))
        && filters
            .states
            .as_ref()
            .is_none_or(|states| states.contains(&server.life))
        && filters
            .replication_types
            .as_ref()
            .is_none_or(|types| types.iter().any(|one| one == "AGENT_BASED"))
}

/// A source server as MGN prints it.
pub(super) fn render(scene: &Scene, server: &Server) -> Value {
    let reading = server.replication.reading(&server.host, scene.now, scene.knobs);
    let mut item = json!({
        "sourceServerID": server.spec.id,
        "arn": scene.mgn_arn(&format!("source-server/{}", server.spec.id)),
        "isArchived": server.archived,
        "tags": server.spec.tags,
        "dataReplicationInfo": replication_info(scene, server, &reading),
        "lifeCycle": life_cycle(scene, server),
        "sourceProperties": source_properties(scene, server),
        "replicationType": "AGENT_BASED",
    });
    match &server.launched {
        Some(launched) => item["launchedInstance"] = launched_instance(scene, server, launched),
        None if scene.knobs.empty_launched_instance => item["launchedInstance"] = json!({}),
        None => {}
    }
    item
}

fn launched_instance(scene: &Scene, server: &Server, launched: &Launched) -> Value {
    let stopped = server
        .launch_configuration
        .get("launchDisposition")
        .and_then(Value::as_str)
        == Some("STOPPED");
    let booted = scene.now >= launched.at + SignedDuration::from_secs(60);
    let first_boot = match (stopped, booted) {
        (true, _) => "STOPPED",
        (false, true) => "SUCCEEDED",
        (false, false) => "WAITING",
    };
    let mut shown = json!({"jobID": launched.job, "firstBoot": first_boot});
    if scene.now >= launched.at + scene.knobs.instance_id_delay {
        shown["ec2InstanceID"] = launched.instance.clone().into();
    }
    shown
}

fn time(scene: &Scene, at: Timestamp) -> Value {
    times::mgn(at, scene.knobs.timestamps).into()
}

fn replication_info(scene: &Scene, server: &Server, reading: &Reading) -> Value {
    let mut info = Map::new();
    let state = server.replication.state;
    info.insert("dataReplicationState".to_owned(), state.as_str().into());
    if let Some(lag) = reading.lag {
        info.insert("lagDuration".to_owned(), times::iso_duration(lag).into());
    }
    if let Some(eta) = reading.eta {
        info.insert("etaDateTime".to_owned(), time(scene, eta));
    }
    if let Some(at) = reading.last_snapshot {
        info.insert("lastSnapshotDateTime".to_owned(), time(scene, at));
    }
    info.insert("replicatedDisks".to_owned(), replicated_disks(scene, server, reading));
    info.insert("dataReplicationInitiation".to_owned(), initiation(scene, server));
    if state == ReplicationState::Stalled {
        info.insert("dataReplicationError".to_owned(), json!({"error": "UNSTABLE_NETWORK"}));
    }
    Value::Object(info)
}

fn replicated_disks(scene: &Scene, server: &Server, reading: &Reading) -> Value {
    let zeroed = server.replication.ended() && scene.knobs.finalize_zeroes_bytes;
    let disks = server.spec.disk_bytes.iter().enumerate().map(|(place, bytes)| {
        // What is behind is behind on the first disk, where the services write.
        let first = place == 0;
        let total = if zeroed { 0 } else { *bytes };
        json!({
            "deviceName": device_name(place, server),
            "totalStorageBytes": total,
            "replicatedStorageBytes": total.saturating_mul(reading.synced_permille.min(1000)) / 1000,
            "backloggedStorageBytes": if first { reading.backlog } else { 0 },
            "rescannedStorageBytes": if first { reading.rescanned.min(total) } else { 0 },
        })
    });
    disks.collect()
}

fn device_name(place: usize, server: &Server) -> String {
    if server.spec.os.contains("Windows") {
        return format!("c:{place}");
    }
    let letter = char::from(b'a' + (place % 26) as u8);
    format!("/dev/xvd{letter}")
}

fn initiation(scene: &Scene, server: &Server) -> Value {
    const STEPS: [&str; 11] = [
        "WAIT",
        "CREATE_SECURITY_GROUP",
        "LAUNCH_REPLICATION_SERVER",
        "BOOT_REPLICATION_SERVER",
        "AUTHENTICATE_WITH_SERVICE",
        "DOWNLOAD_REPLICATION_SOFTWARE",
        "CREATE_STAGING_DISKS",
        "ATTACH_STAGING_DISKS",
        "PAIR_REPLICATION_SERVER_WITH_AGENT",
        "CONNECT_AGENT_TO_REPLICATION_SERVER",
        "START_DATA_TRANSFER",
    ];
    let status = if server.replication.ended() {
        "NOT_STARTED"
    } else {
        "SUCCEEDED"
    };
    let steps = STEPS.iter().map(|name| json!({"name": name, "status": status}));
    json!({"startDateTime": time(scene, server.added_at), "steps": steps.collect::<Vec<_>>()})
}

fn life_cycle(scene: &Scene, server: &Server) -> Value {
    let until = server.replication_ended_at.unwrap_or(scene.now);
    let elapsed = until.duration_since(server.added_at);
    json!({
        "state": server.life.as_str(),
        "addedToServiceDateTime": time(scene, server.added_at),
        "firstByteDateTime": time(scene, server.added_at + SignedDuration::from_secs(90)),
        "elapsedReplicationDuration": times::iso_duration(elapsed),
        "lastSeenByServiceDateTime": time(scene, until),
        "lastTest": marks(scene, &server.last_test, Purpose::Test),
        "lastCutover": marks(scene, &server.last_cutover, Purpose::Cutover),
    })
}

/// Empty structures are printed as `{}`. A test's `finalized` stays so, whatever comes.
fn marks(scene: &Scene, marks: &Marks, purpose: Purpose) -> Value {
    let called = |at: Option<Timestamp>| match at {
        Some(at) => json!({"apiCallDateTime": time(scene, at)}),
        None => json!({}),
    };
    let initiated = match &marks.initiated {
        Some((at, job)) => json!({"apiCallDateTime": time(scene, *at), "jobID": job}),
        None => json!({}),
    };
    let finalized = if purpose == Purpose::Cutover {
        marks.finalized
    } else {
        None
    };
    json!({"initiated": initiated, "reverted": called(marks.reverted), "finalized": called(finalized)})
}

fn source_properties(scene: &Scene, server: &Server) -> Value {
    let disks = server.spec.disk_bytes.iter().enumerate();
    let disks = disks.map(|(place, bytes)| json!({"deviceName": device_name(place, server), "bytes": bytes}));
    json!({
        "identificationHints": {"hostname": server.spec.hostname, "fqdn": server.spec.hostname},
        "os": {"fullString": server.spec.os},
        "networkInterfaces": [
            {"macAddress": "02:00:00:00:00:01", "ips": [server.spec.source_ip], "isPrimary": true}
        ],
        "disks": disks.collect::<Vec<_>>(),
        "cpus": [{"cores": 2, "modelName": "Intel(R) Xeon(R)"}],
        "ramBytes": 8_u64 << 30,
        "recommendedInstanceType": "m5.large",
        "lastUpdatedDateTime": time(scene, server.added_at),
    })
}
