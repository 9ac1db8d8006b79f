//! A Systems Manager document for a database that Landfall does not speak to itself, as its owners would write it: it
//! takes and answers what `landfall_aws::document_database` asks for.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use landfall_aws::database::DatabaseError;
use landfall_domain::database::{Closed, KeepOpen, Probe, TableName};
use serde_json::{Value, json};

use super::port::Link;
use super::server::LoginFailure;
use super::{DatabaseFleet, closing, fence, inspect, ready};
use crate::fleet::{OwnDocument, Ran};
use crate::secrets::Secrets;

/// The document. It runs on a host beside the database, logs in with the secret that it is told, and keeps on the
/// database what a freeze changes.
pub struct DatabaseDocument {
    fleet: DatabaseFleet,
    secrets: Secrets,
}

impl DatabaseDocument {
    /// A document for these databases, whose logins are in these secrets.
    pub fn new(fleet: DatabaseFleet, secrets: Secrets) -> DatabaseDocument {
        DatabaseDocument { fleet, secrets }
    }
}

impl OwnDocument for DatabaseDocument {
    fn parameters(&self) -> &'static [&'static str] {
        &[
            "Action",
            "SecretArn",
            "ClosingId",
            "Deadline",
            "LongestTransactionSeconds",
            "WithinSeconds",
            "KeepLogins",
            "FenceTable",
            "FenceId",
        ]
    }

    fn run(&self, given: BTreeMap<String, String>) -> Pin<Box<dyn Future<Output = Ran> + Send>> {
        let (fleet, secrets) = (self.fleet.clone(), self.secrets.clone());
        Box::pin(async move {
            match act(&fleet, &secrets, &Given(given)).await {
                Ok(answer) => Ran {
                    code: 0,
                    output: format!("connected\n{answer}\n"),
                },
                Err(why) => Ran {
                    code: 1,
                    output: format!("{why}\n"),
                },
            }
        })
    }
}

/// The parameters.
struct Given(BTreeMap<String, String>);

impl Given {
    fn text(&self, name: &str) -> Result<&str, String> {
        let text = self.0.get(name).map(String::as_str).unwrap_or_default();
        if text.is_empty() {
            Err(format!("{name} is not given"))
        } else {
            Ok(text)
        }
    }

    fn read<T: std::str::FromStr>(&self, name: &str) -> Result<T, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("{name} is {text}"))
    }

    fn table(&self) -> Result<TableName, String> {
        let text = self.text("FenceTable")?;
        let (schema, table) = text.split_once('.').ok_or_else(|| format!("FenceTable is {text}"))?;
        Ok(TableName::new(schema, table))
    }
}

async fn act(fleet: &DatabaseFleet, secrets: &Secrets, given: &Given) -> Result<Value, String> {
    let action = given.text("Action")?;
    let link = match log_in(fleet, secrets, given.text("SecretArn")?)? {
        Ok(link) => link,
        Err(said) if action == "probe" => return Ok(json!({"outcome": "refused", "message": said})),
        Err(said) => return Err(said),
    };
    let done = match action {
        "probe" => link.act("probe", |scene| Ok(probed(&ready::probe(&scene)))),
        "fence" => {
            let (table, id) = (given.table()?, given.text("FenceId")?);
            link.act("fence", |scene| fence::write(scene, &table, id))
                .map(|()| json!({"outcome": "fenced"}))
        }
        "freeze" => freeze(&link, given).await?,
        "unfreeze" => {
            let (table, id) = (given.table()?, given.text("ClosingId")?);
            link.act("unfreeze", |scene| {
                let record = scene.server.kept.get(id).cloned().unwrap_or_default();
                closing::open(scene, &table, id, &record)
            })
            .map(|left| json!({"outcome": "unfrozen", "left": left}))
        }
        other => return Err(format!("Action is {other}")),
    };
    match done {
        Err(DatabaseError::Superseded { .. }) => Ok(json!({"outcome": "superseded"})),
        other => other.map_err(|error| error.to_string()),
    }
}

/// A session of the secret's login, or what the database says to it.
fn log_in(fleet: &DatabaseFleet, secrets: &Secrets, arn: &str) -> Result<Result<Link, String>, String> {
    let answer = secrets.handle("GetSecretValue", &json!({"SecretId": arn}));
    let answer = answer.map_err(|error| format!("the secret cannot be read: {}", error.code))?;
    let text = answer["SecretString"].as_str().unwrap_or_default();
    let secret: Value = serde_json::from_str(text).map_err(|error| format!("the secret cannot be read: {error}"))?;
    let member = |name: &str| secret[name].as_str().unwrap_or_default();
    let host = member("host");
    // The document runs beside the database: it is cut off with everybody or not at all.
    if !fleet.reachable(host, true) {
        return Err("ORA-12170: TNS:Connect timeout occurred".to_owned());
    }
    let mut servers = fleet.servers();
    let server = servers.get_mut(host).ok_or("ORA-12545: no such host")?;
    let session = server.log_in(member("username"), Some(member("password")), Some(member("dbname")));
    Ok(match session {
        Ok(session) => Ok(Link {
            fleet: fleet.clone(),
            host: host.to_owned(),
            session,
            of_application: true,
        }),
        Err(LoginFailure::Login(said)) => Err(said),
        Err(LoginFailure::Database(refusal)) => Err(refusal.message),
    })
}

fn probed(probe: &Probe) -> Value {
    match probe {
        Probe::Accepted => json!({"outcome": "accepted"}),
        Probe::Refused(message) => json!({"outcome": "refused", "message": message}),
    }
}

async fn freeze(link: &Link, given: &Given) -> Result<Result<Value, DatabaseError>, String> {
    let (table, id) = (given.table()?, given.text("ClosingId")?);
    let deadline: Timestamp = given.read("Deadline")?;
    let longest = Duration::from_secs(given.read("LongestTransactionSeconds")?);
    let within = Duration::from_secs(given.read("WithinSeconds")?);
    let logins = serde_json::from_str(given.text("KeepLogins")?).map_err(|error| format!("KeepLogins: {error}"))?;
    let keep = KeepOpen { logins };
    let prepared = link.act("to prepare the freeze", |scene| {
        if scene.now > deadline {
            return Ok(None);
        }
        let long = inspect::transactions(&scene, longest)?;
        let long = long.iter().map(|one| format!("{} for {} s", one.login, one.seconds));
        let mut why: Vec<String> = long.collect();
        why.extend(scene.server.prepared.keys().cloned());
        let planned = closing::plan(&scene, &keep)?;
        if why.is_empty() {
            scene.server.kept.entry(id.to_owned()).or_insert(planned);
        }
        Ok(Some((why, scene.server.kept.get(id).cloned().unwrap_or_default())))
    });
    let record = match prepared {
        Ok(Some((why, _))) if !why.is_empty() => return Ok(Ok(json!({"outcome": "held", "why": why}))),
        Ok(Some((_, record))) => record,
        // Too late: nothing may be shut any more.
        Ok(None) => return Ok(Ok(json!({"outcome": "superseded"}))),
        Err(error) => return Ok(Err(error)),
    };
    let closed = closing::close(link, &table, id, &record, &keep, within).await;
    Ok(closed.map(|closed| match closed {
        Closed::Empty { ended } => json!({"outcome": "frozen", "ended": ended}),
        Closed::StillOpen { logins } => json!({"outcome": "stillOpen", "logins": logins}),
        Closed::Held { why } => json!({"outcome": "held", "why": why}),
    }))
}
