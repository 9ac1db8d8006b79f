//! What bad input gets: everything that is wrong with it, by path or by server, and nothing is changed.

use asl::{ExecutionDescription, ExecutionStatus};
use landfall_aws::Deps;
use landfall_aws::mgn::LifecycleTarget;
use landfall_cloud::{CallRecord, Caller};
use landfall_domain::ids::SourceServerId;
use landfall_domain::plan::WavePlan;
use landfall_domain::report::WaveOutcome;
use landfall_tests::{fast_cloud, small_wave};
use runner::operator::{Operator, OperatorScript};
use runner::plans::{self, document};
use runner::world::{TABLE, World, WorldOptions, simulate};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Long enough for every event, and for two sweeps, after an execution has failed.
const AFTERWARDS: Duration = Duration::from_secs(11 * 60);

/// Longer than any job of the fast cloud.
const A_JOB: Duration = Duration::from_secs(10 * 60);

fn world() -> World {
    World::new(WorldOptions {
        knobs: fast_cloud(),
        ..WorldOptions::default()
    })
}

/// Runs an execution to its end, and lets what listens for failed executions have its time.
async fn ended(world: &World, machine: &str, name: &str, input: Value) -> ExecutionDescription {
    let execution = world.start(machine, name, input);
    let end = world.finished(&execution).await;
    tokio::time::sleep(AFTERWARDS).await;
    end
}

/// Asserts that an execution failed by this name; gives the sentence that the operator reads.
fn refusal(end: &ExecutionDescription, error: &str) -> String {
    let cause = end.cause.clone().unwrap_or_default();
    assert_eq!(end.status, ExecutionStatus::Failed, "{end:?}");
    assert_eq!(end.error.as_deref(), Some(error), "{cause}");
    cause
}

fn assert_says(cause: &str, parts: &[&str]) {
    for part in parts {
        assert!(cause.contains(part), "{part:?} is not in: {cause}");
    }
}

/// Whether a call can change something.
fn changes(call: &CallRecord) -> bool {
    let reads = ["Get", "Describe", "List", "Query", "BatchGet", "Scan", "TransactGet"];
    !reads.iter().any(|verb| call.operation.starts_with(verb))
}

/// What a person would look at in MGN and EC2: state, archived or not, settings, instance and job of every server.
fn fleet(world: &World) -> BTreeMap<String, Value> {
    let servers = world.cloud.fleet().servers();
    let seen = servers.into_iter().map(|server| {
        let seen = json!([
            server.life_cycle.as_str(),
            server.archived,
            server.writing,
            server.launch_configuration,
            server.replication_configuration,
            server.test_instance,
            server.cutover_instance,
            server.open_job,
        ]);
        (server.id, seen)
    });
    seen.collect()
}

fn claims(world: &World) -> BTreeSet<(String, String)> {
    let claims = world.records().claims;
    claims
        .iter()
        .map(|claim| (claim.source_server_id.to_string(), claim.wave_id.to_string()))
        .collect()
}

/// A world before something is tried in it, to be compared with the same world afterwards.
struct Before {
    fleet: BTreeMap<String, Value>,
    items: Vec<Value>,
    calls: usize,
}

impl Before {
    fn of(world: &World) -> Self {
        Self {
            fleet: fleet(world),
            items: world.cloud.table_items(TABLE),
            calls: world.cloud.calls().len(),
        }
    }

    fn calls_since(&self, world: &World) -> Vec<CallRecord> {
        world.cloud.calls().split_off(self.calls)
    }

    /// Asserts that only plan-wave was at work for the execution, that nobody changed anything, and that the table is
    /// what it was.
    fn is_untouched(&self, world: &World) {
        let mutations: Vec<CallRecord> = self.calls_since(world).into_iter().filter(changes).collect();
        assert!(mutations.is_empty(), "{mutations:#?}");
        assert_eq!(fleet(world), self.fleet);
        assert_eq!(world.cloud.table_items(TABLE), self.items);
    }

    /// Asserts that plan-wave called nothing at all, because there was nothing to ask.
    fn plan_wave_called_nothing(&self, world: &World) {
        let calls = self.calls_since(world);
        let own: Vec<&CallRecord> = calls.iter().filter(|call| call.caller == "plan-wave").collect();
        assert!(own.is_empty(), "{own:#?}");
    }
}

fn invoked(world: &World) -> BTreeSet<String> {
    world
        .invocations()
        .into_iter()
        .map(|invocation| invocation.function)
        .collect()
}

#[test]
fn a_wave_that_is_no_plan_fails_as_invalid_input_before_anything_is_called() {
    let cases = [
        (
            json!("move the web servers"),
            vec!["$ is \"move the web servers\": must be of type object"],
        ),
        (json!([]), vec!["$ is []: must be of type object"]),
        (json!({}), vec!["$.waveId is absent: required"]),
        (
            json!({ "waveId": "web-1" }),
            vec!["$.servers is absent: at least one server, or one in databases"],
        ),
        (
            json!({ "waveId": "Web 1", "servers": [{ "sourceServerId": "web-01", "hostname": "web-01" }], "speed": 9 }),
            vec![
                "$.waveId is \"Web 1\"",
                "$.servers[0].sourceServerId is \"web-01\"",
                "$.servers[0].quiesce is absent",
                "$.speed is 9",
            ],
        ),
    ];
    for (number, (input, expected)) in cases.into_iter().enumerate() {
        simulate(async {
            let world = world();
            world.load_wave(&small_wave());
            let before = Before::of(&world);
            let end = ended(&world, "migrate-wave", &format!("bad-{number}"), input).await;
            let cause = refusal(&end, "InvalidInput");
            assert_says(&cause, &["the input is refused, nothing was changed"]);
            assert_says(&cause, &expected);
            before.is_untouched(&world);
            before.plan_wave_called_nothing(&world);
            assert!(invoked(&world).is_subset(&BTreeSet::from(["plan-wave", "on-event", "sweep"].map(str::to_owned))));
        });
    }
}

#[test]
fn every_mistake_of_a_wave_is_said_at_once() {
    simulate(async {
        let world = world();
        let plan = small_wave();
        world.load_wave(&plan);
        let before = Before::of(&world);
        let mut input = document(&plan);
        input["servers"][1]["sourceServerId"] = input["servers"][0]["sourceServerId"].clone();
        input["servers"][1]["quiesce"]["services"] = json!([]);
        input["window"] = json!({ "notBefore": "2026-03-08T00:00:00Z", "notAfter": "2026-03-07T00:00:00Z" });
        let cause = refusal(&ended(&world, "migrate-wave", "bad", input).await, "InvalidInput");
        let paths = [
            "$.servers[1].sourceServerId is ",
            "$.servers[1].quiesce.services is ",
            "$.window.notAfter is \"2026-03-07T00:00:00Z\": must be later than notBefore",
        ];
        assert_says(&cause, &paths);
        before.is_untouched(&world);
        before.plan_wave_called_nothing(&world);
    });
}

/// `examples/database-wave.json`: two servers and the database that they share.
fn database_wave() -> Value {
    serde_json::from_str(include_str!("../../examples/database-wave.json")).expect("the example is JSON")
}

#[test]
fn a_database_that_cannot_be_shut_out_told_apart_or_switched_once_is_refused_before_anything_is_called() {
    simulate(async {
        let world = world();
        world.load_wave(&small_wave());
        let before = Before::of(&world);
        let mut input = database_wave();
        let database = input["databases"][0].clone();
        input["databases"][0]["source"]["dmsSecretArn"] = database["source"]["applicationSecretArn"].clone();
        input["databases"][0]["freeze"]["deadlineSeconds"] = json!(30);
        input["databases"].as_array_mut().expect("databases").push(database);
        input["moveGroups"][0]["databases"] = json!([]);
        input["traffic"]["dns"][0]["name"] = json!("db.shop.example.com");
        let cause = refusal(&ended(&world, "migrate-wave", "bad", input).await, "InvalidInput");
        let expected = [
            "$.databases[0].source.dmsSecretArn is ",
            "a secret of its own: an application that shares a login with DMS, the fence or Landfall cannot be shut out",
            "$.databases[0].freeze.deadlineSeconds is 30: at least 50",
            "$.databases[1].databaseId is \"shop\": a database is listed once; databases[0] has it too",
            "$.databases[1].source.adminSecretArn is ",
            "$.databases[0].databaseId is \"shop\": in one of the moveGroups",
            "$.databases[0].switch.route53.name is \"db.shop.example.com\": a record set that is not in traffic.dns",
        ];
        assert_says(&cause, &expected);
        before.is_untouched(&world);
        before.plan_wave_called_nothing(&world);
    });
}

#[test]
fn a_password_of_a_database_is_refused_and_reaches_neither_the_cause_nor_the_table() {
    simulate(async {
        let world = world();
        world.load_wave(&small_wave());
        let before = Before::of(&world);
        let mut input = database_wave();
        input["databases"][0]["source"]["adminSecretArn"] = json!("hunter2");
        input["databases"][0]["target"]["extraConnectionAttributes"] = json!({ "asmPassword": "hunter2" });
        let cause = refusal(&ended(&world, "migrate-wave", "bad", input).await, "InvalidInput");
        let expected = [
            "$.databases[0].source.adminSecretArn is …: no secret stands in a plan: put it into Secrets Manager",
            "$.databases[0].target.extraConnectionAttributes.asmPassword is …: no secret",
        ];
        assert_says(&cause, &expected);
        assert!(!cause.contains("hunter2"), "{cause}");
        before.is_untouched(&world);
    });
}

#[test]
fn every_wave_of_a_program_is_checked_before_the_first_begins() {
    simulate(async {
        let world = world();
        let first = small_wave();
        world.load_wave(&first);
        let before = Before::of(&world);
        let mut second = document(&plans::wide_wave("wave-2", 3, 2, 200));
        second["batchSize"] = json!(0);
        let broken = json!({ "programId": "shop", "waves": [document(&first), second] });
        let cause = refusal(&ended(&world, "migrate-program", "bad-1", broken).await, "InvalidInput");
        assert_says(&cause, &["$.waves[1].batchSize is 0: at least 1"]);

        let mut third = document(&plans::wide_wave("wave-1", 3, 2, 200));
        third["servers"][0] = document(&first)["servers"][0].clone();
        third["traffic"] = json!({});
        let twice = json!({ "programId": "shop", "waves": [document(&first), third] });
        let cause = refusal(&ended(&world, "migrate-program", "bad-2", twice).await, "InvalidInput");
        let expected = [
            "$.waves[1].waveId is \"wave-1\": wave ids are used once; $.waves[0] has it too",
            "$.waves[1].servers[0].sourceServerId is ",
            "a server is in one wave; $.waves[0] has it too",
        ];
        assert_says(&cause, &expected);
        let cause = refusal(
            &ended(&world, "migrate-program", "bad-3", json!("shop")).await,
            "InvalidInput",
        );
        assert_says(&cause, &["$ is \"shop\": must be of type object"]);

        before.is_untouched(&world);
        before.plan_wave_called_nothing(&world);
        let begun = world
            .engine()
            .list_executions(Some(world.machine_arn("migrate-wave")), None);
        assert!(begun.is_empty(), "a wave has begun");
    });
}

#[test]
fn a_plan_for_another_account_or_region_is_refused_before_anything_is_called() {
    simulate(async {
        let world = world();
        let plan = small_wave();
        world.load_wave(&plan);
        let before = Before::of(&world);
        let mut input = document(&plan);
        input["accountId"] = json!("999988887777");
        input["region"] = json!("us-east-1");
        let cause = refusal(&ended(&world, "migrate-wave", "elsewhere", input).await, "InvalidInput");
        let expected = [
            "$.accountId is \"999988887777\": 111122223333",
            "$.region is \"us-east-1\": eu-west-1",
            "deploy one where the plan belongs",
        ];
        assert_says(&cause, &expected);
        before.is_untouched(&world);
        before.plan_wave_called_nothing(&world);
    });
}

/// What a person has done to a server by hand, in MGN's console.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum ByHand {
    Tested,
    MarkedReady,
    CutOver,
    Finalized,
    Archived,
}

async fn by_hand(deps: &Deps, server: &SourceServerId, upto: ByHand) {
    let (ids, tags) = (std::slice::from_ref(server), BTreeMap::new());
    deps.mgn
        .start_test(ids, &tags)
        .await
        .expect("a ready server can be tested");
    tokio::time::sleep(A_JOB).await;
    if upto >= ByHand::MarkedReady {
        let ready = deps
            .mgn
            .change_lifecycle(server, LifecycleTarget::ReadyForCutover)
            .await;
        ready.expect("a tested server can be marked ready");
    }
    if upto >= ByHand::CutOver {
        deps.mgn
            .start_cutover(ids, &tags)
            .await
            .expect("a server that is ready can be cut over");
        tokio::time::sleep(A_JOB).await;
    }
    if upto >= ByHand::Finalized {
        deps.mgn
            .finalize_cutover(server)
            .await
            .expect("a server that is cut over can be finalized");
    }
    if upto >= ByHand::Archived {
        deps.mgn
            .mark_as_archived(server)
            .await
            .expect("a finalized server can be archived");
    }
}

#[test]
fn servers_that_cannot_start_a_wave_are_refused_together_each_with_state_and_remedy() {
    simulate(async {
        let world = world();
        let plan = plans::wide_wave("wave-1", 1, 7, 200);
        world.load_wave(&plan);
        let ids: Vec<SourceServerId> = plan
            .servers
            .iter()
            .map(|server| server.source_server_id.clone())
            .collect();
        let deps = world.deps(&Caller::new("operator", 0));
        let deeds = [
            ByHand::Tested,
            ByHand::MarkedReady,
            ByHand::CutOver,
            ByHand::Finalized,
            ByHand::Archived,
        ]
        .iter()
        .zip(&ids);
        for (deed, server) in deeds {
            by_hand(&deps, server, *deed).await;
        }
        let mut input = document(&plan);
        let stranger = "s-99999999999999999";
        input["servers"][5]["sourceServerId"] = json!(stranger);
        input["traffic"]["dns"][5]["sourceServerId"] = json!(stranger);
        let before = Before::of(&world);
        let cause = refusal(&ended(&world, "migrate-wave", "bad", input).await, "ServersRefused");
        let in_state = |server: &SourceServerId, state: &str, remedy: &str| {
            format!("server {server} is in lifecycle state {state}, from which a wave cannot start; {remedy}")
        };
        let revert = "revert it to \"ready for testing\" and terminate its test instance first";
        let expected = [
            in_state(&ids[0], "TESTING", revert),
            in_state(&ids[1], "READY_FOR_CUTOVER", revert),
            in_state(&ids[2], "CUTTING_OVER", "revert or finalize its present cutover first"),
            in_state(&ids[3], "CUTOVER", "it is cut over already: leave it out of the plan"),
            format!("server {} is archived; unarchive it", ids[4]),
            format!("server {stranger} is not known to MGN in eu-west-1; install its agent there, or mend the id"),
        ];
        assert_says(&cause, &expected.iter().map(String::as_str).collect::<Vec<_>>());
        assert_says(&cause, &["nothing was changed"]);
        assert!(
            !cause.contains(ids[6].as_str()),
            "a server that can is refused: {cause}"
        );
        before.is_untouched(&world);
    });
}

/// Runs the small wave up to its first question, which nobody answers.
async fn open_wave(world: &World, plan: &WavePlan) -> String {
    world.load_wave(plan);
    let execution = world.start("migrate-wave", &format!("{}-open", plan.wave_id), document(plan));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let status = world.engine().describe_execution(&execution).map(|one| one.status);
    assert_eq!(status.ok(), Some(ExecutionStatus::Running));
    execution
}

#[test]
fn a_server_of_another_open_wave_is_refused_by_name_and_none_of_its_companions_is_claimed() {
    simulate(async {
        let world = world();
        let first = small_wave();
        open_wave(&world, &first).await;
        let mut second = plans::wide_wave("wave-2", 2, 2, 200);
        second.traffic = Default::default();
        world.load_wave(&plans::wide_wave("wave-3", 3, 1, 200));
        let shared = second.servers[0].source_server_id.clone();
        assert_eq!(shared, first.servers[1].source_server_id, "the plans share a server");
        let (before, held) = (fleet(&world), claims(&world));
        let cause = refusal(
            &ended(&world, "migrate-wave", "wave-2-run", document(&second)).await,
            "ServerClaimed",
        );
        let expected = format!("server {shared} belongs to the open wave wave-1; let that wave end or roll it back");
        assert_says(&cause, &[&expected, "nothing was changed"]);
        assert_eq!(claims(&world), held);
        assert_eq!(held.len(), 2);
        assert_eq!(fleet(&world), before);
        assert!(world.records().wave("wave-2").is_none(), "a refused wave is on record");
    });
}

#[test]
fn of_two_waves_that_want_a_server_at_once_one_is_refused_and_gives_back_what_it_took() {
    simulate(async {
        let world = world();
        world.load_wave(&plans::wide_wave("wave-9", 1, 5, 200));
        let without_traffic = |mut plan: WavePlan| {
            plan.traffic = Default::default();
            document(&plan)
        };
        let plans = [("wave-1", 1), ("wave-2", 3)].map(|(wave, from)| plans::wide_wave(wave, from, 3, 200));
        let runs = plans.clone().map(|plan| {
            let name = format!("{}-run", plan.wave_id);
            world.start("migrate-wave", &name, without_traffic(plan))
        });
        tokio::time::sleep(AFTERWARDS).await;
        let ends = runs
            .each_ref()
            .map(|run| world.engine().describe_execution(run).expect("it was started"));
        let refused: Vec<usize> = (0..2)
            .filter(|index| ends[*index].status == ExecutionStatus::Failed)
            .collect();
        assert_eq!(refused.len(), 1, "{ends:#?}");
        let (loser, winner) = (&plans[refused[0]], &plans[1 - refused[0]]);
        let cause = refusal(&ends[refused[0]], "ServerClaimed");
        assert_says(&cause, &[&format!("belongs to the open wave {}", winner.wave_id)]);
        let expected: BTreeSet<(String, String)> = winner
            .servers
            .iter()
            .map(|server| (server.source_server_id.to_string(), winner.wave_id.to_string()))
            .collect();
        assert_eq!(claims(&world), expected, "{} keeps a claim", loser.wave_id);
    });
}

#[test]
fn a_wave_whose_execution_runs_is_not_taken_by_another() {
    simulate(async {
        let world = world();
        let plan = small_wave();
        let running = open_wave(&world, &plan).await;
        let epoch = world.records().wave("wave-1").map(|wave| wave.epoch);
        let held = claims(&world);
        let cause = refusal(
            &ended(&world, "migrate-wave", "again", document(&plan)).await,
            "WaveOpen",
        );
        assert_says(
            &cause,
            &[
                "wave wave-1 is open under execution",
                &running,
                "let it end, or start rollback-wave",
            ],
        );
        let records = world.records();
        let wave = records.wave("wave-1").expect("the wave is on record");
        assert_eq!(
            (Some(wave.epoch), &wave.execution_arn, &wave.outcome),
            (epoch, &running, &None)
        );
        assert_eq!(claims(&world), held);
    });
}

/// A world in which the small wave is finalized.
async fn completed_world() -> (World, WavePlan) {
    let world = world();
    let plan = small_wave();
    world.load_wave(&plan);
    let _operator = Operator::attach(&world, OperatorScript::default());
    let end = ended(&world, "migrate-wave", "first", document(&plan)).await;
    assert_eq!(end.status, ExecutionStatus::Succeeded, "{end:?}");
    let outcome = world.records().wave("wave-1").and_then(|wave| wave.outcome);
    assert_eq!(outcome, Some(WaveOutcome::Completed));
    (world, plan)
}

#[test]
fn the_id_of_a_completed_wave_takes_no_other_plan() {
    simulate(async {
        let (world, mut plan) = completed_world().await;
        let before = Before::of(&world);
        plan.bake_minutes += 1;
        let cause = refusal(
            &ended(&world, "migrate-wave", "other", document(&plan)).await,
            "InvalidInput",
        );
        assert_says(
            &cause,
            &["$.waveId is \"wave-1\": an id that no completed wave has: this wave is finalized"],
        );
        before.is_untouched(&world);
    });
}

#[test]
fn a_completed_wave_started_again_is_completed_at_once() {
    simulate(async {
        let (world, plan) = completed_world().await;
        let before = Before::of(&world);
        let end = ended(&world, "migrate-wave", "again", document(&plan)).await;
        assert_eq!(end.status, ExecutionStatus::Succeeded, "{end:?}");
        assert_eq!(
            end.output.map(|output| output["outcome"].clone()),
            Some(json!("COMPLETED"))
        );
        let lasted = end.stop_date.expect("it is over").duration_since(end.start_date);
        assert!(lasted.as_secs() < 10, "it took {lasted:#}");
        before.is_untouched(&world);
    });
}
