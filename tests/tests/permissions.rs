//! The permission report of many runs together: no call was refused for want of a grant, every grant was used, and every
//! `*` in a role has its reason beside it.

#[path = "permissions/oddities.rs"]
mod oddities;
#[path = "permissions/runs.rs"]
mod permissions;

use iam::Unused;

#[test]
fn every_call_is_granted_and_every_grant_is_used() {
    let mut all = permissions::of_scenarios();
    for more in [
        permissions::of_lost_answers(),
        permissions::of_others(),
        permissions::of_races(),
        permissions::of_oddities(),
    ] {
        all = all.with(more);
    }
    let missing = all.missing.iter();
    let missing = missing.map(|one| format!("missing: {} may not {} on {}", one.principal, one.action, one.resource));
    let unused = all.unused().filter(|one| !is_of_aws(one));
    let unused = unused.map(|one| format!("unused: {} {} {}", one.principal, one.statement, one.action));
    let (missing, unused): (Vec<String>, Vec<String>) = (missing.collect(), unused.collect());
    println!("{} missing grants, {} unused grants", missing.len(), unused.len());
    assert!(
        missing.is_empty() && unused.is_empty(),
        "{}\n{}",
        missing.join("\n"),
        unused.join("\n")
    );
}

/// What a launch does with its caller's rights is MGN's choice, and the list is that of AWS's own policy.
fn is_of_aws(unused: &Unused) -> bool {
    unused.statement.starts_with("ForwardedByMgn") || unused.statement.starts_with("LaunchRights/")
}

#[test]
fn every_star_in_a_role_has_its_reason_beside_it() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).expect("the template");
    let lines: Vec<&str> = text.lines().collect();
    let unexplained: Vec<String> = (0..lines.len())
        .filter(|at| matches!(lines[*at].trim(), "Resource: \"*\"" | "Resource: '*'" | "Resource: *"))
        .filter(|at| {
            let before = &lines[at.saturating_sub(8)..*at];
            !before.iter().any(|line| line.trim_start().starts_with('#'))
        })
        .map(|at| format!("line {}: {}", at + 1, lines[at].trim()))
        .collect();
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}
