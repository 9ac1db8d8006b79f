//! Replication tasks and their tables.

use super::{
    Dms, Made, PAGES_MAX, SERVICE, StartKind, TaskRequest, filter, made, refused_for_state, required, unless_gone,
};
use crate::classify::{next_page, step_error, too_many_pages, unknown};
use aws_sdk_databasemigration::types::{
    MigrationTypeValue, ReplicationTask, StartReplicationTaskTypeValue, TableStatistics,
};
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::observe_dms::{StopReason, TableState, TableView, TaskStatus, TaskView, ValidationState};

/// Tables in one page of statistics.
const TABLES_PER_PAGE_MAX: i32 = 500;

/// What DMS puts before every stop reason.
const STOP_REASON: &str = "Stop Reason ";

impl Dms {
    /// Makes a task.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_CreateReplicationTask.html>
    pub async fn create_task(&self, request: &TaskRequest<'_>) -> Result<Made, StepError> {
        let answer = self
            .client
            .create_replication_task()
            .replication_task_identifier(request.identifier)
            .replication_instance_arn(request.instance_arn)
            .source_endpoint_arn(request.source_arn)
            .target_endpoint_arn(request.target_arn)
            .migration_type(MigrationTypeValue::from(request.migration_type.as_str()))
            .table_mappings(request.table_mappings)
            .replication_task_settings(request.settings)
            .set_cdc_start_position(request.cdc_start_position.map(str::to_owned))
            .set_tags(Some(request.owner.tags()))
            .send()
            .await;
        made("CreateReplicationTask", answer, |answer| {
            answer.replication_task?.replication_task_arn
        })
    }

    /// The task of that identifier, read without its settings.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeReplicationTasks.html>
    pub async fn task(&self, identifier: &str) -> Result<Option<TaskView>, StepError> {
        self.task_by("replication-task-id", identifier).await
    }

    /// Starts a task. One that is starting or running already is no error; the caller reads the task before.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplicationTask.html>
    pub async fn start_task(&self, arn: &str, kind: StartKind) -> Result<(), StepError> {
        const OPERATION: &str = "StartReplicationTask";
        let answer = self
            .client
            .start_replication_task()
            .replication_task_arn(arn)
            .start_replication_task_type(match kind {
                StartKind::Start => StartReplicationTaskTypeValue::StartReplication,
                StartKind::Resume => StartReplicationTaskTypeValue::ResumeProcessing,
            })
            .send()
            .await;
        // A task that is gone cannot run: that is a refusal too, and stays one.
        let refusal = match answer {
            Ok(_) => return Ok(()),
            Err(error) => step_error(SERVICE, OPERATION, error),
        };
        if !matches!(refusal, StepError::ServiceRefused { .. }) {
            return Err(refusal);
        }
        match self.task_by("replication-task-arn", arn).await?.map(|task| task.status) {
            Some(TaskStatus::Starting | TaskStatus::Running) => Ok(()),
            _ => Err(refusal),
        }
    }

    /// Stops a task. One that does not run, or is gone, is no error.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_StopReplicationTask.html>
    pub async fn stop_task(&self, arn: &str) -> Result<(), StepError> {
        let answer = self
            .client
            .stop_replication_task()
            .replication_task_arn(arn)
            .send()
            .await;
        let Some(refusal) = refused_for_state("StopReplicationTask", answer)? else {
            return Ok(());
        };
        match self.task_by("replication-task-arn", arn).await?.map(|task| task.status) {
            None
            | Some(
                TaskStatus::Ready
                | TaskStatus::Stopping
                | TaskStatus::Stopped
                | TaskStatus::Failed
                | TaskStatus::Deleting,
            ) => Ok(()),
            Some(_) => Err(refusal),
        }
    }

    /// Deletes a task; one that is gone, or being deleted, is no error. It has to be stopped first.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DeleteReplicationTask.html>
    pub async fn delete_task(&self, arn: &str) -> Result<(), StepError> {
        let answer = self
            .client
            .delete_replication_task()
            .replication_task_arn(arn)
            .send()
            .await;
        let Some(refusal) = refused_for_state("DeleteReplicationTask", answer)? else {
            return Ok(());
        };
        match self.task_by("replication-task-arn", arn).await?.map(|task| task.status) {
            None | Some(TaskStatus::Deleting) => Ok(()),
            Some(_) => Err(refusal),
        }
    }

    async fn task_by(&self, name: &str, value: &str) -> Result<Option<TaskView>, StepError> {
        let answer = self
            .client
            .describe_replication_tasks()
            .filters(filter(name, value))
            .without_settings(true)
            .send()
            .await;
        let answer = unless_gone("DescribeReplicationTasks", answer)?;
        let task = answer.as_ref().and_then(|answer| answer.replication_tasks().first());
        task.map(|task| view(task, value)).transpose()
    }

    /// The tables of a task, all pages.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeTableStatistics.html>
    pub async fn tables(&self, task_arn: &str) -> Result<Vec<TableView>, StepError> {
        const OPERATION: &str = "DescribeTableStatistics";
        let (mut tables, mut marker) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .describe_table_statistics()
                .replication_task_arn(task_arn)
                .max_records(TABLES_PER_PAGE_MAX)
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for table in page.table_statistics() {
                tables.push(table_view(table)?);
            }
            marker = next_page(page.marker);
            if marker.is_none() {
                return Ok(tables);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }
}

fn view(task: &ReplicationTask, name: &str) -> Result<TaskView, StepError> {
    let what = format!("replication task {name}");
    let stats = task.replication_task_stats();
    let number = |read: fn(&aws_sdk_databasemigration::types::ReplicationTaskStats) -> i32| {
        stats.map_or(0, |stats| u32::try_from(read(stats)).unwrap_or(0))
    };
    let load_finished_at = stats
        .and_then(|stats| stats.full_load_finish_date())
        .map(|at| Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).unwrap_or(0)))
        .transpose()
        .map_err(|error| unknown(SERVICE, format!("the end of the load of {what}"), error.to_string()))?;
    let reason = task
        .stop_reason()
        .map(|reason| reason.strip_prefix(STOP_REASON).unwrap_or(reason));
    Ok(TaskView {
        arn: required(task.replication_task_arn(), "ARN", &what)?,
        status: TaskStatus::read(&required(task.status(), "status", &what)?),
        stop_reason: reason.filter(|reason| !reason.is_empty()).map(StopReason::read),
        last_failure: task
            .last_failure_message()
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        load_percent: stats.map(|_| number(|stats| stats.full_load_progress_percent())),
        load_finished_at,
        tables_errored: number(|stats| stats.tables_errored()),
        tables_to_load: number(|stats| stats.tables_loading()) + number(|stats| stats.tables_queued()),
    })
}

fn table_view(table: &TableStatistics) -> Result<TableView, StepError> {
    let schema = required(table.schema_name(), "schema", "a table of the task")?;
    let name = required(table.table_name(), "name", "a table of the task")?;
    let what = format!("table {schema}.{name}");
    let state = TableState::read(&required(table.table_state(), "state", &what)?);
    let validation = ValidationState::read(&required(table.validation_state(), "validation state", &what)?);
    // A count below zero cannot be; it must not pass for none.
    let count = |value: i64, member: &str| {
        u64::try_from(value).map_err(|_| unknown(SERVICE, format!("the {member} of {what}"), value.to_string()))
    };
    Ok(TableView {
        state,
        full_load_rows: count(table.full_load_rows(), "rows")?,
        full_load_errors: count(table.full_load_error_rows(), "rows in error")?,
        validation,
        pending: count(table.validation_pending_records(), "pending rows")?,
        failed: count(table.validation_failed_records(), "rows that differ")?,
        suspended: count(table.validation_suspended_records(), "suspended rows")?,
        schema,
        table: name,
    })
}
