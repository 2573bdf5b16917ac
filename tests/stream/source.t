#!/usr/bin/perl
# The applier's source against a real server with dts_decoder: what tests/stream/source_read prints.
#
#   tests/with_install prove tests/stream/source.t
#
# A server of its own below DTS_TMP, without TCP.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Open3;
use Symbol qw(gensym);
use Test::More;
use Time::HiRes qw(sleep time);

my $here = dirname(abs_path($0));
my $tmp = $ENV{DTS_TMP} or die "run this under tests/with_install\n";
my @as = split ' ', $ENV{DTS_AS} // '';
chomp(my $bin = `$ENV{PG_CONFIG} --bindir`);
my $run = "$tmp/run/stream.$$";
my $data = "$run/data";
my $port = 5461;
my $conninfo = "host=$run port=$port user=postgres dbname=src";
my $reader = "$here/source_read";

system('make', '-s', '-C', $here) == 0 or die "could not build source_read\n";

sub as_server { my $pid = fork // die; if (!$pid) { chdir '/'; open STDOUT, '>>', "$tmp/as.log"; exec @as, @_ or die } waitpid $pid, 0; return $? == 0 }
sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return <$f> }

as_server('mkdir', $run) or die;
as_server("$bin/initdb", '-D', $data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--no-locale', '-N') or die slurp("$tmp/as.log");
my $conf = <<"CONF";
port=$port
listen_addresses=''
unix_socket_directories='$run'
wal_level=logical
fsync=off
max_wal_senders=10
max_replication_slots=10
logical_decoding_work_mem='64kB'
wal_sender_timeout='60s'
autovacuum=off
CONF
$conf .= "output_plugin_libraries='pgoutput,test_decoding,dts_decoder'\n"
	if as_server('sh', '-c', 'exec "$@" 2>/dev/null', 'sh', "$bin/postgres", '-C', 'output_plugin_libraries', '-D', $data);
as_server('sh', '-c', 'printf %s "$1" >>"$2"', 'sh', $conf, "$data/postgresql.conf") or die;

sub server { my ($what, @more) = @_; return as_server("$bin/pg_ctl", '-D', $data, '-w', '-l', "$run/server.log", @more, $what) }
server('start') or die slurp("$run/server.log");
END { my $status = $?; server('stop', '-m', 'immediate') if $data && -e "$data/postmaster.pid"; $? = $status }

sub psql
{
	my ($sql, $db) = @_;
	my $err = gensym;
	my $pid = open3(my $in, my $out, $err, "$bin/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $run, '-p', $port, '-U', 'postgres', '-d', $db // 'src');
	print $in $sql;
	close $in;
	local $/;
	my $text = <$out> // '';
	my $trouble = <$err> // '';
	waitpid $pid, 0;
	die "psql: $trouble\n$sql\n" if $? != 0;
	$text =~ s{\n\z}{};
	return $text;
}

# Everything printed, and the exit status, at once.
sub source_read_now
{
	my (@args) = @_;
	my $pid = open(my $out, '-|') // die;
	if (!$pid) { open STDERR, '>>', "$tmp/reader.log"; exec $reader, @args or die }
	local $/;
	my $text = <$out> // '';
	close $out;
	return ($text, $? >> 8);
}

sub wait_for
{
	my ($what, $sql) = @_;
	my $end = time + 180;
	until (psql($sql) eq 't')
	{
		die "timed out waiting for $what\n" if time > $end;
		sleep 0.05;
	}
	return;
}
# The server needs a moment to see that a reader of before left.
sub source_read
{
	wait_for('the reader of before to leave', 'SELECT count(*) = 0 FROM pg_replication_slots WHERE active');
	return source_read_now(@_);
}
# So that feedback that stays away shows soon; elsewhere a busy machine may take its time.
sub sender_timeout { my $value = shift; psql("ALTER SYSTEM SET wal_sender_timeout = '$value'"); psql('SELECT pg_reload_conf()'); wait_for('the setting', "SELECT setting = '" . 1000 * substr($value, 0, -1) . "' FROM pg_settings WHERE name = 'wal_sender_timeout'"); return; }

my $slots = 0;
sub new_slot
{
	my $name = 'dts_sync_test_' . ++$slots;
	psql("SELECT pg_create_logical_replication_slot('$name', 'dts_decoder')");
	return ($name, psql("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '$name'"));
}
sub end_message { psql("SELECT pg_logical_emit_message(true, 'dts.end', '')") }

psql('CREATE DATABASE src', 'postgres');
psql('CREATE TABLE t (id int PRIMARY KEY, x text); CREATE TABLE f (a int, b text); ALTER TABLE f REPLICA IDENTITY FULL;
	CREATE TABLE toast (id int PRIMARY KEY, n int, big text); ALTER TABLE toast ALTER big SET STORAGE EXTERNAL;
	CREATE TABLE nokey (a int);');

subtest 'rows of every kind, in order' => sub {
	my ($slot, $start) = new_slot();
	psql("BEGIN; INSERT INTO t VALUES (1, 'one'), (2, NULL); UPDATE t SET x = 'eins' WHERE id = 1; UPDATE t SET id = 3 WHERE id = 1; DELETE FROM t WHERE id = 2; COMMIT");
	psql("BEGIN; INSERT INTO f VALUES (1, 'a'); UPDATE f SET b = NULL; DELETE FROM f; COMMIT");
	psql('INSERT INTO nokey VALUES (1); ');
	psql("INSERT INTO toast VALUES (1, 1, repeat('y', 5)); UPDATE toast SET big = repeat('z', 3000); UPDATE toast SET n = 2");
	psql('TRUNCATE t, f RESTART IDENTITY');
	psql("BEGIN; INSERT INTO t VALUES (9); ROLLBACK");
	end_message();
	my ($text, $status) = source_read($conninfo, $slot, $start);
	is($status, 0);
	my $z = '7a' x 3000;
	is($text, <<"EOT");
begin origin=""
insert 1 (00000001, 6f6e65) public.t
insert 1 (00000002, null) public.t
update 1 (00000001, 65696e73) public.t
update_key 1 (00000001) (00000003, 65696e73) public.t
delete_key 1 (00000002) public.t
commit
begin origin=""
insert 2 (00000001, 61) public.f
update_old 2 (00000001, 61) (00000001, null) public.f
delete_old 2 (00000001, null) public.f
commit
begin origin=""
insert 3 (00000001) public.nokey
commit
begin origin=""
insert 4 (00000001, 00000001, 7979797979) public.toast
commit
begin origin=""
update 4 (00000001, 00000001, $z) public.toast
commit
begin origin=""
update 4 (00000001, 00000002, unchanged) public.toast
commit
begin origin=""
truncate R 1 2
commit
begin origin=""
message "dts.end" ''
commit
EOT
	($text) = source_read('--ack', '--quiet', $conninfo, $slot, $start);
	like($text, qr/transactions=8 changes=14 /, 'nothing was acknowledged, so it comes again');
	psql("INSERT INTO t VALUES (100)");
	end_message();
	wait_for('the reader to leave', "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$slot'");
	my $confirmed = psql("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '$slot'");
	($text) = source_read('--quiet', $conninfo, $slot, $confirmed);
	like($text, qr/transactions=2 changes=2 /, 'what was acknowledged does not');
	my ($none, $drop) = source_read('--drop', $conninfo, $slot);
	is($drop, 0, 'slot dropped');
};

subtest 'a change without identity is handed out as such' => sub {
	my ($slot, $start) = new_slot();
	psql("ALTER TABLE nokey REPLICA IDENTITY NOTHING; UPDATE nokey SET a = 2");
	end_message();
	my ($text) = source_read($conninfo, $slot, $start);
	like($text, qr/^no_identity 1 U public.nokey$/m);
	source_read('--drop', $conninfo, $slot);
};

subtest 'large transactions' => sub {
	my ($slot, $start) = new_slot();
	psql("BEGIN; INSERT INTO t SELECT g, repeat('x', g % 100) FROM generate_series(1000, 200999) g; UPDATE t SET x = 'upd' WHERE id >= 1000; COMMIT");
	psql("INSERT INTO toast VALUES (7, 1, repeat('abc', 5000000))");
	end_message();
	my $expected = psql("SELECT sum(4 + length(repeat('x', g % 100))) + 200000 * (4 + 3) + 15000008 FROM generate_series(1000, 200999) g");
	my $want = qr/^transactions=3 changes=400002 values=$expected$/;
	my ($text, $status) = source_read('--quiet', $conninfo, $slot, $start);
	is($status, 0);
	like($text, $want, 'in chunks');
	($text, $status) = source_read('--quiet', '--streaming', '--work-dir', $tmp, $conninfo, $slot, $start);
	is($status, 0, $text);
	like($text, $want, 'streamed, spooled in memory');
	($text, $status) = source_read('--quiet', '--streaming', '--work-dir', $tmp, '--memory', 1000000, $conninfo, $slot, $start);
	is($status, 0, $text);
	like($text, $want, 'streamed, spooled in files');
	($text, $status) = source_read('--quiet', '--streaming', '--work-dir', $tmp, '--memory', 1000000, '--spool', 3000000, $conninfo, $slot, $start);
	is($status, 1);
	like($text, qr/^error 53100: transactions in progress on the source outgrew the spool\ndetail: The limit is 3000000 bytes.*\nhint: End the long transactions on the source/m, 'spool limit');
	($text, $status) = source_read('--quiet', '--streaming', '--work-dir', "$tmp/missing", '--memory', 1000, $conninfo, $slot, $start);
	like($text, qr/^error 53100: could not create the spool/m, 'no work folder');
	is_deeply([glob "$tmp/spool.*"], [], 'no file is left');
	source_read('--drop', $conninfo, $slot);
};

subtest 'streamed subtransactions, interleaved transactions' => sub {
	my ($slot, $start) = new_slot();
	psql('TRUNCATE t, toast');
	my @sessions = map { my $pid = open3(my $in, my $out, undef, "$bin/psql", '-XAtq', $conninfo); [$in, $out] } 1, 2;
	my $say = sub { my ($n, $sql) = @_; my ($in, $out) = @{$sessions[$n]}; print $in "$sql\n\\echo done\n"; $in->flush; while (<$out>) { return if /^done/ } };
	for my $n (0, 1)
	{
		$say->($n, "BEGIN; INSERT INTO t SELECT g, 'keep' FROM generate_series(1 + $n * 100000, 2000 + $n * 100000) g;");
	}
	for my $round (1 .. 3)
	{
		for my $n (0, 1)
		{
			my $base = $n * 100000 + $round * 10000;
			$say->($n, "SAVEPOINT a; INSERT INTO t SELECT g, 'drop' FROM generate_series($base + 1, $base + 2000) g; SAVEPOINT b; INSERT INTO toast SELECT g, 0, repeat('d', 9000) FROM generate_series($base + 1, $base + 20) g; ROLLBACK TO a; INSERT INTO t SELECT g, 'again' FROM generate_series($base + 1, $base + 1500) g; RELEASE a;");
		}
	}
	$say->(1, 'COMMIT;');
	$say->(0, 'ROLLBACK;');
	close $_->[0] for @sessions;
	psql("DO \$\$ BEGIN FOR i IN 1..3000 LOOP BEGIN INSERT INTO t VALUES (500000 + i, 's'); IF i % 2 = 0 THEN RAISE division_by_zero; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$");
	end_message();
	my ($plain) = source_read($conninfo, $slot, $start);
	my ($streamed) = source_read('--streaming', '--work-dir', $tmp, '--memory', 100000, $conninfo, $slot, $start);
	is(scalar(() = $plain =~ /^insert/mg), 2000 + 3 * 1500 + 1500, 'what was committed');
	s/^(\w+) \d+ /$1 /mg for $plain, $streamed;
	ok($plain eq $streamed, 'streaming changes nothing of it');
	source_read('--drop', $conninfo, $slot);
};

subtest 'options reach the decoder' => sub {
	my ($slot, $start) = new_slot();
	psql('CREATE SCHEMA "o\'dd ""s"; CREATE TABLE "o\'dd ""s".k (a int PRIMARY KEY)');
	psql('INSERT INTO "o\'dd ""s".k VALUES (1); INSERT INTO t VALUES (777777, NULL)');
	end_message();
	my ($text) = source_read('--option', 'schemas="o\'dd ""s"', $conninfo, $slot, $start);
	is(scalar(() = $text =~ /^insert/mg), 1, 'one schema only');
	like($text, qr/^insert 1 \(00000001\) o'dd "s\.k$/m);
	my $status;
	($text, $status) = source_read('--option', 'nonsense=1', $conninfo, $slot, $start);
	is($status, 1);
	like($text, qr/nonsense/);
	like($text, qr/^context: starting to read slot "$slot"/m);
	source_read('--drop', $conninfo, $slot);
};

sender_timeout('3s');
subtest 'feedback keeps a slow consumer connected' => sub {
	my ($slot, $start) = new_slot();
	my $pid = fork // die;
	if (!$pid) { open STDOUT, '>', "$tmp/slow.out"; open STDERR, '>', "$tmp/slow.err"; exec $reader, '--ack', $conninfo, $slot, $start or die }
	sleep 7;    # more than twice wal_sender_timeout
	psql("INSERT INTO t VALUES (888888, 'late')");
	end_message();
	waitpid $pid, 0;
	is($?, 0);
	like(slurp("$tmp/slow.out"), qr/^insert 1 \(000d9038, 6c617465\) public\.t$/m);
	unlike(slurp("$run/server.log"), qr/terminating walsender process due to replication timeout/);
	source_read('--drop', $conninfo, $slot);
};

subtest 'feedback keeps a busy consumer connected' => sub {
	my ($slot, $start) = new_slot();
	psql("INSERT INTO t VALUES (999000, 'first'), (999001, 'second')");
	end_message();
	my ($text, $status) = source_read('--stall', 7, $conninfo, $slot, $start);
	is($status, 0);
	like($text, qr/^insert.*\ninsert.*\ncommit\n.*\nmessage/m);
	unlike(slurp("$run/server.log"), qr/terminating walsender process due to replication timeout/);
	source_read('--drop', $conninfo, $slot);
};

sender_timeout('60s');
subtest 'a slot in use, ended, dropped' => sub {
	my ($slot, $start) = new_slot();
	my $pid = fork // die;
	if (!$pid) { open STDOUT, '>', "$tmp/busy.out"; open STDERR, '>', '/dev/null'; exec $reader, $conninfo, $slot, $start or die }
	wait_for('the first reader', "SELECT active FROM pg_replication_slots WHERE slot_name = '$slot'");
	my ($text) = source_read_now($conninfo, $slot, $start);
	like($text, qr/^error 55006: /, 'the second reader is told so');
	my ($none, $status) = source_read_now('--drop', $conninfo, $slot);
	is($status, 0, 'drop ends the first');
	is(psql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '$slot'"), 0);
	waitpid $pid, 0;
	like(slurp("$tmp/busy.out"), qr/^error (57P01|08006): /, 'which says why');
	($none, $status) = source_read('--drop', $conninfo, $slot);
	is($status, 0, 'dropping an absent slot is fine');
	($text) = source_read($conninfo, $slot, $start);
	like($text, qr/^error DTS04: slot "$slot" on the source does not exist\ndetail: The source says: .+\nhint: .*load/);
};

subtest 'verification' => sub {
	my ($slot, $start) = new_slot();
	is((source_read('--verify', $start, $conninfo, $slot))[0], "good\n");
	like((source_read('--verify', '0/1000', $conninfo, $slot))[0], qr/^lost\nerror DTS04: .*\ndetail: Slot "$slot" is confirmed up to .*, past the stored position 0\/1000/);
	like((source_read('--verify', 'FF/0', $conninfo, $slot))[0], qr/^lost\nerror DTS04: .*\ndetail: The source's WAL ends at .* before the stored position FF\/0/);
	(my $other = $conninfo) =~ s/dbname=src/dbname=postgres/;
	like((source_read('--verify', $start, $other, $slot))[0], qr/^lost\n.*\ndetail: Slot "$slot" is of database "src"/);
	like((source_read('--verify', $start, $conninfo, 'dts_sync_absent'))[0], qr/^lost\n.*\ndetail: Slot "dts_sync_absent" does not exist/);
	psql("SELECT pg_create_logical_replication_slot('dts_sync_foreign', 'test_decoding')");
	like((source_read('--verify', 'F/0', $conninfo, 'dts_sync_foreign'))[0], qr/^lost\n/);
	like((source_read('--verify', $start, $conninfo, 'dts_sync_foreign'))[0], qr/^lost\n.*\ndetail: .*its plugin is "test_decoding"/);
	source_read('--drop', $conninfo, 'dts_sync_foreign');
	is(psql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'dts_sync_foreign'"), 1, "another's slot stays");
	psql("SELECT pg_drop_replication_slot('dts_sync_foreign')");

	psql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'; SELECT pg_reload_conf()");
	for (1 .. 8) { psql("CREATE TABLE waste AS SELECT repeat('x', 1000) FROM generate_series(1, 10000); DROP TABLE waste"); psql("SELECT pg_switch_wal(); CHECKPOINT") }
	is(psql("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'"), 'lost');
	like((source_read('--verify', $start, $conninfo, $slot))[0], qr/^lost\n.*\ndetail: Slot "$slot" was invalidated/);
	like((source_read($conninfo, $slot, $start))[0], qr/^error DTS04: slot "$slot" on the source was invalidated/);
	psql("ALTER SYSTEM RESET max_slot_wal_keep_size; SELECT pg_reload_conf()");
	is((source_read('--drop', $conninfo, $slot))[1], 0, 'dropped all the same');
	is(psql('SELECT count(*) FROM pg_replication_slots'), 0);
};

subtest 'the source goes away' => sub {
	my ($slot, $start) = new_slot();
	my $pid = fork // die;
	if (!$pid) { open STDOUT, '>', "$tmp/gone.out"; open STDERR, '>', '/dev/null'; exec $reader, $conninfo, $slot, $start or die }
	wait_for('the reader', "SELECT active FROM pg_replication_slots WHERE slot_name = '$slot'");
	server('stop', '-m', 'immediate');
	waitpid $pid, 0;
	like(slurp("$tmp/gone.out"), qr/^error (08006|57P02): .+\n(.*\n)+context: reading slot "$slot"$/m);
	my ($text) = source_read_now($conninfo, $slot, $start);
	like($text, qr/^error 08006: .+\n(.*\n)+context: starting to read slot "$slot"$/m);
};

done_testing();
