//! The two commands that a source takes: the one that stops its services, and the one that starts them again.

use landfall_aws::commands::{Course, Ended};
use landfall_aws::table::Stored;
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::record::ServerRecord;

/// Stops what the plan names, and records on the host what ran.
pub const STOP: Course = Course {
    facts: |server| &server.quiesce.stop,
    facts_mut: |server| &mut server.quiesce.stop,
    host,
    command: |server| server.plan.quiesce.stop(server.wave_id.as_str()),
    does: "stop the services",
};

/// Starts what the host recorded.
pub const RESTART: Course = Course {
    facts: |server| &server.quiesce.restart,
    facts_mut: |server| &mut server.quiesce.restart,
    host,
    command: |server| server.plan.quiesce.restart(server.wave_id.as_str()),
    does: "start the services",
};

fn host(server: &ServerRecord) -> Option<String> {
    Some(server.plan.quiesce.managed_instance_id.to_string())
}

/// Puts intents on record for servers without one, sends what is not sent, reads what is under way. Returns what ended.
pub async fn run(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    course: Course,
) -> Result<Ended, StepError> {
    let intents = course.intend(deps, step, servers, &|_| true).await?;
    course.advance(deps, step, servers, &|_| true, &intents).await
}
