//! The Lambda function `rollback-dns`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(rollback_dns::handle).await
}
