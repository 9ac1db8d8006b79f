//! The state machines of the product, loaded from `statemachines/*.asl.json` as the template would deploy them.

use super::functions::FUNCTIONS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A definition with its substitutions made.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The name of the machine: the file's, without `.asl.json`.
    pub name: String,
    /// The definition.
    pub document: Value,
}

/// Where the definitions of this repository are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachines")
}

/// Reads every definition of a directory. The error lists everything that is wrong with them.
pub fn read(directory: &Path, account: &str, region: &str) -> Result<Vec<Definition>, String> {
    let listing = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut sources = BTreeMap::new();
    for entry in listing.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".asl.json") else {
            continue;
        };
        let text = std::fs::read_to_string(entry.path()).map_err(|error| format!("{file}: {error}"))?;
        sources.insert(name.to_owned(), text);
    }
    let known = substitutions(sources.keys(), account, region);
    let mut problems = Vec::new();
    let mut definitions = Vec::new();
    for (name, text) in &sources {
        let document = substitute(text, &known)
            .and_then(|text| serde_json::from_str(&text).map_err(|error| vec![format!("it is no JSON: {error}")]));
        match document {
            Ok(document) => definitions.push(Definition {
                name: name.clone(),
                document,
            }),
            Err(found) => problems.extend(found.into_iter().map(|problem| format!("{name}.asl.json: {problem}"))),
        }
    }
    if problems.is_empty() {
        Ok(definitions)
    } else {
        Err(problems.join("\n"))
    }
}

/// What the template substitutes: `${PlanWaveFunctionArn}`, `${MigrateWaveStateMachineArn}`.
fn substitutions<'a>(
    machines: impl Iterator<Item = &'a String>,
    account: &str,
    region: &str,
) -> BTreeMap<String, String> {
    let functions = FUNCTIONS.iter().map(|(name, _)| {
        let arn = format!("arn:aws:lambda:{region}:{account}:function:{name}");
        (format!("{}FunctionArn", pascal_case(name)), arn)
    });
    let machines = machines.map(|name| {
        let arn = format!("arn:aws:states:{region}:{account}:stateMachine:{name}");
        (format!("{}StateMachineArn", pascal_case(name)), arn)
    });
    functions.chain(machines).collect()
}

fn pascal_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

/// Replaces every `${Name}`; the error names those that are not known.
fn substitute(text: &str, known: &BTreeMap<String, String>) -> Result<String, Vec<String>> {
    let mut result = String::with_capacity(text.len());
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            unknown.push("a substitution is not closed".to_owned());
            break;
        };
        match known.get(name) {
            Some(value) => result.push_str(value),
            None => unknown.push(format!("the substitution ${{{name}}} is not known")),
        }
        rest = after;
    }
    result.push_str(rest);
    if unknown.is_empty() { Ok(result) } else { Err(unknown) }
}

/// What the period of a wait for MGN or DMS has in it, as in `{% $states.context.State.RetryCount < 120 ? 30 : 300 %}`.
const PERIOD: &str = "? 30 :";

/// Has every wait with a period of 30 s be entered again after so many. Other waits keep their periods.
pub fn hasten_rereading(document: &mut Value, seconds: u32) {
    match document {
        Value::Object(members) => {
            let waits = members
                .get("Resource")
                .and_then(Value::as_str)
                .is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
            let periodic = |period: &Value| period.as_str().is_some_and(|text| text.contains(PERIOD));
            if let Some(period) = members
                .get_mut("TimeoutSeconds")
                .filter(|period| waits && periodic(period))
            {
                *period = Value::from(seconds);
            }
            members
                .values_mut()
                .for_each(|member| hasten_rereading(member, seconds));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hasten_rereading(item, seconds)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_substitution_becomes_the_arn_of_its_function_or_machine() {
        let machines = ["migrate-wave".to_owned()];
        let known = substitutions(machines.iter(), "111122223333", "eu-west-1");
        let text = substitute(
            "[\"${CheckJobFunctionArn}\", \"${MigrateWaveStateMachineArn}\"]",
            &known,
        )
        .unwrap();
        assert_eq!(
            text,
            "[\"arn:aws:lambda:eu-west-1:111122223333:function:check-job\", \
             \"arn:aws:states:eu-west-1:111122223333:stateMachine:migrate-wave\"]"
        );
    }

    #[test]
    fn only_waits_of_30_seconds_are_hastened() {
        let definitions = read(&directory(), "111122223333", "eu-west-1").unwrap();
        let found = definitions
            .into_iter()
            .find(|definition| definition.name == "replicate-database");
        let mut machine = found.unwrap().document;
        hasten_rereading(&mut machine, 3);
        let states = &machine["States"];
        assert_eq!(states["Provision"]["TimeoutSeconds"], 3);
        assert_eq!(states["Start"]["TimeoutSeconds"], 3);
        assert_eq!(states["ApproveConversion"]["TimeoutSeconds"], 86400);
    }

    #[test]
    fn an_unknown_substitution_is_an_error_that_names_it() {
        let known = substitutions([].iter(), "111122223333", "eu-west-1");
        let problems = substitute("${CheckJobFunctionArn} ${Ghost} ${CheckGhostFunctionArn}", &known).unwrap_err();
        assert_eq!(
            problems,
            [
                "the substitution ${Ghost} is not known",
                "the substitution ${CheckGhostFunctionArn} is not known"
            ]
        );
    }
}
