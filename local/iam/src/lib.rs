//! The roles of `template.yaml`, evaluated as IAM would: every call of a function and of a state machine is allowed by a
//! statement of its own role, and by the policies of what it is about, or refused. What no call used is known at the end.
//! What invokes functions by itself, rules and schedules, is read from the template too.
//!
//! Only what the template says is read: nothing is granted here. A condition operator, a wildcard or an intrinsic
//! function that is not understood is an error that names it, never an allowance.

mod calls;
mod policy;
mod resource;
mod roles;
mod template;
mod wiring;

pub use calls::{Request, requests};
pub use policy::{Decision, Policy, Statement};
pub use resource::{Asks, ResourcePolicies};
pub use roles::{Principal, Role, Roles};
pub use template::{Stack, Template};
pub use wiring::{OnFailure, Rule, Schedule, Wiring};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Tags of a resource by its ARN; empty when it has none.
pub type Tags<'a> = &'a dyn Fn(&str) -> BTreeMap<String, String>;

/// A request that no statement allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Whose role.
    pub principal: Principal,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
}

impl Missing {
    fn of(principal: &Principal, request: &Request) -> Self {
        Self {
            principal: principal.clone(),
            action: request.action.clone(),
            resource: request.resource.clone(),
        }
    }
}

/// A grant that no request used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unused {
    /// Whose role.
    pub principal: Principal,
    /// The statement.
    pub statement: String,
    /// The action.
    pub action: String,
}

/// What a role allows, and what was made of it. Shared by the worlds of a run.
#[derive(Debug)]
pub struct Permissions {
    roles: Roles,
    resources: ResourcePolicies,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    used: BTreeSet<(Principal, String, String)>,
    missing: BTreeSet<Missing>,
}

impl Permissions {
    /// The roles of a template, and the policies of its resources.
    pub fn new(roles: Roles, resources: ResourcePolicies) -> Self {
        Self {
            roles,
            resources,
            seen: Mutex::default(),
        }
    }

    /// Whether a principal may make these requests; the refusal is the sentence that AWS writes.
    pub fn check(&self, principal: &Principal, requests: &[Request], tags: Tags<'_>) -> Result<(), String> {
        let role = self
            .roles
            .of(principal)
            .ok_or_else(|| format!("{principal} has no role in the template, so it may do nothing"))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for request in requests {
            match role.decide(request, tags) {
                Decision::Allowed(statement) => {
                    seen.used.insert((principal.clone(), statement, request.action.clone()));
                }
                Decision::Denied(why) => {
                    seen.missing.insert(Missing::of(principal, request));
                    return Err(format!(
                        "User: {principal} is not authorized to perform: {} on resource: {} because {why}",
                        request.action, request.resource
                    ));
                }
            }
            if let Err(why) = self.resources.check(Asks::Role, request) {
                seen.missing.insert(Missing::of(principal, request));
                return Err(format!("User: {principal}: {why}"));
            }
        }
        Ok(())
    }

    /// Whether a service may do this by itself, as in `events.amazonaws.com`; the refusal says why not.
    pub fn check_service(&self, service: &str, request: &Request) -> Result<(), String> {
        let checked = self.resources.check(Asks::Service(service), request);
        if checked.is_err() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.missing
                .insert(Missing::of(&Principal::Service(service.to_owned()), request));
        }
        checked
    }

    /// Requests that were refused for want of a grant, in order.
    pub fn missing(&self) -> Vec<Missing> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.missing.iter().cloned().collect()
    }

    /// Grants that no request used, in order; rights that only AWS itself uses are left out by [`Role::grants`].
    pub fn unused(&self) -> Vec<Unused> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.roles.iter().flat_map(|(principal, role)| {
            role.grants()
                .into_iter()
                .map(move |(statement, action)| (principal.clone(), statement, action))
        });
        all.filter(|grant| !seen.used.contains(grant))
            .map(|(principal, statement, action)| Unused {
                principal,
                statement,
                action,
            })
            .collect()
    }

    /// The roles.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }
}
