//! Letting applications in again: opening a source, with everything that decides whether it may be opened, and telling
//! people. Three callers share it: the freeze that failed, the step that takes a cutover back, and the dead man's switch,
//! which belongs to no epoch and to no execution.
//!
//! Frozen → Unfreezing is one conditional write, and so is Frozen → Switching: whoever writes first decides.

use crate::database::DatabaseError;
use crate::database_step::{Side, Who, connect, fence_table};
use crate::deps::Deps;
use crate::step::log_line;
use crate::table::{Guard, Stored, Write};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::StepError;
use landfall_domain::database::Probe;
use landfall_domain::decide::{is_switched, may_follow};
use landfall_domain::record::{Closing, CutoverFacts, DatabaseRecord, DatabaseState, FreezeRecord};
use std::time::Duration;

/// Attempts to write a record that others write too: a cutover, the dead man's switch and an event.
const WRITE_ATTEMPTS_MAX: usize = 6;

/// Before what could not be restored is tried once more: a catalog that two change at once refuses one of them.
const RESTORE_PAUSE: Duration = Duration::from_millis(500);

/// How long after its deadline an opening counts as late, so that people are told of it: the dead man's switch opens a source
/// that can be reached within seconds.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// Why a source is opened again.
#[derive(Debug, Clone, Copy)]
pub enum Why<'a> {
    /// The cutover is taken back, for this reason. People are told when that opens it only after its deadline.
    TakenBack(&'a str),
    /// Its deadline came, and the switch is not on record. People are told.
    Deadline,
}

/// How the opening of a source came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// Everything is as it was recorded, and an application's login can write.
    AsRecorded,
    /// These are not as they were, each a sentence with its remedy.
    Partial(Vec<String>),
    /// The switch is on record; the source stays closed.
    Switched,
    /// It was not closed.
    Nothing,
}

/// What letting applications in came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LetIn {
    /// What could not be restored, each a sentence with its remedy.
    pub left: Vec<String>,
    /// Whether an application's login can begin to write.
    pub works: bool,
}

/// Opens the source, if it may be opened: puts that on record on condition that the switch is not, opens, proves it
/// through an application's login, and puts the outcome on record. It can be repeated. Without a guard it belongs to no
/// epoch. [`StepError::DatabaseUnreachable`]: it is not known whether it is open, and it has to be repeated.
pub async fn open_source(
    deps: &Deps,
    database: &mut Stored<DatabaseRecord>,
    guard: Option<&Guard>,
    why: Why<'_>,
) -> Result<Opened, StepError> {
    for _ in 0..WRITE_ATTEMPTS_MAX {
        if is_switched(database.state) {
            return Ok(Opened::Switched);
        }
        if database.state == DatabaseState::OnSource && !database.source_closing.may_be_closed() {
            return Ok(Opened::Nothing);
        }
        match reopen(deps, database, guard, why).await {
            Err(StepError::WriteConflict { .. }) => {
                *database = deps.table.database(&database.wave_id, &database.database_id).await?;
            }
            other => return other,
        }
    }
    Err(StepError::WriteConflict {
        item: database.key.to_string(),
    })
}

async fn reopen(
    deps: &Deps,
    database: &mut Stored<DatabaseRecord>,
    guard: Option<&Guard>,
    why: Why<'_>,
) -> Result<Opened, StepError> {
    if database.state == DatabaseState::Frozen {
        enter(database, DatabaseState::Unfreezing)?;
        database.source_closing.open_intended_at = Some(deps.now());
        let reason = reason(database, why, deps.now());
        database.cutover.failure.get_or_insert(reason.clone());
        write(
            deps,
            database,
            guard,
            format!("the source is opened again next: {reason}"),
        )
        .await?;
    }
    let LetIn { left, works } = let_in(deps, database, Side::Source).await?;
    let now = deps.now();
    if works {
        enter(database, DatabaseState::OnSource)?;
    }
    let text = if left.is_empty() {
        database.source_closing.opened_at = Some(now);
        "the source is open again, as it was recorded".to_owned()
    } else {
        format!("the source could not be opened as it was recorded: {}", left.join("; "))
    };
    database.source_closing.alert = alert_text(database, why, &left, now);
    database.source_closing.left.clone_from(&left);
    end_attempt(database);
    write(deps, database, guard, text).await?;
    if left.is_empty() {
        delete_schedule(deps, database).await?;
    }
    tell(deps, database).await?;
    if left.is_empty() {
        Ok(Opened::AsRecorded)
    } else {
        Ok(Opened::Partial(left))
    }
}

/// Opens a side as its closing recorded it, and tries what an application's login can do then.
/// [`StepError::DatabaseUnreachable`] and errors of services: not known, to be repeated.
pub async fn let_in(deps: &Deps, database: &DatabaseRecord, side: Side) -> Result<LetIn, StepError> {
    let closing = closing_of(database, side);
    let (Some(id), Some(record)) = (&closing.id, &closing.record) else {
        return Err(StepError::Corrupt(format!(
            "the closing of the {side:?} of database {} has no id or no record",
            database.database_id
        )));
    };
    let mut left = match restore(deps, database, side, id, record).await {
        Ok(left) => left,
        Err(error) if repeats(&error) => return Err(error.into()),
        Err(error) => vec![by_hand(side, record, &error)],
    };
    let works = match probe(deps, database, side).await {
        Ok(Probe::Accepted) => true,
        Ok(Probe::Refused(said)) => {
            left.push(format!(
                "the login of the application is still refused on the {}: {said}; let it log in and write again",
                word(side)
            ));
            false
        }
        Err(StepError::DatabaseRefused(said)) => {
            left.push(format!(
                "the login of the application could not be tried on the {}: {said}",
                word(side)
            ));
            false
        }
        Err(error) => return Err(error),
    };
    Ok(LetIn { left, works })
}

async fn restore(
    deps: &Deps,
    database: &DatabaseRecord,
    side: Side,
    id: &str,
    record: &FreezeRecord,
) -> Result<Vec<String>, DatabaseError> {
    let fence = fence_table(database, side)?;
    let mut connection = connect(deps, database, side, Who::Admin)?;
    let left = connection.open(&fence, id, record).await?;
    if left.is_empty() {
        return Ok(left);
    }
    tokio::time::sleep(RESTORE_PAUSE).await;
    connection.open(&fence, id, record).await
}

/// What an application's login is told on a side. A login that is refused is an answer; whatever else keeps it from being
/// tried proves nothing, and is an error.
pub async fn probe(deps: &Deps, database: &DatabaseRecord, side: Side) -> Result<Probe, StepError> {
    let mut application = connect(deps, database, side, Who::Application)?;
    match application.probe().await {
        Err(DatabaseError::LoginRefused { message, .. }) => Ok(Probe::Refused(message)),
        told => Ok(told?),
    }
}

/// True when the database was not reached, so that a repetition may succeed.
pub fn repeats(error: &DatabaseError) -> bool {
    matches!(error, DatabaseError::Unreachable { .. } | DatabaseError::Service(_))
}

/// The closing of a side.
pub fn closing_of(database: &DatabaseRecord, side: Side) -> &Closing {
    match side {
        Side::Source => &database.source_closing,
        Side::Target => &database.target_closing,
    }
}

/// A side in a sentence.
pub fn word(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Target => "target",
    }
}

/// Changes who may write where, in memory; [`StepError::Corrupt`] where that may not follow.
pub fn enter(database: &mut DatabaseRecord, to: DatabaseState) -> Result<(), StepError> {
    if !may_follow(database.state, to) {
        return Err(StepError::Corrupt(format!(
            "database {} cannot go from {:?} to {to:?}",
            database.database_id, database.state
        )));
    }
    database.state = to;
    Ok(())
}

/// Writes the record on condition of its version, and of the guard where there is one, with a line of the audit trail.
pub async fn write(
    deps: &Deps,
    database: &mut Stored<DatabaseRecord>,
    guard: Option<&Guard>,
    text: impl std::fmt::Display,
) -> Result<(), StepError> {
    let line = log_line(
        deps,
        &database.wave_id,
        format!("database {}: {text}", database.database_id),
    )?;
    let save = Write::save(database)?;
    deps.table.write(guard, vec![save, line]).await
}

/// Takes the dead man's switch of the source's closing away. One that stays finds nothing to open at its time, so that
/// is a line of the audit trail and no failure.
pub async fn delete_schedule(deps: &Deps, database: &DatabaseRecord) -> Result<(), StepError> {
    let Some(schedule) = &database.source_closing.schedule else {
        return Ok(());
    };
    if let Err(error) = deps.scheduler.delete(schedule).await {
        let text = format!("the schedule {schedule} is not deleted, and will find nothing to open: {error}");
        let line = log_line(deps, &database.wave_id, text)?;
        deps.table.write(None, vec![line]).await?;
    }
    Ok(())
}

/// Tells operators what is on record to be told. A crash between the two tells them twice rather than not at all.
pub async fn tell(deps: &Deps, database: &mut Stored<DatabaseRecord>) -> Result<(), StepError> {
    let Some(text) = database.source_closing.alert.clone() else {
        return Ok(());
    };
    alert(deps, database, &text).await?;
    database.source_closing.alert = None;
    let save = Write::save(database)?;
    match deps.table.write(None, vec![save]).await {
        // Somebody has gone on meanwhile; what they write keeps the text, and they tell it once more.
        Err(StepError::WriteConflict { .. }) => {
            *database = deps.table.database(&database.wave_id, &database.database_id).await?;
            Ok(())
        }
        other => other,
    }
}

/// Sends a message about a database to operators.
pub async fn alert(deps: &Deps, database: &DatabaseRecord, text: &str) -> Result<(), StepError> {
    let subject = format!(
        "Landfall: database {} of wave {}",
        database.database_id, database.wave_id
    );
    let message = format!(
        "Database {} of wave {}.\n\n{text}\n",
        database.database_id, database.wave_id
    );
    deps.sns.publish(&deps.config.topic_arn, &subject, &message).await
}

/// Forgets what belongs to the attempt, but for what the report shows of it.
fn end_attempt(database: &mut DatabaseRecord) {
    database.cutover = CutoverFacts {
        canaries: std::mem::take(&mut database.cutover.canaries),
        failure: database.cutover.failure.take(),
        ..CutoverFacts::default()
    };
}

fn reason(database: &DatabaseRecord, why: Why<'_>, now: Timestamp) -> String {
    match why {
        Why::TakenBack(text) => text.to_owned(),
        Why::Deadline => format!(
            "the switch was not on record at the deadline {}, {} s after the freeze",
            database
                .source_closing
                .deadline
                .map(|at| at.to_string())
                .unwrap_or_default(),
            seconds_down(database, now)
        ),
    }
}

fn seconds_down(database: &DatabaseRecord, now: Timestamp) -> i64 {
    let began = database.source_closing.intended_at.unwrap_or(now);
    now.duration_since(began).max(SignedDuration::ZERO).as_secs()
}

/// How many seconds after its deadline a source is opened, when that is late.
fn seconds_late(database: &DatabaseRecord, now: Timestamp) -> Option<i64> {
    let after = now.duration_since(database.source_closing.deadline?);
    (after > LATE).then(|| after.as_secs())
}

/// What operators are to be told of an opening: that it was the deadline's, or later, and what is not as it was. The same
/// that was told before is not told again.
fn alert_text(database: &DatabaseRecord, why: Why<'_>, left: &[String], now: Timestamp) -> Option<String> {
    if !left.is_empty() && left == database.source_closing.left {
        return database.source_closing.alert.clone();
    }
    let late = seconds_late(database, now);
    let what = match why {
        Why::TakenBack(_) if left.is_empty() && late.is_none() => return database.source_closing.alert.clone(),
        Why::TakenBack(_) if let Some(late) = late => format!(
            "The source is opened to applications again {late} s after its deadline, {} s after it was frozen, because the \
             cutover is taken back. The schedule {} was to open it before, and did not. Look at what became of it in \
             EventBridge Scheduler and in the log of the function freeze-source before the wave is started again.",
            seconds_down(database, now),
            database.source_closing.schedule.as_deref().unwrap_or("of its deadline"),
        ),
        Why::TakenBack(_) => {
            "The source is opened to applications again, because the cutover is taken back.".to_owned()
        }
        Why::Deadline => format!(
            "The source is opened again at its deadline, {} s after it was frozen. The cutover did not happen: \
             applications write on the source as before. Look at why the cutover was late, then start the wave again.",
            seconds_down(database, now)
        ),
    };
    let not_so = if left.is_empty() {
        String::new()
    } else {
        format!(" Not everything is as it was: {}.", left.join("; "))
    };
    Some(format!("{what}{not_so}"))
}

/// What a person has to do when Landfall's own login cannot.
fn by_hand(side: Side, record: &FreezeRecord, error: &DatabaseError) -> String {
    let logins: Vec<&str> = record
        .logins
        .iter()
        .filter(|login| login.could_log_in)
        .map(|login| login.name.as_str())
        .collect();
    let settings: Vec<String> = record
        .settings
        .iter()
        .map(|setting| format!("{} = {}", setting.name, setting.before))
        .collect();
    let settings = if settings.is_empty() {
        String::new()
    } else {
        format!(", and set back {}", settings.join(", "))
    };
    format!(
        "the {} could not be opened: {error}; by hand, let these log in again: {}{settings}",
        word(side),
        logins.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_domain::record::LoginRecord;

    fn record() -> FreezeRecord {
        FreezeRecord {
            logins: vec![LoginRecord {
                name: "shop".into(),
                could_log_in: true,
                exempt: false,
            }],
            settings: Vec::new(),
            method: String::new(),
        }
    }

    #[test]
    fn what_a_person_has_to_open_by_hand_is_named() {
        let error = DatabaseError::LoginRefused {
            host: "h".into(),
            username: "landfall".into(),
            message: "locked".into(),
        };
        let text = by_hand(Side::Source, &record(), &error);
        assert!(text.ends_with("let these log in again: shop"), "{text}");
        assert!(!repeats(&error), "a refusal is an answer");
        let silent = DatabaseError::Unreachable {
            host: "h".into(),
            message: "timeout".into(),
        };
        assert!(repeats(&silent), "silence is none");
    }
}
