//! Replication settings, as `UpdateReplicationConfiguration` takes them.

use super::differs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What to set of a server's replication configuration. A member that is absent is left as it is.
/// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_UpdateReplicationConfiguration.html>
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplicationSettings {
    /// Instance type of the replication servers, `t3.small` for example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub replication_server_instance_type: Option<String>,
    /// Security groups of the replication servers.
    #[serde(
        default,
        rename = "replicationServersSecurityGroupsIDs",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(max = 32), inner(regex(pattern = r"^sg-[0-9a-fA-F]{8,}$")))]
    pub replication_servers_security_groups_ids: Option<Vec<String>>,
    /// Subnet of the staging area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^subnet-[0-9a-fA-F]{8,}$"))]
    pub staging_area_subnet_id: Option<String>,
    /// Whether MGN's default security group is attached too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub associate_default_security_group: Option<bool>,
    /// Encryption of the staging volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs_encryption: Option<EbsEncryption>,
    /// The key, for `CUSTOM` encryption only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:[\w-]+:kms:([a-z]{2}-(gov-)?[a-z]+-\d{1})?:(\d{12})?:(key|alias)/.+$"))]
    pub ebs_encryption_key_arn: Option<String>,
    /// Whether data travels over private or public addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_plane_routing: Option<DataPlaneRouting>,
    /// Volume type of staging disks over 500 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_large_staging_disk_type: Option<StagingDiskType>,
    /// Whether replication servers get a public address.
    #[serde(default, rename = "createPublicIP", skip_serializing_if = "Option::is_none")]
    pub create_public_ip: Option<bool>,
    /// Whether the server has a replication server of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_dedicated_replication_server: Option<bool>,
    /// Bandwidth limit in Mbit/s; 0 is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub bandwidth_throttling: Option<i64>,
    /// Tags of the staging area's resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_area_tags: Option<BTreeMap<String, String>>,
    /// Whether the agent talks to the FIPS endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_fips_endpoint: Option<bool>,
}

/// Encryption of the staging volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EbsEncryption {
    /// With the account's default key.
    Default,
    /// With the key named beside it.
    Custom,
}

/// How data travels to the staging area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DataPlaneRouting {
    /// Over a VPN or Direct Connect.
    PrivateIp,
    /// Over the internet.
    PublicIp,
}

/// Volume type of large staging disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StagingDiskType {
    /// General purpose, second generation.
    Gp2,
    /// Throughput-optimised magnetic.
    St1,
    /// General purpose, third generation.
    Gp3,
}

impl ReplicationSettings {
    /// Takes from `defaults` every member that is absent here.
    pub fn fill_from(&mut self, defaults: &Self) {
        let own = std::mem::take(self);
        *self = Self {
            replication_server_instance_type: own
                .replication_server_instance_type
                .or_else(|| defaults.replication_server_instance_type.clone()),
            replication_servers_security_groups_ids: own
                .replication_servers_security_groups_ids
                .or_else(|| defaults.replication_servers_security_groups_ids.clone()),
            staging_area_subnet_id: own
                .staging_area_subnet_id
                .or_else(|| defaults.staging_area_subnet_id.clone()),
            associate_default_security_group: own
                .associate_default_security_group
                .or(defaults.associate_default_security_group),
            ebs_encryption: own.ebs_encryption.or(defaults.ebs_encryption),
            ebs_encryption_key_arn: own
                .ebs_encryption_key_arn
                .or_else(|| defaults.ebs_encryption_key_arn.clone()),
            data_plane_routing: own.data_plane_routing.or(defaults.data_plane_routing),
            default_large_staging_disk_type: own
                .default_large_staging_disk_type
                .or(defaults.default_large_staging_disk_type),
            create_public_ip: own.create_public_ip.or(defaults.create_public_ip),
            use_dedicated_replication_server: own
                .use_dedicated_replication_server
                .or(defaults.use_dedicated_replication_server),
            bandwidth_throttling: own.bandwidth_throttling.or(defaults.bandwidth_throttling),
            staging_area_tags: own.staging_area_tags.or_else(|| defaults.staging_area_tags.clone()),
            use_fips_endpoint: own.use_fips_endpoint.or(defaults.use_fips_endpoint),
        };
    }

    /// The members of `self` that differ from what `current` has. Nothing differs: [`None`].
    pub fn difference(&self, current: &Self) -> Option<Self> {
        let difference = Self {
            replication_server_instance_type: differs(
                &self.replication_server_instance_type,
                &current.replication_server_instance_type,
            ),
            replication_servers_security_groups_ids: differs(
                &self.replication_servers_security_groups_ids,
                &current.replication_servers_security_groups_ids,
            ),
            staging_area_subnet_id: differs(&self.staging_area_subnet_id, &current.staging_area_subnet_id),
            associate_default_security_group: differs(
                &self.associate_default_security_group,
                &current.associate_default_security_group,
            ),
            ebs_encryption: differs(&self.ebs_encryption, &current.ebs_encryption),
            ebs_encryption_key_arn: differs(&self.ebs_encryption_key_arn, &current.ebs_encryption_key_arn),
            data_plane_routing: differs(&self.data_plane_routing, &current.data_plane_routing),
            default_large_staging_disk_type: differs(
                &self.default_large_staging_disk_type,
                &current.default_large_staging_disk_type,
            ),
            create_public_ip: differs(&self.create_public_ip, &current.create_public_ip),
            use_dedicated_replication_server: differs(
                &self.use_dedicated_replication_server,
                &current.use_dedicated_replication_server,
            ),
            bandwidth_throttling: differs(&self.bandwidth_throttling, &current.bandwidth_throttling),
            staging_area_tags: differs(&self.staging_area_tags, &current.staging_area_tags),
            use_fips_endpoint: differs(&self.use_fips_endpoint, &current.use_fips_endpoint),
        };
        (difference != Self::default()).then_some(difference)
    }
}
