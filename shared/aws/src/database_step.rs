//! What every step on a database begins with: the wave at its epoch, the database, its lease, and ways in.

use crate::database::{Database, DatabaseError};
use crate::deps::Deps;
use crate::dms::Owner;
use crate::step::Step;
use crate::table::Stored;
use landfall_domain::StepError;
use landfall_domain::database::{KeepOpen, TableName};
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::plan::database::DatabaseSide;
use landfall_domain::record::{DatabaseRecord, Direction};

/// Which of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where it was.
    Source,
    /// Where it goes.
    Target,
}

/// Through whose login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Landfall's own.
    Admin,
    /// The fence writer's.
    Fence,
    /// An application's.
    Application,
}

/// A step on one database of a wave.
pub struct DatabaseStep {
    /// The step of the wave.
    pub step: Step,
    /// The database, as it was when the step began; saved under the wave's guard and its own version.
    pub database: Stored<DatabaseRecord>,
}

impl DatabaseStep {
    /// Begins: refuses when the wave has moved on, takes the database's lease for the execution (a lease of an execution
    /// that is over, or of an older epoch, is taken over; another open one is `LeaseHeld`).
    pub async fn begin(
        deps: &Deps,
        wave: &WaveId,
        epoch: u64,
        direction: Direction,
        database: &DatabaseId,
        execution_arn: &str,
    ) -> Result<Self, StepError> {
        let _ = (deps, wave, epoch, direction, database, execution_arn);
        unimplemented!()
    }

    /// Saves the record, with a line of the audit trail when there is something to say.
    pub async fn save(&mut self, deps: &Deps, log: Option<String>) -> Result<(), StepError> {
        let _ = (deps, log);
        unimplemented!()
    }

    /// The plan's side.
    pub fn side(&self, side: Side) -> &DatabaseSide {
        side_of(&self.database, side)
    }

    /// Connects to a side through a login. Engines without a dialect are reached through the plan's document.
    pub async fn connect(&self, deps: &Deps, side: Side, who: Who) -> Result<Box<dyn Database>, DatabaseError> {
        connect(deps, &self.database, side, who).await
    }

    /// Who stays open while that side is closed: Landfall's login, the fence writer's, DMS's, and the plan's own.
    pub async fn keep_open(&self, deps: &Deps, side: Side) -> Result<KeepOpen, StepError> {
        keep_open(deps, &self.database, side).await
    }

    /// The tags on everything that DMS is given for this database.
    pub fn owner(&self) -> Owner {
        Owner {
            wave: self.database.wave_id.to_string(),
            database: self.database.database_id.to_string(),
        }
    }
}

/// The same without a step, for the dead man's switch, which belongs to no epoch.
pub async fn connect(
    deps: &Deps,
    database: &DatabaseRecord,
    side: Side,
    who: Who,
) -> Result<Box<dyn Database>, DatabaseError> {
    let _ = (deps, database, side, who);
    unimplemented!()
}

/// The same without a step.
pub async fn keep_open(deps: &Deps, database: &DatabaseRecord, side: Side) -> Result<KeepOpen, StepError> {
    let _ = (deps, database, side);
    unimplemented!()
}

/// The plan's side.
pub fn side_of(database: &DatabaseRecord, side: Side) -> &DatabaseSide {
    match side {
        Side::Source => &database.plan.source,
        Side::Target => &database.plan.target,
    }
}

/// The fence table by the name it has on that side; [`StepError::Corrupt`] when the mappings do not select it, which the
/// plan's rules have refused.
pub fn fence_table(database: &DatabaseRecord, side: Side) -> Result<TableName, StepError> {
    let name = match side {
        Side::Source => database.plan.fence_on_source(),
        Side::Target => database.plan.fence_on_target(),
    };
    name.map(|(schema, table)| TableName::new(schema, table))
        .ok_or_else(|| {
            StepError::Corrupt(format!(
                "the fence table of database {} has no name on the {side:?}",
                database.database_id
            ))
        })
}

/// The identifiers of what DMS is given for a database, at most 60 characters each, without two hyphens in a row.
pub mod names {
    use landfall_domain::record::DatabaseRecord;

    /// The stem of all: `lf-{wave}-{database}`.
    pub fn base(database: &DatabaseRecord) -> String {
        format!("lf-{}-{}", database.wave_id, database.database_id)
    }

    /// The replication instance.
    pub fn instance(database: &DatabaseRecord) -> String {
        base(database)
    }

    /// The task.
    pub fn task(database: &DatabaseRecord) -> String {
        base(database)
    }

    /// The endpoint that reads the source.
    pub fn source_endpoint(database: &DatabaseRecord) -> String {
        format!("{}-src", base(database))
    }

    /// The endpoint that writes the target.
    pub fn target_endpoint(database: &DatabaseRecord) -> String {
        format!("{}-tgt", base(database))
    }

    /// The endpoint that reads the target, for the way back.
    pub fn back_source_endpoint(database: &DatabaseRecord) -> String {
        format!("{}-back-src", base(database))
    }

    /// The endpoint that writes the source, for the way back.
    pub fn back_target_endpoint(database: &DatabaseRecord) -> String {
        format!("{}-back-tgt", base(database))
    }

    /// The task of the way back.
    pub fn back_task(database: &DatabaseRecord) -> String {
        format!("{}-back", base(database))
    }
}
