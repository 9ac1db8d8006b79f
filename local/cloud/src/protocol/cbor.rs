//! Smithy RPC v2 with CBOR, which CloudWatch's clients speak.
//! <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use bytes::Bytes;
use jiff::Timestamp;
use minicbor::data::{IanaTag, Tag, Type};
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Value, json};

use super::{Input, header, method_and_path};
use crate::hub::AwsError;

/// How deep a document may nest; deeper ones are refused rather than followed.
const DEPTH_MAX: usize = 32;

/// A value to send. JSON cannot tell an instant from a number, CBOR must.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A text.
    Text(String),
    /// A number with a fraction.
    Number(f64),
    /// An instant.
    Time(Timestamp),
    /// A list.
    List(Vec<Item>),
    /// A structure.
    Map(Vec<(&'static str, Item)>),
}

impl Item {
    /// The same in AWS's JSON, where an instant is a number of seconds.
    pub fn to_value(&self) -> Value {
        match self {
            Item::Text(text) => json!(text),
            Item::Number(number) => json!(number),
            Item::Time(time) => json!(epoch_seconds(*time)),
            Item::List(items) => items.iter().map(Item::to_value).collect(),
            Item::Map(members) => {
                let members = members.iter().map(|(name, item)| ((*name).to_owned(), item.to_value()));
                Value::Object(members.collect())
            }
        }
    }
}

fn epoch_seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1e3
}

/// Reads `POST /service/<Service>/operation/<Operation>` and the body; instants become epoch seconds.
pub fn decode(request: &http::Request<Bytes>) -> (String, Result<Input, AwsError>) {
    let operation = match request.uri().path().rsplit_once("/operation/") {
        Some((service, operation)) if service.starts_with("/service/") && !operation.is_empty() => operation.to_owned(),
        _ => {
            let operation = method_and_path(request);
            let error = AwsError::not_simulated(&format!("monitoring:{operation}"));
            return (operation, Err(error));
        }
    };
    if header(request, "smithy-protocol") != Some("rpc-v2-cbor") {
        let error = AwsError::not_simulated("monitoring over another protocol than rpc-v2-cbor");
        return (operation, Err(error));
    }
    if request.body().is_empty() {
        return (operation, Ok(Input::Json(json!({}))));
    }
    let mut decoder = Decoder::new(request.body());
    let input = read(&mut decoder, 0)
        .map(Input::Json)
        .map_err(|error| AwsError::new(400, "SerializationException", error.to_string()));
    (operation, input)
}

fn read(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    if depth >= DEPTH_MAX {
        return Err(Error::message("the document nests too deep"));
    }
    match decoder.datatype()? {
        Type::Bool => Ok(Value::Bool(decoder.bool()?)),
        Type::Null => {
            decoder.null()?;
            Ok(Value::Null)
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(json!(decoder.u64()?)),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Ok(json!(decoder.i64()?)),
        Type::F16 | Type::F32 | Type::F64 => Ok(json!(decoder.f64()?)),
        Type::String => Ok(json!(decoder.str()?)),
        Type::Tag => {
            let tag = decoder.tag()?;
            if tag != Tag::from(IanaTag::Timestamp) {
                return Err(Error::message("a tag other than that of an instant"));
            }
            read(decoder, depth + 1)
        }
        Type::Array | Type::ArrayIndef => {
            let mut left = decoder.array()?;
            let mut items = Vec::new();
            while more(decoder, &mut left)? {
                items.push(read(decoder, depth + 1)?);
            }
            Ok(Value::Array(items))
        }
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map()?;
            let mut members = Map::new();
            while more(decoder, &mut left)? {
                let name = decoder.str()?.to_owned();
                members.insert(name, read(decoder, depth + 1)?);
            }
            Ok(Value::Object(members))
        }
        other => Err(Error::message(format!(
            "a value of type {other}, which is not simulated"
        ))),
    }
}

/// Whether another item follows, in a collection of known length or up to the break.
fn more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    match left {
        Some(0) => Ok(false),
        Some(count) => {
            *count -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

fn write(encoder: &mut Encoder<&mut Vec<u8>>, item: &Item) {
    // Writing to memory cannot fail.
    match item {
        Item::Text(text) => drop(encoder.str(text)),
        Item::Number(number) => drop(encoder.f64(*number)),
        Item::Time(time) => {
            let seconds = epoch_seconds(*time);
            drop(encoder.tag(IanaTag::Timestamp).and_then(|encoder| encoder.f64(seconds)));
        }
        Item::List(items) => {
            drop(encoder.array(items.len() as u64));
            for item in items {
                write(encoder, item);
            }
        }
        Item::Map(members) => {
            drop(encoder.map(members.len() as u64));
            for (name, item) in members {
                drop(encoder.str(name));
                write(encoder, item);
            }
        }
    }
}

/// Renders a success.
pub fn response(status: u16, request_id: &str, body: &Item) -> http::Response<Bytes> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes), body);
    let mut response = super::response(status, "application/cbor", request_id, bytes);
    let protocol = http::HeaderValue::from_static("rpc-v2-cbor");
    response.headers_mut().insert("smithy-protocol", protocol);
    response
}

/// Renders a refusal: its type is in `__type`.
pub fn refuse(error: &AwsError, request_id: &str) -> http::Response<Bytes> {
    let body = Item::Map(vec![
        ("__type", Item::Text(error.code.clone())),
        ("message", Item::Text(error.message.clone())),
    ]);
    response(error.status, request_id, &body)
}
