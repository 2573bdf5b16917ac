# Every answer of the precheck that is not a pass is provoked by some test, as the code has them; remedies that are SQL are pasted as they
# stand, each where its comment says, and then the check passes.
use strict;
use warnings;
use DtsTest;
use IO::Socket::INET;
use Test::More;

# Provoked by other tests, in the file named.
my %elsewhere = (
	'031_needs' => [ 'dependencies:fail', 'dependencies:warn' ],
	'032_roles' => [ 'roles:fail', 'roles:warn', 'superuser_objects:fail', 'superuser_objects:warn' ],
	'033_object_checks' => [ 'foreign_keys:warn', 'large_objects:fail', 'large_objects:warn', 'lock_table:warn', 'other_jobs:fail', 'other_jobs:warn', 'subscriptions:warn',
		'table_kinds:warn', 'triggers:warn', 'wal_retention:fail', 'wal_retention:warn', 'wal_sender_timeout:warn' ],
	'063_setup' => [ 'ddl_capture:fail', 'ddl_capture:warn' ],
	'065_filters' => [ 'filters:fail', 'filters:warn' ],
	'070_mapping' => ['mapping:fail']);
my %provoked;
for my $file (sort keys %elsewhere)
{
	open my $in, '<', "$ENV{DTS_TMP}/tests/t/$file.pl" or die "$file: $!";
	my $text = do { local $/; <$in> };
	for my $what (@{ $elsewhere{$file} })
	{
		my ($item, $result) = split /:/, $what;
		ok($text =~ /'\Q$item\E'/ && $text =~ /qr\/\^(?:\(\?:)?(?:\w+\|)?$result\b/, "$file provokes $what");
		$provoked{$what} = 1;
	}
}

my $t = DtsTest->new(source_conf => ["listen_addresses = '127.0.0.1'"]);
$t->{$_}->safe_psql('postgres', 'CREATE ROLE mover LOGIN') for qw(source target);
my %mover = map { ("${_}_conninfo" => $t->conninfo($_) =~ s/user=\S+/user=mover/r) } qw(source target);
$t->start_daemon;
sub check { my $job = shift; return eval { $t->check_job($job); 1 } ? 1 : 0; }
# The answer that is expected; $how: what is to be done with the remedy: paste, or restart after pasting, or a pattern of its prose.
my @after_restart;
sub provoke
{
	my ($job, $item, $result, $detail, $how) = @_;
	like($t->check_answer($job, $item), qr/^$result: .*$detail/s, "$item: $result");
	$provoked{"$item:$result"} = 1;
	my $remedy = $t->check_remedy($job, $item);
	if (ref $how) { like($remedy, $how, "$item: what to do"); return; }
	like($remedy, qr/, then restart it/, "$item: needs a restart") if $how eq 'restart';
	ok(eval { $t->paste($remedy); 1 }, "$item: the remedy can be pasted") or diag($@);
	push @after_restart, [ $job, $item ] if $how eq 'restart';
	return;
}
sub mended { my ($job, @items) = @_; check($job); like($t->check_answer($job, $_), qr/^pass/, "$_: the remedy mends it") for @items; return; }

# --- a plain role on both ends, which lacks everything
$t->sql_source('CREATE SCHEMA "App"; CREATE TABLE "App"."T 1" (id int PRIMARY KEY, v text); CREATE TABLE "App".secured (id int PRIMARY KEY); ALTER TABLE "App".secured ENABLE ROW LEVEL SECURITY; GRANT SELECT ON "App".secured TO mover; CREATE TABLE odd (a int)');
$t->sql_source('ALTER ROLE mover CONNECTION LIMIT 1');
$t->sql_target('ALTER ROLE mover CONNECTION LIMIT 4');
$t->create_job('poor', %mover, options => { heartbeat_seconds => 1 });
ok(!check('poor'), 'a role without rights');
like($t->check_answer('poor', 'connections'), qr/^fail: the source has room for 1 connections \(the role's CONNECTION LIMIT is 1\), and the job takes up to 8.*warn: the target has room for 4/s, 'connections');
$provoked{"connections:$_"} = 1 for qw(fail warn);
$t->paste($t->check_remedy('poor', 'connections'));
provoke('poor', 'source_privileges', 'fail', 'lacks the attribute REPLICATION;.*SELECT on "App"."T 1"', 'paste');
provoke('poor', 'target_privileges', 'fail', 'CREATE on the database, the right to set session_replication_role', 'paste');
provoke('poor', 'origins', 'warn', 'may not use replication origins', 'paste') if $t->version('target') < 16;
provoke('poor', 'table_identity', 'fail', '"public"."odd" \(no primary key\)', 'paste');
provoke('poor', 'decoder', 'warn', 'no slot can be made yet', qr/Mend the other items/);
$t->sql_source('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
mended('poor', qw(connections target_privileges origins table_identity decoder));
provoke('poor', 'source_privileges', 'fail', 'row security hides rows of "App"."secured"', 'paste');
provoke('poor', 'heartbeat', 'warn', 'may not create public.dts_postgres_heartbeat', 'paste');
mended('poor', 'source_privileges', 'heartbeat');
$t->stop_job('poor');
$t->sql_source('DROP TABLE public.dts_postgres_heartbeat');

# --- what the target has already
$t->database('there');
$t->sql_source('CREATE TABLE a (id int PRIMARY KEY, "New" numeric(9,2), g int, n int); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY); CREATE TABLE d (id int PRIMARY KEY); CREATE EXTENSION hstore');
$t->sql_target('CREATE TABLE a (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id) STORED, extra text NOT NULL, n bigint); CREATE VIEW b AS SELECT 1 AS id; CREATE TABLE c (id int PRIMARY KEY); INSERT INTO c VALUES (1)');
$t->create_job('there', options => { phases => [ 'full', 'incremental' ] });
check('there');
provoke('there', 'columns', 'fail', 'a column "New" is missing.*column extra is NOT NULL.*column g is generated', 'paste');
provoke('there', 'same_name_tables', 'fail', '"public"."b"', 'paste');
provoke('there', 'extensions', 'warn', 'hstore', 'paste');
mended('there', 'extensions');
provoke('there', 'columns', 'warn', 'types differ: public.a column n is bigint, on the source integer', 'paste');
provoke('there', 'same_name_tables', 'fail', 'hold rows: "public"."c"', 'paste');
provoke('there', 'target_tables', 'fail', 'missing on the target: "public"."b", "public"."d"', 'paste');
mended('there', 'columns', 'target_tables');
provoke('there', 'same_name_tables', 'fail', 'same name exist on the target: "public"."a", "public"."c"', 'paste');
mended('there', 'same_name_tables');
$t->sql_target('CREATE TABLE c (id int PRIMARY KEY); INSERT INTO c VALUES (1); ALTER TABLE c ENABLE ROW LEVEL SECURITY');
$t->sql_target('ALTER ROLE mover NOBYPASSRLS');
$t->create_job('locked', target_conninfo => $mover{target_conninfo} =~ s/dbname=\S+/dbname=there/r, options => { same_name_tables => 'truncate', objects => [ { schema => 'public', tables => ['c'] } ] });
check('locked');
provoke('locked', 'same_name_tables', 'warn', 'will be removed: "public"."c"', qr/"same_name_tables": "fail"/);
provoke('locked', 'target_tables', 'fail', 'may not write freely to these tables of the target: "public"."c"', 'paste');
mended('locked', 'target_tables');
$t->sql_ctl(q{SELECT dts_configure_job('locked', '{"objects": [{"schema": "public"}, {"schema": "gone"}]}')});
check('locked');
provoke('locked', 'objects', 'fail', 'schema "gone"', qr/dts_configure_job/);
$t->sql_ctl(q{SELECT dts_configure_job('locked', '{"objects": null, "exclude": [{"schema": "gone"}]}')});
check('locked');
provoke('locked', 'objects', 'warn', 'excluded, but not on the source: schema "gone"', qr/dts_configure_job/);
$t->sql_ctl(q{SELECT dts_configure_job('locked', '{"exclude": null, "objects": [{"schema": "public", "tables": [{"name": "a", "columns": ["id", "g"]}]}]}')});
$t->sql_source('CREATE INDEX of_n ON a (n)');
check('locked');
provoke('locked', 'mapping', 'warn', 'index public.of_n', qr/List the columns/);
$t->stop_job($_) for qw(there locked);

# --- the database itself: encoding, order of text, transactions under way, an extension that is nowhere
$t->_sql('target', 'postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
$t->_sql('source', 'postgres', 'CREATE DATABASE latin');
$t->{database} = 'latin';
my ($locale) = split /\n/, $t->sql_source("SELECT collname FROM pg_collation WHERE collprovider = 'c' AND collencoding = 6 ORDER BY collname = 'C.utf8' DESC LIMIT 1");
$t->sql_source(qq{CREATE TABLE l (id int PRIMARY KEY, v text COLLATE "$locale")}) if $locale;
$t->sql_source("BEGIN; INSERT INTO l (id) VALUES (1); PREPARE TRANSACTION 'it''s open'");
my $share = `"$ENV{PG_CONFIG}" --sharedir`;
chomp $share;
$t->create_job('latin');
check('latin');
provoke('latin', 'encoding', 'warn', 'the source is UTF8 and the target LATIN1', qr/CREATE DATABASE/);
provoke('latin', 'long_transactions', 'warn', q{prepared 'it''s open'}, 'paste');
like($t->check_answer('latin', 'collations'), qr/^fail: .*"$locale"/, 'collations: one of another encoding is missing') if $locale;
$t->stop_job('latin');
$t->_sql('target', 'postgres', "CREATE DATABASE sorted LOCALE 'C' TEMPLATE template0");
$t->_sql('source', 'postgres', 'CREATE DATABASE sorted');
$t->{database} = 'sorted';
SKIP:
{
	skip 'the operating system has no locale but C', 4 if !$locale;
	$t->sql_source(qq{CREATE TABLE l (id int PRIMARY KEY, v text COLLATE "$locale")});
	$t->sql_target("DELETE FROM pg_collation WHERE collname = '$locale'");
	$t->create_job('sorted');
	check('sorted');
	provoke('sorted', 'collations', 'fail', qr/"\Q$locale\E"/, 'paste');
	$t->sql_source("CREATE EXTENSION pg_trgm; UPDATE pg_extension SET extname = 'no_such_thing' WHERE extname = 'pg_trgm'");
	check('sorted');
	provoke('sorted', 'collations', 'warn', 'sorted by "C.UTF-8 C.UTF-8 c.*" on the source and by "C C c', qr/CREATE DATABASE/);
	provoke('sorted', 'extensions', 'fail', 'no_such_thing', qr/Install the packages/);
	$t->stop_job('sorted');
}
$provoked{$_} = 1 for $locale ? () : qw(collations:fail collations:warn extensions:fail);

# --- connections: neither database, nor certificate; a server that says to be of another version
$t->create_job('same', source_conninfo => $t->conninfo('source'), target_conninfo => $t->conninfo('source') . ' connect_timeout=10');
check('same');
provoke('same', 'different_databases', 'fail', 'the same database "sorted"', qr/another endpoint/);
$t->create_job('nowhere', map { ("${_}_conninfo" => "host=127.0.0.1 port=1 dbname=$_ user=y connect_timeout=5") } qw(source target));
check('nowhere');
provoke('nowhere', "${_}_connection", 'fail', 'could not connect to endpoint "' . $_, qr/dts_create_endpoint/) for qw(source target);
my $dir = $ENV{TESTDIR};
SKIP:
{
	my $made = 2 == grep { system("openssl req -x509 -newkey rsa:2048 -nodes -keyout $dir/$_.key -out $dir/$_.pem -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 >$dir/openssl.log 2>&1 && chmod 600 $dir/$_.key") == 0 } qw(one other);
	skip 'openssl is missing', 2 if !$made;
	$t->sql_source("ALTER SYSTEM SET ssl_cert_file = '$dir/one.pem'");
	$t->sql_source("ALTER SYSTEM SET ssl_key_file = '$dir/one.key'");
	$t->sql_source('ALTER SYSTEM SET ssl = on');
	$t->{source}->append_conf('pg_hba.conf', "host all all 127.0.0.1/32 trust\n");
	$t->sql_source('SELECT pg_reload_conf()');
	my $tls = $t->conninfo('source') =~ s/host=\S+/host=127.0.0.1/r . ' sslmode=verify-full sslrootcert=';
	$t->wait_for('TLS', sub { system("psql -XAtqc 'SELECT 1' '$tls$dir/one.pem' >/dev/null 2>&1") == 0 });
	for ([ 'other', 'fail: .*certificate verify failed' ], [ 'one', 'pass: connected' ])
	{
		my ($ca, $answer) = @$_;
		$t->create_job("tls_$ca", source_conninfo => "$tls$dir/$ca.pem");
		check("tls_$ca");
		like($t->check_answer("tls_$ca", 'source_connection'), qr/^$answer/, "a certificate of " . ($ca eq 'one' ? 'the CA that is trusted' : 'another CA'));
	}
}
# It greets, says its version, answers a first command, and refuses every other one.
my $fake = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1') or die "socket: $!";
sub fake_server
{
	my $version = shift;
	my $message = sub { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body; };
	my $ready = $message->('Z', 'I');
	while (my $client = $fake->accept)
	{
		next if fork;
		my $take = sub { my $n = shift; my $got = ''; while (length $got < $n) { sysread($client, $got, $n - length $got, length $got) or POSIX::_exit(0); } return $got; };
		while (1)
		{
			my $body = $take->(unpack('N', $take->(4)) - 4);
			last if unpack('N', $body) == 196608;
			syswrite $client, 'N'; # no TLS
		}
		my $greeting = $message->('R', pack 'N', 0);
		$greeting .= $message->('S', join "\0", @$_, '') for [ 'server_version', $version ], [ 'client_encoding', 'UTF8' ], [ 'standard_conforming_strings', 'on' ], [ 'server_encoding', 'UTF8' ];
		syswrite $client, $greeting . $message->('K', pack 'NN', 1, 1) . $ready;
		my $refusal = $message->('E', join "\0", 'SERROR', 'C0A000', 'Mnobody is in', '', '');
		for (my $n = 0;;)
		{
			my $type = $take->(1);
			$take->(unpack('N', $take->(4)) - 4);
			POSIX::_exit(0) if $type eq 'X';
			syswrite $client, ($n++ ? $refusal : $message->('C', "SET\0")) . $ready if $type eq 'Q';
			syswrite $client, $refusal . $ready if $type eq 'S';
		}
	}
	POSIX::_exit(0);
}
for ([ 'source', '12.22', 'source_version:fail' ], [ 'source', '19.1', 'source_version:fail', 'pg_dump:fail' ], [ 'target', '12.22', 'target_version:fail' ], [ 'target', '13.0', 'target_version:warn' ])
{
	my ($end, $version, @wanted) = @$_;
	my $pid = fork // die;
	if (!$pid) { $DtsTest::in_child = 1; $SIG{CHLD} = 'IGNORE'; fake_server($version); }
	my $job = "old_${end}_" . int $version;
	$t->create_job($job, "${end}_conninfo" => "host=127.0.0.1 port=@{[ $fake->sockport ]} dbname=x user=y sslmode=disable gssencmode=disable");
	check($job);
	for (@wanted)
	{
		my ($item, $result) = split /:/;
		next if $item eq 'target_version' && $result eq 'warn' && $t->version('source') == 13;
		provoke($job, $item, $result, $item eq 'pg_dump' ? '19' : 'is PostgreSQL ' . int $version, qr/\S/);
	}
	kill KILL => $pid;
	waitpid $pid, 0;
	$provoked{$_} = 1 for @wanted;
}

# --- what needs a restart: limits of the servers; then the source is a standby
$t->database('last');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->sql_target("SELECT pg_replication_origin_create('filler_' || g) FROM generate_series(1, 30) g") if $t->version('target') < 16;
$t->{source}->append_conf('postgresql.conf', "wal_level = replica\nmax_replication_slots = 0\nmax_wal_senders = 0\n");
$t->{source}->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput'\n") if $t->sql_source("SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'");
$t->{source}->restart;
$t->create_job('last');
ok(!check('last'), 'limits of the servers');
provoke('last', 'wal_level', 'fail', 'wal_level is replica', 'restart');
provoke('last', $_, 'fail', 'is 0 and 0 are in use', 'restart') for qw(replication_slots wal_senders);
provoke('last', 'origins', 'fail', '30 origins exist', 'restart') if $t->version('target') < 16;
$t->{$_}->restart for qw(source target);
$t->wait_for('the control database', sub { ($t->try_ctl('SELECT 1'))[0] == 0 });
check('last');
if ($t->check_answer('last', 'decoder') =~ /^fail/)
{
	provoke('last', 'decoder', 'fail', 'output_plugin_libraries', 'paste');
	$t->wait_for('the setting', sub { $t->sql_source('SHOW output_plugin_libraries') =~ /dts/ });
}
$provoked{'decoder:fail'} = $provoked{'origins:fail'} = $provoked{'origins:warn'} = 1; # in every version that has them
mended('last', 'decoder', map { $_->[1] } @after_restart);
open my $signal, '>', $t->{source}->data_dir . '/standby.signal' or die;
close $signal;
$t->{source}->restart;
$t->create_job('backwards', source_conninfo => $t->conninfo('target'), target_conninfo => $t->conninfo('source'));
check($_) for qw(last backwards);
provoke('last', 'source_role', 'fail', 'standby', qr/target_session_attrs=read-write/);
provoke('backwards', 'target_role', 'fail', 'standby', qr/target_session_attrs=read-write/);

# --- every answer that the code has
my %known;
open my $list, '<', "$ENV{DTS_TMP}/tests/precheck_answers" or die;
while (<$list>) { chomp; $known{$_} = 1; }
cmp_ok(scalar keys %known, '>', 50, 'the answers of the code are known');
is(join(' ', grep { !$provoked{$_} } sort keys %known), '', 'every one of them is provoked');
is(join(' ', grep { !$known{$_} } sort keys %provoked), '', 'and none that is not there');
done_testing;
