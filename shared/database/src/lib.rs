//! Databases over their own protocols, behind the port of `landfall-aws`.

mod failure;
mod mysql;
mod postgres;

use async_trait::async_trait;
use landfall_aws::database::{Database, DatabaseError, Databases, Login};
use landfall_domain::plan::database::Dialect;

/// Connects to PostgreSQL, MySQL and MariaDB.
pub struct SqlDatabases;

#[async_trait]
impl Databases for SqlDatabases {
    async fn connect(&self, login: &Login) -> Result<Box<dyn Database>, DatabaseError> {
        match login.engine.dialect() {
            Dialect::Postgres => postgres::connect(login).await,
            Dialect::Mysql => mysql::connect(login).await,
            Dialect::Documents => Err(DatabaseError::Unsupported(format!(
                "Landfall does not speak to {} itself; the plan names a document that does (freeze.document)",
                login.engine.as_str()
            ))),
        }
    }
}
