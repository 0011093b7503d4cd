.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench lock golden up down clean

BIN := .venv/bin

help: ## Show this help
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 10

setup: ## Make the Python environment and install Java where it is missing
	@scripts/setup.sh

demo: setup ## From nothing to recommendations: start the stack, run the sample, ask it
	@$(BIN)/segue demo

test: ## Set up for development, lint, and run every test
	@scripts/setup.sh --dev
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -q tests

lint: ## Check style, formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Run the benchmarks; each prints one JSON document
	@for script in benchmarks/*.py; do $(BIN)/python "$$script" || exit 1; done

lock: ## Compile the locked requirements from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --extra local pyproject.toml -o requirements.txt \
	  --custom-compile-command "make lock"
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --extra local --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt \
	  --custom-compile-command "make lock"

golden: ## Write the golden spark-submit commands anew
	$(BIN)/python -m tests.dags.golden

up: setup ## Start the local stack
	@$(BIN)/segue up

down: ## Stop the local stack
	@$(BIN)/segue down

clean: ## Stop the stack; remove its data, the environment and all caches
	@[ ! -x $(BIN)/segue ] || $(BIN)/segue down
	rm -rf .segue .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
