# Random sequences of what an operator may ask, with the daemon killed in between: no job is stuck, and nothing is left behind on either
# end when it was destroyed.
#
# SEQUENCES (200), SEED (printed; the same seed brings the same requests in the same order, not the same instants), JOBS (5) at once.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $sequences = $ENV{SEQUENCES} // 200;
my $jobs = $ENV{JOBS} // 5;
my $seed = $ENV{SEED} // (time * 1000) % 1_000_000;
diag("SEED=$seed SEQUENCES=$sequences JOBS=$jobs");
srand $seed;

my $t = DtsTest->new;
$t->start_daemon(lease => 5);
my @databases = map { "db$_" } 1 .. $jobs;
for my $n (1 .. $jobs)
{
	$t->database("db$n");
	for my $end (qw(source target))
	{
		$t->sql_ctl(sprintf "SELECT dts_create_endpoint('%s_%d', 'postgresql', '%s')", $end, $n, $t->conninfo($end));
	}
	$t->sql_source('CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); CREATE INDEX ON a (v);'
		. "INSERT INTO a SELECT g, md5(g::text) FROM generate_series(1, 3000) g; INSERT INTO b SELECT g FROM generate_series(1, 500) g");
}

# Requests, those that bring a job on more often.
my @requests = (('check') x 4, ('start') x 5, 'schedule', 'unschedule', ('pause') x 2, ('resume') x 2, 'retry', 'reset', 'complete', 'stop', 'stop',
	'isolate', 'recover', 'destroy', 'configure', 'resize', 'throttle', 'ignore', 'add', 'reload', 'remove', ('write') x 3, ('rest') x 3, ('wait') x 4, 'kill');
my %call = (
	schedule => sub { "dts_start_job('$_[0]', now() + interval '" . (0.2 + rand 2) . " s')" },
	stop => sub { "dts_stop_job('$_[0]', force => " . (rand > 0.8 ? 'true' : 'false') . ')' },
	configure => sub { "dts_configure_job('$_[0]', '{\"workers\": " . (1 + int rand 3) . "}')" },
	resize => sub { "dts_resize_job('$_[0]', " . (1 + int rand 3) . ')' },
	throttle => sub { "dts_set_throttle('$_[0]', 'full', '{\"rows_per_second\": " . (100 + int rand 5000) . "}')" },
	ignore => sub { "dts_ignore_check('$_[0]', 'existing_tables')" },
	add => sub { "dts_add_tables('$_[0]', '{public.b}')" },
	remove => sub { "dts_remove_tables('$_[0]', '{public.b}')" },
	reload => sub { "dts_reload_table('$_[0]', 'public.a')" });
# What a refusal may say.
my $refusal = qr/does not allow|not yet carried out|does not exist|is no warning|cannot start at|needs? |not running|no phase|is not part|already|in state/;
my (%accepted, %refused, @odd);
my ($kills, $round) = (0, 0);

sub ask
{
	my ($job, $n, $what) = @_;
	if ($what eq 'write')
	{
		$t->try('source', "db$n", "INSERT INTO a SELECT max(id) + 1, 'w' FROM a; UPDATE a SET v = md5(v) WHERE id % 50 = " . int rand 50);
		return;
	}
	if ($what eq 'rest') { sleep rand 0.5; return; }
	if ($what eq 'wait')
	{
		# until the daemon has taken up what was asked, or for a moment
		my $end = time + 1.5;
		while (time < $end && $t->sql_ctl("SELECT count(*) FROM dts_jobs v JOIN dts.job_states() s USING (state) WHERE job = '$job'"
			. " AND (wish IS NOT NULL OR needs_worker AND state NOT IN ('running', 'ready'))") ne '0') { sleep 0.1; }
		return;
	}
	if ($what eq 'kill')
	{
		$kills++;
		if (rand > 0.3) { $t->{daemon}->kill9; } else { $t->{daemon}->stop(60) // BAIL_OUT('the daemon does not leave when asked'); }
		$t->start_daemon(lease => 5);
		return;
	}
	my $call = $call{$what} ? $call{$what}->($job) : "dts_${what}_job('$job')";
	my ($rc, $out, $err) = $t->try_ctl("SELECT $call");
	if ($rc == 0) { $accepted{$what}++; return; }
	$refused{$what}++;
	push @odd, "$call: $err" if $err !~ $refusal;
	return;
}

# Whatever state it is in, an operator gets rid of it.
sub get_rid
{
	my $job = shift;
	my $end = time + 90;
	while (time < $end)
	{
		my $row = $t->sql_ctl("SELECT state, coalesce(wish, '-') FROM dts_jobs WHERE job = '$job'");
		return 1 if $row eq '';
		my ($state, $wish) = split /\|/, $row;
		my $what = $state =~ /^(?:draft|isolated)$/ && $wish eq '-' ? 'destroy' : $state =~ /^(?:stopped|completed|failed)$/ && $wish eq '-' ? 'isolate' : 'stop';
		$t->try_ctl("SELECT dts_${what}_job('$job')") if $wish eq '-' || ($what eq 'stop' && $wish ne 'stop');
		sleep 0.2;
	}
	return 0;
}

my $left = $sequences;
while ($left > 0)
{
	$round++;
	my $count = $left < $jobs ? $left : $jobs;
	$left -= $count;
	my %todo;
	for my $n (1 .. $count)
	{
		my $job = "j${round}_$n";
		my $kind = rand > 0.5 ? 'sync' : 'migration';
		my $phases = $kind eq 'migration' && rand > 0.6 ? '["schema", "full"]' : '["schema", "full", "incremental"]';
		$t->sql_ctl("SELECT dts_create_job('$job', 'source_$n', 'target_$n', kind => '$kind', options => '{\"workers\": 2, \"same_name_tables\": \"truncate\", \"phases\": $phases,"
			. " \"objects\": [{\"schema\": \"public\"}]}')");
		$todo{$n} = [ 'check', 'wait', 'start', map { $requests[ rand @requests ] } 1 .. 6 + rand 10 ];
	}
	while (%todo)
	{
		my @n = sort keys %todo;
		my $n = $n[ rand @n ];
		ask("j${round}_$n", $n, shift @{ $todo{$n} });
		delete $todo{$n} if !@{ $todo{$n} };
	}
	my @stuck = grep { !get_rid($_) } map { "j${round}_$_" } 1 .. $count;
	is("@stuck", '', "round $round: every job can be ended and destroyed") or diag(map { $t->job_report($_) } @stuck);
	last if @stuck;
	$t->sql_ctl("SELECT dts_forget_leftovers(job) FROM (SELECT DISTINCT job FROM dts_leftovers) l");
	my $clean = 1;
	for my $n (1 .. $count) { $t->{database} = "db$n"; $clean &&= $t->clean("round $round: nothing is left behind in db$n"); }
	if (!$clean) { diag($t->job_report("j${round}_$_")) for 1 .. $count; last; }
}
is(scalar(@odd), 0, 'every refusal names the state and what it allows') or diag(@odd[ 0 .. ($#odd < 5 ? $#odd : 5) ]);
is($t->sql_ctl("SELECT string_agg(message, '; ') FROM dts_job_events WHERE event IN ('destroy_failed', 'left_over')"), '', 'nothing had to be left behind');
note(sprintf '%d sequences, daemon killed %d times', $sequences, $kills);
note("accepted: " . join ', ', map { "$_ $accepted{$_}" } sort keys %accepted);
note("refused: " . join ', ', map { "$_ $refused{$_}" } sort keys %refused);
done_testing;
