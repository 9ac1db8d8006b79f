//! The way of a call: ledger, faults, protocols, time.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_sns::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_sns::config::timeout::TimeoutConfig;
use bytes::Bytes;
use common::{ACCOUNT, REGION, cloud, cloud_with, code, elapsed, message};
use landfall_cloud::{Answer, CallContext, CallRecord, Caller, Cloud, Fault, Knobs, Outcome};

fn caller() -> Caller {
    Caller::new("cutover", 7)
}

fn always(fault: Fault) -> Option<landfall_cloud::FaultRule> {
    Some(Arc::new(move |_: &CallContext| fault))
}

fn only(nth: u64, fault: Fault) -> Option<landfall_cloud::FaultRule> {
    Some(Arc::new(
        move |call: &CallContext| if call.seq == nth { fault } else { Fault::None },
    ))
}

/// A client that tries three times, with a token bucket of its own.
fn patient_sns(cloud: &Cloud, name: &str) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::config::Builder::from(&cloud.sdk_config(&caller()))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .retry_partition(RetryPartition::custom(name.to_owned()).build());
    aws_sdk_sns::Client::from_conf(config.build())
}

/// Sends a request as another process would; the response's status, headers and text.
fn send(cloud: &Cloud, request: http::Request<&'static str>) -> (http::response::Parts, String) {
    let reply = cloud.handle(&caller(), request.map(|body| Bytes::from_static(body.as_bytes())));
    let Answer::Response(response) = reply.answer else {
        panic!("no response: {:?}", reply.answer)
    };
    let (parts, body) = response.into_parts();
    (parts, String::from_utf8(body.to_vec()).expect("text"))
}

fn post(host: &str, path: &str) -> http::request::Builder {
    http::Request::post(format!("https://{host}{path}"))
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_a_row_of_its_own_and_back_off_is_virtual() {
    let cloud = cloud();
    let topic = cloud.sns().create_topic("waves");
    cloud.set_faults(only(1, Fault::Throttle { retry_after_s: None }));
    patient_sns(&cloud, "retry-row")
        .publish()
        .topic_arn(topic)
        .message("hello")
        .send()
        .await
        .expect("second try");

    let calls = cloud.calls();
    let outcomes: Vec<&Outcome> = calls.iter().map(|call| &call.outcome).collect();
    assert_eq!(
        outcomes,
        [
            &Outcome::Injected {
                fault: "Throttle",
                behind: None
            },
            &Outcome::Ok
        ]
    );
    assert_eq!((calls[1].seq, calls[1].caller_seq, calls[1].invocation), (2, 2, 7));
    assert_eq!(
        (calls[1].service.as_str(), calls[1].operation.as_str()),
        ("sns", "Publish")
    );
    assert_eq!(calls[0].caller, "cutover");
    assert!(calls[1].at > calls[0].at);
    assert_eq!(cloud.sns().published().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_its_latency_in_virtual_time() {
    let cloud = cloud();
    let topic = cloud.sns().create_topic("waves");
    common::sns(&cloud, &caller())
        .publish()
        .topic_arn(topic)
        .message("hello")
        .send()
        .await
        .expect("published");
    assert_eq!(elapsed(&cloud), Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_was_executed() {
    let cloud = cloud();
    let topic = cloud.sns().create_topic("waves");
    cloud.set_faults(always(Fault::LostAnswer));
    let client = common::sns(&cloud, &caller());
    let call = client.publish().topic_arn(topic).message("hello").send();
    let lost = tokio::time::timeout(Duration::from_secs(60), call)
        .await
        .expect("a reset is an answer of a kind");
    assert!(lost.expect_err("the connection is reset").as_service_error().is_none());
    assert_eq!(cloud.sns().published().len(), 1);
    let row = &cloud.calls()[0];
    assert_eq!(
        row.outcome,
        Outcome::Injected {
            fault: "LostAnswer",
            behind: Some(Box::new(Outcome::Ok))
        }
    );
    assert!(row.took_effect());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_ends_with_the_clients_own_timeout() {
    let cloud = cloud();
    let topic = cloud.sns().create_topic("waves");
    cloud.set_faults(always(Fault::TimeoutAnswer));
    let timeout = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(20))
        .build();
    let config = aws_sdk_sns::config::Builder::from(&cloud.sdk_config(&caller()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeout);
    let client = aws_sdk_sns::Client::from_conf(config.build());
    let silent = client.publish().topic_arn(topic).message("hello").send().await;
    assert!(
        matches!(silent, Err(aws_sdk_sns::error::SdkError::TimeoutError(_))),
        "{silent:?}"
    );
    assert_eq!(elapsed(&cloud), Duration::from_secs(20));
    assert_eq!(cloud.sns().published().len(), 1);
}

async fn killed_by(fault: Fault) -> (Cloud, Caller) {
    let cloud = cloud();
    let caller = caller();
    let topic = cloud.sns().create_topic("waves");
    cloud.set_faults(always(fault));
    let client = common::sns(&cloud, &caller);
    tokio::select! {
        _ = caller.killed.tripped() => {}
        _ = client.publish().topic_arn(&topic).message("hello").send() => panic!("the dead do not go on"),
    }
    cloud.set_faults(None);
    let later = tokio::time::timeout(
        Duration::from_secs(60),
        client.publish().topic_arn(&topic).message("again").send(),
    );
    assert!(later.await.is_err(), "a killed invocation sends nothing more");
    (cloud, caller)
}

#[tokio::test(start_paused = true)]
async fn kill_after_stops_the_caller_once_the_call_was_executed() {
    let (cloud, _) = killed_by(Fault::KillAfter).await;
    assert_eq!(cloud.sns().published().len(), 1);
    assert_eq!(cloud.calls().len(), 1);
    assert!(cloud.calls()[0].took_effect());
}

#[tokio::test(start_paused = true)]
async fn kill_before_stops_the_caller_with_nothing_done() {
    let (cloud, _) = killed_by(Fault::KillBefore).await;
    assert_eq!(cloud.sns().published().len(), 0);
    assert_eq!(
        cloud.calls()[0].outcome,
        Outcome::Injected {
            fault: "KillBefore",
            behind: None
        }
    );
}

#[tokio::test(start_paused = true)]
async fn each_service_refuses_in_its_own_words() {
    let cloud = cloud();
    let caller = caller();
    cloud.create_table("waves");
    let sns = common::sns(&cloud, &caller);
    let route53 = common::route53(&cloud, &caller);
    let dynamodb = common::dynamodb(&cloud, &caller);
    let states = common::states(&cloud, &caller);
    let cases = [
        (
            Fault::Deny,
            [
                "AuthorizationError",
                "AccessDenied",
                "AccessDeniedException",
                "AccessDeniedException",
            ],
        ),
        (
            Fault::Throttle { retry_after_s: None },
            ["Throttling", "Throttling", "ThrottlingException", "ThrottlingException"],
        ),
        (
            Fault::ServerError,
            [
                "InternalError",
                "InternalFailure",
                "InternalServerError",
                "InternalFailure",
            ],
        ),
    ];
    for (fault, expected) in cases {
        cloud.set_faults(always(fault));
        let refused = [
            code(
                &sns.publish()
                    .topic_arn("t")
                    .message("m")
                    .send()
                    .await
                    .expect_err("refused"),
            ),
            code(&route53.get_change().id("C1").send().await.expect_err("refused")),
            code(
                &dynamodb
                    .describe_table()
                    .table_name("waves")
                    .send()
                    .await
                    .expect_err("refused"),
            ),
            code(
                &states
                    .describe_execution()
                    .execution_arn("e")
                    .send()
                    .await
                    .expect_err("refused"),
            ),
        ];
        assert_eq!(refused, expected, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_rule_sees_the_request() {
    let cloud = cloud();
    let topic = cloud.sns().create_topic("waves");
    cloud.set_faults(Some(Arc::new(|call: &CallContext| {
        let denied = call.service == "sns" && call.operation == "Publish" && call.body["Message"] == "secret";
        if denied { Fault::Deny } else { Fault::None }
    })));
    let client = common::sns(&cloud, &caller());
    client
        .publish()
        .topic_arn(&topic)
        .message("plain")
        .send()
        .await
        .expect("not the one");
    let denied = client
        .publish()
        .topic_arn(&topic)
        .message("secret")
        .send()
        .await
        .expect_err("the one");
    assert_eq!(code(&denied), "AuthorizationError");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_operation_is_an_error_that_names_it() {
    let cloud = cloud();
    let caller = caller();
    let sns = common::sns(&cloud, &caller)
        .list_topics()
        .send()
        .await
        .expect_err("not simulated");
    assert_eq!(
        (code(&sns).as_str(), message(&sns).contains("sns:ListTopics")),
        ("NotSimulated", true)
    );
    let dns = common::route53(&cloud, &caller)
        .list_hosted_zones()
        .send()
        .await
        .expect_err("not simulated");
    assert_eq!(code(&dns), "NotSimulated");
    assert!(
        message(&dns).contains("route53:GET /2013-04-01/hostedzone"),
        "{}",
        message(&dns)
    );
    let table = common::dynamodb(&cloud, &caller)
        .list_tables()
        .send()
        .await
        .expect_err("not simulated");
    assert!(message(&table).contains("dynamodb:ListTables"), "{}", message(&table));
    let machine = common::states(&cloud, &caller)
        .list_activities()
        .send()
        .await
        .expect_err("not simulated");
    assert!(
        message(&machine).contains("states:ListActivities"),
        "{}",
        message(&machine)
    );
    let refused = Outcome::Error {
        status: 400,
        code: "NotSimulated".to_owned(),
    };
    assert!(cloud.calls().iter().all(|call| call.outcome == refused));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_parameter_is_an_error_that_names_it() {
    let cloud = cloud();
    let topic = cloud.sns().create_topic("waves");
    let client = common::sns(&cloud, &caller());
    let refused = client
        .publish()
        .topic_arn(topic)
        .message("m")
        .message_group_id("g")
        .send()
        .await;
    let refused = refused.expect_err("FIFO topics are not simulated");
    assert_eq!(code(&refused), "NotSimulated");
    assert!(message(&refused).contains("MessageGroupId"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_host_is_an_error_that_names_it() {
    let cloud = cloud();
    let request = post("s3.eu-west-1.amazonaws.com", "/")
        .header("content-type", "application/json")
        .body("{}");
    let (parts, body) = send(&cloud, request.expect("a request"));
    assert_eq!(parts.status, 400);
    assert_eq!(parts.headers["x-amzn-errortype"], "NotSimulated");
    assert!(body.contains("s3.eu-west-1.amazonaws.com"), "{body}");
    assert_eq!(cloud.calls()[0].service, "s3.eu-west-1.amazonaws.com");
}

#[tokio::test(start_paused = true)]
async fn dynamodb_is_found_behind_an_account_endpoint() {
    let cloud = cloud();
    cloud.create_table("waves");
    let request = post(&format!("{ACCOUNT}.ddb.{REGION}.amazonaws.com"), "/")
        .header("x-amz-target", "DynamoDB_20120810.DescribeTable")
        .body(r#"{"TableName":"waves"}"#);
    let (parts, body) = send(&cloud, request.expect("a request"));
    assert_eq!(parts.status, 200, "{body}");
    assert_eq!(cloud.calls()[0].service, "dynamodb");
}

#[tokio::test(start_paused = true)]
async fn a_request_to_this_machine_is_for_the_service_that_its_signature_names() {
    let cloud = cloud();
    let request = post("localhost:4566", "/")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=K/20260301/eu-west-1/sns/aws4_request, Signature=0",
        )
        .body("Action=ListTopics&Version=2010-03-31");
    send(&cloud, request.expect("a request"));
    let row = &cloud.calls()[0];
    assert_eq!((row.service.as_str(), row.operation.as_str()), ("sns", "ListTopics"));
}

#[tokio::test(start_paused = true)]
async fn mgn_errors_carry_their_type_in_a_header_and_may_say_when_to_come_back() {
    let cloud = cloud();
    cloud.set_faults(always(Fault::Throttle { retry_after_s: Some(3) }));
    let (parts, body) = send(
        &cloud,
        post("mgn.eu-west-1.amazonaws.com", "/StartTest")
            .body("{}")
            .expect("a request"),
    );
    assert_eq!(parts.status, 429);
    assert_eq!(parts.headers["x-amzn-errortype"], "ThrottlingException");
    assert_eq!(parts.headers["retry-after"], "3");
    assert_eq!(body, r#"{"message":"Rate exceeded"}"#);
    assert_eq!(cloud.calls()[0].operation, "StartTest");
}

#[tokio::test(start_paused = true)]
async fn ec2_errors_are_its_own_document() {
    let cloud = cloud();
    cloud.set_faults(always(Fault::Deny));
    let request = post("ec2.eu-west-1.amazonaws.com", "/").body("Action=DescribeInstances&Version=2016-11-15");
    let (parts, body) = send(&cloud, request.expect("a request"));
    assert_eq!(parts.status, 403);
    assert!(
        body.contains("<Response><Errors><Error><Code>UnauthorizedOperation</Code>"),
        "{body}"
    );
}

/// Runs of [`scenario`]: the SDK keeps retry tokens for the whole process, so each run needs a bucket of its own.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A little of everything random: back-off, event delays and losses, ids.
async fn scenario(
    seed: u64,
) -> (
    Vec<CallRecord>,
    Vec<landfall_cloud::EventLogEntry>,
    Vec<String>,
    Duration,
) {
    fastrand::seed(seed);
    let mut knobs = Knobs::default();
    knobs.events.common.drop_probability = 0.5;
    let cloud = cloud_with(seed, knobs);
    let topic = cloud.sns().create_topic("waves");
    let bus = cloud.events();
    bus.rule(
        "all",
        landfall_cloud::EventPattern::default(),
        Arc::new(|_| Box::pin(async { Ok(()) })),
    );
    cloud.set_faults(Some(Arc::new(|call: &CallContext| match call.seq % 3 {
        1 => Fault::Throttle { retry_after_s: None },
        _ => Fault::None,
    })));
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let client = patient_sns(&cloud, &format!("scenario-{run}"));
    for number in 0..8 {
        client
            .publish()
            .topic_arn(&topic)
            .message(format!("{number}"))
            .send()
            .await
            .expect("published in the end");
        bus.emit(landfall_cloud::EventDetail {
            source: "aws.mgn".to_owned(),
            detail_type: "number".to_owned(),
            resources: Vec::new(),
            detail: number.into(),
        });
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ids = cloud
        .sns()
        .published()
        .into_iter()
        .map(|notification| notification.message_id)
        .collect();
    (cloud.calls(), bus.log(), ids, elapsed(&cloud))
}

#[test]
fn the_same_seed_gives_the_same_ledger_and_times() {
    let run = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(scenario(seed))
    };
    let first = run(5);
    assert_eq!(first, run(5));
    // The ids come from the cloud's seed alone, the SDK's back-off jitter has no part in them.
    assert_ne!(first.2, run(6).2);
}
