//! What the report says of a database, in sentences for a person who was woken up.

use super::attempt_downtime_ms;
use jiff::Timestamp;
use landfall_domain::plan::database::{DatabaseWaiver, FailBack};
use landfall_domain::record::{DatabaseRecord, DatabaseState, Direction, WaveRecord, WaveStatus};

/// What happened and, where somebody has to, what to do: one sentence for a person who was woken up.
pub(super) fn sentence(wave: &WaveRecord, database: &DatabaseRecord, now: Timestamp) -> String {
    let (source, cutover) = (&database.source_closing, &database.cutover);
    let because = |why: &Option<String>| why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let failed = because(&cutover.failure);
    let held = wave.status == WaveStatus::Held;
    let go_on = if held && wave.direction == Direction::Forward {
        "; start migrate-wave with the same plan to go on, or rollback-wave to go back"
    } else if held {
        "; mend that and start rollback-wave again"
    } else {
        ""
    };
    match database.state {
        DatabaseState::OnSource => on_source(database),
        DatabaseState::Frozen => {
            let since = source.intended_at.map(clock).unwrap_or_default();
            match source.deadline {
                Some(deadline) if deadline <= now => format!(
                    "Its source has been closed to applications since {since} and should have opened by itself at {}{failed}; open it by hand as the runbook says, now.",
                    clock(deadline)
                ),
                Some(deadline) => format!(
                    "Its source has been closed to applications since {since}; it opens by itself at {} unless the switch is on record by then{failed}.",
                    clock(deadline)
                ),
                None => format!("Its source is being closed to applications{failed}."),
            }
        }
        DatabaseState::Unfreezing => format!(
            "Its cutover is being taken back{failed}: the source is being opened again; while this stands here applications may be shut out, and what stays locked is opened by hand as the runbook says."
        ),
        DatabaseState::Switching => format!(
            "The switch is on record and not finished{failed}: the source stays closed for good, the target is opened{go_on}."
        ),
        DatabaseState::OnTarget if database.retired_at.is_some() => {
            "Applications write on the target; its replication is ended.".to_owned()
        }
        DatabaseState::OnTarget if cutover.failure.is_some() => {
            format!("Applications were pointed at the target, and something after that did not work{failed}{go_on}.")
        }
        DatabaseState::OnTarget => "Applications write on the target.".to_owned(),
        DatabaseState::ReturnFrozen => format!(
            "It is going back: the target is closed to applications, the source is not open yet{failed}{go_on}."
        ),
        DatabaseState::Returning => format!(
            "It is going back and nothing more can be written on the target: the source is being opened{failed}{go_on}."
        ),
    }
}

fn on_source(database: &DatabaseRecord) -> String {
    let (source, cutover, replication) = (&database.source_closing, &database.cutover, &database.replication);
    let failed = cutover
        .failure
        .as_ref()
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    let open = "applications write on the source";
    if let Some(loser) = &database.fail_back.loss_accepted_by {
        return format!(
            "It went back: {open} again, without what was written on the target, which {loser} accepted{failed}."
        );
    }
    if database.fail_back.returned_at.is_some() {
        return format!("It went back: {open} again, with everything that was written on the target{failed}.");
    }
    if source.may_be_closed() && source.left.is_empty() {
        return format!(
            "It is not known to be open to all applications{failed}; see that they can write on the source, and open it by hand as the runbook says."
        );
    }
    if source.may_be_closed() {
        return format!(
            "Its cutover was taken back{failed}: {open} again, but not all of it is as it was; do what is listed as left, now."
        );
    }
    match attempt_downtime_ms(database) {
        Some(down) => {
            return format!(
                "Its cutover was taken back{failed}; {open} again, after {:.1} s.",
                down as f64 / 1000.0
            );
        }
        None if cutover.failure.is_some() => {
            return format!("Its cutover was refused before anything was closed{failed}; {open}, as before.");
        }
        None => {}
    }
    if database.retired_at.is_some() {
        return format!("Its replication is ended; {open}, as before.");
    }
    if let Some(why) = &replication.failure {
        return format!("Its replication does not go on: {why}; {open}, as before.");
    }
    if replication.loaded_at.is_some() {
        return format!("Everything is loaded and found equal, and changes follow; {open}.");
    }
    match (replication.start_intended_at, replication.load_percent) {
        (Some(_), Some(percent)) if percent < 100 => format!("It is being loaded, {percent} percent; {open}."),
        (Some(_), Some(_)) => format!("It is loaded and being compared, row by row; {open}."),
        (Some(_), None) => format!("Its load begins; {open}."),
        (None, _) if replication.instance.intended_at.is_some() => {
            format!("Its replication is being set up; {open}.")
        }
        (None, _) => format!("Nothing was made for it yet; {open}."),
    }
}

/// The time of day, for a sentence: its day stands beside it in the report.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

/// A waiver: the rule, who approved it, and why.
pub(super) fn waiver(waiver: &DatabaseWaiver) -> String {
    let tables = if waiver.tables.is_empty() {
        String::new()
    } else {
        format!(" ({})", waiver.tables.join(", "))
    };
    let mut rule = waiver.rule.sentence().to_owned();
    if let Some(first) = rule.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!("{rule}{tables}: approved by {}: {}", waiver.approved_by, waiver.reason)
}

/// What a rollback would do with what was written on the target.
pub(super) fn fail_back(database: &DatabaseRecord) -> String {
    let facts = &database.fail_back;
    let switched = matches!(database.state, DatabaseState::OnTarget | DatabaseState::Switching);
    let carried = facts.running_at.is_some() && facts.task.ended_at.is_none();
    let sentence = match &database.plan.fail_back {
        _ if facts.returned_at.is_some() || facts.loss_accepted_by.is_some() => "It went back already.",
        _ if switched && database.retired_at.is_some() => "Its replication is ended: Landfall does not take it back.",
        Some(FailBack::ReverseReplication {}) if switched && carried => {
            "A rollback loses nothing: a reverse task carries what is written on the target back to the source."
        }
        Some(FailBack::ReverseReplication {}) if switched => {
            "The reverse task does not run yet: until it does, a rollback loses what is written on the target."
        }
        Some(FailBack::ReverseReplication {}) => {
            "After the switch a reverse task carries what is written on the target back; a rollback then loses nothing."
        }
        Some(FailBack::AcceptLoss(acceptance)) => {
            return format!(
                "After the switch a rollback loses what was written on the target; {} accepts that: {}.",
                acceptance.accepted_by,
                acceptance.reason.trim_end_matches('.')
            );
        }
        None => "After the switch a rollback loses what was written on the target; somebody is asked first.",
    };
    sentence.to_owned()
}
