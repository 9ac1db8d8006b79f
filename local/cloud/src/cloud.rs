//! The cloud as a whole: its services, the one function from request to response, and the ledger of what came.

mod answer;
mod port;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use asl::{Engine, EngineOptions};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::caller::Caller;
use crate::calls::{CallRecord, Ledger, Outcome};
use crate::clock::VirtualClock;
use crate::connector::Connector;
use crate::databases::DatabaseFleet;
use crate::dms::{self, Dms, MemoryReplicator, SharedKnobs};
use crate::dynamodb::{self, DynamoDb};
use crate::eventbridge::EventBus;
use crate::faults::{Authorizer, CallContext, Fault, FaultRule, refusal};
use crate::fleet::{self, Fleet};
use crate::hub::{AwsError, EventDetail, Hub};
use crate::knobs::Knobs;
use crate::lambda::{self, Functions, Invoke};
use crate::operations;
use crate::protocol::{self, Call, Input, Protocol, Service, Success};
use crate::random::Random;
use crate::route53::{self, Route53};
use crate::scheduler::{self, Scheduler};
use crate::secrets::{self, Secrets};
use crate::sns::{self, Sns};
use crate::stepfunctions::{self, Redrives};

pub use answer::{Answer, Later, Reply};

/// Streams of the seed: fleet and Route 53 draw from the hub's, the others have their own.
const HUB_STREAM: u64 = 1;
const EVENTS_STREAM: u64 = 2;
const SNS_STREAM: u64 = 3;
const DMS_STREAM: u64 = 4;

/// How a cloud is set up.
#[derive(Debug, Clone)]
pub struct CloudOptions {
    /// Decides everything that is random.
    pub seed: u64,
    /// The account id, twelve digits.
    pub account: String,
    /// The Region, as in `eu-west-1`.
    pub region: String,
    /// Virtual time at the beginning.
    pub start: Timestamp,
    /// The ways to behave.
    pub knobs: Knobs,
}

/// The hub behind the services.
struct Core {
    clock: VirtualClock,
    random: Random,
    events: EventBus,
    account: String,
    region: String,
}

impl Hub for Core {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn random(&self) -> u64 {
        self.random.next()
    }

    fn emit(&self, event: EventDetail) {
        self.events.emit(event);
    }

    fn account(&self) -> String {
        self.account.clone()
    }

    fn region(&self) -> String {
        self.region.clone()
    }
}

struct Shared {
    core: Arc<Core>,
    latency: Duration,
    silence: Duration,
    unknown_as_aws: bool,
    engine: Engine,
    redrives: Redrives,
    fleet: Fleet,
    route53: Route53,
    sns: Sns,
    dynamodb: DynamoDb,
    secrets: Secrets,
    scheduler: Scheduler,
    databases: DatabaseFleet,
    dms: Dms,
    ledger: Mutex<Ledger>,
    faults: Mutex<Option<FaultRule>>,
    authorizer: Mutex<Option<Authorizer>>,
    functions: Mutex<Option<Arc<dyn Functions>>>,
}

/// A simulated account in one Region. Cloning shares it.
#[derive(Clone)]
pub struct Cloud {
    shared: Arc<Shared>,
}

impl Cloud {
    /// Sets a cloud up on the present tokio runtime, whose clock it follows: paused for virtual time.
    pub fn new(options: CloudOptions) -> Cloud {
        let CloudOptions {
            seed,
            account,
            region,
            start,
            knobs,
        } = options;
        let clock = VirtualClock::new(start);
        let stream = |number| Arc::new(Random::new(seed, number));
        let events = EventBus::new(
            clock.clone(),
            stream(EVENTS_STREAM),
            account.clone(),
            region.clone(),
            knobs.events,
        );
        let core = Arc::new(Core {
            clock: clock.clone(),
            random: Random::new(seed, HUB_STREAM),
            events,
            account: account.clone(),
            region: region.clone(),
        });
        let hub: Arc<dyn Hub> = core.clone();
        let engine = Engine::new(EngineOptions {
            role_arn: format!("arn:aws:iam::{account}:role/states"),
            account,
            region,
            seed,
            clock: Arc::new(clock.clone()),
            stop_children_on_abort: knobs.stop_children_on_abort,
        });
        stepfunctions::announce_status_changes(&engine, hub.clone());
        let secrets = Secrets::new(hub.clone());
        let databases = DatabaseFleet::new(clock.clone(), knobs.databases);
        let dms_knobs = SharedKnobs::new(knobs.dms);
        let replicator = MemoryReplicator::new(
            databases.clone(),
            secrets.clone(),
            clock,
            dms_knobs.clone(),
            stream(DMS_STREAM),
        );
        let shared = Shared {
            core,
            latency: knobs.latency,
            silence: knobs.silence,
            unknown_as_aws: knobs.unknown_as_aws,
            engine,
            redrives: Redrives::default(),
            fleet: Fleet::new(hub.clone(), knobs.fleet),
            route53: Route53::new(hub.clone(), knobs.route53),
            sns: Sns::new(hub.clone(), stream(SNS_STREAM)),
            dynamodb: DynamoDb::new(hub.clone()),
            secrets,
            dms: Dms::new(hub.clone(), dms_knobs, Arc::new(replicator)),
            scheduler: Scheduler::new(hub, knobs.scheduler),
            databases,
            ledger: Mutex::default(),
            faults: Mutex::default(),
            authorizer: Mutex::default(),
            functions: Mutex::default(),
        };
        Cloud {
            shared: Arc::new(shared),
        }
    }

    /// The clock of everything here.
    pub fn clock(&self) -> VirtualClock {
        self.shared.core.clock.clone()
    }

    /// Configuration for SDK clients whose calls are `caller`'s. Retries and timeouts are left to the product.
    pub fn sdk_config(&self, caller: &Caller) -> SdkConfig {
        let clock = self.clock();
        let credentials = Credentials::new("AKIDLOCAL", "local", None, None, "local AWS");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.shared.core.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(SharedHttpClient::new(Connector::new(self.clone(), caller.clone())))
            .time_source(SharedTimeSource::new(clock.clone()))
            .sleep_impl(SharedAsyncSleep::new(clock))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// Step Functions' interpreter, for machines and task handlers.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// MGN, EC2, SSM and the hosts.
    pub fn fleet(&self) -> &Fleet {
        &self.shared.fleet
    }

    /// DNS.
    pub fn route53(&self) -> &Route53 {
        &self.shared.route53
    }

    /// Topics.
    pub fn sns(&self) -> &Sns {
        &self.shared.sns
    }

    /// Secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.shared.secrets
    }

    /// One-shot schedules.
    pub fn scheduler(&self) -> &Scheduler {
        &self.shared.scheduler
    }

    /// The databases, their logins and their applications.
    pub fn databases(&self) -> &DatabaseFleet {
        &self.shared.databases
    }

    /// DMS, and its metrics.
    pub fn dms(&self) -> &Dms {
        &self.shared.dms
    }

    /// The default event bus.
    pub fn events(&self) -> &EventBus {
        &self.shared.core.events
    }

    /// Tables.
    pub fn dynamodb(&self) -> &DynamoDb {
        &self.shared.dynamodb
    }

    /// Sets up a table with the string keys `PK` and `SK`, and `ttl` as its time-to-live attribute.
    ///
    /// # Panics
    /// If the name is taken or not a table name.
    pub fn create_table(&self, name: &str) {
        self.shared
            .dynamodb
            .create_table(name)
            .expect("a new table with a valid name");
    }

    /// A table's items as plain JSON ordered by key, past the ledger.
    pub fn table_items(&self, name: &str) -> Vec<Value> {
        self.shared.dynamodb.items(name)
    }

    /// Every operation that is simulated: its service, as in [`CallRecord::service`], and AWS's name for it.
    pub fn operations() -> Vec<(&'static str, &'static str)> {
        let of_service = |service: Service| {
            operations_of(service)
                .into_iter()
                .map(move |name| (service.name(), name))
        };
        Service::ALL.into_iter().flat_map(of_service).collect()
    }

    /// Every call so far, in order of arrival.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.ledger().rows()
    }

    /// Sets the rule that decides which calls are disturbed; `None` disturbs none.
    pub fn set_faults(&self, rule: Option<FaultRule>) {
        *self.shared.faults.lock().expect("no panic while the rule is replaced") = rule;
    }

    /// Sets who may make which call; `None` allows every call.
    pub fn set_authorizer(&self, authorizer: Option<Authorizer>) {
        *self
            .shared
            .authorizer
            .lock()
            .expect("no panic while the authorizer is replaced") = authorizer;
    }

    /// Deploys the functions that Lambda invokes.
    pub fn set_functions(&self, functions: Arc<dyn Functions>) {
        *self
            .shared
            .functions
            .lock()
            .expect("no panic while the functions are replaced") = Some(functions);
    }

    /// The tags of a resource, for conditions of policies; empty when it has none, or is not known.
    pub fn tags(&self, arn: &str) -> BTreeMap<String, String> {
        if let Some((_, id)) = arn.split_once(":instance/") {
            let instances = self.shared.fleet.instances();
            return instances
                .into_iter()
                .find(|one| one.id == id)
                .map(|one| one.tags)
                .unwrap_or_default();
        }
        match arn.starts_with("arn:aws:dms:") {
            true => self.shared.dms.tags_of(arn),
            false => BTreeMap::new(),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger.lock().expect("the ledger does not panic")
    }

    /// Takes a request in: finds its service and operation, lets the fault rule decide, executes, and records.
    pub fn handle(&self, caller: &Caller, request: http::Request<Bytes>) -> Reply {
        if caller.killed.is_tripped() {
            // The dead send nothing, even when one poll of their future began several calls.
            return self.reply(Answer::Killed);
        }
        let ticket = self.ledger().ticket(&caller.name, caller.invocation);
        let request_id = format!("00000000-0000-4000-8000-{:012x}", ticket.seq);
        let mut row = CallRecord {
            seq: ticket.seq,
            at: self.shared.core.now(),
            caller: caller.name.clone(),
            invocation: caller.invocation,
            caller_seq: ticket.caller_seq,
            service: String::new(),
            operation: String::new(),
            outcome: Outcome::Ok,
        };
        let service = match protocol::service_of(&request) {
            Ok(service) => service,
            Err(error) => {
                row.service = protocol::host_of(&request);
                row.operation = format!("{} {}", request.method(), request.uri().path());
                row.outcome = refused(&error);
                self.ledger().record(row);
                let response = protocol::refuse_stranger(&request, &error, &request_id);
                return self.reply(Answer::Response(response));
            }
        };
        let spoken = service.spoken_in(&request);
        let call = protocol::decode(service, &request);
        row.service = service.name().to_owned();
        row.operation = call.operation.clone();
        let context = context(&row, &call);
        let fault = self.decide(&context);
        let denied = self.denied(service, &context).filter(|_| fault.executes());
        if let (None, true, Ok(Input::Invoke(invoke))) = (&denied, fault.executes(), &call.input) {
            return self.invoke(fault, spoken, invoke.clone(), row, (caller, request_id));
        }
        let result = match denied {
            Some(error) => Some(Err(error)),
            None => self.perform(fault, &call, caller),
        };
        row.outcome = outcome(fault, result.as_ref());
        self.ledger().record(row);
        self.finish(fault, (service, spoken), result, caller, &request_id)
    }

    /// Invokes a function, which goes on whether or not its caller still waits.
    fn invoke(
        &self,
        fault: Fault,
        spoken: Protocol,
        call: Invoke,
        mut row: CallRecord,
        (caller, request_id): (&Caller, String),
    ) -> Reply {
        let (cloud, caller) = (self.clone(), caller.clone());
        let functions = self
            .shared
            .functions
            .lock()
            .expect("no panic while the functions are read")
            .clone();
        let running = tokio::spawn(async move {
            let result = lambda::invoke(functions, &caller, call).await;
            row.outcome = outcome(fault, Some(&result));
            cloud.ledger().record(row);
            cloud.finish(fault, (Service::Lambda, spoken), Some(result), &caller, &request_id)
        });
        self.reply(Answer::Later(Later(Box::pin(async move {
            running.await.map_or(Answer::Reset, |reply| reply.answer)
        }))))
    }

    fn reply(&self, answer: Answer) -> Reply {
        Reply {
            latency: self.shared.latency,
            answer,
        }
    }

    fn decide(&self, context: &CallContext) -> Fault {
        let rule = self
            .shared
            .faults
            .lock()
            .expect("no panic while the rule is read")
            .clone();
        rule.map_or(Fault::None, |rule| rule(context))
    }

    /// The refusal of a call that its caller has no permission for.
    fn denied(&self, service: Service, context: &CallContext) -> Option<AwsError> {
        let authorizer = self
            .shared
            .authorizer
            .lock()
            .expect("no panic while the authorizer is read")
            .clone();
        let message = authorizer?(context).err()?;
        let mut error = refusal(service, Fault::Deny, &context.operation)?;
        error.message = message;
        Some(error)
    }

    /// Executes the call unless the fault keeps it from being; `None` means that nothing happened at all.
    fn perform(&self, fault: Fault, call: &Call, caller: &Caller) -> Option<Result<Success, AwsError>> {
        if let Some(error) = refusal(call.service, fault, &call.operation) {
            return Some(Err(error));
        }
        fault.executes().then(|| match &call.input {
            Ok(input) => self.execute(call.service, &call.operation, input, caller),
            Err(error) => Err(error.clone()),
        })
    }

    fn execute(&self, service: Service, operation: &str, input: &Input, caller: &Caller) -> Result<Success, AwsError> {
        let shared = &*self.shared;
        let json = |value| Success::Json(200, value);
        let xml = |text| Success::Xml(200, text);
        match (service, input) {
            (Service::Mgn, Input::Json(body)) => shared
                .fleet
                .mgn(operation, body)
                .map(|(status, body)| Success::Json(status, body)),
            (Service::Ssm, Input::Json(body)) => shared.fleet.ssm(operation, body).map(json),
            (Service::Ec2, Input::Query(form)) => shared.fleet.ec2(operation, form).map(xml),
            (Service::States, Input::Json(body)) => {
                let api = stepfunctions::Api {
                    engine: &shared.engine,
                    redrives: &shared.redrives,
                    now: shared.core.now(),
                };
                stepfunctions::handle(&api, operation, body).map(json)
            }
            (Service::DynamoDb, Input::Json(body)) => shared.dynamodb.handle(operation, body).map(json),
            (Service::SecretsManager, Input::Json(body)) => shared.secrets.handle(operation, body).map(json),
            (Service::Dms, Input::Json(body)) => shared.dms.handle(operation, body).map(json),
            (Service::Monitoring, Input::Json(body)) => shared
                .dms
                .monitoring(operation, body)
                .map(|item| Success::Item(200, item)),
            (Service::Scheduler, Input::Path { name, query, body }) => {
                shared.scheduler.handle(operation, name, query, body).map(json)
            }
            (Service::Sns, Input::Query(form)) => shared.sns.handle(operation, form, &caller.name).map(xml),
            (Service::Route53, Input::Rest { id, query, document }) => shared
                .route53
                .handle(operation, id, query, document.as_ref(), &caller.name)
                .map(xml),
            (service, _) => Err(AwsError::not_simulated(&format!(
                "{}:{operation} in this form",
                service.name()
            ))),
        }
    }

    fn finish(
        &self,
        fault: Fault,
        (service, protocol): (Service, Protocol),
        result: Option<Result<Success, AwsError>>,
        caller: &Caller,
        request_id: &str,
    ) -> Reply {
        match (fault, result) {
            (Fault::KillBefore | Fault::KillAfter, _) | (_, None) => {
                caller.killed.trip();
                self.reply(Answer::Killed)
            }
            (Fault::LostAnswer, _) => self.reply(Answer::Reset),
            (Fault::TimeoutAnswer, _) => self.reply(Answer::Silence(self.shared.silence)),
            (_, Some(Ok(success))) => self.reply(Answer::Response(protocol::respond(protocol, success, request_id))),
            (_, Some(Err(error))) => {
                let error = if self.shared.unknown_as_aws {
                    protocol::unknown::as_aws(protocol, error)
                } else {
                    error
                };
                self.reply(Answer::Response(protocol::refuse(
                    service, protocol, &error, request_id,
                )))
            }
        }
    }
}

/// The operations of a service, from the tables that its calls go through.
fn operations_of(service: Service) -> Vec<&'static str> {
    match service {
        Service::Mgn => operations::names(&fleet::mgn::OPERATIONS),
        Service::Ec2 => operations::names(&fleet::ec2::OPERATIONS),
        Service::Ssm => operations::names(&fleet::ssm::OPERATIONS),
        Service::Route53 => route53::operations(),
        Service::Sns => operations::names(&sns::OPERATIONS),
        Service::States => operations::names(&stepfunctions::OPERATIONS),
        Service::DynamoDb => dynamodb::operations(),
        Service::Dms => dms::operations(),
        Service::Monitoring => operations::names(&dms::metrics::OPERATIONS),
        Service::SecretsManager => operations::names(&secrets::OPERATIONS),
        Service::Scheduler => operations::names(&scheduler::OPERATIONS),
        Service::Lambda => vec![lambda::INVOKE],
        // The port to databases is no service of AWS.
        Service::Database => Vec::new(),
    }
}

/// What rules see of a call.
fn context(row: &CallRecord, call: &Call) -> CallContext {
    CallContext {
        seq: row.seq,
        caller: row.caller.clone(),
        invocation: row.invocation,
        caller_seq: row.caller_seq,
        service: row.service.clone(),
        operation: row.operation.clone(),
        body: call.input.as_ref().map_or(Value::Null, Input::to_value),
    }
}

fn refused(error: &AwsError) -> Outcome {
    Outcome::Error {
        status: error.status,
        code: error.code.clone(),
    }
}

fn outcome<T>(fault: Fault, result: Option<&Result<T, AwsError>>) -> Outcome {
    let plain = |result: &Result<T, AwsError>| match result {
        Ok(_) => Outcome::Ok,
        Err(error) => refused(error),
    };
    match fault {
        Fault::None => result.map_or(Outcome::Ok, plain),
        fault => {
            let behind = result
                .filter(|_| fault.executes())
                .map(|result| Box::new(plain(result)));
            Outcome::Injected {
                fault: fault.name(),
                behind,
            }
        }
    }
}
