//! Table mappings: which tables, and under which names.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.html>

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The document that a task is given as its table mappings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableMappings {
    /// The rules, in order.
    #[schemars(length(min = 1, max = 500))]
    pub rules: Vec<MappingRule>,
}

/// One rule: a selection, or a transformation of names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MappingRule {
    /// What it does.
    pub rule_type: RuleType,
    /// Its number, used once.
    #[schemars(regex(pattern = r"^[0-9]{1,9}$"))]
    pub rule_id: String,
    /// Its name, used once.
    #[schemars(length(min = 1, max = 100))]
    pub rule_name: String,
    /// What a transformation renames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_target: Option<RuleTarget>,
    /// What it applies to; `%` stands for any text.
    pub object_locator: ObjectLocator,
    /// How.
    pub rule_action: RuleAction,
    /// The new name, prefix or suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub value: Option<String>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleType {
    /// Selects tables.
    Selection,
    /// Changes names.
    Transformation,
}

/// What a transformation renames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleTarget {
    /// The schema.
    Schema,
    /// The table.
    Table,
}

/// What a rule applies to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ObjectLocator {
    /// The schema.
    #[schemars(length(min = 1, max = 128))]
    pub schema_name: String,
    /// The table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub table_name: Option<String>,
}

/// How a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// Selects.
    Include,
    /// Leaves out.
    Exclude,
    /// Gives another name.
    Rename,
    /// Puts a text before the name.
    AddPrefix,
    /// Takes a text off the front of the name.
    RemovePrefix,
    /// Puts a text after the name.
    AddSuffix,
    /// Takes a text off the end of the name.
    RemoveSuffix,
    /// Small letters.
    ConvertLowercase,
    /// Capital letters.
    ConvertUppercase,
}

impl ObjectLocator {
    /// Whether it means this table.
    pub fn means(&self, schema: &str, table: &str) -> bool {
        like(&self.schema_name, schema) && self.table_name.as_deref().is_none_or(|pattern| like(pattern, table))
    }
}

impl MappingRule {
    fn apply(&self, name: &str) -> String {
        let value = self.value.as_deref().unwrap_or_default();
        match self.rule_action {
            RuleAction::Include | RuleAction::Exclude => name.to_owned(),
            RuleAction::Rename => value.to_owned(),
            RuleAction::AddPrefix => format!("{value}{name}"),
            RuleAction::RemovePrefix => name.strip_prefix(value).unwrap_or(name).to_owned(),
            RuleAction::AddSuffix => format!("{name}{value}"),
            RuleAction::RemoveSuffix => name.strip_suffix(value).unwrap_or(name).to_owned(),
            RuleAction::ConvertLowercase => name.to_lowercase(),
            RuleAction::ConvertUppercase => name.to_uppercase(),
        }
    }
}

impl TableMappings {
    /// The first schema that a selection names without a placeholder.
    pub fn first_schema(&self) -> Option<&str> {
        self.rules
            .iter()
            .filter(|rule| rule.rule_type == RuleType::Selection && rule.rule_action == RuleAction::Include)
            .map(|rule| rule.object_locator.schema_name.as_str())
            .find(|schema| !schema.contains('%'))
    }

    /// Whether a table of the source is replicated.
    pub fn selects(&self, schema: &str, table: &str) -> bool {
        let decided = |action| {
            self.rules.iter().any(|rule| {
                rule.rule_type == RuleType::Selection
                    && rule.rule_action == action
                    && rule.object_locator.means(schema, table)
            })
        };
        decided(RuleAction::Include) && !decided(RuleAction::Exclude)
    }

    /// The name of a table on the target: schema and table, after every transformation that means it. [`None`] when it
    /// is not replicated.
    pub fn on_target(&self, schema: &str, table: &str) -> Option<(String, String)> {
        if !self.selects(schema, table) {
            return None;
        }
        let (mut to_schema, mut to_table) = (schema.to_owned(), table.to_owned());
        for rule in &self.rules {
            if rule.rule_type != RuleType::Transformation || !rule.object_locator.means(schema, table) {
                continue;
            }
            match rule.rule_target {
                Some(RuleTarget::Schema) => to_schema = rule.apply(&to_schema),
                Some(RuleTarget::Table) => to_table = rule.apply(&to_table),
                None => {}
            }
        }
        Some((to_schema, to_table))
    }
}

/// Whether a text matches a pattern in which `%` stands for any text.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(end) => rest.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> MappingRule {
        serde_json::from_str(json).expect("a rule")
    }

    #[test]
    fn a_percent_sign_stands_for_any_text() {
        assert!(like("%", "orders"));
        assert!(like("or%", "orders"));
        assert!(like("%ers", "orders"));
        assert!(like("o%d%s", "orders"));
        assert!(like("orders", "orders"));
        assert!(!like("order", "orders"));
        assert!(!like("%x%", "orders"));
        assert!(!like("orders%orders", "orders"));
    }

    #[test]
    fn a_fence_is_read_under_the_name_that_the_guides_own_prefix_rule_gives_it() {
        let mappings = TableMappings {
            rules: vec![
                rule(
                    r#"{"rule-type":"selection","rule-id":"1","rule-name":"all","object-locator":{"schema-name":"production_db","table-name":"%"},"rule-action":"include"}"#,
                ),
                rule(
                    r#"{"rule-type":"transformation","rule-id":"2","rule-name":"add-prefix","rule-target":"table","object-locator":{"schema-name":"production_db","table-name":"%"},"rule-action":"add-prefix","value":"migrated_"}"#,
                ),
            ],
        };
        let name = mappings.on_target("production_db", "landfall_fence");
        assert_eq!(
            name,
            Some(("production_db".to_owned(), "migrated_landfall_fence".to_owned()))
        );
        assert_eq!(mappings.on_target("other", "landfall_fence"), None);
        assert_eq!(mappings.first_schema(), Some("production_db"));
    }

    #[test]
    fn an_exclusion_wins() {
        let mappings = TableMappings {
            rules: vec![
                rule(
                    r#"{"rule-type":"selection","rule-id":"1","rule-name":"all","object-locator":{"schema-name":"shop","table-name":"%"},"rule-action":"include"}"#,
                ),
                rule(
                    r#"{"rule-type":"selection","rule-id":"2","rule-name":"not","object-locator":{"schema-name":"shop","table-name":"tmp_%"},"rule-action":"exclude"}"#,
                ),
            ],
        };
        assert!(mappings.selects("shop", "orders"));
        assert!(!mappings.selects("shop", "tmp_1"));
    }
}
