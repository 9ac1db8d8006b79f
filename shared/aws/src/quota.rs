//! Places in MGN's limits, taken before a job is started and given back when it is over.

use crate::deps::Deps;
use crate::table::{Key, Stored, Write};
use jiff::SignedDuration;
use landfall_domain::StepError;
use landfall_domain::decide::room;
use landfall_domain::ids::JobId;
use landfall_domain::observe::JobStatus;
use landfall_domain::record::{QuotaRecord, Reservation};
use std::collections::BTreeMap;

/// The tag of a job that names the intent it came from.
pub const INTENT_TAG: &str = "landfall:intent";

/// How far back open jobs are looked for. A job that is older than a week is stuck, and its servers are refused by name.
const OPEN_JOBS_LOOK_BACK: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Attempts to change the record while other waves change it.
const CHANGE_ATTEMPTS_MAX: usize = 8;

/// Takes a place for a job of so many servers; repeats find their own place. Full means wait: `QuotaFull`.
pub async fn reserve(deps: &Deps, intent: &str, servers: usize) -> Result<(), StepError> {
    let since = deps.now() - OPEN_JOBS_LOOK_BACK;
    let jobs = deps.mgn.jobs_since(since).await?;
    let open: BTreeMap<JobId, (usize, Option<String>)> = jobs
        .into_iter()
        .filter(|job| job.status != JobStatus::Completed)
        .map(|job| (job.id, (job.participants.len(), job.tags.get(INTENT_TAG).cloned())))
        .collect();
    let place = Reservation {
        servers: u32::try_from(servers).unwrap_or(u32::MAX),
        at: deps.now(),
    };
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        let mut stored = read(deps).await?;
        let room = room(&stored.value, &open, intent, servers, deps.now());
        if !room.fits {
            let (open_jobs, open_servers) = (room.open_jobs, room.open_servers);
            return Err(StepError::QuotaFull {
                wanted: servers,
                open_jobs,
                open_servers,
            });
        }
        stored.value = room.kept;
        stored.reservations.insert(intent.to_owned(), place.clone());
        if save(deps, stored).await? {
            return Ok(());
        }
    }
    Err(StepError::WriteConflict {
        item: "the record of MGN's limits".to_owned(),
    })
}

/// Gives a place back.
pub async fn release(deps: &Deps, intent: &str) -> Result<(), StepError> {
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        let mut stored = read(deps).await?;
        if stored.reservations.remove(intent).is_none() || save(deps, stored).await? {
            return Ok(());
        }
    }
    Err(StepError::WriteConflict {
        item: "the record of MGN's limits".to_owned(),
    })
}

async fn read(deps: &Deps) -> Result<Stored<QuotaRecord>, StepError> {
    let key = Key::quota(&deps.config.account, &deps.config.region);
    Ok(deps
        .table
        .get(&key)
        .await?
        .unwrap_or_else(|| Stored::new(key, QuotaRecord::default())))
}

/// False when somebody else changed it first.
async fn save(deps: &Deps, mut stored: Stored<QuotaRecord>) -> Result<bool, StepError> {
    let write = Write::save(&mut stored)?;
    match deps.table.write(None, vec![write]).await {
        Ok(()) => Ok(true),
        Err(StepError::WriteConflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
