//! EC2's own status checks. An instance that fails them is waited for until the deadline: they fail while it boots.

use crate::outcome::settled;
use landfall_aws::ec2::StatusChecks;
use landfall_aws::table::Stored;
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::ids::InstanceId;
use landfall_domain::record::ServerRecord;
use landfall_domain::report::{CheckPhase, CheckReport};
use std::collections::BTreeSet;

/// The name of the check in reports.
pub const NAME: &str = "EC2 status checks";

/// True when the server's instance has passed EC2's checks in this phase.
pub fn has_passed(server: &ServerRecord, phase: CheckPhase) -> bool {
    server
        .checks
        .iter()
        .any(|check| check.phase == phase && check.name == NAME && check.passed)
}

/// Reads EC2's checks of instances that have not passed them yet. Returns which servers changed, for the caller to save:
/// what is lost with a crash is read again.
pub async fn check(
    deps: &Deps,
    step: &Step,
    servers: &mut [Stored<ServerRecord>],
    phase: CheckPhase,
) -> Result<BTreeSet<usize>, StepError> {
    let waits = |server: &ServerRecord| !settled(server, phase) && !has_passed(server, phase);
    let instances: Vec<InstanceId> = servers
        .iter()
        .filter(|server| waits(server))
        .filter_map(|server| server.launch(phase).instance_id.clone())
        .collect();
    if instances.is_empty() {
        return Ok(BTreeSet::new());
    }
    let checks = deps.ec2.status_checks(&instances).await?;
    let mut changed = BTreeSet::new();
    for (index, server) in servers.iter_mut().enumerate().filter(|(_, server)| waits(server)) {
        let Some(instance) = server.launch(phase).instance_id.clone() else {
            continue;
        };
        match checks.get(&instance) {
            Some(StatusChecks::Passed) => {
                let detail = "instance and system status are ok".to_owned();
                server.checks.push(CheckReport {
                    name: NAME.to_owned(),
                    phase,
                    passed: true,
                    detail,
                    at: step.now,
                });
                changed.insert(index);
            }
            Some(StatusChecks::Unknown(word)) => {
                return Err(StepError::UnknownValue {
                    service: "EC2",
                    what: format!("the status checks of {instance}"),
                    value: word.clone(),
                });
            }
            Some(StatusChecks::Initializing | StatusChecks::Impaired(_)) | None => {}
        }
    }
    Ok(changed)
}
