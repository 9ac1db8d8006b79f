//! Who has which role, as the template says.

use crate::policy::{Decision, Policy};
use crate::template::Template;
use crate::{Request, Tags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// A function, by its name without the stack's.
    Function(String),
    /// A state machine, by its name without the stack's.
    StateMachine(String),
    /// A role that a service takes on by itself, by its logical id, or the service itself.
    Service(String),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => write!(f, "function {name}"),
            Self::StateMachine(name) => write!(f, "state machine {name}"),
            Self::Service(name) => write!(f, "role {name}"),
        }
    }
}

/// A role: everything its policies say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Role {
    policy: Policy,
}

/// Actions that AWS's own agents make with a role, and that no simulated call stands for: logs, traces, log deliveries
/// and network interfaces.
const BY_AWS_ITSELF: [&str; 4] = ["logs:", "xray:", "ec2:createnetworkinterface", "sqs:"];

impl Role {
    /// Decides on a request.
    pub fn decide(&self, request: &Request, tags: Tags<'_>) -> Decision {
        self.policy.decide(request, tags)
    }

    /// What it allows, as statement and action, without what only AWS itself does with it.
    pub fn grants(&self) -> Vec<(String, String)> {
        let allowed = self.policy.statements.iter().filter(|statement| statement.allows());
        allowed
            .flat_map(|statement| {
                let actions = statement.actions().iter();
                actions.map(|action| (statement.name.clone(), action.clone()))
            })
            .filter(|(_, action)| {
                let action = action.to_ascii_lowercase();
                !BY_AWS_ITSELF.iter().any(|prefix| action.starts_with(prefix))
            })
            .collect()
    }

    /// Its policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// The roles of a template.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    roles: BTreeMap<Principal, Role>,
}

impl Roles {
    /// Reads the roles of every function and state machine, and those of services. The world deploys the stack without
    /// its name before the names of functions, machines and executions, so it is taken off their ARNs here.
    pub fn of_template(template: &Template) -> Result<Self, String> {
        let mut roles = BTreeMap::new();
        let mut taken = Vec::new();
        for (id, resource) in template.resources(&["AWS::Serverless::Function", "AWS::Serverless::StateMachine"]) {
            let properties = &resource["Properties"];
            let machine = resource["Type"] == "AWS::Serverless::StateMachine";
            let name = template.unprefixed(&properties[if machine { "Name" } else { "FunctionName" }])?;
            let role = properties["Role"]["Fn::GetAtt"]
                .as_str()
                .and_then(|role| role.strip_suffix(".Arn"))
                .ok_or_else(|| format!("{id} has no role of its own"))?;
            taken.push(role.to_owned());
            let principal = if machine {
                Principal::StateMachine(name)
            } else {
                Principal::Function(name)
            };
            roles.insert(principal, read_role(template, role)?);
        }
        for (id, _) in template.resources(&["AWS::IAM::Role"]) {
            if !taken.iter().any(|role| role == id) {
                roles.insert(Principal::Service(id.to_owned()), read_role(template, id)?);
            }
        }
        Ok(Self { roles })
    }

    /// The role of a principal.
    pub fn of(&self, principal: &Principal) -> Option<&Role> {
        self.roles.get(principal)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Principal, &Role)> {
        self.roles.iter()
    }
}

fn read_role(template: &Template, id: &str) -> Result<Role, String> {
    let resources = &template.document()["Resources"];
    let properties = &resources[id]["Properties"];
    let mut policy = Policy::default();
    let mut add = |name: &str, document: &Value| -> Result<(), String> {
        let resolved = template.resolve_unprefixed(document)?;
        policy.statements.extend(Policy::read(name, &resolved)?.statements);
        Ok(())
    };
    for inline in properties["Policies"].as_array().into_iter().flatten() {
        let name = inline["PolicyName"].as_str().unwrap_or(id);
        add(name, &inline["PolicyDocument"])?;
    }
    for managed in properties["ManagedPolicyArns"].as_array().into_iter().flatten() {
        let mut managed = managed;
        if let Some(choice) = managed.get("Fn::If") {
            let exists = template.exists(&serde_json::json!({ "Condition": choice[0] }))?;
            managed = &choice[if exists { 1 } else { 2 }];
        }
        match managed["Ref"].as_str() {
            Some("AWS::NoValue") => {}
            Some(name) => add(name, &resources[name]["Properties"]["PolicyDocument"])?,
            None => {
                return Err(format!(
                    "{id}: the managed policy {managed} is none of the template's own"
                ));
            }
        }
    }
    Ok(Role { policy })
}
