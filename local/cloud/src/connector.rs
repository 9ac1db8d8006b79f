//! The simulated cloud as an SDK client's HTTP client.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::caller::Caller;
use crate::cloud::{Answer, Cloud};

/// Carries requests of one caller into the cloud, and answers back after the call's latency.
#[derive(Clone)]
pub struct Connector {
    cloud: Cloud,
    caller: Caller,
}

impl Connector {
    /// A connector whose calls are all `caller`'s.
    pub fn new(cloud: Cloud, caller: Caller) -> Connector {
        Connector { cloud, caller }
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request
            .try_into_http1x()
            .map_err(|error| ConnectorError::user(error.into()))?;
        let (parts, body) = request.into_parts();
        let Some(body) = body.bytes().map(Bytes::copy_from_slice) else {
            return Err(ConnectorError::user(
                "local AWS does not simulate streamed request bodies".into(),
            ));
        };
        let reply = self.cloud.handle(&self.caller, http::Request::from_parts(parts, body));
        if !reply.latency.is_zero() {
            tokio::time::sleep(reply.latency).await;
        }
        let answer = match reply.answer {
            Answer::Later(later) => later.answer().await,
            answer => answer,
        };
        match answer {
            Answer::Response(response) => HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::other(error.into(), None)),
            Answer::Reset => Err(ConnectorError::io("connection reset by peer".into())),
            Answer::Silence(duration) => {
                tokio::time::sleep(duration).await;
                Err(ConnectorError::io("connection closed without an answer".into()))
            }
            // An invocation ends with one of the others.
            Answer::Killed | Answer::Later(_) => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
