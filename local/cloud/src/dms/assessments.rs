//! Premigration assessment runs.
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.AssessmentReport.html>

use serde_json::{Value, json};

use super::tasks::task_mut;
use super::world::{Assessment, World};
use super::{AssessmentEnd, Dms, Scene, errors, filters, members, paged, passes, seconds};
use crate::hub::AwsError;

/// Checks that every run makes.
const CHECKS: [&str; 3] = [
    "unsupported-data-types-in-source",
    "table-with-lob-but-without-primary-key-or-unique-constraint",
    "table-without-primary-key-or-unique-constraint",
];

pub(super) fn start(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    let known = [
        "ReplicationTaskArn",
        "ServiceAccessRoleArn",
        "ResultLocationBucket",
        "AssessmentRunName",
    ];
    let members = members("StartReplicationTaskAssessmentRun", body, &known)?;
    let task_arn = members.required("ReplicationTaskArn")?.to_owned();
    members.required("ServiceAccessRoleArn")?;
    members.required("ResultLocationBucket")?;
    let name = members.required("AssessmentRunName")?.to_owned();
    let (shown, arn, before, delay) = dms.with(|world, scene| {
        let taken = world
            .assessments
            .iter()
            .find(|run| run.task_arn == task_arn && run.name == name);
        if let Some(run) = taken {
            let message = format!("An assessment run with the name {name} already exists");
            return Err(errors::exists(message, &run.arn));
        }
        let task = task_mut(world, &task_arn)?;
        if !matches!(task.status.as_str(), "ready" | "stopped" | "failed") {
            let message = format!("Replication task {task_arn} is in status {}", task.status);
            return Err(errors::wrong_state(message));
        }
        let before = std::mem::replace(&mut task.status, "testing".to_owned());
        let run = Assessment {
            arn: scene.arn("assessment-run"),
            task_arn: task_arn.clone(),
            name,
            status: "running",
            failure: None,
            created_at: scene.now,
            request: body.clone(),
            checks: CHECKS.iter().map(|name| ((*name).to_owned(), "running")).collect(),
        };
        let (shown, arn) = (show(&run, true), run.arn.clone());
        world.assessments.push(run);
        Ok((shown, arn, before, scene.pick(scene.knobs.assessment)))
    })?;
    dms.later(delay, move |world, scene| end(world, scene, &arn, before));
    Ok(json!({ "ReplicationTaskAssessmentRun": shown }))
}

fn end(world: &mut World, scene: &Scene, arn: &str, before: String) {
    let Some(run) = world.assessments.iter_mut().find(|run| run.arn == arn) else {
        return;
    };
    let (status, named, word) = match &scene.knobs.assessment_end {
        AssessmentEnd::Passed => ("passed", Vec::new(), "passed"),
        AssessmentEnd::Warning(names) => ("warning", names.clone(), "warning"),
        AssessmentEnd::Failed(names) => ("failed", names.clone(), "failed"),
        AssessmentEnd::ErrorExecuting(message) => {
            run.failure = Some(message.clone());
            ("error-executing", Vec::new(), "error")
        }
    };
    run.status = status;
    for (_, status) in &mut run.checks {
        *status = if word == "error" { "error" } else { "passed" };
    }
    run.checks.retain(|(name, _)| !named.contains(name));
    run.checks.extend(named.into_iter().map(|name| (name, word)));
    if let Some(task) = world
        .tasks
        .get_mut(&run.task_arn)
        .filter(|task| task.status == "testing")
    {
        task.status = before;
    }
}

fn show(run: &Assessment, latest: bool) -> Value {
    let done = run.checks.iter().filter(|(_, status)| *status != "running").count();
    let mut shown = json!({
        "ReplicationTaskAssessmentRunArn": run.arn,
        "ReplicationTaskArn": run.task_arn,
        "Status": run.status,
        "ReplicationTaskAssessmentRunCreationDate": seconds(run.created_at),
        "AssessmentProgress": {
            "IndividualAssessmentCount": run.checks.len(),
            "IndividualAssessmentCompletedCount": done,
        },
        "ServiceAccessRoleArn": run.request["ServiceAccessRoleArn"],
        "ResultLocationBucket": run.request["ResultLocationBucket"],
        "AssessmentRunName": run.name,
        "IsLatestTaskAssessmentRun": latest,
    });
    if let Some(message) = &run.failure {
        shown["LastFailureMessage"] = json!(message);
    }
    shown
}

pub(super) fn describe(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "DescribeReplicationTaskAssessmentRuns";
    let members = members(OPERATION, body, &["Filters", "MaxRecords", "Marker"])?;
    let known = ["replication-task-assessment-run-arn", "replication-task-arn", "status"];
    let filters = filters(OPERATION, &members, &known)?;
    dms.with(|world, scene| {
        let wanted = world.assessments.iter().filter(|run| {
            passes(&filters, |name| match name {
                "replication-task-assessment-run-arn" => run.arn.clone(),
                "replication-task-arn" => run.task_arn.clone(),
                _ => run.status.to_owned(),
            })
        });
        let newest = |run: &Assessment| {
            let mut of_task = world.assessments.iter().rev();
            of_task
                .find(|one| one.task_arn == run.task_arn)
                .is_some_and(|one| one.arn == run.arn)
        };
        let items = wanted.map(|run| show(run, newest(run))).collect();
        paged(
            scene,
            &members,
            100,
            "ReplicationTaskAssessmentRuns",
            items,
            !filters.is_empty(),
        )
    })
}

pub(super) fn describe_individual(dms: &Dms, body: &Value) -> Result<Value, AwsError> {
    const OPERATION: &str = "DescribeReplicationTaskIndividualAssessments";
    let members = members(OPERATION, body, &["Filters", "MaxRecords", "Marker"])?;
    let filters = filters(OPERATION, &members, &["replication-task-assessment-run-arn"])?;
    dms.with(|world, scene| {
        let runs = world.assessments.iter();
        let wanted = runs.filter(|run| passes(&filters, |_| run.arn.clone()));
        let items = wanted
            .flat_map(|run| {
                run.checks.iter().map(|(name, status)| {
                    json!({
                        "ReplicationTaskIndividualAssessmentArn": format!("{}:{name}", run.arn),
                        "ReplicationTaskAssessmentRunArn": run.arn,
                        "IndividualAssessmentName": name,
                        "Status": status,
                        "ReplicationTaskIndividualAssessmentStartDate": seconds(run.created_at),
                    })
                })
            })
            .collect();
        paged(
            scene,
            &members,
            100,
            "ReplicationTaskIndividualAssessments",
            items,
            !filters.is_empty(),
        )
    })
}
