//! The function `request-approval`: asks people a question, once, and waits for the answer or for its deadline. The
//! answer is given through `approve`; no answer never means yes.
//!
//! No undo: a question that was asked is a question that was asked. A newer epoch asks its own.

mod message;

use jiff::{SignedDuration, Timestamp};
use landfall_aws::waiting::{self, Wait};
use landfall_aws::{Callback, Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{ApprovalKind, ApprovalRecord, AwaitKind, Decision, Direction, Phase, WaveRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// How long the function itself waits for the end of the bake time. The state machine waits for it; a Wait state may end
/// a fraction of a second early, and the re-entry is a day later.
const BAKE_REST_MAX: SignedDuration = SignedDuration::from_secs(8);

/// What the function is called with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch that the step belongs to.
    pub epoch: u64,
    /// Which way the wave moves.
    pub direction: Direction,
    /// What is asked.
    pub kind: ApprovalKind,
    /// The task that waits.
    pub callback: Callback,
}

/// The token's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// What was decided.
    pub decision: Decision,
    /// By whom; nobody decides by letting a question expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Asks, and completes the task when there is an answer already or the deadline has passed. Errors: those of
/// [`Step::begin`], of the table and of SNS.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Value, StepError> {
    // Refuses an old epoch before its token is recorded.
    Step::begin(&deps, &input.wave_id, input.epoch, input.direction).await?;
    let wait = Wait {
        resource: format!("APPROVAL#{}#{}", input.wave_id, input.kind.as_str()),
        kind: AwaitKind::Approval,
        wave_id: &input.wave_id,
        epoch: input.epoch,
        callback: &input.callback,
        input: Value::Null,
    };
    waiting::wait(&deps, wait, ask(&deps, &input)).await
}

async fn ask(deps: &Deps, input: &Input) -> Result<Option<Answer>, StepError> {
    // Read again, now that the token is recorded: whoever decides later finds it, whoever decided before is found.
    let mut step = Step::begin(deps, &input.wave_id, input.epoch, input.direction).await?;
    if let Some(answer) = answer(&step.wave, input.kind) {
        return Ok(Some(answer));
    }
    if let Some(phase) = phase(input.kind) {
        step.enter(deps, phase).await?;
    }
    if input.kind == ApprovalKind::Finalize && !bake_is_over(deps, &step.wave).await? {
        return Ok(None);
    }
    if asked(&step.wave, input.kind).is_none() {
        record_question(deps, &mut step, input.kind).await?;
    }
    notify(deps, &mut step, input.kind).await?;
    expire(deps, &mut step, input.kind).await?;
    Ok(answer(&step.wave, input.kind))
}

/// The question of this epoch, once it was asked.
fn asked(wave: &WaveRecord, kind: ApprovalKind) -> Option<&ApprovalRecord> {
    wave.approvals
        .get(kind.as_str())
        .filter(|record| record.epoch == wave.epoch)
}

fn answer(wave: &WaveRecord, kind: ApprovalKind) -> Option<Answer> {
    let record = asked(wave, kind)?;
    Some(Answer {
        decision: record.decision?,
        by: record.by.clone(),
        reason: record.reason.clone(),
    })
}

fn phase(kind: ApprovalKind) -> Option<Phase> {
    match kind {
        ApprovalKind::Cutover => Some(Phase::ApproveCutover),
        ApprovalKind::Finalize => Some(Phase::ApproveFinalize),
        // Either is asked in the middle of a phase.
        ApprovalKind::Rollback | ApprovalKind::SchemaConversion => None,
    }
}

async fn bake_is_over(deps: &Deps, wave: &WaveRecord) -> Result<bool, StepError> {
    let Some(until) = wave.bake_until else {
        return Err(StepError::Corrupt(format!(
            "wave {} is to be finalized, and the end of its bake time is not on record",
            wave.wave_id
        )));
    };
    let rest = until.duration_since(deps.now());
    if rest > BAKE_REST_MAX {
        return Ok(false);
    }
    if let Ok(rest) = std::time::Duration::try_from(rest) {
        tokio::time::sleep(rest).await;
    }
    Ok(true)
}

/// Puts the question on record, before it is sent.
async fn record_question(deps: &Deps, step: &mut Step, kind: ApprovalKind) -> Result<(), StepError> {
    let servers = deps.table.servers(&step.wave.wave_id, None).await?;
    let dns = deps.table.dns(&step.wave.wave_id).await?;
    let databases = deps.table.databases(&step.wave.wave_id).await?;
    let asked_at = deps.now();
    let deadline = asked_at + hours(&step.wave, kind);
    let facts = message::Facts {
        wave: &step.wave,
        servers: servers.iter().map(|server| &server.value).collect(),
        dns: dns.iter().map(|record| &record.value).collect(),
        databases: databases.iter().map(|database| &database.value).collect(),
        deadline,
    };
    let question = message::text(kind, &facts);
    let epoch = step.guard.epoch;
    step.change_wave(deps, |wave| {
        if asked(wave, kind).is_none() {
            let record = ApprovalRecord {
                epoch,
                asked_at,
                deadline,
                question: question.clone(),
                notified_at: None,
                decision: None,
                by: None,
                at: None,
                reason: None,
            };
            wave.approvals.insert(kind.as_str().to_owned(), record);
        }
    })
    .await
}

fn hours(wave: &WaveRecord, kind: ApprovalKind) -> SignedDuration {
    let hours = match kind {
        ApprovalKind::Cutover | ApprovalKind::SchemaConversion => wave.approvals_plan.cutover_hours,
        ApprovalKind::Finalize => wave.approvals_plan.finalize_hours,
        ApprovalKind::Rollback => wave.approvals_plan.rollback_hours,
    };
    SignedDuration::from_hours(i64::from(hours))
}

/// Sends the question, unless it was sent. When the function ends between the two, it is sent twice: people are asked
/// once too often rather than not at all.
async fn notify(deps: &Deps, step: &mut Step, kind: ApprovalKind) -> Result<(), StepError> {
    let open = asked(&step.wave, kind).filter(|record| record.notified_at.is_none() && record.decision.is_none());
    let Some(question) = open.map(|record| record.question.clone()) else {
        return Ok(());
    };
    let subject = message::subject(kind, &step.wave.wave_id);
    deps.sns.publish(&deps.config.topic_arn, &subject, &question).await?;
    let at = deps.now();
    change_question(deps, step, kind, |record| {
        record.notified_at.get_or_insert(at);
    })
    .await?;
    let text = format!("{} was asked for", kind.as_str());
    step.write(deps, vec![step.log(deps, text)?]).await
}

/// Notes that nobody answered in time.
async fn expire(deps: &Deps, step: &mut Step, kind: ApprovalKind) -> Result<(), StepError> {
    let now = deps.now();
    if !asked(&step.wave, kind).is_some_and(|record| is_expired(record, now)) {
        return Ok(());
    }
    change_question(deps, step, kind, |record| {
        if is_expired(record, now) {
            record.decision = Some(Decision::Expired);
            record.at = Some(now);
            record.reason = Some(format!("nobody answered by {}", record.deadline));
        }
    })
    .await?;
    // Somebody may have answered at the last moment.
    if answer(&step.wave, kind).is_some_and(|answer| answer.decision != Decision::Expired) {
        return Ok(());
    }
    let text = format!("{} expired: nobody answered in time", kind.as_str());
    step.write(deps, vec![step.log(deps, text)?]).await
}

fn is_expired(record: &ApprovalRecord, now: Timestamp) -> bool {
    record.decision.is_none() && now >= record.deadline
}

async fn change_question(
    deps: &Deps,
    step: &mut Step,
    kind: ApprovalKind,
    change: impl Fn(&mut ApprovalRecord),
) -> Result<(), StepError> {
    step.change_wave(deps, |wave| {
        let epoch = wave.epoch;
        if let Some(record) = wave
            .approvals
            .get_mut(kind.as_str())
            .filter(|record| record.epoch == epoch)
        {
            change(record);
        }
    })
    .await
}
