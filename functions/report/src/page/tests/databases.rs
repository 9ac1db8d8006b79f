//! Databases on the page.

use super::markup::{count_of, position};
use super::samples::{approval, at, completed_wave, report};
use super::{render, top};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::report::{
    DatabaseDowntime, DatabaseOutcome, DatabaseReport, PhaseSpan, Report, RunningThing, ServerOutcome, TableReport,
    WaveOutcome, WayBackKind,
};

/// So many milliseconds after a moment.
fn after(seconds: i64, milliseconds: i64) -> Option<Timestamp> {
    Some(at(seconds) + SignedDuration::from_millis(milliseconds))
}

fn table(name: &str, rows: u64, state: &str, pending: u64, failed: u64) -> TableReport {
    TableReport {
        name: name.into(),
        rows,
        state: state.into(),
        pending,
        failed,
    }
}

/// A database of which everything is loaded and equal.
fn replicating() -> DatabaseReport {
    DatabaseReport {
        database_id: "prices".into(),
        source_engine: "mysql".into(),
        target_engine: "aurora".into(),
        move_group: "catalogue".into(),
        outcome: DatabaseOutcome::Replicating,
        writes_on: "SOURCE".into(),
        sentence: "Everything is loaded and found equal, and changes follow; applications write on the source.".into(),
        load_percent: Some(100),
        loaded_at: Some(at(5_400)),
        frozen_at: None,
        closed_since: None,
        opens_at: None,
        committed_at: None,
        switched_at: None,
        reopened_at: None,
        downtime: None,
        attempt_downtime_ms: None,
        lag_ms: None,
        tables: vec![
            table("prices.current", 50_000, "Validated", 0, 0),
            table("prices.history", 5_000_000, "Pending records", 212, 0),
        ],
        mismatches: Vec::new(),
        findings: Vec::new(),
        waivers: Vec::new(),
        fail_back: "After the switch a rollback loses what was written on the target; somebody is asked first.".into(),
        left: Vec::new(),
    }
}

fn switched() -> DatabaseReport {
    DatabaseReport {
        database_id: "shop".into(),
        source_engine: "postgres".into(),
        target_engine: "aurora-postgresql".into(),
        move_group: "shop".into(),
        outcome: DatabaseOutcome::Switched,
        writes_on: "TARGET".into(),
        sentence: "Applications write on the target.".into(),
        frozen_at: Some(at(10_000)),
        committed_at: after(10_011, 900),
        switched_at: after(10_012, 600),
        downtime: Some(DatabaseDowntime {
            freeze_ms: 400,
            drain_ms: 1_300,
            verify_ms: 8_900,
            ready_ms: 1_200,
            switch_ms: 800,
        }),
        lag_ms: Some(900),
        tables: vec![
            table("shop.customers", 1_000_000, "Validated", 0, 0),
            table("shop.orders", 5_000_000, "Validated", 0, 0),
            table("shop.visits", 81_234, "CHECKSUM", 0, 0),
            table("shop.audit", 12_020, "WAIVED", 0, 0),
        ],
        findings: vec!["4 sequences are not replicated; they are set on the target before it is opened".into()],
        waivers: vec!["Tables without a key are not compared (shop.audit): approved by m.okafor: written once".into()],
        fail_back: "A rollback loses nothing: a reverse task carries what is written on the target back to the source."
            .into(),
        ..replicating()
    }
}

fn taken_back() -> DatabaseReport {
    DatabaseReport {
        database_id: "stock".into(),
        source_engine: "mariadb".into(),
        target_engine: "mariadb".into(),
        move_group: "stock".into(),
        outcome: DatabaseOutcome::TakenBack,
        sentence:
            "Its cutover was taken back: shop.products: 5 rows differ; applications write on the source again, after 31.2 s."
                .into(),
        frozen_at: Some(at(10_300)),
        reopened_at: after(10_331, 200),
        attempt_downtime_ms: Some(31_200),
        lag_ms: Some(2_400),
        tables: vec![
            table("stock.items", 812_000, "Validated", 0, 0),
            table("stock.products", 50_000, "Mismatched records", 0, 5),
        ],
        mismatches: vec!["stock.products, key 4711: RECORD_DIFF".into()],
        left: vec!["to unlock the account 'batch'@'%' failed: unknown account; run: ALTER USER 'batch'@'%' ACCOUNT UNLOCK".into()],
        ..replicating()
    }
}

/// A wave with a database that is switched, one that was taken back and one that replicates.
pub fn databases() -> Report {
    let mut wave = completed_wave("wave-1", 0, 0, 3);
    wave.outcome = WaveOutcome::InProgress;
    wave.headline = "3 servers and 1 of 3 databases run on AWS; stock was taken back.".into();
    wave.ended_at = None;
    wave.way_back.kind = WayBackKind::LosesWrites;
    wave.way_back.sentence = "It loses what was written on AWS since 22:44. Start rollback-wave.".into();
    for server in &mut wave.servers {
        server.outcome = ServerOutcome::Switched;
        server.sentence = "Its traffic goes to AWS.".into();
        server.milestones.finalized_at = None;
    }
    wave.phases.truncate(3);
    let phase = |name: &str, from: i64, to: Option<i64>| PhaseSpan {
        name: name.into(),
        from: at(from),
        to: to.map(at),
    };
    wave.phases.push(phase("Cut over", 9_000, Some(9_990)));
    wave.phases.push(phase("Cut over databases", 9_990, None));
    wave.databases = vec![replicating(), switched(), taken_back()];
    wave.approvals = vec![approval("cutover", 2_700, 5_400, "m.okafor", "Change CHG-20418.")];
    wave.running.push(RunningThing {
        what: "replication instance of database shop".into(),
        id: "arn:aws:dms:eu-central-1:111122223333:rep:ABCDEFGHIJ".into(),
        since: Some(at(600)),
        note: "ends when the wave is finalized".into(),
    });
    let headline = "wave-1 is being cut over: 1 of 3 databases is switched.";
    report("wave-1", 10_400, headline, vec![wave])
}

/// The same wave while the source of a database is closed.
pub fn frozen() -> Report {
    let mut report = databases();
    report.generated_at = at(10_025);
    let database = &mut report.waves[0].databases[1];
    *database = DatabaseReport {
        outcome: DatabaseOutcome::CuttingOver,
        writes_on: "NOWHERE".into(),
        sentence: "Its source has been closed to applications since 22:46:40 UTC.".into(),
        closed_since: Some(at(10_000)),
        opens_at: Some(at(10_120)),
        committed_at: None,
        switched_at: None,
        downtime: None,
        ..switched()
    };
    report
}

/// The part of the page about one database.
fn part<'p>(page: &'p str, id: &str) -> &'p str {
    let from = position(page, &format!("id=\"wave-wave-1-db-{id}\""));
    let rest = &page[from..];
    &rest[..rest.find("<div class=\"database\"").unwrap_or(rest.len())]
}

#[test]
fn a_switched_database_shows_where_each_second_of_its_downtime_went() {
    let page = render(&databases());
    let shop = part(&page, "shop");
    for fact in [
        "Switched",
        "on the target",
        "Slowest canary",
        "0.9 s",
        "A rollback loses nothing",
    ] {
        assert!(shop.contains(fact), "{fact}");
    }
    let order = [
        "Freeze", "0.4 s", "Drain", "1.3 s", "Verify", "8.9 s", "Ready", "1.2 s", "Switch",
    ];
    let split = &shop[position(shop, "<dl class=\"split\"")..];
    let mut at = 0;
    for word in order {
        at += position(&split[at..], word);
    }
    assert!(
        shop[..position(shop, "<dl class=\"split\"")].contains("12.6 s"),
        "the whole of it"
    );
    // All bars have one scale: the attempt of 31.2 s is the longest, and 0.4 s of it are 1.28 percent.
    assert!(shop.contains("class=\"freeze\" x=\"0.00%\" width=\"1.28%\""), "{shop}");
    assert!(shop.contains("class=\"drain\" x=\"1.28%\""), "parts follow each other");
    assert!(part(&page, "stock").contains("class=\"taken\" width=\"100.00%\""));
}

#[test]
fn every_table_is_listed_as_it_was_compared_last() {
    let page = render(&databases());
    let shop = part(&page, "shop");
    for fact in [
        "shop.customers",
        "1,000,000",
        "row by row",
        "by count and checksum",
        "not compared, waived",
    ] {
        assert!(shop.contains(fact), "{fact}");
    }
    assert!(part(&page, "prices").contains("Pending records"));
    assert!(part(&page, "stock").contains("Mismatched records"));
}

#[test]
fn what_differs_and_what_is_left_of_a_database_is_not_folded() {
    let page = render(&databases());
    let stock = part(&page, "stock");
    let fold = position(stock, "<div class=\"tables\"");
    assert!(position(stock, "31.2 s") < fold);
    assert!(position(stock, "key 4711: RECORD_DIFF") < fold);
    assert!(position(stock, "ALTER USER 'batch'@'%' ACCOUNT UNLOCK") < fold);
    assert!(part(&page, "shop").contains("Waivers, 1"));
}

#[test]
fn a_database_that_takes_no_writes_is_named_before_anything_else_with_when_it_opens() {
    let page = render(&frozen());
    let alarm = position(&page, "1 database takes no writes now");
    assert!(alarm < position(&page, "Who must act next"));
    assert!(top(&page).contains("for 25 s"));
    assert!(top(&page).contains("(1 min 35 s left)"));
    assert!(part(&page, "shop").contains("25.0 s so far"));
    assert!(!render(&databases()).contains("takes no writes"));
}

#[test]
fn databases_are_counted_at_the_top_and_drawn_on_the_timeline() {
    let page = render(&databases());
    assert!(top(&page).contains("Databases on AWS"));
    assert!(top(&page).contains("1 of 3"));
    assert!(top(&page).contains("31.2 s"));
    let timeline = &page[position(&page, "<figure")..position(&page, "</figure>")];
    assert!(timeline.contains("aria-label=\"shop: loaded 9 Mar 21:30:00, frozen 9 Mar 22:46:40, switched"));
    assert!(timeline.contains("aria-label=\"prices: loaded 9 Mar 21:30:00, never closed\""));
    assert_eq!(count_of(&page, "href=\"#wave-wave-1-db-shop\""), 1);
}

#[test]
fn a_database_with_many_tables_shows_those_that_need_a_look() {
    let mut report = databases();
    let tables = (0..150).map(|n| table(&format!("shop.t{n:03}"), 10, "Validated", 0, 0));
    report.waves[0].databases[1].tables = tables.collect();
    report.waves[0].databases[1].tables[77].state = "Table error".into();
    let page = render(&report);
    let shop = part(&page, "shop");
    let fold = position(shop, "149 more tables found equal or covered");
    assert!(position(shop, "shop.t077") < fold && position(shop, "shop.t076") > fold);
}

#[test]
fn a_wave_of_databases_alone_speaks_of_no_servers_at_the_top() {
    let mut report = databases();
    report.waves[0].servers.clear();
    let page = render(&report);
    assert!(!top(&page).contains("Servers on AWS"));
}
