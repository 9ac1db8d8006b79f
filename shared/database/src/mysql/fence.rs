//! Fences: written on one side, looked for on the other.

use super::{Mysql, quoted, quoted_table, sql, text};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::TableName;

/// The table of closings, beside the fence table.
const CLOSINGS: &str = "landfall_freeze";

impl Mysql {
    /// The table of closings.
    pub(super) fn closings(fence: &TableName) -> TableName {
        TableName::new(&fence.schema, CLOSINGS)
    }

    pub(super) async fn make_closings(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        let closings = Self::closings(fence);
        // A look first: creating what exists needs the right to create all the same.
        if self.exists(&closings).await? {
            return Ok(());
        }
        self.stay_local().await?;
        let what = format!("to create {closings}");
        self.execute(
            &what,
            format!("CREATE DATABASE IF NOT EXISTS {}", quoted(&fence.schema)),
        )
        .await?;
        let text = format!(
            "CREATE TABLE IF NOT EXISTS {} (id varchar(64) PRIMARY KEY, state varchar(16) NOT NULL, \
             at timestamp(6) NOT NULL DEFAULT current_timestamp(6)) ENGINE=InnoDB",
            quoted_table(&closings)
        );
        self.execute(&what, text).await.map(drop)
    }

    pub(super) async fn make_fence(&mut self, fence: &TableName, writer: &str) -> Result<(), DatabaseError> {
        let what = format!("to create {fence}");
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {} (id varchar(64) PRIMARY KEY, \
             written_at timestamp(6) NOT NULL DEFAULT current_timestamp(6)) ENGINE=InnoDB",
            quoted_table(fence)
        );
        // The fence table itself goes into the log: it is replicated.
        self.execute(&what, create).await?;
        let hosts = format!("SELECT host FROM mysql.user WHERE user = {}", text(writer));
        let hosts = self.words("to look for the fence writer", hosts).await?;
        if hosts.is_empty() {
            let remedy = format!("there is no account {writer}; create it and name it in the fence's secret");
            return Err(DatabaseError::Unsupported(remedy));
        }
        self.stay_local().await?;
        for host in hosts {
            let account = format!("{}@{}", text(writer), text(&host));
            self.execute(
                &what,
                format!("GRANT SELECT, INSERT ON {} TO {account}", quoted_table(fence)),
            )
            .await?;
        }
        self.make_closings(fence).await
    }

    pub(super) async fn unmake_fence(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        for table in [fence.clone(), Self::closings(fence)] {
            let text = format!("DROP TABLE IF EXISTS {}", quoted_table(&table));
            self.execute(&format!("to drop {table}"), text).await?;
        }
        Ok(())
    }

    pub(super) async fn write(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        // With its time: where DMS made the table, it made it without defaults.
        let text = format!(
            "INSERT IGNORE INTO {} (id, written_at) VALUES (?, current_timestamp(6))",
            quoted_table(fence)
        );
        let done = sqlx::query(sql(text)).bind(id).execute(&mut self.connection).await;
        done.map(drop)
            .map_err(self.place.failed(format!("to write a fence to {fence}")))
    }

    pub(super) async fn read(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError> {
        if ids.is_empty() || !self.exists(fence).await? {
            return Ok(Vec::new());
        }
        let wanted: Vec<String> = ids.iter().map(|id| text(id)).collect();
        let query = format!(
            "SELECT id FROM {} WHERE id IN ({}) ORDER BY id",
            quoted_table(fence),
            wanted.join(", ")
        );
        self.words(&format!("to read fences of {fence}"), query).await
    }
}
