//! The template against the repository: every function and machine is deployed, every substitution is defined and used,
//! every variable that the code reads is set.

use iam::{Stack, Template};
use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn template() -> Template {
    let stack = Stack {
        name: "landfall".to_owned(),
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        parameters: BTreeMap::new(),
    };
    Template::read(&read("template.yaml"), stack).unwrap_or_else(|error| panic!("{error}"))
}

/// Names without an ending in a folder.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder of the repository");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().map(str::to_owned))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

/// Resources of a type, by their names without the stack's.
fn deployed(template: &Template, kind: &str, name: &str) -> BTreeMap<String, Value> {
    let kinds = [kind];
    let resources = template.resources(&kinds);
    resources
        .map(|(_, resource)| {
            let name = template.text(&resource["Properties"][name]).expect("a name");
            let name = name.strip_prefix("landfall-").expect("the stack's name before it");
            (name.to_owned(), resource.clone())
        })
        .collect()
}

fn keys(of: &BTreeMap<String, Value>) -> BTreeSet<String> {
    of.keys().cloned().collect()
}

#[test]
fn every_function_is_deployed_with_its_own_binary_and_role() {
    let template = template();
    let functions = deployed(&template, "AWS::Serverless::Function", "FunctionName");
    assert_eq!(keys(&functions), names("functions", ""));
    let mut roles = BTreeSet::new();
    for (name, function) in &functions {
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{name}");
        assert_eq!(function["Metadata"]["BuildProperties"]["Binary"], name.as_str());
        let role = function["Properties"]["Role"].to_string();
        assert!(roles.insert(role), "{name} shares its role");
    }
    let timeout = &template.document()["Globals"]["Function"]["Timeout"];
    assert_eq!(timeout.as_u64(), Some(u64::from(FUNCTION_SECONDS_MAX)));
}

#[test]
fn every_substitution_of_a_machine_is_defined_and_every_defined_one_is_used() {
    let template = template();
    let machines = deployed(&template, "AWS::Serverless::StateMachine", "Name");
    assert_eq!(keys(&machines), names("statemachines", ".asl.json"));
    for (name, machine) in &machines {
        let properties = &machine["Properties"];
        let path = format!("statemachines/{name}.asl.json");
        assert_eq!(properties["DefinitionUri"], path.as_str());
        let defined: BTreeSet<String> = properties["DefinitionSubstitutions"]
            .as_object()
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default();
        let text = read(&path);
        let used: BTreeSet<String> = text
            .split("${")
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()))
            .collect();
        assert_eq!(defined, used, "{path}");
    }
}

#[test]
fn every_variable_that_the_shell_reads_is_set() {
    let template = template();
    let shell = read("shared/aws/src/shell.rs");
    let variable = |word: &&str| {
        let ours = word.starts_with("LANDFALL_") || word.starts_with("SSL_");
        ours && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    let wanted: BTreeSet<&str> = shell.split('"').filter(variable).collect();
    let variables = |of: &Value| -> BTreeSet<String> {
        let members = of["Environment"]["Variables"].as_object();
        members
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default()
    };
    let mut set = variables(&template.document()["Globals"]["Function"]);
    let functions = deployed(&template, "AWS::Serverless::Function", "FunctionName");
    set.extend(variables(&functions["freeze-source"]["Properties"]));
    let set: BTreeSet<&str> = set.iter().map(String::as_str).collect();
    assert_eq!(wanted, set);
}

#[test]
fn one_function_is_in_the_vpc_and_only_those_that_ask_it_may_invoke_it() {
    let template = template();
    let functions = deployed(&template, "AWS::Serverless::Function", "FunctionName");
    let of = |holds: &dyn Fn(&str, &Value) -> bool| -> BTreeSet<String> {
        let found = functions.iter().filter(|(name, function)| holds(name, function));
        found.map(|(name, _)| name.clone()).collect()
    };
    let reaching = BTreeSet::from(["reach-database".to_owned()]);
    let in_vpc = of(&|_, function| function["Properties"].get("VpcConfig").is_some());
    assert_eq!(in_vpc, reaching);
    let linked = of(&|name, _| read(&format!("functions/{name}/Cargo.toml")).contains("landfall-database"));
    assert_eq!(linked, reaching);
    let role = |function: &Value| {
        let role = function["Properties"]["Role"]["Fn::GetAtt"]
            .as_str()
            .unwrap_or_default();
        let role = role.trim_end_matches(".Arn");
        template.document()["Resources"][role]["Properties"].to_string()
    };
    let attached = of(&|_, function| role(function).contains("NetworkRights"));
    assert_eq!(attached, reaching);
    let reading = of(&|_, function| role(function).contains("secretsmanager:"));
    assert_eq!(reading, reaching);
    let told = of(&|_, function| {
        function["Properties"]["Environment"]["Variables"]
            .get("LANDFALL_REACH_DATABASE_ARN")
            .is_some()
    });
    let allowed = of(&|_, function| role(function).contains("lambda:InvokeFunction"));
    assert_eq!(told, allowed);
    let asking = of(&|name, _| {
        let folder = format!("functions/{name}/src");
        let sources = names(&folder, ".rs");
        sources.iter().any(|file| {
            let text = read(&format!("{folder}/{file}.rs"));
            ["database_step::", "landfall_aws::freeze", "landfall_aws::sequences"]
                .iter()
                .any(|way| text.contains(way))
        })
    });
    assert!(told.is_subset(&asking), "{told:?} is not of {asking:?}");
}

#[test]
fn the_endpoint_is_secrets_managers_alone() {
    let endpoints = read("infra/endpoints.yaml");
    let services: Vec<&str> = endpoints
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ServiceName: "))
        .collect();
    assert_eq!(services, ["!Sub com.amazonaws.${AWS::Region}.secretsmanager"]);
}

#[test]
fn the_end_of_every_machine_is_heard_of() {
    let template = template();
    let functions = deployed(&template, "AWS::Serverless::Function", "FunctionName");
    let pattern = &functions["on-event"]["Properties"]["Events"]["Executions"]["Properties"]["Pattern"];
    let heard = pattern["detail"]["stateMachineArn"].as_array().map_or(0, Vec::len);
    assert_eq!(heard, names("statemachines", ".asl.json").len());
}
