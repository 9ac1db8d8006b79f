//! The plans that scenarios run: the example program, larger waves made after its first server, and databases.

use landfall_domain::plan::{DatabasePlan, ProgramPlan, ServerPlan, WavePlan, load_program, load_wave};
use serde_json::{Value, json};

/// `examples/program.json`: the guide's first pattern, 20 servers in four waves of five.
const EXAMPLE: &str = include_str!("../../../examples/program.json");

/// The zone of every record set.
const ZONE: &str = "Z08421693KQ7EXAMPLE1";

/// The example program, as a document.
pub fn example_document() -> Value {
    serde_json::from_str(EXAMPLE).expect("the example is JSON, as a test checks")
}

/// The example program.
pub fn example() -> ProgramPlan {
    load_program(&example_document()).unwrap_or_else(|error| panic!("examples/program.json: {error}"))
}

/// The first waves of the example program.
pub fn example_waves(waves: usize) -> ProgramPlan {
    let mut program = example();
    program.waves.truncate(waves);
    program
}

/// A wave of so many servers, each with the first check of the example and with a record set.
/// `first` is the number of its first server, so that two waves share none.
pub fn wide_wave(wave_id: &str, first: usize, servers: usize, batch_size: u32) -> WavePlan {
    let example = example();
    let mut template = example.waves[0].clone();
    template.defaults.checks.truncate(1);
    let hosts: Vec<(usize, ServerPlan)> = (first..first + servers)
        .map(|number| (number, numbered(&template.servers[0], number)))
        .collect();
    let records: Vec<Value> = hosts
        .iter()
        .map(|(_, host)| {
            json!({
                "hostedZoneId": ZONE,
                "name": format!("{}.shop.example.com", host.hostname),
                "type": "A",
                "sourceServerId": host.source_server_id,
                "address": "PRIVATE_IP",
            })
        })
        .collect();
    let document = json!({
        "waveId": wave_id,
        "description": format!("{servers} servers in batches of {batch_size}"),
        "defaults": template.defaults,
        "servers": hosts.into_iter().map(|(_, host)| host).collect::<Vec<_>>(),
        "batchSize": batch_size,
        "traffic": { "dns": records },
        "bakeMinutes": 60,
    });
    load_wave(&document).unwrap_or_else(|error| panic!("a generated wave is a plan: {error}"))
}

fn numbered(template: &ServerPlan, number: usize) -> ServerPlan {
    let mut host = json!(template);
    host["sourceServerId"] = json!(format!("s-7d20f4b6c81e5{number:04}"));
    host["hostname"] = json!(format!("host-{number:03}"));
    host["launch"]["name"] = json!(format!("host-{number:03}-aws"));
    host["quiesce"]["managedInstanceId"] = json!(format!("mi-0c5a9e13d7b24{number:04}"));
    host["checks"] = json!([]);
    serde_json::from_value(host).expect("a server with other names is a server")
}

/// A database from PostgreSQL to Aurora, with a parameter as its switch point: schema and database are named after it.
pub fn database(id: &str, wave: &str) -> DatabasePlan {
    database_of(id, wave, ["postgres", "aurora-postgresql"])
}

/// The same from MySQL to Aurora.
pub fn mysql_database(id: &str, wave: &str) -> DatabasePlan {
    database_of(id, wave, ["mysql", "aurora"])
}

/// The same from Oracle, whose schema is converted first, to Aurora PostgreSQL. A document on a host of its own closes and
/// opens the source; the same host runs the application, which is restarted after the switch.
pub fn oracle_database(id: &str, wave: &str) -> DatabasePlan {
    let mut plan = database_of(id, wave, ["oracle", "aurora-postgresql"]);
    let schemas = [id.replace('-', "_")];
    let conversion = json!({ "migrationProjectIdentifier": format!("{id}-conversion"), "schemas": schemas });
    plan.schema_conversion = serde_json::from_value(conversion).expect("a schema conversion");
    plan.lag.seconds_max = 30;
    plan.freeze.document = Some(format!("Freeze-{id}"));
    let restart = json!({
        "document": "AWS-RunShellScript",
        "parameters": { "commands": ["systemctl restart shop"] },
        "managedInstanceIds": ["mi-0c5a9e13d7b2f0001"],
    });
    plan.after_switch = serde_json::from_value(restart).expect("what happens after the switch");
    plan.freeze.managed_instance_id =
        Some(serde_json::from_value(json!("mi-0c5a9e13d7b2f0001")).expect("a managed instance"));
    plan
}

fn database_of(id: &str, wave: &str, [from, to]: [&str; 2]) -> DatabasePlan {
    let side = |engine: &str, side: &str| {
        let secret = |who: &str| {
            format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:landfall/{wave}/{id}/{side}/{who}-AbCdEf")
        };
        json!({
            "engine": engine,
            "adminSecretArn": secret("landfall"),
            "fenceSecretArn": secret("fence"),
            "applicationSecretArn": secret("application"),
            "dmsSecretArn": secret("dms"),
            "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/landfall-dms-secrets",
        })
    };
    let document = json!({
        "databaseId": id,
        "source": side(from, "source"),
        "target": side(to, "target"),
        "replicationInstance": {
            "class": "dms.c5.large",
            "allocatedStorageGb": 100,
            "subnetGroupIdentifier": "dms",
            "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
        },
        "tableMappings": { "rules": [{
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": id,
            "object-locator": { "schema-name": id.replace('-', "_"), "table-name": "%" },
            "rule-action": "include",
        }]},
        "assessment": {
            "serviceAccessRoleArn": "arn:aws:iam::111122223333:role/landfall-dms-assessment",
            "resultLocationBucket": "landfall-assessments",
        },
        "switch": { "parameter": {
            "name": format!("/landfall/{id}/database/host"),
            "targetValue": format!("{id}.target.example"),
        }},
    });
    serde_json::from_value(document).unwrap_or_else(|error| panic!("a generated database is a plan: {error}"))
}

/// The wave with one more database; with move groups, in the first one.
///
/// # Panics
/// When the wave is then no plan: the message says why.
pub fn with_database(mut wave: WavePlan, database: DatabasePlan) -> WavePlan {
    if let Some(group) = wave.move_groups.first_mut() {
        group.databases.push(database.database_id.clone());
    }
    wave.databases.push(database);
    load_wave(&document(&wave)).unwrap_or_else(|error| panic!("a wave with a database is a plan: {error}"))
}

/// A plan as the document that an execution is started with.
pub fn document(plan: &impl serde::Serialize) -> Value {
    serde_json::to_value(plan).expect("a plan can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_plan_of_20_servers_in_4_waves() {
        let program = example();
        assert_eq!(program.waves.len(), 4);
        assert!(
            program
                .waves
                .iter()
                .all(|wave| wave.servers.len() == 5 && wave.traffic.dns.len() == 5)
        );
    }

    #[test]
    fn a_plan_that_was_read_and_written_is_still_a_plan() {
        let program = example();
        assert_eq!(load_program(&document(&program)), Ok(program));
    }

    #[test]
    fn a_wave_with_databases_is_a_plan() {
        let wave = wide_wave("shop-wave", 0, 2, 2);
        let wave = with_database(wave, database("shop", "shop-wave"));
        let wave = with_database(wave, mysql_database("stock", "shop-wave"));
        assert_eq!(wave.databases.len(), 2);
    }

    #[test]
    fn a_wide_wave_fits_into_an_execution_input() {
        let wave = wide_wave("wide", 0, 200, 200);
        assert_eq!(wave.servers.len(), 200);
        assert!(document(&wave).to_string().len() < 256 * 1024);
    }
}
