//! The same for databases: one run in which two moved, one in which one was taken back.

use super::{Worse, silent};
use crate::evidence::{DatabaseEvidence, Evidence};
use landfall_domain::record::{DatabaseClaimRecord, DatabaseRecord, WaveStatus};

fn record(evidence: &mut Evidence) -> &mut DatabaseRecord {
    let id = evidence.databases[0].id.clone();
    let mut records = evidence.records.databases.iter_mut();
    records
        .find(|record| record.database_id.as_str() == id)
        .expect("the database is on record")
}

fn seen(evidence: &mut Evidence) -> &mut DatabaseEvidence {
    &mut evidence.databases[0]
}

/// The source acknowledges the last row of the run.
fn acknowledge_on_source(evidence: &mut Evidence) {
    let seen = seen(evidence);
    let mut last = seen.acknowledged.last().cloned().expect("the application wrote");
    last.0.host.clone_from(&seen.source.host);
    seen.acknowledged.push(last);
}

/// Of databases that moved.
const MOVED: &[Worse] = &[
    (
        |e| record(e).cutover.committed_at = None,
        "I4",
        "before the switch was on record",
    ),
    (acknowledge_on_source, "I4", "after the switch was on record"),
    (acknowledge_on_source, "I4", "went to the other side 2 times, of 1"),
    (
        |e| seen(e).source.closed = false,
        "I4",
        "its source is open to applications",
    ),
    (
        |e| seen(e).target.closed = true,
        "I4",
        "is on its target, which is closed",
    ),
    (
        |e| {
            let first = seen(e).acknowledged[0].1.clone();
            seen(e).target.rows.remove(&first);
        },
        "I5",
        "1 acknowledged rows of",
    ),
    (
        |e| seen(e).remains.push("task:lf-shop-wave-shop".to_owned()),
        "I6",
        "task:lf-shop-wave-shop of shop is left at AWS",
    ),
    (
        |e| seen(e).source.remains.push("slot:held".to_owned()),
        "I6",
        "slot:held of shop is left at shop.source.example",
    ),
    (
        |e| {
            let record = record(e);
            let claim = DatabaseClaimRecord {
                wave_id: record.wave_id.clone(),
                epoch: 1,
                database_id: record.database_id.clone(),
                at: "2026-03-07T06:00:00Z".parse().expect("a timestamp"),
            };
            e.records.database_claims.push(claim);
        },
        "I7",
        "shop is claimed by wave shop-wave, which is not open",
    ),
    (
        |e| e.records.waves[0].status = WaveStatus::Open,
        "I7",
        "shop is in the open wave shop-wave without a claim",
    ),
];

/// Of one that was frozen and taken back.
const TAKEN_BACK: &[Worse] = &[
    (|e| record(e).source_closing.opened_at = None, "I4", "was to open by"),
    (
        |e| {
            let closed = record(e).source_closing.closed_at.expect("it was frozen");
            seen(e).acknowledged.retain(|(row, _)| row.at <= closed);
        },
        "I4",
        "no application wrote on the source of shop between",
    ),
    (
        |e| seen(e).source.closed = true,
        "I4",
        "is on its source, which is closed",
    ),
    (
        |e| {
            let first = seen(e).acknowledged[0].1.clone();
            seen(e).source.rows.remove(&first);
        },
        "I5",
        "are not on shop.source.example",
    ),
];

#[test]
fn every_check_of_databases_speaks_up_about_what_it_looks_at() {
    assert_eq!(silent("databases-alone", MOVED), "");
    assert_eq!(silent("database-fence-lost", TAKEN_BACK), "");
}
