# The front doors. `make demo` and `make test` set up what they need; see `make help`.
SHELL := /bin/bash
CARGO ?= cargo
BROKERS ?= 1

SEED ?= 1
MINUTES ?= 5

.PHONY: help demo test chaos lint bench bench-drift fuzz kafka docs check-deploy clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## Show it: builds and runs a made-up company, live, without Kafka
	@scripts/setup demo
	$(CARGO) run --release --locked --no-default-features -- demo $(DEMO_ARGS)

test: ## Everything: unit, law, oracle, Kafka, Prometheus and browser tests
	@scripts/setup test
	@scripts/test

chaos: ## Random faults for MINUTES (5) by SEED (1) on three real brokers; prints a verdict
	@scripts/setup kafka
	@TIDEMARK_CHAOS_SEED=$(SEED) TIDEMARK_CHAOS_MINUTES=$(MINUTES) $(CARGO) test --locked \
		--test chaos a_seeded_run -- --nocapture

lint: ## Format, clippy with warnings as errors, docs, deploy files
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --lib --bins --examples -- -D warnings
	$(CARGO) clippy --locked --tests --benches -- -D warnings -A clippy::unwrap_used -A missing_docs
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --quiet
	scripts/check-deploy

bench: ## Benchmarks of the folds, and end to end on a real Kafka
	@scripts/setup test
	$(CARGO) bench --locked
	scripts/kafka run -- $(CARGO) run --release --locked --example bench_kafka
	scripts/kafka run -- $(CARGO) run --release --locked --example bench_restore
	scripts/kafka run -- $(CARGO) run --release --locked --example bench_hooks

bench-drift: ## Drift detectors beside the published figures and those of river; needs Python
	scripts/bench-drift

fuzz: ## Fuzz the parsers of outside bytes for SECONDS_EACH (default 60); needs cargo-fuzz
	scripts/fuzz

kafka: ## Start a real broker in the foreground (BROKERS=1 or 3); Ctrl-C stops it
	@scripts/setup kafka
	scripts/kafka run --brokers $(BROKERS) -- bash -c 'echo "KAFKA_BOOTSTRAP=$$KAFKA_BOOTSTRAP"; exec sleep infinity'

docs: ## Write what is generated: reference pages, rules, boards
	scripts/docs

check-deploy: ## Validate compose, Dockerfile and the rest without an engine
	scripts/check-deploy

clean: ## Remove what was built
	$(CARGO) clean
