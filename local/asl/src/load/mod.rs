//! Loading a definition: reads it into the model and collects every problem with its path.

mod errors;
mod fields;
mod flow;
mod map;
mod state;

use crate::error::{DefinitionErrors, Problem};
use crate::model::Machine;
use fields::Fields;
use serde_json::Value;

/// A state machine's definition may have this many bytes.
const DEFINITION_BYTES_MAX: usize = 1_048_576;

const MACHINE_FIELDS: &[&str] = &[
    "Comment",
    "QueryLanguage",
    "StartAt",
    "States",
    "TimeoutSeconds",
    "Version",
];

/// Reads and checks a definition.
pub(crate) fn load(definition: &Value) -> Result<Machine, DefinitionErrors> {
    let mut loader = Loader::default();
    let machine = loader.machine(definition);
    match machine {
        Some(machine) if loader.problems.is_empty() => Ok(machine),
        _ => Err(DefinitionErrors(loader.problems)),
    }
}

/// Collects problems while a definition is read.
#[derive(Default)]
struct Loader {
    problems: Vec<Problem>,
    /// The machine's own QueryLanguage; states inherit it.
    machine_is_jsonata: bool,
    /// State names of all flows: they must differ across the whole machine.
    names: std::collections::HashSet<String>,
}

impl Loader {
    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            path: path.to_owned(),
            message: message.into(),
        });
    }

    fn machine(&mut self, definition: &Value) -> Option<Machine> {
        if definition.to_string().len() > DEFINITION_BYTES_MAX {
            self.problem("", "the definition is larger than 1 MiB");
        }
        let fields = Fields::new(self, definition, "")?;
        fields.only(self, MACHINE_FIELDS, "a state machine");
        if let Some(version) = fields.string(self, "Version")
            && version != "1.0"
        {
            self.problem("/Version", "the only version is \"1.0\"");
        }
        self.machine_is_jsonata = match fields.string(self, "QueryLanguage").as_deref() {
            Some("JSONata") => true,
            None | Some("JSONPath") => false,
            Some(other) => {
                self.problem(
                    "/QueryLanguage",
                    format!("'{other}' is no query language: write \"JSONata\""),
                );
                // Its states are then read as JSONata, so that one mistake is one problem.
                true
            }
        };
        let timeout_seconds = fields.integer(self, "TimeoutSeconds", 1, 99_999_999);
        let flow = self.flow(&fields, &[])?;
        Some(Machine {
            flow: std::sync::Arc::new(flow),
            timeout_seconds,
        })
    }
}
