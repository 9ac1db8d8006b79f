//! Inline `Map`.

use super::Failure;
use super::context::{Item, StateContext};
use super::distributed;
use super::fields::Reader;
use super::flow::{Frame, run_flow};
use super::parallel::abort;
use super::slot::{Child, Inside, Position, Slot};
use crate::jsonata::EvalError;
use crate::model::Map;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;

/// Iterations of an inline Map that run at once, at most.
const INLINE_CONCURRENCY_MAX: u64 = 40;

/// Runs a Map; gives the outputs in order and the event the state leaves from.
pub(crate) async fn run(
    frame: &mut Frame,
    spec: &Map,
    context: &StateContext,
    input: &Value,
    resumed: Option<Inside>,
) -> Result<(Value, u64), Failure> {
    if let Some(distributed) = &spec.distributed {
        return distributed::run(frame, spec, distributed, context, input, resumed).await;
    }
    let items = items(frame, spec, context, input)?;
    let inputs = iteration_inputs(frame, spec, context, input, &items)?;
    let concurrency = concurrency(frame, spec, context, input, INLINE_CONCURRENCY_MAX)?;
    tolerance(frame, spec, context, input)?;
    let resumed = resumed.filter(|inside| inside.children.len() == items.len());
    if resumed.is_none() {
        frame
            .chain
            .push("MapStateStarted", Some(json!({ "length": items.len() })))?;
    }
    let children = match resumed {
        Some(inside) => inside.children,
        None => (0..items.len())
            .map(|index| Child {
                slot: Slot::idle(),
                iteration: Some(index),
            })
            .collect(),
    };
    frame.slot.update(|inside| inside.children = children.clone());
    let iterations = Iterations {
        spec,
        context,
        items: &items,
        inputs,
        children: &children,
    };
    let (outputs, last) = iterations.run(frame, concurrency).await?;
    frame.chain.beside(last, "MapStateSucceeded", None)?;
    Ok((Value::Array(outputs), last))
}

/// The array a Map runs over: `Items`, or the state's input.
pub(crate) fn items(frame: &Frame, spec: &Map, context: &StateContext, input: &Value) -> Result<Vec<Value>, Failure> {
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: None,
        item: None,
    };
    match &spec.items {
        Some(field) => reader.array(field, "Items"),
        None => match input {
            Value::Array(items) => Ok(items.clone()),
            other => {
                let message = format!("Map state input must be an array but was: {other}");
                Err(reader.failed(EvalError {
                    message,
                    location: None,
                }))
            }
        },
    }
}

/// Each iteration's input: the item, or what `ItemSelector` makes of it.
pub(crate) fn iteration_inputs(
    frame: &Frame,
    spec: &Map,
    context: &StateContext,
    input: &Value,
    items: &[Value],
) -> Result<Vec<Value>, Failure> {
    let Some(selector) = &spec.item_selector else {
        return Ok(items.to_vec());
    };
    let mut inputs = Vec::with_capacity(items.len());
    for (index, value) in items.iter().enumerate() {
        let item = Item {
            index,
            value: value.clone(),
        };
        let reader = Reader {
            frame,
            state: context,
            input,
            result: None,
            error_output: None,
            item: Some(&item),
        };
        let selected = reader.value(selector, "ItemSelector")?;
        reader.within_limit(&selected)?;
        inputs.push(selected);
    }
    Ok(inputs)
}

/// How many iterations run at once: `MaxConcurrency`, of which 0 means as many as `ceiling` allows.
pub(crate) fn concurrency(
    frame: &Frame,
    spec: &Map,
    context: &StateContext,
    input: &Value,
    ceiling: u64,
) -> Result<usize, Failure> {
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: None,
        item: None,
    };
    let wanted = match &spec.max_concurrency {
        Some(field) => reader.integer(field, "MaxConcurrency", 0, 99_999_999)?,
        None => 0,
    };
    Ok(if wanted == 0 { ceiling } else { wanted.min(ceiling) } as usize)
}

/// Failed items that are tolerated, and their percentage, as far as the state says.
pub(crate) fn tolerance(
    frame: &Frame,
    spec: &Map,
    context: &StateContext,
    input: &Value,
) -> Result<(Option<u64>, Option<f64>), Failure> {
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: None,
        item: None,
    };
    let count = spec
        .tolerated_count
        .as_ref()
        .map(|field| reader.integer(field, "ToleratedFailureCount", 0, 99_999_999))
        .transpose()?;
    let percentage = spec
        .tolerated_percentage
        .as_ref()
        .map(|field| reader.number(field, "ToleratedFailurePercentage", 0.0, 100.0))
        .transpose()?;
    Ok((count, percentage))
}

struct Iterations<'a> {
    spec: &'a Map,
    context: &'a StateContext,
    items: &'a [Value],
    inputs: Vec<Value>,
    children: &'a [Child],
}

type Running = FuturesUnordered<BoxFuture<'static, (usize, super::flow::FlowEnd)>>;

impl Iterations<'_> {
    async fn run(mut self, frame: &mut Frame, concurrency: usize) -> Result<(Vec<Value>, u64), Failure> {
        let mut outputs = vec![Value::Null; self.items.len()];
        let mut open = Vec::new();
        for (index, child) in self.children.iter().enumerate() {
            match child.slot.get() {
                Position::Done(output) => outputs[index] = output,
                _ => open.push(index),
            }
        }
        let mut last = frame.chain.head;
        let mut waiting = open.into_iter();
        let mut running: Running = FuturesUnordered::new();
        for index in waiting.by_ref().take(concurrency) {
            self.start(frame, &mut running, index, frame.chain.head)?;
        }
        while let Some((index, end)) = running.next().await {
            match end.result {
                Ok(output) => {
                    outputs[index] = output;
                    last = frame
                        .chain
                        .beside(end.head, "MapIterationSucceeded", Some(self.details(index)))?;
                }
                Err(failure) => {
                    // Dropping the others stops them where they stand.
                    drop(running);
                    let details = self.details(index);
                    return Err(abort(frame, self.children, index, end.head, failure, |frame, head| {
                        frame
                            .chain
                            .beside(head, "MapIterationFailed", Some(details))
                            .map(|_| ())
                    }));
                }
            }
            if let Some(next) = waiting.next() {
                self.start(frame, &mut running, next, end.head)?;
            }
        }
        Ok((outputs, last))
    }

    fn details(&self, index: usize) -> Value {
        json!({ "name": self.context.name, "index": index })
    }

    /// Starts an iteration; its first event follows `previous`.
    fn start(&mut self, frame: &Frame, running: &mut Running, index: usize, previous: u64) -> Result<(), Failure> {
        let head = frame
            .chain
            .beside(previous, "MapIterationStarted", Some(self.details(index)))?;
        let item = Arc::new(Item {
            index,
            value: self.items[index].clone(),
        });
        let run = run_flow(
            frame.scope(Some(item)),
            self.spec.processor.clone(),
            self.children[index].slot.clone(),
            std::mem::take(&mut self.inputs[index]),
            head,
        );
        running.push(Box::pin(async move { (index, run.await) }));
        Ok(())
    }
}
