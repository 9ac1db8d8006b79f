"""What is done to simulated AWS: a function for each service, in which every operation succeeds once and is refused once.

For an operation that is new, add its calls to the function of its service; for a service that is new, a function, and name
it in ALL. What exists before the first call is set up by tests/tests/conformance.rs.
"""

import json
import time

from aws import ACCOUNT, CBOR, REGION, Failed, until

SERVERS = [f"s-0c0f00000000{number:05}" for number in range(1, 5)]
NODE = "mi-0c0f0000000000001"
NOBODY = "s-0000000000000dead"
ZONE = "Z0CONFORMANCE"
PRIVATE_ZONE = "Z0PRIVATE"
TABLE = "landfall"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:conformance"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:landfall/shop"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:report"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"


def fleet(aws):
    """MGN, and with the instances that it launches EC2 and Systems Manager."""
    server, other, third, idle = SERVERS
    listed = aws.call("mgn", "DescribeSourceServers", maxResults=2)
    aws.call("mgn", "DescribeSourceServers", maxResults=2, nextToken=listed["nextToken"])
    aws.call("mgn", "DescribeSourceServers", filters={"sourceServerIDs": [server], "isArchived": False})
    aws.refuse("mgn", "DescribeSourceServers", "ValidationException", nextToken="nobody's")
    configurations(aws, server)
    aws.refuse("mgn", "StartTest", "ValidationException", sourceServerIDs=[NOBODY])
    aws.refuse("mgn", "StartCutover", "ConflictException", sourceServerIDs=[server])
    aws.refuse("mgn", "FinalizeCutover", "ConflictException", sourceServerID=server)
    aws.refuse("mgn", "MarkAsArchived", "ConflictException", sourceServerID=server)
    test = aws.call("mgn", "StartTest", sourceServerIDs=[server, other], tags={"run": "1"})["job"]["jobID"]
    aws.refuse("mgn", "StartTest", "ConflictException", sourceServerIDs=[server])
    aws.refuse("mgn", "TerminateTargetInstances", "ConflictException", sourceServerIDs=[server])
    instances = launched(aws, test)
    ec2(aws, instances[server])
    ssm(aws, instances[server])
    aws.refuse("mgn", "ChangeServerLifeCycleState", "ConflictException", **life(server, "CUTOVER"))
    for one in (server, other):
        aws.call("mgn", "ChangeServerLifeCycleState", **life(one, "READY_FOR_CUTOVER"))
    ended = aws.call("mgn", "TerminateTargetInstances", sourceServerIDs=[server, other])["job"]["jobID"]
    over(aws, ended)
    launched(aws, aws.call("mgn", "StartCutover", sourceServerIDs=[server])["job"]["jobID"])
    aws.call("mgn", "FinalizeCutover", sourceServerID=server)
    aws.call("mgn", "MarkAsArchived", sourceServerID=server)
    aws.refuse("mgn", "UpdateLaunchConfiguration", "ConflictException", sourceServerID=server, copyTags=True)
    aws.call("mgn", "DisconnectFromService", sourceServerID=third)
    aws.refuse("mgn", "DisconnectFromService", "ConflictException", sourceServerID=third)
    aws.refuse("mgn", "DisconnectFromService", "ResourceNotFoundException", sourceServerID=NOBODY)
    aws.call("mgn", "DescribeSourceServers", filters={})
    aws.call("mgn", "DescribeJobs", maxResults=1)
    aws.refuse("mgn", "DescribeJobs", "ValidationException", nextToken="nobody's")
    aws.refuse("mgn", "DescribeJobLogItems", "ValidationException", jobID=test, nextToken="nobody's")
    aws.call("ec2", "TerminateInstances", InstanceIds=[instances[server]])
    aws.refuse("ec2", "TerminateInstances", "InvalidInstanceID.NotFound", InstanceIds=["i-0123456789abcdef0"])


def life(server, state):
    return {"sourceServerID": server, "lifeCycle": {"state": state}}


def configurations(aws, server):
    aws.call("mgn", "GetLaunchConfiguration", sourceServerID=server)
    aws.call("mgn", "GetReplicationConfiguration", sourceServerID=server)
    aws.call(
        "mgn",
        "UpdateLaunchConfiguration",
        sourceServerID=server,
        name="host",
        launchDisposition="STARTED",
        targetInstanceTypeRightSizingMethod="NONE",
        copyPrivateIp=True,
        copyTags=True,
        licensing={"osByol": True},
        bootMode="UEFI",
        postLaunchActions={
            "deployment": "TEST_AND_CUTOVER",
            "ssmDocuments": [{"actionName": "look", "ssmDocumentName": "Look", "timeoutSeconds": 60}],
        },
    )
    aws.call(
        "mgn",
        "UpdateReplicationConfiguration",
        sourceServerID=server,
        bandwidthThrottling=100,
        dataPlaneRouting="PUBLIC_IP",
        stagingAreaTags={"made": "here"},
        replicatedDisks=[{"deviceName": "/dev/xvda", "isBootDisk": True, "stagingDiskType": "GP3", "throughput": 125}],
    )
    for operation in ("GetLaunchConfiguration", "GetReplicationConfiguration"):
        aws.call("mgn", operation, sourceServerID=server)
        aws.refuse("mgn", operation, "ResourceNotFoundException", sourceServerID=NOBODY)
    aws.refuse("mgn", "UpdateLaunchConfiguration", "ValidationException", sourceServerID=server, bootMode="BIOS")
    update = {"sourceServerID": server, "bandwidthThrottling": -1}
    aws.refuse("mgn", "UpdateReplicationConfiguration", "ValidationException", **update)


def over(aws, job):
    """Reads a job until it is completed, and then its log."""

    def completed():
        found = aws.call("mgn", "DescribeJobs", filters={"jobIDs": [job]})["items"][0]
        aws.call("mgn", "DescribeSourceServers", filters={})
        return found if found["status"] == "COMPLETED" else None

    found = until(completed, f"the job {job} completed")
    log = aws.call("mgn", "DescribeJobLogItems", jobID=job, maxResults=2)
    if "nextToken" in log:
        aws.call("mgn", "DescribeJobLogItems", jobID=job, nextToken=log["nextToken"])
    return found


def launched(aws, job):
    """What a job launched: instances by servers."""
    servers = over(aws, job)["participatingServers"]
    return {one["sourceServerID"]: one["launchedEc2InstanceID"] for one in servers}


def ec2(aws, instance):
    def running():
        found = aws.call("ec2", "DescribeInstanceStatus", InstanceIds=[instance], IncludeAllInstances=True)
        status = found["InstanceStatuses"][0]
        return status["InstanceStatus"]["Status"] == "ok" and status["SystemStatus"]["Status"] == "ok"

    until(running, f"{instance} with checks that passed")
    aws.call("ec2", "DescribeInstances", InstanceIds=[instance])
    aws.call("ec2", "DescribeInstances", Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
    nobody = "i-0123456789abcdef0"
    for operation in ("DescribeInstances", "DescribeInstanceStatus", "StopInstances", "StartInstances"):
        aws.refuse("ec2", operation, "InvalidInstanceID.NotFound", InstanceIds=[nobody])
    aws.call("ec2", "ModifyInstanceAttribute", InstanceId=instance, Groups=["sg-0123456789abcdef0"])
    aws.refuse("ec2", "ModifyInstanceAttribute", "InvalidInstanceID.NotFound", InstanceId=nobody, Groups=["sg-0"])
    aws.call("ec2", "DescribeInstances", InstanceIds=[instance])
    snapshots = aws.call(
        "ec2",
        "CreateSnapshots",
        InstanceSpecification={"InstanceId": instance},
        Description="Evidence <of> this & that",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "run", "Value": "1"}]}],
    )["Snapshots"]
    specification = {"InstanceId": nobody}
    aws.refuse("ec2", "CreateSnapshots", "InvalidInstanceID.NotFound", InstanceSpecification=specification)
    made = [one["SnapshotId"] for one in snapshots]
    aws.call("ec2", "DescribeSnapshots", SnapshotIds=made)
    aws.refuse("ec2", "DescribeSnapshots", "InvalidSnapshot.NotFound", SnapshotIds=["snap-0123456789abcdef0"])

    def completed():
        found = aws.call("ec2", "DescribeSnapshots", OwnerIds=["self"], Filters=[{"Name": "tag:run", "Values": ["1"]}])
        return all(one["State"] == "completed" for one in found["Snapshots"])

    until(completed, "snapshots that are completed")
    for one in made:
        aws.call("ec2", "DeleteSnapshot", SnapshotId=one)
        aws.refuse("ec2", "DeleteSnapshot", "InvalidSnapshot.NotFound", SnapshotId=one)
    aws.call("ec2", "StopInstances", InstanceIds=[instance])

    def stopped():
        found = aws.call("ec2", "DescribeInstances", InstanceIds=[instance])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"] == "stopped"

    until(stopped, f"{instance} stopped")
    aws.call("ec2", "StartInstances", InstanceIds=[instance])
    until(running, f"{instance} started again")


def ssm(aws, instance):
    def registered():
        filters = [{"Key": "InstanceIds", "Values": [instance, NODE]}]
        found = aws.call("ssm", "DescribeInstanceInformation", Filters=filters)["InstanceInformationList"]
        return len(found) == 2

    until(registered, f"{instance} registered")
    aws.refuse("ssm", "DescribeInstanceInformation", "InvalidNextToken", NextToken="nobody's")
    good = command(aws, "echo out; true", NODE, instance)
    bad = command(aws, "exit 3", instance)
    for one in (good, bad):
        for details in (True, False):
            aws.call("ssm", "ListCommandInvocations", CommandId=one, Details=details)
        aws.call("ssm", "GetCommandInvocation", CommandId=one, InstanceId=instance)
    aws.call("ssm", "ListCommands", MaxResults=1)
    aws.refuse("ssm", "SendCommand", "InvalidInstanceId", **shell("true", "i-0123456789abcdef0"))
    aws.refuse("ssm", "SendCommand", "InvalidDocument", **{**shell("true", NODE), "DocumentName": "Nobodys"})
    unknown = {"CommandId": "00000000-0000-4000-8000-000000000000", "InstanceId": instance}
    aws.refuse("ssm", "GetCommandInvocation", "InvocationDoesNotExist", **unknown)
    aws.refuse("ssm", "ListCommands", "InvalidNextToken", NextToken="nobody's")
    aws.refuse("ssm", "ListCommandInvocations", "InvalidNextToken", NextToken="nobody's")


def shell(commands, *nodes):
    return {
        "InstanceIds": list(nodes),
        "DocumentName": "AWS-RunShellScript",
        "Parameters": {"commands": [commands]},
        "Comment": "conformance",
    }


def command(aws, commands, *nodes):
    """Sends a command, and waits until it is over everywhere."""
    sent = aws.call("ssm", "SendCommand", **shell(commands, *nodes))["Command"]["CommandId"]

    def over():
        found = aws.call("ssm", "ListCommands", CommandId=sent)["Commands"][0]["Status"]
        for node in nodes:
            aws.call("ssm", "GetCommandInvocation", CommandId=sent, InstanceId=node)
        return found not in ("Pending", "InProgress")

    until(over, f"the command {sent} over")
    return sent


def parameters(aws):
    name = "/conformance/value"
    aws.call("ssm", "PutParameter", Name=name, Value="one", Type="String")
    aws.refuse("ssm", "PutParameter", "ParameterAlreadyExists", Name=name, Value="two", Type="String")
    aws.call("ssm", "PutParameter", Name=name, Value="two", Overwrite=True)
    aws.call("ssm", "GetParameter", Name=name)
    aws.refuse("ssm", "GetParameter", "ParameterNotFound", Name="/conformance/nothing")


def secrets(aws):
    aws.call("secretsmanager", "GetSecretValue", SecretId=f"{SECRETS}/dc/landfall-a1B2c3")
    aws.refuse("secretsmanager", "GetSecretValue", "ResourceNotFoundException", SecretId="nobodys")


def topics(aws):
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:landfall-operators"
    attributes = {"kind": {"DataType": "String", "StringValue": "a"}}
    aws.call("sns", "Publish", TopicArn=topic, Message="one & all", Subject="Hear", MessageAttributes=attributes)
    aws.refuse("sns", "Publish", "NotFound", TopicArn=topic + "-of-nobody", Message="one")
    aws.refuse("sns", "Publish", "InvalidParameter", TopicArn=topic, Message="one", Subject="two\nlines")


def schedules(aws):
    schedule = {
        "Name": "conformance",
        "ScheduleExpression": "at(2099-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": FUNCTION, "RoleArn": ROLE, "Input": "{}", "RetryPolicy": {"MaximumRetryAttempts": 3}},
    }
    aws.call("scheduler", "CreateSchedule", **schedule)
    aws.refuse("scheduler", "CreateSchedule", "ConflictException", **schedule)
    wrong = {**schedule, "ScheduleExpression": "at(tomorrow)"}
    aws.refuse("scheduler", "CreateSchedule", "ValidationException", **wrong)
    aws.call("scheduler", "GetSchedule", Name="conformance")
    aws.call("scheduler", "DeleteSchedule", Name="conformance")
    for operation in ("GetSchedule", "DeleteSchedule"):
        aws.refuse("scheduler", operation, "ResourceNotFoundException", Name="conformance")


def names(aws):
    def change(*changes, **more):
        listed = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
        return {"HostedZoneId": ZONE, "ChangeBatch": {"Changes": listed, **more}}

    def record(name, kind, *values, **more):
        return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values], **more}

    alias = {"HostedZoneId": ZONE, "DNSName": "a.example.org", "EvaluateTargetHealth": False}
    sets = [
        record("a.example.org", "A", "192.0.2.1", "192.0.2.2"),
        record("c.example.org", "CNAME", "a.example.org"),
        record("f.example.org", "A", "192.0.2.1", SetIdentifier="one", Failover="SECONDARY"),
        record("g.example.org", "A", "192.0.2.1", SetIdentifier="one", GeoLocation={"ContinentCode": "EU"}),
        record("l.example.org", "A", "192.0.2.1", SetIdentifier="one", Region=REGION),
        record("m.example.org", "A", "192.0.2.1", SetIdentifier="one", MultiValueAnswer=True),
        {"Name": "z.example.org", "Type": "A", "AliasTarget": alias},
    ]
    upserts = [("UPSERT", one) for one in sets]
    sent = aws.call("route53", "ChangeResourceRecordSets", **change(*upserts, Comment="<conformance>"))["ChangeInfo"]
    until(
        lambda: aws.call("route53", "GetChange", Id=sent["Id"])["ChangeInfo"]["Status"] == "INSYNC",
        "the change INSYNC",
    )
    page = aws.call("route53", "ListResourceRecordSets", HostedZoneId=ZONE, MaxItems="2")
    start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
    aws.call("route53", "ListResourceRecordSets", HostedZoneId=ZONE, **start)
    for zone in (ZONE, PRIVATE_ZONE):
        aws.call("route53", "GetHostedZone", Id=zone)
    missing = change(("DELETE", record("nothing.example.org", "A", "192.0.2.1")))
    aws.refuse("route53", "ChangeResourceRecordSets", "InvalidChangeBatch", **missing)
    aws.refuse("route53", "ChangeResourceRecordSets", "NoSuchHostedZone", **{**missing, "HostedZoneId": "Z0NOBODYS"})
    aws.refuse("route53", "ListResourceRecordSets", "NoSuchHostedZone", HostedZoneId="Z0NOBODYS")
    aws.refuse("route53", "ListResourceRecordSets", "InvalidInput", HostedZoneId=ZONE, MaxItems="0")
    aws.refuse("route53", "GetHostedZone", "NoSuchHostedZone", Id="Z0NOBODYS")
    aws.refuse("route53", "GetChange", "NoSuchChange", Id="C0NOBODYS")


def tables(aws):
    key = {"PK": {"S": "CONFORMANCE"}, "SK": {"S": "1"}}
    item = {
        **key,
        "number": {"N": "1.5"},
        "flag": {"BOOL": True},
        "nothing": {"NULL": True},
        "bytes": {"B": b"\x00\xff"},
        "words": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", "2"]},
        "blobs": {"BS": [b"a"]},
        "list": {"L": [{"S": "a"}, {"N": "1"}]},
        "map": {"M": {"inner": {"S": "a"}}},
    }
    capacity = {"ReturnConsumedCapacity": "TOTAL"}
    absent = {"TableName": "nobodys"}
    for operation in ("DescribeTable", "DescribeTimeToLive"):
        aws.call("dynamodb", operation, TableName=TABLE)
        aws.refuse("dynamodb", operation, "ResourceNotFoundException", **absent)
    aws.call("dynamodb", "PutItem", TableName=TABLE, Item=item, **capacity)
    aws.call("dynamodb", "PutItem", TableName=TABLE, Item=item, ReturnValues="ALL_OLD")
    new = {
        "Item": item,
        "ConditionExpression": "attribute_not_exists(PK)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    failed = "ConditionalCheckFailedException"
    aws.refuse("dynamodb", "PutItem", failed, TableName=TABLE, **new)
    aws.call("dynamodb", "GetItem", TableName=TABLE, Key=key, ConsistentRead=True, ReturnConsumedCapacity="INDEXES")
    aws.refuse("dynamodb", "GetItem", "ResourceNotFoundException", Key=key, **absent)
    update = {
        "Key": key,
        "UpdateExpression": "SET #n = :n",
        "ExpressionAttributeNames": {"#n": "number"},
        "ExpressionAttributeValues": {":n": {"N": "2"}},
    }
    aws.call("dynamodb", "UpdateItem", TableName=TABLE, ReturnValues="ALL_NEW", **update, **capacity)
    aws.refuse("dynamodb", "UpdateItem", failed, TableName=TABLE, ConditionExpression="attribute_not_exists(PK)", **update)
    where = {
        "KeyConditionExpression": "PK = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "CONFORMANCE"}},
    }
    put = {"PutRequest": {"Item": {"PK": {"S": "CONFORMANCE"}, "SK": {"S": "2"}}}}
    aws.call("dynamodb", "BatchWriteItem", RequestItems={TABLE: [put]}, **capacity)
    aws.refuse("dynamodb", "BatchWriteItem", "ResourceNotFoundException", RequestItems={"nobodys": [put]})
    page = aws.call("dynamodb", "Query", TableName=TABLE, Limit=1, **where, **capacity)
    aws.call("dynamodb", "Query", TableName=TABLE, ExclusiveStartKey=page["LastEvaluatedKey"], **where)
    aws.refuse("dynamodb", "Query", "ResourceNotFoundException", **where, **absent)
    aws.call("dynamodb", "Scan", TableName=TABLE, Limit=1, **capacity)
    aws.refuse("dynamodb", "Scan", "ResourceNotFoundException", **absent)
    aws.call("dynamodb", "BatchGetItem", RequestItems={TABLE: {"Keys": [key]}}, **capacity)
    aws.refuse("dynamodb", "BatchGetItem", "ResourceNotFoundException", RequestItems={"nobodys": {"Keys": [key]}})
    get = {"Get": {"TableName": TABLE, "Key": key}}
    aws.call("dynamodb", "TransactGetItems", TransactItems=[get], **capacity)
    other = {"Get": {"TableName": "nobodys", "Key": key}}
    aws.refuse("dynamodb", "TransactGetItems", "ResourceNotFoundException", TransactItems=[other])
    write = {"Put": {"TableName": TABLE, "Item": item}}
    aws.call("dynamodb", "TransactWriteItems", TransactItems=[write], ClientRequestToken="one", **capacity)
    aws.call("dynamodb", "TransactWriteItems", TransactItems=[write], ClientRequestToken="one")
    again = {"Put": {"TableName": TABLE, **new}}
    aws.refuse("dynamodb", "TransactWriteItems", "TransactionCanceledException", TransactItems=[again])
    mismatch = "IdempotentParameterMismatchException"
    aws.refuse("dynamodb", "TransactWriteItems", mismatch, TransactItems=[again], ClientRequestToken="one")
    aws.refuse("dynamodb", "DeleteItem", failed, TableName=TABLE, Key=key, ConditionExpression="attribute_not_exists(PK)")
    aws.call("dynamodb", "DeleteItem", TableName=TABLE, Key=key, ReturnValues="ALL_OLD")


def executions(aws):
    def start(how, **more):
        given = json.dumps({"how": how})
        return aws.call("states", "StartExecution", stateMachineArn=MACHINE, input=given, **more)["executionArn"]

    def ended(arn):
        def status():
            found = aws.call("states", "DescribeExecution", executionArn=arn)["status"]
            return found if found != "RUNNING" else None

        found = until(status, f"{arn} over")
        history(aws, arn)
        return found

    whole = start("all", name="all")
    aws.refuse(
        "states", "StartExecution", "ExecutionAlreadyExists", stateMachineArn=MACHINE, name="all", input='{"how": "x"}'
    )
    aws.refuse("states", "StartExecution", "StateMachineDoesNotExist", stateMachineArn=MACHINE + "-of-nobody")
    tokens(aws, start)
    late, broken, stopped = start("late"), start("broken"), start("token")
    aws.call("states", "StopExecution", executionArn=stopped, error="Stopped", cause="it was asked to")
    outcomes = [ended(arn) for arn in (whole, late, broken, stopped)]
    if outcomes != ["SUCCEEDED", "FAILED", "FAILED", "ABORTED"]:
        raise Failed(f"executions ended as {outcomes}")
    aws.call("states", "RedriveExecution", executionArn=broken, clientToken="once")
    ended(broken)
    aws.refuse("states", "RedriveExecution", "ExecutionNotRedrivable", executionArn=whole)
    runs = [
        event["mapRunStartedEventDetails"]["mapRunArn"]
        for event in history(aws, whole)
        if event["type"] == "MapRunStarted"
    ]
    for run in runs:
        for child in aws.call("states", "ListExecutions", mapRunArn=run)["executions"]:
            ended(child["executionArn"])
    page = aws.call("states", "ListExecutions", stateMachineArn=MACHINE, maxResults=1)
    aws.call("states", "ListExecutions", stateMachineArn=MACHINE, nextToken=page["nextToken"])
    aws.call("states", "ListExecutions", stateMachineArn=MACHINE, statusFilter="FAILED")
    aws.refuse("states", "ListExecutions", "InvalidToken", stateMachineArn=MACHINE, nextToken="nobody's")
    nobody = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:conformance:nobody"
    for operation in ("DescribeExecution", "StopExecution", "GetExecutionHistory", "RedriveExecution"):
        aws.refuse("states", operation, "ExecutionDoesNotExist", executionArn=nobody)


def history(aws, arn):
    """All events, a page at a time."""
    events, more = [], {}
    while True:
        page = aws.call("states", "GetExecutionHistory", executionArn=arn, maxResults=20, **more)
        events += page["events"]
        if "nextToken" not in page:
            return events
        more = {"nextToken": page["nextToken"]}


def tokens(aws, start):
    """Tasks that wait, and each way to answer them."""

    def waits(arn):
        def token():
            scheduled = [one for one in history(aws, arn) if one["type"] == "TaskScheduled"]
            return scheduled and json.loads(scheduled[0]["taskScheduledEventDetails"]["parameters"])["Payload"]["token"]

        return until(token, f"a token of {arn}")

    succeeds, fails = waits(start("token")), waits(start("token"))
    aws.call("states", "SendTaskHeartbeat", taskToken=succeeds)
    aws.refuse("states", "SendTaskSuccess", "InvalidOutput", taskToken=succeeds, output="no JSON")
    aws.call("states", "SendTaskSuccess", taskToken=succeeds, output="{}")
    aws.call("states", "SendTaskFailure", taskToken=fails, error="Refused", cause="it was asked to")
    aws.refuse("states", "SendTaskSuccess", "InvalidToken", taskToken="nobody's", output="{}")
    for operation in ("SendTaskFailure", "SendTaskHeartbeat"):
        aws.refuse("states", operation, "InvalidToken", taskToken="nobody's")
    time.sleep(0.1)
    aws.refuse("states", "SendTaskHeartbeat", "TaskTimedOut", taskToken=succeeds)


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
    source, target = (endpoint(aws, instance, *side) for side in (("source", "postgres", "dc", "a1B2c3"), ("target", "aurora-postgresql", "aws", "d4E5f6")))
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
    aws.refuse("dms", "StartReplicationTask", "ResourceNotFoundFault", ReplicationTaskArn=of_task, StartReplicationTaskType="start-replication")
    aws.refuse("dms", "DescribeTableStatistics", "ResourceNotFoundFault", ReplicationTaskArn=of_task)
    for one in (source, target):
        aws.call("dms", "DeleteEndpoint", EndpointArn=one)
    aws.call("dms", "DescribeEndpoints")
    aws.call("dms", "DeleteReplicationInstance", ReplicationInstanceArn=instance)
    aws.refuse("dms", "DeleteReplicationInstance", "InvalidResourceStateFault", ReplicationInstanceArn=instance)


def only(name, value):
    return [{"Name": name, "Values": [value]}]


def endpoint(aws, instance, role, engine, place, suffix):
    wanted = {
        "EndpointIdentifier": f"conformance-{role}",
        "EndpointType": role,
        "EngineName": engine,
        "SslMode": "require",
        "ExtraConnectionAttributes": "captureDDLs=N;",
        "PostgreSQLSettings": {
            "SecretsManagerSecretId": f"{SECRETS}/{place}/dms-{suffix}",
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
    rule = {
        "rule-type": "selection",
        "rule-id": "1",
        "rule-name": "all",
        "object-locator": {"schema-name": "shop", "table-name": "%"},
        "rule-action": "include",
    }
    wanted = {
        "ReplicationTaskIdentifier": "conformance",
        "SourceEndpointArn": source,
        "TargetEndpointArn": target,
        "ReplicationInstanceArn": instance,
        "MigrationType": "full-load-and-cdc",
        "TableMappings": json.dumps({"rules": [rule]}),
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
    locator = {"server-name": "dc", "schema-name": "shop"}
    rules = json.dumps(
        {"rules": [{"rule-type": "selection", "rule-id": "1", "rule-name": "all", "object-locator": locator, "rule-action": "explicit"}]}
    )
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


def functions(aws):
    answer = aws.call("lambda", "Invoke", FunctionName="report", Payload=b"{}")
    if json.loads(answer["Payload"].read()) != {"done": True}:
        raise Failed("the function does not answer what it should")
    failed = aws.call("lambda", "Invoke", FunctionName=FUNCTION, Payload=b'{"fail": "Refused"}')
    if failed.get("FunctionError") != "Unhandled":
        raise Failed("a function that fails has no FunctionError")
    aws.call("lambda", "Invoke", FunctionName="report", InvocationType="Event", Payload=b"{}")
    aws.call("lambda", "Invoke", FunctionName="report", InvocationType="DryRun", Payload=b"{}")
    aws.refuse("lambda", "Invoke", "ResourceNotFoundException", FunctionName="nobodys")
    aws.refuse("lambda", "Invoke", "InvalidRequestContentException", FunctionName="report", Payload=b"no JSON")
    aws.refuse("lambda", "Invoke", "InvalidParameterValueException", FunctionName="report", InvocationType="Never")


ALL = [
    fleet,
    parameters,
    secrets,
    topics,
    schedules,
    names,
    tables,
    executions,
    replication,
    conversions,
    functions,
]
