"""Measures cold starts: from the start of a process to its first poll, and to its first answer with one AWS call in it.

One server plays the Lambda Runtime API and the AWS endpoint for all. The call of most is DynamoDB's
GetItem (or BatchGetItem) for a wave that does not exist; the function answers with its error, as it would on AWS. Some
make one call more before they can know, and are compared with boto3's single one all the same.
"""

import argparse
import http.server
import io
import json
import os
import ssl
import statistics
import subprocess
import sys
import threading
import time
import zipfile

WAVE = {"waveId": "bench", "epoch": 1}
CALLBACK = {
    "token": "t",
    "executionArn": "arn:aws:states:eu-west-1:111122223333:execution:migrate-wave:bench",
    "state": "S",
    "enteredAt": "2026-01-01T00:00:00Z",
    "retryCount": 0,
    "redriveCount": 0,
}
EXECUTION = CALLBACK["executionArn"]
DATABASE = {**WAVE, "database": "shop", "executionArn": EXECUTION}
BATCH = {**WAVE, "batch": 1}
FORWARD = {**BATCH, "direction": "FORWARD"}
APPROVER = {"userArn": "arn:aws:iam::111122223333:user/bench", "accountId": "111122223333"}
SECRET = {"secretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop-AbCdEf", "engine": "postgres", "encrypted": True}
with open(os.path.join(os.path.dirname(__file__), "../../examples/database-wave.json")) as plan:
    PLAN = json.load(plan)
# What each function is called with: as a state machine would, about a wave that does not exist.
PAYLOADS = {
    "approve": {
        "requestContext": {"authorizer": {"iam": APPROVER}},
        "body": json.dumps({"waveId": "bench", "kind": "CUTOVER", "decision": "APPROVED", "reason": "bench"}),
    },
    "begin-rollback": {"waveId": "bench", "executionArn": EXECUTION, "parentExecutionArn": None, "expectedEpoch": None, "reason": None, "acceptance": None},
    "check-job": {**FORWARD, "phase": "TEST", "callback": CALLBACK},
    "check-readiness": {**WAVE, "callback": CALLBACK},
    "close-wave": {**WAVE, "direction": "FORWARD", "reason": None},
    "configure": WAVE,
    "cutover": BATCH,
    "finalize": BATCH,
    "freeze-source": {**DATABASE, "mode": "UNFREEZE"},
    "isolate": BATCH,
    "prepare-dns": {**WAVE, "callback": CALLBACK},
    "provision-replication": {**DATABASE, "callback": CALLBACK},
    "quiesce": {**FORWARD, "executionArn": EXECUTION, "callback": CALLBACK},
    "reach-database": {"access": SECRET, "until": "2100-01-01T00:00:00Z", "request": {"call": "describe"}},
    "ready-target": {**DATABASE, "mode": "READY"},
    "report": {"waveIds": ["bench"], "title": "bench", "format": "SUMMARY"},
    "request-approval": {**WAVE, "direction": "FORWARD", "kind": "CUTOVER", "callback": CALLBACK},
    "retire-replication": {**DATABASE, "callback": CALLBACK},
    "rollback-dns": {**WAVE, "callback": CALLBACK},
    "start-replication": {**DATABASE, "mode": "START", "callback": CALLBACK},
    "start-test": {**BATCH, "executionArn": EXECUTION},
    "sweep": {},
    "switch-database": {**DATABASE, "mode": "SWITCH"},
    "switch-dns": {**WAVE, "mode": "SETTLE", "callback": CALLBACK},
    "terminate": {**FORWARD, "phase": "TEST_TERMINATION"},
    "validate": {**BATCH, "phase": "TEST", "callback": CALLBACK},
    "verify-data": {**DATABASE, "mode": "FENCE"},
    "wait-for-cdc-lag": {**DATABASE, "mode": "FENCE"},
    # An execution that was stopped, of a machine of ours.
    "on-event": {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"executionArn": EXECUTION, "status": "ABORTED", "name": "bench"},
    },
    "plan-wave": {"mode": "PLAN", "document": PLAN, "executionArn": EXECUTION},
}

# What AWS says when there is nothing.
ANSWERS = {
    "BatchGetItem": b'{"Responses":{},"UnprocessedKeys":{}}',
    "Query": b'{"Items":[],"Count":0,"ScannedCount":0}',
}

BOTO = """
import json, os, time, urllib.request
import boto3
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
table = boto3.client("dynamodb")
while True:
    with urllib.request.urlopen(api + "next") as event:
        request = event.headers["Lambda-Runtime-Aws-Request-Id"]
        payload = json.load(event)
    found = table.get_item(
        TableName=os.environ["LANDFALL_TABLE"],
        Key={"PK": {"S": "WAVE#" + payload["waveId"]}, "SK": {"S": "WAVE"}},
        ConsistentRead=True,
    )
    answer = json.dumps({"errorType": "WaveUnknown", "errorMessage": str(found.get("Item"))}).encode()
    urllib.request.urlopen(urllib.request.Request(api + request + "/error", data=answer, method="POST")).read()
"""


class Stage:
    """What one process did, and when."""

    def __init__(self, payload):
        self.payload = json.dumps(payload).encode()
        self.polled = None
        self.answered = None
        self.calls = 0
        self.answer = b""
        self.process = None
        self.memory = 0
        self.done = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two packets: the second must not wait until the first is acknowledged.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        stage = self.server.stage
        if stage.polled is not None:
            # The environment is frozen after its answer.
            time.sleep(30)
            return
        stage.polled = time.perf_counter()
        self.reply(200, stage.payload, [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
            ("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 60_000)),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111122223333:function:bench"),
        ])

    def do_POST(self):
        stage = self.server.stage
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/2018-06-01/"):
            stage.answered = time.perf_counter()
            stage.answer = body
            stage.memory = resident(stage.process.pid)
            self.reply(202, b"{}", [("Content-Type", "application/json")])
            stage.done.set()
            return
        stage.calls += 1
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.reply(200, ANSWERS.get(operation, b"{}"), [("Content-Type", "application/x-amz-json-1.0")])


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel says nothing of resident memory")


def measure(command, payload):
    # A server of its own: what an earlier process still sends must not be taken for this one's.
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # A process is ended while it polls.
    server.handle_error = lambda *_: None
    server.stage = Stage(payload)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        return once(command, server.stage, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def once(command, stage, port):
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIDBENCH",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "LANDFALL_TABLE": "landfall",
        "LANDFALL_TOPIC_ARN": "arn:aws:sns:eu-west-1:111122223333:landfall",
        "LANDFALL_ACCOUNT": "111122223333",
        "LANDFALL_REACH_DATABASE_ARN": "arn:aws:lambda:eu-west-1:111122223333:function:reach-database",
    }
    # As the template does for Lambda: one file, and not the folder beside it.
    roots = ssl.get_default_verify_paths().openssl_cafile
    for file in (roots, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        if os.path.isfile(file):
            environment["SSL_CERT_FILE"] = file
            break
    began = time.perf_counter()
    stage.process = process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        if not stage.done.wait(30):
            process.kill()
            raise SystemExit(f"{command[0]} gave no answer: {process.stderr.read().decode()[-2000:]}")
    finally:
        process.kill()
        process.wait()
        stage.done.set()
    if stage.calls == 0:
        raise SystemExit(f"{command[0]} made no call: {stage.answer.decode()[:500]}")
    return (stage.polled - began) * 1000, (stage.answered - began) * 1000, stage.memory, stage.calls


def zipped(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(path, "bootstrap")
    return len(buffer.getvalue())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bins", required=True, help="the folder of the binaries")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--at-least", type=float, help="fail when a function is not so many times faster than boto3")
    parser.add_argument("--no-zip", action="store_true", help="leave the sizes out: a binary for tests takes seconds to compress")
    parser.add_argument("functions", nargs="*")
    arguments = parser.parse_args()
    functions = arguments.functions or sorted(PAYLOADS)

    # Side by side: each round starts every one of them once, so that a busy moment meets all.
    commands = {name: [os.path.join(arguments.bins, name)] for name in functions}
    samples = {name: [] for name in ["boto3", *functions]}
    for _ in range(arguments.rounds):
        samples["boto3"].append(measure([sys.executable, "-c", BOTO], WAVE))
        for name in functions:
            samples[name].append(measure(commands[name], PAYLOADS[name]))

    def middle(name, column):
        return statistics.median(sample[column] for sample in samples[name])

    print(f"{'median of ' + str(arguments.rounds):<22}{'first poll':>12}{'first answer':>14}{'resident':>12}{'zip':>10}{'calls':>7}{'boto3 /':>9}")
    slowest = None
    for name in ["boto3", *functions]:
        # boto3 makes one call: a function that makes many more before it can answer is not compared.
        alike = middle(name, 3) <= 2
        ratio = middle("boto3", 1) / middle(name, 1)
        known = name in commands and not arguments.no_zip
        size = f"{zipped(commands[name][0]) / 1e6:.2f} MB" if known else "-"
        times = f"{ratio:.0f}×" if alike and name != "boto3" else ""
        print(f"{name:<22}{middle(name, 0):>9.1f} ms{middle(name, 1):>11.1f} ms{middle(name, 2) / 1048576:>8.1f} MiB{size:>10}{middle(name, 3):>7.0f}{times:>9}")
        if name != "boto3" and alike and (slowest is None or ratio < slowest[1]):
            slowest = (name, ratio)
    if arguments.at_least and slowest[1] < arguments.at_least:
        raise SystemExit(f"{slowest[0]} is {slowest[1]:.1f} times faster than boto3, and has to be {arguments.at_least:.0f} times")


main()
