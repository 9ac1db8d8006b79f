//! Identifiers that must not be confused with each other.
//!
//! Each is parsed once, at the edge, against the pattern that AWS publishes for it, and is from then on a type of
//! its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Says why a text is not the identifier it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {what}: {allowed}")]
pub struct IdError {
    /// What the text should have been, with its article ("a source server id").
    pub what: &'static str,
    /// The text that was given.
    pub value: String,
    /// What is allowed, in words.
    pub allowed: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $pattern:literal, $allowed:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $allowed })
            }
        }

        impl $name {
            /// Parses the text; the error says what is allowed.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let value: String = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&value) {
                    Ok(Self(value))
                } else {
                    Err(IdError { what: $what, value, allowed: $allowed })
                }
            }

            /// The identifier as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(value: String) -> Result<Self, IdError> {
                Self::parse(value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

fn prefixed(text: &str, prefix: &str, lengths: std::ops::RangeInclusive<usize>, digit: fn(&u8) -> bool) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| lengths.contains(&rest.len()) && rest.as_bytes().iter().all(digit))
}

fn hex(byte: &u8) -> bool {
    byte.is_ascii_hexdigit()
}

id!(
    /// An MGN source server, `s-` and 17 letters or digits.
    SourceServerId, "a source server id", "^s-[0-9a-zA-Z]{17}$", "s- followed by 17 letters or digits",
    |text| prefixed(text, "s-", 17..=17, u8::is_ascii_alphanumeric)
);
id!(
    /// An MGN job, `mgnjob-` and 17 letters or digits.
    JobId, "an MGN job id", "^mgnjob-[0-9a-zA-Z]{17}$", "mgnjob- followed by 17 letters or digits",
    |text| prefixed(text, "mgnjob-", 17..=17, u8::is_ascii_alphanumeric)
);
id!(
    /// An EC2 instance, `i-` and at least 8 hexadecimal digits.
    InstanceId, "an EC2 instance id", "^i-[0-9a-fA-F]{8,32}$", "i- followed by 8 or 17 hexadecimal digits",
    |text| prefixed(text, "i-", 8..=32, hex)
);
id!(
    /// A host that Systems Manager reaches through a hybrid activation, `mi-` and 17 hexadecimal digits.
    ManagedInstanceId, "a Systems Manager managed instance id", "^mi-[0-9a-f]{17}$",
    "mi- followed by 17 hexadecimal digits",
    |text| prefixed(text, "mi-", 17..=17, hex)
);
id!(
    /// A wave of Landfall. It becomes part of execution names, which end at 80 characters, so it ends at 32.
    WaveId, "a wave id", "^[a-z0-9][a-z0-9-]{0,31}$",
    "1 to 32 lower-case letters, digits and hyphens, not beginning with a hyphen",
    |text| !text.is_empty() && text.len() <= 32 && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
);
id!(
    /// A database of a wave. It becomes part of DMS identifiers, which take no two hyphens in a row.
    DatabaseId, "a database id", "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    "1 to 24 lower-case letters, digits and single hyphens, beginning with a letter, not ending with a hyphen",
    |text| text.len() <= 24 && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-') && !text.contains("--")
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
);
id!(
    /// A Route 53 hosted zone, without the `/hostedzone/` that some answers put before it.
    HostedZoneId, "a Route 53 hosted zone id", "^Z[0-9A-Z]{1,31}$",
    "Z followed by up to 31 capital letters or digits",
    |text| text.len() > 1 && prefixed(text, "Z", 1..=31, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_parsed_against_the_pattern_that_aws_publishes() {
        assert!(SourceServerId::parse("s-11111111111111111").is_ok());
        let short = SourceServerId::parse("s-1111111111111111").unwrap_err();
        assert_eq!(
            short.to_string(),
            "\"s-1111111111111111\" is not a source server id: s- followed by 17 letters or digits"
        );
        assert!(InstanceId::parse("i-0abcdef1234567890").is_ok());
        assert!(InstanceId::parse("i-xyz").is_err());
        assert!(WaveId::parse("wave-1").is_ok());
        assert!(WaveId::parse("-wave").is_err());
        assert!(HostedZoneId::parse("Z1234567890ABC").is_ok());
        assert!(HostedZoneId::parse("/hostedzone/Z1").is_err());
    }
}
