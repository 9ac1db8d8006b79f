//! What DMS leaves behind. A forgotten slot fills the source's disk and holds back vacuum.

use super::{Postgres, quoted, quoted_table};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::TableName;

/// How DMS's control tables, publications and audit objects are named.
const OF_DMS: &str = "awsdms\\_%";

impl Postgres {
    pub(super) async fn left(&mut self) -> Result<Vec<String>, DatabaseError> {
        // Slots of this database that nobody reads any more; DMS's are made with test_decoding or pglogical. One that is
        // in use belongs to somebody.
        sqlx::query_scalar(
            "SELECT what FROM (
               SELECT 'slot:' || slot_name AS what FROM pg_replication_slots
               WHERE database = current_database() AND NOT active AND slot_type = 'logical'
                 AND plugin IN ('test_decoding', 'pglogical_output')
               UNION ALL SELECT 'publication:' || pubname FROM pg_publication WHERE pubname LIKE $1
               UNION ALL SELECT 'table:' || schemaname || '.' || tablename FROM pg_tables WHERE tablename LIKE $1
             ) AS everything ORDER BY what COLLATE \"C\"",
        )
        .bind(OF_DMS)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to look for what replication left"))
    }

    pub(super) async fn end(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        let unknown = || DatabaseError::Unsupported(format!("{leftover} is nothing that replication leaves"));
        let (kind, name) = leftover.split_once(':').ok_or_else(unknown)?;
        let what = format!("to end {leftover}");
        match kind {
            "slot" => {
                let done = sqlx::query(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
                )
                .bind(name)
                .execute(&mut self.connection)
                .await;
                done.map(drop).map_err(self.place.failed(what))
            }
            "publication" => {
                let text = format!("DROP PUBLICATION IF EXISTS {}", quoted(name));
                self.execute(&what, text).await.map(drop)
            }
            "table" => {
                let (schema, table) = name.split_once('.').ok_or_else(unknown)?;
                let text = format!("DROP TABLE IF EXISTS {}", quoted_table(&TableName::new(schema, table)));
                self.execute(&what, text).await.map(drop)
            }
            _ => Err(unknown()),
        }
    }
}
