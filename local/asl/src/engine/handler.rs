//! What answers the Task states: Lambda functions and other services, outside of this crate.

use futures::future::BoxFuture;
use serde_json::Value;

/// Answers the calls of Task states. `states:startExecution` never gets here: the engine does it.
pub trait TaskHandler: Send + Sync {
    /// Starts the call. The future is spawned on its own and runs to its end even if the task times out
    /// or its execution is stopped: a Lambda function outlives its task.
    ///
    /// For a Lambda function the value is the function's payload, which the engine wraps as AWS does;
    /// for any other service it is the answer itself. With a task token the value is only recorded.
    fn call(&self, call: TaskCall) -> BoxFuture<'static, Result<Value, TaskFailure>>;

    /// Whether an execution may start another one. The refusal fails the state.
    fn may_start(&self, _execution_arn: &str, _machine_arn: &str) -> Result<(), TaskFailure> {
        Ok(())
    }

    /// Whether this handler stands in for the whole integration of a state: then it is asked even for
    /// `startExecution`, its value is the task's result as it is, and it completes a task token itself.
    fn replaces_integration(&self, _state_name: &str) -> bool {
        false
    }
}

/// One call of a Task state.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskCall {
    /// The execution whose state calls.
    pub execution_arn: String,
    /// The state that calls.
    pub state_name: String,
    /// What it calls.
    pub resource: TaskResource,
    /// The evaluated `Arguments`.
    pub arguments: Value,
    /// The token to complete, for `.waitForTaskToken`.
    pub token: Option<String>,
    /// How often the state was retried before this call.
    pub retry_count: u32,
}

/// What a Task state calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskResource {
    /// `lambda:invoke`; the payload is `arguments["Payload"]`.
    LambdaInvoke {
        /// The function's name or ARN, as the definition gives it.
        function: String,
    },
    /// The function's ARN is the resource; the payload is the arguments themselves.
    LambdaDirect {
        /// The function's ARN, as the definition gives it.
        arn: String,
    },
    /// Any other service.
    Service {
        /// `sns`, or `aws-sdk:mgn`.
        service: String,
        /// `publish`, or `startCutover`.
        action: String,
    },
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The name that `ErrorEquals` matches.
    pub error: String,
    /// What happened; a Lambda function's error object as JSON text.
    pub cause: String,
}
