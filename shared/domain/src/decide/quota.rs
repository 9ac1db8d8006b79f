//! Whether MGN has room for one more job.

use crate::ids::JobId;
use crate::record::{OPEN_JOBS_MAX, OPEN_SERVERS_MAX, QuotaRecord};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How long a place is kept for a start that has shown no job: longer than any function lives.
const UNSEEN_PLACE_KEPT: SignedDuration = SignedDuration::from_mins(15);

/// What is open, and whether there is room.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// The reservations that still hold.
    pub kept: QuotaRecord,
    /// Jobs open or reserved, foreign ones included.
    pub open_jobs: usize,
    /// Servers in them.
    pub open_servers: usize,
    /// True when `wanted` more servers, in one more job, fit.
    pub fits: bool,
}

/// Weighs what is reserved and what `DescribeJobs` shows as open: for each job the number of its servers and the
/// intent it is tagged with. A reservation whose job is shown counts as that job; one whose job is not shown is kept
/// until nothing can start it any more.
pub fn room(
    quota: &QuotaRecord,
    open: &BTreeMap<JobId, (usize, Option<String>)>,
    own_intent: &str,
    wanted: usize,
    now: Timestamp,
) -> Room {
    let mut kept = QuotaRecord::default();
    let (mut open_jobs, mut open_servers) = (0, 0);
    for (intent, reservation) in &quota.reservations {
        if intent == own_intent {
            continue;
        }
        let shown = open.values().any(|(_, tag)| tag.as_deref() == Some(intent));
        let may_start = now.duration_since(reservation.at) < UNSEEN_PLACE_KEPT;
        if shown || may_start {
            kept.reservations.insert(intent.clone(), reservation.clone());
        }
        if may_start && !shown {
            open_jobs += 1;
            open_servers += usize::try_from(reservation.servers).expect("at most 200");
        }
    }
    for (servers, tag) in open.values() {
        if tag.as_deref() != Some(own_intent) {
            open_jobs += 1;
            open_servers += servers;
        }
    }
    let fits = open_jobs < OPEN_JOBS_MAX && open_servers + wanted <= OPEN_SERVERS_MAX;
    Room {
        kept,
        open_jobs,
        open_servers,
        fits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reservation;

    fn job(n: u32) -> JobId {
        JobId::parse(format!("mgnjob-{n:017}")).unwrap()
    }

    fn reserved(servers: u32, at: &str) -> Reservation {
        Reservation {
            servers,
            at: at.parse().unwrap(),
        }
    }

    #[test]
    fn foreign_jobs_and_unseen_reservations_count_and_forgotten_ones_do_not() {
        let mut quota = QuotaRecord::default();
        quota
            .reservations
            .insert("unseen".into(), reserved(50, "2026-01-10T02:00:00Z"));
        quota
            .reservations
            .insert("forgotten".into(), reserved(50, "2026-01-10T01:00:00Z"));
        let open = BTreeMap::from([(job(2), (40, None))]);
        let now = "2026-01-10T02:05:00Z".parse().unwrap();
        let fits = room(&quota, &open, "mine", 110, now);
        assert_eq!((fits.open_jobs, fits.open_servers, fits.fits), (2, 90, true));
        assert_eq!(fits.kept.reservations.keys().collect::<Vec<_>>(), ["unseen"]);
        assert!(!room(&quota, &open, "mine", 111, now).fits);
    }

    #[test]
    fn a_reservation_whose_job_is_shown_is_counted_once() {
        let mut quota = QuotaRecord::default();
        quota
            .reservations
            .insert("theirs".into(), reserved(100, "2026-01-10T02:00:00Z"));
        let open = BTreeMap::from([(job(1), (100, Some("theirs".to_owned())))]);
        let seen = room(&quota, &open, "mine", 100, "2026-01-10T02:05:00Z".parse().unwrap());
        assert_eq!((seen.open_jobs, seen.open_servers, seen.fits), (1, 100, true));
    }

    #[test]
    fn the_twenty_first_job_waits() {
        let open = (0..20).map(|n| (job(n), (1, None))).collect();
        assert!(
            !room(
                &QuotaRecord::default(),
                &open,
                "mine",
                1,
                "2026-01-10T02:05:00Z".parse().unwrap()
            )
            .fits
        );
    }
}
