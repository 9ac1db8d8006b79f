//! Secrets Manager: logins to databases.

use crate::database::Login;
use aws_sdk_secretsmanager::Client;
use landfall_domain::StepError;
use landfall_domain::plan::database::DatabaseSide;
use landfall_domain::plan::database::SecretArn;

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
    /// an error that names the secret and the member, never its content. Encrypted unless the side's mode is `none`.
    pub async fn login(&self, side: &DatabaseSide, secret: &SecretArn) -> Result<Login, StepError> {
        let _ = (&self.client, side, secret);
        unimplemented!()
    }
}
