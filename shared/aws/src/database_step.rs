//! What every step on a database begins with: the wave at its epoch, the database, its lease, and ways in.

use crate::database::{Access, Database, DatabaseError, LoginFacts};
use crate::deps::Deps;
use crate::dms::Owner;
use crate::document_database;
use crate::step::Step;
use crate::table::{Stored, Write};
use landfall_domain::StepError;
use landfall_domain::database::{KeepOpen, TableName};
use landfall_domain::ids::{DatabaseId, WaveId};
use landfall_domain::plan::database::{DatabaseSide, Dialect, SecretArn};
use landfall_domain::record::{DatabaseRecord, Direction, Lease};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

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
    /// What is known of logins already. It lives as long as the step, so that a changed secret is read by the next.
    logins: Logins,
}

/// What secrets say of logins, by secret.
type Logins = Mutex<BTreeMap<SecretArn, LoginFacts>>;

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
        let step = Step::begin(deps, wave, epoch, direction).await?;
        let mut database = deps.table.database(wave, database).await?;
        take_lease(deps, &step, &mut database, execution_arn).await?;
        Ok(Self {
            step,
            database,
            logins: Logins::default(),
        })
    }

    /// Saves the record, with a line of the audit trail when there is something to say.
    pub async fn save(&mut self, deps: &Deps, log: Option<String>) -> Result<(), StepError> {
        let mut writes = vec![Write::save(&mut self.database)?];
        if let Some(text) = log {
            writes.push(self.step.log(deps, text)?);
        }
        self.step.write(deps, writes).await
    }

    /// The plan's side.
    pub fn side(&self, side: Side) -> &DatabaseSide {
        side_of(&self.database, side)
    }

    /// A side through a login. Engines without a dialect are reached through the plan's document. Nothing is asked yet: the
    /// first call says whether somebody is there, and lets this login in.
    pub fn connect(&self, deps: &Deps, side: Side, who: Who) -> Result<Box<dyn Database>, DatabaseError> {
        connect(deps, &self.database, side, who)
    }

    /// What the secret of a login says, but for its password.
    pub async fn login(&self, deps: &Deps, side: Side, secret: &SecretArn) -> Result<LoginFacts, StepError> {
        login(deps, &self.logins, &self.database, side, secret).await
    }

    /// Who stays open while that side is closed: Landfall's login, the fence writer's, DMS's, and the plan's own.
    pub async fn keep_open(&self, deps: &Deps, side: Side) -> Result<KeepOpen, StepError> {
        keep_open_with(deps, &self.logins, &self.database, side).await
    }

    /// The tags on everything that DMS is given for this database.
    pub fn owner(&self) -> Owner {
        Owner {
            wave: self.database.wave_id.to_string(),
            database: self.database.database_id.to_string(),
        }
    }
}

/// A side through a login without a step, for the dead man's switch, which belongs to no epoch.
pub fn connect(
    deps: &Deps,
    database: &DatabaseRecord,
    side: Side,
    who: Who,
) -> Result<Box<dyn Database>, DatabaseError> {
    let of = side_of(database, side);
    let secret = match who {
        Who::Admin => &of.admin_secret_arn,
        Who::Fence => &of.fence_secret_arn,
        Who::Application => &of.application_secret_arn,
    };
    // A document logs in by itself, with the secret that it is told.
    if of.engine.dialect() == Dialect::Documents {
        return document_database::connect(deps, database, secret);
    }
    Ok(deps.databases.through(Access::of(of, secret)))
}

/// Who stays open while that side is closed, without a step.
pub async fn keep_open(deps: &Deps, database: &DatabaseRecord, side: Side) -> Result<KeepOpen, StepError> {
    keep_open_with(deps, &Logins::default(), database, side).await
}

async fn keep_open_with(
    deps: &Deps,
    logins: &Logins,
    database: &DatabaseRecord,
    side: Side,
) -> Result<KeepOpen, StepError> {
    let of = side_of(database, side);
    let mut kept = Vec::new();
    for secret in [&of.admin_secret_arn, &of.fence_secret_arn, &of.dms_secret_arn] {
        kept.push(login(deps, logins, database, side, secret).await?.username);
    }
    for further in &database.plan.freeze.keep_logins {
        if !kept.contains(further) {
            kept.push(further.clone());
        }
    }
    Ok(KeepOpen { logins: kept })
}

async fn login(
    deps: &Deps,
    logins: &Logins,
    database: &DatabaseRecord,
    side: Side,
    secret: &SecretArn,
) -> Result<LoginFacts, StepError> {
    let known = logins
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(secret)
        .cloned();
    if let Some(login) = known {
        return Ok(login);
    }
    let access = Access::of(side_of(database, side), secret);
    let login = deps.databases.describe(&access).await?;
    let mut logins = logins.lock().unwrap_or_else(PoisonError::into_inner);
    logins.insert(secret.clone(), login.clone());
    Ok(login)
}

/// Takes the database for an execution, or says who has it. A lease of an execution that is over, or of an older epoch,
/// is taken over; whoever wrote under it is shut out by the epoch or by the record's version.
async fn take_lease(
    deps: &Deps,
    step: &Step,
    database: &mut Stored<DatabaseRecord>,
    execution_arn: &str,
) -> Result<(), StepError> {
    if let Some(lease) = &database.lease {
        if lease.execution_arn == execution_arn && lease.epoch == step.guard.epoch {
            return Ok(());
        }
        let other = lease.execution_arn != execution_arn && lease.epoch == step.guard.epoch;
        if other && deps.sfn.is_open(&lease.execution_arn).await? {
            return Err(StepError::LeaseHeld {
                wave: database.wave_id.clone(),
                part: format!("database {}", database.database_id),
                owner: lease.execution_arn.clone(),
            });
        }
    }
    database.lease = Some(Lease {
        execution_arn: execution_arn.to_owned(),
        epoch: step.guard.epoch,
        at: step.now,
    });
    step.write(deps, vec![Write::save(database)?]).await
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

    /// The one-shot schedule of a closing. Scheduler takes 64 characters: the stem has 54 at most, so this has 63.
    pub fn schedule(database: &DatabaseRecord, closing_id: &str) -> String {
        let beginning: String = closing_id.chars().take(8).collect();
        format!("{}-{beginning}", base(database))
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

    /// The slot that keeps a PostgreSQL target's log for the way back. Slots take small letters, digits and underscores, 63
    /// at most.
    pub fn back_slot(database: &DatabaseRecord) -> String {
        format!("{}_back", base(database).replace('-', "_"))
    }

    /// The task of the way back.
    pub fn back_task(database: &DatabaseRecord) -> String {
        format!("{}-back", base(database))
    }
}

#[cfg(test)]
mod tests;
