//! DynamoDB: the embedded emulator `dynoxide`, in memory, on virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use dynoxide::storage_backend::ManualClock;
use dynoxide::{Database, DynoxideError};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::hub::{AwsError, Hub};

/// For how long a `ClientRequestToken` makes TransactWriteItems idempotent, as the API reference of
/// TransactWriteItems says.
const TOKEN_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Members that are understood, by operation; others, the legacy ones of before expressions among them, are refused.
const MEMBERS: [(&str, &[&str]); 11] = [
    ("DescribeTable", &["TableName"]),
    ("DescribeTimeToLive", &["TableName"]),
    (
        "PutItem",
        &[
            "TableName",
            "Item",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
            "ReturnConsumedCapacity",
        ],
    ),
    (
        "GetItem",
        &[
            "TableName",
            "Key",
            "ConsistentRead",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ReturnConsumedCapacity",
        ],
    ),
    (
        "UpdateItem",
        &[
            "TableName",
            "Key",
            "UpdateExpression",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
            "ReturnConsumedCapacity",
        ],
    ),
    (
        "DeleteItem",
        &[
            "TableName",
            "Key",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
            "ReturnConsumedCapacity",
        ],
    ),
    (
        "Query",
        &[
            "TableName",
            "IndexName",
            "KeyConditionExpression",
            "FilterExpression",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ScanIndexForward",
            "Limit",
            "ExclusiveStartKey",
            "Select",
            "ConsistentRead",
            "ReturnConsumedCapacity",
        ],
    ),
    (
        "Scan",
        &[
            "TableName",
            "IndexName",
            "FilterExpression",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "Limit",
            "ExclusiveStartKey",
            "Select",
            "ConsistentRead",
            "Segment",
            "TotalSegments",
            "ReturnConsumedCapacity",
        ],
    ),
    ("BatchGetItem", &["RequestItems", "ReturnConsumedCapacity"]),
    ("BatchWriteItem", &["RequestItems", "ReturnConsumedCapacity"]),
    ("TransactGetItems", &["TransactItems", "ReturnConsumedCapacity"]),
];

/// TransactWriteItems is apart from [`MEMBERS`], for its token is handled here and not by the emulator.
const TRANSACTION_MEMBERS: &[&str] = &["TransactItems", "ClientRequestToken", "ReturnConsumedCapacity"];

/// The operations that are simulated.
pub(crate) fn operations() -> Vec<&'static str> {
    let mut names = crate::operations::names(&MEMBERS);
    names.push("TransactWriteItems");
    names
}

/// A transaction that was carried out under a token.
#[derive(Debug)]
struct Remembered {
    at: Timestamp,
    items: Value,
    answer: Value,
}

/// The simulated service. Cloning shares it.
#[derive(Clone)]
pub struct DynamoDb {
    hub: Arc<dyn Hub>,
    database: Arc<Database>,
    clock: ManualClock,
    tokens: Arc<Mutex<BTreeMap<String, Remembered>>>,
}

impl DynamoDb {
    /// A service without tables.
    pub fn new(hub: Arc<dyn Hub>) -> DynamoDb {
        let clock = ManualClock::new(epoch_seconds(hub.now()));
        let database = Database::memory_with_clock(clock.arc()).expect("a database in memory needs no resources");
        DynamoDb {
            hub,
            database: Arc::new(database),
            clock,
            tokens: Arc::default(),
        }
    }

    /// Sets up a table with the string keys `PK` and `SK`, and `ttl` as its time-to-live attribute.
    pub fn create_table(&self, name: &str) -> Result<(), AwsError> {
        let table = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "PK", "AttributeType": "S"},
                {"AttributeName": "SK", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "PK", "KeyType": "HASH"},
                {"AttributeName": "SK", "KeyType": "RANGE"},
            ],
        });
        let ttl = json!({
            "TableName": name,
            "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "ttl"},
        });
        self.set_up("CreateTable", &table)?;
        self.set_up("UpdateTimeToLive", &ttl)
    }

    fn set_up(&self, operation: &str, body: &Value) -> Result<(), AwsError> {
        self.run(operation, body).map(|_| ())
    }

    /// Every item of a table as plain JSON, ordered by key; empty for an unknown table.
    pub fn items(&self, table: &str) -> Vec<Value> {
        let mut items = BTreeMap::new();
        let mut request = json!({"TableName": table, "ConsistentRead": true});
        while let Ok(page) = self.run("Scan", &request) {
            for item in page["Items"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
            {
                let key = |name: &str| {
                    item.get(name)
                        .and_then(|value| value["S"].as_str())
                        .unwrap_or("")
                        .to_owned()
                };
                items.insert((key("PK"), key("SK")), plain_object(item));
            }
            match page.get("LastEvaluatedKey") {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        items.into_values().collect()
    }

    /// Deletes what is past its `ttl` now, which the real service does some time within days.
    pub fn sweep_ttl(&self) -> usize {
        self.clock.set(epoch_seconds(self.hub.now()));
        self.database.sweep_ttl().unwrap_or_default()
    }

    /// Answers a request.
    pub fn handle(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        if operation == "TransactWriteItems" {
            allow_members(operation, body, TRANSACTION_MEMBERS)?;
            return self.transact(body);
        }
        let members = MEMBERS.iter().find(|(name, _)| *name == operation);
        let (_, known) = members.ok_or_else(|| AwsError::not_simulated(&format!("dynamodb:{operation}")))?;
        allow_members(operation, body, known)?;
        let mut answer = self.run(operation, body)?;
        if let Some(table) = answer.get_mut("Table").and_then(Value::as_object_mut) {
            // The emulator repeats the billing mode in a member that DynamoDB does not have.
            table.shift_remove("TableThroughputModeSummary");
        }
        Ok(answer)
    }

    /// The emulator measures a token's ten minutes on the machine's clock, so tokens are kept here, in virtual time.
    fn transact(&self, body: &Value) -> Result<Value, AwsError> {
        let mut body = body.clone();
        let token = body
            .as_object_mut()
            .and_then(|members| members.shift_remove("ClientRequestToken"));
        let Some(token) = token else {
            return self.run("TransactWriteItems", &body);
        };
        let token = match token.as_str() {
            Some(token) if (1..=36).contains(&token.len()) => token.to_owned(),
            _ => return Err(validation("clientRequestToken must have a length between 1 and 36")),
        };
        let now = self.hub.now();
        let mut tokens = self.tokens();
        tokens.retain(|_, remembered| now.duration_since(remembered.at) < TOKEN_WINDOW);
        if let Some(remembered) = tokens.get(&token) {
            return if remembered.items == body["TransactItems"] {
                Ok(remembered.answer.clone())
            } else {
                let message = "The request uses the same client token as a previous, but non-identical request.";
                Err(AwsError::new(400, "IdempotentParameterMismatchException", message))
            };
        }
        let answer = self.run("TransactWriteItems", &body)?;
        let items = body["TransactItems"].take();
        tokens.insert(
            token,
            Remembered {
                at: now,
                items,
                answer: answer.clone(),
            },
        );
        Ok(answer)
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeMap<String, Remembered>> {
        self.tokens
            .lock()
            .expect("DynamoDB does not panic while it holds its tokens")
    }

    /// Runs one operation of the emulator at virtual time.
    fn run(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        self.clock.set(epoch_seconds(self.hub.now()));
        dispatch(&self.database, operation, &body.to_string()).map_err(|error| refused(&error, operation))
    }
}

fn dispatch(database: &Database, operation: &str, body: &str) -> Result<Value, DynoxideError> {
    macro_rules! operations {
        ($($name:literal => $method:ident),* $(,)?) => {
            match operation {
                $($name => encode(database.$method(decode(body)?)?),)*
                other => Err(DynoxideError::UnsupportedCapability(other.to_owned())),
            }
        };
    }
    operations! {
        "CreateTable" => create_table,
        "DescribeTable" => describe_table,
        "UpdateTimeToLive" => update_time_to_live,
        "DescribeTimeToLive" => describe_time_to_live,
        "PutItem" => put_item,
        "GetItem" => get_item,
        "UpdateItem" => update_item,
        "DeleteItem" => delete_item,
        "Query" => query,
        "Scan" => scan,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "TransactWriteItems" => transact_write_items,
        "TransactGetItems" => transact_get_items,
    }
}

/// Reads a request. The emulator's decoders mark the class of an error at the start of its text, and serde_json
/// adds a position at the end; neither belongs into an answer.
fn decode<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, DynoxideError> {
    serde_json::from_str(body).map_err(|error| {
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        let marked = ["VALIDATION_REQUEST:", "VALIDATION:"]
            .into_iter()
            .find_map(|mark| text.strip_prefix(mark));
        if let Some(message) = marked {
            return DynoxideError::ValidationException(message.to_owned());
        }
        let validation = [
            "missing field",
            "unknown variant",
            "invalid type: null",
            "AttributeValue",
        ];
        if validation.iter().any(|part| text.contains(part)) {
            return DynoxideError::ValidationException(text.to_owned());
        }
        DynoxideError::SerializationException(text.strip_prefix("SERIALIZATION:").unwrap_or(text).to_owned())
    })
}

/// Writes an answer with its members in order, for the emulator's maps have none.
fn encode<T: serde::Serialize>(answer: T) -> Result<Value, DynoxideError> {
    let value = serde_json::to_value(answer);
    value
        .map(sorted)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn refused(error: &DynoxideError, operation: &str) -> AwsError {
    if matches!(error, DynoxideError::UnsupportedCapability(_)) {
        return AwsError::not_simulated(&format!("dynamodb:{operation}: {error}"));
    }
    let kind = error.error_type();
    let code = kind.rsplit('#').next().unwrap_or(kind);
    let mut refused = AwsError::new(error.status_code(), code, error.to_string());
    if let Ok(Value::Object(body)) = serde_json::from_str::<Value>(&error.to_json()).map(sorted) {
        let further = |name: &str| !matches!(name, "__type" | "message" | "Message");
        refused.members = Box::new(body.into_iter().filter(|(name, _)| further(name)).collect());
    }
    refused
}

fn allow_members(operation: &str, body: &Value, known: &[&str]) -> Result<(), AwsError> {
    let Some(members) = body.as_object() else {
        return Err(AwsError::new(
            400,
            "SerializationException",
            "the request is not a JSON object",
        ));
    };
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(AwsError::not_simulated(&format!(
            "dynamodb:{operation} with the member {name}"
        ))),
        None => Ok(()),
    }
}

fn validation(message: &str) -> AwsError {
    AwsError::new(400, "ValidationException", message)
}

fn epoch_seconds(at: Timestamp) -> u64 {
    at.as_second().max(0) as u64
}

fn plain_object(item: &Map<String, Value>) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
}

/// An attribute value without its type: numbers as JSON numbers, sets as arrays, binary as its Base64 text.
fn plain(attribute: &Value) -> Value {
    let Some((kind, value)) = attribute.as_object().and_then(|members| members.iter().next()) else {
        return attribute.clone();
    };
    let number = |text: &Value| text.as_str().and_then(|text| serde_json::from_str(text).ok());
    match (kind.as_str(), value) {
        ("NULL", _) => Value::Null,
        ("N", text) => number(text).unwrap_or_else(|| text.clone()),
        ("NS", Value::Array(items)) => items
            .iter()
            .map(|item| number(item).unwrap_or_else(|| item.clone()))
            .collect(),
        ("L", Value::Array(items)) => items.iter().map(plain).collect(),
        ("M", Value::Object(members)) => plain_object(members),
        (_, other) => other.clone(),
    }
}
