//! Calls of the port to databases: no service of AWS, but in the same ledger and under the same fault rule.

use std::time::Duration;

use landfall_aws::database::{DatabaseError, Login};
use serde_json::Value;

use super::{Cloud, context, outcome};
use crate::caller::Caller;
use crate::calls::{CallRecord, Outcome};
use crate::faults::{Fault, refusal};
use crate::hub::{AwsError, Hub};
use crate::protocol::{Call, Input, Service};

/// After how long a client of a database gives a statement up.
const PORT_TIMEOUT: Duration = Duration::from_secs(15);

impl Cloud {
    /// Takes a call of the port to databases in: the same ledger and the same fault rule as the calls of services, as
    /// service `database`. `run` does the work and takes its time; it is not polled when a fault keeps the call from
    /// leaving.
    ///
    /// A refused call is [`DatabaseError::Unreachable`], for want of permission [`DatabaseError::LoginRefused`]; a lost
    /// answer is `Unreachable` after `run`. A caller that a fault kills never gets an answer.
    pub async fn database_call<T>(
        &self,
        caller: &Caller,
        operation: &str,
        login: &Login,
        body: Value,
        run: impl Future<Output = Result<T, DatabaseError>>,
    ) -> Result<T, DatabaseError> {
        if caller.killed.is_tripped() {
            return std::future::pending().await;
        }
        let ticket = self.ledger().ticket(&caller.name, caller.invocation);
        let mut row = CallRecord {
            seq: ticket.seq,
            at: self.shared.core.now(),
            caller: caller.name.clone(),
            invocation: caller.invocation,
            caller_seq: ticket.caller_seq,
            service: Service::Database.name().to_owned(),
            operation: operation.to_owned(),
            outcome: Outcome::Ok,
        };
        let call = Call {
            service: Service::Database,
            operation: operation.to_owned(),
            input: Ok(Input::Json(body)),
        };
        let fault = self.decide(&context(&row, &call));
        let refused = refusal(Service::Database, fault, operation).map(|error| port_refusal(&error, fault, login));
        let result = match refused {
            Some(error) => Some(Err(error)),
            None if fault.executes() => Some(run.await),
            None => None,
        };
        let named = result
            .as_ref()
            .map(|result| result.as_ref().map(|_| ()).map_err(port_error));
        row.outcome = outcome(fault, named.as_ref());
        self.ledger().record(row);
        if matches!(fault, Fault::KillBefore | Fault::KillAfter) {
            caller.killed.trip();
        }
        let latency = self.shared.latency;
        if !fault.executes() && !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let lost = |message: &str| {
            Err(DatabaseError::Unreachable {
                host: login.host.clone(),
                message: message.to_owned(),
            })
        };
        match (fault, result) {
            (Fault::KillBefore | Fault::KillAfter, _) | (_, None) => std::future::pending().await,
            (Fault::LostAnswer, _) => lost("connection reset by peer"),
            (Fault::TimeoutAnswer, _) => {
                tokio::time::sleep(self.shared.silence.min(PORT_TIMEOUT)).await;
                lost("no answer in time")
            }
            (_, Some(result)) => result,
        }
    }
}

/// What a client of a database makes of a fault that refuses.
fn port_refusal(error: &AwsError, fault: Fault, login: &Login) -> DatabaseError {
    let (host, message) = (login.host.clone(), error.message.clone());
    match fault {
        Fault::Deny => DatabaseError::LoginRefused {
            host,
            username: login.username.clone(),
            message,
        },
        _ => DatabaseError::Unreachable { host, message },
    }
}

/// How the ledger names what a database refused.
fn port_error(error: &DatabaseError) -> AwsError {
    let (status, code) = match error {
        DatabaseError::Unreachable { .. } => (503, "Unreachable"),
        DatabaseError::LoginRefused { .. } => (403, "LoginRefused"),
        DatabaseError::Refused { code, .. } => (400, code.as_str()),
        DatabaseError::Superseded { .. } => (409, "Superseded"),
        DatabaseError::Unsupported(_) => (400, "Unsupported"),
        DatabaseError::Service(error) => (503, error.name()),
    };
    AwsError::new(status, code, error.to_string())
}
