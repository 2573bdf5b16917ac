# The daemon itself: its arguments, its control file, a control database that goes away, a start that fails,
# and the end of a job that lost its slot.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
my $control = $t->conninfo('target', 'ctl');

# --- Arguments: (arguments, environment) give exit status and output.
sub run_daemon
{
	my ($arguments, %env) = @_;
	local %ENV = (%ENV, %env);
	my $out = `timeout 30 dts_applier $arguments 2>&1 </dev/null`;
	return ($? >> 8, $out);
}
my ($status, $out) = run_daemon('--help');
is($status, 0, '--help ends well');
like($out, qr/--$_\b/, "--help tells of --$_")
	for qw(config control control-file lease max-jobs work-dir alert-ca log-level log-json version help);
($status, $out) = run_daemon('--version');
is($status, 0, '--version ends well');
like($out, qr/^dts_applier \d+\.\d+$/, '--version tells the version');
for (
	[ '', qr/--control/ ],
	[ '--nonsense', qr/nonsense/ ],
	[ '--control x=y=z', qr/connection string/ ],
	[ "--control 'host=/nowhere' --lease 4", qr/"lease": "4".*5 to 300/ ],
	[ "--control 'host=/nowhere' --lease 1x", qr/"lease": "1x"/ ],
	[ "--control 'host=/nowhere' --max-jobs 0", qr/"max_jobs"/ ],
	[ "--control 'host=/nowhere' --log-level loud", qr/"log_level": "loud"/ ],
	[ '--control-file /nonexistent/file', qr{/nonexistent/file} ],
	[ "--control 'host=/nowhere' more", qr/more/ ])
{
	my ($arguments, $pattern) = @$_;
	($status, $out) = run_daemon($arguments, DTS_CONTROL => '');
	($status, $out) = run_daemon($arguments) if $arguments eq '';
	is($status, 2, "arguments \"$arguments\" are refused");
	like($out, $pattern, '... with the reason');
}
($status, $out) = run_daemon("--control 'password=s3cret nonsense'");
unlike($out, qr/s3cret/, 'a connection string that cannot be read is not shown');
my $empty = $t->conninfo('target', 'postgres');
($status, $out) = run_daemon("--control '$empty'");
is($status, 1, 'a database without the extension is refused');
like($out, qr/refuses this daemon.*(?:daemon_hello|schema "dts").*hint: Run CREATE EXTENSION dts/, '... with the reason and the remedy');
unlike($out, qr/is away/, '... and the session is used on after an error');
$t->sql_ctl('CREATE ROLE nobody LOGIN');
($status, $out) = run_daemon("--control '" . ($control =~ s/user=\S+/user=nobody/r) . "'");
is($status, 1, 'a role without the right to be a daemon is refused');
like($out, qr/refuses this daemon: permission denied.*hint: GRANT dts_daemon TO/, '... with the reason and the remedy');

# --- A start that fails leaves nothing, and can be tried again.
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY, v text); INSERT INTO k SELECT i, md5(i::text) FROM generate_series(1, 1000) i');
my $daemon = $t->start_daemon(lease => 5);
$t->create_job('j');
$t->check_job('j');
$t->sql_target('CREATE SCHEMA dts; CREATE VIEW dts.target_progress AS SELECT 1 AS slot_name');
$t->start_job('j');
$t->wait_state('j', 'start_failed');
like($t->sql_ctl("SELECT error || error_detail || error_hint FROM dts_jobs WHERE job = 'j'"), qr/target_progress/, 'a failed start says why');
is($t->sql_source('SELECT count(*) FROM pg_replication_slots'), '0', '... and leaves no slot');
$t->sql_target('DROP SCHEMA dts CASCADE');
$t->act('retry', 'j');
$t->wait_job('j', 'incremental');
$t->equal('j', 'a start that is tried again');

# --- The control database goes away for longer than the lease.
my $before = $t->sql_target("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dts\\_sync\\_%'");
$t->sql_target("ALTER DATABASE ctl ALLOW_CONNECTIONS false");
$t->sql_target("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ctl'");
my $since = time;
my $rows = 1000;
while (time < $since + 8 || $rows < 1050)
{
	$t->sql_source('INSERT INTO k SELECT i, \'x\' FROM generate_series(' . ($rows + 1) . ', ' . ($rows + 10) . ') i');
	$rows += 10;
	$t->wait_for('rows to arrive', sub { $t->sql_target('SELECT count(*) FROM k') eq $rows });
}
isnt(($t->try_ctl('SELECT 1'))[0], 0, 'the control database is away for longer than the lease');
pass('and rows arrive all the time');
$t->sql_target("ALTER DATABASE ctl ALLOW_CONNECTIONS true");
$t->wait_for('the daemon to come back', sub { ($t->try_ctl('SELECT 1'))[0] == 0 });
$t->equal('j', 'and all is well when it is back');
is($t->state('j'), 'running', 'the job runs on');
$t->act('pause', 'j');
$t->wait_state('j', 'paused');
$t->act('resume', 'j');
$t->wait_job('j', 'incremental');
is($daemon->stop, 0, 'the daemon leaves when asked');

# --- The control file, and reading it again.
my $file = "$ENV{TESTDIR}/control";
sub control_file { my $text = shift; open my $fh, '>', $file or die; print $fh "# comment\n\n$text\n"; close $fh; return; }
control_file("$control password=s3cret");
my $log = "$ENV{TESTDIR}/file.log";
my $pid = fork // die;
if (!$pid)
{
	open STDOUT, '>', $log; open STDERR, '>&', \*STDOUT;
	exec 'dts_applier', '--control-file', $file, '--log-json' or POSIX::_exit(127);
}
my $text = sub { open my $fh, '<', $log or return ''; local $/; return scalar <$fh> // ''; };
$t->sql_source("INSERT INTO k VALUES (0, 'from the control file')");
$t->equal('j', 'a daemon with a control file works');
control_file('');
kill HUP => $pid;
$t->wait_for('the empty file to be noticed', sub { $text->() =~ /the old settings stay/ });
control_file("$control application_name=again");
kill HUP => $pid;
$t->wait_for('the file to be read again', sub { $text->() =~ /settings read again/ });
$t->sql_source("INSERT INTO k VALUES (-1, 'after SIGHUP')");
$t->equal('j', 'and goes on with the new one');
kill TERM => $pid;
waitpid $pid, 0;
is($?, 0, 'it ends well');
unlike($text->(), qr/s3cret/, 'no password in the log');
is(scalar(grep { !/^\{.*\}$/ } split /\n/, $text->()), 0, 'every line of the log is JSON');

# --- A job that lost its slot cannot go on; put aside and destroyed, it leaves nothing.
my $slot = $t->slot('j');
$t->wait_for('the slot to be free', sub { $t->sql_source("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$slot'") eq 't' });
$t->sql_source("SELECT pg_drop_replication_slot('$slot')");
$t->start_daemon;
$t->wait_state('j', 'failed');
like($t->sql_ctl("SELECT error || error_detail || error_hint FROM dts_jobs WHERE job = 'j'"), qr/slot/i, 'a lost slot is told');
$t->act('isolate', 'j');
$t->act('destroy', 'j');
$t->wait_for('the job to be gone', sub { $t->sql_ctl("SELECT count(*) FROM dts_jobs WHERE job = 'j'") eq '0' });
$t->clean('nothing is left of it');
done_testing;
