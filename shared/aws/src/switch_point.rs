//! The one place that points applications at a database: a CNAME in Route 53, or a parameter. It is changed only from
//! what was recorded to what is wanted; what somebody else made of it is left alone.

use crate::deps::Deps;
use crate::dns_change::shown;
use landfall_domain::StepError;
use landfall_domain::decide::Change;
use landfall_domain::plan::database::SwitchPoint;
use landfall_domain::record::RecordSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Readings after a change, the first at once.
const READINGS_MAX: usize = 10;

/// Between two of them: five seconds of reading in all.
const READING_EVERY: Duration = Duration::from_millis(500);

/// The only type of record that can hold a host name by itself.
const CNAME: &str = "CNAME";

/// What a switch point holds, as it is kept on record: a record set with every field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pointed {
    /// A record set.
    RecordSet(RecordSet),
    /// The value of a parameter.
    Parameter(String),
}

impl fmt::Display for Pointed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordSet(set) => f.write_str(&shown(std::slice::from_ref(set))),
            Self::Parameter(value) => f.write_str(value),
        }
    }
}

/// The name of a switch point, in a sentence.
pub fn name(point: &SwitchPoint) -> String {
    match point {
        SwitchPoint::Route53 {
            hosted_zone_id, name, ..
        } => format!("the record set {} {CNAME} in zone {hosted_zone_id}", stored_name(name)),
        SwitchPoint::Parameter { name, .. } => format!("the parameter {name}"),
    }
}

/// Reads it. What cannot be switched and restored is a sentence: it does not exist, it is an alias, it is weighted.
pub async fn read(deps: &Deps, point: &SwitchPoint) -> Result<Result<Pointed, String>, StepError> {
    match point {
        SwitchPoint::Route53 {
            hosted_zone_id, name, ..
        } => {
            let wanted = (stored_name(name), CNAME.to_owned());
            let found = deps
                .route53
                .record_sets(hosted_zone_id, &BTreeSet::from([wanted]))
                .await;
            let sets = match found {
                Ok(found) => found.into_values().next().unwrap_or_default(),
                Err(error @ StepError::RecordSetHeld { .. }) => return Ok(Err(error.to_string())),
                Err(error) => return Err(error),
            };
            Ok(only(sets)
                .map(Pointed::RecordSet)
                .map_err(|problem| format!("{} {problem}", self::name(point))))
        }
        SwitchPoint::Parameter { name, .. } => Ok(match deps.ssm.parameter(name).await? {
            Some(value) => Ok(Pointed::Parameter(value)),
            None => Err(format!(
                "the parameter {name} does not exist; create it with the source's value"
            )),
        }),
    }
}

/// The same as before in every field, with the target's value.
pub fn at_target(before: &Pointed, point: &SwitchPoint) -> Pointed {
    let (SwitchPoint::Route53 { target_value, .. } | SwitchPoint::Parameter { target_value, .. }) = point;
    match before {
        Pointed::RecordSet(set) => Pointed::RecordSet(RecordSet {
            values: vec![target_value.clone()],
            ..set.clone()
        }),
        Pointed::Parameter(_) => Pointed::Parameter(target_value.clone()),
    }
}

/// Turns it from one to the other and reads it back. Gives what was done, for the audit trail; or, as a sentence, why it
/// was left alone. One that holds what is wanted is not changed. Repeating it has no second effect.
pub async fn turn(
    deps: &Deps,
    point: &SwitchPoint,
    from: &Pointed,
    to: &Pointed,
    comment: &str,
) -> Result<Result<String, String>, StepError> {
    let found = match read(deps, point).await? {
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    let change = match step(&found, from, to) {
        Step::Done => return Ok(Ok(format!("{} holds [{to}]", name(point)))),
        Step::Change => change(deps, point, to, comment).await?,
        Step::Foreign => {
            return Ok(Err(format!(
                "{} was changed by somebody else and now holds [{found}]; it was left alone: decide whether it should hold [{to}]",
                name(point)
            )));
        }
    };
    for reading in 1..=READINGS_MAX {
        if read(deps, point).await?.as_ref() == Ok(to) {
            return Ok(Ok(format!("{change} makes {} hold [{to}]", name(point))));
        }
        if reading < READINGS_MAX {
            tokio::time::sleep(READING_EVERY).await;
        }
    }
    Ok(Err(format!(
        "{} was set to [{to}] by {change} and does not read back so; look at it, then repeat the step",
        name(point)
    )))
}

/// What is to be done about what was found.
#[derive(Debug, PartialEq)]
enum Step {
    Done,
    Change,
    Foreign,
}

fn step(found: &Pointed, from: &Pointed, to: &Pointed) -> Step {
    if found == to {
        Step::Done
    } else if found == from {
        Step::Change
    } else {
        Step::Foreign
    }
}

async fn change(deps: &Deps, point: &SwitchPoint, to: &Pointed, comment: &str) -> Result<String, StepError> {
    match (point, to) {
        (SwitchPoint::Route53 { hosted_zone_id, .. }, Pointed::RecordSet(set)) => {
            let changes = [Change::Upsert(set.clone())];
            let id = deps.route53.change(hosted_zone_id, &changes, comment).await?;
            Ok(format!("change {id}"))
        }
        (SwitchPoint::Parameter { name, .. }, Pointed::Parameter(value)) => {
            deps.ssm.put_parameter(name, value).await?;
            Ok("a new version".to_owned())
        }
        _ => Err(StepError::Corrupt(format!(
            "what is on record of {} is of another kind",
            name(point)
        ))),
    }
}

/// The only set, where there is exactly one with one value and no group around it.
fn only(mut sets: Vec<RecordSet>) -> Result<RecordSet, String> {
    match (sets.pop(), sets.len()) {
        (None, _) => Err("does not exist; create it with the source's host name".to_owned()),
        (Some(set), 0) if set.set_identifier.is_none() && set.weight.is_none() && set.values.len() == 1 => Ok(set),
        _ => {
            Err("is weighted or in a group, so that it could point at both sides; make it one simple record".to_owned())
        }
    }
}

/// A name as Route 53 keeps it: small letters, with the final dot.
fn stored_name(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> RecordSet {
        RecordSet {
            name: "db.example.com.".into(),
            record_type: CNAME.into(),
            ttl: 5,
            values: vec![value.into()],
            set_identifier: None,
            weight: None,
            health_check_id: None,
        }
    }

    #[test]
    fn what_others_made_of_it_is_left_alone_and_every_field_but_the_value_stays() {
        let point = SwitchPoint::Route53 {
            hosted_zone_id: landfall_domain::ids::HostedZoneId::parse("Z1").unwrap(),
            name: "DB.example.com".into(),
            target_value: "new.example.com".into(),
        };
        let before = Pointed::RecordSet(set("old.example.com"));
        let wanted = at_target(&before, &point);
        assert_eq!(wanted, Pointed::RecordSet(set("new.example.com")));
        assert_eq!(step(&before, &before, &wanted), Step::Change);
        assert_eq!(step(&wanted, &before, &wanted), Step::Done);
        let mut slower = set("old.example.com");
        slower.ttl = 60;
        assert_eq!(step(&Pointed::RecordSet(slower), &before, &wanted), Step::Foreign);
        assert_eq!(name(&point), "the record set db.example.com. CNAME in zone Z1");
    }

    #[test]
    fn a_record_that_could_point_at_both_sides_is_refused() {
        assert_eq!(only(vec![set("a")]), Ok(set("a")));
        let mut weighted = set("a");
        weighted.set_identifier = Some("one".into());
        weighted.weight = Some(10);
        assert!(only(vec![weighted.clone()]).is_err());
        assert!(only(vec![set("a"), weighted]).is_err());
        assert!(only(Vec::new()).is_err_and(|problem| problem.contains("does not exist")));
    }
}
