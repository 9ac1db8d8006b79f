"""Runs a recorded execution on moto's interpreter of the Amazon States Language.

moto evaluates the definition: the JSONata, Choice, Map, Parallel, Retry, Catch, Assign, Output. What is outside of an
interpreter is taken from the recording: what services answer, how long tasks last, what time it is. Nothing waits.

What moto lacks or has wrong is mended here, under a name of `second_interpreter.DIFFERENCES`, and reported whenever it
mattered.
"""

import datetime
import hashlib
import json
import logging
import threading

import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retrier_decl
import moto.stepfunctions.parser.asl.component.intrinsic.jsonata as intrinsics
import moto.stepfunctions.parser.asl.component.state.exec.state_task.lambda_eval_utils as lambda_eval_utils
import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn as sfn
import moto.stepfunctions.parser.asl.component.state.state as state
import moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp as timestamp
import moto.stepfunctions.parser.asl.eval.states as states
import moto.stepfunctions.parser.asl.eval.variable_store as variable_store
import moto.stepfunctions.parser.asl.jsonata.jsonata as bridge
from botocore.exceptions import ClientError
from jsonata import Jsonata
from moto.stepfunctions.parser.api import StateMachineType
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.iteration_worker import IterationWorker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.branch_worker import BranchWorker
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext, EventManager
from moto.stepfunctions.parser.asl.eval.states import ExecutionData
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.utils import TMP_THREADS

from recordings import instant, step

# Real seconds that an execution may take on moto; most take less than one.
PATIENCE = 120

# The names of known differences, each time one was met.
NOTICED = []

# What the thread that evaluates a state knows: `now`, and of a Task `environment`, `name`, `token` and `attempt`.
thread = threading.local()


def replay(execution, program):
    """Runs an execution on moto; gives its steps by place."""
    run = Replay(execution)
    run.perform(program)
    return run.steps


def parse(definition):
    """A definition as moto parses it."""
    return AmazonStateLanguageParser.parse(json.dumps(definition))[0]


class Replay:
    """One execution on moto."""

    def __init__(self, execution):
        self.execution = execution
        self.steps = {}
        self.entered = {}
        self.taken = {}
        self.tokens = {}
        self.over = threading.Event()

    def perform(self, program):
        """Runs until the end; of an execution that was stopped, as far as the recording goes."""
        described = self.execution.description
        account, region = described["executionArn"].split(":")[4], described["executionArn"].split(":")[3]
        context = EventHistoryContext.of_program_start()
        context.place, context.replay = (), self
        environment = Environment(
            aws_execution_details=AWSExecutionDetails(account, region, self.execution.role),
            execution_type=StateMachineType.STANDARD,
            context=self._context(described),
            event_history_context=context,
            cloud_watch_logging_session=None,
            activity_store={},
        )
        run = lambda: (program.eval(environment), self.over.set())
        threading.Thread(target=run, daemon=True).start()
        # An execution that is stuck lacks steps, which comparing tells.
        self.over.wait(PATIENCE)
        self.over.set()
        TMP_THREADS.clear()

    def _context(self, described):
        if "RedriveCount" not in ExecutionData.__annotations__:
            NOTICED.append("no RedriveCount")
        return {
            "Execution": {
                "Id": described["executionArn"],
                "Input": described["input"],
                "Name": described["name"],
                "RoleArn": self.execution.role,
                "StartTime": described["startDate"],
                "RedriveCount": described["redriveCount"],
            },
            "StateMachine": {"Id": described["stateMachineArn"], "Name": self.execution.machine},
        }

    def event(self, place, event_type, details):
        """Notes an event of moto's."""
        content = next(iter((details or {}).values()), {})
        found = step(event_type, content)
        if event_type.endswith("StateEntered"):
            count = self.entered[place] = self.entered.get(place, 0) + 1
            recorded = self.execution.entered.get(place, [])
            # Beyond what was recorded there is no time; that difference is found by comparing the steps.
            thread.now = recorded[min(count, len(recorded)) - 1] if recorded else self.execution.description["startDate"]
        self.add(place, found)

    def add(self, place, found):
        """Adds a step. A stopped execution is over when all that was recorded has come."""
        if found and not self.over.is_set():
            self.steps.setdefault(place, []).append(found)
            if not self.execution.closed and self._reached():
                self.over.set()

    def _reached(self):
        recorded = self.execution.steps.items()
        return all(len(self.steps.get(place, [])) >= len(steps) for place, steps in recorded)

    def next_attempt(self):
        """What the recording has for the Task that this thread evaluates."""
        key = thread.environment.event_history_context.place, thread.name
        count = self.taken[key] = self.taken.get(key, 0) + 1
        attempts = self.execution.attempts.get(key, [])
        if count <= len(attempts) and attempts[count - 1].ended:
            return attempts[count - 1]
        # The execution was stopped in this task, or moto went where the recording did not go.
        if self.execution.closed:
            self.over.set()
        # For ever: moto's threads end with the process.
        threading.Event().wait()

    def token(self, name, token):
        """Notes a token that a state has again."""
        if self.tokens.get(name) == token:
            NOTICED.append("one token")
        self.tokens[name] = token


class Services:
    """What moto's tasks call, in place of boto3's clients."""

    def invoke(self, **_parameters):
        """Lambda."""
        attempt = thread.environment.event_history_context.replay.next_attempt()
        kind, details = attempt.ended
        if attempt.submitted is None:
            if kind == "TaskTimedOut":
                raise EvalTimeoutError()
            if kind == "TaskFailed":
                return self._failed_function(details)
        if attempt.submitted is not None or thread.token:
            self._complete_token(kind, details)
            return {"StatusCode": 200, "Payload": Body((attempt.submitted or {}).get("Payload"))}
        return {"StatusCode": 200, "Payload": Body(json.loads(details["output"])["Payload"])}

    @staticmethod
    def _failed_function(details):
        try:
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": Body(json.loads(details["cause"]))}
        except ValueError:
            service, code = details["error"].split(".", 1)
            raise refusal(code, details["cause"], f"{service}:invoke") from None

    @staticmethod
    def _complete_token(kind, details):
        pool, token = thread.environment.callback_pool_manager, thread.token
        pool.get(token)._outcome = None
        if kind == "TaskSucceeded":
            pool.notify(token, CallbackOutcomeSuccess(callback_id=token, output=details["output"]))
        elif kind == "TaskFailed":
            failure = CallbackOutcomeFailure(callback_id=token, error=details.get("error"), cause=details.get("cause"))
            pool.notify(token, failure)

    def start_execution(self, **_parameters):
        """Step Functions."""
        attempt = thread.attempt = thread.environment.event_history_context.replay.next_attempt()
        kind, details = attempt.ended
        if kind == "TaskTimedOut":
            raise EvalTimeoutError()
        if attempt.submitted is None:
            code = details["error"].removeprefix("StepFunctions.").removesuffix("Exception")
            raise refusal(code, details["cause"], "states:startExecution")
        return {"executionArn": attempt.submitted["ExecutionArn"], "startDate": attempt.submitted["StartDate"]}

    def describe_execution(self, executionArn):
        """Step Functions: how a child ended, as boto3 gives it."""
        kind, details = thread.attempt.ended
        described = json.loads(details["output" if kind == "TaskSucceeded" else "cause"])
        answer = camel_case(described)
        for name in ("input", "output"):
            if name in answer and not isinstance(answer[name], str):
                answer[name] = json.dumps(answer[name])
        return {**answer, "executionArn": executionArn}


def camel_case(members):
    """Names as boto3 has them, of names as states have them."""
    return recased(members, str.lower)


def pascal_case(members):
    """The other way round."""
    return recased(members, str.upper)


def recased(members, case):
    details = lambda name, value: recased(value, case) if name.endswith("Details") else value
    return {case(name[0]) + name[1:]: details(name, value) for name, value in members.items()}


class Body:
    """The stream of a function's answer."""

    def __init__(self, payload):
        self.text = json.dumps(payload)

    def read(self):
        """Its bytes."""
        return self.text.encode()


def refusal(code, message, operation):
    """What boto3 raises when a service refuses a call."""
    metadata = {"HTTPStatusCode": 400, "RequestId": ""}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)


def install():
    """Has moto's interpreter work on recordings."""
    logging.getLogger("moto").setLevel(logging.CRITICAL)
    _places()
    _time()
    _tasks()
    _jsonata()


def _places():
    """Has every event know its place."""
    frame_of = Environment.as_inner_frame_of.__func__

    def as_inner_frame_of(cls, env, variable_store, event_history_frame_cache=None):
        frame = frame_of(cls, env, variable_store, event_history_frame_cache)
        frame.event_history_context.place = env.event_history_context.place
        frame.event_history_context.replay = env.event_history_context.replay
        return frame

    Environment.as_inner_frame_of = classmethod(as_inner_frame_of)

    iterate = IterationWorker._eval_job

    def _eval_job(self, env, job):
        env.event_history_context.place += ((self._work_name, job.job_index),)
        return iterate(self, env=env, job=job)

    IterationWorker._eval_job = _eval_job

    branch = BranchWorker.__init__

    def __init__(self, branch_worker_comm, program, env):
        index = branch_worker_comm.branches = getattr(branch_worker_comm, "branches", -1) + 1
        env.event_history_context.place += ((env.next_state_name, index),)
        branch(self, branch_worker_comm=branch_worker_comm, program=program, env=env)

    BranchWorker.__init__ = __init__

    add = EventManager.add_event

    def add_event(self, context, event_type, event_details=None, timestamp=None, update_source_event_id=True):
        number = add(self, context, event_type, event_details, timestamp, update_source_event_id)
        context.replay.event(context.place, event_type.value, event_details)
        return number

    EventManager.add_event = add_event


class Recorded(datetime.datetime):
    """The time of day of the recording."""

    @classmethod
    def now(cls, tz=None):
        """When the state that this thread evaluates was entered."""
        at = instant(thread.now)
        return cls.fromtimestamp(at.timestamp(), tz) if tz else cls(*at.timetuple()[:6])

    def isoformat(self, *_arguments):
        """As AWS writes it."""
        if super().isoformat(*_arguments) != thread.now:
            NOTICED.append("EnteredTime")
        return thread.now


class RecordedTime:
    """The module `datetime` with that time."""

    timezone = datetime.timezone
    datetime = Recorded


def _time():
    """Has nothing wait, and the recording tell the time."""
    state.datetime = RecordedTime
    timestamp.datetime = RecordedTime

    class NoTime:
        @staticmethod
        def sleep(_seconds):
            return None

    retrier_decl.time = NoTime

    def _wait_interval(_self, env, wait_seconds):
        context = env.event_history_context
        context.replay.add(context.place, ("Waited", {"seconds": max(0, wait_seconds)}))

    WaitFunction._wait_interval = _wait_interval
    wait = StateTaskServiceCallback._wait_for_task_token_timeout

    def _wait_for_task_token_timeout(self, timeout_seconds, callback_endpoint):
        # A task that runs a child has an endpoint too, which nobody notifies.
        if self.resource.condition == ResourceCondition.WaitForTaskToken:
            return callback_endpoint.get_outcome()
        return wait(self, timeout_seconds, callback_endpoint)

    StateTaskServiceCallback._wait_for_task_token_timeout = _wait_for_task_token_timeout


def _tasks():
    """Has tasks be answered from the recording."""
    lambda_eval_utils.boto_client_for = lambda **_options: Services()
    sfn.boto_client_for = lambda **_options: Services()
    evaluate = StateTaskService._eval_execution

    def _eval_execution(self, env):
        thread.environment, thread.name = env, self.name
        thread.now = env.states.context_object.context_object_data["State"]["EnteredTime"]
        task = env.states.context_object.context_object_data.get("Task") or {}
        waits = self.resource.condition == ResourceCondition.WaitForTaskToken
        thread.token = task.get("Token") if waits else None
        if waits:
            context = env.event_history_context
            context.replay.token((context.place, self.name), thread.token)
        return evaluate(self, env)

    StateTaskService._eval_execution = _eval_execution

    def _normalise_response(_self, response, boto_service_name=None, service_action_name=None):
        renamed = pascal_case(response)
        if renamed != response:
            NOTICED.append("names of a child")
        response.clear()
        response.update(renamed)

    sfn.StateTaskServiceSfn._normalise_response = _normalise_response

    def named(self, error_name):
        if (error_name or "").startswith("States."):
            NOTICED.append("States. names")
        ErrorName.__init__(self, error_name=error_name)

    CustomErrorName.__init__ = named


def digest(value, algorithm):
    """`$hash` of Step Functions."""
    NOTICED.append("no $hash")
    return hashlib.new(algorithm.replace("-", "").lower(), value.encode()).hexdigest()


def declarations(bindings):
    """Variables as the JSONata that moto puts before an expression."""
    found = []
    for name, value in bindings.items():
        text = to_json_str(value, separators=(",", ":"))
        if isinstance(value, str) and json.dumps(value, ensure_ascii=False) != f'"{value}"':
            NOTICED.append("quotes in a variable")
        found.append(f"{name}:={text};")
    return "".join(found)


def _jsonata():
    """Puts jsonata-python in the place of moto's bridge to a Java virtual machine."""
    if "not supported" in intrinsics._DECLARATION_BY_VARIABLE_REFERENCE["$hash"]:
        del intrinsics._DECLARATION_BY_VARIABLE_REFERENCE["$hash"]
    states.encode_jsonata_variable_declarations = declarations
    variable_store.encode_jsonata_variable_declarations = declarations

    def evaluate(expression):
        try:
            compiled = Jsonata(expression)
            compiled.register_lambda("hash", digest)
            return compiled.evaluate(None)
        except Exception as problem:
            raise bridge.JSONataException("UNKNOWN", str(problem)) from problem

    if bridge._eval_jsonata is None:
        NOTICED.append("no JVM")
    bridge._eval_jsonata = evaluate
