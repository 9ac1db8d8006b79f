//! The function `approve`: an authenticated person answers a question of a wave. The answer is on record before anybody
//! who waits is told, so that nothing is lost between the two.
//!
//! No undo: a decision stands for its epoch. Who wants another one stops the wave.

mod event;

pub use event::{Authorizer, Body, Iam, Input, RequestContext, Response, Verdict};

use jiff::Timestamp;
use landfall_aws::Deps;
use landfall_aws::table::{Stored, Write};
use landfall_aws::waiting;
use landfall_domain::record::{ApprovalRecord, Decision, LogRecord, WaveRecord, WaveStatus};
use landfall_domain::{ErrorClass, StepError};
use serde_json::json;
use std::sync::Arc;

/// Attempts to record a decision while others change the wave.
const RECORD_ATTEMPTS_MAX: usize = 6;

/// Records a decision and tells those who wait. Whatever is wrong with the request is an answer with its sentence and
/// not an error; errors are those of the table and of Step Functions that a repetition does not mend.
pub async fn handle(deps: Arc<Deps>, input: Input) -> Result<Response, StepError> {
    let Some(caller) = input.caller() else {
        let sentence = "AWS has authenticated nobody; sign the request with your credentials";
        return Ok(Response::new(401, sentence));
    };
    let body = match input.decision() {
        Ok(body) => body,
        Err(error) => return Ok(Response::new(400, error.to_string())),
    };
    match decide(&deps, &body, caller).await {
        Err(error @ StepError::WaveUnknown(_)) => Ok(Response::new(404, error.to_string())),
        Err(error) if error.class() == ErrorClass::RetrySoon => {
            Ok(Response::new(503, format!("{error}; send the same request again")))
        }
        other => other,
    }
}

/// What a decision means for the question as it stands.
#[derive(Debug, Clone, PartialEq)]
enum Standing {
    /// It can be answered.
    Open,
    /// It was answered so already.
    Same(String),
    /// It cannot be answered, or not so.
    Refused(String),
}

async fn decide(deps: &Deps, body: &Body, caller: &str) -> Result<Response, StepError> {
    for _ in 0..RECORD_ATTEMPTS_MAX {
        let mut wave = deps.table.wave(&body.wave_id).await?;
        if wave.requested_by.as_deref() == Some(caller) {
            let sentence = format!("{caller} asked for the migration and cannot approve it; somebody else has to");
            return Ok(Response::new(403, sentence));
        }
        let (status, sentence) = match standing(&wave, body, deps.now()) {
            Standing::Refused(sentence) => return Ok(Response::new(409, sentence)),
            // Those who wait are told again: the one who recorded it may not have come so far.
            Standing::Same(sentence) => (200, sentence),
            Standing::Open => match record(deps, &mut wave, body, caller).await {
                Ok(()) => (200, thanks(body)),
                Err(StepError::WriteConflict { .. }) => continue,
                Err(error) => return Err(error),
            },
        };
        tell(deps, &wave, body).await?;
        return Ok(Response::new(status, sentence));
    }
    Err(StepError::WriteConflict {
        item: format!("wave {}", body.wave_id),
    })
}

fn standing(wave: &WaveRecord, body: &Body, now: Timestamp) -> Standing {
    let kind = body.kind.as_str();
    let id = &wave.wave_id;
    if wave.status == WaveStatus::Closed {
        return Standing::Refused(format!("wave {id} has ended; nothing was changed"));
    }
    let asked = wave.approvals.get(kind).filter(|asked| asked.epoch == wave.epoch);
    let Some(asked) = asked else {
        return Standing::Refused(format!(
            "wave {id} asks nothing about {kind} at the moment; nothing was changed"
        ));
    };
    match asked.decision {
        Some(decision) if decision == Decision::from(body.decision) => {
            Standing::Same(format!("this is already decided: {}", told(asked, decision)))
        }
        Some(decision) => Standing::Refused(format!(
            "this is already decided otherwise: {}; nothing was changed",
            told(asked, decision)
        )),
        None if now >= asked.deadline => Standing::Refused(format!(
            "the question could be answered until {}; nothing was changed",
            asked.deadline
        )),
        None => Standing::Open,
    }
}

fn told(asked: &ApprovalRecord, decision: Decision) -> String {
    let at = asked.at.map(|at| format!(" at {at}")).unwrap_or_default();
    match decision {
        Decision::Expired => format!("expired{at}"),
        Decision::Approved | Decision::Rejected => {
            let by = asked.by.as_deref().unwrap_or("an unnamed principal");
            format!("{} by {by}{at}", word(decision))
        }
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Approved => "approved",
        Decision::Rejected => "rejected",
        Decision::Expired => "expired",
    }
}

fn thanks(body: &Body) -> String {
    format!(
        "{} of wave {} is {}",
        body.kind.as_str(),
        body.wave_id,
        word(body.decision.into())
    )
}

/// Puts the decision on record, on condition that nothing else about the wave has changed since it was read.
async fn record(deps: &Deps, wave: &mut Stored<WaveRecord>, body: &Body, caller: &str) -> Result<(), StepError> {
    let at = deps.now();
    if let Some(asked) = wave.approvals.get_mut(body.kind.as_str()) {
        asked.decision = Some(body.decision.into());
        asked.by = Some(caller.to_owned());
        asked.at = Some(at);
        asked.reason = Some(body.reason.clone());
    }
    let line = LogRecord {
        at,
        actor: caller.to_owned(),
        text: format!("{}: {}", thanks(body), body.reason),
    };
    let line = Write::log(&wave.wave_id, &line, &deps.ids.next())?;
    deps.table.write(None, vec![Write::save(wave)?, line]).await
}

/// Completes every token that waits for the decision, those of the present epoch: an earlier attempt must not go on by
/// an answer to a later question. One that fails does not keep the others waiting.
async fn tell(deps: &Deps, wave: &WaveRecord, body: &Body) -> Result<(), StepError> {
    let Some(asked) = wave.approvals.get(body.kind.as_str()) else {
        return Ok(());
    };
    let output = json!({ "decision": asked.decision, "by": asked.by, "reason": asked.reason });
    let resource = format!("APPROVAL#{}#{}", wave.wave_id, body.kind.as_str());
    let mut failed = None;
    for token in deps.table.awaiting(&resource).await? {
        if token.epoch != wave.epoch {
            continue;
        }
        if let Err(error) = waiting::complete(deps, &token, &output).await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wave(epoch_asked: u64, decision: Option<&str>) -> WaveRecord {
        serde_json::from_value(json!({
            "waveId": "web-1", "epoch": 2, "direction": "FORWARD", "status": "OPEN", "executionArn": "arn",
            "plannedAt": at("2026-01-10T00:00:00Z"), "claimingSince": at("2026-01-10T00:00:00Z"), "planDigest": "x",
            "batches": 1, "servers": 2, "moveGroups": ["all"], "failuresAllowed": 0, "maxConcurrentBatches": 5, "retainSourceDays": 30, "approvalsPlan": {}, "bakeMinutes": 60,
            "deadlines": {}, "rollback": {}, "phases": [],
            "approvals": { "CUTOVER": {
                "epoch": epoch_asked, "askedAt": at("2026-01-10T01:00:00Z"), "deadline": at("2026-01-11T01:00:00Z"),
                "question": "may it?", "decision": decision, "by": decision.map(|_| "arn:ada"),
                "at": decision.map(|_| at("2026-01-10T02:00:00Z"))
            } }
        }))
        .unwrap()
    }

    fn body(kind: &str, decision: &str) -> Body {
        serde_json::from_value(json!({ "waveId": "web-1", "kind": kind, "decision": decision, "reason": "why" }))
            .unwrap()
    }

    fn stands(wave: &WaveRecord, body: &Body) -> Standing {
        standing(wave, body, at("2026-01-10T03:00:00Z"))
    }

    fn refused(standing: Standing) -> String {
        match standing {
            Standing::Refused(sentence) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_question_is_answered_only_while_it_is_asked_in_the_present_epoch() {
        let yes = body("CUTOVER", "APPROVED");
        assert_eq!(stands(&wave(2, None), &yes), Standing::Open);
        assert!(refused(stands(&wave(1, None), &yes)).contains("asks nothing about CUTOVER"));
        assert!(refused(stands(&wave(2, None), &body("FINALIZE", "APPROVED"))).contains("asks nothing about FINALIZE"));
        let mut closed = wave(2, None);
        closed.status = WaveStatus::Closed;
        assert!(refused(stands(&closed, &yes)).contains("has ended"));
    }

    #[test]
    fn a_question_is_not_answered_after_its_deadline() {
        let late = standing(&wave(2, None), &body("CUTOVER", "APPROVED"), at("2026-01-11T01:00:00Z"));
        assert!(refused(late).contains("until 2026-01-11T01:00:00Z"));
        assert!(refused(stands(&wave(2, Some("EXPIRED")), &body("CUTOVER", "APPROVED"))).contains("expired"));
    }

    #[test]
    fn a_decision_stands_and_repeating_it_changes_nothing() {
        let approved = wave(2, Some("APPROVED"));
        assert!(matches!(
            stands(&approved, &body("CUTOVER", "APPROVED")),
            Standing::Same(_)
        ));
        let sentence = refused(stands(&approved, &body("CUTOVER", "REJECTED")));
        assert!(
            sentence.contains("approved by arn:ada at 2026-01-10T02:00:00Z"),
            "{sentence}"
        );
    }
}
