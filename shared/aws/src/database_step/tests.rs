//! The lease of a database, and what is asked on the way to it.

use super::*;
use crate::mgn::canned::{Answer, Canned, json};
use landfall_domain::plan::DatabasePlan;
use landfall_domain::record::DatabaseRecord;
use serde_json::{Value, json as value};

const OURS: &str = "arn:aws:states:eu-west-1:111122223333:execution:cutover-database:ours";
const THEIRS: &str = "arn:aws:states:eu-west-1:111122223333:execution:cutover-database:theirs";

fn plan(engine: &str) -> DatabasePlan {
    let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf");
    let side = |engine: &str, side: &str| {
        value!({
            "engine": engine,
            "adminSecretArn": secret(&format!("{side}/admin")),
            "fenceSecretArn": secret(&format!("{side}/fence")),
            "applicationSecretArn": secret(&format!("{side}/application")),
            "dmsSecretArn": secret(&format!("{side}/dms")),
            "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms",
        })
    };
    serde_json::from_value(value!({
        "databaseId": "shop",
        "source": side(engine, "source"),
        "target": side("aurora-postgresql", "target"),
        "replicationInstance": {
            "class": "dms.c5.large", "allocatedStorageGb": 50, "subnetGroupIdentifier": "dms",
            "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
        },
        "tableMappings": {"rules": [{
            "rule-type": "selection", "rule-id": "1", "rule-name": "shop", "rule-action": "include",
            "object-locator": {"schema-name": "shop", "table-name": "%"},
        }]},
        "freeze": {"keepLogins": ["monitor", "fence"]},
        "switch": {"parameter": {"name": "/shop/host", "targetValue": "shop.example"}},
    }))
    .expect("a plan")
}

fn record(lease: Option<(&str, u64)>) -> DatabaseRecord {
    let wave = WaveId::parse("w").expect("a wave id");
    let mut record = DatabaseRecord::new(wave, "shop".to_owned(), plan("postgres"));
    record.lease = lease.map(|(execution, epoch)| Lease {
        execution_arn: execution.to_owned(),
        epoch,
        at: "2026-01-10T01:00:00Z".parse().expect("an instant"),
    });
    record
}

fn wave() -> Value {
    value!({
        "waveId": "w", "epoch": 2, "direction": "FORWARD", "status": "OPEN", "executionArn": "arn:w",
        "plannedAt": "2026-01-10T00:00:00Z", "claimingSince": "2026-01-10T00:00:00Z", "planDigest": "d",
        "batches": 0, "servers": 0, "moveGroups": ["shop"], "failuresAllowed": 0, "maxConcurrentBatches": 1,
        "retainSourceDays": 30, "approvalsPlan": {}, "bakeMinutes": 60, "deadlines": {}, "rollback": {},
        "phases": [], "approvals": {},
    })
}

fn item(sk: &str, data: &Value) -> Answer {
    let text = |text: &str| value!({ "S": text });
    let item = value!({"PK": text("WAVE#w"), "SK": text(sk), "version": {"N": "4"}, "data": text(&data.to_string())});
    json(200, value!({ "Item": item }).to_string())
}

fn execution(status: &str) -> Answer {
    json(200, value!({"executionArn": THEIRS, "status": status}).to_string())
}

async fn begin(aws: &Canned) -> Result<DatabaseStep, StepError> {
    let deps = aws.deps("2026-01-10T02:00:00Z".parse().expect("an instant"));
    let (wave, shop) = (
        WaveId::parse("w").expect("a wave"),
        DatabaseId::parse("shop").expect("a database"),
    );
    DatabaseStep::begin(&deps, &wave, 2, Direction::Forward, &shop, OURS).await
}

/// Begins with the database under a lease, and says how many calls it took.
async fn begun(lease: Option<(&str, u64)>, then: impl IntoIterator<Item = Answer>) -> (Result<(), StepError>, usize) {
    let stored = serde_json::to_value(record(lease)).expect("a record");
    let first = [item("WAVE", &wave()), item("DATABASE#shop", &stored)];
    let aws = Canned::new(first.into_iter().chain(then));
    let began = begin(&aws).await;
    if let Ok(step) = &began {
        let lease = step.database.lease.as_ref().expect("a lease");
        assert_eq!((lease.execution_arn.as_str(), lease.epoch), (OURS, 2));
    }
    (began.map(|_| ()), aws.requests().len())
}

#[tokio::test]
async fn a_database_is_taken_from_what_is_over_or_older_and_from_nobody_else() {
    let written = || json(200, "{}");
    assert_eq!(begun(None, [written()]).await, (Ok(()), 3));
    assert_eq!(
        begun(Some((OURS, 2)), []).await,
        (Ok(()), 2),
        "it is ours: nothing is written"
    );
    assert_eq!(begun(Some((OURS, 1)), [written()]).await, (Ok(()), 3));
    assert_eq!(begun(Some((THEIRS, 1)), [written()]).await, (Ok(()), 3));
    assert_eq!(
        begun(Some((THEIRS, 2)), [execution("FAILED"), written()]).await,
        (Ok(()), 4)
    );
    for state in ["RUNNING", "PENDING_REDRIVE", "SLEEPING"] {
        let (refused, _) = begun(Some((THEIRS, 2)), [execution(state)]).await;
        let Err(StepError::LeaseHeld { part, owner, .. }) = refused else {
            panic!("{state}: {refused:?}");
        };
        assert_eq!((part.as_str(), owner.as_str()), ("database shop", THEIRS));
    }
}

#[tokio::test(start_paused = true)]
async fn logins_that_stay_open_are_asked_for_once() {
    let login = |user: &str| {
        let login = value!({"host": "db", "port": 5432, "username": user, "database": "shop"});
        json(200, value!({ "answer": login }).to_string())
    };
    let stored = serde_json::to_value(record(Some((OURS, 2)))).expect("a record");
    let aws = Canned::new([
        item("WAVE", &wave()),
        item("DATABASE#shop", &stored),
        login("landfall"),
        login("fence"),
        login("dms"),
    ]);
    let deps = aws.deps("2026-01-10T02:00:00Z".parse().expect("an instant"));
    let step = begin(&aws).await.expect("a step");
    for _ in 0..2 {
        let kept = step.keep_open(&deps, Side::Source).await.expect("logins");
        assert_eq!(kept.logins, ["landfall", "fence", "dms", "monitor"]);
    }
    assert_eq!(aws.requests().len(), 5);
    // A way that is broken is no login that was refused.
    let mut target = step
        .connect(&deps, Side::Target, Who::Application)
        .expect("nothing is asked yet");
    assert_eq!(aws.requests().len(), 5);
    let lost = target.probe().await.unwrap_err();
    assert_eq!(StepError::from(lost).name(), "ServiceUnavailable");
}

#[test]
fn every_identifier_fits_where_it_goes() {
    // The longest stem that the plan's rules allow: 54 characters.
    let mut record = record(None);
    record.wave_id = WaveId::parse("a".repeat(32)).expect("a wave id");
    record.database_id = DatabaseId::parse("b".repeat(18)).expect("a database id");
    assert_eq!(names::base(&record).len(), 54);
    assert!(names::schedule(&record, "0123456789abcdef").len() <= 64);
    assert!(names::back_source_endpoint(&record).len() <= 63);
}
