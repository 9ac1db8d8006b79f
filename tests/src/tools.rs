//! Tools from PyPI, each list of them in a virtual environment of its own below the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of `scripts/tools`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/tools")
}

/// The programs of a list in [`folder`], installed if need be.
///
/// # Panics
/// When they cannot be installed; the message says why.
pub fn programs(list: &str) -> PathBuf {
    let install = folder().join("install");
    let installed = Command::new(&install).arg(folder().join(list)).output();
    let installed = installed.unwrap_or_else(|error| panic!("{}: {error}", install.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(installed.status.success(), "{}", text(&installed.stderr));
    Path::new(text(&installed.stdout).trim()).join("bin")
}
