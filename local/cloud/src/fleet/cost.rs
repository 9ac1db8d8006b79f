//! What runs and costs money now: a wave that ends must leave nothing here that it does not name.

use super::Fleet;
use super::spec::{CostItem, CostKind};
use super::words::InstanceState;

impl Fleet {
    /// Everything of the fleet that costs money at this instant: instances, then snapshots, then replicating servers, each by id.
    pub fn running_costs(&self) -> Vec<CostItem> {
        self.with(|world, scene| {
            let instances = world.instances.values().filter_map(|one| {
                let kind = match one.state(scene.now) {
                    InstanceState::Terminated | InstanceState::ShuttingDown => return None,
                    InstanceState::Stopped => CostKind::StoppedInstance,
                    _ => CostKind::RunningInstance,
                };
                Some(CostItem {
                    kind,
                    id: one.id.clone(),
                    server: one.server.clone(),
                    since: one.launched_at,
                })
            });
            let snapshots = world.snapshots.values().map(|one| CostItem {
                kind: CostKind::Snapshot,
                id: one.id.clone(),
                server: one.server.clone(),
                since: one.started_at,
            });
            let replicating = world.servers.values().filter(|one| !one.replication.ended());
            let replicating = replicating.map(|one| CostItem {
                kind: CostKind::ReplicatingServer,
                id: one.spec.id.clone(),
                server: one.spec.id.clone(),
                since: one.added_at,
            });
            instances.chain(snapshots).chain(replicating).collect()
        })
    }
}
