//! A server process with its folder, as a user that is not root.

use crate::install::is_root;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to answer after its start, and to end after it was asked to.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A port of the loopback address that nobody listens on at the moment, and that this process gives to nobody else. It is
/// below those that the kernel gives to outgoing connections, which could take it before its server does.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const LAST: u16 = 32_000;
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().expect("nothing panics while it is held");
    // Processes begin at different places.
    let start = FIRST + u16::try_from(std::process::id() % 1_000).unwrap_or_default() * 12;
    let mut port = next.unwrap_or(start);
    for _ in FIRST..LAST {
        let candidate = port;
        port = if port + 1 < LAST { port + 1 } else { FIRST };
        if std::net::TcpListener::bind(("127.0.0.1", candidate)).is_ok() {
            *next = Some(port);
            return candidate;
        }
    }
    drop(next);
    panic!("no port from {FIRST} to {LAST} is free on the loopback address");
}

/// A folder that a user other than root may write to, removed when dropped.
pub fn folder(user: &str) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("landfall-")
        .tempdir()
        .expect("a temporary folder");
    if is_root() {
        run(Command::new("chown").arg(user).arg(folder.path()));
    }
    folder
}

/// A command as a user: servers refuse to be root. It dies with the thread that started it.
pub fn as_user(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            user,
            "--regid",
            user,
            "--clear-groups",
            "--pdeathsig",
            "KILL",
            "--",
        ])
        .arg(program);
    command
}

/// Runs a command to its end.
///
/// # Panics
/// When it fails; the message is what it printed.
pub fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output();
    let done = done.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{command:?} failed:\n{out}{err}");
}

/// A process that ends when this is dropped.
pub struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    /// Starts a server and waits until it listens.
    ///
    /// # Panics
    /// When it ends instead, or does not listen within a minute; the message is the end of its log.
    pub fn start(name: &'static str, mut command: Command, port: u16, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("a log file in a folder of our own");
        let errors = file.try_clone().expect("a second handle of a file");
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let mut process = Self {
            child: spawn(command),
            name,
        };
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.child.try_wait().expect("a child can be asked");
            let late = since.elapsed() > PATIENCE;
            if ended.is_some() || late {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                panic!("{name} does not listen on port {port} (ended: {ended:?}):\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = process.child.try_wait().expect("a child can be asked");
        assert!(
            ended.is_none(),
            "somebody else listens on port {port}, and {name} has ended"
        );
        process
    }

    /// Asks it to end and waits; kills it when it does not.
    pub fn stop(&mut self, signal: &str) {
        let _ = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        eprintln!("{} does not end and is killed", self.name);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop("-QUIT");
    }
}

/// Starts a process from a thread that lives as long as this process: a child dies with the thread that started it, and
/// tests end their threads.
fn spawn(command: Command) -> Child {
    type Order = (Command, Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Nobody waits for the answer only when the test has panicked.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = channel();
    let name = format!("{command:?}");
    spawner
        .lock()
        .expect("sending does not panic")
        .send((command, answer))
        .expect("the spawner lives as long as this process");
    let child = child.recv().expect("the spawner answers");
    child.unwrap_or_else(|error| panic!("{name} cannot be started: {error}"))
}
