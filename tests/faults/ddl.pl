# Random commands that change the schema, mixed with changes of rows, the daemon killed in between; both ends are compared after every ten.
#
# ROUNDS (300), SEED (printed; an odd one never takes the statement way).
use strict;
use warnings;
use DtsDdl;
use Test::More;

DtsDdl::run(rounds => 300, kills => 1);
done_testing;
