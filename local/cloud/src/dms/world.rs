//! What DMS holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

use super::Scene;
use super::replicator::TaskSpec;
use crate::hub::{AwsError, EventDetail};

/// The state of the service.
#[derive(Default)]
pub(crate) struct World {
    /// By ARN.
    pub instances: BTreeMap<String, Instance>,
    /// By ARN.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// By the ARNs of instance and endpoint.
    pub connections: BTreeMap<(String, String), Connection>,
    /// By ARN.
    pub tasks: BTreeMap<String, Task>,
    pub assessments: Vec<Assessment>,
    pub conversions: Vec<ConversionRequest>,
    pub bucket: Bucket,
    pub outbox: Vec<EventDetail>,
}

pub(crate) struct Instance {
    pub identifier: String,
    pub status: &'static str,
    pub created_at: Timestamp,
    /// The request, whose members the answers repeat.
    pub request: Value,
    pub tags: Vec<Value>,
}

pub(crate) struct Endpoint {
    pub identifier: String,
    pub status: &'static str,
    /// As it is shown, without its status.
    pub shown: Value,
    pub spec: super::EndpointSpec,
    pub role: String,
    pub tags: Vec<Value>,
}

pub(crate) struct Connection {
    pub status: &'static str,
    pub failure: Option<String>,
    /// Tells tests apart: the end of an older one changes nothing.
    pub test: u64,
}

/// A point of the two metrics: the minute's beginning, and seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub minute: Timestamp,
    pub source: f64,
    pub target: f64,
}

pub(crate) struct Task {
    pub identifier: String,
    pub status: String,
    pub stop_reason: Option<String>,
    pub last_failure: Option<String>,
    pub source_arn: String,
    pub target_arn: String,
    pub instance_arn: String,
    pub migration_type: String,
    pub mappings: String,
    pub settings: String,
    pub spec: Arc<TaskSpec>,
    pub created_at: Timestamp,
    /// When it was started for the first time.
    pub fresh_start: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    /// Counts starts, and whom to tell to stop.
    pub run: u64,
    pub stop: Option<watch::Sender<bool>>,
    pub points: Vec<Point>,
    pub tags: Vec<Value>,
}

pub(crate) struct Assessment {
    pub arn: String,
    pub task_arn: String,
    pub name: String,
    pub status: &'static str,
    pub failure: Option<String>,
    pub created_at: Timestamp,
    pub request: Value,
    /// Single checks: name and status.
    pub checks: Vec<(String, &'static str)>,
}

pub(crate) struct ConversionRequest {
    pub id: String,
    pub project: String,
    pub operation: String,
    pub began: Timestamp,
    pub ends: Timestamp,
    pub failure: Option<String>,
    pub remark: Option<String>,
}

impl World {
    /// The tags of a resource; [`None`] when there is none of that ARN.
    pub fn tags(&self, arn: &str) -> Option<&[Value]> {
        let instance = self.instances.get(arn).map(|one| one.tags.as_slice());
        instance
            .or_else(|| self.endpoints.get(arn).map(|one| one.tags.as_slice()))
            .or_else(|| self.tasks.get(arn).map(|one| one.tags.as_slice()))
    }

    /// What exists, by kind and identifier.
    pub fn inventory(&self) -> Vec<String> {
        let instances = self
            .instances
            .values()
            .map(|one| format!("instance:{}", one.identifier));
        let endpoints = self
            .endpoints
            .values()
            .map(|one| format!("endpoint:{}", one.identifier));
        let tasks = self.tasks.values().map(|one| format!("task:{}", one.identifier));
        let mut all: Vec<String> = instances.chain(endpoints).chain(tasks).collect();
        all.sort();
        all
    }
}

/// The bucket of tokens that all calls of an account draw from.
#[derive(Default)]
pub(crate) struct Bucket {
    /// Thousandths of tokens that are gone, and when that was counted.
    gone: Option<(i64, Timestamp)>,
}

impl Bucket {
    /// Takes a token, or refuses with `ThrottlingException`.
    pub fn take(&mut self, scene: &Scene) -> Result<(), AwsError> {
        let (gone, then) = self.gone.unwrap_or((0, scene.now));
        let elapsed_ms = scene.now.duration_since(then).as_millis() as i64;
        let gone = (gone - elapsed_ms * i64::from(scene.knobs.refill_per_s)).max(0);
        let full = gone + 1000 > i64::from(scene.knobs.bucket) * 1000;
        self.gone = Some((if full { gone } else { gone + 1000 }, scene.now));
        if full {
            return Err(AwsError::new(400, "ThrottlingException", "Rate exceeded"));
        }
        Ok(())
    }
}
