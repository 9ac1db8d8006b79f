//! The mappings that a task is given: the plan's rules, and two of Landfall's own.

use super::{DatabasePlan, MappingRule, ObjectLocator, RuleAction, RuleType, TableMappings};

/// The table of closings, which stands beside the fence table on each side. It is never replicated: each side has its
/// own closings, and rows of the source's on the target would be found different, or overwrite the target's.
pub const FREEZE_TABLE: &str = "landfall_freeze";

impl DatabasePlan {
    /// The mappings of the task: the plan's rules, the fence table included when they do not select it, and the table of
    /// closings excluded when they do. An exclusion wins over every inclusion.
    /// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Selections.html>
    pub fn task_mappings(&self) -> TableMappings {
        let mut mappings = self.table_mappings.clone();
        let Some(schema) = self.fence_schema() else {
            return mappings;
        };
        if !mappings.selects(schema, &self.fence.table) {
            add(
                &mut mappings,
                RuleAction::Include,
                "landfall-fence",
                schema,
                &self.fence.table,
            );
        }
        if mappings.selects(schema, FREEZE_TABLE) {
            add(
                &mut mappings,
                RuleAction::Exclude,
                "landfall-freeze",
                schema,
                FREEZE_TABLE,
            );
        }
        mappings
    }
}

fn add(mappings: &mut TableMappings, action: RuleAction, name: &str, schema: &str, table: &str) {
    let taken = |taken: &dyn Fn(&MappingRule) -> bool| mappings.rules.iter().any(taken);
    let rule_id = (1_u32..)
        .map(|number| number.to_string())
        .find(|id| !taken(&|rule| &rule.rule_id == id))
        .unwrap_or_default();
    let rule_name = (1_u32..)
        .map(|number| match number {
            1 => name.to_owned(),
            number => format!("{name}-{number}"),
        })
        .find(|name| !taken(&|rule| &rule.rule_name == name))
        .unwrap_or_default();
    mappings.rules.push(MappingRule {
        rule_type: RuleType::Selection,
        rule_id,
        rule_name,
        rule_target: None,
        object_locator: ObjectLocator {
            schema_name: schema.to_owned(),
            table_name: Some(table.to_owned()),
        },
        rule_action: action,
        value: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::database::tests_support::document;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn plan(rules: serde_json::Value) -> DatabasePlan {
        let mut document = document();
        document["tableMappings"]["rules"] = rules;
        serde_json::from_value(document).expect("a plan")
    }

    fn selection(id: &str, name: &str, table: &str) -> serde_json::Value {
        json!({
            "rule-type": "selection", "rule-id": id, "rule-name": name, "rule-action": "include",
            "object-locator": { "schema-name": "shop", "table-name": table },
        })
    }

    #[test]
    fn the_fence_is_replicated_and_the_closings_are_not() {
        let all = plan(json!([selection("1", "shop", "%")])).task_mappings();
        assert!(all.selects("shop", "landfall_fence") && all.selects("shop", "orders"));
        assert!(!all.selects("shop", FREEZE_TABLE));
        assert_eq!(all.rules.len(), 2, "the fence is selected already");
        let narrow = plan(json!([
            selection("1", "shop", "orders"),
            selection("2", "landfall-fence", "items")
        ]))
        .task_mappings();
        assert!(narrow.selects("shop", "landfall_fence"));
        assert!(!narrow.selects("shop", FREEZE_TABLE) && !narrow.selects("shop", "visits"));
        let unique = |of: &dyn Fn(&MappingRule) -> String| narrow.rules.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(unique(&|rule| rule.rule_id.clone()), 3);
        assert_eq!(unique(&|rule| rule.rule_name.clone()), 3);
    }
}
