//! Giving record sets their old TTLs back, when the wave is finalized. The wave is complete without it: what cannot be
//! settled is named, and fails nothing.

use crate::{Outcome, Switched};
use landfall_aws::dns_change::{
    Aim, Seen, by_zone, deadline, everywhere, foreign, hold, lasts, look, read_back, send_zone, sentence,
};
use landfall_aws::table::{Stored, Write};
use landfall_aws::{Deps, Step};
use landfall_domain::StepError;
use landfall_domain::decide::{lowered, settled};
use landfall_domain::ids::HostedZoneId;
use landfall_domain::record::{DnsRecord, RecordSet};
use landfall_domain::report::DnsState;
use landfall_domain::text::few;

/// The wait, by the name under which its beginning is in the table.
pub(crate) const WAIT: &str = "SETTLE_DNS";

/// Settles the wave's record sets. [`None`]: they are not everywhere yet, and there is time.
pub(crate) async fn settle(deps: &Deps, mut step: Step) -> Result<Option<Outcome>, StepError> {
    let records = deps.table.dns(&step.wave.wave_id).await?;
    let (held, records): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.state == DnsState::Held);
    let open = records
        .into_iter()
        .filter(|record| matches!(record.state, DnsState::Prepared | DnsState::Switched));
    let mut reasons: Vec<String> = held
        .iter()
        .map(|record| sentence(record, record.held.clone().unwrap_or_default()))
        .collect();
    let mut aims = Vec::new();
    for (zone, records) in by_zone(open.collect()) {
        match settle_zone(deps, &step, &zone, &records, &mut reasons).await {
            Ok(sent) => aims.extend(sent),
            Err(error) if lasts(&error) => leave(deps, &step, records, &error.to_string(), &mut reasons).await?,
            Err(error) => return Err(error),
        }
    }
    match finish(deps, &mut step, aims, &mut reasons).await {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) if lasts(&error) => reasons.push(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(Some(Outcome {
        outcome: Switched::Settled,
        reasons: few(reasons),
    }))
}

/// Waits until what was sent is everywhere, and notes it. False: it is not, and there is time.
async fn finish(deps: &Deps, step: &mut Step, aims: Vec<Aim>, reasons: &mut Vec<String>) -> Result<bool, StepError> {
    if everywhere(deps, &aims).await? {
        record_outcomes(deps, step, aims, reasons).await?;
        return Ok(true);
    }
    let deadline = deadline(deps, step, WAIT).await?;
    if deps.now() < deadline {
        return Ok(false);
    }
    let problem = format!("its old TTL was to be on all authoritative servers by {deadline} and is not");
    let records = aims.into_iter().map(|aim| aim.record).collect();
    leave(deps, step, records, &problem, reasons).await?;
    Ok(true)
}

/// Sends what settles the records of a zone.
async fn settle_zone(
    deps: &Deps,
    step: &Step,
    zone: &HostedZoneId,
    records: &[Stored<DnsRecord>],
    reasons: &mut Vec<String>,
) -> Result<Vec<Aim>, StepError> {
    let mut aims = Vec::new();
    let mut writes = Vec::new();
    for Seen { mut record, found } in look(deps, zone, records.to_vec()).await? {
        let aimed = found.and_then(|found| match wanted(&record, &found) {
            Some(wanted) => Ok((found, wanted)),
            None => Err(foreign(&found)),
        });
        match aimed {
            Ok((found, wanted)) => {
                let mut aim = Aim::at(record, &found, wanted);
                if lowered(&aim.record, &aim.wanted) == aim.wanted {
                    // Its TTL was never lowered, so there is nothing to raise.
                    aim.changes.clear();
                }
                if !aim.changes.is_empty() && aim.new {
                    aim.intend();
                    writes.push(Write::save(&mut aim.record)?);
                }
                aims.push(aim);
            }
            Err(problem) => {
                reasons.push(hold(&mut record, problem));
                writes.push(Write::save(&mut record)?);
            }
        }
    }
    if !writes.is_empty() {
        writes.push(step.log(deps, format!("TTLs in zone {zone} are raised to what they were next"))?);
        step.write(deps, writes).await?;
    }
    send_zone(deps, step, zone, &mut aims, "raise TTLs after the migration").await?;
    Ok(aims)
}

/// The sets with their old TTLs; [`None`] when they are not what Landfall made of them last, whatever their TTL. A set
/// that was pointed back at the source by somebody is known to Landfall, and yet not what it left.
fn wanted(record: &DnsRecord, found: &[RecordSet]) -> Option<Vec<RecordSet>> {
    let original = record.original.as_deref()?;
    let left = record.ours.last().map_or(original, Vec::as_slice);
    let wanted = settled(found, original);
    (wanted == settled(left, original)).then_some(wanted)
}

/// Reads the records again, and notes what became of them.
async fn record_outcomes(deps: &Deps, step: &Step, aims: Vec<Aim>, reasons: &mut Vec<String>) -> Result<(), StepError> {
    if aims.is_empty() {
        return Ok(());
    }
    let wrong = read_back(deps, &aims).await?;
    let mut writes = vec![step.log(deps, format!("{} record sets are settled", aims.len() - wrong.len()))?];
    for (index, Aim { mut record, wanted, .. }) in aims.into_iter().enumerate() {
        record.change_id = None;
        record.held = None;
        match wrong.iter().find(|(place, _)| *place == index) {
            Some((_, problem)) => reasons.push(hold(&mut record, problem.clone())),
            // The target of an excluded server was never switched.
            None if record.original.as_ref() == Some(&wanted) => record.state = DnsState::Restored,
            None => record.state = DnsState::Settled,
        }
        writes.push(Write::save(&mut record)?);
    }
    step.write(deps, writes).await
}

/// Notes why records could not be settled. They point where they should, with a low TTL.
async fn leave(
    deps: &Deps,
    step: &Step,
    records: Vec<Stored<DnsRecord>>,
    problem: &str,
    reasons: &mut Vec<String>,
) -> Result<(), StepError> {
    let mut writes = vec![step.log(deps, format!("record sets keep their low TTL: {problem}"))?];
    for record in records {
        // The intent may have been put on record since; the newest version is the one to change.
        let Some(mut record) = deps.table.get::<DnsRecord>(&record.key).await? else {
            continue;
        };
        if record.state == DnsState::Held {
            continue;
        }
        record.held = Some(format!("it keeps its low TTL: {problem}"));
        reasons.push(sentence(&record, format!("it keeps its low TTL: {problem}")));
        writes.push(Write::save(&mut record)?);
    }
    step.write(deps, writes).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(value: &str, ttl: i64) -> Vec<RecordSet> {
        vec![RecordSet {
            name: "web.example.com.".into(),
            record_type: "A".into(),
            ttl,
            values: vec![value.into()],
            set_identifier: None,
            weight: None,
            health_check_id: None,
        }]
    }

    fn record(ours: Vec<Vec<RecordSet>>) -> DnsRecord {
        serde_json::from_value(json!({
            "waveId": "w", "hostedZoneId": "Z1", "name": "web.example.com.", "recordType": "A", "targets": [],
            "original": set("10.0.0.1", 300), "ours": ours, "state": "SWITCHED"
        }))
        .unwrap()
    }

    #[test]
    fn a_set_that_somebody_pointed_back_is_not_settled() {
        let switched = record(vec![set("10.0.0.1", 60), set("172.31.0.9", 60)]);
        assert_eq!(wanted(&switched, &set("172.31.0.9", 60)), Some(set("172.31.0.9", 300)));
        assert_eq!(
            wanted(&switched, &set("10.0.0.1", 60)),
            None,
            "lowered, as before the switch"
        );
        assert_eq!(wanted(&switched, &set("10.0.0.1", 300)), None, "the original");
        assert_eq!(wanted(&switched, &[]), None, "deleted");
    }

    #[test]
    fn settling_again_after_a_lost_answer_aims_at_the_same() {
        let intended = record(vec![set("172.31.0.9", 60), set("172.31.0.9", 300)]);
        for found in [set("172.31.0.9", 60), set("172.31.0.9", 300)] {
            assert_eq!(wanted(&intended, &found), Some(set("172.31.0.9", 300)));
        }
    }

    #[test]
    fn a_set_whose_server_was_left_out_gets_its_original_back() {
        let prepared = record(vec![set("10.0.0.1", 60)]);
        assert_eq!(wanted(&prepared, &set("10.0.0.1", 60)), Some(set("10.0.0.1", 300)));
    }
}
