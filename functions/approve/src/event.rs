//! The event of a function URL, as far as it is needed, and the answer to it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>

use aws_smithy_types::base64;
use landfall_aws::parse;
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{ApprovalKind, Decision};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Characters of a reason.
const REASON_CHARACTERS_MAX: usize = 1000;

/// What the function is called with: a request to its URL, payload format 2.0. AWS adds members to it as it likes, so
/// unknown ones are allowed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Who calls, from where.
    #[serde(default)]
    pub request_context: Option<RequestContext>,
    /// What was sent.
    #[serde(default)]
    pub body: Option<String>,
    /// True when the body is encoded.
    #[serde(default)]
    pub is_base64_encoded: bool,
}

/// Who calls, from where.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RequestContext {
    /// What AWS authenticated.
    #[serde(default)]
    pub authorizer: Option<Authorizer>,
}

/// What AWS authenticated.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Authorizer {
    /// The principal; present for a URL with the authentication type `AWS_IAM`.
    #[serde(default)]
    pub iam: Option<Iam>,
}

/// A principal.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Iam {
    /// Its ARN; of a role, with the name of the session.
    #[serde(default)]
    pub user_arn: Option<String>,
}

impl Input {
    /// The principal that AWS authenticated. It is never taken from the body: anybody can write a name there.
    pub fn caller(&self) -> Option<&str> {
        let authorizer = self.request_context.as_ref()?.authorizer.as_ref()?;
        authorizer
            .iam
            .as_ref()?
            .user_arn
            .as_deref()
            .filter(|arn| !arn.is_empty())
    }

    /// The decision that was sent; `InvalidInput` names by path what is wrong with it.
    pub fn decision(&self) -> Result<Body, StepError> {
        let body: Body = parse(&self.json()?)?;
        let characters = body.reason.chars().count();
        if body.reason.trim().is_empty() || characters > REASON_CHARACTERS_MAX {
            let given = format!("{characters} characters");
            return Err(StepError::invalid(
                "$.reason",
                given,
                "1 to 1000 characters that say why",
            ));
        }
        Ok(body)
    }

    fn json(&self) -> Result<Value, StepError> {
        let body = self.body.as_deref().unwrap_or_default();
        let bytes = if self.is_base64_encoded {
            base64::decode(body).map_err(|error| StepError::invalid("$", "not Base64", error.to_string()))?
        } else {
            body.as_bytes().to_vec()
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(StepError::invalid(
                "$",
                "absent",
                "an object with waveId, kind, decision and reason",
            ));
        }
        serde_json::from_slice(&bytes).map_err(|error| StepError::invalid("$", "not JSON", error.to_string()))
    }
}

/// What a person sends.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Body {
    /// The wave.
    pub wave_id: WaveId,
    /// Which question is answered.
    pub kind: ApprovalKind,
    /// The answer.
    pub decision: Verdict,
    /// Why.
    pub reason: String,
}

/// What a person can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Approved => Self::Approved,
            Verdict::Rejected => Self::Rejected,
        }
    }
}

/// The answer of a function URL.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The status.
    pub status_code: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body: a JSON object whose `message` is a sentence.
    pub body: String,
}

impl Response {
    /// An answer with a sentence.
    pub fn new(status_code: u16, message: impl Into<String>) -> Self {
        Self {
            status_code,
            headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            body: serde_json::json!({ "message": message.into() }).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body() -> Value {
        json!({ "waveId": "web-1", "kind": "CUTOVER", "decision": "APPROVED", "reason": "tests are fine" })
    }

    fn event(body: &str, encoded: bool) -> Input {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/", "headers": { "host": "example" },
            "requestContext": {
                "accountId": "111122223333", "requestId": "r", "stage": "$default",
                "authorizer": { "iam": {
                    "accessKey": "AKIAEXAMPLE", "accountId": "111122223333", "cognitoIdentity": null,
                    "userArn": "arn:aws:sts::111122223333:assumed-role/Approver/ada"
                } }
            },
            "body": body, "isBase64Encoded": encoded
        });
        parse(&event).unwrap()
    }

    #[test]
    fn the_body_of_a_request_is_read_encoded_or_not() {
        let text = body().to_string();
        let plain = event(&text, false).decision().unwrap();
        assert_eq!(plain.decision, Verdict::Approved);
        assert_eq!(event(&base64::encode(&text), true).decision().unwrap(), plain);
    }

    #[test]
    fn who_decides_is_what_aws_authenticated_and_never_what_the_body_says() {
        let input = event(&body().to_string(), false);
        assert_eq!(
            input.caller(),
            Some("arn:aws:sts::111122223333:assumed-role/Approver/ada")
        );
        for anonymous in [
            json!({}),
            json!({ "requestContext": { "authorizer": null } }),
            json!({ "requestContext": {} }),
        ] {
            assert_eq!(parse::<Input>(&anonymous).unwrap().caller(), None);
        }
        let mut named = body();
        named["by"] = json!("somebody else");
        assert_eq!(
            event(&named.to_string(), false).decision().unwrap_err().name(),
            "InvalidInput"
        );
    }

    #[test]
    fn a_bad_body_is_refused_with_the_path_of_what_is_wrong() {
        let refused = |body: &str| event(body, false).decision().unwrap_err().to_string();
        assert!(refused("").contains("$ is absent"));
        assert!(refused("{").contains("$ is not JSON"));
        let wrong = |member: &str, value: Value| {
            let mut body = body();
            body[member] = value;
            refused(&body.to_string())
        };
        assert!(
            wrong("decision", json!("EXPIRED")).contains("$.decision is \"EXPIRED\""),
            "nobody decides that"
        );
        assert!(wrong("kind", json!("LAUNCH")).contains("$.kind"));
        assert!(wrong("waveId", json!("Web 1")).contains("$.waveId"));
        assert!(wrong("reason", json!("  ")).contains("$.reason"));
        assert!(wrong("reason", json!("x".repeat(1001))).contains("$.reason"));
        assert!(
            event(&body().to_string(), true)
                .decision()
                .unwrap_err()
                .to_string()
                .contains("not Base64")
        );
    }
}
