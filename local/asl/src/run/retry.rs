//! Which error names match which errors, and how long a retry waits.
//! https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html

use super::Failure;
use crate::model::Retrier;

/// Whether an `ErrorEquals` entry matches an error's name.
///
/// * `States.Runtime` is matched by nothing, not even by its own name: it always ends the execution.
/// * `States.ALL` matches any other error but `States.DataLimitExceeded`.
/// * `States.TaskFailed` matches what `States.ALL` matches, but `States.Timeout` and
///   `States.HeartbeatTimeout`.
/// * `States.Timeout` matches a heartbeat timeout too.
/// * Any other entry matches its own name, case included.
pub fn matches_error(pattern: &str, error: &str) -> bool {
    let timed_out = matches!(error, "States.Timeout" | "States.HeartbeatTimeout");
    match (pattern, error) {
        (_, "States.Runtime") => false,
        ("States.ALL", "States.DataLimitExceeded") => false,
        ("States.ALL", _) => true,
        ("States.TaskFailed", "States.TaskFailed") => true,
        ("States.TaskFailed", "States.DataLimitExceeded") => false,
        ("States.TaskFailed", _) => !timed_out,
        ("States.Timeout", _) => timed_out,
        _ => pattern == error,
    }
}

/// The wait in seconds before retry number `attempt` (from 0), without jitter:
/// interval × rate^attempt, at most the ceiling.
pub fn retry_delay_seconds(interval: u64, backoff_rate: f64, max_delay: Option<u64>, attempt: u64) -> f64 {
    let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
    let delay = interval as f64 * backoff_rate.powi(exponent);
    delay.min(max_delay.unwrap_or(99_999_999) as f64)
}

/// The retriers of one state with a counter each.
pub(crate) struct Retries<'a> {
    retriers: &'a [Retrier],
    used: Vec<u64>,
}

impl<'a> Retries<'a> {
    pub(crate) fn new(retriers: &'a [Retrier]) -> Retries<'a> {
        Retries {
            retriers,
            used: vec![0; retriers.len()],
        }
    }

    /// The seconds to wait before the next attempt, or `None` when the first retrier that matches has
    /// none left, or none matches. `uniform` draws from [0, 1) for full jitter.
    pub(crate) fn next(&mut self, failure: &Failure, uniform: impl FnOnce() -> f64) -> Option<f64> {
        let index = self
            .retriers
            .iter()
            .position(|retrier| failure.is_in(&retrier.error_equals))?;
        let retrier = &self.retriers[index];
        if self.used[index] >= retrier.max_attempts {
            return None;
        }
        let delay = retry_delay_seconds(
            retrier.interval_seconds,
            retrier.backoff_rate,
            retrier.max_delay_seconds,
            self.used[index],
        );
        self.used[index] += 1;
        Some(if retrier.full_jitter { delay * uniform() } else { delay })
    }
}
