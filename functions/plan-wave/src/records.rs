//! Writing a wave: CLAIMING first, then the claims, then its parts, and OPEN last. A crash in between leaves a wave that
//! is CLAIMING, which a repeat takes over.

use crate::claims;
use landfall_aws::table::{Key, Stored, Write};
use landfall_aws::{Deps, step::log_line};
use landfall_domain::StepError;
use landfall_domain::decide::{Batch, cut_batches};
use landfall_domain::ids::SourceServerId;
use landfall_domain::plan::WavePlan;
use landfall_domain::plan::database::DatabasePlan;
use landfall_domain::record::{
    BatchRecord, DatabaseRecord, Direction, DnsRecord, DnsTarget, Phase, ServerRecord, WaveRecord, WaveStatus,
};
use landfall_domain::report::DnsState;
use landfall_domain::text::count;
use std::collections::{BTreeMap, BTreeSet};

/// The digest of a plan.
pub fn digest(plan: &WavePlan) -> Result<String, StepError> {
    use sha2::Digest;
    let text = serde_json::to_string(plan)
        .map_err(|error| StepError::Corrupt(format!("a plan cannot be written: {error}")))?;
    Ok(sha2::Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Plans the wave. Refused because a server is claimed: everything written is taken back.
pub async fn plan(
    deps: &Deps,
    plan: &WavePlan,
    digest: String,
    execution_arn: &str,
) -> Result<Stored<WaveRecord>, StepError> {
    let batches = cut_batches(&plan.groups(), plan.batch_size);
    let present = claims::read(deps, plan).await?;
    let key = Key::wave(&plan.wave_id);
    let earlier = deps.table.get::<WaveRecord>(&key).await?;
    let record = wave_record(deps, plan, &batches, digest, execution_arn, earlier.as_deref());
    let mut wave = Stored {
        key,
        version: earlier.map_or(0, |earlier| earlier.version),
        value: record,
    };
    let mut entry = Stored::new(Key::open_wave(&plan.wave_id), plan.wave_id.clone());
    let listed = deps.table.get::<landfall_domain::ids::WaveId>(&entry.key).await?;
    entry.version = listed.map_or(0, |listed| listed.version);
    let first = vec![Write::save(&mut wave)?, Write::save(&mut entry)?];
    deps.table.write(None, first).await?;
    let claimed = deps
        .table
        .write(None, claims::writes(deps, &wave, plan, &batches, present)?)
        .await;
    if let Err(StepError::WriteConflict { .. }) = claimed {
        return Err(undo_claiming(deps, plan, wave).await?);
    }
    claimed?;
    write_parts(deps, plan, &batches).await?;
    wave.status = WaveStatus::Open;
    let planned = Write::save(&mut wave)?;
    let databases = match plan.databases.len() {
        0 => String::new(),
        databases => format!(" and {}", count(databases, "database")),
    };
    let text = format!(
        "planned: {} in {}{databases}, epoch {}",
        count(wave.servers, "server"),
        count(wave.batches, "batch"),
        wave.epoch
    );
    deps.table
        .write(None, vec![planned, log_line(deps, &wave.wave_id, text)?])
        .await?;
    Ok(wave)
}

/// Somebody claimed a server between our look and our claim: gives everything back and says who has it.
async fn undo_claiming(deps: &Deps, plan: &WavePlan, mut wave: Stored<WaveRecord>) -> Result<StepError, StepError> {
    claims::give_back(deps, &plan.wave_id, plan).await?;
    wave.status = WaveStatus::Closed;
    let writes = vec![
        Write::save(&mut wave)?,
        Write::delete_any(Key::open_wave(&plan.wave_id)),
    ];
    deps.table.write(None, writes).await?;
    Ok(match claims::read(deps, plan).await {
        Err(claimed) => claimed,
        Ok(_) => StepError::WriteConflict {
            item: "a claim".to_owned(),
        },
    })
}

fn wave_record(
    deps: &Deps,
    plan: &WavePlan,
    batches: &[Batch],
    plan_digest: String,
    execution_arn: &str,
    earlier: Option<&WaveRecord>,
) -> WaveRecord {
    let now = deps.now();
    let mut record = WaveRecord {
        wave_id: plan.wave_id.clone(),
        epoch: earlier.map_or(1, |earlier| earlier.epoch + 1),
        direction: Direction::Forward,
        status: WaveStatus::Claiming,
        execution_arn: execution_arn.to_owned(),
        planned_at: now,
        claiming_since: now,
        plan_digest,
        description: plan.description.clone(),
        batches: u32::try_from(batches.len()).unwrap_or(u32::MAX),
        servers: u32::try_from(plan.servers.len()).unwrap_or(u32::MAX),
        move_groups: plan.groups().into_iter().map(|(name, _)| name).collect(),
        failures_allowed: plan.failures_allowed(),
        max_concurrent_batches: plan.max_concurrent_batches,
        requested_by: plan.requested_by.clone(),
        change_ticket: plan.change_ticket.clone(),
        retain_source_days: plan.retain_source_days,
        approvals_plan: plan.approvals.clone(),
        window: plan.window.clone(),
        bake_minutes: plan.bake_minutes,
        deadlines: plan.deadlines.clone(),
        rollback: plan.rollback.clone(),
        rollback_acceptance: None,
        phases: Vec::new(),
        waits: BTreeMap::new(),
        approvals: BTreeMap::new(),
        bake_until: None,
        open_to_writes_at: None,
        finalize_intent_at: None,
        outcome: None,
        headline: None,
        next_step: None,
        undo_failures: Vec::new(),
        closed_at: None,
    };
    record.enter(Phase::Plan, now);
    record
}

/// Writes batches, servers, databases and record sets, in place of what an earlier attempt left.
async fn write_parts(deps: &Deps, plan: &WavePlan, batches: &[Batch]) -> Result<(), StepError> {
    let wave = &plan.wave_id;
    let mut old: BTreeMap<Key, u64> = BTreeMap::new();
    old.extend(
        deps.table
            .batches(wave)
            .await?
            .into_iter()
            .map(|item| (item.key, item.version)),
    );
    old.extend(
        deps.table
            .servers(wave, None)
            .await?
            .into_iter()
            .map(|item| (item.key, item.version)),
    );
    old.extend(
        deps.table
            .databases(wave)
            .await?
            .into_iter()
            .map(|item| (item.key, item.version)),
    );
    old.extend(
        deps.table
            .dns(wave)
            .await?
            .into_iter()
            .map(|item| (item.key, item.version)),
    );
    let mut writes = Vec::new();
    for record in batch_records(plan, batches) {
        let key = Key::batch(wave, record.number);
        writes.push(Write::save(&mut placed(&mut old, key, record))?);
    }
    for record in server_records(plan, batches) {
        let key = Key::server(wave, &record.source_server_id);
        writes.push(Write::save(&mut placed(&mut old, key, record))?);
    }
    for record in database_records(plan) {
        let key = Key::database(wave, &record.database_id);
        writes.push(Write::save(&mut placed(&mut old, key, record))?);
    }
    for record in dns_records(plan) {
        let key = Key::dns(wave, &record.hosted_zone_id, &record.name, &record.record_type);
        writes.push(Write::save(&mut placed(&mut old, key, record))?);
    }
    writes.extend(old.into_keys().map(Write::delete_any));
    deps.table.write(None, writes).await
}

fn placed<T>(old: &mut BTreeMap<Key, u64>, key: Key, value: T) -> Stored<T> {
    let version = old.remove(&key).unwrap_or(0);
    Stored { key, version, value }
}

fn batch_records(plan: &WavePlan, batches: &[Batch]) -> Vec<BatchRecord> {
    let record = |batch: &Batch| BatchRecord {
        wave_id: plan.wave_id.clone(),
        number: batch.number,
        move_group: batch.move_group.clone(),
        servers: u32::try_from(batch.servers.len()).unwrap_or(u32::MAX),
        lease: None,
        jobs: BTreeMap::new(),
    };
    batches.iter().map(record).collect()
}

fn server_records(plan: &WavePlan, batches: &[Batch]) -> Vec<ServerRecord> {
    let place = |id: &SourceServerId| batches.iter().find(|batch| batch.servers.contains(id));
    let mut records = Vec::new();
    for server in &plan.servers {
        let Some(batch) = place(&server.source_server_id) else {
            continue;
        };
        let waivers = plan
            .waivers
            .iter()
            .filter(|waiver| waiver.source_server_id == server.source_server_id);
        records.push(ServerRecord::new(
            plan.wave_id.clone(),
            batch.number,
            batch.move_group.clone(),
            plan.resolved(server),
            waivers.cloned().collect(),
        ));
    }
    records
}

fn database_records(plan: &WavePlan) -> Vec<DatabaseRecord> {
    let record = |database: &DatabasePlan| {
        let group = plan.group_of(&database.database_id);
        DatabaseRecord::new(plan.wave_id.clone(), group, database.clone())
    };
    plan.databases.iter().map(record).collect()
}

fn dns_records(plan: &WavePlan) -> Vec<DnsRecord> {
    let groups = plan.groups();
    let group_of = |id: &SourceServerId| {
        let group = groups.iter().find(|(_, servers)| servers.contains(id));
        group.map(|(name, _)| name.clone()).unwrap_or_default()
    };
    let keys: BTreeSet<_> = plan
        .traffic
        .dns
        .iter()
        .map(|record| (record.hosted_zone_id.clone(), record.stored_name(), record.record_type))
        .collect();
    let record = |(zone, name, record_type): (landfall_domain::ids::HostedZoneId, String, _)| {
        let of_key = plan.traffic.dns.iter().filter(|record| {
            record.hosted_zone_id == zone && record.stored_name() == name && record.record_type == record_type
        });
        let targets = of_key.map(|record| DnsTarget {
            move_group: group_of(&record.source_server_id),
            source_server_id: record.source_server_id.clone(),
            plan: record.clone(),
        });
        DnsRecord {
            wave_id: plan.wave_id.clone(),
            targets: targets.collect(),
            record_type: record_type.as_str().to_owned(),
            hosted_zone_id: zone.clone(),
            name: name.clone(),
            original: None,
            ours: Vec::new(),
            state: DnsState::Recorded,
            change_id: None,
            prepared_at: None,
            held: None,
        }
    };
    keys.into_iter().map(record).collect()
}
