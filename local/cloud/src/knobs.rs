//! Every way in which the simulated cloud can be told to behave.

use std::time::Duration;

use crate::databases::DatabaseKnobs;
use crate::dms::DmsKnobs;
use crate::eventbridge::EventKnobs;
use crate::fleet::FleetKnobs;
use crate::route53::Route53Knobs;
use crate::scheduler::SchedulerKnobs;

/// The knobs of a cloud. The defaults are a calm day: real limits and delays, no faults.
#[derive(Debug, Clone)]
pub struct Knobs {
    /// Virtual time from a request to its answer. Default 20 ms.
    pub latency: Duration,
    /// For how long an answer that never comes keeps the connection open. Default one hour.
    pub silence: Duration,
    /// Whether stopping an execution stops the children it waits for; Step Functions promises best effort.
    /// Default yes.
    pub stop_children_on_abort: bool,
    /// Whether what is not simulated is answered with the error that AWS has for what it does not know, in place of
    /// `NotSimulated`, which only this cloud has. The ledger says `NotSimulated` either way. Default no.
    pub unknown_as_aws: bool,
    /// How events travel.
    pub events: EventKnobs,
    /// Route 53.
    pub route53: Route53Knobs,
    /// MGN, EC2, SSM and the hosts behind them.
    pub fleet: FleetKnobs,
    /// Databases, as the port reaches them.
    pub databases: DatabaseKnobs,
    /// DMS, and what moves rows.
    pub dms: DmsKnobs,
    /// EventBridge Scheduler.
    pub scheduler: SchedulerKnobs,
}

impl Default for Knobs {
    fn default() -> Knobs {
        Knobs {
            latency: Duration::from_millis(20),
            silence: Duration::from_secs(3_600),
            stop_children_on_abort: true,
            unknown_as_aws: false,
            events: EventKnobs::default(),
            route53: Route53Knobs::default(),
            fleet: FleetKnobs::default(),
            databases: DatabaseKnobs::default(),
            dms: DmsKnobs::default(),
            scheduler: SchedulerKnobs::default(),
        }
    }
}
