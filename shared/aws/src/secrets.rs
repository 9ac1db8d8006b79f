//! Secrets Manager: logins to databases.
//!
//! What a secret holds is repeated nowhere: errors name the secret and the member, and a parser's message, which quotes
//! what it could not read, is left out.

use crate::classify::{code_of, step_error};
use crate::database::{Access, Login, Password};
use aws_sdk_secretsmanager::Client;
use landfall_domain::StepError;
use landfall_domain::plan::database::SecretArn;
use serde_json::{Map, Value};

/// The service's name in errors.
const SERVICE: &str = "Secrets Manager";

/// Codes that say what is wrong with the secret itself: a person has to mend it, and nothing else is at fault.
const WRONG_SECRET: [&str; 3] = [
    "DecryptionFailure",
    "InvalidRequestException",
    "ResourceNotFoundException",
];

/// Secrets Manager.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// Wraps a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The login in a secret: a JSON object with `host`, `port`, `username`, `password` and `dbname`. What is missing is
    /// an error that names the secret and the member, never its content.
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
    pub async fn login(&self, access: &Access) -> Result<Login, StepError> {
        let secret = &access.secret_arn;
        let answer = self.client.get_secret_value().secret_id(secret.as_str()).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let code = code_of(&error).filter(|code| WRONG_SECRET.contains(&code.as_str()));
                return Err(match code {
                    Some(code) => wrong(secret, &format!("cannot be read ({code})")),
                    None => step_error(SERVICE, "GetSecretValue", error),
                });
            }
        };
        let text = answer.secret_string().ok_or_else(|| wrong(secret, "holds no text"))?;
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(wrong(secret, "is no JSON object"));
        };
        Ok(Login {
            engine: access.engine,
            host: text_of(&members, "host", secret)?,
            port: port_of(&members, secret)?,
            database: text_of(&members, "dbname", secret)?,
            username: text_of(&members, "username", secret)?,
            password: Password::new(text_of(&members, "password", secret)?),
            encrypted: access.encrypted,
        })
    }
}

fn text_of(members: &Map<String, Value>, member: &str, secret: &SecretArn) -> Result<String, StepError> {
    match members.get(member) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err(wrong(
            secret,
            &format!("has a member {member} that is empty or no text"),
        )),
        None => Err(wrong(secret, &format!("has no member {member}"))),
    }
}

/// Secrets Manager's own rotations write a number, people a text.
fn port_of(members: &Map<String, Value>, secret: &SecretArn) -> Result<u16, StepError> {
    let port = match members.get("port") {
        Some(Value::Number(number)) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
        None => return Err(wrong(secret, "has no member port")),
    };
    port.filter(|port| *port > 0)
        .ok_or_else(|| wrong(secret, "has a member port that is no port"))
}

fn wrong(secret: &SecretArn, what: &str) -> StepError {
    StepError::DatabaseRefused(format!(
        "the secret {} {what}; a login is a JSON object with host, port, username, password and dbname; mend the secret",
        secret.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::{Canned, json};
    use landfall_domain::error::ErrorClass;
    use serde_json::json as value;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:source/landfall-AbCdEf";

    fn access() -> Access {
        let access = value!({"secretArn": ARN, "engine": "postgres", "encrypted": true});
        serde_json::from_value(access).unwrap()
    }

    async fn login(secret: Value) -> Result<Login, StepError> {
        let answer = value!({"ARN": ARN, "SecretString": secret.as_str().map_or(secret.to_string(), str::to_owned)});
        let secrets = Secrets::new(Canned::new([json(200, answer.to_string())]).secrets());
        secrets.login(&access()).await
    }

    fn whole() -> Value {
        value!({"host": "db", "port": "5432", "username": "lf", "password": "hunter2", "dbname": "shop", "engine": "x"})
    }

    #[tokio::test]
    async fn a_login_is_read_and_its_password_never_shown() {
        let read = login(whole()).await.unwrap();
        assert_eq!((read.host.as_str(), read.port, read.encrypted), ("db", 5432, true));
        assert_eq!(read.password.expose(), "hunter2");
        assert!(!format!("{read:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_secret_that_is_wrong_is_named_with_its_member_and_not_repeated() {
        for member in ["host", "port", "username", "password", "dbname"] {
            for wrong in [None, Some(value!(["hunter2"]))] {
                let mut secret = whole();
                let members = secret.as_object_mut().unwrap();
                members.remove(member);
                members.extend(wrong.map(|wrong| (member.to_owned(), wrong)));
                let error = login(secret).await.unwrap_err();
                let text = error.to_string();
                assert_eq!(error.class(), ErrorClass::Hold);
                assert!(
                    text.contains(ARN) && text.contains(&format!("member {member}")),
                    "{text}"
                );
                assert!(!text.contains("hunter2"), "{text}");
            }
        }
        for text in ["hunter2", "{\"password\": hunter2", "[\"hunter2\"]"] {
            let error = login(Value::String(text.to_owned())).await.unwrap_err().to_string();
            assert!(
                error.contains("is no JSON object") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_secret_that_does_not_exist_waits_for_a_person() {
        let refused = json(
            400,
            r#"{"__type":"ResourceNotFoundException","Message":"can't find it"}"#,
        );
        let secrets = Secrets::new(Canned::new([refused]).secrets());
        let error = secrets.login(&access()).await.unwrap_err();
        assert_eq!(error.name(), "DatabaseRefused");
    }
}
