"""What simulated AWS does otherwise than the models say, on purpose, and why: printed, and a failure when it is no more."""

import re

# A finding, the value that it is about, and the reason.
DIFFERENT = [
    (
        r"mgn .*DateTime does not match .*",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00",
        "MGN's answers have microseconds and +00:00 where its model has Z; both are sent, as a knob says",
    ),
    (
        r"ssm GetCommandInvocation: Execution(Start|End)DateTime does not match .*",
        r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        "the pattern has no milliseconds and no empty string; the example of `aws ssm get-command-invocation` has the former, and "
        "API_GetCommandInvocation says that it is empty before the start",
    ),
    (
        r"ssm GetCommandInvocation: ExecutionElapsedTime does not match .*",
        r"|PT\d+\.\d{3}S",
        "the pattern is that of an instant, and this is a duration, PT0.091S in the example of `aws ssm get-command-invocation`",
    ),
    (
        r"dms \w+: \S*EndpointType is not in the enumeration ReplicationEndpointTypeValue",
        r"SOURCE|TARGET",
        "asked for in lower case, answered in upper case, as in the example of `aws dms create-endpoint`",
    ),
    (
        r"dynamodb Batch\w+: Unprocessed(Keys|Items) does not have 1 to \d+ entries",
        r"0",
        "an empty map says that everything was processed, as API_BatchGetItem and API_BatchWriteItem say",
    ),
    (
        r"dynamodb DescribeTable: Table.ProvisionedThroughput.NumberOfDecreasesToday is not in 1 to None",
        r"0",
        "there was none today, as in the example of `aws dynamodb describe-table`",
    ),
]

# Operations whose models name errors of which simulated AWS can produce none.
NO_MODELLED_ERROR = {
    ("monitoring", "GetMetricData"): "InvalidNextToken alone is modelled, and there is never a second page",
    ("monitoring over CBOR", "GetMetricData"): "InvalidNextToken alone is modelled, and there is never a second page",
    ("dms", "DescribeMetadataModelAssessments"): "a migration project is whatever requests were made of",
    ("dms", "DescribeMetadataModelConversions"): "a migration project is whatever requests were made of",
    ("dms", "DescribeMetadataModelExportsToTarget"): "a migration project is whatever requests were made of",
}

# Errors besides the models, and rules of the judge that are not in them.
JUDGED_OTHERWISE = {
    "dms errors InvalidParameterValueException and InvalidParameterCombinationException": (
        "no operation models them, CommonErrors of the DMS API reference does"
    ),
    "ec2 namespace": "has a slash more than the model, as all examples of the API reference show",
    "ec2 operations without output": "answer <return>true</return>, as their pages document",
    "message of an error": "may be there where the model has no such member: every SDK reads it",
}

seen = set()


def deliberate(finding, found):
    """Whether a finding is on purpose."""
    for different in DIFFERENT:
        if re.fullmatch(different[0], finding) and re.fullmatch(different[1], found):
            seen.add(different)
            return True
    return False


def no_more():
    """Those that were not seen."""
    return [different for different in DIFFERENT if different not in seen]
