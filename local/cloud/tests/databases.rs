//! Simulated databases behind the port, the applications that write to them, and what a freeze needs beside them: secrets,
//! parameters, schedules.

mod common;

#[path = "databases/beside.rs"]
mod beside;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::cloud;
use landfall_aws::database::{Database, DatabaseError, Login, Password};
use landfall_cloud::databases::{
    Change, LoginSpec, Place, Role, Row, Sequence, ServerSpec, Table, WriterKind, WriterSpec,
};
use landfall_cloud::{Caller, Cloud, Fault};
use landfall_domain::database::{Closed, KeepOpen, Probe, TableName};
use landfall_domain::plan::database::Engine;
use serde_json::{Value, json};

const HOST: &str = "db.example";
const WITHIN: Duration = Duration::from_secs(5);

fn orders() -> TableName {
    TableName::new("shop", "orders")
}

fn fence() -> TableName {
    TableName::new("shop", "landfall_fence")
}

fn keep() -> KeepOpen {
    KeepOpen {
        logins: ["landfall", "fence", "dms"].map(str::to_owned).to_vec(),
    }
}

/// A server with a table, a login for each purpose, and a batch job's that passes read-only mode.
fn serve(cloud: &Cloud, engine: Engine) {
    let mut server = ServerSpec::new(HOST, engine, "shop");
    for (name, role) in [
        ("landfall", Role::Admin),
        ("fence", Role::FenceWriter),
        ("dms", Role::Replication),
        ("app", Role::Application),
    ] {
        server.logins.push(LoginSpec::new(name, "secret", role));
    }
    server
        .logins
        .push(LoginSpec::new("batch", "secret", Role::Application).privileged());
    cloud.databases().add_server(server);
    cloud.databases().add_table(HOST, orders(), Table::keyed());
    let sequence = Sequence {
        last_value: None,
        increment: 1,
    };
    let name = if engine == Engine::Postgres {
        "orders_id_seq"
    } else {
        "orders"
    };
    cloud
        .databases()
        .add_sequence(HOST, TableName::new("shop", name), sequence);
}

fn login(engine: Engine, username: &str) -> Login {
    Login {
        engine,
        host: HOST.to_owned(),
        port: 5432,
        database: "shop".to_owned(),
        username: username.to_owned(),
        password: Password::new("secret"),
        encrypted: true,
    }
}

async fn try_connect(cloud: &Cloud, engine: Engine, username: &str) -> Result<Box<dyn Database>, DatabaseError> {
    let databases = cloud.databases_for(&Caller::new("test", 1));
    databases.connect(&login(engine, username)).await
}

async fn connect(cloud: &Cloud, engine: Engine, username: &str) -> Box<dyn Database> {
    try_connect(cloud, engine, username).await.expect("a connection")
}

fn application(name: &str, login: &str) -> WriterSpec {
    WriterSpec::steady(name, login, Place::Host(HOST.to_owned()), orders())
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_closing_shuts_every_application_out_and_an_opening_restores_what_was() {
    for engine in [Engine::Postgres, Engine::Mysql] {
        let cloud = cloud();
        serve(&cloud, engine);
        let databases = cloud.databases();
        databases.add_login(
            HOST,
            LoginSpec {
                can_log_in: false,
                ..LoginSpec::new("old", "secret", Role::Application)
            },
        );
        let writers = [
            databases.start_writer(application("steady", "app")),
            databases.start_writer(application("hammer", "app").hammering()),
            databases.start_writer(application("batch", "batch")),
        ];
        seconds(2).await;
        let mut admin = connect(&cloud, engine, "landfall").await;
        let record = admin.plan_closing(&keep()).await.expect("a plan");
        let closed = admin.close(&fence(), "c1", &record, &keep(), WITHIN).await;
        assert!(
            matches!(closed, Ok(Closed::Empty { ended }) if ended >= 2),
            "{engine:?}: {closed:?}"
        );
        let rows = databases.acknowledged().len();
        assert!(matches!(
            try_connect(&cloud, engine, "app").await,
            Err(DatabaseError::LoginRefused { .. })
        ));
        seconds(5).await;
        assert_eq!(
            databases.acknowledged().len(),
            rows,
            "{engine:?}: somebody wrote while it was closed"
        );
        assert_eq!(admin.open(&fence(), "c1", &record).await, Ok(Vec::new()));
        seconds(1).await;
        assert!(databases.acknowledged().len() > rows + 10);
        assert_eq!(connect(&cloud, engine, "app").await.probe().await, Ok(Probe::Accepted));
        assert_eq!(databases.login(HOST, "old").map(|login| login.can_log_in), Some(false));
        for row in databases.acknowledged() {
            assert_eq!(databases.row(HOST, &row.table, &row.key).as_ref(), Some(&row.row));
        }
        writers.iter().for_each(|writer| writer.stop());
        let rows = databases.acknowledged().len();
        seconds(5).await;
        assert_eq!(
            databases.acknowledged().len(),
            rows,
            "a stopped application writes no more"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_closing_that_was_opened_since_closes_nothing() {
    for engine in [Engine::Postgres, Engine::Mysql] {
        let cloud = cloud();
        serve(&cloud, engine);
        let mut admin = connect(&cloud, engine, "landfall").await;
        let record = admin.plan_closing(&keep()).await.expect("a plan");
        admin
            .open(&fence(), "c1", &record)
            .await
            .expect("an opening before its closing");
        let late = admin.close(&fence(), "c1", &record, &keep(), WITHIN).await;
        assert_eq!(late, Err(DatabaseError::Superseded { id: "c1".to_owned() }));
        assert_eq!(connect(&cloud, engine, "app").await.probe().await, Ok(Probe::Accepted));
        // One that is still ending sessions, because somebody has come who is not on its record.
        cloud
            .databases()
            .add_login(HOST, LoginSpec::new("new", "secret", Role::Application));
        let writer = cloud.databases().start_writer(application("new", "new").hammering());
        let mut other = connect(&cloud, engine, "landfall").await;
        let (closing, keep, fence) = (record.clone(), keep(), fence());
        let closing = admin.close(&fence, "c2", &closing, &keep, WITHIN);
        let opening = async {
            seconds(1).await;
            other.open(&fence, "c2", &record).await
        };
        let (closed, opened) = tokio::join!(closing, opening);
        assert_eq!(closed, Err(DatabaseError::Superseded { id: "c2".to_owned() }));
        assert_eq!(opened, Ok(Vec::new()));
        assert_eq!(connect(&cloud, engine, "app").await.probe().await, Ok(Probe::Accepted));
        writer.stop();
    }
}

#[tokio::test(start_paused = true)]
async fn a_prepared_transaction_holds_the_closing_and_nothing_is_changed() {
    let cloud = cloud();
    serve(&cloud, Engine::Postgres);
    let mut spec = application("two-phase", "app");
    spec.kind = WriterKind::Prepared("tx-1".to_owned());
    cloud.databases().start_writer(spec);
    seconds(1).await;
    let mut admin = connect(&cloud, Engine::Postgres, "landfall").await;
    let record = admin.plan_closing(&keep()).await.expect("a plan");
    let closed = admin.close(&fence(), "c1", &record, &keep(), WITHIN).await;
    assert_eq!(
        closed,
        Ok(Closed::Held {
            why: vec!["tx-1".to_owned()]
        })
    );
    assert_eq!(
        connect(&cloud, Engine::Postgres, "app").await.probe().await,
        Ok(Probe::Accepted)
    );
    assert!(cloud.databases().acknowledged().is_empty());
    assert!(cloud.databases().commit_prepared(HOST, "tx-1"));
    assert_eq!(cloud.databases().acknowledged().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_closing_cuts_off_was_never_acknowledged() {
    let cloud = cloud();
    serve(&cloud, Engine::Postgres);
    let mut spec = application("slow", "app");
    spec.kind = WriterKind::LongTransaction(Duration::from_secs(30));
    cloud.databases().start_writer(spec);
    seconds(10).await;
    let mut admin = connect(&cloud, Engine::Postgres, "landfall").await;
    let open = admin
        .open_transactions(Duration::from_secs(5))
        .await
        .expect("transactions");
    assert_eq!(open.iter().map(|one| one.login.as_str()).collect::<Vec<_>>(), ["app"]);
    let record = admin.plan_closing(&keep()).await.expect("a plan");
    admin
        .close(&fence(), "c1", &record, &keep(), WITHIN)
        .await
        .expect("closed");
    seconds(60).await;
    assert!(cloud.databases().acknowledged().is_empty());
    assert_eq!(
        cloud.databases().table(HOST, &orders()).expect("the table").rows.len(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn read_only_mode_lets_those_pass_who_are_exempt() {
    let cloud = cloud();
    serve(&cloud, Engine::Mysql);
    let mut admin = connect(&cloud, Engine::Mysql, "landfall").await;
    let record = admin.plan_closing(&keep()).await.expect("a plan");
    assert_eq!(record.method, "account locks and read-only mode");
    admin
        .create_fence_table(&fence(), "fence")
        .await
        .expect("a fence table");
    admin
        .close(&fence(), "c1", &record, &keep(), WITHIN)
        .await
        .expect("closed");
    for (name, spec) in [
        ("late", LoginSpec::new("late", "secret", Role::Application)),
        (
            "late_batch",
            LoginSpec::new("late_batch", "secret", Role::Application).privileged(),
        ),
    ] {
        cloud.databases().add_login(HOST, spec);
        let probe = connect(&cloud, Engine::Mysql, name)
            .await
            .probe()
            .await
            .expect("an answer");
        assert_eq!(probe == Probe::Accepted, name == "late_batch", "{name}: {probe:?}");
    }
    connect(&cloud, Engine::Mysql, "fence")
        .await
        .write_fence(&fence(), "f1")
        .await
        .expect("a fence");
}

#[tokio::test(start_paused = true)]
async fn the_fence_writer_writes_fences_and_replication_reads_them_in_the_log() {
    let cloud = cloud();
    serve(&cloud, Engine::Postgres);
    let mut admin = connect(&cloud, Engine::Postgres, "landfall").await;
    admin
        .create_fence_table(&fence(), "fence")
        .await
        .expect("a fence table");
    let before = cloud.databases().position(HOST);
    let mut writer = connect(&cloud, Engine::Postgres, "fence").await;
    for _ in 0..2 {
        writer.write_fence(&fence(), "f1").await.expect("a fence");
    }
    assert!(matches!(
        writer.plan_closing(&keep()).await,
        Err(DatabaseError::Refused { .. })
    ));
    let commits = cloud.databases().changes_since(HOST, before);
    assert_eq!(commits.len(), 1, "the same fence again changes nothing");
    assert!(matches!(&commits[0].changes[..], [Change::Insert { key, .. }] if key == "f1"));
    let insert = Change::Insert {
        table: orders(),
        key: "1".to_owned(),
        row: Row::new("x"),
    };
    cloud
        .databases()
        .apply(HOST, "dms", vec![insert.clone()])
        .expect("applied");
    cloud
        .databases()
        .apply(HOST, "dms", vec![insert])
        .expect_err("the key is taken");
    let text = admin.log_position().await.expect("a position");
    assert_eq!(
        cloud.databases().position_of(HOST, &text),
        Some(cloud.databases().position(HOST))
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_port_pass_the_ledger_without_passwords() {
    let cloud = cloud();
    serve(&cloud, Engine::Postgres);
    connect(&cloud, Engine::Postgres, "landfall")
        .await
        .create_fence_table(&fence(), "fence")
        .await
        .expect("a table");
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let bodies = seen.clone();
    cloud.set_faults(Some(Arc::new(move |call| {
        bodies.lock().expect("no panic").push(call.body.clone());
        if call.operation == "write_fence" {
            Fault::KillAfter
        } else {
            Fault::None
        }
    })));
    let mut writer = connect(&cloud, Engine::Postgres, "fence").await;
    let killed = tokio::time::timeout(WITHIN, writer.write_fence(&fence(), "f1")).await;
    assert!(killed.is_err(), "the dead learn nothing");
    assert!(
        cloud.databases().row(HOST, &fence(), "f1").is_some(),
        "and what they asked for is done"
    );
    let seen = seen.lock().expect("no panic");
    assert!(
        seen.len() == 2 && !json!(*seen).to_string().contains("secret"),
        "{seen:?}"
    );
    let calls: Vec<_> = cloud
        .calls()
        .into_iter()
        .map(|call| (call.service, call.operation))
        .collect();
    assert!(calls.contains(&("database".to_owned(), "write_fence".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn an_application_follows_its_switch_point_when_its_session_ends() {
    let cloud = cloud();
    serve(&cloud, Engine::Postgres);
    let databases = cloud.databases();
    let mut target = ServerSpec::new("target.example", Engine::AuroraPostgres, "shop");
    target.logins.push(LoginSpec::new("app", "secret", Role::Application));
    databases.add_server(target);
    let renamed = TableName::new("store", "orders");
    databases.add_table("target.example", renamed.clone(), Table::keyed());
    cloud.fleet().parameters().set("/shop/host", HOST);
    let parameters = cloud.fleet().parameters().clone();
    let mut spec = application("follower", "app");
    spec.place = Place::Follow(Arc::new(move || parameters.value("/shop/host")));
    spec.elsewhere = BTreeMap::from([("target.example".to_owned(), renamed)]);
    let writer = databases.start_writer(spec);
    seconds(1).await;
    cloud.fleet().parameters().set("/shop/host", "target.example");
    seconds(1).await;
    assert!(
        writer.acknowledged().iter().all(|row| row.host == HOST),
        "an open session stays where it is"
    );
    let mut admin = connect(&cloud, Engine::Postgres, "landfall").await;
    let record = admin.plan_closing(&keep()).await.expect("a plan");
    admin
        .close(&fence(), "c1", &record, &keep(), WITHIN)
        .await
        .expect("closed");
    seconds(1).await;
    let last = writer.acknowledged().pop().expect("rows");
    assert_eq!(
        (last.host.as_str(), last.table.schema.as_str()),
        ("target.example", "store")
    );
}
