# make demo    a running panel with a demo server and a first backup
# make run     a running panel of your own
# make test    all checks
# make bench   figures, side by side

PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)

.PHONY: demo run test lint bench docs

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

lint:
	@bin/lint

bench:
	@bin/setup test
	@$(PY) -m bench

docs:
	@$(PY) bin/docs.py
