//! Database Migration Service.

use aws_sdk_databasemigration::Client;
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::observe_dms::{InstanceStatus, TableView, TaskView};
use landfall_domain::plan::database::{DatabaseSide, MigrationType, ReplicationInstancePlan};
use serde_json::Value;

/// The service's name in errors.
pub const SERVICE: &str = "DMS";

/// Database Migration Service.
#[derive(Debug, Clone)]
pub struct Dms {
    client: Client,
}

/// What making something came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It is new; its ARN.
    New(String),
    /// Its identifier is taken: by an earlier try of ours, or by somebody else.
    Exists,
}

/// The tags that say whose something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Value of the tag `landfall:wave`.
    pub wave: String,
    /// Value of the tag `landfall:database`.
    pub database: String,
}

/// A replication instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: InstanceStatus,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    /// Its ARN.
    pub arn: String,
    /// Its status: `active`, `deleting`, a free string of the service.
    pub status: String,
}

/// A connection test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionView {
    /// It has not been tested.
    Untested,
    /// Under way.
    Testing,
    /// It works.
    Successful,
    /// It does not; what DMS says.
    Failed(String),
}

/// Which side an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointRole {
    /// Read.
    Source,
    /// Written.
    Target,
}

/// An endpoint to make.
#[derive(Debug, Clone)]
pub struct EndpointRequest<'a> {
    /// Its identifier.
    pub identifier: &'a str,
    /// What it is to the task.
    pub role: EndpointRole,
    /// The plan's side: engine, secret, encryption, attributes.
    pub side: &'a DatabaseSide,
    /// The database's name (the secret's `dbname`); DMS wants it for PostgreSQL.
    pub database_name: &'a str,
    /// Whose it is.
    pub owner: &'a Owner,
}

/// A task to make.
#[derive(Debug, Clone)]
pub struct TaskRequest<'a> {
    /// Its identifier.
    pub identifier: &'a str,
    /// The instance.
    pub instance_arn: &'a str,
    /// The source endpoint.
    pub source_arn: &'a str,
    /// The target endpoint.
    pub target_arn: &'a str,
    /// How it replicates.
    pub migration_type: MigrationType,
    /// The mappings, as the document that DMS takes.
    pub table_mappings: &'a str,
    /// The settings, as the document that DMS takes.
    pub settings: &'a str,
    /// Where changes begin; for a task without a full load.
    pub cdc_start_position: Option<&'a str>,
    /// Whose it is.
    pub owner: &'a Owner,
}

/// How a task is started. <https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// For the first time; valid only then.
    Start,
    /// Where it stopped.
    Resume,
}

/// A premigration assessment run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssessmentView {
    /// Its ARN.
    pub arn: String,
    /// Its status, in the words of the service: `running`, `passed`, `failed`, `warning`, `error-executing`…
    pub status: String,
    /// What DMS says of a failure.
    pub last_failure: Option<String>,
    /// Names of individual assessments that did not pass, with their status.
    pub not_passed: Vec<String>,
}

/// Which part of a schema conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// StartMetadataModelAssessment.
    Assessment,
    /// StartMetadataModelConversion.
    Conversion,
    /// StartMetadataModelExportToTarget.
    ExportToTarget,
}

/// A request of the schema conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionView {
    /// Its status: `RECEIVED`, `IN_PROGRESS`, `SUCCESS`, `FAILED`, `CANCELING`, `CANCELED`.
    pub status: String,
    /// What DMS says of a failure.
    pub error: Option<String>,
}

impl Dms {
    /// Wraps a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes a replication instance. Not retried blindly: an identifier that is taken is [`Made::Exists`].
    pub async fn create_instance(
        &self,
        identifier: &str,
        plan: &ReplicationInstancePlan,
        owner: &Owner,
    ) -> Result<Made, StepError> {
        let _ = (&self.client, identifier, plan, owner);
        unimplemented!()
    }

    /// The instance of that identifier.
    pub async fn instance(&self, identifier: &str) -> Result<Option<InstanceView>, StepError> {
        let _ = identifier;
        unimplemented!()
    }

    /// Deletes an instance; one that is gone is no error.
    pub async fn delete_instance(&self, arn: &str) -> Result<(), StepError> {
        let _ = arn;
        unimplemented!()
    }

    /// Makes an endpoint.
    pub async fn create_endpoint(&self, request: &EndpointRequest<'_>) -> Result<Made, StepError> {
        let _ = request;
        unimplemented!()
    }

    /// The endpoint of that identifier.
    pub async fn endpoint(&self, identifier: &str) -> Result<Option<EndpointView>, StepError> {
        let _ = identifier;
        unimplemented!()
    }

    /// Deletes an endpoint; one that is gone is no error.
    pub async fn delete_endpoint(&self, arn: &str) -> Result<(), StepError> {
        let _ = arn;
        unimplemented!()
    }

    /// Begins a connection test. Repeating it tests again.
    pub async fn test_connection(&self, instance_arn: &str, endpoint_arn: &str) -> Result<(), StepError> {
        let _ = (instance_arn, endpoint_arn);
        unimplemented!()
    }

    /// How the connection test stands.
    pub async fn connection(&self, instance_arn: &str, endpoint_arn: &str) -> Result<ConnectionView, StepError> {
        let _ = (instance_arn, endpoint_arn);
        unimplemented!()
    }

    /// Makes a task.
    pub async fn create_task(&self, request: &TaskRequest<'_>) -> Result<Made, StepError> {
        let _ = request;
        unimplemented!()
    }

    /// The task of that identifier, read without its settings.
    pub async fn task(&self, identifier: &str) -> Result<Option<TaskView>, StepError> {
        let _ = identifier;
        unimplemented!()
    }

    /// Starts a task. One that is starting or running already is no error; the caller reads the task before.
    pub async fn start_task(&self, arn: &str, kind: StartKind) -> Result<(), StepError> {
        let _ = (arn, kind);
        unimplemented!()
    }

    /// Stops a task. One that does not run is no error.
    pub async fn stop_task(&self, arn: &str) -> Result<(), StepError> {
        let _ = arn;
        unimplemented!()
    }

    /// Deletes a task; one that is gone, or being deleted, is no error.
    pub async fn delete_task(&self, arn: &str) -> Result<(), StepError> {
        let _ = arn;
        unimplemented!()
    }

    /// The tables of a task, all pages.
    pub async fn tables(&self, task_arn: &str) -> Result<Vec<TableView>, StepError> {
        let _ = task_arn;
        unimplemented!()
    }

    /// True when the resource carries the owner's tags.
    pub async fn is_owned(&self, arn: &str, owner: &Owner) -> Result<bool, StepError> {
        let _ = (arn, owner);
        unimplemented!()
    }

    /// Begins an assessment run of that name; its ARN. A name that is taken is [`Made::Exists`].
    pub async fn start_assessment(
        &self,
        task_arn: &str,
        role_arn: &str,
        bucket: &str,
        name: &str,
    ) -> Result<Made, StepError> {
        let _ = (task_arn, role_arn, bucket, name);
        unimplemented!()
    }

    /// The newest assessment run of a task of that name.
    pub async fn assessment(&self, task_arn: &str, name: &str) -> Result<Option<AssessmentView>, StepError> {
        let _ = (task_arn, name);
        unimplemented!()
    }

    /// Begins a part of a schema conversion; the request's identifier.
    pub async fn start_conversion(
        &self,
        project: &str,
        part: Conversion,
        selection_rules: &Value,
    ) -> Result<String, StepError> {
        let _ = (project, part, selection_rules);
        unimplemented!()
    }

    /// How a part of a schema conversion stands.
    pub async fn conversion(
        &self,
        project: &str,
        part: Conversion,
        request: &str,
    ) -> Result<Option<ConversionView>, StepError> {
        let _ = (project, part, request);
        unimplemented!()
    }

    /// The newest request of that part since then: for an intent whose answer was lost.
    pub async fn conversion_since(
        &self,
        project: &str,
        part: Conversion,
        since: Timestamp,
    ) -> Result<Option<String>, StepError> {
        let _ = (project, part, since);
        unimplemented!()
    }
}
