//! What is known of databases at the end of a run: read past Landfall, on the simulated servers themselves.

use crate::world::{SetUpDatabase, World};
use landfall_cloud::databases::{Acknowledged, Row};
use landfall_domain::database::TableName;
use landfall_domain::plan::database::Dialect;
use std::collections::{BTreeMap, BTreeSet};

/// A row, by the name that its table has on the source. In a table without a key the key means nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowSeen(String);

/// One of the two databases.
#[derive(Debug, Clone, Default)]
pub struct SideEvidence {
    /// Its host.
    pub host: String,
    /// Every row of the tables that are replicated.
    pub rows: BTreeSet<RowSeen>,
    /// Whether applications are shut out.
    pub closed: bool,
    /// Tables that were not there at the beginning, and what keeps its log: `table:…`, `slot:…`, `publication:…`.
    pub remains: Vec<String>,
}

/// A database of a wave.
#[derive(Debug, Clone, Default)]
pub struct DatabaseEvidence {
    /// The wave.
    pub wave_id: String,
    /// The database.
    pub id: String,
    /// Where it was.
    pub source: SideEvidence,
    /// Where it goes.
    pub target: SideEvidence,
    /// Every row that one of the two acknowledged to an application, in order.
    pub acknowledged: Vec<(Acknowledged, RowSeen)>,
    /// What exists for it at the services: `instance:…`, `endpoint:…`, `task:…` of DMS, `schedule:…`.
    pub remains: Vec<String>,
}

/// Gathers it.
pub(super) fn of(world: &World) -> Vec<DatabaseEvidence> {
    let acknowledged = world.cloud.databases().acknowledged();
    let inventory = world.cloud.dms().inventory();
    let schedules = world.cloud.scheduler().schedules();
    let schedules = schedules.into_iter().map(|(name, _)| {
        let name = name.rsplit('/').next().unwrap_or_default();
        format!("schedule:{name}")
    });
    let remains: Vec<String> = inventory.into_iter().chain(schedules).collect();
    let one = |set_up: &SetUpDatabase| {
        let id = set_up.plan.database_id.to_string();
        let stem = format!("lf-{}-{id}", set_up.wave_id);
        let ours = |what: &&String| {
            let identifier = what.split_once(':').map_or(what.as_str(), |(_, identifier)| identifier);
            let mine = identifier == stem || identifier.starts_with(&format!("{stem}-"));
            // The last calls of a dead man's switch are named after the closing alone.
            mine || identifier.starts_with("landfall-again")
        };
        let hosts = [&set_up.source_host, &set_up.target_host];
        let here = acknowledged.iter().filter(|row| hosts.contains(&&row.host));
        let names = Names::of(world, set_up);
        DatabaseEvidence {
            wave_id: set_up.wave_id.clone(),
            source: side(world, set_up, &names, &set_up.source_host),
            target: side(world, set_up, &names, &set_up.target_host),
            acknowledged: here
                .map(|row| (row.clone(), names.seen(&row.table, &row.key, &row.row)))
                .collect(),
            remains: remains.iter().filter(ours).cloned().collect(),
            id,
        }
    };
    world.databases().iter().map(one).collect()
}

fn side(world: &World, set_up: &SetUpDatabase, names: &Names, host: &str) -> SideEvidence {
    let databases = world.cloud.databases();
    let (mut rows, mut remains) = (BTreeSet::new(), databases.kept_for_replication(host));
    for name in databases.tables(host) {
        if is_replicated(set_up, &name) {
            let table = databases.table(host, &name).map(|table| table.rows).unwrap_or_default();
            rows.extend(table.iter().map(|(key, row)| names.seen(&name, key, row)));
        } else {
            remains.push(format!("table:{name}"));
        }
    }
    // What is on a source that only its owners' document speaks to is theirs.
    if *host == set_up.source_host && set_up.plan.source.engine.dialect() == Dialect::Documents {
        remains.clear();
    }
    SideEvidence {
        host: host.to_owned(),
        rows,
        closed: databases.is_closed(host),
        remains,
    }
}

/// The names of tables on the source by their names on either side, and whether rows have a key.
struct Names(BTreeMap<TableName, (TableName, bool)>);

impl Names {
    fn of(world: &World, set_up: &SetUpDatabase) -> Self {
        let databases = world.cloud.databases();
        let tables = set_up.tables.iter().flat_map(|(source, target)| {
            let table = databases.table(&set_up.source_host, source);
            let known = (source.clone(), table.is_some_and(|table| table.has_key));
            [(source.clone(), known.clone()), (target.clone(), known)]
        });
        Self(tables.collect())
    }

    fn seen(&self, table: &TableName, key: &str, row: &Row) -> RowSeen {
        let (name, has_key) = self
            .0
            .get(table)
            .map_or((table, true), |(name, has_key)| (name, *has_key));
        let key = if has_key { key } else { "" };
        RowSeen(format!("{name} {key} {} {:?}", row.value, row.lob_bytes))
    }
}

fn is_replicated(set_up: &SetUpDatabase, name: &TableName) -> bool {
    let mut tables = set_up.tables.iter();
    tables.any(|(source, target)| source == name || target == name)
}
