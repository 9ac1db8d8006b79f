"""Judges an answer as it was on the wire by botocore's model of its operation.

botocore's own parser takes what it understands and leaves the rest; here whatever is not as the model says is a finding.
"""

import base64
import binascii
import datetime
import io
import json
import re
import xml.etree.ElementTree as etree

from botocore.parsers import RpcV2CBORParser

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
RANGES = {"integer": 2**31, "long": 2**63}

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


class Walk:
    """Goes through a value beside its shape."""

    def __init__(self, answer):
        self.answer = answer

    def say(self, path, what, found=""):
        self.answer.say(path, what, found)

    def text_rules(self, shape, text, path):
        if shape.enum and text not in shape.enum:
            self.say(path, f"is not in the enumeration {shape.name}", text)
        self.size(shape, len(text), path, "characters")
        pattern = shape.metadata.get("pattern")
        if pattern and not fits(pattern, text):
            self.say(path, f"does not match {pattern}", text)

    def size(self, shape, size, path, unit):
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if (least is not None and size < least) or (most is not None and size > most):
            self.say(path, f"does not have {least} to {most} {unit}", size)

    def number_rules(self, shape, number, path):
        most = RANGES.get(shape.type_name)
        if most is not None and not -most <= number < most:
            self.say(path, f"is no {shape.type_name}", number)
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if (least is not None and number < least) or (most is not None and number > most):
            self.say(path, f"is not in {least} to {most}", number)

    def required(self, shape, present, path):
        for name in shape.required_members:
            if shape.members[name].serialization.get("location") in ("header", "headers", "statusCode"):
                continue
            if name not in present:
                self.say(f"{path}.{name}", "is required, and is missing")
        if getattr(shape, "is_tagged_union", False) and len(present) != 1:
            self.say(path, "is a union without exactly one member", sorted(present))


class JsonWalk(Walk):
    """JSON documents."""

    TIMESTAMP = "unixtimestamp"

    def value(self, shape, value, path):
        if value is None:
            return self.say(path, "is null")
        if getattr(shape, "is_document_type", False):
            return None
        return getattr(self, shape.type_name, self.number)(shape, value, path)

    def kind(self, value, kinds, path, what):
        right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if not right:
            self.say(path, f"is no {what}", repr(value))
        return right

    def structure(self, shape, value, path):
        if not self.kind(value, (dict,), path, "structure"):
            return
        names = {self.name(member, name): name for name, member in shape.members.items()}
        for wire, inner in value.items():
            if wire in names:
                self.value(shape.members[names[wire]], inner, f"{path}.{wire}")
            else:
                self.say(f"{path}.{wire}", f"is no member of {shape.name}")
        self.required(shape, {names[wire] for wire in value if wire in names}, path)

    def name(self, member, name):
        """AWS JSON and CBOR have the members' own names."""
        rest = self.answer.protocol == "rest-json"
        return member.serialization.get("name", name) if rest else name

    def list(self, shape, value, path):
        if self.kind(value, (list,), path, "list"):
            self.size(shape, len(value), path, "items")
            for inner in value:
                self.value(shape.member, inner, f"{path}[]")

    def map(self, shape, value, path):
        if self.kind(value, (dict,), path, "map"):
            self.size(shape, len(value), path, "entries")
            for key, inner in value.items():
                self.value(shape.key, key, f"{path}{{key}}")
                self.value(shape.value, inner, f"{path}{{}}")

    def string(self, shape, value, path):
        if self.kind(value, (str,), path, "string"):
            self.text_rules(shape, value, path)

    def character(self, shape, value, path):
        self.string(shape, value, path)

    def boolean(self, _, value, path):
        self.kind(value, (bool,), path, "boolean")

    def number(self, shape, value, path):
        whole = shape.type_name in ("integer", "long")
        if self.kind(value, (int,) if whole else (int, float), path, shape.type_name):
            self.number_rules(shape, value, path)

    def blob(self, _, value, path):
        if self.kind(value, (str,), path, "blob"):
            try:
                base64.b64decode(value, validate=True)
            except binascii.Error:
                self.say(path, "is not Base64")

    def timestamp(self, shape, value, path):
        form = shape.serialization.get("timestampFormat", self.TIMESTAMP)
        if form == "unixtimestamp":
            self.kind(value, (int, float), path, "number of seconds since 1970")
        elif not (isinstance(value, str) and ISO.fullmatch(value)):
            self.say(path, f"is no timestamp of the format {form}", value)


class CborWalk(JsonWalk):
    """CBOR documents, as far as they differ: instants and blobs are types of their own."""

    def timestamp(self, _, value, path):
        self.kind(value, (datetime.datetime,), path, "tagged instant")

    def blob(self, _, value, path):
        self.kind(value, (bytes,), path, "byte string")


class XmlWalk(Walk):
    """XML documents."""

    def value(self, shape, node, path):
        if shape.type_name in ("structure", "list", "map"):
            return getattr(self, shape.type_name)(shape, node, path)
        if len(node):
            return self.say(path, "has elements inside, and is no structure")
        return self.scalar(shape, node.text or "", path)

    def structure(self, shape, node, path):
        if (node.text or "").strip():
            self.say(path, "has text beside its elements", node.text)
        names = {self.name(member, name): name for name, member in shape.members.items()}
        present = set()
        for child in node:
            wire = local(child)
            if wire not in names:
                self.say(f"{path}.{wire}", f"is no member of {shape.name}")
                continue
            name = names[wire]
            member = shape.members[name]
            flat = member.serialization.get("flattened")
            if name in present and not flat:
                self.say(f"{path}.{wire}", "is there twice")
            present.add(name)
            self.value(member.member if flat else member, child, f"{path}.{wire}")
        self.required(shape, present, path)

    def name(self, member, name):
        if member.type_name == "list" and member.serialization.get("flattened"):
            return member.member.serialization.get("name", member.serialization.get("name", name))
        return member.serialization.get("name", name)

    def list(self, shape, node, path):
        wanted = shape.member.serialization.get("name", "member")
        self.size(shape, len(node), path, "items")
        for child in node:
            if local(child) != wanted:
                self.say(path, f"has {local(child)} in place of {wanted}")
            self.value(shape.member, child, f"{path}[]")

    def map(self, shape, node, path):
        self.say(path, "is a map in XML, which nothing here has sent so far: write its rule")

    def scalar(self, shape, text, path):
        kind = shape.type_name
        if kind == "boolean":
            if text not in ("true", "false"):
                self.say(path, "is no boolean", text)
        elif kind in ("integer", "long", "float", "double"):
            try:
                self.number_rules(shape, float(text) if kind in ("float", "double") else int(text), path)
            except ValueError:
                self.say(path, f"is no {kind}", text)
        elif kind == "timestamp":
            if not ISO.fullmatch(text):
                self.say(path, "is no timestamp of the format iso8601", text)
        elif kind == "blob":
            try:
                base64.b64decode(text, validate=True)
            except binascii.Error:
                self.say(path, "is not Base64")
        else:
            self.text_rules(shape, text, path)


# Patterns are in Java's language; those that Python has no words for.
UNREADABLE = set()


def fits(pattern, text):
    try:
        return re.search(pattern, text) is not None
    except re.error:
        UNREADABLE.add(pattern)
        return True


def refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


def cbor(body):
    parser = RpcV2CBORParser()
    stream = parser.get_peekable_stream_from_bytes(body)
    document = parser.parse_data_item(stream)
    if stream.read(1):
        raise ValueError("bytes follow the document")
    return document


def local(node):
    return node.tag.rsplit("}")[-1]


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
