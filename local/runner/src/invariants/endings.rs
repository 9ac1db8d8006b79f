//! How waves end: I6, I7, I12.

use super::Findings;
use crate::evidence::Evidence;
use landfall_cloud::fleet::{CostItem, CostKind, InstanceState, InstanceView, Purpose};
use landfall_domain::record::{ServerRecord, WaveRecord, WaveStatus};
use landfall_domain::report::{WaveOutcome, WaveReport};

/// I6 and I12: what a wave started it has ended, and what still runs and costs money it names.
pub(super) fn nothing_runs_unnamed(evidence: &Evidence, findings: &mut Findings) {
    for wave in &evidence.records.waves {
        let report = evidence.reported(wave.wave_id.as_str());
        for instance in evidence.instances.iter().filter(|instance| runs(instance)) {
            let Some(record) = record_of(evidence, wave, &instance.server) else {
                continue;
            };
            if let Some(why) = leftover(wave, record, instance) {
                let named = report.is_some_and(|report| names(report, &instance.id) || names(report, &instance.job));
                if !named {
                    let id = &instance.id;
                    let host = &record.plan.hostname;
                    findings.add("I6", format!("{id} of {host} still runs and no report names it: {why}"));
                }
            }
        }
        for cost in &evidence.costs {
            // An instance that Landfall could not see is named by the job that may have launched it.
            let job = evidence.instances.iter().find(|instance| instance.id == cost.id);
            let named = |report: &WaveReport| {
                names(report, &cost.id) || job.is_some_and(|instance| names(report, &instance.job))
            };
            let Some(record) = record_of(evidence, wave, &cost.server) else {
                continue;
            };
            let why = match report {
                Some(report) if named(report) => continue,
                Some(_) => "the report does not name it",
                None => "there is no report",
            };
            let (what, host) = (cost_in_words(cost), &record.plan.hostname);
            findings.add("I12", format!("{what} of {host} costs money and {why}"));
        }
    }
}

fn record_of<'a>(evidence: &'a Evidence, wave: &WaveRecord, server: &str) -> Option<&'a ServerRecord> {
    evidence
        .records
        .server(server)
        .filter(|record| record.wave_id == wave.wave_id)
}

fn runs(instance: &InstanceView) -> bool {
    !matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown)
}

/// Why an instance should not exist any more, if it should not.
fn leftover(wave: &WaveRecord, record: &ServerRecord, instance: &InstanceView) -> Option<&'static str> {
    let production = record
        .cutover
        .instance_id
        .as_ref()
        .is_some_and(|id| id.as_str() == instance.id);
    match (wave.outcome, instance.purpose) {
        (Some(WaveOutcome::RolledBack), _) => Some("its wave is rolled back"),
        (Some(WaveOutcome::Completed), Purpose::Test) => Some("its test is over"),
        (Some(WaveOutcome::Completed), Purpose::Cutover) if !production => Some("it is not the production instance"),
        _ => None,
    }
}

fn names(report: &WaveReport, id: &str) -> bool {
    report.running.iter().any(|thing| thing.id == id)
        || report.undo_failures.iter().any(|sentence| sentence.contains(id))
}

fn cost_in_words(cost: &CostItem) -> String {
    match cost.kind {
        CostKind::RunningInstance => format!("instance {}", cost.id),
        CostKind::StoppedInstance => format!("stopped instance {}", cost.id),
        CostKind::Snapshot => format!("snapshot {}", cost.id),
        CostKind::ReplicatingServer => format!("replication {}", cost.id),
    }
}

/// I7: a claim belongs to a wave that is open, and a server is claimed once. A database cannot be claimed twice: its claim
/// is kept under the secret that opens it.
pub(super) fn claims_belong_to_open_waves(evidence: &Evidence, findings: &mut Findings) {
    let claims = &evidence.records.claims;
    let of_databases = &evidence.records.database_claims;
    let servers = claims
        .iter()
        .map(|claim| (claim.source_server_id.as_str(), &claim.wave_id));
    let databases = of_databases
        .iter()
        .map(|claim| (claim.database_id.as_str(), &claim.wave_id));
    for (claimed, wave) in servers.chain(databases) {
        if !evidence.records.wave(wave.as_str()).is_some_and(WaveRecord::is_open) {
            let sentence = format!("{claimed} is claimed by wave {wave}, which is not open");
            findings.add("I7", sentence);
        }
    }
    for (index, claim) in claims.iter().enumerate() {
        let server = &claim.source_server_id;
        if claims[..index].iter().any(|other| &other.source_server_id == server) {
            findings.add("I7", format!("{server} is claimed twice"));
        }
    }
    for wave in evidence
        .records
        .waves
        .iter()
        .filter(|wave| wave.is_open() && wave.status != WaveStatus::Claiming)
    {
        for database in evidence.records.databases_of(&wave.wave_id) {
            let claimed = of_databases
                .iter()
                .any(|claim| claim.database_id == database.database_id && claim.wave_id == wave.wave_id);
            if !claimed {
                let id = &database.database_id;
                findings.add(
                    "I7",
                    format!("{id} is in the open wave {} without a claim", wave.wave_id),
                );
            }
        }
        for server in evidence.records.servers_of(&wave.wave_id) {
            let claimed = claims
                .iter()
                .any(|claim| claim.source_server_id == server.source_server_id && claim.wave_id == wave.wave_id);
            if !claimed {
                let id = &server.source_server_id;
                findings.add(
                    "I7",
                    format!("{id} is in the open wave {} without a claim", wave.wave_id),
                );
            }
        }
    }
}

/// I12: a wave ends with an outcome, and one that needs a person says whom and for what.
pub(super) fn every_wave_ends(evidence: &Evidence, findings: &mut Findings) {
    for wave in &evidence.records.waves {
        let id = &wave.wave_id;
        match (wave.status, wave.outcome) {
            (WaveStatus::Closed, Some(WaveOutcome::Completed | WaveOutcome::RolledBack)) => {}
            (WaveStatus::Held, Some(WaveOutcome::NeedsOperator)) if wave.next_step.is_some() => {}
            (status, outcome) => {
                let step = if wave.next_step.is_some() { "a" } else { "no" };
                let sentence = format!(
                    "wave {id} stands at {status:?} with outcome {outcome:?} and {step} next step, and nothing runs"
                );
                findings.add("I12", sentence);
            }
        }
        if wave.headline.as_deref().unwrap_or_default().is_empty() {
            findings.add("I12", format!("wave {id} has no headline"));
        }
    }
}
