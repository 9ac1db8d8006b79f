//! What a schema cannot say of the plan of a database.

use super::{
    DatabasePlan, DatabaseRule, DatabaseSide, Dialect, FailBack, MigrationType, PreparationMode, RuleAction, RuleType,
    SslMode,
};
use std::collections::BTreeSet;

/// The longest stem of an identifier (`lf-wave-database`): DMS takes 63 characters for an endpoint or an instance, nine of
/// which tell Landfall's own apart (`-back-src`), as many as the schedule that opens a frozen source needs of its 64.
/// <https://docs.aws.amazon.com/dms/latest/APIReference/API_CreateReplicationInstance.html>
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>
const IDENTIFIER_CHARS_MAX: usize = 54;

/// Seconds that a cutover needs beside its verification: freeze 5, drain 5, ready 5, switch 5. The deadline must leave room
/// for them, or every attempt would open the source again.
const BESIDE_VERIFY_SECONDS: u32 = 20;

/// A marker on a source behind a document is a command of Systems Manager, which takes a few seconds to be delivered, to
/// run and to be read.
const DOCUMENT_LAG_SECONDS_MIN: u32 = 20;

/// Something that is wrong, at a path below what was looked at (`.fence.schema`), and what is allowed there.
pub type Wrong = (String, String);

/// Everything that is wrong with a database of a wave.
pub fn wrong(wave: &str, plan: &DatabasePlan) -> Vec<Wrong> {
    let mut found = Vec::new();
    let mut add = |path: &str, allowed: String| found.push((path.to_owned(), allowed));
    identifiers(wave, plan, &mut add);
    secrets(plan, &mut add);
    mappings(plan, &mut add);
    fence(plan, &mut add);
    waived(plan, &mut add);
    engines(plan, &mut add);
    timing(plan, &mut add);
    found
}

fn identifiers(wave: &str, plan: &DatabasePlan, add: &mut impl FnMut(&str, String)) {
    let identifier = format!("lf-{wave}-{}", plan.database_id);
    if identifier.len() > IDENTIFIER_CHARS_MAX {
        add(
            ".databaseId",
            format!(
                "shorter: {identifier:?} names what DMS is given and has {IDENTIFIER_CHARS_MAX} characters at most"
            ),
        );
    }
    if identifier.contains("--") {
        add(
            ".databaseId",
            format!("in a wave whose id has no two hyphens in a row and none at its end: DMS refuses {identifier:?}"),
        );
    }
}

fn secrets(plan: &DatabasePlan, add: &mut impl FnMut(&str, String)) {
    let mut seen = BTreeSet::new();
    for (side, name) in [(&plan.source, "source"), (&plan.target, "target")] {
        for (secret, member) in [
            (&side.admin_secret_arn, "adminSecretArn"),
            (&side.fence_secret_arn, "fenceSecretArn"),
            (&side.application_secret_arn, "applicationSecretArn"),
            (&side.dms_secret_arn, "dmsSecretArn"),
        ] {
            if !seen.insert(secret) {
                let text = "a secret of its own: an application that shares a login with DMS, the fence or Landfall cannot be shut out";
                add(&format!(".{name}.{member}"), text.to_owned());
            }
        }
        let verifies = matches!(side.ssl_mode, SslMode::VerifyCa | SslMode::VerifyFull);
        if verifies != side.certificate_arn.is_some() {
            add(
                &format!(".{name}.certificateArn"),
                "given exactly when sslMode is verify-ca or verify-full".to_owned(),
            );
        }
    }
}

fn mappings(plan: &DatabasePlan, add: &mut impl FnMut(&str, String)) {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut included = false;
    for (index, rule) in plan.table_mappings.rules.iter().enumerate() {
        let at = format!(".tableMappings.rules[{index}]");
        if !ids.insert(&rule.rule_id) {
            add(&format!("{at}.rule-id"), "a number that no other rule has".to_owned());
        }
        if !names.insert(&rule.rule_name) {
            add(&format!("{at}.rule-name"), "a name that no other rule has".to_owned());
        }
        let selects = matches!(rule.rule_action, RuleAction::Include | RuleAction::Exclude);
        included |= rule.rule_type == RuleType::Selection && rule.rule_action == RuleAction::Include;
        if selects != (rule.rule_type == RuleType::Selection) {
            add(
                &format!("{at}.rule-action"),
                "include or exclude for a selection, another action for a transformation".to_owned(),
            );
        }
        if (rule.rule_type == RuleType::Transformation) != rule.rule_target.is_some() {
            add(
                &format!("{at}.rule-target"),
                "given exactly for a transformation".to_owned(),
            );
        }
        let takes_value = !selects
            && !matches!(
                rule.rule_action,
                RuleAction::ConvertLowercase | RuleAction::ConvertUppercase
            );
        if takes_value != rule.value.is_some() {
            add(
                &format!("{at}.value"),
                "given exactly for rename, prefixes and suffixes".to_owned(),
            );
        }
    }
    if !included {
        add(
            ".tableMappings.rules",
            "at least one selection that includes tables".to_owned(),
        );
    }
    for (index, table) in plan.verify.checksum_tables.iter().enumerate() {
        let selected = table
            .split_once('.')
            .is_some_and(|(schema, table)| plan.table_mappings.selects(schema, table));
        if !selected {
            add(
                &format!(".verify.checksumTables[{index}]"),
                "a table that the mappings select".to_owned(),
            );
        }
    }
}

fn fence(plan: &DatabasePlan, add: &mut impl FnMut(&str, String)) {
    let Some(schema) = plan.fence_schema() else {
        add(
            ".fence.schema",
            "given when no selection names a schema without a placeholder".to_owned(),
        );
        return;
    };
    if plan.fence_on_target().is_none() {
        let text = format!(
            "a table that the mappings select: {schema}.{} is not replicated, so it can prove nothing",
            plan.fence.table
        );
        add(".fence.table", text);
    }
}

/// Settings that need a waiver, and waivers that waive nothing.
fn waived(plan: &DatabasePlan, add: &mut impl FnMut(&str, String)) {
    let settings = &plan.task_settings;
    let open = |side: &DatabaseSide| side.ssl_mode == SslMode::None;
    let unencrypted = if open(&plan.source) {
        ".source.sslMode"
    } else {
        ".target.sslMode"
    };
    let goes_on = settings.on_data_error.goes_on() || settings.on_apply_error.goes_on();
    let drops = settings.full_load.target_table_prep_mode == PreparationMode::DropAndCreate;
    let needed = [
        (
            DatabaseRule::DropAndCreate,
            drops,
            ".taskSettings.fullLoad.targetTablePrepMode",
            "DO_NOTHING or TRUNCATE_BEFORE_LOAD",
        ),
        (
            DatabaseRule::ValidationOff,
            !settings.validation.enabled,
            ".taskSettings.validation.enabled",
            "true",
        ),
        (
            DatabaseRule::BatchApply,
            settings.batch_apply.enabled,
            ".taskSettings.batchApply.enabled",
            "false",
        ),
        (
            DatabaseRule::ErrorsGoOn,
            goes_on,
            ".taskSettings",
            "errors that suspend the table or stop the task",
        ),
        (
            DatabaseRule::NoAssessment,
            plan.assessment.is_none(),
            ".assessment",
            "where DMS puts the result of the assessment",
        ),
        (
            DatabaseRule::PublicInstance,
            plan.replication_instance.publicly_accessible,
            ".replicationInstance.publiclyAccessible",
            "false",
        ),
        (
            DatabaseRule::Unencrypted,
            open(&plan.source) || open(&plan.target),
            unencrypted,
            "require, verify-ca or verify-full on both sides",
        ),
    ];
    for (rule, is_so, path, allowed) in needed {
        if is_so && !plan.waives(rule) {
            add(path, format!("{allowed}; or a waiver: {}", rule.sentence()));
        }
        let place = plan.waivers.iter().position(|waiver| waiver.rule == rule);
        if let Some(place) = place.filter(|_| !is_so) {
            add(
                &format!(".waivers[{place}].rule"),
                "a rule that this database breaks: this one waives nothing".to_owned(),
            );
        }
    }
    for (index, waiver) in plan.waivers.iter().enumerate() {
        if waiver.rule != DatabaseRule::TableWithoutKey && !waiver.tables.is_empty() {
            let text = "only with TABLE_WITHOUT_KEY: the other rules are about the whole database";
            add(&format!(".waivers[{index}].tables"), text.to_owned());
        }
    }
}

fn engines(plan: &DatabasePlan, add: &mut impl FnMut(&str, String)) {
    let (source, target) = (plan.source.engine.dialect(), plan.target.engine.dialect());
    let differ = source != target;
    if differ != plan.schema_conversion.is_some() {
        add(
            ".schemaConversion",
            "given exactly when source and target are different engines".to_owned(),
        );
    }
    if differ && !plan.verify.checksum_tables.is_empty() {
        add(
            ".verify.checksumTables",
            "empty between different engines, which add up each in its own way; waive TABLE_WITHOUT_KEY for what people compare"
                .to_owned(),
        );
    }
    if target == Dialect::Documents {
        add(
            ".target.engine",
            "postgres, aurora-postgresql, mysql, aurora or mariadb: Landfall opens and proves the target itself"
                .to_owned(),
        );
    }
    if (source == Dialect::Documents) != plan.freeze.document.is_some() {
        add(
            ".freeze.document",
            "given exactly for engines that Landfall does not speak to itself".to_owned(),
        );
    }
    if plan.freeze.document.is_some() && plan.lag.seconds_max < DOCUMENT_LAG_SECONDS_MIN {
        add(
            ".lag.secondsMax",
            format!(
                "at least {DOCUMENT_LAG_SECONDS_MIN} with freeze.document: a marker is a command then, which takes seconds by itself"
            ),
        );
    }
    if plan.freeze.document.is_some() != plan.freeze.managed_instance_id.is_some() {
        add(
            ".freeze.managedInstanceId",
            "given exactly with freeze.document: the host that runs it".to_owned(),
        );
    }
    if matches!(plan.fail_back, Some(FailBack::ReverseReplication {})) {
        if plan.task_settings.batch_apply.enabled {
            add(
                ".failBack",
                "no reverse replication with batch apply: loopback prevention needs transactional apply".to_owned(),
            );
        }
        if differ {
            add(
                ".failBack",
                "no reverse replication between different engines".to_owned(),
            );
        }
    }
    if plan.migration_type == MigrationType::Cdc
        && plan.task_settings.full_load.target_table_prep_mode != PreparationMode::DoNothing
    {
        add(
            ".taskSettings.fullLoad.targetTablePrepMode",
            "DO_NOTHING when only changes are replicated".to_owned(),
        );
    }
}

fn timing(plan: &DatabasePlan, add: &mut impl FnMut(&str, String)) {
    let needed = plan.verify.budget_seconds + BESIDE_VERIFY_SECONDS;
    if plan.freeze.deadline_seconds < needed {
        add(
            ".freeze.deadlineSeconds",
            format!(
                "at least {needed}: verify.budgetSeconds and {BESIDE_VERIFY_SECONDS} for freeze, drain, ready and switch"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{document, plan};
    use super::*;
    use serde_json::{Value, json};

    /// The paths of what is wrong with the sample plan after one change.
    fn paths(pointer: &str, value: Value) -> Vec<String> {
        let mut document = document();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        document.pointer_mut(parent).expect("a parent")[member] = value;
        let plan: DatabasePlan = serde_json::from_value(document).expect("a plan");
        wrong("wave-1", &plan).into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn a_sound_plan_has_nothing_wrong() {
        assert_eq!(wrong("wave-1", &plan()), Vec::new());
    }

    #[test]
    fn each_rule_finds_what_breaks_it_at_its_path() {
        let fence = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:source/fence-AbCdEf";
        let mut excluded = document()["tableMappings"]["rules"].clone();
        excluded.as_array_mut().expect("rules").push(json!({
            "rule-type": "selection", "rule-id": "2", "rule-name": "no fence",
            "object-locator": { "schema-name": "shop", "table-name": "landfall_%" }, "rule-action": "exclude",
        }));
        for (pointer, value, path) in [
            ("/source/dmsSecretArn", json!(fence), ".source.dmsSecretArn"),
            ("/target/sslMode", json!("none"), ".target.sslMode"),
            ("/target/sslMode", json!("verify-full"), ".target.certificateArn"),
            ("/tableMappings/rules", excluded, ".fence.table"),
            (
                "/taskSettings",
                json!({ "fullLoad": { "targetTablePrepMode": "DROP_AND_CREATE" } }),
                ".taskSettings.fullLoad.targetTablePrepMode",
            ),
            (
                "/taskSettings",
                json!({ "validation": { "enabled": false } }),
                ".taskSettings.validation.enabled",
            ),
            (
                "/taskSettings",
                json!({ "batchApply": { "enabled": true } }),
                ".taskSettings.batchApply.enabled",
            ),
            (
                "/taskSettings",
                json!({ "onApplyError": "IGNORE_RECORD" }),
                ".taskSettings",
            ),
            (
                "/replicationInstance/publiclyAccessible",
                json!(true),
                ".replicationInstance.publiclyAccessible",
            ),
            ("/assessment", json!(null), ".assessment"),
            ("/source/engine", json!("mysql"), ".schemaConversion"),
            (
                "/verify",
                json!({ "checksumTables": ["other.visits"] }),
                ".verify.checksumTables[0]",
            ),
            ("/freeze", json!({ "deadlineSeconds": 45 }), ".freeze.deadlineSeconds"),
            (
                "/waivers",
                json!([{ "rule": "BATCH_APPLY", "approvedBy": "a", "reason": "b" }]),
                ".waivers[0].rule",
            ),
        ] {
            let found = paths(pointer, value);
            assert!(
                found.iter().any(|one| one == path),
                "{pointer}: {path} is not among {found:?}"
            );
        }
        assert_eq!(wrong("two--hyphens", &plan()).len(), 1);
    }

    #[test]
    fn no_checksum_is_planned_between_different_engines() {
        let mut document = document();
        document["verify"] = json!({ "checksumTables": ["shop.orders"] });
        let same: DatabasePlan = serde_json::from_value(document.clone()).expect("a plan");
        assert_eq!(wrong("wave-1", &same), Vec::new());
        document["source"]["engine"] = json!("mysql");
        document["schemaConversion"] = json!({ "migrationProjectIdentifier": "shop", "schemas": ["shop"] });
        let differ: DatabasePlan = serde_json::from_value(document).expect("a plan");
        let paths: Vec<String> = wrong("wave-1", &differ).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [".verify.checksumTables"]);
    }

    #[test]
    fn a_waiver_lets_through_what_it_names() {
        let waived = json!([{ "rule": "NO_ASSESSMENT", "approvedBy": "d.ba", "reason": "assessed by hand" }]);
        let mut document = document();
        (document["waivers"], document["assessment"]) = (waived, json!(null));
        let plan: DatabasePlan = serde_json::from_value(document).expect("a plan");
        assert_eq!(wrong("wave-1", &plan), Vec::new());
    }
}
