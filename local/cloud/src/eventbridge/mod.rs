//! EventBridge: a bus that may lose, double, delay and reorder what services say, and rules that listen.

pub mod pattern;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

pub use pattern::EventPattern;

use crate::clock::VirtualClock;
use crate::hub::EventDetail;
use crate::lambda::REPEATED_AFTER;
use crate::random::Random;

/// tokio's timers fire in whole milliseconds: deliveries that must keep their order are that far apart.
const CLOCK_GRAIN: Duration = Duration::from_millis(1);

/// What a rule calls; an error makes the bus try again.
pub type Target = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Told of every event a service emits, also of one that is then lost.
pub type EmitObserver = Arc<dyn Fn(&Value) + Send + Sync>;

/// Told of every event that a rule or a schedule has given up: its name, the event, what the target said last.
pub type GivenUpObserver = Arc<dyn Fn(&str, &Value, &str) + Send + Sync>;

/// How events of one source travel.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryKnobs {
    /// Share of events that never leave their source, 0 to 1. MGN and Step Functions promise best effort only.
    /// Default 0.
    pub drop_probability: f64,
    /// Share of deliveries that happen twice, 0 to 1. Default 0.
    pub duplicate_probability: f64,
    /// Shortest time from emission to delivery. Default 200 ms.
    pub delay_min: Duration,
    /// Longest time from emission to delivery. Default 800 ms.
    pub delay_max: Duration,
    /// Whether a later event may overtake an earlier one to the same rule. Default no.
    pub reorder: bool,
    /// How often a target is tried in all. EventBridge hands an event to Lambda's queue, which invokes a function three
    /// times at most; default 3. <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
    pub attempts_max: u32,
    /// Time before the second attempt, doubled for each further one. Default a minute.
    pub retry_after: Duration,
}

impl Default for DeliveryKnobs {
    fn default() -> DeliveryKnobs {
        DeliveryKnobs {
            drop_probability: 0.0,
            duplicate_probability: 0.0,
            delay_min: Duration::from_millis(200),
            delay_max: Duration::from_millis(800),
            reorder: false,
            attempts_max: 1 + REPEATED_AFTER.len() as u32,
            retry_after: REPEATED_AFTER[0],
        }
    }
}

/// How events travel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventKnobs {
    /// For sources without knobs of their own.
    pub common: DeliveryKnobs,
    /// By source, as in `aws.mgn`.
    pub by_source: BTreeMap<String, DeliveryKnobs>,
}

impl EventKnobs {
    /// No event of any source arrives.
    pub fn drop_all() -> EventKnobs {
        let common = DeliveryKnobs {
            drop_probability: 1.0,
            ..DeliveryKnobs::default()
        };
        EventKnobs {
            common,
            ..EventKnobs::default()
        }
    }

    fn of(&self, source: &str) -> &DeliveryKnobs {
        self.by_source.get(source).unwrap_or(&self.common)
    }
}

/// What happened to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFate {
    /// A service said it.
    Emitted,
    /// It was lost before any rule saw it.
    Dropped,
    /// A rule matched, and will get it a second time.
    Duplicated,
    /// The rule's target took it.
    Delivered,
    /// The rule's target failed; the bus tries again unless this was the last attempt.
    Failed {
        /// Counts from 1.
        attempt: u32,
        /// What the target said.
        error: String,
    },
}

/// A line of the bus's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLogEntry {
    /// When.
    pub at: Timestamp,
    /// The event's id.
    pub event_id: String,
    /// As in `aws.mgn`.
    pub source: String,
    /// As in `MGN Source Server Launch Result`.
    pub detail_type: String,
    /// The rule, for a delivery.
    pub rule: Option<String>,
    /// What happened.
    pub fate: EventFate,
}

#[derive(Clone)]
struct Rule {
    name: String,
    pattern: EventPattern,
    target: Target,
    /// Virtual time at which the latest event reaches the target; later ones do not overtake it.
    last_delivery: Duration,
}

struct State {
    knobs: EventKnobs,
    rules: Vec<Rule>,
    schedules: BTreeMap<String, AbortHandle>,
    observers: Vec<EmitObserver>,
    given_up: Vec<GivenUpObserver>,
    log: Vec<EventLogEntry>,
}

/// The default bus of the account. Cloning shares it.
#[derive(Clone)]
pub struct EventBus {
    clock: VirtualClock,
    random: Arc<Random>,
    account: String,
    region: String,
    runtime: Handle,
    state: Arc<Mutex<State>>,
}

impl EventBus {
    /// A bus without rules, whose deliveries run on the present tokio runtime.
    pub fn new(
        clock: VirtualClock,
        random: Arc<Random>,
        account: String,
        region: String,
        knobs: EventKnobs,
    ) -> EventBus {
        let state = State {
            knobs,
            rules: Vec::new(),
            schedules: BTreeMap::new(),
            observers: Vec::new(),
            given_up: Vec::new(),
            log: Vec::new(),
        };
        let runtime = Handle::current();
        EventBus {
            clock,
            random,
            account,
            region,
            runtime,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("the bus does not panic while it holds its state")
    }

    /// Adds a rule, or replaces the one of that name.
    pub fn rule(&self, name: &str, pattern: EventPattern, target: Target) {
        let rule = Rule {
            name: name.to_owned(),
            pattern,
            target,
            last_delivery: Duration::ZERO,
        };
        let mut state = self.lock();
        state.rules.retain(|other| other.name != name);
        state.rules.push(rule);
    }

    /// Calls `target` with a "Scheduled Event" after every period, the first time after one period. A slow target
    /// does not hold up the next call. Replaces the schedule of that name.
    pub fn schedule(&self, name: &str, every: Duration, target: Target) {
        let bus = self.clone();
        let rule = name.to_owned();
        let task = self.runtime.spawn(async move {
            let resource = format!("arn:aws:events:{}:{}:rule/{rule}", bus.region, bus.account);
            loop {
                tokio::time::sleep(every).await;
                let event = bus.envelope(EventDetail {
                    source: "aws.events".to_owned(),
                    detail_type: "Scheduled Event".to_owned(),
                    resources: vec![resource.clone()],
                    detail: json!({}),
                });
                bus.note(&event, Some(&rule), EventFate::Emitted);
                bus.spawn_delivery(&rule, &target, event, Duration::ZERO);
            }
        });
        if let Some(replaced) = self.lock().schedules.insert(name.to_owned(), task.abort_handle()) {
            replaced.abort();
        }
    }

    /// Takes a rule or a schedule away. Deliveries under way go on.
    pub fn remove(&self, name: &str) {
        let mut state = self.lock();
        state.rules.retain(|rule| rule.name != name);
        if let Some(schedule) = state.schedules.remove(name) {
            schedule.abort();
        }
    }

    /// Replaces the knobs for events emitted from now on.
    pub fn set_knobs(&self, knobs: EventKnobs) {
        self.lock().knobs = knobs;
    }

    /// Adds an observer of later emissions.
    pub fn on_emit(&self, observer: EmitObserver) {
        self.lock().observers.push(observer);
    }

    /// Adds an observer of events that are given up.
    pub fn on_given_up(&self, observer: GivenUpObserver) {
        self.lock().given_up.push(observer);
    }

    /// What happened so far, in order.
    pub fn log(&self) -> Vec<EventLogEntry> {
        self.lock().log.clone()
    }

    /// Puts an event on the bus.
    pub fn emit(&self, detail: EventDetail) {
        let source = detail.source.clone();
        let event = self.envelope(detail);
        self.note(&event, None, EventFate::Emitted);
        let (knobs, observers) = {
            let state = self.lock();
            (state.knobs.of(&source).clone(), state.observers.clone())
        };
        for observer in observers {
            observer(&event);
        }
        if self.random.chance(knobs.drop_probability) {
            self.note(&event, None, EventFate::Dropped);
            return;
        }
        for (rule, target) in self.listeners(&event) {
            self.deliver(&rule, &target, &event, &knobs);
            if self.random.chance(knobs.duplicate_probability) {
                self.note(&event, Some(&rule), EventFate::Duplicated);
                self.deliver(&rule, &target, &event, &knobs);
            }
        }
    }

    fn listeners(&self, event: &Value) -> Vec<(String, Target)> {
        let state = self.lock();
        let matching = state.rules.iter().filter(|rule| rule.pattern.matches(event));
        matching.map(|rule| (rule.name.clone(), rule.target.clone())).collect()
    }

    /// The event as a target gets it, with the structure of every AWS service event.
    fn envelope(&self, event: EventDetail) -> Value {
        json!({
            "version": "0",
            "id": self.random.uuid(),
            "detail-type": event.detail_type,
            "source": event.source,
            "account": self.account,
            "time": format!("{:.0}", self.clock.now()),
            "region": self.region,
            "resources": event.resources,
            "detail": event.detail,
        })
    }

    /// Chooses a moment after the delay, and not before an earlier event's unless reordering is on.
    fn deliver(&self, rule: &str, target: &Target, event: &Value, knobs: &DeliveryKnobs) {
        let now = self.clock.elapsed();
        let mut moment = now + self.random.between(knobs.delay_min, knobs.delay_max);
        if !knobs.reorder {
            let mut state = self.lock();
            if let Some(rule) = state.rules.iter_mut().find(|other| other.name == rule) {
                moment = moment.max(rule.last_delivery + CLOCK_GRAIN);
                rule.last_delivery = moment;
            }
        }
        self.spawn_delivery(rule, target, event.clone(), moment.saturating_sub(now));
    }

    /// Delivers at least once, or gives up after the attempts that the source's knobs allow.
    fn spawn_delivery(&self, rule: &str, target: &Target, event: Value, delay: Duration) {
        let (bus, rule, target) = (self.clone(), rule.to_owned(), target.clone());
        self.runtime.spawn(async move {
            tokio::time::sleep(delay).await;
            let source = event["source"].as_str().unwrap_or_default();
            let knobs = bus.lock().knobs.of(source).clone();
            let (mut pause, mut said) = (knobs.retry_after, String::new());
            for attempt in 1..=knobs.attempts_max.max(1) {
                if attempt > 1 {
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2);
                }
                match target(event.clone()).await {
                    Ok(()) => return bus.note(&event, Some(&rule), EventFate::Delivered),
                    Err(error) => {
                        said.clone_from(&error);
                        bus.note(&event, Some(&rule), EventFate::Failed { attempt, error });
                    }
                }
            }
            let observers = bus.lock().given_up.clone();
            for observer in observers {
                observer(&rule, &event, &said);
            }
        });
    }

    fn note(&self, event: &Value, rule: Option<&str>, fate: EventFate) {
        let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
        let entry = EventLogEntry {
            at: self.clock.now(),
            event_id: text("id"),
            source: text("source"),
            detail_type: text("detail-type"),
            rule: rule.map(str::to_owned),
            fate,
        };
        self.lock().log.push(entry);
    }
}
