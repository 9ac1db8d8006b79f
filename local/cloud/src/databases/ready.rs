//! What replication does not carry, and whether a login can write.

use landfall_domain::database::{Probe, Readiness, SequenceValue, TableName};

use super::model::Sequence;
use super::port::Scene;
use super::server::{Refusal, Server};

/// The code of what Landfall itself refuses, before a server is asked.
pub(super) const UNSUPPORTED: &str = "unsupported";

pub(super) fn probe(scene: &Scene<'_>) -> Probe {
    match scene.server.may_write(&scene.login) {
        Ok(()) => Probe::Accepted,
        Err(refusal) => Probe::Refused(refusal.message),
    }
}

pub(super) fn sequences(server: &Server, schemas: &[String]) -> Vec<SequenceValue> {
    let one = |(name, sequence): (&TableName, &Sequence)| {
        // A counter of MySQL says what comes next; a sequence of PostgreSQL that gave nothing has no value.
        let last_value = if server.mysql() {
            sequence.last_value.unwrap_or_default()
        } else {
            sequence.last_value?
        };
        schemas.contains(&name.schema).then(|| SequenceValue {
            name: name.clone(),
            last_value,
            increment: sequence.increment,
        })
    };
    server.sequences.iter().filter_map(one).collect()
}

pub(super) fn advance(scene: Scene<'_>, values: &[SequenceValue], margin: u32) -> Result<(), Refusal> {
    scene.only_admin()?;
    let mysql = scene.server.mysql();
    for value in values {
        let Some(sequence) = scene.server.sequences.get_mut(&value.name) else {
            return Err(if mysql {
                Refusal::new(UNSUPPORTED, format!("{} has no counter on this side", value.name))
            } else {
                scene.server.no_table(&value.name)
            });
        };
        let wanted = value
            .last_value
            .saturating_add(value.increment.saturating_mul(i64::from(margin)));
        // Forward only, in the direction the sequence counts.
        let further = match sequence.last_value {
            Some(present) if value.increment > 0 => present.max(wanted),
            Some(present) => present.min(wanted),
            None => wanted,
        };
        sequence.last_value = Some(further);
    }
    Ok(())
}

pub(super) fn make_ready(scene: Scene<'_>, tables: &[TableName]) -> Result<Readiness, Refusal> {
    scene.only_admin()?;
    let mut readiness = Readiness::default();
    for name in tables {
        let Some(table) = scene.server.tables.get_mut(name) else {
            let missing = format!("the table {name} is not on the target; load it again");
            readiness.missing.push(missing);
            continue;
        };
        let disabled = table.triggers.iter_mut().filter(|trigger| !trigger.enabled);
        let mut enabled = Vec::new();
        for trigger in disabled {
            trigger.enabled = true;
            enabled.push(trigger.name.clone());
        }
        if !enabled.is_empty() {
            let done = format!("triggers of {name} are enabled: {}", enabled.join(", "));
            readiness.done.push(done);
        }
        for key in table.foreign_keys.iter_mut().filter(|key| !key.validated) {
            if key.holds {
                key.validated = true;
                readiness
                    .done
                    .push(format!("the foreign key {} of {name} holds", key.name));
            } else {
                let missing = format!("the foreign key {} of {name} does not hold", key.name);
                readiness.missing.push(missing);
            }
        }
    }
    readiness
        .done
        .push(format!("statistics of {} tables are gathered", tables.len()));
    Ok(readiness)
}

/// Whether the session may write, and whether every table that the statement names behind FROM, INTO, UPDATE or JOIN is
/// there; no more of the statement is understood.
pub(super) fn smoke(scene: &Scene<'_>, statement: Option<&str>) -> Result<(), Refusal> {
    scene.server.may_write(&scene.login)?;
    let mut words = statement.unwrap_or_default().split_whitespace();
    while let Some(word) = words.next() {
        if !["FROM", "INTO", "UPDATE", "JOIN"].contains(&word.to_uppercase().as_str()) {
            continue;
        }
        let named = words.next().unwrap_or_default();
        let named: String = named
            .chars()
            .take_while(|letter| *letter != '(' && *letter != ';')
            .collect();
        let (schema, table) = named.split_once('.').unwrap_or(("public", named.as_str()));
        let name = TableName::new(schema, table);
        if !scene.server.tables.contains_key(&name) {
            return Err(scene.server.no_table(&name));
        }
    }
    Ok(())
}
