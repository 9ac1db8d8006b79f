//! Route 53: reading record sets and changing them.

use crate::classify::{beginning, step_error, too_many_pages, unknown};
use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{
    Change as WireChange, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use landfall_domain::StepError;
use landfall_domain::decide::Change;
use landfall_domain::ids::HostedZoneId;
use landfall_domain::record::RecordSet;
use std::collections::{BTreeMap, BTreeSet};

/// The service's name in errors.
const SERVICE: &str = "Route 53";

/// Record sets in one page.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>
const SETS_PER_PAGE_MAX: i32 = 300;

/// Pages that the sets of one name may fill. A name and type has at most 100 members, and a name some dozen types.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>
const PAGES_PER_NAME_MAX: usize = 10;

/// Characters of a change batch's comment.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeBatch.html>
const COMMENT_CHARACTERS_MAX: usize = 256;

/// A name, as Route 53 stores it, and a type.
type Group = (String, String);

/// Route 53, in the domain's words.
#[derive(Debug, Clone)]
pub struct Route53 {
    client: aws_sdk_route53::Client,
}

/// What was read of a zone from a name on.
struct Stretch {
    /// The sets, in Route 53's order.
    sets: Vec<ResourceRecordSet>,
    /// The name whose sets may go on after the stretch.
    cut: Option<String>,
}

impl Route53 {
    /// Wraps a client.
    pub fn new(client: aws_sdk_route53::Client) -> Self {
        Self { client }
    }

    /// Reads all record sets of the wanted names and types, the members of a group in the order of their set identifiers.
    /// What does not exist is absent from the answer. A wanted set with a member that Landfall cannot restore is
    /// [`StepError::RecordSetHeld`].
    ///
    /// There is no call for a list of names. A page is read from the first wanted name on, every wanted name that is whole
    /// on it is done, and the next page is read from the next wanted name on, over whatever lies between. A name costs at
    /// most one call (two, when its sets are split between pages), and many wanted names on one page cost one together.
    /// The order that names are taken in saves calls only; no answer depends on it.
    /// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>
    pub async fn record_sets(
        &self,
        zone: &HostedZoneId,
        wanted: &BTreeSet<Group>,
    ) -> Result<BTreeMap<Group, Vec<RecordSet>>, StepError> {
        let mut found: BTreeMap<Group, Vec<RecordSet>> = BTreeMap::new();
        let mut open: BTreeSet<(String, &str)> =
            wanted.iter().map(|(name, _)| (sort_key(name), name.as_str())).collect();
        while let Some(next) = open.first().cloned() {
            let stretch = self.stretch(zone, next.1).await?;
            let mut done = BTreeSet::from([next]);
            for set in stretch
                .sets
                .iter()
                .filter(|set| Some(&set.name) != stretch.cut.as_ref())
            {
                let Some(name) = open.get(&(sort_key(&set.name), set.name.as_str())) else {
                    continue;
                };
                done.insert(name.clone());
                let group = (set.name.clone(), set.r#type.as_str().to_owned());
                if wanted.contains(&group) {
                    let set = restorable(zone, set)?;
                    found.entry(group).or_default().push(set);
                }
            }
            open.retain(|name| !done.contains(name));
        }
        for members in found.values_mut() {
            members.sort_by(|one, other| one.set_identifier.cmp(&other.set_identifier));
        }
        Ok(found)
    }

    /// Reads one page from a name on, and further pages only while they begin with the same name.
    async fn stretch(&self, zone: &HostedZoneId, name: &str) -> Result<Stretch, StepError> {
        const OPERATION: &str = "ListResourceRecordSets";
        let mut sets = Vec::new();
        let mut from: (Option<RrType>, Option<String>) = (None, None);
        for _ in 0..PAGES_PER_NAME_MAX {
            let page = self
                .client
                .list_resource_record_sets()
                .hosted_zone_id(zone.as_str())
                .start_record_name(name)
                .set_start_record_type(from.0)
                .set_start_record_identifier(from.1)
                .max_items(SETS_PER_PAGE_MAX)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            sets.extend(page.resource_record_sets);
            let cut = page.next_record_name.filter(|_| page.is_truncated);
            if page.is_truncated && cut.is_none() {
                return Err(unknown(
                    SERVICE,
                    "NextRecordName of a page that is not the last",
                    "(absent)",
                ));
            }
            if cut.as_deref() != Some(name) {
                return Ok(Stretch { sets, cut });
            }
            from = (page.next_record_type, page.next_record_identifier);
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_PER_NAME_MAX))
    }

    /// Changes record sets in one batch, all or none, and returns the id of the change. A batch that Route 53 finds
    /// invalid is [`StepError::ServiceRefused`] with everything that it found.
    /// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
    pub async fn change(&self, zone: &HostedZoneId, changes: &[Change], comment: &str) -> Result<String, StepError> {
        const OPERATION: &str = "ChangeResourceRecordSets";
        let refused = |code: &str, message: String| StepError::ServiceRefused {
            service: SERVICE,
            operation: OPERATION,
            code: code.to_owned(),
            message,
        };
        let batch = batch(changes, comment).map_err(|error| refused("RequestNotBuilt", error.to_string()))?;
        let answer = self
            .client
            .change_resource_record_sets()
            .hosted_zone_id(zone.as_str())
            .change_batch(batch)
            .send()
            .await;
        let answer = answer.map_err(|error| {
            let body = error.raw_response().and_then(|answer| answer.body().bytes());
            match invalid(body.unwrap_or_default()) {
                Some(message) => refused("InvalidChangeBatch", message),
                None => step_error(SERVICE, OPERATION, error),
            }
        })?;
        let id = answer.change_info.map(|change| change.id);
        let id = id.ok_or_else(|| unknown(SERVICE, "the id of a change", "(absent)"))?;
        Ok(id.strip_prefix("/change/").unwrap_or(&id).to_owned())
    }

    /// Whether a change has reached all of Route 53's own servers. Resolvers keep what they have until its TTL ends.
    /// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetChange.html>
    pub async fn in_sync(&self, change_id: &str) -> Result<bool, StepError> {
        let answer = self
            .client
            .get_change()
            .id(change_id)
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "GetChange", error))?;
        let status = answer.change_info.map(|change| change.status);
        match status.as_ref().map_or("(absent)", |status| status.as_str()) {
            "INSYNC" => Ok(true),
            "PENDING" => Ok(false),
            word => Err(unknown(SERVICE, format!("the status of change {change_id}"), word)),
        }
    }
}

/// The key by which Route 53 sorts a name: its labels from the last to the first, with a dot behind each.
fn sort_key(name: &str) -> String {
    name.trim_end_matches('.')
        .rsplit('.')
        .map(|label| format!("{label}."))
        .collect()
}

/// A set with everything that Landfall restores, or the reason why it cannot be handled.
fn restorable(zone: &HostedZoneId, set: &ResourceRecordSet) -> Result<RecordSet, StepError> {
    let held = |problem: String| StepError::RecordSetHeld {
        zone: zone.to_string(),
        name: set.name.clone(),
        record_type: set.r#type.as_str().to_owned(),
        problem,
    };
    let members = [
        ("AliasTarget", set.alias_target.is_some()),
        ("Region", set.region.is_some()),
        ("GeoLocation", set.geo_location.is_some()),
        ("GeoProximityLocation", set.geo_proximity_location.is_some()),
        ("Failover", set.failover.is_some()),
        ("MultiValueAnswer", set.multi_value_answer.is_some()),
        ("TrafficPolicyInstanceId", set.traffic_policy_instance_id.is_some()),
        ("CidrRoutingConfig", set.cidr_routing_config.is_some()),
    ];
    if let Some((member, _)) = members.iter().find(|(_, present)| *present) {
        return Err(held(format!(
            "it has {member}, which Landfall cannot restore; take it out of the plan and switch it by hand"
        )));
    }
    let Some(ttl) = set.ttl else {
        return Err(held(
            "it has no TTL; take it out of the plan and switch it by hand".to_owned(),
        ));
    };
    Ok(RecordSet {
        name: set.name.clone(),
        record_type: set.r#type.as_str().to_owned(),
        ttl,
        values: set
            .resource_records()
            .iter()
            .map(|record| record.value.clone())
            .collect(),
        set_identifier: set.set_identifier.clone(),
        weight: set.weight,
        health_check_id: set.health_check_id.clone(),
    })
}

fn batch(changes: &[Change], comment: &str) -> Result<ChangeBatch, BuildError> {
    let changes = changes.iter().map(|change| {
        let (action, set) = match change {
            Change::Upsert(set) => (ChangeAction::Upsert, set),
            Change::Delete(set) => (ChangeAction::Delete, set),
        };
        WireChange::builder()
            .action(action)
            .resource_record_set(wire(set)?)
            .build()
    });
    ChangeBatch::builder()
        .set_changes(Some(changes.collect::<Result<_, _>>()?))
        .comment(beginning(comment, COMMENT_CHARACTERS_MAX))
        .build()
}

fn wire(set: &RecordSet) -> Result<ResourceRecordSet, BuildError> {
    let records = set
        .values
        .iter()
        .map(|value| ResourceRecord::builder().value(value).build());
    ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(RrType::from(set.record_type.as_str()))
        .ttl(set.ttl)
        .set_resource_records(Some(records.collect::<Result<_, _>>()?))
        .set_set_identifier(set.set_identifier.clone())
        .set_weight(set.weight)
        .set_health_check_id(set.health_check_id.clone())
        .build()
}

/// Everything that Route 53 found wrong with a batch; [`None`] when it failed otherwise. Route 53 names it in one of two
/// forms, an ordinary error or an `InvalidChangeBatch` element of its own, and the SDK reads the code and the message of
/// the first only.
fn invalid(body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    if !body.contains("<InvalidChangeBatch") && !body.contains("<Code>InvalidChangeBatch</Code>") {
        return None;
    }
    let messages = body
        .split("<Message>")
        .skip(1)
        .filter_map(|text| text.split_once("</Message>"));
    let messages: Vec<String> = messages.map(|(message, _)| unescaped(message.trim())).collect();
    Some(messages.join("; "))
}

/// The text of an XML element without the escapes that XML itself defines.
fn unescaped(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escape, character)| {
        text.replace(escape, character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::{Answer, Canned, json};

    fn zone() -> HostedZoneId {
        HostedZoneId::parse("Z1").unwrap()
    }

    fn wanted(names: &[&str]) -> BTreeSet<Group> {
        names.iter().map(|name| ((*name).to_owned(), "A".to_owned())).collect()
    }

    fn item(name: &str, record_type: &str, rest: &str) -> String {
        format!("<ResourceRecordSet><Name>{name}</Name><Type>{record_type}</Type>{rest}</ResourceRecordSet>")
    }

    fn simple(name: &str) -> String {
        let records = "<ResourceRecords><ResourceRecord><Value>10.0.0.1</Value></ResourceRecord></ResourceRecords>";
        item(name, "A", &format!("<TTL>300</TTL>{records}"))
    }

    fn member(name: &str, identifier: &str) -> String {
        let rest = format!("<SetIdentifier>{identifier}</SetIdentifier><Weight>10</Weight><TTL>60</TTL>");
        item(name, "A", &rest)
    }

    fn page(sets: &[String], next: Option<(&str, &str)>) -> Answer {
        let next = match next {
            Some((name, rest)) => {
                format!("<IsTruncated>true</IsTruncated><NextRecordName>{name}</NextRecordName>{rest}")
            }
            None => "<IsTruncated>false</IsTruncated>".to_owned(),
        };
        let sets = format!("<ResourceRecordSets>{}</ResourceRecordSets>", sets.concat());
        let list = "ListResourceRecordSetsResponse";
        json(200, format!("<{list}>{sets}{next}<MaxItems>300</MaxItems></{list}>"))
    }

    #[test]
    fn names_are_sorted_by_their_labels_from_the_last() {
        let mut names = ["b.example.com.", "example.com.", "a.z.example.com.", "a-b.example.com."];
        names.sort_by_key(|name| sort_key(name));
        assert_eq!(
            names,
            ["example.com.", "a-b.example.com.", "b.example.com.", "a.z.example.com."]
        );
    }

    #[tokio::test]
    async fn names_on_one_page_are_read_together_and_a_cut_name_is_read_again() {
        let (a, b, c) = ("a.example.com.", "b.example.com.", "c.example.com.");
        let first = [simple(a), item(a, "TXT", "<TTL>1</TTL>"), simple(b), member(c, "one")];
        let whole = [member(c, "two"), member(c, "one")];
        let aws = Canned::new([
            page(&first, Some((c, "<NextRecordType>A</NextRecordType>"))),
            page(&whole, None),
        ]);
        let found = Route53::new(aws.route53())
            .record_sets(&zone(), &wanted(&[a, b, c]))
            .await
            .unwrap();
        let groups: Vec<_> = found.keys().map(|(name, _)| name.as_str()).collect();
        assert_eq!(groups, [a, b, c]);
        let members: Vec<_> = found[&(c.to_owned(), "A".to_owned())]
            .iter()
            .map(|set| set.set_identifier.as_deref().unwrap())
            .collect();
        assert_eq!(members, ["one", "two"]);
        let set = &found[&(a.to_owned(), "A".to_owned())][0];
        assert_eq!((set.ttl, set.values.as_slice()), (300, &["10.0.0.1".to_owned()][..]));
        let requests = aws.requests();
        assert!(requests[0].contains("name=a.example.com.") && requests[1].contains("name=c.example.com."));
    }

    #[tokio::test]
    async fn a_name_that_fills_more_than_a_page_is_read_to_its_end() {
        let a = "a.example.com.";
        let next = "<NextRecordType>A</NextRecordType><NextRecordIdentifier>two</NextRecordIdentifier>";
        let aws = Canned::new([
            page(&[member(a, "one")], Some((a, next))),
            page(
                &[member(a, "two")],
                Some(("z.example.com.", "<NextRecordType>A</NextRecordType>")),
            ),
        ]);
        let found = Route53::new(aws.route53())
            .record_sets(&zone(), &wanted(&[a]))
            .await
            .unwrap();
        assert_eq!(found[&(a.to_owned(), "A".to_owned())].len(), 2);
        assert!(aws.requests()[1].contains("identifier=two"));
    }

    #[tokio::test]
    async fn a_set_that_cannot_be_restored_is_held_when_it_is_wanted_and_what_does_not_exist_is_absent() {
        let alias = "<AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>x.</DNSName>
            <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>";
        let latency = "<SetIdentifier>eu</SetIdentifier><Region>eu-west-1</Region><TTL>60</TTL>";
        let failover = "<SetIdentifier>a</SetIdentifier><Failover>PRIMARY</Failover><TTL>60</TTL>";
        let many = "<SetIdentifier>a</SetIdentifier><MultiValueAnswer>true</MultiValueAnswer><TTL>60</TTL>";
        for (rest, named) in [
            (alias, "AliasTarget"),
            (latency, "Region"),
            (failover, "Failover"),
            (many, "MultiValueAnswer"),
            ("", "TTL"),
        ] {
            let sets = [item("a.example.com.", "A", rest)];
            let aws = Canned::new([page(&sets, None), page(&sets, None)]);
            let route53 = Route53::new(aws.route53());
            let error = route53
                .record_sets(&zone(), &wanted(&["a.example.com."]))
                .await
                .unwrap_err();
            let StepError::RecordSetHeld { problem, .. } = error else {
                panic!("{error}");
            };
            assert!(problem.contains(named), "{problem}");
            let other = route53.record_sets(&zone(), &wanted(&["b.example.com."])).await;
            assert_eq!(other, Ok(BTreeMap::new()));
        }
    }

    #[tokio::test]
    async fn a_change_repeats_every_value_of_a_set() {
        let info = "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-10T02:00:00Z</SubmittedAt></ChangeInfo>";
        let answer = "ChangeResourceRecordSetsResponse";
        let aws = Canned::new([json(200, format!("<{answer}>{info}</{answer}>"))]);
        let set = RecordSet {
            name: "a.example.com.".into(),
            record_type: "A".into(),
            ttl: 60,
            values: vec!["10.0.0.1".into(), "10.0.0.2".into()],
            set_identifier: Some("one".into()),
            weight: Some(0),
            health_check_id: Some("h".into()),
        };
        let changes = [Change::Upsert(set.clone()), Change::Delete(set)];
        let id = Route53::new(aws.route53())
            .change(&zone(), &changes, "landfall w")
            .await;
        assert_eq!(id, Ok("C1".to_owned()));
        let sent = &aws.requests()[0];
        for part in [
            "<Action>UPSERT</Action>",
            "<Action>DELETE</Action>",
            "<Value>10.0.0.2</Value>",
            "<SetIdentifier>one</SetIdentifier>",
            "<Weight>0</Weight>",
            "<TTL>60</TTL>",
            "<HealthCheckId>h</HealthCheckId>",
            "<Comment>landfall w</Comment>",
        ] {
            assert!(sent.contains(part), "{part} in {sent}");
        }
    }

    #[tokio::test]
    async fn an_invalid_batch_is_refused_with_everything_that_is_wrong() {
        let wrong = "Tried to delete [name=&apos;a.&apos;] but it was not found";
        let error = |code: &str, message: &str| {
            let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
            json(
                400,
                format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"),
            )
        };
        let old = format!(
            r#"<?xml version="1.0"?><InvalidChangeBatch xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Messages><Message>{wrong}</Message><Message>two</Message></Messages></InvalidChangeBatch>"#
        );
        let answers = [
            error("InvalidChangeBatch", wrong),
            json(400, old),
            error("PriorRequestNotComplete", "busy"),
        ];
        let route53 = Route53::new(Canned::new(answers).route53());
        let wrong = "Tried to delete [name='a.'] but it was not found";
        for expected in [wrong.to_owned(), format!("{wrong}; two")] {
            let error = route53.change(&zone(), &[], "c").await.unwrap_err();
            let StepError::ServiceRefused { code, message, .. } = error else {
                panic!("{error}");
            };
            assert_eq!((code.as_str(), message), ("InvalidChangeBatch", expected));
        }
        assert_eq!(route53.change(&zone(), &[], "c").await.unwrap_err().name(), "Throttled");
    }

    #[tokio::test]
    async fn only_insync_is_in_sync() {
        let answer = |status: &str| {
            let info =
                format!("<Id>/change/C1</Id><Status>{status}</Status><SubmittedAt>2026-01-10T02:00:00Z</SubmittedAt>");
            json(
                200,
                format!("<GetChangeResponse><ChangeInfo>{info}</ChangeInfo></GetChangeResponse>"),
            )
        };
        let route53 = Route53::new(Canned::new([answer("INSYNC"), answer("PENDING"), answer("LOST")]).route53());
        assert_eq!(route53.in_sync("C1").await, Ok(true));
        assert_eq!(route53.in_sync("C1").await, Ok(false));
        assert_eq!(route53.in_sync("C1").await.unwrap_err().name(), "UnknownValue");
    }
}
