//! What points applications at the target, and what makes them look again.

use crate::ids::{HostedZoneId, ManagedInstanceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What points applications at a database. Exactly one place, so that no two can disagree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SwitchPoint {
    /// A CNAME in Route 53, whose value is a host name.
    #[serde(rename_all = "camelCase")]
    Route53 {
        /// The zone.
        hosted_zone_id: HostedZoneId,
        /// The record's name.
        #[schemars(length(min = 1, max = 255))]
        name: String,
        /// Its value afterwards: the host name of the target.
        #[schemars(length(min = 1, max = 255))]
        target_value: String,
    },
    /// A Systems Manager parameter.
    #[serde(rename_all = "camelCase")]
    Parameter {
        /// Its name.
        #[schemars(regex(pattern = r"^/?[a-zA-Z0-9_.\-/]{1,1011}$"))]
        name: String,
        /// Its value afterwards.
        #[schemars(length(min = 1, max = 4096))]
        target_value: String,
    },
}

/// A document that restarts applications on hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AfterSwitch {
    /// The document.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_\-.:/]{3,128}$"))]
    pub document: String,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The hosts.
    #[schemars(length(min = 1, max = 50))]
    pub managed_instance_ids: Vec<ManagedInstanceId>,
}
