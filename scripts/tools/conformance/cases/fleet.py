"""MGN, and with the instances that it launches EC2 and Systems Manager."""

from aws import until

SERVERS = [f"s-0c0f00000000{number:05}" for number in range(1, 4)]
NODE = "mi-0c0f0000000000001"
NOBODY = "s-0000000000000dead"


def fleet(aws):
    """MGN, and with the instances that it launches EC2 and Systems Manager."""
    server, other, third = SERVERS
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
