# The daemon as a service: configuration file and reload, what it tells systemd, the JSON log, its unit file, and pauses between
# workers that crash.
use strict;
use warnings;
use DtsTest;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(sleep time);

my $t = DtsTest->new;
my $control = $t->conninfo('target', 'ctl');
my $conf = "$ENV{TESTDIR}/dts.conf";
sub configure { my $text = shift; open my $fh, '>', $conf or die; print $fh $text; close $fh; return; }

# --- what a file may hold: each with what is said about it
for (
	[ "control = '$control'\nmax_jobs = 0", qr/"max_jobs": "0".*line 2;.*from 1 to 1000/ ],
	[ "loudness = 3", qr/unknown setting "loudness".*Valid settings are: control, control_file, lease/ ],
	[ "# a comment\n\nlog_json = yes", qr/"log_json": "yes".*line 3;.*on or off/ ],
	[ "control '$control'", qr/no "=" found behind a name.*line 1/ ],
	[ "control = 'password=s3cret", qr/does not end with its quote/ ],
	[ "control = password=s3cret nonsense", qr/cannot be read/ ],
	[ "lease = 10", qr/which control database\?/ ])
{
	my ($text, $pattern) = @$_;
	configure("$text\n");
	my $out = `env -u DTS_CONTROL timeout 30 dts_applier --config '$conf' 2>&1 </dev/null`;
	is($? >> 8, 2, 'refused: ' . ($text =~ s/\Q$control\E/.../r =~ s/\n/\\n/gr));
	like($out, $pattern, '... with what is wrong and what would be right');
	unlike($out, qr/s3cret/, '... and no secret');
}
my $out = `timeout 30 dts_applier --config /nonexistent/file 2>&1`;
like($out, qr{could not open configuration file "/nonexistent/file"}, 'a file that is not there');

# --- under a systemd of our own: a socket that hears what it is told
my $socket = "$ENV{DTS_TMP}/run/notify.$$";
my $notes = "$ENV{TESTDIR}/notes";
my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $socket) or die "socket: $!";
my $listener = fork // die;
if (!$listener)
{
	$DtsTest::in_child = 1;
	open my $to, '>', $notes or POSIX::_exit(1);
	while (defined recv($notify, my $message, 4096, 0)) { syswrite $to, "$message\0"; }
	POSIX::_exit(0);
}
END { kill KILL => $listener if $listener && !$DtsTest::in_child; }
my $from = 0; # what was told before does not count any more
sub hear { open my $in, '<', $notes or return (); seek $in, $from, 0; local $/ = "\0"; my @all = <$in>; chomp @all; return @all; }
sub forget { $from = -s $notes; return; }
sub told { my ($pattern, $timeout) = @_; return $t->wait_for("to be told $pattern", sub { grep { /$pattern/ } hear() }, $timeout); }

configure("# our own\ncontrol = '$control application_name=''our own'''\nlog_level = info\nlog_json = on\nmax_jobs = 5\nlease = 10\n");
my $daemon = $t->start_daemon(bare => 1, args => [ '--config', $conf ], env => { NOTIFY_SOCKET => $socket, WATCHDOG_USEC => 1500000 });
told(qr/^READY=1$/);
pass('ready is told');
told(qr/^STATUS=0 jobs at work, 5 at most$/);
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->run_job('j');
told(qr/^STATUS=1 job at work/);
pass('and how many jobs are at work');
forget();
$t->wait_for('the watchdog to be fed', sub { 4 <= grep { /^WATCHDOG=1$/ } hear() });
pass('the watchdog is fed');
ok(!grep({ /^WATCHDOG/ && !/^WATCHDOG=1$/ } hear()), 'with nothing else');

my @lines = grep { /\S/ } split /\n/, $daemon->log_text;
my @json = map { eval { JSON::PP::decode_json($_) } } @lines;
is(scalar(@json), scalar(@lines), 'every line of the log is JSON');
is(join(',', sort keys %{ $json[0] }), 'job,level,message,pid,time', 'with its members');
ok((grep { $_->{job} eq 'j' } @json), 'some about the job');
ok(!(grep { $_->{level} eq 'debug' } @json), 'none below the level');

# --- reload: the level and the form of the log, for workers too
forget();
configure("control = $control\nlog_level = debug\nlog_json = off\nmax_jobs = 1\n");
kill HUP => $daemon->pid;
told(qr/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
told(qr/^READY=1$/);
like(join('|', hear()), qr/RELOADING=1.*READY=1/s, 'a reload is told, and its end');
$t->wait_for('the log to be text', sub { $daemon->log_text =~ /\d UTC \[\d+\] info: settings read again$/m });
my $size = length $daemon->log_text;
my ($worker) = $daemon->workers;
$t->act('pause', 'j');
$t->wait_state('j', 'paused');
$t->act('resume', 'j');
$t->wait_job('j', 'incremental');
like(substr($daemon->log_text, $size), qr/^\S+ \S+ UTC \[$worker\] info job j: pause wanted/m, 'the worker heard of it');
like(substr($daemon->log_text, $size), qr/\] debug/, 'and of the level');
configure("control = $control\nlog_level = quiet\n");
kill HUP => $daemon->pid;
$t->wait_for('the file to be refused', sub { $daemon->log_text =~ /the old settings stay.*"log_level": "quiet".*dts\.conf", line 2/ });
pass('a file with a mistake changes nothing');
is($t->state('j'), 'running', 'and stops nothing');
# with one job at most, a second one waits
configure("control = $control\nlog_level = debug\nmax_jobs = 1\n");
$t->create_job('second');
$t->sql_ctl("SELECT dts_check_job('second')");
# what comes after three of its turns would have come before
sub turns { my $turns = 0; return $t->wait_for('some turns', sub { sleep 1; ++$turns == 3 }); }
turns();
is($t->state('second'), 'draft', 'a reload bounds the number of jobs at work');
$t->sql_ctl("SELECT dts_limit_connections('source1', 5)"); # the first one takes 3
configure("control = $control\nlog_level = debug\nmax_jobs = 2\n");
kill HUP => $daemon->pid;
turns();
is($t->state('second'), 'draft', 'and lifts it; but a server with no connections to spare keeps the second one waiting');
$t->sql_ctl("SELECT dts_limit_connections('source1', NULL)");
$t->wait_state('second', 'check_\w+'); # the rows of the first one stand in its way
pass('until there is room');

# --- a worker that crashes again and again is begun again after 1, 2 ... s
my @pauses;
for my $crash (1, 2)
{
	$t->wait_for('a worker', sub { ($worker) = $daemon->workers; $worker });
	my $began = time;
	kill KILL => $worker;
	$t->wait_for('the next one', sub { my ($next) = $daemon->workers; $next && $next != $worker });
	push @pauses, time - $began;
}
note("pauses: @pauses");
cmp_ok($pauses[$_], '>=', 0.95 * 2**$_, 'pause ' . ($_ + 1) . ' is long enough') for 0, 1;
cmp_ok($pauses[1], '<', 20 + 2 * $pauses[0], 'and not too long');
$t->wait_job('j', 'incremental');

# --- the end
forget();
$t->sql_source('INSERT INTO k SELECT generate_series(1, 50000)');
is($daemon->stop, 0, 'SIGTERM ends it well');
ok(told(qr/^STOPPING=1$/), 'which is told');
is($t->state('j'), 'running', 'the job waits for the next daemon');
is($t->sql_ctl('SELECT count(*) FROM dts.job_lease WHERE owner IS NOT NULL'), 0, 'its lease is given back');
ok($t->wait_for('the sessions to end', sub { $t->sql_source("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dts\\_sync\\_%'") eq '0' }), 'and no session is left');
$t->start_daemon;
$t->equal('j', 'which goes on');
$t->stop_job('j');

# --- the unit file
chomp(my $share = `$ENV{PG_CONFIG} --sharedir`);
my $unit = "$share/dts/dts_applier.service";
ok(-s $unit, 'the unit file is installed');
open my $in, '<', $unit or die;
my $text = do { local $/; <$in> };
chomp(my $bin = `$ENV{PG_CONFIG} --bindir`);
like($text, qr{^ExecStart=\Q$bin\E/dts_applier --config }m, 'with the path of the program');
unlike($text, qr/\@[A-Z]+\@/, 'and nothing left to fill in');
SKIP:
{
	my $analyze = `sh -c 'command -v systemd-analyze'`;
	skip 'systemd-analyze is not installed', 1 if !$analyze;
	is(`systemd-analyze verify '$unit' 2>&1 | grep -F dts_applier.service`, '', 'systemd finds no fault with it');
}
done_testing;
