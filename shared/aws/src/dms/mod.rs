//! Database Migration Service: replication instances, and whose something is. Endpoints, tasks, assessments and schema
//! conversions are in files beside this one.
//!
//! DMS has no client tokens. What it makes has an identifier of the caller's choice, so that a call which is sent twice
//! is refused the second time ([`Made::Exists`]): what exists is adopted only when it carries the tags of its owner. All
//! of an account's calls share four a second, so one call reads one thing, and nothing is read that is not needed.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Limits.html>

mod assessment;
mod conversion;
mod endpoint;
mod task;

use crate::classify::{code_of, step_error, unknown};
use aws_sdk_databasemigration::Client;
use aws_sdk_databasemigration::types::{Filter, Tag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use landfall_domain::StepError;
use landfall_domain::observe_dms::InstanceStatus;
use landfall_domain::plan::database::{DatabaseSide, MigrationType, ReplicationInstancePlan};
use std::error::Error;

/// The service's name in errors.
pub const SERVICE: &str = "DMS";

/// Pages that are read of one list: at 100 items a page more than an account may have of anything, and 10,000 tables of a
/// task at 500.
const PAGES_MAX: usize = 20;

/// The code for something that does not exist, or no longer.
const GONE: &str = "ResourceNotFoundFault";

/// The code for an identifier that is taken.
const TAKEN: &str = "ResourceAlreadyExistsFault";

/// The code for something that is in a state that does not allow the call.
const WRONG_STATE: &str = "InvalidResourceStateFault";

/// The status of what is being deleted.
const DELETING: &str = "deleting";

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
    /// The database's name (the secret's `dbname`). It is not sent for MySQL, where it would gather all tables in one.
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

    /// Makes a replication instance. An identifier that is taken is [`Made::Exists`], so sending the call again makes no
    /// second one.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_CreateReplicationInstance.html>
    pub async fn create_instance(
        &self,
        identifier: &str,
        plan: &ReplicationInstancePlan,
        owner: &Owner,
    ) -> Result<Made, StepError> {
        const OPERATION: &str = "CreateReplicationInstance";
        let answer = self
            .client
            .create_replication_instance()
            .replication_instance_identifier(identifier)
            .replication_instance_class(&plan.class)
            .allocated_storage(i32::try_from(plan.allocated_storage_gb).unwrap_or(i32::MAX))
            .replication_subnet_group_identifier(&plan.subnet_group_identifier)
            .set_vpc_security_group_ids(Some(plan.vpc_security_group_ids.clone()))
            .multi_az(plan.multi_az)
            .set_engine_version(plan.engine_version.clone())
            .publicly_accessible(plan.publicly_accessible)
            .set_kms_key_id(plan.kms_key_arn.clone())
            .set_tags(Some(owner.tags()))
            .send()
            .await;
        made(OPERATION, answer, |answer| {
            answer.replication_instance?.replication_instance_arn
        })
    }

    /// The instance of that identifier.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeReplicationInstances.html>
    pub async fn instance(&self, identifier: &str) -> Result<Option<InstanceView>, StepError> {
        self.instance_by("replication-instance-id", identifier).await
    }

    /// Deletes an instance; one that is gone, or being deleted, is no error. Its tasks have to be gone first.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DeleteReplicationInstance.html>
    pub async fn delete_instance(&self, arn: &str) -> Result<(), StepError> {
        const OPERATION: &str = "DeleteReplicationInstance";
        let answer = self
            .client
            .delete_replication_instance()
            .replication_instance_arn(arn)
            .send()
            .await;
        let Some(refusal) = refused_for_state(OPERATION, answer)? else {
            return Ok(());
        };
        match self.instance_by("replication-instance-arn", arn).await? {
            None => Ok(()),
            Some(instance) if instance.status == InstanceStatus::Deleting => Ok(()),
            Some(_) => Err(refusal),
        }
    }

    async fn instance_by(&self, name: &str, value: &str) -> Result<Option<InstanceView>, StepError> {
        const OPERATION: &str = "DescribeReplicationInstances";
        let answer = self
            .client
            .describe_replication_instances()
            .filters(filter(name, value))
            .send()
            .await;
        let Some(answer) = unless_gone(OPERATION, answer)? else {
            return Ok(None);
        };
        let Some(instance) = answer.replication_instances().first() else {
            return Ok(None);
        };
        let what = format!("replication instance {value}");
        Ok(Some(InstanceView {
            arn: required(instance.replication_instance_arn(), "ARN", &what)?,
            status: InstanceStatus::read(&required(instance.replication_instance_status(), "status", &what)?),
        }))
    }

    /// True when the resource carries the owner's tags. One that does not exist carries none.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_ListTagsForResource.html>
    pub async fn is_owned(&self, arn: &str, owner: &Owner) -> Result<bool, StepError> {
        const OPERATION: &str = "ListTagsForResource";
        let answer = self.client.list_tags_for_resource().resource_arn(arn).send().await;
        let Some(answer) = unless_gone(OPERATION, answer)? else {
            return Ok(false);
        };
        let carried = answer.tag_list();
        Ok(owner.tags().iter().all(|tag| carried.contains(tag)))
    }
}

impl Owner {
    fn tags(&self) -> Vec<Tag> {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        vec![
            tag("landfall:wave", &self.wave),
            tag("landfall:database", &self.database),
        ]
    }
}

/// The one filter by which something is found.
fn filter(name: &str, value: &str) -> Filter {
    Filter::builder()
        .name(name)
        .values(value)
        .build()
        .expect("its required members are set")
}

/// A member that must be there.
fn required(value: Option<&str>, member: &str, what: &str) -> Result<String, StepError> {
    value
        .map(str::to_owned)
        .ok_or_else(|| unknown(SERVICE, format!("the {member} of {what}"), "(absent)"))
}

/// What making something came to. An answer without an ARN is as good as a lost one: asked again, it exists.
fn made<A, E>(
    operation: &'static str,
    answer: Result<A, SdkError<E, HttpResponse>>,
    arn: impl FnOnce(A) -> Option<String>,
) -> Result<Made, StepError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(answer) => arn(answer).map(Made::New).ok_or(StepError::ServiceUnavailable {
            service: SERVICE,
            operation,
            message: "it accepted the call and gave no ARN".to_owned(),
        }),
        Err(error) if code_of(&error).as_deref() == Some(TAKEN) => Ok(Made::Exists),
        Err(error) => Err(step_error(SERVICE, operation, error)),
    }
}

/// The answer; [`None`] when there is no such thing.
fn unless_gone<A, E>(
    operation: &'static str,
    answer: Result<A, SdkError<E, HttpResponse>>,
) -> Result<Option<A>, StepError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if code_of(&error).as_deref() == Some(GONE) => Ok(None),
        Err(error) => Err(step_error(SERVICE, operation, error)),
    }
}

/// The refusal of a call for the state that its object is in, for the caller to read that state; [`None`] when the call
/// was taken, or when there is no such thing any more.
fn refused_for_state<A, E>(
    operation: &'static str,
    answer: Result<A, SdkError<E, HttpResponse>>,
) -> Result<Option<StepError>, StepError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(_) => Ok(None),
        Err(error) => match code_of(&error).as_deref() {
            Some(GONE) => Ok(None),
            Some(WRONG_STATE) => Ok(Some(step_error(SERVICE, operation, error))),
            _ => Err(step_error(SERVICE, operation, error)),
        },
    }
}

#[cfg(test)]
mod tests;
