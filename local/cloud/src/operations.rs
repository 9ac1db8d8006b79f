//! Tables of operations: a service does what its table lists, and nothing else.

use crate::hub::AwsError;

/// The operations of a service by AWS's names, and what does each.
pub(crate) type Operations<F> = [(&'static str, F)];

/// What does an operation; one that is not in the table is not simulated.
pub(crate) fn find<F: Copy>(service: &str, table: &Operations<F>, operation: &str) -> Result<F, AwsError> {
    let found = table.iter().find(|(name, _)| *name == operation);
    found
        .map(|(_, act)| *act)
        .ok_or_else(|| AwsError::not_simulated(&format!("{service}:{operation}")))
}

/// The names in a table.
pub(crate) fn names<F>(table: &Operations<F>) -> Vec<&'static str> {
    table.iter().map(|(name, _)| *name).collect()
}
