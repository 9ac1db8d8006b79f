//! What a function is given: clients, a clock, a source of ids. Nothing in a function reads time or chance elsewhere.

use crate::database::{Databases, NoDatabases};
use crate::{
    cloudwatch::CloudWatch, dms::Dms, ec2::Ec2, mgn::Mgn, remote_database::RemoteDatabases, route53::Route53,
    scheduler::Scheduler, secrets::Secrets, sfn::Sfn, sns::Sns, ssm::Ssm, table::Table, warm::Warm,
};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};

/// The longest that any function may run. Every function's timeout in the template is this or less, and a rollback waits
/// this long for functions that outlived their stopped executions.
pub const FUNCTION_SECONDS_MAX: u32 = 60;

/// Attempts of one call, the first included. Three attempts of ten seconds stay inside a function's time.
const CALL_ATTEMPTS_MAX: u32 = 3;

/// The longest wait for one answer.
const CALL_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Makes ids that nobody else makes.
pub trait Ids: Send + Sync {
    /// An id of at most 36 letters, digits and hyphens.
    fn next(&self) -> String;
}

/// What the deployment says.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of the wave table.
    pub table_name: String,
    /// The topic that operators and approvers are subscribed to.
    pub topic_arn: String,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The name of the function, for the audit trail.
    pub function: String,
    /// The role with which Scheduler invokes `freeze-source`; for the functions that close databases.
    pub scheduler_role_arn: Option<String>,
    /// The function that opens a database at its deadline; for the functions that close databases.
    pub freeze_source_arn: Option<String>,
    /// The function that is in the network of the databases; for the functions that ask them something.
    pub reach_database_arn: Option<String>,
}

/// What a function is given.
#[derive(Clone)]
pub struct Deps {
    /// Application Migration Service.
    pub mgn: Mgn,
    /// Database Migration Service.
    pub dms: Dms,
    /// CloudWatch.
    pub cloudwatch: CloudWatch,
    /// Secrets Manager; for `reach-database`.
    pub secrets: Secrets,
    /// EventBridge Scheduler.
    pub scheduler: Scheduler,
    /// The databases, through `reach-database`.
    pub databases: RemoteDatabases,
    /// What logs in to them; for `reach-database`.
    pub direct: Arc<dyn Databases>,
    /// EC2.
    pub ec2: Ec2,
    /// Systems Manager.
    pub ssm: Ssm,
    /// Route 53.
    pub route53: Route53,
    /// SNS.
    pub sns: Sns,
    /// Step Functions.
    pub sfn: Sfn,
    /// The wave table.
    pub table: Table,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of ids.
    pub ids: Arc<dyn Ids>,
    /// The deployment.
    pub config: Config,
    /// What this execution environment remembers of earlier invocations.
    pub warm: Arc<Warm>,
}

impl Deps {
    /// Builds the clients, once per process; [`Deps::until`] says for each invocation when it is ended. `partition` names the
    /// token bucket that the clients' retries share; processes that simulate several deployments give each its own.
    pub fn new(sdk: &SdkConfig, config: Config, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, partition: &str) -> Self {
        let retry = RetryConfig::standard().with_max_attempts(CALL_ATTEMPTS_MAX);
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(CALL_ATTEMPT_TIMEOUT)
            .build();
        macro_rules! client {
            ($sdk:ident) => {
                client!($sdk, sdk)
            };
            ($sdk:ident, $config:expr) => {
                $sdk::Client::from_conf(
                    $sdk::config::Builder::from($config)
                        .retry_config(retry.clone())
                        .timeout_config(timeouts.clone())
                        .retry_partition($sdk::config::retry::RetryPartition::custom(partition.to_owned()).build())
                        .build(),
                )
            };
        }
        // Whether an answer still comes is decided by the time limit of each call: a function may work for long without a word.
        let unstalled = sdk
            .to_builder()
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let until = clock.now() + SignedDuration::from_secs(i64::from(FUNCTION_SECONDS_MAX));
        let databases = RemoteDatabases::new(
            client!(aws_sdk_lambda, &unstalled),
            config.reach_database_arn.clone(),
            clock.clone(),
            until,
        );
        Self {
            databases,
            direct: Arc::new(NoDatabases),
            mgn: Mgn::new(client!(aws_sdk_mgn)),
            dms: Dms::new(client!(aws_sdk_databasemigration)),
            cloudwatch: CloudWatch::new(client!(aws_sdk_cloudwatch)),
            secrets: Secrets::new(client!(aws_sdk_secretsmanager)),
            scheduler: Scheduler::new(client!(aws_sdk_scheduler)),
            ec2: Ec2::new(client!(aws_sdk_ec2)),
            ssm: Ssm::new(client!(aws_sdk_ssm)),
            route53: Route53::new(client!(aws_sdk_route53)),
            sns: Sns::new(client!(aws_sdk_sns)),
            sfn: Sfn::new(client!(aws_sdk_sfn)),
            table: Table::new(client!(aws_sdk_dynamodb), config.table_name.clone()),
            clock,
            ids,
            config,
            warm: Arc::default(),
        }
    }

    /// The same, with something that logs in to databases.
    pub fn with_direct(mut self, databases: Arc<dyn Databases>) -> Self {
        self.direct = databases;
        self
    }

    /// The same for one invocation, which Lambda ends at that instant.
    pub fn until(&self, ended: Timestamp) -> Self {
        Self {
            databases: self.databases.until(ended),
            ..self.clone()
        }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
