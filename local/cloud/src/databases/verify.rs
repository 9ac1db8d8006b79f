//! Whether two sides are equal, and what replication left behind.

use landfall_domain::database::{TableName, TableSum};

use super::model::{Role, Row};
use super::port::Scene;
use super::ready::UNSUPPORTED;
use super::replication::APPLY_EXCEPTIONS;
use super::server::Refusal;

/// How what DMS makes for itself is named.
const OF_DMS: &str = "awsdms_";

pub(super) fn fingerprint(scene: &Scene<'_>, tables: &[TableName]) -> Result<String, Refusal> {
    scene.only_admin()?;
    let mut tables = tables.to_vec();
    tables.sort();
    let mut text = String::new();
    for name in &tables {
        text.push_str(&format!("table {name}\n"));
        if let Some(table) = scene.server.tables.get(name) {
            let keys: Vec<&str> = table.foreign_keys.iter().map(|key| key.name.as_str()).collect();
            text.push_str(&format!("{} {} {}\n", table.columns, table.has_key, keys.join(", ")));
        }
    }
    Ok(format!("{:016x}", hash(&text)))
}

pub(super) fn sum(scene: &Scene<'_>, name: &TableName) -> Result<TableSum, Refusal> {
    if !matches!(scene.login.role, Role::Admin | Role::Application) {
        scene.only_admin()?;
    }
    let Some(table) = scene.server.tables.get(name) else {
        return Err(scene.server.no_table(name));
    };
    // Servers of another dialect write values differently, and have other sums.
    let dialect = if scene.server.mysql() { "m" } else { "p" };
    let one = |(key, row): (&String, &Row)| {
        let key = if table.has_key { key.as_str() } else { "" };
        u128::from(hash(&format!("{dialect}#{key}#{}#{:?}", row.value, row.lob_bytes)))
    };
    Ok(TableSum {
        rows: table.rows.len() as u64,
        checksum: table.rows.iter().map(one).sum::<u128>().to_string(),
    })
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub(super) fn exceptions(scene: &Scene<'_>) -> Result<u64, Refusal> {
    scene.only_admin()?;
    let control = scene.server.control_table(APPLY_EXCEPTIONS);
    Ok(scene
        .server
        .tables
        .get(&control)
        .map_or(0, |table| table.rows.len() as u64))
}

pub(super) fn leftovers(scene: &Scene<'_>) -> Result<Vec<String>, Refusal> {
    scene.only_admin()?;
    let server = &scene.server;
    let slots = server.slots.iter().filter(|(_, active)| !**active);
    let of_dms = |name: &&TableName| name.table.starts_with(OF_DMS);
    let mut left: Vec<String> = slots.map(|(name, _)| format!("slot:{name}")).collect();
    left.extend(server.publications.iter().map(|name| format!("publication:{name}")));
    left.extend(server.tables.keys().filter(of_dms).map(|name| format!("table:{name}")));
    left.sort();
    Ok(left)
}

pub(super) fn end_leftover(scene: Scene<'_>, leftover: &str) -> Result<(), Refusal> {
    scene.only_admin()?;
    let server = scene.server;
    let unknown = || Refusal::new(UNSUPPORTED, format!("{leftover} is nothing that replication leaves"));
    let (kind, name) = leftover.split_once(':').ok_or_else(unknown)?;
    match kind {
        "slot" if !server.mysql() => {
            if server.slots.get(name) == Some(&true) {
                return Err(Refusal::new("55006", format!("replication slot \"{name}\" is active")));
            }
            server.slots.remove(name);
        }
        "publication" if !server.mysql() => {
            server.publications.remove(name);
        }
        "table" => {
            let (schema, table) = name.split_once('.').ok_or_else(unknown)?;
            if server.mysql() && !table.starts_with(OF_DMS) {
                return Err(unknown());
            }
            server.tables.remove(&TableName::new(schema, table));
        }
        _ => return Err(unknown()),
    }
    Ok(())
}
