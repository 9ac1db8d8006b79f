//! The wave table: one DynamoDB table, every write conditional.
//!
//! All writes are transactions. A transaction carries a client token, so that one whose answer was lost and that the SDK
//! sends again is applied once (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>);
//! and it can carry the condition that the wave is still at the epoch and direction of whoever writes.

mod item;
mod keys;
mod reads;
mod writes;

pub use item::Stored;
pub use keys::Key;
pub use reads::WaveParts;
pub(crate) use writes::superseded;
pub use writes::{Guard, Write};

/// The wave table.
#[derive(Clone)]
pub struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl Table {
    /// A table by its name.
    pub fn new(client: aws_sdk_dynamodb::Client, name: String) -> Self {
        Self { client, name }
    }
}

/// The service as errors name it.
const SERVICE: &str = "DynamoDB";
