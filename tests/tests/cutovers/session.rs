//! A plain connection to either engine, with results as text: what the test itself asks of a database.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Executor, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a connection, and a statement, may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Mariadb,
}

/// Who logs in, and where.
#[derive(Debug, Clone)]
pub struct Login {
    pub kind: Kind,
    pub port: u16,
    pub database: String,
    pub username: String,
    pub password: String,
}

/// A connection.
pub enum Session {
    Postgres(PgConnection),
    Mariadb(MySqlConnection),
}

/// What failed, as a sentence.
pub type Failed = String;

impl Session {
    /// Connects.
    pub async fn open(login: &Login) -> Result<Self, Failed> {
        let opening = async {
            match login.kind {
                Kind::Postgres => PgConnectOptions::new_without_pgpass()
                    .host("127.0.0.1")
                    .port(login.port)
                    .username(&login.username)
                    .password(&login.password)
                    .database(&login.database)
                    .ssl_mode(PgSslMode::Disable)
                    .disable_statement_logging()
                    .connect()
                    .await
                    .map(Self::Postgres),
                Kind::Mariadb => MySqlConnectOptions::new()
                    .host("127.0.0.1")
                    .port(login.port)
                    .username(&login.username)
                    .password(&login.password)
                    .database(&login.database)
                    .disable_statement_logging()
                    .connect()
                    .await
                    .map(Self::Mariadb),
            }
        };
        match tokio::time::timeout(PATIENCE, opening).await {
            Ok(opened) => opened.map_err(|error| format!("{} at port {}: {error}", login.username, login.port)),
            Err(_) => Err(format!("{} at port {}: no answer", login.username, login.port)),
        }
    }

    /// Runs statements.
    pub async fn run(&mut self, statements: &str) -> Result<(), Failed> {
        let text = sqlx::raw_sql(AssertSqlSafe(statements));
        let running = async {
            match self {
                Self::Postgres(connection) => connection.execute(text).await.map(drop),
                Self::Mariadb(connection) => connection.execute(text).await.map(drop),
            }
        };
        match tokio::time::timeout(PATIENCE, running).await {
            Ok(done) => done.map_err(|error| format!("{error}: {statements}")),
            Err(_) => Err(format!("no answer: {statements}")),
        }
    }

    /// Runs a query; nothing is the text `NULL`.
    pub async fn rows(&mut self, query: &str) -> Result<Vec<Vec<String>>, Failed> {
        let named = self.named(query).await?;
        let values = |row: Vec<(String, String)>| row.into_iter().map(|(_, value)| value).collect();
        Ok(named.into_iter().map(values).collect())
    }

    /// The first column of a query.
    pub async fn column(&mut self, query: &str) -> Result<Vec<String>, Failed> {
        let rows = self.rows(query).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }

    /// The one value of a query.
    pub async fn value(&mut self, query: &str) -> Result<String, Failed> {
        let mut column = self.column(query).await?;
        column.pop().ok_or_else(|| format!("no row: {query}"))
    }

    /// The first row of a query, by the names of its columns.
    pub async fn row(&mut self, query: &str) -> Result<Option<BTreeMap<String, String>>, Failed> {
        let rows = self.named(query).await?;
        Ok(rows.into_iter().next().map(|row| row.into_iter().collect()))
    }

    async fn named(&mut self, query: &str) -> Result<Vec<Vec<(String, String)>>, Failed> {
        let text = sqlx::raw_sql(AssertSqlSafe(query));
        let running = async {
            match self {
                Self::Postgres(connection) => {
                    let rows = connection.fetch_all(text).await?;
                    Ok(rows.iter().map(columns).collect())
                }
                Self::Mariadb(connection) => {
                    let rows = connection.fetch_all(text).await?;
                    Ok(rows.iter().map(columns).collect())
                }
            }
        };
        match tokio::time::timeout(PATIENCE, running).await {
            Ok(done) => done.map_err(|error: sqlx::Error| format!("{error}: {query}")),
            Err(_) => Err(format!("no answer: {query}")),
        }
    }
}

/// The columns of a row as text, which is how they are sent over the simple protocols.
fn columns<R: Row>(row: &R) -> Vec<(String, String)>
where
    usize: sqlx::ColumnIndex<R>,
    for<'r> Option<String>: sqlx::Decode<'r, R::Database>,
{
    let value = |index: usize| {
        let text: Result<Option<String>, _> = row.try_get_unchecked(index);
        text.unwrap_or_else(|error| panic!("a column that is no text: {error}"))
            .unwrap_or_else(|| "NULL".to_owned())
    };
    let columns = row.columns().iter();
    columns
        .map(|column| (column.name().to_owned(), value(column.ordinal())))
        .collect()
}
