//! A wave of one database in a fast cloud, with an application that writes all the time: run to its end, whatever is done to
//! it, and judged.

use crate::late::Verb;
use crate::{Permissions, WAVE, fast_cloud, report};
use jiff::{SignedDuration, Timestamp};
use landfall_cloud::databases::Outage;
use landfall_cloud::dms::DmsKnobs;
use landfall_cloud::fleet::Spread;
use landfall_cloud::{FaultRule, Knobs};
use landfall_domain::plan::{DatabasePlan, WavePlan, load_wave};
use landfall_domain::record::{DatabaseRecord, DatabaseState};
use landfall_domain::report::WaveOutcome;
use runner::evidence::Evidence;
use runner::invariants;
use runner::operator::{Operator, OperatorScript};
use runner::plans;
use runner::world::{FunctionWrapper, World, WorldOptions, simulate};
use serde_json::json;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The database of every run.
pub const SHOP: &str = "shop";

/// Runs side by side: one a core of the smallest machine that this must pass on.
const THREADS: usize = 2;

/// The pause between two writes of the application.
const WRITES_EVERY: Duration = Duration::from_millis(500);

/// Virtual time after which a story has failed. Every one is over within half an hour; an application that writes twice a
/// second makes days of it long.
const STORY_MAX: Duration = Duration::from_secs(3 * 3600);

/// From the end of a story to the judgement: an application that lost its session has connected again.
const SETTLES: Duration = Duration::from_secs(5);

/// How old the application's last row is at most when it can write.
const WRITES_WITHIN: SignedDuration = SignedDuration::from_secs(3);

/// From a deadline to an open source where nothing else goes wrong, as the invariants have it.
const OPENS_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// Something that is done to a world.
pub type Deed = Arc<dyn Fn(&World) + Send + Sync>;

/// What people do once migrate-wave is over.
pub type Then = Arc<dyn Fn(World) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// A wave of a database, and what is done to it.
#[derive(Clone)]
pub struct Story {
    /// The plan.
    pub plan: WavePlan,
    /// How simulated AWS behaves.
    pub knobs: Knobs,
    /// What the operator answers.
    pub operator: OperatorScript,
    /// Faults of calls.
    pub faults: Option<FaultRule>,
    /// How functions are invoked.
    pub wrapper: Option<FunctionWrapper>,
    /// What is prepared before the start.
    pub prepare: Option<Deed>,
    /// What happens after migrate-wave.
    pub then: Option<Then>,
    /// From the deadline of a freeze to an open source, where no switch is on record.
    pub opens_within: SignedDuration,
}

impl Default for Story {
    /// A calm day: the database moves, and is replicated back.
    fn default() -> Self {
        Self {
            plan: database_wave(|_| {}),
            knobs: fast_databases(),
            operator: OperatorScript {
                delay: Duration::from_secs(20),
                ..OperatorScript::default()
            },
            faults: None,
            wrapper: None,
            prepare: None,
            then: None,
            opens_within: OPENS_WITHIN,
        }
    }
}

/// How a story ended.
pub struct Told {
    /// Everything that is known.
    pub evidence: Evidence,
    /// Invariants that do not hold, an application that cannot write, a run that does not end.
    pub failures: Vec<String>,
    /// As what the wave ended.
    pub outcome: Option<WaveOutcome>,
    /// What people were told, with the time.
    pub messages: Vec<(Timestamp, String)>,
    /// What roles allowed, and what they refused.
    pub permissions: Permissions,
}

impl Told {
    /// The record of the database.
    pub fn database(&self) -> Option<&DatabaseRecord> {
        self.evidence.records.database(SHOP)
    }

    /// The headline of the wave.
    pub fn headline(&self) -> String {
        let wave = self.evidence.records.wave(WAVE);
        wave.and_then(|wave| wave.headline.clone()).unwrap_or_default()
    }

    /// Whether somebody was told something that contains this text.
    pub fn told(&self, text: &str) -> bool {
        self.messages.iter().any(|(_, message)| message.contains(text))
    }
}

/// The cloud of [`fast_cloud`] with a DMS that is as fast.
pub fn fast_databases() -> Knobs {
    let seconds = |least, most| Spread {
        least: Duration::from_secs(least),
        most: Duration::from_secs(most),
    };
    Knobs {
        dms: DmsKnobs {
            refill_per_s: 100,
            instance_create: seconds(5, 10),
            instance_delete: seconds(5, 10),
            endpoint_delete: seconds(1, 2),
            connection_test: seconds(2, 4),
            task_create: seconds(1, 2),
            task_start: seconds(2, 4),
            task_stop: seconds(2, 4),
            task_delete: seconds(2, 4),
            assessment: seconds(5, 8),
            load_table: seconds(1, 2),
            apply_delay: Duration::from_millis(150),
            ..DmsKnobs::default()
        },
        ..fast_cloud()
    }
}

/// A wave of the shop's database, which is replicated back after the switch; its plan is changed first.
pub fn database_wave(change: impl FnOnce(&mut DatabasePlan)) -> WavePlan {
    let mut database = plans::database(SHOP, WAVE);
    database.fail_back = serde_json::from_value(json!({ "reverseReplication": {} })).expect("a way back");
    change(&mut database);
    let document = json!({
        "waveId": WAVE,
        "description": "a database",
        "databases": [database],
        "bakeMinutes": 1,
    });
    load_wave(&document).unwrap_or_else(|error| panic!("a wave of a database is a plan: {error}"))
}

impl Story {
    /// The same with one more way of invoking functions. What the story's own one has to do with is verify-data; the rest is
    /// the new one's.
    pub fn around(self, outer: FunctionWrapper) -> Self {
        let Some(inner) = self.wrapper.clone() else {
            return Self {
                wrapper: Some(outer),
                ..self
            };
        };
        let verify = Verb::new("verify-data", "FENCE");
        let both: FunctionWrapper = Arc::new(move |invocation| {
            if verify.is(&invocation) {
                inner(invocation)
            } else {
                outer(invocation)
            }
        });
        Self {
            wrapper: Some(both),
            ..self
        }
    }

    /// Runs it to its end.
    pub fn run(&self) -> Told {
        let story = self.clone();
        simulate(async move { story.play().await })
    }

    async fn play(self) -> Told {
        let world = World::new(WorldOptions {
            knobs: self.knobs.clone(),
            ..WorldOptions::default()
        });
        world.load_wave(&self.plan);
        let _operator = Operator::attach(&world, self.operator.clone());
        let mut application = world.application(SHOP);
        application.every = WRITES_EVERY;
        world.cloud.databases().start_writer(application);
        if let Some(prepare) = &self.prepare {
            prepare(&world);
        }
        world.cloud.set_faults(self.faults.clone());
        world.set_wrapper(self.wrapper.clone());
        let execution = world.start("migrate-wave", WAVE, plans::document(&self.plan));
        let mut failures = Vec::new();
        let end = async {
            world.finished(&execution).await;
            if let Some(then) = &self.then {
                then(world.clone()).await;
            }
            world.quiet().await;
            tokio::time::sleep(SETTLES).await;
        };
        if tokio::time::timeout(STORY_MAX, end).await.is_err() {
            failures.push("the wave does not end".to_owned());
        }
        world.cloud.set_faults(None);
        world.set_wrapper(None);
        let over = world.now();
        let published = world.cloud.sns().published();
        let evidence = Evidence::of(&world, report(&world, &mut failures).await);
        failures.extend(self.judge(&evidence, over));
        Told {
            outcome: evidence.records.wave(WAVE).and_then(|wave| wave.outcome),
            messages: published.into_iter().map(|one| (one.at, one.message)).collect(),
            evidence,
            failures,
            permissions: Permissions::of(&world),
        }
    }

    /// The invariants, and that the application can write at last, where the record says that it does.
    fn judge(&self, evidence: &Evidence, over: Timestamp) -> Vec<String> {
        let own_grace = self.opens_within > OPENS_WITHIN;
        let of_grace = |sentence: &str| {
            sentence.starts_with("the source of ") || sentence.starts_with("no application wrote on the source")
        };
        let mut wrong: Vec<String> = invariants::check(evidence)
            .iter()
            .filter(|found| !(own_grace && of_grace(&found.sentence)))
            .map(ToString::to_string)
            .collect();
        let Some(record) = evidence.records.database(SHOP) else {
            return wrong;
        };
        let closing = &record.source_closing;
        if let Some(deadline) = closing.deadline.filter(|_| own_grace && still_on_source(record)) {
            let due = deadline + self.opens_within;
            if closing.opened_at.is_none_or(|at| at > due) {
                let opened = closing.opened_at;
                wrong.push(format!(
                    "I4: the source was to open by {due}, and was opened at {opened:?}"
                ));
            }
        }
        let Some(seen) = evidence.databases.first() else {
            return wrong;
        };
        let side = match record.state {
            DatabaseState::OnTarget => &seen.target.host,
            _ => &seen.source.host,
        };
        let last = seen.acknowledged.last().map(|(row, _)| row);
        if !last.is_some_and(|row| row.host == *side && over.duration_since(row.at) < WRITES_WITHIN) {
            let last = last.map(|row| (&row.host, row.at));
            wrong.push(format!(
                "I4: applications are to write on {side}, and at {over} the last row was {last:?}"
            ));
        }
        wrong
    }
}

/// Whether the database was never switched.
fn still_on_source(record: &DatabaseRecord) -> bool {
    record.cutover.committed_at.is_none() && record.fail_back.returned_at.is_none()
}

/// Runs cases side by side; what is wrong with each is in the order of the cases, and is also printed at once, so that a test
/// that is cut short has said what it found.
pub fn judge_side_by_side<C: Sync>(cases: &[C], judge: impl Fn(&C) -> Option<String> + Sync) -> Vec<Option<String>> {
    side_by_side(cases, |case| judge(case).inspect(|wrong| println!("{wrong}")))
}

/// Runs cases side by side; what they give is in the order of the cases.
pub fn side_by_side<C: Sync, R: Send>(cases: &[C], run: impl Fn(&C) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(index) else { return done };
            done.push((index, run(case)));
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| worker.join();
        workers
            .into_iter()
            .flat_map(|worker| join(worker).expect("a run does not panic"))
            .collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Nobody reaches the source of the database for so long.
pub fn source_is_away(world: &World, lasting: SignedDuration) {
    let mut knobs = world.cloud.databases().knobs();
    knobs.outages.push(Outage {
        host: world.database(SHOP).source_host,
        from: world.now(),
        until: world.now() + lasting,
        for_all: false,
    });
    world.cloud.databases().set_knobs(knobs);
}
