//! PostgreSQL, for real: what closes a database, what opens it, and what proves that two are equal.

mod common;

use common::{PASSWORD, Reconnecting, connect, login, refusal};
use landfall_aws::database::{Database, DatabaseError, Login};
use landfall_domain::database::{Closed, KeepOpen, Probe, SequenceValue, TableName};
use landfall_domain::plan::database::Engine;
use landfall_domain::record::FreezeRecord;
use landfall_servers::postgres::Server;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::sync::atomic::Ordering;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);

/// A server with the logins of a migration and a small shop.
struct Shop {
    server: Server,
}

impl Shop {
    async fn open() -> Self {
        let shop = Self {
            server: Server::start(),
        };
        shop.run(&format!(
            "CREATE ROLE landfall LOGIN SUPERUSER PASSWORD '{PASSWORD}';
             CREATE ROLE fence LOGIN PASSWORD '{PASSWORD}';
             CREATE ROLE dms LOGIN REPLICATION SUPERUSER PASSWORD '{PASSWORD}';
             CREATE ROLE app LOGIN PASSWORD '{PASSWORD}';
             CREATE ROLE batch LOGIN SUPERUSER PASSWORD '{PASSWORD}';
             CREATE ROLE retired NOLOGIN PASSWORD '{PASSWORD}';
             CREATE SCHEMA shop AUTHORIZATION app;
             CREATE TABLE shop.orders (id bigserial PRIMARY KEY, what text NOT NULL);
             ALTER TABLE shop.orders OWNER TO app;
             INSERT INTO shop.orders (what) SELECT 'order ' || n FROM generate_series(1, 50) n;"
        ))
        .await;
        let mut admin = shop.as_login("landfall").await;
        admin
            .create_fence_table(&fence(), "fence")
            .await
            .expect("a fence table");
        shop
    }

    fn login(&self, username: &str) -> Login {
        let password = if username == Server::SUPERUSER {
            Server::PASSWORD
        } else {
            PASSWORD
        };
        login(Engine::Postgres, self.server.port, "postgres", username, password)
    }

    async fn as_login(&self, username: &str) -> Box<dyn Database> {
        connect(&self.login(username)).await
    }

    /// A plain connection.
    async fn session(&self, username: &str) -> PgConnection {
        let login = self.login(username);
        let options = PgConnectOptions::new_without_pgpass()
            .host(&login.host)
            .port(login.port)
            .username(&login.username)
            .password(login.password.expose())
            .database(&login.database);
        options.connect().await.expect("a session")
    }

    async fn run(&self, statements: &str) {
        let mut session = self.session(Server::SUPERUSER).await;
        session
            .execute(AssertSqlSafe(statements))
            .await
            .unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    async fn can_log_in(&self, role: &str) -> bool {
        let mut session = self.session("landfall").await;
        let query = sqlx::query_scalar("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1").bind(role);
        query.fetch_one(&mut session).await.expect("a role")
    }
}

fn fence() -> TableName {
    TableName::new("shop", "landfall_fence")
}

fn keep() -> KeepOpen {
    KeepOpen {
        logins: ["landfall", "fence", "dms", Server::SUPERUSER]
            .map(str::to_owned)
            .to_vec(),
    }
}

async fn close(admin: &mut Box<dyn Database>, id: &str) -> (FreezeRecord, Closed) {
    let record = admin.plan_closing(&keep()).await.expect("a record");
    let closed = admin
        .close(&fence(), id, &record, &keep(), WITHIN)
        .await
        .expect("a closing");
    (record, closed)
}

#[tokio::test]
async fn applications_are_shut_out_privileged_and_reconnecting_ones_too_and_the_fence_writer_is_not() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let mut steady = shop.as_login("app").await;
    assert_eq!(steady.probe().await, Ok(Probe::Accepted));
    let client = Reconnecting::start(shop.login("batch"));
    client.tries(10).await;
    let (record, closed) = close(&mut admin, "c-1").await;
    let Closed::Empty { ended } = closed else {
        panic!("{closed:?}")
    };
    assert!(
        ended >= 2,
        "the steady session and the reconnecting ones were ended: {ended}"
    );
    assert!(record.logins.iter().any(|login| login.name == "batch" && login.exempt));
    let entered = client.entered.load(Ordering::Relaxed);
    client.tries(20).await;
    assert_eq!(
        client.entered.load(Ordering::Relaxed),
        entered,
        "nobody came in after the closing"
    );
    client.end().await;
    assert!(steady.probe().await.is_err(), "the session is gone");
    assert!(refusal(&shop.login("app")).await.contains("not permitted to log in"));
    refusal(&shop.login("batch")).await;
    let mut writer = shop.as_login("fence").await;
    writer
        .write_fence(&fence(), "f-1")
        .await
        .expect("the fence writer writes");
    writer.write_fence(&fence(), "f-1").await.expect("the same fence again");
    let wanted = ["f-0".to_owned(), "f-1".to_owned()];
    assert_eq!(admin.read_fences(&fence(), &wanted).await, Ok(vec!["f-1".to_owned()]));
}

#[tokio::test]
async fn opening_restores_exactly_what_was_there() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let (record, _) = close(&mut admin, "c-1").await;
    assert!(!shop.can_log_in("app").await);
    assert_eq!(admin.open(&fence(), "c-1", &record).await, Ok(Vec::new()));
    assert!(shop.can_log_in("app").await && shop.can_log_in("batch").await);
    assert!(
        !shop.can_log_in("retired").await,
        "a role that could not log in before cannot now"
    );
    assert_eq!(shop.as_login("app").await.probe().await, Ok(Probe::Accepted));
    assert_eq!(
        admin.open(&fence(), "c-1", &record).await,
        Ok(Vec::new()),
        "opening again changes nothing"
    );
}

#[tokio::test]
async fn a_closing_that_comes_late_changes_nothing_of_what_was_opened_since() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let record = admin.plan_closing(&keep()).await.expect("a record");
    admin
        .open(&fence(), "c-1", &record)
        .await
        .expect("an opening before the closing");
    let mut late = shop.as_login("landfall").await;
    let closed = late.close(&fence(), "c-1", &record, &keep(), WITHIN).await;
    assert_eq!(closed, Err(DatabaseError::Superseded { id: "c-1".to_owned() }));
    assert_eq!(shop.as_login("app").await.probe().await, Ok(Probe::Accepted));
}

#[tokio::test]
async fn closing_again_goes_on_where_it_was() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let (record, _) = close(&mut admin, "c-1").await;
    let again = admin.close(&fence(), "c-1", &record, &keep(), WITHIN).await;
    assert_eq!(again, Ok(Closed::Empty { ended: 0 }));
    refusal(&shop.login("app")).await;
}

#[tokio::test]
async fn a_prepared_transaction_holds_the_closing_and_nothing_is_changed() {
    let shop = Shop::open().await;
    let mut app = shop.session("app").await;
    for text in [
        "BEGIN",
        "INSERT INTO shop.orders (what) VALUES ('half')",
        "PREPARE TRANSACTION 'two-phase'",
    ] {
        app.execute(text).await.expect("a prepared transaction");
    }
    let mut admin = shop.as_login("landfall").await;
    let (_, closed) = close(&mut admin, "c-1").await;
    assert_eq!(
        closed,
        Closed::Held {
            why: vec!["two-phase".to_owned()]
        }
    );
    assert!(shop.can_log_in("app").await);
    assert_eq!(shop.as_login("app").await.probe().await, Ok(Probe::Accepted));
}

#[tokio::test]
async fn replication_goes_on_while_the_source_is_closed() {
    let (shop, target) = (Shop::open().await, Shop::open().await);
    target.run("TRUNCATE shop.orders").await;
    shop.run("CREATE PUBLICATION moving FOR TABLE shop.orders, shop.landfall_fence")
        .await;
    let port = shop.server.port;
    target
        .run(&format!(
            "CREATE SUBSCRIPTION moving CONNECTION 'host=127.0.0.1 port={port} user=dms password={PASSWORD} dbname=postgres' PUBLICATION moving"
        ))
        .await;
    let mut admin = shop.as_login("landfall").await;
    let (_, closed) = close(&mut admin, "c-1").await;
    assert!(matches!(closed, Closed::Empty { .. }), "{closed:?}");
    shop.as_login("fence")
        .await
        .write_fence(&fence(), "f-1")
        .await
        .expect("a fence");
    let mut there = target.as_login("landfall").await;
    let ids = ["f-1".to_owned()];
    let arrived = tokio::time::timeout(Duration::from_secs(30), async {
        while there.read_fences(&fence(), &ids).await.expect("a look").is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    arrived
        .await
        .expect("the fence arrives although everybody else is shut out");
    let source = admin.table_sum(&TableName::new("shop", "orders")).await.expect("a sum");
    let copy = there.table_sum(&TableName::new("shop", "orders")).await.expect("a sum");
    assert_eq!(
        (source.rows, &source),
        (50, &copy),
        "the same rows have the same sum on another server"
    );
    target.run("DROP SUBSCRIPTION moving").await;
}

#[tokio::test]
async fn a_row_that_differs_changes_the_sum() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let orders = TableName::new("shop", "orders");
    let before = admin.table_sum(&orders).await.expect("a sum");
    shop.run("UPDATE shop.orders SET what = 'else' WHERE id = 7").await;
    let after = admin.table_sum(&orders).await.expect("a sum");
    assert_eq!(before.rows, after.rows);
    assert_ne!(before.checksum, after.checksum);
}

#[tokio::test]
async fn a_changed_schema_changes_the_fingerprint_and_changed_rows_do_not() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let tables = [TableName::new("shop", "orders")];
    let first = admin.fingerprint(&tables).await.expect("a fingerprint");
    shop.run("DELETE FROM shop.orders WHERE id < 10").await;
    assert_eq!(admin.fingerprint(&tables).await.as_ref(), Ok(&first));
    shop.run("ALTER TABLE shop.orders ADD COLUMN note text").await;
    assert_ne!(admin.fingerprint(&tables).await.as_ref(), Ok(&first));
}

#[tokio::test]
async fn sequences_only_go_forward() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let schemas = ["shop".to_owned()];
    let found = admin.sequences(&schemas).await.expect("sequences");
    let name = TableName::new("shop", "orders_id_seq");
    assert_eq!(
        found,
        [SequenceValue {
            name: name.clone(),
            last_value: 50,
            increment: 1
        }]
    );
    admin.advance_sequences(&found, 1000).await.expect("forward");
    let older = SequenceValue {
        name,
        last_value: 10,
        increment: 1,
    };
    admin.advance_sequences(&[older], 5).await.expect("no step back");
    assert_eq!(admin.sequences(&schemas).await.expect("sequences")[0].last_value, 1050);
}

#[tokio::test]
async fn a_target_is_made_ready_and_what_does_not_hold_is_named() {
    let shop = Shop::open().await;
    shop.run(
        "CREATE TABLE shop.lines (id int PRIMARY KEY, order_id bigint);
         CREATE FUNCTION shop.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER audit BEFORE INSERT ON shop.lines FOR EACH ROW EXECUTE FUNCTION shop.nothing();
         ALTER TABLE shop.lines DISABLE TRIGGER audit;
         INSERT INTO shop.lines VALUES (1, 4711);
         ALTER TABLE shop.lines ADD CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES shop.orders NOT VALID;",
    )
    .await;
    let mut admin = shop.as_login("landfall").await;
    let tables = [TableName::new("shop", "orders"), TableName::new("shop", "lines")];
    let readiness = admin.make_ready(&tables).await.expect("a readiness");
    assert!(
        readiness.done.iter().any(|line| line.contains("audit")),
        "{readiness:?}"
    );
    assert_eq!(readiness.missing.len(), 1, "{readiness:?}");
    assert!(readiness.missing[0].contains("of_order"));
    shop.run("DELETE FROM shop.lines").await;
    assert_eq!(
        admin.make_ready(&tables).await.expect("a readiness").missing,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_preflight_sees_what_replication_would_stumble_over() {
    let shop = Shop::open().await;
    shop.run(
        "CREATE TABLE shop.visits (at timestamptz, page text);
         INSERT INTO shop.visits VALUES (now(), repeat('x', 70000));
         ANALYZE;",
    )
    .await;
    let mut admin = shop.as_login("landfall").await;
    let seen = admin
        .inspect(&["shop".to_owned()], &keep())
        .await
        .expect("an inspection");
    let visits = seen
        .tables
        .iter()
        .find(|table| table.name.table == "visits")
        .expect("the table");
    assert!(!visits.has_key && !visits.full_identity);
    assert_eq!(visits.largest_lob_bytes, Some(70_000));
    assert!(
        seen.tables
            .iter()
            .any(|table| table.name.table == "orders" && table.has_key && table.rows_estimate == 50)
    );
    assert_eq!(seen.exempt_logins, ["batch"]);
    assert!(seen.version.starts_with("PostgreSQL 1"));
    assert_eq!(seen.log_problems, Vec::<String>::new());
}

#[tokio::test]
async fn what_replication_left_is_found_and_ended_and_what_is_not_its_own_is_refused() {
    let shop = Shop::open().await;
    shop.run(
        "SELECT pg_create_logical_replication_slot('forgotten', 'test_decoding');
         CREATE TABLE public.awsdms_apply_exceptions (\"TASK_NAME\" text);
         INSERT INTO public.awsdms_apply_exceptions VALUES ('t');",
    )
    .await;
    let mut admin = shop.as_login("landfall").await;
    assert_eq!(admin.apply_exceptions().await, Ok(1));
    let left = admin.leftovers().await.expect("a look");
    assert_eq!(left, ["slot:forgotten", "table:public.awsdms_apply_exceptions"]);
    for leftover in &left {
        admin.end_leftover(leftover).await.expect("an end");
    }
    assert_eq!(admin.leftovers().await, Ok(Vec::new()));
    assert!(admin.end_leftover("database:postgres").await.is_err());
    assert_eq!(admin.apply_exceptions().await, Ok(0));
}

#[tokio::test]
async fn an_error_names_the_login_and_never_its_password() {
    let shop = Shop::open().await;
    let mut wrong = shop.login("app");
    wrong.password = landfall_aws::database::Password::new("not the password");
    let error = landfall_aws::database::Databases::connect(&landfall_database::SqlDatabases, &wrong)
        .await
        .err();
    let text = format!("{:?} {}", error, error.as_ref().expect("a refusal"));
    assert!(text.contains("app") && !text.contains("not the password"), "{text}");
}
