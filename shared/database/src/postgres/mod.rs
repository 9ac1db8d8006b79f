//! PostgreSQL.
//!
//! Roles belong to the whole cluster, so closing a database locks its logins out of every database of the server. That
//! is meant: a role that can still log in somewhere can be given a way in here.

mod closing;
mod fence;
mod inspect;
mod leftovers;
mod ready;
mod verify;

use crate::failure::Place;
use async_trait::async_trait;
use landfall_aws::database::{Database, DatabaseError, Login};
use landfall_domain::database::{
    Closed, Inspection, KeepOpen, OpenTransaction, Probe, Readiness, SequenceValue, TableName, TableSum,
    ValidationFailure,
};
use landfall_domain::record::FreezeRecord;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions};
use std::time::Duration;

/// How long a connection may take.
const CONNECT_SECONDS: u64 = 10;

/// One connection.
struct Postgres {
    connection: PgConnection,
    place: Place,
}

/// Connects.
pub async fn connect(login: &Login) -> Result<Box<dyn Database>, DatabaseError> {
    let place = Place::of(login);
    let mode = if login.encrypted {
        PgSslMode::Require
    } else {
        PgSslMode::Prefer
    };
    let options = PgConnectOptions::new_without_pgpass()
        .host(&login.host)
        .port(login.port)
        .username(&login.username)
        .password(login.password.expose())
        .database(&login.database)
        .application_name("landfall")
        .ssl_mode(mode)
        .disable_statement_logging();
    let connecting = tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), options.connect()).await;
    let connection = connecting
        .map_err(|_| place.silent(CONNECT_SECONDS))?
        .map_err(|error| match &error {
            // Class 28: invalid authorization. A role that may not log in is 28000, a wrong password 28P01.
            sqlx::Error::Database(said) if said.code().is_some_and(|code| code.starts_with("28")) => {
                DatabaseError::LoginRefused {
                    host: place.host.clone(),
                    username: login.username.clone(),
                    message: said.message().to_owned(),
                }
            }
            _ => place.failed("to connect")(error),
        })?;
    Ok(Box::new(Postgres { connection, place }))
}

/// An identifier, quoted.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table, quoted.
fn quoted_table(name: &TableName) -> String {
    format!("{}.{}", quoted(&name.schema), quoted(&name.table))
}

/// A statement whose only variable parts are quoted identifiers.
fn sql(text: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(text)
}

impl Postgres {
    /// Runs a statement without parameters.
    async fn execute(&mut self, what: &str, text: String) -> Result<u64, DatabaseError> {
        let done = sqlx::query(sql(text)).execute(&mut self.connection).await;
        done.map(|done| done.rows_affected()).map_err(self.place.failed(what))
    }

    /// Whether a table is there.
    async fn exists(&mut self, table: &TableName) -> Result<bool, DatabaseError> {
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(quoted_table(table))
            .fetch_one(&mut self.connection)
            .await
            .map_err(self.place.failed(format!("to look for {table}")))
    }
}

#[async_trait]
impl Database for Postgres {
    async fn inspect(&mut self, schemas: &[String], keep: &KeepOpen) -> Result<Inspection, DatabaseError> {
        self.inspection(schemas, keep).await
    }

    async fn create_fence_table(&mut self, fence: &TableName, fence_writer: &str) -> Result<(), DatabaseError> {
        self.make_fence(fence, fence_writer).await
    }

    async fn drop_fence_table(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        self.unmake_fence(fence).await
    }

    async fn write_fence(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        self.write(fence, id).await
    }

    async fn read_fences(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError> {
        self.read(fence, ids).await
    }

    async fn plan_closing(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        self.what_closing_changes(keep).await
    }

    async fn close(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError> {
        self.shut_out(fence, id, record, keep, within).await
    }

    async fn open(&mut self, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<Vec<String>, DatabaseError> {
        self.let_in(fence, id, record).await
    }

    async fn probe(&mut self) -> Result<Probe, DatabaseError> {
        self.try_to_write().await
    }

    async fn open_transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        self.transactions(at_least).await
    }

    async fn prepared_transactions(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.prepared().await
    }

    async fn fingerprint(&mut self, tables: &[TableName]) -> Result<String, DatabaseError> {
        self.fingerprint_of(tables).await
    }

    async fn table_sum(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        self.sum_of(table).await
    }

    async fn sequences(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        self.sequences_of(schemas).await
    }

    async fn advance_sequences(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError> {
        self.advance(values, margin).await
    }

    async fn make_ready(&mut self, tables: &[TableName]) -> Result<Readiness, DatabaseError> {
        self.ready(tables).await
    }

    async fn smoke_test(&mut self, statement: Option<&str>) -> Result<(), DatabaseError> {
        self.smoke(statement).await
    }

    async fn log_position(&mut self) -> Result<String, DatabaseError> {
        sqlx::query_scalar("SELECT pg_current_wal_lsn()::text")
            .fetch_one(&mut self.connection)
            .await
            .map_err(self.place.failed("to read the log's position"))
    }

    async fn hold_log(&mut self, slot: &str) -> Result<String, DatabaseError> {
        sqlx::query(
            "SELECT pg_create_logical_replication_slot($1, 'test_decoding')
             WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)",
        )
        .bind(slot)
        .execute(&mut self.connection)
        .await
        .map_err(self.place.failed("to keep the log for the way back"))?;
        self.log_position().await
    }

    async fn apply_exceptions(&mut self) -> Result<u64, DatabaseError> {
        self.exceptions().await
    }

    async fn validation_failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        self.failures(most).await
    }

    async fn leftovers(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.left().await
    }

    async fn end_leftover(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        self.end(leftover).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_cannot_leave_its_quotes() {
        let table = TableName::new("shop", "or\"ders; DROP TABLE x");
        assert_eq!(quoted_table(&table), "\"shop\".\"or\"\"ders; DROP TABLE x\"");
    }
}
