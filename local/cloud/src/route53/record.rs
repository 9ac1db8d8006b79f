//! A resource record set, and names as Route 53 writes them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where an alias record points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTarget {
    /// The zone of the target, as in a load balancer's.
    pub hosted_zone_id: String,
    /// The target's name, normalised.
    pub dns_name: String,
    /// Whether the target's health decides.
    pub evaluate_target_health: bool,
}

/// A record set with every field that Landfall may meet. Two sets are equal when every field is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordSet {
    /// Normalised, see [`normalise`].
    pub name: String,
    /// As in `A`.
    pub record_type: String,
    /// Tells sets with a routing policy apart.
    pub set_identifier: Option<String>,
    /// Weighted routing, 0 to 255.
    pub weight: Option<u8>,
    /// Latency routing: the Region.
    pub region: Option<String>,
    /// Failover routing: `PRIMARY` or `SECONDARY`.
    pub failover: Option<String>,
    /// Geolocation routing: `ContinentCode`, `CountryCode`, `SubdivisionCode`.
    pub geo_location: BTreeMap<String, String>,
    /// Multivalue answer routing.
    pub multi_value_answer: Option<bool>,
    /// Seconds; absent for an alias.
    pub ttl: Option<u32>,
    /// The records' values, in the order given.
    pub values: Vec<String>,
    /// The target of an alias.
    pub alias: Option<AliasTarget>,
    /// The health check, by id.
    pub health_check_id: Option<String>,
}

/// How a group of sets with one name and type is answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoutingPolicy {
    /// One set alone.
    Simple,
    /// By weight.
    Weighted,
    /// By Region.
    Latency,
    /// Primary and secondary.
    Failover,
    /// By the asker's place.
    Geolocation,
    /// Several healthy answers.
    MultiValue,
}

impl RecordSet {
    /// A set without a routing policy. `ttl` in seconds.
    pub fn simple(name: &str, record_type: &str, ttl: u32, values: &[&str]) -> RecordSet {
        RecordSet {
            name: normalise(name),
            record_type: record_type.to_owned(),
            ttl: Some(ttl),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..RecordSet::default()
        }
    }

    /// A member of a weighted group.
    pub fn weighted(mut self, set_identifier: &str, weight: u8) -> RecordSet {
        self.set_identifier = Some(set_identifier.to_owned());
        self.weight = Some(weight);
        self
    }

    /// Every routing policy whose fields are set; a valid set has at most one.
    pub fn policies(&self) -> Vec<RoutingPolicy> {
        let mut policies = Vec::new();
        let mut note = |present: bool, policy| {
            if present {
                policies.push(policy);
            }
        };
        note(self.weight.is_some(), RoutingPolicy::Weighted);
        note(self.region.is_some(), RoutingPolicy::Latency);
        note(self.failover.is_some(), RoutingPolicy::Failover);
        note(!self.geo_location.is_empty(), RoutingPolicy::Geolocation);
        note(self.multi_value_answer.is_some(), RoutingPolicy::MultiValue);
        policies
    }

    /// The routing policy of a valid set.
    pub fn policy(&self) -> RoutingPolicy {
        self.policies().first().copied().unwrap_or(RoutingPolicy::Simple)
    }

    /// What identifies the set in its zone, ordered as Route 53 lists: by labels from the right, then by type.
    pub(crate) fn key(&self) -> RecordKey {
        RecordKey::new(&self.name, &self.record_type, self.set_identifier.as_deref())
    }

    /// Whether a DELETE that carries `self` matches the stored set: every field, records in any order.
    pub(crate) fn repeats(&self, stored: &RecordSet) -> bool {
        let sorted = |set: &RecordSet| {
            let mut set = set.clone();
            set.values.sort();
            set
        };
        sorted(self) == sorted(stored)
    }

    /// How Route 53 names the set in its messages.
    pub(crate) fn described(&self) -> String {
        let identifier = self
            .set_identifier
            .as_ref()
            .map(|id| format!(", set-identifier='{id}'"))
            .unwrap_or_default();
        format!("[name='{}', type='{}'{identifier}]", self.name, self.record_type)
    }

    /// What is wrong with the set by itself, in sentences; empty for a valid one.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let what = format!("RRSet with DNS name {}, type {}", self.name, self.record_type);
        match (&self.alias, self.ttl, self.values.is_empty()) {
            (Some(_), None, true) | (None, Some(_), false) => {}
            (Some(_), _, _) => problems.push(format!("{what} is an alias and has a TTL or records of its own")),
            (None, _, _) => problems.push(format!("{what} needs a TTL and records, or an alias target")),
        }
        if self.ttl.is_some_and(|ttl| ttl > i32::MAX as u32) {
            problems.push(format!("{what} has a TTL above 2147483647"));
        }
        let policies = self.policies();
        if policies.len() > 1 {
            problems.push(format!("{what} has more than one routing policy"));
        }
        if policies.is_empty() == self.set_identifier.is_some() {
            problems.push(format!(
                "{what}: a routing policy needs a SetIdentifier, and a SetIdentifier a policy"
            ));
        }
        if self
            .set_identifier
            .as_ref()
            .is_some_and(|id| id.is_empty() || id.len() > 128)
        {
            problems.push(format!(
                "{what} has a SetIdentifier that is empty or longer than 128 characters"
            ));
        }
        if name_too_long(&self.name) {
            problems.push(format!("{what} has a label over 63 or a name over 255 characters"));
        }
        problems.extend(self.value_problems(&what));
        problems
    }

    fn value_problems(&self, what: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let single = matches!(self.record_type.as_str(), "CNAME" | "SOA");
        if single && self.values.len() > 1 {
            problems.push(format!("{what} may hold one record only"));
        }
        for (index, value) in self.values.iter().enumerate() {
            if self.values[..index].contains(value) {
                problems.push(format!("Duplicate Resource Record: '{value}'"));
            }
            if let Err(reason) = check_value(&self.record_type, value) {
                problems.push(format!(
                    "Invalid Resource Record: '{reason}', value '{value}' in {what}"
                ));
            }
        }
        problems
    }
}

/// Whether a record's value has its type's form; the reason if not.
fn check_value(record_type: &str, value: &str) -> Result<(), &'static str> {
    let domain = |text: &str| {
        if text.is_empty() || text.contains(char::is_whitespace) {
            Err("not a domain name")
        } else {
            Ok(())
        }
    };
    let numbers_then_domain = |count: usize| {
        let fields: Vec<&str> = value.split_whitespace().collect();
        let numbered = fields.len() == count + 1 && fields[..count].iter().all(|field| field.parse::<u16>().is_ok());
        if numbered {
            domain(fields[count])
        } else {
            Err("fields missing or not numbers")
        }
    };
    match record_type {
        "A" => value.parse::<Ipv4Addr>().map(|_| ()).map_err(|_| "not an IPv4 address"),
        "AAAA" => value.parse::<Ipv6Addr>().map(|_| ()).map_err(|_| "not an IPv6 address"),
        "CNAME" | "NS" | "PTR" => domain(value),
        "MX" => numbers_then_domain(1),
        "SRV" => numbers_then_domain(3),
        "TXT" | "SPF" => {
            let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
            if quoted { Ok(()) } else { Err("not in quotation marks") }
        }
        "CAA" | "DS" | "HTTPS" | "NAPTR" | "SOA" | "SSHFP" | "SVCB" | "TLSA" => {
            if value.is_empty() {
                Err("empty")
            } else {
                Ok(())
            }
        }
        _ => Err("unknown record type"),
    }
}

/// Orders sets as `ListResourceRecordSets` does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordKey {
    reversed_labels: Vec<String>,
    record_type: String,
    set_identifier: String,
}

impl RecordKey {
    /// `name` is normalised.
    pub fn new(name: &str, record_type: &str, set_identifier: Option<&str>) -> RecordKey {
        RecordKey {
            reversed_labels: name.trim_end_matches('.').rsplit('.').map(str::to_owned).collect(),
            record_type: record_type.to_owned(),
            set_identifier: set_identifier.unwrap_or_default().to_owned(),
        }
    }
}

/// A name as Route 53 returns it: lower case, with a trailing dot, and everything but letters, digits, hyphen and
/// underscore as an octal escape (`*` is `\052`). See "DNS domain name format" in the developer guide.
pub fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len() + 1);
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let escaped = octal_escape(&bytes[at..]);
        let byte = escaped.unwrap_or(bytes[at]);
        at += if escaped.is_some() { 4 } else { 1 };
        match byte.to_ascii_lowercase() {
            b'.' if escaped.is_none() => normal.push('.'),
            plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => normal.push(char::from(plain)),
            other => normal.push_str(&format!("\\{other:03o}")),
        }
    }
    if !normal.ends_with('.') {
        normal.push('.');
    }
    normal
}

/// The byte behind `\ooo` at the start of `bytes`.
fn octal_escape(bytes: &[u8]) -> Option<u8> {
    let [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] = bytes else {
        return None;
    };
    Some((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'))
}

fn name_too_long(name: &str) -> bool {
    let length = |text: &str| text.len() - 3 * text.matches('\\').count();
    length(name) > 255 || name.split('.').any(|label| length(label) > 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_lower_case_with_a_trailing_dot_and_escapes() {
        assert_eq!(normalise("WWW.Example.com"), "www.example.com.");
        assert_eq!(normalise("*.example.com."), "\\052.example.com.");
        assert_eq!(normalise("\\052.example.com"), "\\052.example.com.");
        assert_eq!(normalise("a\\056b.example.com"), "a\\056b.example.com.");
    }

    #[test]
    fn keys_sort_by_labels_from_the_right() {
        let mut names = ["b.example.com.", "example.com.", "a.z.example.com.", "z.example.com."];
        names.sort_by_key(|name| RecordKey::new(name, "A", None));
        assert_eq!(
            names,
            ["example.com.", "b.example.com.", "z.example.com.", "a.z.example.com."]
        );
    }
}
