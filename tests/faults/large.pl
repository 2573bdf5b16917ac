# What t/007_large.pl shows, with transactions of five million rows.
use strict;
use warnings;
use File::Basename;
use File::Spec;

$ENV{DTS_LARGE_ROWS} //= 5_000_000;
do File::Spec->rel2abs(dirname(__FILE__) . '/../t/007_large.pl');
die $@ if $@;
