# Throttles: limits of rows, bytes and queries are kept while the stream and its lease are served, change while the
# job runs, and are shared by all processes of a job.
#
# A figure counts when it is at most a tenth off its limit.  One that is not may be the machine's fault, whose sessions stand still now and
# then and make up for it: then it is measured again.  Limits are low, so that a slow machine keeps up with them.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = DtsTest->new(source_conf => [ 'wal_sender_timeout = 10s', "log_line_prefix = '%m [%p] %a '" ]);
$t->start_daemon(lease => 10);

# --- three jobs, each throttled from its first row on
my $wide = "repeat(md5(g::text), 31)"; # a row of some 1 kB
$t->database('load');
$t->sql_source("CREATE TABLE t$_ (id int PRIMARY KEY, v text); ALTER TABLE t$_ ALTER v SET STORAGE PLAIN;"
	. "INSERT INTO t$_ SELECT g, $wide FROM generate_series(1, 40000) g; ANALYZE t$_") for 1 .. 3;
$t->create_job('load', kind => 'migration', options => { phases => [ 'schema', 'full' ], workers => 3,
	throttle => { full => { rows_per_second => 1000 } } });

$t->database('small');
$t->sql_source(join '', map { "CREATE TABLE s$_ (id int PRIMARY KEY); INSERT INTO s$_ VALUES (1), (2);" } 1 .. 150);
$t->sql_source("ALTER DATABASE small SET log_statement = 'all'; ANALYZE");
$t->create_job('small', kind => 'migration', options => { phases => [ 'schema', 'full' ], workers => 2,
	throttle => { full => { queries_per_second => 20 } } });

$t->database('stream');
$t->sql_source('CREATE TABLE s (id int PRIMARY KEY, v text); ALTER TABLE s ALTER v SET STORAGE PLAIN');
$t->create_job('stream', options => { throttle => { incremental => { rows_per_second => 300 } } });
$t->check_job($_) for qw(load small stream);
$t->start_job('stream');
$t->wait_job('stream', 'incremental');
my $epoch = $t->sql_ctl("SELECT string_agg(l.epoch::text, ',') FROM dts.job_lease l JOIN dts.job j ON j.id = l.job_id WHERE j.name = 'stream'");
$t->sql_source("DO \$\$ BEGIN FOR i IN 0 .. 4499 LOOP INSERT INTO s SELECT g, $wide FROM generate_series(i * 10 + 1, i * 10 + 10) g; COMMIT; END LOOP; END \$\$");
$t->start_job($_) for qw(load small);

# --- what goes on, looked at from outside: rows and bytes that the target's servers have taken, and when that was
my $now = 'extract(epoch FROM clock_timestamp())';
my $reported = '';
my %figure = (
	load_rows => sub { $t->_sql('target', 'load', "SELECT coalesce(sum(tuples_processed), 0), $now FROM pg_stat_progress_copy") },
	load_bytes => sub { $t->_sql('target', 'load', "SELECT coalesce(sum(bytes_processed), 0), $now FROM pg_stat_progress_copy") },
	stream_rows => sub { $t->_sql('target', 'stream', "SELECT count(*), $now FROM s") },
	# which is reported about every second
	stream_bytes => sub {
		my $old = $reported;
		return $t->wait_for('another report', sub {
			my $said = $t->sql_ctl("SELECT p.bytes, extract(epoch FROM p.reported_at) FROM dts.job_progress p JOIN dts.job j ON j.id = p.job_id WHERE j.name = 'stream'");
			($reported) = $said =~ /\|(.+)/;
			return $reported && $reported ne $old && $said; }); });
sub figure { my $name = shift; return split /\|/, $figure{$name}->(); }

sub measure
{
	my ($seconds, %wanted) = @_;
	my %rate;
	for my $try (1 .. 4)
	{
		my %from = map { $_ => [ figure($_) ] } keys %wanted;
		sleep $seconds;
		%rate = map { my ($value, $at) = figure($_); $_ => ($value - $from{$_}[0]) / ($at - $from{$_}[1]) } keys %wanted;
		last if !grep { abs($rate{$_} / $wanted{$_} - 1) > 0.1 } keys %wanted;
		note(join ', ', 'too far off, once more:', map { sprintf '%s %.0f', $_, $rate{$_} } sort keys %rate);
	}
	for my $name (sort keys %wanted)
	{
		note(sprintf '%s: %.0f a second, limit %.0f, %.1f %%', $name, $rate{$name}, $wanted{$name}, 100 * $rate{$name} / $wanted{$name});
		cmp_ok($rate{$name}, '<=', $wanted{$name} * 1.1, "$name: no more than a tenth above the limit");
		cmp_ok($rate{$name}, '>=', $wanted{$name} * 0.9, "$name: no more than a tenth below it");
	}
	return;
}
$t->wait_for('the load to have begun', sub { (figure('load_rows'))[0] > 500 });
$t->wait_for('the stream to have begun', sub { (figure('stream_rows'))[0] > 300 });
measure(10, load_rows => 1000, stream_rows => 300);
# of the second before the last report, in which a busy machine may have held it up more
ok($t->wait_for('the throttle to be named', sub { $t->sql_ctl("SELECT meaning FROM dts_job_stats('stream') WHERE measure = 'held_up_by'") =~ /^the throttle of the job; / }), 'the throttle is named as what holds the stream up');

# --- --progress: bars in the last lines of a terminal, and nothing where there is none
SKIP:
{
	skip 'script(1) is not installed', 5 if system('command -v script >/dev/null 2>&1');
	my $shown = "$ENV{TESTDIR}/terminal";
	my $plain = "$ENV{TESTDIR}/plain";
	my $call = "dts_applier --progress --control '" . $t->conninfo('target', 'ctl') . "'";
	my @pids;
	for my $command ([ 'script', '-qfec', "stty rows 24 cols 140; exec $call", $shown ], [ 'sh', '-c', "exec $call >$plain 2>$plain.log" ])
	{
		my $pid = fork // die;
		push @pids, $pid;
		next if $pid;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		open STDERR, '>&', \*STDOUT;
		exec @$command or POSIX::_exit(127);
	}
	my $text = sub { open my $in, '<', $shown or return ''; local $/; return scalar(<$in>) // ''; };
	$t->wait_for('bars', sub { $text->() =~ /load +full +\[/ && $text->() =~ /stream +incremental +lag/ });
	my ($line) = $text->() =~ /\e\[2K(load +full[^\e]*)/;
	like($line, qr/^load +full +\[#*-+\] +\d+\.\d %  0 of 3 tables, \d+ MB left, ends in \d\d:\d\d:\d\d/, 'a load has a bar');
	cmp_ok(length $line, '<=', 140, 'no wider than the terminal');
	like($text->(), qr/\e\[1;21r\e\[21;1H/, 'the lines above it scroll');
	kill TERM => DtsTest::Daemon->descendants($pids[0]);
	kill TERM => $pids[1];
	waitpid $_, 0 for @pids;
	like($text->(), qr/\e\[r\e\[22;1H\e\[J(?!.*\e\[2K)/s, 'at the end the terminal is given back');
	is(-s $plain, 0, 'elsewhere nothing is shown');
}

is($t->sql_ctl("SELECT bytes_estimated FROM dts_job_tables WHERE table_name = 't1'"), $t->_sql('source', 'load', "SELECT pg_table_size('t1')"), 'the size of a table is that of its rows, not of its indexes as well');

# --- the forecast, against what the throttle makes of it
# it goes by a rate just seen, which on a busy machine swings for a while
my ($told, $true);
$t->wait_for('a forecast that is right within a third', sub {
	($told, $true) = split /\|/, $t->sql_ctl("SELECT f.value, (120000 - sum(v.rows_done)) / 1000.0 FROM dts_forecast('load') f, dts_job_tables v WHERE f.item = 'copy' AND v.job = 'load' GROUP BY 1");
	return abs($told / $true - 1) < 0.33;
}, 40);
pass("copying is forecast to take $told s, $true s at the limit");
is($t->sql_ctl("SELECT string_agg(item, ' ') FROM dts_forecast('load')"), 'copy target_disk', 'of a job that follows nothing it says nothing of WAL');
is($t->sql_ctl("SELECT string_agg(item, ' ') FROM dts_forecast('stream')"), 'source_wal wal_limit catch_up', 'and of one that copies nothing, only of WAL');

# --- other limits, while they run
$t->sql_ctl(q(SELECT dts_set_throttle('load', 'full', '{"mb_per_second": 2}'), dts_set_throttle('stream', 'incremental', '{"mb_per_second": 1}')));
sleep 1.5; # for a report of the old rate to be over
measure(6, load_bytes => 2 << 20, stream_bytes => 1 << 20);
$t->act('pause', 'load');
$t->wait_state('load', 'paused');
pass('a throttled load pauses');
$t->sql_ctl("SELECT dts_set_throttle(array_agg(job), 'full', NULL), dts_set_throttle(array_agg(job), 'incremental', NULL) FROM dts_jobs WHERE job <> 'small'");
$t->act('resume', 'load');

# --- queries of the copying processes, by the source's log: each message is one
my @at;
$t->wait_for('enough queries', sub {
	my (%copies, @seen);
	open my $log, '<', $t->{source}->logfile or die;
	while (<$log>)
	{
		my ($h, $m, $s, $pid, $what) = /(\d\d):(\d\d):([\d.]+) \S+ \[(\d+)\] dts_sync_small_\S+ LOG:  .*?(?:statement|execute <unnamed>): (.*)/ or next;
		$copies{$pid} = 1 if $what =~ /^LOCK TABLE ONLY/;
		push @seen, [ $pid, $h * 3600 + $m * 60 + $s ];
	}
	@at = map { $_->[1] + ($_->[1] < $seen[0][1] - 43200 ? 86400 : 0) } grep { $copies{ $_->[0] } } @seen;
	return @at >= 300;
});
@at = sort { $a <=> $b } @at;
my $rate = @at / ($at[-1] - $at[0]);
# the best hundred in a row: the machine may have been busy with something else before and after
my ($best) = sort { $b <=> $a } map { 100 / ($at[ $_ + 100 ] - $at[$_]) } 0 .. $#at - 100;
note(sprintf 'queries: %d in %.1f s, %.1f a second, limit 20, at best %.1f', scalar @at, $at[-1] - $at[0], $rate, $best);
cmp_ok($rate, '<=', 22, 'no more than a tenth above the limit of queries');
cmp_ok($best, '>=', 15, 'nor far below it');
$t->sql_ctl("SELECT * FROM dts_set_throttle(ARRAY['small'], 'full', NULL)"); # unless it is done already

# --- nothing suffered
$t->wait_job($_, 'completed') for qw(load small);
for my $job (qw(load small stream))
{
	$t->{database} = $job;
	$t->caught_up('stream') if $job eq 'stream';
	$t->compare("$job: equal");
}
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE severity <> 'info' AND event NOT LIKE 'wish%'"), 0, 'no session was lost and nothing tried again');
is($t->sql_ctl("SELECT string_agg(l.epoch::text, ',') FROM dts.job_lease l JOIN dts.job j ON j.id = l.job_id WHERE j.name = 'stream'"), $epoch, 'the lease was served all the time');
$t->stop_job('stream');
done_testing;
