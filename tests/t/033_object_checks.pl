# Prechecks of objects and of the WAL that a load keeps: each is provoked, and passes when it is mended.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new(source_conf => [ 'wal_sender_timeout = 0', 'max_slot_wal_keep_size = 1MB', 'max_locks_per_transaction = 10', 'max_connections = 40', 'max_prepared_transactions = 0' ]);
$t->sql_source(<<'SQL');
CREATE SCHEMA app; CREATE SCHEMA other;
CREATE TABLE other.x (id int PRIMARY KEY);
CREATE TABLE app.a (id int PRIMARY KEY, x int REFERENCES other.x);
CREATE TABLE app.part (id int PRIMARY KEY, x int REFERENCES other.x) PARTITION BY RANGE (id);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM (0) TO (10);
CREATE UNLOGGED TABLE app.quick (id int PRIMARY KEY);
CREATE TABLE app.big AS SELECT i AS id, repeat('x', 1000) AS v FROM generate_series(1, 6000) i;
ALTER TABLE app.big ADD PRIMARY KEY (id);
CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION app.no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE TRIGGER as_usual AFTER INSERT ON app.a FOR EACH ROW EXECUTE FUNCTION app.nothing();
CREATE TRIGGER for_always AFTER INSERT ON app.a FOR EACH ROW EXECUTE FUNCTION app.nothing();
ALTER TABLE app.a ENABLE ALWAYS TRIGGER for_always;
SELECT lo_from_bytea(70001, 'x');
CREATE SUBSCRIPTION fed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);
SQL
sub answer { my ($job, $item) = @_; return $t->sql_ctl("SELECT result || ': ' || detail || ' / ' || remedy FROM dts_check_results('$job') WHERE item = '$item'"); }
sub check { my $job = shift; my $passed = eval { $t->check_job($job); 1 }; return $passed ? 1 : 0; }
$t->start_daemon;

$t->create_job('j', options => { objects => [ { schema => 'app' } ] });
ok(check('j'), 'warnings do not keep a job from starting') or diag($t->job_report('j'));
like(answer('j', 'foreign_keys'), qr/^warn: .*a_x_fkey \(app\.a to other\.x\), part_x_fkey \(app\.part to other\.x\) \//, 'foreign keys that leave the selection, those of partitions once');
like(answer('j', 'triggers'), qr/^warn: .*trigger for_always on app\.a \(of the source\) \//, 'triggers that fire for replicated rows');
unlike(answer('j', 'triggers'), qr/as_usual/, 'and no others');
like(answer('j', 'table_kinds'), qr/^warn: .*"app"\."quick" \(unlogged\).*SET LOGGED/, 'unlogged tables');
like(answer('j', 'wal_sender_timeout'), qr/^warn: wal_sender_timeout is 0.*ALTER SYSTEM SET wal_sender_timeout = '60s'/, 'a timeout of 0');
like(answer('j', 'wal_retention'), qr/^(?:warn|fail): max_slot_wal_keep_size is 1 MB.*ALTER SYSTEM SET max_slot_wal_keep_size = '\d+MB'/, 'a limit of retained WAL that is smaller than the load');
like(answer('j', 'large_objects'), qr/^warn: .*only by the phase "full" of a job that takes the whole/, 'large objects beside a selection');
is(answer('j', 'subscriptions'), '', 'subscriptions are no matter of a selection');
like(answer('j', 'pg_dump'), qr/^pass: pg_dump of PostgreSQL \d+/, 'pg_dump is found');

# What they say is pasted.
$t->paste($t->check_remedy('j', $_)) for qw(triggers table_kinds wal_retention wal_sender_timeout);
$t->sql_source('DROP TABLE app.part; ALTER TABLE app.a DROP x');
$t->wait_for('the settings', sub { $t->sql_source('SHOW wal_sender_timeout') eq '1min' && $t->sql_source('SHOW max_slot_wal_keep_size') ne '1MB' });
ok(check('j'), 'mended');
like(answer('j', $_), qr/^pass/, "$_: the remedy mends it") for qw(triggers table_kinds wal_retention wal_sender_timeout);
$t->sql_source("ALTER SYSTEM SET wal_sender_timeout = '2s'");
$t->sql_source("ALTER SYSTEM SET max_slot_wal_keep_size = -1");
$t->sql_source('SELECT pg_reload_conf()');
$t->wait_for('the settings', sub { $t->sql_source('SHOW wal_sender_timeout') eq '2s' && $t->sql_source('SHOW max_slot_wal_keep_size') eq '-1' });
ok(check('j'), 'again');
like(answer('j', 'wal_sender_timeout'), qr/^warn: wal_sender_timeout is 2000 ms/, 'a timeout that is too short');
like(answer('j', 'wal_retention'), qr/^pass: no limit is set; \d+ MB are to be copied/, 'no limit: what is to be expected');
like(answer('j', $_), qr/^pass/, "$_ was mended") for qw(foreign_keys triggers table_kinds);

# Another job
$t->start_job('j');
$t->wait_job('j', 'incremental');
$t->create_job('back', source_conninfo => $t->conninfo('target'), target_conninfo => $t->conninfo('source'), options => { same_name_tables => 'keep', ddl => 'off', heartbeat_seconds => 0 });
ok(!check('back'), 'a job that leads back is refused');
like(answer('back', 'other_jobs'), qr/^fail: .*back to the source.*"app"\."a" \(job j\)/, 'with the tables');
# a detour: source, target, a third database, source
$t->_sql('target', 'postgres', 'CREATE DATABASE third');
$t->sql_target('CREATE TABLE other_way (id int PRIMARY KEY)');
$t->create_job('on', source_conninfo => $t->conninfo('target'), target_conninfo => $t->conninfo('target', 'third'), options => { objects => [ { schema => 'public' } ] });
ok(check('on'), 'a job goes on from the target') or diag($t->job_report('on'));
$t->start_job('on');
$t->wait_job('on', 'incremental');
$t->create_job('home', source_conninfo => $t->conninfo('target', 'third'), target_conninfo => $t->conninfo('source'), options => { objects => [ { schema => 'public' } ] });
check('home');
like(answer('home', 'other_jobs'), qr/^warn: jobs lead from the target back to the source: j, on/, 'a ring of three databases is told');
$t->stop_job('on');
$t->create_job('k', options => { same_name_tables => 'keep' });
ok(!check('k'), 'a job of the same tables is refused');
like(answer('k', 'other_jobs'), qr/^fail: .*"app"\."a" \(job j\).*dts_stop_job/, 'with the tables and the job');
unlike(answer('k', 'other_jobs'), qr/other"\."x/, 'and no others');
$t->sql_ctl(q{SELECT dts_configure_job('k', '{"exclude": [{"schema": "app"}]}')});
ok(check('k'), 'without them it passes') or diag($t->job_report('k'));
like(answer('k', 'large_objects'), qr/^warn: .*do not follow/, 'large objects do not follow');
like(answer('k', 'subscriptions'), qr/^warn: .*"fed"/, 'nor do subscriptions');
$t->stop_job('j');
$t->sql_ctl(q{SELECT dts_configure_job('k', '{"exclude": null, "same_name_tables": "truncate"}')});
$t->sql_target("SELECT lo_from_bytea(70001, 'older'); ALTER TABLE app.a ENABLE REPLICA TRIGGER as_usual; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION app.no_ddl(); ALTER EVENT TRIGGER watch ENABLE ALWAYS");
ok(check('k'), 'nor when the other has stopped') or diag($t->job_report('k'));
like(answer('k', 'triggers'), qr/^warn: .*event trigger watch, trigger as_usual on app\.a \//, "the target's own triggers");
$t->paste($t->check_remedy('k', 'triggers'));
$t->sql_ctl(q{SELECT dts_configure_job('k', '{"same_name_tables": null, "phases": ["full", "incremental"], "objects": null}')});
check('k');
like(answer('k', 'large_objects'), qr/^fail: .*same_name_tables/, 'large objects in the way');
$t->sql_ctl(q{SELECT dts_configure_job('k', '{"same_name_tables": "truncate", "phases": null}')});
ok(check('k'), 'unless they may go') or diag($t->job_report('k'));
$t->start_job('k');
$t->wait_job('k', 'incremental');
is($t->sql_target("SELECT convert_from(lo_get(70001), 'UTF8')"), 'x', 'and then they do');
is($t->sql_target('SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())'), '0', 'no subscription came');
$t->sql_source('DROP SUBSCRIPTION fed');
$t->stop_job('k');
like(answer('k', 'lock_table'), qr/^pass: room for 400 locks/, 'locks for some tables');
$t->database('many');
$t->sql_source("DO \$\$ BEGIN FOR i IN 1 .. 410 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY)', i); END LOOP; END \$\$");
$t->create_job('many');
ok(check('many'), 'many tables') or diag($t->job_report('many'));
like(answer('many', 'lock_table'), qr/^warn: .*room for 400 locks.*locks 410 tables.*ALTER SYSTEM SET max_locks_per_transaction = 30; -- on the source, then restart it/, 'more tables than the source has locks for');
$t->paste($t->check_remedy('many', 'lock_table'));
$t->{source}->restart;
ok(check('many'), 'again') or diag($t->job_report('many'));
like(answer('many', 'lock_table'), qr/^pass/, 'the remedy mends it');
done_testing;
