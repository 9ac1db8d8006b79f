//! `Wait`.

use super::Failure;
use super::context::StateContext;
use super::fields::Reader;
use super::flow::Frame;
use crate::jsonata::EvalError;
use crate::model::WaitFor;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// The longest wait in seconds.
const SECONDS_MAX: u64 = 99_999_999;

/// Waits as long as the state says; not at all for an instant that is past.
pub(crate) async fn wait(
    frame: &mut Frame,
    context: &StateContext,
    input: &Value,
    until: &WaitFor,
) -> Result<(), Failure> {
    let span = {
        let reader = Reader {
            frame,
            state: context,
            input,
            result: None,
            error_output: None,
            item: None,
        };
        span(&reader, until)?
    };
    // What comes next is a new step.
    frame.chain.settle();
    tokio::time::sleep(span).await;
    Ok(())
}

fn span(reader: &Reader<'_>, until: &WaitFor) -> Result<Duration, Failure> {
    match until {
        WaitFor::Seconds(field) => Ok(Duration::from_secs(reader.integer(field, "Seconds", 0, SECONDS_MAX)?)),
        WaitFor::Timestamp(field) => {
            let text = reader.string(field, "Timestamp")?;
            let target: Timestamp = text.parse().map_err(|_| {
                let message = format!(
                    "The Timestamp parameter does not reference a valid ISO-8601 extended offset date-time format \
                     string: {text}"
                );
                reader.failed(EvalError {
                    message,
                    location: Some("Timestamp".to_owned()),
                })
            })?;
            let ahead = target.duration_since(reader.frame.inner.options.clock.now());
            Ok(Duration::try_from(ahead).unwrap_or(Duration::ZERO))
        }
    }
}
