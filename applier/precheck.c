/*
 * precheck.c
 *		The precheck: its items, its answers, and the order of the checks.
 *
 * Every check is made that can be made, so that one run tells a DBA everything; what needs an end
 *that is away is left out.  A check reads only, apart from the probe for the decoder, whose
 *temporary slot goes with its session.
 */
#include "precheck.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "precheck_ends.h"
#include "source_check.h"
#include "strbuf.h"
#include "target_pg_check.h"

#define NAMES_SHOWN                   20

#define ITEM_NAME(sym, name, meaning) name,
static const char *const item_names[] = {PRECHECK_ITEMS(ITEM_NAME)};
#define ITEM_MEANING(sym, name, meaning) meaning,
static const char *const item_meanings[] = {PRECHECK_ITEMS(ITEM_MEANING)};
static const char *const result_names[] = {"pass", "warn", "fail"};

const char *
precheck_item_name(PrecheckItem item)
{
	return item_names[item];
}

const char *
precheck_item_meaning(PrecheckItem item)
{
	return item_meanings[item];
}

static json_t *
item_json(const char *item, PrecheckResult result, const char *detail, const char *remedy)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "item", item, "result", result_names[result],
	                         "detail", detail, "remedy", remedy);

	/* a server's text in an encoding of its own */
	if (json == NULL)
		json = json_pack("{s:s, s:s, s:s, s:s}", "item", item, "result", result_names[result],
		                 "detail", "the text is not UTF-8", "remedy", "See the daemon's log.");
	return json;
}

void
precheck_add(Precheck *p, PrecheckItem item, PrecheckResult result, const char *remedy,
             const char *format, ...)
{
	char detail[3072];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	json_array_append_new(p->checks, item_json(item_names[item], result, detail, remedy));
	if (result == PRECHECK_FAIL)
		p->failed = true;
}

void
precheck_add_error(Precheck *p, PrecheckItem item, const Error *err)
{
	precheck_add(p, item, PRECHECK_FAIL,
	             err->hint[0] ? err->hint : "Mend what the detail says and check again.",
	             "could not be checked: %s%s%s", err->message, err->detail[0] ? "; " : "",
	             err->detail);
}

void
name_list_add(NameList *list, const char *format, ...)
{
	size_t len = strlen(list->text);
	va_list args;

	list->count++;
	if (list->count > NAMES_SHOWN || len + 200 > sizeof(list->text))
		return;
	if (len > 0)
		len += (size_t) snprintf(list->text + len, sizeof(list->text) - len, ", ");
	va_start(args, format);
	vsnprintf(list->text + len, sizeof(list->text) - len, format, args);
	va_end(args);
}

const char *
name_list_end(NameList *list)
{
	size_t len = strlen(list->text);

	if (list->count > NAMES_SHOWN)
		snprintf(list->text + len, sizeof(list->text) - len, " and more, %d in all", list->count);
	return list->text;
}

bool
precheck_carried(const Precheck *p, int row)
{
	const char *kind = pg_rows_get(p->tables, row, TABLE_COL_KIND);

	return (kind[0] == 'r' || kind[0] == 'p') &&
	       pg_rows_get(p->tables, row, TABLE_COL_PERSISTENCE)[0] == 'p';
}

const char *
precheck_oids(const Precheck *p, bool carried)
{
	const char *text;
	StrBuf oids;

	strbuf_init(&oids);
	strbuf_putc(&oids, '{');
	for (int i = 0; i < pg_rows_count(p->tables); i++)
	{
		if (carried && !precheck_carried(p, i))
			continue;
		if (oids.len > 1)
			strbuf_putc(&oids, ',');
		strbuf_puts(&oids, pg_rows_get(p->tables, i, TABLE_COL_OID));
	}
	strbuf_putc(&oids, '}');
	text = arena_strdup(p->arena, oids.data);
	strbuf_free(&oids);
	return text;
}

static PgSession *
connect_end(Precheck *p, PrecheckItem item, const char *conninfo, PgSessionKind kind,
            const char *name)
{
	Error err;
	PgSession *session = pg_session_open(conninfo, kind, p->job->slot_name, "UTF8", &err);

	if (session == NULL)
		precheck_add(p, item, PRECHECK_FAIL,
		             "Mend the endpoint (drop and create it again with dts_create_endpoint), the "
		             "server's pg_hba.conf, or the network; dts_test_endpoint tells at once.",
		             "could not connect to endpoint \"%s\": %s", name, err.message);
	else
		precheck_add(p, item, PRECHECK_PASS, "", "connected to endpoint \"%s\"", name);
	return session;
}

/* In the order of the items, which is that of the documentation. */
static json_t *
in_order(json_t *checks)
{
	json_t *sorted = json_array();

	for (int item = 0; item < PRECHECK_COUNT; item++)
	{
		for (size_t i = 0; i < json_array_size(checks); i++)
		{
			json_t *check = json_array_get(checks, i);
			const char *name = json_string_value(json_object_get(check, "item"));

			if (name != NULL && strcmp(name, item_names[item]) == 0)
				json_array_append(sorted, check);
		}
	}
	json_decref(checks);
	return sorted;
}

bool
precheck_run(const Job *job, void *arg, json_t *result, Error *err)
{
	Precheck p = {.job = job, .checks = json_array(), .arena = arena_create(64 * 1024)};

	(void) arg;
	(void) err;
	p.source = connect_end(&p, CHECK_SOURCE_CONNECTION, job->source_conninfo, PG_SESSION_SOURCE,
	                       job->source_name);
	p.target = connect_end(&p, CHECK_TARGET_CONNECTION, job->target_conninfo, PG_SESSION_TARGET,
	                       job->target_name);
	if (p.source != NULL && p.target != NULL)
		target_check_pair(&p);
	if (p.source != NULL)
		source_check_run(&p);
	if (p.target != NULL)
		target_check_run(&p);
	precheck_ends(&p);
	pg_rows_free(p.tables);
	pg_session_close(p.source);
	pg_session_close(p.target);
	arena_destroy(p.arena);
	json_object_set_new(result, "passed", json_boolean(!p.failed));
	json_object_set_new(result, "checks", in_order(p.checks));
	if (p.figures != NULL)
		json_object_set_new(result, "figures", p.figures);
	return true;
}

bool
precheck_selection(const Job *job, PgSession *source, Error *err)
{
	Precheck p = {
	    .job = job, .source = source, .checks = json_array(), .arena = arena_create(64 * 1024)};

	source_check_selection(&p);
	pg_rows_free(p.tables);
	arena_destroy(p.arena);
	for (size_t i = 0; p.failed && i < json_array_size(p.checks); i++)
	{
		const json_t *check = json_array_get(p.checks, i);

		if (strcmp(json_string_value(json_object_get(check, "result")), "fail") != 0)
			continue;
		error_set(err, ERR_OBJECT_STATE, "%.400s",
		          json_string_value(json_object_get(check, "detail")));
		error_detail(err, "It is what the precheck \"%s\" looks at.",
		             json_string_value(json_object_get(check, "item")));
		error_hint(err, "%s", json_string_value(json_object_get(check, "remedy")));
		break;
	}
	json_decref(p.checks);
	return !p.failed;
}

void
precheck_failed_itself(const Error *err, json_t **result)
{
	json_t *checks = json_array();

	json_array_append_new(checks, item_json(item_names[CHECK_SOURCE_CONNECTION], PRECHECK_FAIL,
	                                        err->message, "Check again; see the daemon's log."));
	*result = json_pack("{s:b, s:o}", "passed", 0, "checks", checks);
}

bool
precheck_passed(const json_t *result)
{
	return json_is_true(json_object_get(result, "passed"));
}
