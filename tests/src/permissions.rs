//! What roles allowed and what they refused, over many runs.

use iam::{Missing, Unused};
use runner::world::World;
use std::collections::BTreeSet;

/// The permission report of a run, or of several together.
#[derive(Debug, Clone, Default)]
pub struct Permissions {
    /// Calls that were refused for want of a grant.
    pub missing: BTreeSet<Missing>,
    /// Grants that no call used. [`None`] before the first run.
    unused: Option<BTreeSet<Unused>>,
}

impl Permissions {
    /// Of a run that is over.
    pub fn of(world: &World) -> Self {
        let permissions = world.permissions();
        Self {
            missing: permissions.missing().into_iter().collect(),
            unused: Some(permissions.unused().into_iter().collect()),
        }
    }

    /// Of the runs before and of one more.
    pub fn with(mut self, more: Self) -> Self {
        self.missing.extend(more.missing);
        self.unused = match (self.unused, more.unused) {
            (Some(before), Some(unused)) => Some(before.intersection(&unused).cloned().collect()),
            (before, unused) => before.or(unused),
        };
        self
    }

    /// Grants that no call of any run used.
    pub fn unused(&self) -> impl Iterator<Item = &Unused> {
        self.unused.iter().flatten()
    }
}
