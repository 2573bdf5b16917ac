# Commands that cannot be followed stop the job, with what the source ran and what is in doubt; what the job does not select never
# arrives; nobody gets more rights on the target than on the source.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->{$_}->safe_psql('postgres', 'CREATE ROLE plain LOGIN') for qw(source target);
$t->{source}->safe_psql('postgres', 'CREATE ROLE only_here');
$t->start_daemon;

sub error_of
{
	my $job = shift;
	$t->wait_state($job, 'error');
	return $t->sql_ctl("SELECT concat_ws(' | ', error_sqlstate, error, error_detail, error_hint) FROM dts_jobs WHERE job = '$job'");
}

# --- One job for what can be mended
$t->sql_source('GRANT CREATE ON SCHEMA public TO plain; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, \'a\'); CREATE TABLE of_plain (id int PRIMARY KEY); ALTER TABLE of_plain OWNER TO plain; INSERT INTO of_plain VALUES (1)');
$t->run_job('j');
$t->sql_target('CREATE TABLE clash (other text)');
$t->sql_source("BEGIN; INSERT INTO t VALUES (2, 'with it'); CREATE TABLE clash (id int PRIMARY KEY); INSERT INTO clash VALUES (1); COMMIT; INSERT INTO t VALUES (3, 'behind it')");
like(error_of('j'), qr/^42P07 \| a command of the source fails on the target: relation "clash" already exists \| .*Source: CREATE TABLE clash.*Target: CREATE TABLE public\.clash.*retry/, 'a command that fails: source, target and the server\'s words');
is($t->sql_target('SELECT count(*) FROM t'), '1', 'nothing of its transaction is there');
$t->sql_target('DROP TABLE clash');
$t->act('retry', 'j');
$t->equal('j', 'mended and retried', '--schema');

# A function that a check calls tries to take the rights of the session back.
my $evil = <<'SQL';
CREATE FUNCTION evil(int) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN
	BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'SET SESSION AUTHORIZATION DEFAULT'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'CREATE ROLE pwned SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
	RETURN true; END $f$;
ALTER TABLE of_plain ADD CHECK (evil(id));
DO $$ BEGIN ALTER TABLE of_plain ADD c int DEFAULT 3; ALTER TABLE of_plain ADD CHECK (evil(c)); END $$;
SQL
my ($rc, $out, $err) = do { local $t->{user} = 'plain'; $t->try('source', $t->{database}, $evil) };
is($rc, 0, 'a plain role runs its commands on the source') or diag($err);
$t->equal('j', 'they arrive', '--schema');
is($t->sql_target("SELECT count(*) FROM pg_roles WHERE rolname = 'pwned'"), '0', 'and run with no more rights than there');

$t->sql_source('GRANT CREATE ON SCHEMA public TO only_here; SET ROLE only_here; CREATE TABLE of_nobody (id int PRIMARY KEY); INSERT INTO of_nobody VALUES (1)');
$t->caught_up('j');
is($t->sql_target("SELECT r.rolname = current_user FROM pg_class c JOIN pg_roles r ON r.oid = relowner WHERE relname = 'of_nobody'"), 't', 'a role that the target lacks: the endpoint\'s takes its place');
# What is of a server, of replication or of no object never travels, alone or beside commands that do.
my $ran = "$ENV{TESTDIR}/ran";
$t->sql_source($_) for "ALTER SYSTEM SET work_mem = '5MB'", 'CREATE PUBLICATION pub FOR ALL TABLES', "CREATE SUBSCRIPTION sub CONNECTION 'dbname=nowhere' PUBLICATION pub WITH (connect = false, slot_name = NONE, enabled = false)",
	'CREATE FUNCTION quiet() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$', 'CREATE EVENT TRIGGER quiet ON ddl_command_end EXECUTE FUNCTION quiet()',
	"COPY (SELECT 1) TO PROGRAM 'cat >> $ran'; CREATE TABLE beside (id int PRIMARY KEY)", "DO \$\$ BEGIN CREATE TABLE from_program (id int PRIMARY KEY); COPY from_program FROM PROGRAM 'echo 7 | tee -a $ran'; END \$\$",
	'DROP EVENT TRIGGER quiet', 'ALTER TABLE beside ADD v text', 'DROP SUBSCRIPTION sub; DROP PUBLICATION pub';
$t->equal('j', 'what must not travel stands in nobody\'s way', '--table', 'public.beside', '--table', 'public.from_program');
is($t->sql_target('SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_event_trigger)'), 0, 'and has not travelled');
is($t->sql_target("SELECT count(*) FROM pg_file_settings WHERE name = 'work_mem' AND sourcefile ~ 'auto'"), 0, 'nor have settings of the server');
is(do { open my $in, '<', $ran or die "$ran: $!"; join ',', map { s/\n//r } <$in> }, '1,7', 'programs ran on the source alone');
# Nobody can put words into the capture's mouth.
{
	local $t->{user} = 'plain';
	my $forged = "INSERT INTO public.dts_ddl_command (xid, at, event, tag, query) VALUES ('1', now(), 'command', 'DROP TABLE', 'DROP TABLE t')";
	for my $sql ($forged, 'SELECT * FROM public.dts_ddl_command', 'UPDATE public.dts_pg_class SET state = state', 'SELECT dts.capture_append(NULL, NULL, NULL, NULL)', "SELECT dts.capture_again('pg_class'::regclass, 't'::regclass)")
	{
		my (undef, undef, $said) = $t->try('source', $t->{database}, $sql);
		like($said, qr/permission denied/, "refused: $sql");
	}
	($rc, $out, $err) = $t->try('source', $t->{database}, "SELECT pg_logical_emit_message(true, p, x) FROM (VALUES ('dts.gap', 'DROP TABLE'), ('dts', '{}'), ('dts.ddl', 'DROP TABLE t')) v(p, x)");
	is($rc, 0, 'messages anybody can write') or diag($err);
}
$t->sql_source("INSERT INTO t VALUES (100, 'behind the messages')");
$t->equal('j', 'and they prove nothing', '--table', 'public.t');
is($t->state('j'), 'running', 'the job runs on');
# --- What is not followed
$t->sql_source("CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE internal AS 'int4pl'");
like(error_of('j'), qr/^DTS08 \| a command of the source cannot be followed: .*C.*\| CREATE FUNCTION, run as.*Source: CREATE FUNCTION plus/, 'a function in C is refused');
$t->act('stop', 'j');
$t->wait_job('j', 'stopped');
$t->clean('nothing is left of the first job');

# --- The capture fails: the user's command does not, and the job says what it does not know.
$t->database('gaps');
$t->sql_source('CREATE TABLE t (id int PRIMARY KEY)');
$t->run_job('g', options => { missing_roles => 'fail' });
$t->sql_source('GRANT CREATE ON SCHEMA public TO only_here');
$t->caught_up('g');
$t->sql_source('SET ROLE only_here; CREATE TABLE of_nobody (id int PRIMARY KEY)');
like(error_of('g'), qr/role "only_here" does not exist on the target.*Create it there/, 'where a missing role is an error, the job stops and names it');
$t->{target}->safe_psql('postgres', 'CREATE ROLE only_here');
$t->sql_target('GRANT CREATE ON SCHEMA public TO only_here');
$t->act('retry', 'g');
$t->equal('g', 'and goes on when the role is there', '--schema');
$t->sql_source('ALTER TABLE public.dts_args_session ADD CONSTRAINT broken CHECK (false) NOT VALID');
$t->sql_source('CREATE TABLE unseen (id int PRIMARY KEY)');
like(error_of('g'), qr/^DTS08 \| a command of the source cannot be followed: the capture failed on the source: 23514.*Source: (?:ALTER|CREATE) TABLE/, 'a gap stops the job with the reason');
$t->act('stop', 'g');
$t->wait_job('g', 'stopped');
$t->clean('nothing is left of a job that was stopped by a gap');

# --- Left out, and out of the selection
$t->database('chosen');
$t->sql_source('CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY)');
$t->run_job('c', options => { objects => [ { schema => 'app' } ] });
$t->sql_source("ALTER TABLE t ADD v int; CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1); CREATE VIEW vw AS SELECT * FROM app.t; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; BEGIN; CREATE TABLE app.new (id int PRIMARY KEY); INSERT INTO app.new VALUES (1); ALTER TABLE u ADD w float DEFAULT random(); ALTER TABLE app.t ADD w float DEFAULT random(); INSERT INTO app.t VALUES (1, 0.5); COMMIT; CREATE TABLE app.ctas AS SELECT 1 AS id; ALTER TABLE app.ctas ADD PRIMARY KEY (id); CREATE TABLE ctas AS SELECT 1 AS id; DROP TABLE u; ALTER TABLE app.new RENAME TO newer; INSERT INTO app.newer VALUES (2)");
$t->equal('c', 'what is selected is followed', map { ('--table', "app.$_") } qw(t newer ctas));
is($t->sql_target("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^dts'"), '0', 'objects outside of the selection never arrive');
is($t->sql_target("SELECT string_agg(schema_name || '.' || table_name || ' ' || state, ', ' ORDER BY table_name) FROM dts.target_table"), 'app.ctas joined, app.newer joined, app.t joined', 'the bookkeeping follows by name');
$t->stop_job('c');
$t->run_job('s', options => { objects => [ { schema => 'app' } ], same_name_tables => 'truncate', ddl => 'off' });
is($t->sql_source("SELECT count(*) FROM pg_event_trigger") . ' ' . $t->sql_source("SELECT to_regclass('public.dts_ddl_command') IS NULL"), '0 t', 'with "off" nothing is captured');
$t->sql_source('CREATE TABLE app.not_there (id int PRIMARY KEY)');
$t->caught_up('s');
is($t->sql_target("SELECT to_regclass('app.not_there') IS NULL"), 't', 'and nothing follows');
$t->stop_job('s');
$t->clean('nothing is left behind');
done_testing;
