//! Route 53's requests and responses in XML.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;

use super::record::{AliasTarget, RecordSet, normalise};
use super::{Action, Change, ChangeInfo, NAME_SERVERS, Zone};
use crate::hub::AwsError;
use crate::protocol::Input;
use crate::protocol::query::{parse_form, percent_decode};
use crate::protocol::xml::{Element, Writer, parse};

/// The namespace of every document.
pub const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// Reads method, path, query string and body.
pub fn decode(request: &http::Request<Bytes>) -> (String, Result<Input, AwsError>) {
    let path = request.uri().path().trim_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    let (operation, id) = match (request.method(), segments.as_slice()) {
        (&Method::GET, ["2013-04-01", "hostedzone", id, "rrset"]) => ("ListResourceRecordSets", *id),
        (&Method::POST, ["2013-04-01", "hostedzone", id, "rrset"]) => ("ChangeResourceRecordSets", *id),
        (&Method::GET, ["2013-04-01", "hostedzone", id]) => ("GetHostedZone", *id),
        (&Method::GET, ["2013-04-01", "change", id]) => ("GetChange", *id),
        (method, _) => {
            let operation = format!("{method} /{path}");
            let error = AwsError::not_simulated(&format!("route53:{operation}"));
            return (operation, Err(error));
        }
    };
    (operation.to_owned(), read_input(request, id))
}

fn read_input(request: &http::Request<Bytes>, id: &str) -> Result<Input, AwsError> {
    let query = parse_form(request.uri().query().unwrap_or_default())?;
    let document = if request.body().is_empty() {
        None
    } else {
        Some(parse(request.body())?)
    };
    Ok(Input::Rest {
        id: percent_decode(id)?,
        query,
        document,
    })
}

/// Refuses query parameters that the operation does not know here.
pub(crate) fn allow_query(operation: &str, query: &BTreeMap<String, String>, known: &[&str]) -> Result<(), AwsError> {
    match query.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(AwsError::not_simulated(&format!(
            "route53:{operation} with the parameter {name}"
        ))),
        None => Ok(()),
    }
}

/// Which page ListResourceRecordSets is to return.
#[derive(Debug)]
pub(crate) struct PageRequest {
    pub name: Option<String>,
    pub record_type: Option<String>,
    pub identifier: Option<String>,
    pub max_items: u32,
}

/// A start type needs a start name, a start identifier needs both; a page is never larger than `page_max`.
pub(crate) fn read_page_request(query: &BTreeMap<String, String>, page_max: u32) -> Result<PageRequest, AwsError> {
    allow_query(
        "ListResourceRecordSets",
        query,
        &["name", "type", "identifier", "maxitems"],
    )?;
    let get = |name: &str| query.get(name).cloned();
    let max_items = match query.get("maxitems") {
        None => page_max,
        Some(text) => text
            .parse::<u32>()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| invalid_input(format!("maxitems {text} is not a positive number")))?
            .min(page_max),
    };
    let page = PageRequest {
        name: get("name"),
        record_type: get("type"),
        identifier: get("identifier"),
        max_items,
    };
    if page.record_type.is_some() && page.name.is_none() {
        return Err(invalid_input("type needs name".to_owned()));
    }
    if page.identifier.is_some() && page.record_type.is_none() {
        return Err(invalid_input("identifier needs name and type".to_owned()));
    }
    Ok(page)
}

/// A batch as asked for.
#[derive(Debug)]
pub(crate) struct ChangeRequest {
    pub comment: Option<String>,
    pub changes: Vec<Change>,
}

/// Reads `ChangeResourceRecordSetsRequest`.
pub(crate) fn read_change_request(document: Option<&Element>) -> Result<ChangeRequest, AwsError> {
    let root = document
        .filter(|root| root.name == "ChangeResourceRecordSetsRequest")
        .ok_or_else(|| {
            AwsError::new(
                400,
                "MalformedInput",
                "ChangeBatch is not valid, expected ChangeResourceRecordSetsRequest",
            )
        })?;
    allow_children(root, &["ChangeBatch"])?;
    let batch = root.child("ChangeBatch").ok_or_else(|| missing("ChangeBatch"))?;
    allow_children(batch, &["Comment", "Changes"])?;
    let list = batch.child("Changes").ok_or_else(|| missing("Changes"))?;
    allow_children(list, &["Change"])?;
    if list.children.is_empty() {
        return Err(invalid_input("Changes must hold at least one Change".to_owned()));
    }
    let comment = batch.text_of("Comment").map(str::to_owned);
    if comment.as_ref().is_some_and(|text| text.chars().count() > 256) {
        return Err(invalid_input("Comment is longer than 256 characters".to_owned()));
    }
    let changes = list.children.iter().map(read_change).collect::<Result<_, _>>()?;
    Ok(ChangeRequest { comment, changes })
}

fn read_change(element: &Element) -> Result<Change, AwsError> {
    allow_children(element, &["Action", "ResourceRecordSet"])?;
    let word = element.text_of("Action").ok_or_else(|| missing("Action"))?;
    let action = Action::parse(word).ok_or_else(|| invalid_input(format!("{word} is not an action")))?;
    let record = read_record_set(
        element
            .child("ResourceRecordSet")
            .ok_or_else(|| missing("ResourceRecordSet"))?,
    )?;
    Ok(Change { action, record })
}

fn read_record_set(element: &Element) -> Result<RecordSet, AwsError> {
    allow_children(
        element,
        &[
            "Name",
            "Type",
            "SetIdentifier",
            "Weight",
            "Region",
            "GeoLocation",
            "Failover",
            "MultiValueAnswer",
            "TTL",
            "ResourceRecords",
            "AliasTarget",
            "HealthCheckId",
        ],
    )?;
    let text = |name: &str| element.text_of(name).map(str::to_owned);
    Ok(RecordSet {
        name: normalise(element.text_of("Name").ok_or_else(|| missing("Name"))?),
        record_type: text("Type").ok_or_else(|| missing("Type"))?,
        set_identifier: text("SetIdentifier"),
        weight: read_number(element, "Weight")?,
        region: text("Region"),
        failover: text("Failover"),
        geo_location: element
            .child("GeoLocation")
            .map(read_geo_location)
            .transpose()?
            .unwrap_or_default(),
        multi_value_answer: read_bool(element, "MultiValueAnswer")?,
        ttl: read_number(element, "TTL")?,
        values: element
            .child("ResourceRecords")
            .map(read_values)
            .transpose()?
            .unwrap_or_default(),
        alias: element.child("AliasTarget").map(read_alias).transpose()?,
        health_check_id: text("HealthCheckId"),
    })
}

fn read_values(element: &Element) -> Result<Vec<String>, AwsError> {
    allow_children(element, &["ResourceRecord"])?;
    let value = |record: &Element| {
        allow_children(record, &["Value"])?;
        record
            .text_of("Value")
            .map(str::to_owned)
            .ok_or_else(|| missing("Value"))
    };
    element.children.iter().map(value).collect()
}

fn read_geo_location(element: &Element) -> Result<BTreeMap<String, String>, AwsError> {
    allow_children(element, &["ContinentCode", "CountryCode", "SubdivisionCode"])?;
    Ok(element
        .children
        .iter()
        .map(|child| (child.name.clone(), child.text.clone()))
        .collect())
}

fn read_alias(element: &Element) -> Result<AliasTarget, AwsError> {
    allow_children(element, &["HostedZoneId", "DNSName", "EvaluateTargetHealth"])?;
    let text = |name: &str| element.text_of(name).ok_or_else(|| missing(name));
    Ok(AliasTarget {
        hosted_zone_id: text("HostedZoneId")?.to_owned(),
        dns_name: normalise(text("DNSName")?),
        evaluate_target_health: read_bool(element, "EvaluateTargetHealth")?
            .ok_or_else(|| missing("EvaluateTargetHealth"))?,
    })
}

fn read_number<T: std::str::FromStr>(element: &Element, name: &str) -> Result<Option<T>, AwsError> {
    let Some(text) = element.text_of(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| invalid_input(format!("{name} {text} is not a number in its range")))
}

fn read_bool(element: &Element, name: &str) -> Result<Option<bool>, AwsError> {
    let Some(text) = element.text_of(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| invalid_input(format!("{name} {text} is neither true nor false")))
}

fn allow_children(element: &Element, known: &[&str]) -> Result<(), AwsError> {
    match element
        .children
        .iter()
        .find(|child| !known.contains(&child.name.as_str()))
    {
        Some(child) => {
            let what = format!(
                "route53:ChangeResourceRecordSets with {} in {}",
                child.name, element.name
            );
            Err(AwsError::not_simulated(&what))
        }
        None => Ok(()),
    }
}

fn missing(name: &str) -> AwsError {
    invalid_input(format!("{name} is missing"))
}

fn invalid_input(message: String) -> AwsError {
    AwsError::new(400, "InvalidInput", message)
}

/// Writes `ListResourceRecordSetsResponse`; `next` is the first set of the next page.
pub(crate) fn write_record_sets(records: &[&RecordSet], next: Option<&RecordSet>, max_items: u32) -> String {
    let mut xml = Writer::new();
    xml.open_in("ListResourceRecordSetsResponse", NAMESPACE)
        .open("ResourceRecordSets");
    for record in records {
        write_record_set(&mut xml, record);
    }
    xml.close("ResourceRecordSets")
        .leaf("IsTruncated", if next.is_some() { "true" } else { "false" });
    if let Some(next) = next {
        xml.leaf("NextRecordName", &next.name)
            .leaf("NextRecordType", &next.record_type);
        xml.optional("NextRecordIdentifier", next.set_identifier.as_deref());
    }
    xml.leaf("MaxItems", &max_items.to_string())
        .close("ListResourceRecordSetsResponse");
    xml.finish()
}

fn write_record_set(xml: &mut Writer, record: &RecordSet) {
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    xml.open("ResourceRecordSet")
        .leaf("Name", &record.name)
        .leaf("Type", &record.record_type);
    xml.optional("SetIdentifier", record.set_identifier.as_deref());
    xml.optional("Weight", number(record.weight.map(u32::from)).as_deref());
    xml.optional("Region", record.region.as_deref());
    if !record.geo_location.is_empty() {
        xml.open("GeoLocation");
        for (name, value) in &record.geo_location {
            xml.leaf(name, value);
        }
        xml.close("GeoLocation");
    }
    xml.optional("Failover", record.failover.as_deref());
    xml.optional(
        "MultiValueAnswer",
        record.multi_value_answer.map(|answer| answer.to_string()).as_deref(),
    );
    xml.optional("TTL", number(record.ttl).as_deref());
    if !record.values.is_empty() {
        xml.open("ResourceRecords");
        for value in &record.values {
            xml.open("ResourceRecord").leaf("Value", value).close("ResourceRecord");
        }
        xml.close("ResourceRecords");
    }
    if let Some(alias) = &record.alias {
        xml.open("AliasTarget")
            .leaf("HostedZoneId", &alias.hosted_zone_id)
            .leaf("DNSName", &alias.dns_name);
        xml.leaf("EvaluateTargetHealth", &alias.evaluate_target_health.to_string())
            .close("AliasTarget");
    }
    xml.optional("HealthCheckId", record.health_check_id.as_deref())
        .close("ResourceRecordSet");
}

/// Writes a response that holds a `ChangeInfo` and nothing else.
pub(crate) fn write_change_info(root: &str, info: &ChangeInfo) -> String {
    let mut xml = Writer::new();
    xml.open_in(root, NAMESPACE).open("ChangeInfo");
    xml.leaf("Id", &format!("/change/{}", info.id))
        .leaf("Status", if info.in_sync { "INSYNC" } else { "PENDING" });
    xml.leaf("SubmittedAt", &format!("{:.3}", info.submitted_at))
        .optional("Comment", info.comment.as_deref());
    xml.close("ChangeInfo").close(root);
    xml.finish()
}

/// Writes `GetHostedZoneResponse`.
pub(crate) fn write_hosted_zone(zone: &Zone, region: &str) -> String {
    let private = zone.vpc_id.is_some();
    let mut xml = Writer::new();
    xml.open_in("GetHostedZoneResponse", NAMESPACE).open("HostedZone");
    xml.leaf("Id", &format!("/hostedzone/{}", zone.id))
        .leaf("Name", &zone.name);
    xml.leaf("CallerReference", &zone.caller_reference);
    xml.open("Config")
        .leaf("PrivateZone", &private.to_string())
        .close("Config");
    xml.leaf("ResourceRecordSetCount", &zone.records.len().to_string())
        .close("HostedZone");
    match &zone.vpc_id {
        Some(vpc_id) => {
            xml.open("VPCs")
                .open("VPC")
                .leaf("VPCRegion", region)
                .leaf("VPCId", vpc_id)
                .close("VPC")
                .close("VPCs");
        }
        None => {
            xml.open("DelegationSet").open("NameServers");
            for server in NAME_SERVERS {
                xml.leaf("NameServer", server.trim_end_matches('.'));
            }
            xml.close("NameServers").close("DelegationSet");
        }
    }
    xml.close("GetHostedZoneResponse");
    xml.finish()
}
