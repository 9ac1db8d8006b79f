"""Simulated AWS as boto3 reaches it, with an ear on the wire."""

import time
import urllib.request

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader

import wire
from deliberate import deliberate

ACCOUNT = "111122223333"
REGION = "eu-west-1"

# CloudWatch as the SDK for Rust speaks to it. boto3 would choose JSON.
CBOR = "monitoring over CBOR"
# What simulated AWS calls by the prefix of its endpoint, and boto3 otherwise.
CALLED_BY_BOTO3 = {"states": "stepfunctions", "monitoring": "cloudwatch", CBOR: "cloudwatch"}


class Failed(Exception):
    """A step of a case did not do what the case needs; the message says what."""


class CborOnly(Loader):
    """Models that know one protocol only."""

    def load_service_model(self, service_name, type_name, api_version=None):
        model = super().load_service_model(service_name, type_name, api_version)
        if type_name == "service-2":
            model["metadata"]["protocols"] = ["smithy-rpc-v2-cbor"]
        return model


class Aws:
    """Clients, and what was seen of their calls."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        with urllib.request.urlopen(endpoint + "/landfall/operations") as listed:
            lines = listed.read().decode().splitlines()
        self.operations = {tuple(line.split(" ")) for line in lines}
        self.operations |= {(CBOR, name) for service, name in self.operations if service == "monitoring"}
        # By (service, operation): how often it succeeded, and with which codes it failed.
        self.succeeded = {}
        self.refused = {}
        self.findings = {}
        self.answers = 0
        # The last success of each operation: its model and the answer.
        self.samples = {}
        self.clients = {}
        over_cbor = botocore.session.Session()
        over_cbor.register_component("data_loader", CborOnly(include_default_search_paths=True))
        # By whether CBOR is spoken.
        self.sessions = {False: boto3.Session(), True: boto3.Session(botocore_session=over_cbor)}

    def client(self, service, key="OPERATOR"):
        if (service, key) not in self.clients:
            self.clients[service, key] = self.new_client(service, key)
        return self.clients[service, key]

    def new_client(self, service, key):
        client = self.sessions[service == CBOR].client(
            CALLED_BY_BOTO3.get(service, service),
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key="local",
            config=Config(
                retries={"total_max_attempts": 1},
                parameter_validation=False,
                inject_host_prefix=False,
            ),
        )

        def hear(operation_model, response_dict, **_):
            self.hear(service, operation_model, response_dict)

        if any(service == simulated for simulated, _ in self.operations):
            client.meta.events.register("before-parse", hear)
        return client

    def hear(self, service, operation, response):
        """Judges an answer before botocore reads it."""
        response = wire.bytes_of(response)
        answer = wire.Answer(operation, response)
        self.answers += 1
        for path, what, found in answer.judge():
            self.find(service, operation.name, path, what, found)
        seen = (service, operation.name)
        if answer.status < 300:
            self.succeeded[seen] = self.succeeded.get(seen, 0) + 1
            self.samples[seen] = (operation, response)
        else:
            modelled = any(answer.code in (one.name, one.error_code) for one in operation.error_shapes)
            self.refused.setdefault(seen, {})[answer.code] = modelled

    def find(self, service, operation, path, what, found):
        sentence = f"{service} {operation}: {path.lstrip('.') or 'the answer'} {what}"
        if not deliberate(sentence, found):
            self.findings.setdefault(sentence, []).append(found)

    def call(self, service, operation, key="OPERATOR", **parameters):
        """A call that has to succeed."""
        try:
            return self.client(service, key)._make_api_call(operation, parameters)
        except ClientError as error:
            raise Failed(f"{service} {operation}: {error}") from error

    def refuse(self, service, operation, code, key="OPERATOR", **parameters):
        """A call that has to be refused with this code."""
        try:
            self.client(service, key)._make_api_call(operation, parameters)
        except ClientError as error:
            found = error.response["Error"].get("Code")
            if found == code:
                return error.response["Error"].get("Message", "")
            raise Failed(f"{service} {operation}: {error}, and not {code}") from error
        raise Failed(f"{service} {operation} was not refused with {code}")


def until(ask, what, seconds=20):
    """Asks until there is an answer, and gives it."""
    for _ in range(seconds * 20):
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise Failed(f"after {seconds} s there is still not {what}")
