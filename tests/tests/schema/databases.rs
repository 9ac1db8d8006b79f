//! Databases in a plan: every member given once, and every rule broken once.

use super::{FIRST, SECOND, check_of, repository, set, told, without};
use landfall_domain::plan::{load_program, load_wave, schema_text};
use serde_json::{Value, json};

fn secret(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf")
}

fn side(engine: &str, place: &str) -> Value {
    json!({
        "engine": engine,
        "adminSecretArn": secret(&format!("{place}/landfall")),
        "fenceSecretArn": secret(&format!("{place}/fence")),
        "applicationSecretArn": secret(&format!("{place}/app")),
        "dmsSecretArn": secret(&format!("{place}/dms")),
        "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms-secrets",
        "sslMode": "verify-full",
        "certificateArn": "arn:aws:dms:eu-west-1:111122223333:cert:ABC",
        "extraConnectionAttributes": { "heartbeatEnable": "true" },
    })
}

/// A database with every member that a schema knows.
fn shop() -> Value {
    json!({
        "databaseId": "shop",
        "description": "Orders and customers",
        "source": side("postgres", "dc/shop"),
        "target": side("aurora-postgresql", "aws/shop"),
        "replicationInstance": {
            "class": "dms.c5.large",
            "allocatedStorageGb": 100,
            "subnetGroupIdentifier": "dms",
            "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
            "multiAz": true,
            "engineVersion": "3.5.4",
            "publiclyAccessible": true,
            "kmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/1",
        },
        "migrationType": "full-load-and-cdc",
        "tableMappings": { "rules": [
            { "rule-type": "selection", "rule-id": "1", "rule-name": "all of the shop",
              "object-locator": { "schema-name": "shop", "table-name": "%" }, "rule-action": "include" },
            { "rule-type": "transformation", "rule-id": "2", "rule-name": "another schema", "rule-target": "schema",
              "object-locator": { "schema-name": "shop", "table-name": "%" }, "rule-action": "rename", "value": "store" },
        ] },
        "taskSettings": {
            "fullLoad": { "targetTablePrepMode": "TRUNCATE_BEFORE_LOAD", "maxFullLoadSubTasks": 4,
                          "transactionConsistencyTimeoutSeconds": 300, "commitRate": 5000 },
            "lob": { "fullLobMode": false, "lobMaxSizeKb": 16384, "lobChunkSizeKb": 64 },
            "validation": { "enabled": true, "threadCount": 8 },
            "onDataError": "STOP_TASK",
            "onApplyError": "SUSPEND_TABLE",
            "batchApply": { "enabled": false },
        },
        "assessment": { "serviceAccessRoleArn": "arn:aws:iam::111122223333:role/dms-assessment",
                        "resultLocationBucket": "landfall-assessments" },
        "freeze": { "deadlineSeconds": 90, "keepLogins": ["monitoring"], "longestTransactionSeconds": 10 },
        "fence": { "schema": "shop", "table": "landfall_fence" },
        "lag": { "secondsMax": 4, "waitMinutes": 30 },
        "verify": { "budgetSeconds": 20, "checksumTables": ["shop.visits"], "loadMinutes": 600 },
        "readyTarget": { "sequenceMargin": 500, "smokeTest": "INSERT INTO store.orders (what) VALUES ('probe')" },
        "switch": { "route53": { "hostedZoneId": "Z1EXAMPLE", "name": "db.example.com", "targetValue": "shop.cluster.example" } },
        "afterSwitch": { "document": "Shop-Restart", "parameters": { "unit": ["shop"] },
                         "managedInstanceIds": ["mi-00000000000000001"] },
        "failBack": { "reverseReplication": {} },
        "waivers": [
            { "rule": "PUBLIC_INSTANCE", "approvedBy": "ada", "reason": "no other way in" },
            { "rule": "TABLE_WITHOUT_KEY", "tables": ["shop.audit"], "approvedBy": "ada", "reason": "written once" },
        ],
    })
}

/// A second database, small, in another database server and at a switch point of its own.
fn stock() -> Value {
    let mut stock = shop();
    stock["databaseId"] = json!("stock");
    for (place, member) in [("dc/stock", "source"), ("aws/stock", "target")] {
        stock[member] = side(if member == "source" { "mariadb" } else { "aurora" }, place);
    }
    stock["switch"] =
        json!({ "parameter": { "name": "/stock/database/host", "targetValue": "stock.cluster.example" } });
    stock["failBack"] = json!({ "acceptLoss": { "acceptedBy": "ada", "reason": "counted again every night" } });
    stock
}

/// A wave of a server and two databases, in two groups.
fn wave() -> Value {
    json!({
        "waveId": "shop-1",
        "servers": [{
            "sourceServerId": FIRST,
            "hostname": "web-01",
            "checks": [{ "name": "it answers", "commands": ["curl --fail http://localhost/"] }],
            "quiesce": { "managedInstanceId": "mi-00000000000000001", "services": ["nginx"], "powerOnBy": "the desk" },
        }],
        "databases": [shop(), stock()],
        "moveGroups": [{ "id": "front", "servers": [FIRST], "databases": ["shop"] }, { "id": "back", "databases": ["stock"] }],
        "traffic": { "dns": [{ "hostedZoneId": "Z1EXAMPLE", "name": "web-01.example.com", "type": "A",
                               "sourceServerId": FIRST, "address": "PRIVATE_IP" }] },
    })
}

/// The members of a database that the sample above leaves out, because they exclude others: engines that Landfall does not
/// speak to, and a schema that is converted first.
fn documents() -> Vec<super::Edit> {
    vec![
        set("/databases/0/source/engine", json!("oracle")),
        set("/databases/0/lag/secondsMax", json!(30)),
        set("/databases/0/freeze/document", json!("Shop-Freeze")),
        set("/databases/0/freeze/managedInstanceId", json!("mi-00000000000000001")),
        set(
            "/databases/0/schemaConversion",
            json!({ "migrationProjectIdentifier": "shop", "schemas": ["SHOP"] }),
        ),
        without("/databases/0/failBack"),
        without("/databases/0/verify/checksumTables"),
    ]
}

#[test]
fn a_database_with_every_member_is_a_plan_and_comes_back_as_it_was() {
    let plan = load_wave(&wave()).unwrap_or_else(|error| panic!("{error}"));
    let written = serde_json::to_value(&plan).expect("a plan can be written");
    for (member, given) in shop().as_object().expect("members") {
        // A default that is given is left out of nothing, so everything that was given is there.
        assert_contains(&written["databases"][0][member], given, member);
    }
    assert_eq!(load_wave(&written), Ok(plan));
}

/// What was given is there; what was not given may be there as a default.
fn assert_contains(written: &Value, given: &Value, at: &str) {
    match (written, given) {
        (Value::Object(written), Value::Object(given)) => {
            for (member, value) in given {
                let found = written.get(member).unwrap_or_else(|| panic!("{at}.{member} is lost"));
                assert_contains(found, value, &format!("{at}.{member}"));
            }
        }
        (Value::Array(written), Value::Array(given)) => {
            assert_eq!(written.len(), given.len(), "{at}");
            let both = written.iter().zip(given).enumerate();
            both.for_each(|(index, (written, given))| assert_contains(written, given, &format!("{at}[{index}]")));
        }
        _ => assert_eq!(written, given, "{at}"),
    }
}

#[test]
fn the_samples_give_every_member_that_the_schema_knows() {
    let schema: Value = serde_json::from_str(&schema_text()).expect("a schema is JSON");
    let mut document = wave();
    documents().iter().for_each(|change| super::edit(&mut document, change));
    let (mut missing, mut given) = (Vec::new(), shop());
    for member in ["schemaConversion", "freeze"] {
        given[member] = document["databases"][0][member].clone();
    }
    // A freeze by document and one by logins are one object here: only names are compared.
    let logins = shop()["freeze"].clone();
    for (member, value) in logins.as_object().expect("members") {
        given["freeze"][member] = value.clone();
    }
    compare(
        &schema,
        &schema["$defs"]["DatabasePlan"],
        &given,
        "database",
        &mut missing,
    );
    assert!(missing.is_empty(), "not in the samples: {missing:?}");
}

/// Walks the schema and a value together, and notes members that the value does not have.
fn compare(schema: &Value, of: &Value, value: &Value, at: &str, missing: &mut Vec<String>) {
    let of = of["anyOf"].as_array().map_or(of, |branches| &branches[0]);
    let of = match of["$ref"].as_str() {
        Some(reference) => &schema["$defs"][reference.trim_start_matches("#/$defs/")],
        None => of,
    };
    let value = value.as_array().and_then(|entries| entries.last()).unwrap_or(value);
    if of["items"].is_object() {
        return compare(schema, &of["items"], value, at, missing);
    }
    for (member, definition) in of["properties"].as_object().into_iter().flatten() {
        match value.get(member) {
            Some(value) => compare(schema, definition, value, &format!("{at}.{member}"), missing),
            None => missing.push(format!("{at}.{member}")),
        }
    }
}

#[test]
fn engines_that_landfall_does_not_speak_to_are_frozen_by_a_document() {
    check_of(
        &wave(),
        vec![
            ("a document", documents(), vec![]),
            (
                "no document",
                [documents(), vec![without("/databases/0/freeze/document")]].concat(),
                told(&[
                    "$.databases[0].freeze.document is absent: given exactly for engines that Landfall does not speak to itself",
                    "$.databases[0].freeze.managedInstanceId is \"mi-00000000000000001\": given exactly with freeze.document: the host that runs it",
                ]),
            ),
        ],
    );
}

#[test]
fn a_database_of_the_wrong_shape_is_refused_at_its_path() {
    check_of(
        &wave(),
        vec![
            (
                "another member",
                vec![set("/databases/0/target/port", json!(5432))],
                told(&[
                    "$.databases[0].target.port is 5432: no such member; the schema in docs/ lists those that exist",
                ]),
            ),
            (
                "a missing secret",
                vec![without("/databases/0/source/fenceSecretArn")],
                told(&["$.databases[0].source.fenceSecretArn is absent: required"]),
            ),
            (
                "half a switch point",
                vec![without("/databases/1/switch/parameter/targetValue")],
                told(&["$.databases[1].switch.parameter.targetValue is absent: required"]),
            ),
            (
                "no switch point",
                vec![set("/databases/1/switch", json!({ "loadBalancer": {} }))],
                told(&[
                    r#"$.databases[1].switch is {"loadBalancer":{}}: one of the members route53, parameter, and no other"#,
                ]),
            ),
            (
                "a loss that nobody accepts",
                vec![set(
                    "/databases/1/failBack",
                    json!({ "acceptLoss": { "reason": "a copy" } }),
                )],
                told(&["$.databases[1].failBack.acceptLoss.acceptedBy is absent: required"]),
            ),
            (
                "a rule that nobody can waive",
                vec![set("/databases/0/waivers/0/rule", json!("PARALLEL_APPLY"))],
                told(&[
                    r#"$.databases[0].waivers[0].rule is "PARALLEL_APPLY": one of "DROP_AND_CREATE", "VALIDATION_OFF", "BATCH_APPLY", "ERRORS_GO_ON", "NO_ASSESSMENT", "PUBLIC_INSTANCE", "UNENCRYPTED", "TABLE_WITHOUT_KEY", "CAPACITY", "TRIGGERS""#,
                ]),
            ),
        ],
    );
}

#[test]
fn databases_are_told_apart_and_each_is_in_exactly_one_group() {
    let landfall = secret("dc/shop/landfall");
    check_of(
        &wave(),
        vec![
            (
                "nothing to move",
                vec![
                    without("/servers"),
                    without("/databases"),
                    without("/moveGroups"),
                    without("/traffic"),
                ],
                told(&["$.servers is absent: at least one server, or one in databases: there is nothing to move"]),
            ),
            (
                "databases alone",
                vec![without("/servers"), without("/traffic"), without("/moveGroups")],
                vec![],
            ),
            (
                "a database listed twice",
                vec![without("/moveGroups"), set("/databases/1/databaseId", json!("shop"))],
                told(&["$.databases[1].databaseId is \"shop\": a database is listed once; databases[0] has it too"]),
            ),
            (
                "two databases on one server",
                vec![set("/databases/1/source/adminSecretArn", json!(landfall))],
                vec![format!(
                    "$.databases[1].source.adminSecretArn is \"{landfall}\": a server that no other database of the wave is on: closing one would close the other; databases[0].source has this secret too"
                )],
            ),
            (
                "an empty group",
                vec![set("/moveGroups/-", json!({ "id": "nobody" }))],
                told(&[
                    "$.moveGroups[2].servers is absent: at least one server, or one in databases: an empty group moves nothing",
                ]),
            ),
            (
                "a database of no wave",
                vec![set("/moveGroups/1/databases/-", json!("prices"))],
                told(&["$.moveGroups[1].databases[1] is \"prices\": a database of this wave"]),
            ),
            (
                "a database in two groups",
                vec![set("/moveGroups/1/databases/-", json!("shop"))],
                told(&[
                    "$.moveGroups[1].databases[1] is \"shop\": a database is in one group; moveGroups[0] has it too",
                ]),
            ),
            (
                "a database in no group",
                vec![without("/moveGroups/0/databases")],
                told(&["$.databases[0].databaseId is \"shop\": in one of the moveGroups"]),
            ),
        ],
    );
}

#[test]
fn a_switch_point_is_switched_by_one_step_only() {
    let also = "a record set that is not in traffic.dns: it is switched with the database, and traffic.dns[0] would switch it again";
    check_of(
        &wave(),
        vec![
            (
                "with the servers too, in other letters",
                vec![set("/traffic/dns/0/name", json!("DB.example.com."))],
                vec![format!(
                    "$.databases[0].switch.route53.name is \"db.example.com\": {also}"
                )],
            ),
            (
                "the same name in another zone",
                vec![
                    set("/traffic/dns/0/name", json!("db.example.com")),
                    set("/traffic/dns/0/hostedZoneId", json!("Z2EXAMPLE")),
                ],
                vec![],
            ),
            (
                "with another database",
                vec![set(
                    "/databases/1/switch",
                    json!({ "route53": { "hostedZoneId": "Z1EXAMPLE", "name": "db.example.com.", "targetValue": "x" } }),
                )],
                told(&[
                    "$.databases[1].switch.route53.name is \"db.example.com.\": a switch point of its own; databases[0] has it too",
                ]),
            ),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_database_is_said_with_the_rest() {
    check_of(
        &wave(),
        vec![(
            "a login that is shared, an instance in public, a batch size of nothing",
            vec![
                set("/databases/0/source/dmsSecretArn", json!(secret("dc/shop/app"))),
                without("/databases/0/waivers/0"),
                set("/databases/1/waivers/1/tables", json!([])),
                set("/databases/1/waivers/0/tables", json!(["shop.orders"])),
                set("/batchSize", json!(0)),
            ],
            vec![
                "$.batchSize is 0: at least 1".to_owned(),
                format!(
                    "$.databases[0].source.dmsSecretArn is \"{}\": a secret of its own: an application that shares a login with DMS, the fence or Landfall cannot be shut out",
                    secret("dc/shop/app")
                ),
                "$.databases[0].replicationInstance.publiclyAccessible is true: false; or a waiver: the replication instance has a public address".to_owned(),
                "$.databases[1].waivers[0].tables is [\"shop.orders\"]: only with TABLE_WITHOUT_KEY: the other rules are about the whole database".to_owned(),
            ],
        )],
    );
}

#[test]
fn a_database_is_in_one_wave_of_a_program() {
    let mut second = wave();
    second["waveId"] = json!("shop-2");
    second["servers"][0]["sourceServerId"] = json!(SECOND);
    second["moveGroups"][0]["servers"] = json!([SECOND]);
    second["traffic"] = json!({});
    let program = json!({ "programId": "shop", "waves": [wave(), second] });
    let found = super::problems(load_program(&program));
    let twice = |number: usize, name: &str| {
        format!(
            "$.waves[1].databases[{number}].source.adminSecretArn is \"{}\": a database is in one wave; $.waves[0] has it too",
            secret(name)
        )
    };
    assert_eq!(found, [twice(0, "dc/shop/landfall"), twice(1, "dc/stock/landfall")]);
}

#[test]
fn a_password_of_a_database_is_refused_at_its_path_and_repeated_nowhere() {
    let mut document = wave();
    document["databases"][0]["source"]["adminSecretArn"] = json!("hunter2");
    document["databases"][1]["target"]["extraConnectionAttributes"]["trustStorePassword"] = json!("hunter2");
    document["databases"][1]["readyTarget"]["smokeTest"] = json!("ALTER ROLE app PASSWORD 'hunter2'");
    let refusal = load_wave(&document).expect_err("a refusal").to_string();
    for path in [
        "$.databases[0].source.adminSecretArn",
        "$.databases[1].target.extraConnectionAttributes.trustStorePassword",
        "$.databases[1].readyTarget.smokeTest",
    ] {
        assert!(
            refusal.contains(&format!("{path} is …: no secret")),
            "{path}: {refusal}"
        );
    }
    assert!(!refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn the_example_with_a_database_is_a_wave() {
    let text = std::fs::read_to_string(repository("examples/database-wave.json")).expect("the example is there");
    let document: Value = serde_json::from_str(&text).expect("the example is JSON");
    let plan = load_wave(&document).unwrap_or_else(|error| panic!("examples/database-wave.json: {error}"));
    assert_eq!((plan.servers.len(), plan.databases.len()), (2, 1));
}
