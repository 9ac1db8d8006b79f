//! Step Functions: completing tasks that wait, and executions.

use crate::classify::{beginning, code_of, step_error};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use landfall_domain::StepError;
use serde_json::Value;
use std::error::Error;

/// The service's name in errors.
const SERVICE: &str = "Step Functions";

/// Characters of the name of an error.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html>
const ERROR_CHARACTERS_MAX: usize = 256;

/// Characters of the cause of an error.
const CAUSE_CHARACTERS_MAX: usize = 32_768;

/// Codes for a task that cannot be completed any more: its time ran out, somebody completed it, or its execution ended.
const CLOSED: [&str; 2] = ["TaskTimedOut", "TaskDoesNotExist"];

/// The code for an execution that ended more than 90 days ago, or never was.
const NO_EXECUTION: &str = "ExecutionDoesNotExist";

/// Step Functions.
#[derive(Debug, Clone)]
pub struct Sfn {
    client: aws_sdk_sfn::Client,
}

/// What became of a task's completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The task is completed by it.
    Accepted,
    /// The task was closed before: completed already, perhaps by an earlier try of this call, or timed out.
    AlreadyClosed,
}

/// Where an execution stands.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutionState {
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed.
    Failed,
    /// Its time ran out.
    TimedOut,
    /// It was stopped.
    Aborted,
    /// It waits to be redriven.
    PendingRedrive,
    /// A word that this version does not know.
    Unknown(String),
}

impl Sfn {
    /// Wraps a client.
    pub fn new(client: aws_sdk_sfn::Client) -> Self {
        Self { client }
    }

    /// Completes a task with its output. A token that is no token is [`StepError::ServiceRefused`].
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html>
    pub async fn succeed(&self, token: &str, output: &Value) -> Result<Delivery, StepError> {
        let answer = self
            .client
            .send_task_success()
            .task_token(token)
            .output(output.to_string())
            .send()
            .await;
        delivery("SendTaskSuccess", answer)
    }

    /// Fails a task. `error` is the name that the state machine matches; what is too long of it, or of the cause, is cut.
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html>
    pub async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Delivery, StepError> {
        let answer = self
            .client
            .send_task_failure()
            .task_token(token)
            .error(beginning(error, ERROR_CHARACTERS_MAX))
            .cause(beginning(cause, CAUSE_CHARACTERS_MAX))
            .send()
            .await;
        delivery("SendTaskFailure", answer)
    }

    /// Where an execution stands; [`None`] when there is none, or none any more.
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html>
    pub async fn status(&self, arn: &str) -> Result<Option<ExecutionState>, StepError> {
        let answer = self.client.describe_execution().execution_arn(arn).send().await;
        match answer {
            Ok(answer) => Ok(Some(state(answer.status().as_str()))),
            Err(error) if code_of(&error).as_deref() == Some(NO_EXECUTION) => Ok(None),
            Err(error) => Err(step_error(SERVICE, "DescribeExecution", error)),
        }
    }

    /// Stops an execution; one that is closed, or not there, stays as it is.
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html>
    pub async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<(), StepError> {
        let answer = self
            .client
            .stop_execution()
            .execution_arn(arn)
            .error(beginning(error, ERROR_CHARACTERS_MAX))
            .cause(beginning(cause, CAUSE_CHARACTERS_MAX))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if code_of(&error).as_deref() == Some(NO_EXECUTION) => Ok(()),
            Err(error) => Err(step_error(SERVICE, "StopExecution", error)),
        }
    }

    /// Starts an execution and returns its ARN. The same name with the same input is the same execution while it is open;
    /// a name that is taken otherwise is [`StepError::ServiceRefused`] with `ExecutionAlreadyExists`. The members of the
    /// input are written in one order, so that a repeat is the same input.
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
    pub async fn start(&self, machine_arn: &str, name: &str, input: &Value) -> Result<String, StepError> {
        let mut input = input.clone();
        input.sort_all_objects();
        let answer = self
            .client
            .start_execution()
            .state_machine_arn(machine_arn)
            .name(name)
            .input(input.to_string())
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "StartExecution", error))?;
        Ok(answer.execution_arn)
    }
}

fn delivery<T, E>(operation: &'static str, answer: Result<T, SdkError<E, HttpResponse>>) -> Result<Delivery, StepError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match answer {
        Ok(_) => Ok(Delivery::Accepted),
        Err(error) if code_of(&error).is_some_and(|code| CLOSED.contains(&code.as_str())) => {
            Ok(Delivery::AlreadyClosed)
        }
        Err(error) => Err(step_error(SERVICE, operation, error)),
    }
}

fn state(word: &str) -> ExecutionState {
    match word {
        "RUNNING" => ExecutionState::Running,
        "SUCCEEDED" => ExecutionState::Succeeded,
        "FAILED" => ExecutionState::Failed,
        "TIMED_OUT" => ExecutionState::TimedOut,
        "ABORTED" => ExecutionState::Aborted,
        "PENDING_REDRIVE" => ExecutionState::PendingRedrive,
        word => ExecutionState::Unknown(word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::{Answer, Canned, json};

    fn refused(code: &str) -> Answer {
        json(400, format!(r#"{{"__type":"{code}","message":"said"}}"#))
    }

    #[tokio::test]
    async fn completing_a_closed_task_is_an_answer_and_a_false_token_a_fault() {
        let answers = [
            json(200, "{}"),
            refused("TaskTimedOut"),
            refused("TaskDoesNotExist"),
            refused("InvalidToken"),
        ];
        let sfn = Sfn::new(Canned::new(answers).sfn());
        let output = serde_json::json!({});
        assert_eq!(sfn.succeed("t", &output).await, Ok(Delivery::Accepted));
        assert_eq!(sfn.succeed("t", &output).await, Ok(Delivery::AlreadyClosed));
        assert_eq!(sfn.fail("t", "E", "c").await, Ok(Delivery::AlreadyClosed));
        assert_eq!(sfn.fail("t", "E", "c").await.unwrap_err().name(), "ServiceRefused");
    }

    #[tokio::test]
    async fn an_execution_that_is_gone_is_none_and_stops_at_once() {
        let gone = || refused(NO_EXECUTION);
        let sfn = Sfn::new(Canned::new([gone(), gone(), refused("InvalidArn")]).sfn());
        assert_eq!(sfn.status("arn").await, Ok(None));
        assert_eq!(sfn.stop("arn", "E", "c").await, Ok(()));
        assert_eq!(sfn.stop("arn", "E", "c").await.unwrap_err().name(), "ServiceRefused");
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_refused() {
        let sfn = Sfn::new(Canned::new([refused("ExecutionAlreadyExists")]).sfn());
        let error = sfn.start("arn", "n", &Value::Null).await.unwrap_err();
        assert!(matches!(error, StepError::ServiceRefused { code, .. } if code == "ExecutionAlreadyExists"));
    }

    #[tokio::test]
    async fn a_repeated_start_is_the_same_input_in_whatever_order_it_was_built() {
        let started = || json(200, r#"{"executionArn":"arn","startDate":1768010400}"#);
        let aws = Canned::new([started(), started()]);
        let sfn = Sfn::new(aws.sfn());
        for text in [r#"{"b":{"d":1,"c":2},"a":3}"#, r#"{"a":3,"b":{"c":2,"d":1}}"#] {
            let input = serde_json::from_str(text).unwrap();
            assert_eq!(sfn.start("machine", "n", &input).await, Ok("arn".to_owned()));
        }
        assert_eq!(aws.requests()[0], aws.requests()[1]);
    }

    #[test]
    fn a_state_that_is_not_known_is_kept_as_it_came() {
        assert_eq!(state("PENDING_REDRIVE"), ExecutionState::PendingRedrive);
        assert_eq!(state("PAUSED"), ExecutionState::Unknown("PAUSED".into()));
    }
}
