//! MariaDB.

use crate::install;
use crate::process::{Process, as_user, folder, free_port, run};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// The user as which the server runs when the test is root.
const USER: &str = "mysql";

/// The packages that bring it.
const PACKAGES: &[&str] = &["mariadb-server"];

/// A server of its own, with a binary log in row format.
pub struct Server {
    // Dropped in this order: the process first, then its folder.
    process: Option<Process>,
    folder: TempDir,
    programs: PathBuf,
    server_id: u32,
    _fresh: Arc<TempDir>,
    /// Its port on the loopback address.
    pub port: u16,
}

impl Server {
    /// The address.
    pub const HOST: &'static str = "127.0.0.1";
    /// The account with all privileges.
    pub const SUPERUSER: &'static str = "superuser";
    /// Its password.
    pub const PASSWORD: &'static str = "superuser of a test";

    /// Makes a data folder and starts a server on it.
    ///
    /// # Panics
    /// When MariaDB cannot be installed or started.
    pub fn start() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(1);
        let programs = install::folder_of("mariadbd", || install::path_and(&["/usr/sbin"]), PACKAGES);
        let fresh = fresh();
        let folder = folder(USER);
        run(as_user(USER, Path::new("cp"))
            .arg("-a")
            .arg(fresh.path().join("data"))
            .arg(folder.path()));
        let first = folder.path().join("first.sql");
        // Accounts without a password are made by the installation; none of them is wanted.
        let statements = format!(
            "DELETE FROM mysql.global_priv WHERE user IN ('root', '');\nFLUSH PRIVILEGES;\n\
             CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n",
            user = Self::SUPERUSER,
            password = Self::PASSWORD,
        );
        std::fs::write(&first, statements).expect("a file in a folder of our own");
        let mut made = Self {
            process: None,
            folder,
            programs,
            _fresh: fresh,
            server_id: MADE.fetch_add(1, Ordering::Relaxed),
            port: free_port(),
        };
        made.run(true);
        made
    }

    /// The folder with everything of it, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it at once, as a power cut would, and starts it again on the same port.
    pub fn restart(&mut self) {
        self.process = None;
        self.run(false);
    }

    fn run(&mut self, first: bool) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = as_user(USER, &self.programs.join("mariadbd"));
        command.arg("--no-defaults");
        let mut options = vec![
            ("datadir", at("data")),
            ("bind-address", Self::HOST.to_owned()),
            ("port", self.port.to_string()),
            ("socket", at("socket")),
            ("pid-file", at("pid")),
            ("server-id", self.server_id.to_string()),
            ("log-bin", "mysql-bin".to_owned()),
            ("binlog-format", "ROW".to_owned()),
            ("binlog-row-image", "FULL".to_owned()),
            ("expire-logs-days", "7".to_owned()),
            ("sync-binlog", "0".to_owned()),
            ("innodb-flush-log-at-trx-commit", "0".to_owned()),
            // The kernel has few of those, and many servers run at once.
            ("innodb-use-native-aio", "OFF".to_owned()),
            ("innodb-buffer-pool-size", "32M".to_owned()),
            ("innodb-log-file-size", "16M".to_owned()),
            ("skip-name-resolve", "ON".to_owned()),
            ("max-connections", "300".to_owned()),
        ];
        if first {
            options.push(("init-file", at("first.sql")));
        }
        for (name, value) in options {
            command.arg(format!("--{name}={value}"));
        }
        let log = self.folder.path().join("log");
        self.process = Some(Process::start("MariaDB", command, self.port, &log));
    }
}

/// A data folder as it is after the installation. Servers copy it: making one takes a second, and several at once get in
/// each other's way. It is removed with the last server that came from it.
fn fresh() -> Arc<TempDir> {
    static MADE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(fresh) = made.upgrade() {
        return fresh;
    }
    let installer = install::folder_of("mariadb-install-db", || install::path_and(&["/usr/bin"]), PACKAGES);
    let fresh = Arc::new(folder(USER));
    run(as_user(USER, &installer.join("mariadb-install-db"))
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-use-native-aio=0",
        ])
        .arg(format!("--datadir={}", fresh.path().join("data").display())));
    *made = Arc::downgrade(&fresh);
    fresh
}
