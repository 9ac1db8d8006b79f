"""Simulated AWS as boto3 reaches it, with an ear on the wire."""

import copy
import time
import urllib.request

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader

import wire

ACCOUNT = "111122223333"
REGION = "eu-west-1"

# What simulated AWS calls by the prefix of its endpoint, and boto3 otherwise.
CALLED_BY_BOTO3 = {"states": "stepfunctions", "monitoring": "cloudwatch"}
# CloudWatch as the SDK for Rust speaks to it. boto3 would choose JSON.
CBOR = "monitoring over CBOR"


class Failed(Exception):
    """A step of a case did not do what the case needs; the message says what."""


class OneProtocol(Loader):
    """Models that know one protocol only."""

    protocol = None

    def load_service_model(self, service_name, type_name, api_version=None):
        model = super().load_service_model(service_name, type_name, api_version)
        if type_name != "service-2" or self.protocol is None:
            return model
        model = copy.deepcopy(model)
        model["metadata"]["protocols"] = [self.protocol]
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
        self.clients = {}

    def client(self, service, key="OPERATOR"):
        if (service, key) not in self.clients:
            self.clients[service, key] = self.new_client(service, key)
        return self.clients[service, key]

    def new_client(self, service, key):
        session = botocore.session.Session()
        name = service
        if service == CBOR:
            loader = OneProtocol(include_default_search_paths=True)
            loader.protocol = "smithy-rpc-v2-cbor"
            session.register_component("data_loader", loader)
            name = "monitoring"
        client = boto3.Session(botocore_session=session).client(
            CALLED_BY_BOTO3.get(name, name),
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

        client.meta.events.register("before-parse", hear)
        return client

    def hear(self, service, operation, response):
        """Judges an answer before botocore reads it."""
        answer = wire.Answer(operation, wire.bytes_of(response))
        self.answers += 1
        for path, what in answer.judge():
            self.find(service, operation.name, path, what)
        seen = (service, operation.name)
        if answer.status < 300:
            self.succeeded[seen] = self.succeeded.get(seen, 0) + 1
        else:
            modelled = any(answer.code in (one.name, one.error_code) for one in operation.error_shapes)
            self.refused.setdefault(seen, {})[answer.code] = modelled

    def find(self, service, operation, path, what):
        key = f"{service} {operation}: {path.lstrip('.') or 'the answer'} {what}"
        self.findings[key] = self.findings.get(key, 0) + 1

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
