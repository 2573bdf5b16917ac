# Row filters, lists of columns, computed columns and operations: in the schema, the copy and the stream; what is refused
# beforehand, and what stops a job later.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source(<<'SQL');
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE TABLE app.keyed (id int PRIMARY KEY, code text NOT NULL, secret text NOT NULL, n int CHECK (n >= 0), big text);
CREATE INDEX keyed_secret ON app.keyed (secret);
ALTER TABLE app.keyed ALTER big SET STORAGE external;
CREATE TABLE app.whole (id int PRIMARY KEY, region text, m app.mood, n int, big text);
ALTER TABLE app.whole REPLICA IDENTITY FULL; ALTER TABLE app.whole ALTER big SET STORAGE external;
CREATE TABLE app.log (at timestamptz DEFAULT now(), what text);
CREATE TABLE app.part (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM (0) TO (1000);
CREATE TABLE app.part_2 PARTITION OF app.part FOR VALUES FROM (1000) TO (2000);
CREATE TABLE app.plain (id int PRIMARY KEY, v text);
INSERT INTO app.keyed SELECT i, 'code' || i, 'secret', i % 10, repeat(md5(i::text), 100) FROM generate_series(1, 2000) i;
INSERT INTO app.whole SELECT i, CASE i % 3 WHEN 0 THEN 'eu' WHEN 1 THEN 'us' END, 'ok', i, repeat(md5(i::text), 100) FROM generate_series(1, 2000) i;
INSERT INTO app.log (what) SELECT 'w' || i FROM generate_series(1, 100) i;
INSERT INTO app.part SELECT i, 'p' || i FROM generate_series(1, 1899) i;
INSERT INTO app.plain VALUES (1, 'x');
SQL
my @tables = (
	{ name => 'keyed', where => 'id % 2 = 0', columns => [ 'id', { name => 'code', expr => q{upper(code)} }, { name => 'n', rename => 'number' }, { name => 'size', expr => 'length(big)' }, 'big' ] },
	{ name => 'whole', where => q{region = 'eu' AND m = 'ok'}, columns => [ 'id', 'region', 'm', 'big', { name => 'sum', expr => 'length(big) + n' } ] },
	{ name => 'log', where => q{what <> 'hidden'}, operations => ['insert'] },
	{ name => 'part', where => 'id % 10 < 5', columns => [ 'id', { name => 'v', expr => q{'<' || v || '>'} } ] },
	'plain');
my %wanted = (
	keyed => q{SELECT id, upper(code), n, length(big), big FROM app.keyed WHERE id % 2 = 0 ORDER BY id},
	whole => q{SELECT id, region, m, big, length(big) + n FROM app.whole WHERE region = 'eu' AND m = 'ok' ORDER BY id},
	part => q{SELECT id, '<' || v || '>' FROM app.part WHERE id % 10 < 5 ORDER BY id},
	plain => 'SELECT * FROM app.plain ORDER BY id');
my %got = (keyed => 'SELECT id, code, number, size, big FROM app.keyed ORDER BY id', whole => 'SELECT id, region, m, big, sum FROM app.whole ORDER BY id', part => 'SELECT id, v FROM app.part ORDER BY id', plain => 'SELECT * FROM app.plain ORDER BY id');
sub same
{
	my ($what) = @_;
	$t->caught_up('j');
	is($t->sql_target("SELECT count(*), md5(string_agg(q::text, '|')) FROM ($got{$_}) q"), $t->sql_source("SELECT count(*), md5(string_agg(q::text, '|')) FROM ($wanted{$_}) q"), "$what: $_") for sort keys %wanted;
	return;
}
$t->start_daemon;

# What the precheck refuses, with the place and the remedy.
$t->create_job('bad');
for (
	[ 'where has to be boolean', { name => 'keyed', where => 'id % 2' }, qr/filter of table "app"."keyed": argument of a filter must be type boolean, not type integer.*id % 2/ ],
	[ 'syntax', { name => 'keyed', where => 'id % 2 = ' }, qr/syntax error.*Character 10 of the expression: id % 2 = <HERE>/ ],
	[ 'more than an expression', { name => 'keyed', where => 'true) TO PROGRAM \'x\' --' }, qr/syntax error.*<HERE>\) TO/ ],
	[ 'a subquery', { name => 'keyed', where => 'id IN (SELECT 1)' }, qr/a subquery is not allowed/ ],
	[ 'an unknown column', { name => 'keyed', where => 'id = 1 AND nothing' }, qr/column "nothing" does not exist.*at character 1\d/, qr/Columns of the table: id, code/ ],
	[ 'a volatile function', { name => 'keyed', where => 'random() < 0.5' }, qr/function random\(\) is volatile.*at character 1/, qr/immutable/ ],
	[ 'a function of the time', { name => 'keyed', columns => [ 'id', { name => 'x', expr => 'now()' } ] }, qr/computed column x of table .*function now\(\) is stable/ ],
	[ 'a filter outside the identity', { name => 'keyed', where => q{code = 'x'} }, qr/reads column "code", which is not part of the row identity/, qr/ALTER TABLE app.keyed REPLICA IDENTITY FULL/ ],
	[ 'a key that is left out', { name => 'keyed', columns => ['code'] }, qr/key column "id"/ ],
	[ 'a key that is computed', { name => 'keyed', columns => [ { name => 'id', expr => 'id + 1' } ] }, qr/key column/ ],
	[ 'an expression over long values', { name => 'keyed', columns => [ 'id', { name => 'x', expr => 'code || big' } ] }, qr/may be missing/, qr/REPLICA IDENTITY FULL/ ],
	[ 'a column that is not there', { name => 'keyed', columns => [ 'id', 'nothing' ] }, qr/"nothing"/ ])
{
	my ($what, $table, $message, $remedy) = @$_;
	my $options = DtsTest::job_conninfo_sql(JSON::PP->new->encode({ objects => [ { schema => 'app', tables => [$table] } ] }));
	$t->sql_ctl("SELECT dts_configure_job('bad', '$options')");
	$t->sql_ctl("SELECT dts_check_job('bad')");
	$t->wait_state('bad', 'check_failed');
	like($t->sql_ctl("SELECT result || ': ' || detail FROM dts_check_results('bad') WHERE item = 'filters'"), qr/^fail: .*$message/s, "refused: $what");
	like($t->sql_ctl("SELECT remedy FROM dts_check_results('bad') WHERE item = 'filters'"), $remedy // qr/\w{3}/, "with the remedy: $what");
}
# While no slot can be made the decoder cannot be asked: what could do harm is refused all the same.
{
	my $holder = $t->session('source');
	$holder->do('BEGIN; SELECT pg_current_xact_id()');
	for ([ q{pg_read_file('PG_VERSION') IS NULL}, qr/^fail: .*function "pg_read_file" .* is not allowed/ ], [ 'id % 2 = 0', qr/^warn: .*could not be asked/ ])
	{
		my ($where, $message) = @$_;
		my $options = DtsTest::job_conninfo_sql(JSON::PP->new->encode({ objects => [ { schema => 'app', tables => [ { name => 'keyed', where => $where } ] } ] }));
		$t->sql_ctl("SELECT dts_configure_job('bad', '$options')");
		$t->sql_ctl("SELECT dts_check_job('bad')");
		$t->wait_state('bad', 'check_failed|check_passed');
		like($t->sql_ctl("SELECT result || ': ' || detail FROM dts_check_results('bad') WHERE item = 'filters'"), $message, "without the decoder: $where");
	}
	$holder->do('ROLLBACK');
}
$t->stop_job('bad');

# The options say where a column's sum is of; inserts alone need no key.
my $before = $t->sql_source('SELECT count(*) FROM app.log');
$t->run_job('j', options => { objects => [ { schema => 'app', tables => \@tables } ] });
like($t->sql_target('SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = \'app\' AND table_name = \'keyed\' ORDER BY ordinal_position'),
	qr/^id\|integer\ncode\|text\nnumber\|integer\nbig\|text\nsize\|integer$/, 'the target has the columns, computed ones by the type of the expression');
same('copy');
is($t->sql_target('SELECT count(*) FROM app.log'), $before, 'a table without a key');
$t->sql_source($_) for
	q{UPDATE app.keyed SET code = code || 'x', secret = 'y' WHERE id < 50},
	q{UPDATE app.keyed SET id = id + 10000, big = 'short' WHERE id BETWEEN 50 AND 60},
	q{UPDATE app.keyed SET id = id + 10000 WHERE id BETWEEN 62 AND 62},
	q{DELETE FROM app.keyed WHERE id BETWEEN 70 AND 80},
	q{UPDATE app.whole SET region = 'eu' WHERE id < 100},
	q{UPDATE app.whole SET m = 'sad' WHERE id BETWEEN 50 AND 150},
	q{UPDATE app.whole SET region = NULL WHERE id BETWEEN 200 AND 300},
	q{UPDATE app.whole SET n = n + 1 WHERE id > 1000},
	q{DELETE FROM app.whole WHERE id BETWEEN 400 AND 500},
	q{INSERT INTO app.log (what) VALUES ('hidden'), ('seen')},
	q{UPDATE app.log SET what = 'changed'}, q{DELETE FROM app.log}, q{TRUNCATE app.log},
	q{UPDATE app.part SET id = id + 1900 WHERE id < 40}, q{UPDATE app.part SET v = 'q' WHERE id % 7 = 0}, q{DELETE FROM app.part WHERE id % 11 = 0},
	q{UPDATE app.plain SET v = 'y'}, q{INSERT INTO app.plain VALUES (2, 'z')},
	q{BEGIN; INSERT INTO app.whole SELECT i, 'eu', 'ok', i, repeat('z', 3000) FROM generate_series(5000, 5100) i; SAVEPOINT s; DELETE FROM app.whole; ROLLBACK TO s; UPDATE app.whole SET region = 'us' WHERE id = 5050; COMMIT};
same('stream');
is($t->sql_target(q{SELECT count(*), count(*) FILTER (WHERE what = 'seen'), count(*) FILTER (WHERE what IN ('hidden', 'changed')) FROM app.log}), ($before + 1) . '|1|0', 'only inserts of a table that wants no more');
$t->sql_source('TRUNCATE app.part');
same('truncate');

# A row that fails in the filter stops the job, says all, and there is a way on.
$t->sql_source('ALTER TABLE app.plain REPLICA IDENTITY FULL');
$t->stop_job('j');
$t->sql_target('DROP SCHEMA app CASCADE');
$t->create_job('k', options => { objects => [ { schema => 'app', tables => [ { name => 'plain', where => '10 / id > 0' }, { name => 'log', operations => ['insert'] } ] } ] });
$t->check_job('k');
$t->start_job('k');
$t->wait_job('k', 'incremental');
$t->sql_source(q{INSERT INTO app.plain VALUES (5, 'fine'), (0, 'fails')});
$t->wait_state('k', 'error');
my $error = $t->sql_ctl(q{SELECT message FROM dts_job_events WHERE job = 'k' AND severity = 'error' ORDER BY id DESC LIMIT 1});
like($error, qr/row filter of table "app"."plain" fails for a row: division by zero/, 'the error names the table and the cause');
like($error . $t->sql_ctl(q{SELECT * FROM dts_jobs WHERE job = 'k'}), qr/10 \/ id.*id = 0/s, 'the expression and the row');
$t->sql_ctl(q{SELECT dts_remove_tables('k', '{app.plain}')});
$t->act('retry', 'k');
$t->wait_job('k', 'incremental');
$t->sql_source(q{INSERT INTO app.log (what) VALUES ('after')});
$t->caught_up('k');
is($t->sql_target(q{SELECT count(*) FROM app.log WHERE what = 'after'}), 1, 'without the table the job goes on');
$t->stop_job('k');
# The copy says it, too.
$t->sql_target('DROP SCHEMA app CASCADE');
$t->create_job('c', kind => 'migration', options => { phases => [qw(schema full)], objects => [ { schema => 'app', tables => [ { name => 'plain', columns => [ 'id', { name => 'x', expr => '10 / id' } ] } ] } ] });
$t->check_job('c');
$t->start_job('c');
$t->wait_state('c', 'error');
like($t->sql_ctl(q{SELECT string_agg(message, ' ') FROM dts_job_events WHERE job = 'c' AND severity = 'error'}), qr/row filter or expression of table "app"."plain" fails: division by zero/, 'a copy that fails names the table');
$t->stop_job('c');
$t->clean('nothing is left');
done_testing;
