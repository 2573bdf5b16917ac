# The target's disk is full in the middle of the load, and free again later: the job says why it waits, and loses nothing.
use strict;
use warnings;
use DtsDisk;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep);

my $disk = DtsDisk->new or plan skip_all => 'no C compiler to build the full disk with';
my $t = DtsTest->new;
$disk->put_under($t->{target});
$t->sql_source(<<'SQL');
CREATE TABLE big (id int PRIMARY KEY, pad text);
ALTER TABLE big ALTER pad SET STORAGE PLAIN;
INSERT INTO big SELECT i, repeat('x', 1900) FROM generate_series(1, 28000) i;
CREATE TABLE small (id int PRIMARY KEY, v text);
INSERT INTO small SELECT i, 'v' FROM generate_series(1, 1000) i;
ANALYZE;
SQL
my $where = '/base/' . $t->sql_target('SELECT oid FROM pg_database WHERE datname = current_database()') . '/';
my $done = "SELECT coalesce(string_agg(part_id::text, ' ' ORDER BY part_id), '') FROM dts.target_part WHERE kind = 'part' AND state = 'done'";

my $daemon = $t->start_daemon(fault => 'part.before_commit=stop');
$t->create_job('j', options => { workers => 1 });
$t->check_job('j');
$t->start_job('j');
my $pid = $t->wait_for('the first part', sub { $daemon->fault_pid('part.before_commit') });
$disk->fill($where);
isnt(($t->try('target', $t->{database}, "CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 100)"))[0], 0, 'the disk is full');
kill CONT => $pid;
ok($t->wait_retrying('j', qr/No space left on device.*disk space/), 'the job tries again, and says why');
my $parts = $t->sql_target($done);
is($parts, $t->sql_target("SELECT min(part_id) FROM dts.target_part WHERE kind = 'part'"), 'the part that was copied before stays');
$t->wait_for('another attempt', sub { () = $daemon->log_text =~ /will try again: could not extend file/g; my @n = $daemon->log_text =~ /next attempt in (\d+) ms/g; @n >= 2 && $n[-1] > $n[0] });
pass('with pauses that grow');
is($t->sql_target($done), $parts, 'and nothing of it is done twice');
$disk->free;
$t->wait_job('j', 'incremental');
$t->sql_source("INSERT INTO small VALUES (2000, 'later')");
$t->equal('j', 'equal when there is room again');
is($t->sql_ctl("SELECT error IS NULL FROM dts_jobs WHERE job = 'j'"), 't', 'and the error is gone');
$t->stop_job('j');
$t->clean('nothing is left behind');
done_testing;
