//! Bringing a server to a lifecycle state.

use crate::deps::Deps;
use crate::mgn::LifecycleTarget;
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::observe::Lifecycle;

/// Brings a server to the state. When MGN refuses, the state is read: the first of two attempts of the SDK may have
/// brought it there, and asking for the state a server is in is refused.
pub async fn ensure(deps: &Deps, server: &SourceServerId, target: LifecycleTarget) -> Result<(), StepError> {
    let wanted = match target {
        LifecycleTarget::ReadyForTest => Lifecycle::ReadyForTest,
        LifecycleTarget::ReadyForCutover => Lifecycle::ReadyForCutover,
    };
    let refusal = match deps.mgn.change_lifecycle(server, target).await {
        Ok(_) => return Ok(()),
        Err(error @ StepError::ServiceRefused { .. }) => error,
        Err(error) => return Err(error),
    };
    let views = deps.mgn.source_servers(std::slice::from_ref(server)).await?;
    match views.get(server) {
        Some(view) if view.lifecycle == wanted => Ok(()),
        _ => Err(refusal),
    }
}
