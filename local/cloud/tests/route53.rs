//! Route 53's rules, through its own SDK client.

mod common;

use std::time::Duration;

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use common::{cloud, cloud_with, code, message};
use landfall_cloud::route53::{Action, BucketSize, RecordSet};
use landfall_cloud::{Caller, Cloud, Knobs};

const ZONE: &str = "Z0123456789ABC";

/// A cloud with one zone, two simple records and a pair of weighted ones.
fn dns(knobs: Knobs) -> (Cloud, Client) {
    let cloud = cloud_with(1, knobs);
    let route53 = cloud.route53();
    route53.add_zone(ZONE, "example.com");
    let weighted = |id, weight| RecordSet::simple("shop.example.com", "A", 60, &["10.0.0.1"]).weighted(id, weight);
    let records = [
        RecordSet::simple("www.example.com", "A", 300, &["10.0.0.1", "10.0.0.2"]),
        RecordSet::simple("db.example.com", "CNAME", 300, &["old.example.com"]),
        weighted("blue", 255),
        weighted("green", 0),
    ];
    for record in records {
        route53.put_record(ZONE, record).expect("the zone is there");
    }
    let client = common::route53(&cloud, &Caller::new("switch-dns", 1));
    (cloud, client)
}

fn set(
    name: &str,
    kind: RrType,
    ttl: i64,
    values: &[&str],
) -> aws_sdk_route53::types::builders::ResourceRecordSetBuilder {
    let records = values
        .iter()
        .map(|value| ResourceRecord::builder().value(*value).build().expect("a record"));
    ResourceRecordSet::builder()
        .name(name)
        .r#type(kind)
        .ttl(ttl)
        .set_resource_records(Some(records.collect()))
}

fn change(action: ChangeAction, set: aws_sdk_route53::types::builders::ResourceRecordSetBuilder) -> Change {
    let set = set.build().expect("a record set");
    Change::builder()
        .action(action)
        .resource_record_set(set)
        .build()
        .expect("a change")
}

async fn apply(client: &Client, changes: Vec<Change>) -> Result<aws_sdk_route53::types::ChangeInfo, (String, String)> {
    let batch = ChangeBatch::builder()
        .set_changes(Some(changes))
        .comment("wave w1")
        .build()
        .expect("a batch");
    let sent = client
        .change_resource_record_sets()
        .hosted_zone_id(ZONE)
        .change_batch(batch)
        .send()
        .await;
    sent.map(|answer| answer.change_info.expect("a change info"))
        .map_err(|error| (code(&error), message(&error)))
}

fn invalid(answer: Result<aws_sdk_route53::types::ChangeInfo, (String, String)>, part: &str) {
    let (code, message) = answer.expect_err("an invalid batch");
    assert_eq!(code, "InvalidChangeBatch", "{message}");
    assert!(message.contains(part), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_pending_then_in_sync_and_shows_at_once_in_the_list() {
    let (cloud, client) = dns(Knobs::default());
    let upsert = change(
        ChangeAction::Upsert,
        set("WWW.example.com", RrType::A, 60, &["10.1.0.1"]),
    );
    let info = apply(&client, vec![upsert]).await.expect("applied");
    assert_eq!(
        (info.status(), info.comment()),
        (&ChangeStatus::Pending, Some("wave w1"))
    );

    let stored = cloud
        .route53()
        .record(ZONE, "www.example.com", "A", None)
        .expect("still there");
    assert_eq!((stored.ttl, stored.values), (Some(60), vec!["10.1.0.1".to_owned()]));
    let status = async || {
        let answer = client.get_change().id(info.id()).send().await.expect("known");
        answer.change_info.expect("a change info").status
    };
    assert_eq!(status().await, ChangeStatus::Pending);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(status().await, ChangeStatus::Insync);
}

#[tokio::test(start_paused = true)]
async fn records_are_listed_by_reversed_labels_in_pages() {
    let (_, client) = dns(Knobs::default());
    let mut seen = Vec::new();
    let mut request = client.list_resource_record_sets().hosted_zone_id(ZONE).max_items(2);
    loop {
        let page = request.send().await.expect("listed");
        seen.extend(page.resource_record_sets().iter().map(|set| {
            format!(
                "{} {} {}",
                set.name(),
                set.r#type(),
                set.set_identifier().unwrap_or("-")
            )
        }));
        if !page.is_truncated() {
            break;
        }
        request = client
            .list_resource_record_sets()
            .hosted_zone_id(ZONE)
            .max_items(2)
            .set_start_record_name(page.next_record_name.clone())
            .set_start_record_type(page.next_record_type.clone())
            .set_start_record_identifier(page.next_record_identifier.clone());
    }
    let expected = [
        "example.com. NS -",
        "example.com. SOA -",
        "db.example.com. CNAME -",
        "shop.example.com. A blue",
        "shop.example.com. A green",
        "www.example.com. A -",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_record_set_comes_back_with_every_field() {
    let (_, client) = dns(Knobs::default());
    let alias = AliasTarget::builder()
        .hosted_zone_id("ZLB")
        .dns_name("lb.example.net")
        .evaluate_target_health(true)
        .build()
        .expect("an alias");
    let set = ResourceRecordSet::builder()
        .name("*.example.com")
        .r#type(RrType::A)
        .alias_target(alias);
    apply(&client, vec![change(ChangeAction::Create, set)])
        .await
        .expect("created");
    let listed = client
        .list_resource_record_sets()
        .hosted_zone_id(ZONE)
        .send()
        .await
        .expect("listed");
    let names: Vec<&str> = listed.resource_record_sets().iter().map(|set| set.name()).collect();
    assert!(names.contains(&"\\052.example.com."), "{names:?}");
    let blue = &listed
        .resource_record_sets()
        .iter()
        .find(|set| set.set_identifier() == Some("blue"))
        .expect("blue");
    assert_eq!((blue.weight(), blue.ttl()), (Some(255), Some(60)));
    let star = &listed
        .resource_record_sets()
        .iter()
        .find(|set| set.alias_target().is_some())
        .expect("the alias");
    let target = star.alias_target().expect("a target");
    assert_eq!(
        (target.dns_name(), target.evaluate_target_health()),
        ("lb.example.net.", true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_applied_whole_or_not_at_all() {
    let (cloud, client) = dns(Knobs::default());
    let before = cloud.route53().records(ZONE);
    let changes = vec![
        change(
            ChangeAction::Upsert,
            set("www.example.com", RrType::A, 60, &["10.1.0.1"]),
        ),
        change(
            ChangeAction::Create,
            set("db.example.com", RrType::Cname, 60, &["new.example.com"]),
        ),
    ];
    invalid(apply(&client, changes).await, "but it already exists");
    assert_eq!(cloud.route53().records(ZONE), before);
    assert!(cloud.route53().history().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delete_must_repeat_every_stored_value() {
    let (cloud, client) = dns(Knobs::default());
    let delete = |ttl, values: &[&str]| change(ChangeAction::Delete, set("www.example.com", RrType::A, ttl, values));
    invalid(
        apply(&client, vec![delete(300, &["10.0.0.1"])]).await,
        "do not match the current values",
    );
    invalid(
        apply(&client, vec![delete(60, &["10.0.0.1", "10.0.0.2"])]).await,
        "do not match the current values",
    );
    apply(&client, vec![delete(300, &["10.0.0.2", "10.0.0.1"])])
        .await
        .expect("every value is there");
    assert_eq!(cloud.route53().record(ZONE, "www.example.com", "A", None), None);
    invalid(
        apply(&client, vec![delete(300, &["10.0.0.2", "10.0.0.1"])]).await,
        "but it was not found",
    );
}

#[tokio::test(start_paused = true)]
async fn one_batch_may_replace_a_simple_set_by_weighted_ones_but_they_never_stand_together() {
    let (cloud, client) = dns(Knobs::default());
    let weighted = |id: &str, weight| {
        let set = set("www.example.com", RrType::A, 60, &["10.1.0.1"])
            .set_identifier(id)
            .weight(weight);
        change(ChangeAction::Create, set)
    };
    invalid(
        apply(&client, vec![weighted("blue", 1)]).await,
        "another routing policy",
    );
    let delete = change(
        ChangeAction::Delete,
        set("www.example.com", RrType::A, 300, &["10.0.0.1", "10.0.0.2"]),
    );
    apply(&client, vec![weighted("blue", 1), weighted("green", 0), delete])
        .await
        .expect("one atomic step");
    assert!(
        cloud
            .route53()
            .record(ZONE, "www.example.com", "A", Some("blue"))
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn weighted_sets_share_one_ttl_and_have_an_identifier_and_a_weight_in_range() {
    let (_, client) = dns(Knobs::default());
    let member = |id: Option<&str>, ttl, weight| {
        let set = set("shop.example.com", RrType::A, ttl, &["10.1.0.1"]).weight(weight);
        change(ChangeAction::Upsert, set.set_set_identifier(id.map(str::to_owned)))
    };
    invalid(apply(&client, vec![member(Some("blue"), 10, 1)]).await, "the same TTL");
    apply(&client, vec![member(Some("blue"), 10, 1), member(Some("green"), 10, 2)])
        .await
        .expect("both at once");
    invalid(apply(&client, vec![member(None, 10, 1)]).await, "SetIdentifier");
    let (code, _) = apply(&client, vec![member(Some("blue"), 10, 256)])
        .await
        .expect_err("a weight above 255");
    assert_eq!(code, "InvalidInput");
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_at_most_1000_records_and_an_upsert_counts_twice() {
    let (_, client) = dns(Knobs::default());
    let many = |action: ChangeAction, count: usize| {
        let values: Vec<String> = (0..count).map(|n| format!("10.2.{}.{}", n / 256, n % 256)).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        change(action, set("many.example.com", RrType::A, 60, &values))
    };
    invalid(
        apply(&client, vec![many(ChangeAction::Upsert, 501)]).await,
        "Number of records limit of 1000",
    );
    apply(&client, vec![many(ChangeAction::Create, 501)])
        .await
        .expect("501 records created");
    let long = format!("\"{}\"", "x".repeat(16_000));
    let text = set("text.example.com", RrType::Txt, 60, &[&long]);
    invalid(
        apply(&client, vec![change(ChangeAction::Upsert, text)]).await,
        "Number of characters limit of 32000",
    );
}

#[tokio::test(start_paused = true)]
async fn a_protected_record_fails_the_whole_batch() {
    let (cloud, client) = dns(Knobs::default());
    cloud
        .route53()
        .protect(ZONE, "db.example.com", "CNAME")
        .expect("the zone is there");
    let changes = vec![
        change(
            ChangeAction::Upsert,
            set("www.example.com", RrType::A, 60, &["10.1.0.1"]),
        ),
        change(
            ChangeAction::Upsert,
            set("db.example.com", RrType::Cname, 60, &["new.example.com"]),
        ),
    ];
    invalid(apply(&client, changes).await, "protected");
    let www = cloud
        .route53()
        .record(ZONE, "www.example.com", "A", None)
        .expect("unchanged");
    assert_eq!(www.ttl, Some(300));
}

#[tokio::test(start_paused = true)]
async fn records_must_be_sound_and_in_their_zone() {
    let (_, client) = dns(Knobs::default());
    let create =
        |name: &str, kind: RrType, value: &str| vec![change(ChangeAction::Create, set(name, kind, 60, &[value]))];
    invalid(
        apply(&client, create("www.example.org", RrType::A, "10.0.0.1")).await,
        "not permitted in zone",
    );
    invalid(
        apply(&client, create("x.example.com", RrType::A, "ten")).await,
        "not an IPv4 address",
    );
    invalid(
        apply(&client, create("www.example.com", RrType::Cname, "a.example.com")).await,
        "conflicts",
    );
    invalid(
        apply(&client, create("example.com", RrType::Cname, "a.example.com")).await,
        "conflicts",
    );
    let twice = vec![
        change(
            ChangeAction::Upsert,
            set("www.example.com", RrType::A, 60, &["10.1.0.1"]),
        ),
        change(
            ChangeAction::Upsert,
            set("www.example.com", RrType::A, 60, &["10.1.0.2"]),
        ),
    ];
    invalid(apply(&client, twice).await, "invalid set of changes");
    let servers: Vec<&str> = ["ns-1.awsdns-01.com."].to_vec();
    let delegation = change(ChangeAction::Delete, set("example.com", RrType::Ns, 172_800, &servers));
    invalid(apply(&client, vec![delegation]).await, "do not match");
}

#[tokio::test(start_paused = true)]
async fn a_busy_zone_asks_to_come_back_later() {
    let mut knobs = Knobs::default();
    knobs.route53.zone_busy_for = Duration::from_secs(5);
    let (_, client) = dns(knobs);
    let upsert = || {
        vec![change(
            ChangeAction::Upsert,
            set("www.example.com", RrType::A, 60, &["10.1.0.1"]),
        )]
    };
    apply(&client, upsert()).await.expect("the first");
    let (code, _) = apply(&client, upsert()).await.expect_err("too soon");
    assert_eq!(code, "PriorRequestNotComplete");
    tokio::time::sleep(Duration::from_secs(5)).await;
    apply(&client, upsert()).await.expect("later");
}

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_throttles_until_it_refills() {
    let mut knobs = Knobs {
        latency: Duration::ZERO,
        ..Knobs::default()
    };
    knobs.route53.account_bucket = Some(BucketSize {
        capacity: 3,
        refill_per_s: 10,
    });
    let (_, client) = dns(knobs);
    let call = async || client.get_hosted_zone().id(ZONE).send().await;
    for _ in 0..3 {
        call().await.expect("from the bucket");
    }
    assert_eq!(code(&call().await.expect_err("empty")), "Throttling");
    tokio::time::sleep(Duration::from_millis(100)).await;
    call().await.expect("one token came back");
    assert_eq!(code(&call().await.expect_err("empty again")), "Throttling");
}

#[tokio::test(start_paused = true)]
async fn upserts_take_two_tokens_of_the_change_bucket() {
    let mut knobs = Knobs::default();
    knobs.route53.change_bucket = Some(BucketSize {
        capacity: 3,
        refill_per_s: 1,
    });
    let (_, client) = dns(knobs);
    let upsert = || {
        vec![change(
            ChangeAction::Upsert,
            set("www.example.com", RrType::A, 60, &["10.1.0.1"]),
        )]
    };
    apply(&client, upsert()).await.expect("two of three tokens");
    let (code, _) = apply(&client, upsert()).await.expect_err("one token is left");
    assert_eq!(code, "Throttling");
}

#[tokio::test(start_paused = true)]
async fn a_zone_describes_itself_and_an_unknown_one_is_not_found() {
    let (cloud, client) = dns(Knobs::default());
    let answer = client
        .get_hosted_zone()
        .id(format!("/hostedzone/{ZONE}"))
        .send()
        .await
        .expect("known");
    let zone = answer.hosted_zone().expect("a zone");
    assert_eq!(
        (zone.name(), zone.resource_record_set_count()),
        ("example.com.", Some(6))
    );
    assert_eq!(answer.delegation_set().expect("a public zone").name_servers().len(), 4);
    cloud.route53().add_private_zone("ZPRIVATE", "internal", "vpc-1");
    let private = client.get_hosted_zone().id("ZPRIVATE").send().await.expect("known");
    assert_eq!(private.vpcs()[0].vpc_id(), Some("vpc-1"));
    let unknown = client.get_hosted_zone().id("ZNONE").send().await.expect_err("unknown");
    assert_eq!(code(&unknown), "NoSuchHostedZone");
    assert_eq!(unknown.raw_response().expect("a response").status().as_u16(), 404);
}

#[tokio::test(start_paused = true)]
async fn the_history_tells_who_changed_what_from_what() {
    let (cloud, client) = dns(Knobs::default());
    let upsert = change(
        ChangeAction::Upsert,
        set("www.example.com", RrType::A, 60, &["10.1.0.1"]),
    );
    let info = apply(&client, vec![upsert]).await.expect("applied");
    let history = cloud.route53().history();
    assert_eq!(history.len(), 1);
    assert_eq!(
        (history[0].caller.as_str(), history[0].zone_id.as_str()),
        ("switch-dns", ZONE)
    );
    assert_eq!(info.id(), format!("/change/{}", history[0].change_id));
    let step = &history[0].changes[0];
    assert_eq!(step.action, Action::Upsert);
    assert_eq!(step.previous.as_ref().and_then(|record| record.ttl), Some(300));
    assert_eq!(step.record.ttl, Some(60));
}

#[tokio::test(start_paused = true)]
async fn a_health_check_must_exist() {
    let (cloud, client) = dns(Knobs::default());
    let checked = || {
        let set = set("hc.example.com", RrType::A, 60, &["10.1.0.1"]).health_check_id("hc-1");
        vec![change(ChangeAction::Upsert, set)]
    };
    let (code, _) = apply(&client, checked()).await.expect_err("unknown");
    assert_eq!(code, "NoSuchHealthCheck");
    cloud.route53().add_health_check("hc-1");
    apply(&client, checked()).await.expect("known now");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_change_is_not_found() {
    let cloud = cloud();
    let client = common::route53(&cloud, &Caller::new("switch-dns", 1));
    assert_eq!(
        code(&client.get_change().id("CNONE").send().await.expect_err("unknown")),
        "NoSuchChange"
    );
}
