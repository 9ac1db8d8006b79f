//! Ends a wave, as what its records say it is. A wave that ended gives back what it claimed; one that needs a person keeps
//! it, and the person is told. No undo: an ended wave is planned anew.

use landfall_aws::hold::notify_held;
use landfall_aws::table::{Key, Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::decide::{Ending, ending};
use landfall_domain::ids::WaveId;
use landfall_domain::record::{ClaimRecord, DatabaseClaimRecord, Direction, ServerRecord, WaveStatus};
use landfall_domain::report::WaveOutcome;
use landfall_domain::text::plain;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the function takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// Its epoch.
    pub epoch: u64,
    /// Which way it moved.
    pub direction: Direction,
    /// Why it went back, or could not go on.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What it answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// As what the wave ended.
    pub outcome: WaveOutcome,
    /// What happened.
    pub headline: String,
    /// Who must act next, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

/// Longest reason that the audit trail keeps, in characters: causes of failed executions hold whole inputs.
const REASON_CHARS_MAX: usize = 4000;

/// How many sentences of what is left stand in the wave; the audit trail has all of them.
const LEFT_MAX: usize = 50;

/// Decides how the wave ends and puts it on record; repeats answer the same.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Output, StepError> {
    let stored = deps.table.wave(&input.wave_id).await?;
    if stored.status == WaveStatus::Closed && stored.epoch == input.epoch {
        release(&deps, &input.wave_id).await?;
        let outcome = stored.outcome.unwrap_or(WaveOutcome::RolledBack);
        return Ok(Output {
            outcome,
            headline: stored.headline.clone().unwrap_or_default(),
            next_step: None,
        });
    }
    let mut step = Step::begin(&deps, &input.wave_id, input.epoch, input.direction).await?;
    let parts = deps.table.parts(&input.wave_id).await?;
    let servers: Vec<ServerRecord> = parts.servers.into_iter().map(|server| server.value).collect();
    let dns: Vec<_> = parts.dns.into_iter().map(|record| record.value).collect();
    let reason: Option<String> = input
        .reason
        .map(|text| plain(&text).chars().take(REASON_CHARS_MAX).collect());
    let databases: Vec<_> = parts.databases.into_iter().map(|database| database.value).collect();
    let ending = ending(&step.wave, &servers, &databases, &dns, reason.as_deref());
    record(&deps, &mut step, &ending, reason).await?;
    match (&ending.next, ending.outcome) {
        (Some(next), WaveOutcome::NeedsOperator) => {
            notify_held(&deps, &input.wave_id, &ending.headline, next).await?;
        }
        _ => {
            release(&deps, &input.wave_id).await?;
            let subject = format!("Landfall: wave {} has ended", input.wave_id);
            deps.sns
                .publish(&deps.config.topic_arn, &subject, &ending.headline)
                .await?;
        }
    }
    let next_step = ending.next.map(|next| format!("{}: {}", next.who, next.what));
    Ok(Output {
        outcome: ending.outcome,
        headline: ending.headline,
        next_step,
    })
}

async fn record(deps: &Deps, step: &mut Step, ending: &Ending, reason: Option<String>) -> Result<(), StepError> {
    let now = step.now;
    let held = ending.outcome == WaveOutcome::NeedsOperator;
    let left: Vec<String> = ending.left.iter().take(LEFT_MAX).cloned().collect();
    step.change_wave(deps, |wave| {
        wave.status = if held { WaveStatus::Held } else { WaveStatus::Closed };
        wave.outcome = Some(ending.outcome);
        wave.headline = Some(ending.headline.clone());
        wave.next_step = ending.next.clone();
        wave.undo_failures = left.clone();
        wave.closed_at = (!held).then_some(now);
    })
    .await?;
    let mut writes = vec![step.log(deps, format!("{:?}: {}", ending.outcome, ending.headline))?];
    // The headline holds the beginning of the reason on one line; here is the whole of it.
    if let Some(reason) = reason.filter(|reason| !ending.headline.contains(reason.trim_end_matches('.'))) {
        writes.push(step.log(deps, format!("the whole reason: {reason}"))?);
    }
    for sentence in &ending.left {
        writes.push(step.log(deps, format!("left: {sentence}"))?);
    }
    deps.table.write(None, writes).await
}

/// Gives servers and databases back: the wave has ended, so nobody works on them any more.
async fn release(deps: &Deps, wave: &WaveId) -> Result<(), StepError> {
    let servers = deps.table.servers(wave, None).await?;
    let key =
        |server: &Stored<ServerRecord>| Key::claim(&deps.config.account, &deps.config.region, &server.source_server_id);
    let keys: Vec<Key> = servers.iter().map(key).collect();
    let claims = deps.table.get_many::<ClaimRecord>(&keys).await?;
    let mut writes: Vec<Write> = claims
        .iter()
        .filter(|claim| &claim.wave_id == wave)
        .map(Write::delete)
        .collect();
    let databases = deps.table.databases(wave).await?;
    let keys = databases.iter().map(|database| {
        let secret = database.plan.source.admin_secret_arn.as_str();
        Key::database_claim(&deps.config.account, &deps.config.region, secret)
    });
    let claims = deps
        .table
        .get_many::<DatabaseClaimRecord>(&keys.collect::<Vec<_>>())
        .await?;
    writes.extend(claims.iter().filter(|claim| &claim.wave_id == wave).map(Write::delete));
    writes.push(Write::delete_any(Key::open_wave(wave)));
    deps.table.write(None, writes).await
}
