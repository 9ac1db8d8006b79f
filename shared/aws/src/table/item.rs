//! Between an item of the table and a record of the domain.

use super::{Key, SERVICE};
use aws_sdk_dynamodb::types::AttributeValue;
use landfall_domain::StepError;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

/// A record with the version under which it was read. A version of 0 is a record that does not exist yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    /// Where it is kept.
    pub key: Key,
    /// The version under which it was read.
    pub version: u64,
    /// The record.
    pub value: T,
}

impl<T> Stored<T> {
    /// A record that is to be created.
    pub fn new(key: Key, value: T) -> Self {
        Self { key, version: 0, value }
    }
}

impl<T> Deref for Stored<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Stored<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// The item of a record, at a version. The record is one string of JSON: it is read and written as a whole, and a
/// nested map of a server's record is ten times as much to send, sign and parse. What conditions look at stands beside
/// it.
pub(super) fn to_item<T: Serialize>(
    key: &Key,
    version: u64,
    value: &T,
) -> Result<HashMap<String, AttributeValue>, StepError> {
    let unwritable = |error: serde_json::Error| StepError::Corrupt(format!("{key} cannot be written: {error}"));
    let data = serde_json::to_value(value).map_err(unwritable)?;
    let mut item = HashMap::from([
        ("PK".to_owned(), AttributeValue::S(key.pk.clone())),
        ("SK".to_owned(), AttributeValue::S(key.sk.clone())),
        ("version".to_owned(), AttributeValue::N(version.to_string())),
        ("data".to_owned(), AttributeValue::S(data.to_string())),
    ]);
    if let Some(epoch) = data.get("epoch").and_then(serde_json::Value::as_u64) {
        item.insert("epoch".to_owned(), AttributeValue::N(epoch.to_string()));
    }
    if let Some(direction) = data.get("direction").and_then(serde_json::Value::as_str) {
        item.insert("direction".to_owned(), AttributeValue::S(direction.to_owned()));
    }
    Ok(item)
}

/// The record of an item.
pub(super) fn from_item<T: DeserializeOwned>(
    mut item: HashMap<String, AttributeValue>,
) -> Result<Stored<T>, StepError> {
    let mut text = |name: &str| match item.remove(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(text),
        _ => Err(StepError::Corrupt(format!("an item of {SERVICE} has no {name}"))),
    };
    let key = Key {
        pk: text("PK")?,
        sk: text("SK")?,
    };
    let version = text("version")?;
    let version = version
        .parse()
        .map_err(|_| StepError::Corrupt(format!("{key} has version {version:?}, which is no number")))?;
    let data = text("data")?;
    let value =
        serde_json::from_str(&data).map_err(|error| StepError::Corrupt(format!("{key} cannot be read: {error}")))?;
    Ok(Stored { key, version, value })
}
