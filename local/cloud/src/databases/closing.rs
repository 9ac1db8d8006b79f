//! Shutting applications out, and letting them in again, as the real engines do it.
//!
//! PostgreSQL: logins are locked, which ends no session; sessions are ended until nobody comes back. MySQL: the same, and
//! read-only mode at the end where that shuts out nobody who stays open.

use std::time::Duration;

use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Closed, KeepOpen, TableName};
use landfall_domain::record::{FreezeRecord, LoginRecord, SettingRecord};
use serde_json::json;

use super::fence;
use super::model::{Change, Row};
use super::port::{Link, Scene};
use super::server::{Refusal, Server};

/// The code of a closing that was opened since; the message is its id.
pub(super) const SUPERSEDED: &str = "superseded";

/// The pause between two scans for sessions.
const SCAN_EVERY: Duration = Duration::from_millis(50);

/// Scans in a row that must find nobody.
const EMPTY_SCANS: u32 = 2;

pub(super) fn plan(scene: &Scene<'_>, keep: &KeepOpen) -> Result<FreezeRecord, Refusal> {
    scene.only_admin()?;
    let server = &scene.server;
    let others = server
        .logins
        .values()
        .filter(|login| login.name != scene.login.name && !keep.logins.contains(&login.name));
    let logins = others
        .filter(|login| login.can_log_in || server.mysql())
        .map(|login| LoginRecord {
            name: server.account(&login.name),
            could_log_in: login.can_log_in,
            exempt: login.exempt,
        });
    let mut record = FreezeRecord {
        logins: logins.collect(),
        settings: Vec::new(),
        method: if server.mysql() { "account locks" } else { "login locks" }.to_owned(),
    };
    let may_set = server.spec.may_set_globals || !server.mysql();
    let on = server
        .settings
        .iter()
        .filter(|(_, value)| *value != "OFF" && *value != "off");
    record
        .settings
        .extend(on.filter(|_| may_set).map(|(name, value)| SettingRecord {
            name: name.clone(),
            before: value.clone(),
        }));
    let kept_pass = keep
        .logins
        .iter()
        .all(|name| server.logins.get(name).is_none_or(|login| login.exempt));
    if server.mysql() && may_set && kept_pass {
        record.settings.push(SettingRecord {
            name: "read_only".to_owned(),
            before: u8::from(server.read_only).to_string(),
        });
        record.method.push_str(" and read-only mode");
    }
    Ok(record)
}

pub(super) async fn close(
    link: &Link,
    fence: &TableName,
    id: &str,
    record: &FreezeRecord,
    keep: &KeepOpen,
    within: Duration,
) -> Result<Closed, DatabaseError> {
    let latency = link.fleet.knobs().latency;
    let began = tokio::time::Instant::now();
    tokio::time::sleep(latency).await;
    let held = link.act("close", |scene| {
        scene.only_admin()?;
        let prepared: Vec<String> = scene.server.prepared.keys().cloned().collect();
        if prepared.is_empty() {
            lock(scene, fence, id, record)?;
        }
        Ok(prepared)
    })?;
    if !held.is_empty() {
        return Ok(Closed::Held { why: held });
    }
    let (mut empty, mut ended) = (0, 0);
    loop {
        let sessions = link.act("to end sessions", |scene| {
            stands(scene.server, fence, id)?;
            Ok(end_sessions(scene, keep))
        })?;
        empty = if sessions.is_empty() { empty + 1 } else { 0 };
        ended += u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        if empty >= EMPTY_SCANS {
            break;
        }
        if began.elapsed() >= within {
            return Ok(Closed::StillOpen { logins: sessions });
        }
        tokio::time::sleep(SCAN_EVERY).await;
    }
    // Last, when nobody writes any more.
    link.act("to set read_only", |scene| {
        stands(scene.server, fence, id)?;
        if record.settings.iter().any(|setting| setting.name == "read_only") {
            scene.server.read_only = true;
        }
        Ok(Closed::Empty { ended })
    })
}

/// Registers the closing, and locks what its record names.
fn lock(scene: Scene<'_>, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<(), Refusal> {
    let closings = fence::closings(fence);
    let (server, now) = (scene.server, scene.now);
    let to_lock = record.logins.iter().filter(|login| login.could_log_in);
    let names: Vec<String> = to_lock.map(|login| server.user(&login.name)).collect();
    if state_of(server, fence, id).is_some_and(|state| state != "CLOSED") {
        return Err(Refusal::new(SUPERSEDED, id));
    }
    if let Some(gone) = names.iter().find(|name| !server.logins.contains_key(*name)) {
        return Err(server.no_login(gone));
    }
    fence::make_closings(server, fence);
    if state_of(server, fence, id).is_none() {
        set_state(server, &scene.login.name, now, closings, id, "CLOSED")?;
    }
    for name in names {
        if let Some(login) = server.logins.get_mut(&name) {
            login.can_log_in = false;
        }
    }
    for setting in record.settings.iter().filter(|setting| setting.name != "read_only") {
        server.settings.insert(setting.name.clone(), "OFF".to_owned());
    }
    Ok(())
}

/// Ends the sessions of everybody but those kept open, and gives whose they were. What they had not committed is gone.
fn end_sessions(scene: Scene<'_>, keep: &KeepOpen) -> Vec<String> {
    let own = &scene.login.name;
    let theirs = scene.server.sessions.extract_if(.., |_, session| {
        session.login != *own && !keep.logins.contains(&session.login)
    });
    let mut logins: Vec<String> = theirs.map(|(_, session)| session.login).collect();
    logins.sort();
    logins
}

pub(super) fn open(
    scene: Scene<'_>,
    fence: &TableName,
    id: &str,
    record: &FreezeRecord,
) -> Result<Vec<String>, Refusal> {
    scene.only_admin()?;
    let (server, now) = (scene.server, scene.now);
    fence::make_closings(server, fence);
    set_state(server, &scene.login.name, now, fence::closings(fence), id, "OPENED")?;
    let mut left = Vec::new();
    for setting in &record.settings {
        if setting.name == "read_only" {
            server.read_only = setting.before == "1" || setting.before == "ON";
        } else {
            server.settings.insert(setting.name.clone(), setting.before.clone());
        }
    }
    for login in record.logins.iter().filter(|login| login.could_log_in) {
        let name = server.user(&login.name);
        if let Some(present) = server.logins.get_mut(&name) {
            present.can_log_in = true;
        } else {
            let why = server.no_login(&name).message;
            left.push(format!("to unlock the login {} failed: {why}", login.name));
        }
    }
    Ok(left)
}

fn state_of(server: &Server, fence: &TableName, id: &str) -> Option<String> {
    let row = server.tables.get(&fence::closings(fence))?.rows.get(id)?;
    Some(row.value["state"].as_str().unwrap_or_default().to_owned())
}

/// Whether nobody has opened this closing since.
fn stands(server: &Server, fence: &TableName, id: &str) -> Result<(), Refusal> {
    match state_of(server, fence, id).as_deref() {
        Some("CLOSED") => Ok(()),
        _ => Err(Refusal::new(SUPERSEDED, id)),
    }
}

fn set_state(
    server: &mut Server,
    login: &str,
    now: jiff::Timestamp,
    table: TableName,
    id: &str,
    state: &str,
) -> Result<(), Refusal> {
    let row = Row::new(json!({"state": state, "at": now.to_string()}));
    let key = id.to_owned();
    let there = server
        .tables
        .get(&table)
        .is_some_and(|table| table.rows.contains_key(id));
    let change = if there {
        Change::Update { table, key, row }
    } else {
        Change::Insert { table, key, row }
    };
    if server.mysql() {
        // Closings are kept out of the binary log there.
        server.put(&change);
        return Ok(());
    }
    server.commit(login, now, vec![change]).map(|_| ())
}
