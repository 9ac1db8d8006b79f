//! The plan as a document: the schemas that are checked in, the example, and what a bad plan is told.

#[path = "schema/databases.rs"]
mod databases;
#[path = "schema/sense.rs"]
mod sense;

use landfall_domain::plan::{
    LoadError, SERVERS_PER_WAVE_MAX, load_program, load_wave, program_schema_text, schema_text,
};
use runner::plans;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Set to 1, the checked-in schemas are written anew instead of compared.
const BLESS: &str = "LANDFALL_BLESS";

const FIRST: &str = "s-11111111111111111";
const SECOND: &str = "s-22222222222222222";
const STRANGER: &str = "s-99999999999999999";

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn checked_in(path: &str, generated: &str) {
    let file = repository(path);
    if std::env::var(BLESS).is_ok_and(|bless| bless == "1") {
        std::fs::write(&file, generated).expect("the repository can be written to");
    }
    let present = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        present == generated,
        "{path} is not what the types say; run `{BLESS}=1 cargo test -p landfall-tests --test schema` and check in what changed"
    );
}

#[test]
fn the_checked_in_schema_of_a_wave_is_the_one_of_the_types() {
    checked_in("docs/plan.schema.json", &schema_text());
}

#[test]
fn the_checked_in_schema_of_a_program_is_the_one_of_the_types() {
    checked_in("docs/program.schema.json", &program_schema_text());
}

#[test]
fn every_member_of_a_plan_is_explained_in_its_schema() {
    let schema: Value = serde_json::from_str(&schema_text()).expect("a schema is JSON");
    let mut unexplained = Vec::new();
    let definitions = schema["$defs"].as_object().into_iter().flatten();
    for (name, object) in definitions
        .map(|(name, object)| (name.as_str(), object))
        .chain([("WavePlan", &schema)])
    {
        for (member, definition) in object["properties"].as_object().into_iter().flatten() {
            if definition["description"].as_str().is_none_or(str::is_empty) {
                unexplained.push(format!("{name}.{member}"));
            }
        }
    }
    assert!(schema["properties"]["waveId"].is_object(), "the walk found no members");
    assert!(unexplained.is_empty(), "no description: {unexplained:?}");
}

#[test]
fn the_example_is_a_program() {
    let text = std::fs::read_to_string(repository("examples/program.json")).expect("the example is there");
    let document: Value = serde_json::from_str(&text).expect("the example is JSON");
    let program = load_program(&document).unwrap_or_else(|error| panic!("examples/program.json: {error}"));
    assert_eq!(program.waves.len(), 4);
    assert_eq!(program.waves.iter().map(|wave| wave.servers.len()).sum::<usize>(), 20);
    for wave in document["waves"].as_array().into_iter().flatten() {
        load_wave(wave).unwrap_or_else(|error| panic!("{}: {error}", wave["waveId"]));
    }
}

/// A good plan with one of everything that the rules look at.
fn plan() -> Value {
    let server = |id: &str, host: &str, managed: &str| {
        json!({
            "sourceServerId": id,
            "hostname": host,
            "checks": [{ "name": "it answers", "commands": ["curl --fail http://localhost/"] }],
            "quiesce": { "managedInstanceId": managed, "services": ["nginx"], "powerOnBy": "the desk, extension 1" },
        })
    };
    json!({
        "waveId": "web-1",
        "accountId": "111122223333",
        "region": "eu-west-1",
        "servers": [server(FIRST, "web-01", "mi-00000000000000001"), server(SECOND, "web-02", "mi-00000000000000002")],
        "moveGroups": [{ "id": "front", "servers": [FIRST] }, { "id": "back", "servers": [SECOND] }],
        "traffic": { "dns": [
            { "hostedZoneId": "Z1EXAMPLE", "name": "web-01.example.com", "type": "A", "sourceServerId": FIRST,
              "address": "PRIVATE_IP" },
            { "hostedZoneId": "Z1EXAMPLE", "name": "web-02.example.com", "type": "CNAME", "sourceServerId": SECOND,
              "values": ["lb.example.com"] },
        ] },
        "window": { "notBefore": "2026-03-07T20:00:00Z", "notAfter": "2026-03-08T02:00:00Z" },
        "waivers": [{ "rule": "UNTESTED_CUTOVER", "sourceServerId": FIRST, "approvedBy": "ada", "reason": "a twin" }],
    })
}

/// One change of a document: a JSON pointer, and what to put there; nothing takes the member out.
type Edit = (&'static str, Option<Value>);

fn set(pointer: &'static str, value: Value) -> Edit {
    (pointer, Some(value))
}

fn without(pointer: &'static str) -> Edit {
    (pointer, None)
}

fn edit(document: &mut Value, (pointer, value): &Edit) {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer below the document");
    let parent = document
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{pointer} has no parent"));
    match (parent, value) {
        (Value::Object(members), Some(value)) => drop(members.insert(member.to_owned(), value.clone())),
        (Value::Object(members), None) => drop(members.shift_remove(member)),
        (Value::Array(entries), Some(value)) => match member {
            "-" => entries.push(value.clone()),
            index => entries[index.parse::<usize>().expect("an index")] = value.clone(),
        },
        (Value::Array(entries), None) => drop(entries.remove(member.parse().expect("an index"))),
        (other, _) => panic!("{pointer}: {other} has no members to change"),
    }
}

fn problems<T>(loaded: Result<T, LoadError>) -> Vec<String> {
    let mut lines: Vec<String> = match loaded {
        Ok(_) => Vec::new(),
        Err(LoadError(problems)) => problems.iter().map(ToString::to_string).collect(),
    };
    lines.sort();
    lines
}

/// A bad plan: what it breaks, how it differs from the good one, and what its author is told.
type Case = (&'static str, Vec<Edit>, Vec<String>);

fn told(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn check(cases: Vec<Case>) {
    check_of(&plan(), cases);
}

/// The same of another good plan.
fn check_of(good: &Value, cases: Vec<Case>) {
    assert_eq!(load_wave(good).map(|_| ()), Ok(()), "the good plan is good");
    let mut failures = Vec::new();
    for (rule, edits, mut expected) in cases {
        let mut document = good.clone();
        edits.iter().for_each(|change| edit(&mut document, change));
        let found = problems(load_wave(&document));
        expected.sort();
        if found != expected {
            failures.push(format!("{rule}\n  expected: {expected:#?}\n  found:    {found:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_has_the_wrong_shape_is_refused_at_its_path_with_value_and_remedy() {
    let no_member = "no such member; the schema in docs/ lists those that exist";
    check(vec![
        (
            "an unknown member",
            vec![set("/servers/0/hostName", json!("web-01"))],
            vec![format!("$.servers[0].hostName is \"web-01\": {no_member}")],
        ),
        (
            "an unknown member of the wave",
            vec![set("/batchsize", json!(3))],
            vec![format!("$.batchsize is 3: {no_member}")],
        ),
        (
            "a missing member",
            vec![without("/servers/1/quiesce/powerOnBy")],
            told(&["$.servers[1].quiesce.powerOnBy is absent: required"]),
        ),
        (
            "an empty text, and no list",
            vec![set("/waivers/0/reason", json!("")), set("/traffic/dns", json!({}))],
            told(&[
                r#"$.waivers[0].reason is "": at least 1 characters"#,
                "$.traffic.dns is {}: must be of type array",
            ]),
        ),
        (
            "a wrong type",
            vec![set("/bakeMinutes", json!("60"))],
            told(&[r#"$.bakeMinutes is "60": must be of type integer"#]),
        ),
        (
            "an id of another kind",
            vec![set("/servers/0/sourceServerId", json!("i-0123456789abcdef0"))],
            told(&[r#"$.servers[0].sourceServerId is "i-0123456789abcdef0": text that matches ^s-[0-9a-zA-Z]{17}$"#]),
        ),
        (
            "a wave id in capitals",
            vec![set("/waveId", json!("Web"))],
            told(&[r#"$.waveId is "Web": text that matches ^[a-z0-9][a-z0-9-]{0,31}$"#]),
        ),
        (
            "a Region that is none",
            vec![set("/region", json!("Ireland"))],
            told(&[r#"$.region is "Ireland": text that matches ^[a-z]{2}(-[a-z]+)+-[0-9]$"#]),
        ),
        (
            "too large a number",
            vec![set("/batchSize", json!(201))],
            told(&["$.batchSize is 201: at most 200"]),
        ),
        (
            "too small a number",
            vec![set("/deadlines", json!({ "jobMinutes": 1 }))],
            told(&["$.deadlines.jobMinutes is 1: at least 10"]),
        ),
        (
            "an empty text",
            vec![set("/servers/0/hostname", json!(""))],
            told(&[r#"$.servers[0].hostname is "": at least 1 characters"#]),
        ),
        (
            "too many",
            vec![set(
                "/servers/0/checks",
                json!(vec![json!({ "name": "c", "commands": ["true"] }); 21]),
            )],
            told(&[
                r#"$.servers[0].checks is [{"name":"c","commands":["true"]},{"name":"c","commands":["true"]},{"name":"c","…: at most 20 entries"#,
            ]),
        ),
    ]);
}

#[test]
fn a_choice_is_refused_with_everything_that_can_be_chosen() {
    let launch = |member: &str, value: Value| vec![set("/servers/0/launch", json!({ member: value }))];
    check(vec![
        (
            "a word that is none of them",
            vec![set("/traffic/dns/0/type", json!("MX"))],
            told(&[r#"$.traffic.dns[0].type is "MX": one of "A", "AAAA", "CNAME""#]),
        ),
        (
            "no word at all",
            vec![set("/waivers/0/rule", json!(7))],
            told(&[r#"$.waivers[0].rule is 7: one of "UNTESTED_CUTOVER""#]),
        ),
        (
            "an optional choice",
            launch("bootMode", json!("EFI")),
            told(&[r#"$.servers[0].launch.bootMode is "EFI": one of "LEGACY_BIOS", "UEFI", "USE_SOURCE""#]),
        ),
        (
            "an optional member of another type",
            launch("copyTags", json!("yes")),
            told(&[r#"$.servers[0].launch.copyTags is "yes": must be of type boolean"#]),
        ),
    ]);
}

#[test]
fn what_is_wrong_inside_an_optional_part_is_found_at_its_own_path() {
    let instant = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})$";
    check(vec![
        (
            "an instant without a zone",
            vec![set("/window/notBefore", json!("2026-03-07T20:00:00"))],
            vec![format!(
                "$.window.notBefore is \"2026-03-07T20:00:00\": text that matches {instant}"
            )],
        ),
        (
            "half a licence",
            vec![set("/servers/0/launch", json!({ "licensing": {} }))],
            told(&["$.servers[0].launch.licensing.osByol is absent: required"]),
        ),
        (
            "an acceptance by nobody",
            vec![set(
                "/rollback",
                json!({ "acceptWriteLoss": { "acceptedBy": "", "reason": "a copy" } }),
            )],
            told(&[r#"$.rollback.acceptWriteLoss.acceptedBy is "": at least 1 characters"#]),
        ),
    ]);
}

#[test]
fn an_instant_that_no_calendar_has_is_refused_at_its_own_path_and_value() {
    let mut document = plan();
    edit(&mut document, &set("/window/notBefore", json!("2026-02-30T20:00:00Z")));
    let found = problems(load_wave(&document));
    let wanted = r#"$.window.notBefore is "2026-02-30T20:00:00Z": "#;
    assert!(found.len() == 1 && found[0].starts_with(wanted), "{found:#?}");
}

fn program(waves: Vec<Value>) -> Value {
    json!({ "programId": "shop", "waves": waves })
}

#[test]
fn a_program_is_refused_for_everything_wrong_in_any_wave_and_between_them() {
    let mut second = plan();
    edit(&mut second, &set("/window/notAfter", json!("2026-03-07T19:00:00Z")));
    let found = problems(load_program(&program(vec![plan(), second])));
    let expected = [
        format!("$.waves[1].servers[0].sourceServerId is \"{FIRST}\": a server is in one wave; $.waves[0] has it too"),
        format!("$.waves[1].servers[1].sourceServerId is \"{SECOND}\": a server is in one wave; $.waves[0] has it too"),
        "$.waves[1].waveId is \"web-1\": wave ids are used once; $.waves[0] has it too".to_owned(),
        "$.waves[1].window.notAfter is \"2026-03-07T19:00:00Z\": must be later than notBefore".to_owned(),
    ];
    assert_eq!(found, expected);
    assert_eq!(problems(load_program(&program(vec![plan()]))), Vec::<String>::new());
    assert_eq!(
        problems(load_program(&program(vec![]))),
        ["$.waves is []: at least 1 entries"]
    );
}

#[test]
fn ten_mistakes_of_shape_are_ten_problems() {
    let mut document = plan();
    let edits = [
        set("/waveId", json!("Web")),
        set("/accountId", json!("1111")),
        set("/region", json!("Ireland")),
        set("/batchSize", json!(0)),
        set("/bakeMinutes", json!("long")),
        set("/owner", json!("ada")),
        without("/servers/0/hostname"),
        set("/servers/1/sourceServerId", json!("web-02")),
        set("/servers/1/quiesce/services/0", json!("a;b")),
        set("/approvals", json!({ "cutoverHours": 721 })),
    ];
    edits.iter().for_each(|change| edit(&mut document, change));
    let found = problems(load_wave(&document));
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[test]
fn ten_mistakes_of_sense_are_ten_problems() {
    let mut document = plan();
    let edits = [
        set("/servers/0/checks", json!([])),
        set("/servers/1/quiesce/managedInstanceId", json!("mi-00000000000000001")),
        set("/servers/0/launch", json!({ "launchDisposition": "STOPPED" })),
        set("/servers/1/replication", json!({ "ebsEncryption": "CUSTOM" })),
        set("/servers/1/quiesce/services", json!([])),
        set("/moveGroups/1/id", json!("front")),
        set("/moveGroups/1/servers/-", json!(FIRST)),
        without("/traffic/dns/0/address"),
        set("/window/notAfter", json!("2026-03-07T19:00:00Z")),
        set("/waivers/0/sourceServerId", json!(STRANGER)),
    ];
    edits.iter().for_each(|change| edit(&mut document, change));
    let found = problems(load_wave(&document));
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[test]
fn mistakes_of_shape_and_of_sense_are_said_together() {
    check(vec![(
        "a number out of range and a server without a check",
        vec![set("/batchSize", json!(0)), set("/servers/0/checks", json!([]))],
        told(&[
            "$.batchSize is 0: at least 1",
            "$.servers[0].checks is []: at least one check, here or in defaults.checks: a server that nothing is asked of cannot pass",
        ]),
    )]);
}

#[test]
fn a_document_that_is_broken_as_a_whole_still_gets_an_answer_that_fits_a_cause() {
    let servers = SERVERS_PER_WAVE_MAX + 1;
    let wide = json!(vec![json!({ "x".repeat(300): "y".repeat(300) }); servers]);
    let mut document = plan();
    edit(&mut document, &set("/servers", wide));
    let LoadError(found) = load_wave(&document).expect_err("no server of it is one");
    assert!(
        found
            .iter()
            .any(|problem| problem.path == "$" && problem.allowed.ends_with("more are not listed"))
    );
    let cause = LoadError(found).to_string();
    assert!(cause.len() <= 32_768, "{} characters", cause.len());
    assert!(problems(load_wave(&plans::document(&plans::example().waves[0]))).is_empty());
}

#[test]
fn a_password_is_refused_at_its_path_and_repeated_nowhere() {
    let text = std::fs::read_to_string(repository("examples/program.json")).expect("the example");
    let mut document: Value = serde_json::from_str(&text).expect("a document");
    document["waves"][0]["servers"][0]["password"] = json!("hunter2");
    document["waves"][1]["batchSize"] = json!("password=hunter2");
    let refusal = load_program(&document).expect_err("a refusal").to_string();
    assert!(
        refusal.contains("$.waves[0].servers[0].password is …: no secret"),
        "{refusal}"
    );
    assert!(refusal.contains("$.waves[1].batchSize is …: no secret"), "{refusal}");
    assert!(!refusal.contains("hunter2"), "{refusal}");
}
