//! Fences: written on one side, looked for on the other.

use super::sql;
use super::{Postgres, quoted, quoted_table};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::TableName;

/// The table of closings, beside the fence table.
const CLOSINGS: &str = "landfall_freeze";

impl Postgres {
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
        let schema: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
            .bind(quoted(&fence.schema))
            .fetch_one(&mut self.connection)
            .await
            .map_err(self.place.failed("to look for the fence's schema"))?;
        if !schema {
            let text = format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(&fence.schema));
            self.execute("to create the fence's schema", text).await?;
        }
        let text = format!(
            "CREATE TABLE IF NOT EXISTS {} (id text PRIMARY KEY, state text NOT NULL, at timestamptz NOT NULL DEFAULT now())",
            quoted_table(&closings)
        );
        self.execute(&format!("to create {closings}"), text).await.map(drop)
    }

    pub(super) async fn make_fence(&mut self, fence: &TableName, writer: &str) -> Result<(), DatabaseError> {
        self.make_closings(fence).await?;
        let (table, schema, writer) = (quoted_table(fence), quoted(&fence.schema), quoted(writer));
        let what = format!("to create {fence}");
        for text in [
            format!(
                "CREATE TABLE IF NOT EXISTS {table} (id text PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now())"
            ),
            format!("GRANT USAGE ON SCHEMA {schema} TO {writer}"),
            format!("GRANT SELECT, INSERT ON {table} TO {writer}"),
        ] {
            self.execute(&what, text).await?;
        }
        Ok(())
    }

    pub(super) async fn unmake_fence(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        for table in [fence.clone(), Self::closings(fence)] {
            if self.exists(&table).await? {
                let text = format!("DROP TABLE IF EXISTS {}", quoted_table(&table));
                self.execute(&format!("to drop {table}"), text).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn write(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        // With its time: where DMS made the table, it made it without defaults.
        let text = format!(
            "INSERT INTO {} (id, written_at) VALUES ($1, now()) ON CONFLICT DO NOTHING",
            quoted_table(fence)
        );
        let done = sqlx::query(sql(text)).bind(id).execute(&mut self.connection).await;
        done.map(drop)
            .map_err(self.place.failed(format!("to write a fence to {fence}")))
    }

    pub(super) async fn read(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError> {
        if !self.exists(fence).await? {
            return Ok(Vec::new());
        }
        let text = format!("SELECT id FROM {} WHERE id = ANY($1) ORDER BY id", quoted_table(fence));
        sqlx::query_scalar(sql(text))
            .bind(ids)
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.place.failed(format!("to read fences of {fence}")))
    }
}
