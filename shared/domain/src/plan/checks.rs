//! What a server must pass, and how its source is stopped.

use crate::ids::ManagedInstanceId;
use crate::report::CheckPhase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The document that Landfall deploys for stopping and starting services on a source.
pub const QUIESCE_DOCUMENT: &str = "Landfall-Quiesce";

/// One check, run through Systems Manager on the launched instance. It passes when the command succeeds and, where
/// asked for, its output holds a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// Its name, for people.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// The document. Default: `AWS-RunShellScript`.
    #[serde(default = "default_document")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_\-.:/]{3,128}$"))]
    pub document: String,
    /// Shell or PowerShell lines, for the two documents that take them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub commands: Vec<String>,
    /// Parameters of any other document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The output must hold this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub expect_output: Option<String>,
    /// How long it may run, in seconds.
    #[serde(default = "default_check_seconds")]
    #[schemars(range(min = 5, max = 3600))]
    pub timeout_seconds: u32,
    /// When it runs. Default: in every phase.
    #[serde(default = "every_phase")]
    #[schemars(length(min = 1, max = 3))]
    pub phases: Vec<CheckPhase>,
}

/// How the writers of a source are stopped before its cutover launch, and started again after a rollback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quiesce {
    /// The source as Systems Manager knows it, by its hybrid activation.
    pub managed_instance_id: ManagedInstanceId,
    /// The services to stop and disable, in this order, with `Landfall-Quiesce`. They are started again in the
    /// opposite order, those that ran before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(regex(pattern = r"^[A-Za-z0-9@_.$ -]{1,255}$")))]
    pub services: Vec<String>,
    /// Another document that stops the writers (`action` = `Quiesce`) and starts them again (`action` = `Restart`),
    /// for what services cannot express.
    #[serde(default = "default_quiesce_document")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_\-.:/]{3,128}$"))]
    pub document: String,
    /// Parameters of that document, beside `action` and `marker`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Who powers the host on, should it be off when a rollback needs it.
    #[schemars(length(min = 1, max = 200))]
    pub power_on_by: String,
}

/// A document and its parameters.
pub type Command = (String, BTreeMap<String, Vec<String>>);

impl Check {
    /// What Systems Manager is asked to run.
    pub fn command(&self) -> Command {
        if self.commands.is_empty() {
            return (self.document.clone(), self.parameters.clone());
        }
        let parameters = BTreeMap::from([
            ("commands".to_owned(), self.commands.clone()),
            ("executionTimeout".to_owned(), vec![self.timeout_seconds.to_string()]),
        ]);
        (self.document.clone(), parameters)
    }
}

impl Quiesce {
    /// What stops the writers. The marker names the wave: a host records once per marker what ran before.
    pub fn stop(&self, marker: &str) -> Command {
        self.command("Quiesce", marker)
    }

    /// What starts again what that marker recorded.
    pub fn restart(&self, marker: &str) -> Command {
        self.command("Restart", marker)
    }

    fn command(&self, action: &str, marker: &str) -> Command {
        let mut parameters = self.parameters.clone();
        parameters.insert("action".to_owned(), vec![action.to_owned()]);
        parameters.insert("marker".to_owned(), vec![marker.to_owned()]);
        if !self.services.is_empty() {
            parameters.insert("services".to_owned(), self.services.clone());
        }
        (self.document.clone(), parameters)
    }
}

fn default_document() -> String {
    "AWS-RunShellScript".to_owned()
}
fn default_quiesce_document() -> String {
    QUIESCE_DOCUMENT.to_owned()
}
fn default_check_seconds() -> u32 {
    60
}
fn every_phase() -> Vec<CheckPhase> {
    vec![CheckPhase::Test, CheckPhase::Cutover, CheckPhase::AfterSwitch]
}
