//! The whole application as processes: every function is its real binary behind the Lambda Runtime API, and reaches the
//! simulated AWS through a socket, as `aws` and boto3 do. Time is real; only simulated work can be made faster.

mod command;
mod environment;
mod http;
mod identities;
mod pool;
mod questions;
mod runtime_api;
mod socket;

pub use command::Arguments;
pub(crate) use command::run;

use self::http::Server;
use crate::world::functions::FUNCTIONS;
use crate::world::{ACCOUNT, REGION, TABLE, World, WorldOptions};
use identities::Identities;
use jiff::Timestamp;
use landfall_cloud::{Caller, Knobs};
use landfall_domain::plan::ProgramPlan;
use pool::{Deployment, Pool};
use socket::Socket;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The TTL of record sets before a migration, in seconds: at speed 1, and at least.
const TTL_SECONDS: f64 = 300.0;
const TTL_SECONDS_MIN: u32 = 10;

/// Minutes before its start for which a task has points of metrics: nobody waits for minutes here.
const METRIC_HISTORY: u32 = 5;

/// How it is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on the loopback address; 0 for any that is free.
    pub port: u16,
    /// How many times as fast as in reality simulated work is done: launches, snapshots, commands, loads. 1 to 120. Waits
    /// of plans and definitions are as long as they say.
    pub speed: f64,
    /// Whose servers and record sets are set up.
    pub program: ProgramPlan,
    /// The folder with the functions' binaries.
    pub functions: PathBuf,
    /// The folder for what functions print.
    pub logs: PathBuf,
    /// As in [`WorldOptions`]. Without it definitions wait as long as they say.
    pub reread_seconds: Option<u32>,
}

/// The running application. Dropping it ends every process and closes the socket.
pub struct Up {
    /// Simulated AWS, with the product deployed in it.
    pub world: World,
    /// Where the socket is.
    pub address: SocketAddr,
    _served: Served,
}

/// A world's AWS on a socket; its functions run where the world says. Dropping it closes the socket.
pub struct Served {
    /// Where the socket is.
    pub address: SocketAddr,
    identities: Identities,
    _socket: Server,
}

impl Served {
    /// Starts it, on the present tokio runtime, whose clock has to be the real one. Port 0 is any that is free.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(world: World, port: u16) -> Result<Self, String> {
        let identities = Identities::default();
        let answering = Socket {
            world,
            identities: identities.clone(),
        };
        let socket = Server::start(port, move |request| answering.clone().answer(request)).await;
        let socket = socket.map_err(|error| format!("the port {port} cannot be listened on: {error}"))?;
        Ok(Self {
            address: socket.address,
            identities,
            _socket: socket,
        })
    }

    /// Has the calls that are signed with this access key be this caller's; without it they are an operator's.
    pub fn assume(&self, key: &str, caller: Caller) {
        self.identities.assume(key, caller);
    }

    /// The value of `AWS_ENDPOINT_URL` for whoever wants to talk to it.
    pub fn endpoint(&self) -> String {
        endpoint(self.address)
    }
}

impl Up {
    /// Starts it, on the present tokio runtime, whose clock has to be the real one.
    ///
    /// # Errors
    /// A binary is missing, the program has databases, the port is taken, a definition cannot be deployed.
    pub async fn start(options: Options) -> Result<Self, String> {
        let Options {
            port,
            speed,
            program,
            functions,
            logs,
            reread_seconds,
        } = options;
        if !(1.0..=120.0).contains(&speed) {
            return Err(format!("the speed {speed} is not between 1 and 120"));
        }
        refuse_databases(&program)?;
        all_built(&functions)?;
        std::fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
        let world = World::try_new(WorldOptions {
            start: Timestamp::now(),
            knobs: knobs(speed),
            reread_seconds,
            original_ttl_seconds: ((TTL_SECONDS / speed).ceil() as u32).max(TTL_SECONDS_MIN),
            ..WorldOptions::default()
        })?;
        world.load_program(&program);
        let served = Served::start(world.clone(), port).await?;
        let pool = Pool::new(
            Deployment {
                programs: functions,
                logs,
                account: ACCOUNT,
                region: REGION,
                variables: variables(&world, served.address),
            },
            served.identities.clone(),
        );
        world.run_functions(Arc::new(move |caller, request_id, payload| {
            Box::pin(pool.clone().invoke(caller, request_id, payload))
        }));
        Ok(Self {
            world,
            address: served.address,
            _served: served,
        })
    }

    /// The value of `AWS_ENDPOINT_URL` for whoever wants to talk to it.
    pub fn endpoint(&self) -> String {
        endpoint(self.address)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // The world holds the processes, and the cloud's rules may outlive this for a moment.
        self.world.run_no_functions();
    }
}

/// The folder with the functions' binaries, as seen from a binary of the same build: its own, or for a test the one above.
///
/// # Errors
/// When the system does not say where this binary is.
pub fn functions_beside_this_binary() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("this binary's path is not known: {error}"))?;
    let folder = this.parent().unwrap_or(Path::new("/"));
    let above = folder.parent().filter(|_| folder.ends_with("deps"));
    Ok(above.unwrap_or(folder).to_owned())
}

/// Where systems keep their root certificates in one file: that of Lambda, which the template names, and Debian's.
const ROOT_CERTIFICATES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The environment variables that the template sets for functions, and those that Lambda sets.
fn variables(world: &World, address: SocketAddr) -> Vec<(&'static str, String)> {
    let config = world.config("");
    let mut variables = vec![
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ENDPOINT_URL", endpoint(address)),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("LANDFALL_TABLE", TABLE.to_owned()),
        ("LANDFALL_TOPIC_ARN", config.topic_arn),
        ("LANDFALL_ACCOUNT", ACCOUNT.to_owned()),
    ];
    let bundle = ROOT_CERTIFICATES.into_iter().find(|file| Path::new(file).is_file());
    variables.extend(bundle.map(|file| ("SSL_CERT_FILE", file.to_owned())));
    variables.extend(
        config
            .scheduler_role_arn
            .map(|arn| ("LANDFALL_SCHEDULER_ROLE_ARN", arn)),
    );
    variables.extend(config.freeze_source_arn.map(|arn| ("LANDFALL_FREEZE_SOURCE_ARN", arn)));
    variables.extend(
        config
            .reach_database_arn
            .map(|arn| ("LANDFALL_REACH_DATABASE_ARN", arn)),
    );
    variables
}

/// AWS whose work takes less time. Its limits and the time that a call takes stay as they are.
fn knobs(speed: f64) -> Knobs {
    let mut knobs = Knobs {
        unknown_as_aws: true,
        ..Knobs::default()
    };
    knobs.fleet = knobs.fleet.scaled(1.0 / speed);
    knobs.dms = knobs.dms.scaled(1.0 / speed);
    knobs.dms.metric_delay = knobs.dms.metric_delay.div_f64(speed);
    knobs.dms.metric_history = METRIC_HISTORY;
    knobs.route53.insync_after = knobs.route53.insync_after.div_f64(speed);
    knobs
}

fn refuse_databases(program: &ProgramPlan) -> Result<(), String> {
    let with = program.waves.iter().find(|wave| !wave.databases.is_empty());
    with.map_or(Ok(()), |wave| {
        Err(format!(
            "the wave {} has databases: processes reach real databases only, and there is none here; \
             `runner demo --scenario database` moves one",
            wave.wave_id
        ))
    })
}

fn all_built(folder: &Path) -> Result<(), String> {
    let missing = FUNCTIONS.iter().find(|(name, _)| !folder.join(name).is_file());
    missing.map_or(Ok(()), |(name, _)| {
        Err(format!(
            "{} is not built; run: cargo build --locked --workspace --bins",
            folder.join(name).display()
        ))
    })
}
