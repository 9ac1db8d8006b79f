//! Evidence: snapshots of the disks of a cutover instance, taken before it is terminated by a rollback. They hold what
//! went wrong, and what was written on AWS in the meantime.

use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::record::ServerRecord;
use std::collections::BTreeMap;

/// The tag that names the server of a snapshot.
const SERVER_TAG: &str = "landfall:evidence";

/// Takes snapshots of every launched cutover instance that has none yet. A repeat finds them by their tag.
pub async fn take(deps: &Deps, step: &Step, servers: &mut [Stored<ServerRecord>]) -> Result<(), StepError> {
    for server in servers.iter_mut() {
        let Some(instance) = server.cutover.instance_id.clone() else {
            continue;
        };
        if !server.evidence_snapshots.is_empty() || server.cutover.terminated_at.is_some() {
            continue;
        }
        let tag = format!("{}/{}", step.wave.wave_id, instance);
        let repeat = server.evidence_intended_at.is_some();
        if !repeat {
            server.evidence_intended_at = Some(step.now);
            let write = Write::save(server)?;
            step.write(deps, vec![write]).await?;
        }
        let found = if repeat {
            deps.ec2.snapshots_tagged(SERVER_TAG, &tag).await?
        } else {
            Vec::new()
        };
        let snapshots = if found.is_empty() {
            let tags = BTreeMap::from([
                (SERVER_TAG.to_owned(), tag),
                ("landfall:server".to_owned(), server.source_server_id.to_string()),
            ]);
            let description = format!("Evidence of {} before its rollback", server.plan.hostname);
            deps.ec2.create_snapshots(&instance, &tags, &description).await?
        } else {
            found
        };
        let text = format!("evidence of {instance}: {}", snapshots.join(", "));
        server.evidence_snapshots = snapshots;
        let write = Write::save(server)?;
        step.write(deps, vec![write, step.log(deps, text)?]).await?;
    }
    Ok(())
}
