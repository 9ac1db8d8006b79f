//! MySQL and MariaDB.
//!
//! `super_read_only` is never used: it stops the fence writer as well. Accounts belong to the whole server, so closing a
//! database locks its applications out of every database of the server.

mod accounts;
mod closing;
mod fence;
mod inspect;
mod product;
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
use product::Product;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use std::time::Duration;

/// How long a connection may take.
const CONNECT_SECONDS: u64 = 10;

/// Errors with which a login is refused: wrong password, no such access, locked account, expired password.
/// <https://mariadb.com/kb/en/mariadb-error-codes/>
const LOGIN_REFUSED: [u16; 6] = [1044, 1045, 1862, 3118, 4151, 1820];

/// One connection.
struct Mysql {
    connection: MySqlConnection,
    place: Place,
    product: Product,
    /// The login it was made with.
    login: Login,
}

/// Connects.
pub async fn connect(login: &Login) -> Result<Box<dyn Database>, DatabaseError> {
    Ok(Box::new(Mysql::connect(login).await?))
}

/// An identifier, quoted.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table, quoted.
fn quoted_table(name: &TableName) -> String {
    format!("{}.{}", quoted(&name.schema), quoted(&name.table))
}

/// A text, quoted.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// A statement whose only variable parts are quoted.
fn sql(text: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(text)
}

/// A column as text, whatever the server calls its type.
fn word(row: &MySqlRow, column: usize) -> String {
    let bytes: Option<Vec<u8>> = row.try_get_unchecked(column).ok();
    bytes
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

impl Mysql {
    async fn connect(login: &Login) -> Result<Self, DatabaseError> {
        let place = Place::of(login);
        let mode = if login.encrypted {
            MySqlSslMode::Required
        } else {
            MySqlSslMode::Preferred
        };
        let options = MySqlConnectOptions::new()
            .host(&login.host)
            .port(login.port)
            .username(&login.username)
            .password(login.password.expose())
            .database(&login.database)
            .ssl_mode(mode)
            .disable_statement_logging();
        let connecting = tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), options.connect()).await;
        let connected = connecting.map_err(|_| place.silent(CONNECT_SECONDS))?;
        let mut connection = connected.map_err(|error| refused_or_lost(error, login, &place))?;
        let product = Product::ask(&mut connection, &place).await?;
        Ok(Self {
            connection,
            place,
            product,
            login: login.clone(),
        })
    }

    /// Runs a statement without parameters, over the text protocol: not every statement can be prepared.
    async fn execute(&mut self, what: &str, text: String) -> Result<u64, DatabaseError> {
        let done = sqlx::raw_sql(sql(text)).execute(&mut self.connection).await;
        done.map(|done| done.rows_affected()).map_err(self.place.failed(what))
    }

    async fn rows(&mut self, what: &str, text: String) -> Result<Vec<MySqlRow>, DatabaseError> {
        let done = sqlx::raw_sql(sql(text)).fetch_all(&mut self.connection).await;
        done.map_err(self.place.failed(what))
    }

    /// The first column of every row.
    async fn words(&mut self, what: &str, text: String) -> Result<Vec<String>, DatabaseError> {
        Ok(self.rows(what, text).await?.iter().map(|row| word(row, 0)).collect())
    }

    /// The one value of a query.
    async fn value(&mut self, what: &str, text: String) -> Result<String, DatabaseError> {
        Ok(self.words(what, text).await?.into_iter().next().unwrap_or_default())
    }

    /// Whether a table is there.
    async fn exists(&mut self, table: &TableName) -> Result<bool, DatabaseError> {
        let query = format!(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_name = {}",
            text(&table.schema),
            text(&table.table)
        );
        Ok(!self.words(&format!("to look for {table}"), query).await?.is_empty())
    }

    /// Keeps what follows out of the binary log, where the login may: locks and closings are of this server only, and a
    /// replica that repeated them would lock its own applications.
    async fn stay_local(&mut self) -> Result<(), DatabaseError> {
        match self
            .execute(
                "to keep closings out of the binary log",
                "SET SESSION sql_log_bin = 0".to_owned(),
            )
            .await
        {
            // DMS does not carry account statements, so a managed instance can do without.
            Ok(_) | Err(DatabaseError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn refused_or_lost(error: sqlx::Error, login: &Login, place: &Place) -> DatabaseError {
    let number = match &error {
        sqlx::Error::Database(said) => said
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map(sqlx::mysql::MySqlDatabaseError::number),
        _ => None,
    };
    if number.is_some_and(|number| LOGIN_REFUSED.contains(&number)) {
        return DatabaseError::LoginRefused {
            host: place.host.clone(),
            username: login.username.clone(),
            message: error.to_string(),
        };
    }
    place.failed("to connect")(error)
}

#[async_trait]
impl Database for Mysql {
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
        self.counters(schemas).await
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
        self.position().await
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
    fn nothing_leaves_its_quotes() {
        assert_eq!(quoted("a`b"), "`a``b`");
        assert_eq!(text("a'b\\"), "'a''b\\\\'");
        assert_eq!(quoted_table(&TableName::new("shop", "orders")), "`shop`.`orders`");
    }
}
