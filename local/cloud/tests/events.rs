//! The event bus and the topics.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sns::types::MessageAttributeValue;
use common::{ACCOUNT, REGION, cloud_with, code};
use landfall_cloud::eventbridge::Target;
use landfall_cloud::{Caller, Cloud, EventDetail, EventFate, EventKnobs, EventPattern, Knobs};
use serde_json::{Value, json};

type Received = Arc<Mutex<Vec<Value>>>;

/// A target that keeps what it gets, after failing `failures` times.
fn inbox(failures: u32) -> (Received, Target) {
    let received = Received::default();
    let kept = received.clone();
    let left = Arc::new(Mutex::new(failures));
    let target: Target = Arc::new(move |event| {
        let mut left = left.lock().expect("no panic");
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        if !fails {
            kept.lock().expect("no panic").push(event);
        }
        Box::pin(async move { if fails { Err("not now".to_owned()) } else { Ok(()) } })
    });
    (received, target)
}

fn with_events(change: impl FnOnce(&mut EventKnobs)) -> Cloud {
    let mut knobs = Knobs::default();
    change(&mut knobs.events);
    cloud_with(3, knobs)
}

fn say(cloud: &Cloud, source: &str, number: u32) {
    cloud.events().emit(EventDetail {
        source: source.to_owned(),
        detail_type: "MGN Source Server Launch Result".to_owned(),
        resources: vec!["arn:aws:mgn:eu-west-1:123456789012:source-server/s-1".to_owned()],
        detail: json!({"number": number}),
    });
}

fn numbers(received: &Received) -> Vec<u64> {
    let received = received.lock().expect("no panic");
    received
        .iter()
        .map(|event| event["detail"]["number"].as_u64().expect("a number"))
        .collect()
}

async fn a_while() {
    tokio::time::sleep(Duration::from_secs(300)).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_gets_what_matches_in_the_envelope_of_a_service_event() {
    let cloud = with_events(|_| {});
    let (received, target) = inbox(0);
    cloud.events().rule("mgn", EventPattern::source("aws.mgn"), target);
    say(&cloud, "aws.mgn", 1);
    say(&cloud, "aws.states", 2);
    assert!(received.lock().expect("no panic").is_empty(), "delivery takes time");
    a_while().await;
    assert_eq!(numbers(&received), [1]);
    let event = received.lock().expect("no panic")[0].clone();
    let id = event["id"].as_str().expect("an id").to_owned();
    let expected = json!({
        "version": "0",
        "id": id,
        "detail-type": "MGN Source Server Launch Result",
        "source": "aws.mgn",
        "account": ACCOUNT,
        "time": "2026-03-01T00:00:00Z",
        "region": REGION,
        "resources": ["arn:aws:mgn:eu-west-1:123456789012:source-server/s-1"],
        "detail": {"number": 1},
    });
    assert_eq!(event, expected);
}

#[tokio::test(start_paused = true)]
async fn events_of_one_source_can_be_lost_and_the_observer_still_sees_them() {
    let cloud = with_events(|events| {
        events
            .by_source
            .insert("aws.mgn".to_owned(), EventKnobs::drop_all().common);
    });
    let (received, target) = inbox(0);
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    cloud
        .events()
        .on_emit(Arc::new(move |_| *count.lock().expect("no panic") += 1));
    cloud.events().rule("all", EventPattern::default(), target);
    say(&cloud, "aws.mgn", 1);
    say(&cloud, "aws.states", 2);
    a_while().await;
    assert_eq!(numbers(&received), [2]);
    assert_eq!(*seen.lock().expect("no panic"), 2);
    let log = cloud.events().log();
    assert!(
        log.iter()
            .any(|entry| entry.source == "aws.mgn" && entry.fate == EventFate::Dropped)
    );
}

#[tokio::test(start_paused = true)]
async fn events_can_come_twice() {
    let cloud = with_events(|events| events.common.duplicate_probability = 1.0);
    let (received, target) = inbox(0);
    cloud.events().rule("all", EventPattern::default(), target);
    say(&cloud, "aws.mgn", 1);
    a_while().await;
    assert_eq!(numbers(&received), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn events_keep_their_order_unless_told_otherwise() {
    for reorder in [false, true] {
        let cloud = with_events(|events| {
            events.common.delay_max = Duration::from_secs(60);
            events.common.reorder = reorder;
        });
        let (received, target) = inbox(0);
        cloud.events().rule("all", EventPattern::default(), target);
        (0..20).for_each(|number| say(&cloud, "aws.mgn", number));
        a_while().await;
        let came = numbers(&received);
        assert_eq!(came.len(), 20);
        assert_eq!(came.is_sorted(), !reorder);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_target_is_tried_again_and_given_up_in_the_end() {
    let cloud = with_events(|events| {
        events.common.attempts_max = 3;
        events.common.retry_after = Duration::from_secs(1);
    });
    let given_up = Arc::new(Mutex::new(Vec::new()));
    let kept = given_up.clone();
    cloud.events().on_given_up(Arc::new(move |rule, event, said| {
        let one = (rule.to_owned(), event["detail"].clone(), said.to_owned());
        kept.lock().expect("no panic").push(one);
    }));
    let (received, target) = inbox(2);
    cloud.events().rule("slow", EventPattern::default(), target);
    let (lost, target) = inbox(3);
    cloud.events().rule("broken", EventPattern::default(), target);
    say(&cloud, "aws.mgn", 1);
    a_while().await;
    assert_eq!(numbers(&received), [1]);
    assert!(numbers(&lost).is_empty());
    let log = cloud.events().log();
    let failed = |rule: &str| {
        let of_rule = log.iter().filter(|entry| entry.rule.as_deref() == Some(rule));
        of_rule
            .filter(|entry| matches!(entry.fate, EventFate::Failed { .. }))
            .count()
    };
    assert_eq!((failed("slow"), failed("broken")), (2, 3));
    let given_up = given_up.lock().expect("no panic");
    let rules: Vec<&str> = given_up.iter().map(|(rule, ..)| rule.as_str()).collect();
    assert_eq!(rules, ["broken"]);
    assert!(!given_up[0].1.is_null() && !given_up[0].2.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_schedule_comes_after_every_period_until_it_is_removed() {
    let cloud = with_events(|_| {});
    let (received, target) = inbox(0);
    cloud.events().schedule("sweep", Duration::from_secs(60), target);
    tokio::time::sleep(Duration::from_secs(190)).await;
    assert_eq!(received.lock().expect("no panic").len(), 3);
    assert_eq!(received.lock().expect("no panic")[0]["detail-type"], "Scheduled Event");
    cloud.events().remove("sweep");
    a_while().await;
    assert_eq!(received.lock().expect("no panic").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_recorded_as_published_and_observers_hear_of_it() {
    let cloud = with_events(|_| {});
    let topic = cloud.sns().create_topic("waves");
    assert_eq!(topic, format!("arn:aws:sns:{REGION}:{ACCOUNT}:waves"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    cloud.sns().on_publish(Arc::new(move |message| {
        kept.lock().expect("no panic").push(message.message.clone())
    }));
    let attribute = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("w 1&2")
        .build();
    let client = common::sns(&cloud, &Caller::new("report", 1));
    let answer = client
        .publish()
        .topic_arn(&topic)
        .subject("Wave held")
        .message("a=b & <c> ü\n")
        .message_attributes("wave", attribute.expect("an attribute"))
        .send()
        .await
        .expect("published");
    let published = cloud.sns().published();
    assert_eq!(answer.message_id(), Some(published[0].message_id.as_str()));
    assert_eq!(published[0].subject.as_deref(), Some("Wave held"));
    assert_eq!(published[0].message, "a=b & <c> ü\n");
    assert_eq!(published[0].attributes["wave"], "w 1&2");
    assert_eq!(published[0].caller, "report");
    assert_eq!(*heard.lock().expect("no panic"), ["a=b & <c> ü\n"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_and_a_bad_subject_are_refused() {
    let cloud = with_events(|_| {});
    let topic = cloud.sns().create_topic("waves");
    let client = common::sns(&cloud, &Caller::new("report", 1));
    let unknown = client
        .publish()
        .topic_arn(format!("{topic}-2"))
        .message("m")
        .send()
        .await
        .expect_err("unknown");
    assert_eq!(code(&unknown), "NotFound");
    let long = client
        .publish()
        .topic_arn(topic)
        .subject("x".repeat(100))
        .message("m")
        .send()
        .await;
    assert_eq!(
        code(&long.expect_err("a subject of 100 characters")),
        "InvalidParameter"
    );
    assert!(cloud.sns().published().is_empty());
}
