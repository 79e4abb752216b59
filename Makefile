# make demo    a running panel with a demo server and a first backup
# make run     a running panel of your own
# make test    all checks, in the form that a change waits for
# make test-long  and what proves the same in more combinations and larger sizes
# make chaos   kills whatever there is, 500 times, and says what became of it: KILLS=500 LANES=4
# make bench   figures, side by side

PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)
# Hundreds of processes are started, and each would compile all that it loads.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo run test test-long lint chaos bench docs

demo:
	@bin/setup demo
	@exec $(PY) bin/demo.py

run:
	@bin/setup run
	@exec $(PY) bin/run.py

test:
	@bin/setup test
	@$(MAKE) --no-print-directory lint
	@bin/test

test-long:
	@bin/setup test
	@$(MAKE) --no-print-directory lint
	@bin/test --long

lint:
	@bin/lint

chaos:
	@bin/setup test
	@$(PY) -m tests.chaos --kills $(or $(KILLS),500) --lanes $(or $(LANES),4) $(if $(SEED),--seed $(SEED))

bench:
	@bin/setup bench
	@$(PY) -m bench

docs:
	@$(PY) bin/docs.py
