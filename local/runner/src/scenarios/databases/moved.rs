//! Databases move, whatever does not keep them from it.

use super::*;
use crate::world::{APPLICATION_LOGIN, Notice};
use landfall_cloud::databases::Sequence;
use landfall_cloud::{CallRecord, EventKnobs};
use landfall_domain::database::TableName;
use landfall_domain::record::{ApprovalKind, Decision};
use landfall_domain::report::WaveOutcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Servers and a database in one wave.
pub(super) const TOGETHER: Scenario = Scenario {
    name: "database",
    about: "two servers and a PostgreSQL database move in one wave, and nothing goes wrong",
    program: || {
        let mut wave = plans::wide_wave(WAVE, 1, 2, 2);
        wave.bake_minutes = 5;
        program_of(plans::with_database(wave, plans::database(SHOP, WAVE)))
    },
    expect: |expect| {
        expect.migrated(expect.wave(0), &[]);
        everything_moved(expect);
    },
    ..CALM
};

/// Databases without servers.
pub(super) const ALONE: Scenario = Scenario {
    name: "databases-alone",
    about: "a PostgreSQL database behind DNS and a MySQL database behind a parameter move in a wave without servers",
    program: two,
    expect: |expect| {
        everything_moved(expect);
        let told = |call: &&CallRecord| call.caller == "on-event" && call.operation == "SendTaskSuccess";
        let told = expect.evidence.calls.iter().filter(told).count();
        expect.that(told > 0, || "no event of DMS hastened anything".to_owned());
    },
    ..CALM
};

/// No event arrives.
pub(super) const EVENTS_LOST: Scenario = Scenario {
    name: "database-events-lost",
    about: "no event of DMS arrives, and the databases move all the same",
    program: two,
    knobs: || Knobs {
        events: EventKnobs::drop_all(),
        ..Knobs::default()
    },
    expect: everything_moved,
    ..CALM
};

/// An application that read-only mode does not stop.
pub(super) const PRIVILEGED: Scenario = Scenario {
    name: "database-privileged",
    about: "the application's login on MySQL passes read-only mode: it is locked, and shut out all the same",
    program: || program_of(wave_of(&[plans::mysql_database(SHOP, WAVE)])),
    prepare: |world| {
        let database = world.database(SHOP);
        for host in [&database.source_host, &database.target_host] {
            let databases = world.cloud.databases();
            let login = databases.login(host, APPLICATION_LOGIN).expect("it was set up");
            databases.add_login(host, login.privileged());
        }
        applications(world);
    },
    expect: |expect| {
        everything_moved(expect);
        let report = expect.database(expect.wave(0), SHOP);
        let told = report.is_some_and(|report| report.findings.iter().any(|one| one.contains("privileged")));
        expect.that(told, || {
            "the report does not say that the login is privileged".to_owned()
        });
    },
    ..CALM
};

/// A client that does not give up.
pub(super) const RECONNECTING: Scenario = Scenario {
    name: "database-reconnects",
    about: "a client connects a hundred times a second while its database is cut over, and is on one side at a time",
    prepare: |world| {
        applications(world);
        let (outside, begun) = (world.outside(), AtomicBool::new(false));
        world.listen(Arc::new(move |_, notice| {
            let here = matches!(notice, Notice::Entered { state, .. } if state == "AwaitLag");
            if let (true, Some(world)) = (here && !begun.swap(true, Ordering::Relaxed), outside.world()) {
                let mut client = world.application(SHOP).hammering();
                client.name = "impatient".to_owned();
                client.until = world.now().checked_add(Duration::from_secs(180)).ok();
                world.cloud.databases().start_writer(client);
            }
        }));
    },
    expect: |expect| {
        everything_moved(expect);
        let rows = expect.acknowledged_to("impatient");
        let database = expect.world.database(SHOP);
        for host in [database.source_host, database.target_host] {
            let there = rows.iter().filter(|row| row.host == host).count();
            expect.that(there > 100, || format!("the client wrote {there} rows on {host}"));
        }
    },
    ..CALM
};

/// Between different engines those who convert the schema also see that no key is given twice.
fn count_far(world: &World) {
    let far = Sequence {
        last_value: Some(1_000_000),
        increment: 1,
    };
    let host = world.database(SHOP).target_host;
    let sequence = TableName::new(SHOP, "orders_id_seq");
    world.cloud.databases().add_sequence(&host, sequence, far);
}

/// Another engine's schema.
pub(super) const CONVERTED: Scenario = Scenario {
    name: "database-conversion",
    about: "the schema is converted first; what the conversion leaves to people is approved, and the database moves",
    program: || {
        shop(|database| {
            database.source = plans::mysql_database(SHOP, WAVE).source;
            database.schema_conversion = serde_json::from_value(json!({
                "migrationProjectIdentifier": "shop-conversion",
                "schemas": [SHOP],
            }))
            .expect("a schema conversion");
        })
    },
    prepare: |world| {
        applications(world);
        let mut knobs = world.cloud.dms().knobs();
        let said = "2 objects were not converted: procedure shop.close_day, trigger shop.audit";
        knobs
            .conversion_remarks
            .insert("StartMetadataModelConversion".to_owned(), said.to_owned());
        world.cloud.dms().set_knobs(knobs);
        count_far(world);
    },
    expect: |expect| {
        everything_moved(expect);
        expect.answered(expect.wave(0), ApprovalKind::SchemaConversion, Decision::Approved);
        let report = expect.database(expect.wave(0), SHOP);
        let told = report.is_some_and(|report| report.findings.iter().any(|one| one.contains("whoever converts")));
        expect.that(told, || "the report does not say who sets the sequences".to_owned());
    },
    ..CALM
};

/// An engine that Landfall does not speak to.
pub(super) const DOCUMENT: Scenario = Scenario {
    name: "database-document",
    about: "an Oracle database is closed, fenced and proven closed by its owners' document, and moves to PostgreSQL",
    program: || program_of(wave_of(&[plans::oracle_database(SHOP, WAVE)])),
    prepare: |world| {
        applications(world);
        count_far(world);
    },
    expect: |expect| {
        everything_moved(expect);
        for function in ["wait-for-cdc-lag", "freeze-source"] {
            let sent = |call: &&CallRecord| call.caller == function && call.operation == "SendCommand";
            let sent = expect.evidence.calls.iter().filter(sent).count();
            expect.that(sent > 0, || format!("{function} never asked the document"));
        }
    },
    ..CALM
};

/// Metrics that read 0, and changes that come late after the freeze.
pub(super) const LATE_FENCE: Scenario = Scenario {
    name: "database-late-fence",
    about: "the metrics read 0 and the last changes arrive 20 s after the freeze: the switch waits for the fence",
    prepare: |world| {
        trouble(world, When::Always, What::ZeroMetrics);
        let late = What::ApplyDelay(Duration::from_secs(20));
        let dms = world.cloud.dms();
        dms.add_trouble(Trouble::new(When::SourceClosed, late));
    },
    expect: |expect| {
        everything_moved(expect);
        let report = expect.database(expect.wave(0), SHOP);
        let drain = report.and_then(|report| Some(report.downtime.as_ref()?.drain_ms));
        let waited = drain.is_some_and(|ms| (19_000..40_000).contains(&ms));
        expect.that(waited, || {
            format!("the drain took {drain:?} ms, so the fence was not late")
        });
    },
    ..CALM
};

/// More time than one invocation has.
pub(super) const SLOW: Scenario = Scenario {
    name: "database-slow",
    about: "the last changes arrive 70 s after the freeze and are compared a minute later, which the plan allows: the database moves",
    program: || {
        shop(|database| {
            database.freeze.deadline_seconds = 600;
            database.verify.budget_seconds = 120;
        })
    },
    prepare: |world| {
        trouble(world, When::SourceClosed, What::ApplyDelay(Duration::from_secs(70)));
        let compares = What::Revalidates(Duration::from_secs(130));
        world
            .cloud
            .dms()
            .add_trouble(Trouble::new(When::SourceClosed, compares));
    },
    expect: |expect| {
        let wave = expect.wave(0);
        everything_answered(expect);
        expect.database_moved_within(wave, &wave.databases[0], 200_000);
        let report = expect.database(expect.wave(0), SHOP);
        let downtime = report.and_then(|report| report.downtime.clone());
        let slow = downtime
            .as_ref()
            .is_some_and(|one| one.drain_ms > 60_000 && one.verify_ms > 50_000);
        expect.that(slow, || {
            format!("neither drain nor verification took longer than one invocation looks: {downtime:?}")
        });
    },
    ..CALM
};

fn two() -> ProgramPlan {
    let mut shop = plans::database(SHOP, WAVE);
    shop.switch = serde_json::from_value(json!({ "route53": {
        "hostedZoneId": "Z08421693KQ7EXAMPLE1",
        "name": "db.shop.example.com",
        "targetValue": "shop.target.example",
    }}))
    .expect("a switch point");
    program_of(wave_of(&[shop, plans::mysql_database("stock", WAVE)]))
}

fn everything_answered(expect: &mut Expect<'_>) {
    let wave = expect.wave(0);
    expect.outcome(wave, WaveOutcome::Completed);
    expect.answered(wave, ApprovalKind::Cutover, Decision::Approved);
    expect.answered(wave, ApprovalKind::Finalize, Decision::Approved);
    expect.never_asked(wave, ApprovalKind::Rollback);
}

fn everything_moved(expect: &mut Expect<'_>) {
    let wave = expect.wave(0);
    everything_answered(expect);
    for database in &wave.databases {
        expect.database_moved(wave, database);
    }
}
