# Either end goes away, in any way, at any time: the job comes back by itself.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;
use Time::HiRes 'sleep';

my $t = DtsTest->new(target_conf => [ 'synchronous_commit = off' ]);
$t->sql_source($DtsWorkload::SCHEMA . "CREATE TABLE bulk AS SELECT i AS id, repeat(md5(i::text), 8) AS v FROM generate_series(1, 100000) i; ALTER TABLE bulk ADD PRIMARY KEY (id)");
$t->start_daemon;
my $traffic = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 3, pause => 0.01);
# While it loads.
$t->create_job('j', options => { workers => 2 });
$t->check_job('j');
$t->start_job('j');
$t->wait_for('the copy', sub { my ($rc, $out) = $t->try('source', $t->{database}, "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'copy%' AND application_name LIKE 'dts%'"); $out || $t->sql_ctl("SELECT phase = 'incremental' FROM dts_jobs WHERE job = 'j'") eq 't' });
$t->sql_source("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dts%' AND backend_type = 'client backend'");
$t->wait_job('j', 'incremental');
$t->caught_up('j');
pass('sessions ended while it loads');
for (
	[ 'sessions on the target are ended', sub { $t->sql_target("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dts\\_sync%'") } ],
	[ 'the walsender is ended', sub { $t->sql_source("SELECT pg_terminate_backend(pid) FROM pg_stat_replication") } ],
	[ 'the walsender is killed', sub { kill KILL => $t->wait_for('the walsender', sub { $t->sql_source('SELECT pid FROM pg_stat_replication LIMIT 1') }) } ],
	[ 'the target restarts', sub { $t->{target}->restart } ],
	[ 'the target crashes', sub { $t->{target}->stop('immediate'); sleep 1; $t->{target}->start } ],
	[ 'the source restarts', sub { $t->{source}->stop('fast'); sleep 1; $t->{source}->start } ],
	[ 'the source crashes', sub { $t->{source}->stop('immediate'); sleep 1; $t->{source}->start } ],
	[ 'both crash', sub { $t->{$_}->stop('immediate') for qw(source target); $t->{$_}->start for qw(target source) } ])
{
	my ($what, $break) = @$_;
	$break->();
	$t->wait_for('the source', sub { ($t->try('source', $t->{database}, 'SELECT 1'))[0] == 0 });
	$t->wait_for('the control database', sub { ($t->try('target', 'ctl', 'SELECT 1'))[0] == 0 });
	$t->wait_state('j', 'running');
	eval { $t->caught_up('j'); 1 } ? pass("$what: comes back") : (fail("$what: comes back"), diag($@));
}
$traffic->stop;
DtsWorkload->finish_prepared($t);
$t->equal('j', 'equal after all that');
# The control database alone is away: the stream goes on.
$t->stop_job('j');
$t->clean('nothing is left behind');

# Stop while the source is away: not a hang, and nothing is claimed that is not so.
$t->database('away');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->run_job('away');
$t->{source}->stop('fast');
$t->act('stop', 'away');
$t->wait_state('away', 'stop_failed');
like($t->sql_ctl("SELECT concat_ws(' ', error_message, error_detail, error_hint) FROM dts.job WHERE name = 'away'"), qr/source|slot/i, 'stopped while the source is away: says what is left');
$t->{source}->start;
$t->stop_job('away');
$t->clean('and stopped again when it is back: clean');
done_testing;
