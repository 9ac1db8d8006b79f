//! What seldom happens, and takes a grant of its own.

use crate::permissions::story;
use landfall_cloud::databases::{LoginSpec, Role};
use landfall_cloud::fleet::Spread;
use landfall_cloud::{CallContext, DeliveryKnobs, EventKnobs, Fault, FaultRule, Knobs};
use landfall_domain::plan::load_wave;
use landfall_tests::databases::{SHOP, Story, database_wave, fast_databases};
use landfall_tests::{Disturbance, WAVE, small_wave};
use runner::operator::{Answer, OperatorScript};
use runner::plans;
use runner::world::{Notice, World};
use serde_json::json;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// From the start of the wave to what somebody does in its middle.
const MIDDLE: Duration = Duration::from_secs(120);

/// After a story: the sweep has come by.
const SWEPT: Duration = Duration::from_secs(20 * 60);

/// Somebody who does something in the middle of a wave.
fn meanwhile<F: Future<Output = ()> + Send + 'static>(world: &World, act: impl FnOnce(World) -> F) {
    let act = act(world.clone());
    tokio::spawn(async move {
        tokio::time::sleep(MIDDLE).await;
        act.await;
    });
}

/// Somebody starts the wave again while it runs.
pub fn started_again() -> Disturbance {
    Disturbance {
        prepare: Some(|world| {
            meanwhile(world, |world| async move {
                world.start("migrate-wave", "again", plans::document(&small_wave()));
            });
        }),
        ..Disturbance::default()
    }
}

/// Somebody starts rollback-wave while migrate-wave runs.
pub fn rolled_back_while_it_runs() -> Disturbance {
    Disturbance {
        prepare: Some(|world| {
            meanwhile(world, |world| async move {
                let input = json!({ "waveId": WAVE, "reason": "an operator wants it" });
                world.start("rollback-wave", "back", input);
            });
        }),
        ..Disturbance::default()
    }
}

/// Somebody stops migrate-wave, and its event is lost: the sweep finds it.
pub fn stopped_unheard() -> Story {
    let stop = |world: &World| {
        meanwhile(world, |world| async move {
            let mut running = world.engine().list_executions(None, None).into_iter();
            let running = running.find(|one| one.name == WAVE).expect("the wave runs");
            let stopped = world
                .engine()
                .stop_execution(&running.execution_arn, Some("Operator.Stop"), None);
            stopped.expect("the execution exists");
        });
    };
    Story {
        knobs: Knobs {
            events: EventKnobs::drop_all(),
            ..fast_databases()
        },
        prepare: Some(Arc::new(stop)),
        then: Some(Arc::new(|_| Box::pin(tokio::time::sleep(SWEPT)))),
        ..story(false)
    }
}

/// Nobody ever answers, and the time for it is over long before the wait is entered again: the sweep sees it.
pub fn never_answered() -> Story {
    let mut plan = database_wave(|_| {});
    plan.approvals.cutover_hours = 1;
    Story {
        plan,
        operator: OperatorScript {
            cutover: Answer::Silence,
            ..OperatorScript::default()
        },
        ..story(false)
    }
}

/// Somebody answers before the function that asks has ended, and it dies: its repetition finds the answer.
pub fn answered_at_once() -> Story {
    Story {
        operator: OperatorScript {
            delay: Duration::from_millis(10),
            ..OperatorScript::default()
        },
        faults: Some(once("request-approval", "Publish")),
        ..story(false)
    }
}

/// Events of DMS take minutes.
pub fn heard_late() -> Story {
    let late = DeliveryKnobs {
        delay_max: Duration::from_secs(300),
        reorder: true,
        ..DeliveryKnobs::default()
    };
    Story {
        knobs: Knobs {
            events: EventKnobs {
                common: late,
                ..EventKnobs::default()
            },
            ..fast_databases()
        },
        ..story(false)
    }
}

/// The same, and so do its tests of connections.
pub fn tested_late() -> Story {
    let mut story = heard_late();
    story.knobs.dms.connection_test = Spread {
        least: Duration::from_secs(250),
        most: Duration::from_secs(300),
    };
    story
}

/// Applications are restarted by a document, and the answer to its sending is lost.
pub fn restarted_unheard() -> Story {
    let document = json!({
        "waveId": WAVE,
        "description": "a database that a document closes",
        "databases": [plans::oracle_database(SHOP, WAVE)],
        "bakeMinutes": 1,
    });
    Story {
        plan: load_wave(&document).unwrap_or_else(|error| panic!("a wave of a database is a plan: {error}")),
        faults: Some(once("switch-database", "SendCommand")),
        ..story(false)
    }
}

/// The answer to making a replication instance is lost, and nobody finds out before the wave is taken back.
pub fn left_by_a_lost_answer() -> Story {
    let made = AtomicBool::new(false);
    let rule = move |context: &CallContext| {
        if context.caller != "provision-replication" {
            Fault::None
        } else if context.operation == "CreateReplicationInstance" {
            made.store(true, Ordering::Relaxed);
            Fault::KillAfter
        } else if made.load(Ordering::Relaxed) {
            Fault::KillBefore
        } else {
            Fault::None
        }
    };
    Story {
        faults: Some(Arc::new(rule)),
        ..story(true)
    }
}

/// A login of the target is dropped while the target is closed, so that not everything can be opened again.
pub fn with_a_login_less() -> Story {
    let prepare = |world: &World| {
        let host = world.database(SHOP).target_host;
        let login = LoginSpec::new("reporting", "simulated-reporting", Role::Application);
        world.cloud.databases().add_login(&host, login);
        let databases = world.cloud.databases().clone();
        world.listen(Arc::new(move |_, notice| {
            if matches!(notice, Notice::Entered { state, .. } if state == "AwaitLag") {
                databases.drop_login(&host, "reporting");
            }
        }));
    };
    Story {
        prepare: Some(Arc::new(prepare)),
        ..story(false)
    }
}

/// The caller dies once, after this call of it.
fn once(caller: &'static str, operation: &'static str) -> FaultRule {
    let over = AtomicBool::new(false);
    Arc::new(move |context: &CallContext| {
        let here = context.caller == caller && context.operation == operation;
        if here && !over.swap(true, Ordering::Relaxed) {
            Fault::KillAfter
        } else {
            Fault::None
        }
    })
}
