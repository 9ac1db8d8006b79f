//! DMS's events. They carry an ARN and are best effort; a wave in the table tells which database it belongs to.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_EventBridge.html>

use crate::Event;
use crate::follow::{Reading, follow};
use landfall_aws::read::replication::{self, ReplicationRead, resource};
use landfall_aws::{Deps, parse};
use landfall_domain::StepError;
use landfall_domain::record::DatabaseRecord;
use serde_json::Value;
use std::collections::BTreeSet;

/// Whether an event can be about something that a wait waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard<'a> {
    /// It is about this instance, task or endpoint.
    About(&'a str),
    /// It is about nothing that Landfall makes, or changes nothing that a wait reads.
    Nothing,
}

/// Something became of an instance, a task or an endpoint: reads the database that it belongs to.
pub async fn changed(deps: &Deps, event: &Event) -> Result<String, StepError> {
    let Heard::About(arn) = heard(event)? else {
        return Ok("nothing waits for this kind of event".to_owned());
    };
    for wave in deps.table.open_waves().await? {
        for database in deps.table.databases(&wave).await? {
            if has(&database, arn) {
                return resume(deps, &database).await;
            }
        }
    }
    Ok(format!("no open wave has {arn}"))
}

/// What the event is about. A word that this version does not know is an error: it may be what a wait waits for.
fn heard(event: &Event) -> Result<Heard<'_>, StepError> {
    match event.detail_type.as_str() {
        "DMS Replication Task State Change"
        | "DMS Replication Instance State Change"
        | "DMS Replication Endpoint State Change" => {}
        // Classes, storage, zones and patches of an instance are read with its status; serverless replications and data
        // migrations are nothing that Landfall makes.
        "DMS Replication Instance Class State Change"
        | "DMS Replication Instance Storage State Change"
        | "DMS Replication Instance Multi-AZ State Change"
        | "DMS Replication Instance Patch State"
        | "DMS Replication Instance Failover State"
        | "DMS Replication State Change"
        | "DMS Data Migration State Change" => return Ok(Heard::Nothing),
        other => return Err(unknown("the kind of an event", other)),
    }
    let arn = event.resources.first().map(String::as_str).unwrap_or_default();
    // arn:aws:dms:Region:account:kind:id
    match arn.split(':').nth(5) {
        Some("task" | "rep" | "endpoint") => Ok(Heard::About(arn)),
        Some(_) => Err(unknown("what an event is about", arn)),
        None => Err(unknown("what an event is about", "no ARN")),
    }
}

fn unknown(what: &str, value: &str) -> StepError {
    StepError::UnknownValue {
        service: landfall_aws::dms::SERVICE,
        what: what.to_owned(),
        value: value.to_owned(),
    }
}

/// Whether the database has something under that ARN.
fn has(database: &DatabaseRecord, arn: &str) -> bool {
    let (forward, back) = (&database.replication, &database.fail_back);
    let all = [
        &forward.instance,
        &forward.source_endpoint,
        &forward.target_endpoint,
        &forward.task,
        &back.source_endpoint,
        &back.target_endpoint,
        &back.task,
    ];
    all.into_iter().any(|made| made.arn.as_deref() == Some(arn))
}

/// Reads for whoever waits for the database's replication.
async fn resume(deps: &Deps, database: &DatabaseRecord) -> Result<String, StepError> {
    let resource = resource(&database.wave_id, &database.database_id);
    let Some(first) = deps.table.awaiting(&resource).await?.into_iter().next() else {
        return Ok(format!("nothing waits for {resource}"));
    };
    if !parse::<ReplicationRead>(&first.input)?.again {
        return Ok(format!("{resource} is read when its task is entered again"));
    }
    follow(deps, &resource, first, |deps, input| Box::pin(read(deps, input))).await
}

async fn read(deps: &Deps, input: &Value) -> Result<Reading, StepError> {
    let input: ReplicationRead = parse(input)?;
    Ok(match replication::read(deps, &input).await? {
        Some(outcome) => Reading::Over(outcome),
        None => Reading::Open(BTreeSet::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TASK: &str = "arn:aws:dms:eu-west-1:111122223333:task:ABCDEFGHIJKLMNOP";

    fn event(kind: &str, resource: &str) -> Event {
        serde_json::from_value(json!({
            "source": "aws.dms", "detail-type": kind, "resources": [resource],
            "detail": { "type": "REPLICATION_TASK", "category": "StateChange", "eventType": "REPLICATION_TASK_STOPPED" },
        }))
        .unwrap()
    }

    #[test]
    fn an_event_is_about_the_arn_that_it_carries_and_a_word_not_known_is_an_error() {
        let stopped = event("DMS Replication Task State Change", TASK);
        assert_eq!(heard(&stopped), Ok(Heard::About(TASK)));
        let patched = event("DMS Replication Instance Patch State", "arn:aws:dms:eu-west-1:1:rep:A");
        assert_eq!(heard(&patched), Ok(Heard::Nothing));
        for (kind, resource) in [
            ("DMS Replication Task Mood Change", TASK),
            (
                "DMS Replication Task State Change",
                "arn:aws:dms:eu-west-1:111122223333:dream:A",
            ),
            ("DMS Replication Task State Change", ""),
        ] {
            let error = heard(&event(kind, resource)).map(|_| ()).unwrap_err();
            assert_eq!(error.name(), "UnknownValue", "{kind} {resource}");
        }
    }

    #[test]
    fn a_waiting_token_of_any_function_can_be_read_again() {
        for mode in ["PROVISION", "START", "STOP", "REVERSE", "RETIRE"] {
            let input = json!({
                "waveId": "shop", "epoch": 1, "direction": "FORWARD", "database": "shop", "mode": mode,
                "executionArn": "arn",
            });
            let read = parse::<ReplicationRead>(&input).unwrap();
            assert!(
                !read.again,
                "{mode}: a state that does not say so would take AGAIN for a failure"
            );
        }
    }
}
