//! Application Migration Service: source servers and their lifecycle. Jobs and settings are in files beside this one.

mod backlog;
#[cfg(test)]
pub(crate) mod canned;
mod jobs;
mod settings;
mod view;

pub use jobs::StartRefusal;

use crate::classify::{next_page, step_error, too_many_pages};
use aws_sdk_mgn::types::{
    ChangeServerLifeCycleStateSourceServerLifecycle as Wanted,
    ChangeServerLifeCycleStateSourceServerLifecycleState as WantedState, DescribeSourceServersRequestFilters,
};
use backlog::BacklogReader;
use landfall_domain::StepError;
use landfall_domain::ids::SourceServerId;
use landfall_domain::observe::{Lifecycle, ServerView};
use std::collections::BTreeMap;

/// The service's name in errors.
pub(crate) const SERVICE: &str = "MGN";

/// Servers that `DescribeSourceServers` takes in its filter.
/// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_DescribeSourceServersRequestFilters.html>
const SERVERS_PER_CALL_MAX: usize = 200;

/// Items that a listing of MGN gives in one page.
const ITEMS_PER_PAGE_MAX: i32 = 1000;

/// Pages that are read of one listing: 20,000 items, a hundred times the servers of the largest batch.
const PAGES_MAX: usize = 20;

/// MGN, in the domain's words.
#[derive(Debug, Clone)]
pub struct Mgn {
    client: aws_sdk_mgn::Client,
}

/// Where a lifecycle can be moved by hand.
/// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_ChangeServerLifeCycleState.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleTarget {
    /// Back to before the test: the test is reverted.
    ReadyForTest,
    /// The test passed, or a cutover is reverted.
    ReadyForCutover,
}

impl Mgn {
    /// Wraps a client.
    pub fn new(client: aws_sdk_mgn::Client) -> Self {
        Self { client }
    }

    /// Reads source servers, 200 a call. A server that MGN does not know is absent from the answer. Whether archived
    /// servers are shown without the filter is not documented, so each says whether it is archived.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_DescribeSourceServers.html>
    pub async fn source_servers(
        &self,
        ids: &[SourceServerId],
    ) -> Result<BTreeMap<SourceServerId, ServerView>, StepError> {
        let mut servers = BTreeMap::new();
        // No id, no call: an empty filter means every server of the account.
        for chunk in ids.chunks(SERVERS_PER_CALL_MAX) {
            self.read_servers(chunk, &mut servers).await?;
        }
        Ok(servers)
    }

    async fn read_servers(
        &self,
        ids: &[SourceServerId],
        servers: &mut BTreeMap<SourceServerId, ServerView>,
    ) -> Result<(), StepError> {
        const OPERATION: &str = "DescribeSourceServers";
        let filters = DescribeSourceServersRequestFilters::builder()
            .set_source_server_ids(Some(texts(ids)))
            .build();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let backlog = BacklogReader::default();
            let page = self
                .client
                .describe_source_servers()
                .filters(filters.clone())
                .max_results(ITEMS_PER_PAGE_MAX)
                .set_next_token(token)
                .customize()
                .interceptor(backlog.clone())
                .send()
                .await
                .map_err(|error| step_error(SERVICE, OPERATION, error))?;
            for server in page.items() {
                let view = view::server(server, &backlog)?;
                servers.insert(view.id.clone(), view);
            }
            token = next_page(page.next_token);
            if token.is_none() {
                return Ok(());
            }
        }
        Err(too_many_pages(SERVICE, OPERATION, PAGES_MAX))
    }

    /// Moves a server's lifecycle and returns the state it is in then. From a state that does not allow it, MGN
    /// refuses with `ConflictException`.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_ChangeServerLifeCycleState.html>
    pub async fn change_lifecycle(&self, id: &SourceServerId, target: LifecycleTarget) -> Result<Lifecycle, StepError> {
        let state = match target {
            LifecycleTarget::ReadyForTest => WantedState::ReadyForTest,
            LifecycleTarget::ReadyForCutover => WantedState::ReadyForCutover,
        };
        let wanted = Wanted::builder()
            .state(state)
            .build()
            .expect("its one required member is set");
        let answer = self
            .client
            .change_server_life_cycle_state()
            .source_server_id(id.as_str())
            .life_cycle(wanted)
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "ChangeServerLifeCycleState", error))?;
        Ok(view::lifecycle(answer.life_cycle()))
    }

    /// Finalizes a server's cutover: the point of no return. MGN discards what it replicated; a way back would be a new
    /// agent and a new initial sync.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_FinalizeCutover.html>
    pub async fn finalize_cutover(&self, id: &SourceServerId) -> Result<(), StepError> {
        self.client
            .finalize_cutover()
            .source_server_id(id.as_str())
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "FinalizeCutover", error))?;
        Ok(())
    }

    /// Archives a server. MGN takes it only in the lifecycle states CUTOVER and DISCONNECTED.
    /// <https://docs.aws.amazon.com/mgn/latest/APIReference/API_MarkAsArchived.html>
    pub async fn mark_as_archived(&self, id: &SourceServerId) -> Result<(), StepError> {
        self.client
            .mark_as_archived()
            .source_server_id(id.as_str())
            .send()
            .await
            .map_err(|error| step_error(SERVICE, "MarkAsArchived", error))?;
        Ok(())
    }
}

fn texts(ids: &[SourceServerId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::canned::{Canned, json};
    use super::*;

    fn server(id: &str, disks: &str) -> String {
        format!(
            r#"{{"sourceServerID":"{id}","lifeCycle":{{"state":"READY_FOR_TEST"}},
                "dataReplicationInfo":{{"dataReplicationState":"CONTINUOUS","replicatedDisks":{disks}}}}}"#
        )
    }

    const ONE: &str = "s-00000000000000001";
    const TWO: &str = "s-00000000000000002";

    fn ids() -> [SourceServerId; 2] {
        [ONE, TWO].map(|id| SourceServerId::parse(id).unwrap())
    }

    #[tokio::test]
    async fn a_disk_that_is_silent_about_its_backlog_is_not_one_without() {
        let silent = server(ONE, r#"[{"backloggedStorageBytes":5},{"deviceName":"/dev/sdb"}]"#);
        let told = server(TWO, r#"[{"backloggedStorageBytes":5},{"backloggedStorageBytes":0}]"#);
        let aws = Canned::new([json(200, format!(r#"{{"items":[{silent},{told}]}}"#))]);
        let servers = Mgn::new(aws.mgn()).source_servers(&ids()).await.unwrap();
        let [one, two] = ids();
        assert_eq!(servers[&one].backlog_bytes, None);
        assert_eq!(servers[&two].backlog_bytes, Some(5));
    }

    #[tokio::test]
    async fn every_page_of_servers_is_read() {
        let aws = Canned::new([
            json(
                200,
                format!(r#"{{"items":[{}],"nextToken":"more"}}"#, server(ONE, "[]")),
            ),
            json(200, format!(r#"{{"items":[{}]}}"#, server(TWO, "[]"))),
        ]);
        let servers = Mgn::new(aws.mgn()).source_servers(&ids()).await.unwrap();
        assert_eq!(servers.len(), 2);
        assert!(aws.requests()[1].contains(r#""nextToken":"more""#));
    }

    #[tokio::test]
    async fn a_listing_without_end_is_refused() {
        let page = || json(200, r#"{"items":[],"nextToken":"more"}"#.to_owned());
        let aws = Canned::new((0..PAGES_MAX).map(|_| page()));
        let error = Mgn::new(aws.mgn()).source_servers(&ids()).await.unwrap_err();
        assert!(matches!(error, StepError::ServiceRefused { code, .. } if code == "TooManyPages"));
    }

    #[tokio::test]
    async fn no_servers_are_not_all_servers() {
        let aws = Canned::new([]);
        assert!(Mgn::new(aws.mgn()).source_servers(&[]).await.unwrap().is_empty());
        assert!(aws.requests().is_empty());
    }
}
