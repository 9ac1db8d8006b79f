//! The scenarios of the demo: what goes wrong, who says what, and how it must end.

mod aborted;
mod databases;
mod demo;
mod denied;
mod dns_rollback;
mod expect;
mod failed_check;
mod killed;
mod launch_failure;
mod lost_events;
mod report;
mod two_waves;
mod wide;

pub use expect::Expect;
pub use report::Pages;
pub use wide::WIDE;

use crate::evidence::Evidence;
use crate::invariants;
use crate::operator::{Answered, Operator, OperatorScript};
use crate::world::{World, WorldOptions};
use futures::future::BoxFuture;
use landfall_cloud::Knobs;
use landfall_domain::plan::ProgramPlan;
use std::time::Duration;

/// Virtual time after which a run has failed: far beyond every deadline of the example plans.
const VIRTUAL_TIME_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// A story with a known end.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, as one sentence.
    pub about: &'static str,
    /// The plan.
    program: fn() -> ProgramPlan,
    /// How simulated AWS behaves.
    knobs: fn() -> Knobs,
    /// What the operator says.
    operator: fn() -> OperatorScript,
    /// What will go wrong.
    prepare: fn(&World),
    /// What is started, until it has ended.
    drive: fn(World, ProgramPlan) -> BoxFuture<'static, ()>,
    /// What must have come of it.
    expect: fn(&mut Expect<'_>),
}

/// Every scenario, the plain demo first.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().chain(databases::SCENARIOS)
}

/// Those of servers.
const SCENARIOS: &[Scenario] = &[
    demo::SCENARIO,
    launch_failure::SCENARIO,
    failed_check::SCENARIO,
    lost_events::SCENARIO,
    dns_rollback::SCENARIO,
    killed::SCENARIO,
    denied::SCENARIO,
    aborted::SCENARIO,
    two_waves::SCENARIO,
];

/// A scenario by its name; the error lists the names there are.
pub fn find(name: &str) -> Result<&'static Scenario, String> {
    let names: Vec<&str> = all().map(|scenario| scenario.name).collect();
    all()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| format!("there is no scenario {name:?}; there are: {}", names.join(", ")))
}

/// How a run ended.
pub struct Ended {
    /// The world, for whoever wants to look further.
    pub world: World,
    /// The plan that ran.
    pub program: ProgramPlan,
    /// Everything that is known.
    pub evidence: Evidence,
    /// What the operator was asked and said.
    pub answers: Vec<Answered>,
    /// Virtual time from the start to the end.
    pub simulated: Duration,
    /// Landfall's report, as pages; none when it could not be made, which is a failure.
    pub pages: Option<Pages>,
    /// Expectations that were not met and invariants that do not hold; empty when all is well.
    pub failures: Vec<String>,
}

impl Scenario {
    /// The plan that it runs.
    pub fn program(&self) -> ProgramPlan {
        (self.program)()
    }

    /// The same story in a cloud that behaves otherwise.
    pub fn in_cloud(&self, knobs: fn() -> Knobs) -> Scenario {
        Scenario { knobs, ..*self }
    }

    /// Runs it, inside of [`crate::world::simulate`]. `watch` is called once, before anything happens.
    ///
    /// # Errors
    /// When the state machines of this repository cannot be deployed.
    pub async fn run(&self, seed: u64, watch: impl FnOnce(&World, &ProgramPlan)) -> Result<Ended, String> {
        let program = self.program();
        let world = World::try_new(WorldOptions {
            seed,
            knobs: (self.knobs)(),
            ..WorldOptions::default()
        })?;
        world.load_program(&program);
        let operator = Operator::attach(&world, (self.operator)());
        (self.prepare)(&world);
        watch(&world, &program);
        let mut failures = Vec::new();
        let story = async {
            (self.drive)(world.clone(), program.clone()).await;
            world.quiet().await;
        };
        if tokio::time::timeout(VIRTUAL_TIME_MAX, story).await.is_err() {
            failures.extend(still_running(&world));
        }
        world.set_wrapper(None);
        world.cloud.set_faults(None);
        let pages = report::make(&world, &program)
            .await
            .map_err(|failure| failures.push(failure))
            .ok();
        let evidence = Evidence::of(&world, pages.as_ref().map(|pages| pages.report.clone()));
        let answers = operator.answers();
        let simulated = world.cloud.clock().elapsed();
        let mut expect = Expect::new(&evidence, &world, &program, &answers);
        (self.expect)(&mut expect);
        failures.extend(expect.failures());
        failures.extend(invariants::check(&evidence).iter().map(ToString::to_string));
        Ok(Ended {
            world,
            program,
            evidence,
            answers,
            simulated,
            pages,
            failures,
        })
    }
}

fn still_running(world: &World) -> Vec<String> {
    let running = world
        .engine()
        .list_executions(None, Some(asl::ExecutionStatus::Running));
    let days = VIRTUAL_TIME_MAX.as_secs() / 86_400;
    let name = |execution: &asl::ExecutionDescription| {
        format!("{} still runs after {days} simulated days", execution.execution_arn)
    };
    if running.is_empty() {
        return vec![format!(
            "the script of the scenario did not end within {days} simulated days"
        )];
    }
    running.iter().map(name).collect()
}

/// Runs the whole program, as a person would start it.
fn run_program(world: World, program: ProgramPlan) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let name = program.program_id.to_string();
        let arn = world.start("migrate-program", &name, crate::plans::document(&program));
        world.finished(&arn).await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scenario_is_refused_with_the_names_there_are() {
        let error = find("nonsense").err().expect("no such scenario");
        assert!(error.contains("\"nonsense\"") && error.contains("lost-events") && error.contains("two-waves"));
        assert!(all().all(|scenario| find(scenario.name).is_ok()));
    }
}
