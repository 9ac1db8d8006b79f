//! The plan of a wave of one database, and the cloud that it runs in.

use crate::servers::{ADMIN, DMS, FENCE, PASSWORD, Servers, Shop, Side};
use crate::session::Kind;
use landfall_cloud::dms::DmsKnobs;
use landfall_cloud::fleet::Spread;
use landfall_cloud::{DeliveryKnobs, EventKnobs, Knobs};
use landfall_domain::plan::database::{DatabaseSide, Engine, SslMode, SwitchPoint};
use landfall_domain::plan::{DatabasePlan, WavePlan, load_wave};
use runner::plans;
use runner::world::World;
use serde_json::json;
use std::time::Duration;

/// A cloud whose services take no time: what is measured is Landfall and the databases. Points of metrics are dated back,
/// for nobody waits three minutes for them here.
pub fn cloud() -> Knobs {
    let moment = Spread::exactly(Duration::from_millis(20));
    let common = DeliveryKnobs {
        delay_min: Duration::from_millis(10),
        delay_max: Duration::from_millis(30),
        ..DeliveryKnobs::default()
    };
    Knobs {
        latency: Duration::ZERO,
        events: EventKnobs {
            common,
            ..EventKnobs::default()
        },
        dms: DmsKnobs {
            bucket: 10_000,
            refill_per_s: 1_000,
            instance_create: moment,
            instance_delete: moment,
            endpoint_delete: moment,
            connection_test: moment,
            task_create: moment,
            task_start: moment,
            task_stop: moment,
            task_delete: moment,
            metric_delay: Duration::ZERO,
            metric_history: 5,
            ..DmsKnobs::default()
        },
        ..Knobs::default()
    }
}

/// A wave that moves this database alone. `others` are applications of databases that were moved between the same servers
/// before: a closing locks logins of the whole server.
pub fn wave(id: &str, shop: &Shop, servers: &Servers, others: &[String], fails_back: bool) -> WavePlan {
    let document = json!({
        "waveId": id,
        "description": format!("{} between real servers", shop.name),
        "databases": [database(id, shop, servers, others, fails_back)],
        "bakeMinutes": 1,
    });
    load_wave(&document).unwrap_or_else(|error| panic!("the wave {id} is no plan: {error}"))
}

fn database(wave: &str, shop: &Shop, servers: &Servers, others: &[String], fails_back: bool) -> DatabasePlan {
    let mut plan = plans::database(&shop.id(), wave);
    if shop.kind == Kind::Mariadb {
        (plan.source.engine, plan.target.engine) = (Engine::Mariadb, Engine::Mariadb);
    }
    // The servers have no certificates, and nobody listens on the loopback address.
    (plan.source.ssl_mode, plan.target.ssl_mode) = (SslMode::None, SslMode::None);
    // A simulated assessment would look at nothing.
    plan.assessment = None;
    for rule in ["UNENCRYPTED", "NO_ASSESSMENT"] {
        let waiver = json!({ "rule": rule, "approvedBy": "Ada", "reason": "a test on servers of its own" });
        plan.waivers.push(serde_json::from_value(waiver).expect("a waiver"));
    }
    shop.schema()
        .clone_into(&mut plan.table_mappings.rules[0].object_locator.schema_name);
    plan.verify.checksum_tables = vec![format!("{}.visits", shop.schema())];
    plan.freeze.keep_logins = vec![servers.superuser().to_owned()];
    plan.freeze.keep_logins.extend(others.iter().cloned());
    if fails_back {
        let back = json!({ "reverseReplication": {} });
        plan.fail_back = Some(serde_json::from_value(back).expect("a way back"));
    }
    plan
}

/// Puts into the cloud what the plan names: the secrets of its logins, and the switch point, which names the source.
pub fn set_up(world: &World, plan: &DatabasePlan, shop: &Shop) {
    for (side, of) in [(Side::Source, &plan.source), (Side::Target, &plan.target)] {
        secrets(world, of, shop, side);
    }
    let (name, _) = switch(plan);
    world
        .cloud
        .fleet()
        .parameters()
        .set(&name, &format!("{}.source.example", plan.database_id));
}

fn secrets(world: &World, of: &DatabaseSide, shop: &Shop, side: Side) {
    for (arn, username) in [
        (&of.admin_secret_arn, ADMIN),
        (&of.fence_secret_arn, FENCE),
        (&of.application_secret_arn, shop.application.as_str()),
        (&of.dms_secret_arn, DMS),
    ] {
        let login = shop.login(side, username);
        let secret = json!({
            "host": "127.0.0.1", "port": login.port, "username": username, "password": PASSWORD, "dbname": login.database,
        });
        world.cloud.secrets().put(arn.as_str(), &secret);
    }
}

/// The parameter that applications read, and its value that names the target.
pub fn switch(plan: &DatabasePlan) -> (String, String) {
    match &plan.switch {
        SwitchPoint::Parameter { name, target_value } => (name.clone(), target_value.clone()),
        SwitchPoint::Route53 { name, .. } => panic!("{name}: the plans of this test switch a parameter"),
    }
}
