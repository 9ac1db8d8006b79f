"""DMS, with a task of it CloudWatch, and schema conversion."""

import json
import time

from aws import ACCOUNT, CBOR, Failed, REGION, until
from cases.world import ROLE, SECRETS


def replication(aws):
    """DMS, and with a task of it CloudWatch."""
    tags = [{"Key": "run", "Value": "1"}]
    wanted = {
        "ReplicationInstanceIdentifier": "conformance",
        "ReplicationInstanceClass": "dms.c5.large",
        "AllocatedStorage": 50,
        "Tags": tags,
    }
    instance = aws.call("dms", "CreateReplicationInstance", **wanted)["ReplicationInstance"]["ReplicationInstanceArn"]
    aws.refuse("dms", "CreateReplicationInstance", "ResourceAlreadyExistsFault", **wanted)
    aws.call("dms", "ListTagsForResource", ResourceArn=instance)
    nothing = f"arn:aws:dms:{REGION}:{ACCOUNT}:rep:NOBODYS"
    aws.refuse("dms", "ListTagsForResource", "ResourceNotFoundFault", ResourceArn=nothing)

    def available():
        found = aws.call("dms", "DescribeReplicationInstances", Filters=only("replication-instance-arn", instance))
        return found["ReplicationInstances"][0]["ReplicationInstanceStatus"] == "available"

    until(available, "the replication instance available")
    absent = {"Filters": only("replication-instance-arn", nothing)}
    aws.refuse("dms", "DescribeReplicationInstances", "ResourceNotFoundFault", **absent)
    source = endpoint(aws, instance, "source", "postgres", f"{SECRETS}/dc/dms-a1B2c3")
    target = endpoint(aws, instance, "target", "aurora-postgresql", f"{SECRETS}/aws/dms-d4E5f6")
    aws.refuse("dms", "DescribeEndpoints", "ResourceNotFoundFault", Filters=only("endpoint-arn", nothing))
    aws.refuse("dms", "DescribeConnections", "ResourceNotFoundFault", Filters=only("endpoint-arn", nothing))
    aws.refuse("dms", "TestConnection", "ResourceNotFoundFault", ReplicationInstanceArn=instance, EndpointArn=nothing)
    of_task = task(aws, instance, source, target)
    aws.refuse("dms", "DeleteReplicationInstance", "InvalidResourceStateFault", ReplicationInstanceArn=instance)
    aws.refuse("dms", "DeleteEndpoint", "InvalidResourceStateFault", EndpointArn=source)
    assessment(aws, of_task)
    run(aws, of_task)
    metrics(aws, of_task)
    aws.call("dms", "StopReplicationTask", ReplicationTaskArn=of_task)
    aws.refuse("dms", "StopReplicationTask", "InvalidResourceStateFault", ReplicationTaskArn=of_task)
    reaches(aws, of_task, "stopped")
    aws.call("dms", "StartReplicationTask", ReplicationTaskArn=of_task, StartReplicationTaskType="resume-processing")
    reaches(aws, of_task, "running")
    aws.refuse("dms", "DeleteReplicationTask", "InvalidResourceStateFault", ReplicationTaskArn=of_task)
    aws.call("dms", "StopReplicationTask", ReplicationTaskArn=of_task)
    reaches(aws, of_task, "stopped")
    aws.call("dms", "DeleteReplicationTask", ReplicationTaskArn=of_task)

    def gone():
        found = aws.call("dms", "DescribeReplicationTasks")["ReplicationTasks"]
        return not found

    until(gone, "the task deleted")
    aws.refuse("dms", "DescribeReplicationTasks", "ResourceNotFoundFault", Filters=only("replication-task-arn", of_task))
    again = {"ReplicationTaskArn": of_task, "StartReplicationTaskType": "start-replication"}
    aws.refuse("dms", "StartReplicationTask", "ResourceNotFoundFault", **again)
    aws.refuse("dms", "DescribeTableStatistics", "ResourceNotFoundFault", ReplicationTaskArn=of_task)
    for one in (source, target):
        aws.call("dms", "DeleteEndpoint", EndpointArn=one)
    aws.call("dms", "DescribeEndpoints")
    aws.call("dms", "DeleteReplicationInstance", ReplicationInstanceArn=instance)
    aws.refuse("dms", "DeleteReplicationInstance", "InvalidResourceStateFault", ReplicationInstanceArn=instance)


def selection(locator, action):
    """Rules that select something."""
    rule = {"rule-type": "selection", "rule-id": "1", "rule-name": "all"}
    return {"rules": [{**rule, "object-locator": locator, "rule-action": action}]}


def only(name, value):
    return [{"Name": name, "Values": [value]}]


def endpoint(aws, instance, role, engine, secret):
    wanted = {
        "EndpointIdentifier": f"conformance-{role}",
        "EndpointType": role,
        "EngineName": engine,
        "SslMode": "require",
        "ExtraConnectionAttributes": "captureDDLs=N;",
        "PostgreSQLSettings": {
            "SecretsManagerSecretId": secret,
            "SecretsManagerAccessRoleArn": ROLE,
            "DatabaseName": "shop",
        },
        "Tags": [{"Key": "run", "Value": "1"}],
    }
    arn = aws.call("dms", "CreateEndpoint", **wanted)["Endpoint"]["EndpointArn"]
    aws.refuse("dms", "CreateEndpoint", "ResourceAlreadyExistsFault", **wanted)
    aws.call("dms", "DescribeEndpoints", Filters=only("endpoint-arn", arn))
    aws.call("dms", "TestConnection", ReplicationInstanceArn=instance, EndpointArn=arn)

    def successful():
        found = aws.call("dms", "DescribeConnections", Filters=only("endpoint-arn", arn))["Connections"][0]
        if found["Status"] == "failed":
            raise Failed(f"{role}: {found}")
        return found["Status"] == "successful"

    until(successful, f"the {role} connected")
    return arn


def task(aws, instance, source, target):
    wanted = {
        "ReplicationTaskIdentifier": "conformance",
        "SourceEndpointArn": source,
        "TargetEndpointArn": target,
        "ReplicationInstanceArn": instance,
        "MigrationType": "full-load-and-cdc",
        "TableMappings": json.dumps(selection({"schema-name": "shop", "table-name": "%"}, "include")),
        "ReplicationTaskSettings": json.dumps({"ValidationSettings": {"EnableValidation": True}}),
        "Tags": [{"Key": "run", "Value": "1"}],
    }
    arn = aws.call("dms", "CreateReplicationTask", **wanted)["ReplicationTask"]["ReplicationTaskArn"]
    aws.refuse("dms", "CreateReplicationTask", "ResourceAlreadyExistsFault", **wanted)
    reaches(aws, arn, "ready")
    return arn


def reaches(aws, arn, status):
    def there():
        found = aws.call("dms", "DescribeReplicationTasks", Filters=only("replication-task-arn", arn))
        aws.call("dms", "DescribeTableStatistics", ReplicationTaskArn=arn)
        return found["ReplicationTasks"][0]["Status"] == status

    until(there, f"the task {status}")


def assessment(aws, of_task):
    wanted = {
        "ReplicationTaskArn": of_task,
        "ServiceAccessRoleArn": ROLE,
        "ResultLocationBucket": "conformance",
        "AssessmentRunName": "first",
    }
    started = aws.call("dms", "StartReplicationTaskAssessmentRun", **wanted)["ReplicationTaskAssessmentRun"]
    arn = started["ReplicationTaskAssessmentRunArn"]
    aws.refuse("dms", "StartReplicationTaskAssessmentRun", "ResourceAlreadyExistsFault", **wanted)

    def over():
        filters = only("replication-task-assessment-run-arn", arn)
        aws.call("dms", "DescribeReplicationTaskIndividualAssessments", Filters=filters)
        found = aws.call("dms", "DescribeReplicationTaskAssessmentRuns", Filters=filters)
        return found["ReplicationTaskAssessmentRuns"][0]["Status"] == "passed"

    until(over, "the assessment passed")
    for operation in ("DescribeReplicationTaskAssessmentRuns", "DescribeReplicationTaskIndividualAssessments"):
        nothing = only("replication-task-assessment-run-arn", "nobody's")
        aws.refuse("dms", operation, "ResourceNotFoundFault", Filters=nothing)
    reaches(aws, of_task, "ready")


def run(aws, of_task):
    """Runs a task until everything is loaded and found equal."""
    aws.call("dms", "StartReplicationTask", ReplicationTaskArn=of_task, StartReplicationTaskType="start-replication")
    reaches(aws, of_task, "running")

    def equal():
        tables = aws.call("dms", "DescribeTableStatistics", ReplicationTaskArn=of_task, MaxRecords=100)["TableStatistics"]
        reaches(aws, of_task, "running")
        return tables and all(one["ValidationState"] in ("Validated", "No primary key") for one in tables)

    until(equal, "every table validated", seconds=30)


def metrics(aws, of_task):
    for service in ("monitoring", CBOR):
        dimensions = [
            {"Name": "ReplicationInstanceIdentifier", "Value": "conformance"},
            {"Name": "ReplicationTaskIdentifier", "Value": of_task.split(":")[-1]},
        ]
        metric = {"Namespace": "AWS/DMS", "MetricName": "CDCLatencyTarget", "Dimensions": dimensions}
        now = time.time()
        asked = {
            "MetricDataQueries": [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}],
            "StartTime": now - 3600,
            "EndTime": now,
        }
        until(lambda: aws.call(service, "GetMetricData", **asked)["MetricDataResults"][0]["Values"], "a point")
        wrong = {**asked, "StartTime": now + 3600}
        aws.refuse(service, "GetMetricData", "ValidationException", **wrong)


def conversions(aws):
    """Schema conversion: of a project nothing is checked but its name."""
    project = {"MigrationProjectIdentifier": "conformance"}
    rules = json.dumps(selection({"server-name": "dc", "schema-name": "shop"}, "explicit"))
    parts = {
        "StartMetadataModelAssessment": "DescribeMetadataModelAssessments",
        "StartMetadataModelConversion": "DescribeMetadataModelConversions",
        "StartMetadataModelExportToTarget": "DescribeMetadataModelExportsToTarget",
    }
    requests = {}
    for started, described in parts.items():
        requests[described] = aws.call("dms", started, SelectionRules=rules, **project)["RequestIdentifier"]
        aws.refuse("dms", started, "InvalidResourceStateFault", SelectionRules=rules, **project)

    def over():
        found = [
            aws.call("dms", described, Filters=only("request-id", request), **project)["Requests"][0]["Status"]
            for described, request in requests.items()
        ]
        return set(found) == {"SUCCESS"}

    until(over, "every part of the conversion over")
