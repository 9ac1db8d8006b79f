//! What a warm execution environment remembers from one invocation to the next. It is only ever a reason not to read
//! again, never a fact that anything is decided on: it is lost with the environment, and other environments know nothing
//! of it.

use jiff::Timestamp;
use landfall_domain::ids::SourceServerId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Resources that are remembered; the one read longest ago gives way. MGN allows 20 open jobs.
const REMEMBERED_MAX: usize = 40;

/// The last reading of a resource, as far as this environment knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReading {
    /// When it was read, or somebody was seen to be reading.
    pub at: Timestamp,
    /// Until when somebody reads again.
    pub until: Timestamp,
    /// The servers that were not settled then, less those that were heard of since. Empty: not known.
    pub open: BTreeSet<SourceServerId>,
}

/// The memory of an environment.
#[derive(Debug, Default)]
pub struct Warm {
    readings: Mutex<BTreeMap<String, LastReading>>,
    resources: Mutex<BTreeMap<String, String>>,
}

impl Warm {
    /// The last reading of a resource.
    pub fn reading(&self, resource: &str) -> Option<LastReading> {
        self.lock().get(resource).cloned()
    }

    /// Remembers a reading.
    pub fn note(&self, resource: &str, reading: LastReading) {
        let mut readings = self.lock();
        readings.insert(resource.to_owned(), reading);
        if readings.len() > REMEMBERED_MAX {
            let oldest = readings.iter().min_by_key(|(_, reading)| reading.at);
            if let Some(oldest) = oldest.map(|(resource, _)| resource.clone()) {
                readings.remove(&oldest);
            }
        }
    }

    /// What something that waits was waiting for when it was last seen, by a name of its own.
    pub fn resource_of(&self, name: &str) -> Option<String> {
        let resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        resources.get(name).cloned()
    }

    /// Remembers what something waits for.
    pub fn waits_for(&self, name: &str, resource: &str) {
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        if resources.len() >= REMEMBERED_MAX {
            resources.clear();
        }
        resources.insert(name.to_owned(), resource.to_owned());
    }

    /// A server of the resource was heard of: it is settled.
    pub fn heard(&self, resource: &str, server: &SourceServerId) {
        if let Some(reading) = self.lock().get_mut(resource) {
            reading.open.remove(server);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LastReading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_reading_gives_way() {
        let warm = Warm::default();
        for second in 0..=40 {
            let at = Timestamp::from_second(second).unwrap();
            let reading = LastReading {
                at,
                until: at,
                open: BTreeSet::new(),
            };
            warm.note(&format!("job-{second}"), reading);
        }
        assert_eq!(warm.reading("job-0"), None);
        assert!(warm.reading("job-1").is_some() && warm.reading("job-40").is_some());
    }
}
