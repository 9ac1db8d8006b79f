//! Debian's packages, installed when a program is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// One installation at a time: dpkg has a lock, and waits for nobody.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The folder in which a program is, installing the packages that bring it if it is nowhere.
///
/// # Panics
/// When it is missing and cannot be installed; the message says how to install it by hand.
pub fn folder_of(program: &str, folders: impl Fn() -> Vec<PathBuf>, packages: &[&str]) -> PathBuf {
    let find = || folders().into_iter().find(|folder| folder.join(program).exists());
    if let Some(folder) = find() {
        return folder;
    }
    // Whoever panicked while installing has said why.
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(folder) = find() {
        return folder;
    }
    let by_hand = format!(
        "run: apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    assert!(
        is_root(),
        "{program} is missing and only root can install it; {by_hand}"
    );
    apt(&["update", "-qq"], &by_hand);
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments, &by_hand);
    find().unwrap_or_else(|| {
        panic!(
            "{program} is missing although {} is installed; {by_hand}",
            packages.join(", ")
        )
    })
}

fn apt(arguments: &[&str], by_hand: &str) {
    let done = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // The packages start a server of their own otherwise, which no test asked for.
        .env("RUNLEVEL", "1")
        .output();
    match done {
        Ok(done) if done.status.success() => {}
        Ok(done) => panic!(
            "apt-get {} failed; {by_hand}\n{}",
            arguments[0],
            String::from_utf8_lossy(&done.stderr)
        ),
        Err(error) => {
            panic!("apt-get cannot be run ({error}); install the packages of your system like this: {by_hand}")
        }
    }
}

/// Whether this process is root, which database servers refuse to be.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // A process owns its own folder in /proc.
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Folders of `PATH`, and further ones where Debian puts servers.
pub fn path_and(further: &[&str]) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(further.iter().map(|folder| Path::new(folder).to_owned()))
        .collect()
}
