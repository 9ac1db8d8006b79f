//! MariaDB, for real: what closes a database, what opens it, and what proves that two are equal.

mod common;

use common::{PASSWORD, Reconnecting, connect, login, refusal};
use landfall_aws::database::{Database, DatabaseError, Login};
use landfall_domain::database::{Closed, KeepOpen, Probe, SequenceValue, TableName};
use landfall_domain::plan::database::Engine;
use landfall_domain::record::FreezeRecord;
use landfall_servers::mariadb::Server;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use std::sync::atomic::Ordering;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);

/// A server with the accounts of a migration and a small shop.
struct Shop {
    server: Server,
}

impl Shop {
    async fn open() -> Self {
        let shop = Self {
            server: Server::start(),
        };
        shop.run(&format!(
            "CREATE USER landfall@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO landfall@'%' WITH GRANT OPTION;
             CREATE USER fence@'%' IDENTIFIED BY '{PASSWORD}'; GRANT READ ONLY ADMIN ON *.* TO fence@'%';
             CREATE USER dms@'%' IDENTIFIED BY '{PASSWORD}'; GRANT REPLICATION SLAVE, READ ONLY ADMIN ON *.* TO dms@'%';
             CREATE DATABASE shop;
             CREATE USER app@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON shop.* TO app@'%';
             CREATE USER batch@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO batch@'%';
             CREATE USER retired@'%' IDENTIFIED BY '{PASSWORD}' ACCOUNT LOCK;
             CREATE TABLE shop.orders (id bigint AUTO_INCREMENT PRIMARY KEY, what varchar(100), note text);
             INSERT INTO shop.orders (id, what) SELECT seq, concat('order ', seq) FROM seq_1_to_50;"
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
        let (password, database) = if username == Server::SUPERUSER {
            (Server::PASSWORD, "mysql")
        } else {
            (PASSWORD, "shop")
        };
        login(Engine::Mariadb, self.server.port, database, username, password)
    }

    async fn as_login(&self, username: &str) -> Box<dyn Database> {
        connect(&self.login(username)).await
    }

    /// A plain connection.
    async fn session(&self, username: &str) -> MySqlConnection {
        let login = self.login(username);
        let options = MySqlConnectOptions::new()
            .host(&login.host)
            .port(login.port)
            .username(&login.username)
            .password(login.password.expose())
            .database(&login.database);
        options.connect().await.expect("a session")
    }

    async fn run(&self, statements: &str) {
        let mut session = self.session(Server::SUPERUSER).await;
        let done = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut session).await;
        done.unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    async fn number(&self, query: &'static str) -> i64 {
        let mut session = self.session(Server::SUPERUSER).await;
        sqlx::query_scalar(query)
            .fetch_one(&mut session)
            .await
            .expect("a number")
    }
}

fn fence() -> TableName {
    TableName::new("shop", "landfall_fence")
}

fn orders() -> TableName {
    TableName::new("shop", "orders")
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
    assert!(
        record
            .logins
            .iter()
            .any(|login| login.name == "'batch'@'%'" && login.exempt),
        "{record:?}"
    );
    assert!(record.method.contains("read-only"), "{record:?}");
    let entered = client.entered.load(Ordering::Relaxed);
    client.tries(20).await;
    assert_eq!(
        client.entered.load(Ordering::Relaxed),
        entered,
        "nobody came in after the closing"
    );
    client.end().await;
    assert!(steady.probe().await.is_err(), "the session is gone");
    assert!(refusal(&shop.login("app")).await.contains("locked"));
    refusal(&shop.login("batch")).await;
    let mut writer = shop.as_login("fence").await;
    writer
        .write_fence(&fence(), "f-1")
        .await
        .expect("the fence writer writes although the server is read-only");
    writer.write_fence(&fence(), "f-1").await.expect("the same fence again");
    let wanted = ["f-0".to_owned(), "f-1".to_owned()];
    assert_eq!(admin.read_fences(&fence(), &wanted).await, Ok(vec!["f-1".to_owned()]));
}

#[tokio::test]
async fn read_only_mode_shuts_out_an_account_that_was_made_after_the_locks() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    close(&mut admin, "c-1").await;
    shop.run(&format!(
        "CREATE USER late@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON shop.* TO late@'%';"
    ))
    .await;
    let probe = shop.as_login("late").await.probe().await.expect("a probe");
    assert!(matches!(probe, Probe::Refused(_)), "{probe:?}");
}

#[tokio::test]
async fn an_event_does_not_write_on() {
    let shop = Shop::open().await;
    shop.run(
        "SET GLOBAL event_scheduler = ON;
         CREATE EVENT shop.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.orders (what) VALUES ('tick');",
    )
    .await;
    while shop
        .number("SELECT count(*) FROM shop.orders WHERE what = 'tick'")
        .await
        == 0
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut admin = shop.as_login("landfall").await;
    let (record, _) = close(&mut admin, "c-1").await;
    let ticks = shop.number("SELECT count(*) FROM shop.orders").await;
    // An event is due every second; two seconds without one show that it stands still.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(shop.number("SELECT count(*) FROM shop.orders").await, ticks);
    assert_eq!(admin.open(&fence(), "c-1", &record).await, Ok(Vec::new()));
    assert_eq!(
        shop.number("SELECT @@global.event_scheduler = 'ON'").await,
        1,
        "it runs again"
    );
}

#[tokio::test]
async fn a_prepared_transaction_holds_the_closing_and_nothing_is_changed() {
    let shop = Shop::open().await;
    let mut app = shop.session("app").await;
    for text in [
        "XA START 'two-phase'",
        "INSERT INTO orders (what) VALUES ('half')",
        "XA END 'two-phase'",
        "XA PREPARE 'two-phase'",
    ] {
        sqlx::raw_sql(text)
            .execute(&mut app)
            .await
            .expect("a prepared transaction");
    }
    let mut admin = shop.as_login("landfall").await;
    let (_, closed) = close(&mut admin, "c-1").await;
    assert_eq!(
        closed,
        Closed::Held {
            why: vec!["two-phase".to_owned()]
        }
    );
    assert_eq!(shop.as_login("app").await.probe().await, Ok(Probe::Accepted));
}

#[tokio::test]
async fn a_closing_lasts_over_a_restart_of_the_server() {
    let mut shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    close(&mut admin, "c-1").await;
    drop(admin);
    shop.server.restart();
    refusal(&shop.login("app")).await;
    refusal(&shop.login("batch")).await;
}

#[tokio::test]
async fn opening_restores_exactly_what_was_there() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let (record, _) = close(&mut admin, "c-1").await;
    assert_eq!(shop.number("SELECT @@global.read_only").await, 1);
    assert_eq!(admin.open(&fence(), "c-1", &record).await, Ok(Vec::new()));
    assert_eq!(shop.number("SELECT @@global.read_only").await, 0);
    assert_eq!(shop.as_login("app").await.probe().await, Ok(Probe::Accepted));
    assert_eq!(shop.as_login("batch").await.probe().await, Ok(Probe::Accepted));
    refusal(&shop.login("retired")).await;
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
async fn an_opening_ends_a_closing_that_still_works() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let record = admin.plan_closing(&keep()).await.expect("a record");
    // A login that is not in the record comes back for ever, so this closing works for as long as it is let.
    let partial = FreezeRecord {
        logins: Vec::new(),
        ..record.clone()
    };
    let client = Reconnecting::start(shop.login("app"));
    let mut slow = shop.as_login("landfall").await;
    let closing = tokio::spawn(async move {
        slow.close(&fence(), "c-1", &partial, &keep(), Duration::from_secs(60))
            .await
    });
    client.tries(30).await;
    assert_eq!(admin.open(&fence(), "c-1", &record).await, Ok(Vec::new()));
    let ended = closing.await.expect("no panic");
    assert!(ended.is_err(), "{ended:?}");
    client.end().await;
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
async fn a_managed_instance_is_closed_by_account_locks_alone() {
    let shop = Shop::open().await;
    shop.run(&format!(
        "CREATE USER managed@'%' IDENTIFIED BY '{PASSWORD}';
         GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, CREATE USER, CONNECTION ADMIN ON *.* TO managed@'%' WITH GRANT OPTION;"
    ))
    .await;
    let mut admin = shop.as_login("managed").await;
    let mut keep = keep();
    keep.logins.push("managed".to_owned());
    let record = admin.plan_closing(&keep).await.expect("a record");
    assert_eq!((record.method.as_str(), record.settings.len()), ("account locks", 0));
    let closed = admin
        .close(&fence(), "c-1", &record, &keep, WITHIN)
        .await
        .expect("a closing");
    assert!(matches!(closed, Closed::Empty { .. }), "{closed:?}");
    refusal(&shop.login("app")).await;
    shop.as_login("fence")
        .await
        .write_fence(&fence(), "f-1")
        .await
        .expect("a fence");
    assert_eq!(admin.open(&fence(), "c-1", &record).await, Ok(Vec::new()));
    assert_eq!(shop.as_login("app").await.probe().await, Ok(Probe::Accepted));
}

#[tokio::test]
async fn sessions_that_only_the_procedure_of_rds_may_end_are_ended() {
    let shop = Shop::open().await;
    shop.run(&format!(
        "CREATE USER managed@'%' IDENTIFIED BY '{PASSWORD}';
         GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, CREATE USER ON *.* TO managed@'%' WITH GRANT OPTION;"
    ))
    .await;
    shop.run("CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) SQL SECURITY DEFINER KILL CONNECTION thread")
        .await;
    shop.run("GRANT EXECUTE ON PROCEDURE mysql.rds_kill TO managed@'%'")
        .await;
    let mut session = shop.session("app").await;
    let mut admin = shop.as_login("managed").await;
    let mut keep = keep();
    keep.logins.push("managed".to_owned());
    let record = admin.plan_closing(&keep).await.expect("a record");
    let closed = admin
        .close(&fence(), "c-1", &record, &keep, WITHIN)
        .await
        .expect("a closing");
    assert_eq!(closed, Closed::Empty { ended: 1 });
    let written = sqlx::raw_sql("INSERT INTO shop.orders (what) VALUES ('late')")
        .execute(&mut session)
        .await;
    assert!(written.is_err(), "the session of the application went on");
}

#[tokio::test]
async fn replication_goes_on_while_the_source_is_closed_and_does_not_carry_the_locks() {
    let (shop, target) = (Shop::open().await, Shop::open().await);
    let mut admin = shop.as_login("landfall").await;
    let position = admin.log_position().await.expect("a position");
    let (file, at) = position.split_once(':').expect("file and position");
    let port = shop.server.port;
    target
        .run(&format!(
            "CHANGE MASTER TO master_host = '127.0.0.1', master_port = {port}, master_user = 'dms', master_password = '{PASSWORD}', \
             master_log_file = '{file}', master_log_pos = {at}; START SLAVE;"
        ))
        .await;
    shop.run("INSERT INTO shop.orders (what) VALUES ('last')").await;
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
    let (source, copy) = (admin.table_sum(&orders()).await, there.table_sum(&orders()).await);
    assert_eq!(source, copy, "the same rows have the same sum on another server");
    assert_eq!(source.expect("a sum").rows, 51);
    assert_eq!(
        target.as_login("app").await.probe().await,
        Ok(Probe::Accepted),
        "the locks stay on the source"
    );
}

#[tokio::test]
async fn a_row_that_differs_changes_the_sum_and_nothing_is_not_an_empty_text() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let first = admin.table_sum(&orders()).await.expect("a sum");
    shop.run("UPDATE shop.orders SET note = '' WHERE id = 7").await;
    let second = admin.table_sum(&orders()).await.expect("a sum");
    assert_eq!(first.rows, second.rows);
    assert_ne!(first.checksum, second.checksum);
}

#[tokio::test]
async fn a_changed_schema_changes_the_fingerprint_and_changed_rows_do_not() {
    let shop = Shop::open().await;
    let mut admin = shop.as_login("landfall").await;
    let first = admin.fingerprint(&[orders()]).await.expect("a fingerprint");
    shop.run("DELETE FROM shop.orders WHERE id < 10").await;
    assert_eq!(admin.fingerprint(&[orders()]).await.as_ref(), Ok(&first));
    shop.run("ALTER TABLE shop.orders ADD COLUMN more int").await;
    assert_ne!(admin.fingerprint(&[orders()]).await.as_ref(), Ok(&first));
}

#[tokio::test]
async fn counters_and_sequences_only_go_forward() {
    let shop = Shop::open().await;
    shop.run("CREATE SEQUENCE shop.numbers START WITH 10 INCREMENT BY 10 NOCACHE; SELECT nextval(shop.numbers);")
        .await;
    let mut admin = shop.as_login("landfall").await;
    let schemas = ["shop".to_owned()];
    let found = admin.counters_of(&schemas).await;
    assert_eq!(found, [("numbers".to_owned(), 10), ("orders".to_owned(), 50)]);
    let values = admin.sequences(&schemas).await.expect("counters");
    admin.advance_sequences(&values, 100).await.expect("forward");
    let older = SequenceValue {
        name: orders(),
        last_value: 10,
        increment: 1,
    };
    admin.advance_sequences(&[older], 5).await.expect("no step back");
    assert_eq!(
        admin.counters_of(&schemas).await,
        [("numbers".to_owned(), 1010), ("orders".to_owned(), 150)]
    );
}

/// Names and values only.
trait CountersOf {
    async fn counters_of(&mut self, schemas: &[String]) -> Vec<(String, i64)>;
}

impl CountersOf for Box<dyn Database> {
    async fn counters_of(&mut self, schemas: &[String]) -> Vec<(String, i64)> {
        let values = self.sequences(schemas).await.expect("counters");
        values
            .into_iter()
            .map(|value| (value.name.table, value.last_value))
            .collect()
    }
}

#[tokio::test]
async fn a_target_is_made_ready_and_what_does_not_hold_is_named() {
    let shop = Shop::open().await;
    shop.run(
        "CREATE TABLE shop.lines_ (id int PRIMARY KEY, order_id bigint, CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES shop.orders (id));
         SET SESSION foreign_key_checks = 0; INSERT INTO shop.lines_ VALUES (1, 4711);",
    )
    .await;
    let mut admin = shop.as_login("landfall").await;
    let tables = [orders(), TableName::new("shop", "lines_")];
    let missing = admin.make_ready(&tables).await.expect("a readiness").missing;
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].contains("of_order") && missing[0].contains("1 rows"),
        "{missing:?}"
    );
    shop.run("DELETE FROM shop.lines_").await;
    assert_eq!(
        admin.make_ready(&tables).await.expect("a readiness").missing,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_preflight_sees_what_replication_would_stumble_over() {
    let shop = Shop::open().await;
    shop.run(
        "CREATE TABLE shop.visits (at datetime, page longtext); INSERT INTO shop.visits VALUES (now(), repeat('x', 70000));
         CREATE TRIGGER shop.audit BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.note = 'seen';
         SET GLOBAL binlog_row_image = MINIMAL;",
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
    assert!(!visits.has_key);
    assert_eq!(visits.largest_lob_bytes, Some(70_000));
    assert!(seen.tables.iter().any(|table| table.name == orders() && table.has_key));
    assert_eq!(seen.exempt_logins, ["'batch'@'%'"]);
    assert_eq!(seen.triggers, ["shop.orders.audit"]);
    assert_eq!(seen.log_retention_hours, Some(7 * 24));
    assert_eq!(seen.log_problems.len(), 1, "{seen:?}");
    assert!(seen.version.starts_with("MariaDB 1"));
}

#[tokio::test]
async fn what_replication_left_is_found_and_ended_and_what_is_not_its_own_is_refused() {
    let shop = Shop::open().await;
    shop.run(
        "CREATE DATABASE awsdms_control; CREATE TABLE awsdms_control.awsdms_apply_exceptions (task_name varchar(10));
         INSERT INTO awsdms_control.awsdms_apply_exceptions VALUES ('t');",
    )
    .await;
    let mut admin = shop.as_login("landfall").await;
    assert_eq!(admin.apply_exceptions().await, Ok(1));
    assert_eq!(
        admin.leftovers().await,
        Ok(vec!["table:awsdms_control.awsdms_apply_exceptions".to_owned()])
    );
    admin
        .end_leftover("table:awsdms_control.awsdms_apply_exceptions")
        .await
        .expect("an end");
    assert_eq!(admin.leftovers().await, Ok(Vec::new()));
    assert!(admin.end_leftover("table:shop.orders").await.is_err());
}

#[tokio::test]
async fn an_old_transaction_is_seen_and_whose_it_is() {
    let shop = Shop::open().await;
    let mut app = shop.session("app").await;
    sqlx::raw_sql("START TRANSACTION; INSERT INTO orders (what) VALUES ('open')")
        .execute(&mut app)
        .await
        .expect("an open one");
    let mut admin = shop.as_login("landfall").await;
    let open = admin.open_transactions(Duration::ZERO).await.expect("a look");
    assert!(open.iter().any(|transaction| transaction.login == "app"), "{open:?}");
    assert_eq!(admin.open_transactions(Duration::from_secs(3600)).await, Ok(Vec::new()));
}
