# Another list of objects for a job that runs: tables join, leave, change their names, columns and places; the others go on.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source(<<'SQL');
CREATE SCHEMA app;
CREATE TABLE app.a (id int PRIMARY KEY, v text);
CREATE TABLE app.b (id int PRIMARY KEY, v text);
CREATE TABLE app.c (id int PRIMARY KEY, v text);
CREATE TABLE app.d (id int PRIMARY KEY, v text, n int);
CREATE TABLE app.p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (0) TO (1000);
CREATE TABLE app.p2 PARTITION OF app.p FOR VALUES FROM (1000) TO (9000);
CREATE TABLE app.there (id int PRIMARY KEY);
INSERT INTO app.a SELECT i, 'a' || i FROM generate_series(1, 500) i;
INSERT INTO app.b SELECT i, 'b' || i FROM generate_series(1, 500) i;
INSERT INTO app.d SELECT i, 'd' || i, i FROM generate_series(1, 3000) i;
INSERT INTO app.p SELECT i, 'p' || i FROM generate_series(1, 2000) i;
SQL
$t->start_daemon;
$t->create_job('j', options => { workers => 2, objects => [ { schema => 'app', tables => [qw(a b c)] } ] });
my ($rc, $out, $err) = $t->try_ctl("SELECT dts_modify_objects('j', '[]')");
like($err, qr/is in state "draft", which does not allow "modify"/, 'not before the job runs');
$t->check_job('j');
$t->start_job('j');
$t->wait_job('j', 'incremental');

sub rows { my ($end, $sql) = @_; my $q = "SELECT count(*) || ' ' || coalesce(md5(string_agg(x::text, ',' ORDER BY x::text)), '') FROM ($sql) x"; return $end eq 'source' ? $t->sql_source($q) : $t->sql_target($q); }
sub same { my ($from, $to, $what) = @_; $t->caught_up('j'); is(rows('target', $to), rows('source', $from), $what); return; }
my $round = 0;
# Rows are written before, while and after the change.
sub work
{
	$round++;
	$t->sql_source(join ';', "INSERT INTO app.c SELECT $round * 1000 + i, 'c' FROM generate_series(1, 50) i",
		map { "UPDATE app.$_ SET v = v || '$round' WHERE id % 7 = $round % 7; INSERT INTO app.$_ (id, v) VALUES (5000 + $round, 'new'); DELETE FROM app.$_ WHERE id = $round" } qw(a b d p));
	return;
}
sub modify
{
	my ($objects) = @_;
	work();
	$t->sql_ctl("SELECT dts_modify_objects('j', '" . JSON::PP->new->canonical->encode($objects) . "')");
	my $id = $t->sql_ctl("SELECT max(id) FROM dts_job_changes WHERE job = 'j'");
	work();
	$t->wait_for("change $id", sub { $t->sql_ctl("SELECT state FROM dts_job_changes WHERE id = $id") ne 'asked' });
	work();
	is($t->state('j'), 'running', 'the job runs');
	return $t->sql_ctl("SELECT state || ': ' || coalesce(message || ' / ' || hint, '') FROM dts_job_changes WHERE id = $id");
}
sub all_joined { return $t->wait_for('all to join', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") == 0 }); }
sub copies { my $table = shift; return $t->sql_target("SELECT copies FROM dts.target_table WHERE table_name = '$table'"); }
sub app { return [ { schema => 'app', tables => [@_] } ]; }

# Tables join and leave.
my $a = $t->sql_target('SELECT count(*) FROM app.a');
like(modify(app(qw(b c d p))), qr/^done/, 'a table leaves, two join');
all_joined();
same('SELECT * FROM app.d', 'SELECT * FROM app.d', 'what joined is whole');
same('SELECT * FROM app.p', 'SELECT * FROM app.p', 'with partitions');
same('SELECT * FROM app.c', 'SELECT * FROM app.c', 'the others went on');
is(copies('c'), 1, 'and were not loaded again');
is($t->sql_ctl("SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM dts_job_tables WHERE job = 'j'"), 'b c d p1 p2', 'dts_job_tables follows');
is($t->sql_ctl("SELECT string_agg(from_state || '>' || to_state, ' ' ORDER BY id) FROM dts_job_events WHERE job = 'j' AND (from_state = 'modifying' OR to_state = 'modifying')"), 'running>modifying modifying>running', 'the states on the way');
like($t->sql_ctl("SELECT message FROM dts_job_events WHERE job = 'j' AND event = 'tables_modify'"), qr/remove app\.a/, 'and an event');

# A table and a schema get other names.
like(modify(app({ name => 'b', rename => 'b two' }, qw(c d p))), qr/^done/, 'a table is renamed');
all_joined();
same('SELECT * FROM app.b', 'SELECT * FROM app."b two"', 'under its new name it is whole');
is($t->sql_target("SELECT to_regclass('app.b') IS NULL"), 't', 'it is the same table');
is(copies('c') . copies('d'), '11', 'no other was loaded again');

# Columns: the target's table must have them.
my $columns = app({ name => 'b', rename => 'b two' }, 'c', { name => 'd', columns => [ 'id', { name => 'v', rename => 'w' }, 'n' ] }, 'p');
my $options = $t->sql_ctl("SELECT options FROM dts.job WHERE name = 'j'");
like(modify($columns), qr/^refused: table "app"\."d" lacks a column on the target.*ADD COLUMN/, 'a column that the target lacks');
is($t->sql_ctl("SELECT options FROM dts.job WHERE name = 'j'"), $options, 'what is refused changes nothing');
same('SELECT * FROM app.d', 'SELECT * FROM app.d', 'the table goes on as it was');
$t->sql_target('ALTER TABLE app.d ADD w text');
like(modify($columns), qr/^done/, 'or has by now');
all_joined();
same('SELECT id, v, n FROM app.d', 'SELECT id, w, n FROM app.d', 'it is filled anew');
is(copies('d'), 2, 'by a load of its own');

# What cannot be.
$t->sql_target('CREATE TABLE app.there (id int PRIMARY KEY); INSERT INTO app.there VALUES (1)');
for (
	[ app(qw(b c nope)), qr/^refused: .*table "app"\."nope"/ ],
	[ app(qw(c there)), qr/^refused: table "app"\."there" would meet rows/ ],
	[ app({ name => 'c', rename => 'there' }), qr/^refused: table "app"\."c" would meet rows/ ],
	[ app({ name => 'c', columns => [ 'id', 'v', 'x' ] }), qr/^refused: .*has no column "x"/ ])
{
	my ($objects, $message) = @$_;
	like(modify($objects), $message, "refused: $message");
}
for (
	[ '[]', qr/invalid value of option \$\.objects/ ],
	[ '{"workers": 3}', qr/unknown option \$\.workers/ ],
	[ '[{"schema": "app", "tables": ["c", {"name": "d", "rename": "c"}]}]', qr/gives a table the name of another/ ])
{
	my ($objects, $message) = @$_;
	($rc, $out, $err) = $t->try_ctl("SELECT dts_modify_objects('j', '$objects')");
	like($err, qr/$message.*DETAIL.*HINT/s, "refused at once: $objects");
}
$options = $t->sql_ctl("SELECT options -> 'objects' FROM dts.job WHERE name = 'j'");
like($t->sql_ctl("SELECT dts_modify_objects('j', '$options')"), qr/has these objects already/, 'the same list');
is($t->state('j'), 'running', 'is no change');

# The daemon dies in the middle.
work();
$t->caught_up('j');
# it gets no further than to the bookkeeping
my $lock = $t->session('target');
$lock->do('BEGIN; LOCK TABLE dts.target_table IN ACCESS EXCLUSIVE MODE');
$t->sql_ctl(q{SELECT dts_modify_objects('j', '{"objects": [{"schema": "app"}], "exclude": [{"schema": "app", "tables": ["there", "b"]}]}')});
$t->wait_for('the change to be under way', sub { $t->sql_target("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'dts.target_table'::regclass") > 0 });
$t->{daemon}->kill9;
is($t->state('j'), 'modifying', 'the change waits for a daemon');
$lock->do('ROLLBACK');
work();
$t->sql_target('DROP TABLE app.a, app.d');
$t->start_daemon;
$t->wait_for('the change', sub { $t->sql_ctl("SELECT count(*) FROM dts_job_changes WHERE state = 'asked'") == 0 });
all_joined();
work();
same("SELECT * FROM app.$_", "SELECT * FROM app.$_", "$_ after a crash") for qw(a c d p);
$t->stop_job('j');
$t->clean('nothing is left behind');
done_testing;
