//! The shell of a Lambda function: what is around `handle`.

use crate::database::{Databases, NoDatabases};
use crate::deps::{Clock, Config, Deps, Ids};
use crate::input::parse;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn, tracing};
use landfall_domain::StepError;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{future::Future, path::Path, sync::Arc};

/// The clock of the machine.
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Random ids.
struct RandomIds;

impl Ids for RandomIds {
    fn next(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

/// The environment variable with the file of root certificates.
const ROOT_CERTIFICATES: &str = "SSL_CERT_FILE";

/// Runs a function as a Lambda: builds the clients once, then answers invocations for ever.
pub async fn run<I, O, F, Fut>(handle: F) -> Result<(), lambda_runtime::Error>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Fn(Arc<Deps>, I) -> Fut,
    Fut: Future<Output = Result<O, StepError>>,
{
    run_with(Arc::new(NoDatabases), handle).await
}

/// The same, for the function that logs in to databases.
pub async fn run_with<I, O, F, Fut>(databases: Arc<dyn Databases>, handle: F) -> Result<(), lambda_runtime::Error>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Fn(Arc<Deps>, I) -> Fut,
    Fut: Future<Output = Result<O, StepError>>,
{
    tracing::init_default_subscriber();
    root_certificates_are_there()?;
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(
            aws_smithy_http_client::Builder::new()
                .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                    aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
                ))
                .build_https(),
        )
        .load()
        .await;
    let config = config_from_environment()?;
    let deps = Deps::new(&sdk, config, Arc::new(SystemClock), Arc::new(RandomIds), "landfall");
    let deps = deps.with_direct(databases);
    let (deps, handle) = (&deps, &handle);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let ended = instant(event.context.deadline).unwrap_or_else(|| deps.now());
        let deps = Arc::new(deps.until(ended));
        // Boxed: the type of a future that holds every SDK call in it is too deep for the compiler.
        let outcome = Box::pin(invoke(deps, &event.payload, handle)).await;
        outcome.map_err(|error| {
            tracing::error!(error = error.name(), "{error}");
            diagnostic(&error)
        })
    }))
    .await
}

/// An instant as Lambda gives it, in milliseconds since 1970.
fn instant(milliseconds: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()
}

/// Answers one invocation: parses the payload, calls the function, writes its answer.
pub async fn invoke<I, O, F, Fut>(deps: Arc<Deps>, payload: &Value, handle: F) -> Result<Value, StepError>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Fn(Arc<Deps>, I) -> Fut,
    Fut: Future<Output = Result<O, StepError>>,
{
    let output = handle(deps, parse(payload)?).await?;
    serde_json::to_value(output).map_err(|error| StepError::Corrupt(format!("an answer cannot be written: {error}")))
}

/// What Step Functions sees of an error: its stable name, which `ErrorEquals` matches, and its sentence.
fn diagnostic(error: &StepError) -> Diagnostic {
    Diagnostic {
        error_type: error.name().to_owned(),
        error_message: error.to_string(),
    }
}

/// Where the template says which file holds the root certificates, that there is such a file: the SDK would go on without
/// any, and every call would end in a TLS error that names no reason.
/// <https://docs.rs/rustls-native-certs/latest/rustls_native_certs/fn.load_native_certs.html>
fn root_certificates_are_there() -> Result<(), lambda_runtime::Error> {
    let Some(file) = std::env::var_os(ROOT_CERTIFICATES) else {
        return Ok(());
    };
    if Path::new(&file).is_file() {
        return Ok(());
    }
    Err(format!(
        "{ROOT_CERTIFICATES} is {}, and there is no such file; name another in the template, or take the variable out of it: \
         the system's own places are read then",
        file.display()
    )
    .into())
}

fn config_from_environment() -> Result<Config, lambda_runtime::Error> {
    let read = |name: &str| {
        std::env::var(name).map_err(|_| format!("the environment variable {name} is not set; the template sets it"))
    };
    Ok(Config {
        table_name: read("LANDFALL_TABLE")?,
        topic_arn: read("LANDFALL_TOPIC_ARN")?,
        account: read("LANDFALL_ACCOUNT")?,
        region: read("AWS_REGION")?,
        function: read("AWS_LAMBDA_FUNCTION_NAME")?,
        scheduler_role_arn: read("LANDFALL_SCHEDULER_ROLE_ARN").ok(),
        freeze_source_arn: read("LANDFALL_FREEZE_SOURCE_ARN").ok(),
        reach_database_arn: read("LANDFALL_REACH_DATABASE_ARN").ok(),
    })
}
