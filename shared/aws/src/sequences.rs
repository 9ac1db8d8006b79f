//! Sequences, identities and counters: replication does not carry them, so they are set on the side that applications
//! write on next, past what the other side has given.

use crate::database::{Database, DatabaseError};
use crate::database_step::{Side, Who, connect};
use crate::deps::Deps;
use crate::freeze::repeats;
use landfall_domain::StepError;
use landfall_domain::database::{SequenceValue, TableName};
use landfall_domain::plan::DatabasePlan;
use landfall_domain::plan::database::{Dialect, RuleAction, RuleType};
use landfall_domain::record::DatabaseRecord;
use std::collections::BTreeSet;

/// What became of the sequences.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Carried {
    /// How many are set.
    pub set: usize,
    /// Those that could not be set, each a sentence.
    pub missing: Vec<String>,
}

/// The tables that are replicated, by their names on the source, as DMS counts them.
pub async fn replicated_tables(deps: &Deps, database: &DatabaseRecord) -> Result<Vec<TableName>, StepError> {
    let Some(task) = &database.replication.task.arn else {
        return Err(StepError::Corrupt(format!(
            "database {} has no replication task on record",
            database.database_id
        )));
    };
    let tables = deps.dms.tables(task).await?;
    Ok(tables
        .into_iter()
        .map(|view| TableName::new(view.schema, view.table))
        .collect())
}

/// The names of these tables on the target.
pub fn on_target(plan: &DatabasePlan, tables: &[TableName]) -> Vec<TableName> {
    let mapped = tables.iter().filter_map(|table| table_on_target(plan, table));
    mapped.collect()
}

/// Sets what one side counts past what the other has given, with the plan's margin. Between different engines nothing is
/// set: neither has a counter by the name of the other's. Repeating it changes nothing: what is further stays.
pub async fn carry(
    deps: &Deps,
    database: &DatabaseRecord,
    tables: &[TableName],
    from: Side,
) -> Result<Carried, StepError> {
    let plan = &database.plan;
    if plan.source.engine.dialect() != plan.target.engine.dialect()
        || plan.source.engine.dialect() == Dialect::Documents
    {
        return Ok(Carried::default());
    }
    let there = match from {
        Side::Source => Side::Target,
        Side::Target => Side::Source,
    };
    let mut source = connect(deps, database, Side::Source, Who::Admin)?;
    let mut target = connect(deps, database, Side::Target, Who::Admin)?;
    let on_source = source.sequences(&schemas(plan, tables, Side::Source)).await?;
    let (wanted, connection) = match there {
        Side::Target => {
            let mapped = on_source.into_iter().filter_map(|value| {
                let name = sequence_on_target(plan, tables, &value.name)?;
                Some(SequenceValue { name, ..value })
            });
            (mapped.collect::<Vec<_>>(), &mut target)
        }
        Side::Source => {
            let given = target.sequences(&schemas(plan, tables, Side::Target)).await?;
            let known: Vec<TableName> = on_source.into_iter().map(|value| value.name).collect();
            let mapped = given.into_iter().filter_map(|value| {
                let name = sequence_on_source(plan, tables, &known, &value.name)?;
                Some(SequenceValue { name, ..value })
            });
            (mapped.collect::<Vec<_>>(), &mut source)
        }
    };
    let mut carried = Carried::default();
    advance(connection, &wanted, plan.ready_target.sequence_margin, &mut carried).await?;
    Ok(carried)
}

/// All at once; where one is refused, one after the other, so that every one that cannot be set is named.
async fn advance(
    connection: &mut Box<dyn Database>,
    wanted: &[SequenceValue],
    margin: u32,
    carried: &mut Carried,
) -> Result<(), StepError> {
    match connection.advance_sequences(wanted, margin).await {
        Ok(()) => {
            carried.set = wanted.len();
            return Ok(());
        }
        Err(error) if repeats(&error) => return Err(error.into()),
        Err(_) => {}
    }
    for value in wanted {
        match connection.advance_sequences(std::slice::from_ref(value), margin).await {
            Ok(()) => carried.set += 1,
            Err(error) if repeats(&error) => return Err(error.into()),
            Err(error) => carried.missing.push(unset(value, &error)),
        }
    }
    Ok(())
}

fn unset(value: &SequenceValue, error: &DatabaseError) -> String {
    format!(
        "{} could not be set past {}: {error}; create it, or let Landfall's login change it",
        value.name, value.last_value
    )
}

/// The schemas that sequences are looked for in: those that the mappings name, and those of the tables.
fn schemas(plan: &DatabasePlan, tables: &[TableName], side: Side) -> Vec<String> {
    let named = plan.table_mappings.rules.iter().filter(|rule| {
        rule.rule_type == RuleType::Selection
            && rule.rule_action == RuleAction::Include
            && !rule.object_locator.schema_name.contains('%')
    });
    let schemas: BTreeSet<String> = match side {
        Side::Source => named
            .map(|rule| rule.object_locator.schema_name.clone())
            .chain(tables.iter().map(|table| table.schema.clone()))
            .collect(),
        Side::Target => on_target(plan, tables).into_iter().map(|table| table.schema).collect(),
    };
    schemas.into_iter().collect()
}

fn table_on_target(plan: &DatabasePlan, table: &TableName) -> Option<TableName> {
    let (schema, table) = plan.table_mappings.on_target(&table.schema, &table.table)?;
    Some(TableName::new(schema, table))
}

/// The name of a sequence on the target; none for one that belongs to nothing that is replicated. A counter of MySQL has
/// the name of its table. A sequence of PostgreSQL keeps its own name and moves with the schema of the tables.
fn sequence_on_target(plan: &DatabasePlan, tables: &[TableName], name: &TableName) -> Option<TableName> {
    if plan.source.engine.dialect() == Dialect::Mysql {
        return table_on_target(plan, name);
    }
    let beside = tables.iter().find(|table| table.schema == name.schema)?;
    let schema = table_on_target(plan, beside)?.schema;
    Some(TableName::new(schema, name.table.clone()))
}

/// The other way: a sequence of the source that becomes this one. One that has never been used on the source is not
/// among those known there, and is found where its name does not change.
fn sequence_on_source(
    plan: &DatabasePlan,
    tables: &[TableName],
    known: &[TableName],
    name: &TableName,
) -> Option<TableName> {
    let becomes = |candidate: &&TableName| sequence_on_target(plan, tables, candidate).as_ref() == Some(name);
    known.iter().chain([name]).find(becomes).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(engine: &str, rules: serde_json::Value) -> DatabasePlan {
        let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-AbCdEf");
        let side = |side: &str| {
            serde_json::json!({
                "engine": engine,
                "adminSecretArn": secret(&format!("{side}/landfall")),
                "fenceSecretArn": secret(&format!("{side}/fence")),
                "applicationSecretArn": secret(&format!("{side}/shop")),
                "dmsSecretArn": secret(&format!("{side}/dms")),
                "secretsAccessRoleArn": "arn:aws:iam::111122223333:role/dms-secrets",
            })
        };
        serde_json::from_value(serde_json::json!({
            "databaseId": "shop", "source": side("source"), "target": side("target"),
            "replicationInstance": {
                "class": "dms.c5.large", "allocatedStorageGb": 100, "subnetGroupIdentifier": "dms",
                "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
            },
            "tableMappings": { "rules": rules },
            "switch": { "parameter": { "name": "/shop/host", "targetValue": "new" } },
        }))
        .unwrap()
    }

    fn selection() -> serde_json::Value {
        serde_json::json!({
            "rule-type": "selection", "rule-id": "1", "rule-name": "all",
            "object-locator": { "schema-name": "shop", "table-name": "%" }, "rule-action": "include",
        })
    }

    #[test]
    fn a_sequence_moves_with_its_schema_and_a_counter_with_its_table_both_ways() {
        let moved = serde_json::json!([selection(), {
            "rule-type": "transformation", "rule-id": "2", "rule-name": "schema", "rule-target": "schema",
            "object-locator": { "schema-name": "shop" }, "rule-action": "rename", "value": "store",
        }]);
        let tables = [TableName::new("shop", "orders")];
        let there = TableName::new("store", "orders_id_seq");
        let here = TableName::new("shop", "orders_id_seq");
        let postgres = plan("postgres", moved);
        assert_eq!(sequence_on_target(&postgres, &tables, &here), Some(there.clone()));
        let known = std::slice::from_ref(&here);
        assert_eq!(
            sequence_on_source(&postgres, &tables, known, &there),
            Some(here.clone())
        );
        assert_eq!(
            sequence_on_target(&postgres, &tables, &TableName::new("other", "s")),
            None
        );
        let prefixed = serde_json::json!([selection(), {
            "rule-type": "transformation", "rule-id": "2", "rule-name": "prefix", "rule-target": "table",
            "object-locator": { "schema-name": "shop", "table-name": "%" }, "rule-action": "add-prefix", "value": "new_",
        }]);
        assert_eq!(
            sequence_on_target(&plan("mysql", prefixed), &tables, &tables[0]),
            Some(TableName::new("shop", "new_orders"))
        );
    }

    #[test]
    fn a_sequence_that_was_first_used_on_the_target_is_found_under_its_own_name() {
        let plan = plan("postgres", serde_json::json!([selection()]));
        let tables = [TableName::new("shop", "orders")];
        let new = TableName::new("shop", "refunds_id_seq");
        assert_eq!(sequence_on_source(&plan, &tables, &[], &new), Some(new));
    }
}
