# ALTER EXTENSION dts UPDATE from an older version equals a fresh installation of the present one, object by object, and keeps what operators made.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $node = DtsTest::_server('up');
sub sql { my ($database, $sql) = @_; my ($out, $err) = ('', ''); $node->psql($database, $sql, stdout => \$out, stderr => \$err, on_error_die => 1, on_error_stop => 1); return $out; }
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(fresh old elsewhere);
sql('fresh', 'CREATE EXTENSION dts');
my $version = sql('fresh', "SELECT extversion FROM pg_extension WHERE extname = 'dts'");

# Everything that belongs to the extension, as text; columns by name, because one that is added comes last.
my $catalog = <<'SQL';
SET search_path = pg_catalog;
WITH member AS (SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
	WHERE d.deptype = 'e' AND e.extname = 'dts')
SELECT text FROM (
	SELECT pg_describe_object(classid, objid, 0) || ' "' || coalesce(obj_description(objid, classid::regclass::name), '') || '"' AS text FROM member
	UNION ALL SELECT pg_get_functiondef(p.oid) || coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.proacl) a), '') FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
	UNION ALL SELECT c.oid::regclass || ' ' || c.relkind::text || ' ' || coalesce(pg_get_viewdef(c.oid), '') || coalesce(c.reloptions::text, '')
			|| coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(c.relacl) a), '')
		FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
	UNION ALL SELECT format('%s.%s %s %s %s %s %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
		FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
	UNION ALL SELECT pg_get_indexdef(i.indexrelid) FROM member m JOIN pg_index i ON m.classid = 'pg_class'::regclass AND i.indrelid = m.objid
	UNION ALL SELECT format('%s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) FROM member m JOIN pg_constraint k ON m.classid = 'pg_class'::regclass AND k.conrelid = m.objid
	UNION ALL SELECT pg_get_triggerdef(t.oid) FROM member m JOIN pg_trigger t ON m.classid = 'pg_class'::regclass AND t.tgrelid = m.objid WHERE NOT t.tgisinternal
	UNION ALL SELECT o::text FROM dts.option_spec o UNION ALL SELECT w::text FROM dts.state_word w UNION ALL SELECT s::text FROM dts.stream_measure s) all_of_it
ORDER BY text COLLATE "C"
SQL
my $fresh = sql('fresh', $catalog);
cmp_ok(length $fresh, '>', 100_000, 'there is something to compare');

for my $schema ('public', 'Our place')
{
	my $database = $schema eq 'public' ? 'old' : 'elsewhere';
	sql($database, "CREATE SCHEMA IF NOT EXISTS \"$schema\"; CREATE EXTENSION dts SCHEMA \"$schema\" VERSION '0.9'");
	if ($schema eq 'public') { isnt(sql($database, $catalog), $fresh, 'an older version is not the same'); }
	sql($database, "SET search_path = \"$schema\"; SELECT dts_create_endpoint('a$_', 'postgresql', 'host=h password=t0psecret'), dts_create_endpoint('b$_', 'postgresql', 'host=i') FROM (SELECT) x;"
		. "SELECT dts_create_job('j$_', 'a$_', 'b$_', options => '{\"workers\": 3}'); SELECT dts_set_alert('j$_', '{\"method\": \"pg_notify\", \"channel\": \"c\"}')") for 1 .. 2;
	my $rows = 'SET search_path = pg_catalog; SELECT j.*, e.* FROM dts.job j JOIN dts.job_event e ON e.job_id = j.id ORDER BY j.id, e.id';
	my $before = sql($database, $rows);
	sql($database, 'ALTER EXTENSION dts UPDATE');
	is(sql($database, "SELECT extversion FROM pg_extension WHERE extname = 'dts'"), $version, "$schema: the extension is of the present version");
	is(sql($database, $rows), $before, '... with the jobs and events that there were');
	is(sql($database, 'SELECT count(*) FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver'), 4, '... and the endpoints');
	if ($schema eq 'public')
	{
		my $now = sql($database, $catalog);
		is($now, $fresh, '... and is, object by object, what a fresh installation is') or do {
			my %in = map { $_ => 1 } split /\n/, $fresh;
			diag(join "\n", map { "upgraded only: $_" } grep { !$in{$_} } split /\n/, $now);
			%in = map { $_ => 1 } split /\n/, $now;
			diag(join "\n", map { "fresh only: $_" } grep { !$in{$_} } split /\n/, $fresh);
		};
	}
	else
	{
		is(sql($database, "SELECT count(*) FROM pg_proc WHERE pronamespace = '\"$schema\"'::regnamespace"),
			sql('fresh', "SELECT count(*) FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid AND extname = 'dts' WHERE pronamespace = 'public'::regnamespace"),
			'... and every function lies where the extension does');
	}
	is(sql($database, "SELECT \"$schema\".dts_describe_job('j1') #>> '{options,workers}'"), 3, '... and works');
	is(sql($database, "SELECT \"$schema\".dts_destroy_job('j1')"), 'job "j1" destroyed', '... in both ways');
}
# what reads a view of ours stands in the way, and is named
$node->safe_psql('postgres', 'CREATE DATABASE users');
sql('users', "CREATE EXTENSION dts VERSION '0.9'; CREATE VIEW mine AS SELECT * FROM dts_jobs");
my ($rc, $out, $err) = $node->psql('users', 'ALTER EXTENSION dts UPDATE');
isnt($rc, 0, 'a view of a user that reads ours is not dropped');
like($err, qr/view mine depends on view dts_jobs/, '... but named');
is(sql('users', "SELECT extversion FROM pg_extension WHERE extname = 'dts'"), '0.9', '... and nothing is changed');
done_testing;
