# The setup scripts make superusers superfluous; without the capture the job notices changed tables by itself.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->{$_}->safe_psql('postgres', 'CREATE ROLE mover LOGIN; CREATE ROLE owner') for qw(source target);
$t->sql_source('GRANT CREATE ON SCHEMA public TO owner; SET ROLE owner; CREATE TABLE t (id int PRIMARY KEY, v text, n int); INSERT INTO t VALUES (1, 1, 1)');
$t->start_daemon;
my %as_mover = map { ("${_}_conninfo" => $t->conninfo($_) =~ s/user=\S+/user=mover/r) } qw(source target);
sub item { my ($job, $item) = @_; return $t->sql_ctl("SELECT result || ': ' || detail || ' / ' || remedy FROM dts_check_results('$job') WHERE item = '$item'"); }

# Before the script: what a plain role lacks is told, each with its remedy.
$t->sql_source('GRANT SELECT ON t TO mover; ALTER ROLE mover REPLICATION');
$t->sql_target('SET ROLE NONE; GRANT CREATE ON SCHEMA public TO mover') ;
my %rows = (options => { phases => [ 'full', 'incremental' ], heartbeat_seconds => 1 });
$t->sql_target('CREATE TABLE t (id int PRIMARY KEY, v text, n int); ALTER TABLE t OWNER TO mover');
$t->create_job('poor', %rows, source_conninfo => $as_mover{source_conninfo});
$t->check_job('poor');
like(item('poor', 'ddl_capture'), qr/^warn: .*stops the job, which then names it.*dts_setup_script\('poor', 'source'\)/, 'the precheck tells what is lacking and what happens without');
$t->start_job('poor');
$t->wait_job('poor', 'incremental');
cmp_ok($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'poor' AND event = 'ddl_not_captured'"), '>', 0, 'an event says so, too');

# Without the capture: what changes a table's rows is noticed where the stream shows it.
my @changes = (
	[ 'ALTER TABLE t ADD w int', qr/column "w" is new/, 'ALTER TABLE t ADD w int' ],
	[ 'ALTER TABLE t RENAME v TO vv', qr/column "v" is gone, or has another name/, 'ALTER TABLE t RENAME v TO vv' ],
	[ 'ALTER TABLE t ALTER n TYPE bigint', qr/column "n" is of another type/, 'ALTER TABLE t ALTER n TYPE bigint' ],
	[ 'ALTER TABLE t DROP vv', qr/column "vv" is gone/, 'ALTER TABLE t DROP vv' ]);
my $id = 10;
for (@changes)
{
	my ($sql, $said, $mend) = @$_;
	$t->sql_source("INSERT INTO t (id) VALUES (@{[ ++$id ]})");
	$t->caught_up('poor');
	$t->sql_source("$sql; INSERT INTO t (id) VALUES (@{[ ++$id ]})");
	$t->wait_state('poor', 'error');
	my $error = $t->sql_ctl("SELECT error || ' ' || error_detail || ' ' || error_hint FROM dts_jobs WHERE job = 'poor'");
	like($error, qr/table "public"\."t" was changed on the source by a command that was not captured.*$said.*dts_reload_table.*dts_setup_script/s, "$sql: the job stops, with table and remedy");
	$t->sql_target($mend);
	$t->act('retry', 'poor');
	$t->wait_state('poor', 'running');
	$t->equal('poor', "$sql: made alike, the job goes on", '--table', 'public.t');
}
# what does not concern rows does not stop it
$t->sql_source("CREATE INDEX ON t (n); VACUUM FULL t; ALTER TABLE t SET (fillfactor = 50); COMMENT ON TABLE t IS 'c'; INSERT INTO t (id) VALUES (100)");
$t->equal('poor', 'other commands do not stop it', '--table', 'public.t');
$t->stop_job('poor');

# The scripts, run as they are by a superuser.
$t->sql_target('DROP TABLE t');
$t->create_job('rich', options => { heartbeat_seconds => 1, missing_roles => 'skip' }, %as_mover);
for my $end (qw(source target))
{
	my $script = $t->sql_ctl("SELECT dts_setup_script('rich', '$end')");
	$t->_sql($end, $t->{database}, $script);
	pass("the script for the $end runs");
	$t->_sql($end, $t->{database}, $script) ;
	pass("and once more");
}
$t->{target}->safe_psql('postgres', $t->version('target') < 15 ? 'ALTER ROLE mover SUPERUSER' : 'GRANT owner TO mover');
$t->sql_target('GRANT CREATE ON SCHEMA public TO owner');
$t->check_job('rich');
is($t->sql_ctl("SELECT string_agg(item, ',') FROM dts_check_results('rich') WHERE item IN ('heartbeat', 'ddl_capture', 'source_privileges', 'target_privileges', 'origins') AND result <> 'pass'"), '', 'nothing of it is lacking any more');
$t->start_job('rich');
$t->wait_job('rich', 'incremental');
$t->sql_source('SET ROLE owner; ALTER TABLE t ADD x int DEFAULT 5; CREATE TABLE u (id int PRIMARY KEY, v text); INSERT INTO u VALUES (1, 1); INSERT INTO t (id) VALUES (200)');
$t->equal('rich', 'a job without a superuser follows commands');
is($t->sql_source('SELECT count(*) FROM dts.capture_job'), 1, 'it is one of the capture\'s jobs');
my ($rc, $out, $err) = $t->try('source', $t->{database}, $t->sql_ctl("SELECT dts_setup_script('rich', 'source')"));
like($err, qr/jobs of this database use the capture/, 'the script does not disturb a capture that is in use');
$t->wait_for('the queue to be trimmed', sub { $t->sql_source('SELECT count(*) FROM public.dts_ddl_command') eq '0' });
$t->stop_job('rich');
is($t->sql_source('SELECT count(*) FROM dts.capture_job'), 0, 'it leaves');
$t->sql_source('SET ROLE owner; CREATE TABLE between (id int PRIMARY KEY)');
is($t->sql_source('SELECT count(*) FROM public.dts_ddl_command'), 0, 'between jobs the capture that a superuser has set up does nothing');
# the next one begins with what there is
$t->sql_target('DROP TABLE t, u');
$t->sql_source('GRANT SELECT ON u, between TO mover') if $t->version('source') < 14; # which has no role that reads all
$t->run_job('next', options => { heartbeat_seconds => 1 }, %as_mover);
$t->sql_source('SET ROLE owner; ALTER TABLE between RENAME id TO key; INSERT INTO between VALUES (1)');
$t->equal('next', 'and the next job begins with what there is then');
# damaged
$t->sql_source('ALTER EVENT TRIGGER dts_capture_end_1 DISABLE');
$t->create_job('late', %as_mover);
$t->act('check', 'late');
$t->wait_state('late', 'check_failed');
like(item('late', 'ddl_capture'), qr/^fail: the capture of DDL is damaged.*; 1 jobs use it/, 'a damaged capture fails the precheck');
$t->sql_source('ALTER EVENT TRIGGER dts_capture_end_1 ENABLE ALWAYS');
$t->stop_job('next');
my ($code, undef, $message) = $t->try_ctl("SELECT dts_setup_script('late', 'middle')");
like($message, qr/Valid sides are: source, target/, 'another side is refused');
done_testing;
