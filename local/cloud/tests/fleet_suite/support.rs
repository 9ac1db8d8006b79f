//! A hub of its own, and the calls that most tests make.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use landfall_cloud::fleet::{Fleet, FleetKnobs, Initial, LaunchStatus, SourceServerSpec};
use landfall_cloud::{AwsError, EventDetail, Hub};
use serde_json::{Value, json};
use tokio::time::Instant;

pub struct FakeHub {
    began: Instant,
    counter: AtomicU64,
    pub events: Mutex<Vec<EventDetail>>,
}

impl Hub for FakeHub {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-01-10T02:00:00Z".parse().expect("a literal");
        start + self.began.elapsed()
    }
    fn random(&self) -> u64 {
        let mut mixed = self
            .counter
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn emit(&self, event: EventDetail) {
        self.events.lock().expect("not poisoned").push(event);
    }
    fn account(&self) -> String {
        "111122223333".to_owned()
    }
    fn region(&self) -> String {
        "eu-west-1".to_owned()
    }
}

/// A fleet under test.
pub struct Bench {
    pub fleet: Fleet,
    pub hub: Arc<FakeHub>,
}

pub const A: &str = "s-0000000000000000a";
pub const B: &str = "s-0000000000000000b";

impl Bench {
    /// A fleet with servers A and B, both ready for test.
    pub fn new(knobs: FleetKnobs) -> Bench {
        let hub = Arc::new(FakeHub {
            began: Instant::now(),
            counter: AtomicU64::new(7),
            events: Mutex::new(Vec::new()),
        });
        let fleet = Fleet::new(hub.clone(), knobs);
        fleet.add_source_server(SourceServerSpec::ready(A, "web-a", "192.168.1.10"));
        fleet.add_source_server(SourceServerSpec::ready(B, "web-b", "192.168.1.11"));
        Bench { fleet, hub }
    }

    pub fn plain() -> Bench {
        Bench::new(FleetKnobs::default())
    }

    /// Adds a server in initial sync.
    pub fn syncing(&self, id: &str, lasts: Duration) {
        self.fleet.add_source_server(SourceServerSpec {
            initial: Initial::InitialSync { lasts },
            ..SourceServerSpec::ready(id, "new", "192.168.1.99")
        });
    }

    pub fn mgn(&self, operation: &str, body: Value) -> Result<Value, AwsError> {
        self.fleet.mgn(operation, &body).map(|(_, body)| body)
    }

    pub fn ok(&self, operation: &str, body: Value) -> Value {
        match self.mgn(operation, body) {
            Ok(body) => body,
            Err(error) => panic!("{operation}: {error}"),
        }
    }

    pub fn refused(&self, operation: &str, body: Value) -> AwsError {
        match self.mgn(operation, body) {
            Ok(body) => panic!("{operation} was accepted: {body}"),
            Err(error) => error,
        }
    }

    /// Starts a job over these servers; its id.
    pub fn start(&self, operation: &str, ids: &[&str]) -> String {
        let body = self.ok(operation, json!({"sourceServerIDs": ids}));
        body["job"]["jobID"].as_str().expect("a job id").to_owned()
    }

    /// Starts a job and waits until it has completed and every participant has settled.
    pub async fn finish(&self, operation: &str, ids: &[&str]) -> String {
        let job = self.start(operation, ids);
        self.settled(&job).await;
        job
    }

    pub async fn settled(&self, id: &str) {
        for _ in 0..2000 {
            let jobs = self.fleet.jobs();
            let job = jobs.iter().find(|job| job.id == id).expect("the job");
            let settled = job.servers.iter().all(|(_, status, _)| {
                matches!(
                    status,
                    LaunchStatus::Launched | LaunchStatus::Failed | LaunchStatus::Terminated
                )
            });
            if settled && job.ended_at.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{id} never settled");
    }

    pub fn change(&self, id: &str, state: &str) -> Result<Value, AwsError> {
        let body = json!({"sourceServerID": id, "lifeCycle": {"state": state}});
        self.mgn("ChangeServerLifeCycleState", body)
    }

    pub fn state(&self, id: &str) -> String {
        self.fleet.server(id).expect("the server").life_cycle.to_string()
    }

    /// The server as MGN prints it.
    pub fn describe(&self, id: &str) -> Value {
        let body = json!({"filters": {"sourceServerIDs": [id]}});
        self.ok("DescribeSourceServers", body)["items"][0].clone()
    }

    pub fn job(&self, id: &str) -> Value {
        self.ok("DescribeJobs", json!({"filters": {"jobIDs": [id]}}))["items"][0].clone()
    }

    /// The events of a job's log.
    pub fn log(&self, job: &str) -> Vec<String> {
        let mut events = Vec::new();
        let mut request = json!({"jobID": job});
        loop {
            let page = self.ok("DescribeJobLogItems", request.clone());
            for item in page["items"].as_array().expect("items") {
                events.push(item["event"].as_str().expect("an event").to_owned());
            }
            match page["nextToken"].as_str() {
                Some(token) => request["nextToken"] = token.into(),
                None => return events,
            }
        }
    }

    pub fn events(&self, detail_type: &str) -> Vec<EventDetail> {
        let events = self.hub.events.lock().expect("not poisoned");
        events
            .iter()
            .filter(|event| event.detail_type == detail_type)
            .cloned()
            .collect()
    }

    /// Brings a server from READY_FOR_TEST to a lifecycle state, by the book.
    pub async fn bring(&self, id: &str, state: &str) {
        match state {
            "READY_FOR_TEST" => {}
            "TESTING" => {
                self.finish("StartTest", &[id]).await;
            }
            "READY_FOR_CUTOVER" => {
                self.finish("StartTest", &[id]).await;
                self.change(id, state).expect("legal");
            }
            "CUTTING_OVER" => {
                Box::pin(self.bring(id, "READY_FOR_CUTOVER")).await;
                self.finish("StartCutover", &[id]).await;
            }
            "CUTOVER" => {
                Box::pin(self.bring(id, "CUTTING_OVER")).await;
                self.ok("FinalizeCutover", json!({"sourceServerID": id}));
            }
            "DISCONNECTED" => {
                self.ok("DisconnectFromService", json!({"sourceServerID": id}));
            }
            other => panic!("no way to {other}"),
        }
        assert_eq!(self.state(id), state);
    }

    pub async fn sleep(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub fn ec2(&self, action: &str, params: &[(&str, &str)]) -> Result<String, AwsError> {
        let params: BTreeMap<String, String> = params
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        self.fleet.ec2(action, &params)
    }

    /// Runs a document on one node and waits for its end; the invocation as ListCommandInvocations gives it.
    pub async fn command(&self, node: &str, document: &str, parameters: Value) -> Value {
        let body = json!({"InstanceIds": [node], "DocumentName": document, "Parameters": parameters});
        let sent = self.fleet.ssm("SendCommand", &body).expect("sent");
        let id = sent["Command"]["CommandId"].as_str().expect("an id").to_owned();
        for _ in 0..5000 {
            self.sleep(1).await;
            let body = json!({"CommandId": id, "InstanceId": node, "Details": true});
            let list = self.fleet.ssm("ListCommandInvocations", &body).expect("listed");
            let one = &list["CommandInvocations"][0];
            if !matches!(one["Status"].as_str(), None | Some("Pending" | "InProgress")) {
                return one.clone();
            }
        }
        panic!("the command never ended");
    }

    /// Stops nginx and app on a node, under a marker.
    pub async fn quiesce(&self, node: &str, action: &str, marker: &str) -> String {
        let parameters = json!({"action": [action], "services": ["nginx", "app"], "marker": [marker]});
        let one = self.command(node, "Landfall-Quiesce", parameters).await;
        assert_eq!(one["Status"], "Success");
        one["CommandPlugins"][0]["Output"].as_str().expect("output").to_owned()
    }
}

/// The SSM node of a source server.
pub fn node(id: &str) -> String {
    id.replacen("s-", "mi-", 1)
}

/// The text of the first such element.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}
