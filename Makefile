# dts: a data transmission service for PostgreSQL.
# This file only dispatches to the parts; "make help" lists what it does.

PG_CONFIG ?= pg_config
PARTS = decoder control applier
export PG_CONFIG

all: build

# What a target needs of the distribution's packages is installed first, when it is missing.
deps-%:
	@tests/install_packages $*

build install: deps-build
	@for part in $(PARTS); do \
		$(MAKE) --no-print-directory -C $$part $(if $(filter build,$@),all,$@) || exit 1; done

clean:
	@for part in $(PARTS); do $(MAKE) --no-print-directory -C $$part clean || exit 1; done
	@$(MAKE) --no-print-directory -C tests/unit clean
	@rm -rf results regression.diffs regression.out tmp_check

demo: deps-demo
	@tests/with_install tests/demo/run

# All tests but check-faults; or one kind of them, such as "make check-tap TESTS=t/001*".
check: deps-check
	@tests/check all
check-%: deps-check
	@tests/check $*
check-faults: deps-check
	@tests/with_install tests/run_tap faults
fuzz: deps-check
	@tests/check fuzz

BENCH ?= all
bench: deps-bench
	@tests/with_install tests/bench/$(BENCH)

help:
	@sed 's/^/  /' tests/help.txt

.PHONY: all build install clean demo check check-faults fuzz bench help
