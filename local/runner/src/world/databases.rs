//! The databases that a wave finds: servers on both sides, secrets for their logins, tables with rows on the source, the
//! same tables without rows on the target, and the switch point that names the source.

use super::{ORIGINAL_TTL_SECONDS, World, lock};
use landfall_cloud::Cloud;
use landfall_cloud::databases::{
    DatabaseDocument, LoginSpec, Place, Role, Row, Sequence, ServerSpec, Table, Writer, WriterSpec,
};
use landfall_cloud::fleet::SourceServerSpec;
use landfall_cloud::route53::RecordSet;
use landfall_domain::database::TableName;
use landfall_domain::plan::DatabasePlan;
use landfall_domain::plan::database::{DatabaseSide, Dialect, RuleAction, RuleType, SwitchPoint, TableMappings};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tables that are set up where the mappings select them; the first has a sequence, and is what applications write.
const TABLES: [&str; 3] = ["orders", "customers", "visits"];

/// Rows of each.
const ROWS: i64 = 200;

/// The size of the large object in each row of the second table.
const LOB_BYTES: u64 = 4_096;

/// The host that runs documents for databases, and the application that it runs besides.
const DOCUMENT_SERVER: &str = "s-0c5a9e13d7b2f0001";
const DOCUMENT_HOST: &str = "documents";
const DOCUMENT_ADDRESS: &str = "10.10.200.11";
const DOCUMENT_SERVICE: &str = "shop";

/// Login names, the same on both sides.
pub const ADMIN_LOGIN: &str = "landfall";
/// The fence writer's.
pub const FENCE_LOGIN: &str = "landfall_fence";
/// The application's.
pub const APPLICATION_LOGIN: &str = "application";
/// The one that DMS has.
pub const DMS_LOGIN: &str = "dms";

/// A database as it was set up.
#[derive(Debug, Clone, PartialEq)]
pub struct SetUpDatabase {
    /// The wave.
    pub wave_id: String,
    /// Its plan.
    pub plan: DatabasePlan,
    /// The host that the switch point named at the beginning.
    pub source_host: String,
    /// The host that it is to name.
    pub target_host: String,
    /// The tables that are replicated: their names on the source and on the target. The fence table is not among them.
    pub tables: Vec<(TableName, TableName)>,
}

impl SetUpDatabase {
    /// The name of a table on a host; as given where it is not replicated.
    pub fn on_host(&self, table: &TableName, host: &str) -> TableName {
        let pair = self
            .tables
            .iter()
            .find(|(source, target)| source == table || target == table);
        match pair {
            Some((_, target)) if host == self.target_host => target.clone(),
            Some((source, _)) if host == self.source_host => source.clone(),
            _ => table.clone(),
        }
    }
}

impl World {
    /// The databases as they were set up.
    pub fn databases(&self) -> Vec<SetUpDatabase> {
        lock(&self.inner.databases).clone()
    }

    /// A database that was set up.
    ///
    /// # Panics
    /// When there is none of that id: a fault of the script that calls this.
    pub fn database(&self, id: &str) -> SetUpDatabase {
        let found = self
            .databases()
            .into_iter()
            .find(|one| one.plan.database_id.as_str() == id);
        found.unwrap_or_else(|| panic!("no database {id} was set up"))
    }

    /// The host that a switch point names now.
    pub fn switched_to(&self, switch: &SwitchPoint) -> Option<String> {
        named(&self.cloud, switch)
    }

    /// An application of a database that goes where the switch point leads: ten rows a second into its first table.
    /// Start it with [`landfall_cloud::DatabaseFleet::start_writer`], or change it first.
    pub fn application(&self, id: &str) -> WriterSpec {
        let database = self.database(id);
        let (cloud, switch) = (self.cloud.clone(), database.plan.switch.clone());
        let place = Place::Follow(Arc::new(move || named(&cloud, &switch)));
        let (source, target) = database
            .tables
            .first()
            .cloned()
            .unwrap_or_else(|| panic!("the mappings of {id} select none of the tables that are set up"));
        let mut spec = WriterSpec::steady(&format!("{id}-application"), APPLICATION_LOGIN, place, source);
        spec.elsewhere = BTreeMap::from([(database.target_host, target)]);
        spec
    }

    /// Starts it.
    pub fn start_application(&self, id: &str) -> Writer {
        self.cloud.databases().start_writer(self.application(id))
    }

    /// Sets up what a database's migration finds.
    pub(super) fn load_database(&self, wave_id: &str, plan: &DatabasePlan) {
        let id = plan.database_id.as_str();
        let source_host = format!("{id}.source.example");
        let target_host = match &plan.switch {
            SwitchPoint::Route53 { target_value, .. } | SwitchPoint::Parameter { target_value, .. } => {
                target_value.trim_end_matches('.').to_owned()
            }
        };
        let schema = plan.table_mappings.first_schema().unwrap_or("public").to_owned();
        let renamed = plan
            .table_mappings
            .on_target(&schema, TABLES[0])
            .map_or(schema.clone(), |(to, _)| to);
        self.load_side(&plan.source, &source_host, &database_name(&plan.source, id, &schema));
        self.load_side(&plan.target, &target_host, &database_name(&plan.target, id, &renamed));
        let databases = self.cloud.databases();
        let mut tables = Vec::new();
        for (index, (name, keyless)) in names(plan).into_iter().enumerate() {
            let Some((to_schema, to_table)) = plan.table_mappings.on_target(&name.schema, &name.table) else {
                continue;
            };
            let target = TableName::new(to_schema, to_table);
            let table = filled(keyless, index == 1);
            databases.add_table(&target_host, target.clone(), table.definition());
            databases.add_table(&source_host, name.clone(), table);
            if index == 0 {
                for (host, side, table, last) in [
                    (&source_host, &plan.source, &name, Some(ROWS)),
                    (&target_host, &plan.target, &target, None),
                ] {
                    let sequence = Sequence {
                        last_value: last,
                        increment: 1,
                    };
                    databases.add_sequence(host, sequence_name(side, table), sequence);
                }
            }
            tables.push((name, target));
        }
        self.load_document(plan, &source_host, &schema);
        self.point_at(&plan.switch, &source_host);
        lock(&self.inner.databases).push(SetUpDatabase {
            wave_id: wave_id.to_owned(),
            plan: plan.clone(),
            source_host,
            target_host,
            tables,
        });
    }

    /// A server with its logins, and the secrets that hold them.
    fn load_side(&self, side: &DatabaseSide, host: &str, database: &str) {
        let mut server = ServerSpec::new(host, side.engine, database);
        let port = if side.engine.dialect() == Dialect::Mysql {
            3306
        } else {
            5432
        };
        for (arn, name, role) in [
            (&side.admin_secret_arn, ADMIN_LOGIN, Role::Admin),
            (&side.fence_secret_arn, FENCE_LOGIN, Role::FenceWriter),
            (&side.application_secret_arn, APPLICATION_LOGIN, Role::Application),
            (&side.dms_secret_arn, DMS_LOGIN, Role::Replication),
        ] {
            let password = format!("simulated-{name}-{host}");
            server.logins.push(LoginSpec::new(name, &password, role));
            self.cloud.secrets().put(
                arn.as_str(),
                &json!({"host": host, "port": port, "username": name, "password": password, "dbname": database}),
            );
        }
        self.cloud.databases().add_server(server);
    }

    /// What the owners of a database prepare that Landfall does not speak to itself: a host, the document, and the table
    /// for fences.
    fn load_document(&self, plan: &DatabasePlan, host: &str, schema: &str) {
        let (Some(document), Some(node)) = (&plan.freeze.document, &plan.freeze.managed_instance_id) else {
            return;
        };
        let fleet = self.cloud.fleet();
        let mut spec = SourceServerSpec::ready(DOCUMENT_SERVER, DOCUMENT_HOST, DOCUMENT_ADDRESS);
        spec.managed_instance_id = Some(node.as_str().to_owned());
        spec.services = vec![DOCUMENT_SERVICE.to_owned()];
        fleet.add_source_server(spec);
        let databases = self.cloud.databases();
        let runs = DatabaseDocument::new(databases.clone(), self.cloud.secrets().clone());
        fleet.add_document(document, Arc::new(runs));
        let fence = TableName::new(plan.fence.schema.as_deref().unwrap_or(schema), &plan.fence.table);
        let mut table = Table::keyed();
        table.granted.insert(FENCE_LOGIN.to_owned());
        databases.add_table(host, fence, table);
    }

    /// Makes the switch point, and has it name a host.
    fn point_at(&self, switch: &SwitchPoint, host: &str) {
        match switch {
            SwitchPoint::Parameter { name, .. } => self.cloud.fleet().parameters().set(name, host),
            SwitchPoint::Route53 {
                hosted_zone_id, name, ..
            } => {
                let zone = hosted_zone_id.as_str();
                if self.cloud.route53().records(zone).is_empty() {
                    let suffix = name.split_once('.').map_or(name.as_str(), |(_, zone)| zone);
                    self.cloud.route53().add_zone(zone, suffix);
                }
                let record = RecordSet::simple(name, "CNAME", ORIGINAL_TTL_SECONDS, &[host]);
                let put = self.cloud.route53().put_record(zone, record);
                put.unwrap_or_else(|error| panic!("the switch point {name} cannot be set up: {error}"));
            }
        }
    }
}

/// The host that a switch point names.
fn named(cloud: &Cloud, switch: &SwitchPoint) -> Option<String> {
    match switch {
        SwitchPoint::Parameter { name, .. } => cloud.fleet().parameters().value(name),
        SwitchPoint::Route53 {
            hosted_zone_id, name, ..
        } => {
            let record = cloud.route53().record(hosted_zone_id.as_str(), name, "CNAME", None)?;
            Some(record.values.first()?.trim_end_matches('.').to_owned())
        }
    }
}

/// The database of a login: for MySQL the schema.
fn database_name(side: &DatabaseSide, id: &str, schema: &str) -> String {
    match side.engine.dialect() {
        Dialect::Mysql => schema.to_owned(),
        Dialect::Postgres | Dialect::Documents => id.replace('-', "_"),
    }
}

/// PostgreSQL's sequence of a table's identity; MySQL's counter has the table's own name.
fn sequence_name(side: &DatabaseSide, table: &TableName) -> TableName {
    match side.engine.dialect() {
        Dialect::Mysql => table.clone(),
        Dialect::Postgres | Dialect::Documents => TableName::new(&table.schema, format!("{}_id_seq", table.table)),
    }
}

/// The tables to set up, and whether each is without a key: the usual ones where they are selected, those that a
/// selection names, and those that are compared by their sums.
fn names(plan: &DatabasePlan) -> Vec<(TableName, bool)> {
    let mappings: &TableMappings = &plan.table_mappings;
    let mut names = Vec::new();
    let mut add = |schema: &str, table: &str, keyless: bool| {
        let name = TableName::new(schema, table);
        let fence = plan
            .fence_on_source()
            .is_some_and(|(schema, table)| name == TableName::new(schema, table));
        if !fence && mappings.selects(schema, table) && !names.iter().any(|(known, _)| *known == name) {
            names.push((name, keyless));
        }
    };
    let summed: Vec<(&str, &str)> = plan
        .verify
        .checksum_tables
        .iter()
        .filter_map(|name| name.split_once('.'))
        .collect();
    for rule in &mappings.rules {
        if rule.rule_type != RuleType::Selection || rule.rule_action != RuleAction::Include {
            continue;
        }
        let schema = rule.object_locator.schema_name.as_str();
        match rule.object_locator.table_name.as_deref() {
            _ if schema.contains('%') => {}
            Some(table) if !table.contains('%') => add(schema, table, summed.contains(&(schema, table))),
            _ => {
                for table in TABLES {
                    add(schema, table, summed.contains(&(schema, table)));
                }
            }
        }
    }
    for (schema, table) in summed {
        add(schema, table, true);
    }
    names
}

/// A table with its rows.
fn filled(keyless: bool, with_objects: bool) -> Table {
    let mut table = if keyless { Table::keyless() } else { Table::keyed() };
    for number in 1..=ROWS {
        let key = if keyless {
            format!("{number:012}")
        } else {
            number.to_string()
        };
        let row = Row {
            value: json!({"number": number, "name": format!("row {number}")}),
            lob_bytes: with_objects.then_some(LOB_BYTES),
        };
        table.rows.insert(key, row);
    }
    table.next_row = ROWS.unsigned_abs() + 1;
    table
}

#[cfg(test)]
mod tests {
    use super::super::{WorldOptions, simulate};
    use super::*;
    use crate::plans;
    use landfall_aws::database::Access;
    use landfall_cloud::Caller;
    use landfall_domain::database::{KeepOpen, Probe};
    use landfall_domain::plan::database::SecretArn;
    use std::time::Duration;

    #[test]
    fn every_login_of_a_plan_leads_to_a_database_with_the_tables_that_it_replicates() {
        simulate(async {
            let world = World::new(WorldOptions::default());
            let wave = plans::wide_wave("shop-wave", 0, 1, 1);
            let wave = plans::with_database(wave, plans::database("shop", "shop-wave"));
            let wave = plans::with_database(wave, plans::mysql_database("stock", "shop-wave"));
            world.load_wave(&wave);
            let deps = world.deps(&Caller::new("test", 1));
            for plan in &wave.databases {
                let schemas = [plan.fence_schema().expect("a schema").to_owned()];
                for (side, rows) in [(&plan.source, 3 * 200), (&plan.target, 0)] {
                    let through = |secret: &SecretArn| deps.databases.through(Access::of(side, secret));
                    let mut application = through(&side.application_secret_arn);
                    assert_eq!(application.probe().await, Ok(Probe::Accepted));
                    for secret in [&side.fence_secret_arn, &side.dms_secret_arn] {
                        let login = deps.databases.describe(&Access::of(side, secret)).await;
                        assert!(login.is_ok_and(|login| !login.username.is_empty()));
                        through(secret).smoke_test(None).await.expect("a login");
                    }
                    let mut admin = through(&side.admin_secret_arn);
                    let seen = admin
                        .inspect(&schemas, &KeepOpen::default())
                        .await
                        .expect("an inspection");
                    assert_eq!(seen.tables.iter().map(|table| table.rows_estimate).sum::<u64>(), rows);
                }
                let writer = world.start_application(plan.database_id.as_str());
                tokio::time::sleep(Duration::from_secs(1)).await;
                let source = world.database(plan.database_id.as_str()).source_host;
                assert_eq!(world.switched_to(&plan.switch), Some(source.clone()));
                assert!(writer.acknowledged().len() >= 9 && writer.acknowledged().iter().all(|row| row.host == source));
            }
        });
    }
}
