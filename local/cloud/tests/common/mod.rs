//! What the test binaries share: a cloud, and SDK clients that do not hide errors behind retries.
#![allow(dead_code, reason = "no test binary uses every function here")]

use std::time::Duration;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use landfall_cloud::{Caller, Cloud, CloudOptions, Knobs};

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "eu-west-1";

pub fn cloud() -> Cloud {
    cloud_with(1, Knobs::default())
}

pub fn cloud_with(seed: u64, knobs: Knobs) -> Cloud {
    Cloud::new(CloudOptions {
        seed,
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        start: "2026-03-01T00:00:00Z".parse().expect("a timestamp"),
        knobs,
    })
}

/// Virtual time since the cloud's start.
pub fn elapsed(cloud: &Cloud) -> Duration {
    cloud.clock().elapsed()
}

/// The code of a refusal.
pub fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error
        .as_service_error()
        .and_then(|error| error.code())
        .unwrap_or("no code")
        .to_owned()
}

/// The message of a refusal.
pub fn message<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error
        .as_service_error()
        .and_then(|error| error.message())
        .unwrap_or("no message")
        .to_owned()
}

/// A client of one attempt, calling as `caller`.
macro_rules! client {
    ($sdk:ident, $cloud:expr, $caller:expr) => {
        $sdk::Client::from_conf(
            $sdk::config::Builder::from(&$cloud.sdk_config($caller))
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .build(),
        )
    };
}

pub fn sns(cloud: &Cloud, caller: &Caller) -> aws_sdk_sns::Client {
    client!(aws_sdk_sns, cloud, caller)
}

pub fn route53(cloud: &Cloud, caller: &Caller) -> aws_sdk_route53::Client {
    client!(aws_sdk_route53, cloud, caller)
}

pub fn dynamodb(cloud: &Cloud, caller: &Caller) -> aws_sdk_dynamodb::Client {
    client!(aws_sdk_dynamodb, cloud, caller)
}

pub fn states(cloud: &Cloud, caller: &Caller) -> aws_sdk_sfn::Client {
    client!(aws_sdk_sfn, cloud, caller)
}

pub fn dms(cloud: &Cloud, caller: &Caller) -> aws_sdk_databasemigration::Client {
    client!(aws_sdk_databasemigration, cloud, caller)
}

pub fn cloudwatch(cloud: &Cloud, caller: &Caller) -> aws_sdk_cloudwatch::Client {
    client!(aws_sdk_cloudwatch, cloud, caller)
}
