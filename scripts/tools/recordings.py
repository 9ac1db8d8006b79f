"""Recordings that `runner record` wrote: what each execution did, as comparable steps.

A history is a list of events. Concurrent iterations are interleaved in it, so steps are kept by place: the chain of Map
iterations and Parallel branches that a step is in, such as (("CutOver", 2),). Within one place steps have one order. A Map
that is entered again goes on in the same places.
"""

import json
from datetime import datetime


def instant(text):
    """The instant that RFC 3339 text names."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def parsed(text):
    """JSON text as its value; any other text as itself."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def step(event_type, details):
    """The comparable part of an event: (type, members). None for events that say nothing of their own."""
    if event_type.endswith("StateEntered"):
        return event_type, {"name": details["name"], "input": parsed(details["input"])}
    if event_type.endswith("StateExited"):
        return event_type, {"name": details["name"], "output": parsed(details["output"])}
    if event_type == "TaskScheduled":
        members = {name: details.get(name) for name in ("resourceType", "resource", "timeoutInSeconds", "heartbeatInSeconds")}
        return event_type, {**members, "parameters": parsed(details["parameters"])}
    if event_type in ("TaskSucceeded", "ExecutionSucceeded"):
        return event_type, {"resource": details.get("resource"), "output": parsed(details["output"])}
    if event_type in ("TaskFailed", "ExecutionFailed", "EvaluationFailed"):
        return event_type, {"error": details.get("error"), "cause": parsed(details.get("cause"))}
    if event_type == "TaskTimedOut":
        return event_type, {"error": details.get("error")}
    if event_type == "MapStateStarted":
        return event_type, {"length": details["length"]}
    return None


def state_names(flow):
    """The names of all states of a definition, those inside of Maps and Parallels too."""
    for name, state in flow["States"].items():
        yield name
        for inner in [state.get("ItemProcessor"), *state.get("Branches", [])]:
            if inner:
                yield from state_names(inner)


def branch_starts(flow):
    """Of each Parallel, by its name: the first states of its branches."""
    starts = {}
    for name, state in flow["States"].items():
        branches = state.get("Branches", [])
        if branches:
            starts[name] = [branch["StartAt"] for branch in branches]
        for inner in [state.get("ItemProcessor"), *branches]:
            if inner:
                starts.update(branch_starts(inner))
    return starts


class Attempt:
    """One try of a Task: what the service answered first, and how the task ended. Both none: it was cut off."""

    def __init__(self):
        self.submitted = None
        self.ended = None


class Execution:
    """One recorded execution.

    steps: by place, the steps. attempts: by place and state, the tries of a Task in order. entered: by place, when each
    state was entered.
    """

    def __init__(self, description, definition):
        self.description = description
        self.machine = description["stateMachineArn"].rsplit(":", 1)[1]
        self.definition = definition
        self.closed = description["status"] in ("SUCCEEDED", "FAILED")
        self.role = None
        self.steps = {}
        self.attempts = {}
        self.entered = {}
        self._read(description["history"], branch_starts(definition))

    def _read(self, history, starts):
        places, owners, started = {0: ()}, {}, {}
        states = {}
        for event in history:
            details = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
            kind, before = event["type"], event["previousEventId"]
            if kind == "ExecutionRedriven":
                raise ValueError(f"{self.description['executionArn']} was redriven, which moto cannot do: record another story")
            place = self._place(kind, details, places[before], owners.get(before), starts)
            places[event["id"]] = place
            if kind == "ParallelStateStarted":
                owners[event["id"]] = states[place]
            if kind == "ExecutionStarted":
                self.role = details.get("roleArn")
            if kind.endswith("StateEntered"):
                states[place] = details["name"]
                self.entered.setdefault(place, []).append(event["timestamp"])
                started[place] = instant(event["timestamp"])
            if kind == "WaitStateExited":
                waited = (instant(event["timestamp"]) - started[place]).total_seconds()
                self.steps[place].append(("Waited", {"seconds": waited}))
            self._task(kind, details, place, states)
            found = step(kind, details)
            if found:
                self.steps.setdefault(place, []).append(found)

    @staticmethod
    def _place(kind, details, before, parallel, starts):
        """Where an event is, from where the event before it is."""
        if kind == "MapIterationStarted":
            outer = before[:-1] if before and before[-1][0] == details["name"] else before
            return (*outer, (details["name"], details["index"]))
        if kind.endswith("StateEntered") and parallel is not None:
            return (*before, (parallel, starts[parallel].index(details["name"])))
        if kind in ("MapStateExited", "ParallelStateExited"):
            names = [name for name, _ in before]
            return before[: names.index(details["name"])] if details["name"] in names else before
        if kind in ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"):
            return ()
        return before

    def _task(self, kind, details, place, states):
        if not kind.startswith("Task") or kind.startswith("TaskState"):
            return
        attempts = self.attempts.setdefault((place, states[place]), [])
        if kind == "TaskScheduled":
            attempts.append(Attempt())
        elif kind == "TaskSubmitted":
            attempts[-1].submitted = parsed(details["output"])
        elif kind in ("TaskSucceeded", "TaskFailed", "TaskTimedOut"):
            attempts[-1].ended = kind, details


class Recording:
    """A file of `runner record`."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        self.scenario = document["scenario"]
        self.definitions = document["definitions"]
        self.executions = [
            Execution(one, self.definitions[one["stateMachineArn"].rsplit(":", 1)[1]]) for one in document["executions"]
        ]
