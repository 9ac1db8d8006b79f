//! Launch settings, as `UpdateLaunchConfiguration` takes them.

use super::differs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to set of a server's launch configuration. A member that is absent is left as it is.
/// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_UpdateLaunchConfiguration.html>
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchSettings {
    /// Name of the launched instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub name: Option<String>,
    /// Whether MGN picks the instance type from the source's size. `BASIC` overrides the launch template's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_instance_type_right_sizing_method: Option<RightSizing>,
    /// Whether the instance takes the source's private address. Not within the source's own subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_private_ip: Option<bool>,
    /// Whether the source server's tags are copied to the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_tags: Option<bool>,
    /// Whether the instance is started when launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_disposition: Option<LaunchDisposition>,
    /// Whose operating system licence the instance uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licensing: Option<Licensing>,
    /// Boot mode of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<BootMode>,
}

/// Whether MGN picks the instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RightSizing {
    /// The launch template says.
    None,
    /// MGN picks.
    Basic,
}

/// Whether the instance is started when launched. A stopped instance can pass no check, so it is refused by the plan's
/// rules; the value exists because MGN's answers hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LaunchDisposition {
    /// Started.
    Started,
    /// Left stopped.
    Stopped,
}

/// Whose operating system licence the instance uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Licensing {
    /// True: your own; false: included by AWS.
    pub os_byol: bool,
}

/// Boot mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BootMode {
    /// BIOS.
    LegacyBios,
    /// UEFI.
    Uefi,
    /// As the source boots.
    UseSource,
}

impl LaunchSettings {
    /// Takes from `defaults` every member that is absent here.
    pub fn fill_from(&mut self, defaults: &Self) {
        let own = std::mem::take(self);
        *self = Self {
            name: own.name.or_else(|| defaults.name.clone()),
            target_instance_type_right_sizing_method: own
                .target_instance_type_right_sizing_method
                .or(defaults.target_instance_type_right_sizing_method),
            copy_private_ip: own.copy_private_ip.or(defaults.copy_private_ip),
            copy_tags: own.copy_tags.or(defaults.copy_tags),
            launch_disposition: own.launch_disposition.or(defaults.launch_disposition),
            licensing: own.licensing.or(defaults.licensing),
            boot_mode: own.boot_mode.or(defaults.boot_mode),
        };
    }

    /// The members of `self` that differ from what `current` has. Nothing differs: [`None`].
    pub fn difference(&self, current: &Self) -> Option<Self> {
        let difference = Self {
            name: differs(&self.name, &current.name),
            target_instance_type_right_sizing_method: differs(
                &self.target_instance_type_right_sizing_method,
                &current.target_instance_type_right_sizing_method,
            ),
            copy_private_ip: differs(&self.copy_private_ip, &current.copy_private_ip),
            copy_tags: differs(&self.copy_tags, &current.copy_tags),
            launch_disposition: differs(&self.launch_disposition, &current.launch_disposition),
            licensing: differs(&self.licensing, &current.licensing),
            boot_mode: differs(&self.boot_mode, &current.boot_mode),
        };
        (difference != Self::default()).then_some(difference)
    }
}
