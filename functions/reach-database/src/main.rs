//! The Lambda function `reach-database`: wiring only.

use landfall_database::SqlDatabases;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    landfall_aws::shell::run_with(Arc::new(SqlDatabases), reach_database::handle).await
}
