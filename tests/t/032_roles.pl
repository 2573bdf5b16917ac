# Roles that the target lacks: skipped with a warning, refused, or replaced by others.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new(database => 'skip');
$t->_sql('source', 'postgres', 'CREATE ROLE "own""er"; CREATE ROLE reader; CREATE ROLE gone; CREATE ROLE "the last"');
$t->_sql('target', 'postgres', 'CREATE ROLE "New Owner"; CREATE ROLE reader');
my $schema = <<'SQL';
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA app AUTHORIZATION "own""er";
SET ROLE "own""er";
CREATE TABLE app.t (id int PRIMARY KEY, v text);
CREATE TABLE app.plain (id int PRIMARY KEY);
CREATE FUNCTION app.f(a int DEFAULT 1) RETURNS text LANGUAGE sql AS $$ SELECT '; GRANT ALL ON app.t TO gone; ALTER TABLE app.t OWNER TO gone;
ALTER TABLE app.t OWNER TO gone;
'::text $$;
GRANT SELECT, UPDATE (v) ON app.t TO reader, gone;
GRANT USAGE ON SCHEMA app TO gone;
GRANT SELECT ON app.plain TO gone WITH GRANT OPTION;
REVOKE ALL ON FUNCTION app.f(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.f(int) TO gone, reader;
ALTER TABLE app.t ENABLE ROW LEVEL SECURITY;
CREATE POLICY two ON app.t TO gone, reader USING (v <> 'TO gone USING (');
CREATE POLICY only_gone ON app.t AS RESTRICTIVE FOR SELECT TO gone, "the last" USING (id > 0);
COMMENT ON POLICY only_gone ON app.t IS 'for nobody';
CREATE POLICY all_of_them ON app.t USING (true);
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO reader, gone;
RESET ROLE; SET ROLE gone;
GRANT SELECT ON app.plain TO reader;
RESET ROLE;
ALTER DEFAULT PRIVILEGES FOR ROLE gone GRANT SELECT ON TABLES TO reader;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE USER MAPPING FOR gone SERVER far OPTIONS (password 'it''s; secret');
CREATE USER MAPPING FOR reader SERVER far OPTIONS (user 'r');
CREATE TABLE app.of_the_last (id int PRIMARY KEY);
ALTER TABLE app.of_the_last OWNER TO "the last";
INSERT INTO app.t VALUES (1, 'x'); INSERT INTO app.of_the_last VALUES (1);
DO $$ BEGIN EXECUTE format('ALTER ROLE gone IN DATABASE %I SET work_mem = ''1MB''', current_database()); EXECUTE format('ALTER ROLE reader IN DATABASE %I SET work_mem = ''2MB''', current_database()); EXECUTE format('GRANT CREATE ON DATABASE %I TO gone', current_database()); END $$;
SQL
sub answer { my ($job, $item) = @_; return $t->sql_ctl("SELECT result || ': ' || detail || ' / ' || remedy FROM dts_check_results('$job') WHERE item = '$item'"); }
sub facts
{
	return $t->sql_target(<<'SQL');
SELECT string_agg(x, ' ' ORDER BY x COLLATE "C") FROM (
	SELECT c.relname || '=' || pg_get_userbyid(relowner) FROM pg_class c WHERE relnamespace = to_regnamespace('app') AND relkind = 'r'
	UNION ALL SELECT DISTINCT c.relname || ':' || pg_get_userbyid(grantee) || ':' || privilege_type FROM pg_class c, aclexplode(relacl) WHERE relnamespace = to_regnamespace('app') AND grantee <> relowner
	UNION ALL SELECT c.relname || '.' || attname || ':' || pg_get_userbyid(grantee) FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid, aclexplode(attacl) WHERE relnamespace = to_regnamespace('app')
	UNION ALL SELECT 'f:' || CASE grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(grantee) END FROM pg_proc, aclexplode(proacl) WHERE proname = 'f' AND grantee <> proowner
	UNION ALL SELECT polname || ':' || ARRAY(SELECT CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END FROM unnest(polroles) r ORDER BY 1)::text FROM pg_policy
	UNION ALL SELECT 'default:' || pg_get_userbyid(defaclrole) || ':' || pg_get_userbyid(grantee) FROM pg_default_acl, aclexplode(defaclacl) WHERE grantee <> defaclrole
	UNION ALL SELECT 'mapping:' || usename FROM pg_user_mappings
	UNION ALL SELECT 'setting:' || pg_get_userbyid(setrole) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()) f(x)
SQL
}
$t->start_daemon;

$t->sql_source($schema);
# No provider of labels is at hand: one that was loaded once has left this.
$t->sql_source("SET allow_system_table_mods = on; INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label) VALUES ('app.t'::regclass, 'pg_class'::regclass, 0, 'nobody''s', 'a; label')");
$t->run_job('skip');
my $me = $t->{user};
is(facts(), "all_of_them:{public} f:reader mapping:reader of_the_last=$me plain=$me setting:reader t.v:reader t:reader:SELECT t=$me two:{reader}", 'skip: what names a missing role is left out, the rest stays');
like(answer('skip', 'roles'), qr/^warn: .*"gone", "own"er", "the last".*CREATE ROLE gone; CREATE ROLE "own""er"; CREATE ROLE "the last";/, 'the precheck names them and says how to create them');
my $events = $t->sql_ctl("SELECT string_agg(message, E'\\n') FROM dts_job_events WHERE job = 'skip' AND severity = 'warning'");
like($events, qr/role "\Q$_\E" is missing/, "an event names $_") for 'gone', 'own"er', 'the last';
unlike($events, qr/role "reader"/, 'and no other');
like($events, qr/left out .*SECURITY LABEL/, 'a label that no provider knows is left out with a warning');
is($t->sql_target("SELECT prosrc LIKE '%ALTER TABLE app.t OWNER TO gone;%' FROM pg_proc WHERE proname = 'f'"), 't', 'texts within functions stay as they are');
$t->equal('skip', 'rows follow');
$t->stop_job('skip');

$t->database('fail');
$t->sql_source($schema);
$t->create_job('fail', options => { missing_roles => 'fail' });
ok(!eval { $t->check_job('fail'); 1 }, 'fail: the precheck fails');
like(answer('fail', 'roles'), qr/^fail: .*"gone"/, 'and names them');
$t->sql_ctl(q{SELECT dts_configure_job('fail', '{"missing_roles": {"map": {"gone": "reader", "own\"er": "nobody here"}}}')});
ok(!eval { $t->check_job('fail'); 1 }, 'a map to a role that does not exist fails');
like(answer('fail', 'roles'), qr/^fail: .*"nobody here"/, 'and is named');
$t->sql_ctl(q{SELECT dts_configure_job('fail', '{"missing_roles": {"map": {"gone": "reader", "own\"er": "New Owner"}, "others": "fail"}}')});
ok(!eval { $t->check_job('fail'); 1 }, 'others of the map: fail');
like(answer('fail', 'roles'), qr/^fail: .*: "the last" /, 'names those that the map does not');
$t->sql_ctl(q{SELECT dts_configure_job('fail', '{"missing_roles": {"map": {"gone": "reader", "own\"er": "New Owner", "the last": "New Owner"}, "others": "fail"}}')});
ok(eval { $t->check_job('fail'); 1 }, 'with all of them mapped it passes') or diag($@);
$t->start_job('fail');
$t->wait_job('fail', 'incremental');
is(facts(), 'all_of_them:{public} default:New Owner:reader f:reader mapping:reader of_the_last=New Owner only_gone:{"New Owner",reader} plain:reader:SELECT plain=New Owner setting:reader t.v:reader t:reader:SELECT t=New Owner two:{reader}',
	'map: other roles take their places');
$t->stop_job('fail');

# A target without a superuser
$t->database('plain_role');
$t->_sql('target', 'postgres', 'CREATE ROLE plain LOGIN; GRANT SET ON PARAMETER session_replication_role TO plain; GRANT CREATE ON DATABASE plain_role TO plain; GRANT "New Owner" TO plain');
$t->sql_target('GRANT CREATE ON SCHEMA public TO plain, reader; GRANT ALL ON FUNCTION pg_replication_origin_create(text), pg_replication_origin_drop(text), pg_replication_origin_session_setup(text), pg_replication_origin_session_reset(), pg_replication_origin_xact_setup(pg_lsn, timestamptz), pg_replication_origin_xact_reset(), pg_replication_origin_progress(text, boolean), pg_replication_origin_oid(text), pg_replication_origin_session_progress(boolean) TO plain');
$t->sql_source('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 1); ALTER TABLE t OWNER TO reader; GRANT SELECT ON t TO gone; CREATE FUNCTION quiet() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$; CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION quiet()');
(my $plain = $t->conninfo('target')) =~ s/user=\S+/user=plain/;
$t->create_job('plain', target_conninfo => $plain);
ok(!eval { $t->check_job('plain'); 1 }, 'objects that need a superuser fail the precheck of another role');
like(answer('plain', 'superuser_objects'), qr/^fail: .*event trigger watch/, 'and are named');
$t->sql_source('DROP EVENT TRIGGER watch');
ok(eval { $t->check_job('plain'); 1 }, 'without them it passes') or diag($@);
like(answer('plain', 'superuser_objects'), qr/^warn: .*"reader".*GRANT .* TO plain; GRANT reader TO plain;/, 'but owners that it is no member of are named');
$t->paste($t->check_remedy('plain', 'superuser_objects'));
$t->_sql('target', 'postgres', "REVOKE $me FROM plain");
$t->check_job('plain');
unlike(answer('plain', 'superuser_objects'), qr/reader/, 'and not when it is');
$t->start_job('plain');
$t->wait_job('plain', 'incremental');
$t->sql_source('INSERT INTO t VALUES (2, 2)');
$t->equal('plain', 'then the job runs without a superuser');
is($t->sql_target("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 't'"), 'reader', 'with the owner as it was');
is($t->sql_target("SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'quiet'"), 'plain', 'where it can be');
like($t->sql_ctl("SELECT string_agg(message, E'\\n') FROM dts_job_events WHERE job = 'plain' AND severity = 'warning'"), qr/no member of role "$me"/, 'and an event that says where not');
$t->stop_job('plain');

# The precheck's remedy, pasted: then no role is missing.
$t->database('made');
$t->sql_source($schema);
$t->create_job('made');
$t->check_job('made');
$t->paste($t->check_remedy('made', 'roles'));
$t->check_job('made');
like($t->check_answer('made', 'roles'), qr/^pass/, 'roles: the remedy mends it');
done_testing;
