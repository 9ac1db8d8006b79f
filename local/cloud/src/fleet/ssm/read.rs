//! ListCommands, ListCommandInvocations, GetCommandInvocation.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::documents;
use super::{Command, Invocation, State, refusal};
use crate::fleet::members::{Members, not_simulated, page};
use crate::fleet::times;
use crate::fleet::{Fleet, Scene};
use crate::hub::AwsError;

/// The first so many characters of a plugin's output are kept in ListCommandInvocations.
const PLUGIN_OUTPUT: usize = 2_500;
/// And so many in GetCommandInvocation.
const INVOCATION_OUTPUT: usize = 24_000;

/// `Filters` of commands.
struct Filters {
    invoked_after: Option<Timestamp>,
    invoked_before: Option<Timestamp>,
    status: Option<String>,
    document: Option<String>,
}

impl Filters {
    fn of(operation: &str, request: &Members<'_>) -> Result<Filters, AwsError> {
        let mut filters = Filters {
            invoked_after: None,
            invoked_before: None,
            status: None,
            document: None,
        };
        for filter in request.list("Filters")? {
            let members = Members::of("ssm", &format!("{operation} Filters"), filter, &["key", "value"])?;
            let value = members.required("value")?;
            match members.required("key")? {
                "InvokedAfter" => filters.invoked_after = Some(date(value)?),
                "InvokedBefore" => filters.invoked_before = Some(date(value)?),
                "Status" => filters.status = Some(value.to_owned()),
                "DocumentName" => filters.document = Some(value.to_owned()),
                other => return Err(not_simulated(format_args!("ssm:{operation} filter {other}"))),
            }
        }
        Ok(filters)
    }

    fn pass(&self, command: &Command, status: &str) -> bool {
        self.invoked_after.is_none_or(|after| command.requested_at >= after)
            && self.invoked_before.is_none_or(|before| command.requested_at < before)
            && self.status.as_ref().is_none_or(|wanted| wanted == status)
            && self.document.as_ref().is_none_or(|wanted| *wanted == command.document)
    }
}

fn date(text: &str) -> Result<Timestamp, AwsError> {
    times::parse(text).ok_or_else(|| refusal("InvalidFilterKey", format!("{text} is no date")))
}

/// ListCommands, newest first.
pub(super) fn list_commands(fleet: &Fleet, body: &Value) -> Result<Value, AwsError> {
    let operation = "ListCommands";
    let known = ["CommandId", "InstanceId", "MaxResults", "NextToken", "Filters"];
    let request = Members::of("ssm", operation, body, &known)?;
    let (id, node) = (request.text("CommandId")?, request.text("InstanceId")?);
    let filters = Filters::of(operation, &request)?;
    let most = request.number("MaxResults", 1, 50)?.map(|most| most as usize);
    let token = request.text("NextToken")?;
    fleet.with(|world, scene| {
        let chosen = world.commands.iter().rev().filter(|command| {
            visible(scene, command)
                && id.is_none_or(|id| command.id == id)
                && node.is_none_or(|node| command.invocations.iter().any(|one| one.node == node))
                && filters.pass(command, command.status().0)
        });
        let (rows, next) = page(chosen.collect(), token, most, scene.knobs.ssm_page).ok_or_else(bad_token)?;
        let rows: Vec<Value> = rows.into_iter().map(render_command).collect();
        Ok(with_token(json!({"Commands": rows}), next))
    })
}

/// ListCommandInvocations, newest command first; the plugins' output only with `Details`.
pub(super) fn list_invocations(fleet: &Fleet, body: &Value) -> Result<Value, AwsError> {
    let operation = "ListCommandInvocations";
    let known = [
        "CommandId",
        "InstanceId",
        "MaxResults",
        "NextToken",
        "Filters",
        "Details",
    ];
    let request = Members::of("ssm", operation, body, &known)?;
    let (id, node) = (request.text("CommandId")?, request.text("InstanceId")?);
    let filters = Filters::of(operation, &request)?;
    let details = request.flag("Details")?.unwrap_or(false);
    let most = request.number("MaxResults", 1, 50)?.map(|most| most as usize);
    let token = request.text("NextToken")?;
    fleet.with(|world, scene| {
        let commands = world.commands.iter().rev();
        let commands = commands.filter(|command| visible(scene, command) && id.is_none_or(|id| command.id == id));
        let rows = commands.flat_map(|command| command.invocations.iter().map(move |invocation| (command, invocation)));
        let chosen = rows.filter(|(command, invocation)| {
            node.is_none_or(|node| invocation.node == node) && filters.pass(command, invocation.state.status())
        });
        let (rows, next) = page(chosen.collect(), token, most, scene.knobs.ssm_page).ok_or_else(bad_token)?;
        let rows: Vec<Value> = rows
            .into_iter()
            .map(|(command, invocation)| render_invocation(command, invocation, details))
            .collect();
        Ok(with_token(json!({"CommandInvocations": rows}), next))
    })
}

/// GetCommandInvocation; InvocationDoesNotExist for a while after SendCommand.
pub(super) fn get_invocation(fleet: &Fleet, body: &Value) -> Result<Value, AwsError> {
    let known = ["CommandId", "InstanceId", "PluginName"];
    let request = Members::of("ssm", "GetCommandInvocation", body, &known)?;
    let (id, node) = (request.required("CommandId")?, request.required("InstanceId")?);
    let plugin = request.text("PluginName")?;
    fleet.with(|world, scene| {
        let command = world
            .commands
            .iter()
            .find(|command| command.id == id && visible(scene, command));
        let found = command.and_then(|command| {
            let invocation = command.invocations.iter().find(|one| one.node == node)?;
            Some((command, invocation))
        });
        let (command, invocation) = found.ok_or_else(|| {
            refusal(
                "InvocationDoesNotExist",
                "The command ID and managed node ID you specified didn't match any invocations.",
            )
        })?;
        if plugin.is_some_and(|plugin| plugin != documents::plugin(&command.document)) {
            return Err(refusal("InvalidPluginName", "The plugin name isn't valid."));
        }
        Ok(render_one(command, invocation))
    })
}

fn visible(scene: &Scene, command: &Command) -> bool {
    scene.now >= command.visible_at
}

fn bad_token() -> AwsError {
    refusal("InvalidNextToken", "The specified token isn't valid.")
}

fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}

/// `Command`.
pub(super) fn render_command(command: &Command) -> Value {
    let (status, details) = command.status();
    let count = |wanted: &[State]| {
        command
            .invocations
            .iter()
            .filter(|one| wanted.contains(&one.state))
            .count()
    };
    let ended = command.invocations.iter().filter(|one| one.state.ended()).count();
    let expires = command.requested_at + std::time::Duration::from_secs(command.timeout_s);
    let nodes: Vec<&str> = command.invocations.iter().map(|one| one.node.as_str()).collect();
    json!({
        "CommandId": command.id,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "Comment": command.comment,
        "ExpiresAfter": times::epoch_seconds(expires),
        "Parameters": command.parameters,
        "InstanceIds": nodes,
        "Targets": [],
        "RequestedDateTime": times::epoch_seconds(command.requested_at),
        "Status": status,
        "StatusDetails": details,
        "MaxConcurrency": "50",
        "MaxErrors": "0",
        "TargetCount": command.invocations.len(),
        "CompletedCount": ended,
        "ErrorCount": count(&[State::Failed, State::ExecutionTimedOut]),
        "DeliveryTimedOutCount": count(&[State::DeliveryTimedOut]),
        "TimeoutSeconds": command.timeout_s,
    })
}

fn render_invocation(command: &Command, invocation: &Invocation, details: bool) -> Value {
    let plugins = if details {
        vec![render_plugin(command, invocation)]
    } else {
        Vec::new()
    };
    json!({
        "CommandId": command.id,
        "InstanceId": invocation.node,
        "InstanceName": "",
        "Comment": command.comment,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "RequestedDateTime": times::epoch_seconds(command.requested_at),
        "Status": invocation.state.status(),
        "StatusDetails": invocation.state.details(),
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": plugins,
    })
}

fn render_plugin(command: &Command, invocation: &Invocation) -> Value {
    let mut output = invocation.output.clone();
    if !invocation.error.is_empty() {
        output.push_str("\n----------ERROR-------\n");
        output.push_str(&invocation.error);
    }
    let mut plugin = json!({
        "Name": documents::plugin(&command.document),
        "Status": invocation.state.status(),
        "StatusDetails": invocation.state.details(),
        "ResponseCode": invocation.code,
        "Output": first(&output, PLUGIN_OUTPUT),
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
    });
    for (name, at) in [
        ("ResponseStartDateTime", invocation.started_at),
        ("ResponseFinishDateTime", invocation.finished_at),
    ] {
        if let Some(at) = at {
            plugin[name] = times::epoch_seconds(at);
        }
    }
    plugin
}

fn render_one(command: &Command, invocation: &Invocation) -> Value {
    // Times are strings here, and empty ones before the start and the end.
    let text = |at: Option<Timestamp>| at.map(times::zulu).unwrap_or_default();
    let elapsed = match (invocation.started_at, invocation.finished_at) {
        (Some(from), Some(to)) => format!("PT{:.3}S", to.duration_since(from).as_secs_f64()),
        _ => String::new(),
    };
    json!({
        "CommandId": command.id,
        "InstanceId": invocation.node,
        "Comment": command.comment,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "PluginName": documents::plugin(&command.document),
        "ResponseCode": invocation.code,
        "ExecutionStartDateTime": text(invocation.started_at),
        "ExecutionElapsedTime": elapsed,
        "ExecutionEndDateTime": text(invocation.finished_at),
        "Status": invocation.state.status(),
        "StatusDetails": invocation.state.details(),
        "StandardOutputContent": first(&invocation.output, INVOCATION_OUTPUT),
        "StandardOutputUrl": "",
        "StandardErrorContent": first(&invocation.error, INVOCATION_OUTPUT),
        "StandardErrorUrl": "",
    })
}

fn first(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
