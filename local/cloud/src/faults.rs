//! Faults: what a rule may do to a call, and how each service words the refusal.

use std::sync::Arc;

use serde_json::Value;

use crate::hub::AwsError;
use crate::protocol::Service;

/// What happens to one call instead of, or after, its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the call runs.
    None,
    /// Refused as too frequent; not executed.
    Throttle {
        /// Seconds in the `Retry-After` header, if the service should send one.
        retry_after_s: Option<u64>,
    },
    /// Refused for want of permission; not executed.
    Deny,
    /// Status 500; not executed.
    ServerError,
    /// Executed, then the connection is reset before the answer.
    LostAnswer,
    /// Executed, and no answer comes, so that the client's own attempt timeout decides.
    TimeoutAnswer,
    /// The caller dies before the call leaves; not executed.
    KillBefore,
    /// Executed, and the caller dies before it learns the result.
    KillAfter,
}

impl Fault {
    /// The name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Fault::None => "None",
            Fault::Throttle { .. } => "Throttle",
            Fault::Deny => "Deny",
            Fault::ServerError => "ServerError",
            Fault::LostAnswer => "LostAnswer",
            Fault::TimeoutAnswer => "TimeoutAnswer",
            Fault::KillBefore => "KillBefore",
            Fault::KillAfter => "KillAfter",
        }
    }

    /// Whether the service carried the call out although the caller was disturbed.
    pub fn executes(self) -> bool {
        matches!(
            self,
            Fault::None | Fault::LostAnswer | Fault::TimeoutAnswer | Fault::KillAfter
        )
    }
}

/// What a rule sees of a call when it decides.
#[derive(Debug, Clone, PartialEq)]
pub struct CallContext {
    /// The number of the call in the whole run, from 1.
    pub seq: u64,
    /// [`crate::Caller::name`].
    pub caller: String,
    /// [`crate::Caller::invocation`].
    pub invocation: u64,
    /// The number of the call within this invocation, from 1.
    pub caller_seq: u64,
    /// `mgn`, `ec2`, `route53`, `ssm`, `sns`, `states`, `dynamodb`, `dms`, `monitoring`, `secretsmanager`, `scheduler`, `lambda`,
    /// or `database` for a call of the port to databases.
    pub service: String,
    /// In AWS's spelling, as in `StartCutover`; for `database`, the port's method, as in `write_fence`.
    pub operation: String,
    /// The request: JSON as sent, a form as an object of strings, XML as nested objects beside path and query.
    pub body: Value,
}

/// Says whether a caller may make a call; the refusal is the sentence that AWS writes.
pub type Authorizer = Arc<dyn Fn(&CallContext) -> Result<(), String> + Send + Sync>;

/// Decides the fate of every call.
pub type FaultRule = Arc<dyn Fn(&CallContext) -> Fault + Send + Sync>;

/// The error a service answers for a fault that refuses, in its own words and statuses; `None` for other faults.
///
/// Services with AWS JSON answer throttling and missing permission with status 400, MGN with 429 and 403, Route 53
/// and SNS with 400 and 403, EC2 with 503 and 403 (the "Common Errors" page of each service's API reference).
pub fn refusal(service: Service, fault: Fault, operation: &str) -> Option<AwsError> {
    match fault {
        Fault::Throttle { retry_after_s } => {
            let (status, code) = match service {
                Service::Mgn => (429, "ThrottlingException"),
                Service::Ec2 => (503, "RequestLimitExceeded"),
                Service::Route53 | Service::Sns => (400, "Throttling"),
                Service::Ssm
                | Service::States
                | Service::DynamoDb
                | Service::Dms
                | Service::Monitoring
                | Service::SecretsManager => (400, "ThrottlingException"),
                Service::Scheduler => (429, "ThrottlingException"),
                Service::Lambda => (429, "TooManyRequestsException"),
                Service::Database => (503, "TooManyConnections"),
            };
            let mut error = AwsError::new(status, code, "Rate exceeded");
            error.retry_after_s = retry_after_s;
            Some(error)
        }
        Fault::Deny => {
            let (status, code) = match service {
                Service::Mgn => (403, "AccessDeniedException"),
                Service::Ec2 => (403, "UnauthorizedOperation"),
                Service::Route53 => (403, "AccessDenied"),
                Service::Sns => (403, "AuthorizationError"),
                // DMS declares AccessDeniedFault for its own checks; what IAM refuses bears the common name.
                Service::Ssm | Service::States | Service::DynamoDb | Service::Dms | Service::SecretsManager => {
                    (400, "AccessDeniedException")
                }
                Service::Monitoring | Service::Scheduler | Service::Lambda => (403, "AccessDeniedException"),
                Service::Database => (403, "LoginRefused"),
            };
            let message = format!("not authorized to perform: {}:{operation}", service.name());
            Some(AwsError::new(status, code, message))
        }
        Fault::ServerError => {
            let code = match service {
                Service::Scheduler => "InternalServerException",
                Service::Ec2 | Service::Sns => "InternalError",
                Service::Mgn | Service::Route53 | Service::States | Service::Dms | Service::Monitoring => {
                    "InternalFailure"
                }
                Service::Ssm | Service::DynamoDb => "InternalServerError",
                Service::SecretsManager => "InternalServiceError",
                Service::Lambda => "ServiceException",
                Service::Database => "ConnectionRefused",
            };
            Some(AwsError::new(500, code, "An internal error occurred"))
        }
        _ => None,
    }
}
