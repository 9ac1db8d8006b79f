//! Schedules and parameters, through the adapters of the product.

use std::sync::{Arc, Mutex};

use landfall_aws::{Clock, Config, Deps, Ids};
use landfall_cloud::scheduler::{ScheduleFate, SchedulerKnobs};
use landfall_cloud::{Caller, Cloud, VirtualClock};
use serde_json::{Value, json};

use crate::common::{ACCOUNT, REGION, cloud};
use crate::seconds;

struct CloudClock(VirtualClock);

impl Clock for CloudClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }
}

struct NoIds;

impl Ids for NoIds {
    fn next(&self) -> String {
        "id".to_owned()
    }
}

fn deps(cloud: &Cloud) -> Deps {
    let config = Config {
        table_name: "landfall".to_owned(),
        topic_arn: String::new(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        function: "test".to_owned(),
        scheduler_role_arn: None,
        freeze_source_arn: None,
        reach_database_arn: None,
    };
    let sdk = cloud.sdk_config(&Caller::new("test", 1));
    Deps::new(
        &sdk,
        config,
        Arc::new(CloudClock(cloud.clock())),
        Arc::new(NoIds),
        "databases",
    )
}

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:freeze-source";
const ROLE: &str = "arn:aws:iam::123456789012:role/scheduler";

type Invoked = Arc<Mutex<Vec<(jiff::Timestamp, Value)>>>;

/// Has Scheduler invoke a function that fails the first times.
fn invoke(cloud: &Cloud, failures: usize) -> Invoked {
    let invoked = Invoked::default();
    let (kept, clock) = (invoked.clone(), cloud.clock());
    cloud.scheduler().add_group(landfall_aws::scheduler::GROUP);
    cloud.scheduler().set_invoker(Arc::new(move |invocation| {
        assert_eq!(invocation.function, FUNCTION);
        assert_eq!(invocation.role, ROLE);
        let mut kept = kept.lock().expect("no panic");
        kept.push((clock.now(), invocation.input));
        let fails = kept.len() <= failures;
        Box::pin(async move { if fails { Err("not yet".to_owned()) } else { Ok(()) } })
    }));
    invoked
}

#[tokio::test(start_paused = true)]
async fn a_schedule_runs_once_and_deletes_itself() {
    let cloud = cloud();
    let invoked = invoke(&cloud, 0);
    let deps = deps(&cloud);
    let at = cloud.clock().now() + jiff::SignedDuration::from_secs(120);
    let input = json!({"mode": "DEADLINE"});
    for _ in 0..2 {
        deps.scheduler
            .once("s1", at, FUNCTION, ROLE, &input)
            .await
            .expect("a schedule");
    }
    assert_eq!(cloud.scheduler().schedules().len(), 1);
    deps.scheduler
        .once("s2", at, FUNCTION, ROLE, &input)
        .await
        .expect("a schedule");
    for _ in 0..2 {
        deps.scheduler.delete("s2").await.expect("one that is gone is no error");
    }
    seconds(600).await;
    let invoked = invoked.lock().expect("no panic");
    assert_eq!(invoked.len(), 1, "{invoked:?}");
    assert!(invoked[0].0 >= at && invoked[0].1 == input);
    assert!(cloud.scheduler().schedules().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_is_invoked_again_and_a_lost_schedule_never_is() {
    let cloud = cloud();
    let invoked = invoke(&cloud, 1);
    let deps = deps(&cloud);
    let at = cloud.clock().now() + jiff::SignedDuration::from_secs(30);
    deps.scheduler
        .once("s1", at, FUNCTION, ROLE, &json!({}))
        .await
        .expect("a schedule");
    seconds(600).await;
    assert_eq!(invoked.lock().expect("no panic").len(), 2);
    cloud.scheduler().set_knobs(SchedulerKnobs {
        lose: true,
        ..SchedulerKnobs::default()
    });
    let at = cloud.clock().now() + jiff::SignedDuration::from_secs(30);
    deps.scheduler
        .once("s2", at, FUNCTION, ROLE, &json!({}))
        .await
        .expect("a schedule");
    seconds(600).await;
    assert_eq!(invoked.lock().expect("no panic").len(), 2);
    assert!(
        cloud
            .scheduler()
            .log()
            .iter()
            .any(|line| line.name == "s2" && line.fate == ScheduleFate::Lost)
    );
}

#[tokio::test(start_paused = true)]
async fn a_parameter_is_changed_only_if_it_is_there() {
    let cloud = cloud();
    let deps = deps(&cloud);
    assert_eq!(deps.ssm.parameter("/shop/host").await, Ok(None));
    assert!(deps.ssm.put_parameter("/shop/host", "target").await.is_err());
    cloud.fleet().parameters().set("/shop/host", "source");
    deps.ssm
        .put_parameter("/shop/host", "target")
        .await
        .expect("it is there");
    assert_eq!(deps.ssm.parameter("/shop/host").await, Ok(Some("target".to_owned())));
}
