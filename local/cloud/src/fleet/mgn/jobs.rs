//! DescribeJobs and DescribeJobLogItems, and a job as MGN prints it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::Fleet;
use super::super::Scene;
use super::super::members::{Members, page};
use super::super::times;
use super::super::words::LaunchStatus;
use super::super::world::{Job, LogRow, Participant};
use super::errors::validation;
use super::servers::with_token;
use super::{Answer, members};
use crate::hub::AwsError;

/// DescribeJobs, newest first, a page at a time.
pub(super) fn describe(fleet: &Fleet, body: &Value) -> Answer {
    let operation = "DescribeJobs";
    let request = members(fleet, operation, body, &["filters", "maxResults", "nextToken"])?;
    let empty = json!({});
    let filters = Members::of(
        "mgn",
        "DescribeJobs filters",
        request.value("filters").unwrap_or(&empty),
        &["jobIDs", "fromDate", "toDate"],
    )?;
    let ids = filters.texts("jobIDs")?;
    if ids.as_ref().is_some_and(|ids| ids.len() > 1000) {
        return Err(validation("filters.jobIDs must hold at most 1000 ids"));
    }
    let from = date(&filters, "fromDate")?;
    let to = date(&filters, "toDate")?;
    let most = request.number("maxResults", 1, 1000)?.map(|most| most as usize);
    let token = request.text("nextToken")?;
    fleet.with(|world, scene| {
        let visible = |job: &&Job| scene.now >= job.created_at + scene.knobs.job_visible_delay;
        let chosen = world.jobs.iter().rev().filter(visible).filter(|job| {
            ids.as_ref().is_none_or(|ids| ids.contains(&job.id))
                && from.is_none_or(|from| job.created_at >= from)
                && to.is_none_or(|to| job.created_at <= to)
        });
        let (rows, next) = page(chosen.collect(), token, most, scene.knobs.mgn_page)
            .ok_or_else(|| validation("nextToken is not valid"))?;
        let items = rows.into_iter().map(|job| render(scene, job)).collect();
        Ok((200, with_token(items, next)))
    })
}

fn date(filters: &Members<'_>, name: &str) -> Result<Option<Timestamp>, AwsError> {
    filters
        .text(name)?
        .map(|text| times::parse(text).ok_or_else(|| validation(format!("filters.{name} is no date"))))
        .transpose()
}

/// DescribeJobLogItems: the job's log in the order it was written.
pub(super) fn describe_log(fleet: &Fleet, body: &Value) -> Answer {
    let operation = "DescribeJobLogItems";
    let request = members(fleet, operation, body, &["jobID", "maxResults", "nextToken"])?;
    let id = request.required("jobID")?;
    let most = request.number("maxResults", 1, 1000)?.map(|most| most as usize);
    let token = request.text("nextToken")?;
    fleet.with(|world, scene| {
        let job = world
            .job_mut(id)
            .ok_or_else(|| validation(format!("job {id} does not exist")))?;
        let (rows, next) = page(job.log.iter().collect(), token, most, scene.knobs.mgn_page)
            .ok_or_else(|| validation("nextToken is not valid"))?;
        let items = rows.into_iter().map(|row| render_row(scene, row)).collect();
        Ok((200, with_token(items, next)))
    })
}

fn render_row(scene: &Scene, row: &LogRow) -> Value {
    json!({
        "logDateTime": times::mgn(row.at, scene.knobs.timestamps),
        "event": row.event,
        "eventData": row.data,
    })
}

/// A job as MGN prints it.
pub(super) fn render(scene: &Scene, job: &Job) -> Value {
    let participants = job.participants.iter().map(|one| render_participant(scene, one));
    let mut item = json!({
        "jobID": job.id,
        "arn": scene.mgn_arn(&format!("job/{}", job.id)),
        "type": job.kind.as_str(),
        "initiatedBy": job.initiated_by.as_str(),
        "creationDateTime": times::mgn(job.created_at, scene.knobs.timestamps),
        "status": job.status.as_str(),
        "participatingServers": participants.collect::<Vec<_>>(),
        "tags": {},
    });
    if scene.now >= job.created_at + scene.knobs.job_tag_delay {
        item["tags"] = json!(job.tags);
    }
    if let Some(at) = job.ended_at {
        item["endDateTime"] = times::mgn(at, scene.knobs.timestamps).into();
    }
    item
}

fn render_participant(scene: &Scene, one: &Participant) -> Value {
    let mut item = json!({"sourceServerID": one.server, "launchStatus": one.status.as_str()});
    let visible = one.instance_visible_at.is_some_and(|at| scene.now >= at);
    if let Some(instance) = &one.instance
        && one.status == LaunchStatus::Launched
        && visible
    {
        item["launchedEc2InstanceID"] = instance.clone().into();
    }
    item
}
