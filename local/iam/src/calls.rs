//! Which actions on which resources a call asks for, service by service.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>

use crate::Tags;
use serde_json::Value;
use std::collections::BTreeMap;

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As in `mgn:StartTest`.
    pub action: String,
    /// Its ARN, or `*` where the service has no resource-level permission.
    pub resource: String,
    context: BTreeMap<String, Vec<String>>,
}

impl Request {
    /// A request without context.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            context: BTreeMap::new(),
        }
    }

    /// Adds what the request carries under a condition key.
    pub fn with(mut self, key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.context.insert(key.to_owned(), values);
        self
    }

    /// The values of a condition key; empty when there are none.
    pub(crate) fn context(&self, key: &str, tags: Tags<'_>) -> Vec<String> {
        if let Some(tag) = key.strip_prefix("aws:ResourceTag/") {
            return tags(&self.resource).remove(tag).into_iter().collect();
        }
        self.context.get(key).cloned().unwrap_or_default()
    }
}

/// Where ARNs are.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    account: &'a str,
    region: &'a str,
}

impl Place<'_> {
    fn arn(self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }
}

/// What a call asks for. An operation that is not listed is an error that names it.
pub fn requests(
    account: &str,
    region: &str,
    service: &str,
    operation: &str,
    body: &Value,
) -> Result<Vec<Request>, String> {
    let place = Place { account, region };
    let found = match service {
        "dynamodb" => dynamodb(place, operation, body),
        "mgn" => mgn(place, operation, body),
        "ec2" => ec2(place, operation, body),
        "ssm" => ssm(place, operation, body),
        "route53" => route53(operation, body),
        "sns" => Some(vec![Request::new("sns:Publish", text(&body["TopicArn"]))]),
        "states" => states(place, operation, body),
        "dms" => dms(place, operation, body),
        "monitoring" => Some(vec![Request::new(format!("cloudwatch:{operation}"), "*")]),
        "secretsmanager" => Some(vec![Request::new(
            format!("secretsmanager:{operation}"),
            text(&body["SecretId"]),
        )]),
        "scheduler" => scheduler(place, operation, body),
        "lambda" => lambda(place, operation, body),
        "database" => Some(Vec::new()),
        _ => None,
    };
    found.ok_or_else(|| format!("which permission {service}:{operation} needs is not known here"))
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html>
fn lambda(place: Place<'_>, operation: &str, body: &Value) -> Option<Vec<Request>> {
    let named = text(&body["FunctionName"]);
    let function = if named.starts_with("arn:") {
        named.to_owned()
    } else {
        place.arn("lambda", &format!("function:{named}"))
    };
    (operation == "Invoke").then(|| vec![Request::new("lambda:InvokeFunction", function)])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
fn dynamodb(place: Place<'_>, operation: &str, body: &Value) -> Option<Vec<Request>> {
    let table = |name: &str| place.arn("dynamodb", &format!("table/{name}"));
    let one = |action: &str, name: &str| Request::new(format!("dynamodb:{action}"), table(name));
    Some(match operation {
        "GetItem" | "Query" | "PutItem" | "DeleteItem" | "UpdateItem" => vec![one(operation, text(&body["TableName"]))],
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object()?.keys();
            tables.map(|name| one(operation, name)).collect()
        }
        // A transaction has no permission of its own: each action needs its own.
        "TransactWriteItems" => {
            let mut requests = Vec::new();
            for item in body["TransactItems"].as_array()? {
                let (kind, action) = item.as_object()?.iter().next()?;
                let kind = match kind.as_str() {
                    "Put" => "PutItem",
                    "Delete" => "DeleteItem",
                    "Update" => "UpdateItem",
                    "ConditionCheck" => "ConditionCheckItem",
                    _ => return None,
                };
                requests.push(one(kind, text(&action["TableName"])));
            }
            requests.dedup();
            requests
        }
        _ => return None,
    })
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationmigrationservice.html>
fn mgn(place: Place<'_>, operation: &str, body: &Value) -> Option<Vec<Request>> {
    let server = |id: &str| place.arn("mgn", &format!("source-server/{id}"));
    let action = format!("mgn:{operation}");
    let through_mgn = |action: &str| Request::new(action, "*").with("aws:CalledVia", &["mgn.amazonaws.com"]);
    Some(match operation {
        "DescribeSourceServers" | "DescribeJobs" => vec![Request::new(action, "*")],
        "DescribeJobLogItems" => vec![Request::new(
            action,
            place.arn("mgn", &format!("job/{}", text(&body["jobID"]))),
        )],
        "StartTest" | "StartCutover" | "TerminateTargetInstances" => {
            let ids = texts(&body["sourceServerIDs"]);
            let mut requests: Vec<Request> = ids.iter().map(|id| Request::new(action.clone(), server(id))).collect();
            if body["tags"].as_object().is_some_and(|tags| !tags.is_empty()) {
                requests.push(Request::new("mgn:TagResource", place.arn("mgn", "job/new")));
            }
            // MGN acts with the caller's own rights on EC2.
            let forwarded: &[&str] = match operation {
                "TerminateTargetInstances" => &["ec2:TerminateInstances", "ec2:DeleteVolume"],
                _ => &[
                    "ec2:RunInstances",
                    "ec2:CreateVolume",
                    "ec2:CreateTags",
                    "ec2:DescribeSnapshots",
                ],
            };
            requests.extend(forwarded.iter().map(|action| through_mgn(action)));
            requests
        }
        "GetLaunchConfiguration"
        | "UpdateLaunchConfiguration"
        | "GetReplicationConfiguration"
        | "UpdateReplicationConfiguration"
        | "ChangeServerLifeCycleState"
        | "FinalizeCutover"
        | "MarkAsArchived" => vec![Request::new(action, server(text(&body["sourceServerID"])))],
        _ => return None,
    })
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html>
fn ec2(place: Place<'_>, operation: &str, form: &Value) -> Option<Vec<Request>> {
    let instance = |id: &str| place.arn("ec2", &format!("instance/{id}"));
    let ids = || {
        let members = form.as_object().into_iter().flatten();
        members
            .filter(|(key, _)| key.starts_with("InstanceId."))
            .map(|(_, value)| text(value))
    };
    let action = format!("ec2:{operation}");
    Some(match operation {
        "DescribeInstances" | "DescribeInstanceStatus" | "DescribeSnapshots" => vec![Request::new(action, "*")],
        "StopInstances" | "TerminateInstances" => ids().map(|id| Request::new(action.clone(), instance(id))).collect(),
        "CreateSnapshots" => {
            let id = text(&form["InstanceSpecification.InstanceId"]);
            let snapshot = format!("arn:aws:ec2:{}::snapshot/new", place.region);
            vec![
                Request::new(action.clone(), instance(id)),
                Request::new(action.clone(), place.arn("ec2", "volume/any")),
                Request::new(action, snapshot.clone()),
                Request::new("ec2:CreateTags", snapshot).with("ec2:CreateAction", &["CreateSnapshots"]),
            ]
        }
        _ => return None,
    })
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html>
fn ssm(place: Place<'_>, operation: &str, body: &Value) -> Option<Vec<Request>> {
    let action = format!("ssm:{operation}");
    Some(match operation {
        "DescribeInstanceInformation" | "ListCommands" | "ListCommandInvocations" => vec![Request::new(action, "*")],
        "SendCommand" => {
            let name = text(&body["DocumentName"]);
            let document = match name {
                _ if name.starts_with("arn:") => name.to_owned(),
                _ if name.starts_with("AWS-") => format!("arn:aws:ssm:{}::document/{name}", place.region),
                _ => place.arn("ssm", &format!("document/{name}")),
            };
            let mut requests = vec![Request::new(action.clone(), document)];
            requests.extend(texts(&body["InstanceIds"]).iter().map(|id| {
                let resource = match id.starts_with("mi-") {
                    true => place.arn("ssm", &format!("managed-instance/{id}")),
                    false => place.arn("ec2", &format!("instance/{id}")),
                };
                Request::new(action.clone(), resource)
            }));
            requests
        }
        "GetParameter" | "PutParameter" => {
            let name = text(&body["Name"]).trim_start_matches('/');
            vec![Request::new(action, place.arn("ssm", &format!("parameter/{name}")))]
        }
        _ => return None,
    })
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonroute53.html>
fn route53(operation: &str, body: &Value) -> Option<Vec<Request>> {
    let zone = format!("arn:aws:route53:::hostedzone/{}", text(&body["id"]));
    let action = format!("route53:{operation}");
    Some(match operation {
        "ListResourceRecordSets" => vec![Request::new(action, zone)],
        "GetChange" => {
            let change = format!("arn:aws:route53:::change/{}", text(&body["id"]));
            vec![Request::new(action, change)]
        }
        "ChangeResourceRecordSets" => {
            let mut types = Vec::new();
            collect_types(&body["document"], &mut types);
            types.sort_unstable();
            types.dedup();
            vec![Request::new(action, zone).with("route53:ChangeResourceRecordSetsRecordTypes", &types)]
        }
        _ => return None,
    })
}

/// Every text of a member `Type` below a `ResourceRecordSet`.
fn collect_types<'a>(value: &'a Value, types: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match (key.as_str(), member) {
                    ("Type", Value::String(kind)) => types.push(kind),
                    _ => collect_types(member, types),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_types(item, types)),
        _ => {}
    }
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html>
fn states(place: Place<'_>, operation: &str, body: &Value) -> Option<Vec<Request>> {
    let action = format!("states:{operation}");
    Some(match operation {
        "StartExecution" => vec![Request::new(action, text(&body["stateMachineArn"]))],
        "DescribeExecution" | "StopExecution" => vec![Request::new(action, text(&body["executionArn"]))],
        // The token names the machine, which only Step Functions can read: any of the stack's.
        "SendTaskSuccess" | "SendTaskFailure" => {
            vec![Request::new(action, place.arn("states", "stateMachine:landfall-any"))]
        }
        _ => return None,
    })
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsdatabasemigrationservice.html>
fn dms(place: Place<'_>, operation: &str, body: &Value) -> Option<Vec<Request>> {
    let action = format!("dms:{operation}");
    let named = |member: &str| Request::new(action.clone(), text(&body[member]));
    let tagged = |request: Request| {
        let tags = body["Tags"].as_array().into_iter().flatten();
        tags.fold(request, |request, tag| {
            let key = format!("aws:RequestTag/{}", text(&tag["Key"]));
            request.with(&key, &[text(&tag["Value"])])
        })
    };
    let pass = |role: &Value| {
        let service = &["dms.amazonaws.com"];
        role.as_str()
            .map(|role| Request::new("iam:PassRole", role).with("iam:PassedToService", service))
    };
    Some(match operation {
        "DescribeReplicationInstances"
        | "DescribeReplicationTasks"
        | "DescribeEndpoints"
        | "DescribeConnections"
        | "DescribeReplicationTaskAssessmentRuns"
        | "DescribeReplicationTaskIndividualAssessments" => vec![Request::new(action, "*")],
        "CreateReplicationInstance" => {
            let subnets = text(&body["ReplicationSubnetGroupIdentifier"]);
            vec![
                tagged(Request::new(action.clone(), place.arn("dms", "rep:new"))),
                tagged(Request::new(
                    action.clone(),
                    place.arn("dms", &format!("subgrp:{subnets}")),
                )),
                tagged(Request::new("dms:AddTagsToResource", place.arn("dms", "rep:new"))),
            ]
        }
        "CreateEndpoint" => {
            let mut requests = vec![
                tagged(Request::new(action.clone(), place.arn("dms", "endpoint:new"))),
                tagged(Request::new("dms:AddTagsToResource", place.arn("dms", "endpoint:new"))),
            ];
            let settings = body.as_object()?.values();
            requests.extend(settings.filter_map(|settings| pass(&settings["SecretsManagerAccessRoleArn"])));
            requests
        }
        "CreateReplicationTask" => vec![
            tagged(Request::new(action.clone(), place.arn("dms", "task:new"))),
            tagged(Request::new("dms:AddTagsToResource", place.arn("dms", "task:new"))),
        ],
        "StartReplicationTask" | "StopReplicationTask" | "DeleteReplicationTask" | "DescribeTableStatistics" => {
            vec![named("ReplicationTaskArn")]
        }
        "DeleteEndpoint" => vec![named("EndpointArn")],
        "DeleteReplicationInstance" => vec![named("ReplicationInstanceArn")],
        "TestConnection" => vec![named("ReplicationInstanceArn"), named("EndpointArn")],
        "ListTagsForResource" => vec![named("ResourceArn")],
        "StartReplicationTaskAssessmentRun" => {
            let mut requests = vec![named("ReplicationTaskArn")];
            requests.extend(pass(&body["ServiceAccessRoleArn"]));
            requests
        }
        _ if operation.contains("MetadataModel") => {
            let project = text(&body["MigrationProjectIdentifier"]);
            let project = match project.starts_with("arn:") {
                true => project.to_owned(),
                false => place.arn("dms", &format!("migration-project:{project}")),
            };
            vec![Request::new(action, project)]
        }
        _ => return None,
    })
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html>
fn scheduler(place: Place<'_>, operation: &str, body: &Value) -> Option<Vec<Request>> {
    let group = |found: &Value| found.as_str().unwrap_or("default").to_owned();
    let name = text(&body["name"]);
    let schedule = |group: String| {
        let resource = place.arn("scheduler", &format!("schedule/{group}/{name}"));
        Request::new(format!("scheduler:{operation}"), resource)
    };
    Some(match operation {
        "CreateSchedule" => {
            let mut requests = vec![schedule(group(&body["body"]["GroupName"]))];
            let role = body["body"]["Target"]["RoleArn"].as_str();
            requests.extend(role.map(|role| {
                Request::new("iam:PassRole", role).with("iam:PassedToService", &["scheduler.amazonaws.com"])
            }));
            requests
        }
        "DeleteSchedule" | "GetSchedule" => vec![schedule(group(&body["query"]["groupName"]))],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_launch_asks_for_its_servers_the_tag_of_its_job_and_what_mgn_does_with_the_callers_rights() {
        let body = json!({ "sourceServerIDs": ["s-1", "s-2"], "tags": { "landfall:intent": "i" } });
        let requests = requests("1", "eu-west-1", "mgn", "StartTest", &body).expect("a known operation");
        let actions: Vec<&str> = requests.iter().map(|request| request.action.as_str()).collect();
        assert_eq!(&actions[..3], ["mgn:StartTest", "mgn:StartTest", "mgn:TagResource"]);
        assert_eq!(requests[0].resource, "arn:aws:mgn:eu-west-1:1:source-server/s-1");
        assert!(actions.contains(&"ec2:RunInstances"));
    }

    #[test]
    fn an_operation_that_is_not_known_is_no_allowance() {
        let refused = requests("1", "eu-west-1", "mgn", "DeleteSourceServer", &json!({}));
        assert!(refused.is_err_and(|why| why.contains("mgn:DeleteSourceServer")));
    }
}
