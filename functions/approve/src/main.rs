//! The Lambda function `approve`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(approve::handle).await
}
