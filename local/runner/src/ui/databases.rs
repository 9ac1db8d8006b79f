//! How far a database is, in words and as a share.

use super::lines::split_words;
use super::progress::{STEPS, ServerView, first_line};
use landfall_domain::record::{DatabaseRecord, DatabaseState, Direction, WaveRecord};
use landfall_domain::report::DatabaseDowntime;

/// Reads a view of a database off its record.
pub(super) fn database_view(id: &str, wave: Option<&WaveRecord>, record: Option<&DatabaseRecord>) -> ServerView {
    let (stage, steps) = match (wave, record) {
        (Some(wave), Some(record)) => stage(wave.direction, record),
        _ => ("waits".to_owned(), 0),
    };
    ServerView {
        host: id.to_owned(),
        stage,
        instance: record.and_then(DatabaseDowntime::of).map(|split| split_words(&split)),
        share: f64::from(steps) / f64::from(STEPS),
    }
}

/// The newest fact about a database, and how many steps are done.
fn stage(direction: Direction, database: &DatabaseRecord) -> (String, u8) {
    let (replication, cutover) = (&database.replication, &database.cutover);
    let source = &database.source_closing;
    if let Some((words, steps)) = turning_back(direction, database) {
        return (words.to_owned(), steps);
    }
    let facts: [(bool, &str, u8); 13] = [
        (database.retired_at.is_some(), "on its target, replication ended", 12),
        (cutover.checked_at.is_some(), "applications write on the target", 11),
        (cutover.switched_at.is_some(), "applications are switched", 10),
        (cutover.committed_at.is_some(), "switch on record, target opens", 9),
        (cutover.ready_at.is_some(), "target is ready", 9),
        (cutover.verified_at.is_some(), "everything is equal", 8),
        (
            database.counting_fence().seen_at.is_some(),
            "last change arrived, compared",
            8,
        ),
        (source.closed_at.is_some(), "source closed, last changes go", 7),
        (database.state == DatabaseState::Frozen, "source closes", 6),
        (replication.loaded_at.is_some(), "loaded and equal, changes follow", 5),
        (replication.start_intended_at.is_some(), "loads, rows are compared", 3),
        (
            replication.instance.ready_at.is_some(),
            "replication instance stands",
            2,
        ),
        (replication.instance.intended_at.is_some(), "replication is set up", 1),
    ];
    let (_, words, steps) = facts
        .into_iter()
        .find(|(known, ..)| *known)
        .unwrap_or((true, "planned", 0));
    match cutover.failure.as_ref().or(replication.failure.as_ref()) {
        Some(why) => (format!("failed: {}", first_line(why)), steps),
        None => (words.to_owned(), steps),
    }
}

/// What is told backwards: an attempt that is taken back, or a wave that goes back.
fn turning_back(direction: Direction, database: &DatabaseRecord) -> Option<(&'static str, u8)> {
    match (direction, database.state) {
        (_, DatabaseState::Unfreezing) => Some(("taken back, source opens", 6)),
        (_, DatabaseState::ReturnFrozen) => Some(("goes back, target closed", 6)),
        (_, DatabaseState::Returning) => Some(("goes back, source opens", 8)),
        (Direction::Rollback, DatabaseState::OnSource) if database.retired_at.is_some() => {
            Some(("on its source, replication ended", STEPS))
        }
        (Direction::Rollback, DatabaseState::OnSource) => Some(("open on its source", 10)),
        (Direction::Rollback, DatabaseState::Frozen | DatabaseState::Switching | DatabaseState::OnTarget) => {
            Some(("has to go back", 4))
        }
        (Direction::Forward, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::Value;

    fn database() -> DatabaseRecord {
        let text = include_str!("../../../../examples/database-wave.json");
        let mut example: Value = serde_json::from_str(text).expect("the example is JSON");
        let plan = serde_json::from_value(example["databases"][0].take()).expect("a plan");
        let wave = serde_json::from_value("shop-db".into()).expect("a wave id");
        DatabaseRecord::new(wave, "shop".to_owned(), plan)
    }

    #[test]
    fn a_stage_of_a_database_is_the_newest_fact_and_its_share_grows() {
        let (mut database, now) = (database(), Some(Timestamp::UNIX_EPOCH));
        let mut shares = vec![stage(Direction::Forward, &database).1];
        database.replication.instance.intended_at = now;
        shares.push(stage(Direction::Forward, &database).1);
        database.replication.loaded_at = now;
        shares.push(stage(Direction::Forward, &database).1);
        database.state = DatabaseState::Frozen;
        assert_eq!(stage(Direction::Forward, &database).0, "source closes");
        shares.push(stage(Direction::Forward, &database).1);
        (database.source_closing.intended_at, database.cutover.switched_at) = (now, now);
        database.state = DatabaseState::OnTarget;
        shares.push(stage(Direction::Forward, &database).1);
        assert!(shares.is_sorted_by(|a, b| a < b), "{shares:?}");
        assert_eq!(stage(Direction::Rollback, &database).0, "has to go back");
        database.state = DatabaseState::OnSource;
        assert_eq!(stage(Direction::Rollback, &database).0, "open on its source");
    }
}
