//! Sources that are still closed although the deadline of their freeze has passed. The cutover opens them, or Scheduler does;
//! where both are lost, nobody else would notice.

use jiff::{SignedDuration, Timestamp};
use landfall_aws::{Deps, freeze};
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{DatabaseRecord, DatabaseState};

/// How long after the deadline it is said: the dead man's switch begins at the deadline, and works for a minute at most.
const OVERDUE: SignedDuration = SignedDuration::from_secs(60);

/// Tells operators of every such source of a wave, each time it is found; gives how many there are.
pub async fn tell(deps: &Deps, wave: &WaveId) -> Result<usize, StepError> {
    let mut told = 0;
    for database in deps.table.databases(wave).await? {
        if let Some(text) = overdue(&database, deps.now()) {
            freeze::alert(deps, &database, &text).await?;
            told += 1;
        }
    }
    Ok(told)
}

/// What is to be said of a database; nothing where the dead man's switch itself has said that it cannot open the source.
fn overdue(database: &DatabaseRecord, now: Timestamp) -> Option<String> {
    let frozen = matches!(database.state, DatabaseState::Frozen | DatabaseState::Unfreezing);
    let closing = &database.source_closing;
    let deadline = closing.deadline.filter(|deadline| now >= *deadline + OVERDUE)?;
    if !frozen || !closing.may_be_closed() || !closing.left.is_empty() {
        return None;
    }
    let since = closing.intended_at.map(|at| at.to_string()).unwrap_or_default();
    Some(format!(
        "The source is closed to applications beyond its deadline {deadline}: it was frozen at {since}, the switch is not \
         on record, and neither the cutover nor the schedule has opened it. Start rollback-wave with {{\"waveId\": \
         \"{}\"}}, which opens it; look at the schedule and at the function freeze-source then.",
        database.wave_id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn database(state: &str, closing: serde_json::Value) -> DatabaseRecord {
        let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf");
        let side = |side: &str| {
            json!({
                "engine": "postgres",
                "adminSecretArn": secret(&format!("{side}/landfall")),
                "fenceSecretArn": secret(&format!("{side}/fence")),
                "applicationSecretArn": secret(&format!("{side}/shop")),
                "dmsSecretArn": secret(&format!("{side}/dms")),
                "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms-secrets",
            })
        };
        let record = json!({
            "waveId": "w", "databaseId": "shop", "moveGroup": "all", "state": state, "sourceClosing": closing,
            "plan": {
                "databaseId": "shop", "source": side("source"), "target": side("target"),
                "replicationInstance": {
                    "class": "dms.c5.large", "allocatedStorageGb": 100, "subnetGroupIdentifier": "dms",
                    "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
                },
                "tableMappings": { "rules": [{
                    "rule-type": "selection", "rule-id": "1", "rule-name": "shop", "rule-action": "include",
                    "object-locator": { "schema-name": "shop", "table-name": "%" },
                }]},
                "switch": { "parameter": { "name": "/shop/host", "targetValue": "shop.example" } },
            },
        });
        serde_json::from_value(record).expect("a record")
    }

    #[test]
    fn only_a_source_that_is_closed_beyond_its_deadline_is_told() {
        let frozen = json!({
            "id": "c1", "intendedAt": "2026-03-01T02:00:00Z", "deadline": "2026-03-01T02:02:00Z",
        });
        let late: Timestamp = "2026-03-01T02:03:00Z".parse().expect("a time");
        for (state, told) in [
            ("FROZEN", true),
            ("UNFREEZING", true),
            ("ON_SOURCE", false),
            ("SWITCHING", false),
            ("ON_TARGET", false),
        ] {
            let database = database(state, frozen.clone());
            assert_eq!(overdue(&database, late).is_some(), told, "{state}");
            assert_eq!(overdue(&database, late - SignedDuration::from_secs(1)), None, "{state}");
        }
        let mut left = database("FROZEN", frozen);
        left.source_closing.left.push("told".into());
        assert_eq!(overdue(&left, late), None, "operators know");
    }
}
