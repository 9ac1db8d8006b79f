//! Reading whether the servers of a wave are ready for testing.

use crate::deps::Deps;
use crate::step::Step;
use crate::table::Write;
use jiff::SignedDuration;
use landfall_domain::StepError;
use landfall_domain::decide::{Readiness, readiness};
use landfall_domain::ids::{SourceServerId, WaveId};
use landfall_domain::record::Direction;
use landfall_domain::text::few;
use serde::{Deserialize, Serialize};

/// Which wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessRead {
    /// The wave.
    pub wave_id: WaveId,
    /// The epoch.
    pub epoch: u64,
}

/// The outcome of the wait for readiness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessOutcome {
    /// `READY`, or `NOT_READY` when the deadline has passed or a server never will be.
    pub outcome: String,
    /// What holds it up, one sentence a server, the first five.
    pub reasons: Vec<String>,
}

/// What the wave waits under.
pub fn resource(wave: &WaveId) -> String {
    format!("READINESS#{wave}")
}

/// Reads the servers that were not ready yet. [`None`]: some are not, and there is time.
pub async fn read(deps: &Deps, input: &ReadinessRead) -> Result<Option<ReadinessOutcome>, StepError> {
    let mut step = Step::begin(deps, &input.wave_id, input.epoch, Direction::Forward).await?;
    let mut servers = deps.table.servers(&input.wave_id, None).await?;
    servers.retain(|server| server.ready_at.is_none() && server.takes_part());
    if servers.is_empty() {
        return Ok(Some(ReadinessOutcome {
            outcome: "READY".to_owned(),
            reasons: Vec::new(),
        }));
    }
    let ids: Vec<SourceServerId> = servers.iter().map(|server| server.source_server_id.clone()).collect();
    let views = deps.mgn.source_servers(&ids).await?;
    let mut writes = Vec::new();
    let (mut waiting, mut refused) = (Vec::new(), Vec::new());
    for server in &mut servers {
        let Some(view) = views.get(&server.source_server_id) else {
            refused.push(format!("{} is not known to MGN any more", server.source_server_id));
            continue;
        };
        match readiness(view) {
            Readiness::Ready => {
                server.ready_at = Some(step.now);
                writes.push(Write::save(server)?);
            }
            Readiness::NotYet(why) => waiting.push(why),
            Readiness::Refused(why) => refused.push(why),
        }
    }
    if !writes.is_empty() {
        step.write(deps, writes).await?;
    }
    if !refused.is_empty() {
        return Ok(Some(not_ready(refused)));
    }
    if waiting.is_empty() {
        return Ok(Some(ReadinessOutcome {
            outcome: "READY".to_owned(),
            reasons: Vec::new(),
        }));
    }
    let began = step.wait_began(deps, "READINESS").await?;
    let deadline = began + SignedDuration::from_hours(i64::from(step.wave.deadlines.readiness_hours));
    Ok((step.now >= deadline).then(|| not_ready(waiting)))
}

fn not_ready(reasons: Vec<String>) -> ReadinessOutcome {
    ReadinessOutcome {
        outcome: "NOT_READY".to_owned(),
        reasons: few(reasons),
    }
}
