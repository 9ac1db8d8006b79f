//! MGN's shapes in the domain's words. Words are taken as they are on the wire, so that one that neither the SDK nor
//! Landfall knows reaches the decision that holds on it.

use super::{BacklogReader, SERVICE};
use crate::classify::unknown;
use aws_sdk_mgn::types::{
    Job, JobPostLaunchActionsLaunchStatus, LaunchedInstance, LifeCycle, ParticipatingServer, SourceServer,
};
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::ids::{IdError, InstanceId, JobId, SourceServerId};
use landfall_domain::observe::{
    JobStatus, JobView, Lag, LaunchStatus, Lifecycle, ParticipantView, Replication, ServerView,
};

/// What stands for a word that MGN does not send: a word that no version knows, so that decisions hold on it.
const ABSENT: &str = "(absent)";

/// A source server.
pub(super) fn server(server: &SourceServer, backlog: &BacklogReader) -> Result<ServerView, StepError> {
    let text = server
        .source_server_id()
        .ok_or_else(|| unknown(SERVICE, "the id of a source server", ABSENT))?;
    let id = SourceServerId::parse(text).map_err(not_an_id)?;
    let replication = server.data_replication_info();
    let snapshot = replication.and_then(|info| info.last_snapshot_date_time());
    let hints = server
        .source_properties()
        .and_then(|source| source.identification_hints());
    Ok(ServerView {
        hostname: hints
            .and_then(|hints| hints.hostname().or(hints.fqdn()))
            .map(str::to_owned),
        lifecycle: lifecycle(server.life_cycle()),
        replication: replication
            .and_then(|info| info.data_replication_state())
            .map(|state| Replication::read(state.as_str())),
        lag: replication.and_then(|info| info.lag_duration()).and_then(Lag::read),
        backlog_bytes: backlog.of(text),
        last_snapshot_at: timestamp(snapshot, || format!("the time of the last snapshot of {id}"))?,
        archived: server.is_archived().unwrap_or(false),
        instance: launched(server.launched_instance())?,
        id,
    })
}

/// The lifecycle's state.
pub(super) fn lifecycle(lifecycle: Option<&LifeCycle>) -> Lifecycle {
    let state = lifecycle.and_then(|lifecycle| lifecycle.state());
    Lifecycle::read(state.map_or(ABSENT, |state| state.as_str()))
}

/// The instance MGN shows for a server. It shows an empty structure, or an empty id, where there is none.
fn launched(instance: Option<&LaunchedInstance>) -> Result<Option<(InstanceId, Option<JobId>)>, StepError> {
    let Some(instance) = instance else { return Ok(None) };
    let Some(id) = instance_id(instance.ec2_instance_id())? else {
        return Ok(None);
    };
    let job = instance.job_id().filter(|job| !job.is_empty());
    Ok(Some((id, job.map(job_id).transpose()?)))
}

/// A job.
pub(super) fn job(job: &Job) -> Result<JobView, StepError> {
    let id = job_id(job.job_id())?;
    let tags = job.tags().into_iter().flatten();
    Ok(JobView {
        status: JobStatus::read(job.status().map_or(ABSENT, |status| status.as_str())),
        participants: job
            .participating_servers()
            .iter()
            .map(participant)
            .collect::<Result<_, _>>()?,
        tags: tags.map(|(key, value)| (key.clone(), value.clone())).collect(),
        created_at: timestamp(job.creation_date_time(), || format!("the creation time of {id}"))?,
        id,
    })
}

fn participant(server: &ParticipatingServer) -> Result<ParticipantView, StepError> {
    let actions = server
        .post_launch_actions_status()
        .map(|status| status.post_launch_actions_launch_status_list())
        .unwrap_or_default();
    Ok(ParticipantView {
        server: SourceServerId::parse(server.source_server_id()).map_err(not_an_id)?,
        status: LaunchStatus::read(server.launch_status().map_or(ABSENT, |status| status.as_str())),
        instance: instance_id(server.launched_ec2_instance_id())?,
        post_launch: actions.iter().filter_map(unsettled).collect(),
    })
}

/// A post-launch action that is not over, or failed, by name and status.
fn unsettled(action: &JobPostLaunchActionsLaunchStatus) -> Option<(String, String)> {
    let status = action.execution_status().map_or(ABSENT, |status| status.as_str());
    let name = action.ssm_document().map_or(ABSENT, |document| document.action_name());
    (status != "SUCCESS").then(|| (name.to_owned(), status.to_owned()))
}

/// The id of a job.
pub(super) fn job_id(text: &str) -> Result<JobId, StepError> {
    JobId::parse(text).map_err(not_an_id)
}

fn instance_id(text: Option<&str>) -> Result<Option<InstanceId>, StepError> {
    text.filter(|text| !text.is_empty())
        .map(|text| InstanceId::parse(text).map_err(not_an_id))
        .transpose()
}

pub(super) fn not_an_id(error: IdError) -> StepError {
    unknown(SERVICE, error.what, error.value)
}

/// Reads a time. MGN's model says that it ends in `Z`; real answers end in `+00:00`.
fn timestamp(text: Option<&str>, what: impl FnOnce() -> String) -> Result<Option<Timestamp>, StepError> {
    text.filter(|text| !text.is_empty())
        .map(|text| text.parse().map_err(|_| unknown(SERVICE, what(), text)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_mgn::types::{
        DataReplicationInfo, DataReplicationState, IdentificationHints, LifeCycleState,
        PostLaunchActionExecutionStatus, PostLaunchActionsStatus, SourceProperties, SsmDocument,
    };

    const SERVER: &str = "s-00000000000000001";
    const JOB: &str = "mgnjob-00000000000000001";

    fn shown(snapshot: &str, instance: LaunchedInstance) -> Result<ServerView, StepError> {
        let info = DataReplicationInfo::builder()
            .lag_duration("PT2M30S")
            .last_snapshot_date_time(snapshot)
            .data_replication_state(DataReplicationState::from("DEFROSTING"))
            .build();
        let hints = IdentificationHints::builder().fqdn("web1.example.com").build();
        let shown = SourceServer::builder()
            .source_server_id(SERVER)
            .is_archived(true)
            .life_cycle(LifeCycle::builder().state(LifeCycleState::CuttingOver).build())
            .data_replication_info(info)
            .source_properties(SourceProperties::builder().identification_hints(hints).build())
            .launched_instance(instance)
            .build();
        server(&shown, &BacklogReader::default())
    }

    #[test]
    fn a_server_is_shown_as_mgn_shows_it() {
        let instance = LaunchedInstance::builder()
            .ec2_instance_id("i-00000001")
            .job_id(JOB)
            .build();
        let view = shown("2022-08-31T17:10:13.411702+00:00", instance).unwrap();
        assert_eq!(view.lifecycle, Lifecycle::CuttingOver);
        assert_eq!(view.replication, Some(Replication::Unknown("DEFROSTING".into())));
        assert_eq!(view.lag, Lag::read("PT2M30S"));
        assert_eq!(view.backlog_bytes, None);
        assert_eq!(
            view.last_snapshot_at,
            Some("2022-08-31T17:10:13.411702Z".parse().unwrap())
        );
        assert!(view.archived);
        assert_eq!(view.hostname.as_deref(), Some("web1.example.com"));
        let (instance, job) = view.instance.unwrap();
        assert_eq!((instance.as_str(), job.unwrap().as_str()), ("i-00000001", JOB));
    }

    #[test]
    fn a_time_is_read_in_both_forms_and_never_guessed() {
        let none = || LaunchedInstance::builder().build();
        let view = shown("2022-08-31T17:10:13Z", none()).unwrap();
        assert!(view.last_snapshot_at.is_some());
        assert!(view.instance.is_none());
        for bad in ["yesterday", "2022-08-31T17:10:13"] {
            assert!(matches!(shown(bad, none()), Err(StepError::UnknownValue { value, .. }) if value == bad));
        }
    }

    #[test]
    fn an_empty_instance_id_is_no_instance_and_a_strange_one_is_unknown() {
        let named = |id: &str| LaunchedInstance::builder().ec2_instance_id(id).build();
        assert_eq!(shown("2022-08-31T17:10:13Z", named("")).unwrap().instance, None);
        let error = shown("2022-08-31T17:10:13Z", named("vm-1")).unwrap_err();
        assert_eq!(error.name(), "UnknownValue");
    }

    #[test]
    fn what_is_absent_is_a_word_that_no_decision_takes_for_success() {
        let bare = SourceServer::builder().source_server_id(SERVER).build();
        let view = server(&bare, &BacklogReader::default()).unwrap();
        assert!(matches!(view.lifecycle, Lifecycle::Unknown(_)));
        assert_eq!((view.replication, view.lag, view.last_snapshot_at), (None, None, None));
        let bare = Job::builder()
            .job_id(JOB)
            .participating_servers(ParticipatingServer::builder().source_server_id(SERVER).build().unwrap())
            .build()
            .unwrap();
        let view = job(&bare).unwrap();
        assert!(matches!(view.status, JobStatus::Unknown(_)));
        assert!(matches!(view.participants[0].status, LaunchStatus::Unknown(_)));
    }

    #[test]
    fn a_job_shows_only_actions_that_are_open_or_failed() {
        let action = |name: &str, status: PostLaunchActionExecutionStatus| {
            let document = SsmDocument::builder().action_name(name).ssm_document_name("d").build();
            JobPostLaunchActionsLaunchStatus::builder()
                .ssm_document(document.unwrap())
                .execution_status(status)
                .build()
        };
        let actions = PostLaunchActionsStatus::builder()
            .post_launch_actions_launch_status_list(action("agent", PostLaunchActionExecutionStatus::Success))
            .post_launch_actions_launch_status_list(action("join", PostLaunchActionExecutionStatus::InProgress))
            .build();
        let shown = ParticipatingServer::builder()
            .source_server_id(SERVER)
            .launch_status(aws_sdk_mgn::types::LaunchStatus::Launched)
            .launched_ec2_instance_id("i-00000001")
            .post_launch_actions_status(actions)
            .build();
        let shown = Job::builder()
            .job_id(JOB)
            .status(aws_sdk_mgn::types::JobStatus::Completed)
            .tags("landfall:intent", "x")
            .creation_date_time("2026-01-10T02:00:00.000001+00:00")
            .participating_servers(shown.unwrap())
            .build();
        let view = job(&shown.unwrap()).unwrap();
        assert_eq!(view.status, JobStatus::Completed);
        assert_eq!(view.tags["landfall:intent"], "x");
        let participant = &view.participants[0];
        assert_eq!(participant.status, LaunchStatus::Launched);
        assert_eq!(participant.post_launch, [("join".to_owned(), "IN_PROGRESS".to_owned())]);
    }
}
