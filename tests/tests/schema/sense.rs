//! What a schema cannot say of a plan: every rule, broken once.

use super::{FIRST, SECOND, STRANGER, check, set, told, without};
use serde_json::{Value, json};

#[test]
fn servers_must_be_told_apart_and_checked() {
    let listed = |member: &str, first: &str| format!("a server is listed once; {member}[{first}] has it too");
    check(vec![
        (
            "a server listed twice",
            vec![
                without("/moveGroups"),
                without("/traffic"),
                set("/servers/1/sourceServerId", json!(FIRST)),
            ],
            vec![format!(
                "$.servers[1].sourceServerId is \"{FIRST}\": {}",
                listed("servers", "0")
            )],
        ),
        (
            "one host for two servers",
            vec![set(
                "/servers/1/quiesce/managedInstanceId",
                json!("mi-00000000000000001"),
            )],
            told(&[
                r#"$.servers[1].quiesce.managedInstanceId is "mi-00000000000000001": two servers cannot be one host; servers[0] has it too"#,
            ]),
        ),
        (
            "a server without a check",
            vec![set("/servers/0/checks", json!([]))],
            told(&[
                "$.servers[0].checks is []: at least one check, here or in defaults.checks: a server that nothing is asked of cannot pass",
            ]),
        ),
        (
            "an instance that is not started",
            vec![set("/servers/0/launch", json!({ "launchDisposition": "STOPPED" }))],
            told(&[
                r#"$.servers[0].launch.launchDisposition is "STOPPED": STARTED: an instance that is not started passes no check"#,
            ]),
        ),
        (
            "a key without its encryption",
            vec![set(
                "/servers/0/replication",
                json!({ "ebsEncryptionKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/1" }),
            )],
            told(&[
                r#"$.servers[0].replication.ebsEncryptionKeyArn is "arn:aws:kms:eu-west-1:111122223333:key/1": given exactly when ebsEncryption is CUSTOM"#,
            ]),
        ),
        (
            "an encryption without its key, for every server",
            vec![set(
                "/defaults",
                json!({ "replication": { "ebsEncryption": "CUSTOM" } }),
            )],
            told(&[
                "$.servers[0].replication.ebsEncryptionKeyArn is absent: given exactly when ebsEncryption is CUSTOM",
                "$.servers[1].replication.ebsEncryptionKeyArn is absent: given exactly when ebsEncryption is CUSTOM",
            ]),
        ),
    ]);
}

#[test]
fn a_document_gets_what_it_takes_and_nothing_else() {
    let own = |services: Value| {
        json!({ "managedInstanceId": "mi-00000000000000001", "powerOnBy": "the desk", "services": services,
                "document": "Shop-Stop", "parameters": { "unit": ["shop"] } })
    };
    let check_of = |check: Value| vec![set("/servers/0/checks/0", check)];
    check(vec![
        (
            "a script without a line",
            check_of(json!({ "name": "c" })),
            told(&["$.servers[0].checks[0].commands is absent: at least one line for AWS-RunShellScript"]),
        ),
        (
            "a script with parameters, among the defaults",
            vec![set(
                "/defaults",
                json!({ "checks": [{ "name": "c", "document": "AWS-RunPowerShellScript",
                "commands": ["dir"], "parameters": { "commands": ["dir"] } }] }),
            )],
            told(&[
                r#"$.defaults.checks[0].parameters is {"commands":["dir"]}: AWS-RunPowerShellScript takes commands"#,
            ]),
        ),
        (
            "lines for a document that takes none",
            check_of(json!({ "name": "c", "document": "Shop-Check", "commands": ["true"] })),
            told(&[
                r#"$.servers[0].checks[0].commands is ["true"]: only for AWS-RunShellScript and AWS-RunPowerShellScript"#,
            ]),
        ),
        (
            "nothing to stop",
            vec![without("/servers/0/quiesce/services")],
            told(&[
                "$.servers[0].quiesce.services is absent: at least one service, or a document of your own: a source that goes on writing loses what it writes",
            ]),
        ),
        (
            "parameters for Landfall's own document",
            vec![set("/servers/0/quiesce/parameters", json!({ "unit": ["shop"] }))],
            told(&[
                r#"$.servers[0].quiesce.parameters is {"unit":["shop"]}: only with a document of your own; Landfall-Quiesce takes services"#,
            ]),
        ),
        (
            "services for a document of one's own",
            vec![set("/servers/0/quiesce", own(json!(["nginx"])))],
            told(&[
                r#"$.servers[0].quiesce.services is ["nginx"]: only with Landfall-Quiesce; a document of your own takes parameters"#,
            ]),
        ),
        (
            "a document of one's own",
            vec![set("/servers/0/quiesce", own(json!([])))],
            vec![],
        ),
    ]);
}

#[test]
fn every_server_is_in_exactly_one_group() {
    check(vec![
        (
            "one name for two groups",
            vec![set("/moveGroups/1/id", json!("front"))],
            told(&[r#"$.moveGroups[1].id is "front": group ids are used once; moveGroups[0] has it too"#]),
        ),
        (
            "a server of no wave",
            vec![set("/moveGroups/1/servers/-", json!(STRANGER))],
            vec![format!(
                "$.moveGroups[1].servers[1] is \"{STRANGER}\": a server of this wave"
            )],
        ),
        (
            "a server in two groups",
            vec![set("/moveGroups/1/servers/-", json!(FIRST))],
            vec![format!(
                "$.moveGroups[1].servers[1] is \"{FIRST}\": a server is in one group; moveGroups[0] has it too"
            )],
        ),
        (
            "a server in no group",
            vec![set("/moveGroups", json!([{ "id": "front", "servers": [FIRST] }]))],
            vec![format!(
                "$.servers[1].sourceServerId is \"{SECOND}\": in one of the moveGroups"
            )],
        ),
        ("no groups at all", vec![without("/moveGroups")], vec![]),
    ]);
}

#[test]
fn a_record_set_is_switched_once_to_something_that_its_type_can_hold() {
    check(vec![
        (
            "a set listed twice, in other letters",
            vec![set(
                "/traffic/dns/-",
                json!({ "hostedZoneId": "Z1EXAMPLE", "name": "WEB-01.example.com.", "type": "A",
                "sourceServerId": SECOND, "address": "PRIVATE_IP" }),
            )],
            told(&[
                r#"$.traffic.dns[2].name is "WEB-01.example.com.": a record set is listed once; dns[0] is the same"#,
            ]),
        ),
        (
            "a server of no wave",
            vec![set("/traffic/dns/0/sourceServerId", json!(STRANGER))],
            vec![format!(
                "$.traffic.dns[0].sourceServerId is \"{STRANGER}\": a server of this wave"
            )],
        ),
        (
            "two targets",
            vec![set("/traffic/dns/0/values", json!(["192.0.2.1"]))],
            told(&[r#"$.traffic.dns[0].values is ["192.0.2.1"]: either address or values"#]),
        ),
        (
            "no target",
            vec![without("/traffic/dns/0/address")],
            told(&["$.traffic.dns[0].address is absent: PRIVATE_IP or PUBLIC_IP, or values instead"]),
        ),
        (
            "an address where a name belongs",
            vec![set("/traffic/dns/0/type", json!("CNAME"))],
            told(&[r#"$.traffic.dns[0].type is "CNAME": A when an instance's IPv4 address is asked for"#]),
        ),
        (
            "no IPv4 address",
            vec![
                without("/traffic/dns/0/address"),
                set("/traffic/dns/0/values", json!(["192.0.2.1", "192.0.2.256"])),
            ],
            told(&[r#"$.traffic.dns[0].values[1] is "192.0.2.256": an IPv4 address"#]),
        ),
        (
            "no IPv6 address",
            vec![set("/traffic/dns/1/type", json!("AAAA"))],
            told(&[r#"$.traffic.dns[1].values[0] is "lb.example.com": an IPv6 address"#]),
        ),
        (
            "two names",
            vec![set("/traffic/dns/1/values", json!(["a.example.com", "b.example.com"]))],
            told(&[
                r#"$.traffic.dns[1].values[0] is "a.example.com": the only value: a CNAME has one"#,
                r#"$.traffic.dns[1].values[1] is "b.example.com": the only value: a CNAME has one"#,
            ]),
        ),
    ]);
}

#[test]
fn a_window_ends_after_it_begins_and_a_waiver_is_for_somebody_once() {
    let waiver = |server: &str| json!({ "rule": "UNTESTED_CUTOVER", "sourceServerId": server, "approvedBy": "ada", "reason": "a twin" });
    check(vec![
        (
            "a window that ends when it begins, in another zone",
            vec![set("/window/notAfter", json!("2026-03-07T21:00:00+01:00"))],
            told(&[r#"$.window.notAfter is "2026-03-07T21:00:00+01:00": must be later than notBefore"#]),
        ),
        (
            "a waiver for a stranger",
            vec![set("/waivers/-", waiver(STRANGER))],
            vec![format!(
                "$.waivers[1].sourceServerId is \"{STRANGER}\": a server of this wave"
            )],
        ),
        (
            "a waiver given twice",
            vec![set("/waivers/-", waiver(FIRST))],
            vec![format!(
                "$.waivers[1].sourceServerId is \"{FIRST}\": waived once; waivers[0] is the same"
            )],
        ),
    ]);
}
