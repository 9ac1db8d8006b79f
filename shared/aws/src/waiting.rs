//! Waiting: events make it fast, reading makes it sure.
//!
//! A task with `.waitForTaskToken` calls a function that records the token under what is awaited, reads the service at
//! once, and completes its own token when it is done already. `on-event` reads again when an event comes. When neither
//! does, the task times out and is entered again with a new token.

use crate::deps::Deps;
use crate::input::Callback;
use crate::table::{Key, Stored, Write};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{AwaitKind, AwaitRecord};
use serde::Serialize;
use serde_json::{Value, json};
use std::future::Future;

/// Attempts to record a token while events touch the same item.
const RECORD_ATTEMPTS_MAX: usize = 6;

/// What is waited for, and by whom.
pub struct Wait<'a> {
    /// What is awaited: a job, a wave's readiness, a person.
    pub resource: String,
    /// Who reads it again.
    pub kind: AwaitKind,
    /// The wave.
    pub wave_id: &'a WaveId,
    /// The epoch.
    pub epoch: u64,
    /// The task.
    pub callback: &'a Callback,
    /// The input of the reading, for `on-event`.
    pub input: Value,
}

impl<'a> Wait<'a> {
    /// A wait for something that no event announces: only re-entry reads it again. `name` is what is awaited.
    pub fn poll(name: String, wave_id: &'a WaveId, epoch: u64, callback: &'a Callback) -> Self {
        Self {
            resource: name,
            kind: AwaitKind::Poll,
            wave_id,
            epoch,
            callback,
            input: Value::Null,
        }
    }
}

/// Records the token, then reads; completes the token when there is an outcome. What is returned is ignored by Step
/// Functions and is for people who look at the invocation.
pub async fn wait<O: Serialize>(
    deps: &Deps,
    wait: Wait<'_>,
    read: impl Future<Output = Result<Option<O>, StepError>>,
) -> Result<Value, StepError> {
    wait_after(deps, wait, None, read).await
}

/// The same, with the token that was there a moment ago, where that is known.
pub async fn wait_after<O: Serialize>(
    deps: &Deps,
    wait: Wait<'_>,
    seen: Option<Option<Stored<AwaitRecord>>>,
    read: impl Future<Output = Result<Option<O>, StepError>>,
) -> Result<Value, StepError> {
    let key = Key::awaiting(&wait.resource, &wait.callback.execution_arn, &wait.callback.state);
    // The first entry of a state finds no token before it, as a rule; a write that finds one is refused.
    let first = wait.callback.retry_count == 0 && wait.callback.redrive_count == 0;
    let seen = seen.or_else(|| first.then_some(None));
    let Some(stored) = record_token(deps, &key, &wait, seen).await? else {
        return Ok(json!({ "waiting": false, "because": "a newer token waits already" }));
    };
    match read.await? {
        Some(outcome) => {
            let output = serde_json::to_value(outcome)
                .map_err(|error| StepError::Corrupt(format!("an outcome cannot be written: {error}")))?;
            complete(deps, &stored, &output).await?;
            Ok(json!({ "waiting": false, "outcome": output }))
        }
        None => Ok(json!({ "waiting": true, "for": wait.resource })),
    }
}

/// Completes a token and takes it off the record. A token that is closed already was completed by somebody else, or its
/// task has been entered again: both are fine, because what was decided is on record before a token is completed.
pub async fn complete(deps: &Deps, stored: &Stored<AwaitRecord>, output: &Value) -> Result<(), StepError> {
    deps.sfn.succeed(&stored.token, output).await?;
    match deps.table.write(None, vec![Write::delete(stored)]).await {
        // A newer token, or an event, has changed the item since; it is theirs now.
        Err(StepError::WriteConflict { .. }) => Ok(()),
        other => other,
    }
}

async fn record_token(
    deps: &Deps,
    key: &Key,
    wait: &Wait<'_>,
    mut seen: Option<Option<Stored<AwaitRecord>>>,
) -> Result<Option<Stored<AwaitRecord>>, StepError> {
    for _ in 0..RECORD_ATTEMPTS_MAX {
        let present = match seen.take() {
            Some(present) => present,
            None => deps.table.get::<AwaitRecord>(key).await?,
        };
        if present
            .as_ref()
            .is_some_and(|present| present.age > wait.callback.age())
        {
            return Ok(None);
        }
        let record = AwaitRecord {
            kind: wait.kind,
            wave_id: wait.wave_id.clone(),
            epoch: wait.epoch,
            token: wait.callback.token.clone(),
            age: wait.callback.age(),
            input: wait.input.clone(),
            reading_until: None,
        };
        let mut stored = Stored {
            key: key.clone(),
            version: present.map_or(0, |present| present.version),
            value: record,
        };
        let write = Write::save_awaiting(&mut stored, deps.now())?;
        match deps.table.write(None, vec![write]).await {
            Ok(()) => return Ok(Some(stored)),
            Err(StepError::WriteConflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StepError::WriteConflict { item: key.to_string() })
}
