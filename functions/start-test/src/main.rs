//! The Lambda function `start-test`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(start_test::handle).await
}
