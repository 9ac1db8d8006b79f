//! Endpoints, and tests of the connection to them.

use std::time::Duration;

use serde_json::{Value, json};

use super::replicator::EndpointSpec;
use super::world::{Connection, Endpoint, World};
use super::{Dms, errors, filters, instances, members, paged, passes, tags};
use crate::fleet::members::{Members, not_simulated};
use crate::hub::AwsError;

/// Which settings belong to which engines.
const SETTINGS: [(&str, &[&str]); 4] = [
    ("PostgreSQLSettings", &["postgres", "aurora-postgresql"]),
    ("MySQLSettings", &["mysql", "aurora", "mariadb"]),
    ("OracleSettings", &["oracle"]),
    ("MicrosoftSQLServerSettings", &["sqlserver"]),
];

pub(super) fn create(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "CreateEndpoint";
    let mut known = vec![
        "EndpointIdentifier",
        "EndpointType",
        "EngineName",
        "SslMode",
        "CertificateArn",
        "ExtraConnectionAttributes",
        "Tags",
    ];
    known.extend(SETTINGS.map(|(name, _)| name));
    let members = members(OPERATION, body, &known)?;
    let identifier = members.required("EndpointIdentifier")?.to_lowercase();
    let role = members.required("EndpointType")?.to_lowercase();
    if !matches!(role.as_str(), "source" | "target") {
        return Err(errors::invalid_value(format!("{role} is no type of endpoint")));
    }
    let engine = members.required("EngineName")?;
    let spec = EndpointSpec {
        identifier: identifier.clone(),
        engine: engine.to_owned(),
        attributes: members.text("ExtraConnectionAttributes")?.map(str::to_owned),
        ..login(&members, engine)?
    };
    match members.text("SslMode")?.unwrap_or("none") {
        "none" | "require" => {}
        "verify-ca" | "verify-full" if members.text("CertificateArn")?.is_some() => {}
        mode @ ("verify-ca" | "verify-full") => {
            let message = format!("SslMode {mode} needs a certificate");
            return Err(errors::invalid_combination(message));
        }
        mode => return Err(errors::invalid_value(format!("{mode} is no SSL mode"))),
    }
    let tags = tags(&members)?;
    dms.with(|world, scene| {
        let taken = world.endpoints.iter().find(|(_, one)| one.identifier == identifier);
        if let Some((arn, _)) = taken {
            let message = format!("An endpoint with the identifier {identifier} already exists");
            return Err(errors::exists(message, arn));
        }
        let arn = scene.arn("endpoint");
        let mut shown = body.clone();
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("Tags");
        }
        shown["EndpointArn"] = json!(arn);
        shown["EndpointIdentifier"] = json!(identifier);
        shown["EndpointType"] = json!(role.to_uppercase());
        let endpoint = Endpoint {
            identifier,
            status: "active",
            shown,
            spec,
            role,
            tags,
        };
        let shown = show(&endpoint);
        world.endpoints.insert(arn, endpoint);
        Ok(json!({ "Endpoint": shown }))
    })
}

/// Where the login is. Only secrets are simulated: nobody sends a password.
fn login(members: &Members<'_>, engine: &str) -> Result<EndpointSpec, AwsError> {
    let ours = SETTINGS.iter().find(|(_, engines)| engines.contains(&engine));
    let (name, _) = ours.ok_or_else(|| not_simulated(format_args!("dms: the engine {engine}")))?;
    let foreign = SETTINGS
        .iter()
        .find(|(other, _)| other != name && members.value(other).is_some());
    if let Some((foreign, _)) = foreign {
        let message = format!("{foreign} do not belong to the engine {engine}");
        return Err(errors::invalid_combination(message));
    }
    let settings = members
        .value(name)
        .ok_or_else(|| not_simulated(format_args!("dms: an endpoint of {engine} without {name}")))?;
    let known = [
        "SecretsManagerSecretId",
        "SecretsManagerAccessRoleArn",
        "DatabaseName",
        "TargetDbType",
    ];
    let settings = Members::of("dms", name, settings, &known)?;
    settings.required("SecretsManagerAccessRoleArn")?;
    Ok(EndpointSpec {
        identifier: String::new(),
        engine: String::new(),
        secret: settings.required("SecretsManagerSecretId")?.to_owned(),
        database: settings.text("DatabaseName")?.map(str::to_owned),
        attributes: None,
    })
}

fn show(endpoint: &Endpoint) -> Value {
    let mut shown = endpoint.shown.clone();
    shown["Status"] = json!(endpoint.status);
    shown
}

pub(super) fn describe(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "DescribeEndpoints";
    let members = members(OPERATION, body, &["Filters", "MaxRecords", "Marker"])?;
    let known = ["endpoint-arn", "endpoint-type", "endpoint-id", "engine-name"];
    let filters = filters(OPERATION, &members, &known)?;
    dms.with(|world, scene| {
        let wanted = world.endpoints.iter().filter(|(arn, one)| {
            passes(&filters, |name| match name {
                "endpoint-arn" => (*arn).clone(),
                "endpoint-type" => one.role.clone(),
                "endpoint-id" => one.identifier.clone(),
                _ => one.spec.engine.clone(),
            })
        });
        let items = wanted.map(|(_, one)| show(one)).collect();
        paged(scene, &members, 100, "Endpoints", items, !filters.is_empty())
    })
}

pub(super) fn delete(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let members = members("DeleteEndpoint", body, &["EndpointArn"])?;
    let arn = members.required("EndpointArn")?.to_owned();
    let (shown, delay) = dms.with(|world, scene| {
        let busy = world
            .tasks
            .values()
            .any(|task| task.source_arn == arn || task.target_arn == arn);
        let endpoint = endpoint_mut(world, &arn)?;
        if busy {
            let message = format!("Endpoint {arn} is part of one or more replication tasks");
            return Err(errors::wrong_state(message));
        }
        if endpoint.status == "deleting" {
            return Err(errors::wrong_state(format!("Endpoint {arn} is already being deleted")));
        }
        endpoint.status = "deleting";
        Ok((show(endpoint), scene.pick(scene.knobs.endpoint_delete)))
    })?;
    dms.later(delay, move |world, _| {
        world.endpoints.remove(&arn);
        world.connections.retain(|(_, endpoint), _| *endpoint != arn);
    });
    Ok(json!({ "Endpoint": shown }))
}

fn endpoint_mut<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Endpoint, AwsError> {
    world
        .endpoints
        .get_mut(arn)
        .ok_or_else(|| errors::not_found(format!("Endpoint {arn} not found")))
}

pub(super) fn test(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let members = members("TestConnection", body, &["ReplicationInstanceArn", "EndpointArn"])?;
    let key = (
        members.required("ReplicationInstanceArn")?.to_owned(),
        members.required("EndpointArn")?.to_owned(),
    );
    let (shown, spec, test, delay) = dms.with(|world, scene| {
        instances::available(world, &key.0)?;
        let endpoint = endpoint_mut(world, &key.1)?;
        if endpoint.status != "active" {
            let message = format!("Endpoint {} is in status {}", key.1, endpoint.status);
            return Err(errors::wrong_state(message));
        }
        let spec = endpoint.spec.clone();
        let test = world.connections.get(&key).map_or(1, |before| before.test + 1);
        let connection = Connection {
            status: "testing",
            failure: None,
            test,
        };
        let shown = show_connection(&key, &connection);
        world.connections.insert(key.clone(), connection);
        Ok((shown, spec, test, scene.pick(scene.knobs.connection_test)))
    })?;
    tokio::spawn(finish_test(dms.clone(), key, spec, test, delay));
    Ok(json!({ "Connection": shown }))
}

async fn finish_test(dms: Dms, key: (String, String), spec: EndpointSpec, test: u64, delay: Duration) {
    tokio::time::sleep(delay).await;
    let broken = dms.knobs().failing_connections;
    let end = if broken.iter().any(|part| spec.identifier.contains(part)) {
        Err("Test Endpoint failed: Application-Status: 1020912, Failed to connect".to_owned())
    } else {
        dms.replicator().check(&spec).await
    };
    dms.with(|world, _| {
        let Some(connection) = world.connections.get_mut(&key).filter(|one| one.test == test) else {
            return;
        };
        connection.status = if end.is_ok() { "successful" } else { "failed" };
        connection.failure = end.err();
    });
}

fn show_connection(key: &(String, String), connection: &Connection) -> Value {
    let mut shown = json!({
        "ReplicationInstanceArn": key.0,
        "EndpointArn": key.1,
        "Status": connection.status,
    });
    if let Some(message) = &connection.failure {
        shown["LastFailureMessage"] = json!(message);
    }
    shown
}

pub(super) fn describe_connections(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "DescribeConnections";
    let members = members(OPERATION, body, &["Filters", "MaxRecords", "Marker"])?;
    let filters = filters(OPERATION, &members, &["endpoint-arn", "replication-instance-arn"])?;
    dms.with(|world, scene| {
        let wanted = world.connections.iter().filter(|(key, _)| {
            passes(&filters, |name| match name {
                "endpoint-arn" => key.1.clone(),
                _ => key.0.clone(),
            })
        });
        let items = wanted.map(|(key, one)| show_connection(key, one)).collect();
        paged(scene, &members, 100, "Connections", items, !filters.is_empty())
    })
}

/// Whether a task may start over this connection; else the fault.
pub(super) fn connected(world: &World, instance: &str, endpoint: &str) -> Result<(), AwsError> {
    let key = (instance.to_owned(), endpoint.to_owned());
    match world.connections.get(&key) {
        Some(connection) if connection.status == "successful" => Ok(()),
        _ => Err(errors::wrong_state(format!(
            "Test connection for replication instance {instance} and endpoint {endpoint} should be successful for \
             starting the replication task"
        ))),
    }
}
