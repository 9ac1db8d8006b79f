//! The database of the wave: on two real PostgreSQL servers, with applications that never stop writing.

use crate::checks;
use crate::outside::Outside;
use crate::plan;
use crate::replicator::NativeReplicator;
use crate::servers::{Servers, Shop, Side};
use crate::session::Kind;
use crate::writers::{Place, WriterSpec, Writers};
use landfall_domain::plan::DatabasePlan;
use landfall_domain::record::DatabaseState;
use runner::world::World;
use std::sync::Arc;

/// Applications: those that follow the switch point, and one that knows only the source.
const FOLLOWING: u32 = 2;
const STAYING: u32 = 1;

/// What there is before the migration, and what goes on during it.
pub struct Business {
    /// The plan of the database.
    pub plan: DatabasePlan,
    shop: Shop,
    writers: Writers,
    servers: Servers,
    // Ends last: applications and replication run on it.
    _outside: Outside,
}

impl Business {
    /// Starts servers and applications, and lets DMS's stand-in move the rows.
    pub async fn open(world: &World, wave: &str) -> Self {
        let kind = Kind::Postgres;
        let servers = Servers::start(kind).await;
        let shop = servers.add(1).await;
        let wave = plan::wave(wave, &shop, &servers, &[], false);
        let plan = wave.databases[0].clone();
        plan::set_up(world, &plan, &shop);
        let outside = Outside::start();
        let (secrets, clock) = (world.cloud.secrets().clone(), world.cloud.clock());
        let replicator = NativeReplicator::new(
            kind,
            secrets,
            clock.clone(),
            outside.runtime.clone(),
            Arc::new(|_, _| {}),
        );
        world.cloud.dms().set_replicator(Arc::new(replicator));
        let writers = Writers::start(&outside.runtime, &clock, &shop, applications(world, &plan));
        Self {
            plan,
            shop,
            writers,
            servers,
            _outside: outside,
        }
    }

    /// Ends the applications and looks at both sides; what is wrong, each a sentence.
    pub async fn close(self, world: &World) -> Vec<String> {
        let diary = self.writers.end().await;
        let record = world.records().database(self.plan.database_id.as_str()).cloned();
        let record = record.expect("the database is on record");
        let mut wrong = checks::lost(&self.servers, &self.shop, &diary, Side::Source, Side::Target).await;
        wrong.extend(checks::lost(&self.servers, &self.shop, &diary, Side::Target, Side::Target).await);
        match record.source_closing.closed_at {
            Some(closed) => wrong.extend(checks::acknowledged_closed(&diary, Side::Source, closed, None)),
            None => wrong.push("the freeze is not on record".to_owned()),
        }
        if checks::seen_ms(&diary, Side::Source, Side::Target).is_empty() {
            wrong.push("no application followed to the target".to_owned());
        }
        if record.state != DatabaseState::OnTarget {
            wrong.push(format!("the database is {:?}", record.state));
        }
        wrong
    }
}

fn applications(world: &World, plan: &DatabasePlan) -> Vec<WriterSpec> {
    let (name, target) = plan::switch(plan);
    let cloud = world.cloud.clone();
    let follows: Place = Arc::new(move || {
        let switched = cloud.fleet().parameters().value(&name).as_ref() == Some(&target);
        if switched { Side::Target } else { Side::Source }
    });
    let stays: Place = Arc::new(|| Side::Source);
    let spec = |number: u32| WriterSpec {
        number,
        place: if number <= FOLLOWING {
            follows.clone()
        } else {
            stays.clone()
        },
        reconnects: number % 2 == 1,
    };
    (1..=FOLLOWING + STAYING).map(spec).collect()
}
