"""Drives every operation of simulated AWS by boto3, and judges each answer by the model that botocore ships.

    python scripts/tools/conformance <endpoint>

The endpoint is that of tests/tests/conformance.rs, whose world has what the cases need. The operations are those that it
lists itself: one without a success, or without an error, fails; so does a case of one that is not simulated.
"""

import sys
import time

import boto3
import botocore

import cases
import mutants
import walks
import wire
from aws import Aws, Failed
from deliberate import DIFFERENT, JUDGED_OTHERWISE, NO_MODELLED_ERROR, no_more

# The keys whose calls the world disturbs, and the statuses that such a refusal may have.
DISTURBED = {"THROTTLED": {400, 429, 503}, "DENIED": {400, 403}, "BROKEN": {500}}

# What has no sense in an answer, where a parameter that must be there has no other value.
FILL = {"string": "x", "integer": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": True, "blob": b"x"}


def main():
    began = time.monotonic()
    aws = Aws(sys.argv[1])
    failures = []
    for case in cases.ALL:
        try:
            case(aws)
        except Failed as failed:
            failures.append(f"{case.__name__}: {failed}")
    driven = dict(aws.succeeded)
    refused = {seen: dict(codes) for seen, codes in aws.refused.items()}
    disturb(aws, failures)
    unknown = leave_out(aws, failures)
    failures += uncovered(aws, driven, refused)
    for (service, operation), sample in sorted(aws.samples.items(), key=lambda one: one[0]):
        for way in mutants.unfound(*sample):
            failures.append(f"{service} {operation}: the judge does not see {way} that was made wrong")
    failures += [f"{finding}: differs no more, take it off the list" for finding, _, _ in no_more()]
    for finding, found in sorted(aws.findings.items()):
        example = f", as {found[0]!r}" if found[0] else ""
        print(f"WRONG    {finding}{example} ({len(found)} times)")
    for failure in failures:
        print(f"FAILED   {failure}")
    for finding, _, why in DIFFERENT:
        print(f"differs  {finding}: {why}")
    for rule, why in JUDGED_OTHERWISE.items():
        print(f"judged   {rule}: {why}")
    for (service, operation), why in NO_MODELLED_ERROR.items():
        print(f"no error {service} {operation}: {why}")
    for pattern in sorted(walks.UNREADABLE):
        print(f"not read {pattern}: Python has no words for this pattern")
    print(
        f"{aws.answers} answers of {len(aws.operations)} operations in {time.monotonic() - began:.0f} s, and refusals of "
        f"{unknown} that are not simulated; boto3 {boto3.__version__}, botocore {botocore.__version__}: "
        f"{len(aws.findings)} wrong, {len(failures)} failed"
    )
    return 1 if aws.findings or failures else 0


def disturb(aws, failures):
    """Every operation throttled, denied and broken."""
    for service, operation in sorted(aws.operations):
        for key, statuses in DISTURBED.items():
            client = aws.client(service, key)
            try:
                client._make_api_call(operation, least(client.meta.service_model.operation_model(operation).input_shape))
                failures.append(f"{service} {operation} is not disturbed for {key}")
            except client.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status not in statuses:
                    failures.append(f"{service} {operation} has the status {status} for {key}: {error}")


def leave_out(aws, failures):
    """Every operation that is not simulated says so; gives their number."""
    count = 0
    services = {service for service, _ in aws.operations}
    for service in sorted(services):
        client = aws.client(service)
        model = client.meta.service_model
        for operation in model.operation_names:
            if (service, operation) in aws.operations:
                continue
            count += 1
            try:
                client._make_api_call(operation, least(model.operation_model(operation).input_shape))
                failures.append(f"{service} {operation} is not simulated, and succeeds")
            except client.exceptions.ClientError as error:
                said = error.response["Error"]
                if said["Code"] not in wire.UNKNOWN or "does not simulate" not in said.get("Message", ""):
                    failures.append(f"{service} {operation} is not simulated, and does not say so: {error}")
    for service in ("iam", "s3"):
        try:
            aws.clients[service, "OPERATOR"] = aws.new_client(service, "OPERATOR")
            aws.clients[service, "OPERATOR"]._make_api_call({"iam": "ListRoles", "s3": "ListBuckets"}[service], {})
            failures.append(f"{service} is not simulated, and answers")
        except aws.clients[service, "OPERATOR"].exceptions.ClientError as error:
            if "does not simulate" not in str(error):
                failures.append(f"{service} is not simulated, and does not say so: {error}")
    return count


def least(shape):
    """The smallest input that can be sent."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        in_path = {name for name, member in shape.members.items() if member.serialization.get("location") == "uri"}
        return {name: least(shape.members[name]) for name in sorted({*shape.required_members, *in_path})}
    if shape.type_name == "list":
        return [least(shape.member)]
    if shape.type_name == "map":
        return {}
    if shape.type_name == "timestamp":
        return 0
    enumeration = getattr(shape, "enum", None)
    return enumeration[0] if enumeration else FILL[shape.type_name]


def uncovered(aws, driven, refused):
    """What was not driven as it has to be."""
    failures = []
    for service, operation in sorted(aws.operations):
        if (service, operation) not in driven:
            failures.append(f"{service} {operation} is simulated, and no case has a success of it")
        model = aws.client(service).meta.service_model.operation_model(operation)
        codes = refused.get((service, operation), {})
        excused = (service, operation) in NO_MODELLED_ERROR
        if excused and any(codes.values()):
            failures.append(f"{service} {operation} has a modelled error after all: take it off the list")
        wanted = any(codes.values()) if model.error_shapes else bool(codes)
        if not wanted and not excused:
            kind = "modelled error" if model.error_shapes else "error"
            failures.append(f"{service} {operation}: no case has a {kind} of it, only {sorted(codes)}")
    for service, operation in sorted({*driven, *refused} - aws.operations):
        failures.append(f"{service} {operation} has a case, and is not simulated")
    return failures


sys.exit(main())
