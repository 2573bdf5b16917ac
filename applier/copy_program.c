/*
 * copy_program.c
 *		Running pg_dump and pg_restore; see copy_program.h.
 *
 * The connection goes to pg_dump as a conninfo without its secrets; those travel in the environment
 * or, where libpq has no variable for one, in a service file that only we can read.
 */
#include "copy_program.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy_catalog.h"
#include "dump_program.h"
#include "fault.h"
#include "source_needs.h"
#include "strbuf.h"

#define PATH_SIZE DUMP_PATH_SIZE

struct CopyProgram
{
	Worker *w;
	char folder[64];
	char archive[PATH_SIZE];
	char edited[PATH_SIZE];
	DumpProgram found;
};

static void
file_in(const CopyProgram *p, char *path, const char *name)
{
	snprintf(path, PATH_SIZE, "%s/%s", p->folder, name);
}

static bool
file_read(const char *path, Arena *arena, char **text, Error *err)
{
	FILE *file = fopen(path, "re");
	long size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
	{
		error_set(err, ERR_CHILD, "could not read what pg_restore wrote: %m");
		if (file != NULL)
			fclose(file);
		return false;
	}
	rewind(file);
	*text = arena_alloc(arena, (size_t) size + 1);
	size = (long) fread(*text, 1, (size_t) size, file);
	(*text)[size] = '\0';
	fclose(file);
	return true;
}

/* Runs a program to its end.  False: failed, or *order is no longer ORDER_GO_ON. */
static bool
run(CopyProgram *p, const char *const *argv, const char *const *env, int out_fd, WorkerOrder *order,
    Error *err)
{
	Program *program = worker_run(p->w, argv, env, -1, out_fd, err);
	bool ok = true;

	*order = ORDER_GO_ON;
	if (program == NULL)
		return false;
	*order = worker_run_wait(p->w, &program, 1, &ok, err);
	return ok && *order == ORDER_GO_ON;
}

CopyProgram *
copy_program_open(Worker *w, int source_version, Error *err)
{
	CopyProgram *p = xcalloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	p->w = w;
	snprintf(p->folder, sizeof(p->folder), "%s/dts_schema.XXXXXX",
	         tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(p->folder) == NULL)
	{
		error_set(err, ERR_DISK, "could not create a temporary folder: %m");
		free(p);
		return NULL;
	}
	file_in(p, p->archive, "archive");
	file_in(p, p->edited, "edited");
	if (!dump_program_find(&p->found, source_version / 10000, err))
	{
		copy_program_close(p);
		return NULL;
	}
	return p;
}

void
copy_program_close(CopyProgram *p)
{
	static const char *const files[] = {"archive", "edited", "sql", "service"};

	if (p == NULL)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		char path[PATH_SIZE];

		file_in(p, path, files[i]);
		unlink(path);
	}
	rmdir(p->folder);
	free(p);
}

const char *
copy_program_archive(const CopyProgram *p)
{
	return p->archive;
}

/* One keyword = 'value' of a conninfo string. */
static void
put_option(StrBuf *buf, const char *keyword, const char *value)
{
	strbuf_printf(buf, "%s='", keyword);
	for (; *value; value++)
	{
		if (*value == '\'' || *value == '\\')
			strbuf_putc(buf, '\\');
		strbuf_putc(buf, *value);
	}
	strbuf_puts(buf, "' ");
}

/*
 * Splits the conninfo: `open` for argv, `password` for the environment, other secrets for the
 * service file.
 */
static bool
split_conninfo(const char *conninfo, const char *name, StrBuf *open_part, StrBuf *password,
               StrBuf *service, Error *err)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

	if (options == NULL)
	{
		error_set(err, ERR_CONFIG, "the source's connection string cannot be read");
		return false;
	}
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
	{
		if (o->val == NULL || o->val[0] == '\0' || strcmp(o->keyword, "application_name") == 0)
			continue;
		if (strcmp(o->keyword, "password") == 0)
			strbuf_printf(password, "PGPASSWORD=%s", o->val);
		else if (o->dispchar[0] == '*')
			strbuf_printf(service, "%s=%s\n", o->keyword, o->val);
		else
			put_option(open_part, o->keyword, o->val);
	}
	put_option(open_part, "application_name", name);
	PQconninfoFree(options);
	return true;
}

static bool
write_file(const char *path, const char *text, Error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len = strlen(text);
	bool ok = fd >= 0 && write(fd, text, len) == (ssize_t) len;

	if (!ok)
		error_set(err, ERR_DISK, "could not write a temporary file: %m");
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Schemas and relations that the selection does not touch are passed over: they need no locks. */
static const char **
dump_arguments(CopyProgram *p, PgSession *source, const char *snapshot, const char *encoding,
               const char *conninfo, Arena *arena, Error *err)
{
	const Job *job = worker_job(p->w);
	const char **argv;
	SourceNeeds needs;
	char **schemas, **tables;
	int schema_count, table_count;
	int n = 0;

	if (!source_needs_read(&needs, source, job, arena, err) ||
	    !source_needs_excludes(&needs, source, job, arena, &schemas, &schema_count, &tables,
	                           &table_count, err))
		return NULL;
	argv = arena_zalloc(arena, sizeof(char *) * (24 + 2 * (size_t) (schema_count + table_count)));
	argv[n++] = p->found.dump;
	argv[n++] = "--format=custom";
	argv[n++] = "--compress=0";
	argv[n++] = "--schema-only";
	argv[n++] = "--no-subscriptions";
	argv[n++] = "--no-password";
	argv[n++] = "--encoding"; /* whatever role or database configure for clients */
	argv[n++] = encoding;
	argv[n++] = "--file";
	argv[n++] = p->archive;
	if (snapshot[0] != '\0')
	{
		argv[n++] = "--snapshot";
		argv[n++] = snapshot;
	}
	for (int i = 0; i < schema_count; i++)
	{
		argv[n++] = "--exclude-schema";
		argv[n++] = schemas[i];
	}
	for (int i = 0; i < table_count; i++)
	{
		argv[n++] = "--exclude-table";
		argv[n++] = tables[i];
	}
	argv[n++] = "--dbname";
	argv[n++] = conninfo;
	return argv;
}

/*
 * Whether what the snapshot shows has been dropped since.  pg_dump asks the server for definitions, and
 * gets those of now: the functions here, too, look at the catalogs as they are now.
 */
static bool
has_lost_objects(PgSession *snapshot)
{
	Error ignored;
	PgRows *rows = pg_session_query(
	    snapshot, &ignored,
	    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE "
	    "pg_catalog.pg_table_is_visible(oid) IS NULL) OR EXISTS (SELECT FROM pg_catalog.pg_type "
	    "WHERE pg_catalog.pg_type_is_visible(oid) IS NULL) OR EXISTS (SELECT FROM "
	    "pg_catalog.pg_proc WHERE pg_catalog.pg_function_is_visible(oid) IS NULL) OR EXISTS "
	    "(SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
	    "WHERE NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND "
	    "pg_catalog.has_column_privilege(attrelid, attnum, 'SELECT') IS NULL)",
	    0, NULL);
	bool lost = rows != NULL && pg_rows_bool(rows, 0, 0);

	pg_rows_free(rows);
	return lost;
}

/*
 * pg_dump has failed, and has no SQLSTATE to say why.  When our own session is gone, too, or another
 * cannot be opened, or the snapshot is no longer there or shows what has been dropped, that is why; it
 * may be otherwise soon.
 */
static void
look_behind(CopyProgram *p, PgSession *source, const char *snapshot, Error *err)
{
	Error why = {0};
	PgSession *again = NULL;
	char encoding[64];
	bool lost = false;
	bool ok = pg_session_exec(source, &why, "SELECT 1", 0, NULL);

	if (ok)
	{
		again = copy_source_open(worker_job(p->w), encoding, sizeof(encoding), &why);
		ok = again != NULL &&
		     (snapshot[0] == '\0' || copy_snapshot_begin(again, snapshot, &lost, &why));
	}
	if (lost)
		error_set(&why, ERR_CONNECTION, "the load's snapshot was lost just now");
	else if (ok && snapshot[0] != '\0' && has_lost_objects(again))
	{
		ok = false;
		error_set(&why, ERR_OUTDATED,
		          "objects were dropped on the source while its schema was read");
		error_detail(&why, "%s", err->detail);
		error_hint(&why, "It is read again, as of a later time.");
	}
	pg_session_close(again);
	if (!ok)
		*err = why;
}

bool
copy_program_dump(CopyProgram *p, PgSession *source, const char *snapshot, const char *encoding,
                  WorkerOrder *order, Error *err)
{
	const Job *job = worker_job(p->w);
	Arena *arena = arena_create(8192);
	StrBuf open_part, password, service;
	char service_path[PATH_SIZE];
	const char *env[4] = {NULL};
	const char **argv = NULL;
	int n = 0;
	bool ok;

	strbuf_init(&open_part);
	strbuf_init(&password);
	strbuf_init(&service);
	strbuf_puts(&service, "[dts_source]\n");
	*order = ORDER_GO_ON;
	ok = split_conninfo(job->source_conninfo, job->slot_name, &open_part, &password, &service, err);
	if (ok && strchr(service.data, '=') != NULL)
	{
		file_in(p, service_path, "service");
		ok = write_file(service_path, service.data, err);
		env[n++] = arena_printf(arena, "PGSERVICEFILE=%s", service_path);
		put_option(&open_part, "service", "dts_source");
	}
	if (password.len > 0)
		env[n++] = password.data;
	if (ok)
		argv = dump_arguments(p, source, snapshot, encoding, open_part.data, arena, err);
	if (argv != NULL)
		FAULT_POINT("schema.before_dump");
	ok = argv != NULL && run(p, argv, env, -1, order, err);
	if (!ok && argv != NULL && *order == ORDER_GO_ON)
		look_behind(p, source, snapshot, err);
	if (!ok)
		error_context(err, "running pg_dump");
	explicit_bzero(password.data, password.len);
	explicit_bzero(service.data, service.len);
	strbuf_free(&open_part);
	strbuf_free(&password);
	strbuf_free(&service);
	arena_destroy(arena);
	return ok;
}

/* A setting of newer servers that pg_dump writes without asking the target. */
static void
blank_timeout(char *sql)
{
	static const char setting[] = "\nSET transaction_timeout = 0;";
	char *at = strstr(sql, setting);

	if (at != NULL)
		memset(at + 1, ' ', sizeof(setting) - 2);
}

/* Newer minor releases guard a script with psql commands, first and last; not for us. */
static char *
without_guard(char *sql)
{
	static const char begin[] = "\\restrict ";
	char *first = strncmp(sql, begin, sizeof(begin) - 1) == 0 ? sql : strstr(sql, "\n\\restrict ");
	char *end, *key, *last;

	if (first == NULL)
		return sql;
	first += *first == '\n' ? 1 : 0;
	key = first + sizeof(begin) - 1;
	end = strchr(key, '\n');
	if (end == NULL)
		return sql;
	*end = '\0';
	for (last = strstr(end + 1, "\\unrestrict "); last != NULL;
	     last = strstr(last + 1, "\\unrestrict "))
	{
		size_t len = strlen(key);

		if (last[-1] == '\n' && strncmp(last + 12, key, len) == 0)
			memset(last, ' ', 12 + len);
	}
	memset(first, ' ', (size_t) (end - first));
	*end = '\n';
	return sql;
}

const char *
copy_program_sql(CopyProgram *p, const Archive *archive, const ArchiveChange *changes,
                 ArchiveEntry *const *entries, int count, Arena *arena, WorkerOrder *order,
                 Error *err)
{
	char out[PATH_SIZE];
	const char *argv[] = {
	    p->found.restore, "--no-tablespaces", "--no-privileges", "--file", out, p->edited, NULL};
	char *sql = NULL;

	file_in(p, out, "sql");
	if (!copy_archive_write(archive, changes, entries, count, p->archive, p->edited, err) ||
	    !run(p, argv, NULL, -1, order, err) || !file_read(out, arena, &sql, err))
	{
		error_context(err, "running pg_restore");
		return NULL;
	}
	sql = without_guard(sql);
	blank_timeout(sql);
	return sql;
}
