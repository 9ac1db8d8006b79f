//! The tables of a task: which are replicated, what still has to be loaded, and what people are told of them.

use super::replication::{Cover, cover};
use crate::database::{TableName, ValidationFailure};
use crate::observe_dms::{TableState, TableView, TaskView, ValidationState};
use crate::plan::DatabasePlan;
use crate::plan::database::MigrationType;
use crate::report::TableReport;
use crate::text::one_line;

/// Tables that a record holds; those with something to say come first.
pub const TABLE_REPORTS_MAX: usize = 200;

/// Rows that differ and that a record holds.
pub const MISMATCHES_MAX: u32 = 20;

/// Characters of a row's key in a sentence.
const KEY_CHARS_MAX: usize = 120;

/// The tables that are replicated, by their names on the source, in order: what a fingerprint of the schema is taken of.
pub fn replicated(tables: &[TableView]) -> Vec<TableName> {
    let mut names: Vec<TableName> = tables
        .iter()
        .map(|table| TableName::new(&table.schema, &table.table))
        .collect();
    names.sort();
    names
}

/// What of the full load is still to come, each a sentence. What DMS does not say is not done.
pub fn load_pending(plan: &DatabasePlan, task: &TaskView) -> Vec<String> {
    if plan.migration_type == MigrationType::Cdc {
        return Vec::new();
    }
    let mut pending = Vec::new();
    match task.load_percent {
        Some(100) => {}
        Some(percent) => pending.push(format!("the full load is at {percent} %")),
        None => pending.push("DMS does not say how far the full load is".to_owned()),
    }
    if task.tables_to_load > 0 {
        pending.push(format!("{} tables are still to be loaded", task.tables_to_load));
    }
    if task.tables_errored > 0 {
        pending.push(format!("{} tables are in error", task.tables_errored));
    }
    pending
}

/// The tables for people, those that are not clean first, at most [`TABLE_REPORTS_MAX`]. `summed` says that count and
/// checksum of the tables without a key were compared.
pub fn table_reports(plan: &DatabasePlan, tables: &[TableView], summed: bool) -> Vec<TableReport> {
    let mut reports: Vec<(bool, TableReport)> = tables.iter().map(|table| report(plan, table, summed)).collect();
    reports.sort_by(|(clean, one), (other_clean, other)| (clean, &one.name).cmp(&(other_clean, &other.name)));
    reports.truncate(TABLE_REPORTS_MAX);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// A table for people, and whether it is clean.
fn report(plan: &DatabasePlan, table: &TableView, summed: bool) -> (bool, TableReport) {
    let name = table.name();
    let loaded = table.state == TableState::Completed;
    let (clean, state) = match (&table.validation, cover(plan, &name)) {
        _ if !loaded => (false, table.state.to_string()),
        (ValidationState::NoPrimaryKey, Some(Cover::Checksum)) if summed => (true, "CHECKSUM".to_owned()),
        (ValidationState::NoPrimaryKey, Some(Cover::Waived)) => (true, "WAIVED".to_owned()),
        (validation, _) => (*validation == ValidationState::Validated, validation.to_string()),
    };
    let differs = table.pending + table.failed + table.suspended + table.full_load_errors > 0;
    let report = TableReport {
        name,
        rows: table.full_load_rows,
        state,
        pending: table.pending,
        failed: table.failed,
    };
    (clean && !differs, report)
}

/// Rows that validation found different, each a sentence, at most [`MISMATCHES_MAX`].
pub fn mismatches(failures: &[ValidationFailure]) -> Vec<String> {
    let sentence = |failure: &ValidationFailure| {
        let key = one_line(&failure.key, KEY_CHARS_MAX);
        format!("{}, row {key}: {}", failure.table, failure.failure)
    };
    failures.iter().take(MISMATCHES_MAX as usize).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe_dms::TaskStatus;
    use crate::plan::database::tests_support::plan;

    fn table(name: &str, validation: ValidationState, pending: u64) -> TableView {
        TableView {
            schema: "shop".into(),
            table: name.into(),
            state: TableState::Completed,
            full_load_rows: 10,
            full_load_errors: 0,
            validation,
            pending,
            failed: 0,
            suspended: 0,
        }
    }

    #[test]
    fn a_load_that_dms_says_nothing_of_is_not_done() {
        let mut task = TaskView {
            arn: "arn".into(),
            status: TaskStatus::Running,
            stop_reason: None,
            last_failure: None,
            load_percent: None,
            load_finished_at: None,
            tables_errored: 0,
            tables_to_load: 0,
        };
        assert_eq!(load_pending(&plan(), &task).len(), 1);
        task.load_percent = Some(100);
        assert_eq!(load_pending(&plan(), &task), Vec::<String>::new());
        task.tables_to_load = 1;
        assert_eq!(load_pending(&plan(), &task).len(), 1);
        let mut changes_only = plan();
        changes_only.migration_type = MigrationType::Cdc;
        assert_eq!(load_pending(&changes_only, &task), Vec::<String>::new());
    }

    #[test]
    fn tables_that_are_not_clean_are_never_cut_off() {
        let mut tables: Vec<TableView> = (0..TABLE_REPORTS_MAX)
            .map(|number| table(&format!("a{number:03}"), ValidationState::Validated, 0))
            .collect();
        tables.push(table("z", ValidationState::Validated, 5));
        let reports = table_reports(&plan(), &tables, false);
        assert_eq!(reports.len(), TABLE_REPORTS_MAX);
        assert_eq!((reports[0].name.as_str(), reports[0].pending), ("shop.z", 5));
    }

    #[test]
    fn a_checksum_is_reported_only_once_it_was_compared() {
        let mut plan = plan();
        plan.verify.checksum_tables.push("shop.visits".into());
        let visits = [table("visits", ValidationState::NoPrimaryKey, 0)];
        assert_eq!(table_reports(&plan, &visits, false)[0].state, "No primary key");
        assert_eq!(table_reports(&plan, &visits, true)[0].state, "CHECKSUM");
    }
}
