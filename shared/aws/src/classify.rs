//! SDK errors in the domain's words.
//!
//! What an error is, is decided by its code and the HTTP status, not by the generated variants: MGN sends
//! `ThrottlingException` and `AccessDeniedException` from operations whose model declares neither.
//! <https://docs.aws.amazon.com/mgn/latest/APIReference/CommonErrors.html>

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use landfall_domain::StepError;
use std::error::Error;

/// Codes that ask to slow down; nothing was done. EC2 sends its own with status 503, so codes come before statuses.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
const THROTTLED: [&str; 13] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// Codes that say a permission is missing.
const DENIED: [&str; 4] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedOperation",
];

/// Codes of failures on the way that come with a status below 500.
const FAILED_ON_THE_WAY: [&str; 2] = ["RequestTimeout", "RequestTimeoutException"];

/// What an error of a call is to Landfall. `service` as people write it ("Route 53"), `operation` as AWS spells it
/// ("StartCutover").
///
/// [`StepError::Throttled`] and [`StepError::AccessDenied`]: nothing was done. [`StepError::ServiceUnavailable`]: no
/// answer, or none that can be read, so the effect is unknown. [`StepError::ServiceRefused`]: everything else, with the
/// service's own code and message.
pub fn step_error<E>(service: &'static str, operation: &'static str, error: SdkError<E, HttpResponse>) -> StepError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let code = code_of(&error);
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    let message = error.message().map_or_else(|| chain(&error), str::to_owned);
    match (&error, status) {
        (SdkError::ConstructionFailure(_), _) => StepError::ServiceRefused {
            service,
            operation,
            code: "RequestNotBuilt".to_owned(),
            message,
        },
        (_, Some(status)) => answered(service, operation, code, status, message),
        (_, None) => StepError::ServiceUnavailable {
            service,
            operation,
            message,
        },
    }
}

/// The service's own error code, when it answered with one.
pub fn code_of<E, R>(error: &SdkError<E, R>) -> Option<String>
where
    E: ProvideErrorMetadata,
{
    error.code().map(str::to_owned)
}

fn answered(
    service: &'static str,
    operation: &'static str,
    code: Option<String>,
    status: u16,
    message: String,
) -> StepError {
    let among = |codes: &[&str]| code.as_deref().is_some_and(|code| codes.contains(&code));
    if among(&THROTTLED) || status == 429 {
        return StepError::Throttled {
            service,
            operation,
            message,
        };
    }
    if among(&DENIED) || status == 403 {
        // An expired token and a clock that is wrong come with 403 too; their codes tell them apart.
        let message = match code.filter(|code| !DENIED.contains(&code.as_str())) {
            Some(code) => format!("{code}: {message}"),
            None => message,
        };
        return StepError::AccessDenied {
            service,
            operation,
            message,
        };
    }
    // Below 400 the call was accepted, and the answer could not be read: what it did is not known.
    if among(&FAILED_ON_THE_WAY) || !(400..500).contains(&status) {
        return StepError::ServiceUnavailable {
            service,
            operation,
            message,
        };
    }
    StepError::ServiceRefused {
        service,
        operation,
        code: code.unwrap_or_else(|| format!("HTTP {status}")),
        message,
    }
}

/// What an error and its causes say, the outermost first.
fn chain(error: &dyn Error) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if said.last() != Some(&text) {
            said.push(text);
        }
        cause = error.source();
    }
    said.join(": ")
}

/// A value that this version does not know, or that is missing where there must be one.
pub(crate) fn unknown(service: &'static str, what: impl Into<String>, value: impl Into<String>) -> StepError {
    StepError::UnknownValue {
        service,
        what: what.into(),
        value: value.into(),
    }
}

/// The end of a listing was not reached within the pages that are read at most: what was read is not used.
pub(crate) fn too_many_pages(service: &'static str, operation: &'static str, pages: usize) -> StepError {
    StepError::ServiceRefused {
        service,
        operation,
        code: "TooManyPages".to_owned(),
        message: format!("the list did not end within {pages} pages"),
    }
}

/// The token of the next page; some services write an empty one after the last.
pub(crate) fn next_page(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

/// The beginning of a text, at most so many characters.
pub(crate) fn beginning(text: &str, characters_max: usize) -> &str {
    text.char_indices()
        .nth(characters_max)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    fn answer(status: u16) -> HttpResponse {
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty())
    }

    fn classified(code: Option<&str>, status: u16) -> StepError {
        let mut meta = ErrorMetadata::builder().message("said");
        if let Some(code) = code {
            meta = meta.code(code);
        }
        let error: SdkError<ErrorMetadata, HttpResponse> = SdkError::service_error(meta.build(), answer(status));
        step_error("MGN", "StartCutover", error)
    }

    #[test]
    fn an_undeclared_throttle_is_a_throttle_by_its_code_or_its_status() {
        for (code, status) in [
            (Some("ThrottlingException"), 400),
            (Some("Throttling"), 400),
            (Some("PriorRequestNotComplete"), 400),
            (Some("TooManyRequestsException"), 400),
            (Some("ProvisionedThroughputExceededException"), 400),
            (Some("ThrottledException"), 400),
            // EC2 throttles with 503, which is not a failure of the service.
            (Some("RequestLimitExceeded"), 503),
            (None, 429),
            (Some("SomethingNew"), 429),
        ] {
            assert_eq!(
                classified(code, status).name(),
                "Throttled",
                "{code:?} with status {status}"
            );
        }
    }

    #[test]
    fn a_missing_permission_is_told_from_a_refusal() {
        for (code, status) in [
            (Some("AccessDeniedException"), 400),
            (Some("AccessDenied"), 403),
            (Some("UnauthorizedOperation"), 403),
            (None, 403),
        ] {
            assert_eq!(classified(code, status).name(), "AccessDenied");
        }
        let expired = classified(Some("ExpiredTokenException"), 403).to_string();
        assert!(expired.contains("ExpiredTokenException: said"), "{expired}");
    }

    #[test]
    fn a_failure_whose_effect_is_unknown_is_unavailable() {
        type Failed = SdkError<ErrorMetadata, HttpResponse>;
        let failures: [Failed; 4] = [
            SdkError::timeout_error("no answer within 10 s"),
            SdkError::dispatch_failure(ConnectorError::io("connection reset".into())),
            SdkError::dispatch_failure(ConnectorError::timeout("connect".into())),
            // Accepted, but the answer broke off: the job may exist.
            SdkError::response_error("body ended early", answer(202)),
        ];
        for error in failures {
            assert_eq!(step_error("MGN", "StartTest", error).name(), "ServiceUnavailable");
        }
        for (code, status) in [
            (Some("InternalServerException"), 500),
            (None, 502),
            (Some("RequestTimeout"), 400),
            (None, 200),
        ] {
            assert_eq!(classified(code, status).name(), "ServiceUnavailable");
        }
    }

    #[test]
    fn the_causes_of_a_failure_are_said() {
        let error: SdkError<ErrorMetadata, HttpResponse> =
            SdkError::dispatch_failure(ConnectorError::io("connection reset".into()));
        let text = step_error("Route 53", "GetChange", error).to_string();
        assert!(
            text.starts_with("Route 53 did not answer GetChange: ") && text.ends_with("connection reset"),
            "{text}"
        );
    }

    #[test]
    fn everything_else_is_a_refusal_with_code_and_message() {
        assert_eq!(
            classified(Some("ConflictException"), 409),
            StepError::ServiceRefused {
                service: "MGN",
                operation: "StartCutover",
                code: "ConflictException".into(),
                message: "said".into()
            }
        );
        assert!(matches!(classified(None, 418), StepError::ServiceRefused { code, .. } if code == "HTTP 418"));
        let unbuilt: SdkError<ErrorMetadata, HttpResponse> = SdkError::construction_failure("no Region");
        assert_eq!(step_error("EC2", "StopInstances", unbuilt).name(), "ServiceRefused");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(beginning("héé", 2), "hé");
        assert_eq!(beginning("hé", 2), "hé");
    }
}
