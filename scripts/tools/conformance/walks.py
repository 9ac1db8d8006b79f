"""Goes through a document beside the shape that it should have, in JSON, in CBOR and in XML."""

import base64
import binascii
import datetime
import re

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
RANGES = {"integer": 2**31, "long": 2**63}


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


def local(node):
    return node.tag.rsplit("}")[-1]
