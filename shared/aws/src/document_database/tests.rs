//! A document as it should be, and as it should not.

use super::*;
use crate::mgn::canned::{Answer as Given, Canned, json};
use serde_json::json as value;

const HOST: &str = "mi-0123456789abcdef0";

fn database(aws: &Canned) -> DocumentDatabase {
    DocumentDatabase {
        deps: aws.deps("2026-01-10T02:00:00Z".parse().unwrap()),
        document: "Shop-Freeze".to_owned(),
        host: HOST.to_owned(),
        secret: SecretArn("arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop-AbCdEf".to_owned()),
        deadline: Some("2026-01-10T02:02:00Z".parse().unwrap()),
        longest_transaction_seconds: 5,
    }
}

fn commands(found: &[&str]) -> Given {
    let found: Vec<_> = found
        .iter()
        .map(|comment| value!({"CommandId": "earlier", "Comment": comment}))
        .collect();
    json(200, value!({ "Commands": found }).to_string())
}

fn sent() -> Given {
    json(200, r#"{"Command":{"CommandId":"new"}}"#)
}

fn invocation(status: &str, output: &str) -> Given {
    let plugin = value!({"Name": "run", "Status": status, "Output": output});
    let shown = value!({"InstanceId": HOST, "Status": status, "StatusDetails": status, "CommandPlugins": [plugin]});
    json(200, value!({ "CommandInvocations": [shown] }).to_string())
}

async fn close(aws: &Canned) -> Result<Closed, DatabaseError> {
    let keep = KeepOpen {
        logins: vec!["LANDFALL".to_owned()],
    };
    let (fence, record) = (TableName::new("SHOP", "landfall_fence"), FreezeRecord::default());
    let mut database = database(aws);
    database
        .close(&fence, "c-1", &record, &keep, Duration::from_secs(10))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_document_is_told_what_it_needs_and_its_last_line_is_its_answer() {
    let output = "{\"outcome\":\"frozen\",\"ended\":1}\nlooked again\n{\"outcome\":\"frozen\",\"ended\":3}\n";
    let aws = Canned::new([
        commands(&[]),
        sent(),
        json(200, r#"{"CommandInvocations":[]}"#),
        invocation("InProgress", ""),
        invocation("Success", output),
    ]);
    assert_eq!(close(&aws).await, Ok(Closed::Empty { ended: 3 }));
    let request: Value = serde_json::from_str(aws.requests()[1].split_once(' ').unwrap().1).unwrap();
    assert_eq!(request["Comment"], "landfall freeze c-1");
    let given = &request["Parameters"];
    assert_eq!(given["Action"], value!(["freeze"]));
    assert_eq!(given["ClosingId"], value!(["c-1"]));
    assert_eq!(given["Deadline"], value!(["2026-01-10T02:02:00Z"]));
    assert_eq!(given["KeepLogins"], value!([r#"["LANDFALL"]"#]));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_still_runs_is_waited_for_and_one_that_is_over_is_asked_again() {
    let superseded = invocation("Success", r#"{"outcome":"superseded"}"#);
    let runs = Canned::new([
        commands(&["landfall freeze c-1"]),
        invocation("InProgress", ""),
        invocation("Success", r#"{"outcome":"frozen"}"#),
    ]);
    assert_eq!(close(&runs).await, Ok(Closed::Empty { ended: 0 }));
    // The freeze that is over was opened since: what it answered then would be a lie now.
    let over = Canned::new([
        commands(&["landfall freeze c-1"]),
        invocation("Success", r#"{"outcome":"frozen"}"#),
        sent(),
        superseded,
    ]);
    assert_eq!(close(&over).await, Err(DatabaseError::Superseded { id: "c-1".into() }));
}

#[tokio::test(start_paused = true)]
async fn whatever_is_no_answer_is_no_freeze() {
    for output in [
        "",
        "frozen",
        r#"{"outcome":"fine"}"#,
        r#"{"outcome":"accepted"}"#,
        r#"{"outcome":"stillOpen"}"#,
    ] {
        let aws = Canned::new([commands(&[]), sent(), invocation("Success", output)]);
        let error = close(&aws).await.unwrap_err();
        assert!(
            matches!(&error, DatabaseError::Refused { code, .. } if code == "NoAnswer"),
            "{output}: {error}"
        );
    }
    let failed = Canned::new([commands(&[]), sent(), invocation("Failed", r#"{"outcome":"frozen"}"#)]);
    assert!(matches!(close(&failed).await, Err(DatabaseError::Refused { .. })));
    let undelivered = Canned::new([commands(&[]), sent(), invocation("Undeliverable", "")]);
    assert!(close(&undelivered).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_could_not_be_asked_is_no_refused_login() {
    let answer = |output| Canned::new([commands(&[]), sent(), invocation("Success", output)]);
    let refused = answer(r#"{"outcome":"refused","message":"ORA-28000"}"#);
    assert_eq!(database(&refused).probe().await, Ok(Probe::Refused("ORA-28000".into())));
    let accepted = answer(r#"{"outcome":"accepted"}"#);
    assert_eq!(database(&accepted).probe().await, Ok(Probe::Accepted));
    let denied = Canned::new([json(400, r#"{"__type":"AccessDeniedException","message":"no"}"#)]);
    let error = database(&denied).probe().await.unwrap_err();
    assert_eq!(StepError::from(error).name(), "AccessDenied");
}
