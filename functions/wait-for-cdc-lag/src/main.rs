//! The Lambda function `wait-for-cdc-lag`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(wait_for_cdc_lag::handle).await
}
