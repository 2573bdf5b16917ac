# Schedules of tests/faults/ddl.pl that once found a fault.
use strict;
use warnings;
use DtsDdl;
use Test::More;

# a foreign key that the command which rewrites its table has made anew by itself
local $ENV{SEED} = 136501;
DtsDdl::run(rounds => 20, every => 5);
done_testing;
