//! The replication back: the mappings of the forward task, mirrored, and settings that let nothing be left out.

use crate::database::TableName;
use crate::plan::DatabasePlan;
use crate::plan::database::{
    BatchApply, ErrorAction, FREEZE_TABLE, FullLoad, MappingRule, ObjectLocator, RuleAction, RuleTarget, RuleType,
    TableMappings, TaskSettings, ValidationSettings,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The mappings of a task that carries these tables (by their names on the source) from the target back to the source.
///
/// Table by table, without a placeholder: small letters and removed prefixes cannot be inverted as patterns, and what the
/// forward task did not carry must not be carried back. The error is a sentence: two tables that have become one, or two
/// schemas, cannot be told apart on the way back.
pub fn mirrored(mappings: &TableMappings, tables: &[TableName]) -> Result<TableMappings, String> {
    let (mut homes, mut schemas) = (BTreeMap::new(), BTreeMap::new());
    for home in tables.iter().filter(|table| table.table != FREEZE_TABLE) {
        let Some((schema, table)) = mappings.on_target(&home.schema, &home.table) else {
            return Err(format!(
                "{home} is replicated, and the plan's mappings do not select it"
            ));
        };
        let away = TableName::new(schema, table);
        if let Some(other) = schemas.insert(away.schema.clone(), home.schema.clone())
            && other != home.schema
        {
            return Err(format!(
                "{other} and {} are both {} on the target; nothing can be carried back from there",
                home.schema, away.schema
            ));
        }
        if let Some(other) = homes.insert(away.clone(), home.clone()) {
            return Err(format!("{other} and {home} are both {away} on the target"));
        }
    }
    if homes.is_empty() {
        return Err("no table is replicated, so there is nothing to carry back".to_owned());
    }
    let mut rules = Vec::new();
    for (away, home) in &homes {
        rules.push(selection(rules.len(), away));
        if away.table != home.table {
            let at = (away.schema.as_str(), Some(away.table.as_str()));
            rules.push(renaming(rules.len(), RuleTarget::Table, at, &home.table));
        }
    }
    for (away, home) in schemas.iter().filter(|(away, home)| away != home) {
        rules.push(renaming(rules.len(), RuleTarget::Schema, (away, None), home));
    }
    Ok(TableMappings { rules })
}

fn selection(number: usize, table: &TableName) -> MappingRule {
    rule(number, (&table.schema, Some(&table.table)), None, None)
}

fn renaming(number: usize, target: RuleTarget, at: (&str, Option<&str>), name: &str) -> MappingRule {
    rule(number, at, Some(target), Some(name))
}

fn rule(number: usize, at: (&str, Option<&str>), target: Option<RuleTarget>, name: Option<&str>) -> MappingRule {
    let (rule_type, rule_action) = match target {
        None => (RuleType::Selection, RuleAction::Include),
        Some(_) => (RuleType::Transformation, RuleAction::Rename),
    };
    MappingRule {
        rule_type,
        rule_id: (number + 1).to_string(),
        rule_name: format!("back-{}", number + 1),
        rule_target: target,
        object_locator: ObjectLocator {
            schema_name: at.0.to_owned(),
            table_name: at.1.map(str::to_owned),
        },
        rule_action,
        value: name.map(str::to_owned),
    }
}

/// The settings of the task that carries changes back, as the document that DMS takes. The schemas are those of the fence
/// table: on the target, which it reads, and on the source, which it writes.
///
/// * Every error stops the task. Nobody compares rows on the way back, so a fence that arrives has to prove by itself that
///   nothing was left out before it.
/// * Validation is off: it would read whole tables of the target in its first minutes of production.
/// * Transactional apply, whatever the forward task does: both the fence and loopback prevention need it.
/// * Loopback prevention, so that what one task has applied is not taken for a change of an application by the other.
///   <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Task.CDC.html#CHAP_Task.CDC.Bidirectional>
pub fn reverse_settings(plan: &DatabasePlan, target_schema: &str, source_schema: &str) -> Value {
    let settings = TaskSettings {
        full_load: FullLoad::default(),
        lob: plan.task_settings.lob.clone(),
        validation: ValidationSettings {
            enabled: false,
            ..plan.task_settings.validation.clone()
        },
        on_data_error: ErrorAction::StopTask,
        on_apply_error: ErrorAction::StopTask,
        batch_apply: BatchApply { enabled: false },
    };
    let mut document = settings.document();
    document["LoopbackPreventionSettings"] = json!({
        "EnableLoopbackPrevention": true,
        "SourceSchema": target_schema,
        "TargetSchema": source_schema,
    });
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::database::tests_support::plan;

    fn mappings(rules: Value) -> TableMappings {
        serde_json::from_value(json!({ "rules": rules })).expect("mappings")
    }

    fn select(number: u32, schema: &str) -> Value {
        json!({
            "rule-type": "selection", "rule-id": number.to_string(), "rule-name": format!("select-{number}"),
            "object-locator": { "schema-name": schema, "table-name": "%" }, "rule-action": "include",
        })
    }

    fn change(number: u32, target: &str, schema: &str, action: &str, value: Option<&str>) -> Value {
        let mut rule = json!({
            "rule-type": "transformation", "rule-id": number.to_string(), "rule-name": format!("change-{number}"),
            "rule-target": target, "object-locator": { "schema-name": schema, "table-name": "%" },
            "rule-action": action,
        });
        if let Some(value) = value {
            rule["value"] = json!(value);
        }
        rule
    }

    #[test]
    fn what_went_there_under_other_names_comes_back_under_its_own() {
        let forward = mappings(json!([
            select(1, "SHOP"),
            select(2, "crm"),
            change(3, "schema", "SHOP", "convert-lowercase", None),
            change(4, "table", "SHOP", "add-prefix", Some("new_")),
            change(5, "table", "SHOP", "convert-lowercase", None),
        ]));
        let tables = [
            TableName::new("SHOP", "Orders"),
            TableName::new("SHOP", "VISITS"),
            TableName::new("crm", "people"),
            TableName::new("crm", "landfall_freeze"),
        ];
        let back = mirrored(&forward, &tables).expect("mappings");
        for home in &tables[..3] {
            let (schema, table) = forward.on_target(&home.schema, &home.table).expect("a name there");
            let returned = back.on_target(&schema, &table);
            assert_eq!(returned, Some((home.schema.clone(), home.table.clone())));
        }
        assert!(
            !back.selects("crm", "landfall_freeze"),
            "each side has its own closings"
        );
        assert!(
            !back.selects("shop", "new_other"),
            "what was not carried is not carried back"
        );
        let mut ids: Vec<_> = back.rules.iter().map(|rule| &rule.rule_id).collect();
        ids.dedup();
        assert_eq!(ids.len(), back.rules.len(), "every rule has a number of its own");
    }

    #[test]
    fn what_became_one_on_the_target_is_refused() {
        let merged = mappings(json!([
            select(1, "a"),
            select(2, "b"),
            change(3, "schema", "b", "rename", Some("a")),
        ]));
        let apart = [TableName::new("a", "x"), TableName::new("b", "y")];
        assert!(mirrored(&merged, &apart).expect_err("refused").contains("both a"));
        let small = mappings(json!([
            select(1, "a"),
            change(2, "table", "a", "convert-lowercase", None)
        ]));
        let same = [TableName::new("a", "X"), TableName::new("a", "x")];
        assert!(mirrored(&small, &same).expect_err("refused").contains("both a.x"));
        assert!(mirrored(&small, &[]).is_err());
    }

    #[test]
    fn on_the_way_back_nothing_is_left_out_or_reordered() {
        let mut plan = plan();
        plan.task_settings.on_apply_error = ErrorAction::IgnoreRecord;
        plan.task_settings.batch_apply.enabled = true;
        let document = reverse_settings(&plan, "there", "here");
        for policy in [
            "DataErrorPolicy",
            "ApplyErrorInsertPolicy",
            "ApplyErrorUpdatePolicy",
            "ApplyErrorDeletePolicy",
            "TableErrorPolicy",
        ] {
            assert_eq!(document["ErrorBehavior"][policy], "STOP_TASK", "{policy}");
        }
        assert_eq!(document["TargetMetadata"]["BatchApplyEnabled"], false);
        assert_eq!(document["FullLoadSettings"]["TargetTablePrepMode"], "DO_NOTHING");
        assert_eq!(document["LoopbackPreventionSettings"]["SourceSchema"], "there");
        assert_eq!(document["LoopbackPreventionSettings"]["TargetSchema"], "here");
    }
}
