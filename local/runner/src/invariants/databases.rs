//! What databases promise: I4, I5, and I6 of what replicated them.

use super::Findings;
use crate::evidence::{DatabaseEvidence, Evidence, SideEvidence};
use jiff::SignedDuration;
use landfall_domain::record::{DatabaseRecord, DatabaseState, WaveRecord, WaveStatus};

/// From the deadline to an open source: the dead man's switch is called early and works for some seconds, and an
/// application connects again.
const OPENS_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// The database, its record and its wave.
type Known<'a> = (&'a DatabaseEvidence, &'a DatabaseRecord, &'a WaveRecord);

fn known(evidence: &Evidence) -> impl Iterator<Item = Known<'_>> {
    evidence.databases.iter().filter_map(|one| {
        let mut records = evidence.records.databases.iter();
        let record =
            records.find(|record| record.wave_id.as_str() == one.wave_id && record.database_id.as_str() == one.id)?;
        Some((one, record, evidence.records.wave(&one.wave_id)?))
    })
}

/// I4: applications write on one side at a time. On the target only after the switch was on record, on the source never
/// after it, unless a return is on record.
pub(super) fn one_side_writes(evidence: &Evidence, findings: &mut Findings) {
    for (one, record, wave) in known(evidence) {
        let id = &one.id;
        let (committed, returned) = (record.cutover.committed_at, record.fail_back.returned_at);
        for (row, _) in &one.acknowledged {
            let switched = committed.is_some_and(|at| row.at >= at);
            let back = returned.is_some_and(|at| row.at >= at);
            let wrong = if row.host == one.target.host {
                (!switched)
                    .then_some("before the switch was on record")
                    .or(back.then_some("after its return"))
            } else {
                (switched && !back).then_some("after the switch was on record")
            };
            if let Some(when) = wrong {
                let (host, at) = (&row.host, row.at);
                findings.add("I4", format!("{host} acknowledged a row of {id} at {at}, {when}"));
                break;
            }
        }
        let moves = one
            .acknowledged
            .windows(2)
            .filter(|two| two[0].0.host != two[1].0.host)
            .count();
        let allowed = usize::from(committed.is_some()) + usize::from(returned.is_some());
        if moves > allowed {
            findings.add(
                "I4",
                format!("applications of {id} went to the other side {moves} times, of {allowed} on record"),
            );
        }
        let over = wave.status == WaveStatus::Closed;
        match record.state {
            DatabaseState::OnTarget if !one.source.closed => {
                findings.add(
                    "I4",
                    format!("{id} is on its target, and its source is open to applications"),
                );
            }
            DatabaseState::OnTarget if over && one.target.closed => {
                findings.add("I4", format!("{id} is on its target, which is closed to applications"));
            }
            DatabaseState::OnSource if over && one.source.closed => {
                findings.add("I4", format!("{id} is on its source, which is closed to applications"));
            }
            _ => {}
        }
    }
}

/// I4: a source that was frozen without a switch is open again within its deadline, and applications have seen it.
pub(super) fn opened_in_time(evidence: &Evidence, findings: &mut Findings) {
    for (one, record, _) in known(evidence) {
        let closing = &record.source_closing;
        let (Some(intended), Some(deadline)) = (closing.intended_at, closing.deadline) else {
            continue;
        };
        if record.cutover.committed_at.is_some() || record.fail_back.returned_at.is_some() {
            continue;
        }
        let id = &one.id;
        let due = deadline + OPENS_WITHIN;
        if closing.opened_at.is_none_or(|at| at > due) {
            let opened = closing.opened_at;
            findings.add(
                "I4",
                format!("the source of {id} was to open by {deadline}, and was opened at {opened:?}"),
            );
        }
        let seen = one.acknowledged.iter().any(|(row, _)| {
            let since = closing.closed_at.unwrap_or(intended);
            row.host == one.source.host && row.at > since && row.at <= due
        });
        if !seen && !one.acknowledged.is_empty() {
            findings.add(
                "I4",
                format!("no application wrote on the source of {id} between its closing and {deadline}"),
            );
        }
    }
}

/// I5: every row that was acknowledged is where applications write now, unless somebody gave up what was written on the
/// target.
pub(super) fn nothing_acknowledged_is_missing(evidence: &Evidence, findings: &mut Findings) {
    for (one, record, _) in known(evidence) {
        let side = match record.state {
            DatabaseState::Switching | DatabaseState::OnTarget | DatabaseState::ReturnFrozen => &one.target,
            _ => &one.source,
        };
        let given_up = record.fail_back.loss_accepted_by.is_some() && side.host == one.source.host;
        let mut missing = one
            .acknowledged
            .iter()
            .filter(|(row, _)| !(given_up && row.host == one.target.host))
            .filter(|(_, seen)| !side.rows.contains(seen));
        if let Some((first, seen)) = missing.next() {
            let number = 1 + missing.count();
            let (host, at) = (&first.host, first.at);
            findings.add(
                "I5",
                format!(
                    "{number} acknowledged rows of {} are not on {}; the first was written on {host} at {at}: {seen:?}",
                    one.id, side.host
                ),
            );
        }
    }
}

/// I6: once a wave is over nothing is left that replicated its databases, closed them or would open them; what is left is
/// named.
pub(super) fn nothing_is_left(evidence: &Evidence, findings: &mut Findings) {
    for (one, _, wave) in known(evidence) {
        if wave.status != WaveStatus::Closed {
            continue;
        }
        let report = evidence.reported(&one.wave_id);
        let named = |what: &str| {
            let Some(report) = report else { return false };
            let left = report.databases.iter().flat_map(|database| &database.left);
            let mut sentences = left.chain(&report.undo_failures);
            sentences.any(|sentence| sentence.contains(what))
                || report.running.iter().any(|thing| thing.id.contains(what))
        };
        let of_side = |side: &SideEvidence| {
            side.remains
                .iter()
                .map(|what| (what.clone(), side.host.clone()))
                .collect::<Vec<_>>()
        };
        let at_services = one.remains.iter().map(|what| (what.clone(), "AWS".to_owned()));
        for (what, place) in at_services.chain(of_side(&one.source)).chain(of_side(&one.target)) {
            let name = what.split_once(':').map_or(what.as_str(), |(_, name)| name);
            if !named(name) {
                findings.add(
                    "I6",
                    format!("{what} of {} is left at {place}, and no report names it", one.id),
                );
            }
        }
    }
}
