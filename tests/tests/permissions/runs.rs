//! The runs: every scenario; a wave in which the answer to each kind of change is lost once; one in which somebody else calls
//! every function first; and what else seldom happens.

use crate::oddities;
use landfall_cloud::fleet::{Purpose, Script};
use landfall_cloud::{CallContext, CallRecord, Fault, FaultRule};
use landfall_domain::plan::WavePlan;
use landfall_tests::databases::{Story, side_by_side};
use landfall_tests::{Disturbance, Permissions, WAVE, fast_cloud, run, small_wave};
use runner::world::{FunctionWrapper, Invocation, World, WorldOptions, simulate};
use runner::{plans, scenarios};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What operations that change nothing begin with.
const READS: [&str; 5] = ["Describe", "Get", "List", "Query", "BatchGet"];

/// So many servers are claimed in more than one transaction, which takes 100 items.
const MANY: usize = 120;

/// How much later the other plan comes, and between two tries.
const RACE_MS: u64 = 600;
const RACE_STEP_MS: usize = 6;

/// Every scenario as it stands.
pub fn of_scenarios() -> Permissions {
    let all: Vec<_> = scenarios::all().collect();
    let of = |scenario: &&scenarios::Scenario| {
        let scenario = *scenario;
        simulate(async move {
            let ended = scenario
                .run(1, |_, _| {})
                .await
                .expect("the state machines are deployed");
            Permissions::of(&ended.world)
        })
    };
    together(side_by_side(&all, of))
}

/// Each function dies once after each kind of change that it makes, so that it has to find out what it did.
pub fn of_lost_answers() -> Permissions {
    let of_servers = [None, Some(fail_a_launch as fn(&World))].map(|prepare| {
        let play = move |faults| {
            let run = run(&Disturbance {
                faults,
                prepare,
                ..Disturbance::default()
            });
            (run.permissions, run.evidence.calls)
        };
        lost_one_by_one(play)
    });
    let of_databases = lost_one_by_one(|faults| {
        let told = Story { faults, ..story(true) }.run();
        (told.permissions, told.evidence.calls)
    });
    together(of_servers.into_iter().chain([of_databases]))
}

/// Another execution calls every function that holds something for an execution, each time before the one that holds it.
pub fn of_others() -> Permissions {
    let wrapper = Some(impostor());
    let of_servers = [None, Some(fail_a_launch as fn(&World))].map(|prepare| {
        let run = run(&Disturbance {
            wrapper: wrapper.clone(),
            prepare,
            ..Disturbance::default()
        });
        assert_eq!(run.failures, Vec::<String>::new(), "another execution calls in between");
        run.permissions
    });
    let of_databases = [false, true].map(|back| {
        let wrapper = wrapper.clone();
        let told = Story { wrapper, ..story(back) }.run();
        assert_eq!(
            told.failures,
            Vec::<String>::new(),
            "another execution calls in between"
        );
        told.permissions
    });
    together(of_servers.into_iter().chain(of_databases))
}

/// What else seldom happens, each in a run of its own.
pub fn of_oddities() -> Permissions {
    let servers: [fn() -> Disturbance; 2] = [oddities::started_again, oddities::rolled_back_while_it_runs];
    let databases: [fn() -> Story; 8] = [
        oddities::stopped_unheard,
        oddities::never_answered,
        oddities::answered_at_once,
        oddities::heard_late,
        oddities::tested_late,
        oddities::restarted_unheard,
        oddities::left_by_a_lost_answer,
        oddities::with_a_login_less,
    ];
    let of_servers = side_by_side(&servers, |odd| run(&odd()).permissions);
    let of_databases = side_by_side(&databases, |odd| odd().run().permissions);
    together(of_servers.into_iter().chain(of_databases))
}

/// Two plans claim the same servers at the same time, one of them more than fit into one transaction: whoever comes first
/// has them, and the other has nothing.
pub fn of_races() -> Permissions {
    let offsets: Vec<u64> = (0..RACE_MS).step_by(RACE_STEP_MS).collect();
    together(side_by_side(&offsets, |offset| race(Duration::from_millis(*offset))))
}

fn race(offset: Duration) -> Permissions {
    simulate(async move {
        let world = World::new(WorldOptions {
            knobs: fast_cloud(),
            ..WorldOptions::default()
        });
        let small = small_wave();
        let mut large = plans::wide_wave("wave-2", 0, MANY, MANY as u32);
        large.servers.reverse();
        world.load_wave(&large);
        let claim = |plan: &WavePlan| {
            let input = json!({
                "mode": "PLAN",
                "document": plans::document(plan),
                "executionArn": format!("arn:aws:states:eu-west-1:111122223333:execution:migrate-wave:{}", plan.wave_id),
            });
            let world = world.clone();
            async move { world.invoke("plan-wave", input).await }
        };
        let later = async {
            tokio::time::sleep(offset).await;
            claim(&small).await
        };
        let (first, second) = tokio::join!(claim(&large), later);
        assert!(
            first.is_ok() != second.is_ok(),
            "after {offset:?}: {first:?}, {second:?}"
        );
        let owner = if first.is_ok() { &large } else { &small };
        let claims = world.records().claims;
        assert!(
            claims.iter().all(|claim| claim.wave_id == owner.wave_id),
            "after {offset:?}: {claims:?}"
        );
        assert_eq!(claims.len(), owner.servers.len(), "after {offset:?}");
        Permissions::of(&world)
    })
}

fn together(all: impl IntoIterator<Item = Permissions>) -> Permissions {
    all.into_iter().fold(Permissions::default(), Permissions::with)
}

/// The story of a database that moves, or that an operator takes back afterwards.
pub fn story(back: bool) -> Story {
    let mut story = Story::default();
    if back {
        story.then = Some(Arc::new(|world| Box::pin(back_by_hand(world))));
    }
    story
}

async fn back_by_hand(world: World) {
    tokio::time::sleep(Duration::from_secs(20)).await;
    let input = json!({ "waveId": WAVE, "reason": "an operator wants it" });
    let back = world.start("rollback-wave", &format!("{WAVE}-back"), input);
    world.finished(&back).await;
}

fn fail_a_launch(world: &World) {
    let server = landfall_tests::small_wave().servers[0].source_server_id.to_string();
    let purpose = Purpose::Cutover;
    world.cloud.fleet().script(Script::FailLaunch {
        server,
        purpose,
        times: 1,
    });
}

/// Runs once in peace, then once for the first change of each kind by each function, after which the function dies.
fn lost_one_by_one(play: impl Fn(Option<FaultRule>) -> (Permissions, Vec<CallRecord>) + Sync) -> Permissions {
    let (calm, calls) = play(None);
    let mut kinds = BTreeSet::new();
    let changes = calls
        .iter()
        .filter(|call| !READS.iter().any(|read| call.operation.starts_with(read)));
    let firsts =
        changes.filter(|call| kinds.insert((call.caller.clone(), call.service.clone(), call.operation.clone())));
    let firsts: Vec<u64> = firsts.map(|call| call.seq).collect();
    let runs = side_by_side(&firsts, |seq| {
        let seq = *seq;
        let rule = move |context: &CallContext| {
            if context.seq == seq {
                Fault::KillAfter
            } else {
                Fault::None
            }
        };
        play(Some(Arc::new(rule))).0
    });
    together(runs.into_iter().chain([calm]))
}

/// Before every function that works for an execution on a batch or a database, somebody calls it in the name of another
/// execution, which nobody knows.
fn impostor() -> FunctionWrapper {
    Arc::new(|invocation: Invocation| {
        Box::pin(async move {
            let payload = &invocation.payload;
            let holds = payload.get("batch").or(payload.get("database")).is_some();
            if holds && payload.get("executionArn").is_some() {
                let mut payload = payload.clone();
                payload["executionArn"] =
                    json!("arn:aws:states:eu-west-1:111122223333:execution:migrate-wave:impostor");
                let other = Invocation {
                    payload,
                    ..invocation.clone()
                };
                // Whatever it is told, the one that holds it goes on.
                let _ = other.run().await;
            }
            invocation.run().await
        })
    })
}
