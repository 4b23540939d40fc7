# Two commands: `make demo` (the main job on real DNA) and `make test`.
#
# PYTHON       the interpreter that makes .venv (3.11 or newer)
# TORCH_INDEX  a package index with CPU-only builds of torch (much smaller than the default with
#              CUDA), e.g. make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
# CORES        jobs at once
# TESTS        files or folders of `make test-newest`
PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
CORES ?= 2
TESTS ?= tests
FAST := not slow and not slurm and not browser and not long and not gpu
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Snakemake does not quote the path of its Python: below a folder with a space in its name the
# environment lies in the user's cache, and .venv is a link to it.
space := $(subst ,, )
VENV := $(if $(findstring $(space),$(CURDIR)),$(HOME)/.cache/cisweep/venv-$(shell printf %s "$(CURDIR)" | cksum | cut -d" " -f1),.venv)

.DEFAULT_GOAL := help
WEB := workflow/src/cisweep/report/vendor
.PHONY: help install install-test install-extras web demo demo-train test test-newest test-all lint wheels audit documents docs accept bench clean

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/'

install: $(VENV)/.installed $(WEB)/.installed  ## Create .venv and install the package with pinned dependencies

install-test: $(VENV)/.installed-test

web: $(WEB)/.installed  ## The libraries of the report page, from npm

install-extras: $(VENV)/.installed-extras  ## Also what motif discovery, models of Keras and language models need

demo: $(VENV)/.installed $(WEB)/.installed  ## Run the workflow on the embedded demo; the page is results/demo/report.html
	$(VENV)/bin/snakemake --cores $(CORES)
	@echo "Open results/demo/report.html"

demo-train: $(VENV)/.installed  ## The second demo: learn two words in 8-mers; needs no data
	$(VENV)/bin/snakemake --cores $(CORES) --configfile config/examples/train_kmers.yaml

test: $(VENV)/.installed-test  ## Run the tests that take seconds (under 15 minutes on 2 cores)
	$(VENV)/bin/python -m pytest -q -n $(CORES) --dist loadfile -m "$(FAST)"

# torch is installed alone, so that pip sees no other; what else is needed is then taken from .venv.
test-newest: $(VENV)/.installed-test  ## The same with the newest torch that pip finds, in .venv-newest
	rm -rf .venv-newest && "$(PYTHON)" -m venv .venv-newest
	.venv-newest/bin/python -m pip install -q torch $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)")
	p='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	  $(VENV)/bin/python -c "$$p" > "$$(.venv-newest/bin/python -c "$$p")/shared.pth"
	PYTHONPATH="$(CURDIR)/workflow/src" .venv-newest/bin/python -m pytest -q -n $(CORES) \
	  --dist loadfile -m "$(FAST)" --ignore tests/unit/test_import_directions.py $(TESTS)

test-all: $(VENV)/.installed-test  ## Also the slow, Slurm and browser tests, as CI does
	$(VENV)/bin/python -m pytest -q -m "not long and not gpu"

lint: $(VENV)/.installed-test  ## Style, import directions, types, Snakemake's own lint
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/lint-imports && $(VENV)/bin/mypy && $(VENV)/bin/snakemake --lint
	$(VENV)/bin/hadolint Containerfile

wheels: requirements/run.lock requirements/extras.lock  ## What Containerfile needs without a network, into wheels/
	"$(PYTHON)" -m pip download -q -d wheels "$(TORCH)" $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)")
	"$(PYTHON)" -m pip download -q -d wheels --no-deps --require-hashes -r requirements/run.lock
	"$(PYTHON)" -m pip download -q -d wheels --no-deps --require-hashes -r requirements/extras.lock

audit: $(VENV)/.installed .venv-audit/.installed  ## Licences of what is installed, and known vulnerabilities
	.venv-audit/bin/python .ci/audit.py "$(TORCH)" $(VENV)/bin/python

documents: $(VENV)/.installed  ## Write config/README.md, the template, schemas and docs/output.md from the code
	$(VENV)/bin/python -m cisweep.plan.document

docs: documents .venv-docs/.installed  ## The same, and the pages of the documentation: build/site
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@echo "Open build/site/index.html"

accept: $(VENV)/.installed-test  ## Trainings, benchmarks, genomes: hours, never in CI
	$(VENV)/bin/python -m pytest -q -m "long"

bench: .venv-bench/.installed  ## Benchmarks beside the peers; writes benchmarks/RESULTS.md
	.venv-bench/bin/python -m benchmarks.run

$(WEB)/.installed: workflow/web/package-lock.json workflow/web/vendor.py
	"$(PYTHON)" workflow/web/vendor.py $(WEB) && touch "$@" || true

# torch stands outside the hashed part of the lock: its CPU and CUDA builds have different hashes.
$(VENV)/.installed: pyproject.toml setup.py requirements/run.lock $(wildcard workflow/src/cisweep/_csrc/*)
	"$(PYTHON)" -m venv "$(VENV)"
	@[ "$(VENV)" = .venv ] || ln -sfn "$(VENV)" .venv
	$(VENV)/bin/python -m pip install -q "$(TORCH)" $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)")
	$(VENV)/bin/python -m pip install -q --require-hashes -r requirements/run.lock
	$(VENV)/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	$(VENV)/bin/python -m cisweep.warm
	touch "$@"

# Published networks ask for releases of transformers that exclude each other, so they come alone.
$(VENV)/.installed-test: $(VENV)/.installed $(WEB)/.installed requirements/test.lock requirements/networks.lock
	$(VENV)/bin/python -m pip install -q --require-hashes -r requirements/test.lock
	$(VENV)/bin/python -m pip install -q --no-deps --require-hashes -r requirements/networks.lock
	touch "$@"

$(VENV)/.installed-extras: $(VENV)/.installed requirements/extras.lock
	$(VENV)/bin/python -m pip install -q --no-deps --require-hashes -r requirements/extras.lock
	touch "$@"

.venv-bench/.installed: pyproject.toml requirements/bench.lock
	"$(PYTHON)" -m venv .venv-bench
	.venv-bench/bin/python -m pip install -q "$(TORCH)" $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)")
	.venv-bench/bin/python -m pip install -q --require-hashes -r requirements/bench.lock
	.venv-bench/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	touch "$@"

# Tools that no run needs, so that they bring nothing into .venv.
.venv-audit/.installed: Makefile
	"$(PYTHON)" -m venv .venv-audit
	.venv-audit/bin/python -m pip install -q "pip-audit==2.10.1" "pip-licenses==5.5.5"
	touch "$@"

.venv-docs/.installed: requirements/docs.lock
	"$(PYTHON)" -m venv .venv-docs
	.venv-docs/bin/python -m pip install -q --require-hashes -r requirements/docs.lock
	touch "$@"

clean:  ## Delete the environment and all results
	rm -rf $(VENV) .venv .venv-audit .venv-bench .venv-docs .venv-newest build results .snakemake
