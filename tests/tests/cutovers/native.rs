//! How the engines replicate themselves.

use crate::compare::{Key, Table};
use crate::session::{Failed, Kind, Login, Session};
use landfall_domain::database::TableName;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows of one statement of a load.
const LOAD_ROWS: usize = 500;

/// How long the engine's worker may take to be gone after it was told to stop.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// An engine.
#[derive(Debug, Clone, Copy)]
pub struct Engine(pub Kind);

/// One replication.
pub struct Native {
    pub engine: Engine,
    /// Of publication, subscription and slot; of the connection of MariaDB's replica.
    pub name: String,
    pub source: Login,
    pub target: Login,
    /// A slot that holds the log for it since earlier.
    pub slot: Option<String>,
}

impl Native {
    fn is_postgres(&self) -> bool {
        self.engine.0 == Kind::Postgres
    }

    fn quoted(&self, name: &TableName) -> String {
        let quote = if self.is_postgres() { '"' } else { '`' };
        format!("{quote}{}{quote}.{quote}{}{quote}", name.schema, name.table)
    }

    /// The tables of the database.
    pub async fn tables(&self, source: &mut Session) -> Result<Vec<TableName>, Failed> {
        let of = if self.is_postgres() {
            "table_schema NOT IN ('pg_catalog', 'information_schema')".to_owned()
        } else {
            format!("table_schema = '{}'", self.source.database)
        };
        let query = format!(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND {of} ORDER BY 1, 2"
        );
        let rows = source.rows(&query).await?;
        Ok(rows
            .into_iter()
            .map(|row| TableName::new(row[0].clone(), row[1].clone()))
            .collect())
    }

    /// How a table's rows are told apart and hashed.
    pub async fn describe(&self, name: &TableName, source: &mut Session) -> Result<Table, Failed> {
        let of = format!("c.table_schema = '{}' AND c.table_name = '{}'", name.schema, name.table);
        let columns = format!(
            "SELECT c.column_name, c.data_type, EXISTS (SELECT 1 FROM information_schema.key_column_usage k \
             JOIN information_schema.table_constraints p ON p.constraint_name = k.constraint_name \
             AND p.table_schema = k.table_schema AND p.table_name = k.table_name \
             WHERE p.constraint_type = 'PRIMARY KEY' AND k.table_schema = c.table_schema \
             AND k.table_name = c.table_name AND k.column_name = c.column_name) \
             FROM information_schema.columns c WHERE {of} ORDER BY c.ordinal_position"
        );
        let columns = source.rows(&columns).await?;
        let keys: Vec<&Vec<String>> = columns
            .iter()
            .filter(|column| matches!(column[2].as_str(), "t" | "true" | "1"))
            .collect();
        let key = match keys.as_slice() {
            [] => None,
            [only] => Some(Key {
                text: if self.is_postgres() {
                    format!("{}::text", only[0])
                } else {
                    format!("cast({} AS char)", only[0])
                },
                number: only[1] == "bigint" && only[0] == "id",
            }),
            _ => {
                return Err(format!(
                    "{name} has a key of several columns, which no table of this test has"
                ));
            }
        };
        let hash = if self.is_postgres() {
            "md5(t::text)".to_owned()
        } else {
            let one = |column: &Vec<String>| format!("coalesce(hex(`{}`), 'n')", column[0]);
            format!(
                "md5(concat_ws('#', {}))",
                columns.iter().map(one).collect::<Vec<_>>().join(", ")
            )
        };
        Ok(Table {
            kind: self.engine.0,
            name: name.clone(),
            key,
            hash,
        })
    }

    /// Makes the tables that are not on the target, as DMS does: columns and key, nothing else.
    pub async fn create_missing(
        &self,
        tables: &[TableName],
        source: &mut Session,
        target: &mut Session,
    ) -> Result<(), Failed> {
        let there = self.tables(target).await?;
        for name in tables.iter().filter(|name| !there.contains(name)) {
            let text = if self.is_postgres() {
                let columns = format!(
                    "SELECT string_agg(format('%I %s%s', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY attnum) \
                     FROM pg_attribute WHERE attrelid = '{0}'::regclass AND attnum > 0 AND NOT attisdropped",
                    self.quoted(name)
                );
                let key = format!(
                    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{}'::regclass AND contype = 'p'",
                    self.quoted(name)
                );
                let (columns, key) = (source.value(&columns).await?, source.value(&key).await?);
                format!("CREATE TABLE {} ({columns}, {key})", self.quoted(name))
            } else {
                let shown = source.rows(&format!("SHOW CREATE TABLE {}", self.quoted(name))).await?;
                shown[0][1].clone()
            };
            target.run(&self.here(&text)).await?;
        }
        Ok(())
    }

    /// A statement that stays on its server.
    fn here(&self, text: &str) -> String {
        if self.is_postgres() {
            text.to_owned()
        } else {
            format!("SET SESSION sql_log_bin = 0; {text}")
        }
    }

    /// Loads, if it is to, and follows changes: from the load on, or from a position.
    pub async fn start(
        &self,
        tables: &[TableName],
        load: bool,
        position: Option<&str>,
        source: &mut Session,
        target: &mut Session,
    ) -> Result<(), Failed> {
        if self.is_postgres() {
            return self.subscribe(tables, load, source, target).await;
        }
        let position = match position {
            Some(position) => position.to_owned(),
            None => self.load(tables, load, source, target).await?,
        };
        self.follow(&position, target).await
    }

    async fn subscribe(
        &self,
        tables: &[TableName],
        load: bool,
        source: &mut Session,
        target: &mut Session,
    ) -> Result<(), Failed> {
        let name = &self.name;
        let list: Vec<String> = tables.iter().map(|table| self.quoted(table)).collect();
        publish(name, &list, source).await?;
        // A slot's reader finds only publications that are older than the slot, and the way back may be read from one that
        // is made before its task.
        if load {
            publish(&back(name), &list, target).await?;
        }
        let from = &self.source;
        let connection = format!(
            "host=127.0.0.1 port={} user={} password={} dbname={}",
            from.port, from.username, from.password, from.database
        );
        let slot = match &self.slot {
            // The slot that was held has the plugin that DMS reads with. A copy of it holds the log from the same place on for ours.
            Some(held) => {
                let copy = format!("SELECT pg_copy_logical_replication_slot('{held}', '{name}', false, 'pgoutput')");
                source.rows(&copy).await?;
                ", create_slot = false"
            }
            None if load => "",
            None => return Err("changes are to be followed without a load, and no slot holds the log".to_owned()),
        };
        let text = format!(
            "CREATE SUBSCRIPTION {name} CONNECTION '{connection}' PUBLICATION {name} \
             WITH (copy_data = {load}, slot_name = '{name}'{slot})"
        );
        target.run(&text).await
    }

    /// Copies what a snapshot holds; gives the position of the log at that snapshot.
    async fn load(
        &self,
        tables: &[TableName],
        load: bool,
        source: &mut Session,
        target: &mut Session,
    ) -> Result<String, Failed> {
        source.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
        let status = source.rows("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
        let value = |name: &str| {
            let row = status.iter().find(|row| row[0].eq_ignore_ascii_case(name));
            row.map(|row| row[1].clone())
                .ok_or_else(|| format!("the server does not say its {name}"))
        };
        let position = format!(
            "{}:{}",
            value("binlog_snapshot_file")?,
            value("binlog_snapshot_position")?
        );
        // Nothing of the load is a change of the target's.
        target
            .run("SET SESSION sql_log_bin = 0; SET SESSION foreign_key_checks = 0")
            .await?;
        for table in tables.iter().filter(|_| load) {
            self.copy(table, source, target).await?;
        }
        target.run("SET SESSION foreign_key_checks = 1").await?;
        source.run("COMMIT").await?;
        Ok(position)
    }

    async fn copy(&self, table: &TableName, source: &mut Session, target: &mut Session) -> Result<(), Failed> {
        let columns = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND table_name = '{}' ORDER BY ordinal_position",
            table.schema, table.table
        );
        let columns = source.column(&columns).await?;
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote(`{column}`)")).collect();
        let name = self.quoted(table);
        let rows = source
            .rows(&format!("SELECT {} FROM {name}", quoted.join(", ")))
            .await?;
        for rows in rows.chunks(LOAD_ROWS) {
            let values: Vec<String> = rows.iter().map(|row| format!("({})", row.join(", "))).collect();
            target
                .run(&format!("INSERT INTO {name} VALUES {}", values.join(", ")))
                .await?;
        }
        Ok(())
    }

    /// Follows the binary log. Only this database's tables are taken from it; account statements are of `mysql`.
    async fn follow(&self, position: &str, target: &mut Session) -> Result<(), Failed> {
        let (name, from) = (&self.name, &self.source);
        let (file, at) = position
            .split_once(':')
            .ok_or_else(|| format!("{position} is no position"))?;
        let text = format!(
            "CHANGE MASTER '{name}' TO master_host = '127.0.0.1', master_port = {}, master_user = '{}', master_password = '{}', \
             master_log_file = '{file}', master_log_pos = {at}, master_use_gtid = no, master_connect_retry = 1",
            from.port, from.username, from.password
        );
        target.run(&text).await?;
        for (variable, value) in [
            ("replicate_wild_do_table", format!("{}.%", from.database)),
            (
                "replicate_wild_ignore_table",
                format!("{}.landfall\\_freeze", from.database),
            ),
        ] {
            target
                .run(&format!("SET GLOBAL `{name}`.{variable} = '{value}'"))
                .await?;
        }
        target.run(&format!("START SLAVE '{name}'")).await
    }

    /// Goes on where it was paused.
    pub async fn resume(&self, position: Option<&str>, target: &mut Session) -> Result<(), Failed> {
        match position {
            Some(position) => self.follow(position, target).await,
            None => target.run(&format!("ALTER SUBSCRIPTION {} ENABLE", self.name)).await,
        }
    }

    /// Pauses; afterwards nothing is applied. Gives the position to go on from, where it is not the engine that keeps it:
    /// MariaDB takes no second connection to a server, so one that is paused makes room for the next database's.
    pub async fn pause(&self, target: &mut Session) -> Result<Option<String>, Failed> {
        let name = &self.name;
        if !self.is_postgres() {
            target.run(&format!("STOP SLAVE '{name}'")).await?;
            let status = self.replica_status(target).await?;
            target.run(&format!("RESET SLAVE '{name}' ALL")).await?;
            let applied = (status.get("Relay_Master_Log_File"), status.get("Exec_Master_Log_Pos"));
            return match applied {
                (Some(file), Some(at)) => Ok(Some(format!("{file}:{at}"))),
                _ => Err(format!("{name} does not say how far it came")),
            };
        }
        target.run(&format!("ALTER SUBSCRIPTION {name} DISABLE")).await?;
        let working = format!("SELECT count(*) FROM pg_stat_subscription WHERE subname = '{name}' AND pid IS NOT NULL");
        let since = tokio::time::Instant::now();
        while target.value(&working).await? != "0" {
            if since.elapsed() > GONE_WITHIN {
                return Err(format!("the worker of {name} does not end"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(None)
    }

    /// What went wrong with it, if anything did.
    pub async fn error(&self, target: &mut Session) -> Result<Option<Failed>, Failed> {
        let name = &self.name;
        if self.is_postgres() {
            let query = format!(
                "SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats WHERE subname = '{name}'"
            );
            let errors = target.column(&query).await?.pop().unwrap_or_else(|| "0".to_owned());
            return Ok((errors != "0")
                .then(|| format!("{errors} errors of the subscription {name}; the server's log has them")));
        }
        let status = self.replica_status(target).await?;
        let text = |column: &str| status.get(column).cloned().unwrap_or_default();
        let errors = [text("Last_SQL_Error"), text("Last_IO_Error")].join(" ");
        Ok((text("Slave_SQL_Running") != "Yes" && !errors.trim().is_empty()).then_some(errors))
    }

    async fn replica_status(&self, target: &mut Session) -> Result<BTreeMap<String, String>, Failed> {
        let query = format!("SHOW SLAVE '{}' STATUS", self.name);
        let status = target.row(&query).await?;
        status.ok_or_else(|| format!("the server knows no replica connection {}", self.name))
    }

    /// The tables whose load is over, with the rows that they have now.
    pub async fn loaded(&self, tables: &[TableName], target: &mut Session) -> Result<BTreeMap<TableName, u64>, Failed> {
        let mut ready = tables.to_vec();
        if self.is_postgres() {
            let query = format!(
                "SELECT n.nspname, c.relname FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid \
                 JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE s.subname = '{}' AND r.srsubstate = 'r'",
                self.name
            );
            let rows = target.rows(&query).await?;
            ready.retain(|table| rows.iter().any(|row| row[0] == table.schema && row[1] == table.table));
        }
        let mut loaded = BTreeMap::new();
        for table in ready {
            let rows = target
                .value(&format!("SELECT count(*) FROM {}", self.quoted(&table)))
                .await?;
            loaded.insert(table, rows.parse().unwrap_or_default());
        }
        Ok(loaded)
    }

    /// How far behind it is, in seconds.
    pub async fn lag(&self, source: &mut Session, target: &mut Session) -> Result<Option<f64>, Failed> {
        let seconds = if self.is_postgres() {
            let query = format!(
                "SELECT coalesce(extract(epoch FROM replay_lag), 0) FROM pg_stat_replication WHERE application_name = '{}'",
                self.name
            );
            source.column(&query).await?.pop()
        } else {
            self.replica_status(target).await?.remove("Seconds_Behind_Master")
        };
        Ok(seconds.and_then(|seconds| seconds.parse().ok()))
    }

    /// Takes away everything that it made on both servers.
    pub async fn forget(&self) -> Result<(), Failed> {
        let name = &self.name;
        let mut target = Session::open(&self.target).await?;
        if !self.is_postgres() {
            let known = target.rows("SHOW ALL SLAVES STATUS").await?;
            if known.iter().any(|row| row.first() == Some(name)) {
                target
                    .run(&format!("STOP SLAVE '{name}'; RESET SLAVE '{name}' ALL"))
                    .await?;
            }
            return Ok(());
        }
        // It drops its slot on the source too.
        target.run(&format!("DROP SUBSCRIPTION IF EXISTS {name}")).await?;
        target
            .run(&format!("DROP PUBLICATION IF EXISTS {}", back(name)))
            .await?;
        let mut source = Session::open(&self.source).await?;
        source.run(&format!("DROP PUBLICATION IF EXISTS {name}")).await
    }
}

/// The publication of the way back.
fn back(name: &str) -> String {
    format!("{name}_back")
}

/// Makes a publication, unless it is there.
async fn publish(name: &str, tables: &[String], session: &mut Session) -> Result<(), Failed> {
    let there = format!("SELECT count(*) FROM pg_publication WHERE pubname = '{name}'");
    if session.value(&there).await? != "0" {
        return Ok(());
    }
    let text = format!("CREATE PUBLICATION {name} FOR TABLE {}", tables.join(", "));
    session.run(&text).await
}
