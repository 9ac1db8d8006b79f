//! What the tests on real servers share.

use landfall_aws::database::{Database, DatabaseError, Databases, Login, Password};
use landfall_database::SqlDatabases;
use landfall_domain::plan::database::Engine;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The password of every login that a test makes.
pub const PASSWORD: &str = "secret-of-a-test";

/// A login on a server of this machine.
pub fn login(engine: Engine, port: u16, database: &str, username: &str, password: &str) -> Login {
    Login {
        engine,
        host: "127.0.0.1".to_owned(),
        port,
        database: database.to_owned(),
        username: username.to_owned(),
        password: Password::new(password),
        encrypted: false,
    }
}

/// Connects.
pub async fn connect(login: &Login) -> Box<dyn Database> {
    SqlDatabases
        .connect(login)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Why a login is refused; panics when it is not.
pub async fn refusal(login: &Login) -> String {
    match SqlDatabases.connect(login).await {
        Err(DatabaseError::LoginRefused { message, .. }) => message,
        Err(other) => panic!("not a refused login: {other}"),
        Ok(_) => panic!("{} can log in", login.username),
    }
}

/// A client that connects, again and again, as fast as it can until it is stopped, and counts how often it got in.
pub struct Reconnecting {
    stop: Arc<AtomicBool>,
    /// How often it tried.
    pub tried: Arc<AtomicU64>,
    /// How often it got in.
    pub entered: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Reconnecting {
    /// Starts it: a hundred times a second, if the server is fast enough.
    pub fn start(login: Login) -> Self {
        let (stop, tried, entered) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let (stopped, trying, entering) = (stop.clone(), tried.clone(), entered.clone());
        let task = tokio::spawn(async move {
            // What it has open it keeps, as a pool would.
            let mut open = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                trying.fetch_add(1, Ordering::Relaxed);
                if let Ok(connection) = SqlDatabases.connect(&login).await {
                    entering.fetch_add(1, Ordering::Relaxed);
                    open.push(connection);
                    if open.len() > 20 {
                        open.clear();
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self {
            stop,
            tried,
            entered,
            task,
        }
    }

    /// Waits until it has tried so many more times.
    pub async fn tries(&self, more: u64) {
        let goal = self.tried.load(Ordering::Relaxed) + more;
        while self.tried.load(Ordering::Relaxed) < goal {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends it.
    pub async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the client does not panic");
    }
}
