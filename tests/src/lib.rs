//! What the tests that cross crates share: a small wave, a fast cloud, and a run whose end is judged.

pub mod databases;
pub mod late;
pub mod permissions;
pub mod tools;

pub use permissions::Permissions;

use landfall_cloud::fleet::{FleetKnobs, Spread};
use landfall_cloud::{DeliveryKnobs, EventKnobs, FaultRule, Knobs};
use landfall_domain::plan::WavePlan;
use landfall_domain::report::WaveOutcome;
use runner::evidence::Evidence;
use runner::invariants;
use runner::operator::{Operator, OperatorScript};
use runner::plans;
use runner::world::{FunctionWrapper, World, WorldOptions, simulate};
use std::time::Duration;

/// Virtual time after which a run has failed: far beyond every deadline of the plan.
const VIRTUAL_TIME_MAX: Duration = Duration::from_secs(20 * 24 * 3600);

/// The id of the wave of every run.
pub const WAVE: &str = "wave-1";

/// A cloud in which everything takes seconds instead of minutes, so that waits are few and a run is short. What happens
/// is the same.
pub fn fast_cloud() -> Knobs {
    let seconds = |least, most| Spread {
        least: Duration::from_secs(least),
        most: Duration::from_secs(most),
    };
    Knobs {
        fleet: FleetKnobs {
            job_pending: seconds(1, 2),
            launch: seconds(20, 30),
            terminate: seconds(8, 12),
            snapshot_every: seconds(15, 20),
            drain: seconds(3, 5),
            ec2_boot: seconds(1, 2),
            ec2_checks: seconds(5, 8),
            ssm_registration: seconds(2, 4),
            ssm_command: seconds(1, 2),
            ..FleetKnobs::default()
        },
        ..Knobs::default()
    }
}

/// The same cloud with every row that AWS does not document turned the other way, and with events that come twice, late
/// and out of order.
pub fn awkward_cloud() -> Knobs {
    let fast = fast_cloud();
    let fleet = fast.fleet;
    Knobs {
        fleet: FleetKnobs {
            job_pending: fleet.job_pending,
            launch: fleet.launch,
            terminate: fleet.terminate,
            snapshot_every: fleet.snapshot_every,
            drain: fleet.drain,
            ec2_boot: fleet.ec2_boot,
            ec2_checks: fleet.ec2_checks,
            ssm_registration: fleet.ssm_registration,
            ssm_command: fleet.ssm_command,
            ..FleetKnobs::awkward()
        },
        events: EventKnobs {
            common: DeliveryKnobs {
                drop_probability: 0.2,
                duplicate_probability: 0.5,
                delay_max: Duration::from_secs(40),
                reorder: true,
                ..DeliveryKnobs::default()
            },
            ..EventKnobs::default()
        },
        ..fast
    }
}

/// A wave of two servers with one check and one record set each.
pub fn small_wave() -> WavePlan {
    let mut plan = plans::wide_wave(WAVE, 1, 2, 200);
    plan.defaults.checks.truncate(1);
    plan.bake_minutes = 5;
    plan
}

/// What is done to a run.
#[derive(Clone, Default)]
pub struct Disturbance {
    /// Faults of calls.
    pub faults: Option<FaultRule>,
    /// How functions are invoked.
    pub wrapper: Option<FunctionWrapper>,
    /// What is prepared before the start.
    pub prepare: Option<fn(&World)>,
    /// How simulated AWS behaves; as in [`fast_cloud`] when nothing is said.
    pub knobs: Option<Knobs>,
    /// What the operator answers; yes after 20 s when nothing is said.
    pub operator: Option<OperatorScript>,
}

/// How a run ended.
pub struct Run {
    /// Everything that is known.
    pub evidence: Evidence,
    /// Invariants that do not hold, and runs that do not end.
    pub failures: Vec<String>,
    /// How many calls Landfall had made when the wave was over; later ones are the judge's.
    pub calls: u64,
    /// As what the wave ended.
    pub outcome: Option<WaveOutcome>,
    /// What roles allowed, and what they refused.
    pub permissions: Permissions,
}

/// Runs the small wave to its end.
pub fn run(disturbance: &Disturbance) -> Run {
    let disturbance = disturbance.clone();
    simulate(async move {
        let world = World::new(WorldOptions {
            knobs: disturbance.knobs.unwrap_or_else(fast_cloud),
            ..WorldOptions::default()
        });
        let plan = small_wave();
        world.load_wave(&plan);
        let script = disturbance.operator.unwrap_or(OperatorScript {
            delay: Duration::from_secs(20),
            ..OperatorScript::default()
        });
        let _operator = Operator::attach(&world, script);
        if let Some(prepare) = disturbance.prepare {
            prepare(&world);
        }
        world.cloud.set_faults(disturbance.faults);
        world.set_wrapper(disturbance.wrapper);
        let execution = world.start("migrate-wave", "wave-1-run", plans::document(&plan));
        let mut failures = Vec::new();
        let story = async {
            world.finished(&execution).await;
            world.quiet().await;
        };
        if tokio::time::timeout(VIRTUAL_TIME_MAX, story).await.is_err() {
            failures.push("the wave does not end".to_owned());
        }
        world.cloud.set_faults(None);
        world.set_wrapper(None);
        let calls = u64::try_from(world.cloud.calls().len()).unwrap_or(u64::MAX);
        let evidence = Evidence::of(&world, report(&world, &mut failures).await);
        failures.extend(invariants::check(&evidence).iter().map(ToString::to_string));
        let outcome = evidence.records.wave(WAVE).and_then(|wave| wave.outcome);
        Run {
            evidence,
            failures,
            calls,
            outcome,
            permissions: Permissions::of(&world),
        }
    })
}

pub(crate) async fn report(world: &World, failures: &mut Vec<String>) -> Option<landfall_domain::report::Report> {
    let input = serde_json::json!({ "waveIds": [WAVE], "title": WAVE, "format": "JSON" });
    let answer = match world.invoke("report", input).await {
        Ok(answer) => answer,
        Err(failure) => {
            failures.push(format!("the report cannot be made: {}", failure.error_message));
            return None;
        }
    };
    serde_json::from_value(answer["report"].clone())
        .map_err(|error| failures.push(format!("the report cannot be read: {error}")))
        .ok()
}
