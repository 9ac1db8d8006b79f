//! The table that Landfall keeps its waves in, through DynamoDB's own SDK client.

mod common;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, KeysAndAttributes, Put, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update, WriteRequest,
};
use common::{cloud, code, message};
use landfall_cloud::{Caller, Cloud};
use serde_json::json;

const TABLE: &str = "waves";

fn table() -> (Cloud, Client) {
    let cloud = cloud();
    cloud.create_table(TABLE);
    let client = common::dynamodb(&cloud, &Caller::new("plan-wave", 1));
    (cloud, client)
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

async fn put(client: &Client, pk: &str, version: i64) {
    let request = client
        .put_item()
        .table_name(TABLE)
        .item("PK", s(pk))
        .item("SK", s("WAVE"));
    request.item("version", n(version)).send().await.expect("put");
}

async fn version(client: &Client, pk: &str) -> Option<String> {
    let request = client
        .get_item()
        .table_name(TABLE)
        .key("PK", s(pk))
        .key("SK", s("WAVE"))
        .consistent_read(true);
    let item = request.send().await.expect("read").item?;
    Some(item["version"].as_n().expect("a number").clone())
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_fails_shows_the_item_that_stands_in_its_way() {
    let (_, client) = table();
    put(&client, "WAVE#1", 1).await;
    let refused = client
        .put_item()
        .table_name(TABLE)
        .item("PK", s("WAVE#1"))
        .item("SK", s("WAVE"))
        .condition_expression("attribute_not_exists(PK)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .expect_err("it exists");
    assert_eq!(code(&refused), "ConditionalCheckFailedException");
    let refused = refused.into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) = refused else {
        panic!("another error: {refused}");
    };
    assert_eq!(failed.item.expect("the old item")["version"], n(1));
}

#[tokio::test(start_paused = true)]
async fn items_are_written_read_updated_queried_scanned_and_deleted() {
    let (cloud, client) = table();
    put(&client, "WAVE#1", 1).await;
    let key = |pk: &str| {
        [("PK".to_owned(), s(pk)), ("SK".to_owned(), s("WAVE"))]
            .into_iter()
            .collect()
    };
    let updated = client
        .update_item()
        .table_name(TABLE)
        .set_key(Some(key("WAVE#1")))
        .update_expression("SET version = version + :one")
        .condition_expression("version = :seen")
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":seen", n(1))
        .return_values(ReturnValue::AllNew)
        .send()
        .await
        .expect("updated");
    assert_eq!(updated.attributes.expect("the new item")["version"], n(2));

    let queried = client
        .query()
        .table_name(TABLE)
        .key_condition_expression("PK = :pk AND begins_with(SK, :sk)")
        .expression_attribute_values(":pk", s("WAVE#1"))
        .expression_attribute_values(":sk", s("WA"))
        .send()
        .await
        .expect("queried");
    assert_eq!(queried.count(), 1);

    let request = PutRequest::builder()
        .item("PK", s("WAVE#2"))
        .item("SK", s("WAVE"))
        .item("version", n(1))
        .build();
    let request = WriteRequest::builder().put_request(request.expect("a put")).build();
    client
        .batch_write_item()
        .request_items(TABLE, vec![request])
        .send()
        .await
        .expect("written");
    let keys = KeysAndAttributes::builder()
        .keys(key("WAVE#1"))
        .keys(key("WAVE#2"))
        .build()
        .expect("keys");
    let got = client
        .batch_get_item()
        .request_items(TABLE, keys)
        .send()
        .await
        .expect("read");
    assert_eq!(got.responses.expect("responses")[TABLE].len(), 2);
    assert_eq!(
        client.scan().table_name(TABLE).send().await.expect("scanned").count(),
        2
    );
    assert_eq!(
        cloud.table_items(TABLE),
        [
            json!({"PK": "WAVE#1", "SK": "WAVE", "version": 2}),
            json!({"PK": "WAVE#2", "SK": "WAVE", "version": 1})
        ]
    );

    client
        .delete_item()
        .table_name(TABLE)
        .set_key(Some(key("WAVE#1")))
        .send()
        .await
        .expect("deleted");
    assert_eq!(version(&client, "WAVE#1").await, None);
}

#[tokio::test(start_paused = true)]
async fn looking_at_a_table_leaves_no_trace_in_the_ledger() {
    let (cloud, client) = table();
    put(&client, "WAVE#1", 1).await;
    cloud.table_items(TABLE);
    assert_eq!(cloud.calls().len(), 1);
    assert_eq!(cloud.calls()[0].operation, "PutItem");
}

fn increment(by: i64) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(TABLE)
        .key("PK", s("WAVE#1"))
        .key("SK", s("WAVE"))
        .update_expression("ADD version :by")
        .expression_attribute_values(":by", n(by));
    TransactWriteItem::builder()
        .update(update.build().expect("an update"))
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_client_token_makes_a_transaction_idempotent_for_ten_virtual_minutes() {
    let (_, client) = table();
    put(&client, "WAVE#1", 0).await;
    let transact = async |by| {
        let request = client
            .transact_write_items()
            .client_request_token("token-1")
            .transact_items(increment(by));
        request.send().await.map_err(|error| code(&error))
    };
    transact(1).await.expect("carried out");
    transact(1).await.expect("remembered");
    assert_eq!(version(&client, "WAVE#1").await.as_deref(), Some("1"));
    assert_eq!(
        transact(5).await.expect_err("another payload"),
        "IdempotentParameterMismatchException"
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    transact(5).await.expect("a new request by now");
    assert_eq!(version(&client, "WAVE#1").await.as_deref(), Some("6"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_transaction_gives_a_reason_for_each_action() {
    let (cloud, client) = table();
    put(&client, "WAVE#1", 1).await;
    let claim = Put::builder()
        .table_name(TABLE)
        .item("PK", s("WAVE#1"))
        .item("SK", s("WAVE"))
        .condition_expression("attribute_not_exists(PK)");
    let delete = Delete::builder()
        .table_name(TABLE)
        .key("PK", s("WAVE#9"))
        .key("SK", s("WAVE"));
    let refused = client
        .transact_write_items()
        .transact_items(
            TransactWriteItem::builder()
                .delete(delete.build().expect("a delete"))
                .build(),
        )
        .transact_items(TransactWriteItem::builder().put(claim.build().expect("a put")).build())
        .send()
        .await
        .expect_err("the claim is taken");
    let refused = refused.into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        cancelled,
    ) = refused
    else {
        panic!("another error: {refused}");
    };
    let codes: Vec<Option<&str>> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code())
        .collect();
    assert_eq!(codes, [Some("None"), Some("ConditionalCheckFailed")]);
    assert_eq!(cloud.table_items(TABLE).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn expired_items_go_when_the_sweep_comes_in_virtual_time() {
    let (cloud, client) = table();
    let at = cloud.clock().now().as_second() + 60;
    let request = client
        .put_item()
        .table_name(TABLE)
        .item("PK", s("AWAIT#1"))
        .item("SK", s("e"));
    request.item("ttl", n(at)).send().await.expect("put");
    assert_eq!(cloud.dynamodb().sweep_ttl(), 0);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(
        cloud.table_items(TABLE).len(),
        1,
        "an expired item stays until it is swept"
    );
    assert_eq!(cloud.dynamodb().sweep_ttl(), 1);
}

#[tokio::test(start_paused = true)]
async fn errors_carry_no_marks_of_the_emulator() {
    let (_, client) = table();
    let key_missing = client
        .put_item()
        .table_name(TABLE)
        .item("PK", s("WAVE#1"))
        .send()
        .await
        .expect_err("no SK");
    assert_eq!(code(&key_missing), "ValidationException");
    assert!(
        !message(&key_missing).contains("VALIDATION"),
        "{}",
        message(&key_missing)
    );
    let unknown = client
        .get_item()
        .table_name("nowhere")
        .key("PK", s("1"))
        .key("SK", s("1"))
        .send()
        .await;
    assert_eq!(code(&unknown.expect_err("no such table")), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_legacy_member_is_refused_by_name() {
    let (_, client) = table();
    let request = client
        .get_item()
        .table_name(TABLE)
        .key("PK", s("1"))
        .key("SK", s("1"))
        .attributes_to_get("a");
    let refused = request.send().await.expect_err("legacy");
    assert_eq!(code(&refused), "NotSimulated");
    assert!(message(&refused).contains("AttributesToGet"));
}
