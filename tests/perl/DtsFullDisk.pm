# DtsFullDisk: a disk that is full while a test says so.
#
# A library loaded before the C library plays the disk: while a link named by DTS_FULL is there, no file whose path has in it what
# the link points to can grow.
#
#	my $library = DtsFullDisk::build($folder) or plan skip_all => ...;     for LD_PRELOAD; undef: no C compiler
package DtsFullDisk;

use strict;
use warnings;

sub build
{
	my $folder = shift;
	my ($source, $library) = ("$folder/full.c", "$folder/full.so");
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
	close $out or die "$source: $!";
	return system("cc -shared -fPIC -o '$library' '$source' -ldl 2>'$source.log'") == 0 ? $library : undef;
}

1;
