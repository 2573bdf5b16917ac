# When the copy of a table will end is told well also where its rows are not alike: long ones first, short ones last.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = DtsTest->new;
# A table in two parts, and one in one; half of the space of either holds 1 row in 50.
$t->sql_source(<<'SQL');
CREATE TABLE parts (id int PRIMARY KEY, pad text);
ALTER TABLE parts ALTER pad SET STORAGE PLAIN;
INSERT INTO parts SELECT i, repeat('x', 1900) FROM generate_series(1, 14500) i;
INSERT INTO parts SELECT i, '' FROM generate_series(100001, 900000) i;
CREATE TABLE whole (id int PRIMARY KEY, pad text);
ALTER TABLE whole ALTER pad SET STORAGE PLAIN;
INSERT INTO whole SELECT i, repeat('x', 1900) FROM generate_series(1, 6500) i;
INSERT INTO whole SELECT i, '' FROM generate_series(100001, 425000) i;
ANALYZE;
SQL
$t->start_daemon;
$t->create_job('j', kind => 'migration', options => { workers => 1, phases => [ 'schema', 'full' ], throttle => { full => { mb_per_second => 4 } } });
$t->check_job('j');
$t->start_job('j');

# What is told, and when what it is told of was begun and was over.
my (@told, %begun, %ended);
my $asks = $t->session('target', 'ctl');
$t->wait_for('the end of the load', sub {
	my $now = time;
	for (split /\n/, $asks->do("SELECT concat_ws(' ', table_name, phase, extract(epoch FROM estimated_end)) FROM dts_job_tables UNION ALL "
		. "SELECT concat_ws(' ', table_name || part, phase, extract(epoch FROM estimated_end)) FROM dts_job_parts WHERE table_name = 'parts'"))
	{
		my ($what, $phase, $end) = split ' ';
		push @told, [ $what, $now, $end ] if $phase eq 'copying' && defined $end;
		$begun{$what} //= $now if $phase eq 'copying';
		$ended{$what} //= $now if $phase ne 'copying' && $phase ne 'waiting';
	}
	return keys %ended == 4; });
is($t->sql_ctl("SELECT max(parts) || ' ' || min(parts) FROM dts_job_tables"), '2 1', 'one table is copied in two parts');
is($t->sql_ctl("SELECT bytes_estimated FROM dts_job_tables WHERE table_name = 'parts'"), $t->sql_source("SELECT pg_table_size('parts')"), 'its size is that on the source');
for my $what (sort keys %ended)
{
	my @of = grep { $_->[0] eq $what } @told;
	# Short rows cost the machine more than long ones, which nobody can know beforehand; by the number of rows it would be many times wrong.
	my $slack = 1.5 + 0.25 * ($ended{$what} - ($begun{$what} // $ended{$what}));
	my @wrong = grep { my $left = $ended{$what} - $_->[1]; abs($_->[2] - $ended{$what}) > $slack + 0.5 * $left } @of;
	# the second part is soon over: many rows, few bytes
	cmp_ok(scalar @of, '>=', $what eq 'parts2' ? 0 : 3, "$what: an end is told");
	cmp_ok(scalar @wrong, '<=', @of / 5, "$what: and it is about right")
		or diag(map { sprintf "%.1f s before the end: %+.1f s\n", $ended{$what} - $_->[1], $_->[2] - $ended{$what} } @of);
	note(map { sprintf "%s, %.1f s before the end: %+.1f s\n", $what, $ended{$what} - $_->[1], $_->[2] - $ended{$what} } @of);
}
done_testing;
