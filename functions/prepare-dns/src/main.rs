//! The Lambda function `prepare-dns`: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run(prepare_dns::handle).await
}
