//! What replication does not carry: sequences, triggers, foreign keys, statistics.

use super::{Postgres, quoted, quoted_table, sql};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Readiness, SequenceValue, TableName};
use sqlx::{Connection, Row};

impl Postgres {
    pub(super) async fn sequences_of(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        let rows = sqlx::query(
            "SELECT schemaname::text, sequencename::text, last_value, increment_by FROM pg_sequences \
             WHERE schemaname::text = ANY($1) AND last_value IS NOT NULL ORDER BY 1, 2",
        )
        .bind(schemas)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to read sequences"))?;
        let one = |row: &sqlx::postgres::PgRow| SequenceValue {
            name: TableName::new(row.get::<String, _>(0), row.get::<String, _>(1)),
            last_value: row.get(2),
            increment: row.get(3),
        };
        Ok(rows.iter().map(one).collect())
    }

    pub(super) async fn advance(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError> {
        for value in values {
            let name = quoted_table(&value.name);
            // Forward only, in the direction the sequence counts: one that is further already stays.
            let text = format!(
                "SELECT setval($1::regclass, CASE WHEN $3 > 0 THEN greatest($2, last_value) ELSE least($2, last_value) END) FROM {name}"
            );
            let wanted = value
                .last_value
                .saturating_add(value.increment.saturating_mul(i64::from(margin)));
            sqlx::query(sql(text))
                .bind(&name)
                .bind(wanted)
                .bind(value.increment)
                .execute(&mut self.connection)
                .await
                .map_err(self.place.failed(format!("to advance the sequence {}", value.name)))?;
        }
        Ok(())
    }

    pub(super) async fn ready(&mut self, tables: &[TableName]) -> Result<Readiness, DatabaseError> {
        let mut readiness = Readiness::default();
        for table in tables {
            if !self.exists(table).await? {
                readiness
                    .missing
                    .push(format!("the table {table} is not on the target; load it again"));
                continue;
            }
            self.enable_triggers(table, &mut readiness).await?;
            self.validate_foreign_keys(table, &mut readiness).await?;
            self.execute(
                &format!("to gather statistics of {table}"),
                format!("ANALYZE {}", quoted_table(table)),
            )
            .await?;
        }
        readiness
            .done
            .push(format!("statistics of {} tables are gathered", tables.len()));
        Ok(readiness)
    }

    async fn enable_triggers(&mut self, table: &TableName, readiness: &mut Readiness) -> Result<(), DatabaseError> {
        let rows = sqlx::query(
            "SELECT tgname::text, tgisinternal FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgenabled = 'D' ORDER BY 1",
        )
        .bind(quoted_table(table))
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed(format!("to list triggers of {table}")))?;
        if rows.is_empty() {
            return Ok(());
        }
        // Internal triggers are those of foreign keys; they can only be enabled all together.
        let internal = rows.iter().any(|row| row.get::<bool, _>(1));
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let texts: Vec<String> = if internal {
            vec![format!("ALTER TABLE {} ENABLE TRIGGER ALL", quoted_table(table))]
        } else {
            let one = |name: &String| format!("ALTER TABLE {} ENABLE TRIGGER {}", quoted_table(table), quoted(name));
            names.iter().map(one).collect()
        };
        for text in texts {
            match self
                .execute(&format!("to enable triggers of {table}"), text.clone())
                .await
            {
                Ok(_) => {}
                Err(DatabaseError::Refused { message, .. }) => {
                    readiness
                        .missing
                        .push(format!("triggers of {table} stay disabled: {message}; run: {text}"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        readiness
            .done
            .push(format!("triggers of {table} are enabled: {}", names.join(", ")));
        Ok(())
    }

    async fn validate_foreign_keys(
        &mut self,
        table: &TableName,
        readiness: &mut Readiness,
    ) -> Result<(), DatabaseError> {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'f' AND NOT convalidated ORDER BY 1",
        )
        .bind(quoted_table(table))
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed(format!("to list foreign keys of {table}")))?;
        for name in names {
            let text = format!(
                "ALTER TABLE {} VALIDATE CONSTRAINT {}",
                quoted_table(table),
                quoted(&name)
            );
            match self
                .execute(&format!("to validate {name} of {table}"), text.clone())
                .await
            {
                Ok(_) => readiness.done.push(format!("the foreign key {name} of {table} holds")),
                Err(DatabaseError::Refused { message, .. }) => {
                    readiness
                        .missing
                        .push(format!("the foreign key {name} of {table} does not hold: {message}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) async fn smoke(&mut self, statement: Option<&str>) -> Result<(), DatabaseError> {
        let place = self.place.clone();
        let mut attempt = self
            .connection
            .begin()
            .await
            .map_err(place.failed("to begin a smoke test"))?;
        let text = statement.unwrap_or("SELECT pg_current_xact_id()").to_owned();
        let done = sqlx::query(sql(text)).execute(&mut *attempt).await;
        done.map_err(place.failed("the smoke test"))?;
        attempt
            .rollback()
            .await
            .map_err(place.failed("to take the smoke test back"))
    }
}
