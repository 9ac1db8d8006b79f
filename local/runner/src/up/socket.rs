//! AWS on a socket: who signed a request, which service it is for, and what becomes of the connection.

use super::http::{header, text};
use super::identities::{Identities, Signature};
use crate::world::World;
use bytes::Bytes;
use http::{Method, Request, Response};
use landfall_cloud::protocol::{self, Service};
use landfall_cloud::{Answer, AwsError, Cloud};

/// Where a list of all operations is, for anybody.
pub(super) const OPERATIONS: &str = "/landfall/operations";

/// The socket's side of a world.
#[derive(Clone)]
pub(super) struct Socket {
    pub world: World,
    pub identities: Identities,
}

impl Socket {
    /// Answers a request; [`None`] closes the connection without an answer.
    pub async fn answer(self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        if request.method() == Method::GET && request.uri().path() == OPERATIONS {
            return Some(operations());
        }
        let Some(signature) = header(&request, "authorization").and_then(Signature::read) else {
            let error = AwsError::new(
                403,
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            );
            return Some(stranger(&request, &error));
        };
        if Service::from_name(signature.service).is_none() {
            let message = format!("local AWS does not simulate the service {}", signature.service);
            let error = AwsError::new(400, "UnknownOperationException", message);
            return Some(stranger(&request, &error));
        }
        let caller = self.identities.caller(signature.key);
        let reply = self.world.cloud.handle(&caller, request);
        tokio::time::sleep(reply.latency).await;
        let answer = match reply.answer {
            Answer::Later(later) => later.answer().await,
            answer => answer,
        };
        match answer {
            Answer::Response(response) => Some(response),
            Answer::Reset => None,
            Answer::Silence(duration) => {
                tokio::time::sleep(duration).await;
                None
            }
            // The process is being ended, and its connection with it. An invocation ends with one of the others.
            Answer::Killed | Answer::Later(_) => std::future::pending().await,
        }
    }
}

/// What can be asked of it: a line for each operation, its service before it.
fn operations() -> Response<Bytes> {
    let lines = Cloud::operations()
        .into_iter()
        .map(|(service, operation)| format!("{service} {operation}\n"));
    text(200, &lines.collect::<String>())
}

/// A refusal of a request that reaches no service.
fn stranger(request: &Request<Bytes>, error: &AwsError) -> Response<Bytes> {
    protocol::refuse_stranger(request, error, "00000000-0000-4000-8000-000000000000")
}
