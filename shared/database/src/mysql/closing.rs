//! Shutting applications out, and letting them in again.
//!
//! No mechanism alone does: privileged accounts pass `read_only`, MariaDB forgets it at a restart, and a managed instance
//! refuses to set it. So every account is locked, which lasts over a restart, and `read_only` is set beside it where that
//! is allowed and shuts out nobody who must go on writing.
//!
//! Account statements cannot be taken back by a transaction here. A closing and an opening therefore hold a named lock
//! of the server for as long as they change anything, and a closing looks at its row before each change: one that comes
//! late finds that it was opened since.

use super::accounts::Account;
use super::{Mysql, quoted_table, text, word};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Closed, KeepOpen, OpenTransaction, Probe, TableName};
use landfall_domain::record::{FreezeRecord, LoginRecord, SettingRecord};
use std::time::Duration;

/// The pause between two scans for sessions.
const SCAN_EVERY: Duration = Duration::from_millis(50);

/// Scans in a row that must find nobody: one could fall between a login and its first sight.
const EMPTY_SCANS: u32 = 2;

/// How long a closing waits for another one of the same id, in seconds.
const LOCK_SECONDS: u32 = 10;

/// How long an opening waits for a closing to give up its lock before it ends that session, in seconds.
const GIVE_UP_SECONDS: u32 = 1;

/// The server's own threads, and connections that have not said yet who they are.
const NO_CLIENTS: [&str; 3] = ["system user", "event_scheduler", "unauthenticated user"];

/// What a managed instance answers to `SET GLOBAL`: the right for it is not given to anybody.
const NOT_ALLOWED: [&str; 2] = ["42000", "HY000"];

impl Mysql {
    pub(super) async fn what_closing_changes(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        let exempt = self.exempt().await?;
        let accounts = self.accounts(keep).await?;
        let login = |account: &Account| LoginRecord {
            name: account.quoted(),
            could_log_in: !account.locked,
            exempt: exempt.contains(&account.quoted()),
        };
        let logins = accounts.iter().map(login).collect();
        let mut settings = Vec::new();
        let scheduler = self
            .value(
                "to look at the event scheduler",
                "SELECT @@global.event_scheduler".to_owned(),
            )
            .await?;
        let may_set = self.may_set_globals().await?;
        if may_set && scheduler == "ON" {
            settings.push(SettingRecord {
                name: "event_scheduler".to_owned(),
                before: scheduler,
            });
        }
        let read_only = may_set && self.all_exempt(keep, &exempt).await?;
        let mut method = "account locks".to_owned();
        if read_only {
            let before = self
                .value("to look at read_only", "SELECT @@global.read_only".to_owned())
                .await?;
            settings.push(SettingRecord {
                name: "read_only".to_owned(),
                before,
            });
            method.push_str(" and read-only mode");
        }
        Ok(FreezeRecord {
            logins,
            settings,
            method,
        })
    }

    /// Whether our login may change global variables; that of a managed instance may not.
    async fn may_set_globals(&mut self) -> Result<bool, DatabaseError> {
        let query = "SELECT count(*) FROM information_schema.user_privileges WHERE privilege_type IN \
                     ('SUPER', 'SYSTEM_VARIABLES_ADMIN') AND grantee = \
                     concat(quote(substring_index(current_user(), '@', 1)), '@', quote(substring_index(current_user(), '@', -1)))";
        Ok(self.value("to read our own privileges", query.to_owned()).await? != "0")
    }

    /// Whether read-only mode would leave everybody who stays open able to write.
    async fn all_exempt(
        &mut self,
        keep: &KeepOpen,
        exempt: &std::collections::BTreeSet<String>,
    ) -> Result<bool, DatabaseError> {
        let names: Vec<String> = keep.logins.iter().map(|name| text(name)).collect();
        if names.is_empty() {
            return Ok(true);
        }
        let query = format!(
            "SELECT concat(quote(user), '@', quote(host)) FROM mysql.user WHERE user IN ({})",
            names.join(", ")
        );
        let kept = self.words("to look at the accounts that stay open", query).await?;
        Ok(kept.iter().all(|account| exempt.contains(account)))
    }

    pub(super) async fn shut_out(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError> {
        let began = tokio::time::Instant::now();
        let prepared = self.prepared().await?;
        if !prepared.is_empty() {
            return Ok(Closed::Held { why: prepared });
        }
        self.make_closings(fence).await?;
        self.stay_local().await?;
        self.take_lock(id, LOCK_SECONDS).await?;
        let closed = self.shut_out_locked(fence, id, record, keep, began + within).await;
        self.give_lock(id).await?;
        closed
    }

    async fn shut_out_locked(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        until: tokio::time::Instant,
    ) -> Result<Closed, DatabaseError> {
        let closings = quoted_table(&Self::closings(fence));
        let register = format!(
            "INSERT IGNORE INTO {closings} (id, state) VALUES ({}, 'CLOSED')",
            text(id)
        );
        self.execute("to register the closing", register).await?;
        let exempt_first = {
            let mut logins: Vec<&LoginRecord> = record.logins.iter().filter(|login| login.could_log_in).collect();
            logins.sort_by_key(|login| !login.exempt);
            logins
        };
        for setting in record
            .settings
            .iter()
            .filter(|setting| setting.name == "event_scheduler")
        {
            self.still_closed(fence, id).await?;
            self.set_global(&setting.name, "OFF").await?;
        }
        for login in exempt_first {
            self.still_closed(fence, id).await?;
            let statement = format!("ALTER USER {} ACCOUNT LOCK", login.name);
            self.execute(&format!("to lock the account {}", login.name), statement)
                .await?;
        }
        let (mut empty, mut ended) = (0, 0);
        while empty < EMPTY_SCANS {
            self.still_closed(fence, id).await?;
            let sessions = self.end_sessions(keep).await?;
            empty = if sessions.is_empty() { empty + 1 } else { 0 };
            ended += u32::try_from(sessions.len()).unwrap_or(u32::MAX);
            if empty < EMPTY_SCANS && tokio::time::Instant::now() >= until {
                return Ok(Closed::StillOpen { logins: sessions });
            }
            tokio::time::sleep(SCAN_EVERY).await;
        }
        // Last, when nobody writes any more: it waits for whatever is being written.
        for setting in record.settings.iter().filter(|setting| setting.name == "read_only") {
            self.still_closed(fence, id).await?;
            self.set_global(&setting.name, "1").await?;
        }
        Ok(Closed::Empty { ended })
    }

    /// Whether nobody has opened this closing since.
    async fn still_closed(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        let closings = quoted_table(&Self::closings(fence));
        let query = format!("SELECT state FROM {closings} WHERE id = {}", text(id));
        match self.value("to look at the closing", query).await?.as_str() {
            "CLOSED" => Ok(()),
            _ => Err(DatabaseError::Superseded { id: id.to_owned() }),
        }
    }

    async fn set_global(&mut self, name: &str, value: &str) -> Result<(), DatabaseError> {
        let statement = format!("{} {name} = {value}", self.product.set_global());
        match self.execute(&format!("to set {name}"), statement).await {
            // The locks hold without it.
            Err(DatabaseError::Refused { code, message, .. })
                if NOT_ALLOWED.contains(&code.as_str()) && message.contains("denied") =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Ends the sessions of everybody but those kept open; gives whose they were.
    async fn end_sessions(&mut self, keep: &KeepOpen) -> Result<Vec<String>, DatabaseError> {
        let own = self.login.username.clone();
        let kept = keep
            .logins
            .iter()
            .map(String::as_str)
            .chain(NO_CLIENTS)
            .chain([own.as_str()]);
        let kept: Vec<String> = kept.map(text).collect();
        let query = format!(
            "SELECT id, user FROM information_schema.processlist WHERE id <> connection_id() \
             AND command NOT LIKE 'Binlog Dump%' AND user NOT IN ({}) ORDER BY id",
            kept.join(", ")
        );
        let rows = self.rows("to list sessions", query).await?;
        for row in &rows {
            let id: u64 = word(row, 0).parse().unwrap_or_default();
            self.end_session(id).await?;
        }
        Ok(rows.iter().map(|row| word(row, 1)).collect())
    }

    /// Ends a session, on Amazon RDS by its procedure: there nobody is given the right to end another login's session.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/mysql-stored-proc-ending.html>
    async fn end_session(&mut self, id: u64) -> Result<(), DatabaseError> {
        for statement in [format!("KILL CONNECTION {id}"), format!("CALL mysql.rds_kill({id})")] {
            match self.execute("to end a session", statement).await {
                Ok(_) => return Ok(()),
                Err(DatabaseError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // It has ended by itself, or it cannot be ended by us; the next scan sees which.
        Ok(())
    }

    pub(super) async fn let_in(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
    ) -> Result<Vec<String>, DatabaseError> {
        self.make_closings(fence).await?;
        self.stay_local().await?;
        let closings = quoted_table(&Self::closings(fence));
        let mark = format!(
            "INSERT INTO {closings} (id, state) VALUES ({}, 'OPENED') ON DUPLICATE KEY UPDATE state = 'OPENED', at = current_timestamp(6)",
            text(id)
        );
        self.execute("to supersede the closing", mark).await?;
        self.take_lock_from_closing(id).await?;
        let mut left = Vec::new();
        for setting in record.settings.iter().rev() {
            let statement = format!("{} {} = {}", self.product.set_global(), setting.name, setting.before);
            self.restore(&format!("to restore {}", setting.name), statement, &mut left)
                .await?;
        }
        for login in record.logins.iter().filter(|login| login.could_log_in) {
            let statement = format!("ALTER USER {} ACCOUNT UNLOCK", login.name);
            self.restore(&format!("to unlock the account {}", login.name), statement, &mut left)
                .await?;
        }
        self.give_lock(id).await?;
        Ok(left)
    }

    /// One that cannot be restored does not keep the others closed.
    async fn restore(&mut self, what: &str, statement: String, left: &mut Vec<String>) -> Result<(), DatabaseError> {
        match self.execute(what, statement.clone()).await {
            Err(DatabaseError::Refused { message, .. }) => {
                left.push(format!("{what} failed: {message}; run: {statement}"));
                Ok(())
            }
            other => other.map(drop),
        }
    }

    async fn take_lock(&mut self, id: &str, seconds: u32) -> Result<(), DatabaseError> {
        let query = format!("SELECT get_lock({}, {seconds})", lock_name(id));
        if self.value("to take the lock of the closing", query).await? == "1" {
            return Ok(());
        }
        Err(DatabaseError::Refused {
            what: "to take the lock of the closing".to_owned(),
            code: "lock".to_owned(),
            message: format!("another session has had it for {seconds} seconds"),
        })
    }

    /// Takes the lock, from a closing that does not give it up too: its row says already that it is over.
    async fn take_lock_from_closing(&mut self, id: &str) -> Result<(), DatabaseError> {
        if self.take_lock(id, GIVE_UP_SECONDS).await.is_ok() {
            return Ok(());
        }
        let holder = self
            .value(
                "to see who has the lock",
                format!("SELECT is_used_lock({})", lock_name(id)),
            )
            .await?;
        if let Ok(holder) = holder.parse() {
            self.end_session(holder).await?;
        }
        self.take_lock(id, LOCK_SECONDS).await
    }

    async fn give_lock(&mut self, id: &str) -> Result<(), DatabaseError> {
        let query = format!("SELECT release_lock({})", lock_name(id));
        self.value("to give up the lock of the closing", query).await.map(drop)
    }

    /// A login that can begin to write is not shut out: read-only mode refuses the beginning already.
    /// <https://mariadb.com/kb/en/start-transaction/>
    pub(super) async fn try_to_write(&mut self) -> Result<Probe, DatabaseError> {
        match self
            .execute("to begin a probe", "START TRANSACTION READ WRITE".to_owned())
            .await
        {
            Ok(_) => {
                self.execute("to end a probe", "ROLLBACK".to_owned()).await?;
                Ok(Probe::Accepted)
            }
            Err(DatabaseError::Refused { message, .. }) => Ok(Probe::Refused(message)),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        let query = format!(
            "SELECT p.id, p.user, timestampdiff(SECOND, t.trx_started, now()) FROM information_schema.innodb_trx t \
             JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
             WHERE p.id <> connection_id() AND p.command NOT LIKE 'Binlog Dump%' AND p.user <> 'system user' \
             AND timestampdiff(SECOND, t.trx_started, now()) >= {} ORDER BY 3 DESC, 1",
            at_least.as_secs()
        );
        let rows = self.rows("to list open transactions", query).await?;
        let one = |row: &sqlx::mysql::MySqlRow| OpenTransaction {
            session: word(row, 0),
            login: word(row, 1),
            seconds: word(row, 2).parse().unwrap_or_default(),
        };
        Ok(rows.iter().map(one).collect())
    }

    pub(super) async fn prepared(&mut self) -> Result<Vec<String>, DatabaseError> {
        let rows = self
            .rows("to list prepared transactions", "XA RECOVER".to_owned())
            .await?;
        Ok(rows.iter().map(|row| word(row, 3)).collect())
    }
}

/// The name of the lock of a closing: a lock name has at most 64 characters.
fn lock_name(id: &str) -> String {
    let name: String = format!("landfall:{id}").chars().take(64).collect();
    text(&name)
}
