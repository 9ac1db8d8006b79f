//! How far a wave is, in words and as a share: read off the records, no clock, no terminal.

use super::databases::database_view;
use crate::world::Records;
use jiff::Timestamp;
use landfall_domain::plan::{ProgramPlan, WavePlan};
use landfall_domain::record::{Direction, Phase, ServerRecord, WaveRecord, WaveStatus};
use landfall_domain::report::WaveOutcome;

/// Everything that a screen shows.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Virtual time.
    pub now: Timestamp,
    /// State transitions of all executions so far.
    pub transitions: u64,
    /// The waves of the program, in order.
    pub waves: Vec<WaveView>,
}

/// A wave.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveView {
    /// Its id.
    pub id: String,
    /// What it does, or how it ended.
    pub words: String,
    /// How much of it is done, 0 to 1.
    pub share: f64,
    /// How it ended.
    pub outcome: Option<WaveOutcome>,
    /// Its servers, in the order of the plan; their stages change while the wave is under way.
    pub servers: Vec<ServerView>,
    /// Its databases, in the order of the plan.
    pub databases: Vec<ServerView>,
}

impl WaveView {
    /// True while it is worked on.
    pub fn is_active(&self) -> bool {
        self.outcome.is_none() && self.share > 0.0
    }
}

/// A server, or a database.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerView {
    /// Its host name, or the database's id.
    pub host: String,
    /// What happens to it, in words.
    pub stage: String,
    /// The instance that matters now: the test instance, then the cutover instance. Of a database: where the seconds of its
    /// cutover went.
    pub instance: Option<String>,
    /// How much of its way is done, 0 to 1.
    pub share: f64,
}

/// Reads a view off the records.
pub fn view(program: &ProgramPlan, records: &Records, now: Timestamp, transitions: u64) -> View {
    let waves = program.waves.iter().map(|plan| wave_view(plan, records)).collect();
    View {
        now,
        transitions,
        waves,
    }
}

fn wave_view(plan: &WavePlan, records: &Records) -> WaveView {
    let record = records.wave(plan.wave_id.as_str());
    let servers: Vec<ServerView> = plan
        .servers
        .iter()
        .map(|server| {
            let found = records.server(server.source_server_id.as_str());
            server_view(&server.hostname, record, found)
        })
        .collect();
    let databases: Vec<ServerView> = plan
        .databases
        .iter()
        .map(|database| {
            let found = records
                .databases_of(&plan.wave_id)
                .find(|record| record.database_id == database.database_id);
            database_view(database.database_id.as_str(), record, found)
        })
        .collect();
    let outcome = record.and_then(|record| record.outcome);
    let shares = servers.iter().chain(&databases).map(|one| one.share);
    let sum: f64 = shares.sum();
    let share = match (record, outcome) {
        (None, _) => 0.0,
        (Some(_), Some(WaveOutcome::Completed | WaveOutcome::RolledBack)) => 1.0,
        // Never quite nothing: a wave that is planned is under way.
        (Some(_), _) => (sum / (servers.len() + databases.len()).max(1) as f64).max(0.01),
    };
    WaveView {
        id: plan.wave_id.to_string(),
        words: wave_words(record),
        share,
        outcome,
        servers,
        databases,
    }
}

fn wave_words(record: Option<&WaveRecord>) -> String {
    let Some(record) = record else {
        return "waits for its turn".to_owned();
    };
    let phase = record.phases.last().map_or(Phase::Plan, |last| last.phase);
    standing(record.status, record.outcome, record.direction, phase).to_owned()
}

fn standing(status: WaveStatus, outcome: Option<WaveOutcome>, direction: Direction, phase: Phase) -> &'static str {
    match (status, outcome) {
        (WaveStatus::Closed, Some(WaveOutcome::Completed)) => "completed",
        (WaveStatus::Closed, Some(WaveOutcome::RolledBack)) => "rolled back",
        (WaveStatus::Held, _) => "held: a person has to act",
        _ if direction == Direction::Rollback => "rolling back",
        _ => phase.title(),
    }
}

fn server_view(host: &str, wave: Option<&WaveRecord>, record: Option<&ServerRecord>) -> ServerView {
    let (stage, steps) = match (wave, record) {
        (Some(wave), Some(record)) => stage(wave.direction, record),
        _ => ("waits".to_owned(), 0),
    };
    let instance = record.and_then(|record| {
        let cutover = record
            .cutover
            .instance_id
            .as_ref()
            .filter(|_| record.cutover.terminated_at.is_none());
        let test = record
            .test
            .instance_id
            .as_ref()
            .filter(|_| record.test.terminated_at.is_none());
        cutover.or(test).map(ToString::to_string)
    });
    ServerView {
        host: host.to_owned(),
        stage,
        instance,
        share: f64::from(steps) / f64::from(STEPS),
    }
}

/// Steps of a server on its way to AWS.
pub(super) const STEPS: u8 = 12;

/// The newest fact about a server, and how many steps are done.
fn stage(direction: Direction, server: &ServerRecord) -> (String, u8) {
    if direction == Direction::Rollback {
        return rolling_back(server);
    }
    if let Some(why) = &server.excluded {
        return (format!("left out: {}", first_line(why)), STEPS);
    }
    let failure = [&server.cutover.failure, &server.quiesce.failure, &server.test.failure]
        .into_iter()
        .flatten()
        .next();
    let facts: [(bool, &str, u8); 15] = [
        (server.archived_at.is_some(), "finalized and archived", 12),
        (server.finalized_at.is_some(), "finalized", 12),
        (
            server.validated_after_switch_at.is_some(),
            "serves from AWS, watched",
            11,
        ),
        (server.switched_at.is_some(), "serves from AWS", 10),
        (server.cutover.validated_at.is_some(), "runs on AWS, checks passed", 9),
        (server.cutover.launched_at.is_some(), "launched, checks run", 8),
        (server.cutover.intended_at.is_some(), "launches on AWS", 7),
        (
            server.quiesce.snapshot_at.is_some(),
            "source stopped, all data is over",
            6,
        ),
        (
            server.quiesce.stopped_at.is_some(),
            "source stopped, last data travels",
            5,
        ),
        (server.quiesce.stop.intended_at.is_some(), "source stops", 5),
        (server.marked_ready_at.is_some(), "test passed", 4),
        (server.test.launched_at.is_some(), "test instance, checks run", 3),
        (server.test.intended_at.is_some(), "test instance launches", 2),
        (server.ready_at.is_some(), "ready for test", 2),
        (server.configured_at.is_some(), "settings made", 1),
    ];
    let (_, words, steps) = facts
        .into_iter()
        .find(|(known, ..)| *known)
        .unwrap_or((true, "planned", 0));
    match failure {
        Some(why) => (format!("failed: {}", first_line(why)), steps),
        None => (words.to_owned(), steps),
    }
}

fn rolling_back(server: &ServerRecord) -> (String, u8) {
    let stopped = server.quiesce.stop.intended_at.is_some();
    let launched = server.cutover.launched_at.is_some();
    let facts: [(bool, &str, u8); 5] = [
        (server.quiesce.restarted_at.is_some(), "runs on its source again", STEPS),
        (
            server.cutover.terminated_at.is_some(),
            "instance terminated, source starts",
            10,
        ),
        (!server.evidence_snapshots.is_empty(), "evidence kept, instance goes", 8),
        (server.isolated_at.is_some(), "instance stopped", 6),
        (stopped || launched, "goes back", 4),
    ];
    let (_, words, steps) = facts
        .into_iter()
        .find(|(known, ..)| *known)
        .unwrap_or((true, "was never stopped", STEPS));
    (words.to_owned(), steps)
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans;
    use landfall_domain::record::LaunchFacts;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn server() -> ServerRecord {
        let plan = plans::example().waves[0].clone();
        ServerRecord::new(
            plan.wave_id.clone(),
            1,
            "all".to_owned(),
            plan.servers[0].clone(),
            Vec::new(),
        )
    }

    #[test]
    fn a_stage_is_the_newest_fact_and_its_share_grows() {
        let (forward, mut server) = (Direction::Forward, server());
        let mut shares = vec![stage(forward, &server).1];
        let now = Some(at("2026-01-10T01:00:00Z"));
        server.configured_at = now;
        shares.push(stage(forward, &server).1);
        server.test = LaunchFacts {
            intended_at: now,
            launched_at: now,
            ..LaunchFacts::default()
        };
        assert_eq!(stage(forward, &server).0, "test instance, checks run");
        shares.push(stage(forward, &server).1);
        server.switched_at = now;
        assert_eq!(stage(forward, &server).0, "serves from AWS");
        shares.push(stage(forward, &server).1);
        assert!(shares.is_sorted_by(|a, b| a < b), "{shares:?}");
    }

    #[test]
    fn a_wave_without_a_record_waits() {
        let program = plans::example();
        let view = view(&program, &Records::default(), at("2026-01-10T00:00:00Z"), 0);
        let wave = &view.waves[0];
        assert_eq!((wave.share, wave.words.as_str()), (0.0, "waits for its turn"));
        assert!(!wave.is_active());
    }

    #[test]
    fn a_wave_is_told_by_how_it_ended_then_by_what_it_does() {
        let tell = |status, outcome, direction| standing(status, outcome, direction, Phase::Test);
        let (forward, back) = (Direction::Forward, Direction::Rollback);
        assert_eq!(tell(WaveStatus::Open, None, forward), "Test");
        assert_eq!(tell(WaveStatus::Open, None, back), "rolling back");
        assert_eq!(
            tell(WaveStatus::Closed, Some(WaveOutcome::RolledBack), back),
            "rolled back"
        );
        let held = tell(WaveStatus::Held, Some(WaveOutcome::NeedsOperator), back);
        assert_eq!(held, "held: a person has to act");
    }

    #[test]
    fn a_rollback_is_told_backwards() {
        let (back, mut server) = (Direction::Rollback, server());
        server.cutover.launched_at = Some(at("2026-01-10T01:00:00Z"));
        server.quiesce.stop.intended_at = server.cutover.launched_at;
        assert_eq!(stage(back, &server).0, "goes back");
        server.quiesce.restarted_at = server.cutover.launched_at;
        assert_eq!(stage(back, &server), ("runs on its source again".to_owned(), STEPS));
    }
}
