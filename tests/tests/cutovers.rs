//! Cutovers of real databases, under applications that never stop trying: nothing that was acknowledged is lost, nothing
//! is acknowledged by a closed side, and Landfall's own share of the downtime is small.
//!
//! Four pairs of servers work side by side, two of PostgreSQL and two of MariaDB; each moves one database after the other
//! from its source to its target, and takes the last one back. State machines and functions are the shipped ones, AWS is
//! simulated, and time is real. DMS is stood in for by the engines' own replication.

#[path = "cutovers/checks.rs"]
mod checks;
#[path = "cutovers/compare.rs"]
mod compare;
#[path = "cutovers/comparing.rs"]
mod comparing;
#[path = "cutovers/ends.rs"]
mod ends;
#[path = "cutovers/figures.rs"]
mod figures;
#[path = "cutovers/native.rs"]
mod native;
#[path = "cutovers/outside.rs"]
mod outside;
#[path = "cutovers/pair.rs"]
mod pair;
#[path = "cutovers/plan.rs"]
mod plan;
#[path = "cutovers/processor.rs"]
mod processor;
#[path = "cutovers/replicator.rs"]
mod replicator;
#[path = "cutovers/servers.rs"]
mod servers;
#[path = "cutovers/session.rs"]
mod session;
#[path = "cutovers/timed.rs"]
mod timed;
#[path = "cutovers/writers.rs"]
mod writers;

use runner::world::in_real_time;
use session::Kind;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pairs.
const PAIRS: [Kind; 4] = [Kind::Postgres, Kind::Mariadb, Kind::Postgres, Kind::Mariadb];

/// Cutovers of each pair, besides the one that is taken back: twenty of each engine, and two.
const CUTOVERS: u32 = 10;

/// Another number of them, for a look at something while working on it.
const CUTOVERS_VARIABLE: &str = "LANDFALL_CUTOVERS";

/// What Landfall may add to a downtime by itself.
const OWN_MS_MAX: u64 = 2_000;

/// How long servers that were told to end may take until nothing of them is to be seen.
const GONE_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn real_databases_move_under_load_and_lose_nothing() {
    let began = Instant::now();
    let wanted = std::env::var(CUTOVERS_VARIABLE).ok().and_then(|text| text.parse().ok());
    let cutovers = wanted.unwrap_or(CUTOVERS);
    let failed = Arc::new(AtomicBool::new(false));
    let threads = PAIRS.into_iter().enumerate().map(|(number, kind)| {
        let failed = failed.clone();
        std::thread::spawn(move || {
            let _guard = OnPanic(failed.clone());
            in_real_time(pair::run(number, kind, cutovers, failed))
        })
    });
    let threads: Vec<_> = threads.collect();
    let (mut moved, mut returns, mut failures, mut folders) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for thread in threads {
        let Ok(outcome) = thread.join() else {
            failures.push("a pair has panicked; what it said is above".to_owned());
            continue;
        };
        moved.extend(outcome.cutovers);
        returns.extend(outcome.returns);
        failures.extend(outcome.failures);
        folders.extend(outcome.folders);
    }
    for kind in [Kind::Postgres, Kind::Mariadb] {
        tell(&figures::show(kind, &moved, &returns));
        let done = moved.iter().filter(|cutover| cutover.kind == kind).count();
        if done < 2 * cutovers as usize {
            failures.push(format!("{kind:?}: {done} cutovers are too few"));
        }
        let back = returns.iter().filter(|one| one.kind == kind).count();
        if back < 2 {
            failures.push(format!("{kind:?}: {back} ways back are too few"));
        }
    }
    tell(&format!("  {:.0} s in all\n", began.elapsed().as_secs_f64()));
    let slow = moved.iter().filter(|cutover| cutover.own_ms >= OWN_MS_MAX);
    failures.extend(slow.map(|cutover| format!("Landfall's own share is too large: {cutover:?}")));
    failures.extend(left_running(&folders));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Tells the other pairs when this one panics.
struct OnPanic(Arc<AtomicBool>);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Shows something of a test that passes too: what tests print is shown only when they fail.
fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    // A terminal that is gone is told nothing.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Servers, or folders of theirs, that are still there.
fn left_running(folders: &[PathBuf]) -> Vec<String> {
    let since = Instant::now();
    loop {
        let left: Vec<String> = folders.iter().filter_map(|folder| still_there(folder)).collect();
        if left.is_empty() || since.elapsed() > GONE_WITHIN {
            return left;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn still_there(folder: &Path) -> Option<String> {
    if folder.exists() {
        return Some(format!("{} is left", folder.display()));
    }
    let name = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let path = process.path();
        let works_there =
            std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.display().to_string().starts_with(&name));
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        if works_there || String::from_utf8_lossy(&command).contains(&name) {
            return Some(format!("process {} of {name} is left", path.display()));
        }
    }
    None
}
