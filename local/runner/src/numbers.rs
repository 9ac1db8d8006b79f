//! What a migration costs in state transitions and in calls to AWS: of the demo, and of one wave of 200 servers.

use crate::cli::say;
use crate::evidence::Evidence;
use crate::scenarios::{self, Ended, Scenario};
use crate::summary::{self, calls_by_service};
use crate::world::simulate;
use std::collections::{BTreeMap, BTreeSet};

/// Prints the table, and with `calls` who made the calls of the wide wave. False when a run did not end as it must: its numbers would mean nothing.
///
/// # Errors
/// When the state machines cannot be deployed.
pub fn print(seed: u64, calls: bool) -> Result<bool, String> {
    let run = |scenario: &Scenario| simulate(scenario.run(seed, |_, _| {}));
    let (demo, wide) = (run(scenarios::find("demo")?)?, run(&scenarios::WIDE)?);
    let table = table(&Numbers::of("demo", &demo), &Numbers::of("one wave of 200", &wide));
    say(&format!("{table}\n"));
    if calls {
        say(&format!("{}\n", by_operation(&wide.evidence)));
    }
    let failures = [demo.failures, wide.failures].concat();
    say(&summary::failures(&failures));
    Ok(failures.is_empty())
}

/// The numbers of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// What ran.
    pub name: String,
    /// How many servers moved.
    pub servers: usize,
    /// State transitions of all executions, retries counted.
    pub transitions: u64,
    /// Calls by service; a client's retry is a call of its own.
    pub calls: BTreeMap<String, usize>,
}

impl Numbers {
    /// Of a run that ended.
    pub fn of(name: &str, ended: &Ended) -> Self {
        Self {
            name: name.to_owned(),
            servers: ended.program.waves.iter().map(|wave| wave.servers.len()).sum(),
            transitions: ended.world.engine().state_transitions(),
            calls: calls_by_service(&ended.evidence).into_iter().collect(),
        }
    }

    /// All calls.
    pub fn total(&self) -> usize {
        self.calls.values().sum()
    }

    /// Calls for each server.
    pub fn per_server(&self) -> f64 {
        self.total() as f64 / self.servers.max(1) as f64
    }
}

/// The calls of a run by function, service and operation, the most frequent first, as a Markdown table.
fn by_operation(evidence: &Evidence) -> String {
    let mut numbers: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for call in &evidence.calls {
        let key = (call.caller.as_str(), call.service.as_str(), call.operation.as_str());
        *numbers.entry(key).or_default() += 1;
    }
    let mut rows: Vec<_> = numbers.into_iter().collect();
    rows.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let mut text = format!(
        "| {:<18} | {:<40} | calls |\n| --- | --- | ---: |\n",
        "function", "operation"
    );
    for ((caller, service, operation), number) in rows {
        text.push_str(&format!(
            "| {caller:<18} | {:<40} | {number:>5} |\n",
            format!("{service}:{operation}")
        ));
    }
    text
}

/// Two runs beside each other, as a Markdown table.
pub fn table(left: &Numbers, right: &Numbers) -> String {
    let mut rows = vec![
        (
            "servers".to_owned(),
            left.servers.to_string(),
            right.servers.to_string(),
        ),
        (
            "state transitions".to_owned(),
            left.transitions.to_string(),
            right.transitions.to_string(),
        ),
        (
            "AWS calls".to_owned(),
            left.total().to_string(),
            right.total().to_string(),
        ),
        (
            "AWS calls per server".to_owned(),
            format!("{:.2}", left.per_server()),
            format!("{:.2}", right.per_server()),
        ),
    ];
    let services: BTreeSet<&String> = left.calls.keys().chain(right.calls.keys()).collect();
    for service in services {
        let number = |numbers: &Numbers| numbers.calls.get(service).copied().unwrap_or_default().to_string();
        rows.push((format!("calls of {service}"), number(left), number(right)));
    }
    let mut text = format!("| {:<22} | {:>12} | {:>16} |\n", "", left.name, right.name);
    text.push_str(&format!(
        "| {} | {}: | {}: |\n",
        "-".repeat(22),
        "-".repeat(11),
        "-".repeat(15)
    ));
    for (what, left, right) in rows {
        text.push_str(&format!("| {what:<22} | {left:>12} | {right:>16} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_every_service_of_either_run() {
        let run = |name: &str, service: &str| Numbers {
            name: name.to_owned(),
            servers: 4,
            transitions: 10,
            calls: BTreeMap::from([(service.to_owned(), 6)]),
        };
        let table = table(&run("a", "mgn"), &run("b", "ssm"));
        assert!(
            table.contains("| calls of mgn           |            6 |                0 |"),
            "{table}"
        );
        assert!(
            table.contains("| AWS calls per server   |         1.50 |             1.50 |"),
            "{table}"
        );
    }
}
