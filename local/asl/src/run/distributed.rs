//! Distributed `Map`: a Map Run whose children are executions of their own.

use super::context::StateContext;
use super::fields::{Reader, json_bytes};
use super::flow::Frame;
use super::map::{concurrency, items, iteration_inputs, tolerance};
use super::nested::ChildGuard;
use super::slot::{Inside, MapRun};
use super::{Failure, Severity};
use crate::engine::types::ExecutionStatus;
use crate::history::PAYLOAD_BYTES_MAX;
use crate::model::{Batcher, Distributed, Map};
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Children of a Map Run that run at once, at most.
const CHILDREN_MAX: u64 = 10_000;

/// Runs a distributed Map; gives the children's outputs in order and the event the state leaves from.
pub(crate) async fn run(
    frame: &mut Frame,
    spec: &Map,
    distributed: &Distributed,
    context: &StateContext,
    input: &Value,
    resumed: Option<Inside>,
) -> Result<(Value, u64), Failure> {
    let concurrency = concurrency(frame, spec, context, input, CHILDREN_MAX)?;
    let (count, percentage) = tolerance(frame, spec, context, input)?;
    let run = match resumed.and_then(|inside| inside.map_run) {
        Some(run) => redriven(frame, run)?,
        None => started(frame, spec, distributed, context, input)?,
    };
    let total: usize = run.sizes.iter().sum();
    // With neither field, nothing is tolerated; with both, either may be exceeded.
    let limit = match (count, percentage) {
        (None, None) => 0.0,
        (count, percentage) => {
            let by_count = count.map_or(f64::INFINITY, |count| count as f64);
            let by_share = percentage.map_or(f64::INFINITY, |share| total as f64 * share / 100.0);
            by_count.min(by_share)
        }
    };
    let run_started = frame.chain.head;
    let outcome = children(frame, spec, &run, concurrency, limit).await;
    match outcome {
        Ok(outputs) => {
            let succeeded = frame.chain.beside(run_started, "MapRunSucceeded", None)?;
            frame.chain.beside(succeeded, "MapStateSucceeded", None)?;
            Ok((Value::Array(outputs), run_started))
        }
        Err(failure) if failure.severity == Severity::Error => {
            let details = crate::history::failure_details(failure.error.as_deref(), failure.cause.as_deref());
            frame.chain.push("MapRunFailed", Some(details))?;
            Err(failure)
        }
        Err(failure) => Err(failure),
    }
}

fn started(
    frame: &mut Frame,
    spec: &Map,
    distributed: &Distributed,
    context: &StateContext,
    input: &Value,
) -> Result<Arc<MapRun>, Failure> {
    let items = items(frame, spec, context, input)?;
    let selected = iteration_inputs(frame, spec, context, input, &items)?;
    let (inputs, sizes) = match &distributed.batcher {
        Some(batcher) => batches(frame, batcher, context, input, selected)?,
        None => (selected, vec![1; items.len()]),
    };
    frame
        .chain
        .push("MapStateStarted", Some(json!({ "length": items.len() })))?;
    let label = distributed.label.clone().unwrap_or_else(|| frame.inner.short_id());
    let arn = frame.inner.map_run_arn(&frame.execution.origin.machine_name, &label);
    let run = Arc::new(MapRun {
        arn: arn.clone(),
        children: Mutex::new(vec![None; inputs.len()]),
        inputs,
        sizes,
        redrives: Mutex::new(0),
    });
    frame.slot.update(|inside| inside.map_run = Some(run.clone()));
    frame.chain.push("MapRunStarted", Some(json!({ "mapRunArn": arn })))?;
    Ok(run)
}

fn redriven(frame: &mut Frame, run: Arc<MapRun>) -> Result<Arc<MapRun>, Failure> {
    let count = {
        let mut redrives = run.redrives.lock().expect("map run poisoned");
        *redrives += 1;
        *redrives
    };
    frame.chain.push(
        "MapRunRedriven",
        Some(json!({ "mapRunArn": run.arn, "redriveCount": count })),
    )?;
    Ok(run)
}

/// Groups items into batches by count and by the size of the input they make.
fn batches(
    frame: &Frame,
    batcher: &Batcher,
    context: &StateContext,
    input: &Value,
    items: Vec<Value>,
) -> Result<(Vec<Value>, Vec<usize>), Failure> {
    let reader = Reader {
        frame,
        state: context,
        input,
        result: None,
        error_output: None,
        item: None,
    };
    let field = |field: &Option<_>, name: &str, max| {
        field
            .as_ref()
            .map(|field| reader.integer(field, &format!("ItemBatcher/{name}"), 1, max))
            .transpose()
    };
    let items_max = field(&batcher.max_items, "MaxItemsPerBatch", 100_000_000)?.unwrap_or(u64::MAX);
    let bytes_max = field(&batcher.max_bytes, "MaxInputBytesPerBatch", PAYLOAD_BYTES_MAX as u64)?
        .unwrap_or(PAYLOAD_BYTES_MAX as u64) as usize;
    let shared = batcher
        .batch_input
        .as_ref()
        .map(|field| reader.value(field, "ItemBatcher/BatchInput"))
        .transpose()?;
    let make = |items: Vec<Value>| match &shared {
        Some(shared) => json!({ "BatchInput": shared, "Items": items }),
        None => json!({ "Items": items }),
    };
    let empty_bytes = json_bytes(&make(Vec::new()));
    let (mut inputs, mut sizes) = (Vec::new(), Vec::new());
    let (mut batch, mut bytes) = (Vec::new(), empty_bytes);
    for item in items {
        let item_bytes = json_bytes(&item) + 1;
        if empty_bytes + item_bytes > bytes_max.saturating_add(1) {
            let cause = reader.cause("An item is larger than the maximum input size of a batch.");
            return Err(Failure::new("States.DataLimitExceeded", Some(cause)));
        }
        if !batch.is_empty() && (batch.len() as u64 >= items_max || bytes + item_bytes > bytes_max.saturating_add(1)) {
            sizes.push(batch.len());
            inputs.push(make(std::mem::take(&mut batch)));
            bytes = empty_bytes;
        }
        bytes += item_bytes;
        batch.push(item);
    }
    if !batch.is_empty() {
        sizes.push(batch.len());
        inputs.push(make(batch));
    }
    Ok((inputs, sizes))
}

/// Runs the children that have not succeeded yet.
async fn children(
    frame: &Frame,
    spec: &Map,
    run: &Arc<MapRun>,
    concurrency: usize,
    limit: f64,
) -> Result<Vec<Value>, Failure> {
    let mut outputs = vec![Value::Null; run.inputs.len()];
    let mut failed_items = 0;
    let mut waiting = 0..run.inputs.len();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < concurrency {
            let Some(index) = waiting.next() else { break };
            let guard = child(frame, spec, run, index)?;
            running.push(async move { (index, guard.finish().await) });
        }
        let Some((index, description)) = running.next().await else {
            return Ok(outputs);
        };
        let description = description?;
        if description.status == ExecutionStatus::Succeeded {
            outputs[index] = description.output.unwrap_or(Value::Null);
            continue;
        }
        outputs[index] = json!({ "Error": description.error, "Cause": description.cause });
        failed_items += run.sizes[index];
        if failed_items as f64 > limit {
            // Dropping the guards of the others stops them.
            return Err(exceeded());
        }
    }
}

fn exceeded() -> Failure {
    let cause = "The specified tolerated failure threshold was exceeded";
    Failure::new("States.ExceedToleratedFailureThreshold", Some(cause.to_owned()))
}

/// Starts child `index`, or redrives it, or finds it succeeded already.
fn child(frame: &Frame, spec: &Map, run: &Arc<MapRun>, index: usize) -> Result<ChildGuard, Failure> {
    let known = run.children.lock().expect("map run poisoned")[index].clone();
    let arn = match known {
        Some(arn) => {
            // One that succeeded cannot be redriven, and need not be.
            let _ = frame.inner.redrive(&arn);
            arn
        }
        None => {
            let arn = frame
                .inner
                .start_map_child(run, spec.processor.clone(), run.inputs[index].clone());
            run.children.lock().expect("map run poisoned")[index] = Some(arn.clone());
            arn
        }
    };
    Ok(ChildGuard::new(frame.inner.clone(), arn, true))
}
