//! AWS Application Migration Service: source servers, jobs, configurations and the lifecycle.
//!
//! Rules and words: the MGN API reference (API version 2020-02-26) and docs.aws.amazon.com/mgn/latest/ug.

mod config;
mod engine;
mod errors;
mod jobs;
mod launch;
mod launching;
mod lifecycle;
mod servers;
mod terminating;

use serde_json::{Value, json};

use super::members::{Members, not_simulated};
use super::words::Purpose;
use super::{Fleet, Scene};
use crate::hub::{AwsError, EventDetail};
use crate::operations;

pub(crate) use config::{default_launch_configuration, default_replication_configuration};

/// An MGN answer: HTTP status and body.
type Answer = Result<(u16, Value), AwsError>;

/// What does an operation.
type Act = fn(&Fleet, &Value) -> Answer;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Act); 14] = [
    ("DescribeSourceServers", servers::describe),
    ("StartTest", |fleet, body| {
        launch::start(fleet, "StartTest", body, Purpose::Test)
    }),
    ("StartCutover", |fleet, body| {
        launch::start(fleet, "StartCutover", body, Purpose::Cutover)
    }),
    ("TerminateTargetInstances", |fleet, body| {
        launch::terminate(fleet, "TerminateTargetInstances", body)
    }),
    ("DescribeJobs", jobs::describe),
    ("DescribeJobLogItems", jobs::describe_log),
    ("GetLaunchConfiguration", config::get_launch),
    ("UpdateLaunchConfiguration", config::update_launch),
    ("GetReplicationConfiguration", config::get_replication),
    ("UpdateReplicationConfiguration", config::update_replication),
    ("ChangeServerLifeCycleState", lifecycle::change),
    ("FinalizeCutover", lifecycle::finalize),
    ("MarkAsArchived", lifecycle::archive),
    ("DisconnectFromService", lifecycle::disconnect),
];

impl Fleet {
    /// One MGN call (rest-json): the operation by AWS's name, its JSON body; HTTP status and JSON body come back.
    pub fn mgn(&self, operation: &str, body: &Value) -> Answer {
        operations::find("mgn", &OPERATIONS, operation)?(self, body)
    }
}

/// Reads a request's members. `accountID` belongs to every request, and only one's own is simulated.
fn members<'a>(fleet: &Fleet, operation: &str, body: &'a Value, known: &[&str]) -> Result<Members<'a>, AwsError> {
    let mut all = known.to_vec();
    all.push("accountID");
    let members = Members::of("mgn", operation, body, &all)?;
    match members.text("accountID")? {
        Some(account) if account != fleet.inner.hub.account() => Err(not_simulated(format_args!(
            "mgn:{operation} for another account ({account})"
        ))),
        _ => Ok(members),
    }
}

/// The operation's one argument, for the many that take only a source server.
fn source_server_id<'a>(fleet: &Fleet, operation: &str, body: &'a Value) -> Result<&'a str, AwsError> {
    members(fleet, operation, body, &["sourceServerID"])?.required("sourceServerID")
}

fn event(scene: &Scene, server: &str, detail_type: &str, detail: Value) -> EventDetail {
    EventDetail {
        source: "aws.mgn".to_owned(),
        detail_type: detail_type.to_owned(),
        // The server's id is nowhere else in the event.
        resources: vec![scene.mgn_arn(&format!("source-server/{server}"))],
        detail,
    }
}

/// The first READY_FOR_TEST of a server; no other lifecycle change has an event.
pub(crate) fn ready_for_test_event(scene: &Scene, server: &str) -> EventDetail {
    let detail = json!({"state": "READY_FOR_TEST"});
    event(scene, server, "MGN Source Server Lifecycle State Change", detail)
}

/// A server entered or left a stall: STALLED or NOT_STALLED.
pub(crate) fn stalled_event(scene: &Scene, server: &str, state: &str) -> EventDetail {
    let detail = json!({"state": state});
    event(
        scene,
        server,
        "MGN Source Server Data Replication Stalled Change",
        detail,
    )
}

/// A launch ended for one server.
fn launch_event(scene: &Scene, server: &str, job: &str, purpose: Purpose, launched: bool) -> EventDetail {
    let result = if launched { "SUCCEEDED" } else { "FAILED" };
    let detail = json!({"state": format!("{purpose}_LAUNCH_{result}"), "job-id": job});
    event(scene, server, "MGN Source Server Launch Result", detail)
}
