//! What a function may not take from the machine: the time and new ids.

use jiff::Timestamp;
use landfall_aws::{Clock, Ids};
use landfall_cloud::VirtualClock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The cloud's clock, for functions.
pub(super) struct WorldClock(pub VirtualClock);

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Ids from a seed: the same seed and the same order of calls give the same ids.
pub(super) struct SeededIds {
    seed: u64,
    given: AtomicU64,
}

impl SeededIds {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            given: AtomicU64::new(0),
        }
    }
}

impl Ids for SeededIds {
    fn next(&self) -> String {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let high = mix(self.seed ^ mix(number));
        let low = mix(high ^ number);
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

/// SplitMix64: every bit of the input reaches every bit of the output.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_the_seed_and_are_given_once() {
        let take = |seed| {
            let ids = SeededIds::new(seed);
            (0..1000).map(|_| ids.next()).collect::<Vec<_>>()
        };
        let first = take(1);
        assert_eq!(first, take(1));
        assert_ne!(first, take(2));
        let unique: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(unique.len(), first.len());
        assert!(first.iter().all(|id| id.len() == 36));
    }
}
