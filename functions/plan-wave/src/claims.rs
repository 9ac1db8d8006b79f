//! Claims: a server belongs to at most one open wave.

use landfall_aws::Deps;
use landfall_aws::table::{Key, Stored, Write};
use landfall_domain::StepError;
use landfall_domain::decide::Batch;
use landfall_domain::ids::{SourceServerId, WaveId};
use landfall_domain::plan::WavePlan;
use landfall_domain::record::{ClaimRecord, WaveRecord};
use std::collections::BTreeMap;

/// The claims that exist on the plan's servers; an error when another wave has one.
pub async fn read(deps: &Deps, plan: &WavePlan) -> Result<BTreeMap<SourceServerId, Stored<ClaimRecord>>, StepError> {
    let keys: Vec<Key> = plan
        .servers
        .iter()
        .map(|server| key(deps, &server.source_server_id))
        .collect();
    let mut claims = BTreeMap::new();
    for claim in deps.table.get_many::<ClaimRecord>(&keys).await? {
        if claim.wave_id != plan.wave_id {
            return Err(StepError::ServerClaimed {
                server: claim.source_server_id.clone(),
                wave: claim.wave_id.clone(),
            });
        }
        claims.insert(claim.source_server_id.clone(), claim);
    }
    Ok(claims)
}

/// The writes that claim the servers of all batches: each on condition that nobody has the server, or this wave has.
pub fn writes(
    deps: &Deps,
    wave: &WaveRecord,
    batches: &[Batch],
    mut present: BTreeMap<SourceServerId, Stored<ClaimRecord>>,
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
            let mut stored = match present.remove(server) {
                Some(stored) => Stored {
                    value: record,
                    ..stored
                },
                None => Stored::new(key(deps, server), record),
            };
            writes.push(Write::save(&mut stored)?);
        }
    }
    Ok(writes)
}

/// Gives back what a wave has claimed, when planning it failed half way.
pub async fn give_back(deps: &Deps, wave: &WaveId, plan: &WavePlan) -> Result<(), StepError> {
    let keys: Vec<Key> = plan
        .servers
        .iter()
        .map(|server| key(deps, &server.source_server_id))
        .collect();
    let claims = deps.table.get_many::<ClaimRecord>(&keys).await?;
    let ours = claims.iter().filter(|claim| &claim.wave_id == wave).map(Write::delete);
    deps.table.write(None, ours.collect()).await
}

fn key(deps: &Deps, server: &SourceServerId) -> Key {
    Key::claim(&deps.config.account, &deps.config.region, server)
}
