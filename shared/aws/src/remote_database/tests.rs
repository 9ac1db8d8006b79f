//! What travels, and what becomes of a function that does not answer.

use super::*;
use crate::database::Databases;
use crate::mgn::canned::{Answer, Canned, json};
use landfall_domain::database::TableFacts;
use landfall_domain::error::ErrorClass;
use landfall_domain::record::{LoginRecord, SettingRecord};
use serde_json::json as value;

const NOW: &str = "2026-01-10T02:00:00Z";

fn access() -> Access {
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:source/landfall-AbCdEf";
    let access = value!({"secretArn": arn, "engine": "postgres", "encrypted": true});
    serde_json::from_value(access).expect("an access")
}

fn table() -> TableName {
    TableName::new("shop", "orders")
}

fn keep() -> KeepOpen {
    KeepOpen {
        logins: vec!["landfall".to_owned()],
    }
}

fn record() -> FreezeRecord {
    FreezeRecord {
        logins: vec![LoginRecord {
            name: "shop".to_owned(),
            could_log_in: true,
            exempt: false,
        }],
        settings: vec![SettingRecord {
            name: "read_only".to_owned(),
            before: "OFF".to_owned(),
        }],
        method: "login locks".to_owned(),
    }
}

fn sequence() -> SequenceValue {
    SequenceValue {
        name: table(),
        last_value: -7,
        increment: 2,
    }
}

/// A database that answers every call with something, and notes what it was asked.
#[derive(Default)]
struct Echo {
    asked: Vec<String>,
}

impl Echo {
    fn note<T>(&mut self, what: String, answer: T) -> Result<T, DatabaseError> {
        self.asked.push(what);
        Ok(answer)
    }
}

#[async_trait]
impl Database for Echo {
    async fn inspect(&mut self, schemas: &[String], keep: &KeepOpen) -> Result<Inspection, DatabaseError> {
        let seen = Inspection {
            version: "PostgreSQL 17.2".to_owned(),
            size_bytes: u64::MAX,
            tables: vec![TableFacts {
                name: table(),
                has_key: true,
                full_identity: false,
                rows_estimate: 3,
                largest_lob_bytes: Some(4),
            }],
            sequences: vec![sequence()],
            triggers: vec!["t".to_owned()],
            exempt_logins: vec!["root".to_owned()],
            prepared_transactions: vec!["p".to_owned()],
            log_retention_hours: None,
            log_problems: vec!["wal_level is replica".to_owned()],
            sessions: vec![("shop".to_owned(), 2)],
        };
        self.note(format!("inspect {schemas:?} {keep:?}"), seen)
    }

    async fn create_fence_table(&mut self, fence: &TableName, fence_writer: &str) -> Result<(), DatabaseError> {
        self.note(format!("createFenceTable {fence} {fence_writer}"), ())
    }

    async fn drop_fence_table(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        self.note(format!("dropFenceTable {fence}"), ())
    }

    async fn write_fence(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        self.note(format!("writeFence {fence} {id}"), ())
    }

    async fn read_fences(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError> {
        self.note(format!("readFences {fence} {ids:?}"), ids.to_vec())
    }

    async fn plan_closing(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        self.note(format!("planClosing {keep:?}"), record())
    }

    async fn close(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError> {
        let what = format!("close {fence} {id} {record:?} {keep:?} {within:?}");
        let answer = match id {
            "open" => Closed::StillOpen {
                logins: vec!["shop".to_owned()],
            },
            "held" => Closed::Held {
                why: vec!["p".to_owned()],
            },
            _ => Closed::Empty { ended: 3 },
        };
        self.note(what, answer)
    }

    async fn open(&mut self, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<Vec<String>, DatabaseError> {
        self.note(format!("open {fence} {id} {record:?}"), vec!["left".to_owned()])
    }

    async fn probe(&mut self) -> Result<Probe, DatabaseError> {
        let answer = match self.asked.len() {
            0 => Probe::Accepted,
            _ => Probe::Refused("read only".to_owned()),
        };
        self.note("probe".to_owned(), answer)
    }

    async fn open_transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        let open = OpenTransaction {
            session: "1".to_owned(),
            login: "shop".to_owned(),
            seconds: 9,
        };
        self.note(format!("openTransactions {at_least:?}"), vec![open])
    }

    async fn prepared_transactions(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.note("preparedTransactions".to_owned(), vec!["p".to_owned()])
    }

    async fn fingerprint(&mut self, tables: &[TableName]) -> Result<String, DatabaseError> {
        self.note(format!("fingerprint {tables:?}"), "f00".to_owned())
    }

    async fn table_sum(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        let sum = TableSum {
            rows: 7,
            checksum: "c".to_owned(),
        };
        self.note(format!("tableSum {table}"), sum)
    }

    async fn sequences(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        self.note(format!("sequences {schemas:?}"), vec![sequence()])
    }

    async fn advance_sequences(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError> {
        self.note(format!("advanceSequences {values:?} {margin}"), ())
    }

    async fn make_ready(&mut self, tables: &[TableName]) -> Result<Readiness, DatabaseError> {
        let readiness = Readiness {
            done: vec!["triggers".to_owned()],
            missing: vec!["a key".to_owned()],
        };
        self.note(format!("makeReady {tables:?}"), readiness)
    }

    async fn smoke_test(&mut self, statement: Option<&str>) -> Result<(), DatabaseError> {
        self.note(format!("smokeTest {statement:?}"), ())
    }

    async fn log_position(&mut self) -> Result<String, DatabaseError> {
        self.note("logPosition".to_owned(), "0/1".to_owned())
    }

    async fn hold_log(&mut self, slot: &str) -> Result<String, DatabaseError> {
        self.note(format!("holdLog {slot}"), "0/2".to_owned())
    }

    async fn apply_exceptions(&mut self) -> Result<u64, DatabaseError> {
        self.note("applyExceptions".to_owned(), u64::MAX)
    }

    async fn validation_failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        let failure = ValidationFailure {
            table: "shop.orders".to_owned(),
            key: "1".to_owned(),
            failure: "RECORD_DIFF".to_owned(),
        };
        self.note(format!("validationFailures {most}"), vec![failure])
    }

    async fn leftovers(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.note("leftovers".to_owned(), vec!["slot:dms".to_owned()])
    }

    async fn end_leftover(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        self.note(format!("endLeftover {leftover}"), ())
    }
}

/// Makes each call of the port, with each kind of answer; says what each answered.
macro_rules! every_call {
    ($database:expr) => {{
        let database = $database;
        let mut told: Vec<String> = Vec::new();
        let (fence, schemas, tables) = (table(), vec!["shop".to_owned()], vec![table()]);
        let ids = vec!["a".to_owned(), "b".to_owned()];
        macro_rules! told {
            ($call:expr) => {
                told.push(format!("{:?}", $call.await))
            };
        }
        told!(database.probe());
        told!(database.probe());
        told!(database.inspect(&schemas, &keep()));
        told!(database.create_fence_table(&fence, "fence"));
        told!(database.drop_fence_table(&fence));
        told!(database.write_fence(&fence, "a"));
        told!(database.read_fences(&fence, &ids));
        told!(database.plan_closing(&keep()));
        for id in ["open", "held", "empty"] {
            told!(database.close(&fence, id, &record(), &keep(), Duration::from_millis(20_500)));
        }
        told!(database.open(&fence, "c", &record()));
        told!(database.open_transactions(Duration::from_secs(60)));
        told!(database.prepared_transactions());
        told!(database.fingerprint(&tables));
        told!(database.table_sum(&fence));
        told!(database.sequences(&schemas));
        told!(database.advance_sequences(&[sequence()], 1_000));
        told!(database.make_ready(&tables));
        told!(database.smoke_test(None));
        told!(database.smoke_test(Some("SELECT 1")));
        told!(database.log_position());
        told!(database.hold_log("back"));
        told!(database.apply_exceptions());
        told!(database.validation_failures(5));
        told!(database.leftovers());
        told!(database.end_leftover("slot:dms"));
        told
    }};
}

/// What a question was, as Lambda carried it.
fn asked(aws: &Canned) -> Ask {
    let request = aws.requests().pop().expect("a request");
    let (path, body) = request.split_once(' ').expect("a path and a body");
    let path = path.replace("%3A", ":");
    assert!(
        path.ends_with(
            "/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:reach-database/invocations"
        ),
        "{path}"
    );
    serde_json::from_str(body).expect("a question")
}

fn through(aws: &Canned) -> Box<dyn Database> {
    aws.deps(NOW.parse().expect("an instant")).databases.through(access())
}

/// A client whose calls go through JSON into [`Echo`], and back.
struct Carried(Echo);

impl Carried {
    async fn call<T: DeserializeOwned>(&mut self, request: Request) -> Result<T, DatabaseError> {
        let ask = Ask {
            access: access(),
            until: NOW.parse().expect("an instant"),
            request,
        };
        let carried: Ask = serde_json::from_slice(&payload(&ask).expect("it fits")).expect("it is read");
        assert_eq!(carried, ask);
        let answer = carried.request.put_to(&mut self.0).await?;
        let text = value!(Reached::Answer(answer)).to_string();
        let output = InvokeOutput::builder().payload(Blob::new(text)).build();
        match reached(output)? {
            Reached::Answer(answer) => read(&ask.request, answer),
            Reached::Error(error) => Err(error),
        }
    }
}

#[tokio::test]
async fn every_call_arrives_with_its_parameters_and_its_answer_comes_back() {
    let (mut plain, mut carried) = (Echo::default(), Carried(Echo::default()));
    let wanted = every_call!(&mut plain);
    // Answers that are none, so that every call is made, and says which it was.
    let odd = || json(200, value!({ "answer": { "no": "answer" } }).to_string());
    let aws = Canned::new(wanted.iter().map(|_| odd()));
    let mut remote = through(&aws);
    let told = every_call!(&mut remote);
    let mut given = Vec::new();
    for (request, told) in aws.requests().iter().zip(told) {
        let body = request.split_once(' ').expect("a path and a body").1;
        let ask: Ask = serde_json::from_str(body).expect("a question");
        assert!(
            told.contains(&format!("the answer to {}", ask.request.name())),
            "{told}"
        );
        given.push(one(&mut carried, ask.request).await);
    }
    assert_eq!(given, wanted);
    assert_eq!(carried.0.asked, plain.asked);
}

/// One call by what it asks, with the answer in its own type.
async fn one(carried: &mut Carried, request: Request) -> String {
    macro_rules! as_type {
        ($type:ty) => {
            format!("{:?}", carried.call::<$type>(request).await)
        };
    }
    match request {
        Request::Describe {} => as_type!(LoginFacts),
        Request::Inspect { .. } => as_type!(Inspection),
        Request::PlanClosing { .. } => as_type!(FreezeRecord),
        Request::Close { .. } => as_type!(Closed),
        Request::Probe {} => as_type!(Probe),
        Request::OpenTransactions { .. } => as_type!(Vec<OpenTransaction>),
        Request::TableSum { .. } => as_type!(TableSum),
        Request::Sequences { .. } => as_type!(Vec<SequenceValue>),
        Request::MakeReady { .. } => as_type!(Readiness),
        Request::ApplyExceptions {} => as_type!(u64),
        Request::ValidationFailures { .. } => as_type!(Vec<ValidationFailure>),
        Request::Fingerprint { .. } | Request::LogPosition {} | Request::HoldLog { .. } => as_type!(String),
        Request::ReadFences { .. }
        | Request::Open { .. }
        | Request::PreparedTransactions {}
        | Request::Leftovers {} => as_type!(Vec<String>),
        Request::CreateFenceTable { .. }
        | Request::DropFenceTable { .. }
        | Request::WriteFence { .. }
        | Request::AdvanceSequences { .. }
        | Request::SmokeTest { .. }
        | Request::EndLeftover { .. } => as_type!(()),
    }
}

#[test]
fn every_error_survives_the_journey() {
    let text = |text: &str| text.to_owned();
    let (service, operation) = ("Secrets Manager", "GetSecretValue");
    let services = [
        StepError::Throttled {
            service,
            operation,
            message: text("slow down"),
        },
        StepError::ServiceUnavailable {
            service,
            operation,
            message: text("no answer"),
        },
        StepError::AccessDenied {
            service,
            operation,
            message: text("no"),
        },
        StepError::ServiceRefused {
            service,
            operation,
            code: text("Odd"),
            message: text("no"),
        },
        StepError::DatabaseRefused(text("the secret holds no text")),
    ];
    let own = [
        DatabaseError::Unreachable {
            host: text("h:1"),
            message: text("silence"),
        },
        DatabaseError::LoginRefused {
            host: text("h:1"),
            username: text("shop"),
            message: text("locked"),
        },
        DatabaseError::Refused {
            what: text("to close"),
            code: text("42501"),
            message: text("no"),
        },
        DatabaseError::Superseded { id: text("c-1") },
        DatabaseError::Unsupported(text("cannot")),
    ];
    let errors = own.into_iter().chain(services.map(DatabaseError::from));
    for error in errors {
        let written = value!(Reached::Error(error.clone())).to_string();
        assert_eq!(
            serde_json::from_str::<Reached>(&written).unwrap(),
            Reached::Error(error)
        );
    }
    // What reading a secret never gives still waits for a person, with its sentence.
    let odd = DatabaseError::from(StepError::NotApproved(text("nobody said yes")));
    let written = value!(odd).to_string();
    let read: DatabaseError = serde_json::from_str(&written).unwrap();
    assert_eq!(
        read,
        DatabaseError::from(StepError::DatabaseRefused(text("nobody said yes")))
    );
}

#[tokio::test]
async fn a_question_holds_a_secrets_name_and_the_time_that_is_left() {
    let accepted = json(200, value!({ "answer": "accepted" }).to_string());
    let aws = Canned::new([accepted]);
    assert_eq!(through(&aws).probe().await, Ok(Probe::Accepted));
    let ask = asked(&aws);
    assert_eq!((ask.access, ask.request), (access(), Request::Probe {}));
    // A minute from now it is ended, and a second before that the answer is there.
    assert_eq!(ask.until, "2026-01-10T02:00:59Z".parse::<Timestamp>().unwrap());
}

#[tokio::test]
async fn a_function_without_time_asks_nothing() {
    let aws = Canned::new([]);
    let deps = aws.deps(NOW.parse().expect("an instant"));
    let deps = deps.until("2026-01-10T02:00:01Z".parse().expect("an instant"));
    let error = StepError::from(deps.databases.through(access()).probe().await.unwrap_err());
    assert_eq!(error.class(), ErrorClass::RetrySoon);
    assert!(aws.requests().is_empty());
    assert!(error.to_string().contains("was not asked"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_asked_for_again() {
    let accepted = json(200, value!({ "answer": "accepted" }).to_string());
    let aws = Canned::new([None, accepted]);
    let deps = aws.deps(NOW.parse().expect("an instant"));
    assert_eq!(deps.databases.through(access()).probe().await, Ok(Probe::Accepted));
    assert_eq!(aws.requests().len(), 2);
}

async fn refused(answer: Answer) -> StepError {
    let aws = Canned::new([answer.clone(), answer.clone(), answer]);
    StepError::from(through(&aws).probe().await.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn a_service_that_refuses_is_told_from_a_database_that_does() {
    let throttled = refused(json(
        429,
        r#"{"__type":"TooManyRequestsException","message":"Rate Exceeded."}"#,
    ))
    .await;
    assert_eq!(throttled.name(), "Throttled");
    let denied = refused(json(403, r#"{"__type":"AccessDeniedException","message":"no"}"#)).await;
    assert_eq!(denied.name(), "AccessDenied");
    let gone = refused(json(404, r#"{"__type":"ResourceNotFoundException","message":"no"}"#)).await;
    assert_eq!(gone.name(), "ServiceRefused");
    let odd = refused(json(200, r#"{"reply": 1}"#)).await;
    assert_eq!(odd.name(), "UnknownValue");
    let other = refused(json(200, r#"{"answer": "perhaps"}"#)).await;
    assert_eq!(other.name(), "UnknownValue");
    assert!(other.to_string().contains("the answer to probe"), "{other}");
}

#[test]
fn a_function_that_failed_has_answered_nothing() {
    let failed = |error_type: &str| {
        let text = value!({"errorType": error_type, "errorMessage": "said"}).to_string();
        let output = InvokeOutput::builder()
            .function_error("Unhandled")
            .payload(Blob::new(text))
            .build();
        reached(output).unwrap_err()
    };
    for ended in [
        "Sandbox.Timedout",
        "Runtime.ExitError",
        "Runtime.OutOfMemory",
        "Lambda panicked",
    ] {
        let error = failed(ended);
        assert_eq!(error.class(), ErrorClass::RetrySoon, "{error}");
        assert!(error.to_string().contains(ended), "{error}");
    }
    let long = failed("Function.ResponseSizeTooLarge");
    assert_eq!(long.name(), "DatabaseRefused");
    assert!(long.to_string().contains("longer than Lambda carries"), "{long}");
    assert_eq!(failed("InvalidInput").name(), "UnknownValue");
}

#[test]
fn a_question_that_is_too_long_is_refused_here() {
    let ask = |bytes: usize| Ask {
        access: access(),
        until: NOW.parse().expect("an instant"),
        request: Request::EndLeftover {
            leftover: "x".repeat(bytes),
        },
    };
    assert!(payload(&ask(1)).is_ok());
    let error = payload(&ask(PAYLOAD_BYTES_MAX)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Hold);
    assert!(error.to_string().contains("move fewer tables"), "{error}");
}

#[tokio::test]
async fn a_function_that_is_told_no_way_says_so() {
    let databases = RemoteDatabases::new(
        Canned::new([]).lambda(),
        None,
        Canned::new([]).deps(NOW.parse().expect("an instant")).clock,
        NOW.parse().expect("an instant"),
    );
    let error = databases.through(access()).probe().await.unwrap_err();
    assert!(error.to_string().contains("LANDFALL_REACH_DATABASE_ARN"), "{error}");
}

#[tokio::test]
async fn functions_outside_of_the_network_log_in_nowhere() {
    let login = crate::database::Login {
        engine: access().engine,
        host: "db".to_owned(),
        port: 1,
        database: "shop".to_owned(),
        username: "shop".to_owned(),
        password: crate::database::Password::new("hunter2"),
        encrypted: true,
    };
    let refused = crate::database::NoDatabases
        .connect(&login)
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(refused, DatabaseError::Unsupported(_)), "{refused}");
    let facts = value!(login.facts()).to_string();
    assert!(!facts.contains("hunter2"), "{facts}");
}
