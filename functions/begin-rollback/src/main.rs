//! The Lambda function `begin-rollback`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(begin_rollback::handle).await
}
