# What t/007_large.pl shows, with transactions of five million rows.
use strict;
use warnings;
use File::Basename;

$ENV{DTS_LARGE_ROWS} //= 5_000_000;
exec $^X, dirname(__FILE__) . '/../t/007_large.pl' or die $!;
