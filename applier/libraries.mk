# What the daemon links; the test programs made of its parts read this too.
# The grammar that reads captured commands, where the distribution has it; without it they go the state way.
PG_QUERY := $(shell printf '\#include <pg_query.h>\n\#include <protobuf-c/protobuf-c.h>\n' | $(CC) -E - >/dev/null 2>&1 && echo -lpg_query)
LIBRARIES = -lpq -ljansson -lsystemd -lxxhash -lcurl $(PG_QUERY)
