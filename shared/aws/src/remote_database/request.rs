//! What `reach-database` is asked and what it answers: one call of the port, as JSON.

use crate::database::{Access, Database, DatabaseError};
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::database::{KeepOpen, SequenceValue, TableName};
use landfall_domain::record::FreezeRecord;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// For how long `reach-database` works at a call that looks at little, so that its caller hears of one that hangs while it
/// can still ask again.
pub const QUICK: Duration = Duration::from_secs(14);

/// One call of the port, and how to get there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ask {
    /// Through which login.
    pub access: Access,
    /// When whoever asks is ended by Lambda. Nothing is begun after it, and nothing goes on.
    pub until: Timestamp,
    /// What is asked.
    pub request: Request,
}

/// A call of [`Database`], or [`Request::Describe`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "call",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[allow(missing_docs, reason = "members are the parameters of the port's methods")]
pub enum Request {
    /// What the secret says of the login, but for the password. The database is not asked.
    Describe {},
    /// [`Database::inspect`]
    Inspect { schemas: Vec<String>, keep: KeepOpen },
    /// [`Database::create_fence_table`]
    CreateFenceTable { fence: TableName, fence_writer: String },
    /// [`Database::drop_fence_table`]
    DropFenceTable { fence: TableName },
    /// [`Database::write_fence`]
    WriteFence { fence: TableName, id: String },
    /// [`Database::read_fences`]
    ReadFences { fence: TableName, ids: Vec<String> },
    /// [`Database::plan_closing`]
    PlanClosing { keep: KeepOpen },
    /// [`Database::close`]
    Close {
        fence: TableName,
        id: String,
        record: FreezeRecord,
        keep: KeepOpen,
        within_ms: u64,
    },
    /// [`Database::open`]
    Open {
        fence: TableName,
        id: String,
        record: FreezeRecord,
    },
    /// [`Database::probe`]
    Probe {},
    /// [`Database::open_transactions`]
    OpenTransactions { at_least_ms: u64 },
    /// [`Database::prepared_transactions`]
    PreparedTransactions {},
    /// [`Database::fingerprint`]
    Fingerprint { tables: Vec<TableName> },
    /// [`Database::table_sum`]
    TableSum { table: TableName },
    /// [`Database::sequences`]
    Sequences { schemas: Vec<String> },
    /// [`Database::advance_sequences`]
    AdvanceSequences { values: Vec<SequenceValue>, margin: u32 },
    /// [`Database::make_ready`]
    MakeReady { tables: Vec<TableName> },
    /// [`Database::smoke_test`]
    SmokeTest { statement: Option<String> },
    /// [`Database::log_position`]
    LogPosition {},
    /// [`Database::hold_log`]
    HoldLog { slot: String },
    /// [`Database::apply_exceptions`]
    ApplyExceptions {},
    /// [`Database::validation_failures`]
    ValidationFailures { most: u32 },
    /// [`Database::leftovers`]
    Leftovers {},
    /// [`Database::end_leftover`]
    EndLeftover { leftover: String },
}

/// What `reach-database` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reached {
    /// What the call gives.
    Answer(Value),
    /// What went wrong.
    Error(DatabaseError),
}

impl Request {
    /// The call's name, as it is written.
    pub fn name(&self) -> String {
        let written = serde_json::to_value(self).unwrap_or_default();
        written["call"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether the call looks at so little that [`QUICK`] is long for it. All others have what is left to their caller.
    pub fn is_quick(&self) -> bool {
        match self {
            Self::Describe {}
            | Self::WriteFence { .. }
            | Self::ReadFences { .. }
            | Self::Probe {}
            | Self::OpenTransactions { .. }
            | Self::PreparedTransactions {}
            | Self::LogPosition {}
            | Self::ApplyExceptions {}
            | Self::ValidationFailures { .. } => true,
            Self::Inspect { .. }
            | Self::CreateFenceTable { .. }
            | Self::DropFenceTable { .. }
            | Self::PlanClosing { .. }
            | Self::Close { .. }
            | Self::Open { .. }
            | Self::Fingerprint { .. }
            | Self::TableSum { .. }
            | Self::Sequences { .. }
            | Self::AdvanceSequences { .. }
            | Self::MakeReady { .. }
            // A plan's own statement.
            | Self::SmokeTest { .. }
            // PostgreSQL waits there for transactions that have begun before.
            | Self::HoldLog { .. }
            | Self::Leftovers {}
            | Self::EndLeftover { .. } => false,
        }
    }

    /// Asks a database, and writes down what it answers.
    pub async fn put_to(&self, database: &mut dyn Database) -> Result<Value, DatabaseError> {
        match self {
            Self::Describe {} => Err(DatabaseError::Unsupported(
                "a login is described by its secret; that the database was asked is a fault of Landfall".to_owned(),
            )),
            Self::Inspect { schemas, keep } => written(database.inspect(schemas, keep).await?),
            Self::CreateFenceTable { fence, fence_writer } => {
                written(database.create_fence_table(fence, fence_writer).await?)
            }
            Self::DropFenceTable { fence } => written(database.drop_fence_table(fence).await?),
            Self::WriteFence { fence, id } => written(database.write_fence(fence, id).await?),
            Self::ReadFences { fence, ids } => written(database.read_fences(fence, ids).await?),
            Self::PlanClosing { keep } => written(database.plan_closing(keep).await?),
            Self::Close {
                fence,
                id,
                record,
                keep,
                within_ms,
            } => {
                let within = Duration::from_millis(*within_ms);
                written(database.close(fence, id, record, keep, within).await?)
            }
            Self::Open { fence, id, record } => written(database.open(fence, id, record).await?),
            Self::Probe {} => written(database.probe().await?),
            Self::OpenTransactions { at_least_ms } => {
                let at_least = Duration::from_millis(*at_least_ms);
                written(database.open_transactions(at_least).await?)
            }
            Self::PreparedTransactions {} => written(database.prepared_transactions().await?),
            Self::Fingerprint { tables } => written(database.fingerprint(tables).await?),
            Self::TableSum { table } => written(database.table_sum(table).await?),
            Self::Sequences { schemas } => written(database.sequences(schemas).await?),
            Self::AdvanceSequences { values, margin } => written(database.advance_sequences(values, *margin).await?),
            Self::MakeReady { tables } => written(database.make_ready(tables).await?),
            Self::SmokeTest { statement } => written(database.smoke_test(statement.as_deref()).await?),
            Self::LogPosition {} => written(database.log_position().await?),
            Self::HoldLog { slot } => written(database.hold_log(slot).await?),
            Self::ApplyExceptions {} => written(database.apply_exceptions().await?),
            Self::ValidationFailures { most } => written(database.validation_failures(*most).await?),
            Self::Leftovers {} => written(database.leftovers().await?),
            Self::EndLeftover { leftover } => written(database.end_leftover(leftover).await?),
        }
    }
}

/// An answer as JSON.
pub fn written(answer: impl Serialize) -> Result<Value, DatabaseError> {
    serde_json::to_value(answer)
        .map_err(|error| StepError::Corrupt(format!("an answer of a database cannot be written: {error}")).into())
}
