//! What has to be true, asked of the databases themselves.

use crate::servers::{Servers, Shop, Side};
use crate::session::{Kind, Session};
use crate::writers::{Diary, Kept};
use jiff::Timestamp;
use landfall_domain::record::DatabaseRecord;
use std::collections::{BTreeMap, BTreeSet};

/// What must not be found of a replication any more, by kind.
const LEFT_BEHIND: &str = "(table_name LIKE 'landfall\\_%' OR table_name LIKE 'awsdms\\_%')";

/// Everything that was acknowledged by `by` is on `side`: rows, versions, lines, and each of them once. What is missing,
/// each a sentence.
pub async fn lost(servers: &Servers, shop: &Shop, diary: &Diary, by: Side, side: Side) -> Vec<String> {
    // Before anything is looked at: they may be writing.
    let kept = diary.kept();
    let mut session = servers.session(side, &shop.name).await;
    let schema = shop.schema();
    let mut table = async |query: String| -> BTreeMap<String, u64> {
        let rows = session.rows(&query).await.unwrap_or_else(|error| panic!("{error}"));
        let number = |row: Vec<String>| (row[0].clone(), row[1].parse().unwrap_or_default());
        rows.into_iter().map(number).collect()
    };
    let versions = table(format!("SELECT id, version FROM {schema}.orders")).await;
    let lines = table(format!(
        "SELECT order_id, count(*) FROM {schema}.{} GROUP BY 1",
        shop.lines()
    ))
    .await;
    let visits = table(format!(
        "SELECT concat(writer, ' ', n), count(*) FROM {schema}.visits GROUP BY 1"
    ))
    .await;
    let mut missing = Vec::new();
    for kept in kept.iter().filter(|kept| kept.side == by) {
        let order = kept.order.to_string();
        let what = |what: String| format!("{what}, acknowledged by the {by:?} at {}: {kept:?}", kept.heard_at);
        match versions.get(&order) {
            None => missing.push(what(format!("order {order} is not on the {side:?}"))),
            Some(version) if *version < kept.version => {
                missing.push(what(format!("order {order} has version {version} on the {side:?}")));
            }
            Some(_) => {}
        }
        if lines.get(&order) != Some(&2) {
            missing.push(what(format!(
                "order {order} has {:?} lines on the {side:?}",
                lines.get(&order)
            )));
        }
        let visit = visits.get(&format!("{} {}", kept.writer, kept.n));
        if visit != Some(&1) {
            missing.push(what(format!("a visit is {visit:?} times on the {side:?}")));
        }
    }
    missing
}

/// Commits that a closed side has acknowledged, each a sentence. What counts is when COMMIT was sent: an answer may lie
/// around for a moment on this machine before it is read.
pub fn acknowledged_closed(diary: &Diary, side: Side, from: Timestamp, until: Option<Timestamp>) -> Vec<String> {
    let within =
        |kept: &Kept| kept.side == side && kept.sent_at >= from && until.is_none_or(|until| kept.heard_at < until);
    let kept = diary.kept();
    kept.iter()
        .filter(|kept| within(kept))
        .map(|kept| format!("the {side:?}, closed since {from}, acknowledged {kept:?}"))
        .collect()
}

/// What a cutover has left on the databases, and logins that are not as they must be, each a sentence.
pub async fn left(servers: &Servers, shop: &Shop, open: Side) -> Vec<String> {
    let mut left = Vec::new();
    for side in [Side::Source, Side::Target] {
        let mut session = servers.session(side, &shop.name).await;
        let queries = match shop.kind {
            Kind::Postgres => vec![
                format!("SELECT concat('table ', table_name) FROM information_schema.tables WHERE {LEFT_BEHIND}"),
                format!("SELECT concat('slot ', slot_name) FROM pg_replication_slots WHERE database = '{}'", shop.name),
                "SELECT concat('publication ', pubname) FROM pg_publication".to_owned(),
                "SELECT concat('subscription ', subname) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()".to_owned(),
            ],
            Kind::Mariadb => vec![format!(
                "SELECT concat('table ', table_name) FROM information_schema.tables WHERE table_schema = '{}' AND {LEFT_BEHIND}",
                shop.name
            )],
        };
        for query in queries {
            let found = session.column(&query).await.unwrap_or_else(|error| panic!("{error}"));
            left.extend(
                found
                    .into_iter()
                    .map(|what| format!("{what} is left on the {side:?} of {}", shop.name)),
            );
        }
        if shop.kind == Kind::Mariadb {
            let replicas = session
                .column("SHOW ALL SLAVES STATUS")
                .await
                .unwrap_or_else(|error| panic!("{error}"));
            let back = format!("{}_back", shop.name);
            let ours = replicas
                .into_iter()
                .filter(|name| name.ends_with(&shop.name) || name.ends_with(&back));
            left.extend(ours.map(|name| format!("the replica connection {name} is left on the {side:?}")));
        }
        let login = Session::open(&shop.login(side, &shop.application)).await;
        match (login, side == open) {
            (Ok(_), true) | (Err(_), false) => {}
            (Ok(_), false) => left.push(format!("{} can log in to the {side:?}", shop.application)),
            (Err(why), true) => left.push(format!("{} cannot log in to the {side:?}: {why}", shop.application)),
        }
    }
    left
}

/// What is on record of a database that was moved, or taken back, and retired.
pub fn not_retired(record: &DatabaseRecord) -> Vec<String> {
    let mut wrong = record.left.clone();
    if record.retired_at.is_none() {
        wrong.push(format!("database {} is not retired on record", record.database_id));
    }
    wrong
}

/// From the last commit on one side to the next on the other, for each writer that has both.
pub fn seen_ms(diary: &Diary, from: Side, to: Side) -> Vec<u64> {
    let kept = diary.kept();
    let of = |writer: u32, side: Side| {
        let ours = kept
            .iter()
            .filter(move |kept| kept.writer == writer && kept.side == side);
        ours.map(|kept| kept.heard_at)
    };
    let writers: BTreeSet<u32> = kept.iter().map(|kept| kept.writer).collect();
    let gaps = writers.into_iter().filter_map(|writer| {
        let last = of(writer, from).max()?;
        let first = of(writer, to).filter(|at| *at > last).min()?;
        u64::try_from(first.duration_since(last).as_millis()).ok()
    });
    gaps.collect()
}
