//! The port to databases, as a function's invocation holds it: every call passes the cloud's ledger and fault rules.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_aws::database::{Database, DatabaseError, Databases, Login};
use landfall_domain::database::{
    Closed, Inspection, KeepOpen, OpenTransaction, Probe, Readiness, SequenceValue, TableName, TableSum,
    ValidationFailure,
};
use landfall_domain::record::FreezeRecord;
use serde_json::{Value, json};

use super::model::{LoginSpec, Role};
use super::server::{LoginFailure, Refusal, Server};
use super::{DatabaseFleet, closing, fence, inspect, ready, verify};
use crate::caller::Caller;
use crate::cloud::Cloud;

impl Cloud {
    /// A way to the simulated databases whose calls are `caller`'s.
    pub fn databases_for(&self, caller: &Caller) -> Arc<dyn Databases> {
        Arc::new(BoundDatabases {
            cloud: self.clone(),
            caller: caller.clone(),
        })
    }
}

struct BoundDatabases {
    cloud: Cloud,
    caller: Caller,
}

#[async_trait]
impl Databases for BoundDatabases {
    async fn connect(&self, login: &Login) -> Result<Box<dyn Database>, DatabaseError> {
        let fleet = self.cloud.databases().clone();
        let body = json!({"host": login.host, "username": login.username});
        let run = fleet.log_in(login);
        let session = self
            .cloud
            .database_call(&self.caller, "connect", login, body, run)
            .await?;
        Ok(Box::new(Connection {
            cloud: self.cloud.clone(),
            caller: self.caller.clone(),
            login: login.clone(),
            link: Link {
                fleet,
                host: login.host.clone(),
                session,
                of_application: false,
            },
        }))
    }
}

/// A session that ends when its client does.
pub(super) struct Link {
    pub fleet: DatabaseFleet,
    pub host: String,
    pub session: u64,
    /// Whose network it is: an outage may be Landfall's alone.
    pub of_application: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(server) = self.fleet.servers().get_mut(&self.host) {
            server.sessions.remove(&self.session);
        }
    }
}

/// What an operation works with.
pub(super) struct Scene<'a> {
    pub server: &'a mut Server,
    /// Whose session it is, as the server knows it.
    pub login: LoginSpec,
    /// The session.
    pub session: u64,
    pub now: Timestamp,
}

impl Scene<'_> {
    /// Refuses everybody but Landfall's own login.
    pub fn only_admin(&self) -> Result<(), Refusal> {
        match self.login.role {
            Role::Admin => Ok(()),
            _ => Err(Refusal::new(
                "42501",
                format!("permission denied for {}", self.login.name),
            )),
        }
    }
}

impl DatabaseFleet {
    /// Logs in, as a client over the network does.
    async fn log_in(&self, login: &Login) -> Result<u64, DatabaseError> {
        let knobs = self.knobs();
        let unreachable = |message: String| DatabaseError::Unreachable {
            host: format!("{}:{}", login.host, login.port),
            message,
        };
        if !self.reachable(&login.host, false) {
            tokio::time::sleep(knobs.connect_timeout).await;
            let seconds = knobs.connect_timeout.as_secs();
            return Err(unreachable(format!("no answer within {seconds} seconds")));
        }
        tokio::time::sleep(knobs.latency).await;
        let mut servers = self.servers();
        let Some(server) = servers.get_mut(&login.host) else {
            return Err(unreachable("no such host".to_owned()));
        };
        let password = Some(login.password.expose());
        server
            .log_in(&login.username, password, Some(&login.database))
            .map_err(|failure| match failure {
                LoginFailure::Login(message) => DatabaseError::LoginRefused {
                    host: format!("{}:{}", login.host, login.port),
                    username: login.username.clone(),
                    message,
                },
                LoginFailure::Database(refusal) => refused("to connect", refusal),
            })
    }
}

fn refused(what: &str, refusal: Refusal) -> DatabaseError {
    match refusal {
        Refusal {
            code: closing::SUPERSEDED,
            message,
        } => DatabaseError::Superseded { id: message },
        Refusal {
            code: ready::UNSUPPORTED,
            message,
        } => DatabaseError::Unsupported(message),
        Refusal { code, message } => DatabaseError::Refused {
            what: what.to_owned(),
            code: code.to_owned(),
            message,
        },
    }
}

impl Link {
    /// Does something on the server through this session, if it still is one.
    pub fn act<T>(&self, what: &str, act: impl FnOnce(Scene<'_>) -> Result<T, Refusal>) -> Result<T, DatabaseError> {
        let lost = |message: &str| DatabaseError::Unreachable {
            host: self.host.clone(),
            message: message.to_owned(),
        };
        if !self.fleet.reachable(&self.host, self.of_application) {
            return Err(lost("the connection timed out"));
        }
        let now = self.fleet.now();
        let mut servers = self.fleet.servers();
        let server = servers.get_mut(&self.host).ok_or_else(|| lost("no such host"))?;
        let Some(session) = server.sessions.get(&self.session) else {
            return Err(lost("terminating connection due to administrator command"));
        };
        let login = server.logins.get(&session.login).cloned();
        let login = login.ok_or_else(|| lost("the login was dropped"))?;
        let scene = Scene {
            server,
            login,
            session: self.session,
            now,
        };
        act(scene).map_err(|refusal| refused(what, refusal))
    }
}

struct Connection {
    cloud: Cloud,
    caller: Caller,
    login: Login,
    link: Link,
}

impl Connection {
    /// One call of the port, done at one instant after the latency.
    async fn call<T>(
        &self,
        operation: &str,
        body: Value,
        act: impl FnOnce(Scene<'_>) -> Result<T, Refusal>,
    ) -> Result<T, DatabaseError> {
        let latency = self.link.fleet.knobs().latency;
        let run = async {
            tokio::time::sleep(latency).await;
            self.link.act(operation, act)
        };
        self.cloud
            .database_call(&self.caller, operation, &self.login, self.body(body), run)
            .await
    }

    /// A call's content as fault rules see it: with the host and the user, never with the password.
    fn body(&self, mut body: Value) -> Value {
        body["host"] = self.login.host.clone().into();
        body["username"] = self.login.username.clone().into();
        body
    }
}

#[async_trait]
impl Database for Connection {
    async fn inspect(&mut self, schemas: &[String], keep: &KeepOpen) -> Result<Inspection, DatabaseError> {
        self.call("inspect", json!({"schemas": schemas}), |scene| {
            inspect::inspect(&scene, schemas, keep)
        })
        .await
    }

    async fn create_fence_table(&mut self, fence: &TableName, fence_writer: &str) -> Result<(), DatabaseError> {
        self.call("create_fence_table", json!({"fence": fence.to_string()}), |scene| {
            fence::create(scene, fence, fence_writer)
        })
        .await
    }

    async fn drop_fence_table(&mut self, fence: &TableName) -> Result<(), DatabaseError> {
        self.call("drop_fence_table", json!({"fence": fence.to_string()}), |scene| {
            fence::drop(scene, fence)
        })
        .await
    }

    async fn write_fence(&mut self, fence: &TableName, id: &str) -> Result<(), DatabaseError> {
        self.call("write_fence", json!({"fence": fence.to_string(), "id": id}), |scene| {
            fence::write(scene, fence, id)
        })
        .await
    }

    async fn read_fences(&mut self, fence: &TableName, ids: &[String]) -> Result<Vec<String>, DatabaseError> {
        self.call(
            "read_fences",
            json!({"fence": fence.to_string(), "ids": ids}),
            |scene| fence::read(&scene, fence, ids),
        )
        .await
    }

    async fn plan_closing(&mut self, keep: &KeepOpen) -> Result<FreezeRecord, DatabaseError> {
        self.call("plan_closing", json!({}), |scene| closing::plan(&scene, keep))
            .await
    }

    async fn close(
        &mut self,
        fence: &TableName,
        id: &str,
        record: &FreezeRecord,
        keep: &KeepOpen,
        within: Duration,
    ) -> Result<Closed, DatabaseError> {
        let body = self.body(json!({"fence": fence.to_string(), "id": id}));
        let run = closing::close(&self.link, fence, id, record, keep, within);
        self.cloud
            .database_call(&self.caller, "close", &self.login, body, run)
            .await
    }

    async fn open(&mut self, fence: &TableName, id: &str, record: &FreezeRecord) -> Result<Vec<String>, DatabaseError> {
        self.call("open", json!({"fence": fence.to_string(), "id": id}), |scene| {
            closing::open(scene, fence, id, record)
        })
        .await
    }

    async fn probe(&mut self) -> Result<Probe, DatabaseError> {
        self.call("probe", json!({}), |scene| Ok(ready::probe(&scene))).await
    }

    async fn open_transactions(&mut self, at_least: Duration) -> Result<Vec<OpenTransaction>, DatabaseError> {
        self.call("open_transactions", json!({}), |scene| {
            inspect::transactions(&scene, at_least)
        })
        .await
    }

    async fn prepared_transactions(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.call("prepared_transactions", json!({}), |scene| {
            scene.only_admin()?;
            Ok(scene.server.prepared.keys().cloned().collect())
        })
        .await
    }

    async fn fingerprint(&mut self, tables: &[TableName]) -> Result<String, DatabaseError> {
        self.call("fingerprint", json!({}), |scene| verify::fingerprint(&scene, tables))
            .await
    }

    async fn table_sum(&mut self, table: &TableName) -> Result<TableSum, DatabaseError> {
        self.call("table_sum", json!({"table": table.to_string()}), |scene| {
            verify::sum(&scene, table)
        })
        .await
    }

    async fn sequences(&mut self, schemas: &[String]) -> Result<Vec<SequenceValue>, DatabaseError> {
        self.call("sequences", json!({"schemas": schemas}), |scene| {
            scene.only_admin()?;
            Ok(ready::sequences(scene.server, schemas))
        })
        .await
    }

    async fn advance_sequences(&mut self, values: &[SequenceValue], margin: u32) -> Result<(), DatabaseError> {
        self.call("advance_sequences", json!({"margin": margin}), |scene| {
            ready::advance(scene, values, margin)
        })
        .await
    }

    async fn make_ready(&mut self, tables: &[TableName]) -> Result<Readiness, DatabaseError> {
        self.call("make_ready", json!({}), |scene| ready::make_ready(scene, tables))
            .await
    }

    async fn smoke_test(&mut self, statement: Option<&str>) -> Result<(), DatabaseError> {
        self.call("smoke_test", json!({"statement": statement}), |scene| {
            ready::smoke(&scene, statement)
        })
        .await
    }

    async fn log_position(&mut self) -> Result<String, DatabaseError> {
        self.call("log_position", json!({}), |scene| {
            scene.only_admin()?;
            Ok(scene.server.position_text(scene.server.position()))
        })
        .await
    }

    async fn hold_log(&mut self, slot: &str) -> Result<String, DatabaseError> {
        self.call("hold_log", json!({"slot": slot}), |scene| {
            scene.only_admin()?;
            if !scene.server.mysql() {
                scene.server.slots.entry(slot.to_owned()).or_insert(false);
            }
            Ok(scene.server.position_text(scene.server.position()))
        })
        .await
    }

    async fn apply_exceptions(&mut self) -> Result<u64, DatabaseError> {
        self.call("apply_exceptions", json!({}), |scene| verify::exceptions(&scene))
            .await
    }

    async fn validation_failures(&mut self, most: u32) -> Result<Vec<ValidationFailure>, DatabaseError> {
        self.call("validation_failures", json!({"most": most}), |scene| {
            scene.only_admin()?;
            Ok(scene.server.failures(most))
        })
        .await
    }

    async fn leftovers(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.call("leftovers", json!({}), |scene| verify::leftovers(&scene))
            .await
    }

    async fn end_leftover(&mut self, leftover: &str) -> Result<(), DatabaseError> {
        self.call("end_leftover", json!({"leftover": leftover}), |scene| {
            verify::end_leftover(scene, leftover)
        })
        .await
    }
}
