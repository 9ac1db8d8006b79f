//! What is looked at before anything is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_domain::database::{Inspection, KeepOpen, OpenTransaction, TableFacts, TableName};

use super::model::{Row, Table};
use super::port::Scene;
use super::ready;
use super::server::Refusal;

/// The bytes that a row takes beside its large object.
const ROW_BYTES: u64 = 200;

pub(super) fn inspect(scene: &Scene<'_>, schemas: &[String], keep: &KeepOpen) -> Result<Inspection, Refusal> {
    scene.only_admin()?;
    let server = &scene.server;
    let tables: Vec<(&TableName, &Table)> = server
        .tables
        .iter()
        .filter(|(name, _)| schemas.contains(&name.schema))
        .collect();
    let bytes = |row: &Row| ROW_BYTES + row.lob_bytes.unwrap_or_default();
    let size = |table: &Table| table.rows.values().map(bytes).sum::<u64>();
    let trigger = |name: &TableName, trigger: &str| format!("{name}.{trigger}");
    let enabled = |(name, table): &(&TableName, &Table)| {
        let firing = table.triggers.iter().filter(|one| one.enabled || server.mysql());
        firing.map(|one| trigger(name, &one.name)).collect::<Vec<_>>()
    };
    let exempt = server
        .logins
        .values()
        .filter(|login| login.exempt && login.name != scene.login.name && !keep.logins.contains(&login.name))
        .filter(|login| login.can_log_in || server.mysql());
    let mut problems = server.spec.log_problems.clone();
    let fence_passes = keep
        .logins
        .iter()
        .any(|name| server.logins.get(name).is_some_and(|login| login.exempt));
    if server.read_only && !fence_passes {
        problems.push("the server is read-only and the fence writer is not exempt".to_owned());
    }
    let mut sessions: BTreeMap<String, u32> = BTreeMap::new();
    let others = server.sessions.iter().filter(|(id, _)| **id != scene.session);
    for (_, session) in others {
        *sessions.entry(session.login.clone()).or_default() += 1;
    }
    Ok(Inspection {
        version: server.spec.version.clone(),
        size_bytes: tables.iter().map(|(_, table)| size(table)).sum(),
        sequences: ready::sequences(server, schemas),
        triggers: tables.iter().flat_map(enabled).collect(),
        exempt_logins: exempt.map(|login| server.account(&login.name)).collect(),
        prepared_transactions: server.prepared.keys().cloned().collect(),
        log_retention_hours: server.spec.log_retention_hours,
        log_problems: problems,
        sessions: sessions.into_iter().collect(),
        tables: tables
            .into_iter()
            .map(|(name, table)| TableFacts {
                name: name.clone(),
                has_key: table.has_key,
                full_identity: table.full_identity || server.mysql(),
                rows_estimate: table.rows.len() as u64,
                largest_lob_bytes: table.rows.values().filter_map(|row| row.lob_bytes).max(),
            })
            .collect(),
    })
}

pub(super) fn transactions(scene: &Scene<'_>, at_least: Duration) -> Result<Vec<OpenTransaction>, Refusal> {
    scene.only_admin()?;
    let others = scene.server.sessions.iter().filter(|(id, _)| **id != scene.session);
    let mut open: Vec<OpenTransaction> = others
        .filter_map(|(id, session)| {
            let (since, _) = session.transaction.as_ref()?;
            let age = Duration::try_from(scene.now.duration_since(*since)).unwrap_or_default();
            (age >= at_least).then(|| OpenTransaction {
                session: id.to_string(),
                login: session.login.clone(),
                seconds: age.as_secs(),
            })
        })
        .collect();
    open.sort_by_key(|one| std::cmp::Reverse(one.seconds));
    Ok(open)
}
