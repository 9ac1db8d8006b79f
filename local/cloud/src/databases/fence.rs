//! Fences, and the table of closings beside them.

use landfall_domain::database::TableName;
use serde_json::json;

use super::model::{Change, Role, Row, Table};
use super::port::Scene;
use super::ready::UNSUPPORTED;
use super::server::{Refusal, Server};

/// The table of closings, beside the fence table.
const CLOSINGS: &str = "landfall_freeze";

pub(super) fn closings(fence: &TableName) -> TableName {
    TableName::new(&fence.schema, CLOSINGS)
}

/// Makes the table of closings unless it is there.
pub(super) fn make_closings(server: &mut Server, fence: &TableName) {
    let closings = closings(fence);
    server.tables.entry(closings).or_insert_with(|| Table {
        columns: "id, state, at".to_owned(),
        ..Table::keyed()
    });
}

pub(super) fn create(scene: Scene<'_>, fence: &TableName, writer: &str) -> Result<(), Refusal> {
    scene.only_admin()?;
    let server = scene.server;
    make_closings(server, fence);
    let table = server.tables.entry(fence.clone()).or_insert_with(|| Table {
        columns: "id, written_at".to_owned(),
        ..Table::keyed()
    });
    table.granted.insert(writer.to_owned());
    if server.logins.contains_key(writer) {
        return Ok(());
    }
    if let Some(table) = server.tables.get_mut(fence) {
        table.granted.remove(writer);
    }
    Err(if server.mysql() {
        let remedy = format!("there is no account {writer}; create it and name it in the fence's secret");
        Refusal::new(UNSUPPORTED, remedy)
    } else {
        Refusal::new("42704", format!("role \"{writer}\" does not exist"))
    })
}

pub(super) fn drop(scene: Scene<'_>, fence: &TableName) -> Result<(), Refusal> {
    scene.only_admin()?;
    scene.server.tables.remove(fence);
    scene.server.tables.remove(&closings(fence));
    Ok(())
}

pub(super) fn write(scene: Scene<'_>, fence: &TableName, id: &str) -> Result<(), Refusal> {
    granted(&scene, fence)?;
    scene.server.may_write(&scene.login)?;
    let there = scene
        .server
        .tables
        .get(fence)
        .is_some_and(|table| table.rows.contains_key(id));
    if there {
        return Ok(());
    }
    let insert = Change::Insert {
        table: fence.clone(),
        key: id.to_owned(),
        row: Row::new(json!({"written_at": scene.now.to_string()})),
    };
    scene
        .server
        .commit(&scene.login.name, scene.now, vec![insert])
        .map(|_| ())
}

pub(super) fn read(scene: &Scene<'_>, fence: &TableName, ids: &[String]) -> Result<Vec<String>, Refusal> {
    let Some(table) = scene.server.tables.get(fence) else {
        return Ok(Vec::new());
    };
    granted(scene, fence)?;
    let mut found: Vec<String> = ids.iter().filter(|id| table.rows.contains_key(*id)).cloned().collect();
    found.sort();
    Ok(found)
}

/// Whether the login may read and write the fence table.
fn granted(scene: &Scene<'_>, fence: &TableName) -> Result<(), Refusal> {
    let Some(table) = scene.server.tables.get(fence) else {
        return Err(scene.server.no_table(fence));
    };
    if scene.login.role == Role::Admin || table.granted.contains(&scene.login.name) {
        return Ok(());
    }
    Err(Refusal::new(
        "42501",
        format!("permission denied for table {}", fence.table),
    ))
}
