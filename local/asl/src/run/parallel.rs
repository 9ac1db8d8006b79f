//! `Parallel`, and what it shares with an inline Map: a failing branch aborts its siblings.

use super::Failure;
use super::context::StateContext;
use super::fields::Reader;
use super::flow::{Frame, is_error, run_flow};
use super::slot::{Aborted, Child, Inside, Position, Slot};
use crate::model::Flow;
use crate::template::Template;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;

/// Runs all branches; gives their outputs in order and the event the state leaves from. When `resumed`,
/// branches that ended before are not run again.
pub(crate) async fn run(
    frame: &mut Frame,
    branches: &[Arc<Flow>],
    arguments: Option<&Template>,
    context: &StateContext,
    input: &Value,
    resumed: Option<Inside>,
) -> Result<(Value, u64), Failure> {
    let input = match arguments {
        Some(field) => {
            let reader = Reader {
                frame,
                state: context,
                input,
                result: None,
                error_output: None,
                item: None,
            };
            let arguments = reader.value(field, "Arguments")?;
            reader.within_limit(&arguments)?;
            arguments
        }
        None => input.clone(),
    };
    let resumed = resumed.filter(|inside| inside.children.len() == branches.len());
    if resumed.is_none() {
        frame.chain.push("ParallelStateStarted", None)?;
    }
    let children = match resumed {
        Some(inside) => inside.children,
        None => branches
            .iter()
            .map(|_| Child {
                slot: Slot::idle(),
                iteration: None,
            })
            .collect(),
    };
    frame.slot.update(|inside| inside.children = children.clone());
    let (outputs, last) = run_branches(frame, branches, &children, &input).await?;
    frame.chain.beside(last, "ParallelStateSucceeded", None)?;
    Ok((Value::Array(outputs), last))
}

async fn run_branches(
    frame: &mut Frame,
    branches: &[Arc<Flow>],
    children: &[Child],
    input: &Value,
) -> Result<(Vec<Value>, u64), Failure> {
    let mut outputs = vec![Value::Null; branches.len()];
    let mut last = frame.chain.head;
    let mut running = FuturesUnordered::new();
    for (index, (branch, child)) in branches.iter().zip(children).enumerate() {
        if let Position::Done(output) = child.slot.get() {
            outputs[index] = output;
            continue;
        }
        let run = run_flow(
            frame.scope(None),
            branch.clone(),
            child.slot.clone(),
            input.clone(),
            frame.chain.head,
        );
        running.push(async move { (index, run.await) });
    }
    while let Some((index, end)) = running.next().await {
        match end.result {
            Ok(output) => {
                outputs[index] = output;
                last = end.head;
            }
            Err(failure) => {
                // Dropping the others stops them where they stand.
                drop(running);
                return Err(abort(frame, children, index, end.head, failure, |_, _| Ok(())));
            }
        }
    }
    Ok((outputs, last))
}

/// Records that child `failed` ended its siblings: first its own state, then each sibling's, all after
/// the event `head` it failed with, from which the chain goes on. `own_event` records the failed
/// iteration's event, if there is one.
pub(crate) fn abort(
    frame: &mut Frame,
    children: &[Child],
    failed: usize,
    head: u64,
    failure: Failure,
    own_event: impl FnOnce(&Frame, u64) -> Result<(), Failure>,
) -> Failure {
    frame.chain.jump(head);
    if !is_error(&failure) {
        return failure;
    }
    let recorded = own_event(frame, head).and_then(|()| record_aborted(frame, children, failed, head));
    match recorded {
        Ok(()) => failure,
        Err(closed) => closed,
    }
}

fn record_aborted(frame: &Frame, children: &[Child], failed: usize, head: u64) -> Result<(), Failure> {
    let name = match frame.slot.get() {
        Position::In(inside) => inside.state,
        _ => String::new(),
    };
    let siblings = (0..children.len()).filter(|index| *index != failed);
    for index in std::iter::once(failed).chain(siblings) {
        let child = &children[index];
        if !matches!(child.slot.get(), Position::In(_)) {
            continue;
        }
        if let (Some(iteration), true) = (child.iteration, index != failed) {
            frame.chain.beside(
                head,
                "MapIterationAborted",
                Some(json!({ "name": name, "index": iteration })),
            )?;
        }
        for event in child.slot.aborted_events() {
            match event {
                Aborted::State(kind) => frame.chain.beside(head, &format!("{kind}StateAborted"), None)?,
                Aborted::MapRun => frame.chain.beside(head, "MapRunAborted", None)?,
                Aborted::Iteration(name, index) => {
                    let details = json!({ "name": name, "index": index });
                    frame.chain.beside(head, "MapIterationAborted", Some(details))?
                }
            };
        }
    }
    Ok(())
}
