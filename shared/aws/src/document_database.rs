//! Databases that Landfall does not speak to itself (Oracle, SQL Server): closed, fenced, probed and opened by a Systems
//! Manager document of the plan's own (`freeze.document`), on a host of the plan's own (`freeze.managedInstanceId`).
//!
//! # What a document must take
//!
//! String parameters, of which each call gives those that it needs; give all of them an empty default:
//!
//! | parameter | for | holds |
//! | --- | --- | --- |
//! | `Action` | every call | `freeze`, `fence`, `probe` or `unfreeze` |
//! | `SecretArn` | every call | the secret of the login to use; the document reads it by itself |
//! | `ClosingId` | `freeze`, `unfreeze` | the id of the closing |
//! | `Deadline` | `freeze` | the instant of the dead man's switch, RFC 3339, UTC: a freeze that begins after it does nothing |
//! | `LongestTransactionSeconds` | `freeze` | a transaction that has been open for longer holds the freeze |
//! | `WithinSeconds` | `freeze` | for how long to go on ending sessions |
//! | `KeepLogins` | `freeze` | logins that stay open, a JSON array |
//! | `FenceTable` | `freeze`, `fence`, `unfreeze` | `schema.table`; the table is there before the first call |
//! | `FenceId` | `fence` | the row to write there, committed |
//!
//! # What it must answer
//!
//! One line on its standard output, among the first 2,500 characters, that is a JSON object; the last such line counts.
//!
//! | action | answers |
//! | --- | --- |
//! | `freeze` | `{"outcome": "frozen", "ended": 3}`: nobody but `KeepLogins` has a session, or can get one |
//! | | `{"outcome": "stillOpen", "logins": ["SHOP"]}`: sessions came back until the time was over |
//! | | `{"outcome": "held", "why": ["…"]}`: prepared or long transactions; everything is as it was |
//! | `unfreeze` | `{"outcome": "unfrozen", "left": ["…"]}`: what it was before is restored; `left` names what is not |
//! | both | `{"outcome": "superseded"}`: a later closing or opening has taken its place |
//! | `fence` | `{"outcome": "fenced"}` |
//! | `probe` | `{"outcome": "refused", "message": "ORA-28000"}` or `{"outcome": "accepted"}`: whether this login can write |
//!
//! Each can be asked twice: the second time changes nothing more and answers how it stands then. The document keeps on
//! the database, under `ClosingId`, what it changes, before it changes it; and a `freeze` whose id was unfrozen is
//! superseded for ever, since a command can reach its host late.

use crate::database::{Database, DatabaseError};
use crate::deps::Deps;
use crate::ssm::{CommandRequest, InvocationOutcome, SendRefusal};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::database::{
    Closed, Inspection, KeepOpen, OpenTransaction, Probe, Readiness, SequenceValue, TableName, TableSum,
    ValidationFailure,
};
use landfall_domain::plan::database::SecretArn;
use landfall_domain::record::{DatabaseRecord, FreezeRecord};
use landfall_domain::text::{QUOTE_CHARS_MAX, one_line};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The shortest that Systems Manager allows: a freeze that is not delivered by then is better never delivered.
const DELIVERY_SECONDS: u32 = 30;

/// How long a document may take beside what it is given for ending sessions. With 30 s for those it stays inside a
/// function's minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// How often its invocation is read.
const READ_EVERY: Duration = Duration::from_millis(500);

/// How far back a command is looked for that may still run: the longest freeze takes 15 minutes.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(20);

/// A database behind a document.
struct DocumentDatabase {
    deps: Deps,
    document: String,
    host: String,
    secret: SecretArn,
    deadline: Option<Timestamp>,
    longest_transaction_seconds: u32,
}

/// What a document is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Freeze,
    Fence,
    Probe,
    Unfreeze,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Fence => "fence",
            Self::Probe => "probe",
            Self::Unfreeze => "unfreeze",
        }
    }
}

/// What a document answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
enum Answer {
    Frozen {
        #[serde(default)]
        ended: u32,
    },
    StillOpen {
        logins: Vec<String>,
    },
    Held {
        why: Vec<String>,
    },
    Superseded,
    Unfrozen {
        left: Vec<String>,
    },
    Fenced,
    Refused {
        message: String,
    },
    Accepted,
}

/// A way to the database through the plan's document, with a login's secret. Nothing is asked of it yet.
pub fn connect(deps: &Deps, database: &DatabaseRecord, secret: &SecretArn) -> Result<Box<dyn Database>, DatabaseError> {
    let freeze = &database.plan.freeze;
    let (Some(document), Some(host)) = (&freeze.document, &freeze.managed_instance_id) else {
        return Err(DatabaseError::Unsupported(format!(
            "Landfall does not speak to the engine of database {} itself, and its plan names no document that does",
            database.database_id
        )));
    };
    Ok(Box::new(DocumentDatabase {
        deps: deps.clone(),
        document: document.clone(),
        host: host.as_str().to_owned(),
        secret: secret.clone(),
        deadline: database.source_closing.deadline,
        longest_transaction_seconds: freeze.longest_transaction_seconds,
    }))
}

type Parameters = Vec<(&'static str, String)>;

impl DocumentDatabase {
    /// Asks the document, and waits for its answer. `key` names the effect: a command for it that still runs is waited
    /// for. One that is over is asked again, since what it answered may be true no more.
    async fn ask(
        &self,
        action: Action,
        key: &str,
        parameters: Parameters,
        within: Duration,
    ) -> Result<Answer, DatabaseError> {
        let comment = format!("landfall {} {key}", action.as_str());
        let began = self.deps.now();
        let until = began + SignedDuration::try_from(within + ANSWER_WITHIN).unwrap_or(SignedDuration::MAX);
        let running = self.running(&comment, began).await?;
        let command = match running {
            Some(command) => command,
            None => self.send(action, comment, parameters).await?,
        };
        loop {
            let invocations = self.deps.ssm.invocations(&command).await?;
            // Right after sending, the host may be missing.
            match invocations.get(&self.host).map(|shown| (&shown.outcome, &shown.output)) {
                None | Some((InvocationOutcome::Running, _)) => {}
                Some((InvocationOutcome::Succeeded, output)) => return self.answer(action, output),
                Some((InvocationOutcome::Failed(why), output)) => return Err(self.refused(action, why, output)),
                Some((InvocationOutcome::NotDelivered(why), _)) => {
                    return Err(self.unreachable(format!("command {command} never ran: {why}")));
                }
            }
            if self.deps.now() >= until {
                return Err(self.unreachable(format!("command {command} gave no answer within its time")));
            }
            tokio::time::sleep(READ_EVERY).await;
        }
    }

    async fn running(&self, comment: &str, now: Timestamp) -> Result<Option<String>, StepError> {
        let Some(command) = self.deps.ssm.find_command(comment, now - LOOK_BACK).await? else {
            return Ok(None);
        };
        let invocations = self.deps.ssm.invocations(&command).await?;
        let runs = invocations
            .get(&self.host)
            .is_some_and(|shown| shown.outcome == InvocationOutcome::Running);
        Ok(runs.then_some(command))
    }

    async fn send(&self, action: Action, comment: String, parameters: Parameters) -> Result<String, DatabaseError> {
        let mut given = BTreeMap::from([
            ("Action".to_owned(), vec![action.as_str().to_owned()]),
            ("SecretArn".to_owned(), vec![self.secret.as_str().to_owned()]),
        ]);
        given.extend(
            parameters
                .into_iter()
                .map(|(name, value)| (name.to_owned(), vec![value])),
        );
        let request = CommandRequest {
            document: self.document.clone(),
            parameters: given,
            instances: vec![self.host.clone()],
            comment,
            delivery_timeout_seconds: DELIVERY_SECONDS,
        };
        match self.deps.ssm.send(&request).await {
            Ok(command) => Ok(command),
            Err(SendRefusal::NotManaged(text)) => {
                Err(self.unreachable(format!("Systems Manager does not reach it: {text}")))
            }
            Err(SendRefusal::Other(error)) => Err(error.into()),
        }
    }

    fn answer(&self, action: Action, output: &str) -> Result<Answer, DatabaseError> {
        let objects = output
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok());
        let last = objects.rev().find(|value| value.get("outcome").is_some());
        let read = last.and_then(|value| serde_json::from_value(value).ok());
        read.ok_or_else(|| self.refused(action, "NoAnswer", output))
    }

    /// An answer to another question.
    fn not_an_answer<T>(&self, action: Action, answer: &Answer) -> Result<T, DatabaseError> {
        Err(self.refused(action, "NoAnswer", &format!("it answered {answer:?}")))
    }

    fn refused(&self, action: Action, code: &str, said: &str) -> DatabaseError {
        DatabaseError::Refused {
            what: format!(
                "{} through document {} on {}",
                action.as_str(),
                self.document,
                self.host
            ),
            code: code.to_owned(),
            message: one_line(said, QUOTE_CHARS_MAX),
        }
    }

    fn unreachable(&self, message: String) -> DatabaseError {
        DatabaseError::Unreachable {
            host: self.host.clone(),
            message,
        }
    }

    fn cannot<T>(&self, what: &str) -> Result<T, DatabaseError> {
        Err(DatabaseError::Unsupported(format!(
            "{what} is not something that Landfall can ask document {} for; a person has to see to it",
            self.document
        )))
    }
}

#[async_trait]
impl Database for DocumentDatabase {
    async fn inspect(&mut self, _: &[String], _: &KeepOpen) -> Result<Inspection, DatabaseError> {
        self.cannot("inspecting the database")
    }

    /// The table is made by people. A first row in it shows that it is there and can be written.
    async fn create_fence_table(&mut self, fence: &TableName, _: &str) -> Result<(), DatabaseError> {
        let id = self.deps.ids.next();
        self.write_fence(fence, &id).await
    }

    async fn drop_fence_table(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        self.cannot(&format!("dropping {fence}"))
    }

    async fn write_fence(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        let parameters = vec![("FenceTable", fence.to_string()), ("FenceId", id.to_owned())];
        match self.ask(Action::Fence, id, parameters, Duration::ZERO).await? {
            Answer::Fenced => Ok(()),
            other => self.not_an_answer(Action::Fence, &other),
        }
    }

    async fn read_fences(&mut self, _: &TableName, _: &[String]) -> Result<Vec<String>, DatabaseError> {
        self.cannot("reading fences")
    }

    /// The document keeps on the database what it changes.
    async fn plan_closing(&mut self, _: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        Ok(FreezeRecord {
            method: format!("document {} on {}", self.document, self.host),
            ..FreezeRecord::default()
        })
    }

    async fn close(
        &mut self,
        fence: &TableName,
        id: &str,
        _: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError> {
        let mut parameters = vec![
            ("ClosingId", id.to_owned()),
            ("FenceTable", fence.to_string()),
            ("KeepLogins", Value::from(keep.logins.clone()).to_string()),
            (
                "LongestTransactionSeconds",
                self.longest_transaction_seconds.to_string(),
            ),
            ("WithinSeconds", within.as_secs().to_string()),
        ];
        parameters.extend(self.deadline.map(|deadline| ("Deadline", deadline.to_string())));
        match self.ask(Action::Freeze, id, parameters, within).await? {
            Answer::Frozen { ended } => Ok(Closed::Empty { ended }),
            Answer::StillOpen { logins } => Ok(Closed::StillOpen { logins }),
            Answer::Held { why } => Ok(Closed::Held { why }),
            Answer::Superseded => Err(DatabaseError::Superseded { id: id.to_owned() }),
            other => self.not_an_answer(Action::Freeze, &other),
        }
    }

    async fn open(&mut self, fence: &TableName, id: &str, _: &FreezeRecord) -> Result<Vec<String>, DatabaseError> {
        let parameters = vec![("ClosingId", id.to_owned()), ("FenceTable", fence.to_string())];
        match self.ask(Action::Unfreeze, id, parameters, Duration::ZERO).await? {
            Answer::Unfrozen { left } => Ok(left),
            Answer::Superseded => Err(DatabaseError::Superseded { id: id.to_owned() }),
            other => self.not_an_answer(Action::Unfreeze, &other),
        }
    }

    async fn probe(&mut self) -> Result<Probe, DatabaseError> {
        // Every probe is a new question.
        let id = self.deps.ids.next();
        match self.ask(Action::Probe, &id, Vec::new(), Duration::ZERO).await? {
            Answer::Refused { message } => Ok(Probe::Refused(message)),
            Answer::Accepted => Ok(Probe::Accepted),
            other => self.not_an_answer(Action::Probe, &other),
        }
    }

    /// None that are known: the document looks for them itself, and its freeze is held by those that it finds.
    async fn open_transactions(&mut self, _: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        Ok(Vec::new())
    }

    /// None that are known, for the same reason.
    async fn prepared_transactions(&mut self) -> Result<Vec<String>, DatabaseError> {
        Ok(Vec::new())
    }

    async fn fingerprint(&mut self, _: &[TableName]) -> Result<String, DatabaseError> {
        self.cannot("fingerprinting the schema")
    }

    async fn table_sum(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        self.cannot(&format!("summing up {table}"))
    }

    async fn sequences(&mut self, _: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        self.cannot("reading sequences")
    }

    async fn advance_sequences(&mut self, _: &[SequenceValue], _: u32) -> Result<(), DatabaseError> {
        self.cannot("advancing sequences")
    }

    async fn make_ready(&mut self, _: &[TableName]) -> Result<Readiness, DatabaseError> {
        self.cannot("making the database ready as a target")
    }

    async fn smoke_test(&mut self, _: Option<&str>) -> Result<(), DatabaseError> {
        self.cannot("running a statement")
    }

    async fn log_position(&mut self) -> Result<String, DatabaseError> {
        self.cannot("reading the position of its log")
    }

    async fn apply_exceptions(&mut self) -> Result<u64, DatabaseError> {
        self.cannot("reading exceptions of apply")
    }

    async fn validation_failures(&mut self, _: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        self.cannot("reading failures of validation")
    }

    async fn leftovers(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.cannot("listing what replication left on the database")
    }

    async fn end_leftover(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        self.cannot(&format!("ending {leftover}"))
    }
}

#[cfg(test)]
mod tests;
