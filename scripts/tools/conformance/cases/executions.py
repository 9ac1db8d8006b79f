"""Step Functions."""

import json
import time

from aws import ACCOUNT, Failed, REGION, until

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:conformance"


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
