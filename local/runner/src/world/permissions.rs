//! Who may do what: the roles of the template hold in every world. A call that no statement of its caller's role allows
//! is refused as AWS would, and what nobody used is known at the end.

use super::{ACCOUNT, REGION, TABLE, World};
use crate::world::functions::FUNCTIONS;
use iam::{Permissions, Principal, Request, ResourcePolicies, Roles, Stack, Template, Wiring};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The rule by which Step Functions hears of children that it waits for.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/stepfunctions-iam.html>
const EVENTS_RULE: &str = "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule";

/// The template of this repository, for a stack of the world's name.
fn template() -> Result<Template, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let stack = Stack {
        name: TABLE.to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        parameters: BTreeMap::new(),
    };
    Template::read(&text, stack)
}

/// What the template says, read once.
#[derive(Debug)]
struct Deployed {
    roles: Roles,
    resources: ResourcePolicies,
    wiring: Wiring,
}

impl Deployed {
    fn read() -> Result<Self, String> {
        let template = template()?;
        let wiring = Wiring::of_template(&template)?;
        Ok(Self {
            roles: Roles::of_template(&template)?,
            resources: ResourcePolicies::of_template(&template, &wiring)?,
            wiring,
        })
    }

    /// # Panics
    /// When the template says something that cannot be evaluated here.
    fn get() -> &'static Self {
        static DEPLOYED: OnceLock<Result<Deployed, String>> = OnceLock::new();
        let deployed = DEPLOYED.get_or_init(Self::read);
        deployed.as_ref().unwrap_or_else(|why| panic!("template.yaml: {why}"))
    }
}

/// The rules and schedules of the template.
pub(super) fn wiring() -> &'static Wiring {
    &Deployed::get().wiring
}

/// Fresh permissions, of which nothing is used yet.
pub(super) fn of_template() -> Arc<Permissions> {
    let deployed = Deployed::get();
    Arc::new(Permissions::new(deployed.roles.clone(), deployed.resources.clone()))
}

/// Has every call of a function go through its role. Other callers are people and tests, with rights of their own.
pub(super) fn enforce(world: &World) {
    let outside = world.outside();
    world.cloud.set_authorizer(Some(Arc::new(move |call| {
        let known = FUNCTIONS.iter().any(|(name, _)| *name == call.caller);
        let Some(world) = outside.world().filter(|_| known) else {
            return Ok(());
        };
        let requests = iam::requests(ACCOUNT, REGION, &call.service, &call.operation, &call.body)?;
        world.check(&Principal::Function(call.caller.clone()), &requests)
    })));
}

impl World {
    /// What was allowed, refused and never used so far.
    pub fn permissions(&self) -> &Permissions {
        &self.inner.permissions
    }

    pub(super) fn check(&self, principal: &Principal, requests: &[Request]) -> Result<(), String> {
        let tags = |arn: &str| self.cloud.tags(arn);
        self.inner.permissions.check(principal, requests, &tags)
    }

    /// Whether the machine of an execution may invoke a function.
    pub(super) fn may_invoke(&self, execution_arn: &str, function: &str) -> Result<(), String> {
        let Some(machine) = machine_of(execution_arn) else {
            return Ok(());
        };
        self.check(&machine, &[Request::new("lambda:InvokeFunction", function)])
    }

    /// Whether the machine of an execution may start another one and wait for it.
    pub(super) fn may_start(&self, execution_arn: &str, machine_arn: &str) -> Result<(), String> {
        let Some(machine) = machine_of(execution_arn) else {
            return Ok(());
        };
        let children = machine_arn.replace(":stateMachine:", ":execution:") + ":any";
        let rule = format!("arn:aws:events:{REGION}:{ACCOUNT}:{EVENTS_RULE}");
        let requests = [
            Request::new("states:StartExecution", machine_arn),
            Request::new("states:DescribeExecution", &children),
            Request::new("states:StopExecution", &children),
            Request::new("events:PutTargets", &rule),
            Request::new("events:PutRule", &rule),
            Request::new("events:DescribeRule", &rule),
        ];
        self.check(&machine, &requests)
    }
}

/// `arn:aws:states:region:account:execution:machine:name`
fn machine_of(execution_arn: &str) -> Option<Principal> {
    execution_arn
        .split(':')
        .nth(6)
        .map(|machine| Principal::StateMachine(machine.to_owned()))
}
