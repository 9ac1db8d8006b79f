//! Everything that is known of a world at the end of a run, gathered once, so that checks are functions of data.

mod databases;

pub use databases::{DatabaseEvidence, RowSeen, SideEvidence};

use crate::world::{InvocationRecord, OriginalSet, Records, World};
use asl::ExecutionDescription;
use jiff::Timestamp;
use landfall_cloud::CallRecord;
use landfall_cloud::fleet::{CostItem, InstanceView, JobView, LaunchObservation, SourceServerView};
use landfall_cloud::route53::RecordSet;
use landfall_domain::plan::WavePlan;
use landfall_domain::report::{Report, WaveReport};

/// The peaks of MGN's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peaks {
    /// The most jobs that were ever open together.
    pub open_jobs: usize,
    /// The most servers that were ever in open jobs together.
    pub servers_in_jobs: usize,
    /// Calls that MGN refused because of a limit.
    pub refusals: usize,
}

/// A change of one record set, by Landfall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsChange {
    /// When.
    pub at: Timestamp,
    /// The zone.
    pub hosted_zone_id: String,
    /// The set afterwards; none when it was deleted.
    pub set: Option<RecordSet>,
    /// The set before.
    pub previous: Option<RecordSet>,
}

/// A world at the end of a run.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The wave table.
    pub records: Records,
    /// The plans that were set up.
    pub plans: Vec<WavePlan>,
    /// The record sets as they were set up.
    pub originals: Vec<OriginalSet>,
    /// The record sets now, in the order of `originals`; none when it is gone.
    pub sets_now: Vec<Option<RecordSet>>,
    /// Source servers.
    pub servers: Vec<SourceServerView>,
    /// Databases.
    pub databases: Vec<DatabaseEvidence>,
    /// Instances, terminated ones too.
    pub instances: Vec<InstanceView>,
    /// MGN jobs.
    pub jobs: Vec<JobView>,
    /// What cutover instances were made from.
    pub launches: Vec<LaunchObservation>,
    /// What runs and costs money.
    pub costs: Vec<CostItem>,
    /// Changes of record sets.
    pub dns_changes: Vec<DnsChange>,
    /// MGN's limits.
    pub peaks: Peaks,
    /// Calls to AWS.
    pub calls: Vec<CallRecord>,
    /// Executions, oldest first.
    pub executions: Vec<ExecutionDescription>,
    /// Invocations of functions.
    pub invocations: Vec<InvocationRecord>,
    /// Landfall's own report, where one was made.
    pub report: Option<Report>,
}

impl Evidence {
    /// Gathers it.
    pub fn of(world: &World, report: Option<Report>) -> Self {
        let (fleet, route53) = (world.cloud.fleet(), world.cloud.route53());
        let originals = world.originals();
        let now = |one: &OriginalSet| {
            let set = &one.set;
            route53.record(
                &one.hosted_zone_id,
                &set.name,
                &set.record_type,
                set.set_identifier.as_deref(),
            )
        };
        let mut executions = world.engine().list_executions(None, None);
        executions.reverse();
        Self {
            records: world.records(),
            plans: world.plans(),
            sets_now: originals.iter().map(now).collect(),
            originals,
            servers: fleet.servers(),
            databases: databases::of(world),
            instances: fleet.instances(),
            jobs: fleet.jobs(),
            launches: fleet.launches(),
            costs: fleet.running_costs(),
            dns_changes: dns_changes(world),
            peaks: Peaks {
                open_jobs: fleet.peak_open_jobs(),
                servers_in_jobs: fleet.peak_servers_in_jobs(),
                refusals: fleet.quota_refusals(),
            },
            calls: world.cloud.calls(),
            executions,
            invocations: world.invocations(),
            report,
        }
    }

    /// A source server.
    pub fn server(&self, id: &str) -> Option<&SourceServerView> {
        self.servers.iter().find(|server| server.id == id)
    }

    /// What the report says of a wave.
    pub fn reported(&self, wave: &str) -> Option<&WaveReport> {
        self.report
            .as_ref()?
            .waves
            .iter()
            .find(|report| report.wave_id.as_str() == wave)
    }

    /// Executions of a state machine.
    pub fn executions_of<'a>(&'a self, machine: &'a str) -> impl Iterator<Item = &'a ExecutionDescription> {
        self.executions
            .iter()
            .filter(move |execution| execution.state_machine_arn.ends_with(&format!(":{machine}")))
    }

    /// How many calls of an operation a service carried out.
    pub fn effects(&self, service: &str, operation: &str) -> usize {
        self.calls
            .iter()
            .filter(|call| call.service == service && call.operation == operation && call.took_effect())
            .count()
    }
}

fn dns_changes(world: &World) -> Vec<DnsChange> {
    use landfall_cloud::route53::Action;
    let batches = world.cloud.route53().history();
    batches
        .into_iter()
        .flat_map(|batch| {
            let (at, zone) = (batch.at, batch.zone_id);
            batch.changes.into_iter().map(move |change| DnsChange {
                at,
                hosted_zone_id: zone.clone(),
                previous: match change.action {
                    Action::Delete => Some(change.record.clone()),
                    _ => change.previous,
                },
                set: (change.action != Action::Delete).then_some(change.record),
            })
        })
        .collect()
}
