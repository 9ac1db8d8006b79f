//! Secrets Manager: logins, by ARN.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fleet::members::Members;
use crate::hub::{AwsError, Hub};
use crate::operations;

/// The hyphen and the six characters that Secrets Manager puts behind a name.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen>
const SUFFIX: usize = 7;

#[derive(Clone)]
struct Secret {
    text: String,
    made_at: Timestamp,
    version: u64,
}

/// What does an operation.
type Act = fn(&Secrets, &Value) -> Result<Value, AwsError>;

/// What is simulated.
pub(crate) const OPERATIONS: [(&str, Act); 1] = [("GetSecretValue", Secrets::get_value)];

/// The simulated service. Cloning shares it.
#[derive(Clone)]
pub struct Secrets {
    hub: Arc<dyn Hub>,
    secrets: Arc<Mutex<BTreeMap<String, Secret>>>,
}

impl Secrets {
    /// A service without secrets.
    pub fn new(hub: Arc<dyn Hub>) -> Secrets {
        Secrets {
            hub,
            secrets: Arc::default(),
        }
    }

    /// Sets up a secret, or replaces the one of that ARN.
    pub fn put(&self, arn: &str, content: &Value) {
        let secret = Secret {
            text: content.to_string(),
            made_at: self.hub.now(),
            version: self.hub.random(),
        };
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(arn.to_owned(), secret);
    }

    /// One call: the operation by AWS's name, and its body.
    pub fn handle(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        operations::find("secretsmanager", &OPERATIONS, operation)?(self, body)
    }

    fn get_value(&self, body: &Value) -> Result<Value, AwsError> {
        let request = Members::of("secretsmanager", "GetSecretValue", body, &["SecretId"])?;
        let id = request.required("SecretId")?;
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let found = secrets.iter().find(|(arn, _)| *arn == id || name_of(arn) == id);
        let Some((arn, secret)) = found else {
            let message = "Secrets Manager can't find the specified secret.";
            return Err(AwsError::new(400, "ResourceNotFoundException", message));
        };
        Ok(json!({
            "ARN": arn,
            "Name": name_of(arn),
            "VersionId": format!("00000000-0000-4000-a000-{:012x}", secret.version & 0xffff_ffff_ffff),
            "SecretString": secret.text,
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": secret.made_at.as_second(),
        }))
    }
}

/// The name in an ARN, without the suffix.
fn name_of(arn: &str) -> &str {
    let name = arn.rsplit(':').next().unwrap_or(arn);
    name.len()
        .checked_sub(SUFFIX)
        .and_then(|length| name.get(..length))
        .unwrap_or(name)
}
