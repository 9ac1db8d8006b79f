//! Launch and replication settings of a source server.

use super::{Mgn, SERVICE};
use crate::classify::{step_error, unknown};
use aws_sdk_mgn::operation::get_launch_configuration::GetLaunchConfigurationOutput as LaunchAnswer;
use aws_sdk_mgn::operation::get_replication_configuration::GetReplicationConfigurationOutput as ReplicationAnswer;
use aws_sdk_mgn::types;
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::plan::{
    BootMode, DataPlaneRouting, EbsEncryption, LaunchDisposition, LaunchSettings, Licensing, ReplicationSettings,
    RightSizing, StagingDiskType,
};

impl Mgn {
    /// Reads a server's launch settings. A word of MGN's that the plan has no value for is [`StepError::UnknownValue`].
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_GetLaunchConfiguration.html>
    pub async fn launch_settings(&self, id: &SourceServerId) -> Result<LaunchSettings, StepError> {
        let answer = self
            .client
            .get_launch_configuration()
            .source_server_id(id.as_str())
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "GetLaunchConfiguration", error))?;
        launch(&answer, id)
    }

    /// Sets the members that are given and leaves the others. Sending it twice does no harm.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_UpdateLaunchConfiguration.html>
    pub async fn update_launch_settings(
        &self,
        id: &SourceServerId,
        settings: &LaunchSettings,
    ) -> Result<(), StepError> {
        self.client
            .update_launch_configuration()
            .source_server_id(id.as_str())
            .set_name(settings.name.clone())
            .set_target_instance_type_right_sizing_method(settings.target_instance_type_right_sizing_method.map(
                |method| match method {
                    RightSizing::None => types::TargetInstanceTypeRightSizingMethod::None,
                    RightSizing::Basic => types::TargetInstanceTypeRightSizingMethod::Basic,
                },
            ))
            .set_copy_private_ip(settings.copy_private_ip)
            .set_copy_tags(settings.copy_tags)
            .set_launch_disposition(settings.launch_disposition.map(|disposition| match disposition {
                LaunchDisposition::Started => types::LaunchDisposition::Started,
                LaunchDisposition::Stopped => types::LaunchDisposition::Stopped,
            }))
            .set_licensing(
                settings
                    .licensing
                    .map(|licensing| types::Licensing::builder().os_byol(licensing.os_byol).build()),
            )
            .set_boot_mode(settings.boot_mode.map(|mode| match mode {
                BootMode::LegacyBios => types::BootMode::LegacyBios,
                BootMode::Uefi => types::BootMode::Uefi,
                BootMode::UseSource => types::BootMode::UseSource,
            }))
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "UpdateLaunchConfiguration", error))?;
        Ok(())
    }

    /// Reads a server's replication settings. A word of MGN's that the plan has no value for is
    /// [`StepError::UnknownValue`], but for the staging disk type.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_GetReplicationConfiguration.html>
    pub async fn replication_settings(&self, id: &SourceServerId) -> Result<ReplicationSettings, StepError> {
        let answer = self
            .client
            .get_replication_configuration()
            .source_server_id(id.as_str())
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "GetReplicationConfiguration", error))?;
        replication(answer, id)
    }

    /// Sets the members that are given and leaves the others. Sending it twice does no harm.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_UpdateReplicationConfiguration.html>
    pub async fn update_replication_settings(
        &self,
        id: &SourceServerId,
        settings: &ReplicationSettings,
    ) -> Result<(), StepError> {
        self.client
            .update_replication_configuration()
            .source_server_id(id.as_str())
            .set_replication_server_instance_type(settings.replication_server_instance_type.clone())
            .set_replication_servers_security_groups_ids(settings.replication_servers_security_groups_ids.clone())
            .set_staging_area_subnet_id(settings.staging_area_subnet_id.clone())
            .set_associate_default_security_group(settings.associate_default_security_group)
            .set_ebs_encryption(settings.ebs_encryption.map(|encryption| match encryption {
                EbsEncryption::Default => types::ReplicationConfigurationEbsEncryption::Default,
                EbsEncryption::Custom => types::ReplicationConfigurationEbsEncryption::Custom,
            }))
            .set_ebs_encryption_key_arn(settings.ebs_encryption_key_arn.clone())
            .set_data_plane_routing(settings.data_plane_routing.map(|routing| match routing {
                DataPlaneRouting::PrivateIp => types::ReplicationConfigurationDataPlaneRouting::PrivateIp,
                DataPlaneRouting::PublicIp => types::ReplicationConfigurationDataPlaneRouting::PublicIp,
            }))
            .set_default_large_staging_disk_type(settings.default_large_staging_disk_type.map(staging_disk))
            .set_create_public_ip(settings.create_public_ip)
            .set_use_dedicated_replication_server(settings.use_dedicated_replication_server)
            .set_bandwidth_throttling(settings.bandwidth_throttling)
            .set_staging_area_tags(
                settings
                    .staging_area_tags
                    .clone()
                    .map(|tags| tags.into_iter().collect()),
            )
            .set_use_fips_endpoint(settings.use_fips_endpoint)
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "UpdateReplicationConfiguration", error))?;
        Ok(())
    }
}

fn staging_disk(disk: StagingDiskType) -> types::ReplicationConfigurationDefaultLargeStagingDiskType {
    use types::ReplicationConfigurationDefaultLargeStagingDiskType as Wire;
    match disk {
        StagingDiskType::Gp2 => Wire::Gp2,
        StagingDiskType::St1 => Wire::St1,
        StagingDiskType::Gp3 => Wire::Gp3,
    }
}

/// Reads a word by the list of those that the plan has values for.
fn word<T: Copy>(
    word: Option<&str>,
    known: &[(&str, T)],
    what: &str,
    id: &SourceServerId,
) -> Result<Option<T>, StepError> {
    word.map(|word| {
        let found = known.iter().find(|(name, _)| *name == word);
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| unknown(SERVICE, format!("{what} of {id}"), word))
    })
    .transpose()
}

fn launch(answer: &LaunchAnswer, id: &SourceServerId) -> Result<LaunchSettings, StepError> {
    Ok(LaunchSettings {
        name: answer.name().map(str::to_owned),
        target_instance_type_right_sizing_method: word(
            answer
                .target_instance_type_right_sizing_method()
                .map(|method| method.as_str()),
            &[("NONE", RightSizing::None), ("BASIC", RightSizing::Basic)],
            "targetInstanceTypeRightSizingMethod",
            id,
        )?,
        copy_private_ip: answer.copy_private_ip(),
        copy_tags: answer.copy_tags(),
        launch_disposition: word(
            answer.launch_disposition().map(|disposition| disposition.as_str()),
            &[
                ("STARTED", LaunchDisposition::Started),
                ("STOPPED", LaunchDisposition::Stopped),
            ],
            "launchDisposition",
            id,
        )?,
        licensing: answer
            .licensing()
            .and_then(|licensing| licensing.os_byol())
            .map(|os_byol| Licensing { os_byol }),
        boot_mode: word(
            answer.boot_mode().map(|mode| mode.as_str()),
            &[
                ("LEGACY_BIOS", BootMode::LegacyBios),
                ("UEFI", BootMode::Uefi),
                ("USE_SOURCE", BootMode::UseSource),
            ],
            "bootMode",
            id,
        )?,
    })
}

fn replication(answer: ReplicationAnswer, id: &SourceServerId) -> Result<ReplicationSettings, StepError> {
    let staging_disks = [
        ("GP2", StagingDiskType::Gp2),
        ("ST1", StagingDiskType::St1),
        ("GP3", StagingDiskType::Gp3),
    ];
    Ok(ReplicationSettings {
        ebs_encryption: word(
            answer.ebs_encryption().map(|encryption| encryption.as_str()),
            &[("DEFAULT", EbsEncryption::Default), ("CUSTOM", EbsEncryption::Custom)],
            "ebsEncryption",
            id,
        )?,
        data_plane_routing: word(
            answer.data_plane_routing().map(|routing| routing.as_str()),
            &[
                ("PRIVATE_IP", DataPlaneRouting::PrivateIp),
                ("PUBLIC_IP", DataPlaneRouting::PublicIp),
            ],
            "dataPlaneRouting",
            id,
        )?,
        // EBS gains volume types, and the account may use one that plans have no word for. Read as absent it is safe:
        // it is only compared with what the plan wants, differs from every value, and is left alone without one.
        default_large_staging_disk_type: answer.default_large_staging_disk_type().and_then(|disk| {
            let found = staging_disks.iter().find(|(name, _)| *name == disk.as_str());
            found.map(|(_, value)| *value)
        }),
        associate_default_security_group: answer.associate_default_security_group(),
        create_public_ip: answer.create_public_ip(),
        use_dedicated_replication_server: answer.use_dedicated_replication_server(),
        // The SDK reads an absent number as 0, which is what absent means here: no limit.
        bandwidth_throttling: Some(answer.bandwidth_throttling()),
        use_fips_endpoint: answer.use_fips_endpoint(),
        replication_server_instance_type: answer.replication_server_instance_type,
        replication_servers_security_groups_ids: answer.replication_servers_security_groups_ids,
        staging_area_subnet_id: answer.staging_area_subnet_id,
        ebs_encryption_key_arn: answer.ebs_encryption_key_arn,
        staging_area_tags: answer.staging_area_tags.map(|tags| tags.into_iter().collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::canned::{Canned, json};
    use super::*;

    fn id() -> SourceServerId {
        SourceServerId::parse("s-00000000000000001").unwrap()
    }

    #[tokio::test]
    async fn settings_that_were_sent_read_back_the_same() {
        let settings: LaunchSettings = serde_json::from_str(
            r#"{"name":"web","targetInstanceTypeRightSizingMethod":"BASIC","copyPrivateIp":false,"copyTags":true,
                "launchDisposition":"STARTED","licensing":{"osByol":true},"bootMode":"USE_SOURCE"}"#,
        )
        .unwrap();
        let aws = Canned::new([json(200, "{}")]);
        Mgn::new(aws.mgn())
            .update_launch_settings(&id(), &settings)
            .await
            .unwrap();
        let sent = sent(&aws);
        let mgn = Mgn::new(Canned::new([json(200, sent)]).mgn());
        assert_eq!(mgn.launch_settings(&id()).await, Ok(settings));
    }

    #[tokio::test]
    async fn replication_settings_that_were_sent_read_back_the_same() {
        let settings: ReplicationSettings = serde_json::from_str(
            r#"{"replicationServerInstanceType":"t3.small","replicationServersSecurityGroupsIDs":["sg-00000001"],
                "stagingAreaSubnetId":"subnet-00000001","associateDefaultSecurityGroup":false,
                "ebsEncryption":"CUSTOM","ebsEncryptionKeyArn":"arn:aws:kms:eu-west-1:111122223333:key/k",
                "dataPlaneRouting":"PRIVATE_IP","defaultLargeStagingDiskType":"GP3","createPublicIP":false,
                "useDedicatedReplicationServer":true,"bandwidthThrottling":100,"stagingAreaTags":{"a":"b"},
                "useFipsEndpoint":false}"#,
        )
        .unwrap();
        let aws = Canned::new([json(200, "{}")]);
        let mgn = Mgn::new(aws.mgn());
        mgn.update_replication_settings(&id(), &settings).await.unwrap();
        let mgn = Mgn::new(Canned::new([json(200, sent(&aws))]).mgn());
        assert_eq!(mgn.replication_settings(&id()).await, Ok(settings));
    }

    #[tokio::test]
    async fn a_member_that_is_not_given_is_not_sent() {
        let aws = Canned::new([json(200, "{}"), json(200, "{}")]);
        let mgn = Mgn::new(aws.mgn());
        mgn.update_launch_settings(&id(), &LaunchSettings::default())
            .await
            .unwrap();
        mgn.update_replication_settings(&id(), &ReplicationSettings::default())
            .await
            .unwrap();
        for request in aws.requests() {
            assert!(
                request.ends_with(r#" {"sourceServerID":"s-00000000000000001"}"#),
                "{request}"
            );
        }
    }

    #[tokio::test]
    async fn a_word_the_plan_has_no_value_for_is_not_guessed() {
        let mgn = Mgn::new(Canned::new([json(200, r#"{"bootMode":"QUANTUM"}"#)]).mgn());
        let error = mgn.launch_settings(&id()).await.unwrap_err();
        assert_eq!(
            error,
            unknown(SERVICE, "bootMode of s-00000000000000001".to_owned(), "QUANTUM")
        );
    }

    #[tokio::test]
    async fn a_new_staging_disk_type_differs_from_every_plan_and_stops_none() {
        let mgn = Mgn::new(Canned::new([json(200, r#"{"defaultLargeStagingDiskType":"GP9"}"#)]).mgn());
        let settings = mgn.replication_settings(&id()).await.unwrap();
        assert_eq!(settings.default_large_staging_disk_type, None);
    }

    /// The body of the only request.
    fn sent(aws: &Canned) -> String {
        let requests = aws.requests();
        let (_, body) = requests[0].split_once(' ').unwrap();
        body.to_owned()
    }
}
