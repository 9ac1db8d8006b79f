//! What documents there are, which parameters they take, and what they do on a host.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use super::refusal;
use super::shell;
use crate::fleet::host::HostState;
use crate::hub::AwsError;

/// Landfall's own document, as `infra/` ships it: stops and disables services and keeps a record, or puts them back.
pub(super) const QUIESCE: &str = "Landfall-Quiesce";

/// Parameters of a command.
pub(super) type Parameters = BTreeMap<String, Vec<String>>;

/// What a document did on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub output: String,
}

/// A document of somebody's own.
pub trait OwnDocument: Send + Sync {
    /// The String parameters that it takes. Each has a default.
    fn parameters(&self) -> &'static [&'static str];

    /// What it does once its host has taken it up.
    fn run(&self, given: BTreeMap<String, String>) -> Pin<Box<dyn Future<Output = Ran> + Send>>;
}

/// Refuses unknown documents and parameters, as SSM does before anything is sent.
pub(super) fn check(document: &str, parameters: &Parameters, own: Option<&dyn OwnDocument>) -> Result<(), AwsError> {
    let (required, optional): (&[&str], &[&str]) = match (document, own) {
        (_, Some(own)) => (&[], own.parameters()),
        ("AWS-RunShellScript" | "AWS-RunPowerShellScript", None) => {
            (&["commands"], &["executionTimeout", "workingDirectory"])
        }
        (QUIESCE, None) => (&["action", "marker"], &["services"]),
        (other, None) => {
            return Err(refusal(
                "InvalidDocument",
                format!("Document with name {other} does not exist."),
            ));
        }
    };
    let unknown = parameters
        .keys()
        .find(|name| !required.contains(&name.as_str()) && !optional.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        let message = format!("Parameter \"{unknown}\" is not defined in document {document}");
        return Err(refusal("InvalidParameters", message));
    }
    let given = |name: &&&str| parameters.get(**name).is_some_and(|values| !values.is_empty());
    if let Some(missing) = required.iter().find(|name| !given(name)) {
        return Err(refusal(
            "InvalidParameters",
            format!("Parameter \"{missing}\" requires a value"),
        ));
    }
    if document == QUIESCE && own.is_none() {
        let action = parameters["action"][0].as_str();
        if !matches!(action, "Quiesce" | "Restart") || parameters["action"].len() != 1 {
            return Err(refusal(
                "InvalidParameters",
                "Parameter \"action\" must be Quiesce or Restart",
            ));
        }
    }
    Ok(())
}

/// The plugin that a document runs.
pub(super) fn plugin(document: &str) -> &'static str {
    match document {
        "AWS-RunPowerShellScript" => "aws:runPowerShellScript",
        _ => "aws:runShellScript",
    }
}

/// Seconds until a running document is killed.
pub(super) fn execution_timeout_s(parameters: &Parameters) -> u64 {
    let given = parameters.get("executionTimeout").and_then(|values| values.first());
    given.and_then(|text| text.parse().ok()).unwrap_or(3600)
}

/// The command as scripts see it.
pub(super) fn text(document: &str, parameters: &Parameters) -> String {
    let mut text = document.to_owned();
    for (name, values) in parameters {
        text.push_str(&format!(" {name}={}", values.join(",")));
    }
    text
}

/// Runs a document on a host.
pub(super) fn run(document: &str, parameters: &Parameters, host: &mut HostState) -> Ran {
    let values = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    if document != QUIESCE {
        return shell::run(&values("commands"), host);
    }
    let marker = values("marker").join(",");
    if values("action").first().map(String::as_str) == Some("Restart") {
        return Ran {
            code: 0,
            output: host.restart(&marker),
        };
    }
    match host.quiesce(&values("services"), &marker) {
        Ok(output) => Ran { code: 0, output },
        Err(output) => Ran { code: 1, output },
    }
}
