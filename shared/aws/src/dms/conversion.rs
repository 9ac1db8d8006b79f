//! Schema conversion: assessment, conversion, export to the target.
//!
//! A request has no identifier of the caller's choice, and no answer says when it was made. So the SDK does not send one
//! again on its own, and after a lost answer only a request that is still open can be told to be ours: one migration
//! project takes one request of a kind at a time. One that ended meanwhile is asked for again, which reads and writes the
//! same schemas once more and changes nothing else.

use super::{Conversion, ConversionView, Dms, PAGES_MAX, SERVICE, filter, required, unless_gone};
use crate::classify::{next_page, step_error, too_many_pages};
use aws_sdk_databasemigration::config::Config;
use aws_sdk_databasemigration::config::retry::RetryConfig;
use aws_sdk_databasemigration::types::{Filter, SchemaConversionRequest};
use jiff::Timestamp;
use landfall_domain::StepError;
use serde_json::Value;

/// Statuses of a request that is not over.
const OPEN: [&str; 3] = ["RECEIVED", "IN_PROGRESS", "CANCELING"];

impl Dms {
    /// Begins a part of a schema conversion; the request's identifier. After [`StepError::ServiceUnavailable`] look with
    /// [`Dms::conversion_since`] first.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_StartMetadataModelConversion.html>
    pub async fn start_conversion(
        &self,
        project: &str,
        part: Conversion,
        selection_rules: &Value,
    ) -> Result<String, StepError> {
        let rules = selection_rules.to_string();
        macro_rules! start {
            ($call:ident, $operation:literal) => {{
                let once = Config::builder().retry_config(RetryConfig::disabled());
                let call = self.client.$call().migration_project_identifier(project);
                let sent = call
                    .selection_rules(rules)
                    .customize()
                    .config_override(once)
                    .send()
                    .await;
                let answer = sent.map_err(|error| step_error(SERVICE, $operation, error))?;
                (answer.request_identifier, $operation)
            }};
        }
        let (identifier, operation) = match part {
            Conversion::Assessment => start!(start_metadata_model_assessment, "StartMetadataModelAssessment"),
            Conversion::Conversion => start!(start_metadata_model_conversion, "StartMetadataModelConversion"),
            Conversion::ExportToTarget => {
                start!(
                    start_metadata_model_export_to_target,
                    "StartMetadataModelExportToTarget"
                )
            }
        };
        identifier.ok_or(StepError::ServiceUnavailable {
            service: SERVICE,
            operation,
            message: "it accepted the call and named no request".to_owned(),
        })
    }

    /// How a part of a schema conversion stands.
    /// <https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeMetadataModelConversions.html>
    pub async fn conversion(
        &self,
        project: &str,
        part: Conversion,
        request: &str,
    ) -> Result<Option<ConversionView>, StepError> {
        let requests = self
            .requests(project, part, Some(filter("request-id", request)))
            .await?;
        let found = requests
            .iter()
            .find(|shown| shown.request_identifier() == Some(request));
        let Some(found) = found else { return Ok(None) };
        let said = found.error().and_then(|error| error.as_default_error_details().ok());
        Ok(Some(ConversionView {
            status: required(
                found.status(),
                "status",
                &format!("schema conversion request {request}"),
            )?,
            error: said.and_then(|said| said.message()).map(str::to_owned),
        }))
    }

    /// The request of that part that is open now: for an intent, put on record at `since`, whose answer was lost. DMS shows
    /// no times, so a request that is over is never taken for it.
    pub async fn conversion_since(
        &self,
        project: &str,
        part: Conversion,
        since: Timestamp,
    ) -> Result<Option<String>, StepError> {
        tracing::debug!(project, %since, "looking for an open request of a schema conversion");
        let requests = self.requests(project, part, None).await?;
        let open = requests
            .iter()
            .find(|shown| shown.status().is_some_and(|status| OPEN.contains(&status)));
        Ok(open.and_then(|open| open.request_identifier()).map(str::to_owned))
    }

    async fn requests(
        &self,
        project: &str,
        part: Conversion,
        filter: Option<Filter>,
    ) -> Result<Vec<SchemaConversionRequest>, StepError> {
        let (mut requests, mut marker) = (Vec::new(), None);
        macro_rules! page {
            ($call:ident, $operation:literal) => {{
                let call = self.client.$call().migration_project_identifier(project);
                let filters = filter.clone().map(|filter| vec![filter]);
                let answer = call.set_filters(filters).set_marker(marker).send().await;
                match unless_gone($operation, answer)? {
                    Some(page) => (page.requests.unwrap_or_default(), page.marker),
                    None => return Ok(requests),
                }
            }};
        }
        for _ in 0..PAGES_MAX {
            let (found, next) = match part {
                Conversion::Assessment => {
                    page!(describe_metadata_model_assessments, "DescribeMetadataModelAssessments")
                }
                Conversion::Conversion => {
                    page!(describe_metadata_model_conversions, "DescribeMetadataModelConversions")
                }
                Conversion::ExportToTarget => {
                    page!(
                        describe_metadata_model_exports_to_target,
                        "DescribeMetadataModelExportsToTarget"
                    )
                }
            };
            requests.extend(found);
            marker = next_page(next);
            if marker.is_none() {
                return Ok(requests);
            }
        }
        Err(too_many_pages(SERVICE, "DescribeMetadataModel…", PAGES_MAX))
    }
}
