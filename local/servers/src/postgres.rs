//! PostgreSQL.

use crate::install;
use crate::process::{PATIENCE, Process, as_user, folder, free_port, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The user as which the server runs when the test is root.
const USER: &str = "postgres";

/// A server of its own, with logical decoding on.
pub struct Server {
    // Dropped in this order: the process first, then its folder.
    process: Option<Process>,
    folder: TempDir,
    programs: PathBuf,
    /// Its port on the loopback address.
    pub port: u16,
}

impl Server {
    /// The address.
    pub const HOST: &'static str = "127.0.0.1";
    /// The superuser.
    pub const SUPERUSER: &'static str = "postgres";
    /// The superuser's password.
    pub const PASSWORD: &'static str = "superuser of a test";

    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// When PostgreSQL cannot be installed or started.
    pub fn start() -> Self {
        let programs = install::folder_of("initdb", folders, &["postgresql"]);
        let folder = folder(USER);
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        std::fs::write(&password, Self::PASSWORD).expect("a file in a folder of our own");
        run(as_user(USER, &programs.join("initdb"))
            .args([
                "--username",
                Self::SUPERUSER,
                "--auth",
                "scram-sha-256",
                "--no-sync",
                "--encoding",
                "UTF8",
            ])
            .arg("--pwfile")
            .arg(&password)
            .arg("--pgdata")
            .arg(&data));
        let mut server = Self {
            process: None,
            folder,
            programs,
            port: free_port(),
        };
        server.run();
        server
    }

    /// The folder with everything of it, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it at once, as a power cut would, and starts it again on the same port.
    pub fn restart(&mut self) {
        self.process = None;
        self.run();
    }

    fn run(&mut self) {
        let data = self.folder.path().join("data");
        let mut command = as_user(USER, &self.programs.join("postgres"));
        command.arg("-D").arg(&data);
        let port = self.port.to_string();
        let sockets = self.folder.path().display().to_string();
        for (name, value) in [
            ("listen_addresses", Self::HOST),
            ("port", &port),
            ("unix_socket_directories", &sockets),
            ("wal_level", "logical"),
            ("max_wal_senders", "20"),
            ("max_replication_slots", "20"),
            ("max_logical_replication_workers", "16"),
            ("max_worker_processes", "24"),
            ("max_prepared_transactions", "10"),
            ("max_connections", "200"),
            ("shared_buffers", "32MB"),
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("autovacuum", "off"),
            ("wal_receiver_status_interval", "1"),
        ] {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let log = self.folder.path().join("log");
        self.process = Some(Process::start("PostgreSQL", command, self.port, &log));
        // It listens before it lets anybody in.
        let ready = self.programs.join("pg_isready");
        let since = std::time::Instant::now();
        while !is_ready(&ready, &port) {
            assert!(since.elapsed() < PATIENCE, "PostgreSQL lets nobody in on port {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_ready(pg_isready: &Path, port: &str) -> bool {
    let asked = Command::new(pg_isready)
        .args(["--quiet", "--host", Server::HOST, "--port", port])
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Where Debian keeps the programs of each version, the newest first; then `PATH`.
fn folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    folders.extend(install::path_and(&[]));
    folders
}

fn version(folder: &Path) -> u32 {
    let name = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}
