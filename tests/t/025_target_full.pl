# The target's disk is full in the middle of the load, and free again later: the job says why it waits, and loses nothing.
#
# A library loaded before the C library plays the disk: while a flag is up, no file of the target database can grow.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep);

mkdir $ENV{TESTDIR};
my ($source, $library, $flag) = map { "$ENV{TESTDIR}/$_" } 'full.c', 'full.so', 'full';
open my $out, '>', $source or die "$source: $!";
print $out <<'C';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Whether the file would have to grow, while the link named by DTS_FULL points to a part of its path. */
static int
is_full(int fd, off_t end)
{
	const char *flag = getenv("DTS_FULL");
	char where[PATH_MAX], link[64], path[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (flag == NULL || (n = readlink(flag, where, sizeof(where) - 1)) <= 0)
		return 0;
	where[n] = '\0';
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, sizeof(path) - 1)) <= 0)
		return 0;
	path[n] = '\0';
	if (strstr(path, where) == NULL || fstat(fd, &st) != 0 || end <= st.st_size)
		return 0;
	errno = ENOSPC;
	return 1;
}
#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { return is_full(fd, at + (off_t) n) ? -1 : NEXT(pwrite)(fd, b, n, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { return is_full(fd, at + (off_t) n) ? -1 : NEXT(pwrite64)(fd, b, n, at); }
ssize_t pwritev(int fd, const struct iovec *v, int c, off_t at) { return is_full(fd, at + 1) ? -1 : NEXT(pwritev)(fd, v, c, at); }
ssize_t pwritev64(int fd, const struct iovec *v, int c, off64_t at) { return is_full(fd, at + 1) ? -1 : NEXT(pwritev64)(fd, v, c, at); }
int posix_fallocate(int fd, off_t at, off_t n) { return is_full(fd, at + n) ? ENOSPC : NEXT(posix_fallocate)(fd, at, n); }
int posix_fallocate64(int fd, off64_t at, off64_t n) { return is_full(fd, at + n) ? ENOSPC : NEXT(posix_fallocate64)(fd, at, n); }
C
close $out;
plan skip_all => 'no C compiler to build the full disk with' if system("cc -shared -fPIC -o '$library' '$source' -ldl 2>'$source.log'") != 0;

my $t = DtsTest->new;
$t->{target}->stop;
{
	local @ENV{qw(LD_PRELOAD DTS_FULL)} = ($library, $flag);
	$t->{target}->start;
}
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
symlink $where, $flag or die "$flag: $!";
isnt(($t->try('target', $t->{database}, "CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 100)"))[0], 0, 'the disk is full');
kill CONT => $pid;
$t->wait_state('j', 'retrying');
like($t->sql_ctl("SELECT concat_ws(' ', error, error_hint) FROM dts_jobs WHERE job = 'j'"), qr/No space left on device.*disk space/, 'the job tries again, and says why');
my $parts = $t->sql_target($done);
is($parts, $t->sql_target("SELECT min(part_id) FROM dts.target_part WHERE kind = 'part'"), 'the part that was copied before stays');
$t->wait_for('another attempt', sub { () = $daemon->log_text =~ /will try again: could not extend file/g; my @n = $daemon->log_text =~ /next attempt in (\d+) ms/g; @n >= 2 && $n[-1] > $n[0] });
pass('with pauses that grow');
is($t->sql_target($done), $parts, 'and nothing of it is done twice');
unlink $flag;
$t->wait_job('j', 'incremental');
$t->sql_source("INSERT INTO small VALUES (2000, 'later')");
$t->equal('j', 'equal when there is room again');
is($t->sql_ctl("SELECT error IS NULL FROM dts_jobs WHERE job = 'j'"), 't', 'and the error is gone');
$t->stop_job('j');
$t->clean('nothing is left behind');
done_testing;
