//! What is found before anything is changed.

use super::replication::cover;
use crate::database::{Inspection, TableFacts};
use crate::plan::DatabasePlan;
use crate::plan::database::{DatabaseRule, Dialect};

/// The log must be kept for at least so long: a task that stands still over night finds its place again.
const LOG_HOURS_MIN: u64 = 24;

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It refuses.
    Error,
    /// A waiver accepts it.
    Accepted,
    /// To be known.
    Note,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub severity: Severity,
    /// What, with its remedy.
    pub sentence: String,
}

/// The logins of a side.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    /// An application's.
    pub application: String,
    /// Landfall's.
    pub admin: String,
    /// The fence writer's.
    pub fence: String,
    /// DMS's.
    pub dms: String,
}

/// Everything that is found in both databases.
pub fn preflight(plan: &DatabasePlan, source: &Inspection, target: &Inspection, logins: &Logins) -> Vec<Finding> {
    let mut found = Findings { plan, list: Vec::new() };
    found.capacity(source);
    let selected = |table: &&TableFacts| plan.table_mappings.selects(&table.name.schema, &table.name.table);
    for table in source.tables.iter().filter(selected) {
        found.table(table);
    }
    for name in &source.prepared_transactions {
        found.error(format!(
            "the prepared transaction {name} is open on the source; commit it or roll it back"
        ));
    }
    for problem in &source.log_problems {
        found.error(format!("the source's log: {problem}"));
    }
    for login in &source.exempt_logins {
        found.note(format!(
            "{login} is privileged on the source; it is locked while the source is closed"
        ));
    }
    if !target.triggers.is_empty() {
        let names = target.triggers.join(", ");
        found.waivable(
            DatabaseRule::Triggers,
            format!(
                "triggers on the target fire for what replication applies: {names}; disable them until the cutover"
            ),
        );
    }
    if !source.sequences.is_empty() {
        let who = if plan.source.engine.dialect() == plan.target.engine.dialect() {
            "they are set on the target before it is opened"
        } else {
            "between different engines Landfall does not set them: whoever converts the schema sets those of the target past the source's, or the first row that an application inserts is refused"
        };
        found.note(format!(
            "{} sequences are not replicated; {who}",
            source.sequences.len()
        ));
    }
    found.shared(logins);
    found.list
}

struct Findings<'a> {
    plan: &'a DatabasePlan,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn error(&mut self, sentence: String) {
        self.list.push(Finding {
            severity: Severity::Error,
            sentence,
        });
    }

    fn note(&mut self, sentence: String) {
        self.list.push(Finding {
            severity: Severity::Note,
            sentence,
        });
    }

    fn waivable(&mut self, rule: DatabaseRule, sentence: String) {
        let severity = if self.plan.waives(rule) {
            Severity::Accepted
        } else {
            Severity::Error
        };
        self.list.push(Finding { severity, sentence });
    }

    fn capacity(&mut self, source: &Inspection) {
        let storage = u64::from(self.plan.replication_instance.allocated_storage_gb) << 30;
        if storage < source.size_bytes.saturating_mul(2) {
            let sentence = format!(
                "replicationInstance.allocatedStorageGb is {}, less than twice the source's {} GB",
                self.plan.replication_instance.allocated_storage_gb,
                source.size_bytes >> 30
            );
            self.waivable(DatabaseRule::Capacity, sentence);
        }
        if let Some(hours) = source.log_retention_hours.filter(|hours| *hours < LOG_HOURS_MIN) {
            let sentence = format!(
                "the source keeps its log for {hours} hours; keep it for {LOG_HOURS_MIN} at least, or a task that stands still loses its place"
            );
            self.waivable(DatabaseRule::Capacity, sentence);
        }
    }

    fn table(&mut self, table: &TableFacts) {
        let name = table.name.to_string();
        let lob = &self.plan.task_settings.lob;
        let limit = u64::from(lob.lob_max_size_kb) * 1024;
        if let Some(largest) = table
            .largest_lob_bytes
            .filter(|largest| !lob.full_lob_mode && *largest > limit)
        {
            let sentence = format!(
                "{name} has a large object of {} KB, and taskSettings.lob.lobMaxSizeKb is {}: it would be cut off",
                largest.div_ceil(1024),
                lob.lob_max_size_kb
            );
            self.waivable(DatabaseRule::Capacity, sentence);
        }
        if table.has_key {
            return;
        }
        if !table.full_identity && self.plan.source.engine.dialect() == Dialect::Postgres {
            self.error(format!(
                "{name} has no key, so its updates and deletes are not replicated; run: ALTER TABLE {name} REPLICA IDENTITY FULL"
            ));
        }
        match cover(self.plan, &name) {
            Some(_) => self.note(format!("{name} has no key; it is covered by the plan")),
            None => {
                let same = self.plan.source.engine.dialect() == self.plan.target.engine.dialect();
                let list_it = if same {
                    "list it in verify.checksumTables or "
                } else {
                    ""
                };
                self.error(format!(
                    "{name} has no key, so DMS never compares it; {list_it}waive TABLE_WITHOUT_KEY for it"
                ));
            }
        }
    }

    fn shared(&mut self, logins: &Logins) {
        for (whose, login) in [
            ("DMS", &logins.dms),
            ("the fence", &logins.fence),
            ("Landfall", &logins.admin),
        ] {
            if *login == logins.application {
                self.error(format!(
                    "applications log in as {login}, which is the login of {whose} too: they could not be shut out; give each a login of its own"
                ));
            }
        }
        if self.plan.freeze.keep_logins.contains(&logins.application) {
            self.error(format!(
                "freeze.keepLogins names {}, the login of applications",
                logins.application
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::TableName;
    use crate::plan::database::tests_support::plan;

    fn logins() -> Logins {
        let named = |name: &str| name.to_owned();
        Logins {
            application: named("app"),
            admin: named("landfall"),
            fence: named("fence"),
            dms: named("dms"),
        }
    }

    fn errors(source: &Inspection, target: &Inspection, logins: &Logins) -> Vec<String> {
        let found = preflight(&plan(), source, target, logins);
        found
            .into_iter()
            .filter(|one| one.severity == Severity::Error)
            .map(|one| one.sentence)
            .collect()
    }

    #[test]
    fn each_thing_that_replication_stumbles_over_refuses() {
        let clean = Inspection::default();
        assert_eq!(errors(&clean, &clean, &logins()), Vec::<String>::new());
        let table = TableFacts {
            name: TableName::new("shop", "visits"),
            has_key: false,
            full_identity: false,
            rows_estimate: 1,
            largest_lob_bytes: Some(40 << 20),
        };
        let source = Inspection {
            size_bytes: 60 << 30,
            tables: vec![table],
            prepared_transactions: vec!["x".into()],
            log_retention_hours: Some(3),
            log_problems: vec!["wal_level is replica".into()],
            ..Inspection::default()
        };
        let target = Inspection {
            triggers: vec!["shop.orders.audit".into()],
            ..Inspection::default()
        };
        assert_eq!(errors(&source, &target, &logins()).len(), 8);
    }

    #[test]
    fn an_application_that_shares_a_login_cannot_be_shut_out() {
        let clean = Inspection::default();
        let shared = Logins {
            dms: "app".into(),
            ..logins()
        };
        assert_eq!(errors(&clean, &clean, &shared).len(), 1);
    }
}
