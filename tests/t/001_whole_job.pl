# A whole job under traffic: schema, full and incremental; what comes out equals what went in.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;

my $t = DtsTest->new;
$t->sql_source($DtsWorkload::SCHEMA);
$t->sql_source(<<'SQL');
CREATE TABLE big AS SELECT i AS id, md5(i::text) AS k, repeat(md5(i::text), 10) AS body FROM generate_series(1, 60000) i;
ALTER TABLE big ADD PRIMARY KEY (id);
CREATE INDEX ON big (k);
CREATE TABLE "odd ""name"", with; DROP" ("a column" int PRIMARY KEY, "select" text, "Ünï" int);
INSERT INTO "odd ""name"", with; DROP" SELECT i, 'x', i FROM generate_series(1, 10) i;
CREATE TABLE empty (id int PRIMARY KEY);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
ALTER TABLE no_columns REPLICA IDENTITY FULL;
CREATE UNLOGGED TABLE fleeting (id int);
ALTER TABLE big ENABLE ROW LEVEL SECURITY;
ALTER TABLE big FORCE ROW LEVEL SECURITY;
SQL
$t->start_daemon;
my $traffic = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 3, seed => 11, pause => 0.01);
$t->create_job('j', options => { workers => 3 });
is($t->state('j'), 'draft', 'a new job is a draft');
$t->check_job('j');
is($t->state('j'), 'check_passed', 'its precheck passes');
$t->start_job('j');
$t->wait_job('j', 'incremental');
is($t->sql_ctl("SELECT state || ' ' || phase FROM dts_jobs WHERE job = 'j'"), 'running incremental', 'it arrives in the incremental phase');
$t->sql_source(q{UPDATE "odd ""name"", with; DROP" SET "select" = 'y' WHERE "a column" > 5; INSERT INTO empty VALUES (1), (2); DELETE FROM big WHERE id % 100 = 0});
sleep 1; # of traffic beside the stream
my $transactions = $traffic->stop;
cmp_ok($transactions, '>', 50, "there was traffic ($transactions transactions)");
DtsWorkload->finish_prepared($t);
$t->equal('j', 'all tables and the schema are equal', '--schema', '--exclude', 'public.fleeting');
is($t->sql_target('SELECT count(*) FROM fleeting'), '0', 'an unlogged table comes without rows');
is($t->sql_ctl("SELECT count(*) FROM dts_jobs WHERE lag_bytes >= 0 AND lag_seconds IS NOT NULL AND error IS NULL"), '1', 'lag is shown');
cmp_ok($t->sql_ctl("SELECT count(*) FROM dts_job_tables WHERE job = 'j'"), '>=', 10, 'tables are listed with their progress');
cmp_ok($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j'"), '>=', 4, 'every change of state is an event');
$t->stop_job('j');
$t->clean('nothing is left behind');
is($t->{daemon}->stop, 0, 'the daemon leaves when asked');
done_testing;
