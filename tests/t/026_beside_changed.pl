# A table changes on the source while it is loaded beside the stream: it is loaded again, and nothing else is.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source(<<'SQL');
CREATE TABLE rewritten (id int PRIMARY KEY, v text);
CREATE TABLE emptied (id int PRIMARY KEY, v text);
CREATE TABLE vacuumed (id int PRIMARY KEY, v text);
CREATE TABLE replaced (id int PRIMARY KEY, v text);
CREATE TABLE dropped (id int PRIMARY KEY, v text);
DO $$ DECLARE n text; BEGIN FOREACH n IN ARRAY '{rewritten,emptied,vacuumed,replaced,dropped}'::text[] LOOP EXECUTE format('INSERT INTO %I SELECT i, ''v'' || i FROM generate_series(1, 2000) i', n); END LOOP; END $$;
CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
INSERT INTO parted SELECT i, 'v' FROM generate_series(1, 999) i;
ANALYZE;
SQL
$t->start_daemon;
my @tables = qw(rewritten emptied vacuumed replaced dropped parted);
$t->run_job('j', options => { workers => 2, objects => [ { schema => 'public', tables => \@tables } ] });

my $job = 'j';
sub joined { return $t->wait_for('all to join', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") == 0 }); }
sub told { my ($event, $what) = @_; return $t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = '$job' AND event = '$event' AND message LIKE '%\"$what\"%'"); }
sub copies { my ($name) = @_; return $t->sql_target("SELECT copies FROM dts.target_table WHERE table_name = '$name'"); }

# The load stands still between its snapshot and the copy; it must not stand in anybody's way.
# With a point of its own the worker that notices the change stands still before it says so, and the other one takes the part and notices it, too.
sub reload_and_change
{
	my ($name, $change, $meanwhile, $point) = @_;
	$t->{daemon}->stop;
	my $daemon = $t->start_daemon(fault => join ',', map { "$_=stop" } 'table.snapshot_taken', $point // ());
	$t->sql_ctl("SELECT dts_reload_table('$job', 'public.$name')");
	my $pid = $t->wait_for('the snapshot', sub { $daemon->fault_pid('table.snapshot_taken') });
	$t->sql_source("SET lock_timeout = '10s'; $change");
	$meanwhile->() if $meanwhile;
	kill CONT => $pid;
	if ($point)
	{
		my $first = $t->wait_for('the first worker to notice', sub { $daemon->fault_pid($point) });
		$t->wait_for('the second one', sub { told('table_changed', $name) > 0 });
		kill CONT => $first;
	}
	joined();
	return;
}

for (
	[ rewritten => 'rewriting ALTER TABLE', "ALTER TABLE rewritten ALTER v TYPE text USING v || '!'; UPDATE rewritten SET v = 'later' WHERE id < 10" ],
	[ emptied => 'TRUNCATE', "TRUNCATE emptied; INSERT INTO emptied VALUES (1, 'new'), (4000, 'new')" ],
	[ vacuumed => 'VACUUM FULL', 'DELETE FROM vacuumed WHERE id % 3 = 0; VACUUM FULL vacuumed', 'part.set_aside' ])
{
	my ($name, $what, $change, $point) = @$_;
	reload_and_change($name, $change, undef, $point);
	is(told('table_changed', $name), 1, "$what: the change is noticed, and told");
	is(copies($name), 3, "$what: the table is copied once more");
	$t->sql_source("INSERT INTO $name VALUES (10000, 'after')");
	$t->equal('j', "$what: equal at the end");
}

is($t->sql_target("SELECT max(copies) FROM dts.target_table WHERE table_name IN ('parted_1', 'replaced')"), 1, 'no other table was');

# Partitions that come with rows in them, and one without.
sub joined_as
{
	my ($name) = @_;
	$t->wait_for("$name to join", sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE table_name = '$name' AND state = 'joined'") > 0 });
	is($t->sql_target("SELECT relispartition FROM pg_class WHERE relname = '$name'"), 't', "$name joins by itself, as a partition");
	return;
}
$t->sql_source("CREATE TABLE parted_2 (LIKE parted INCLUDING ALL); INSERT INTO parted_2 SELECT i, 'v' FROM generate_series(1000, 1999) i; ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (1000) TO (2000)");
joined_as('parted_2');
$t->sql_source('CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (2000) TO (3000)');
joined_as('parted_3');
$t->sql_source("UPDATE parted SET v = 'w' WHERE id % 500 = 0; INSERT INTO parted VALUES (2005, 'new'); UPDATE parted SET id = id + 1000 WHERE id = 1500; DELETE FROM parted WHERE id = 1001");
$t->equal('j', 'equal with the new partitions');

# One that begins to wait after the snapshot of another's load: that load knows nothing of it, and leaves it to the next.
reload_and_change('emptied', "CREATE TABLE parted_4 (LIKE parted INCLUDING ALL); INSERT INTO parted_4 SELECT i, 'v' FROM generate_series(4000, 4999) i; ALTER TABLE parted ATTACH PARTITION parted_4 FOR VALUES FROM (4000) TO (5000)",
	sub { $t->wait_for('it to wait', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE table_name = 'parted_4' AND state = 'waiting'") == 1 }) });
joined_as('parted_4');
is(told('table_replaced', 'parted_4'), 0, 'it is not told of as replaced');
$t->sql_source("UPDATE parted SET v = 'x' WHERE id = 4001");
$t->equal('j', 'equal with what came while another was loaded');

my $replace = "DROP TABLE replaced; CREATE TABLE replaced (id int PRIMARY KEY, v text); INSERT INTO replaced SELECT i, 'second' FROM generate_series(1, 500) i";
reload_and_change('replaced', $replace);
$t->wait_for('the new one to be told of', sub { told('table_replaced', 'replaced') + told('table_gone', 'replaced') > 0 });
$t->sql_source("INSERT INTO replaced VALUES (10000, 'after')");
$t->equal('j', 'DROP and CREATE of the name: equal at the end');
reload_and_change('dropped', 'DROP TABLE dropped');
$t->wait_for('the loss to be told of', sub { told('table_gone', 'dropped') > 0 });
$t->equal('j', 'DROP: equal at the end');
is($t->state('j'), 'running', 'the job runs');
$t->stop_job('j');
$t->clean('nothing is left behind');

# Where commands are not replayed, the rows of the old one would stay.
$t->{daemon}->stop;
my $plain = $t->start_daemon(fault => 'schema.before_dump=stop');
$t->database('plain');
$t->sql_source("CREATE TABLE goes (id int PRIMARY KEY); CREATE TABLE replaced (id int PRIMARY KEY, v text); INSERT INTO replaced SELECT i, 'first' FROM generate_series(1, 2000) i");
$t->sql_source('CREATE ROLE mover LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO mover; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO mover');
$job = 'p';
$t->create_job($job, options => { workers => 1, ddl => 'skip' }, source_conninfo => $t->conninfo('source') =~ s/user=\S+/user=mover/r);
$t->check_job($job);
$t->start_job($job);

# The snapshot has been taken, and pg_dump does not find what it shows.
my $stopped = $t->wait_for('pg_dump to be next', sub { $plain->fault_pid('schema.before_dump') });
$t->sql_source('DROP TABLE goes');
kill CONT => $stopped;
$t->wait_job($job, 'incremental');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'p' AND to_state = 'retrying' AND message LIKE '%dropped on the source while its schema was read%'"), 1, 'a table dropped before pg_dump saw it: the schema is read again');

# A table that the role may no longer read.
$t->sql_source('REVOKE SELECT ON replaced FROM mover');
$t->sql_ctl("SELECT dts_reload_table('p', 'public.replaced')");
$t->wait_for('the answer', sub { $t->sql_ctl("SELECT count(*) FROM dts_job_changes WHERE state = 'asked'") == 0 });
like($t->sql_ctl("SELECT state || ': ' || message || ' / ' || hint FROM dts_job_changes WHERE job = 'p'"), qr/^refused: table "public"."replaced" cannot be read on the source.* \/ Grant SELECT/, 'a reload without rights is refused');
is($t->sql_target("SELECT state || ' ' || copies FROM dts.target_table"), 'joined 1', 'and changes nothing');
$t->sql_source("GRANT SELECT ON replaced TO mover; INSERT INTO replaced VALUES (5000, 'still')");
$t->equal($job, 'the stream goes on');

reload_and_change('replaced', $replace);
$t->sql_source("INSERT INTO replaced VALUES (10000, 'after'); UPDATE replaced SET v = 'third' WHERE id = 7");
$t->wait_for('the copy of the new one', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE table_name = 'replaced' AND state = 'joined' AND table_oid = " . $t->sql_source("SELECT 'replaced'::regclass::oid")) });
$t->equal($job, 'DROP and CREATE without replay: equal at the end');
$t->stop_job($job);
$t->clean('nothing is left behind there either');
$t->finish;
done_testing;
