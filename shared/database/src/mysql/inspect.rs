//! What is looked at before anything is changed.

use super::{Mysql, quoted, quoted_table, text, word};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Inspection, KeepOpen, TableFacts, TableName};

/// Types that DMS carries as large objects.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.MySQL.html>
const LOB_TYPES: &str =
    "'tinytext', 'text', 'mediumtext', 'longtext', 'tinyblob', 'blob', 'mediumblob', 'longblob', 'json'";

impl Mysql {
    pub(super) async fn inspection(
        &mut self,
        schemas: &[String],
        keep: &KeepOpen,
    ) -> Result<Inspection, DatabaseError> {
        let list: Vec<String> = schemas.iter().map(|schema| text(schema)).collect();
        let list = if list.is_empty() {
            "''".to_owned()
        } else {
            list.join(", ")
        };
        let size = format!(
            "SELECT cast(coalesce(sum(data_length + index_length), 0) AS unsigned) FROM information_schema.tables WHERE table_schema IN ({list})"
        );
        let size_bytes = self
            .value("to measure the schemas", size)
            .await?
            .parse()
            .unwrap_or_default();
        let triggers = format!(
            "SELECT concat_ws('.', trigger_schema, event_object_table, trigger_name) FROM information_schema.triggers \
             WHERE trigger_schema IN ({list}) ORDER BY 1"
        );
        let exempt = self.exempt().await?;
        let accounts = self.accounts(keep).await?;
        let exempt_logins = accounts.iter().filter(|account| exempt.contains(&account.quoted()));
        Ok(Inspection {
            version: self.product.name(),
            size_bytes,
            tables: self.tables(&list).await?,
            sequences: self.counters(schemas).await?,
            triggers: self.words("to list triggers", triggers).await?,
            exempt_logins: exempt_logins.map(|account| account.quoted()).collect(),
            prepared_transactions: self.prepared().await?,
            log_retention_hours: self.retention().await?,
            log_problems: self.log_problems(keep, &exempt).await?,
            sessions: self.sessions().await?,
        })
    }

    async fn tables(&mut self, list: &str) -> Result<Vec<TableFacts>, DatabaseError> {
        let query = format!(
            "SELECT t.table_schema, t.table_name, coalesce(t.table_rows, 0),
                    EXISTS (SELECT 1 FROM information_schema.statistics s
                            WHERE s.table_schema = t.table_schema AND s.table_name = t.table_name AND s.non_unique = 0
                            GROUP BY s.index_name HAVING sum(s.nullable = 'YES') = 0)
             FROM information_schema.tables t WHERE t.table_schema IN ({list}) AND t.table_type = 'BASE TABLE' ORDER BY 1, 2"
        );
        let rows = self.rows("to list tables", query).await?;
        let mut tables = Vec::new();
        for row in &rows {
            let name = TableName::new(word(row, 0), word(row, 1));
            tables.push(TableFacts {
                has_key: word(row, 3) == "1",
                // The binary log has whole rows, key or not; a table without one is only slow, and never validated.
                full_identity: true,
                rows_estimate: word(row, 2).parse().unwrap_or_default(),
                largest_lob_bytes: self.largest_lob(&name).await?,
                name,
            });
        }
        Ok(tables)
    }

    async fn largest_lob(&mut self, table: &TableName) -> Result<Option<u64>, DatabaseError> {
        let query = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = {} AND table_name = {} \
             AND data_type IN ({LOB_TYPES}) ORDER BY ordinal_position",
            text(&table.schema),
            text(&table.table)
        );
        let columns = self.words(&format!("to list columns of {table}"), query).await?;
        if columns.is_empty() {
            return Ok(None);
        }
        let sizes: Vec<String> = columns
            .iter()
            .map(|column| format!("coalesce(length({}), 0)", quoted(column)))
            .collect();
        // `greatest` wants two.
        let query = format!(
            "SELECT coalesce(max(greatest(0, {})), 0) FROM {}",
            sizes.join(", "),
            quoted_table(table)
        );
        let largest = self
            .value(&format!("to measure large objects of {table}"), query)
            .await?;
        Ok(Some(largest.parse().unwrap_or_default()))
    }

    /// How long the binary log is kept, in hours. Zero seconds mean for ever.
    async fn retention(&mut self) -> Result<Option<u64>, DatabaseError> {
        let query = "SHOW GLOBAL VARIABLES WHERE variable_name IN ('binlog_expire_logs_seconds', 'expire_logs_days')";
        let rows = self.rows("to read the log's retention", query.to_owned()).await?;
        let mut seconds = 0.0_f64;
        for row in &rows {
            let value: f64 = word(row, 1).parse().unwrap_or_default();
            let of_days = word(row, 0).eq_ignore_ascii_case("expire_logs_days");
            seconds = seconds.max(if of_days { value * 86_400.0 } else { value });
        }
        Ok((seconds > 0.0).then_some((seconds / 3_600.0) as u64))
    }

    async fn log_problems(
        &mut self,
        keep: &KeepOpen,
        exempt: &std::collections::BTreeSet<String>,
    ) -> Result<Vec<String>, DatabaseError> {
        let rows = self
            .rows(
                "to read the log's settings",
                "SHOW GLOBAL VARIABLES WHERE variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'read_only')"
                    .to_owned(),
            )
            .await?;
        let mut problems = Vec::new();
        for row in &rows {
            let (name, value) = (word(row, 0).to_ascii_lowercase(), word(row, 1));
            let needed = match name.as_str() {
                "log_bin" => "ON",
                "binlog_format" => "ROW",
                "binlog_row_image" => "FULL",
                _ => continue,
            };
            if !value.eq_ignore_ascii_case(needed) {
                problems.push(format!("{name} is {value}, and changes can only be read with {needed}"));
            }
        }
        let read_only = rows
            .iter()
            .any(|row| word(row, 0) == "read_only" && word(row, 1) == "ON");
        if read_only
            && !keep
                .logins
                .iter()
                .any(|login| exempt.iter().any(|name| name.starts_with(&format!("{}@", text(login)))))
        {
            problems.push(format!(
                "the server is read-only and the fence writer is not exempt; GRANT {} ON *.* to it",
                self.product.fence_privilege()
            ));
        }
        Ok(problems)
    }

    async fn sessions(&mut self) -> Result<Vec<(String, u32)>, DatabaseError> {
        let query = "SELECT user, count(*) FROM information_schema.processlist WHERE id <> connection_id() \
                     AND command NOT LIKE 'Binlog Dump%' AND user NOT IN ('system user', 'event_scheduler', 'unauthenticated user') \
                     GROUP BY user ORDER BY user";
        let rows = self.rows("to list sessions", query.to_owned()).await?;
        Ok(rows
            .iter()
            .map(|row| (word(row, 0), word(row, 1).parse().unwrap_or_default()))
            .collect())
    }
}
