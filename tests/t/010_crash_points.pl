# Death at every point where it could matter, each hit once: the job goes on by itself and ends up equal.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new(source_conf => [ "logical_decoding_work_mem = '64kB'" ]);
my @at_start = qw(start.bookkeeping_done keeper.slot_created schema.pre_data_done part.before_commit part.after_commit
	full.data_done full.post_data_done);
my @in_stream = qw(apply.before_commit apply.after_commit apply.before_ack apply.after_ack spool.written apply.idle_progress);
my @at_end = qw(clean.source_done clean.target_done);
my %seen;

sub seed
{
	my ($name, $tables) = @_;
	$t->database($name);
	$t->sql_source(<<"SQL");
CREATE TABLE k (id int PRIMARY KEY, v int);
CREATE TABLE bag (a int, b text);
ALTER TABLE bag REPLICA IDENTITY FULL;
INSERT INTO k SELECT i, 0 FROM generate_series(1, 5000) i;
INSERT INTO bag SELECT i % 10, repeat('x', i % 50) FROM generate_series(1, 5000) i;
CREATE INDEX ON k (v);
DO \$\$ BEGIN FOR i IN 1 .. $tables LOOP EXECUTE format('CREATE TABLE small_%s AS SELECT g AS id FROM generate_series(1, 100) g', i); EXECUTE format('ALTER TABLE small_%s ADD PRIMARY KEY (id)', i); END LOOP; END \$\$;
SQL
	return;
}
# Not idempotent on purpose: what is applied twice or half shows.
sub change
{
	my $n = shift;
	$t->sql_source("UPDATE k SET v = v + 1 WHERE id % 10 = $n % 10; INSERT INTO bag VALUES ($n, 'new'); DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag WHERE a = $n % 10)");
	return;
}
sub crash
{
	my ($point, $nth, $action) = @_;
	(my $name = "$point") =~ s/\W/_/g;
	$name .= "_$nth" . ($action // 'kill');
	# small tables are copied 24 at a time
	seed($name, $point =~ /^part/ ? 80 : 8);
	my $daemon = $t->start_daemon(fault => "$point=" . ($action // 'kill') . ":$nth");
	$t->create_job($name, options => { workers => $point =~ /^part/ ? 1 : 2, streaming => $point =~ /spool/ ? JSON::PP::true : JSON::PP::false });
	$t->check_job($name);
	$t->start_job($name);
	change($_) for 1 .. 3;
	$t->wait_job($name, 'incremental');
	for (4 .. 20)
	{
		last if $daemon->fault_pid($point) || grep { $_ eq $point } @at_start, @at_end;
		change($_);
		$t->sql_source("INSERT INTO bag SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 20000) i") if $point =~ /spool/ && $_ == 6;
		$t->caught_up($name) if $_ % 3 == 0;
	}
	# The point of an idle database is reached by waiting.
	if ($point eq 'apply.idle_progress')
	{
		$t->_sql('source', 'postgres', 'CREATE TABLE IF NOT EXISTS busy (v text); INSERT INTO busy SELECT md5(i::text) FROM generate_series(1, 5000) i');
		eval { $t->wait_for($point, sub { $daemon->fault_pid($point) }) };
	}
	change($_) for 21 .. 25;
	$t->equal($name, "$point, time $nth: equal after the crash", '--schema');
	$t->stop_job($name);
	ok($daemon->fault_pid($point), "$point, time $nth: was hit") and $seen{$point} = 1;
	$t->clean("$point, time $nth: nothing is left behind");
	is($daemon->stop, 0, "$point, time $nth: the daemon lived on");
	return;
}
my $only = $ENV{DTS_POINT} // '.';
crash($_, 1) for grep { /$only/ } @at_start, @in_stream, @at_end;
crash($_, 3) for grep { /$only/ } qw(part.before_commit part.after_commit apply.before_commit apply.after_commit);
crash($_, 2, 'exit') for grep { /$only/ } qw(apply.before_ack);
is(scalar(keys %seen), scalar(grep { /$only/ } @at_start, @in_stream, @at_end), 'every point was hit');
done_testing;
