//! A record set to switch: what it was, what Landfall made of it.

use crate::ids::{HostedZoneId, SourceServerId, WaveId};
use crate::plan::DnsRecordPlan;
use crate::report::DnsState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One resource record set, with every member that Landfall can restore. Sets with other members (alias, geolocation,
/// traffic policy) are refused when they are read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordSet {
    /// The name, as Route 53 stores it.
    pub name: String,
    /// The type.
    pub record_type: String,
    /// The time to live, in seconds.
    pub ttl: i64,
    /// The values, in order.
    pub values: Vec<String>,
    /// The member of a group, where there is a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_identifier: Option<String>,
    /// The weight of a member, 0 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// The health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_id: Option<String>,
}

impl fmt::Display for RecordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(member) = &self.set_identifier {
            write!(f, "{member}: ")?;
        }
        write!(f, "{} ttl {}", self.values.join(", "), self.ttl)?;
        if let Some(weight) = self.weight {
            write!(f, " weight {weight}")?;
        }
        Ok(())
    }
}

/// One switch that the plan asks for, on one member of a group or on the only set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsTarget {
    /// The plan's words.
    pub plan: DnsRecordPlan,
    /// The move group of its server.
    pub move_group: String,
    /// Its batch, so that a batch's rollback finds it.
    pub source_server_id: SourceServerId,
}

/// All sets of one name and type in a zone: they share a TTL and are restored together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsRecord {
    /// The wave.
    pub wave_id: WaveId,
    /// The zone.
    pub hosted_zone_id: HostedZoneId,
    /// The name, as Route 53 stores it.
    pub name: String,
    /// The type.
    pub record_type: String,
    /// What the plan asks for; at most as many as a group has members.
    pub targets: Vec<DnsTarget>,
    /// The sets as they were before Landfall changed anything; recorded once and for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Vec<RecordSet>>,
    /// Everything that Landfall has made, or was about to make, of the sets: the intents. What is found is ours when it
    /// equals one of these or the original. Bounded: one an effect (lower, switch per group, settle).
    #[serde(default)]
    pub ours: Vec<Vec<RecordSet>>,
    /// How it stands.
    pub state: DnsState,
    /// The last change that was sent, until it is known to be everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_id: Option<String>,
    /// When the lowered TTL was everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared_at: Option<Timestamp>,
    /// Why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

impl DnsRecord {
    /// True when the sets found are the recorded ones or something that Landfall made.
    pub fn is_ours(&self, found: &[RecordSet]) -> bool {
        self.original.as_deref() == Some(found) || self.ours.iter().any(|made| made == found)
    }

    /// Notes, before a change is sent, what the sets will be.
    pub fn intend(&mut self, sets: Vec<RecordSet>) {
        const OURS_MAX: usize = 60;
        if !self.ours.contains(&sets) {
            self.ours.push(sets);
            if self.ours.len() > OURS_MAX {
                self.ours.remove(0);
            }
        }
    }
}
