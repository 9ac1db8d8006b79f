//! Claims: a server or a database belongs to at most one open wave.

use landfall_aws::Deps;
use landfall_aws::table::{Key, Stored, Write};
use landfall_domain::StepError;
use landfall_domain::decide::Batch;
use landfall_domain::ids::{DatabaseId, SourceServerId, WaveId};
use landfall_domain::plan::WavePlan;
use landfall_domain::plan::database::DatabasePlan;
use landfall_domain::record::{ClaimRecord, DatabaseClaimRecord, WaveRecord};
use std::collections::BTreeMap;

/// The claims that exist on what is in a plan, all of them the wave's own.
#[derive(Default)]
pub struct Present {
    servers: BTreeMap<SourceServerId, Stored<ClaimRecord>>,
    databases: BTreeMap<DatabaseId, Stored<DatabaseClaimRecord>>,
}

/// The claims that exist on the plan's servers and databases; an error when another wave has one.
pub async fn read(deps: &Deps, plan: &WavePlan) -> Result<Present, StepError> {
    let mut present = Present::default();
    for claim in deps.table.get_many::<ClaimRecord>(&server_keys(deps, plan)).await? {
        if claim.wave_id != plan.wave_id {
            return Err(StepError::ServerClaimed {
                server: claim.source_server_id.clone(),
                wave: claim.wave_id.clone(),
            });
        }
        present.servers.insert(claim.source_server_id.clone(), claim);
    }
    let keys = database_keys(deps, plan);
    for claim in deps.table.get_many::<DatabaseClaimRecord>(&keys).await? {
        // The other wave may call it otherwise; the secret says that it is the same.
        let ours = plan.databases.iter().find(|database| key(deps, database) == claim.key);
        let database = ours
            .map_or(&claim.database_id, |database| &database.database_id)
            .clone();
        if claim.wave_id != plan.wave_id {
            return Err(StepError::DatabaseClaimed {
                database,
                wave: claim.wave_id.clone(),
            });
        }
        present.databases.insert(database, claim);
    }
    Ok(present)
}

/// The writes that claim the servers of all batches and the databases of the plan: each on condition that nobody has it,
/// or this wave has.
pub fn writes(
    deps: &Deps,
    wave: &WaveRecord,
    plan: &WavePlan,
    batches: &[Batch],
    mut present: Present,
) -> Result<Vec<Write>, StepError> {
    let mut writes = Vec::new();
    for batch in batches {
        for server in &batch.servers {
            let record = ClaimRecord {
                wave_id: wave.wave_id.clone(),
                epoch: wave.epoch,
                source_server_id: server.clone(),
                batch: batch.number,
                at: wave.claiming_since,
            };
            let key = Key::claim(&deps.config.account, &deps.config.region, server);
            writes.push(placed(present.servers.remove(server), key, record)?);
        }
    }
    for database in &plan.databases {
        let record = DatabaseClaimRecord {
            wave_id: wave.wave_id.clone(),
            epoch: wave.epoch,
            database_id: database.database_id.clone(),
            at: wave.claiming_since,
        };
        let stored = present.databases.remove(&database.database_id);
        writes.push(placed(stored, key(deps, database), record)?);
    }
    Ok(writes)
}

fn placed<T: serde::Serialize>(present: Option<Stored<T>>, key: Key, record: T) -> Result<Write, StepError> {
    let mut stored = match present {
        Some(stored) => Stored {
            value: record,
            ..stored
        },
        None => Stored::new(key, record),
    };
    Write::save(&mut stored)
}

/// Gives back what a wave has claimed, when planning it failed half way.
pub async fn give_back(deps: &Deps, wave: &WaveId, plan: &WavePlan) -> Result<(), StepError> {
    let servers = deps.table.get_many::<ClaimRecord>(&server_keys(deps, plan)).await?;
    let databases = deps
        .table
        .get_many::<DatabaseClaimRecord>(&database_keys(deps, plan))
        .await?;
    let of_servers = servers.iter().filter(|claim| &claim.wave_id == wave).map(Write::delete);
    let of_databases = databases
        .iter()
        .filter(|claim| &claim.wave_id == wave)
        .map(Write::delete);
    deps.table.write(None, of_servers.chain(of_databases).collect()).await
}

fn server_keys(deps: &Deps, plan: &WavePlan) -> Vec<Key> {
    let key = |id: &SourceServerId| Key::claim(&deps.config.account, &deps.config.region, id);
    plan.servers
        .iter()
        .map(|server| key(&server.source_server_id))
        .collect()
}

fn database_keys(deps: &Deps, plan: &WavePlan) -> Vec<Key> {
    plan.databases.iter().map(|database| key(deps, database)).collect()
}

fn key(deps: &Deps, database: &DatabasePlan) -> Key {
    Key::database_claim(
        &deps.config.account,
        &deps.config.region,
        database.source.admin_secret_arn.as_str(),
    )
}
