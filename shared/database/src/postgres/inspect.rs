//! What is looked at before anything is changed.

use super::{Postgres, quoted, quoted_table, sql};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Inspection, KeepOpen, TableFacts, TableName};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// Types without a limit, which DMS carries as large objects.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html>
const LOB_TYPES: [&str; 6] = ["bytea", "text", "json", "jsonb", "xml", "hstore"];

/// Above so many rows the largest object is looked for in a sample of the table, which can miss it.
const ROWS_READ_MAX: u64 = 1_000_000;

impl Postgres {
    pub(super) async fn inspection(
        &mut self,
        schemas: &[String],
        keep: &KeepOpen,
    ) -> Result<Inspection, DatabaseError> {
        let version: String = self
            .scalar(
                "to read the version",
                "SELECT 'PostgreSQL ' || current_setting('server_version')",
            )
            .await?;
        let mut tables = self.tables(schemas).await?;
        let mut size_bytes = 0;
        for (table, size) in &mut tables {
            size_bytes += *size;
            table.largest_lob_bytes = self.largest_lob(table).await?;
        }
        Ok(Inspection {
            version,
            size_bytes,
            tables: tables.into_iter().map(|(table, _)| table).collect(),
            sequences: self.sequences_of(schemas).await?,
            triggers: self.triggers(schemas).await?,
            exempt_logins: self.superusers(keep).await?,
            prepared_transactions: self.prepared().await?,
            // The log is kept for as long as a slot needs it.
            log_retention_hours: None,
            log_problems: self.log_problems().await?,
            sessions: self.sessions().await?,
        })
    }

    async fn scalar(&mut self, what: &str, text: &'static str) -> Result<String, DatabaseError> {
        sqlx::query_scalar(text)
            .fetch_one(&mut self.connection)
            .await
            .map_err(self.place.failed(what))
    }

    async fn tables(&mut self, schemas: &[String]) -> Result<Vec<(TableFacts, u64)>, DatabaseError> {
        let rows = sqlx::query(
            "SELECT n.nspname::text, c.relname::text, c.relreplident::text, greatest(c.reltuples, 0)::bigint,
                    pg_total_relation_size(c.oid),
                    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
                            AND i.indpred IS NULL
                            AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                                            AND a.attnum = ANY(i.indkey) AND NOT a.attnotnull))
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND n.nspname::text = ANY($1) ORDER BY 1, 2",
        )
        .bind(schemas)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list tables"))?;
        let number = |value: i64| u64::try_from(value).unwrap_or_default();
        let one = |row: &PgRow| {
            let facts = TableFacts {
                name: TableName::new(row.get::<String, _>(0), row.get::<String, _>(1)),
                has_key: row.get(5),
                full_identity: row.get::<String, _>(2) == "f",
                rows_estimate: number(row.get(3)),
                largest_lob_bytes: None,
            };
            (facts, number(row.get(4)))
        };
        Ok(rows.iter().map(one).collect())
    }

    async fn largest_lob(&mut self, table: &TableFacts) -> Result<Option<u64>, DatabaseError> {
        let types: Vec<String> = LOB_TYPES.iter().map(|name| (*name).to_owned()).collect();
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 \
             AND NOT attisdropped AND format_type(atttypid, NULL) = ANY($2) ORDER BY attnum",
        )
        .bind(quoted_table(&table.name))
        .bind(&types)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed(format!("to list columns of {}", table.name)))?;
        if columns.is_empty() {
            return Ok(None);
        }
        let size = |column: &String| format!("coalesce(octet_length({}::text), 0)", quoted(column));
        let sizes: Vec<String> = columns.iter().map(size).collect();
        let sample = if table.rows_estimate > ROWS_READ_MAX {
            " TABLESAMPLE SYSTEM (1)"
        } else {
            ""
        };
        let text = format!(
            "SELECT coalesce(max(greatest({})), 0)::bigint FROM {}{sample}",
            sizes.join(", "),
            quoted_table(&table.name)
        );
        let largest: i64 = sqlx::query_scalar(sql(text))
            .fetch_one(&mut self.connection)
            .await
            .map_err(self.place.failed(format!("to measure large objects of {}", table.name)))?;
        Ok(Some(u64::try_from(largest).unwrap_or_default()))
    }

    async fn triggers(&mut self, schemas: &[String]) -> Result<Vec<String>, DatabaseError> {
        sqlx::query_scalar(
            "SELECT n.nspname || '.' || c.relname || '.' || t.tgname FROM pg_trigger t
             JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE NOT t.tgisinternal AND t.tgenabled IN ('A', 'R', 'O') AND n.nspname::text = ANY($1) ORDER BY 1",
        )
        .bind(schemas)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list triggers"))
    }

    async fn superusers(&mut self, keep: &KeepOpen) -> Result<Vec<String>, DatabaseError> {
        sqlx::query_scalar(
            "SELECT rolname::text FROM pg_roles WHERE rolsuper AND rolcanlogin AND rolname <> current_user \
             AND rolname::text <> ALL($1) ORDER BY 1",
        )
        .bind(&keep.logins)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list superusers"))
    }

    async fn log_problems(&mut self) -> Result<Vec<String>, DatabaseError> {
        let level = self
            .scalar("to read wal_level", "SELECT current_setting('wal_level')")
            .await?;
        let free: i64 = sqlx::query_scalar(
            "SELECT current_setting('max_replication_slots')::bigint - (SELECT count(*) FROM pg_replication_slots)",
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(self.place.failed("to count replication slots"))?;
        let mut problems = Vec::new();
        if level != "logical" {
            problems.push(format!(
                "wal_level is {level}, and changes can only be read with logical"
            ));
        }
        if free < 1 {
            problems.push("no replication slot is free; raise max_replication_slots".to_owned());
        }
        Ok(problems)
    }

    async fn sessions(&mut self) -> Result<Vec<(String, u32)>, DatabaseError> {
        let rows = sqlx::query(
            "SELECT usename::text, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
             AND datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL GROUP BY 1 ORDER BY 1",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list sessions"))?;
        let count = |row: &PgRow| u32::try_from(row.get::<i64, _>(1)).unwrap_or(u32::MAX);
        Ok(rows.iter().map(|row| (row.get(0), count(row))).collect())
    }
}
