# DtsDisk: a disk that is full for some files of a server or daemon, and free again.
#
# A library loaded before the C library plays it: while a flag is up, no file can grow whose path has a part that the flag names.
package DtsDisk;

use strict;
use warnings;

# undef where no C compiler is there to make it.
sub new
{
	my $class = shift;
	mkdir $ENV{TESTDIR};
	my $self = bless { library => "$ENV{TESTDIR}/full.so", flag => "$ENV{TESTDIR}/full" }, $class;
	my $source = "$ENV{TESTDIR}/full.c";
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
	return system("cc -shared -fPIC -o '$self->{library}' '$source' -ldl 2>'$source.log'") == 0 ? $self : undef;
}
# Starts a server of the tests anew, with the disk below it.
# What a process that is to be on it is started with.
sub environment { my $self = shift; return { LD_PRELOAD => $self->{library}, DTS_FULL => $self->{flag} }; }
sub put_under
{
	my ($self, $node) = @_;
	local @ENV{qw(LD_PRELOAD DTS_FULL)} = @{ $self->environment }{qw(LD_PRELOAD DTS_FULL)};
	$node->restart;
	return;
}
sub fill { my ($self, $part) = @_; symlink $part, $self->{flag} or die "$self->{flag}: $!"; return; }
sub free { my $self = shift; unlink $self->{flag}; return; }

1;
