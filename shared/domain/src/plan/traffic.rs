//! What to point at AWS when the servers run there.

use crate::ids::{HostedZoneId, SourceServerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that brings clients to a server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traffic {
    /// Route 53 record sets that exist already and are switched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub dns: Vec<DnsRecordPlan>,
}

/// One record set to switch. It must exist: Landfall records it first, to be able to restore it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DnsRecordPlan {
    /// Its zone.
    pub hosted_zone_id: HostedZoneId,
    /// Its name.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9_*\\-]([A-Za-z0-9_*\\-]|\.[A-Za-z0-9_*\\-])*\.?$"),
        length(max = 255)
    )]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// Which member of a weighted set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub set_identifier: Option<String>,
    /// The server whose move group switches it, and whose instance gives the address.
    pub source_server_id: SourceServerId,
    /// Which address of the instance it points at. For `A` records only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Literal values to point it at, a load balancer's name for example. Instead of `address`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400), inner(length(min = 1, max = 4000)))]
    pub values: Vec<String>,
    /// The TTL from before the window until the wave is finalized, in seconds. It bounds how long clients keep an old
    /// address after a switch or a rollback.
    #[serde(default = "default_ttl")]
    #[schemars(range(min = 5, max = 300))]
    pub cutover_ttl_seconds: u32,
}

/// Which address of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Address {
    /// The private IPv4 address.
    PrivateIp,
    /// The public IPv4 address.
    PublicIp,
}

/// Types of record sets that can be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Another name.
    Cname,
}

impl RecordType {
    /// As Route 53 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        }
    }
}

impl DnsRecordPlan {
    /// The name as Route 53 stores it: lower case, with the final dot.
    pub fn stored_name(&self) -> String {
        let mut name = self.name.to_ascii_lowercase().replace('*', "\\052");
        if !name.ends_with('.') {
            name.push('.');
        }
        name
    }
}

fn default_ttl() -> u32 {
    60
}
