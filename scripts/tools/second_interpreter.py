"""Runs recorded executions on a second interpreter of the Amazon States Language, moto's, and compares.

    second_interpreter.py RECORDING...

Each recording is a file of `runner record`. Of every execution in it the definition runs again, with the same input and the
same answers of services, and has to take the same steps in the same places: the same states, entered with the same input and
left with the same output, the same tasks with the same parameters, the same waits, the same end. What differs is printed.

Exit status 0: nothing differs but what DIFFERENCES lists, and all of that occurs.
"""

import copy
import json
import multiprocessing
import re
import sys
from collections import Counter

import moto_replay
from recordings import Recording, state_names

# What moto does differently, and why ours is right. The last three are left out of the comparison below; the others are mended
# in `moto_replay.py`, so that what follows them can be compared.
DIFFERENCES = {
    "no JVM": "moto evaluates JSONata in a Java virtual machine, which its package does not bring; jsonata-python stands in",
    "quotes in a variable": "moto puts a string variable between quotes as it is, so one that holds a quote is a syntax error",
    "no $hash": "moto has a sentence in the place of $hash, which Step Functions has",
    "EnteredTime": "moto writes $states.context.State.EnteredTime with +00:00; AWS writes milliseconds and Z",
    "no RedriveCount": "moto's context object has no Execution.RedriveCount; AWS's has since redrives exist",
    "names of a child": "moto gives startExecution.sync:2 the names of boto3 (output); AWS gives PascalCase (Output)",
    "States. names": "moto cannot carry an error whose name begins with States. out of a Parallel or a Map",
    "words of an evaluation error": "moto names neither the field nor, beyond a Map, the same event",
    "one token": "moto gives every try of a task that waits the same token; on AWS each try has its own",
    "metadata of Lambda": "moto leaves ExecutedVersion and the metadata of the SDK out of what lambda:invoke gives",
}

# Seconds by which waits may differ: moto leaves out fractions.
WAIT_TOLERANCE = 1

# Differences shown of one place of an execution: the rest follows from the first.
SHOWN = 2

# Characters shown of a value.
SHOWN_CHARACTERS = 600

# What moto leaves out of the answer of lambda:invoke.
METADATA = ("ExecutedVersion", "SdkHttpMetadata", "SdkResponseMetadata")

# What only one interpreter, or each in its own way, says of an expression that failed.
OWN_WORDS = re.compile(r" specified for the field '[^']*'|(?<=entered at the event id #)\d+")

# Machines as moto parsed them.
PROGRAMS = {}


def canonical(value):
    """JSON text that is the same for the same value: 1.0 is 1, but true is not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value)


def same(ours, theirs):
    """Whether two values are the same but for what is known to differ in a sentence."""
    a, b = canonical(ours), canonical(theirs)
    if a == b:
        return True
    if OWN_WORDS.sub("", a) != OWN_WORDS.sub("", b):
        return False
    moto_replay.NOTICED.append("words of an evaluation error")
    return True


def cut(value):
    text = canonical(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def brief(one):
    kind, members = one
    return f"{kind} {members.get('name') or cut(members)}"


def without_token(parameters):
    """Parameters with the token of a task that waits left out: each interpreter makes its own."""
    parameters = copy.deepcopy(parameters)
    payload = parameters.get("Payload") if isinstance(parameters, dict) else None
    if isinstance(payload, dict) and "token" in payload.get("callback", {}):
        payload["callback"]["token"] = "its own"
    return parameters


def comparable(kind, members, theirs):
    """A step's members without what is known to differ."""
    members = dict(members)
    if kind == "TaskScheduled":
        members["parameters"] = without_token(members["parameters"])
    if kind == "TaskSucceeded" and members["resource"] == "invoke":
        left_out = [name for name in METADATA if name not in theirs["output"]]
        if any(name in members["output"] for name in left_out):
            moto_replay.NOTICED.append("metadata of Lambda")
        members["output"] = {name: value for name, value in members["output"].items() if name not in left_out}
    return members


def compare_step(ours, theirs):
    """What differs between two steps, as text; none when nothing does."""
    if ours[0] != theirs[0]:
        return f"\n      ours: {brief(ours)}\n      moto: {brief(theirs)}"
    kind = ours[0]
    a, b = comparable(*ours, theirs[1]), comparable(*theirs, theirs[1])
    if kind == "Waited" and abs(a["seconds"] - b["seconds"]) <= WAIT_TOLERANCE:
        return None
    for name in a:
        if not same(a[name], b[name]):
            return f"{kind}, {name}\n      ours: {cut(a[name])}\n      moto: {cut(b[name])}"
    return None


def compare_place(ours, theirs):
    """The differences of the steps of one place, as texts."""
    found = []
    for index, (a, b) in enumerate(zip(ours, theirs)):
        problem = compare_step(a, b)
        if problem:
            found.append(f"step {index}: {problem}")
    common = min(len(ours), len(theirs))
    for who, rest in (("ours", ours[common:]), ("moto", theirs[common:])):
        if rest:
            found.append(f"step {common}: only {who}: {brief(rest[0])}, and {len(rest) - 1} more")
    return found[:SHOWN]


def compare(execution, theirs):
    """The differences of an execution, as texts."""
    found = []
    for place in sorted(set(execution.steps) | set(theirs)):
        ours, others = execution.steps.get(place, []), theirs.get(place, [])
        # Of one that was stopped, moto may have done more before it was.
        others = others if execution.closed else others[: len(ours)]
        path = "/".join(f"{name}[{index}]" for name, index in place)
        name = execution.description["executionArn"].split(":", 6)[6]
        found += [f"{name} {path or 'top'} {problem}" for problem in compare_place(ours, others)]
    return found


def check(path):
    """Runs a recording on moto: gives its scenario, how many executions, differences, known ones, states visited."""
    recording, problems, visited = Recording(path), [], {}
    for execution in recording.executions:
        machine = execution.machine
        if machine not in PROGRAMS:
            PROGRAMS[machine] = moto_replay.parse(execution.definition)
        theirs = moto_replay.replay(execution, PROGRAMS[machine])
        problems += compare(execution, theirs)
        for steps in theirs.values():
            names = (members["name"] for kind, members in steps if kind.endswith("StateEntered"))
            visited.setdefault(machine, set()).update(names)
    noticed = Counter(moto_replay.NOTICED)
    moto_replay.NOTICED.clear()
    return recording, problems, noticed, visited


def covered(definitions, visited):
    """Prints which states were visited; gives whether every machine was."""
    total = seen = 0
    for machine, definition in sorted(definitions.items()):
        states = set(state_names(definition))
        missing = sorted(states - visited.get(machine, set()))
        total, seen = total + len(states), seen + len(states) - len(missing)
        print(f"{machine}: {len(states) - len(missing)} of {len(states)} states; not: {', '.join(missing) or 'none'}")
    print(f"together: {seen} of {total} states")
    return set(definitions) == set(visited)


def explained(noticed):
    """Prints what is known to differ; gives whether all of it occurred."""
    for name, why in DIFFERENCES.items():
        print(f"known, {noticed[name]} times: {name}: {why}")
    unused = [name for name in DIFFERENCES if not noticed[name]]
    for name in unused:
        print(f"'{name}' is listed as a difference and did not occur: remove it from DIFFERENCES")
    return not unused


def main(paths):
    """The exit status."""
    noticed, visited, failed, executions = Counter(), {}, False, 0
    with multiprocessing.get_context("spawn").Pool(min(2, len(paths)), moto_replay.install) as pool:
        for recording, problems, known, states in pool.imap(check, paths):
            executions += len(recording.executions)
            print(f"{recording.scenario}: {len(recording.executions)} executions, {len(problems)} differences", flush=True)
            print("".join(f"  {problem}\n" for problem in problems), end="")
            failed |= bool(problems)
            noticed.update(known)
            for machine, names in states.items():
                visited.setdefault(machine, set()).update(names)
            definitions = recording.definitions
    print(f"together: {executions} executions")
    everywhere = covered(definitions, visited)
    listed = explained(noticed)
    return 0 if everywhere and listed and not failed else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
