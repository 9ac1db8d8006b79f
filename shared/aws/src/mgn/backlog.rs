//! Bytes that wait to be sent, read from MGN's answer itself.
//!
//! The SDK's type has a plain number for `backloggedStorageBytes`: a disk of which MGN says nothing reads as a disk
//! with nothing to send, and would open the gate of a cutover. So the answer is read a second time, here.
//! <https://docs.aws.amazon.com/mgn/latest/APIReference/API_DataReplicationInfoReplicatedDisk.html>

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Looks over the SDK's shoulder at one call of `DescribeSourceServers`. A call whose answer could not be read shows no
/// backlog of any server, so that nothing is taken for zero.
#[derive(Debug, Clone, Default)]
pub(super) struct BacklogReader(Arc<Mutex<BTreeMap<String, u64>>>);

impl BacklogReader {
    /// The bytes of all disks of a server; [`None`] unless MGN says it of every disk.
    pub(super) fn of(&self, server: &str) -> Option<u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(server)
            .copied()
    }

    fn note(&self, body: Option<&[u8]>) {
        let found = body.map(read).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

#[dyn_dispatch_hint]
impl Intercept for BacklogReader {
    fn name(&self) -> &'static str {
        "BacklogReader"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.note(context.response().body().bytes());
        Ok(())
    }
}

fn read(body: &[u8]) -> BTreeMap<String, u64> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let servers = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    servers
        .iter()
        .filter_map(|server| {
            let id = server["sourceServerID"].as_str()?;
            let disks = server["dataReplicationInfo"]["replicatedDisks"].as_array()?;
            // No disk at all is no word about the disks.
            let first = disks.first()?["backloggedStorageBytes"].as_u64()?;
            let sum = disks[1..].iter().try_fold(first, |sum, disk| {
                sum.checked_add(disk["backloggedStorageBytes"].as_u64()?)
            })?;
            Some((id.to_owned(), sum))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(disks: &str) -> Option<u64> {
        let reader = BacklogReader::default();
        let body =
            format!(r#"{{"items":[{{"sourceServerID":"s","dataReplicationInfo":{{"replicatedDisks":{disks}}}}}]}}"#);
        reader.note(Some(body.as_bytes()));
        reader.of("s")
    }

    #[test]
    fn a_backlog_is_the_sum_of_disks_that_all_say_theirs() {
        assert_eq!(
            backlog(r#"[{"backloggedStorageBytes":3},{"backloggedStorageBytes":4}]"#),
            Some(7)
        );
        assert_eq!(backlog(r#"[{"backloggedStorageBytes":0}]"#), Some(0));
        assert_eq!(backlog(r#"[{"backloggedStorageBytes":0},{}]"#), None);
        assert_eq!(backlog(r#"[{"backloggedStorageBytes":-1}]"#), None);
        assert_eq!(backlog("[]"), None);
        assert_eq!(backlog("null"), None);
    }

    #[test]
    fn an_answer_that_cannot_be_read_shows_no_backlog() {
        let reader = BacklogReader::default();
        reader.note(Some(b"{"));
        assert_eq!(reader.of("s"), None);
        reader.note(None);
        assert_eq!(reader.of("s"), None);
    }
}
