//! Whether two sides are equal: what the schema is, what tables hold, what DMS has written down.

use super::{Postgres, quoted_table, sql};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{TableName, TableSum, ValidationFailure};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// DMS's table of changes that it could not apply.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ControlTable.html>
const APPLY_EXCEPTIONS: &str = "awsdms_apply_exceptions";

/// DMS's table of rows that differ.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Validating.html>
const VALIDATION_FAILURES: &str = "awsdms_validation_failures_v1";

/// The schema of DMS's control tables on PostgreSQL, unless the task says otherwise.
const CONTROL_SCHEMA: &str = "public";

impl Postgres {
    pub(super) async fn fingerprint_of(&mut self, tables: &[TableName]) -> Result<String, DatabaseError> {
        let mut tables = tables.to_vec();
        tables.sort();
        let mut hash = Sha256::new();
        for table in &tables {
            // Columns, constraints and indexes, each in the server's own words.
            let lines: Vec<String> = sqlx::query_scalar(
                "SELECT line FROM (
                   SELECT 'column ' || a.attnum || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
                          || ' ' || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS line
                   FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                   WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
                   UNION ALL
                   SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid)
                   FROM pg_constraint WHERE conrelid = to_regclass($1)
                   UNION ALL
                   SELECT 'index ' || pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass($1)
                 ) AS lines ORDER BY line COLLATE \"C\"",
            )
            .bind(quoted_table(table))
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.place.failed(format!("to read the schema of {table}")))?;
            hash.update(format!("table {table}\n{}\n", lines.join("\n")));
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) async fn sum_of(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        // The sum of the rows' hashes: the same in any order, and a row that is there twice counts twice.
        let text = format!(
            "SELECT count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0)::text FROM {} t",
            quoted_table(table)
        );
        let row = sqlx::query(sql(text)).fetch_one(&mut self.connection).await;
        let row = row.map_err(self.place.failed(format!("to add up {table}")))?;
        Ok(TableSum {
            rows: u64::try_from(row.get::<i64, _>(0)).unwrap_or_default(),
            checksum: row.get(1),
        })
    }

    pub(super) async fn exceptions(&mut self) -> Result<u64, DatabaseError> {
        let table = TableName::new(CONTROL_SCHEMA, APPLY_EXCEPTIONS);
        if !self.exists(&table).await? {
            return Ok(0);
        }
        let rows: i64 = sqlx::query_scalar(sql(format!("SELECT count(*) FROM {}", quoted_table(&table))))
            .fetch_one(&mut self.connection)
            .await
            .map_err(self.place.failed(format!("to count {table}")))?;
        Ok(u64::try_from(rows).unwrap_or_default())
    }

    pub(super) async fn failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        let table = TableName::new(CONTROL_SCHEMA, VALIDATION_FAILURES);
        if !self.exists(&table).await? {
            return Ok(Vec::new());
        }
        // DMS writes the columns in capital or in small letters, by version.
        let text = format!(
            "SELECT j->>'table_owner', j->>'table_name', j->>'key', j->>'failure_type' FROM (
               SELECT (SELECT jsonb_object_agg(lower(e.key), e.value) FROM jsonb_each(to_jsonb(f)) AS e) AS j
               FROM {} AS f) AS small ORDER BY j->>'failure_time' DESC LIMIT $1",
            quoted_table(&table)
        );
        let rows = sqlx::query(sql(text))
            .bind(i64::from(most))
            .fetch_all(&mut self.connection)
            .await;
        let rows = rows.map_err(self.place.failed(format!("to read {table}")))?;
        let word = |row: &PgRow, column: usize| row.get::<Option<String>, _>(column).unwrap_or_default();
        let one = |row: &PgRow| ValidationFailure {
            table: format!("{}.{}", word(row, 0), word(row, 1)),
            key: word(row, 2),
            failure: word(row, 3),
        };
        Ok(rows.iter().map(one).collect())
    }
}
