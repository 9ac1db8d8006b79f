//! Real database servers for tests: installed from Debian's packages when they are missing, started on free ports of
//! the loopback address in a folder of their own, stopped and removed when dropped.
//!
//! Everything here panics with a sentence that says what to do: a test that cannot have its server has not passed.

mod install;
pub mod mariadb;
pub mod postgres;
mod process;

pub use process::free_port;
