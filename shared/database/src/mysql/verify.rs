//! Whether two sides are equal: what the schema is, what tables hold, what DMS has written down.

use super::{Mysql, quoted, quoted_table, text, word};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{TableName, TableSum, ValidationFailure};
use sha2::{Digest, Sha256};

/// The schema of DMS's control tables on MySQL.
const CONTROL_SCHEMA: &str = "awsdms_control";

impl Mysql {
    pub(super) async fn fingerprint_of(&mut self, tables: &[TableName]) -> Result<String, DatabaseError> {
        let mut tables = tables.to_vec();
        tables.sort();
        let mut hash = Sha256::new();
        for table in &tables {
            let what = format!("to read the schema of {table}");
            let (schema, name) = (text(&table.schema), text(&table.table));
            for query in [
                format!(
                    "SELECT concat_ws(' ', ordinal_position, column_name, column_type, is_nullable, coalesce(column_default, ''), extra) \
                     FROM information_schema.columns WHERE table_schema = {schema} AND table_name = {name} ORDER BY ordinal_position"
                ),
                format!(
                    "SELECT concat_ws(' ', index_name, seq_in_index, column_name, non_unique) FROM information_schema.statistics \
                     WHERE table_schema = {schema} AND table_name = {name} ORDER BY index_name, seq_in_index"
                ),
                format!(
                    "SELECT concat_ws(' ', constraint_name, column_name, referenced_table_name, referenced_column_name) \
                     FROM information_schema.key_column_usage WHERE table_schema = {schema} AND table_name = {name} \
                     ORDER BY constraint_name, ordinal_position"
                ),
            ] {
                let lines = self.words(&what, query).await?;
                hash.update(format!("{table}\n{}\n", lines.join("\n")));
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) async fn columns(&mut self, table: &TableName) -> Result<Vec<String>, DatabaseError> {
        let query = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
            text(&table.schema),
            text(&table.table)
        );
        self.words(&format!("to list columns of {table}"), query).await
    }

    pub(super) async fn sum_of(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        let columns = self.columns(table).await?;
        // A missing value and an empty one differ; the sum is the same in any order, and exact.
        let one = |column: &String| format!("if({0} IS NULL, 'n', concat('v', hex({0})))", quoted(column));
        let row = columns.iter().map(one).collect::<Vec<_>>().join(", ");
        let query = format!(
            "SELECT count(*), coalesce(sum(cast(conv(substr(md5(concat_ws('#', {row})), 1, 15), 16, 10) AS decimal(20, 0))), 0) FROM {}",
            quoted_table(table)
        );
        let rows = self.rows(&format!("to add up {table}"), query).await?;
        let sum = rows.first().map(|row| (word(row, 0), word(row, 1))).unwrap_or_default();
        Ok(TableSum {
            rows: sum.0.parse().unwrap_or_default(),
            checksum: sum.1,
        })
    }

    pub(super) async fn exceptions(&mut self) -> Result<u64, DatabaseError> {
        let table = TableName::new(CONTROL_SCHEMA, "awsdms_apply_exceptions");
        if !self.exists(&table).await? {
            return Ok(0);
        }
        let rows = self
            .value(
                &format!("to count {table}"),
                format!("SELECT count(*) FROM {}", quoted_table(&table)),
            )
            .await?;
        Ok(rows.parse().unwrap_or_default())
    }

    pub(super) async fn failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        let table = TableName::new(CONTROL_SCHEMA, "awsdms_validation_failures_v1");
        if !self.exists(&table).await? {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT table_owner, table_name, `key`, failure_type FROM {} ORDER BY failure_time DESC LIMIT {most}",
            quoted_table(&table)
        );
        let rows = self.rows(&format!("to read {table}"), query).await?;
        let one = |row: &sqlx::mysql::MySqlRow| ValidationFailure {
            table: format!("{}.{}", word(row, 0), word(row, 1)),
            key: word(row, 2),
            failure: word(row, 3),
        };
        Ok(rows.iter().map(one).collect())
    }

    pub(super) async fn left(&mut self) -> Result<Vec<String>, DatabaseError> {
        let query = "SELECT concat('table:', table_schema, '.', table_name) FROM information_schema.tables \
                     WHERE table_name LIKE 'awsdms\\_%' ORDER BY 1";
        self.words("to look for what replication left", query.to_owned()).await
    }

    pub(super) async fn end(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        let named = leftover.strip_prefix("table:").and_then(|name| name.split_once('.'));
        let Some((schema, table)) = named.filter(|(_, table)| table.starts_with("awsdms_")) else {
            return Err(DatabaseError::Unsupported(format!(
                "{leftover} is nothing that replication leaves"
            )));
        };
        let statement = format!("DROP TABLE IF EXISTS {}", quoted_table(&TableName::new(schema, table)));
        self.execute(&format!("to end {leftover}"), statement).await.map(drop)
    }

    pub(super) async fn position(&mut self) -> Result<String, DatabaseError> {
        let show = self.product.show_position().to_owned();
        let rows = self.rows("to read the log's position", show).await?;
        match rows.first() {
            Some(row) => Ok(format!("{}:{}", word(row, 0), word(row, 1))),
            None => Err(DatabaseError::Unsupported(
                "the server writes no binary log; turn log_bin on".to_owned(),
            )),
        }
    }
}
