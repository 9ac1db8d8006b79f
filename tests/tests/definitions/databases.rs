//! A database is never left closed, and never open on both sides: what the machine of its cutover promises by its shape.

use super::budget::successors;
use super::read::{Rule, hold};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The machine these rules are about.
const MACHINE: &str = "cutover-database";

/// The states that can be entered after a state, without going through some others.
fn reachable<'a>(states: &'a Value, from: &str, not_through: &[&str]) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = successors(&states[from]);
    while let Some(name) = open.pop() {
        if !not_through.contains(&name) && reached.insert(name) {
            open.extend(successors(&states[name]));
        }
    }
    reached
}

#[test]
fn whoever_has_begun_to_freeze_unfreezes_before_giving_up() {
    let rule: Rule = |machine, document| {
        if machine != MACHINE {
            return Vec::new();
        }
        let states = &document["States"];
        let gives_up = reachable(states, "Freeze", &["Unfreeze", "SwitchOn", "RestartApplications"]);
        let ends = gives_up.into_iter().filter(|name| states[*name]["Type"] == "Succeed");
        ends.map(|name| format!("from Freeze to {name} the source is not opened"))
            .collect()
    };
    hold(
        rule,
        ["Freeze", "AwaitFence", "Verify", "ReadyTarget", "Switch"]
            .map(|state| {
                let next = Some(json!("NotCutOver"));
                (MACHINE, state, "/Catch/0/Next", next, "the source is not opened")
            })
            .to_vec(),
    );
}

#[test]
fn after_the_switch_nothing_leads_back_to_an_open_source() {
    let rule: Rule = |machine, document| {
        if machine != MACHINE {
            return Vec::new();
        }
        let states = &document["States"];
        let after = ["SwitchOn", "RestartApplications"].map(|from| reachable(states, from, &[]));
        let back = after
            .iter()
            .flatten()
            .filter(|name| ["Unfreeze", "NotCutOver"].contains(*name));
        back.map(|name| format!("{name} can follow the switch")).collect()
    };
    hold(
        rule,
        vec![
            (
                MACHINE,
                "CheckTarget",
                "/Catch/0/Next",
                Some(json!("Unfreeze")),
                "Unfreeze can follow the switch",
            ),
            (
                MACHINE,
                "NotSwitchedOn",
                "/Next",
                Some(json!("NotCutOver")),
                "NotCutOver can follow the switch",
            ),
        ],
    );
}

#[test]
fn a_frozen_source_waits_for_no_long_retry() {
    let rule: Rule = |machine, document| {
        if machine != MACHINE {
            return Vec::new();
        }
        let mut complaints = Vec::new();
        for name in ["Freeze", "AwaitFence", "Verify", "ReadyTarget", "Switch", "Unfreeze"] {
            let state = &document["States"][name];
            let mut retriers = state["Retry"].as_array().into_iter().flatten();
            let slow = |one: &Value| one["IntervalSeconds"] != 1 || one["BackoffRate"] != 1;
            if retriers.any(slow) || state["Resource"] != "arn:aws:states:::lambda:invoke" {
                complaints.push(format!("{name}: applications wait for its next try"));
            }
        }
        complaints
    };
    hold(
        rule,
        vec![(
            MACHINE,
            "Verify",
            "/Retry/0/IntervalSeconds",
            Some(json!(30)),
            "Verify: applications wait",
        )],
    );
}
