//! What replication does not carry: counters, foreign keys, statistics.

use super::{Mysql, quoted, quoted_table, text, word};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Readiness, SequenceValue, TableName};
use std::collections::BTreeMap;

/// Child and parent columns of a foreign key.
type Columns = Vec<(String, String)>;

impl Mysql {
    pub(super) async fn counters(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        let schemas: Vec<String> = schemas.iter().map(|schema| text(schema)).collect();
        if schemas.is_empty() {
            return Ok(Vec::new());
        }
        if !self.product.mariadb && self.product.version.0 >= 8 {
            // MySQL 8 answers with day-old statistics otherwise.
            let fresh = "SET SESSION information_schema_stats_expiry = 0".to_owned();
            self.execute("to ask for fresh counters", fresh).await?;
        }
        let query = format!(
            "SELECT table_schema, table_name, auto_increment, table_type FROM information_schema.tables \
             WHERE table_schema IN ({}) AND (auto_increment IS NOT NULL OR table_type = 'SEQUENCE') ORDER BY 1, 2",
            schemas.join(", ")
        );
        let rows = self.rows("to read counters", query).await?;
        let mut values = Vec::new();
        for row in &rows {
            let name = TableName::new(word(row, 0), word(row, 1));
            if word(row, 3) == "SEQUENCE" {
                values.push(self.sequence(name).await?);
            } else {
                let next: i64 = word(row, 2).parse().unwrap_or(1);
                values.push(SequenceValue {
                    name,
                    last_value: next - 1,
                    increment: 1,
                });
            }
        }
        Ok(values)
    }

    /// A sequence of MariaDB.
    async fn sequence(&mut self, name: TableName) -> Result<SequenceValue, DatabaseError> {
        let query = format!("SELECT next_not_cached_value, increment FROM {}", quoted_table(&name));
        let rows = self.rows(&format!("to read the sequence {name}"), query).await?;
        let number = |column| {
            rows.first()
                .and_then(|row| word(row, column).parse::<i64>().ok())
                .unwrap_or(1)
        };
        let (next, increment) = (number(0), number(1));
        Ok(SequenceValue {
            name,
            last_value: next - increment,
            increment,
        })
    }

    pub(super) async fn advance(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError> {
        for value in values {
            let what = format!("to advance the counter of {}", value.name);
            let present = self.counters(std::slice::from_ref(&value.name.schema)).await?;
            let Some(present) = present.into_iter().find(|present| present.name == value.name) else {
                return Err(DatabaseError::Unsupported(format!(
                    "{} has no counter on this side",
                    value.name
                )));
            };
            let wanted = value
                .last_value
                .saturating_add(value.increment.saturating_mul(i64::from(margin)));
            let further = if value.increment > 0 {
                present.last_value >= wanted
            } else {
                present.last_value <= wanted
            };
            if further {
                continue;
            }
            let kind = format!(
                "SELECT table_type FROM information_schema.tables WHERE table_schema = {} AND table_name = {}",
                text(&value.name.schema),
                text(&value.name.table)
            );
            let name = quoted_table(&value.name);
            let statement = if self.value(&what, kind).await? == "SEQUENCE" {
                format!("SELECT setval({name}, {wanted})")
            } else {
                format!("ALTER TABLE {name} AUTO_INCREMENT = {}", wanted + 1)
            };
            self.execute(&what, statement).await?;
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
            self.check_foreign_keys(table, &mut readiness).await?;
            self.rows(
                &format!("to gather statistics of {table}"),
                format!("ANALYZE TABLE {}", quoted_table(table)),
            )
            .await?;
        }
        readiness
            .done
            .push(format!("statistics of {} tables are gathered", tables.len()));
        Ok(readiness)
    }

    /// Nothing validates a foreign key afterwards here: rows that were loaded with checks off are looked for.
    async fn check_foreign_keys(&mut self, table: &TableName, readiness: &mut Readiness) -> Result<(), DatabaseError> {
        let query = format!(
            "SELECT constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name \
             FROM information_schema.key_column_usage WHERE table_schema = {} AND table_name = {} \
             AND referenced_table_name IS NOT NULL ORDER BY constraint_name, ordinal_position",
            text(&table.schema),
            text(&table.table)
        );
        let rows = self.rows(&format!("to list foreign keys of {table}"), query).await?;
        let mut keys: BTreeMap<String, (TableName, Columns)> = BTreeMap::new();
        for row in &rows {
            let parent = TableName::new(word(row, 2), word(row, 3));
            let (_, columns) = keys.entry(word(row, 0)).or_insert_with(|| (parent, Vec::new()));
            columns.push((word(row, 1), word(row, 4)));
        }
        for (name, (parent, columns)) in keys {
            let both = |glue: &str, each: &dyn Fn(&(String, String)) -> String| {
                columns.iter().map(each).collect::<Vec<_>>().join(glue)
            };
            let joined = both(" AND ", &|(child, of)| {
                format!("c.{} = p.{}", quoted(child), quoted(of))
            });
            let given = both(" AND ", &|(child, _)| format!("c.{} IS NOT NULL", quoted(child)));
            let query = format!(
                "SELECT count(*) FROM {} c LEFT JOIN {} p ON {joined} WHERE {given} AND p.{} IS NULL",
                quoted_table(table),
                quoted_table(&parent),
                quoted(&columns[0].1)
            );
            match self
                .value(&format!("to check {name} of {table}"), query)
                .await?
                .as_str()
            {
                "0" => readiness.done.push(format!("the foreign key {name} of {table} holds")),
                orphans => readiness.missing.push(format!(
                    "the foreign key {name} of {table} does not hold: {orphans} rows have no row in {parent}"
                )),
            }
        }
        Ok(())
    }

    pub(super) async fn smoke(&mut self, statement: Option<&str>) -> Result<(), DatabaseError> {
        self.execute("to begin a smoke test", "START TRANSACTION READ WRITE".to_owned())
            .await?;
        if let Some(statement) = statement {
            self.rows("the smoke test", statement.to_owned()).await?;
        }
        self.execute("to take the smoke test back", "ROLLBACK".to_owned())
            .await
            .map(drop)
    }
}
