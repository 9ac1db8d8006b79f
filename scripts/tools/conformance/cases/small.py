"""Services of few operations."""

import json

from aws import ACCOUNT, Failed, REGION
from cases.world import FUNCTION, ROLE, SECRETS


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
