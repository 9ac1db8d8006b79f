//! The Lambda Runtime API of one execution environment:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use super::http::{Server, header, json};
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::deps::FUNCTION_SECONDS_MAX;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

const VERSION: &str = "/2018-06-01/runtime";

/// Bytes of an answer, the limit of a synchronous invocation:
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const RESPONSE_BYTES_MAX: usize = 6_291_556;

/// An invocation for the process.
pub(super) struct Job {
    /// Its id.
    pub request_id: String,
    /// What the function is called with.
    pub payload: Bytes,
    /// Told when the process takes it.
    pub taken: oneshot::Sender<()>,
    /// Told what the process says.
    pub said: oneshot::Sender<Said>,
}

/// What a process says of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// The function's answer.
    Answer(Value),
    /// The function's error.
    Error {
        /// Its name.
        error_type: String,
        /// Its sentence.
        message: String,
    },
}

/// The API of one process.
pub(super) struct RuntimeApi {
    jobs: mpsc::Sender<Job>,
    server: Server,
}

struct Shared {
    function_arn: String,
    inbox: tokio::sync::Mutex<mpsc::Receiver<Job>>,
    /// What the process is working at.
    current: Mutex<Option<(String, oneshot::Sender<Said>)>>,
}

impl RuntimeApi {
    /// Opens it on a port of its own.
    pub async fn start(function_arn: String) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            function_arn,
            inbox: tokio::sync::Mutex::new(inbox),
            current: Mutex::default(),
        });
        let server = Server::start(0, move |request| {
            let shared = shared.clone();
            async move { Some(shared.answer(request).await) }
        })
        .await?;
        Ok(Self { jobs, server })
    }

    /// Where it is, for `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Has the process do a job as soon as it asks for one.
    pub async fn give(&self, job: Job) {
        // The API lives as long as this does, so somebody receives; a job that is lost has its `said` closed.
        let _ = self.jobs.send(job).await;
    }
}

impl Shared {
    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix(VERSION) else {
            return unknown(&path);
        };
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => self.response(id, &request),
            (&Method::POST, ["invocation", id, "error"]) => self.say(id, error_of(&request)),
            (&Method::POST, ["init", "error"]) => {
                eprintln!("{} cannot begin: {:?}", self.function_arn, error_of(&request));
                accepted()
            }
            _ => unknown(path),
        }
    }

    /// Answers when there is something to do.
    async fn next(&self) -> Response<Bytes> {
        let Some(job) = self.inbox.lock().await.recv().await else {
            return json(
                410,
                &json!({"errorMessage": "the environment is shut down", "errorType": "Shutdown"}),
            );
        };
        let deadline = Timestamp::now() + SignedDuration::from_secs(i64::from(FUNCTION_SECONDS_MAX));
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", &job.request_id)
            .header("lambda-runtime-deadline-ms", deadline.as_millisecond())
            .header("lambda-runtime-invoked-function-arn", &self.function_arn)
            .header("lambda-runtime-trace-id", trace_id(&job.request_id))
            .body(job.payload)
            .expect("ids, ARNs and numbers are header values");
        *self.lock() = Some((job.request_id, job.said));
        // Whoever waited may have given up.
        let _ = job.taken.send(());
        response
    }

    fn response(&self, id: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let bytes = request.body().len();
        if bytes > RESPONSE_BYTES_MAX {
            let message =
                format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
            let refused = json!({"errorMessage": message, "errorType": "RequestEntityTooLarge"});
            let error_type = "Function.ResponseSizeTooLarge".to_owned();
            self.say(id, Said::Error { error_type, message });
            return json(413, &refused);
        }
        let said = serde_json::from_slice(request.body()).map_or_else(
            |error| Said::Error {
                error_type: "Runtime.InvalidResponse".to_owned(),
                message: format!("the answer is no JSON: {error}"),
            },
            Said::Answer,
        );
        self.say(id, said)
    }

    fn say(&self, id: &str, said: Said) -> Response<Bytes> {
        let mut current = self.lock();
        match current.take_if(|(working_at, _)| working_at == id) {
            Some((_, heard)) => {
                // Whoever waited may have given up.
                let _ = heard.send(said);
                accepted()
            }
            None => {
                let message = format!("no invocation {id} is under way");
                json(400, &json!({"errorMessage": message, "errorType": "InvalidRequestID"}))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(String, oneshot::Sender<Said>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error as the function describes it.
fn error_of(request: &Request<Bytes>) -> Said {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let text = |member: &str| body[member].as_str().map(str::to_owned);
    let error_type =
        text("errorType").or_else(|| header(request, "lambda-runtime-function-error-type").map(str::to_owned));
    Said::Error {
        error_type: error_type.unwrap_or_else(|| "Runtime.Unknown".to_owned()),
        message: text("errorMessage").unwrap_or_default(),
    }
}

/// X-Ray's header: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>.
fn trace_id(request_id: &str) -> String {
    let hex: String = request_id.chars().filter(char::is_ascii_hexdigit).collect();
    let begun = Timestamp::now().as_second();
    format!(
        "Root=1-{begun:08x}-{:0>24.24};Sampled=0",
        hex.get(8..).unwrap_or_default()
    )
}

fn accepted() -> Response<Bytes> {
    json(202, &json!({"status": "OK"}))
}

fn unknown(path: &str) -> Response<Bytes> {
    let message = format!("the Runtime API has no {path}");
    json(404, &json!({"errorMessage": message, "errorType": "NotFound"}))
}
