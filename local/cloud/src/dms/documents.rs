//! The documents of a task, read as strictly as DMS reads them: table mappings and task settings.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.html>,
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.html>

use std::collections::BTreeSet;

use landfall_domain::database::TableName;
use serde_json::{Map, Value};

use super::errors::invalid_value;
use crate::fleet::members::not_simulated;
use crate::hub::AwsError;

/// Which tables, under which names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mappings {
    selections: Vec<Selection>,
    transformations: Vec<Transformation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Locator {
    schema: String,
    table: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Selection {
    at: Locator,
    include: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Transformation {
    at: Locator,
    of_schema: bool,
    action: String,
    value: String,
}

impl Locator {
    fn means(&self, name: &TableName) -> bool {
        matches(&self.schema, &name.schema) && self.table.as_deref().is_none_or(|table| matches(table, &name.table))
    }
}

/// Whether a text is like a pattern, in which `%` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('%') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| matches(tail, &rest[at..]))
        }),
    }
}

impl Mappings {
    /// Reads the document.
    pub fn parse(text: &str) -> Result<Mappings, AwsError> {
        let wrong = |what: &str| invalid_value(format!("Error in mapping rules. {what}"));
        let document: Value = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        let root = object(&document, "TableMappings", &["rules"])?;
        let rules = root.get("rules").and_then(Value::as_array);
        let rules = rules.ok_or_else(|| wrong("There are no rules."))?;
        let (mut mappings, mut ids, mut names) = (Mappings::default(), BTreeSet::new(), BTreeSet::new());
        for rule in rules {
            let known = [
                "rule-type",
                "rule-id",
                "rule-name",
                "rule-target",
                "object-locator",
                "rule-action",
                "value",
            ];
            let rule = object(rule, "TableMappings rule", &known)?;
            let text = |name: &str| rule.get(name).and_then(Value::as_str);
            let needed = |name: &str| text(name).ok_or_else(|| wrong(&format!("A rule lacks {name}.")));
            if !ids.insert(needed("rule-id")?) || !names.insert(needed("rule-name")?) {
                return Err(wrong("The rule-id and the rule-name of a rule should be unique."));
            }
            let at = locator(rule)?;
            match (needed("rule-type")?, needed("rule-action")?) {
                ("selection", action @ ("include" | "exclude" | "explicit")) => mappings.selections.push(Selection {
                    at,
                    include: action != "exclude",
                }),
                ("transformation", action) if ACTIONS.contains(&action) => {
                    let of_schema = match needed("rule-target")? {
                        "schema" => true,
                        "table" => false,
                        other => return Err(not_simulated(format_args!("dms: rule-target {other}"))),
                    };
                    mappings.transformations.push(Transformation {
                        at,
                        of_schema,
                        action: action.to_owned(),
                        value: text("value").unwrap_or_default().to_owned(),
                    });
                }
                (kind, action) => return Err(not_simulated(format_args!("dms: a {kind} rule that says {action}"))),
            }
        }
        if !mappings.selections.iter().any(|selection| selection.include) {
            return Err(wrong("At least one rule should include tables."));
        }
        Ok(mappings)
    }

    /// The table's name on the target; [`None`] when it is not selected.
    pub fn on_target(&self, name: &TableName) -> Option<TableName> {
        let of_kind = |include| {
            let mut selections = self.selections.iter();
            selections.any(|selection| selection.include == include && selection.at.means(name))
        };
        if !of_kind(true) || of_kind(false) {
            return None;
        }
        let mut to = name.clone();
        for one in self.transformations.iter().filter(|one| one.at.means(name)) {
            let part = if one.of_schema { &mut to.schema } else { &mut to.table };
            *part = one.apply(part);
        }
        Some(to)
    }
}

const ACTIONS: [&str; 7] = [
    "rename",
    "add-prefix",
    "remove-prefix",
    "add-suffix",
    "remove-suffix",
    "convert-lowercase",
    "convert-uppercase",
];

impl Transformation {
    fn apply(&self, name: &str) -> String {
        let value = self.value.as_str();
        match self.action.as_str() {
            "rename" => value.to_owned(),
            "add-prefix" => format!("{value}{name}"),
            "add-suffix" => format!("{name}{value}"),
            "remove-prefix" => name.strip_prefix(value).unwrap_or(name).to_owned(),
            "remove-suffix" => name.strip_suffix(value).unwrap_or(name).to_owned(),
            "convert-lowercase" => name.to_lowercase(),
            _ => name.to_uppercase(),
        }
    }
}

fn locator(rule: &Map<String, Value>) -> Result<Locator, AwsError> {
    let at = rule.get("object-locator").unwrap_or(&Value::Null);
    let at = object(at, "object-locator", &["schema-name", "table-name"])?;
    let text = |name: &str| at.get(name).and_then(Value::as_str).map(str::to_owned);
    let schema = text("schema-name").ok_or_else(|| invalid_value("Error in mapping rules. A rule names no schema."))?;
    Ok(Locator {
        schema,
        table: text("table-name"),
    })
}

/// What happens to tables that exist on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// DO_NOTHING.
    Nothing,
    /// TRUNCATE_BEFORE_LOAD.
    Truncate,
    /// DROP_AND_CREATE.
    DropAndCreate,
}

/// What becomes of what cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// SUSPEND_TABLE.
    SuspendTable,
    /// STOP_TASK.
    StopTask,
    /// LOG_ERROR.
    LogError,
    /// IGNORE_RECORD.
    IgnoreRecord,
}

/// The settings that matter to rows. The defaults are DMS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What happens to tables that exist on the target.
    pub preparation: Preparation,
    /// Larger objects are cut off at so many bytes; [`None`] when they are carried whole.
    pub lob_max_bytes: Option<u64>,
    /// Whether changes are applied in batches.
    pub batch_apply: bool,
    /// Whether rows are compared.
    pub validation: bool,
    /// Of a row of the full load.
    pub data_error: ErrorPolicy,
    /// Of an insert.
    pub insert_error: ErrorPolicy,
    /// Of an update.
    pub update_error: ErrorPolicy,
    /// Of a delete.
    pub delete_error: ErrorPolicy,
}

/// The sections and members that are known here. Those that this simulation does not act on are read and kept.
const SECTIONS: [(&str, &[&str]); 6] = [
    // It keeps two tasks in opposite directions from carrying each other's changes, when both have it. Without effect
    // here: a change that came back would be refused as a duplicate.
    (
        "LoopbackPreventionSettings",
        &["EnableLoopbackPrevention", "SourceSchema", "TargetSchema"],
    ),
    (
        "TargetMetadata",
        &[
            "SupportLobs",
            "FullLobMode",
            "LobChunkSize",
            "LimitedSizeLobMode",
            "LobMaxSize",
            "BatchApplyEnabled",
            "ParallelApplyThreads",
        ],
    ),
    (
        "FullLoadSettings",
        &[
            "TargetTablePrepMode",
            "MaxFullLoadSubTasks",
            "TransactionConsistencyTimeout",
            "CommitRate",
            "StopTaskCachedChangesApplied",
            "StopTaskCachedChangesNotApplied",
        ],
    ),
    ("Logging", &["EnableLogging", "LogComponents"]),
    (
        "ValidationSettings",
        &["EnableValidation", "ValidationMode", "ThreadCount"],
    ),
    (
        "ErrorBehavior",
        &[
            "DataErrorPolicy",
            "DataTruncationErrorPolicy",
            "TableErrorPolicy",
            "ApplyErrorInsertPolicy",
            "ApplyErrorUpdatePolicy",
            "ApplyErrorDeletePolicy",
            "RecoverableErrorCount",
        ],
    ),
];

impl Settings {
    /// Reads the document; [`None`] is no document.
    pub fn parse(text: Option<&str>) -> Result<Settings, AwsError> {
        let document: Value = serde_json::from_str(text.unwrap_or("{}"))
            .map_err(|error| invalid_value(format!("Invalid task settings JSON: {error}")))?;
        let root = object(&document, "task settings", &SECTIONS.map(|(name, _)| name))?;
        for (section, known) in SECTIONS {
            if let Some(value) = root.get(section) {
                object(value, section, known)?;
            }
        }
        let flag = |section: &str, name: &str| document[section][name].as_bool().unwrap_or_default();
        for stop in ["StopTaskCachedChangesApplied", "StopTaskCachedChangesNotApplied"] {
            if flag("FullLoadSettings", stop) {
                return Err(not_simulated(format_args!("dms: {stop}")));
            }
        }
        let policy = |name: &str, otherwise| match document["ErrorBehavior"][name].as_str() {
            None => Ok(otherwise),
            Some("SUSPEND_TABLE") => Ok(ErrorPolicy::SuspendTable),
            Some("STOP_TASK") => Ok(ErrorPolicy::StopTask),
            Some("LOG_ERROR") => Ok(ErrorPolicy::LogError),
            Some("IGNORE_RECORD") => Ok(ErrorPolicy::IgnoreRecord),
            Some(other) => Err(invalid_value(format!("Invalid task settings JSON: {name} {other}"))),
        };
        let limited = !flag("TargetMetadata", "FullLobMode");
        // In kilobytes: `32` is 32 KB.
        let lob_kb = document["TargetMetadata"]["LobMaxSize"].as_u64().unwrap_or(32);
        Ok(Settings {
            preparation: match document["FullLoadSettings"]["TargetTablePrepMode"].as_str() {
                None | Some("DROP_AND_CREATE") => Preparation::DropAndCreate,
                Some("TRUNCATE_BEFORE_LOAD") => Preparation::Truncate,
                Some("DO_NOTHING") => Preparation::Nothing,
                Some(other) => {
                    return Err(invalid_value(format!(
                        "Invalid task settings JSON: TargetTablePrepMode {other}"
                    )));
                }
            },
            lob_max_bytes: limited.then_some(lob_kb * 1024),
            batch_apply: flag("TargetMetadata", "BatchApplyEnabled"),
            validation: flag("ValidationSettings", "EnableValidation"),
            data_error: policy("DataErrorPolicy", ErrorPolicy::LogError)?,
            insert_error: policy("ApplyErrorInsertPolicy", ErrorPolicy::LogError)?,
            update_error: policy("ApplyErrorUpdatePolicy", ErrorPolicy::LogError)?,
            delete_error: policy("ApplyErrorDeletePolicy", ErrorPolicy::IgnoreRecord)?,
        })
    }
}

/// An object whose members are all known.
fn object<'a>(value: &'a Value, what: &str, known: &[&str]) -> Result<&'a Map<String, Value>, AwsError> {
    let members = value
        .as_object()
        .ok_or_else(|| invalid_value(format!("{what} is not a JSON object")))?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(not_simulated(format_args!("dms: {what} member {name}"))),
        None => Ok(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_select_rename_and_refuse_what_they_do_not_know() {
        let mappings = Mappings::parse(
            r#"{"rules": [
                {"rule-type": "selection", "rule-id": "1", "rule-name": "a", "rule-action": "include",
                 "object-locator": {"schema-name": "shop", "table-name": "%"}},
                {"rule-type": "selection", "rule-id": "2", "rule-name": "b", "rule-action": "exclude",
                 "object-locator": {"schema-name": "shop", "table-name": "old_%"}},
                {"rule-type": "transformation", "rule-id": "3", "rule-name": "c", "rule-action": "rename",
                 "rule-target": "schema", "object-locator": {"schema-name": "shop"}, "value": "store"}
            ]}"#,
        )
        .expect("rules");
        let on_target = |schema: &str, table: &str| mappings.on_target(&TableName::new(schema, table));
        assert_eq!(on_target("shop", "orders"), Some(TableName::new("store", "orders")));
        assert_eq!(on_target("shop", "old_orders"), None);
        assert_eq!(on_target("bank", "orders"), None);
        let unknown = Settings::parse(Some(r#"{"TargetMetadata": {"TaskRecoveryTableEnabled": true}}"#));
        assert_eq!(unknown.expect_err("refused").code, "NotSimulated");
    }
}
