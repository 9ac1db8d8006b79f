//! What a scenario can expect of its end, in the words of its failures.

use crate::evidence::Evidence;
use crate::operator::Answered;
use crate::world::{ORIGINAL_TTL_SECONDS, World};
use landfall_cloud::fleet::{InitiatedBy, InstanceState, InstanceView, Purpose, SourceServerView};
use landfall_domain::plan::{ProgramPlan, WavePlan};
use landfall_domain::record::{ApprovalKind, Decision};
use landfall_domain::report::{ServerReport, WaveOutcome};

/// The end of a run, and what was found to be different from what was expected.
pub struct Expect<'a> {
    /// Everything that is known.
    pub evidence: &'a Evidence,
    /// The world.
    pub world: &'a World,
    /// The plan.
    pub program: &'a ProgramPlan,
    answers: &'a [Answered],
    failures: Vec<String>,
}

impl<'a> Expect<'a> {
    pub(super) fn new(
        evidence: &'a Evidence,
        world: &'a World,
        program: &'a ProgramPlan,
        answers: &'a [Answered],
    ) -> Self {
        Self {
            evidence,
            world,
            program,
            answers,
            failures: Vec::new(),
        }
    }

    pub(super) fn failures(self) -> Vec<String> {
        self.failures
    }

    /// Notes what is wrong, unless it is as it should be.
    pub fn that(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(otherwise());
        }
    }

    /// The plan of the n-th wave, from 0.
    pub fn wave(&self, index: usize) -> &'a WavePlan {
        &self.program.waves[index]
    }

    /// A wave ended with an outcome, on record and in the report.
    pub fn outcome(&mut self, wave: &WavePlan, outcome: WaveOutcome) {
        let id = &wave.wave_id;
        let record = self.evidence.records.wave(id.as_str());
        let found = record.and_then(|wave| wave.outcome);
        let headline = record.and_then(|wave| wave.headline.clone()).unwrap_or_default();
        self.that(found == Some(outcome), || {
            format!("wave {id} ended as {found:?} and not as {outcome:?}: {headline}")
        });
        if let Some(report) = self.evidence.reported(id.as_str()) {
            self.that(report.outcome == outcome, || {
                format!("the report says {:?} of wave {id} and not {outcome:?}", report.outcome)
            });
        }
    }

    /// A wave was never planned, and nothing of it was touched.
    pub fn never_started(&mut self, wave: &WavePlan) {
        let id = &wave.wave_id;
        self.that(self.evidence.records.wave(id.as_str()).is_none(), || {
            format!("wave {id} was started")
        });
        for plan in &wave.servers {
            let server = plan.source_server_id.as_str();
            let in_job = self
                .evidence
                .jobs
                .iter()
                .any(|job| job.servers.iter().any(|(one, ..)| one == server));
            self.that(!in_job, || {
                format!("{} of the wave {id}, which never started, was in a job", plan.hostname)
            });
        }
        self.source_serves(wave);
    }

    /// Every server of a wave that was not left out is finalized and archived, runs on AWS, has its traffic there, and
    /// its test instance is gone.
    pub fn migrated(&mut self, wave: &WavePlan, left_out: &[&str]) {
        for plan in &wave.servers {
            if left_out.contains(&plan.hostname.as_str()) {
                continue;
            }
            let id = plan.source_server_id.as_str();
            let host = &plan.hostname;
            let Some(server) = self.evidence.server(id) else {
                continue;
            };
            self.that(server.finalized_at.is_some() && server.archived, || {
                format!("{host} is not finalized and archived: {}", server.life_cycle)
            });
            self.that(!server.writing, || format!("{host} still writes on its source"));
            self.serves_on_aws(wave, server);
            let tests = self.running(id, Purpose::Test).count();
            self.that(tests == 0, || format!("{host} still has {tests} test instances"));
            let downtime = self.reported(wave, id).and_then(|report| report.downtime_seconds);
            self.that(downtime.is_some(), || format!("the report knows no downtime of {host}"));
        }
    }

    fn serves_on_aws(&mut self, wave: &WavePlan, server: &SourceServerView) {
        let host = server.hostname.clone();
        let instances: Vec<InstanceView> = self.running(&server.id, Purpose::Cutover).cloned().collect();
        let [instance] = instances.as_slice() else {
            let number = instances.len();
            return self.that(false, || format!("{host} has {number} cutover instances and not one"));
        };
        let services = instance
            .services
            .iter()
            .all(|service| service.active && service.enabled);
        self.that(services, || {
            format!("services of {host} do not run on AWS, or would not after a restart")
        });
        let address = instance.private_ip.clone();
        let mine = wave
            .traffic
            .dns
            .iter()
            .filter(|dns| dns.source_server_id.as_str() == server.id);
        for dns in mine {
            let set = self.world.cloud.route53().record(
                dns.hosted_zone_id.as_str(),
                &dns.name,
                dns.record_type.as_str(),
                dns.set_identifier.as_deref(),
            );
            let pointed = set.as_ref().is_some_and(|set| set.values == [address.clone()]);
            self.that(pointed, || format!("{} does not point at {address}: {set:?}", dns.name));
            let settled = set.as_ref().is_some_and(|set| set.ttl == Some(ORIGINAL_TTL_SECONDS));
            self.that(settled, || {
                format!("{} did not get its old TTL back: {set:?}", dns.name)
            });
        }
    }

    /// Every source of a wave runs as at the beginning, its record sets are the original ones, and no cutover instance of
    /// it exists.
    pub fn source_serves(&mut self, wave: &WavePlan) {
        for plan in &wave.servers {
            self.source_runs(plan.source_server_id.as_str(), &plan.hostname);
        }
        for (original, now) in self.evidence.originals.iter().zip(&self.evidence.sets_now) {
            let name = &original.set.name;
            let same = original.wave_id != wave.wave_id.as_str() || now.as_ref() == Some(&original.set);
            self.that(same, || format!("{name} is not what it was: {now:?}"));
        }
    }

    /// A source runs as at the beginning, and no instance of it exists on AWS.
    pub fn source_runs(&mut self, id: &str, host: &str) {
        let Some(server) = self.evidence.server(id) else {
            return self.that(false, || format!("{host} does not exist"));
        };
        let runs = server.writing && server.services.iter().all(|service| service.active && service.enabled);
        self.that(runs, || {
            format!("{host} does not run on its source as before: {:?}", server.services)
        });
        self.that(!server.archived && server.finalized_at.is_none(), || {
            format!("{host} was finalized")
        });
        for purpose in [Purpose::Test, Purpose::Cutover] {
            let left = self.running(id, purpose).count();
            self.that(left == 0, || {
                format!("{host} still has {left} instances of purpose {purpose}")
            });
        }
    }

    /// How many jobs of a kind a server was in.
    pub fn jobs_of(&self, by: InitiatedBy, server: &str) -> usize {
        let jobs = self.evidence.jobs.iter().filter(|job| job.initiated_by == by);
        jobs.filter(|job| job.servers.iter().any(|(one, ..)| one == server))
            .count()
    }

    /// A question was asked and answered so, and Landfall took the answer.
    pub fn answered(&mut self, wave: &WavePlan, kind: ApprovalKind, decision: Decision) {
        let mine = |answer: &&Answered| answer.wave_id == wave.wave_id.as_str() && answer.kind == kind;
        let found = self.answers.iter().find(mine);
        let taken = found.is_some_and(|answer| answer.decision == decision && answer.status == 200);
        self.that(taken, || {
            format!(
                "{kind:?} of {} was not answered with {decision:?}: {found:?}",
                wave.wave_id
            )
        });
    }

    /// A question was never asked.
    pub fn never_asked(&mut self, wave: &WavePlan, kind: ApprovalKind) {
        let asked = self
            .answers
            .iter()
            .any(|answer| answer.wave_id == wave.wave_id.as_str() && answer.kind == kind);
        self.that(!asked, || format!("{kind:?} of {} was asked", wave.wave_id));
    }

    /// What the report says of a server.
    pub fn reported(&self, wave: &WavePlan, server: &str) -> Option<&'a ServerReport> {
        let report = self.evidence.reported(wave.wave_id.as_str())?;
        report
            .servers
            .iter()
            .find(|one| one.source_server_id.as_str() == server)
    }

    fn running<'b>(
        &'b self,
        server: &'b str,
        purpose: Purpose,
    ) -> impl Iterator<Item = &'a InstanceView> + use<'a, 'b> {
        self.evidence.instances.iter().filter(move |instance| {
            instance.server == server
                && instance.purpose == purpose
                && !matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown)
        })
    }
}
