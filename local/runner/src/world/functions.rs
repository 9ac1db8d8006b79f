//! The functions of the product, by name: the same `handle` that the Lambda binaries run.

use futures::future::BoxFuture;
use landfall_aws::{Deps, shell};
use landfall_domain::StepError;
use send_wrapper::SendWrapper;
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;

/// One invocation of a function, from payload to answer.
pub type Handler = fn(Arc<Deps>, Value) -> BoxFuture<'static, Result<Value, StepError>>;

/// The table of functions: the name in the definitions beside the crate.
macro_rules! functions {
    ($($name:literal => $function:ident),+ $(,)?) => {
        /// Every function, by the name that its ARN ends in.
        pub const FUNCTIONS: &[(&str, Handler)] = &[
            $(($name, |deps, payload| on_one_thread(async move { shell::invoke(deps, &payload, $function::handle).await })),)+
        ];
    };
}

functions! {
    "approve" => approve,
    "begin-rollback" => begin_rollback,
    "check-job" => check_job,
    "check-readiness" => check_readiness,
    "close-wave" => close_wave,
    "configure" => configure,
    "cutover" => cutover,
    "finalize" => finalize,
    "freeze-source" => freeze_source,
    "isolate" => isolate,
    "on-event" => on_event,
    "plan-wave" => plan_wave,
    "prepare-dns" => prepare_dns,
    "provision-replication" => provision_replication,
    "quiesce" => quiesce,
    "reach-database" => reach_database,
    "ready-target" => ready_target,
    "report" => report,
    "request-approval" => request_approval,
    "retire-replication" => retire_replication,
    "rollback-dns" => rollback_dns,
    "start-replication" => start_replication,
    "start-test" => start_test,
    "sweep" => sweep,
    "switch-database" => switch_database,
    "switch-dns" => switch_dns,
    "terminate" => terminate,
    "validate" => validate,
    "verify-data" => verify_data,
    "wait-for-cdc-lag" => wait_for_cdc_lag,
}

/// A Lambda's future is polled on one thread only and need not be `Send`; the interpreter wants futures that are. A world
/// has one thread, so the promise is kept, and the wrapper panics if it ever were not.
fn on_one_thread(
    run: impl Future<Output = Result<Value, StepError>> + 'static,
) -> BoxFuture<'static, Result<Value, StepError>> {
    Box::pin(SendWrapper::new(run))
}

/// A function by its name or by an ARN that ends in its name.
pub fn find(name_or_arn: &str) -> Option<(&'static str, Handler)> {
    let name = name_or_arn.rsplit(':').next().unwrap_or(name_or_arn);
    FUNCTIONS.iter().find(|(known, _)| *known == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_name_and_by_arn_and_nothing_else_is() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:approve";
        assert_eq!(find(arn).map(|(name, _)| name), Some("approve"));
        assert_eq!(find("approve").map(|(name, _)| name), Some("approve"));
        assert!(find("approv").is_none());
    }

    #[test]
    fn functions_are_listed_once_and_in_order() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
