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
done_testing;
