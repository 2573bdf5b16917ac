# DtsWorkload: random transactions from several sessions, repeatable by their seed.
#
# Each session is a process of its own that talks to a psql and connects again when its server went away.
# The tables reach into the corners that replication gets wrong: keys that change and change places, a unique key
# beside the primary one, no key with duplicates, partitions that rows move between, large values that
# updates leave alone, foreign keys, generated columns.
package DtsWorkload;

use strict;
use warnings;
use DtsSession;
use POSIX ':sys_wait_h';
use Time::HiRes qw(sleep time);

our $SCHEMA = <<'SQL';
CREATE SCHEMA wl;
CREATE TABLE wl.keyed (id bigint PRIMARY KEY, a int, b text, c numeric, big text, at timestamptz DEFAULT clock_timestamp(),
	twice int GENERATED ALWAYS AS (a * 2) STORED);
ALTER TABLE wl.keyed ALTER big SET STORAGE EXTERNAL;
CREATE TABLE wl.pair (k1 text COLLATE "C", k2 int, v text, u int UNIQUE, PRIMARY KEY (k1, k2));
CREATE TABLE wl.bag (a int, b text, c bytea);
ALTER TABLE wl.bag REPLICA IDENTITY FULL;
CREATE TABLE wl.part (region int, id bigint, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE wl.part_0 PARTITION OF wl.part FOR VALUES IN (0);
CREATE TABLE wl.part_1 (id bigint NOT NULL, extra text, v text, region int NOT NULL);
ALTER TABLE wl.part_1 DROP COLUMN extra;
ALTER TABLE wl.part ATTACH PARTITION wl.part_1 FOR VALUES IN (1);
CREATE TABLE wl.part_2 PARTITION OF wl.part FOR VALUES IN (2, 3) PARTITION BY RANGE (id);
CREATE TABLE wl.part_2a PARTITION OF wl.part_2 FOR VALUES FROM (MINVALUE) TO (500);
CREATE TABLE wl.part_2b PARTITION OF wl.part_2 FOR VALUES FROM (500) TO (MAXVALUE);
CREATE TABLE wl.child (id bigserial PRIMARY KEY, keyed bigint REFERENCES wl.keyed ON DELETE CASCADE ON UPDATE CASCADE, note text);
CREATE TABLE wl.ident (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tag text NOT NULL, body jsonb);
ALTER TABLE wl.ident ADD CONSTRAINT ident_tag UNIQUE (tag);
ALTER TABLE wl.ident REPLICA IDENTITY USING INDEX ident_tag;
INSERT INTO wl.keyed SELECT i, i, md5(i::text), i / 7.0, repeat(md5(i::text), 100) FROM generate_series(1, 500) i;
INSERT INTO wl.pair SELECT chr(97 + i % 26), i, md5(i::text), i FROM generate_series(1, 300) i;
INSERT INTO wl.bag SELECT i % 20, 'row ' || i % 7, decode(md5((i % 5)::text), 'hex') FROM generate_series(1, 300) i;
INSERT INTO wl.part SELECT i % 4, i, md5(i::text) FROM generate_series(1, 1000) i;
INSERT INTO wl.ident (tag, body) SELECT 't' || i, jsonb_build_object('n', i) FROM generate_series(1, 200) i;
SQL

# One random statement.  $r is a generator of ints below its argument.
my @STATEMENTS = (
	[ 8, sub { my $r = shift; sprintf "INSERT INTO wl.keyed VALUES (%d, %d, md5('%d'), %d / 13.0, repeat(md5('%d'), %d)) ON CONFLICT (id) DO UPDATE SET a = excluded.a", $r->(3000), $r->(1000), $r->(99), $r->(9999), $r->(99), $r->(300) } ],
	[ 8, sub { my $r = shift; sprintf "UPDATE wl.keyed SET a = a + %d WHERE id = %d", $r->(9) - 4, $r->(3000) } ],
	[ 3, sub { my $r = shift; sprintf "UPDATE wl.keyed SET b = NULL, c = c * 1.5, big = repeat('%s', %d) WHERE id BETWEEN %d AND %d", chr(97 + $r->(26)), $r->(9000), ($r->(3000)) x 2 } ],
	[ 2, sub { my $r = shift; sprintf "UPDATE wl.keyed SET id = %d WHERE id = %d", $r->(3000), $r->(3000) } ],
	[ 3, sub { my $r = shift; my $a = $r->(3000); sprintf "DELETE FROM wl.keyed WHERE id BETWEEN %d AND %d", $a, $a + $r->(8) } ],
	[ 4, sub { my $r = shift; sprintf "INSERT INTO wl.pair VALUES ('%s', %d, 'v%d', %d) ON CONFLICT DO NOTHING", chr(97 + $r->(26)), $r->(400), $r->(99), $r->(600) } ],
	[ 3, sub { my $r = shift; sprintf "UPDATE wl.pair SET u = %d WHERE k2 = %d", $r->(600), $r->(400) } ],
	[ 2, sub { my $r = shift; my ($a, $b) = ($r->(600), $r->(600)); "UPDATE wl.pair SET u = -1 - $a WHERE u = $a; UPDATE wl.pair SET u = $a WHERE u = $b; UPDATE wl.pair SET u = $b WHERE u = -1 - $a" } ],
	[ 2, sub { my $r = shift; my $u = $r->(600); "WITH d AS (DELETE FROM wl.pair WHERE u = $u RETURNING *) SELECT count(*) FROM d; INSERT INTO wl.pair VALUES ('again', " . $r->(100000) . ", 'x', $u) ON CONFLICT DO NOTHING" } ],
	[ 2, sub { my $r = shift; sprintf "UPDATE wl.pair SET k1 = '%s', k2 = k2 + 1 WHERE k2 = %d AND k1 < '%s'", chr(97 + $r->(26)), $r->(400), chr(97 + $r->(26)) } ],
	[ 5, sub { my $r = shift; sprintf "INSERT INTO wl.bag SELECT %d, 'row %d', decode(md5('%d'), 'hex') FROM generate_series(1, %d)", $r->(20), $r->(7), $r->(5), 1 + $r->(3) } ],
	[ 3, sub { my $r = shift; sprintf "DELETE FROM wl.bag WHERE ctid = (SELECT ctid FROM wl.bag WHERE a = %d LIMIT 1)", $r->(20) } ],
	[ 3, sub { my $r = shift; sprintf "UPDATE wl.bag SET b = %s WHERE ctid = (SELECT ctid FROM wl.bag WHERE a = %d LIMIT 1)", ('NULL', "'row 1'", "''")[ $r->(3) ], $r->(20) } ],
	[ 4, sub { my $r = shift; sprintf "INSERT INTO wl.part VALUES (%d, %d, 'new') ON CONFLICT DO NOTHING", $r->(4), $r->(2000) } ],
	[ 4, sub { my $r = shift; sprintf "UPDATE wl.part SET region = %d WHERE id = %d", $r->(4), $r->(2000) } ],
	[ 2, sub { my $r = shift; sprintf "UPDATE wl.part SET id = id + 1 WHERE id = %d", $r->(2000) } ],
	[ 2, sub { my $r = shift; sprintf "DELETE FROM wl.part WHERE id = %d", $r->(2000) } ],
	[ 4, sub { my $r = shift; sprintf "INSERT INTO wl.child (keyed, note) SELECT id, 'note %d' FROM wl.keyed ORDER BY id LIMIT %d", $r->(99), $r->(4) } ],
	[ 1, sub { my $r = shift; sprintf "DELETE FROM wl.child WHERE id %% 50 = %d", $r->(50) } ],
	[ 4, sub { my $r = shift; sprintf "INSERT INTO wl.ident (tag, body) VALUES ('n%d', '{\"a\": [%d, null, \"\\u00e9\"]}') ON CONFLICT (tag) DO UPDATE SET body = excluded.body", $r->(900), $r->(9) } ],
	[ 2, sub { my $r = shift; sprintf "UPDATE wl.ident SET tag = 'm%d' WHERE tag = 'n%d'", $r->(900), $r->(900) } ],
	[ 1, sub { my $r = shift; sprintf "INSERT INTO wl.keyed SELECT g, g, 'bulk', 0, NULL FROM generate_series(%d, %d) g ON CONFLICT DO NOTHING", map { $_, $_ + 400 } $r->(3000) } ],
	[ 1, sub { my $r = shift; "UPDATE wl.pair SET u = u + 1 WHERE u > " . $r->(900) } ]);
my @WEIGHTED = map { my ($n, $code) = @$_; ($code) x $n } @STATEMENTS;
my $TRUNCATE = 'TRUNCATE wl.child';

sub transaction
{
	my ($r, $truncate) = @_;
	my @lines = ('BEGIN');
	my $open = 0;
	for (0 .. $r->(8))
	{
		my $dice = $r->(100);
		if ($dice < 8) { push @lines, 'SAVEPOINT s'; $open++; }
		elsif ($dice < 12 && $open) { push @lines, 'ROLLBACK TO s'; }
		elsif ($dice < 14 && $open) { push @lines, 'RELEASE s'; $open--; }
		push @lines, $WEIGHTED[ $r->(scalar @WEIGHTED) ]->($r);
	}
	push @lines, $TRUNCATE if $r->(400) == 0 && $truncate;
	if ($r->(25) == 0) { my $gid = "wl-$$-" . $r->(1 << 30); push @lines, "PREPARE TRANSACTION '$gid'", $r->(4) ? "COMMIT PREPARED '$gid'" : "ROLLBACK PREPARED '$gid'"; }
	else { push @lines, $r->(12) ? 'COMMIT' : 'ROLLBACK'; }
	return join(";\n", @lines);
}

# Starts the sessions.  Options: conninfo, sessions, seed, pause (seconds between
# transactions), truncate (now and then; a table that is truncated while it loads must be loaded again).
sub start
{
	my ($class, %opt) = @_;
	my $self = bless { pids => [], stats => "$ENV{TESTDIR}/workload" }, $class;
	for my $n (1 .. ($opt{sessions} // 3))
	{
		my $pid = fork // die "fork: $!";
		if (!$pid)
		{
			$DtsTest::in_child = 1;
			my $stop = 0;
			$SIG{TERM} = sub { $stop = 1; };
			my $state = ($opt{seed} // 1) * 7919 + $n;
			# A generator of our own, so that a seed means the same on every machine.
			my $r = sub { my $below = shift; $state = ($state * 1103515245 + 12345) & 0x7fffffff; return int(($state >> 8) % $below); };
			my ($session, $done) = (undef, 0);
			while (!$stop)
			{
				my $sql = transaction($r, $opt{truncate});
				$session //= DtsSession->new($opt{conninfo});
				my $out = eval { $session->try("ROLLBACK; SET lock_timeout = '2s'; SET client_min_messages = error;\n$sql", 60) };
				if (!defined $out) { undef $session; sleep 0.2; }
				else { $done++; }
				sleep $opt{pause} if $opt{pause};
			}
			undef $session;
			if (open my $file, '>', "$self->{stats}.$$") { print $file $done; close $file; }
			POSIX::_exit(0);
		}
		push @{ $self->{pids} }, $pid;
	}
	return $self;
}
# Ends them; returns the number of transactions run.  Prepared transactions left by a kill are rolled back
# by finish_prepared().
sub stop
{
	my $self = shift;
	my $total = 0;
	kill TERM => @{ $self->{pids} };
	for my $pid (@{ $self->{pids} })
	{
		waitpid $pid, 0;
		if (open my $file, '<', "$self->{stats}.$pid") { $total += <$file> // 0; unlink "$self->{stats}.$pid"; }
	}
	$self->{pids} = [];
	return $total;
}
sub finish_prepared
{
	my ($class, $test) = @_;
	my $gids = $test->sql_source("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'wl-%'");
	$test->sql_source("ROLLBACK PREPARED '$_'") for split /\n/, $gids;
	return;
}
sub DESTROY
{
	my $self = shift;
	return if $DtsTest::in_child || !@{ $self->{pids} };
	local ($?, $@, $!);
	$self->stop;
	return;
}

1;
