//! Launch and replication configurations: every field of the API, checked, kept and printed back.

use serde_json::{Map, Value, json};

use super::super::Fleet;
use super::super::Scene;
use super::super::members::Members;
use super::super::spec::SourceServerSpec;
use super::super::world::{Server, World};
use super::errors::{conflict, not_found, validation};
use super::{Answer, members, source_server_id};
use crate::hub::AwsError;

/// The form of one field.
enum Form {
    Text,
    Flag,
    Number(i64, i64),
    OneOf(&'static [&'static str]),
    Texts(usize),
    TextMap,
    /// A structure with these fields.
    Structure(&'static [(&'static str, Form)]),
    /// A list of at most so many structures.
    Structures(usize, &'static [(&'static str, Form)]),
    /// Anything: checked no further.
    Free,
}

const SSM_DOCUMENT: &[(&str, Form)] = &[
    ("actionName", Form::Text),
    ("ssmDocumentName", Form::Text),
    ("timeoutSeconds", Form::Number(1, i32::MAX as i64)),
    ("mustSucceedForCutover", Form::Flag),
    ("parameters", Form::Free),
    ("externalParameters", Form::Free),
];

const LAUNCH: &[(&str, Form)] = &[
    ("name", Form::Text),
    ("launchDisposition", Form::OneOf(&["STARTED", "STOPPED"])),
    ("targetInstanceTypeRightSizingMethod", Form::OneOf(&["NONE", "BASIC"])),
    ("copyPrivateIp", Form::Flag),
    ("copyTags", Form::Flag),
    ("licensing", Form::Structure(&[("osByol", Form::Flag)])),
    ("bootMode", Form::OneOf(&["LEGACY_BIOS", "UEFI", "USE_SOURCE"])),
    (
        "postLaunchActions",
        Form::Structure(&[
            (
                "deployment",
                Form::OneOf(&["TEST_AND_CUTOVER", "CUTOVER_ONLY", "TEST_ONLY"]),
            ),
            ("s3LogBucket", Form::Text),
            ("s3OutputKeyPrefix", Form::Text),
            ("cloudWatchLogGroupName", Form::Text),
            ("ssmDocuments", Form::Structures(10, SSM_DOCUMENT)),
        ]),
    ),
    ("enableMapAutoTagging", Form::Flag),
    ("mapAutoTaggingMpeID", Form::Text),
];

const REPLICATED_DISK: &[(&str, Form)] = &[
    ("deviceName", Form::Text),
    ("isBootDisk", Form::Flag),
    (
        "stagingDiskType",
        Form::OneOf(&[
            "AUTO",
            "FSX_ONTAP",
            "GP2",
            "GP3",
            "IO1",
            "IO2",
            "SC1",
            "ST1",
            "STANDARD",
        ]),
    ),
    ("iops", Form::Number(0, i64::MAX)),
    ("throughput", Form::Number(0, i64::MAX)),
];

const REPLICATION: &[(&str, Form)] = &[
    ("name", Form::Text),
    ("stagingAreaSubnetId", Form::Text),
    ("associateDefaultSecurityGroup", Form::Flag),
    ("replicationServersSecurityGroupsIDs", Form::Texts(32)),
    ("replicationServerInstanceType", Form::Text),
    ("useDedicatedReplicationServer", Form::Flag),
    ("defaultLargeStagingDiskType", Form::OneOf(&["GP2", "GP3", "ST1"])),
    ("replicatedDisks", Form::Structures(60, REPLICATED_DISK)),
    ("ebsEncryption", Form::OneOf(&["DEFAULT", "CUSTOM"])),
    ("ebsEncryptionKeyArn", Form::Text),
    ("bandwidthThrottling", Form::Number(0, 10_000)),
    ("dataPlaneRouting", Form::OneOf(&["PRIVATE_IP", "PUBLIC_IP"])),
    ("createPublicIP", Form::Flag),
    ("stagingAreaTags", Form::TextMap),
    ("useFipsEndpoint", Form::Flag),
    ("internetProtocol", Form::OneOf(&["IPV4", "IPV6"])),
    ("storeSnapshotOnLocalZone", Form::Flag),
    (
        "storageConfiguration",
        Form::Structure(&[
            ("storageType", Form::OneOf(&["EBS", "FSX_ONTAP"])),
            ("fsxOntapConfiguration", Form::Free),
        ]),
    ),
];

/// What MGN sets for a new source server.
pub(crate) fn default_launch_configuration(spec: &SourceServerSpec, scene: &Scene) -> Map<String, Value> {
    object(json!({
        "sourceServerID": spec.id,
        "name": spec.hostname,
        "ec2LaunchTemplateID": scene.id("lt-", 17),
        "launchDisposition": "STARTED",
        "targetInstanceTypeRightSizingMethod": "BASIC",
        "copyPrivateIp": false,
        "copyTags": false,
        "licensing": {"osByol": true},
        "bootMode": "USE_SOURCE",
        "postLaunchActions": {},
        "enableMapAutoTagging": false,
    }))
}

/// What MGN sets for a new source server.
pub(crate) fn default_replication_configuration(spec: &SourceServerSpec) -> Map<String, Value> {
    let disks = spec.disk_bytes.iter().enumerate().map(|(place, _)| {
        let letter = char::from(b'a' + (place % 26) as u8);
        json!({
            "deviceName": format!("/dev/xvd{letter}"),
            "isBootDisk": place == 0,
            "stagingDiskType": "AUTO",
            "iops": 0,
            "throughput": 0,
        })
    });
    object(json!({
        "sourceServerID": spec.id,
        "name": spec.hostname,
        "stagingAreaSubnetId": "subnet-0123456789abcdef0",
        "associateDefaultSecurityGroup": true,
        "replicationServersSecurityGroupsIDs": [],
        "replicationServerInstanceType": "t3.small",
        "useDedicatedReplicationServer": false,
        "defaultLargeStagingDiskType": "GP3",
        "replicatedDisks": disks.collect::<Vec<_>>(),
        "ebsEncryption": "DEFAULT",
        "bandwidthThrottling": 0,
        "dataPlaneRouting": "PRIVATE_IP",
        "createPublicIP": false,
        "stagingAreaTags": {},
        "useFipsEndpoint": false,
        "internetProtocol": "IPV4",
        "storeSnapshotOnLocalZone": false,
        "storageConfiguration": {"storageType": "EBS"},
    }))
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// GetLaunchConfiguration.
pub(super) fn get_launch(fleet: &Fleet, body: &Value) -> Answer {
    let id = source_server_id(fleet, "GetLaunchConfiguration", body)?;
    fleet.with(|world, _| answer(world, id, |server| &mut server.launch_configuration))
}

/// GetReplicationConfiguration.
pub(super) fn get_replication(fleet: &Fleet, body: &Value) -> Answer {
    let id = source_server_id(fleet, "GetReplicationConfiguration", body)?;
    fleet.with(|world, _| answer(world, id, |server| &mut server.replication_configuration))
}

/// UpdateLaunchConfiguration: members that are absent keep their value.
pub(super) fn update_launch(fleet: &Fleet, body: &Value) -> Answer {
    update(fleet, "UpdateLaunchConfiguration", body, LAUNCH, |server| {
        &mut server.launch_configuration
    })
}

/// UpdateReplicationConfiguration: members that are absent keep their value.
pub(super) fn update_replication(fleet: &Fleet, body: &Value) -> Answer {
    update(fleet, "UpdateReplicationConfiguration", body, REPLICATION, |server| {
        &mut server.replication_configuration
    })
}

fn answer(world: &mut World, id: &str, part: impl Fn(&mut Server) -> &mut Map<String, Value>) -> Answer {
    let server = world.servers.get_mut(id).ok_or_else(|| not_found(id))?;
    Ok((200, Value::Object(part(server).clone())))
}

fn update(
    fleet: &Fleet,
    operation: &str,
    body: &Value,
    fields: &[(&'static str, Form)],
    part: impl Fn(&mut Server) -> &mut Map<String, Value>,
) -> Answer {
    let mut known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    known.push("sourceServerID");
    let request = members(fleet, operation, body, &known)?;
    let id = request.required("sourceServerID")?;
    for (name, form) in fields {
        if let Some(value) = request.value(name) {
            check(operation, name, value, form)?;
        }
    }
    fleet.with(|world, _| {
        let server = world.servers.get_mut(id).ok_or_else(|| not_found(id))?;
        if server.archived || server.replication.ended() {
            return Err(conflict("Source Server is archived or disconnected", &[id]));
        }
        let configuration = part(server);
        for (name, _) in fields {
            if let Some(value) = request.value(name) {
                configuration.insert((*name).to_owned(), value.clone());
            }
        }
        answer(world, id, part)
    })
}

/// Checks a value against its field's form; nested members nobody knows are named.
fn check(operation: &str, name: &str, value: &Value, form: &Form) -> Result<(), AwsError> {
    let fits = match form {
        Form::Text => value.is_string(),
        Form::Flag => value.is_boolean(),
        Form::Number(least, most) => value.as_i64().is_some_and(|number| (*least..=*most).contains(&number)),
        Form::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Form::Texts(most) => value
            .as_array()
            .is_some_and(|list| list.len() <= *most && list.iter().all(Value::is_string)),
        Form::TextMap => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
        Form::Structure(fields) => return check_structure(operation, name, value, fields),
        Form::Structures(most, fields) => {
            let list = value.as_array().filter(|list| list.len() <= *most);
            let list = list.ok_or_else(|| validation(format!("{name} must be a list of at most {most}")))?;
            return list
                .iter()
                .try_for_each(|one| check_structure(operation, name, one, fields));
        }
        Form::Free => true,
    };
    if fits {
        Ok(())
    } else {
        Err(validation(format!("{name} has a value that is not allowed: {value}")))
    }
}

fn check_structure(
    operation: &str,
    name: &str,
    value: &Value,
    fields: &[(&'static str, Form)],
) -> Result<(), AwsError> {
    let known: Vec<&str> = fields.iter().map(|(field, _)| *field).collect();
    let members = Members::of("mgn", &format!("{operation} {name}"), value, &known)?;
    for (field, form) in fields {
        if let Some(value) = members.value(field) {
            check(operation, &format!("{name}.{field}"), value, form)?;
        }
    }
    Ok(())
}
