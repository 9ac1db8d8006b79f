//! The Lambda function `check-readiness`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(check_readiness::handle).await
}
