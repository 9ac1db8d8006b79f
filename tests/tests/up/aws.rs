//! The `aws` command, installed from PyPI below the user's cache when it is not there.

use landfall_tests::tools;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The command, pointed at an endpoint.
#[derive(Clone)]
pub struct Aws {
    program: PathBuf,
    endpoint: String,
}

impl Aws {
    /// Installs it if need be.
    ///
    /// # Panics
    /// When it cannot be installed; the message says why.
    pub fn at(endpoint: &str) -> Self {
        Self {
            program: tools::programs("aws.txt").join("aws"),
            endpoint: endpoint.to_owned(),
        }
    }

    /// Runs it, and gives what it prints; as an error, what it complains of.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command
            .args(["--endpoint-url", &self.endpoint, "--output", "json"])
            .args(arguments)
            .envs([
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("AWS_DEFAULT_REGION", "eu-west-1"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("AWS_MAX_ATTEMPTS", "1"),
                ("AWS_PAGER", ""),
            ]);
        // It waits for an answer of this thread's runtime.
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let ran: Output = ran.expect("it does not panic").expect("aws can be started");
        if ran.status.success() {
            Ok(text(&ran.stdout))
        } else {
            Err(text(&ran.stderr))
        }
    }

    /// Runs it, and reads the JSON document that it prints first.
    ///
    /// # Panics
    /// When it fails.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.run(arguments).await;
        let printed = printed.unwrap_or_else(|error| panic!("aws {arguments:?}: {error}"));
        let mut documents = serde_json::Deserializer::from_str(&printed).into_iter();
        let first = documents
            .next()
            .unwrap_or_else(|| panic!("aws {arguments:?} prints nothing"));
        first.unwrap_or_else(|error| panic!("aws {arguments:?}: {error}\n{printed}"))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
