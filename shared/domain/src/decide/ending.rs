//! How a wave ends: read off what is on record, not off what somebody says.

use super::way_back::is_touched;
use crate::record::{
    ApprovalKind, DatabaseRecord, DatabaseState, Decision, Direction, DnsRecord, LaunchFacts, NextStep, ServerRecord,
    WaveRecord,
};
use crate::report::{DnsState, WaveOutcome};
use crate::text::{count, one_line, plain};

/// Characters of the reason in a headline: it is read on a telephone. The audit trail has the whole of it.
const REASON_CHARS_MAX: usize = 280;

/// How a wave ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// As what.
    pub outcome: WaveOutcome,
    /// What happened, as one sentence.
    pub headline: String,
    /// Who must act next, and how.
    pub next: Option<NextStep>,
    /// What is not undone, or not done, each a sentence with its remedy.
    pub left: Vec<String>,
}

/// Decides how a wave ends. `reason` says why it went back, or could not go on.
pub fn ending(
    wave: &WaveRecord,
    servers: &[ServerRecord],
    databases: &[DatabaseRecord],
    dns: &[DnsRecord],
    reason: Option<&str>,
) -> Ending {
    match wave.direction {
        Direction::Forward => forward(wave, servers, databases, dns, reason),
        Direction::Rollback if not_accepted(wave) => unaccepted(wave),
        Direction::Rollback => rollback(wave, servers, databases, dns, reason),
    }
}

fn forward(
    wave: &WaveRecord,
    servers: &[ServerRecord],
    databases: &[DatabaseRecord],
    dns: &[DnsRecord],
    reason: Option<&str>,
) -> Ending {
    let mut left: Vec<String> = servers
        .iter()
        .filter(|server| server.takes_part() && server.archived_at.is_none())
        .map(|server| format!("{} is not finalized and archived", server.plan.hostname))
        .collect();
    let tests = servers.iter().filter(|server| runs(&server.test));
    left.extend(tests.map(|server| unended(&server.test, "test", &server.plan.hostname)));
    left.extend(databases.iter().filter_map(not_moved));
    let excluded: Vec<&str> = servers
        .iter()
        .filter(|server| !server.takes_part())
        .map(|server| server.plan.hostname.as_str())
        .collect();
    if left.is_empty() && reason.is_none() {
        return completed(servers.len(), &excluded, databases, dns);
    }
    let why = short(reason.unwrap_or(&left.join("; ")));
    let next = NextStep {
        who: "the operator on call".to_owned(),
        what: format!(
            "Start migrate-wave with the same plan to go on from where it stands, or rollback-wave with {{\"waveId\": \"{}\"}} to go back",
            wave.wave_id
        ),
        by: None,
    };
    Ending {
        outcome: WaveOutcome::NeedsOperator,
        headline: format!("It stands still: {why}."),
        next: Some(next),
        left,
    }
}

/// What keeps a database from having moved. One whose leftovers are named has: they are for a person.
fn not_moved(database: &DatabaseRecord) -> Option<String> {
    let id = &database.database_id;
    if database.state != DatabaseState::OnTarget {
        Some(format!("database {id} is not on its target"))
    } else if database.retired_at.is_none() && database.left.is_empty() {
        Some(format!("the replication of database {id} is not retired"))
    } else {
        None
    }
}

fn completed(servers: usize, excluded: &[&str], databases: &[DatabaseRecord], dns: &[DnsRecord]) -> Ending {
    let moved = servers - excluded.len();
    let mut parts = Vec::new();
    match (moved, excluded) {
        (0, []) => {}
        (1, []) => parts.push("The server runs on AWS and is finalized".to_owned()),
        (moved, []) => parts.push(format!("All {moved} servers run on AWS and are finalized")),
        (moved, excluded) => parts.push(format!(
            "{} finalized on AWS; {} left out: {}",
            count(moved, "server"),
            excluded.len(),
            excluded.join(", ")
        )),
    }
    match databases {
        [] => {}
        [one] if parts.is_empty() => parts.push(format!("Database {} is on its target", one.database_id)),
        all if parts.is_empty() => parts.push(format!("All {} databases are on their targets", all.len())),
        [one] => parts.push(format!("database {} is on its target", one.database_id)),
        all => parts.push(format!("all {} databases are on their targets", all.len())),
    }
    let mut left: Vec<String> = dns.iter().filter_map(|record| record.held.clone()).collect();
    let of_databases: Vec<String> = databases.iter().flat_map(leftovers).collect();
    let mut what = Vec::new();
    if !excluded.is_empty() {
        let names = excluded.join(", ");
        what.push(format!(
            "Mend what kept {names} from passing the test and plan them in another wave"
        ));
    }
    if !of_databases.is_empty() {
        let things = count(of_databases.len(), "thing");
        what.push(format!(
            "End the {things} left of the replication: {}",
            short(&of_databases.join("; "))
        ));
    }
    left.extend(of_databases);
    let next = (!what.is_empty()).then(|| NextStep {
        who: "the migration engineer".to_owned(),
        what: what.join(". "),
        by: None,
    });
    Ending {
        outcome: WaveOutcome::Completed,
        headline: format!("{}.", parts.join("; ")),
        next,
        left,
    }
}

/// What could not be ended or restored of a database, each a sentence that names it.
fn leftovers(database: &DatabaseRecord) -> impl Iterator<Item = String> {
    let left = database.left.iter();
    let all = left
        .chain(&database.source_closing.left)
        .chain(&database.target_closing.left);
    all.map(|sentence| format!("database {}: {sentence}", database.database_id))
}

/// True when the question whether a rollback may lose writes was answered with no, or not at all.
fn not_accepted(wave: &WaveRecord) -> bool {
    matches!(
        wave.decision(ApprovalKind::Rollback),
        Some(Decision::Rejected | Decision::Expired)
    )
}

/// Nothing was undone, and the servers serve from AWS: nothing may be done by hand to the sources.
fn unaccepted(wave: &WaveRecord) -> Ending {
    let id = &wave.wave_id;
    let what = format!(
        "Start migrate-wave with the same plan to go on from where it stands, or rollback-wave with {{\"waveId\": \"{id}\", \"acceptance\": {{\"acceptedBy\": \"…\", \"reason\": \"…\"}}}} to go back and lose what was written on AWS"
    );
    Ending {
        outcome: WaveOutcome::NeedsOperator,
        headline: "Nobody accepted that going back loses what was written on AWS; nothing was undone, and traffic stays where it is.".to_owned(),
        next: Some(NextStep { who: "the operator on call".to_owned(), what, by: None }),
        left: Vec::new(),
    }
}

fn rollback(
    wave: &WaveRecord,
    servers: &[ServerRecord],
    databases: &[DatabaseRecord],
    dns: &[DnsRecord],
    reason: Option<&str>,
) -> Ending {
    let left = not_undone(wave, servers, databases, dns);
    let because = reason
        .map(|why| format!(", because {}", short(why)))
        .unwrap_or_default();
    if left.is_empty() {
        let headline = if wave.finalize_intent_at.is_some() && !servers.is_empty() {
            format!("Traffic goes to the sources again and the finalized servers on AWS stay{because}.")
        } else {
            let all = match (servers.is_empty(), databases.is_empty()) {
                (_, true) => "all servers run on their sources",
                (true, false) => "all databases are on their sources",
                (false, false) => "all servers and databases run on their sources",
            };
            format!("Everything that was done is undone and {all}{because}.")
        };
        let next = NextStep {
            who: "the migration engineer".to_owned(),
            what: "Mend the cause, then start migrate-wave with the plan again".to_owned(),
            by: None,
        };
        return Ending {
            outcome: WaveOutcome::RolledBack,
            headline,
            next: Some(next),
            left,
        };
    }
    let next = NextStep {
        who: "the operator on call".to_owned(),
        what: format!(
            "Do what is listed as not undone, then start rollback-wave with {{\"waveId\": \"{}\"}} once more; it looks again and ends the wave",
            wave.wave_id
        ),
        by: None,
    };
    let verb = if left.len() == 1 { "is" } else { "are" };
    let headline = format!("{} {verb} not undone{because}.", count(left.len(), "thing"));
    Ending {
        outcome: WaveOutcome::NeedsOperator,
        headline,
        next: Some(next),
        left,
    }
}

/// A reason as the end of a sentence.
fn short(reason: &str) -> String {
    let line = one_line(&plain(reason), REASON_CHARS_MAX);
    line.trim_end_matches('.').to_owned()
}

fn runs(facts: &LaunchFacts) -> bool {
    facts.instance_id.is_some() && facts.terminated_at.is_none()
}

/// A launch that was asked for and is not known to be over, whether its instance was seen or not.
fn open(facts: &LaunchFacts) -> bool {
    facts.intended_at.is_some() && facts.terminated_at.is_none()
}

fn unended(facts: &LaunchFacts, kind: &str, host: &str) -> String {
    let remedy = "revert the server in the MGN console and terminate its instance";
    match (&facts.instance_id, &facts.job_id) {
        (Some(instance), _) => format!("the {kind} instance {instance} of {host} is not terminated; {remedy}"),
        (None, Some(job)) => {
            format!("what {job} launched for {host} could not be read, so a {kind} instance may run; {remedy}")
        }
        (None, None) => {
            format!("whether a {kind} instance was launched for {host} could not be read; if one runs, {remedy}")
        }
    }
}

/// What of a database is not as it was found.
fn not_returned(database: &DatabaseRecord) -> Vec<String> {
    let id = &database.database_id;
    let mut left = Vec::new();
    match database.state {
        DatabaseState::OnSource if database.source_closing.may_be_closed() => {
            left.push(format!("the source of database {id} is not known to be open to its applications; open it by hand"));
        }
        DatabaseState::OnSource => {}
        DatabaseState::Frozen | DatabaseState::Unfreezing => left.push(format!(
            "the source of database {id} is not known to be open to its applications again; see whether it opened at its deadline, or open it by hand"
        )),
        DatabaseState::Switching | DatabaseState::OnTarget => {
            let why = database.cutover.failure.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            left.push(format!("database {id} is on its target, where its applications write{why}"));
        }
        DatabaseState::ReturnFrozen | DatabaseState::Returning => left.push(format!(
            "database {id} is on its way back: its target is closed, and its source is not known to be open"
        )),
    }
    if left.is_empty() && database.left.is_empty() && is_touched(database) {
        left.push(format!("what replicates database {id} is not ended, and costs money"));
    }
    left.extend(leftovers(database));
    left
}

fn not_undone(
    wave: &WaveRecord,
    servers: &[ServerRecord],
    databases: &[DatabaseRecord],
    dns: &[DnsRecord],
) -> Vec<String> {
    let mut left = Vec::new();
    for server in servers {
        let host = &server.plan.hostname;
        if server.quiesce.stop.intended_at.is_some() && server.quiesce.restarted_at.is_none() {
            left.push(server.quiesce.failure.clone().unwrap_or_else(|| {
                format!("the services of {host} are not known to be started again; start them by hand")
            }));
        }
        let finalized = server.finalize_intended_at.is_some();
        if !finalized && open(&server.cutover) {
            left.push(unended(&server.cutover, "cutover", host));
        }
        if runs(&server.test) || (!finalized && open(&server.test)) {
            left.push(unended(&server.test, "test", host));
        }
    }
    left.extend(databases.iter().flat_map(not_returned));
    let changed = |record: &&DnsRecord| {
        record.original.is_some() && record.state != DnsState::Restored && !record.ours.is_empty()
    };
    left.extend(dns.iter().filter(changed).map(|record| {
        let why = record
            .held
            .clone()
            .unwrap_or_else(|| "it is not restored; restore it in Route 53".to_owned());
        format!("record set {} {}: {why}", record.name, record.record_type)
    }));
    left.extend(wave.undo_failures.iter().cloned());
    left
}
