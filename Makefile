# The verbs of the project. Everything they need beside Rust and a C compiler comes with the crates.

.PHONY: help demo test lint numbers picture

help:
	@echo "make demo     migrate twenty servers in four waves on this machine, and write target/landfall/report.html"
	@echo "make test     formatting, lints, unit tests, every scenario, the interpreter's suite, single faults"
	@echo "make lint     formatting and lints only"
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
