# The verbs of the project. Everything they need beside Rust and a C compiler comes with the crates.

.PHONY: help demo test lint numbers picture up validate build bench deploy

help:
	@echo "make demo     migrate twenty servers in four waves on this machine, and write target/landfall/report.html"
	@echo "make test     formatting, lints, unit tests, every scenario, the interpreter's suite, single faults"
	@echo "make lint     formatting and lints only"
	@echo "make up       the whole application as processes on this machine, for the aws command and boto3"
	@echo "make validate the template and every definition, by SAM, cfn-lint, checkov, asl-validator and our own test"
	@echo "make build    a zip for each function, small and quick to start"
	@echo "make bench    cold starts, sizes and memory of the functions beside boto3, in one run"
	@echo "make deploy   sam build, then sam deploy --guided"
	@echo "make numbers  state transitions and AWS calls, as the README states them"
	@echo "make picture  the picture of the report in the README (installs Chromium)"

demo:
	cargo run --locked -p runner -- demo

test:
	./scripts/test

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

numbers:
	cargo run --locked -p runner -- numbers

picture:
	./scripts/picture

up:
	cargo build --locked --workspace --bins
	cargo run --locked -p runner -- up

validate:
	./scripts/validate

build:
	./scripts/build

bench:
	./scripts/bench

deploy:
	sam build
	sam deploy --guided
