"""Judges an answer as it was on the wire by botocore's model of its operation.

botocore's own parser takes what it understands and leaves the rest; here whatever is not as the model says is a finding.
"""

import io
import json
import xml.etree.ElementTree as etree

from botocore.parsers import RpcV2CBORParser

from walks import CborWalk, JsonWalk, XmlWalk, local

# Codes that any operation may answer with, modelled or not, and their statuses: the pages "Common Errors" of the services'
# API references; for EC2, which models no error at all, "Error codes for the Amazon EC2 API".
COMMON_JSON = {
    "AccessDeniedException": {400, 403},
    "ThrottlingException": {400, 429},
    "ValidationException": {400},
    "SerializationException": {400},
    "InternalFailure": {500},
}
COMMON_XML = {
    "AccessDenied": {403},
    "InternalFailure": {500},
    "MalformedInput": {400},
    "MissingAction": {400},
    "Throttling": {400},
}
COMMON_EC2 = {
    "IncorrectInstanceState": {400},
    "IncorrectState": {400},
    "InternalError": {500},
    "InvalidInstanceID.Malformed": {400},
    "InvalidInstanceID.NotFound": {400},
    "InvalidParameterCombination": {400},
    "InvalidParameterValue": {400},
    "InvalidSnapshot.NotFound": {400},
    "MissingParameter": {400},
    "RequestLimitExceeded": {503},
    "UnauthorizedOperation": {403},
}
# What is not simulated. The sentence says so too.
UNKNOWN = {"UnknownOperationException": {400, 404}, "InvalidAction": {400}}

# Modelled by no operation of the service and sent by it all the same; DMS's page says so.
BESIDES_THE_MODEL = {
    "dms": {"InvalidParameterValueException": {400}, "InvalidParameterCombinationException": {400}},
}


class Answer:
    """One answer, what it should be, and what is wrong with it."""

    def __init__(self, operation, response):
        self.operation = operation
        self.service = operation.service_model
        self.protocol = self.service.resolved_protocol
        self.status = response["status_code"]
        self.headers = {name.lower(): value for name, value in response["headers"].items()}
        self.body = response["body"]
        self.wrong = []
        self.code = None

    def say(self, path, what, found=""):
        """Notes what is wrong; `found` is an example, which does not tell findings apart."""
        self.wrong.append((path, what, str(found)))

    def judge(self):
        """Says what is wrong; `code` is then that of an error, or None."""
        try:
            self.content_type()
            if self.status >= 300:
                self.error()
            else:
                self.success()
        except (ValueError, etree.ParseError, LookupError, AttributeError) as error:
            self.say("", "cannot be read", repr(error))
        return self.wrong

    # What all answers have.

    def content_type(self):
        wanted = {
            "json": f"application/x-amz-json-{self.service.metadata.get('jsonVersion', '1.0')}",
            "rest-json": "application/json",
            "query": "text/xml",
            "ec2": "text/xml",
            "rest-xml": "text/xml",
            "smithy-rpc-v2-cbor": "application/cbor",
        }[self.protocol]
        found = self.headers.get("content-type", "").split(";")[0]
        if self.body and found != wanted and not (self.blob_payload() and self.status < 300):
            self.say("content-type", f"is not {wanted}", found)
        if self.protocol == "smithy-rpc-v2-cbor" and self.headers.get("smithy-protocol") != "rpc-v2-cbor":
            self.say("smithy-protocol", "is not rpc-v2-cbor")
        if "x-amzn-requestid" not in self.headers:
            self.say("x-amzn-requestid", "is missing")

    def blob_payload(self):
        output = self.operation.output_shape
        name = output.serialization.get("payload") if output is not None else None
        return name is not None and output.members[name].type_name == "blob"

    # Successes.

    def success(self):
        output = self.operation.output_shape
        status = self.operation.http.get("responseCode", 200) if self.protocol.startswith("rest") else 200
        of_status = output is not None and any(
            member.serialization.get("location") == "statusCode" for member in output.members.values()
        )
        if self.status != status and not of_status:
            self.say("status", f"is {self.status}, not {status}")
        if self.protocol in ("query", "ec2", "rest-xml"):
            return self.xml_success(output)
        if output is not None:
            self.in_headers(output)
        if self.blob_payload():
            return None
        if self.protocol == "smithy-rpc-v2-cbor":
            document, walk = cbor(self.body), CborWalk(self)
        else:
            document, walk = json.loads(self.body or b"{}", parse_constant=refuse_constant), JsonWalk(self)
        if output is None:
            if document != {}:
                self.say("", "has members, and the operation has no output")
            return None
        return walk.structure(output, document, "")

    def in_headers(self, shape):
        for name, member in shape.members.items():
            if member.serialization.get("location") != "header":
                continue
            text = self.headers.get(member.serialization.get("name", name).lower())
            if text is None:
                if name in shape.required_members:
                    self.say(name, "is required, and there is no such header")
            else:
                XmlWalk(self).scalar(member, text, name)

    def xml_success(self, output):
        root = etree.fromstring(self.body)
        name = self.operation.name
        walk = XmlWalk(self)
        if self.protocol == "rest-xml":
            self.root(root, output.serialization.get("name", output.name), self.namespace())
            return walk.structure(output, root, "")
        self.root(root, f"{name}Response", self.namespace())
        if self.protocol == "ec2":
            inner = [child for child in root if local(child) == "requestId"]
            if len(inner) != 1:
                self.say("requestId", "is missing")
            for child in inner:
                root.remove(child)
            # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html: `return`, which the model omits.
            if output is None and [(local(one), one.text) for one in root] != [("return", "true")]:
                self.say("", "is not <return>true</return>, and the operation has no output")
            return walk.structure(output, root, "") if output is not None else None
        children = {local(child): child for child in root}
        metadata = children.pop("ResponseMetadata", None)
        if metadata is None or [local(child) for child in metadata] != ["RequestId"]:
            self.say("ResponseMetadata", "has no RequestId")
        if output is None:
            if children:
                self.say("", "has members, and the operation has no output")
            return None
        wrapper = output.serialization.get("resultWrapper", f"{name}Result")
        if list(children) != [wrapper]:
            return self.say("", f"has {sorted(children)} in place of {wrapper}")
        return walk.structure(output, children[wrapper], "")

    def namespace(self):
        of_service = self.service.metadata.get("xmlNamespace")
        if self.protocol == "ec2":
            # EC2's answers have a slash more than its model, as all examples of its API reference show.
            return of_service + "/"
        shape = self.operation.input_shape
        of_input = (shape.serialization.get("xmlNamespace") or {}).get("uri") if shape is not None else None
        # Route 53's model has it on inputs with a body alone, and it is the same for all.
        of_route53 = "https://route53.amazonaws.com/doc/2013-04-01/" if self.protocol == "rest-xml" else None
        return of_service or of_input or of_route53

    def root(self, root, name, namespace):
        if root.tag != f"{{{namespace}}}{name}":
            self.say("", f"the root is {root.tag}, not {name} in {namespace}")

    # Errors.

    def error(self):
        read = {
            "json": self.json_error,
            "rest-json": self.rest_json_error,
            "smithy-rpc-v2-cbor": self.cbor_error,
            "query": self.xml_error,
            "rest-xml": self.xml_error,
            "ec2": self.ec2_error,
        }[self.protocol]
        self.code, members, walk = read()
        if self.service.is_query_compatible:
            wanted = f"{self.code};{'Sender' if self.status < 500 else 'Receiver'}"
            if self.headers.get("x-amzn-query-error") != wanted:
                self.say("x-amzn-query-error", f"is not {wanted}", self.headers.get("x-amzn-query-error"))
        shape = next((one for one in self.operation.error_shapes if self.code in (one.name, one.error_code)), None)
        if shape is None:
            return self.common_error(members)
        fault = shape.metadata.get("error", {}).get("httpStatusCode")
        wanted = fault or (500 if shape._shape_model.get("fault") else 400)
        if self.status != wanted:
            self.say("status", f"is {self.status} for {self.code}, not {wanted}")
        if self.protocol == "rest-json":
            self.in_headers(shape)
        named = {name.lower() for name in shape.members}
        # SDKs read a sentence from `message` whether or not the model has one.
        if "message" not in named:
            members = without_message(members)
        return walk.structure(shape, members, self.code)

    def common_error(self, members):
        common = {"ec2": COMMON_EC2, "query": COMMON_XML, "rest-xml": COMMON_XML}.get(self.protocol, COMMON_JSON)
        besides = BESIDES_THE_MODEL.get(self.service.service_name, {})
        statuses = {**common, **UNKNOWN, **besides}.get(self.code)
        if statuses is None:
            self.say("code", f"{self.code} is neither modelled nor common")
        elif self.status not in statuses:
            self.say("status", f"is {self.status} for {self.code}, not one of {sorted(statuses)}")
        rest = without_message(members)
        if len(rest):
            self.say(self.code, f"has members that are not common: {[name_of(one) for one in rest]}")

    def json_error(self):
        document = json.loads(self.body, parse_constant=refuse_constant)
        code = document.pop("__type")
        return code.rsplit("#")[-1], document, JsonWalk(self)

    def rest_json_error(self):
        document = json.loads(self.body, parse_constant=refuse_constant)
        return self.headers["x-amzn-errortype"].split(":")[0], document, JsonWalk(self)

    def cbor_error(self):
        document = cbor(self.body)
        code = document.pop("__type")
        return code.rsplit("#")[-1], document, CborWalk(self)

    def xml_error(self):
        root = etree.fromstring(self.body)
        self.root(root, "ErrorResponse", self.namespace())
        if [local(child) for child in root] != ["Error", "RequestId"]:
            self.say("", "an error document is not Error and RequestId")
        error = root[0]
        parts = {local(child): child for child in error}
        if parts["Type"].text != ("Sender" if self.status < 500 else "Receiver"):
            self.say("Type", f"is {parts['Type'].text} with the status {self.status}")
        return self.parts_of_error(error, parts)

    def ec2_error(self):
        root = etree.fromstring(self.body)
        if [local(child) for child in root] != ["Errors", "RequestID"] or [local(one) for one in root[0]] != ["Error"]:
            self.say("", "an error document is not Errors with one Error, and RequestID")
        error = root[0][0]
        return self.parts_of_error(error, {local(child): child for child in error})

    def parts_of_error(self, error, parts):
        code = parts["Code"].text
        for name in ("Type", "Code"):
            if name in parts:
                error.remove(parts[name])
        # The protocol's own Message is the model's message.
        if "Message" in parts:
            parts["Message"].tag = "message"
        else:
            self.say("Message", "is missing")
        return code, error, XmlWalk(self)


def refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


def cbor(body):
    parser = RpcV2CBORParser()
    stream = parser.get_peekable_stream_from_bytes(body)
    document = parser.parse_data_item(stream)
    if stream.read(1):
        raise ValueError("bytes follow the document")
    return document


def name_of(member):
    return member if isinstance(member, str) else local(member)


def without_message(members):
    if isinstance(members, dict):
        return {name: value for name, value in members.items() if name.lower() != "message"}
    kept = etree.Element("Error")
    kept.extend(child for child in members if local(child).lower() != "message")
    return kept


def bytes_of(response):
    """Reads a body that is a stream, and puts another one in its place."""
    body = response["body"]
    if isinstance(body, bytes):
        return response
    content = body.read()
    body._raw_stream = io.BytesIO(content)
    body._amount_read = 0
    return {**response, "body": content}
