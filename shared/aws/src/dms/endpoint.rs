//! Endpoints, and whether the replication instance reaches them.

use super::{
    ConnectionView, DELETING, Dms, EndpointRequest, EndpointRole, EndpointView, Made, SERVICE, filter, made,
    refused_for_state, required, unless_gone,
};
use crate::classify::{step_error, unknown};
use aws_sdk_databasemigration::operation::create_endpoint::builders::CreateEndpointFluentBuilder;
use aws_sdk_databasemigration::types::{
    DmsSslModeValue, MicrosoftSqlServerSettings, MySqlSettings, OracleSettings, PostgreSqlSettings,
    ReplicationEndpointTypeValue, TargetDbType,
};
use landfall_domain::StepError;
use landfall_domain::plan::database::Engine;

/// The attribute that DMS runs as a statement on every connection to a MySQL target.
const INIT_STATEMENT: &str = "initstmt";

/// Tables are loaded side by side, in no order that foreign keys would bear.
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.MySQL.html>
const WITHOUT_FOREIGN_KEYS: &str = "SET FOREIGN_KEY_CHECKS=0";

impl Dms {
    /// Makes an endpoint. DMS reads the login from its secret by itself: no password passes through here.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_CreateEndpoint.html>
    pub async fn create_endpoint(&self, request: &EndpointRequest<'_>) -> Result<Made, StepError> {
        let side = request.side;
        let attributes = attributes(request);
        let call = self
            .client
            .create_endpoint()
            .endpoint_identifier(request.identifier)
            .endpoint_type(match request.role {
                EndpointRole::Source => ReplicationEndpointTypeValue::Source,
                EndpointRole::Target => ReplicationEndpointTypeValue::Target,
            })
            .engine_name(side.engine.as_str())
            .ssl_mode(DmsSslModeValue::from(side.ssl_mode.as_str()))
            .set_certificate_arn(side.certificate_arn.clone())
            .set_extra_connection_attributes((!attributes.is_empty()).then_some(attributes))
            .set_tags(Some(request.owner.tags()));
        let answer = engine_settings(call, request).send().await;
        made("CreateEndpoint", answer, |answer| answer.endpoint?.endpoint_arn)
    }

    /// The endpoint of that identifier.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeEndpoints.html>
    pub async fn endpoint(&self, identifier: &str) -> Result<Option<EndpointView>, StepError> {
        self.endpoint_by("endpoint-id", identifier).await
    }

    /// Deletes an endpoint; one that is gone, or being deleted, is no error. Its tasks have to be gone first.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DeleteEndpoint.html>
    pub async fn delete_endpoint(&self, arn: &str) -> Result<(), StepError> {
        let answer = self.client.delete_endpoint().endpoint_arn(arn).send().await;
        let Some(refusal) = refused_for_state("DeleteEndpoint", answer)? else {
            return Ok(());
        };
        match self.endpoint_by("endpoint-arn", arn).await? {
            None => Ok(()),
            Some(endpoint) if endpoint.status == DELETING => Ok(()),
            Some(_) => Err(refusal),
        }
    }

    async fn endpoint_by(&self, name: &str, value: &str) -> Result<Option<EndpointView>, StepError> {
        let answer = self
            .client
            .describe_endpoints()
            .filters(filter(name, value))
            .send()
            .await;
        let Some(answer) = unless_gone("DescribeEndpoints", answer)? else {
            return Ok(None);
        };
        let Some(endpoint) = answer.endpoints().first() else {
            return Ok(None);
        };
        let what = format!("endpoint {value}");
        Ok(Some(EndpointView {
            arn: required(endpoint.endpoint_arn(), "ARN", &what)?,
            status: required(endpoint.status(), "status", &what)?,
        }))
    }

    /// Begins a connection test. Repeating it tests again.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_TestConnection.html>
    pub async fn test_connection(&self, instance_arn: &str, endpoint_arn: &str) -> Result<(), StepError> {
        self.client
            .test_connection()
            .replication_instance_arn(instance_arn)
            .endpoint_arn(endpoint_arn)
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "TestConnection", error))?;
        Ok(())
    }

    /// How the connection test stands.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeConnections.html>
    pub async fn connection(&self, instance_arn: &str, endpoint_arn: &str) -> Result<ConnectionView, StepError> {
        let answer = self
            .client
            .describe_connections()
            .filters(filter("replication-instance-arn", instance_arn))
            .filters(filter("endpoint-arn", endpoint_arn))
            .send()
            .await;
        let answer = unless_gone("DescribeConnections", answer)?;
        let Some(connection) = answer.as_ref().and_then(|answer| answer.connections().first()) else {
            return Ok(ConnectionView::Untested);
        };
        let failure = || {
            connection
                .last_failure_message()
                .unwrap_or("DMS does not say why")
                .to_owned()
        };
        match connection.status() {
            Some("successful") => Ok(ConnectionView::Successful),
            Some("testing") => Ok(ConnectionView::Testing),
            Some("failed") => Ok(ConnectionView::Failed(failure())),
            Some(DELETING) => Ok(ConnectionView::Untested),
            other => Err(unknown(
                SERVICE,
                format!("the status of the connection to {endpoint_arn}"),
                other.unwrap_or("(absent)"),
            )),
        }
    }
}

/// Where the login is, and the database where the engine has more than one behind a login. A name would gather the tables
/// of all schemas in one MySQL database; without it they keep their own.
fn engine_settings(call: CreateEndpointFluentBuilder, request: &EndpointRequest<'_>) -> CreateEndpointFluentBuilder {
    let side = request.side;
    macro_rules! settings {
        ($kind:ident) => {
            $kind::builder()
                .secrets_manager_secret_id(side.dms_secret_arn.as_str())
                .secrets_manager_access_role_arn(&side.secrets_access_role_arn)
        };
    }
    let name = request.database_name;
    match side.engine {
        Engine::Postgres | Engine::AuroraPostgres => {
            call.postgre_sql_settings(settings!(PostgreSqlSettings).database_name(name).build())
        }
        Engine::Mysql | Engine::AuroraMysql | Engine::Mariadb => {
            let many = (request.role == EndpointRole::Target).then_some(TargetDbType::MultipleDatabases);
            call.my_sql_settings(settings!(MySqlSettings).set_target_db_type(many).build())
        }
        Engine::Oracle => call.oracle_settings(settings!(OracleSettings).database_name(name).build()),
        Engine::SqlServer => {
            call.microsoft_sql_server_settings(settings!(MicrosoftSqlServerSettings).database_name(name).build())
        }
    }
}

/// The plan's attributes as DMS takes them, `name=value` with semicolons between. A MySQL target is loaded without
/// foreign key checks, unless the plan says what its connections begin with.
fn attributes(request: &EndpointRequest<'_>) -> String {
    let planned = &request.side.extra_connection_attributes;
    let mut pairs: Vec<String> = planned.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mysql = matches!(
        request.side.engine,
        Engine::Mysql | Engine::AuroraMysql | Engine::Mariadb
    );
    let begun = planned.keys().any(|name| name.eq_ignore_ascii_case(INIT_STATEMENT));
    if mysql && request.role == EndpointRole::Target && !begun {
        pairs.push(format!("{INIT_STATEMENT}={WITHOUT_FOREIGN_KEYS}"));
    }
    pairs.join(";")
}
