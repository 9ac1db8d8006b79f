//! A database of a wave: what replicates it, what proves it, and how it is cut over.
//!
//! A plan never holds a password. Every login is the ARN of a Secrets Manager secret with the members `host`, `port`,
//! `username`, `password` and `dbname`, which only the functions that touch databases may read.

mod fail_back;
mod mappings;
pub mod rules;
mod settings;
mod switch;
mod task_mappings;
pub mod together;
mod waivers;

pub use fail_back::FailBack;
pub use mappings::{MappingRule, ObjectLocator, RuleAction, RuleTarget, RuleType, TableMappings};
pub use settings::{BatchApply, ErrorAction, FullLoad, LobMode, PreparationMode, TaskSettings, ValidationSettings};
pub use switch::{AfterSwitch, SwitchPoint};
pub use task_mappings::FREEZE_TABLE;
pub use waivers::{DatabaseRule, DatabaseWaiver};

use crate::ids::DatabaseId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A database that moves by replication: full load, then changes, then a cutover that takes seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabasePlan {
    /// Names the database in the wave, in reports and in the identifiers of what DMS is given.
    pub database_id: DatabaseId,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub description: Option<String>,
    /// Where it is now.
    pub source: DatabaseSide,
    /// Where it goes.
    pub target: DatabaseSide,
    /// What DMS replicates it with.
    pub replication_instance: ReplicationInstancePlan,
    /// How.
    #[serde(default)]
    pub migration_type: MigrationType,
    /// Which tables, and under which names.
    pub table_mappings: TableMappings,
    /// The task's settings.
    #[serde(default)]
    pub task_settings: TaskSettings,
    /// Where DMS writes the result of the premigration assessment. Without it no assessment is run, which is a waiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Assessment>,
    /// The schema conversion that comes first when source and target are different engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_conversion: Option<SchemaConversion>,
    /// How the source is closed to applications.
    #[serde(default)]
    pub freeze: FreezePlan,
    /// The marker that proves the order of what was applied.
    #[serde(default)]
    pub fence: FencePlan,
    /// When the lag is small enough to begin.
    #[serde(default)]
    pub lag: LagPlan,
    /// What must be equal before the target is opened.
    #[serde(default)]
    pub verify: VerifyPlan,
    /// What replication does not carry.
    #[serde(default)]
    pub ready_target: ReadyPlan,
    /// What points applications at the target.
    pub switch: SwitchPoint,
    /// What makes applications look again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_switch: Option<AfterSwitch>,
    /// What a rollback after the switch does with what was written on the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_back: Option<FailBack>,
    /// Rules that do not hold for this database, each approved by somebody. The report repeats them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub waivers: Vec<DatabaseWaiver>,
}

/// The engines, in the words of `EngineName`.
/// <https://docs.aws.amazon.com/dms/latest/APIReference/API_CreateEndpoint.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    /// PostgreSQL.
    #[serde(rename = "postgres")]
    Postgres,
    /// Aurora with PostgreSQL's protocol.
    #[serde(rename = "aurora-postgresql")]
    AuroraPostgres,
    /// MySQL.
    #[serde(rename = "mysql")]
    Mysql,
    /// Aurora with MySQL's protocol.
    #[serde(rename = "aurora")]
    AuroraMysql,
    /// MariaDB.
    #[serde(rename = "mariadb")]
    Mariadb,
    /// Oracle; frozen by a document of the plan's own.
    #[serde(rename = "oracle")]
    Oracle,
    /// SQL Server; frozen by a document of the plan's own.
    #[serde(rename = "sqlserver")]
    SqlServer,
}

/// How Landfall speaks to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL's protocol.
    Postgres,
    /// The protocol of MySQL and MariaDB.
    Mysql,
    /// Only through documents of the plan.
    Documents,
}

impl Engine {
    /// The word that DMS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::AuroraPostgres => "aurora-postgresql",
            Self::Mysql => "mysql",
            Self::AuroraMysql => "aurora",
            Self::Mariadb => "mariadb",
            Self::Oracle => "oracle",
            Self::SqlServer => "sqlserver",
        }
    }

    /// How Landfall speaks to it.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Postgres | Self::AuroraPostgres => Dialect::Postgres,
            Self::Mysql | Self::AuroraMysql | Self::Mariadb => Dialect::Mysql,
            Self::Oracle | Self::SqlServer => Dialect::Documents,
        }
    }
}

/// One side of a migration: an engine, and who logs in to it for what. Four logins, because freezing works by telling
/// them apart: an application that shares one of them cannot be shut out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabaseSide {
    /// The engine.
    pub engine: Engine,
    /// Landfall's own login, which closes and opens the database to applications.
    pub admin_secret_arn: SecretArn,
    /// The login that writes fences, and nothing else.
    pub fence_secret_arn: SecretArn,
    /// An application's login: what it is refused proves the freeze, what it can do proves the target.
    pub application_secret_arn: SecretArn,
    /// The login that DMS replicates with.
    pub dms_secret_arn: SecretArn,
    /// The role with which DMS reads that secret.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.{1,512}$"))]
    pub secrets_access_role_arn: String,
    /// Encryption of DMS's connection: none, require, verify-ca, verify-full. Default: require.
    #[serde(default)]
    pub ssl_mode: SslMode,
    /// The certificate that `verify-ca` and `verify-full` check against, imported into DMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:dms:[a-z0-9-]+:[0-9]{12}:cert:.{1,255}$"))]
    pub certificate_arn: Option<String>,
    /// Extra connection attributes of the endpoint, name by name. A password among them is refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_connection_attributes: BTreeMap<String, String>,
}

/// Encryption of a connection, in the words of DMS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// None.
    None,
    /// Encrypted, the server not verified.
    #[default]
    Require,
    /// Encrypted, the certificate verified.
    VerifyCa,
    /// Encrypted, certificate and host name verified.
    VerifyFull,
}

impl SslMode {
    /// The word that DMS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// The ARN of a secret. The schema refuses anything else, so that a password cannot stand in its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretArn(
    #[schemars(regex(
        pattern = r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}$"
    ))]
    pub String,
);

impl SecretArn {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a database is replicated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationType {
    /// Everything, then every change.
    #[default]
    FullLoadAndCdc,
    /// Every change; what was there before is on the target already.
    Cdc,
}

impl MigrationType {
    /// The word that DMS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullLoadAndCdc => "full-load-and-cdc",
            Self::Cdc => "cdc",
        }
    }
}

/// The replication instance. Landfall makes one for each database, and deletes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplicationInstancePlan {
    /// The class, as in `dms.c5.large`.
    #[schemars(regex(pattern = r"^dms\.[a-z0-9]+\.[a-z0-9]+$"))]
    pub class: String,
    /// Storage in GB.
    #[schemars(range(min = 5, max = 6144))]
    pub allocated_storage_gb: u32,
    /// The subnet group.
    #[schemars(length(min = 1, max = 255))]
    pub subnet_group_identifier: String,
    /// Security groups.
    #[schemars(length(min = 1, max = 5), inner(regex(pattern = r"^sg-[0-9a-f]{8,17}$")))]
    pub vpc_security_group_ids: Vec<String>,
    /// Two of them in two zones.
    #[serde(default)]
    pub multi_az: bool,
    /// The engine version of DMS. Events need 3.4.6 or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$"))]
    pub engine_version: Option<String>,
    /// Whether it has a public address. Default: no.
    #[serde(default)]
    pub publicly_accessible: bool,
    /// The key that encrypts its storage. Default: the account's DMS key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.{1,128}$"))]
    pub kms_key_arn: Option<String>,
}

/// Where DMS puts the result of a premigration assessment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assessment {
    /// The role with which DMS writes to the bucket.
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.{1,512}$"))]
    pub service_access_role_arn: String,
    /// The bucket.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub result_location_bucket: String,
}

/// A DMS Schema Conversion project: assessment, conversion, export to the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaConversion {
    /// The migration project.
    #[schemars(length(min = 1, max = 255))]
    pub migration_project_identifier: String,
    /// Schemas to convert.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 128)))]
    pub schemas: Vec<String>,
}

/// How a source is closed to applications, and for how long at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreezePlan {
    /// Seconds from the freeze to the switch, at most. At this instant the source opens again by itself, unless the
    /// switch is on record.
    #[serde(default = "default_deadline_seconds")]
    #[schemars(range(min = 20, max = 900))]
    pub deadline_seconds: u32,
    /// Further logins that stay open: monitoring, backup. Never an application's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 128)))]
    pub keep_logins: Vec<String>,
    /// A transaction on the source older than this many seconds refuses the freeze.
    #[serde(default = "default_transaction_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub longest_transaction_seconds: u32,
    /// For engines without a dialect: the Systems Manager document that freezes, fences, probes and unfreezes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_\-.:/]{3,128}$"))]
    pub document: Option<String>,
    /// The host that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_instance_id: Option<crate::ids::ManagedInstanceId>,
}

impl Default for FreezePlan {
    fn default() -> Self {
        Self {
            deadline_seconds: default_deadline_seconds(),
            keep_logins: Vec::new(),
            longest_transaction_seconds: default_transaction_seconds(),
            document: None,
            managed_instance_id: None,
        }
    }
}

/// The table that fences are written to. The table mappings must select it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FencePlan {
    /// Its schema on the source (for MySQL: the database). Default: the first schema that the mappings select.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub schema: Option<String>,
    /// Its name on the source.
    #[serde(default = "default_fence_table")]
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_]{0,62}$"))]
    pub table: String,
}

impl Default for FencePlan {
    fn default() -> Self {
        Self {
            schema: None,
            table: default_fence_table(),
        }
    }
}

/// When the lag is small enough to begin a cutover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LagPlan {
    /// The slowest of the last ten canary fences, in seconds, at most.
    #[serde(default = "default_lag_seconds")]
    #[schemars(range(min = 1, max = 300))]
    pub seconds_max: u32,
    /// Minutes to wait for it, before the cutover is refused with nothing frozen.
    #[serde(default = "default_lag_minutes")]
    #[schemars(range(min = 1, max = 1440))]
    pub wait_minutes: u32,
}

impl Default for LagPlan {
    fn default() -> Self {
        Self {
            seconds_max: default_lag_seconds(),
            wait_minutes: default_lag_minutes(),
        }
    }
}

/// What must be equal before the target is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyPlan {
    /// Seconds after the fence within which validation must be clean; then the source opens again.
    #[serde(default = "default_verify_seconds")]
    #[schemars(range(min = 5, max = 300))]
    pub budget_seconds: u32,
    /// Tables without a key that are compared by count and checksum, as `schema.table` on the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), inner(regex(pattern = r"^[^.]{1,63}\.[^.]{1,63}$")))]
    pub checksum_tables: Vec<String>,
    /// Minutes for the full load and its validation, before anything is frozen.
    #[serde(default = "default_load_minutes")]
    #[schemars(range(min = 5, max = 43200))]
    pub load_minutes: u32,
}

impl Default for VerifyPlan {
    fn default() -> Self {
        Self {
            budget_seconds: default_verify_seconds(),
            checksum_tables: Vec::new(),
            load_minutes: default_load_minutes(),
        }
    }
}

/// What replication does not carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadyPlan {
    /// How far past the source's value sequences and identities are set.
    #[serde(default = "default_sequence_margin")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub sequence_margin: u32,
    /// One statement that an application's login must be able to run on the target, in a transaction rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2000))]
    pub smoke_test: Option<String>,
}

impl Default for ReadyPlan {
    fn default() -> Self {
        Self {
            sequence_margin: default_sequence_margin(),
            smoke_test: None,
        }
    }
}

impl DatabasePlan {
    /// True when the plan waives the rule.
    pub fn waives(&self, rule: DatabaseRule) -> bool {
        self.waivers.iter().any(|waiver| waiver.rule == rule)
    }

    /// The schema of the fence table on the source.
    pub fn fence_schema(&self) -> Option<&str> {
        self.fence
            .schema
            .as_deref()
            .or_else(|| self.table_mappings.first_schema())
    }

    /// The fence table on the source: schema and table.
    pub fn fence_on_source(&self) -> Option<(String, String)> {
        Some((self.fence_schema()?.to_owned(), self.fence.table.clone()))
    }

    /// The fence table on the target, under the names that the transformation rules give it.
    pub fn fence_on_target(&self) -> Option<(String, String)> {
        self.table_mappings.on_target(self.fence_schema()?, &self.fence.table)
    }
}

/// The guide promises less than a minute; two leave room to find out, and to open again.
fn default_deadline_seconds() -> u32 {
    120
}
fn default_transaction_seconds() -> u32 {
    5
}
fn default_fence_table() -> String {
    "landfall_fence".to_owned()
}
fn default_lag_seconds() -> u32 {
    5
}
fn default_lag_minutes() -> u32 {
    60
}
fn default_verify_seconds() -> u32 {
    30
}
/// Three days.
fn default_load_minutes() -> u32 {
    72 * 60
}
fn default_sequence_margin() -> u32 {
    1000
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::DatabasePlan;
    use serde_json::json;

    /// The plan of a shop's database, valid in every part.
    pub fn plan() -> DatabasePlan {
        serde_json::from_value(document()).expect("a plan")
    }

    /// The same, as a document.
    pub fn document() -> serde_json::Value {
        let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf");
        let side = |engine: &str, side: &str| {
            json!({
                "engine": engine,
                "adminSecretArn": secret(&format!("{side}/landfall")),
                "fenceSecretArn": secret(&format!("{side}/fence")),
                "applicationSecretArn": secret(&format!("{side}/shop")),
                "dmsSecretArn": secret(&format!("{side}/dms")),
                "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms-secrets",
            })
        };
        json!({
            "databaseId": "shop",
            "source": side("postgres", "source"),
            "target": side("aurora-postgresql", "target"),
            "replicationInstance": {
                "class": "dms.c5.large",
                "allocatedStorageGb": 100,
                "subnetGroupIdentifier": "dms",
                "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
            },
            "tableMappings": { "rules": [{
                "rule-type": "selection",
                "rule-id": "1",
                "rule-name": "shop",
                "object-locator": { "schema-name": "shop", "table-name": "%" },
                "rule-action": "include",
            }]},
            "assessment": {
                "serviceAccessRoleArn": "arn:aws:iam::111122223333:role/dms-assessment",
                "resultLocationBucket": "landfall-assessments",
            },
            "switch": { "parameter": { "name": "/shop/database/host", "targetValue": "shop.cluster.example" } },
        })
    }
}
