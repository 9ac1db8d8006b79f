//! The Lambda function `check-job`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(check_job::handle).await
}
