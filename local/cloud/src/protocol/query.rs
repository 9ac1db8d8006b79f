//! The query protocols of EC2 and SNS: a form in, XML out.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::xml::Writer;
use super::{Input, method_and_path};
use crate::hub::AwsError;

/// The XML namespace of SNS.
pub const SNS_NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// Reads `Action=Publish&Version=...&TopicArn=...`, from the body or the query string.
pub fn decode(request: &http::Request<Bytes>) -> (String, Result<Input, AwsError>) {
    let text = match std::str::from_utf8(request.body()) {
        Ok(text) => text,
        Err(_) => return (method_and_path(request), Err(malformed("the form is not UTF-8"))),
    };
    let text = if text.is_empty() {
        request.uri().query().unwrap_or_default()
    } else {
        text
    };
    let mut form = match parse_form(text) {
        Ok(form) => form,
        Err(error) => return (method_and_path(request), Err(error)),
    };
    form.remove("Version");
    match form.remove("Action") {
        Some(action) => (action, Ok(Input::Query(form))),
        None => (
            method_and_path(request),
            Err(AwsError::new(
                400,
                "MissingAction",
                "The request must contain the parameter Action",
            )),
        ),
    }
}

/// Splits a form or a query string into decoded names and values.
pub fn parse_form(text: &str) -> Result<BTreeMap<String, String>, AwsError> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(name)?, percent_decode(value)?))
        })
        .collect()
}

/// Undoes `%41` and `+`.
pub fn percent_decode(text: &str) -> Result<String, AwsError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or_default()).to_digit(16));
                match digits {
                    [Some(high), Some(low)] => bytes.push((high * 16 + low) as u8),
                    _ => return Err(malformed("a percent sign without two hexadecimal digits")),
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed("an escaped value that is not UTF-8"))
}

fn malformed(what: &str) -> AwsError {
    AwsError::new(400, "MalformedQueryString", format!("The query string contains {what}"))
}

/// EC2's error document.
pub fn ec2_error(error: &AwsError, request_id: &str) -> String {
    let mut xml = Writer::new();
    xml.open("Response").open("Errors").open("Error");
    xml.leaf("Code", &error.code).leaf("Message", &error.message);
    xml.close("Error")
        .close("Errors")
        .leaf("RequestID", request_id)
        .close("Response");
    xml.finish()
}
