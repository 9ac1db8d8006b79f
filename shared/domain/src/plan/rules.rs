//! What a schema cannot say of a plan.
//!
//! Each rule adds a [`Problem`] with the path of the member to change. Rules never stop at the first.

use super::database::together;
use super::load::{Problem, shown};
use super::{Check, DnsRecordPlan, EbsEncryption, LaunchDisposition, ProgramPlan, RecordType, ServerPlan, WavePlan};
use crate::decide::cut_batches;
use crate::plan::checks::QUIESCE_DOCUMENT;
use serde_json::Value;
use std::collections::BTreeMap;

/// Batches of one wave: its executions go through all of them in one history. statemachines/README.md has the arithmetic.
const BATCHES_PER_WAVE_MAX: usize = 50;

/// Documents that take `commands`.
const SCRIPT_DOCUMENTS: [&str; 2] = ["AWS-RunShellScript", "AWS-RunPowerShellScript"];

struct Problems<'a> {
    document: &'a Value,
    prefix: String,
    found: Vec<Problem>,
}

impl Problems<'_> {
    /// Adds a problem at a path below the prefix, written as `.servers[0].hostname`.
    fn add(&mut self, path: &str, allowed: impl Into<String>) {
        let full = format!("{}{path}", self.prefix);
        let value = lookup(self.document, &full).map_or_else(|| "absent".to_owned(), shown);
        self.found.push(Problem {
            path: full,
            value,
            allowed: allowed.into(),
        });
    }
}

pub(super) fn lookup<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    document.pointer(&pointer(path))
}

/// From the path that people write to a JSON pointer: `$.servers[0].launch` to `/servers/0/launch`.
pub(super) fn pointer(path: &str) -> String {
    path.trim_start_matches('$')
        .replace('[', ".")
        .replace(']', "")
        .replace('.', "/")
}

/// Everything that the rules find in the plan of one wave.
pub(super) fn wave_problems(plan: &WavePlan, document: &Value) -> Vec<Problem> {
    let mut problems = Problems {
        document,
        prefix: "$".to_owned(),
        found: Vec::new(),
    };
    check_wave(plan, &mut problems);
    problems.found
}

/// Everything that the rules find in the plan of a program.
pub(super) fn program_problems(plan: &ProgramPlan, document: &Value) -> Vec<Problem> {
    let mut problems = Problems {
        document,
        prefix: "$".to_owned(),
        found: Vec::new(),
    };
    let mut waves = BTreeMap::new();
    let (mut servers, mut databases) = (BTreeMap::new(), BTreeMap::new());
    for (index, wave) in plan.waves.iter().enumerate() {
        problems.prefix = format!("$.waves[{index}]");
        check_wave(wave, &mut problems);
        if let Some(first) = waves.insert(&wave.wave_id, index) {
            problems.add(
                ".waveId",
                format!("wave ids are used once; $.waves[{first}] has it too"),
            );
        }
        for (number, server) in wave.servers.iter().enumerate() {
            let id = &server.source_server_id;
            if let Some((first, _)) = servers.insert(id, (index, number)).filter(|(first, _)| *first != index) {
                let path = format!(".servers[{number}].sourceServerId");
                problems.add(&path, format!("a server is in one wave; $.waves[{first}] has it too"));
            }
        }
        for (number, database) in wave.databases.iter().enumerate() {
            let secret = &database.source.admin_secret_arn;
            if let Some((first, _)) = databases
                .insert(secret, (index, number))
                .filter(|(first, _)| *first != index)
            {
                let path = format!(".databases[{number}].source.adminSecretArn");
                problems.add(&path, format!("a database is in one wave; $.waves[{first}] has it too"));
            }
        }
    }
    problems.found
}

fn check_wave(plan: &WavePlan, problems: &mut Problems<'_>) {
    let batches = cut_batches(&plan.groups(), plan.batch_size).len();
    if batches > BATCHES_PER_WAVE_MAX {
        let text = format!(
            "larger: {batches} batches are too many for one execution's history, {BATCHES_PER_WAVE_MAX} at most"
        );
        problems.add(".batchSize", text);
    }
    check_servers(plan, problems);
    for (path, allowed) in together::wrong(plan) {
        problems.add(&path, allowed);
    }
    check_groups(plan, problems);
    check_traffic(plan, problems);
    check_waivers(plan, problems);
    if let Some(window) = &plan.window
        && window.not_after <= window.not_before
    {
        problems.add(".window.notAfter", "must be later than notBefore");
    }
    for (index, check) in plan.defaults.checks.iter().enumerate() {
        check_check(check, &format!(".defaults.checks[{index}]"), problems);
    }
}

fn check_servers(plan: &WavePlan, problems: &mut Problems<'_>) {
    let mut ids = BTreeMap::new();
    let mut hosts = BTreeMap::new();
    for (index, server) in plan.servers.iter().enumerate() {
        let at = format!(".servers[{index}]");
        if let Some(first) = ids.insert(&server.source_server_id, index) {
            let text = format!("a server is listed once; servers[{first}] has it too");
            problems.add(&format!("{at}.sourceServerId"), text);
        }
        if let Some(first) = hosts.insert(&server.quiesce.managed_instance_id, index) {
            let text = format!("two servers cannot be one host; servers[{first}] has it too");
            problems.add(&format!("{at}.quiesce.managedInstanceId"), text);
        }
        check_server(plan, server, &at, problems);
    }
}

fn check_server(plan: &WavePlan, server: &ServerPlan, at: &str, problems: &mut Problems<'_>) {
    let resolved = plan.resolved(server);
    if resolved.checks.is_empty() {
        problems.add(
            &format!("{at}.checks"),
            "at least one check, here or in defaults.checks: a server that nothing is asked of cannot pass",
        );
    }
    for (index, check) in server.checks.iter().enumerate() {
        check_check(check, &format!("{at}.checks[{index}]"), problems);
    }
    let custom = resolved.replication.ebs_encryption == Some(EbsEncryption::Custom);
    if custom != resolved.replication.ebs_encryption_key_arn.is_some() {
        let text = "given exactly when ebsEncryption is CUSTOM";
        problems.add(&format!("{at}.replication.ebsEncryptionKeyArn"), text);
    }
    if resolved.launch.launch_disposition == Some(LaunchDisposition::Stopped) {
        let text = "STARTED: an instance that is not started passes no check";
        problems.add(&format!("{at}.launch.launchDisposition"), text);
    }
    let quiesce = &server.quiesce;
    if quiesce.document == QUIESCE_DOCUMENT {
        if quiesce.services.is_empty() {
            let text =
                "at least one service, or a document of your own: a source that goes on writing loses what it writes";
            problems.add(&format!("{at}.quiesce.services"), text);
        }
        if !quiesce.parameters.is_empty() {
            let text = format!("only with a document of your own; {QUIESCE_DOCUMENT} takes services");
            problems.add(&format!("{at}.quiesce.parameters"), text);
        }
    } else if !quiesce.services.is_empty() {
        let text = format!("only with {QUIESCE_DOCUMENT}; a document of your own takes parameters");
        problems.add(&format!("{at}.quiesce.services"), text);
    }
}

fn check_check(check: &Check, at: &str, problems: &mut Problems<'_>) {
    let script = SCRIPT_DOCUMENTS.contains(&check.document.as_str());
    if script && check.commands.is_empty() {
        problems.add(
            &format!("{at}.commands"),
            format!("at least one line for {}", check.document),
        );
    }
    if script && !check.parameters.is_empty() {
        problems.add(
            &format!("{at}.parameters"),
            format!("{} takes commands", check.document),
        );
    }
    if !script && !check.commands.is_empty() {
        problems.add(
            &format!("{at}.commands"),
            format!("only for {}", SCRIPT_DOCUMENTS.join(" and ")),
        );
    }
}

fn check_groups(plan: &WavePlan, problems: &mut Problems<'_>) {
    if plan.move_groups.is_empty() {
        return;
    }
    let mut names = BTreeMap::new();
    let mut placed = BTreeMap::new();
    for (index, group) in plan.move_groups.iter().enumerate() {
        if let Some(first) = names.insert(&group.id, index) {
            let text = format!("group ids are used once; moveGroups[{first}] has it too");
            problems.add(&format!(".moveGroups[{index}].id"), text);
        }
        for (number, id) in group.servers.iter().enumerate() {
            let path = format!(".moveGroups[{index}].servers[{number}]");
            if !plan.servers.iter().any(|server| &server.source_server_id == id) {
                problems.add(&path, "a server of this wave");
            }
            if let Some(first) = placed.insert(id, index) {
                problems.add(
                    &path,
                    format!("a server is in one group; moveGroups[{first}] has it too"),
                );
            }
        }
    }
    for (index, server) in plan.servers.iter().enumerate() {
        if !placed.contains_key(&server.source_server_id) {
            problems.add(&format!(".servers[{index}].sourceServerId"), "in one of the moveGroups");
        }
    }
}

fn check_traffic(plan: &WavePlan, problems: &mut Problems<'_>) {
    let mut seen = BTreeMap::new();
    for (index, record) in plan.traffic.dns.iter().enumerate() {
        let at = format!(".traffic.dns[{index}]");
        let key = (
            &record.hosted_zone_id,
            record.stored_name(),
            record.record_type,
            &record.set_identifier,
        );
        if let Some(first) = seen.insert(key, index) {
            problems.add(
                &format!("{at}.name"),
                format!("a record set is listed once; dns[{first}] is the same"),
            );
        }
        if !plan
            .servers
            .iter()
            .any(|server| server.source_server_id == record.source_server_id)
        {
            problems.add(&format!("{at}.sourceServerId"), "a server of this wave");
        }
        check_target(record, &at, problems);
    }
}

fn check_target(record: &DnsRecordPlan, at: &str, problems: &mut Problems<'_>) {
    match (record.address, record.values.is_empty()) {
        (Some(_), false) => problems.add(&format!("{at}.values"), "either address or values"),
        (None, true) => problems.add(&format!("{at}.address"), "PRIVATE_IP or PUBLIC_IP, or values instead"),
        (Some(_), true) if record.record_type != RecordType::A => {
            problems.add(&format!("{at}.type"), "A when an instance's IPv4 address is asked for");
        }
        _ => {}
    }
    for (index, value) in record.values.iter().enumerate() {
        let valid = match record.record_type {
            RecordType::A => value.parse::<std::net::Ipv4Addr>().is_ok(),
            RecordType::Aaaa => value.parse::<std::net::Ipv6Addr>().is_ok(),
            RecordType::Cname => record.values.len() == 1,
        };
        if !valid {
            let allowed = match record.record_type {
                RecordType::A => "an IPv4 address",
                RecordType::Aaaa => "an IPv6 address",
                RecordType::Cname => "the only value: a CNAME has one",
            };
            problems.add(&format!("{at}.values[{index}]"), allowed);
        }
    }
}

fn check_waivers(plan: &WavePlan, problems: &mut Problems<'_>) {
    let mut seen = BTreeMap::new();
    for (index, waiver) in plan.waivers.iter().enumerate() {
        let at = format!(".waivers[{index}].sourceServerId");
        if !plan
            .servers
            .iter()
            .any(|server| server.source_server_id == waiver.source_server_id)
        {
            problems.add(&at, "a server of this wave");
        }
        let key = (waiver.rule.sentence(), &waiver.source_server_id);
        if let Some(first) = seen.insert(key, index) {
            problems.add(&at, format!("waived once; waivers[{first}] is the same"));
        }
    }
}
