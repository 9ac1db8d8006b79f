//! The invariants of DESIGN.md, checked on a world at the end of a run.
//!
//! Each check reads what simulated AWS did, not only what Landfall wrote down about it.
//! I10 is checked by running a scenario with and without its events, and I11 by scripting answers nobody has seen.

mod databases;
mod dns;
mod endings;
mod once;
mod order;
#[cfg(test)]
mod tests;

use crate::evidence::Evidence;
use std::fmt;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: `I1`; `run` for what no run may show, such as a panic.
    pub invariant: &'static str,
    /// What is wrong, with the name of the object.
    pub sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.sentence)
    }
}

/// What the checks put their findings into.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    pub(crate) fn add(&mut self, invariant: &'static str, sentence: impl Into<String>) {
        self.0.push(Violation {
            invariant,
            sentence: sentence.into(),
        });
    }
}

/// Every invariant that does not hold.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut findings = Findings::default();
    order::tested_before_cutover(evidence, &mut findings);
    order::finalized_last(evidence, &mut findings);
    order::no_write_is_missing(evidence, &mut findings);
    databases::one_side_writes(evidence, &mut findings);
    databases::opened_in_time(evidence, &mut findings);
    databases::nothing_acknowledged_is_missing(evidence, &mut findings);
    databases::nothing_is_left(evidence, &mut findings);
    dns::restored_after_rollback(evidence, &mut findings);
    dns::each_state_once(evidence, &mut findings);
    endings::nothing_runs_unnamed(evidence, &mut findings);
    endings::claims_belong_to_open_waves(evidence, &mut findings);
    endings::every_wave_ends(evidence, &mut findings);
    once::one_job_for_each_intent(evidence, &mut findings);
    once::irreversible_calls_take_effect_once(evidence, &mut findings);
    once::evidence_is_taken_once(evidence, &mut findings);
    limits_hold(evidence, &mut findings);
    nothing_broke(evidence, &mut findings);
    findings.0
}

/// I9: MGN's limits hold across all waves, and MGN never had to say so.
fn limits_hold(evidence: &Evidence, findings: &mut Findings) {
    use landfall_domain::record::{OPEN_JOBS_MAX, OPEN_SERVERS_MAX};
    let peaks = evidence.peaks;
    if peaks.open_jobs > OPEN_JOBS_MAX {
        findings.add(
            "I9",
            format!("{} jobs were open at once, of {OPEN_JOBS_MAX} allowed", peaks.open_jobs),
        );
    }
    if peaks.servers_in_jobs > OPEN_SERVERS_MAX {
        let servers = peaks.servers_in_jobs;
        findings.add(
            "I9",
            format!("{servers} servers were in open jobs at once, of {OPEN_SERVERS_MAX} allowed"),
        );
    }
    if peaks.refusals > 0 {
        findings.add(
            "I9",
            format!("MGN refused {} calls because of its limits", peaks.refusals),
        );
    }
}

/// What no run may show: a panic, an item that cannot be read, a call that is not simulated.
fn nothing_broke(evidence: &Evidence, findings: &mut Findings) {
    for invocation in evidence.invocations.iter().filter(|invocation| invocation.panicked) {
        let message = invocation
            .failure
            .as_ref()
            .map(|failure| failure.error_message.as_str())
            .unwrap_or_default();
        findings.add(
            "run",
            format!(
                "invocation {} of {} panicked: {message}",
                invocation.number, invocation.function
            ),
        );
    }
    for broken in &evidence.records.broken {
        findings.add("run", format!("an item of the wave table cannot be read: {broken}"));
    }
    for call in &evidence.calls {
        if let landfall_cloud::Outcome::Error { code, .. } = &call.outcome
            && code == "NotSimulated"
        {
            let (caller, service, operation) = (&call.caller, &call.service, &call.operation);
            findings.add(
                "run",
                format!("{caller} called {service}:{operation} in a way that is not simulated"),
            );
        }
    }
}
