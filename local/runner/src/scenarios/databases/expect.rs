//! What a scenario can expect of databases.

use super::Expect;
use landfall_cloud::databases::Acknowledged;
use landfall_domain::plan::{DatabasePlan, WavePlan};
use landfall_domain::record::{ApprovalKind, DatabaseState};
use landfall_domain::report::{DatabaseOutcome, DatabaseReport, WaveOutcome};
use std::time::Duration;

/// The guide promises less than a minute.
const DOWNTIME_MS_MAX: u64 = 60_000;

impl<'a> Expect<'a> {
    /// What the report says of a database.
    pub fn database(&self, wave: &WavePlan, id: &str) -> Option<&'a DatabaseReport> {
        let report = self.evidence.reported(wave.wave_id.as_str())?;
        report.databases.iter().find(|one| one.database_id == id)
    }

    /// The rows that a database acknowledged to an application, in order.
    pub fn acknowledged_to(&self, writer: &str) -> Vec<Acknowledged> {
        let mut rows = self.world.cloud.databases().acknowledged();
        rows.retain(|row| row.writer == writer);
        rows
    }

    /// The database is on its target: its application writes there, the downtime is known and short, and nothing that
    /// replicated it is left.
    pub fn database_moved(&mut self, wave: &WavePlan, plan: &DatabasePlan) {
        self.database_moved_within(wave, plan, DOWNTIME_MS_MAX);
    }

    /// The same, with the longest downtime in milliseconds.
    pub fn database_moved_within(&mut self, wave: &WavePlan, plan: &DatabasePlan, milliseconds_max: u64) {
        let id = plan.database_id.as_str();
        self.writes_at_last(id, &self.world.database(id).target_host);
        let record = self.evidence.records.database(id);
        let state = record.map(|record| record.state);
        self.that(state == Some(DatabaseState::OnTarget), || format!("{id} is {state:?}"));
        let Some(report) = self.database(wave, id) else {
            return self.that(false, || format!("the report says nothing of {id}"));
        };
        self.that(report.outcome == DatabaseOutcome::Finalized, || {
            let (outcome, left) = (report.outcome, &report.left);
            format!(
                "the report says of {id}: {outcome:?}, {}; left: {left:?}",
                report.sentence
            )
        });
        let downtime = report.downtime.as_ref().map(|downtime| downtime.total_ms());
        let short = downtime.is_some_and(|ms| ms > 0 && ms < milliseconds_max);
        self.that(short, || format!("the downtime of {id} is {:?}", report.downtime));
    }

    /// The database is on its source and was never anywhere else; the wave is rolled back, nobody was asked to lose
    /// anything, and its headline or the database's sentence says why.
    pub fn database_stayed(&mut self, wave: &WavePlan, id: &str, why: &str) {
        self.outcome(wave, WaveOutcome::RolledBack);
        self.never_asked(wave, ApprovalKind::Rollback);
        let database = self.world.database(id);
        self.writes_at_last(id, &database.source_host);
        let elsewhere = self.acknowledged_to(&format!("{id}-application"));
        let elsewhere = elsewhere.iter().filter(|row| row.host != database.source_host).count();
        self.that(elsewhere == 0, || {
            format!("{elsewhere} rows of {id} were written elsewhere")
        });
        let record = self.evidence.records.wave(wave.wave_id.as_str());
        let headline = record.and_then(|record| record.headline.clone()).unwrap_or_default();
        let Some(report) = self.database(wave, id) else {
            return self.that(false, || format!("the report says nothing of {id}"));
        };
        self.that(report.outcome == DatabaseOutcome::RolledBack, || {
            let (outcome, left) = (report.outcome, &report.left);
            format!(
                "the report says of {id}: {outcome:?}, {}; left: {left:?}",
                report.sentence
            )
        });
        let said = headline.contains(why) || report.sentence.contains(why);
        self.that(said, || {
            format!("nothing says {why:?}: {headline:?}, {:?}", report.sentence)
        });
    }

    /// The last row that a database acknowledged to the application was on this host, and not long ago.
    pub fn writes_at_last(&mut self, id: &str, host: &str) {
        let rows = self.acknowledged_to(&format!("{id}-application"));
        let last = rows.last();
        let (at, now) = (last.map(|row| row.at), self.world.now());
        let recent = at.is_some_and(|at| now.duration_since(at).as_secs() < 60);
        self.that(recent, || {
            format!("the application of {id} has not written since {at:?}")
        });
        let place = last.map(|row| row.host.as_str());
        self.that(place == Some(host), || {
            format!("the application of {id} writes on {place:?} and not on {host}")
        });
    }

    /// The longest time between two rows that were acknowledged to the application of a database.
    pub fn longest_silence(&self, id: &str) -> Duration {
        let rows = self.acknowledged_to(&format!("{id}-application"));
        let pauses = rows.windows(2).map(|two| two[1].at.duration_since(two[0].at));
        let longest = pauses.max().unwrap_or_default();
        Duration::try_from(longest).unwrap_or_default()
    }

    /// Every row that was ever acknowledged is where applications write now; nobody gave anything up.
    pub fn nothing_lost(&mut self, id: &str) {
        let record = self.evidence.records.database(id);
        let given_up = record.and_then(|record| record.fail_back.loss_accepted_by.clone());
        self.that(given_up.is_none(), || {
            format!("{given_up:?} gave up what was written on the target of {id}")
        });
    }
}
