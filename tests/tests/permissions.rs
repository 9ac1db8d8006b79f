//! The permission report of every scenario together: no call was refused for want of a grant, every grant was used or
//! says why none of them uses it, and every `*` in a role has its reason beside it.

use iam::{Missing, Unused};
use runner::scenarios;
use runner::world::simulate;
use std::collections::BTreeSet;

/// Grants that no scenario uses, with the reason: statement (or its end), action, why.
const NOT_IN_A_SCENARIO: &[(&str, &str, &str)] = &[
    (
        "/LookAtExecutions",
        "states:DescribeExecution",
        "who holds a lease is asked for only when another execution holds it",
    ),
    (
        "/ReadCommands",
        "ssm:ListCommands",
        "a command is looked for by its comment only after the answer to its sending was lost",
    ),
    (
        "freeze-source/ReadCommands",
        "ssm:ListCommandInvocations",
        "Oracle and SQL Server are frozen by a document",
    ),
    (
        "freeze-source/SendCommands",
        "ssm:SendCommand",
        "Oracle and SQL Server are frozen by a document",
    ),
    (
        "wait-for-cdc-lag/ReadCommands",
        "ssm:ListCommandInvocations",
        "a document writes the fences of Oracle and SQL Server",
    ),
    (
        "wait-for-cdc-lag/SendCommands",
        "ssm:SendCommand",
        "a document writes the fences of Oracle and SQL Server",
    ),
    (
        "switch-database/ReadCommands",
        "ssm:ListCommandInvocations",
        "no plan of a scenario restarts applications by a document",
    ),
    (
        "switch-database/SendCommands",
        "ssm:SendCommand",
        "no plan of a scenario restarts applications by a document",
    ),
    (
        "switch-database/TellPeople",
        "sns:Publish",
        "operators are told of a return that cannot be completed",
    ),
    (
        "/ReadTags",
        "dms:ListTagsForResource",
        "whose something is, is asked for only when its identifier is taken",
    ),
    (
        "/DescribeReplication",
        "dms:DescribeEndpoints",
        "an endpoint is looked for only when its identifier is taken",
    ),
    (
        "validate/DescribeServers",
        "mgn:DescribeSourceServers",
        "a server is looked at only when MGN refuses to change its state, because the change was made before",
    ),
    (
        "terminate/DescribeSnapshots",
        "ec2:DescribeSnapshots",
        "snapshots are looked for by tag only after the answer to their making was lost",
    ),
    (
        "begin-rollback/StopExecutions",
        "states:StopExecution",
        "a rollback by hand stops executions that still run",
    ),
    (
        "on-event/ReadJobLogs",
        "mgn:DescribeJobLogItems",
        "the log of a job is read when an event is the first to see its end",
    ),
    (
        "on-event/DescribeReplication",
        "dms:DescribeConnections",
        "connection tests are read when the event of a new replication instance comes that late",
    ),
    (
        "on-event/ReadTheTable",
        "dynamodb:BatchGetItem",
        "a batch is read with its wave when an event tells of its job",
    ),
    (
        "on-event/WriteTheTable",
        "dynamodb:ConditionCheckItem",
        "what a job came to is written with its wave's epoch when an event is the first to see its end",
    ),
    (
        "plan-wave/WriteTheTable",
        "dynamodb:DeleteItem",
        "claims of a plan that is refused half way are given back",
    ),
    (
        "request-approval/CompleteTokens",
        "states:SendTaskSuccess",
        "a question that is answered already completes its own token",
    ),
    (
        "request-approval/WriteTheTable",
        "dynamodb:DeleteItem",
        "a question that is answered already completes its own token",
    ),
    (
        "sweep/",
        "",
        "the sweep acts on answers that nobody waited for and on waves whose execution is over",
    ),
];

#[test]
fn every_call_is_granted_and_every_grant_is_used() {
    let mut missing: BTreeSet<Missing> = BTreeSet::new();
    let mut unused: Option<BTreeSet<Unused>> = None;
    for scenario in scenarios::all() {
        let ended = simulate(scenario.run(1, |_, _| {})).expect("the state machines are deployed");
        let permissions = ended.world.permissions();
        missing.extend(permissions.missing());
        let left: BTreeSet<Unused> = permissions.unused().into_iter().collect();
        unused = Some(match unused {
            None => left,
            Some(before) => before.intersection(&left).cloned().collect(),
        });
    }
    let missing: Vec<String> = missing
        .iter()
        .map(|one| format!("missing: {} may not {} on {}", one.principal, one.action, one.resource))
        .collect();
    let (mut reasons, mut unused_lines) = (BTreeSet::new(), Vec::new());
    for one in unused.unwrap_or_default() {
        match why_not_used(&one) {
            Some(Why::Listed(index)) => drop(reasons.insert(index)),
            Some(Why::ByAws) => {}
            None => unused_lines.push(format!("unused: {} {} {}", one.principal, one.statement, one.action)),
        }
    }
    let stale: Vec<String> = (0..NOT_IN_A_SCENARIO.len())
        .filter(|index| !reasons.contains(index))
        .map(|index| format!("used after all: {:?}", NOT_IN_A_SCENARIO[index]))
        .collect();
    println!("{} missing grants, {} unused grants", missing.len(), unused_lines.len());
    for (statement, action, why) in NOT_IN_A_SCENARIO {
        println!("not in a scenario: {statement} {action}: {why}");
    }
    assert!(
        missing.is_empty() && unused_lines.is_empty() && stale.is_empty(),
        "{}\n{}\n{}",
        missing.join("\n"),
        unused_lines.join("\n"),
        stale.join("\n")
    );
}

enum Why {
    Listed(usize),
    ByAws,
}

fn why_not_used(unused: &Unused) -> Option<Why> {
    // What a launch does with its caller's rights is MGN's choice, and the list is that of AWS's own policy.
    if unused.statement.starts_with("ForwardedByMgn") || unused.statement.starts_with("LaunchRights/") {
        return Some(Why::ByAws);
    }
    let listed = NOT_IN_A_SCENARIO.iter().position(|(statement, action, _)| {
        (unused.statement.ends_with(statement) || unused.statement.starts_with(statement))
            && (action.is_empty() || unused.action == *action)
    });
    listed.map(Why::Listed)
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
