//! Systems Manager: which hosts it reaches, and commands on them.

use crate::classify::{code_of, next_page, step_error, too_many_pages, unknown};
use aws_sdk_ssm::config::Config;
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::types::{
    CommandFilter, CommandFilterKey, CommandInvocation, CommandPlugin, InstanceInformationStringFilter, PingStatus,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use landfall_domain::StepError;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The service's name in errors.
const SERVICE: &str = "Systems Manager";

/// Hosts in one answer of `DescribeInstanceInformation`. Its filter takes 100 ids, so that one page holds them all.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeInstanceInformation.html>
const HOSTS_PER_CALL_MAX: usize = 50;

/// Items in one page of commands or invocations.
const ITEMS_PER_PAGE_MAX: i32 = 50;

/// Pages that are read of one list. For commands it is 2,000 since the time asked for; a command has one page of
/// invocations.
const PAGES_MAX: usize = 40;

/// The code for a host that is not, or not yet, managed.
const NOT_MANAGED: &str = "InvalidInstanceId";

/// The code for a parameter that does not exist.
const NO_PARAMETER: &str = "ParameterNotFound";

/// Systems Manager, in the domain's words.
#[derive(Debug, Clone)]
pub struct Ssm {
    client: aws_sdk_ssm::Client,
}

/// A command to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRequest {
    /// The document to run.
    pub document: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The hosts, `i-…` or `mi-…`, at most 50.
    pub instances: Vec<String>,
    /// What [`Ssm::find_command`] finds it by; at most 100 characters.
    pub comment: String,
    /// How long Systems Manager tries to deliver it, in seconds, 30 to 2,592,000. How long it may run is a parameter of
    /// the document.
    pub delivery_timeout_seconds: u32,
}

/// Why a command was not sent.
#[derive(Debug, Clone, PartialEq)]
pub enum SendRefusal {
    /// One of the hosts is not, or not yet, managed; none got the command. What Systems Manager said.
    NotManaged(String),
    /// Anything else. After [`StepError::ServiceUnavailable`] it may have been sent all the same.
    Other(StepError),
}

/// A command on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What became of it.
    pub outcome: InvocationOutcome,
    /// What its steps wrote, in their order. Systems Manager gives the first 2,500 characters of each.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CommandPlugin.html>
    pub output: String,
    /// When its last step stopped, as the agent on the host reported it.
    pub finished_at: Option<Timestamp>,
}

/// What became of a command on one host.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvocationOutcome {
    /// It waits, runs, or is being cancelled.
    Running,
    /// Every step succeeded.
    Succeeded,
    /// It ran and failed, ran out of time, or was cancelled; how.
    Failed(String),
    /// It never reached the host, so it changed nothing there; why.
    NotDelivered(String),
}

impl Ssm {
    /// Wraps a client.
    pub fn new(client: aws_sdk_ssm::Client) -> Self {
        Self { client }
    }

    /// A parameter's value, decrypted when it is a secret one; none when there is no such parameter.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>
    pub async fn parameter(&self, name: &str) -> Result<Option<String>, StepError> {
        const OPERATION: &str = "GetParameter";
        let answer = match self
            .client
            .get_parameter()
            .name(name)
            .with_decryption(true)
            .send()
            .await
        {
            Ok(answer) => answer,
            Err(error) if code_of(&error).as_deref() == Some(NO_PARAMETER) => return Ok(None),
            Err(error) => return Err(step_error(SERVICE, OPERATION, error)),
        };
        let value = answer.parameter.and_then(|parameter| parameter.value);
        value
            .map(Some)
            .ok_or_else(|| unknown(SERVICE, format!("the value of parameter {name}"), "(absent)"))
    }

    /// Sets a parameter that exists to a value, keeping its type.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>
    pub async fn put_parameter(&self, name: &str, value: &str) -> Result<(), StepError> {
        // Without a type it is the one that the parameter has; a parameter that does not exist is refused for want of it.
        self.client
            .put_parameter()
            .name(name)
            .value(value)
            .overwrite(true)
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "PutParameter", error))?;
        Ok(())
    }

    /// Those of the hosts whose agent is in touch now. A freshly launched instance appears once its agent has registered.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeInstanceInformation.html>
    pub async fn online(&self, ids: &[String]) -> Result<BTreeSet<String>, StepError> {
        let mut online = BTreeSet::new();
        let mut open: Vec<&[String]> = ids.chunks(HOSTS_PER_CALL_MAX).rev().collect();
        while let Some(some) = open.pop() {
            if !self.read_online(some, &mut online).await? {
                // An id that is not known fails the call as a whole; halved, it ends up alone, and is not online.
                let (first, second) = some.split_at(some.len() / 2);
                if !first.is_empty() {
                    open.extend([second, first]);
                }
            }
        }
        Ok(online)
    }

    /// False when Systems Manager refuses one of the ids.
    async fn read_online(&self, ids: &[String], online: &mut BTreeSet<String>) -> Result<bool, StepError> {
        const OPERATION: &str = "DescribeInstanceInformation";
        let filter = InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .set_values(Some(ids.to_vec()))
            .build()
            .expect("its required members are set");
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .describe_instance_information()
                .filters(filter.clone())
                .max_results(ITEMS_PER_PAGE_MAX)
                .set_next_token(token)
                .send()
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) if code_of(&error).as_deref() == Some(NOT_MANAGED) => return Ok(false),
                Err(error) => return Err(step_error(SERVICE, OPERATION, error)),
            };
            for host in page.instance_information_list() {
                if host.ping_status() == Some(&PingStatus::Online) {
                    online.extend(host.instance_id().map(str::to_owned));
                }
            }
            token = next_page(page.next_token);
            if token.is_none() {
                return Ok(true);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }

    /// Sends a command and returns its id. It has no client token, so the SDK does not send it again on its own: after
    /// [`StepError::ServiceUnavailable`] look for its comment with [`Ssm::find_command`] first.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html>
    pub async fn send(&self, request: &CommandRequest) -> Result<String, SendRefusal> {
        const OPERATION: &str = "SendCommand";
        let parameters: HashMap<_, _> = request.parameters.clone().into_iter().collect();
        let answer = self
            .client
            .send_command()
            .document_name(&request.document)
            .set_parameters((!parameters.is_empty()).then_some(parameters))
            .set_instance_ids(Some(request.instances.clone()))
            .comment(&request.comment)
            .timeout_seconds(i32::try_from(request.delivery_timeout_seconds).unwrap_or(i32::MAX))
            // By default the first host that fails keeps the command from those that have not begun.
            .max_errors("100%")
            .customize()
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        match answer {
            Ok(answer) => answer.command.and_then(|command| command.command_id).ok_or_else(|| {
                // It was accepted: as if the answer had been lost.
                SendRefusal::Other(StepError::ServiceUnavailable {
                    service: SERVICE,
                    operation: OPERATION,
                    message: "it accepted the call and named no command".to_owned(),
                })
            }),
            Err(error) if code_of(&error).as_deref() == Some(NOT_MANAGED) => Err(SendRefusal::NotManaged(
                error.message().unwrap_or(NOT_MANAGED).to_owned(),
            )),
            Err(error) => Err(SendRefusal::Other(step_error(SERVICE, OPERATION, error))),
        }
    }

    /// Finds a command by its whole comment among those sent at or after `since`, to the second; the newest, should there
    /// be several. A command that was sent a moment ago may not be listed yet.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListCommands.html>
    pub async fn find_command(&self, comment: &str, since: Timestamp) -> Result<Option<String>, StepError> {
        const OPERATION: &str = "ListCommands";
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .list_commands()
                .filters(invoked_after(since))
                .max_results(ITEMS_PER_PAGE_MAX)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            let found = page
                .commands()
                .iter()
                .find(|command| command.comment() == Some(comment));
            if let Some(id) = found.and_then(|command| command.command_id()) {
                return Ok(Some(id.to_owned()));
            }
            token = next_page(page.next_token);
            if token.is_none() {
                return Ok(None);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }

    /// What became of a command on each host, by host. Right after sending, hosts may be missing.
    /// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListCommandInvocations.html>
    pub async fn invocations(&self, command_id: &str) -> Result<BTreeMap<String, Invocation>, StepError> {
        const OPERATION: &str = "ListCommandInvocations";
        let mut invocations = BTreeMap::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .list_command_invocations()
                .command_id(command_id)
                .details(true)
                .max_results(ITEMS_PER_PAGE_MAX)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for shown in page.command_invocations() {
                let host = shown.instance_id();
                let host = host.ok_or_else(|| unknown(SERVICE, format!("the host of {command_id}"), "(absent)"))?;
                invocations.insert(host.to_owned(), invocation(shown, host)?);
            }
            token = next_page(page.next_token);
            if token.is_none() {
                return Ok(invocations);
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }
}

/// The filter takes whole seconds, so a part of a second is left out, which finds more rather than less.
fn invoked_after(since: Timestamp) -> CommandFilter {
    let second = Timestamp::from_second(since.as_second()).expect("a part of a timestamp is in range");
    CommandFilter::builder()
        .key(CommandFilterKey::InvokedAfter)
        .value(second.to_string())
        .build()
        .expect("its required members are set")
}

fn invocation(shown: &CommandInvocation, host: &str) -> Result<Invocation, StepError> {
    let steps = shown.command_plugins();
    let status = shown.status().map_or("(absent)", |status| status.as_str());
    let outcome = outcome(status, shown.status_details().unwrap_or_default(), steps)
        .ok_or_else(|| unknown(SERVICE, format!("the status of a command on {host}"), status))?;
    let finished_at = steps
        .iter()
        .filter_map(|step| step.response_finish_date_time())
        .map(|at| Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).unwrap_or(0)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unknown(SERVICE, format!("the end of a command on {host}"), error.to_string()))?
        .into_iter()
        .max();
    let output = steps
        .iter()
        .filter_map(|step| step.output())
        .filter(|text| !text.is_empty());
    Ok(Invocation {
        outcome,
        output: output.collect::<Vec<_>>().join("\n"),
        finished_at,
    })
}

/// Reads the status; [`None`] when it is not known. The details tell a host that failed from one that never got the
/// command. Documentation writes them with spaces ("Delivery Timed Out"), answers without.
fn outcome(status: &str, details: &str, steps: &[CommandPlugin]) -> Option<InvocationOutcome> {
    let details: String = details.chars().filter(|character| *character != ' ').collect();
    match status {
        "Pending" | "InProgress" | "Delayed" | "Cancelling" => Some(InvocationOutcome::Running),
        "Success" => Some(InvocationOutcome::Succeeded),
        "Failed" | "TimedOut" | "Cancelled" => Some(match details.as_str() {
            "Undeliverable" | "DeliveryTimedOut" | "Terminated" | "InvalidPlatform" | "AccessDenied" => {
                InvocationOutcome::NotDelivered(details)
            }
            "" => InvocationOutcome::Failed(failure(status, steps)),
            details => InvocationOutcome::Failed(failure(details, steps)),
        }),
        _ => None,
    }
}

/// The failure with the first step that failed, when one did.
fn failure(word: &str, steps: &[CommandPlugin]) -> String {
    let failed = steps
        .iter()
        .find(|step| step.status().is_some_and(|status| status.as_str() == "Failed"));
    match failed {
        Some(step) => format!(
            "{word}: step {} ended with code {}",
            step.name().unwrap_or("(unnamed)"),
            step.response_code()
        ),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mgn::canned::{Canned, json};

    fn request() -> CommandRequest {
        CommandRequest {
            document: "AWS-RunShellScript".into(),
            parameters: BTreeMap::from([("commands".into(), vec!["true".into()])]),
            instances: vec!["i-00000001".into()],
            comment: "landfall w 1".into(),
            delivery_timeout_seconds: 60,
        }
    }

    #[test]
    fn a_command_that_never_reached_its_host_is_not_one_that_failed_there() {
        use InvocationOutcome::{Failed, NotDelivered, Running, Succeeded};
        let read = |status, details| outcome(status, details, &[]).unwrap();
        for status in ["Pending", "InProgress", "Delayed", "Cancelling"] {
            assert_eq!(read(status, status), Running);
        }
        assert_eq!(read("Success", "Success"), Succeeded);
        assert_eq!(read("Failed", "Undeliverable"), NotDelivered("Undeliverable".into()));
        for details in ["DeliveryTimedOut", "Delivery Timed Out"] {
            assert_eq!(read("TimedOut", details), NotDelivered("DeliveryTimedOut".into()));
        }
        assert_eq!(read("Cancelled", "Terminated"), NotDelivered("Terminated".into()));
        assert_eq!(
            read("TimedOut", "Execution Timed Out"),
            Failed("ExecutionTimedOut".into())
        );
        assert_eq!(read("Failed", "Failed"), Failed("Failed".into()));
        assert_eq!(read("Cancelled", ""), Failed("Cancelled".into()));
        assert_eq!(outcome("Paused", "Paused", &[]), None);
    }

    #[tokio::test]
    async fn an_invocation_is_read_with_output_reason_and_end() {
        let step = |name: &str, status: &str, code: i32, at: &str, output: &str| {
            format!(
                r#"{{"Name":"{name}","Status":"{status}","ResponseCode":{code},"Output":"{output}","ResponseFinishDateTime":{at}}}"#
            )
        };
        let steps = [
            step("first", "Success", 0, "1768010402.5", "one"),
            step("second", "Failed", 3, "1768010400", "two"),
        ];
        let body = format!(
            r#"{{"CommandInvocations":[{{"InstanceId":"i-00000001","Status":"Failed","StatusDetails":"Failed",
                "CommandPlugins":[{}]}}]}}"#,
            steps.join(",")
        );
        let ssm = Ssm::new(Canned::new([json(200, body)]).ssm());
        let invocations = ssm.invocations("c").await.unwrap();
        let invocation = &invocations["i-00000001"];
        assert_eq!(
            invocation.outcome,
            InvocationOutcome::Failed("Failed: step second ended with code 3".into())
        );
        assert_eq!(invocation.output, "one\ntwo");
        assert_eq!(invocation.finished_at, Some("2026-01-10T02:00:02.5Z".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_status_that_is_not_known_is_an_error() {
        let body = r#"{"CommandInvocations":[{"InstanceId":"i-00000001","Status":"Paused"}]}"#;
        let ssm = Ssm::new(Canned::new([json(200, body)]).ssm());
        assert_eq!(ssm.invocations("c").await.unwrap_err().name(), "UnknownValue");
    }

    #[tokio::test]
    async fn a_host_that_is_not_managed_is_told_from_a_refused_command() {
        let refused = |code: &str| json(400, format!(r#"{{"__type":"{code}","message":"said"}}"#));
        let ssm = Ssm::new(Canned::new([refused(NOT_MANAGED), refused("InvalidDocument")]).ssm());
        assert_eq!(ssm.send(&request()).await, Err(SendRefusal::NotManaged("said".into())));
        let Err(SendRefusal::Other(error)) = ssm.send(&request()).await else {
            panic!("an unknown document is another refusal");
        };
        assert_eq!(error.name(), "ServiceRefused");
    }

    #[tokio::test]
    async fn a_command_whose_answer_was_lost_is_not_sent_again() {
        let aws = Canned::new([None, json(200, r#"{"Command":{"CommandId":"c"}}"#)]).with_retries();
        let ssm = Ssm::new(aws.ssm());
        assert!(matches!(ssm.send(&request()).await, Err(SendRefusal::Other(_))));
        assert_eq!(aws.requests().len(), 1);
        assert_eq!(ssm.send(&request()).await, Ok("c".to_owned()));
    }

    #[tokio::test]
    async fn a_command_is_found_by_its_whole_comment_on_any_page() {
        let command = |id: &str, comment: &str| format!(r#"{{"CommandId":"{id}","Comment":"{comment}"}}"#);
        let first = format!(
            r#"{{"Commands":[{}],"NextToken":"t"}}"#,
            command("other", "landfall w 10")
        );
        let second = format!(r#"{{"Commands":[{}]}}"#, command("ours", "landfall w 1"));
        let aws = Canned::new([json(200, first), json(200, second), json(200, r#"{"Commands":[]}"#)]);
        let ssm = Ssm::new(aws.ssm());
        let since = "2026-01-10T02:00:00.9Z".parse().unwrap();
        assert_eq!(ssm.find_command("landfall w 1", since).await, Ok(Some("ours".into())));
        assert_eq!(ssm.find_command("landfall w 1", since).await, Ok(None));
        assert!(aws.requests()[0].contains("2026-01-10T02:00:00Z"));
    }

    #[tokio::test]
    async fn only_hosts_in_touch_are_online_and_an_unknown_one_hides_none() {
        let host = |id: &str, ping: &str| {
            let host = format!(r#"{{"InstanceId":"{id}","PingStatus":"{ping}"}}"#);
            json(200, format!(r#"{{"InstanceInformationList":[{host}]}}"#))
        };
        let refused = || json(400, format!(r#"{{"__type":"{NOT_MANAGED}"}}"#));
        let aws = Canned::new([refused(), host("i-00000001", "Online"), refused()]);
        let ids = ["i-00000001".to_owned(), "i-00000002".to_owned()];
        let online = Ssm::new(aws.ssm()).online(&ids).await.unwrap();
        assert_eq!(online, BTreeSet::from([ids[0].clone()]));
        let lost = Ssm::new(Canned::new([host("i-00000001", "ConnectionLost")]).ssm());
        assert!(lost.online(&ids[..1]).await.unwrap().is_empty());
    }
}
