//! Databases that Landfall reaches through a document of the plan's own.
use crate::database::{Database, DatabaseError};
use crate::deps::Deps;
use landfall_domain::plan::database::SecretArn;
use landfall_domain::record::DatabaseRecord;

/// Connects.
pub fn connect(_: &Deps, _: &DatabaseRecord, _: &SecretArn) -> Result<Box<dyn Database>, DatabaseError> {
    Err(DatabaseError::Unsupported(String::new()))
}
