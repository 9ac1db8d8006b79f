//! The bookkeeping of canaries: fences that are written before a freeze to measure how long a change takes.

use jiff::{SignedDuration, Timestamp};
use landfall_domain::decide::CANARIES;
use landfall_domain::record::CanaryFacts;

/// The pause between two canaries: ten in one instant would measure one instant.
const PACE: SignedDuration = SignedDuration::from_secs(1);

/// The shortest time that is left for a canary to be read, however fast the last ones were.
const FLIGHT_MIN: SignedDuration = SignedDuration::from_secs(2);

/// The longest: one that may take longer is read by a later invocation.
const FLIGHT_MAX: SignedDuration = SignedDuration::from_secs(10);

/// How old the oldest canary may be that counts, beside the time that ten slow ones take.
const RECENT: SignedDuration = SignedDuration::from_mins(5);

/// The last canaries of a gate, oldest first.
pub struct Canaries {
    all: Vec<CanaryFacts>,
    /// The longest that one may take.
    limit: SignedDuration,
}

impl Canaries {
    /// Those on record that are recent. What an earlier attempt measured says nothing about now.
    pub fn recent(recorded: Vec<CanaryFacts>, seconds_max: u32, now: Timestamp) -> Self {
        let limit = SignedDuration::from_secs(i64::from(seconds_max));
        let oldest = now - RECENT - limit * CANARIES as i32;
        let all = recorded
            .into_iter()
            .filter(|canary| canary.written_at >= oldest)
            .collect();
        Self { all, limit }
    }

    /// Whether the next one is to be written: the last one has arrived, or is lost.
    pub fn due(&self, now: Timestamp) -> bool {
        self.all.last().is_none_or(|last| {
            let age = now.duration_since(last.written_at);
            age >= PACE && (last.seen_at.is_some() || age > self.limit + PACE)
        })
    }

    /// Whether one that is written now can be read in the time that is left to this invocation. The next one reads many
    /// seconds later, and a canary that waits for it looks as slow as that.
    pub fn returns_within(&self, left: SignedDuration) -> bool {
        let seen = self
            .all
            .iter()
            .filter_map(|canary| Some((canary.written_at, canary.seen_at?)));
        let slowest = seen.map(|(written, seen)| seen.duration_since(written)).max();
        let expected = slowest.map_or(self.limit, |slowest| (slowest * 2).clamp(FLIGHT_MIN, self.limit));
        left >= expected.min(FLIGHT_MAX)
    }

    /// Takes one in that is written next. The instant is the one before its write: a slow write is lag too.
    pub fn write(&mut self, id: String, now: Timestamp) {
        self.all.push(CanaryFacts {
            id,
            written_at: now,
            seen_at: None,
        });
        let surplus = self.all.len().saturating_sub(CANARIES);
        self.all.drain(..surplus);
    }

    /// The ids that are looked for.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.all.iter().filter(|canary| canary.seen_at.is_none());
        missing.map(|canary| canary.id.clone()).collect()
    }

    /// Notes which of them were read. The instant is the one after the reading, so that a lag is never too small.
    pub fn seen(&mut self, ids: &[String], now: Timestamp) {
        for canary in &mut self.all {
            if canary.seen_at.is_none() && ids.contains(&canary.id) {
                canary.seen_at = Some(now);
            }
        }
    }

    /// Whether as many as are needed have arrived in time: there is no need to write more.
    pub fn enough(&self) -> bool {
        let fast = |canary: &CanaryFacts| {
            canary
                .seen_at
                .is_some_and(|seen| seen.duration_since(canary.written_at) <= self.limit)
        };
        self.all.len() >= CANARIES && self.all.iter().all(fast)
    }

    /// As they go on record.
    pub fn into_record(self) -> Vec<CanaryFacts> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).expect("an instant")
    }

    fn ten() -> Canaries {
        let mut canaries = Canaries::recent(Vec::new(), 5, at(0));
        for number in 0..10 {
            canaries.write(number.to_string(), at(number * 1000));
            canaries.seen(&[number.to_string()], at(number * 1000 + 300));
        }
        canaries
    }

    #[test]
    fn one_canary_flies_at_a_time_and_a_lost_one_grounds_the_next_no_longer_than_the_limit() {
        let mut canaries = Canaries::recent(Vec::new(), 5, at(0));
        assert!(canaries.due(at(0)));
        canaries.write("a".into(), at(0));
        assert!(!canaries.due(at(5000)));
        assert!(canaries.due(at(6001)));
        canaries.seen(&["a".into()], at(300));
        assert!(!canaries.due(at(300)), "they are a second apart");
        assert!(canaries.due(at(1000)));
    }

    #[test]
    fn a_canary_is_not_written_when_nobody_would_read_it_in_time() {
        let seconds = SignedDuration::from_secs;
        let none = Canaries::recent(Vec::new(), 5, at(0));
        assert!(none.returns_within(seconds(5)) && !none.returns_within(seconds(4)));
        assert!(ten().returns_within(seconds(2)) && !ten().returns_within(seconds(1)));
        let mut slow = ten();
        slow.write("slow".into(), at(20_000));
        slow.seen(&["slow".into()], at(22_000));
        assert!(slow.returns_within(seconds(4)) && !slow.returns_within(seconds(3)));
        let patient = Canaries::recent(Vec::new(), 60, at(0));
        assert!(patient.returns_within(seconds(10)), "a limit longer than an invocation");
    }

    #[test]
    fn a_late_canary_that_arrives_is_not_enough() {
        assert!(ten().enough());
        let mut late = ten();
        late.write("late".into(), at(20_000));
        assert!(!late.enough());
        late.seen(&["late".into()], at(26_000));
        assert!(!late.enough());
        assert_eq!(late.into_record().len(), CANARIES);
    }

    #[test]
    fn a_canary_is_seen_once_and_one_of_an_earlier_attempt_never_counts() {
        let mut canaries = ten();
        canaries.seen(&["9".into()], at(60_000));
        let recorded = canaries.into_record();
        assert_eq!(recorded[9].seen_at, Some(at(9300)));
        assert_eq!(
            Canaries::recent(recorded.clone(), 5, at(60_000)).into_record().len(),
            10
        );
        assert!(Canaries::recent(recorded, 5, at(3_600_000)).into_record().is_empty());
    }
}
