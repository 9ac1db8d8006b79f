//! Task tokens: issued when a task is scheduled, valid at once, closed when its task ends.

use crate::error::{ApiError, ApiErrorCode};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, oneshot};

/// How a token was completed.
#[derive(Debug, PartialEq)]
pub(crate) enum Completion {
    Success(Value),
    Failure {
        error: Option<String>,
        cause: Option<String>,
    },
}

enum Entry {
    Open {
        completion: oneshot::Sender<Completion>,
        heartbeat: Arc<Notify>,
    },
    // Kept, so that a late completion is told apart from a token never issued.
    Closed,
}

/// All tokens of an engine.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Entry>>);

/// The waiting side of a token. Dropping it closes the token.
pub(crate) struct TokenWait {
    tokens: Arc<Tokens>,
    pub token: String,
    pub completion: oneshot::Receiver<Completion>,
    pub heartbeat: Arc<Notify>,
}

impl Drop for TokenWait {
    fn drop(&mut self) {
        let mut entries = self.tokens.0.lock().expect("tokens poisoned");
        entries.insert(self.token.clone(), Entry::Closed);
    }
}

impl Tokens {
    pub(crate) fn open(self: &Arc<Tokens>, token: String) -> TokenWait {
        let (sender, receiver) = oneshot::channel();
        let heartbeat = Arc::new(Notify::new());
        let entry = Entry::Open {
            completion: sender,
            heartbeat: heartbeat.clone(),
        };
        self.0.lock().expect("tokens poisoned").insert(token.clone(), entry);
        TokenWait {
            tokens: self.clone(),
            token,
            completion: receiver,
            heartbeat,
        }
    }

    pub(crate) fn complete(&self, token: &str, completion: Completion) -> Result<(), ApiError> {
        let mut entries = self.0.lock().expect("tokens poisoned");
        match entries.insert(token.to_owned(), Entry::Closed) {
            Some(Entry::Open { completion: sender, .. }) => sender.send(completion).map_err(|_| closed()),
            Some(Entry::Closed) => Err(closed()),
            None => {
                entries.remove(token);
                Err(unknown())
            }
        }
    }

    pub(crate) fn heartbeat(&self, token: &str) -> Result<(), ApiError> {
        match self.0.lock().expect("tokens poisoned").get(token) {
            Some(Entry::Open { heartbeat, .. }) => {
                heartbeat.notify_one();
                Ok(())
            }
            Some(Entry::Closed) => Err(closed()),
            None => Err(unknown()),
        }
    }
}

fn closed() -> ApiError {
    ApiError::new(
        ApiErrorCode::TaskTimedOut,
        "Task Timed Out: 'Provided task does not exist anymore'",
    )
}

fn unknown() -> ApiError {
    ApiError::new(ApiErrorCode::InvalidToken, "Invalid Token: 'Invalid token'")
}
