# Random commands that change the schema, mixed with changes of rows: a small count of what tests/faults/ddl.pl does.
#
# ROUNDS (20), SEED (printed).
use strict;
use warnings;
use DtsDdl;
use Test::More;

DtsDdl::run(rounds => 20, every => 5);
done_testing;
