//! How long DMS went on comparing tables after somebody had asked whether they are equal.

use crate::replicator::{Compared, Listener};
use crate::timed::Length;
use jiff::Timestamp;
use landfall_cloud::VirtualClock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The times from an answer that not everything is compared yet until everything was, by task. Clones share them.
#[derive(Clone, Default)]
pub struct Comparing(Arc<Mutex<BTreeMap<String, Vec<Asked>>>>);

/// When it was asked, and when everything was compared.
type Asked = (Timestamp, Option<Timestamp>);

impl Comparing {
    /// Those of a task that are over.
    pub fn of(&self, task: &str) -> Vec<Length> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = all.get(task).into_iter().flatten();
        ours.filter_map(|(from, to)| Some((*from, (*to)?))).collect()
    }

    /// What DMS's stand-in tells.
    pub fn listener(&self, clock: VirtualClock) -> Listener {
        let all = self.clone();
        Arc::new(move |task, compared| all.told(task, compared, clock.now()))
    }

    fn told(&self, task: &str, compared: Compared, at: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = all.entry(task.to_owned()).or_default();
        match (ours.last_mut(), compared) {
            (Some((_, end @ None)), Compared::All) => *end = Some(at),
            (Some((_, None)), Compared::NotYet) | (_, Compared::All) => {}
            (_, Compared::NotYet) => ours.push((at, None)),
        }
    }
}
