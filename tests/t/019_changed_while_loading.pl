# A table that is split changes on the source between two of its parts: it is loaded again, and the stream goes on.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = DtsTest->new;
# Larger than one and a half parts, which are small here, so it is split; stored as it is, so that little is to be computed.
my %parts = (env => { DTS_COPY_PART_MB => 2 });
$t->{source}->safe_psql('postgres', 'CREATE DATABASE seed');
$t->{source}->safe_psql('seed', <<'SQL');
CREATE TABLE big (id int PRIMARY KEY, v text, pad text);
ALTER TABLE big ALTER pad SET STORAGE PLAIN;
INSERT INTO big SELECT i, 'v' || i, repeat('x', 1900) FROM generate_series(1, 4000) i;
CREATE TABLE small (id int PRIMARY KEY, v text);
INSERT INTO small SELECT i, 'v' FROM generate_series(1, 100) i;
ANALYZE;
SQL

# The copy worker is stopped when it has copied a part, the source changes, the worker goes on.
sub load
{
	my ($name, $change, %opt) = @_;
	$t->{database} = $name;
	$t->{source}->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE seed");
	$t->{target}->safe_psql('postgres', "CREATE DATABASE $name");
	my $daemon = $t->start_daemon(%parts, fault => 'part.before_commit=stop');
	$t->create_job($name, options => { workers => 1 });
	$t->check_job($name);
	$t->start_job($name);
	my $pid = $t->wait_for('the first part', sub { $daemon->fault_pid('part.before_commit') });
	$t->sql_source("SET lock_timeout = '10s'; $change");
	kill CONT => $pid;
	return $daemon;
}
sub goes_on
{
	my ($name, $daemon, $what, @args) = @_;
	$t->wait_job($name, 'incremental');
	$t->sql_source("INSERT INTO small VALUES (1000, 'later'); DELETE FROM small WHERE id = 5");
	$t->equal($name, "$what: equal at the end", @args);
	$t->stop_job($name);
	$t->clean("$what: nothing is left behind");
	$daemon->stop;
	return;
}
sub told
{
	my ($name, $event) = @_;
	return $t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = '$name' AND event = '$event'");
}

my @changes = (
	[ 'rewriting ALTER TABLE', 'ALTER TABLE big ALTER id TYPE bigint; INSERT INTO big VALUES (30000000, \'after\', \'\')' ],
	[ 'VACUUM FULL', 'DELETE FROM big WHERE id % 3 = 0; VACUUM FULL big' ],
	[ 'TRUNCATE', "TRUNCATE big; INSERT INTO big VALUES (1, 'new', ''), (40000, 'new', '')" ],
	[ 'DROP and CREATE of the name', "DROP TABLE big; CREATE TABLE big (id int PRIMARY KEY, v text, pad text); INSERT INTO big SELECT i, 'second', '' FROM generate_series(1, 500) i" ],
	[ 'two columns change their names', "ALTER TABLE big RENAME v TO w; ALTER TABLE big RENAME pad TO v; ALTER TABLE big RENAME w TO pad" ]);
my $n = 0;
for (@changes)
{
	my ($what, $change) = @$_;
	my $name = 'j' . ++$n;
	my $daemon = load($name, $change);
	$t->wait_job($name, 'incremental');
	is(told($name, 'table_changed'), '1', "$what: the change is noticed, and told");
	goes_on($name, $daemon, $what);
}

# Gone, and gone under another name.
my $daemon = load('gone', 'DROP TABLE big');
$t->wait_job('gone', 'incremental');
ok($t->wait_for('it to go on the target', sub { $t->sql_target("SELECT to_regclass('big') IS NULL") eq 't' }), 'DROP TABLE: nothing of it stays on the target');
goes_on('gone', $daemon, 'DROP TABLE', '--exclude', 'public.big');
$daemon = load('renamed', 'ALTER TABLE big RENAME TO big2');
$t->wait_state('renamed', 'error');
like($t->sql_ctl("SELECT error || error_detail FROM dts_jobs WHERE job = 'renamed'"), qr/missing on the target.*big2/s, 'ALTER TABLE RENAME: the error names the table that the target lacks');
$t->sql_source('ALTER TABLE big2 RENAME TO big');
$t->act('retry', 'renamed');
goes_on('renamed', $daemon, 'ALTER TABLE RENAME');

# Whoever wants a table on the source does not wait for us, even when the target keeps us waiting.
$t->{source}->safe_psql('postgres', 'CREATE DATABASE way TEMPLATE seed');
$t->{target}->safe_psql('postgres', 'CREATE DATABASE way');
$t->{database} = 'way';
$t->sql_target('CREATE TABLE big (id int PRIMARY KEY, v text, pad text); CREATE TABLE small (id int PRIMARY KEY, v text)');
# what they take when nobody is in the way
my $began = time;
$t->sql_source('ALTER TABLE big ADD CHECK (id > 0); VACUUM FULL big');
my $alone = time - $began;
my $lock = $t->session('target');
$lock->do('BEGIN');
$lock->do('LOCK TABLE big IN SHARE MODE');
$daemon = $t->start_daemon(%parts);
$t->create_job('way', options => { workers => 1, phases => [ 'full', 'incremental' ] });
$t->check_job('way');
$t->start_job('way');
$t->wait_for('the copy to wait on the target', sub { $t->sql_target("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'") > 0 });
$began = time;
$t->sql_source("SET lock_timeout = '60s'; ALTER TABLE big ADD CHECK (id > 0); VACUUM FULL big");
cmp_ok(time - $began, '<', 10 + 5 * $alone, 'ALTER TABLE and VACUUM FULL wait only briefly while the table is being copied');
$lock->do('COMMIT');
goes_on('way', $daemon, 'giving way');
done_testing;
