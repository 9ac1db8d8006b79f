//! When a server is settled, and what the batch as a whole has come to.

use crate::Input;
use jiff::{SignedDuration, Timestamp};
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::plan::WaivedRule;
use landfall_domain::record::ServerRecord;
use landfall_domain::report::CheckPhase;
use landfall_domain::text::few;
use serde::Serialize;

/// The outcome of the checks of a batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `OK`, `PARTIAL` or `FAILED`.
    pub outcome: &'static str,
    /// How many servers passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Why not, a sentence a server, the first five.
    pub reasons: Vec<String>,
    /// After a switch: until when the wave is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake_until: Option<Timestamp>,
}

/// True for a server that the plan exempts from testing.
pub fn untested(server: &ServerRecord) -> bool {
    server
        .waivers
        .iter()
        .any(|waiver| waiver.rule == WaivedRule::UntestedCutover)
}

/// Why a server did not pass, where it did not.
pub fn failure(server: &ServerRecord, phase: CheckPhase) -> Option<&String> {
    match phase {
        CheckPhase::Test => server.test.failure.as_ref(),
        CheckPhase::Cutover => server.cutover.failure.as_ref(),
        CheckPhase::AfterSwitch => server.after_switch_failure.as_ref(),
    }
}

/// Notes that a server did not pass.
pub fn failed(server: &mut ServerRecord, phase: CheckPhase, why: String) {
    match phase {
        CheckPhase::Test => server.test.failure = Some(why),
        CheckPhase::Cutover => server.cutover.failure = Some(why),
        CheckPhase::AfterSwitch => server.after_switch_failure = Some(why),
    }
}

/// Notes that a server passed.
pub fn passed(server: &mut ServerRecord, phase: CheckPhase, at: Timestamp) {
    match phase {
        CheckPhase::Test => server.test.validated_at = Some(at),
        CheckPhase::Cutover => server.cutover.validated_at = Some(at),
        CheckPhase::AfterSwitch => server.validated_after_switch_at = Some(at),
    }
}

/// True when a server passed.
pub fn has_passed(server: &ServerRecord, phase: CheckPhase) -> bool {
    failure(server, phase).is_none()
        && match phase {
            CheckPhase::Test => server.test.validated_at.is_some() || untested(server),
            CheckPhase::Cutover => server.cutover.validated_at.is_some(),
            CheckPhase::AfterSwitch => server.validated_after_switch_at.is_some(),
        }
}

/// True when it is known whether a server passed.
pub fn settled(server: &ServerRecord, phase: CheckPhase) -> bool {
    failure(server, phase).is_some() || has_passed(server, phase)
}

/// Fails servers that have no instance although their job is over: there is nothing to check.
pub async fn fail_unlaunched(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    phase: CheckPhase,
) -> Result<(), StepError> {
    let mut writes = Vec::new();
    for server in servers.iter_mut().filter(|server| !settled(server, phase)) {
        if server.launch(phase).instance_id.is_none() {
            failed(server, phase, "no instance was launched for it".to_owned());
            writes.push(Write::save(server)?);
        }
    }
    step.write(deps, writes).await
}

/// Sums up a batch whose servers are all settled.
pub async fn outcome(
    deps: &Deps,
    step: &mut Step,
    servers: &[Stored<ServerRecord>],
    input: &Input,
) -> Result<Outcome, StepError> {
    let reasons: Vec<String> = servers
        .iter()
        .filter_map(|server| failure(server, input.phase).map(|why| format!("{}: {why}", server.plan.hostname)))
        .collect();
    let failed = reasons.len();
    let passed = servers.len() - failed;
    let bake_until = match input.phase {
        CheckPhase::AfterSwitch if failed == 0 => Some(bake(deps, step).await?),
        _ => None,
    };
    let text = format!(
        "checks ({:?}) of batch {}: {passed} passed, {failed} not",
        input.phase, input.batch
    );
    let line = step.log(deps, text)?;
    step.write(deps, vec![line]).await?;
    let outcome = match (passed, failed) {
        (_, 0) => "OK",
        (0, _) => "FAILED",
        _ => "PARTIAL",
    };
    Ok(Outcome {
        outcome,
        passed,
        failed,
        reasons: few(reasons),
        bake_until,
    })
}

/// The bake time begins when the last batch has passed after its switch.
async fn bake(deps: &Deps, step: &mut Step) -> Result<Timestamp, StepError> {
    let until = step.now + SignedDuration::from_mins(i64::from(step.wave.bake_minutes));
    step.change_wave(deps, |wave| {
        wave.bake_until = Some(wave.bake_until.map_or(until, |present| present.max(until)));
    })
    .await?;
    Ok(step.wave.bake_until.unwrap_or(until))
}
