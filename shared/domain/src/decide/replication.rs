//! What a task, its tables and its lag allow. Unknown words hold; "stopped" is no success.

use crate::database::{OpenTransaction, TableSum};
use crate::observe_dms::{Metric, StopReason, TableState, TableView, TaskStatus, TaskView, ValidationState};
use crate::plan::DatabasePlan;
use crate::plan::database::DatabaseRule;
use crate::record::CanaryFacts;
use jiff::{SignedDuration, Timestamp};

/// Canaries in a row that must be fast enough.
pub const CANARIES: usize = 10;

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStanding {
    /// It runs.
    Runs,
    /// It is on its way to running, or can be started.
    Waits,
    /// It stopped because somebody stopped it.
    Stopped,
    /// It failed, or stopped for a reason that is none.
    Failed(String),
}

/// Decides how a task stands, on status, reason and message together.
pub fn task_standing(task: &TaskView) -> TaskStanding {
    let said = task
        .last_failure
        .as_deref()
        .map(|said| format!(": {said}"))
        .unwrap_or_default();
    match (&task.status, &task.stop_reason) {
        (TaskStatus::Running, _) => TaskStanding::Runs,
        (
            TaskStatus::Creating
            | TaskStatus::Ready
            | TaskStatus::Starting
            | TaskStatus::Stopping
            | TaskStatus::Modifying
            | TaskStatus::Moving
            | TaskStatus::Testing,
            _,
        ) => TaskStanding::Waits,
        (TaskStatus::Stopped, None | Some(StopReason::Normal)) => TaskStanding::Stopped,
        (TaskStatus::Stopped, Some(StopReason::ReconfigurationRestart | StopReason::RecycleTask)) => {
            TaskStanding::Waits
        }
        (TaskStatus::Stopped, Some(reason)) => TaskStanding::Failed(format!("the task stopped with {reason}{said}")),
        (TaskStatus::Failed | TaskStatus::FailedMove, _) => TaskStanding::Failed(format!("the task failed{said}")),
        (TaskStatus::Deleting, _) => TaskStanding::Failed("somebody deletes the task".to_owned()),
        (TaskStatus::Unknown(word), _) => {
            TaskStanding::Failed(format!("the task is {word:?}, which this version does not know"))
        }
    }
}

/// Whether everything that is replicated was found equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// It was.
    Clean,
    /// It may still be, each a sentence.
    Pending(Vec<String>),
    /// It is not, each a sentence.
    Failed(Vec<String>),
}

/// How a table that DMS does not compare is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// Count and checksum.
    Checksum,
    /// A waiver.
    Waived,
}

/// How the plan covers a table without a key.
pub fn cover(plan: &DatabasePlan, name: &str) -> Option<Cover> {
    if plan.verify.checksum_tables.iter().any(|table| table == name) {
        return Some(Cover::Checksum);
    }
    let waived = plan.waivers.iter().any(|waiver| {
        waiver.rule == DatabaseRule::TableWithoutKey
            && (waiver.tables.is_empty() || waiver.tables.iter().any(|table| table == name))
    });
    waived.then_some(Cover::Waived)
}

/// Decides whether the tables are equal, as far as DMS compares them. Checksums are compared by [`sums_differ`].
pub fn verification(plan: &DatabasePlan, tables: &[TableView]) -> Verification {
    let (mut pending, mut failed) = (Vec::new(), Vec::new());
    if tables.is_empty() {
        pending.push("DMS lists no table yet".to_owned());
    }
    for table in tables {
        match table_verdict(plan, table) {
            Ok(None) => {}
            Ok(Some(wait)) => pending.push(wait),
            Err(why) => failed.push(why),
        }
    }
    match (failed.is_empty(), pending.is_empty()) {
        (false, _) => Verification::Failed(failed),
        (true, false) => Verification::Pending(pending),
        (true, true) => Verification::Clean,
    }
}

/// Nothing, what is waited for, or what is wrong.
fn table_verdict(plan: &DatabasePlan, table: &TableView) -> Result<Option<String>, String> {
    let name = table.name();
    match &table.state {
        TableState::Completed => {}
        TableState::BeforeLoad | TableState::FullLoad | TableState::Reloading => {
            return Ok(Some(format!("{name} is not loaded: {}", table.state)));
        }
        other => {
            return Err(format!(
                "{name} is in state {other:?}; look at the task's log and reload it",
                other = other.as_str()
            ));
        }
    }
    if table.full_load_errors > 0 {
        return Err(format!("{} rows of {name} could not be loaded", table.full_load_errors));
    }
    if table.failed > 0 || table.suspended > 0 {
        return Err(format!(
            "{name}: {} rows differ and {} could not be compared",
            table.failed, table.suspended
        ));
    }
    if plan.waives(DatabaseRule::ValidationOff) && table.validation == ValidationState::NotEnabled {
        return Ok(None);
    }
    match &table.validation {
        ValidationState::Validated if table.pending == 0 => Ok(None),
        ValidationState::Validated
        | ValidationState::PendingRecords
        | ValidationState::PendingValidation
        | ValidationState::PreparingTable
        | ValidationState::PendingRevalidation => Ok(Some(format!(
            "{name} is not compared yet: {}, {} rows",
            table.validation, table.pending
        ))),
        ValidationState::NoPrimaryKey if cover(plan, &name).is_some() => Ok(None),
        ValidationState::NoPrimaryKey => Err(format!(
            "{name} has no key, so DMS never compares it; list it in verify.checksumTables or waive TABLE_WITHOUT_KEY for it"
        )),
        other => Err(format!("the validation of {name} says {:?}", other.as_str())),
    }
}

/// Whether a table that is compared by count and checksum differs, as a sentence.
pub fn sums_differ(name: &str, source: &TableSum, target: &TableSum) -> Option<String> {
    if source.rows != target.rows {
        return Some(format!(
            "{name} has {} rows on the source and {} on the target",
            source.rows, target.rows
        ));
    }
    (source.checksum != target.checksum).then(|| {
        format!(
            "{name} has {} rows on both sides, and their contents differ",
            source.rows
        )
    })
}

/// What the lag gate looks at.
#[derive(Debug, Clone)]
pub struct LagView<'a> {
    /// The task.
    pub task: TaskStanding,
    /// The tables.
    pub tables: Verification,
    /// The last canaries, oldest first.
    pub canaries: &'a [CanaryFacts],
    /// Old transactions on the source.
    pub transactions: &'a [OpenTransaction],
    /// Prepared transactions on the source.
    pub prepared: &'a [String],
    /// `CDCLatencySource` and `CDCLatencyTarget`.
    pub metrics: &'a [(&'static str, Metric)],
}

/// What keeps the lag gate closed, each a sentence; empty when it is open.
pub fn lag_gate(plan: &DatabasePlan, view: &LagView<'_>, now: Timestamp) -> Vec<String> {
    let limit = SignedDuration::from_secs(i64::from(plan.lag.seconds_max));
    let mut closed = Vec::new();
    match &view.task {
        TaskStanding::Runs => {}
        TaskStanding::Waits => closed.push("the task does not run yet".to_owned()),
        TaskStanding::Stopped => closed.push("the task is stopped".to_owned()),
        TaskStanding::Failed(why) => closed.push(why.clone()),
    }
    match &view.tables {
        Verification::Clean => {}
        Verification::Pending(reasons) | Verification::Failed(reasons) => {
            closed.extend(reasons.iter().take(3).cloned())
        }
    }
    let seen: Vec<SignedDuration> = view
        .canaries
        .iter()
        .rev()
        .take(CANARIES)
        .filter_map(|canary| canary.seen_at.map(|seen| seen.duration_since(canary.written_at)))
        .collect();
    if seen.len() < CANARIES {
        closed.push(format!("{} of the last {CANARIES} canaries have arrived", seen.len()));
    }
    if let Some(slowest) = seen.iter().max().filter(|slowest| **slowest > limit) {
        closed.push(format!(
            "the slowest of the last {CANARIES} canaries took {:.1} s",
            slowest.as_secs_f64()
        ));
    }
    let lost = view
        .canaries
        .iter()
        .find(|canary| canary.seen_at.is_none() && now.duration_since(canary.written_at) > limit);
    if let Some(canary) = lost {
        closed.push(format!("the canary of {} has not arrived", canary.written_at));
    }
    if let Some(old) = view.transactions.first() {
        closed.push(format!(
            "a transaction of {} has been open for {} s on the source (session {})",
            old.login, old.seconds, old.session
        ));
    }
    if !view.prepared.is_empty() {
        closed.push(format!(
            "prepared transactions are open on the source: {}",
            view.prepared.join(", ")
        ));
    }
    for (name, metric) in view.metrics {
        match metric {
            Metric::Absent => closed.push(format!("{name} is missing, which it is when a task does not run")),
            Metric::Stale(age) => closed.push(format!("the newest {name} is {age} s old")),
            Metric::Fresh(seconds) if *seconds >= f64::from(plan.lag.seconds_max) => {
                closed.push(format!("{name} was {seconds:.0} s"));
            }
            Metric::Fresh(_) => {}
        }
    }
    closed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::database::tests_support::plan;

    fn table(validation: &str) -> TableView {
        TableView {
            schema: "shop".into(),
            table: "orders".into(),
            state: TableState::Completed,
            full_load_rows: 10,
            full_load_errors: 0,
            validation: ValidationState::read(validation),
            pending: 0,
            failed: 0,
            suspended: 0,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("an instant")
    }

    fn canaries(lag: i64) -> Vec<CanaryFacts> {
        let one = |number: i64| CanaryFacts {
            id: number.to_string(),
            written_at: at(number),
            seen_at: Some(at(number + lag)),
        };
        (0..10).map(one).collect()
    }

    fn gate(canaries: &[CanaryFacts], metric: Metric) -> Vec<String> {
        let view = LagView {
            task: TaskStanding::Runs,
            tables: Verification::Clean,
            canaries,
            transactions: &[],
            prepared: &[],
            metrics: &[("CDCLatencyTarget", metric)],
        };
        lag_gate(&plan(), &view, at(20))
    }

    #[test]
    fn stopped_is_no_success_and_an_unknown_word_is_a_failure() {
        let task = |status: &str, reason: Option<&str>| TaskView {
            arn: "arn".into(),
            status: TaskStatus::read(status),
            stop_reason: reason.map(StopReason::read),
            last_failure: None,
            load_percent: None,
            load_finished_at: None,
            tables_errored: 0,
            tables_to_load: 0,
        };
        assert_eq!(task_standing(&task("running", None)), TaskStanding::Runs);
        assert_eq!(task_standing(&task("stopped", Some("NORMAL"))), TaskStanding::Stopped);
        assert!(matches!(
            task_standing(&task("stopped", Some("FATAL_ERROR"))),
            TaskStanding::Failed(_)
        ));
        assert!(matches!(
            task_standing(&task("stopped", Some("NEW_REASON"))),
            TaskStanding::Failed(_)
        ));
        assert!(matches!(
            task_standing(&task("hibernating", None)),
            TaskStanding::Failed(_)
        ));
    }

    #[test]
    fn every_validation_state_but_validated_is_rejected() {
        assert_eq!(verification(&plan(), &[table("Validated")]), Verification::Clean);
        for state in ["Pending records", "Pending revalidation", "Preparing table"] {
            assert!(
                matches!(verification(&plan(), &[table(state)]), Verification::Pending(_)),
                "{state}"
            );
        }
        for state in [
            "Mismatched records",
            "Suspended records",
            "No primary key",
            "Error",
            "Not enabled",
            "Something new",
        ] {
            assert!(
                matches!(verification(&plan(), &[table(state)]), Verification::Failed(_)),
                "{state}"
            );
        }
        assert!(
            matches!(verification(&plan(), &[]), Verification::Pending(_)),
            "no table is not clean"
        );
    }

    #[test]
    fn a_table_without_a_key_is_covered_by_its_checksum_or_its_waiver() {
        let mut plan = plan();
        plan.verify.checksum_tables.push("shop.orders".into());
        assert_eq!(verification(&plan, &[table("No primary key")]), Verification::Clean);
        let sum = |rows, checksum: &str| TableSum {
            rows,
            checksum: checksum.into(),
        };
        assert_eq!(sums_differ("t", &sum(1, "a"), &sum(1, "a")), None);
        assert!(sums_differ("t", &sum(1, "a"), &sum(2, "a")).is_some());
        assert!(sums_differ("t", &sum(1, "a"), &sum(1, "b")).is_some());
    }

    #[test]
    fn ten_fast_canaries_open_the_gate_and_metrics_can_only_close_it() {
        assert_eq!(gate(&canaries(5), Metric::Fresh(0.0)), Vec::<String>::new());
        assert_eq!(
            gate(&canaries(6), Metric::Fresh(0.0)).len(),
            1,
            "a metric of 0 allows nothing"
        );
        assert_eq!(
            gate(&canaries(1)[1..], Metric::Fresh(0.0)).len(),
            1,
            "nine are not enough"
        );
        for metric in [Metric::Absent, Metric::Stale(400), Metric::Fresh(5.0)] {
            assert_eq!(gate(&canaries(1), metric).len(), 1);
        }
        let mut lost = canaries(1);
        lost.push(CanaryFacts {
            id: "lost".into(),
            written_at: at(10),
            seen_at: None,
        });
        assert!(!gate(&lost, Metric::Fresh(0.0)).is_empty());
    }
}
