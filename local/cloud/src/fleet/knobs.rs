//! Everything about the simulated fleet that may be turned: durations, and each behaviour AWS does not document.

use std::time::Duration;

/// A duration drawn evenly between two bounds, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Spread {
    /// Between two numbers of seconds.
    pub const fn seconds(least: u64, most: u64) -> Spread {
        Spread {
            least: Duration::from_secs(least),
            most: Duration::from_secs(most),
        }
    }

    /// Always the same duration.
    pub const fn exactly(duration: Duration) -> Spread {
        Spread {
            least: duration,
            most: duration,
        }
    }

    /// The duration that a random number selects.
    pub fn pick(self, random: u64) -> Duration {
        let least = self.least.as_millis() as u64;
        let width = (self.most.as_millis() as u64).saturating_sub(least);
        Duration::from_millis(least + random % (width + 1))
    }

    /// So many times as long.
    pub(crate) fn scaled(self, factor: f64) -> Spread {
        Spread {
            least: self.least.mul_f64(factor),
            most: self.most.mul_f64(factor),
        }
    }
}

/// How MGN prints a time: real answers carry microseconds and `+00:00`, the model says `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampStyle {
    /// `2022-08-31T17:10:13.411702+00:00`.
    MicrosWithOffset,
    /// `2022-08-31T17:10:13.411Z`.
    Zulu,
    /// Now the one, now the other; the same instant always looks the same.
    Mixed,
}

/// What a failed launch does to `lifeCycle.state`. Not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedLaunch {
    /// TESTING or CUTTING_OVER stays.
    LeftAsAsked,
    /// The state from before the call comes back.
    Reverted,
}

/// The error class for a quota on jobs that is exceeded. Not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaError {
    /// ConflictException, 409.
    Conflict,
    /// ValidationException, 400.
    Validation,
    /// ServiceQuotaExceededException, 402.
    Quota,
}

/// The error class for unknown ids in StartTest, StartCutover and TerminateTargetInstances. Not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownIdError {
    /// ValidationException, 400.
    Validation,
    /// ResourceNotFoundException, 404, although the operation does not declare it.
    NotFound,
}

/// Every knob of the fleet. `default()` is AWS as far as it is known, `awkward()` turns each undocumented row the other way.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetKnobs {
    /// How MGN prints times.
    pub timestamps: TimestampStyle,
    /// Does DescribeSourceServers return archived servers when `isArchived` is omitted?
    pub archived_returned_by_default: bool,
    /// What a failed launch does to the lifecycle.
    pub failed_launch: FailedLaunch,
    /// Is StartCutover accepted from READY_FOR_TEST?
    pub cutover_from_ready_for_test: bool,
    /// Is StartTest accepted from READY_FOR_CUTOVER?
    pub test_from_ready_for_cutover: bool,
    /// The class of a quota refusal.
    pub quota_error: QuotaError,
    /// The class for unknown ids in start and terminate calls.
    pub unknown_id_error: UnknownIdError,
    /// How long after its job reads COMPLETED the last participant still reads IN_PROGRESS.
    pub settle_window: Duration,
    /// How long the instance id is missing, from job and server, after LAUNCHED.
    pub instance_id_delay: Duration,
    /// How long a new job lacks its tags in DescribeJobs.
    pub job_tag_delay: Duration,
    /// How long a new job is missing from DescribeJobs.
    pub job_visible_delay: Duration,
    /// Does ChangeServerLifeCycleState accept the state the server is in already?
    pub change_to_same_state: bool,
    /// Does ChangeServerLifeCycleState accept a server that an open job holds?
    pub change_during_job: bool,
    /// Does TerminateTargetInstances accept a server without a launched instance (which then ends TERMINATED)?
    pub terminate_without_instance: bool,
    /// Is `launchedInstance` printed as `{}` where there is none, or left out?
    pub empty_launched_instance: bool,
    /// Does FinalizeCutover zero `totalStorageBytes` at once, as its documentation says and captured answers deny?
    pub finalize_zeroes_bytes: bool,
    /// Most items on a page of MGN's, whatever `maxResults` asks for.
    pub mgn_page: usize,
    /// Quota: concurrent jobs in progress.
    pub max_open_jobs: usize,
    /// Quota: source servers in all open jobs.
    pub max_servers_in_open_jobs: usize,
    /// Quota: source servers in one job.
    pub max_servers_per_job: usize,
    /// How long a job reads PENDING.
    pub job_pending: Spread,
    /// How long a launch job runs, from STARTED to COMPLETED.
    pub launch: Spread,
    /// How long a terminate job runs, from STARTED to COMPLETED.
    pub terminate: Spread,
    /// Time between two consistent snapshots of a server in continuous replication; drawn once for each server.
    pub snapshot_every: Spread,
    /// How long replication needs to drain after the last writer stopped.
    pub drain: Spread,
    /// Share of readings, in percent, that show some backlog while a server writes.
    pub busy_backlog_percent: u64,
    /// From EC2's `pending` to `running`.
    pub ec2_boot: Spread,
    /// From `running` to status checks `ok`.
    pub ec2_checks: Spread,
    /// From `stopping` to `stopped`.
    pub ec2_stop: Spread,
    /// From `shutting-down` to `terminated`.
    pub ec2_terminate: Spread,
    /// How long a terminated instance still shows.
    pub ec2_terminated_visible: Duration,
    /// How long EC2 does not know an instance that MGN has just launched.
    pub ec2_visible_delay: Duration,
    /// From `pending` to `completed`, for an EBS snapshot.
    pub ec2_snapshot: Spread,
    /// Most items on a page of EC2's.
    pub ec2_page: usize,
    /// From a host's start until its SSM agent has registered.
    pub ssm_registration: Spread,
    /// How long a command runs on a host.
    pub ssm_command: Spread,
    /// How long a new command's invocations do not exist for a reader.
    pub ssm_invocation_delay: Duration,
    /// Most items on a page of SSM's.
    pub ssm_page: usize,
}

impl Default for FleetKnobs {
    fn default() -> FleetKnobs {
        FleetKnobs {
            timestamps: TimestampStyle::Mixed,
            archived_returned_by_default: true,
            failed_launch: FailedLaunch::LeftAsAsked,
            cutover_from_ready_for_test: false,
            test_from_ready_for_cutover: false,
            quota_error: QuotaError::Conflict,
            unknown_id_error: UnknownIdError::Validation,
            settle_window: Duration::ZERO,
            instance_id_delay: Duration::ZERO,
            job_tag_delay: Duration::ZERO,
            job_visible_delay: Duration::ZERO,
            change_to_same_state: false,
            change_during_job: false,
            terminate_without_instance: true,
            empty_launched_instance: false,
            finalize_zeroes_bytes: false,
            // What was asked for, up to the 1,000 that the API's model allows; nobody documents smaller pages.
            mgn_page: 1000,
            max_open_jobs: 20,
            max_servers_in_open_jobs: 200,
            max_servers_per_job: 200,
            job_pending: Spread::seconds(2, 6),
            launch: Spread::seconds(8 * 60, 12 * 60),
            terminate: Spread::seconds(60, 120),
            snapshot_every: Spread::seconds(60, 120),
            drain: Spread::seconds(20, 40),
            busy_backlog_percent: 25,
            ec2_boot: Spread::seconds(5, 15),
            ec2_checks: Spread::seconds(120, 180),
            ec2_stop: Spread::seconds(10, 20),
            ec2_terminate: Spread::seconds(10, 30),
            ec2_terminated_visible: Duration::from_secs(3600),
            ec2_visible_delay: Duration::ZERO,
            ec2_snapshot: Spread::seconds(30, 60),
            ec2_page: 1000,
            ssm_registration: Spread::seconds(60, 120),
            ssm_command: Spread::seconds(2, 6),
            ssm_invocation_delay: Duration::from_secs(1),
            ssm_page: 50,
        }
    }
}

impl FleetKnobs {
    /// Every undocumented row turned against the reader of the API: what works here and with `default()` works both ways.
    pub fn awkward() -> FleetKnobs {
        FleetKnobs {
            archived_returned_by_default: false,
            failed_launch: FailedLaunch::Reverted,
            quota_error: QuotaError::Quota,
            unknown_id_error: UnknownIdError::NotFound,
            settle_window: Duration::from_secs(20),
            instance_id_delay: Duration::from_secs(15),
            job_tag_delay: Duration::from_secs(5),
            job_visible_delay: Duration::from_secs(2),
            change_to_same_state: true,
            change_during_job: true,
            terminate_without_instance: false,
            empty_launched_instance: true,
            finalize_zeroes_bytes: true,
            mgn_page: 2,
            ec2_visible_delay: Duration::from_secs(3),
            ec2_page: 2,
            ssm_page: 2,
            ssm_invocation_delay: Duration::from_secs(3),
            ..FleetKnobs::default()
        }
    }

    /// The same fleet whose work takes `factor` times as long: for a run on a real clock.
    pub fn scaled(self, factor: f64) -> FleetKnobs {
        FleetKnobs {
            job_pending: self.job_pending.scaled(factor),
            launch: self.launch.scaled(factor),
            terminate: self.terminate.scaled(factor),
            snapshot_every: self.snapshot_every.scaled(factor),
            drain: self.drain.scaled(factor),
            ec2_boot: self.ec2_boot.scaled(factor),
            ec2_checks: self.ec2_checks.scaled(factor),
            ec2_stop: self.ec2_stop.scaled(factor),
            ec2_terminate: self.ec2_terminate.scaled(factor),
            ec2_snapshot: self.ec2_snapshot.scaled(factor),
            ssm_registration: self.ssm_registration.scaled(factor),
            ssm_command: self.ssm_command.scaled(factor),
            ..self
        }
    }
}
