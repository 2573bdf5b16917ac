# A selection brings what it needs from elsewhere and nothing more, or says what is missing; roles go by the names of the target.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new(database => 'by_schema');
my $space = <<'SQL';
CREATE SCHEMA app; CREATE SCHEMA lib; CREATE SCHEMA other; CREATE SCHEMA ext; CREATE SCHEMA "no one's";
CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION citext SCHEMA "no one's";
CREATE EXTENSION file_fdw SCHEMA ext;
CREATE TYPE lib.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN lib.mood_or_not AS lib.mood;
CREATE TYPE lib.pair AS (m lib.mood_or_not, n int);
COMMENT ON TYPE lib.pair IS 'came along';
CREATE COLLATION lib.german (provider = icu, locale = 'de');
CREATE SEQUENCE lib.numbers START 1000;
CREATE FUNCTION lib.in_default() RETURNS int LANGUAGE sql AS 'SELECT 5';
CREATE FUNCTION lib.in_generated(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION lib.in_check(lib.pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION lib.in_index(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE FUNCTION lib.in_policy(int) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION lib.in_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION lib.cmp(text, text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $1 < $2 THEN -1 WHEN $1 > $2 THEN 1 ELSE 0 END';
CREATE OPERATOR CLASS lib.text_again FOR TYPE text USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 lib.cmp(text, text);
CREATE TEXT SEARCH CONFIGURATION lib.config (COPY = simple);
CREATE FUNCTION lib.unneeded() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE lib.unneeded_type AS ENUM ('x');
CREATE TABLE lib.unneeded_table (id int PRIMARY KEY);
CREATE ACCESS METHOD own_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD unneeded_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER unneeded_files FOREIGN DATA WRAPPER file_fdw;
CREATE TABLE other.x (id int PRIMARY KEY);
CREATE TABLE app.t (id int PRIMARY KEY, m lib.mood DEFAULT 'ok', p lib.pair[], h ext.hstore, d int DEFAULT lib.in_default(), s bigint DEFAULT nextval('lib.numbers'),
	g int GENERATED ALWAYS AS (lib.in_generated(id)) STORED, t text COLLATE lib.german, one lib.pair CHECK (lib.in_check(one)), ts tsvector);
CREATE INDEX ON app.t (lib.in_index(t)); CREATE INDEX ON app.t (t lib.text_again); CREATE INDEX ON app.t USING gin (to_tsvector('lib.config', t));
CREATE TRIGGER set_it BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION lib.in_trigger();
CREATE POLICY open ON app.t USING (lib.in_policy(id));
CREATE TABLE app.own (id int PRIMARY KEY) USING own_heap;
CREATE TABLE app.part (id int, k int, PRIMARY KEY (id, k)) PARTITION BY RANGE (id);
CREATE TABLE other.part_1 PARTITION OF app.part FOR VALUES FROM (0) TO (100) PARTITION BY LIST (k);
CREATE TABLE other.part_1_a PARTITION OF other.part_1 FOR VALUES IN (1);
CREATE TABLE "no one's".part_1_b PARTITION OF other.part_1 DEFAULT;
CREATE TABLE app.part_2 PARTITION OF app.part FOR VALUES FROM (100) TO (1000);
CREATE TABLE app.keyed (id int PRIMARY KEY, x int REFERENCES other.x);
SQL
my $more = <<'SQL';
CREATE FOREIGN TABLE app.far (line text) SERVER files OPTIONS (filename '/dev/null');
CREATE VIEW app.good AS SELECT id, lib.in_index(t) AS t FROM app.t;
CREATE VIEW app.needs_x AS SELECT x.id FROM other.x;
CREATE VIEW app.needs_view AS SELECT id FROM app.needs_x;
CREATE FUNCTION app.takes_x(other.x) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE POLICY on_x ON app.t USING (id IN (SELECT id FROM other.x));
SQL
my $rows = <<'SQL';
INSERT INTO other.x VALUES (1);
INSERT INTO app.t (id, m, p, h, t, one) SELECT i, 'sad', ARRAY[('(ok,' || i || ')')::lib.pair], 'a=>1', 't' || i, ('(sad,' || i || ')')::lib.pair FROM generate_series(1, 50) i;
INSERT INTO app.own VALUES (1); SELECT setval('lib.numbers', 4711); INSERT INTO app.keyed VALUES (1, 1);
INSERT INTO app.part SELECT i, i % 3 FROM generate_series(1, 200) i;
SQL
my $later = "INSERT INTO app.part VALUES (50, 7), (60, 1), (900, 1); DELETE FROM app.part WHERE id = 10; INSERT INTO app.t (id) VALUES (100); UPDATE app.t SET t = 'new' WHERE id = 3";
sub objects
{
	my $end = shift;
	return $t->_sql($end, $t->{database}, <<'SQL');
SELECT string_agg(x, ' ' ORDER BY x) FROM (
	SELECT c.oid::regclass::text FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
	UNION ALL SELECT format('%s()', p.oid::regproc) FROM pg_proc p WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
	UNION ALL SELECT format('%I.%I', nspname, typname) FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype IN ('e', 'd') OR typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND relkind = 'c')
	UNION ALL SELECT 'extension:' || extname FROM pg_extension UNION ALL SELECT 'am:' || amname FROM pg_am UNION ALL SELECT 'server:' || srvname FROM pg_foreign_server
	UNION ALL SELECT 'schema:' || nspname FROM pg_namespace UNION ALL SELECT 'policy:' || polname FROM pg_policy UNION ALL SELECT 'fk:' || conname FROM pg_constraint WHERE contype = 'f') o(x)
WHERE x !~ 'information_schema|pg_|^dts|schema:dts|plpgsql|am:(heap|btree|hash|gist|gin|spgist|brin)$|^information'
SQL
}
my $common = 'am:own_heap app.part app.part_2 app.t extension:hstore lib.in_check() lib.in_default() lib.in_generated() lib.in_index() lib.in_policy() lib.in_trigger() lib.cmp() lib.mood lib.mood_or_not lib.numbers lib.pair "no one\'s".part_1_b other.part_1 other.part_1_a policy:open schema:app schema:ext schema:lib schema:no_one\'s schema:other schema:public';
sub list { return join ' ', sort split / /, shift; }
sub result { my ($job, $item) = @_; return $t->sql_ctl("SELECT result || ': ' || detail FROM dts_check_results('$job') WHERE item = '$item'"); }

# By schema
$t->sql_source("$space$more$rows");
$t->start_daemon;
$t->run_job('by_schema', options => { objects => [ { schema => 'app' } ] });
$t->sql_source($later);
my $names = $common =~ s/schema:no_one's/schema:no one's/r;
my @mine = qw(app.t app.own app.part app.part_2 other.part_1 other.part_1_a app.keyed);
$t->equal('by_schema', 'rows of a schema, partitions elsewhere included', map { ('--table', $_) } @mine, "no one's.part_1_b");
is(join(' ', sort split / (?!one)/, objects('target')), join(' ', sort split(/ (?!one)/, $names), qw(app.far app.good app.keyed app.own extension:file_fdw server:files)), 'what the schema needs came along, and nothing else');
like(result('by_schema', 'dependencies'), qr/^warn: left out: .*app\.needs_view.*other\.x/, 'the precheck says what is left out');
like(result('by_schema', 'foreign_keys'), qr/^warn: .*keyed_x_fkey \(app\.keyed to other\.x\)/, 'and which foreign key');
my $events = $t->sql_ctl("SELECT string_agg(message, E'\\n') FROM dts_job_events WHERE job = 'by_schema' AND severity = 'warning'");
like($events, qr/"app"\."$_.*is left out/, "an event says that $_ is left out") for qw(needs_x needs_view takes_x);
like($events, qr/FK CONSTRAINT .*is left out/, 'and the foreign key');
$t->stop_job('by_schema');
$t->clean('nothing is left behind');
$t->compare('the same holds of comments', '--table', 'app.t');
is($t->sql_target('SELECT last_value FROM lib.numbers'), '4711', 'a sequence that came along stands where it stood when it was copied');
is($t->sql_target("SELECT obj_description('lib.pair'::regtype)"), 'came along', 'what comes along brings its comment');

# By table
$t->database('by_table');
$t->sql_source("$space$rows");
$t->run_job('by_table', options => { objects => [ { schema => 'app', tables => [ { name => 't' }, { name => 'part' }, { name => 'own' }, { name => 'keyed' } ] } ] });
$t->sql_source($later);
$t->equal('by_table', 'rows of some tables', map { ('--table', $_) } @mine);
is(join(' ', sort split / (?!one)/, objects('target')), join(' ', sort split(/ (?!one)/, $names), qw(app.keyed app.own)), 'what the tables need came along, and nothing else');
$t->stop_job('by_table');

$events = $t->sql_ctl("SELECT string_agg(message, E'\\n') FROM dts_job_events WHERE job = 'by_table' AND severity = 'warning'");
like($events, qr/FK CONSTRAINT .*keyed_x_fkey.*is left out: it needs TABLE "other"."x"/, 'a foreign key to a table that nothing else needs is left out');

# Exclusion
$t->database('excluded');
$t->sql_source("$space$more$rows");
$t->run_job('excluded', options => { exclude => [ { schema => 'other' }, { schema => 'lib', tables => ['unneeded_table'] } ] });
$t->sql_source($later);
$t->equal('excluded', 'rows of all but a schema', map { ('--table', $_) } qw(app.t app.own app.part_2 app.keyed));
like(objects('target'), qr/citext.*lib\.unneeded\(\)/, 'whole schemas are whole');
unlike(objects('target'), qr/other\.|part_1_b|unneeded_table|needs_x|needs_view|takes_x/, 'but for what is excluded');
$t->stop_job('excluded');

# What cannot be made is refused before anything is done
$t->database('refused');
$t->sql_source('CREATE SCHEMA app; CREATE SCHEMA other; CREATE TABLE other.base (id int PRIMARY KEY); CREATE TABLE app.heir (v int, PRIMARY KEY (id)) INHERITS (other.base); CREATE TABLE app.other (id int PRIMARY KEY)');
$t->create_job('refused', options => { objects => [ { schema => 'app' } ] });
ok(!eval { $t->check_job('refused'); 1 }, 'a table whose parent is not selected is refused');
like(result('refused', 'dependencies'), qr/^fail: .*app\.heir.*other\.base/, 'with both names');
$t->sql_target('CREATE SCHEMA other; CREATE TABLE other.base (id int PRIMARY KEY)');
ok(eval { $t->check_job('refused'); 1 }, 'unless the target has it') or diag($@);
$t->start_job('refused');
$t->wait_job('refused', 'incremental');
is($t->sql_target("SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = 'app.heir'::regclass"), 'other.base', 'where it is then used');
$t->stop_job('refused');
done_testing;
