//! SendCommand, and what a command then does on each of its hosts.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::documents::{self, Parameters, Ran};
use super::nodes::{self, Node};
use super::read;
use super::{Command, Invocation, State, refusal};
use crate::fleet::members::{Members, invalid, not_simulated, texts_of};
use crate::fleet::script::CommandOutcome;
use crate::fleet::world::World;
use crate::fleet::{Fleet, Scene};
use crate::hub::AwsError;

/// From SendCommand to the agent's start.
const DELIVERY: Duration = Duration::from_millis(400);
/// How often an undelivered command is tried again.
const REDELIVERY: Duration = Duration::from_secs(10);

/// SendCommand. All hosts must be known and running, or the whole call is refused; there is no client token, so a second
/// call is a second command.
pub(super) fn send(fleet: &Fleet, body: &Value) -> Result<Value, AwsError> {
    let operation = "SendCommand";
    let known = [
        "InstanceIds",
        "DocumentName",
        "DocumentVersion",
        "Parameters",
        "Comment",
        "TimeoutSeconds",
        "MaxConcurrency",
        "MaxErrors",
    ];
    let request = Members::of("ssm", operation, body, &known)?;
    let nodes = request.texts("InstanceIds")?.unwrap_or_default();
    if nodes.is_empty() || nodes.len() > 50 {
        return Err(invalid(format!(
            "InstanceIds must hold 1 to 50 ids, not {}",
            nodes.len()
        )));
    }
    let document = request.required("DocumentName")?.to_owned();
    if let Some(version) = request.text("DocumentVersion")?
        && !matches!(version, "$DEFAULT" | "$LATEST" | "1")
    {
        return Err(not_simulated(format_args!("ssm:SendCommand DocumentVersion {version}")));
    }
    for name in ["MaxConcurrency", "MaxErrors"] {
        request.text(name)?;
    }
    let comment = request.text("Comment")?.unwrap_or_default().to_owned();
    if comment.chars().count() > 100 {
        return Err(invalid("Comment must have at most 100 characters"));
    }
    let timeout_s = request.number("TimeoutSeconds", 30, 2_592_000)?.unwrap_or(3600) as u64;
    let parameters = parameters(request.value("Parameters"))?;
    let (id, answer) = fleet.with(|world, scene| {
        documents::check(
            &document,
            &parameters,
            world.documents.get(&document).map(AsRef::as_ref),
        )?;
        check_nodes(world, scene, &nodes, &document)?;
        let command = Command {
            id: scene.uuid(),
            comment,
            document,
            parameters,
            timeout_s,
            requested_at: scene.now,
            visible_at: scene.now + scene.knobs.ssm_invocation_delay,
            invocations: nodes.iter().map(|node| Invocation::sent_to(node)).collect(),
        };
        let answer = json!({"Command": read::render_command(&command)});
        let id = command.id.clone();
        world.commands.push(command);
        Ok::<_, AwsError>((id, answer))
    })?;
    for place in 0..nodes.len() {
        tokio::spawn(invoke(fleet.clone(), id.clone(), place, Duration::from_secs(timeout_s)));
    }
    Ok(answer)
}

fn parameters(value: Option<&Value>) -> Result<Parameters, AwsError> {
    let Some(value) = value else {
        return Ok(Parameters::new());
    };
    let map = value.as_object().ok_or_else(|| invalid("Parameters must be a map"))?;
    map.iter()
        .map(|(name, values)| {
            let values =
                texts_of(values).ok_or_else(|| invalid(format!("parameter {name} must be a list of strings")))?;
            Ok((name.clone(), values))
        })
        .collect()
}

fn check_nodes(world: &World, scene: &Scene, ids: &[String], document: &str) -> Result<(), AwsError> {
    let mut invalid_ids = Vec::new();
    for id in ids {
        // A node that lost its connection still takes commands; an instance that is not running does not.
        let running = world
            .instances
            .get(id)
            .is_none_or(|one| one.state(scene.now) == crate::fleet::words::InstanceState::Running);
        match nodes::find(world, scene, id) {
            Some(node) if running => check_platform(world, &node, document)?,
            _ => invalid_ids.push(id.clone()),
        }
    }
    if invalid_ids.is_empty() {
        Ok(())
    } else {
        Err(nodes::invalid_instance(&invalid_ids, scene))
    }
}

fn check_platform(world: &World, node: &Node, document: &str) -> Result<(), AwsError> {
    let windows = world.servers.get(&node.server).is_some_and(nodes::is_windows);
    let wrong = match document {
        "AWS-RunShellScript" => windows,
        "AWS-RunPowerShellScript" => !windows,
        _ => false,
    };
    if wrong {
        let message = format!("Document {document} does not support the platform of {}", node.id);
        return Err(refusal("UnsupportedPlatformType", message));
    }
    Ok(())
}

impl Invocation {
    fn sent_to(node: &str) -> Invocation {
        Invocation {
            node: node.to_owned(),
            state: State::Pending,
            code: -1,
            output: String::new(),
            error: String::new(),
            started_at: None,
            finished_at: None,
        }
    }

    fn end(&mut self, scene: &Scene, state: State) {
        self.state = state;
        self.finished_at = Some(scene.now);
    }
}

/// What follows once a command has reached its host.
struct Delivered {
    scripted: Option<(CommandOutcome, bool)>,
    /// How long it runs.
    runs: Duration,
    /// What it does, when it is a document of somebody's own.
    own: Option<Pin<Box<dyn Future<Output = Ran> + Send>>>,
}

/// One command on one host, from sending to its end.
async fn invoke(fleet: Fleet, command: String, place: usize, timeout: Duration) {
    let sent = tokio::time::Instant::now();
    tokio::time::sleep(DELIVERY).await;
    let delivered = loop {
        match fleet.with(|world, scene| deliver(world, scene, &command, place)) {
            Some(delivered) => break delivered,
            None if sent.elapsed() >= timeout => {
                return fleet.with(|world, scene| end(world, scene, &command, place, State::DeliveryTimedOut));
            }
            None => tokio::time::sleep_until((tokio::time::Instant::now() + REDELIVERY).min(sent + timeout)).await,
        }
    };
    let ended_by_script = match delivered.scripted {
        Some((CommandOutcome::Undeliverable, _)) => Some((Duration::ZERO, State::Undeliverable)),
        Some((CommandOutcome::DeliveryTimedOut, _)) => {
            Some((timeout.saturating_sub(sent.elapsed()), State::DeliveryTimedOut))
        }
        Some((CommandOutcome::ExecutionTimedOut, _)) => Some((delivered.runs, State::ExecutionTimedOut)),
        Some((CommandOutcome::Terminated, _)) => Some((Duration::ZERO, State::Terminated)),
        Some((CommandOutcome::Cancelled, _)) => Some((delivered.runs, State::Cancelled)),
        Some((CommandOutcome::Hangs, _)) => return,
        Some((CommandOutcome::Exit { .. }, _)) | None => None,
    };
    let applied = delivered.scripted.as_ref().is_none_or(|(_, applied)| *applied);
    let own = delivered.own.filter(|_| applied);
    match ended_by_script {
        Some((wait, state)) => {
            match own {
                Some(own) => drop(own.await),
                None if applied => drop(fleet.with(|world, scene| run(world, scene, &command, place))),
                None => {}
            }
            tokio::time::sleep(wait).await;
            fleet.with(|world, scene| end(world, scene, &command, place, state));
        }
        None => {
            tokio::time::sleep(delivered.runs).await;
            let ran = match own {
                Some(own) => Some(own.await),
                None => None,
            };
            fleet.with(|world, scene| finish(world, scene, &command, place, delivered.scripted, ran));
        }
    }
}

fn command_mut<'w>(world: &'w mut World, id: &str) -> Option<&'w mut Command> {
    world.commands.iter_mut().find(|command| command.id == id)
}

/// Hands the command to its host, if the host can be reached.
fn deliver(world: &mut World, scene: &Scene, id: &str, place: usize) -> Option<Delivered> {
    let command = command_mut(world, id)?;
    let (document, parameters) = (command.document.clone(), command.parameters.clone());
    let node_id = command.invocations[place].node.clone();
    let node = nodes::find(world, scene, &node_id).filter(|node| node.online)?;
    let text = documents::text(&document, &parameters);
    let scripted = world.scripts.command(&node.server, node.kind, &text, scene.now);
    let reached = !matches!(
        scripted,
        Some((
            CommandOutcome::Undeliverable | CommandOutcome::DeliveryTimedOut | CommandOutcome::Terminated,
            _
        ))
    );
    if reached {
        let invocation = &mut command_mut(world, id)?.invocations[place];
        invocation.state = State::InProgress;
        invocation.started_at = Some(scene.now);
    }
    let runs = match scripted {
        Some((CommandOutcome::ExecutionTimedOut, _)) => {
            Duration::from_secs(documents::execution_timeout_s(&parameters))
        }
        _ => scene.pick(scene.knobs.ssm_command),
    };
    let own = world.documents.get(&document).filter(|_| reached);
    let given = parameters
        .iter()
        .filter_map(|(name, values)| Some((name.clone(), values.first()?.clone())));
    let own = own.map(|own| own.run(given.collect()));
    Some(Delivered { scripted, runs, own })
}

/// Runs the document on the host. None if the host has gone meanwhile.
fn run(world: &mut World, scene: &Scene, id: &str, place: usize) -> Option<Ran> {
    let command = command_mut(world, id)?;
    let (document, parameters) = (command.document.clone(), command.parameters.clone());
    let node_id = command.invocations[place].node.clone();
    let node = nodes::find(world, scene, &node_id).filter(|node| node.online)?;
    let host = nodes::host_mut(world, &node)?;
    let mut state = host.state().clone();
    let ran = documents::run(&document, &parameters, &mut state);
    if state != *host.state() {
        host.become_state(state, scene.now, scene.pick(scene.knobs.drain));
    }
    Some(ran)
}

/// The end of a command that came to one by itself. `own`: what a document of somebody's own did.
fn finish(
    world: &mut World,
    scene: &Scene,
    id: &str,
    place: usize,
    scripted: Option<(CommandOutcome, bool)>,
    own: Option<Ran>,
) {
    let (code, output) = match scripted {
        Some((CommandOutcome::Exit { code, output }, applied)) => {
            if applied && own.is_none() {
                run(world, scene, id, place);
            }
            (code, output)
        }
        _ => match own.or_else(|| run(world, scene, id, place)) {
            Some(ran) => (ran.code, ran.output),
            // The host went away under the command: nobody reports an exit code.
            None => return end(world, scene, id, place, State::Failed),
        },
    };
    let Some(command) = command_mut(world, id) else { return };
    let invocation = &mut command.invocations[place];
    invocation.code = code;
    invocation.output = output;
    if code != 0 {
        invocation.error = format!("failed to run commands: exit status {code}");
    }
    invocation.end(scene, if code == 0 { State::Success } else { State::Failed });
}

fn end(world: &mut World, scene: &Scene, id: &str, place: usize, state: State) {
    if let Some(command) = command_mut(world, id) {
        command.invocations[place].end(scene, state);
    }
}
