//! Shutting applications out, and letting them in again.
//!
//! `default_transaction_read_only` is no way: any client can turn it off for itself. So logins are locked, sessions are
//! ended, and a refused login proves it. What is changed in the catalog is changed in one transaction together with the
//! row of the closing, so that a closing that comes late finds that it was opened since, and changes nothing.
//! <https://www.postgresql.org/docs/current/sql-alterrole.html>

use super::{Postgres, quoted, quoted_table, sql};
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Closed, KeepOpen, OpenTransaction, Probe, TableName};
use landfall_domain::record::{FreezeRecord, LoginRecord, SettingRecord};
use sqlx::{Connection, Row};
use std::time::Duration;

/// The pause between two scans for sessions.
const SCAN_EVERY: Duration = Duration::from_millis(50);

/// Scans in a row that must find nobody: one could fall between a login and its first sight.
const EMPTY_SCANS: u32 = 2;

/// The role of Amazon RDS itself, which nobody but RDS may alter.
const RDS_ADMIN: &str = "rdsadmin";

impl Postgres {
    pub(super) async fn what_closing_changes(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        let rows = sqlx::query(
            "SELECT rolname::text, rolsuper FROM pg_roles WHERE rolcanlogin AND rolname <> current_user \
             AND rolname::text <> ALL($1) AND rolname <> $2 ORDER BY rolname",
        )
        .bind(&keep.logins)
        .bind(RDS_ADMIN)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list logins"))?;
        let logins = rows.iter().map(|row| LoginRecord {
            name: row.get(0),
            could_log_in: true,
            exempt: row.get(1),
        });
        let mut settings = self.subscriptions(keep).await?;
        settings.extend(self.jobs().await?);
        Ok(FreezeRecord {
            logins: logins.collect(),
            settings,
            method: "login locks".to_owned(),
        })
    }

    /// Subscriptions of this database that write into it, but those of logins that stay open, which are replication's.
    async fn subscriptions(&mut self, keep: &KeepOpen) -> Result<Vec<SettingRecord>, DatabaseError> {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT s.subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid \
             WHERE d.datname = current_database() AND s.subenabled \
             AND pg_get_userbyid(s.subowner)::text <> ALL($1) ORDER BY 1",
        )
        .bind(&keep.logins)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list subscriptions"))?;
        let on = |name| SettingRecord {
            name: format!("subscription:{name}"),
            before: "enabled".to_owned(),
        };
        Ok(names.into_iter().map(on).collect())
    }

    /// Jobs of pg_cron that run in this database.
    async fn jobs(&mut self) -> Result<Vec<SettingRecord>, DatabaseError> {
        if !self.exists(&TableName::new("cron", "job")).await? {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT jobid FROM cron.job WHERE active AND database = current_database() ORDER BY jobid",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list scheduled jobs"))?;
        Ok(ids
            .into_iter()
            .map(|id| SettingRecord {
                name: format!("job:{id}"),
                before: "active".to_owned(),
            })
            .collect())
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
        self.lock_logins(fence, id, record).await?;
        let (mut empty, mut ended) = (0, 0);
        loop {
            let sessions = self.end_sessions(fence, id, keep).await?;
            empty = if sessions.is_empty() { empty + 1 } else { 0 };
            ended += u32::try_from(sessions.len()).unwrap_or(u32::MAX);
            if empty >= EMPTY_SCANS {
                return Ok(Closed::Empty { ended });
            }
            if began.elapsed() >= within {
                return Ok(Closed::StillOpen { logins: sessions });
            }
            tokio::time::sleep(SCAN_EVERY).await;
        }
    }

    /// Everything that closing changes in the catalog, or nothing of it.
    async fn lock_logins(&mut self, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<(), DatabaseError> {
        let closings = quoted_table(&Self::closings(fence));
        let place = self.place.clone();
        let begun = self.connection.begin().await;
        let mut change = begun.map_err(place.failed("to begin the closing"))?;
        let insert = format!("INSERT INTO {closings} (id, state) VALUES ($1, 'CLOSED') ON CONFLICT DO NOTHING");
        let inserted = sqlx::query(sql(insert)).bind(id).execute(&mut *change).await;
        inserted.map_err(place.failed("to register the closing"))?;
        let state: String = sqlx::query_scalar(sql(format!("SELECT state FROM {closings} WHERE id = $1 FOR UPDATE")))
            .bind(id)
            .fetch_one(&mut *change)
            .await
            .map_err(place.failed("to look at the closing"))?;
        if state != "CLOSED" {
            return Err(DatabaseError::Superseded { id: id.to_owned() });
        }
        for (what, text) in locks(record) {
            let done = sqlx::query(sql(text)).execute(&mut *change).await;
            done.map_err(place.failed(what))?;
        }
        change.commit().await.map_err(place.failed("to commit the closing"))
    }

    /// Ends the sessions of everybody but those kept open, while the closing stands. Gives whose they were.
    async fn end_sessions(
        &mut self,
        fence: &TableName,
        id: &str,
        keep: &KeepOpen,
    ) -> Result<Vec<String>, DatabaseError> {
        let closings = quoted_table(&Self::closings(fence));
        let stands: bool = sqlx::query_scalar(sql(format!(
            "SELECT EXISTS (SELECT FROM {closings} WHERE id = $1 AND state = 'CLOSED')"
        )))
        .bind(id)
        .fetch_one(&mut self.connection)
        .await
        .map_err(self.place.failed("to look at the closing"))?;
        if !stands {
            return Err(DatabaseError::Superseded { id: id.to_owned() });
        }
        // Replication's own senders are no client backends and are left alone.
        let rows = sqlx::query(sql(format!(
            "SELECT usename::text, pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid() \
             AND usename <> current_user AND usename::text <> ALL($2) \
             AND EXISTS (SELECT FROM {closings} WHERE id = $1 AND state = 'CLOSED')"
        )))
        .bind(id)
        .bind(&keep.logins)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to end sessions"))?;
        let mut logins: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        logins.sort();
        Ok(logins)
    }

    pub(super) async fn let_in(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
    ) -> Result<Vec<String>, DatabaseError> {
        self.make_closings(fence).await?;
        let closings = quoted_table(&Self::closings(fence));
        let place = self.place.clone();
        let begun = self.connection.begin().await;
        let mut change = begun.map_err(place.failed("to begin the opening"))?;
        let text = format!(
            "INSERT INTO {closings} (id, state) VALUES ($1, 'OPENED') ON CONFLICT (id) DO UPDATE SET state = 'OPENED', at = now()"
        );
        let marked = sqlx::query(sql(text)).bind(id).execute(&mut *change).await;
        marked.map_err(place.failed("to supersede the closing"))?;
        let mut left = Vec::new();
        for (what, text) in unlocks(record) {
            // One that cannot be restored does not keep the others closed: each has a savepoint of its own.
            let mut one = change.begin().await.map_err(place.failed("to restore a part"))?;
            match sqlx::query(sql(text.clone())).execute(&mut *one).await {
                Ok(_) => one.commit().await.map_err(place.failed("to restore a part"))?,
                Err(sqlx::Error::Database(said)) => {
                    one.rollback().await.map_err(place.failed("to leave a part"))?;
                    left.push(format!("{what} failed: {}; run: {text}", said.message()));
                }
                Err(error) => return Err(place.failed(what)(error)),
            }
        }
        change.commit().await.map_err(place.failed("to commit the opening"))?;
        Ok(left)
    }

    /// A login that can begin to write is not shut out. Being given a transaction id is the least that a write needs.
    pub(super) async fn try_to_write(&mut self) -> Result<Probe, DatabaseError> {
        let place = self.place.clone();
        let mut attempt = self
            .connection
            .begin()
            .await
            .map_err(place.failed("to begin a probe"))?;
        let writable = sqlx::query("SET TRANSACTION READ WRITE").execute(&mut *attempt).await;
        let given = match writable {
            Ok(_) => sqlx::query("SELECT pg_current_xact_id()").execute(&mut *attempt).await,
            Err(error) => Err(error),
        };
        match given {
            Ok(_) => {
                attempt.rollback().await.map_err(place.failed("to end a probe"))?;
                Ok(Probe::Accepted)
            }
            Err(sqlx::Error::Database(said)) => Ok(Probe::Refused(said.message().to_owned())),
            Err(error) => Err(place.failed("to probe")(error)),
        }
    }

    pub(super) async fn transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        let seconds = at_least.as_secs_f64();
        let rows = sqlx::query(
            "SELECT pid::text, usename::text, extract(epoch FROM clock_timestamp() - xact_start)::bigint \
             FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database() \
             AND pid <> pg_backend_pid() AND extract(epoch FROM clock_timestamp() - xact_start) >= $1 ORDER BY 3 DESC, 1",
        )
        .bind(seconds)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.place.failed("to list open transactions"))?;
        let one = |row: &sqlx::postgres::PgRow| OpenTransaction {
            session: row.get(0),
            login: row.get(1),
            seconds: u64::try_from(row.get::<i64, _>(2)).unwrap_or_default(),
        };
        Ok(rows.iter().map(one).collect())
    }

    pub(super) async fn prepared(&mut self) -> Result<Vec<String>, DatabaseError> {
        sqlx::query_scalar("SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY gid")
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.place.failed("to list prepared transactions"))
    }
}

/// What closing runs: why, and the statement.
fn locks(record: &FreezeRecord) -> Vec<(String, String)> {
    let logins = record.logins.iter().filter(|login| login.could_log_in).map(|login| {
        let text = format!("ALTER ROLE {} NOLOGIN", quoted(&login.name));
        (format!("to lock the login {}", login.name), text)
    });
    let settings = record
        .settings
        .iter()
        .filter_map(|setting| setting_text(setting, false));
    logins.chain(settings).collect()
}

/// What opening runs, in the opposite order.
fn unlocks(record: &FreezeRecord) -> Vec<(String, String)> {
    let settings = record.settings.iter().filter_map(|setting| setting_text(setting, true));
    let logins = record.logins.iter().filter(|login| login.could_log_in).map(|login| {
        let text = format!("ALTER ROLE {} LOGIN", quoted(&login.name));
        (format!("to unlock the login {}", login.name), text)
    });
    let mut all: Vec<(String, String)> = settings.chain(logins).collect();
    all.reverse();
    all
}

fn setting_text(setting: &SettingRecord, on: bool) -> Option<(String, String)> {
    let (kind, name) = setting.name.split_once(':')?;
    let verb = if on { "to start" } else { "to stop" };
    match kind {
        "subscription" => {
            let word = if on { "ENABLE" } else { "DISABLE" };
            Some((
                format!("{verb} the subscription {name}"),
                format!("ALTER SUBSCRIPTION {} {word}", quoted(name)),
            ))
        }
        "job" => {
            let id: i64 = name.parse().ok()?;
            Some((
                format!("{verb} the job {id}"),
                format!("UPDATE cron.job SET active = {on} WHERE jobid = {id}"),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_first_is_opened_last() {
        let record = FreezeRecord {
            logins: vec![LoginRecord {
                name: "app".into(),
                could_log_in: true,
                exempt: false,
            }],
            settings: vec![SettingRecord {
                name: "job:7".into(),
                before: "active".into(),
            }],
            method: String::new(),
        };
        let texts = |list: Vec<(String, String)>| list.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(
            texts(locks(&record)),
            [
                "ALTER ROLE \"app\" NOLOGIN",
                "UPDATE cron.job SET active = false WHERE jobid = 7"
            ]
        );
        assert_eq!(
            texts(unlocks(&record)),
            [
                "ALTER ROLE \"app\" LOGIN",
                "UPDATE cron.job SET active = true WHERE jobid = 7"
            ]
        );
    }
}
