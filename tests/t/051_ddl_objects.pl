# A job that names its objects follows its tables by what they are, not by what they are called: renamed, moved to another schema,
# partitions that come and go, also over a restart of the daemon.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->start_daemon;
my $before = <<'SQL';
CREATE SCHEMA app; CREATE SCHEMA other;
CREATE TABLE app.t (id int PRIMARY KEY, v text); CREATE TABLE app.u (id int PRIMARY KEY);
CREATE TABLE other.x (id int PRIMARY KEY, v text); CREATE TABLE other.no (id int PRIMARY KEY);
CREATE TABLE other.part (r int, id int, PRIMARY KEY (r, id)) PARTITION BY RANGE (r);
CREATE TABLE other.p_0 PARTITION OF other.part FOR VALUES FROM (0) TO (10);
INSERT INTO app.t VALUES (1, 'a'); INSERT INTO other.x VALUES (1, 'x'); INSERT INTO other.no VALUES (1); INSERT INTO other.part VALUES (1, 1);
SQL
my %options = (objects => [ { schema => 'app' }, { schema => 'other', tables => [ 'x', 'part' ] } ]);
$t->sql_source($before);
$t->run_job('j', options => \%options);
sub same { my ($what, @tables) = @_; return $t->equal('j', $what, map { ('--table', $_) } @tables); }

$t->sql_source("BEGIN; ALTER TABLE other.x RENAME TO y; INSERT INTO other.y VALUES (2, 'renamed'); COMMIT; INSERT INTO other.y VALUES (3, 'later'); ALTER TABLE other.no ADD v int; INSERT INTO other.no VALUES (2, 2); ALTER TABLE other.y ADD w int DEFAULT 4");
same('a table that is called otherwise', 'other.y');
$t->sql_source("ALTER TABLE app.t SET SCHEMA public; INSERT INTO public.t VALUES (2, 'moved'); UPDATE public.t SET v = 'u' WHERE id = 1; CREATE INDEX ON public.t (v)");
same('a table in another schema', 'public.t', 'other.y');
$t->sql_source("CREATE TABLE app.new (id int PRIMARY KEY); INSERT INTO app.new VALUES (1)");
$t->sql_source("BEGIN; ALTER TABLE app.new SET SCHEMA public; ALTER TABLE public.new RENAME TO newer; INSERT INTO public.newer VALUES (2); COMMIT; INSERT INTO public.newer VALUES (3)");
same('a new one that moved at once', 'public.newer', 'public.t');
$t->sql_source("CREATE TABLE other.p_1 PARTITION OF other.part FOR VALUES FROM (10) TO (20); CREATE TABLE public.p_2 PARTITION OF other.part FOR VALUES FROM (20) TO (30); INSERT INTO other.part VALUES (11, 1), (21, 1); ALTER TABLE other.part DETACH PARTITION other.p_0; INSERT INTO other.p_0 VALUES (100, 100); ALTER TABLE other.part ADD v text DEFAULT 'p'");
same('partitions', 'other.part', 'other.p_0', 'other.p_1', 'public.p_2');
$t->{daemon}->kill9;
$t->start_daemon;
$t->sql_source("INSERT INTO other.y VALUES (5, 'again', 1); INSERT INTO public.t VALUES (5, 'again'); INSERT INTO public.newer VALUES (5); INSERT INTO other.part VALUES (22, 2, 'x'); INSERT INTO other.p_0 VALUES (101, 101); ALTER TABLE public.t RENAME TO t3; INSERT INTO public.t3 VALUES (6, 'renamed')");
same('after a restart', 'other.y', 'public.t3', 'public.newer', 'other.part', 'other.p_0', 'public.p_2');
$t->sql_source('DROP TABLE public.t3; ALTER TABLE other.no RENAME TO still_no');
$t->caught_up('j');
is($t->sql_target("SELECT string_agg(schema_name || '.' || table_name, ' ' ORDER BY 1) FROM (SELECT schema_name, table_name FROM dts.target_table ORDER BY 1, 2) s"), 'app.u other.p_0 other.p_1 other.y public.newer public.p_2', 'the bookkeeping follows');
is($t->sql_target("SELECT to_regclass('public.t3') IS NULL"), 't', 'a table that moved away is dropped, too');
is($t->sql_target("SELECT count(*) FROM pg_class WHERE relname IN ('no', 'still_no')"), '0', 'what is not selected never arrives');
# What comes from outside has rows that the target does not have: it is loaded.
$t->sql_source("INSERT INTO other.still_no SELECT i FROM generate_series(100, 3000) i; BEGIN; ALTER TABLE other.still_no RENAME TO x; INSERT INTO other.x VALUES (10, 1); COMMIT; INSERT INTO other.x VALUES (11, 1)");
$t->sql_source("CREATE TABLE public.loose (r int, id int, v text, PRIMARY KEY (r, id)); INSERT INTO public.loose SELECT 30 + i % 10, i FROM generate_series(1, 2000) i; BEGIN; ALTER TABLE other.part ATTACH PARTITION public.loose FOR VALUES FROM (30) TO (40); INSERT INTO other.part VALUES (31, 5000); COMMIT; INSERT INTO other.part VALUES (32, 5001)");
same('tables that enter the selection with rows, also as partitions', 'other.x', 'other.part', 'public.loose');
$t->sql_source("ALTER TABLE other.x ADD later int DEFAULT 3; UPDATE other.part SET v = 'moved' WHERE r > 30");
same('and are followed from then on', 'other.x', 'other.part');
$t->stop_job('j');
$t->clean('nothing is left behind');

# Tables that are named one by one: what belongs to one follows it, in both ways; what does not, stays away.  Types that they use
# came along, and stay like the source's.
for my $way ('', 'state')
{
	my $job = $way ? 'by_state' : 'by_statement';
	$t->{daemon}->stop;
	$t->start_daemon(env => $way ? { DTS_DDL_BY_STATE => 1 } : {});
	$t->database($job);
	$t->sql_source(<<'SQL2');
CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad'); CREATE TYPE app.pair AS (a int, b app.mood); CREATE TYPE app.unused AS ENUM ('x'); CREATE DOMAIN app.size AS int;
CREATE TABLE app.t (id serial PRIMARY KEY, v text, n int, m app.mood[], p app.pair, s app.size); CREATE TABLE app.no (id int PRIMARY KEY, v text);
CREATE TABLE app.quiet (id int PRIMARY KEY, v text, CHECK (id > 0)); CREATE INDEX quiet_v ON app.quiet (v); INSERT INTO app.quiet VALUES (1, 'x');
CREATE TABLE app.gone (id int PRIMARY KEY);
CREATE INDEX was_there ON app.t (v); CREATE INDEX not_ours ON app.no (v); CREATE STATISTICS app.counts ON v, n FROM app.t; CREATE STATISTICS app.other ON id, v FROM app.no;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER touched BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE POLICY seen ON app.t USING (true); CREATE RULE ruled AS ON DELETE TO app.t WHERE false DO INSTEAD NOTHING;
INSERT INTO app.t (v) VALUES ('a'); INSERT INTO app.no VALUES (1, 'a');
SQL2
	$t->run_job($job, options => { objects => [ { schema => 'app', tables => [ 't', 'gone', { name => 'quiet', operations => [qw(insert update delete truncate)] } ] } ] });
	$t->sql_source($_) for split /\n/, <<'SQL2';
CREATE INDEX made ON app.t (n); ALTER INDEX app.made RENAME TO made_2; COMMENT ON INDEX app.made_2 IS 'i'; CREATE INDEX not_ours_2 ON app.no (v);
DROP INDEX app.was_there, app.not_ours; DROP INDEX app.made_2; CREATE INDEX kept ON app.t (v, n);
DROP STATISTICS app.counts, app.other;
DROP TRIGGER touched ON app.t; DROP POLICY seen ON app.t; DROP RULE ruled ON app.t;
ALTER TYPE app.mood ADD VALUE 'ok'; ALTER TYPE app.unused ADD VALUE 'y'; ALTER TYPE app.pair RENAME ATTRIBUTE a TO aa; ALTER DOMAIN app.size ADD CONSTRAINT small CHECK (VALUE < 10);
INSERT INTO app.t (v, m, p, s) VALUES ('b', '{ok,sad}', (5, 'ok'), 3); INSERT INTO app.no VALUES (2, 'b');
ALTER TABLE app.t ADD CONSTRAINT few CHECK (n < 10); ALTER TABLE app.t DROP CONSTRAINT few; ALTER TABLE app.t ALTER id DROP DEFAULT; DROP SEQUENCE app.t_id_seq;
DROP TABLE app.gone; DROP TABLE app.no;
DROP INDEX app.quiet_v; COMMENT ON TABLE app.quiet IS 'quiet'; ALTER TABLE app.quiet ALTER v TYPE text USING v || '!'; INSERT INTO app.quiet VALUES (2, 'y');
SQL2
	same_of($job, 'app.t');
	is($t->sql_target("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('i', 'r', 'S') AND relname !~ '^quiet'"), 'kept t t_pkey', "$job: indexes and sequences go with their tables, and others' never came");
	is($t->sql_target("SELECT (SELECT count(*) FROM pg_statistic_ext) + (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) + (SELECT count(*) FROM pg_policy) + (SELECT count(*) FROM pg_rules WHERE schemaname = 'app')"), 0, "$job: statistics, triggers, policies and rules, too");
	is($t->sql_target("SELECT enum_range(NULL::app.mood), (SELECT count(*) FROM pg_constraint WHERE conname = 'small'), to_regtype('app.unused')"), '{sad,ok}|1|', "$job: types that the job's tables use are followed, others are not there");
	is($t->sql_target("SELECT to_regclass('app.quiet_v') IS NOT NULL, obj_description('app.quiet'::regclass), format_type(atttypid, atttypmod), (SELECT string_agg(id || v, ' ' ORDER BY id) FROM app.quiet) FROM pg_attribute WHERE attrelid = 'app.quiet'::regclass AND attname = 'v'"), 't||text|1x 2y', "$job: without \"ddl\" among its operations a table stays as it is");
	cmp_ok($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = '$job' AND event = 'ddl_left_out' AND message LIKE '%app%quiet%operations%'"), '>=', 1, "$job: which is told");
	$t->stop_job($job);
}
sub same_of { my ($job, @tables) = @_; return $t->equal($job, "$job: what belongs to a table that is named", map { ('--table', $_) } @tables); }
done_testing;
