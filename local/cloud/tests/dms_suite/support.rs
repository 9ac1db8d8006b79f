//! Two databases, and the calls that most tests make.

use std::time::Duration;

use aws_sdk_databasemigration::Client;
use aws_sdk_databasemigration::types::{
    Filter, MigrationTypeValue, PostgreSqlSettings, ReplicationEndpointTypeValue, ReplicationTask,
    StartReplicationTaskTypeValue, TableStatistics, Tag,
};
use landfall_cloud::databases::{Change, LoginSpec, Role, Row, ServerSpec, Table};
use landfall_cloud::dms::{Trouble, What, When};
use landfall_cloud::{Caller, Cloud, Knobs};
use landfall_domain::database::TableName;
use landfall_domain::plan::database::Engine;
use serde_json::{Value, json};

use crate::common;

pub const SOURCE: &str = "source.example";
pub const TARGET: &str = "target.example";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/dms-secrets";

pub struct Bench {
    pub cloud: Cloud,
    pub dms: Client,
}

pub fn orders() -> TableName {
    TableName::new("shop", "orders")
}

pub fn fence() -> TableName {
    TableName::new("shop", "landfall_fence")
}

fn secret(host: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{host}-AbCdEf")
}

/// The settings that the tests begin with: nothing is dropped, every row is compared.
pub fn settings() -> Value {
    json!({
        "TargetMetadata": { "LimitedSizeLobMode": true, "LobMaxSize": 32 },
        "FullLoadSettings": { "TargetTablePrepMode": "DO_NOTHING" },
        "ValidationSettings": { "EnableValidation": true },
        "ErrorBehavior": { "ApplyErrorInsertPolicy": "SUSPEND_TABLE" },
    })
}

fn rules() -> Value {
    json!({"rules": [{
        "rule-type": "selection", "rule-id": "1", "rule-name": "shop", "rule-action": "include",
        "object-locator": { "schema-name": "shop", "table-name": "%" },
    }]})
}

impl Bench {
    /// Ten orders, a table without a key and an empty table of fences on the source; nothing on the target.
    pub fn new() -> Bench {
        let cloud = common::cloud_with(1, Knobs::default());
        let databases = cloud.databases();
        for host in [SOURCE, TARGET] {
            let mut spec = ServerSpec::new(host, Engine::Postgres, "shop");
            spec.logins = vec![
                LoginSpec::new("dms", "secret", Role::Replication),
                LoginSpec::new("shop", "secret", Role::Application),
            ];
            databases.add_server(spec);
            let login = json!({"host": host, "port": 5432, "username": "dms", "password": "secret", "dbname": "shop"});
            cloud.secrets().put(&secret(host), &login);
        }
        let mut table = Table::keyed();
        for key in 0..10 {
            table.rows.insert(format!("{key:03}"), Row::new(json!({"number": key})));
        }
        databases.add_table(SOURCE, orders(), table);
        databases.add_table(SOURCE, TableName::new("shop", "audit"), Table::keyless());
        databases.add_table(SOURCE, fence(), Table::keyed());
        let dms = common::dms(&cloud, &Caller::new("operator", 1));
        Bench { cloud, dms }
    }

    /// A bench whose only task has this trouble.
    pub fn with(when: When, what: What) -> Bench {
        let bench = Bench::new();
        bench.cloud.dms().add_trouble(Trouble::new(when, what));
        bench
    }

    /// A row that an application commits on the source.
    pub fn commit(&self, table: TableName, key: &str) {
        let key = key.to_owned();
        let row = Row::new(json!({"key": key}));
        let change = Change::Insert { table, key, row };
        let done = self.cloud.databases().apply(SOURCE, "dms", vec![change]);
        done.expect("a commit");
    }

    pub fn arrived(&self, table: TableName, key: &str) -> Option<Row> {
        self.cloud.databases().row(TARGET, &table, key)
    }

    pub async fn instance(&self) -> String {
        let made = self
            .dms
            .create_replication_instance()
            .replication_instance_identifier("lf-w1-shop")
            .replication_instance_class("dms.c5.large")
            .allocated_storage(100)
            .tags(Tag::builder().key("landfall:wave").value("w1").build())
            .send()
            .await
            .expect("an instance");
        sleep(700).await;
        let instance = made.replication_instance.expect("an instance");
        instance.replication_instance_arn.expect("an ARN")
    }

    pub async fn endpoint(&self, role: ReplicationEndpointTypeValue, host: &str) -> String {
        let settings = PostgreSqlSettings::builder()
            .secrets_manager_secret_id(secret(host))
            .secrets_manager_access_role_arn(ROLE)
            .database_name("shop");
        let made = self
            .dms
            .create_endpoint()
            .endpoint_identifier(format!("lf-w1-shop-{role}"))
            .endpoint_type(role)
            .engine_name("postgres")
            .postgre_sql_settings(settings.build())
            .send()
            .await
            .expect("an endpoint");
        made.endpoint.and_then(|made| made.endpoint_arn).expect("an ARN")
    }

    /// An endpoint that reads the source from that slot.
    pub async fn slot_endpoint(&self, slot: &str) -> String {
        let settings = PostgreSqlSettings::builder()
            .secrets_manager_secret_id(secret(SOURCE))
            .secrets_manager_access_role_arn(ROLE);
        let made = self
            .dms
            .create_endpoint()
            .endpoint_identifier("lf-w1-shop-slot")
            .endpoint_type(ReplicationEndpointTypeValue::Source)
            .engine_name("postgres")
            .extra_connection_attributes(format!("heartbeatEnable=false;slotName={slot}"))
            .postgre_sql_settings(settings.build())
            .send()
            .await
            .expect("an endpoint");
        made.endpoint.and_then(|made| made.endpoint_arn).expect("an ARN")
    }

    /// A task without a full load.
    pub async fn changes_only(&self, instance: &str, source: &str, target: &str, position: &str) -> String {
        let made = self
            .dms
            .create_replication_task()
            .replication_task_identifier("lf-w1-shop-back")
            .replication_instance_arn(instance)
            .source_endpoint_arn(source)
            .target_endpoint_arn(target)
            .migration_type(MigrationTypeValue::Cdc)
            .table_mappings(rules().to_string())
            .replication_task_settings(settings().to_string())
            .cdc_start_position(position)
            .send()
            .await
            .expect("a task");
        sleep(30).await;
        let task = made.replication_task.and_then(|made| made.replication_task_arn);
        task.expect("an ARN")
    }

    /// A task that is ready and connected: the ARNs of instance, source, target and task.
    pub async fn task(&self, settings: Value) -> [String; 4] {
        let instance = self.instance().await;
        let source = self.endpoint(ReplicationEndpointTypeValue::Source, SOURCE).await;
        let target = self.endpoint(ReplicationEndpointTypeValue::Target, TARGET).await;
        for endpoint in [&source, &target] {
            let test = self.dms.test_connection().replication_instance_arn(&instance);
            test.endpoint_arn(endpoint).send().await.expect("a test");
        }
        sleep(60).await;
        let made = self
            .dms
            .create_replication_task()
            .replication_task_identifier("lf-w1-shop")
            .replication_instance_arn(&instance)
            .source_endpoint_arn(&source)
            .target_endpoint_arn(&target)
            .migration_type(MigrationTypeValue::FullLoadAndCdc)
            .table_mappings(rules().to_string())
            .replication_task_settings(settings.to_string())
            .send()
            .await
            .expect("a task");
        sleep(30).await;
        let task = made.replication_task.and_then(|made| made.replication_task_arn);
        [instance, source, target, task.expect("an ARN")]
    }

    pub async fn start(&self, task: &str, kind: StartReplicationTaskTypeValue) -> Result<(), String> {
        let call = self.dms.start_replication_task().replication_task_arn(task);
        let answer = call.start_replication_task_type(kind).send().await;
        answer.map(|_| ()).map_err(|error| common::code(&error))
    }

    /// A task that runs, loaded and compared.
    pub async fn running(&self, settings: Value) -> [String; 4] {
        let arns = self.task(settings).await;
        let started = self
            .start(&arns[3], StartReplicationTaskTypeValue::StartReplication)
            .await;
        started.expect("a start");
        sleep(180).await;
        arns
    }

    pub async fn shown(&self, task: &str) -> ReplicationTask {
        let filter = Filter::builder().name("replication-task-arn").values(task);
        let call = self.dms.describe_replication_tasks().without_settings(true);
        let answer = call.filters(filter.build().expect("a filter")).send().await;
        let tasks = answer.expect("an answer").replication_tasks.expect("tasks");
        tasks.into_iter().next().expect("the task")
    }

    pub async fn tables(&self, task: &str) -> Vec<TableStatistics> {
        let call = self.dms.describe_table_statistics().replication_task_arn(task);
        let answer = call.send().await.expect("an answer");
        answer.table_statistics.expect("tables")
    }

    /// State of the table's validation, and how many rows differ.
    pub async fn validation(&self, task: &str, table: &TableName) -> (String, i64) {
        let tables = self.tables(task).await;
        let found = tables.iter().find(|one| one.table_name() == Some(&table.table));
        let found = found.expect("the table");
        let state = found.validation_state().expect("a state").to_owned();
        (state, found.validation_failed_records())
    }

    /// Applications are shut out of the source.
    pub fn close_source(&self) {
        let mut login = LoginSpec::new("shop", "secret", Role::Application);
        login.can_log_in = false;
        self.cloud.databases().add_login(SOURCE, login);
    }
}

pub async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
