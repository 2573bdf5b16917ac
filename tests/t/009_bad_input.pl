# Whatever is wrong is said clearly, with its cause and its remedy, and leaves nothing half-done.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->start_daemon;
my $source = $t->conninfo('source');
my $target = $t->conninfo('target');
$t->sql_ctl("SELECT dts_create_endpoint('s', 'postgresql', '$source'); SELECT dts_create_endpoint('t', 'postgresql', '$target')");
$t->sql_ctl("SELECT dts_create_job('exists', 's', 't')");
sub things { return $t->sql_ctl("SELECT (SELECT count(*) FROM pg_foreign_server), (SELECT count(*) FROM pg_user_mapping), (SELECT count(*) FROM dts_jobs), (SELECT string_agg(state, ',') FROM dts_jobs)") . $t->sql_source('SELECT count(*) FROM pg_replication_slots') . join ',', grep { !/session/ } $t->leftovers; }
my $before = things();

# what, statement, what the error must name
for (
	[ 'unknown engine', "SELECT dts_create_endpoint('x', 'oracle', '$source')", qr/oracle/, qr/postgresql/ ],
	[ 'conninfo that is none', "SELECT dts_create_endpoint('x', 'postgresql', 'host=a b c')", qr/x|conn|"b"/i ],
	[ 'unknown connection option', "SELECT dts_create_endpoint('x', 'postgresql', 'hst=a')", qr/hst/ ],
	[ 'endpoint that exists', "SELECT dts_create_endpoint('s', 'postgresql', '$source')", qr/"s"/ ],
	[ 'empty endpoint name', "SELECT dts_create_endpoint('', 'postgresql', '$source')", qr/name/ ],
	[ 'endpoint in use', "SELECT dts_drop_endpoint('s')", qr/"?s"?.*exists/s ],
	[ 'unknown endpoint dropped', "SELECT dts_drop_endpoint('nope')", qr/nope/ ],
	[ 'unknown endpoint tested', "SELECT dts_test_endpoint('nope')", qr/nope/ ],
	[ 'job with an unknown source', "SELECT dts_create_job('j', 'nope', 't')", qr/nope/ ],
	[ 'job with an unknown target', "SELECT dts_create_job('j', 's', 'nope')", qr/nope/ ],
	[ 'source equal to target', "SELECT dts_create_job('j', 's', 's')", qr/"?s"?/ ],
	[ 'job that exists', "SELECT dts_create_job('exists', 's', 't')", qr/exists/ ],
	[ 'unknown kind', "SELECT dts_create_job('j', 's', 't', kind => 'copy')", qr/copy/, qr/migration/ ],
	[ 'unknown option', "SELECT dts_create_job('j', 's', 't', options => '{\"worker\": 1}')", qr/\$\.worker|worker/, qr/workers/ ],
	[ 'options of the wrong shape', "SELECT dts_create_job('j', 's', 't', options => '[]')", qr/\$|object/ ],
	[ 'value of the wrong type', "SELECT dts_create_job('j', 's', 't', options => '{\"workers\": \"many\"}')", qr/\$\.workers/ ],
	[ 'value out of range', "SELECT dts_create_job('j', 's', 't', options => '{\"workers\": 100000}')", qr/\$\.workers/ ],
	[ 'unknown phase', "SELECT dts_create_job('j', 's', 't', options => '{\"phases\": [\"fulll\"]}')", qr/\$\.phases\[0\]/, qr/incremental/ ],
	[ 'phases without order or end', "SELECT dts_create_job('j', 's', 't', options => '{\"phases\": []}')", qr/\$\.phases/ ],
	[ 'sync without incremental', "SELECT dts_create_job('j', 's', 't', kind => 'sync', options => '{\"phases\": [\"full\"]}')", qr/incremental/ ],
	[ 'table without a name', "SELECT dts_create_job('j', 's', 't', options => '{\"objects\": [{\"schema\": \"s\", \"tables\": [{\"name\": \"a\"}, {}]}]}')", qr/\$\.objects\[0\]\.tables\[1\]/ ],
	[ 'unknown key of a table', "SELECT dts_create_job('j', 's', 't', options => '{\"objects\": [{\"schema\": \"s\", \"tables\": [{\"nam\": \"a\"}]}]}')", qr/\$\.objects\[0\]\.tables\[0\]/ ],
	[ 'unknown policy', "SELECT dts_create_job('j', 's', 't', options => '{\"same_name_tables\": \"drop\"}')", qr/\$\.same_name_tables/, qr/truncate/ ],
	[ 'JSON that is none', "SELECT dts_create_job('j', 's', 't', options => '{oops')", qr/json/i ],
	[ 'unknown job', "SELECT dts_start_job('exist')", qr/"exist"/, qr/exists/ ],
	[ 'unknown job waited for', "CALL dts_wait('nope', 'caught_up', '1 s')", qr/nope/ ],
	[ 'unknown aim of a wait', "CALL dts_wait('exists', 'finished', '1 s')", qr/finished/, qr/caught_up/ ],
	[ 'unchecked job started', "SELECT dts_start_job('exists')", qr/draft/, qr/check/ ],
	[ 'draft paused', "SELECT dts_pause_job('exists')", qr/draft/ ],
	[ 'draft waited for', "CALL dts_wait('exists', 'caught_up', '5 s')", qr/draft/ ])
{
	my ($what, $sql, @patterns) = @$_;
	my ($rc, $out, $err) = $t->try_ctl($sql);
	isnt($rc, 0, "$what: refused");
	like($err, $_, "$what: names it ($_)") for @patterns;
	like($err, qr/ERROR:  [^\nA-Z]?.*\n.*DETAIL:/s, "$what: with a detail") or diag($err);
	like($err, qr/HINT:/, "$what: with a hint") if $what !~ /^JSON/; # PostgreSQL itself refuses that, and has no hint
	is(things(), $before, "$what: nothing half-done");
}
like(($t->try_ctl("SELECT dts_test_endpoint('s')"))[1], qr/15|1[3-8]/, 'an endpoint that works tells its version');

# What only a connection shows: the precheck's items.
my $n = 0;
sub check
{
	my ($what, $item, %opt) = @_;
	my $job = 'bad' . ++$n;
	$t->sql_ctl("SELECT dts_create_endpoint('s$job', 'postgresql', '" . ($opt{source} // $source) . "'); SELECT dts_create_endpoint('t$job', 'postgresql', '" . ($opt{target} // $target) . "'); SELECT dts_create_job('$job', 's$job', 't$job', options => '" . ($opt{options} // '{}') . "')");
	$t->act('check', $job);
	my ($rc, $out, $err) = $t->try_ctl("CALL dts_wait('$job', 'checked', '$DtsTest::TIMEOUT s')");
	isnt($rc, 0, "$what: the check fails");
	is($t->state($job), 'check_failed', "$what: so says the state");
	my $failed = $t->sql_ctl("SELECT item, detail, remedy FROM dts_check_results('$job') WHERE result = 'fail'");
	like($failed, $item, "$what: the item says so") or diag($failed);
	is($t->sql_ctl("SELECT count(*) FROM dts_check_results('$job') WHERE result <> 'pass' AND (coalesce(detail, '') = '' OR coalesce(remedy, '') = '')"), '0', "$what: every failure has a detail and a remedy");
	like($err, qr/ERROR/, "$what: the wait raises it");
	unlike("$failed$err" . $t->{daemon}->log_text, qr/s3cret/, "$what: no secret is shown");
	isnt(($t->try_ctl("SELECT dts_start_job('$job')"))[0], 0, "$what: it cannot be started");
	$t->stop_job($job);
	$t->clean("$what: nothing half-done");
	return;
}
check('unreachable source', qr/connect|source/i, source => "host=/nonexistent port=1 dbname=x user=y password=s3cret");
check('unreachable target', qr/connect|target/i, target => "host=127.0.0.1 port=1 dbname=x user=y password=s3cret connect_timeout=3");
check('missing database', qr/nodb/, source => $t->conninfo('source', 'nodb'));
check('source equal to target', qr/same/i, source => $target);
$t->sql_source('CREATE ROLE weak LOGIN');
check('missing privilege on the source', qr/REPLICATION|replication|SELECT|privilege/, source => $source =~ s/user=\S+/user=weak/r);
$t->sql_target('CREATE ROLE weak LOGIN');
check('missing privilege on the target', qr/weak|CREATE|superuser|privilege/i, target => $target =~ s/user=\S+/user=weak/r);
$t->sql_target('CREATE TABLE k (id int PRIMARY KEY)');
check('same-named table on the target', qr/public\.k|"k"|\bk\b/);
$t->sql_target('DROP TABLE k');
check('unknown table selected', qr/nonesuch/, options => '{"objects": [{"schema": "public", "tables": [{"name": "nonesuch"}]}]}');
check('unknown schema selected', qr/noschema/, options => '{"objects": [{"schema": "noschema"}]}');
for (
	[ 'no key', 'CREATE TABLE bad_one (a int)', 'DROP TABLE bad_one' ],
	[ 'identity nothing', 'CREATE TABLE bad_one (a int PRIMARY KEY); ALTER TABLE bad_one REPLICA IDENTITY NOTHING', 'DROP TABLE bad_one' ],
	[ 'deferrable key', 'CREATE TABLE bad_one (a int PRIMARY KEY DEFERRABLE)', 'DROP TABLE bad_one' ],
	[ 'dropped identity index', 'CREATE TABLE bad_one (a int NOT NULL); CREATE UNIQUE INDEX bad_index ON bad_one (a); ALTER TABLE bad_one REPLICA IDENTITY USING INDEX bad_index; DROP INDEX bad_index', 'DROP TABLE bad_one' ],
	[ 'partition without a key', 'CREATE TABLE bad_root (a int) PARTITION BY LIST (a); CREATE TABLE bad_one PARTITION OF bad_root DEFAULT', 'DROP TABLE bad_root' ])
{
	my ($what, $make, $drop) = @$_;
	$t->sql_source($make);
	check("table without identity, $what", qr/bad_one/);
	$t->sql_source($drop);
}
# Settings of the server are those of 046_prechecks.
# The decoder is not installed, as far as the source can see.  (The installation is that of other tests, too.)
for my $path ('/nonexistent', '$libdir')
{
	$t->sql_source("ALTER SYSTEM SET dynamic_library_path = '$path'");
	$t->sql_source('SELECT pg_reload_conf()');
	$t->wait_for('the setting', sub { $t->sql_source('SHOW dynamic_library_path') eq $path });
	check('decoder missing', qr/dts_decoder/) if $path ne '$libdir';
}
# After all this a good job still works.
$t->run_job('good');
$t->sql_source('INSERT INTO k VALUES (1)');
$t->equal('good', 'a good job still works');
# A table that loses its identity on the way stops the job with its name and the remedy; nothing is skipped.
$t->sql_source('CREATE TABLE IF NOT EXISTS k2 (id int PRIMARY KEY)');
$t->sql_source('ALTER TABLE k REPLICA IDENTITY NOTHING; UPDATE k SET id = 2');
$t->wait_state('good', 'error');
like($t->sql_ctl("SELECT concat_ws(' ', error_message, error_detail, error_hint) FROM dts.job WHERE name = 'good'"), qr/\bk\b.*identity/is, 'a change without identity stops the job with table and remedy');
$t->stop_job('good');
$t->clean('and stop leaves nothing');
done_testing;
