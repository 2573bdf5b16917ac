/*
 * test_spool.c
 *		The spool: order, limits, files, and damage to them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "spool.h"

#define NO_LIMIT UINT64_MAX

static char dir[] = "/tmp/dts_spool.XXXXXX";

static int
make_dir(void **state)
{
	(void) state;
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state)
{
	(void) state;
	return rmdir(dir); /* fails when something was left behind */
}

/* Message n of spool s: contents and length depend on both. */
static size_t
make_message(char *to, int s, int n)
{
	size_t len = (size_t) (n * 37 % 3000 + 1);

	memset(to, 'a' + (s + n) % 26, len);
	snprintf(to, len, "%d/%d", s, n);
	return len;
}

static void
append(Spool *spool, int s, int n)
{
	char message[4096];
	size_t len = make_message(message, s, n);
	Error err;

	if (!spool_append(spool, message, len, &err))
		fail_msg("%s: %s", err.message, err.detail);
}

static void
expect(Spool *spool, int s, int count)
{
	char message[4096];
	const void *bytes;
	size_t len;
	Error err;

	for (int n = 0; n < count; n++)
	{
		assert_true(spool_next(spool, &bytes, &len, &err));
		assert_non_null(bytes);
		assert_int_equal(len, make_message(message, s, n));
		assert_memory_equal(bytes, message, len);
	}
	assert_true(spool_next(spool, &bytes, &len, &err));
	assert_null(bytes);
}

static void
gives_back_what_it_took(uint64_t memory_limit, bool files)
{
	SpoolSet *set = spool_set_create(dir, memory_limit, NO_LIMIT);
	Spool *spools[3];

	for (int s = 0; s < 3; s++)
		spools[s] = spool_create(set);
	for (int n = 0; n < 500; n++)
	{
		for (int s = 0; s < 3; s++)
			append(spools[s], s, n);
		assert_true(spool_set_memory(set) <= memory_limit);
	}
	assert_int_equal(spool_set_disk(set) > 0, files);
	for (int s = 2; s >= 0; s--)
	{
		expect(spools[s], s, 500);
		spool_destroy(spools[s]);
	}
	assert_int_equal(spool_set_memory(set), 0);
	assert_int_equal(spool_set_disk(set), 0);
	spool_set_destroy(set);
}

static void
keeps_small_transactions_in_memory(void **state)
{
	(void) state;
	gives_back_what_it_took(NO_LIMIT, false);
}

static void
moves_large_transactions_into_files(void **state)
{
	(void) state;
	gives_back_what_it_took(100000, true);
}

static void
works_without_any_memory(void **state)
{
	(void) state;
	gives_back_what_it_took(0, true);
}

static void
an_empty_spool_is_empty(void **state)
{
	SpoolSet *set = spool_set_create(dir, 0, NO_LIMIT);

	(void) state;
	expect(spool_create(set), 0, 0);
	spool_set_destroy(set);
	spool_set_destroy(NULL);
}

static void
the_largest_moves_first(void **state)
{
	SpoolSet *set = spool_set_create(dir, 100000, NO_LIMIT);
	Spool *large = spool_create(set);
	Spool *small = spool_create(set);
	char message[60000] = {0};
	Error err;

	(void) state;
	assert_true(spool_append(large, message, sizeof(message), &err));
	assert_true(spool_append(small, message, 50000, &err));
	assert_true(spool_set_disk(set) > 60000);
	assert_true(spool_set_memory(set) < 60000);
	spool_destroy(large);
	assert_int_equal(spool_set_disk(set), 0);
	spool_set_destroy(set);
}

static void
refuses_more_than_its_limit_and_goes_on_when_there_is_room(void **state)
{
	SpoolSet *set = spool_set_create(dir, 0, 10000);
	Spool *first = spool_create(set);
	Spool *second = spool_create(set);
	char message[6000] = {0};
	Error err;

	(void) state;
	error_clear(&err);
	assert_true(spool_append(first, message, sizeof(message), &err));
	assert_false(spool_append(second, message, sizeof(message), &err));
	assert_string_equal(err.sqlstate, ERR_DISK);
	assert_non_null(strstr(err.detail, "10000 bytes"));
	assert_true(err.hint[0] != '\0');
	spool_destroy(second);
	spool_destroy(first);
	assert_true(spool_append(spool_create(set), message, sizeof(message), &err));
	spool_set_destroy(set);
}

static void
says_which_folder_it_can_not_use(void **state)
{
	SpoolSet *set = spool_set_create("/nonexistent/dts", 0, NO_LIMIT);
	Error err;

	(void) state;
	assert_false(spool_append(spool_create(set), "x", 1, &err));
	assert_string_equal(err.sqlstate, ERR_DISK);
	assert_non_null(strstr(err.detail, "/nonexistent/dts"));
	spool_set_destroy(set);
}

/* A limit on the size of files does what a full disk does. */
static void
reports_a_failed_write(void **state)
{
	int status;
	pid_t pid = fork();

	(void) state;
	if (pid == 0)
	{
		struct rlimit limit = {8192, 8192};
		SpoolSet *set = spool_set_create(dir, 0, NO_LIMIT);
		Spool *spool = spool_create(set);
		char message[6000] = {0};
		Error err;

		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(3);
		if (!spool_append(spool, message, sizeof(message), &err))
			_exit(4);
		if (spool_append(spool, message, sizeof(message), &err))
			_exit(5);
		spool_set_destroy(set);
		_exit(strcmp(err.sqlstate, ERR_DISK) == 0 && strstr(err.message, "write") ? 0 : 6);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The descriptor of the spool's nameless file in this process. */
static int
open_spool_file(void)
{
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd = -1;

	assert_non_null(fds);
	while ((entry = readdir(fds)) != NULL)
	{
		char path[300], target[300];
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (strncmp(target, dir, strlen(dir)) == 0 && strstr(target, "/spool.") != NULL)
			fd = atoi(entry->d_name);
	}
	closedir(fds);
	assert_true(fd >= 0);
	return fd;
}

/* Reads until the end; true when damage was reported, and nothing wrong was handed out before. */
static bool
finds_damage(Spool *spool, int count)
{
	char message[4096];
	const void *bytes;
	size_t len;
	Error err;

	for (int n = 0; n < count; n++)
	{
		if (!spool_next(spool, &bytes, &len, &err))
		{
			assert_string_equal(err.sqlstate, ERR_DISK);
			assert_non_null(strstr(err.message, "damaged"));
			return true;
		}
		if (bytes == NULL)
			return false;
		assert_int_equal(len, make_message(message, 1, n));
		assert_memory_equal(bytes, message, len);
	}
	return !spool_next(spool, &bytes, &len, &err);
}

static void
finds_every_changed_byte(void **state)
{
	off_t size = 0;

	(void) state;
	for (off_t at = 0; at == 0 || at < size; at += at < 200 ? 1 : 97)
	{
		SpoolSet *set = spool_set_create(dir, 0, NO_LIMIT);
		Spool *spool = spool_create(set);
		struct stat st;
		char byte;
		int fd;

		for (int n = 0; n < 20; n++)
			append(spool, 1, n);
		fd = open_spool_file();
		assert_int_equal(fstat(fd, &st), 0);
		size = st.st_size;
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (!finds_damage(spool, 20))
			fail_msg("byte %ld of %ld", (long) at, (long) size);
		spool_set_destroy(set);
	}
}

static void
finds_a_shortened_file(void **state)
{
	off_t size = 1;

	(void) state;
	for (off_t len = 0; len < size; len += 61)
	{
		SpoolSet *set = spool_set_create(dir, 0, NO_LIMIT);
		Spool *spool = spool_create(set);
		struct stat st;

		for (int n = 0; n < 10; n++)
			append(spool, 1, n);
		assert_int_equal(fstat(open_spool_file(), &st), 0);
		size = st.st_size;
		assert_int_equal(ftruncate(open_spool_file(), len), 0);
		assert_true(finds_damage(spool, 10));
		spool_set_destroy(set);
	}
}

/* Both messages are whole, in each other's place. */
static void
finds_exchanged_messages(void **state)
{
	SpoolSet *set = spool_set_create(dir, 0, NO_LIMIT);
	Spool *spool = spool_create(set);
	char both[2][100];
	char one[80] = "one", two[80] = "two";
	const void *bytes;
	size_t len;
	Error err;
	size_t frame;
	struct stat st;
	int fd;

	(void) state;
	assert_true(spool_append(spool, one, sizeof(one), &err));
	assert_true(spool_append(spool, two, sizeof(two), &err));
	fd = open_spool_file();
	assert_int_equal(fstat(fd, &st), 0);
	frame = (size_t) st.st_size / 2;
	assert_true(frame <= sizeof(both[0]));
	assert_int_equal(pread(fd, both[0], frame, 0), frame);
	assert_int_equal(pread(fd, both[1], frame, (off_t) frame), frame);
	assert_int_equal(pwrite(fd, both[1], frame, 0), frame);
	assert_int_equal(pwrite(fd, both[0], frame, (off_t) frame), frame);
	assert_false(spool_next(spool, &bytes, &len, &err));
	spool_set_destroy(set);
}

static void
passes_its_fault_point_after_writing(void **state)
{
	int status;
	pid_t pid;

	(void) state;
	setenv("DTS_FAULT", "spool.written=exit:2", 1);
	pid = fork();
	if (pid == 0)
	{
		SpoolSet *set = spool_set_create(dir, 0, NO_LIMIT);
		Spool *spool = spool_create(set);
		Error err;

		fault_init();
		if (!spool_append(spool, "a", 1, &err))
			_exit(5);
		if (!spool_append(spool, "b", 1, &err))
			_exit(6);
		spool_set_destroy(set);
		_exit(7); /* the second write should have ended us */
	}
	unsetenv("DTS_FAULT");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_small_transactions_in_memory),
	    cmocka_unit_test(moves_large_transactions_into_files),
	    cmocka_unit_test(works_without_any_memory),
	    cmocka_unit_test(an_empty_spool_is_empty),
	    cmocka_unit_test(the_largest_moves_first),
	    cmocka_unit_test(refuses_more_than_its_limit_and_goes_on_when_there_is_room),
	    cmocka_unit_test(says_which_folder_it_can_not_use),
	    cmocka_unit_test(reports_a_failed_write),
	    cmocka_unit_test(finds_every_changed_byte),
	    cmocka_unit_test(finds_a_shortened_file),
	    cmocka_unit_test(finds_exchanged_messages),
	    cmocka_unit_test(passes_its_fault_point_after_writing),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
