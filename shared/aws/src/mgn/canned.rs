//! A service that gives answers prepared beforehand, below the SDK, for the tests of the adapters.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// One answer; [`None`] is a connection that breaks.
pub(crate) type Answer = Option<(u16, String)>;

/// An answer with a body.
pub(crate) fn json(status: u16, body: impl Into<String>) -> Answer {
    Some((status, body.into()))
}

/// The answers still to be given and the requests that came.
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
    attempts_max: u32,
}

macro_rules! clients {
    ($($name:ident $sdk:ident),*) => {
        $(
            /// A client of the service.
            pub(crate) fn $name(&self) -> $sdk::Client {
                use $sdk::config::{BehaviorVersion, Builder, Credentials, Region, retry::RetryConfig};
                let config = Builder::new()
                    .behavior_version(BehaviorVersion::latest())
                    .region(Region::new("eu-west-1"))
                    .credentials_provider(Credentials::new("AKIDCANNED", "secret", None, None, "canned"))
                    .http_client(self.clone())
                    .retry_config(RetryConfig::standard().with_max_attempts(self.attempts_max))
                    .build();
                $sdk::Client::from_conf(config)
            }
        )*
    };
}

impl Canned {
    /// Answers in this order; a call after the last is a broken connection.
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            requests: Arc::default(),
            attempts_max: 1,
        }
    }

    /// With clients that try a failed call again, as those of the functions do.
    pub(crate) fn with_retries(self) -> Self {
        Self {
            attempts_max: 2,
            ..self
        }
    }

    /// Everything that a function is given, with all of AWS behind these answers; at an instant that does not pass, with
    /// ids `id-1`, `id-2`…
    pub(crate) fn deps(&self, now: jiff::Timestamp) -> crate::Deps {
        use aws_smithy_runtime_api::client::http::SharedHttpClient;
        use aws_types::region::Region;
        let sdk = aws_types::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(aws_sdk_mgn::config::SharedCredentialsProvider::new(
                aws_sdk_mgn::config::Credentials::new("AKIDCANNED", "secret", None, None, "canned"),
            ))
            .http_client(SharedHttpClient::new(self.clone()))
            .build();
        let config = crate::Config {
            table_name: "waves".to_owned(),
            topic_arn: "arn:aws:sns:eu-west-1:111122223333:operators".to_owned(),
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            function: "test".to_owned(),
            scheduler_role_arn: None,
            freeze_source_arn: None,
            reach_database_arn: Some("arn:aws:lambda:eu-west-1:111122223333:function:reach-database".to_owned()),
        };
        let fixed = Arc::new(Fixed {
            now,
            ids: Mutex::new(0),
        });
        crate::Deps::new(&sdk, config, fixed.clone(), fixed, "canned")
    }

    /// What was asked so far: path with query, and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    clients!(mgn aws_sdk_mgn, ec2 aws_sdk_ec2, ssm aws_sdk_ssm, route53 aws_sdk_route53, sns aws_sdk_sns, sfn aws_sdk_sfn,
        dms aws_sdk_databasemigration, cloudwatch aws_sdk_cloudwatch, secrets aws_sdk_secretsmanager, scheduler aws_sdk_scheduler, lambda aws_sdk_lambda);
}

/// A clock that stands, and ids in order.
struct Fixed {
    now: jiff::Timestamp,
    ids: Mutex<u32>,
}

impl crate::Clock for Fixed {
    fn now(&self) -> jiff::Timestamp {
        self.now
    }
}

impl crate::Ids for Fixed {
    fn next(&self) -> String {
        let mut last = self.ids.lock().unwrap();
        *last += 1;
        format!("id-{last}")
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        self.requests.lock().unwrap().push(format!("{} {body}", request.uri()));
        let answer = self.answers.lock().unwrap().pop_front().flatten();
        HttpConnectorFuture::ready(match answer {
            Some((status, body)) => Ok(HttpResponse::new(
                StatusCode::try_from(status).unwrap(),
                SdkBody::from(body),
            )),
            None => Err(ConnectorError::io("connection reset".into())),
        })
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
