//! Databases as replication uses them: the log is read in order, changes are applied as DMS's user.

use jiff::Timestamp;
use landfall_domain::database::{TableName, ValidationFailure};
use landfall_domain::plan::database::Engine;
use serde_json::json;

use super::DatabaseFleet;
use super::model::{Change, Commit, Role, Row, Table};
use super::server::{Refusal, Server};

/// DMS's table of changes that it could not apply.
pub const APPLY_EXCEPTIONS: &str = "awsdms_apply_exceptions";
/// DMS's table of rows that differ.
pub const VALIDATION_FAILURES: &str = "awsdms_validation_failures_v1";

/// Why replication gets no further with a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicationRefusal {
    /// The host cannot be reached.
    Unreachable,
    /// The login is locked, unknown, or its password is wrong.
    LoginRefused(String),
    /// The change was refused: by read-only mode, by a key, by a missing table.
    Refused(Refusal),
}

impl DatabaseFleet {
    /// The engine at a host; [`None`] when there is no database.
    pub fn engine(&self, host: &str) -> Option<Engine> {
        self.look(host, |server| server.spec.engine)
    }

    /// Whether DMS can log in with this user name and password.
    pub fn check_replication(&self, host: &str, username: &str, password: &str) -> Result<(), ReplicationRefusal> {
        if !self.reachable(host, true) {
            return Err(ReplicationRefusal::Unreachable);
        }
        self.change(host, |server| match server.logins.get(username) {
            Some(login) if login.can_log_in && login.password == password => Ok(()),
            _ => Err(ReplicationRefusal::LoginRefused(format!(
                "{username} may not log in to {host}"
            ))),
        })
    }

    /// The number of the last commit at a host; 0 before the first.
    pub fn position(&self, host: &str) -> u64 {
        self.look(host, Server::position).unwrap_or_default()
    }

    /// The number of the last commit before a `CdcStartPosition`; [`None`] when the engine never gave it.
    pub fn position_of(&self, host: &str, text: &str) -> Option<u64> {
        self.look(host, |server| server.position_of(text)).flatten()
    }

    /// A position in the engine's words.
    pub fn position_text(&self, host: &str, position: u64) -> String {
        self.look(host, |server| server.position_text(position))
            .unwrap_or_default()
    }

    /// Every commit after a position, in order. What has not been committed is not among them.
    pub fn changes_since(&self, host: &str, position: u64) -> Vec<Commit> {
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        self.look(host, |server| server.log.get(from..).unwrap_or_default().to_vec())
            .unwrap_or_default()
    }

    /// Applies changes in one transaction as DMS's user: all of them, or none. Gives the position of its commit.
    pub fn apply(&self, host: &str, username: &str, changes: Vec<Change>) -> Result<u64, ReplicationRefusal> {
        if !self.reachable(host, true) {
            return Err(ReplicationRefusal::Unreachable);
        }
        let now = self.now();
        self.change(host, |server| {
            let login = match server.logins.get(username) {
                Some(login) if login.can_log_in => login.clone(),
                _ => {
                    return Err(ReplicationRefusal::LoginRefused(format!(
                        "{username} may not log in to {host}"
                    )));
                }
            };
            server.may_write(&login).map_err(ReplicationRefusal::Refused)?;
            let changes = changes.into_iter().map(|change| server.numbered(change)).collect();
            server
                .commit(username, now, changes)
                .map_err(ReplicationRefusal::Refused)
        })
    }

    /// Makes a table unless it is there; true when it was made.
    pub fn create_table(&self, host: &str, name: &TableName, definition: &Table) -> bool {
        self.change(host, |server| {
            let missing = !server.tables.contains_key(name);
            if missing {
                server.tables.insert(name.clone(), definition.definition());
            }
            missing
        })
    }

    /// Takes every row out of a table.
    pub fn truncate_table(&self, host: &str, name: &TableName) {
        self.change(host, |server| {
            if let Some(table) = server.tables.get_mut(name) {
                table.rows.clear();
            }
        });
    }

    /// Drops a table; true when it was there.
    pub fn drop_table(&self, host: &str, name: &TableName) -> bool {
        self.change(host, |server| server.tables.remove(name).is_some())
    }

    /// Writes a line to DMS's table of changes that could not be applied, which is made when it is not there.
    pub fn add_apply_exception(&self, host: &str, table: &TableName, error: &str) {
        let value = json!({"TABLE_OWNER": table.schema, "TABLE_NAME": table.table, "ERROR": error});
        self.add_control_row(host, APPLY_EXCEPTIONS, Row::new(value));
    }

    /// Writes a line to DMS's table of rows that differ, which is made when it is not there.
    pub fn add_validation_failure(&self, host: &str, table: &TableName, key: &str, failure: &str) {
        let value =
            json!({"TABLE_OWNER": table.schema, "TABLE_NAME": table.table, "KEY": key, "FAILURE_TYPE": failure});
        self.add_control_row(host, VALIDATION_FAILURES, Row::new(value));
    }

    /// Takes lines out of DMS's table of rows that differ, as a validation that finds the row equal later does.
    pub fn clear_validation_failures(&self, host: &str, table: &TableName) {
        self.change(host, |server| {
            let control = server.control_table(VALIDATION_FAILURES);
            if let Some(failures) = server.tables.get_mut(&control) {
                failures.rows.retain(|_, row| {
                    row.value["TABLE_OWNER"] != table.schema || row.value["TABLE_NAME"] != table.table
                });
            }
        });
    }

    fn add_control_row(&self, host: &str, table: &str, row: Row) {
        self.change(host, |server| {
            let name = server.control_table(table);
            let control = server.tables.entry(name).or_insert_with(Table::keyless);
            let key = format!("{:012}", control.next_row);
            control.next_row += 1;
            control.rows.insert(key, row);
        });
    }

    /// Whether applications are shut out of a host: a login of theirs is locked, or it is in read-only mode.
    pub fn is_closed(&self, host: &str) -> bool {
        let locked = |server: &Server| {
            let mut logins = server.logins.values();
            logins.any(|login| login.role == Role::Application && !login.can_log_in)
        };
        self.look(host, |server| server.read_only || locked(server))
            .unwrap_or_default()
    }

    /// Since when the oldest transaction of an application is open.
    pub fn oldest_transaction(&self, host: &str) -> Option<Timestamp> {
        self.look(host, |server| {
            let sessions = server.sessions.values();
            sessions
                .filter_map(|session| Some(session.transaction.as_ref()?.0))
                .min()
        })
        .flatten()
    }

    /// Whether a server has a replication slot.
    pub fn has_slot(&self, host: &str, name: &str) -> bool {
        self.look(host, |server| server.slots.contains_key(name))
            .unwrap_or_default()
    }

    /// Adds a logical replication slot, in use or not.
    pub fn add_slot(&self, host: &str, name: &str, active: bool) {
        self.change(host, |server| server.slots.insert(name.to_owned(), active));
    }

    /// What keeps a server's log for replication: `slot:…`, `publication:…`.
    pub fn kept_for_replication(&self, host: &str) -> Vec<String> {
        let kept = |server: &Server| {
            let slots = server.slots.keys().map(|name| format!("slot:{name}"));
            let publications = server.publications.iter().map(|name| format!("publication:{name}"));
            slots.chain(publications).collect()
        };
        self.look(host, kept).unwrap_or_default()
    }

    /// Removes a slot, as DMS does when a task is deleted properly.
    pub fn drop_slot(&self, host: &str, name: &str) {
        self.change(host, |server| server.slots.remove(name));
    }
}

impl Server {
    /// DMS's control table of that name.
    pub fn control_table(&self, name: &str) -> TableName {
        let schema = if self.mysql() { "awsdms_control" } else { "public" };
        TableName::new(schema, name)
    }

    /// A change with this server's own number of the row, in a table without a key.
    fn numbered(&mut self, change: Change) -> Change {
        let Some(table) = self.tables.get_mut(change.table()).filter(|table| !table.has_key) else {
            return change;
        };
        let Change::Insert { table: name, row, .. } = change else {
            return change;
        };
        let key = format!("{:012}", table.next_row);
        table.next_row += 1;
        Change::Insert { table: name, key, row }
    }

    /// What DMS wrote down of rows that differ, newest first.
    pub fn failures(&self, most: u32) -> Vec<ValidationFailure> {
        let Some(table) = self.tables.get(&self.control_table(VALIDATION_FAILURES)) else {
            return Vec::new();
        };
        let word = |row: &Row, name: &str| row.value[name].as_str().unwrap_or_default().to_owned();
        let one = |row: &Row| ValidationFailure {
            table: format!("{}.{}", word(row, "TABLE_OWNER"), word(row, "TABLE_NAME")),
            key: word(row, "KEY"),
            failure: word(row, "FAILURE_TYPE"),
        };
        table.rows.values().rev().take(most as usize).map(one).collect()
    }
}
