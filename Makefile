# dts: a data transmission service for PostgreSQL.
# This file only dispatches to the parts; "make help" lists what it does.

PG_CONFIG ?= pg_config
PARTS = decoder control applier
export PG_CONFIG

all: build

build install clean: %:
	@for part in $(PARTS); do $(MAKE) --no-print-directory -C $$part $(if $(filter build,$*),all,$*) || exit 1; done

.PHONY: all build install clean
