//! `reach-database`: the one function in the network of the databases. It is asked one call of the port to databases and
//! through which login, reads that login's secret, logs in, asks, and logs out.
//!
//! It calls Secrets Manager and nothing else, so its subnets need one endpoint. It decides nothing and knows no wave: who
//! asks has the lease, the epoch and the record. The password stays here.

use landfall_aws::Deps;
use landfall_aws::database::DatabaseError;
use landfall_aws::remote_database::{Ask, QUICK, Reached, Request, written};
use landfall_domain::StepError;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Answers one call. What goes wrong with the database, or with the secret, is an answer too; an error is only a question
/// that cannot be read.
pub async fn handle(deps: Arc<Deps>, ask: Ask) -> Result<Reached, StepError> {
    Ok(match reached(&deps, &ask).await {
        Ok(answer) => Reached::Answer(answer),
        Err(error) => Reached::Error(error),
    })
}

async fn reached(deps: &Deps, ask: &Ask) -> Result<Value, DatabaseError> {
    let time = time(deps, ask);
    let ends = tokio::time::Instant::now() + time;
    let secret = ask.access.secret_arn.as_str();
    let late = |place: &str| DatabaseError::Unreachable {
        host: place.to_owned(),
        message: format!("{} was given up after {} ms", ask.request.name(), time.as_millis()),
    };
    if time.is_zero() {
        return Err(DatabaseError::Unreachable {
            host: secret.to_owned(),
            message: format!("{} came too late, and was not begun", ask.request.name()),
        });
    }
    let login = match tokio::time::timeout_at(ends, deps.secrets.login(&ask.access)).await {
        Ok(login) => login?,
        Err(_) => return Err(late(secret)),
    };
    if ask.request == (Request::Describe {}) {
        return written(login.facts());
    }
    let asked = async {
        let mut database = deps.direct.connect(&login).await?;
        ask.request.put_to(database.as_mut()).await
    };
    match tokio::time::timeout_at(ends, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(late(&format!("{}:{}", login.host, login.port))),
    }
}

/// How long there is: until whoever asks is ended, and for what looks at little not even so long.
fn time(deps: &Deps, ask: &Ask) -> Duration {
    let left = Duration::try_from(ask.until.duration_since(deps.now())).unwrap_or_default();
    if ask.request.is_quick() { left.min(QUICK) } else { left }
}
