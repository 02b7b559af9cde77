# The one command is `make check`; all targets run in the active environment (pip install -e '.[dev]').
PYTHON ?= python

.PHONY: check format-check lint types test fuzz format docs docs-output site lock contract web bench bench-quick bench-paper bench-ieb bench-uses bench-goal-encoder bench-goal-corpus-size bench-goals bench-explorer bench-update bench-scale bench-sample bench-calls explorer-shots publish

check: format-check lint types site test

format-check:
	$(PYTHON) -m ruff format --check .

lint:
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

# the documentation is tested too: tests/test_docs.py runs its code and parses its commands
# three processes with a thread each, as many tests wait for servers; the tests of a file run in the same process
test:
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -n 3 --dist loadfile

# mutated replies, prices, recorded files and logs of calls, and a tenth as many run folders, tables and edits, each of which
# must be read or refused with one line: 100,000 take about 10 minutes on 2 cores
CASES ?= 100000
fuzz:
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(PYTHON) -m fuzz.campaign --target replies --cases $(CASES)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(PYTHON) -m fuzz.campaign --target folders --cases $$(( $(CASES) / 10 ))

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

docs:
	$(PYTHON) docs/make_cli.py
	$(MAKE) site

# the documentation in site/, which needs no server: broken links and anchors, unknown API names and warnings fail
site:
	rm -rf docs/api/generated site
	$(PYTHON) -m sphinx -q -E -W --keep-going -c docs -d build/doctrees . site

# the newest versions that pyproject.toml allows (pip install -e '.[lock]'), on Linux with Python 3.11; +cpu is the label of
# torch's build for CPUs, which goes, so that pip may take any build
lock:
	mkdir -p build
	CUSTOM_COMPILE_COMMAND="make lock" $(PYTHON) -m piptools compile -q --upgrade --extra dev --strip-extras --allow-unsafe \
	  --annotation-style line --no-emit-index-url --no-emit-find-links -o build/requirements-dev.txt pyproject.toml
	sed -e '/^goalspace /d' -e 's/+cpu//' \
	  -e 's/goalspace (pyproject.toml)/goalspace/' -e 's/goalspace, goalspace/goalspace/' build/requirements-dev.txt > requirements-dev.lock

# the output of the README's first command, shown there and in docs/report.md
docs-output:
	$(PYTHON) docs/make_output.py

# the types of the explorer's requests and answers in TypeScript, from those in Python
contract:
	$(PYTHON) web/make_contract.py

# the explorer's page, whose bundle is committed; also what its browser tests need of npm
web:
	cd web && npm ci --no-audit --no-fund && npm run check && npm run build

# peers that are not installed are omitted from the tables
bench:
	$(PYTHON) -m bench.speed.corex
	$(PYTHON) -m bench.speed.flow
	$(PYTHON) -m bench.uses.proposers

bench-quick:
	$(PYTHON) -m bench.speed.corex --quick
	$(PYTHON) -m bench.speed.flow --quick
	$(PYTHON) -m bench.uses.proposers --quick

# the papers' experiments with the peers: under an hour on 2 cores, or minutes with `make bench-paper QUICK=--quick`
bench-paper:
	$(PYTHON) -m bench.paper $(QUICK)

# the Instruction Embedding Benchmark; SmolLM2 takes half an hour on a core with bfloat16, and its vectors are cached;
# training task-ieb takes a quarter of an hour
bench-ieb:
	$(PYTHON) -m bench.paper.ieb

# selection, retrieval, correlation, contamination, tiny benchmarks
bench-uses:
	$(PYTHON) -m bench.uses
	$(PYTHON) -m bench.uses.compression

# the encoder `goal`: linking, k-means under many wordings of a goal, speed; vectors are cached
bench-goal-encoder:
	$(PYTHON) -m bench.uses.goal_encoder

# whole runs under many goals and wordings, offline and with an LLM's properties for some texts
bench-goals:
	$(PYTHON) -m bench.uses.goal_runs

# the same encoder trained on parts of its corpus, which takes twice as long as training it once
bench-goal-corpus-size:
	$(PYTHON) -m bench.uses.goal_corpus_size

# the explorer with 100,000 texts in Chromium
bench-explorer:
	$(PYTHON) -m bench.speed.explorer

# ten per cent more texts: the update of a run against a run of all texts
bench-update:
	$(PYTHON) -m bench.speed.update

# a thousand to a million texts beside BERTopic: an hour on 2 cores
bench-scale:
	$(PYTHON) -m bench.speed.scale

# samples for a language model: coverage of labels and properties, and where rounds end
bench-sample:
	$(PYTHON) -m bench.uses.sample --encoder goal
	$(PYTHON) -m bench.uses.sample --encoder minilm

# paid calls: caps, killed processes, throughput, reading of replies: half an hour on 2 cores that do nothing else
bench-calls:
	PYTHONPATH=tests $(PYTHON) -m bench.calls.cap
	$(PYTHON) -m bench.calls.kills
	PYTHONPATH=tests $(PYTHON) -m bench.calls.kills --options=--batch --name calls-kills-batch
	$(PYTHON) -m bench.calls.throughput
	$(PYTHON) -m bench.calls.parsing

# screenshots of every view of the explorer, on a desktop and a phone, light and dark
SHOTS ?= bench/.cache/shots
explorer-shots:
	$(PYTHON) -m bench.kit.screenshots $(SHOTS)

# docs/benchmarks.md and the tables of other pages, from bench/results
publish:
	$(PYTHON) -m bench.kit.result_pages
