//! What was seen of MGN, in the domain's words. Values that this version does not know are kept as they came, for a
//! decision to hold on: unknown is never success.

use crate::ids::{InstanceId, JobId, SourceServerId};
use crate::words::words;
use jiff::{Span, Timestamp};
use std::collections::BTreeMap;

words!(
    /// MGN's lifecycle of a source server. It says what was asked for, not whether it worked.
    /// <https://docs.aws.amazon.com/mgn/latest/ug/migration-dashboard.html>
    Lifecycle {
        /// Replication is stopped.
        Stopped = "STOPPED",
        /// The initial sync is not over.
        NotReady = "NOT_READY",
        /// It can be tested.
        ReadyForTest = "READY_FOR_TEST",
        /// A test launch was asked for.
        Testing = "TESTING",
        /// It was marked as ready for cutover.
        ReadyForCutover = "READY_FOR_CUTOVER",
        /// A cutover launch was asked for.
        CuttingOver = "CUTTING_OVER",
        /// The cutover was finalized.
        Cutover = "CUTOVER",
        /// Replication was ended for good.
        Disconnected = "DISCONNECTED",
        /// It is only known by name.
        Discovered = "DISCOVERED",
        /// Its agent is not installed yet.
        PendingInstallation = "PENDING_INSTALLATION",
    }
);

words!(
    /// The state of a server's replication.
    Replication {
        /// Stopped.
        Stopped = "STOPPED",
        /// Starting.
        Initiating = "INITIATING",
        /// First copy.
        InitialSync = "INITIAL_SYNC",
        /// Behind.
        Backlog = "BACKLOG",
        /// Taking its first snapshot.
        CreatingSnapshot = "CREATING_SNAPSHOT",
        /// Up to date.
        Continuous = "CONTINUOUS",
        /// Paused.
        Paused = "PAUSED",
        /// Reading the disks again.
        Rescan = "RESCAN",
        /// Stuck.
        Stalled = "STALLED",
        /// Ended for good.
        Disconnected = "DISCONNECTED",
        /// Snapshot shipping: waiting.
        PendingSnapshotShipping = "PENDING_SNAPSHOT_SHIPPING",
        /// Snapshot shipping: under way.
        ShippingSnapshot = "SHIPPING_SNAPSHOT",
    }
);

words!(
    /// The status of a job. It ends COMPLETED whatever became of its servers.
    JobStatus {
        /// Accepted.
        Pending = "PENDING",
        /// Under way.
        Started = "STARTED",
        /// Over.
        Completed = "COMPLETED",
    }
);

words!(
    /// What became of one server of a job.
    LaunchStatus {
        /// Not begun.
        Pending = "PENDING",
        /// Under way.
        InProgress = "IN_PROGRESS",
        /// Launched.
        Launched = "LAUNCHED",
        /// Failed.
        Failed = "FAILED",
        /// Terminated.
        Terminated = "TERMINATED",
    }
);

/// A source server as `DescribeSourceServers` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerView {
    /// The server.
    pub id: SourceServerId,
    /// The host name that its agent reported.
    pub hostname: Option<String>,
    /// Its lifecycle.
    pub lifecycle: Lifecycle,
    /// The state of its replication. Absent when MGN says nothing of it.
    pub replication: Option<Replication>,
    /// How far the newest launchable state is behind. Absent when there is none, or it cannot be read.
    pub lag: Option<Lag>,
    /// Bytes that wait to be sent, over all disks. Absent when MGN does not say it of every disk.
    pub backlog_bytes: Option<u64>,
    /// When the newest snapshot was taken.
    pub last_snapshot_at: Option<Timestamp>,
    /// Whether it is archived.
    pub archived: bool,
    /// The instance that MGN shows for it, which may still be the test instance.
    pub instance: Option<(InstanceId, Option<JobId>)>,
}

/// How far the newest launchable state is behind, from an ISO 8601 duration such as `P0D` or `PT2M30S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// In milliseconds.
    pub milliseconds: i64,
}

impl Lag {
    /// Reads the duration; years and months, which have no fixed length, are not read.
    pub fn read(text: &str) -> Option<Self> {
        let span: Span = text.parse().ok()?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return None;
        }
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let time = span.weeks(0).days(0).total(jiff::Unit::Millisecond).ok()?;
        Some(Self {
            milliseconds: days * 86_400_000 + time.ceil() as i64,
        })
    }

    /// True when there is nothing behind.
    pub fn is_zero(self) -> bool {
        self.milliseconds == 0
    }
}

/// A job as `DescribeJobs` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// Its status.
    pub status: JobStatus,
    /// Its servers.
    pub participants: Vec<ParticipantView>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// One server of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticipantView {
    /// The server.
    pub server: SourceServerId,
    /// What became of it.
    pub status: LaunchStatus,
    /// The instance, which may appear later than the status.
    pub instance: Option<InstanceId>,
    /// Post-launch actions that are not over, or failed: name and status.
    pub post_launch: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_read_in_every_form_that_mgn_writes() {
        let read = |text| Lag::read(text).map(|lag| lag.milliseconds);
        assert_eq!(read("P0D"), Some(0));
        assert_eq!(read("PT0S"), Some(0));
        assert_eq!(read("PT2M30S"), Some(150_000));
        assert_eq!(read("PT16H20M38.697305S"), Some(58_838_698));
        assert_eq!(read("P1DT1S"), Some(86_401_000));
        assert_eq!(read("soon"), None);
        assert_eq!(read("P1M"), None);
    }

    #[test]
    fn a_word_that_is_not_known_is_kept_as_it_came() {
        assert_eq!(Lifecycle::read("WARMING_UP"), Lifecycle::Unknown("WARMING_UP".into()));
        assert_eq!(Lifecycle::read("CUTOVER").as_str(), "CUTOVER");
    }
}
