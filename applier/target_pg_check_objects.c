/*
 * target_pg_check_objects.c
 *		What objects need on the target; see target_pg_check_objects.h.
 */
#include "target_pg_check_objects.h"

#include <stdlib.h>
#include <string.h>

#include "object_map.h"
#include "strbuf.h"

/* What the target says of one extension of the source. */
static bool
extension_state(Precheck *p, const char *name, bool *installed, bool *available, Error *err)
{
	const char *params[] = {name};
	PgRows *rows = pg_session_query(
	    p->target, err,
	    "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = $1), EXISTS (SELECT "
	    "FROM pg_catalog.pg_available_extensions WHERE name = $1)",
	    1, params);

	if (rows == NULL)
		return false;
	*installed = pg_rows_bool(rows, 0, 0);
	*available = pg_rows_bool(rows, 0, 1);
	pg_rows_free(rows);
	return true;
}

static void
answer_extensions(Precheck *p, NameList *absent, NameList *uninstalled, const char *create,
                  bool copied)
{
	if (absent->count > 0)
		precheck_add(p, CHECK_EXTENSIONS, copied ? PRECHECK_FAIL : PRECHECK_WARN,
		             "Install the packages of these extensions on the target's server, or DROP "
		             "EXTENSION on the source where they are not needed.",
		             "the target's server does not have: %s", name_list_end(absent));
	else if (uninstalled->count > 0 && !copied)
		precheck_add(p, CHECK_EXTENSIONS, PRECHECK_WARN, create,
		             "not created in the target database: %s", name_list_end(uninstalled));
	else
		precheck_add(p, CHECK_EXTENSIONS, PRECHECK_PASS, "", "the target has what the source uses");
}

/* Whether the schema phase creates this extension: all of them, or those that the selection needs. */
static bool
is_copied(const Precheck *p, const char *extension)
{
	if (p->job->options.object_count == 0)
		return true;
	for (int i = 0; i < p->needs.count; i++)
	{
		if (strcmp(p->needs.needs[i].kind, "extension") == 0 &&
		    strcmp(p->needs.needs[i].name, extension) == 0)
			return true;
	}
	return false;
}

static void
check_extensions(Precheck *p)
{
	Error err;
	NameList absent = {.count = 0};
	NameList uninstalled = {.count = 0};
	StrBuf create;
	PgRows *rows = pg_session_query(p->source, &err,
	                                "SELECT extname FROM pg_catalog.pg_extension WHERE extname "
	                                "NOT IN ('plpgsql', 'dts') ORDER BY 1",
	                                0, NULL);
	bool copied = p->job->options.phases[PHASE_SCHEMA];
	bool ok = rows != NULL;

	strbuf_init(&create);
	for (int i = 0; ok && i < pg_rows_count(rows); i++)
	{
		const char *name = pg_rows_get(rows, i, 0);
		bool installed;
		bool available;

		if (copied && !is_copied(p, name))
			continue;
		ok = extension_state(p, name, &installed, &available, &err);
		if (ok && !installed && !available)
			name_list_add(&absent, "%s", name);
		else if (ok && !installed)
		{
			name_list_add(&uninstalled, "%s", name);
			strbuf_puts(&create, "CREATE EXTENSION ");
			strbuf_ident(&create, name);
			strbuf_puts(&create, "; ");
		}
	}
	pg_rows_free(rows);
	strbuf_puts(&create, "-- on the target, those that the tables need");
	if (!ok)
		precheck_add_error(p, CHECK_EXTENSIONS, &err);
	else
		answer_extensions(p, &absent, &uninstalled, create.data, copied);
	strbuf_free(&create);
}

/* Names of schemas of selected tables as a JSON array, NULL for the whole database; free() it. */
static char *
schemas_json(const Precheck *p)
{
	json_t *array;
	const char *last = "";
	char *text;

	if (p->job->options.object_count == 0 || p->tables == NULL)
		return NULL;
	array = json_array();
	for (int i = 0; i < pg_rows_count(p->tables); i++)
	{
		const char *schema = pg_rows_get(p->tables, i, TABLE_COL_SCHEMA);

		if (strcmp(schema, last) != 0)
			json_array_append_new(array, json_string(schema));
		last = schema;
	}
	text = json_dumps(array, JSON_COMPACT);
	json_decref(array);
	return text;
}

/*
 * Owners, and roles in privileges, policies, mappings and settings; the first superuser is pinned.
 * Objects are identified in their own database only, and before 14 pinned roles have rows without
 * an object: CASE, because the order of conditions is the planner's.
 */
static const char roles_sql[] =
    "WITH d AS (SELECT oid FROM pg_catalog.pg_database WHERE datname = "
    " pg_catalog.current_database()), "
    "w AS (SELECT ARRAY(SELECT pg_catalog.jsonb_array_elements_text($1::jsonb)) AS schemas), "
    "named(oid) AS (SELECT s.refobjid FROM pg_catalog.pg_shdepend s, d, w WHERE s.refclassid = "
    "  'pg_catalog.pg_authid'::pg_catalog.regclass AND s.dbid = d.oid AND ($1::jsonb IS NULL OR "
    "  CASE WHEN s.dbid = d.oid THEN (pg_catalog.pg_identify_object(s.classid, s.objid, 0)).schema "
    "  = ANY (w.schemas) END) AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = "
    "s.classid AND e.objid = "
    "s.objid "
    "  AND e.deptype = 'e') "
    " UNION SELECT c.relowner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
    "  c.relnamespace, w WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'dts' AND "
    "  ($1::jsonb IS NULL OR n.nspname = ANY (w.schemas)) "
    " UNION SELECT c.proowner FROM pg_catalog.pg_proc c JOIN pg_catalog.pg_namespace n ON n.oid = "
    "  c.pronamespace, w WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'dts' AND "
    "  ($1::jsonb IS NULL OR n.nspname = ANY (w.schemas)) AND NOT EXISTS (SELECT FROM "
    "  pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND "
    "  e.objid = c.oid AND e.deptype = 'e') "
    " UNION SELECT n.nspowner FROM pg_catalog.pg_namespace n, w WHERE n.oid >= 16384 AND n.nspname "
    "  !~ '^pg_' AND n.nspname <> 'dts' AND ($1::jsonb IS NULL OR n.nspname = ANY (w.schemas)) "
    " UNION SELECT r.setrole FROM pg_catalog.pg_db_role_setting r, d WHERE r.setdatabase = d.oid "
    "AND "
    "  $1::jsonb IS NULL) "
    "SELECT r.rolname FROM named n JOIN pg_catalog.pg_roles r ON r.oid = n.oid WHERE r.rolname !~ "
    "'^pg_' ORDER BY 1";

/* The roles of the target that the source's stand for, and the map's, as JSON; free() it. */
static char *
role_names_json(const Precheck *p, const PgRows *rows)
{
	json_t *array = json_array();
	char *text;

	for (int i = 0; i < pg_rows_count(rows); i++)
		json_array_append_new(array, json_string(job_role(p->job, pg_rows_get(rows, i, 0))));
	for (int i = 0; i < p->job->options.role_count; i++)
		json_array_append_new(array, json_string(p->job->options.roles[i].target));
	text = json_dumps(array, JSON_COMPACT);
	json_decref(array);
	return text;
}

static bool
is_mapped(const Precheck *p, const char *role)
{
	for (int i = 0; i < p->job->options.role_count; i++)
	{
		if (strcmp(p->job->options.roles[i].target, role) == 0)
			return true;
	}
	return false;
}

static void
answer_roles(Precheck *p, NameList *missing, NameList *mapped, const StrBuf *remedy)
{
	if (mapped->count > 0)
		precheck_add(p, CHECK_ROLES, PRECHECK_FAIL, remedy->data,
		             "the option \"missing_roles\" names roles that the target does not have: %s",
		             name_list_end(mapped));
	else if (missing->count > 0 && p->job->options.missing_roles_fail)
		precheck_add(p, CHECK_ROLES, PRECHECK_FAIL, remedy->data,
		             "roles are missing on the target: %s", name_list_end(missing));
	else if (missing->count > 0)
		precheck_add(p, CHECK_ROLES, PRECHECK_WARN, remedy->data,
		             "roles are missing on the target: what they own will belong to the endpoint's "
		             "role, and their privileges, policies and user mappings are left out: %s",
		             name_list_end(missing));
	else
		precheck_add(p, CHECK_ROLES, PRECHECK_PASS, "", "the target has every role that is named");
}

/* What the target answers to sql, whose $1 is the array of the roles that stand for the source's. */
static PgRows *
ask_about_roles(Precheck *p, const char *sql, Error *err)
{
	char *schemas = schemas_json(p);
	const char *params[] = {schemas};
	PgRows *rows = pg_session_query(p->source, err, roles_sql, 1, params);
	PgRows *answer;
	char *names;

	free(schemas);
	if (rows == NULL)
		return NULL;
	names = role_names_json(p, rows);
	params[0] = names;
	answer = pg_session_query(p->target, err, sql, 1, params);
	free(names);
	pg_rows_free(rows);
	return answer;
}

static PgRows *
missing_roles(Precheck *p, Error *err)
{
	return ask_about_roles(
	    p,
	    "SELECT DISTINCT x.name, pg_catalog.format('CREATE ROLE %I;', x.name) FROM "
	    "pg_catalog.jsonb_array_elements_text($1::jsonb) x(name) WHERE NOT EXISTS (SELECT FROM "
	    "pg_catalog.pg_roles r WHERE r.rolname = x.name) ORDER BY 1",
	    err);
}

static void
check_roles(Precheck *p)
{
	NameList missing = {.count = 0};
	NameList mapped = {.count = 0};
	StrBuf remedy;
	Error err;
	PgRows *rows = missing_roles(p, &err);

	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_ROLES, &err);
		return;
	}
	strbuf_init(&remedy);
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		const char *role = pg_rows_get(rows, i, 0);

		name_list_add(is_mapped(p, role) ? &mapped : &missing, "\"%s\"", role);
		strbuf_printf(&remedy, "%s ", pg_rows_get(rows, i, 1));
	}
	strbuf_puts(&remedy, "-- on the target; or name others with the option \"missing_roles\"");
	pg_rows_free(rows);
	answer_roles(p, &missing, &mapped, &remedy);
	strbuf_free(&remedy);
}

/*
 * Objects that only a superuser may create, by name.  Those of a selection are not told apart: only
 * the whole database brings event triggers and publications, the others come where they are needed.
 */
static const char superuser_sql[] =
    "WITH m AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'), x(c, o, "
    "name) "
    "AS (SELECT 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, oid, 'event trigger ' || "
    "evtname "
    " FROM pg_catalog.pg_event_trigger WHERE evtname !~ '^dts_capture_' UNION ALL SELECT "
    "'pg_catalog.pg_proc'::pg_catalog.regclass, "
    " p.oid, 'function ' || p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc p JOIN "
    " pg_catalog.pg_language l ON l.oid = p.prolang WHERE NOT l.lanpltrusted AND l.lanname <> "
    "'sql' "
    " AND p.pronamespace NOT IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = "
    "'dts') "
    " AND p.prokind <> 'a' UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, 'type "
    "' "
    " || oid::pg_catalog.regtype FROM pg_catalog.pg_type WHERE typtype = 'b' AND typcategory <> "
    "'A' "
    " UNION ALL SELECT 'pg_catalog.pg_am'::pg_catalog.regclass, oid, 'access method ' || amname "
    "FROM "
    " pg_catalog.pg_am UNION ALL SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, "
    " oid, 'foreign-data wrapper ' || fdwname FROM pg_catalog.pg_foreign_data_wrapper UNION ALL "
    " SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, oid, 'language ' || lanname FROM "
    " pg_catalog.pg_language UNION ALL SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass, oid, "
    " 'operator class ' || opcname FROM pg_catalog.pg_opclass UNION ALL SELECT "
    " 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, oid, 'text search parser ' || prsname FROM "
    " pg_catalog.pg_ts_parser UNION ALL SELECT 'pg_catalog.pg_ts_template'::pg_catalog.regclass, "
    " oid, 'text search template ' || tmplname FROM pg_catalog.pg_ts_template UNION ALL SELECT "
    " 'pg_catalog.pg_publication'::pg_catalog.regclass, oid, 'publication ' || pubname FROM "
    " pg_catalog.pg_publication WHERE puballtables) "
    "SELECT x.name FROM x WHERE x.o >= 16384 AND NOT EXISTS (SELECT FROM m WHERE m.classid = x.c "
    "AND "
    "m.objid = x.o) ORDER BY 1";

static bool
list_superuser_objects(Precheck *p, NameList *list, Error *err)
{
	PgRows *rows = pg_session_query(p->source, err, superuser_sql, 0, NULL);

	if (rows == NULL)
		return false;
	for (int i = 0; i < pg_rows_count(rows); i++)
		name_list_add(list, "%s", pg_rows_get(rows, i, 0));
	pg_rows_free(rows);
	return true;
}

/* Roles of the source's objects that ours on the target cannot make owners. */
static PgRows *
foreign_roles(Precheck *p, Error *err)
{
	return ask_about_roles(
	    p,
	    "SELECT DISTINCT r.rolname, pg_catalog.format('GRANT %I TO %I;', r.rolname, current_user) "
	    "FROM pg_catalog.jsonb_array_elements_text($1::jsonb) x(name) JOIN pg_catalog.pg_roles r "
	    "ON "
	    "r.rolname = x.name WHERE NOT pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER') ORDER "
	    "BY "
	    "1",
	    err);
}

static void
answer_superuser(Precheck *p, NameList *objects, NameList *foreign, const char *role,
                 const StrBuf *remedy)
{
	bool whole = p->job->options.object_count == 0;
	char raise[400];

	snprintf(raise, sizeof(raise),
	         "ALTER ROLE %s SUPERUSER; -- on the target, while the schema is copied; or create "
	         "these objects there beforehand, or select schemas that do not hold them",
	         role);
	if (objects->count > 0)
		precheck_add(p, CHECK_SUPERUSER_OBJECTS, whole ? PRECHECK_FAIL : PRECHECK_WARN, raise,
		             "the target's role is no superuser and may not create: %s",
		             name_list_end(objects));
	else if (foreign->count > 0)
		precheck_add(p, CHECK_SUPERUSER_OBJECTS, PRECHECK_WARN, remedy->data,
		             "the target's role is no superuser and no member of these roles: objects of "
		             "theirs will belong to it, privileges granted by them are left out: %s",
		             name_list_end(foreign));
	else
		precheck_add(p, CHECK_SUPERUSER_OBJECTS, PRECHECK_PASS, "",
		             "the target's role may make what the source has");
}

static void
check_superuser_objects(Precheck *p)
{
	NameList objects = {.count = 0};
	NameList foreign = {.count = 0};
	StrBuf remedy;
	Error err;
	PgRows *rows = pg_session_query(p->target, &err,
	                                "SELECT rolsuper, pg_catalog.quote_ident(rolname) FROM "
	                                "pg_catalog.pg_roles WHERE rolname = current_user",
	                                0, NULL);
	bool ok = rows != NULL;
	bool known = ok && pg_rows_count(rows) > 0;
	bool superuser = known && pg_rows_bool(rows, 0, 0);
	const char *role = known ? arena_strdup(p->arena, pg_rows_get(rows, 0, 1)) : "";

	pg_rows_free(rows);
	rows = NULL;
	if (ok && !superuser)
	{
		ok = list_superuser_objects(p, &objects, &err);
		rows = ok ? foreign_roles(p, &err) : NULL;
		ok = rows != NULL;
	}
	if (!ok)
	{
		precheck_add_error(p, CHECK_SUPERUSER_OBJECTS, &err);
		return;
	}
	strbuf_init(&remedy);
	for (int i = 0; rows != NULL && i < pg_rows_count(rows); i++)
	{
		name_list_add(&foreign, "\"%s\"", pg_rows_get(rows, i, 0));
		strbuf_printf(&remedy, "%s ", pg_rows_get(rows, i, 1));
	}
	strbuf_puts(&remedy, "-- on the target");
	pg_rows_free(rows);
	answer_superuser(p, &objects, &foreign, role, &remedy);
	strbuf_free(&remedy);
}

/*
 * What fires, and the statement that leaves it to the sessions of users.  $1: schema and name of
 * tables as JSON; $2: whether event triggers count.
 */
static const char triggers_sql[] =
    "WITH x AS (SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name FROM "
    " pg_catalog.jsonb_to_recordset($1::jsonb) j(s text, t text) JOIN pg_catalog.pg_namespace n ON "
    " n.nspname = j.s JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = j.t) "
    "SELECT pg_catalog.format('trigger %I on %s', t.tgname, x.name), pg_catalog.format('ALTER "
    "TABLE %s ENABLE TRIGGER %I;', x.name, t.tgname) FROM x JOIN pg_catalog.pg_trigger t ON "
    " t.tgrelid = x.oid WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal "
    "UNION ALL SELECT pg_catalog.format('rule %I on %s', r.rulename, x.name), "
    " pg_catalog.format('ALTER TABLE %s ENABLE RULE %I;', x.name, r.rulename) FROM x JOIN "
    " pg_catalog.pg_rewrite r ON r.ev_class = x.oid WHERE r.ev_enabled IN ('A', 'R') "
    "UNION ALL SELECT pg_catalog.format('event trigger %I', evtname), pg_catalog.format('ALTER "
    "EVENT TRIGGER %I ENABLE;', evtname) FROM pg_catalog.pg_event_trigger WHERE evtenabled IN "
    " ('A', 'R') AND evtname !~ '^dts_capture_' AND $2::boolean ORDER BY 1";

static bool
list_triggers(PgSession *session, const char *tables, bool events, NameList *list, StrBuf *remedy,
              const char *where, Error *err)
{
	const char *params[] = {tables, events ? "t" : "f"};
	PgRows *rows = pg_session_query(session, err, triggers_sql, 2, params);

	if (rows == NULL)
		return false;
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		name_list_add(list, "%s%s", pg_rows_get(rows, i, 0),
		              strcmp(where, "source") == 0 ? " (of the source)" : "");
		strbuf_printf(remedy, "%s ", pg_rows_get(rows, i, 1));
	}
	if (pg_rows_count(rows) > 0)
		strbuf_printf(remedy, "-- on the %s, unless what they do is right for rows that arrive\n",
		              where);
	pg_rows_free(rows);
	return true;
}

/* Schema and name of each table, on the source or the target; free() it. */
static char *
names_json(const Precheck *p, bool on_target)
{
	json_t *array = json_array();
	char *text;

	for (int i = 0; i < pg_rows_count(p->tables); i++)
	{
		ObjectTable table;

		object_map_table(p->job->options.map, pg_rows_get(p->tables, i, TABLE_COL_SCHEMA),
		                 pg_rows_get(p->tables, i, TABLE_COL_NAME), &table);
		json_array_append_new(array, json_pack("{s:s, s:s}", "s",
		                                       on_target ? table.target_schema : table.schema, "t",
		                                       on_target ? table.target_name : table.name));
	}
	text = json_dumps(array, JSON_COMPACT);
	json_decref(array);
	return text;
}

/* Triggers that fire for replicated rows: what the target has, and what the schema phase brings. */
static void
check_triggers(Precheck *p)
{
	const JobOptions *o = &p->job->options;
	NameList list = {.count = 0};
	Error err;
	bool ok;
	char *tables = names_json(p, false);
	char *mapped = names_json(p, true);
	StrBuf remedy;

	strbuf_init(&remedy);
	ok = list_triggers(p->target, mapped, true, &list, &remedy, "target", &err) &&
	     (!o->phases[PHASE_SCHEMA] ||
	      list_triggers(p->source, tables, o->object_count == 0, &list, &remedy, "source", &err));
	free(tables);
	free(mapped);
	if (!ok)
		precheck_add_error(p, CHECK_TRIGGERS, &err);
	else if (list.count == 0)
		precheck_add(p, CHECK_TRIGGERS, PRECHECK_PASS, "",
		             "no trigger is enabled for replicated rows");
	else
		precheck_add(p, CHECK_TRIGGERS, PRECHECK_WARN, remedy.data,
		             "these fire for what the job writes, being ENABLE ALWAYS or REPLICA: %s",
		             name_list_end(&list));
	strbuf_free(&remedy);
}

/* Whether another job writes to the table that is this one's on the target. */
static bool
rival_writes(const Job *job, const JobRival *rival, const char *schema, const char *name)
{
	const char *its_schema, *its_name;
	ObjectTable table;

	object_map_table(job->options.map, schema, name, &table);
	if (!object_map_source(rival->map, table.target_schema, table.target_name, &its_schema,
	                       &its_name) ||
	    !job_rival_selects(rival, its_schema, its_name))
		return false;
	/* of a name of its own, it must be known to exist */
	return (strcmp(its_schema, schema) == 0 && strcmp(its_name, name) == 0) ||
	       object_map_lists(rival->map, its_schema, its_name);
}

/* Whether another job carries what this one writes back to where it came from. */
static bool
rival_returns(const Job *job, const JobRival *rival, const char *schema, const char *name)
{
	ObjectTable table;

	object_map_table(job->options.map, schema, name, &table);
	return job_rival_selects(rival, table.target_schema, table.target_name);
}

static void
stop_statement(StrBuf *remedy, const char *job)
{
	strbuf_puts(remedy, "SELECT dts_stop_job(");
	strbuf_literal(remedy, job);
	strbuf_puts(remedy, "); ");
}

static void
answer_other_jobs(Precheck *p, NameList *same, NameList *back, const char *remedy)
{
	if (same->count > 0)
		precheck_add(p, CHECK_OTHER_JOBS, PRECHECK_FAIL, remedy,
		             "another job carries the same tables to the same target: %s",
		             name_list_end(same));
	else if (back->count > 0)
		precheck_add(p, CHECK_OTHER_JOBS, PRECHECK_FAIL, remedy,
		             "another job carries the same tables back to the source, and each change "
		             "would go round for ever: %s",
		             name_list_end(back));
	else if (p->job->options.ring != NULL)
		precheck_add(p, CHECK_OTHER_JOBS, PRECHECK_WARN,
		             "See that no table goes all the way round, with the options \"objects\" and "
		             "\"exclude\".",
		             "jobs lead from the target back to the source: %s", p->job->options.ring);
	else
		precheck_add(p, CHECK_OTHER_JOBS, PRECHECK_PASS, "",
		             "no other job at work writes the selected tables");
}

static void
check_other_jobs(Precheck *p)
{
	const JobOptions *o = &p->job->options;
	NameList same = {.count = 0};
	NameList back = {.count = 0};
	StrBuf remedy;

	strbuf_init(&remedy);
	for (int k = 0; k < o->rival_count; k++)
	{
		const JobRival *rival = &o->rivals[k];
		int before = same.count + back.count;

		for (int i = 0; i < pg_rows_count(p->tables); i++)
		{
			const char *schema = pg_rows_get(p->tables, i, TABLE_COL_SCHEMA);
			const char *name = pg_rows_get(p->tables, i, TABLE_COL_NAME);

			if (precheck_carried(p, i) &&
			    (rival->reverse ? rival_returns : rival_writes)(p->job, rival, schema, name))
				name_list_add(rival->reverse ? &back : &same, "\"%s\".\"%s\" (job %s)", schema,
				              name, rival->name);
		}
		if (same.count + back.count > before)
			stop_statement(&remedy, rival->name);
	}
	strbuf_puts(&remedy, "-- in the control database; or leave these tables to one of the two with "
	                     "the options \"objects\" and \"exclude\" and dts_configure_job");
	answer_other_jobs(p, &same, &back, remedy.data);
	strbuf_free(&remedy);
}

void
target_check_objects(Precheck *p)
{
	if (p->tables != NULL)
	{
		check_triggers(p);
		check_other_jobs(p);
	}
	if (p->job->options.phases[PHASE_SCHEMA])
	{
		check_superuser_objects(p);
		check_roles(p);
	}
	check_extensions(p);
}
