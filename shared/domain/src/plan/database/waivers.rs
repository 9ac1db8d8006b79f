//! Rules of databases that can be waived.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rule that does not hold for a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabaseWaiver {
    /// Which rule.
    pub rule: DatabaseRule,
    /// The tables it is waived for, as `schema.table` on the source; only for rules about tables. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub tables: Vec<String>,
    /// Who approved it.
    #[schemars(length(min = 1, max = 200))]
    pub approved_by: String,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// The rules that can be waived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DatabaseRule {
    /// Tables on the target are dropped before the load, with indexes and constraints.
    DropAndCreate,
    /// Rows are not compared.
    ValidationOff,
    /// Changes are applied in batches, which reorders them across tables.
    BatchApply,
    /// Rows that cannot be applied are left out.
    ErrorsGoOn,
    /// No premigration assessment is run.
    NoAssessment,
    /// The replication instance has a public address.
    PublicInstance,
    /// Connections of DMS are not encrypted.
    Unencrypted,
    /// A table without a key is not compared.
    TableWithoutKey,
    /// A finding of the preflight about storage, large objects or the log's retention is accepted.
    Capacity,
    /// Triggers on the target fire for what replication applies.
    Triggers,
}

impl DatabaseRule {
    /// The rule in words, for the report.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::DropAndCreate => "tables on the target are dropped before the load",
            Self::ValidationOff => "rows are not compared",
            Self::BatchApply => "changes are applied in batches, out of order across tables",
            Self::ErrorsGoOn => "rows that cannot be applied are left out",
            Self::NoAssessment => "no premigration assessment is run",
            Self::PublicInstance => "the replication instance has a public address",
            Self::Unencrypted => "connections of DMS are not encrypted",
            Self::TableWithoutKey => "tables without a key are not compared",
            Self::Capacity => "a finding about storage, large objects or the log is accepted",
            Self::Triggers => "triggers on the target fire for what replication applies",
        }
    }
}
