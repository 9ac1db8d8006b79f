//! Running one state: dispatch by type, retries, catchers, leaving.

use super::context::StateContext;
use super::fields::{Reader, error_output};
use super::flow::{Frame, Step, is_error};
use super::retry::Retries;
use super::slot::Inside;
use super::{Failure, map, parallel, task, wait};
use crate::history::whole;
use crate::model::{Kind, Rule, State};
use crate::template::Template;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Runs a state that was entered with `input`. `resumed` is where it stood before a redrive.
pub(crate) async fn run_state(
    frame: &mut Frame,
    state: &State,
    context: StateContext,
    input: Value,
    resumed: Option<Inside>,
) -> Result<Step, Failure> {
    let result = match &state.kind {
        Kind::Pass | Kind::Succeed => leave_with_input(frame, state, &context, &input),
        Kind::Fail { error, cause } => fail(frame, &context, &input, error.as_ref(), cause.as_ref()),
        Kind::Choice { rules, default } => choose(frame, state, &context, &input, rules, default.as_deref()),
        Kind::Wait(until) => match wait::wait(frame, &context, &input, until).await {
            Ok(()) => leave_with_input(frame, state, &context, &input),
            Err(failure) => Err(failure),
        },
        Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_) => {
            return run_fallible(frame, state, context, input, resumed).await;
        }
    };
    result.map_err(|failure| frame.record_evaluation(&state.name, failure))
}

fn leave_with_input(frame: &mut Frame, state: &State, context: &StateContext, input: &Value) -> Result<Step, Failure> {
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: None,
        item: None,
    };
    let leaving = Leaving::evaluate(&reader, state.assign.as_ref(), state.output.as_ref(), "", input)?;
    Ok(Step::of(state, leaving.exit(frame, state)?))
}

fn fail(
    frame: &mut Frame,
    context: &StateContext,
    input: &Value,
    error: Option<&Template>,
    cause: Option<&Template>,
) -> Result<Step, Failure> {
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: None,
        item: None,
    };
    let error = error.map(|field| reader.string(field, "Error")).transpose()?;
    let cause = cause.map(|field| reader.string(field, "Cause")).transpose()?;
    Err(Failure::of(error, cause, super::Severity::Error))
}

fn choose(
    frame: &mut Frame,
    state: &State,
    context: &StateContext,
    input: &Value,
    rules: &[Rule],
    default: Option<&str>,
) -> Result<Step, Failure> {
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: None,
        item: None,
    };
    for (index, rule) in rules.iter().enumerate() {
        if reader.boolean(&rule.condition, &format!("Choices[{index}]/Condition"))? {
            let prefix = format!("Choices[{index}]/");
            let leaving = Leaving::evaluate(&reader, rule.assign.as_ref(), rule.output.as_ref(), &prefix, input)?;
            return Ok(Step::Goto(rule.next.clone(), leaving.exit(frame, state)?));
        }
    }
    let Some(default) = default else {
        let cause = reader.cause("Failed to transition out of the state. The state does not point to a next state.");
        // The specification calls it States.NoChoiceMatched; AWS ends the execution with States.Runtime.
        return Err(Failure::runtime(cause));
    };
    let leaving = Leaving::evaluate(&reader, state.assign.as_ref(), state.output.as_ref(), "", input)?;
    Ok(Step::Goto(default.to_owned(), leaving.exit(frame, state)?))
}

/// A state with retriers and catchers.
async fn run_fallible(
    frame: &mut Frame,
    state: &State,
    mut context: StateContext,
    input: Value,
    mut resumed: Option<Inside>,
) -> Result<Step, Failure> {
    let mut retries = Retries::new(&state.retry);
    loop {
        let failure = match attempt(frame, state, &mut context, &input, resumed.take()).await {
            Ok(step) => return Ok(step),
            Err(failure) => frame.record_evaluation(&state.name, failure),
        };
        if !is_error(&failure) {
            return Err(failure);
        }
        let random = frame.inner.random.clone();
        let uniform = || random.lock().expect("random source poisoned").f64();
        let Some(delay) = retries.next(&failure, uniform) else {
            return give_up(frame, state, &context, &input, failure);
        };
        tokio::time::sleep(Duration::from_secs_f64(delay)).await;
        context.retry_count = context.retry_count.map(|count| count + 1);
        context.token = None;
        frame.transition();
    }
}

async fn attempt(
    frame: &mut Frame,
    state: &State,
    context: &mut StateContext,
    input: &Value,
    resumed: Option<Inside>,
) -> Result<Step, Failure> {
    let (result, head) = match &state.kind {
        Kind::Task(spec) => (task::call(frame, spec, context, input).await?, frame.chain.head),
        Kind::Parallel { branches, arguments } => {
            parallel::run(frame, branches, arguments.as_ref(), context, input, resumed).await?
        }
        Kind::Map(spec) => map::run(frame, spec, context, input, resumed).await?,
        _ => (input.clone(), frame.chain.head),
    };
    // Parallel and Map leave from an event before their `…Succeeded`.
    frame.chain.jump(head);
    let reader = Reader {
        frame,
        state: context,
        input,
        result: Some(&result),
        error_output: None,
        item: None,
    };
    let leaving = Leaving::evaluate(&reader, state.assign.as_ref(), state.output.as_ref(), "", &result)?;
    Ok(Step::of(state, leaving.exit(frame, state)?))
}

/// No retry is left: the state's failure event, then the first catcher that matches.
fn give_up(
    frame: &mut Frame,
    state: &State,
    context: &StateContext,
    input: &Value,
    failure: Failure,
) -> Result<Step, Failure> {
    push_state_failed(frame, state)?;
    let found = state
        .catch
        .iter()
        .enumerate()
        .find(|(_, catcher)| failure.is_in(&catcher.error_equals));
    let Some((index, catcher)) = found else {
        return Err(failure);
    };
    let error = error_output(&failure);
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: Some(&error),
        item: None,
    };
    let prefix = format!("Catch[{index}]/");
    match Leaving::evaluate(
        &reader,
        catcher.assign.as_ref(),
        catcher.output.as_ref(),
        &prefix,
        &error,
    ) {
        Ok(leaving) => Ok(Step::Goto(catcher.next.clone(), leaving.exit(frame, state)?)),
        Err(failure) => {
            // The state fails a second time, and no other catcher is asked.
            let failure = frame.record_evaluation(&state.name, failure);
            push_state_failed(frame, state)?;
            Err(failure)
        }
    }
}

fn push_state_failed(frame: &mut Frame, state: &State) -> Result<(), Failure> {
    let kind = state.kind.name();
    if matches!(kind, "Map" | "Parallel") {
        frame.chain.push_step(&format!("{kind}StateFailed"), None)?;
        // It failed, which is not the same as being aborted by somebody else's failure.
        frame.slot.update(|inside| inside.abortable = false);
    }
    Ok(())
}

/// What a state leaves with: evaluated, not yet in force.
struct Leaving {
    output: Value,
    assigned: Option<Map<String, Value>>,
}

impl Leaving {
    /// Evaluates Assign and Output, both with the variables as they were when the state was entered.
    fn evaluate(
        reader: &Reader<'_>,
        assign: Option<&Template>,
        output: Option<&Template>,
        prefix: &str,
        default: &Value,
    ) -> Result<Leaving, Failure> {
        let assigned = match assign
            .map(|field| reader.value(field, &format!("{prefix}Assign")))
            .transpose()?
        {
            Some(Value::Object(assigned)) if !assigned.is_empty() => Some(assigned),
            _ => None,
        };
        let output = match output {
            Some(field) => reader.value(field, &format!("{prefix}Output"))?,
            None => default.clone(),
        };
        reader.within_limit(&output)?;
        for value in assigned.iter().flat_map(Map::values) {
            reader.within_limit(value)?;
        }
        Ok(Leaving { output, assigned })
    }

    /// Records `…StateExited`, puts the variables in force, gives the output.
    fn exit(self, frame: &mut Frame, state: &State) -> Result<Value, Failure> {
        let mut details = Map::new();
        details.insert("name".to_owned(), json!(state.name));
        details.insert("output".to_owned(), json!(self.output.to_string()));
        details.insert("outputDetails".to_owned(), whole());
        if let Some(assigned) = self.assigned {
            let texts: Map<String, Value> = assigned
                .iter()
                .map(|(name, value)| (name.clone(), json!(value.to_string())))
                .collect();
            details.insert("assignedVariables".to_owned(), Value::Object(texts));
            details.insert("assignedVariablesDetails".to_owned(), whole());
            Arc::make_mut(&mut frame.variables).extend(assigned);
        }
        let event = format!("{}StateExited", state.kind.name());
        frame.chain.push(&event, Some(Value::Object(details)))?;
        Ok(self.output)
    }
}
