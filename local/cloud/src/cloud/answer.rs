//! How an exchange with the cloud ends.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

/// What a request gets, and when.
#[derive(Debug)]
pub struct Reply {
    /// Virtual time to wait before the answer.
    pub latency: Duration,
    /// The answer.
    pub answer: Answer,
}

/// How an exchange ends.
#[derive(Debug)]
pub enum Answer {
    /// With a response.
    Response(http::Response<Bytes>),
    /// With the connection reset.
    Reset,
    /// With nothing for that long, then a closed connection.
    Silence(Duration),
    /// Never: the caller is dead.
    Killed,
    /// With what comes when a function has ended. That does not depend on whether somebody waits.
    Later(Later),
}

/// The answer to come of an invocation.
pub struct Later(pub(super) BoxFuture<'static, Answer>);

impl Later {
    /// Waits for it.
    pub async fn answer(self) -> Answer {
        self.0.await
    }
}

impl std::fmt::Debug for Later {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Later")
    }
}
