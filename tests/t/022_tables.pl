# Tables come into a running job and leave it; whatever the job cannot follow changes nothing.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;

my $t = DtsTest->new;
$t->sql_source($DtsWorkload::SCHEMA);
$t->sql_source(<<'SQL');
CREATE SCHEMA app;
CREATE TABLE app.gone (id int PRIMARY KEY, v text);
INSERT INTO app.gone SELECT i, 'v' FROM generate_series(1, 100) i;
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TABLE public.typed (id int PRIMARY KEY, m public.mood, n int CHECK (n > 0));
CREATE INDEX typed_n ON typed (n);
INSERT INTO typed SELECT i, 'ok', i FROM generate_series(1, 5000) i;
CREATE TABLE public.there (id int PRIMARY KEY);
CREATE TABLE public."Odd ""name" (id int PRIMARY KEY, v text);
INSERT INTO "Odd ""name" VALUES (1, 'x');
SQL
$t->start_daemon;
$t->create_job('j', options => { workers => 2, objects => [ { schema => 'wl', tables => [qw(keyed pair bag)] }, { schema => 'app', tables => ['gone'] } ] });

my ($rc, $out, $err) = $t->try_ctl("SELECT dts_add_tables('j', '{wl.part}')");
like($err, qr/cannot be changed in state "draft".*DETAIL.*HINT/s, 'not before the job runs');
$t->check_job('j');
$t->start_job('j');
$t->wait_job('j', 'incremental');

for (
	[ q{dts_add_tables('nope', '{a.b}')}, qr/job "nope" does not exist/ ],
	[ q{dts_add_tables('j', '{}')}, qr/no tables are named/ ],
	[ q{dts_add_tables('j', NULL)}, qr/no tables are named/ ],
	[ q{dts_add_tables('j', '{part}')}, qr/not the name of a table/ ],
	[ q{dts_add_tables('j', '{a.b.c}')}, qr/not the name of a table/ ],
	[ q{dts_add_tables('j', '{wl.part,wl.part}')}, qr/named twice/ ],
	[ q{dts_add_tables('j', '{wl.keyed}')}, qr/table wl.keyed is already in job "j"/ ],
	[ q{dts_add_tables('j', '{pg_catalog.pg_class}')}, qr/can be part of no job/ ])
{
	my ($sql, $message) = @$_;
	($rc, $out, $err) = $t->try_ctl("SELECT $sql");
	like($err, qr/$message.*DETAIL.*HINT/s, "$sql is refused at once");
}

sub change
{
	my ($sql) = @_;
	$t->sql_ctl("SELECT $sql");
	my $id = $t->sql_ctl("SELECT max(id) FROM dts_job_changes WHERE job = 'j'");
	$t->wait_for("request $id", sub { $t->sql_ctl("SELECT state FROM dts_job_changes WHERE id = $id") ne 'asked' });
	return $t->sql_ctl("SELECT state || ': ' || coalesce(message || ' / ' || hint, '') FROM dts_job_changes WHERE id = $id");
}
sub all_joined { return $t->wait_for('all to join', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") == 0 }); }

my $before = $t->sql_target("SELECT count(*) || ' ' || sum(copies) FROM dts.target_table");
my $options = $t->sql_ctl("SELECT options FROM dts.job WHERE name = 'j'");
$t->sql_target('CREATE TABLE public.there (id int PRIMARY KEY); INSERT INTO there VALUES (1)');
like(change("dts_add_tables('j', '{public.typed,public.nothing}')"), qr/^refused: table "public"."nothing" does not exist on the source/, 'an unknown table');
like(change("dts_reload_table('j', 'wl.part')"), qr/^refused: .*is not in the job/, 'reload of a table outside');
like(change("dts_remove_tables('j', '{wl.part}')"), qr/^refused: .*is not in the job/, 'removal of a table outside');
like(change("dts_add_tables('j', '{public.there}')"), qr/^refused: .*already holds rows on the target/, 'rows that are not ours');
# Commits would wait for the load.
my $slot = $t->slot('j');
$t->sql_source($_) for qq{SET synchronous_commit = local; ALTER SYSTEM SET synchronous_standby_names = '"$slot"'}, 'SELECT pg_reload_conf()';
like(change("dts_reload_table('j', 'wl.keyed')"), qr/^refused: the job is a synchronous standby/, 'a load that commits would wait for');
$t->sql_source($_) for 'SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names', 'SELECT pg_reload_conf()';
is($t->sql_target("SELECT count(*) || ' ' || sum(copies) FROM dts.target_table"), $before, 'nothing was begun');
is($t->sql_ctl("SELECT options FROM dts.job WHERE name = 'j'"), $options, 'the options are as they were');
is($t->sql_target("SELECT to_regclass('public.typed') IS NULL"), 't', 'no table was made');

my $load = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 22, pause => 0.005, truncate => 1);
my $state = $t->sql_ctl("SELECT updated FROM dts_jobs WHERE job = 'j'");
like(change("dts_add_tables('j', '{wl.part,wl.child}')"), qr/^done/, 'tables are added under load, one of them partitioned');
like(change(q{dts_add_tables('j', '{wl.ident,public.typed,"public.\"Odd \"\"name\""}')}), qr/^done/, 'and more, with a type, an index, a check');
all_joined();
like(change("dts_remove_tables('j', '{app.gone}')"), qr/^done/, 'a table is removed');
$t->sql_source("UPDATE app.gone SET v = 'w'; INSERT INTO app.gone VALUES (1000, 'x')");
cmp_ok($load->stop, '>', 50, 'there was load');
DtsWorkload->finish_prepared($t);
$t->caught_up('j');
is($t->sql_target("SELECT count(*) || ' ' || max(v) FROM app.gone"), '100 v', 'what was removed stays as it was');
is($t->sql_ctl("SELECT count(*) FROM dts_job_tables WHERE job = 'j' AND table_name = 'gone'"), 0, 'and is no table of the job');
is($t->sql_target("SELECT count(*) FROM dts.target_table WHERE table_name = 'gone'"), 0, 'on neither end');
# (the load may empty one in the moment between its snapshot and its copy)
is($t->sql_target("SELECT sum(copies - 1) FROM dts.target_table"), $t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event = 'table_changed'"), 'no table was copied twice without need');
# Foreign keys come when both tables are part of the stream.
$t->wait_for('what follows the join', sub { $t->sql_target("SELECT count(*) FROM dts.target_part WHERE state <> 'done'") == 0 });
is($t->sql_target("SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE contype <> 'n' AND conrelid IN ('wl.child'::regclass, 'public.typed'::regclass)"),
	'child_keyed_fkey,child_pkey,typed_n_check,typed_pkey', 'keys and checks are there');
is($t->sql_target("SELECT count(*) FROM pg_indexes WHERE indexname = 'typed_n'"), 1, 'and the index');
$t->sql_source('DROP TABLE app.gone; DROP TABLE there');
$t->sql_target('DROP TABLE app.gone; DROP TABLE there');
$t->equal('j', 'equal under one selection after another', '--schema');
is($t->state('j'), 'running', 'the job runs');

# The selection outlives the daemon.
$t->{daemon}->kill9;
$t->sql_source("UPDATE typed SET n = n + 1 WHERE id < 10; UPDATE wl.ident SET body = '1' WHERE id < 5");
$t->start_daemon;
$t->equal('j', 'equal after a restart');
$t->stop_job('j');
$t->clean('nothing is left behind');
$t->finish;
done_testing;
