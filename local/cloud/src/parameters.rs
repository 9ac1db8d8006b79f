//! Systems Manager's Parameter Store: values by name, with a version that counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fleet::members::{Members, invalid, not_simulated};
use crate::fleet::times;
use crate::hub::{AwsError, Hub};

#[derive(Clone)]
struct Parameter {
    kind: String,
    value: String,
    version: u64,
    changed_at: Timestamp,
}

/// The simulated store. Cloning shares it.
#[derive(Clone)]
pub struct Parameters {
    hub: Arc<dyn Hub>,
    parameters: Arc<Mutex<BTreeMap<String, Parameter>>>,
}

impl Parameters {
    /// An empty store.
    pub fn new(hub: Arc<dyn Hub>) -> Parameters {
        Parameters {
            hub,
            parameters: Arc::default(),
        }
    }

    /// Sets up a parameter of type `String`, or changes it, past the ledger.
    pub fn set(&self, name: &str, value: &str) {
        self.put(name, value, "String");
    }

    /// A value as it is now, past the ledger.
    pub fn value(&self, name: &str) -> Option<String> {
        let parameters = self.parameters.lock().unwrap_or_else(PoisonError::into_inner);
        parameters.get(name).map(|parameter| parameter.value.clone())
    }

    fn put(&self, name: &str, value: &str, kind: &str) -> u64 {
        let mut parameters = self.parameters.lock().unwrap_or_else(PoisonError::into_inner);
        let version = parameters.get(name).map_or(1, |parameter| parameter.version + 1);
        let parameter = Parameter {
            kind: kind.to_owned(),
            value: value.to_owned(),
            version,
            changed_at: self.hub.now(),
        };
        parameters.insert(name.to_owned(), parameter);
        version
    }

    /// `ssm:GetParameter`.
    pub(crate) fn get_parameter(&self, body: &Value) -> Result<Value, AwsError> {
        let request = Members::of("ssm", "GetParameter", body, &["Name", "WithDecryption"])?;
        let name = request.required("Name")?;
        request.flag("WithDecryption")?;
        let parameters = self.parameters.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(parameter) = parameters.get(name) else {
            return Err(AwsError::new(
                400,
                "ParameterNotFound",
                format!("Parameter {name} not found."),
            ));
        };
        let (account, region) = (self.hub.account(), self.hub.region());
        Ok(json!({"Parameter": {
            "Name": name,
            "Type": parameter.kind,
            "Value": parameter.value,
            "Version": parameter.version,
            "LastModifiedDate": times::epoch_seconds(parameter.changed_at),
            "ARN": format!("arn:aws:ssm:{region}:{account}:parameter/{}", name.trim_start_matches('/')),
            "DataType": "text",
        }}))
    }

    /// `ssm:PutParameter`.
    pub(crate) fn put_parameter(&self, body: &Value) -> Result<Value, AwsError> {
        let request = Members::of("ssm", "PutParameter", body, &["Name", "Value", "Type", "Overwrite"])?;
        let (name, value) = (request.required("Name")?, request.required("Value")?);
        let present = {
            let parameters = self.parameters.lock().unwrap_or_else(PoisonError::into_inner);
            parameters.get(name).map(|parameter| parameter.kind.clone())
        };
        let wanted = request.text("Type")?;
        if wanted.is_some_and(|kind| kind != "String" && kind != "SecureString") {
            return Err(not_simulated("ssm:PutParameter of another Type"));
        }
        if present.is_some() && request.flag("Overwrite")? != Some(true) {
            let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
            return Err(AwsError::new(400, "ParameterAlreadyExists", message));
        }
        let kind = wanted.map(str::to_owned).or(present);
        let kind = kind.ok_or_else(|| invalid("A parameter type is required when you create a parameter."))?;
        let version = self.put(name, value, &kind);
        Ok(json!({"Version": version, "Tier": "Standard"}))
    }
}
