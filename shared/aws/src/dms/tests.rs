//! DMS as it answers.

use super::*;
use crate::mgn::canned::{Answer, Canned, json};
use landfall_domain::observe_dms::{StopReason, TaskStatus};
use serde_json::{Value, json as value};

const TASK: &str = "arn:aws:dms:eu-west-1:111122223333:task:ABCDEF";

fn owner() -> Owner {
    Owner {
        wave: "w".to_owned(),
        database: "shop".to_owned(),
    }
}

fn refused(code: &str) -> Answer {
    json(400, value!({"__type": code, "message": "said"}).to_string())
}

fn tasks(status: &str) -> Answer {
    let task = value!({"ReplicationTaskArn": TASK, "Status": status});
    json(200, value!({ "ReplicationTasks": [task] }).to_string())
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once(' ').expect("a body").1).expect("JSON")
}

fn side(engine: &str) -> DatabaseSide {
    let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf");
    serde_json::from_value(value!({
        "engine": engine,
        "adminSecretArn": secret("admin"),
        "fenceSecretArn": secret("fence"),
        "applicationSecretArn": secret("application"),
        "dmsSecretArn": secret("dms"),
        "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms",
        "extraConnectionAttributes": {"a": "1", "b": "2"},
    }))
    .expect("a side")
}

/// What is asked for an endpoint.
async fn asked(engine: &str, role: EndpointRole) -> Value {
    let aws = Canned::new([json(200, r#"{"Endpoint":{"EndpointArn":"arn:e"}}"#)]);
    let request = EndpointRequest {
        identifier: "lf-w-shop-src",
        role,
        side: &side(engine),
        database_name: "shop",
        owner: &owner(),
    };
    let made = Dms::new(aws.dms()).create_endpoint(&request).await;
    assert_eq!(made, Ok(Made::New("arn:e".to_owned())));
    body(&aws.requests()[0])
}

#[tokio::test]
async fn an_endpoint_is_given_a_secret_and_a_database_only_where_the_engine_has_several() {
    let postgres = asked("postgres", EndpointRole::Source).await;
    assert_eq!(postgres["PostgreSQLSettings"]["DatabaseName"], "shop");
    assert_eq!(postgres["SslMode"], "require");
    assert_eq!(postgres["ExtraConnectionAttributes"], "a=1;b=2");
    let secret = &postgres["PostgreSQLSettings"]["SecretsManagerSecretId"];
    assert!(secret.as_str().is_some_and(|secret| secret.ends_with("dms-AbCdEf")));
    assert!(postgres.get("Password").is_none() && postgres["PostgreSQLSettings"].get("Password").is_none());
    let mysql = asked("mysql", EndpointRole::Target).await;
    assert!(mysql["MySQLSettings"].get("DatabaseName").is_none());
    assert_eq!(mysql["MySQLSettings"]["TargetDbType"], "multiple-databases");
    assert_eq!(
        mysql["ExtraConnectionAttributes"],
        "a=1;b=2;initstmt=SET FOREIGN_KEY_CHECKS=0"
    );
    let tags = value!([{"Key": "landfall:wave", "Value": "w"}, {"Key": "landfall:database", "Value": "shop"}]);
    assert_eq!(mysql["Tags"], tags);
}

#[tokio::test]
async fn what_exists_is_adopted_only_with_the_tags_of_its_owner() {
    let tags = |database: &str| {
        let tags = value!([
            {"Key": "team", "Value": "x"},
            {"Key": "landfall:database", "Value": database},
            {"Key": "landfall:wave", "Value": "w"},
        ]);
        json(200, value!({ "TagList": tags }).to_string())
    };
    let aws = Canned::new([refused(TAKEN), tags("shop"), tags("other"), refused(GONE)]);
    let dms = Dms::new(aws.dms());
    let plan = serde_json::from_value(value!({
        "class": "dms.c5.large", "allocatedStorageGb": 50, "subnetGroupIdentifier": "dms",
        "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
    }))
    .expect("a plan");
    assert_eq!(
        dms.create_instance("lf-w-shop", &plan, &owner()).await,
        Ok(Made::Exists)
    );
    assert_eq!(dms.is_owned("arn:i", &owner()).await, Ok(true));
    assert_eq!(dms.is_owned("arn:i", &owner()).await, Ok(false));
    assert_eq!(dms.is_owned("arn:i", &owner()).await, Ok(false));
}

#[tokio::test]
async fn a_task_is_read_without_its_settings_and_its_stop_reason_without_its_prefix() {
    let task = value!({
        "ReplicationTaskArn": TASK, "Status": "stopped", "StopReason": "Stop Reason FATAL_ERROR",
        "LastFailureMessage": "no space left",
        "ReplicationTaskStats": {
            "FullLoadProgressPercent": 100, "TablesLoading": 1, "TablesQueued": 2, "TablesErrored": 3,
            "FullLoadFinishDate": 1_768_010_400.5,
        },
    });
    let word = value!({"ReplicationTaskArn": TASK, "Status": "pausing"});
    let silent = value!({"ReplicationTaskArn": TASK});
    let answer = |task: Value| json(200, value!({ "ReplicationTasks": [task] }).to_string());
    let aws = Canned::new([answer(task), answer(word), answer(silent), refused(GONE)]);
    let dms = Dms::new(aws.dms());
    let read = dms.task("lf-w-shop").await.expect("an answer").expect("a task");
    assert_eq!(
        (&read.status, &read.stop_reason),
        (&TaskStatus::Stopped, &Some(StopReason::FatalError))
    );
    assert_eq!(
        (read.load_percent, read.tables_to_load, read.tables_errored),
        (Some(100), 3, 3)
    );
    assert_eq!(read.load_finished_at, "2026-01-10T02:00:00.5Z".parse().ok());
    let asked = body(&aws.requests()[0]);
    assert_eq!(asked["WithoutSettings"], true);
    assert_eq!(
        asked["Filters"][0],
        value!({"Name": "replication-task-id", "Values": ["lf-w-shop"]})
    );
    // A word that is not known is kept for the decision, which holds; none at all is an error; and gone is gone.
    let read = dms.task("lf-w-shop").await.expect("an answer").expect("a task");
    assert_eq!(
        (read.status, read.load_percent),
        (TaskStatus::Unknown("pausing".into()), None)
    );
    assert_eq!(
        dms.task("lf-w-shop").await.expect_err("no status").name(),
        "UnknownValue"
    );
    assert_eq!(dms.task("lf-w-shop").await, Ok(None));
}

#[tokio::test]
async fn a_refusal_for_a_state_counts_only_when_the_state_is_not_the_one_wanted() {
    let wrong = || refused(WRONG_STATE);
    let first_start_only = || refused("InvalidParameterCombinationException");
    let aws = Canned::new([
        wrong(),
        tasks("running"),
        first_start_only(),
        tasks("starting"),
        wrong(),
        tasks("failed"),
        wrong(),
        tasks("stopping"),
        wrong(),
        tasks("starting"),
        wrong(),
        tasks("deleting"),
        wrong(),
        tasks("running"),
        refused(GONE),
    ]);
    let dms = Dms::new(aws.dms());
    assert_eq!(dms.start_task(TASK, StartKind::Resume).await, Ok(()));
    assert_eq!(dms.start_task(TASK, StartKind::Start).await, Ok(()));
    assert_eq!(
        dms.start_task(TASK, StartKind::Resume)
            .await
            .expect_err("failed")
            .name(),
        "ServiceRefused"
    );
    assert_eq!(dms.stop_task(TASK).await, Ok(()));
    assert_eq!(
        dms.stop_task(TASK).await.expect_err("not running yet").name(),
        "ServiceRefused"
    );
    assert_eq!(dms.delete_task(TASK).await, Ok(()));
    assert_eq!(
        dms.delete_task(TASK).await.expect_err("it runs").name(),
        "ServiceRefused"
    );
    assert_eq!(dms.delete_task(TASK).await, Ok(()));
}

#[tokio::test]
async fn every_page_of_tables_is_read_and_a_silent_table_is_no_sound_one() {
    let table = |name: &str, validation: Value| {
        value!({
            "SchemaName": "shop", "TableName": name, "TableState": "Table completed", "FullLoadRows": 7,
            "ValidationState": validation, "ValidationFailedRecords": 2,
        })
    };
    let page =
        |table: Value, marker: Value| json(200, value!({"TableStatistics": [table], "Marker": marker}).to_string());
    let aws = Canned::new([
        page(table("a", value!("Validated")), value!("more")),
        page(table("b", value!("Mismatched records")), Value::Null),
        page(table("c", Value::Null), Value::Null),
    ]);
    let dms = Dms::new(aws.dms());
    let tables = dms.tables(TASK).await.expect("tables");
    let names: Vec<String> = tables.iter().map(|table| table.name()).collect();
    assert_eq!(names, ["shop.a", "shop.b"]);
    assert_eq!((tables[1].full_load_rows, tables[1].failed), (7, 2));
    assert_eq!(body(&aws.requests()[1])["Marker"], "more");
    assert_eq!(
        dms.tables(TASK).await.expect_err("no validation state").name(),
        "UnknownValue"
    );
}

#[tokio::test]
async fn a_connection_is_tested_only_when_dms_says_so_in_a_word_that_is_known() {
    let connection = |status: &str| {
        let shown = value!({"Status": status, "LastFailureMessage": "no route"});
        json(200, value!({ "Connections": [shown] }).to_string())
    };
    let none = json(200, r#"{"Connections":[]}"#);
    let aws = Canned::new([none, connection("successful"), connection("failed"), connection("odd")]);
    let dms = Dms::new(aws.dms());
    assert_eq!(dms.connection("arn:i", "arn:e").await, Ok(ConnectionView::Untested));
    assert_eq!(dms.connection("arn:i", "arn:e").await, Ok(ConnectionView::Successful));
    assert_eq!(
        dms.connection("arn:i", "arn:e").await,
        Ok(ConnectionView::Failed("no route".into()))
    );
    assert_eq!(
        dms.connection("arn:i", "arn:e").await.expect_err("unknown").name(),
        "UnknownValue"
    );
}

#[tokio::test]
async fn an_assessment_names_what_did_not_pass_once_it_is_over() {
    let run = |name: &str, at: u64, status: &str| {
        value!({
            "ReplicationTaskAssessmentRunArn": format!("arn:{name}:{at}"), "AssessmentRunName": name, "Status": status,
            "ReplicationTaskAssessmentRunCreationDate": at,
        })
    };
    let runs = |runs: Value| json(200, value!({ "ReplicationTaskAssessmentRuns": runs }).to_string());
    let one = |name: &str, status: &str| value!({"IndividualAssessmentName": name, "Status": status});
    let each = value!([one("a", "passed"), one("b", "failed"), one("c", "skipped")]);
    let aws = Canned::new([
        runs(value!([
            run("ours", 1, "failed"),
            run("other", 9, "passed"),
            run("ours", 2, "running")
        ])),
        runs(value!([run("ours", 2, "failed")])),
        json(
            200,
            value!({ "ReplicationTaskIndividualAssessments": each }).to_string(),
        ),
        runs(value!([run("other", 9, "passed")])),
    ]);
    let dms = Dms::new(aws.dms());
    let read = dms.assessment(TASK, "ours").await.expect("an answer").expect("a run");
    assert_eq!((read.arn.as_str(), read.status.as_str()), ("arn:ours:2", "running"));
    let read = dms.assessment(TASK, "ours").await.expect("an answer").expect("a run");
    assert_eq!(read.not_passed, ["b: failed", "c: skipped"]);
    assert_eq!(dms.assessment(TASK, "ours").await, Ok(None));
}

#[tokio::test]
async fn a_conversion_whose_answer_was_lost_is_not_sent_again_and_is_found_while_it_is_open() {
    let request = |id: &str, status: &str| value!({"RequestIdentifier": id, "Status": status});
    let requests = |requests: Value| json(200, value!({ "Requests": requests }).to_string());
    let aws = Canned::new([
        None,
        requests(value!([request("r-1", "SUCCESS"), request("r-2", "IN_PROGRESS")])),
        requests(value!([request("r-1", "SUCCESS")])),
    ])
    .with_retries();
    let dms = Dms::new(aws.dms());
    let rules = value!({"rules": []});
    let lost = dms.start_conversion("p", Conversion::Conversion, &rules).await;
    assert_eq!(lost.expect_err("it was lost").name(), "ServiceUnavailable");
    assert_eq!(aws.requests().len(), 1);
    let since = "2026-01-10T02:00:00Z".parse().expect("an instant");
    let open = dms.conversion_since("p", Conversion::Conversion, since).await;
    assert_eq!(open, Ok(Some("r-2".to_owned())));
    let over = dms.conversion_since("p", Conversion::Conversion, since).await;
    assert_eq!(over, Ok(None));
}
