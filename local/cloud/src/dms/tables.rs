//! Statistics of a task's tables.

use serde_json::{Value, json};

use super::replicator::TableProgress;
use super::tasks::task_mut;
use super::{Dms, filters, members, paged, passes, seconds};
use crate::hub::AwsError;

pub(super) fn describe(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "DescribeTableStatistics";
    let members = members(
        OPERATION,
        body,
        &["ReplicationTaskArn", "Filters", "MaxRecords", "Marker"],
    )?;
    let arn = members.required("ReplicationTaskArn")?;
    let filters = filters(OPERATION, &members, &["schema-name", "table-name", "table-state"])?;
    let replicator = dms.replicator();
    dms.with(|world, scene| {
        let task = task_mut(world, arn)?;
        let tables = replicator.tables(&task.spec);
        let wanted = tables.iter().filter(|table| {
            passes(&filters, |name| match name {
                "schema-name" => table.name.schema.clone(),
                "table-name" => table.name.table.clone(),
                _ => table.state.as_str().to_owned(),
            })
        });
        let items = wanted.map(show).collect();
        let mut answer = paged(scene, &members, 500, "TableStatistics", items, false)?;
        answer["ReplicationTaskArn"] = json!(arn);
        Ok(answer)
    })
}

fn show(table: &TableProgress) -> Value {
    let mut shown = json!({
        "SchemaName": table.name.schema,
        "TableName": table.name.table,
        "Inserts": table.read.inserts,
        "Updates": table.read.updates,
        "Deletes": table.read.deletes,
        "Ddls": 0,
        "AppliedInserts": table.applied.inserts,
        "AppliedUpdates": table.applied.updates,
        "AppliedDeletes": table.applied.deletes,
        "FullLoadRows": table.loaded,
        "FullLoadErrorRows": table.load_errors,
        "FullLoadReloaded": false,
        "TableState": table.state.as_str(),
        "ValidationState": table.validation.as_str(),
        "ValidationPendingRecords": table.pending,
        "ValidationFailedRecords": table.failed,
        "ValidationSuspendedRecords": 0,
    });
    if let Some(at) = table.load_began {
        shown["FullLoadStartTime"] = seconds(at);
    }
    if let Some(at) = table.updated_at {
        shown["LastUpdateTime"] = seconds(at);
    }
    if let Some(at) = table.load_ended {
        shown["FullLoadEndTime"] = seconds(at);
    }
    shown
}
