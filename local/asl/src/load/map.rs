//! `Map` and its processor, inline and distributed.

use super::Loader;
use super::fields::{Fields, Reads};
use crate::model::{Batcher, Distributed, Flow, Map};
use crate::template::{Template, expression_text};
use serde_json::Value;
use std::sync::Arc;

const PROCESSOR_FIELDS: &[&str] = &["ProcessorConfig", "StartAt", "States", "Comment"];
const CONFIG_FIELDS: &[&str] = &["Mode", "ExecutionType"];
const BATCHER_FIELDS: &[&str] = &["MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"];
/// Fields that an inline Map does not take.
const DISTRIBUTED_ONLY: &[&str] = &["ItemBatcher", "Label"];

impl Loader {
    pub(super) fn map(&mut self, fields: &Fields<'_>, inner_outer: &[String]) -> Option<Map> {
        let items = self.items(fields);
        let item_selector = fields.template(self, "ItemSelector", Reads::Input);
        let max_concurrency = fields.number_template(self, "MaxConcurrency", 0, 99_999_999);
        let tolerated_count = fields.number_template(self, "ToleratedFailureCount", 0, 99_999_999);
        let tolerated_percentage = self.percentage(fields);
        let distributed = self.is_distributed(fields);
        let label = fields.string(self, "Label");
        if let Some(label) = &label {
            self.check_label(label, &fields.at("Label"));
        }
        let batcher = self.batcher(fields);
        if distributed == Some(false) {
            for key in DISTRIBUTED_ONLY.iter().filter(|key| fields.object.contains_key(**key)) {
                self.problem(&fields.at(key), "only a DISTRIBUTED Map takes this field");
            }
        }
        // Children of a distributed Map are executions of their own: they see no outer variables.
        let scope: &[String] = if distributed == Some(true) { &[] } else { inner_outer };
        let processor = self.processor(fields, scope)?;
        Some(Map {
            items,
            item_selector,
            processor: Arc::new(processor),
            max_concurrency,
            distributed: distributed?.then_some(Distributed { label, batcher }),
            tolerated_count,
            tolerated_percentage,
        })
    }

    fn items(&mut self, fields: &Fields<'_>) -> Option<Template> {
        match fields.object.get("Items")? {
            Value::Array(_) => fields.template(self, "Items", Reads::Input),
            Value::String(text) if expression_text(text).is_some() => fields.template(self, "Items", Reads::Input),
            _ => {
                self.problem(&fields.at("Items"), "must be an array or a JSONata expression");
                None
            }
        }
    }

    fn percentage(&mut self, fields: &Fields<'_>) -> Option<Template> {
        let key = "ToleratedFailurePercentage";
        match fields.object.get(key)? {
            Value::Number(number) if number.as_f64().is_some_and(|n| (0.0..=100.0).contains(&n)) => {
                fields.template(self, key, Reads::Input)
            }
            Value::String(text) if expression_text(text).is_some() => fields.template(self, key, Reads::Input),
            other => {
                self.problem(
                    &fields.at(key),
                    format!("must be a number from 0 to 100 or an expression, not {other}"),
                );
                None
            }
        }
    }

    fn is_distributed(&mut self, fields: &Fields<'_>) -> Option<bool> {
        let path = format!("{}/ProcessorConfig", fields.at("ItemProcessor"));
        let Some(value) = fields
            .object
            .get("ItemProcessor")
            .and_then(|processor| processor.get("ProcessorConfig"))
        else {
            return Some(false);
        };
        let config = Fields::new(self, value, &path)?;
        config.only(self, CONFIG_FIELDS, "ProcessorConfig");
        let kind = config.string(self, "ExecutionType");
        match config.string(self, "Mode").as_deref() {
            None | Some("INLINE") => {
                if kind.is_some() {
                    self.problem(
                        &config.at("ExecutionType"),
                        "only a DISTRIBUTED Map has an ExecutionType",
                    );
                }
                Some(false)
            }
            Some("DISTRIBUTED") => {
                match kind.as_deref() {
                    Some("STANDARD") => {}
                    Some("EXPRESS") => {
                        self.problem(
                            &config.at("ExecutionType"),
                            "EXPRESS children are not simulated: write STANDARD",
                        );
                    }
                    _ => self.problem(&config.at("ExecutionType"), "must be STANDARD"),
                }
                Some(true)
            }
            Some(other) => {
                self.problem(
                    &config.at("Mode"),
                    format!("must be INLINE or DISTRIBUTED, not {other}"),
                );
                None
            }
        }
    }

    fn check_label(&mut self, label: &str, path: &str) {
        let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"?*<>{}[]:;,\\|^~$#%&`\"".contains(c);
        if label.is_empty() || label.chars().count() > 40 || !label.chars().all(allowed) {
            self.problem(
                path,
                "a label has 1 to 40 characters, none of them space, wildcard, bracket or special",
            );
        }
    }

    fn batcher(&mut self, fields: &Fields<'_>) -> Option<Batcher> {
        let value = fields.object.get("ItemBatcher")?;
        let entry = Fields::new(self, value, &fields.at("ItemBatcher"))?;
        entry.only(self, BATCHER_FIELDS, "ItemBatcher");
        let max_items = entry.number_template(self, "MaxItemsPerBatch", 1, 100_000_000);
        let max_bytes = entry.number_template(self, "MaxInputBytesPerBatch", 1, 262_144);
        if !entry.object.contains_key("MaxItemsPerBatch") && !entry.object.contains_key("MaxInputBytesPerBatch") {
            self.problem(&entry.path, "needs MaxItemsPerBatch or MaxInputBytesPerBatch");
        }
        Some(Batcher {
            max_items,
            max_bytes,
            batch_input: entry.template(self, "BatchInput", Reads::Input),
        })
    }

    fn processor(&mut self, fields: &Fields<'_>, outer: &[String]) -> Option<Flow> {
        let Some(value) = fields.object.get("ItemProcessor") else {
            self.problem(&fields.at("ItemProcessor"), "is missing");
            return None;
        };
        let processor = Fields::new(self, value, &fields.at("ItemProcessor"))?;
        processor.only(self, PROCESSOR_FIELDS, "ItemProcessor");
        self.flow(&processor, outer)
    }
}
