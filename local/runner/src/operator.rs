//! The scripted operator: reads what Landfall publishes and answers its questions, as a person would, some minutes later.

use crate::world::{Notice, World};
use jiff::Timestamp;
use landfall_domain::record::{ApprovalKind, Decision};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whom AWS authenticates when the operator answers.
pub const OPERATOR_ARN: &str = "arn:aws:sts::111122223333:assumed-role/MigrationApprover/ada";

/// Attempts to send one answer: the function asks for a repetition when the table was busy.
const ATTEMPTS_MAX: u32 = 5;

/// What the operator says to a kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Reject,
    /// Nothing, ever.
    Silence,
}

/// What the operator does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorScript {
    /// From the question to the answer.
    pub delay: Duration,
    /// May the servers be cut over?
    pub cutover: Answer,
    /// May the wave be finalized?
    pub finalize: Answer,
    /// May the rollback lose data?
    pub rollback: Answer,
    /// May a converted schema go to its target although it leaves things to people?
    pub schema_conversion: Answer,
}

impl Default for OperatorScript {
    /// Says yes to everything after seven minutes.
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(7 * 60),
            cutover: Answer::Approve,
            finalize: Answer::Approve,
            rollback: Answer::Approve,
            schema_conversion: Answer::Approve,
        }
    }
}

/// An answer that was given, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// When.
    pub at: Timestamp,
    /// The wave.
    pub wave_id: String,
    /// What was asked.
    pub kind: ApprovalKind,
    /// What was said.
    pub decision: Decision,
    /// The HTTP status of Landfall's response; 0 when the function failed.
    pub status: u64,
    /// Its sentence.
    pub message: String,
}

/// The operator of a world. Clones share what was answered.
#[derive(Clone)]
pub struct Operator {
    script: OperatorScript,
    answers: Arc<Mutex<Vec<Answered>>>,
}

/// The question that a message asks: the body that it shows for the answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question {
    pub wave_id: String,
    pub kind: ApprovalKind,
}

impl Operator {
    /// Puts an operator into a world.
    pub fn attach(world: &World, script: OperatorScript) -> Self {
        let operator = Self {
            script,
            answers: Arc::default(),
        };
        let listening = operator.clone();
        world.on_message(move |world, notification| {
            let Some(question) = question(&notification.message) else {
                return;
            };
            let decision = match listening.script.answer(question.kind) {
                Answer::Approve => Decision::Approved,
                Answer::Reject => Decision::Rejected,
                Answer::Silence => return,
            };
            let (operator, world) = (listening.clone(), world.clone());
            tokio::spawn(async move {
                tokio::time::sleep(operator.script.delay).await;
                operator.answer(&world, &question, decision).await;
            });
        });
        operator
    }

    /// Everything answered so far, in order.
    pub fn answers(&self) -> Vec<Answered> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn answer(&self, world: &World, question: &Question, decision: Decision) {
        let (mut status, mut message) = (0, String::new());
        for _ in 0..ATTEMPTS_MAX {
            let answer = world.invoke("approve", request(question, decision)).await;
            (status, message) = match answer {
                Ok(response) => (response["statusCode"].as_u64().unwrap_or_default(), sentence(&response)),
                Err(failure) => (0, failure.error_message),
            };
            if status != 0 && status != 503 {
                break;
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        let answered = Answered {
            at: world.now(),
            wave_id: question.wave_id.clone(),
            kind: question.kind,
            decision,
            status,
            message,
        };
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(answered);
        world.tell(&Notice::Answered {
            wave: question.wave_id.clone(),
            kind: question.kind,
            decision,
        });
    }
}

impl OperatorScript {
    fn answer(&self, kind: ApprovalKind) -> Answer {
        match kind {
            ApprovalKind::Cutover => self.cutover,
            ApprovalKind::Finalize => self.finalize,
            ApprovalKind::Rollback => self.rollback,
            ApprovalKind::SchemaConversion => self.schema_conversion,
        }
    }
}

/// The question in a message: a line that is the JSON body of the answer.
pub(crate) fn question(message: &str) -> Option<Question> {
    message.lines().find_map(|line| serde_json::from_str(line.trim()).ok())
}

/// A signed request to the function URL, as Lambda hands it to the function.
pub(crate) fn request(question: &Question, decision: Decision) -> Value {
    let reason = match decision {
        Decision::Approved => "checked by the scripted operator",
        Decision::Rejected | Decision::Expired => "not tonight",
    };
    let body = json!({
        "waveId": question.wave_id,
        "kind": question.kind,
        "decision": decision,
        "reason": reason,
    });
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "requestContext": {
            "http": { "method": "POST", "path": "/" },
            "authorizer": { "iam": { "userArn": OPERATOR_ARN } },
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
}

fn sentence(response: &Value) -> String {
    let body = response["body"].as_str().unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["message"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_from_the_body_that_the_message_shows() {
        let message = "Wave web-1: may it?\n\nHow to answer\n\n    \
            {\"decision\":\"APPROVED\",\"kind\":\"CUTOVER\",\"reason\":\"why\",\"waveId\":\"web-1\"}\n\nUntil then.";
        let question = question(message).expect("a question");
        assert_eq!(
            (question.wave_id.as_str(), question.kind),
            ("web-1", ApprovalKind::Cutover)
        );
    }

    #[test]
    fn a_message_that_asks_nothing_is_answered_by_nobody() {
        assert_eq!(question("Wave web-1 needs the operator.\n\nIt is held.\n"), None);
    }
}
