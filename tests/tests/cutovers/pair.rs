//! A pair of servers and everything that moves between them: one database after the other, each in a wave of its own.
//! While a wave is watched after its switch, the next one begins.

use crate::checks;
use crate::comparing::Comparing;
use crate::ends::{first, left, over, story};
use crate::figures::{Cutover, Return};
use crate::outside::Outside;
use crate::plan;
use crate::processor::Waiting;
use crate::replicator::NativeReplicator;
use crate::servers::{Servers, Shop, Side};
use crate::session::Kind;
use crate::timed::{Length, TimedDatabases, outside};
use crate::writers::{Diary, Place, WriterSpec, Writers};
use jiff::{SignedDuration, Timestamp};
use landfall_aws::database_step::names;
use landfall_domain::plan::DatabasePlan;
use landfall_domain::record::{DatabaseRecord, DatabaseState};
use landfall_domain::report::{DatabaseDowntime, WaveOutcome};
use runner::operator::{Operator, OperatorScript};
use runner::plans;
use runner::world::{Notice, World, WorldOptions};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// How long writers go on after a switch before anything is looked at.
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// How long a wave may take until its database is cut over.
const CUT_OVER_WITHIN: Duration = Duration::from_secs(120);

/// How often a wait for DMS is entered again.
const REREAD_SECONDS: u32 = 3;

/// What a pair came to.
#[derive(Default)]
pub struct Outcome {
    pub cutovers: Vec<Cutover>,
    pub returns: Vec<Return>,
    /// Everything that was not as it must be, each a sentence.
    pub failures: Vec<String>,
    /// The folders of its servers, which have ended.
    pub folders: Vec<PathBuf>,
}

/// A pair at work.
struct Pair {
    name: String,
    kind: Kind,
    world: World,
    outside: Outside,
    databases: TimedDatabases,
    comparing: Comparing,
    /// Of the thread that everything of Landfall and of simulated AWS runs on.
    waiting: Waiting,
    servers: Arc<Servers>,
    /// Executions that closed: machine and name.
    closed: UnboundedReceiver<(String, String)>,
}

/// One wave: its database, and the writers of that.
struct Wave {
    id: String,
    shop: Shop,
    plan: DatabasePlan,
    execution: String,
    writers: Writers,
}

/// Moves so many databases, and one more that comes back. Ends early when something is wrong, here or elsewhere.
pub async fn run(number: usize, kind: Kind, cutovers: u32, failed: Arc<AtomicBool>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut pair = Pair::start(number, kind).await;
    outcome.folders = pair.servers.folders();
    let (mut ends, mut others) = (Vec::new(), Vec::new());
    for number in 1..=cutovers + 1 {
        if failed.load(Ordering::Relaxed) {
            break;
        }
        let comes_back = number > cutovers;
        let wave = pair.begin(number, &others, comes_back).await;
        others.push(wave.shop.application.clone());
        let found = pair.cut_over(&wave, &mut outcome).await;
        if found && comes_back {
            pair.come_back(wave, &mut outcome).await;
        } else if found {
            ends.push(pair.end(wave, &mut outcome).await);
        }
        if !outcome.failures.is_empty() {
            failed.store(true, Ordering::Relaxed);
        }
    }
    for end in ends {
        outcome
            .failures
            .extend(end.await.expect("the end of a wave does not panic"));
    }
    outcome
}

impl Pair {
    async fn start(number: usize, kind: Kind) -> Self {
        let servers = Arc::new(Servers::start(kind).await);
        let world = World::new(WorldOptions {
            seed: number as u64 + 1,
            knobs: plan::cloud(),
            reread_seconds: Some(REREAD_SECONDS),
            ..WorldOptions::default()
        });
        let outside = Outside::start();
        let databases = TimedDatabases::new(world.cloud.clock());
        let waiting = Waiting::of_this_thread(world.cloud.clock());
        world.set_databases(Arc::new(databases.clone()));
        let comparing = Comparing::default();
        let replicator = NativeReplicator::new(
            kind,
            world.cloud.secrets().clone(),
            world.cloud.clock(),
            outside.runtime.clone(),
            comparing.listener(world.cloud.clock()),
        );
        world.cloud.dms().set_replicator(Arc::new(replicator));
        let script = OperatorScript {
            delay: Duration::from_millis(10),
            ..OperatorScript::default()
        };
        Operator::attach(&world, script);
        let (tell, closed) = unbounded_channel();
        world.listen(Arc::new(move |_, notice| {
            if let Notice::Closed { machine, execution, .. } = notice {
                // Nobody listens any more only when the test is over.
                let _ = tell.send((machine.clone(), execution.clone()));
            }
        }));
        Self {
            name: format!("{}{number}", format!("{kind:?}").to_lowercase()),
            kind,
            world,
            outside,
            databases,
            comparing,
            waiting,
            servers,
            closed,
        }
    }

    /// Puts a database on the servers, lets applications write, and starts its wave.
    async fn begin(&mut self, number: u32, others: &[String], comes_back: bool) -> Wave {
        let shop = self.servers.add(number).await;
        let id = format!("{}-{number}", self.name);
        let wave = plan::wave(&id, &shop, &self.servers, others, comes_back);
        let plan = wave.databases[0].clone();
        plan::set_up(&self.world, &plan, &shop);
        let writers = Writers::start(
            &self.outside.runtime,
            &self.world.cloud.clock(),
            &shop,
            self.writers(&plan),
        );
        let execution = self.world.start("migrate-wave", &id, plans::document(&wave));
        Wave {
            id,
            shop,
            plan,
            execution,
            writers,
        }
    }

    /// Three writers that follow the switch point, and three that know only the source and never stop trying it.
    fn writers(&self, plan: &DatabasePlan) -> Vec<WriterSpec> {
        let (name, target) = plan::switch(plan);
        let cloud = self.world.cloud.clone();
        let follows: Place = Arc::new(move || {
            let switched = cloud.fleet().parameters().value(&name).as_ref() == Some(&target);
            if switched { Side::Target } else { Side::Source }
        });
        let stays: Place = Arc::new(|| Side::Source);
        let spec = |number: u32| WriterSpec {
            number,
            place: if number <= 3 { follows.clone() } else { stays.clone() },
            reconnects: number.is_multiple_of(3),
        };
        (1..=6).map(spec).collect()
    }

    /// Waits for the switch, lets everybody write on, and looks. False when the database was not moved.
    async fn cut_over(&mut self, wave: &Wave, outcome: &mut Outcome) -> bool {
        let closed = tokio::time::timeout(CUT_OVER_WITHIN, async {
            while let Some((machine, execution)) = self.closed.recv().await {
                if machine == "cutover-database" || execution == wave.id {
                    return;
                }
            }
        });
        let closed = closed.await.is_ok();
        let record = self.record(wave);
        if !closed || record.state != DatabaseState::OnTarget {
            outcome.failures.push(format!(
                "wave {}: its database is {:?}\n{}",
                wave.id,
                record.state,
                story(&self.world, &wave.id)
            ));
            return false;
        }
        tokio::time::sleep(AFTERWARDS).await;
        true
    }

    /// Ends the writers, looks whether everything is there, and lets the wave be watched and retired while others go on.
    async fn end(&self, wave: Wave, outcome: &mut Outcome) -> JoinHandle<Vec<String>> {
        let record = self.record(&wave);
        let Wave {
            id,
            shop,
            execution,
            writers,
            ..
        } = wave;
        let diary = writers.end().await;
        outcome
            .failures
            .extend(self.not_kept(&id, &shop, &record, &diary).await);
        outcome.cutovers.extend(self.figures(&shop, &record, &diary));
        self.servers.keep_open(&shop).await;
        let (world, servers) = (self.world.clone(), self.servers.clone());
        tokio::spawn(async move {
            let mut failures = over(&world, &execution, &id, WaveOutcome::Completed).await;
            failures.extend(left(&world, &servers, &id, &shop, Side::Target).await);
            if failures.is_empty() {
                servers.remove(&shop).await;
            }
            failures
        })
    }

    /// Takes the wave back, with everybody writing, and looks whether what was written on the target is on the source.
    async fn come_back(&self, wave: Wave, outcome: &mut Outcome) {
        let moved = self.record(&wave);
        let diary = wave.writers.diary.clone();
        outcome
            .failures
            .extend(self.not_kept(&wave.id, &wave.shop, &moved, &diary).await);
        outcome.cutovers.extend(self.figures(&wave.shop, &moved, &diary));
        let input = json!({ "waveId": wave.id, "reason": "the shop is slow on its new database" });
        let back = self.world.start("rollback-wave", &format!("{}-back", wave.id), input);
        outcome
            .failures
            .extend(over(&self.world, &back, &wave.id, WaveOutcome::RolledBack).await);
        tokio::time::sleep(AFTERWARDS).await;
        let record = self.record(&wave);
        let Wave { id, shop, writers, .. } = wave;
        let diary = writers.end().await;
        let mut wrong = checks::lost(&self.servers, &shop, &diary, Side::Source, Side::Source).await;
        wrong.extend(checks::lost(&self.servers, &shop, &diary, Side::Target, Side::Source).await);
        let (closed, returned) = (record.target_closing.closed_at, record.fail_back.returned_at);
        if let (Some(closed), Some(returned), Some(frozen)) = (closed, returned, moved.source_closing.closed_at) {
            wrong.extend(checks::acknowledged_closed(&diary, Side::Target, closed, None));
            wrong.extend(checks::acknowledged_closed(
                &diary,
                Side::Source,
                frozen,
                Some(returned),
            ));
            let seen_ms = checks::seen_ms(&diary, Side::Target, Side::Source);
            if seen_ms.is_empty() {
                wrong.push("no writer came back to the source".to_owned());
            }
            outcome.returns.push(Return {
                kind: self.kind,
                downtime_ms: milliseconds(record.target_closing.intended_at, Some(returned)),
                seen_ms,
                carried: diary.kept().iter().filter(|kept| kept.side == Side::Target).count(),
            });
        } else {
            wrong.push(format!("the way back is not on record\n{}", story(&self.world, &id)));
        }
        outcome.failures.extend(first(&id, wrong));
        outcome
            .failures
            .extend(left(&self.world, &self.servers, &id, &shop, Side::Source).await);
    }

    fn record(&self, wave: &Wave) -> DatabaseRecord {
        let records = self.world.records();
        let record = records.database(wave.plan.database_id.as_str()).cloned();
        record.unwrap_or_else(|| {
            panic!(
                "wave {} has no database on record\n{}",
                wave.id,
                story(&self.world, &wave.id)
            )
        })
    }

    /// What a cutover lost, or acknowledged where it must not, each a sentence.
    async fn not_kept(&self, id: &str, shop: &Shop, record: &DatabaseRecord, diary: &Diary) -> Vec<String> {
        let mut wrong = checks::lost(&self.servers, shop, diary, Side::Source, Side::Target).await;
        wrong.extend(checks::lost(&self.servers, shop, diary, Side::Target, Side::Target).await);
        let (Some(closed), Some(committed)) = (record.source_closing.closed_at, record.cutover.committed_at) else {
            wrong.push("the freeze or the switch is not on record".to_owned());
            return first(id, wrong);
        };
        wrong.extend(checks::acknowledged_closed(diary, Side::Source, closed, None));
        wrong.extend(checks::acknowledged_closed(
            diary,
            Side::Target,
            Timestamp::MIN,
            Some(committed),
        ));
        // Otherwise the run proves nothing.
        if self.refused(record, diary) == 0 {
            wrong.push("nobody tried to write on the closed source".to_owned());
        }
        if checks::seen_ms(diary, Side::Source, Side::Target).is_empty() {
            wrong.push("no writer followed to the target".to_owned());
        }
        first(id, wrong)
    }

    /// Attempts that the closed source refused.
    fn refused(&self, record: &DatabaseRecord, diary: &Diary) -> usize {
        let closed = record.source_closing.closed_at.unwrap_or(Timestamp::MAX);
        let refused = diary.refused();
        refused
            .iter()
            .filter(|one| one.side == Side::Source && one.at > closed)
            .count()
    }

    fn figures(&self, shop: &Shop, record: &DatabaseRecord, diary: &Diary) -> Option<Cutover> {
        let downtime = DatabaseDowntime::of(record)?;
        let (intended, switched) = (record.source_closing.intended_at?, record.cutover.switched_at?);
        let fence = record.counting_fence();
        let (written, seen) = (fence.written_at?, fence.seen_at?);
        let invocations = self.world.invocations();
        let of = |function: &str, at: Timestamp| {
            let mut all = invocations.iter();
            let found = all.find(|one| one.function == function && one.began_at <= at && at <= one.ended_at);
            found.map(|one| (one.began_at, one.ended_at))
        };
        let (called, _) = of("freeze-source", intended)?;
        let (_, returned) = of("switch-database", switched)?;
        let inside = self.databases.inside(&shop.name);
        // What DMS still compares behind the fence is its own; before the freeze it always does.
        let compared = self.comparing.of(&names::task(record));
        let behind = compared.into_iter().filter(|(from, _)| *from >= seen);
        let busy = [inside.clone(), inside.iter().copied().chain(behind).collect()];
        let parts = [(called, written), (seen, returned)];
        let long = |(from, to): &Length| to.duration_since(*from);
        let [outside, ours] = busy.map(|busy| {
            let left = parts.iter().flat_map(|part| outside(*part, busy.clone()));
            left.collect::<Vec<Length>>()
        });
        let sum = |lengths: &[Length]| lengths.iter().map(long).sum::<SignedDuration>();
        let waited: SignedDuration = ours.iter().map(|(from, to)| self.waiting.between(*from, *to)).sum();
        let own = sum(&ours) - waited;
        let (inside, compared) = (sum(&parts) - sum(&outside), sum(&outside) - sum(&ours));
        let milliseconds = |length: SignedDuration| u64::try_from(length.as_millis()).unwrap_or_default();
        let kept = diary.kept();
        let count = |side| kept.iter().filter(|kept| kept.side == side).count();
        Some(Cutover {
            kind: self.kind,
            downtime,
            seen_ms: checks::seen_ms(diary, Side::Source, Side::Target),
            own_ms: milliseconds(own),
            waited_ms: milliseconds(waited),
            inside_ms: milliseconds(inside),
            compared_ms: milliseconds(compared),
            kept: [count(Side::Source), count(Side::Target)],
            refused: self.refused(record, diary),
        })
    }
}

fn milliseconds(from: Option<Timestamp>, to: Option<Timestamp>) -> u64 {
    let length = from.zip(to).map(|(from, to)| to.duration_since(from).as_millis());
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}
