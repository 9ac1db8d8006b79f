//! What AWS answers to what it does not know, for clients that have never heard of `NotSimulated`.

use super::Protocol;
use crate::hub::AwsError;

/// The error in AWS's words where it is one of [`AwsError::not_simulated`]; any other stays. The sentence stays too: it
/// says what is missing.
pub fn as_aws(protocol: Protocol, error: AwsError) -> AwsError {
    if error.code != AwsError::NOT_SIMULATED {
        return error;
    }
    let what = error.message.trim_start_matches(AwsError::NOT_SIMULATED_SENTENCE);
    let operation = is_operation(what);
    let (status, code) = match protocol {
        Protocol::RestJson | Protocol::RestJsonPath if operation => (404, "UnknownOperationException"),
        Protocol::AwsJson(_) | Protocol::RpcV2Cbor if operation => (400, "UnknownOperationException"),
        Protocol::Ec2Query | Protocol::AwsQuery | Protocol::RestXml if operation => (400, "InvalidAction"),
        Protocol::Ec2Query => (400, "InvalidParameterValue"),
        Protocol::AwsQuery => (400, "InvalidParameter"),
        Protocol::RestXml => (400, "InvalidInput"),
        _ => (400, "ValidationException"),
    };
    AwsError::new(status, code, error.message)
}

/// Whether it is a whole operation that is not known, `mgn:Foo` or `route53:GET /path`; anything with more words is a part
/// of one that is.
fn is_operation(what: &str) -> bool {
    let mut words = what.split(' ');
    let first = words.next().unwrap_or_default();
    match (words.next(), words.next()) {
        (None, _) => true,
        (Some(path), None) => {
            let method = first.rsplit(':').next().unwrap_or_default();
            path.starts_with('/') && method.bytes().all(|byte| byte.is_ascii_uppercase())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Service;
    use super::*;

    #[test]
    fn an_operation_that_is_not_simulated_is_one_that_aws_does_not_know() {
        let code = |service: Service, what: &str| as_aws(service.protocol(), AwsError::not_simulated(what)).code;
        assert_eq!(
            code(Service::States, "states:CreateActivity"),
            "UnknownOperationException"
        );
        assert_eq!(code(Service::Ec2, "ec2:RunInstances"), "InvalidAction");
        assert_eq!(
            code(Service::Scheduler, "scheduler:GET /schedules"),
            "UnknownOperationException"
        );
        assert_eq!(
            code(Service::States, "states:StartExecution with the member traceHeader"),
            "ValidationException"
        );
    }

    #[test]
    fn any_other_error_stays_as_it_is() {
        let error = AwsError::new(409, "ConflictException", "no");
        assert_eq!(as_aws(Protocol::RestJson, error.clone()), error);
    }
}
