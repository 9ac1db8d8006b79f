"""Answers made worse on purpose: the judge has to find each, or it would find nothing in the real ones either."""

import copy
import json
import xml.etree.ElementTree as etree

import walks
import wire

NONSENSE = "NONSENSE"


def unfound(operation, response):
    """Makes an answer worse in each way that it can be, and gives the ways that the judge does not see."""
    protocol = operation.service_model.resolved_protocol
    if operation.output_shape is None or protocol == "smithy-rpc-v2-cbor":
        # Nothing is in the one; the other has the rules of JSON, and no writer here.
        return []
    if wire.Answer(operation, response).blob_payload():
        return []
    made = in_json if protocol in ("json", "rest-json") else in_xml
    worse = [(way, {**response, "body": body}) for way, body in made(operation, response["body"])]
    worse.append(("a content type", {**response, "headers": {**response["headers"], "content-type": "text/plain"}}))
    return [way for way, answer in worse if not wire.Answer(operation, answer).judge()]


def in_json(operation, body):
    document = json.loads(body or b"{}")
    rest = operation.service_model.resolved_protocol == "rest-json"
    yield "a member that is not known", json.dumps({**document, NONSENSE: 1}).encode()
    for way, path in first_of_each(places(operation.output_shape, document, (), rest)):
        worse = copy.deepcopy(document)
        inside = worse
        for step in path[:-1]:
            inside = inside[step]
        if way == "a required member":
            del inside[path[-1]]
        else:
            inside[path[-1]] = NONSENSE
        yield f"{way} at {path}", json.dumps(worse).encode()


def places(shape, value, path, rest):
    """Where values are, with their shapes, and whether they have to be there."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            key = member.serialization.get("name", name) if rest else name
            if isinstance(value, dict) and key in value:
                yield member, (*path, key), name in shape.required_members
                yield from places(member, value[key], (*path, key), rest)
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            yield shape.member, (*path, index), False
            yield from places(shape.member, inner, (*path, index), rest)
    elif shape.type_name == "map":
        for key, inner in value.items():
            yield shape.value, (*path, key), False
            yield from places(shape.value, inner, (*path, key), rest)


def in_xml(operation, body):
    root = etree.fromstring(body)
    output = operation.output_shape
    wrapper = output.serialization.get("resultWrapper")

    def outermost(worse):
        return next(child for child in worse if walks.local(child) == wrapper) if wrapper else worse

    worse = copy.deepcopy(root)
    etree.SubElement(outermost(worse), NONSENSE)
    yield "a member that is not known", etree.tostring(worse)
    for way, path in first_of_each(xml_places(output, outermost(root), ())):
        worse = copy.deepcopy(root)
        inside = outermost(worse)
        for step in path[:-1]:
            inside = inside[step]
        if way == "a required member":
            inside.remove(inside[path[-1]])
        else:
            inside[path[-1]].text = NONSENSE
        yield f"{way} at {path}", etree.tostring(worse)


def xml_places(shape, node, path):
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        for index, child in enumerate(node):
            name = names.get(walks.local(child))
            if name:
                yield shape.members[name], (*path, index), name in shape.required_members
                yield from xml_places(shape.members[name], child, (*path, index))
    elif shape.type_name == "list":
        for index, child in enumerate(node):
            yield shape.member, (*path, index), False
            yield from xml_places(shape.member, child, (*path, index))


def first_of_each(found):
    """The first place for each way to make an answer worse."""
    ways = {}
    for shape, path, required in found:
        if required:
            ways.setdefault("a required member", path)
        if getattr(shape, "enum", None):
            ways.setdefault("a word of an enumeration", path)
        elif shape.type_name in ("integer", "long", "double", "float", "boolean", "timestamp"):
            ways.setdefault(f"a {shape.type_name}", path)
    return ways.items()
