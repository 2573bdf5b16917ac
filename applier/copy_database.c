/*
 * copy_database.c
 *		Settings, comment and privileges of the database; see copy_database.h.
 *
 * pg_dump writes them with the source's database name, so they are read here.  Settings whose values
 * are lists of names are stored as SQL spells them.  A database that is read-only by default is most
 * likely one that is being left: that setting stays behind.
 */
#include "copy_database.h"

#include "strbuf.h"

/* $1: the target's database. */
static const char database_sql[] =
    "WITH d AS (SELECT oid, datdba, datacl FROM pg_catalog.pg_database WHERE datname = "
    " pg_catalog.current_database()), "
    "s AS (SELECT r.rolname, pg_catalog.split_part(c.setting, '=', 1) AS name, "
    "  pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1) AS value "
    " FROM d, pg_catalog.pg_db_role_setting b LEFT JOIN pg_catalog.pg_roles r ON r.oid = "
    "b.setrole, "
    "  unnest(b.setconfig) c(setting) WHERE b.setdatabase = d.oid), "
    "a AS (SELECT x.grantee, x.privilege_type, x.is_grantable FROM d, "
    "  pg_catalog.aclexplode(d.datacl) x WHERE x.grantee <> d.datdba), "
    "b AS (SELECT x.grantee, x.privilege_type FROM d, pg_catalog.aclexplode("
    "  pg_catalog.acldefault('d', d.datdba)) x WHERE x.grantee <> d.datdba) "
    "SELECT 1, pg_catalog.format('COMMENT ON DATABASE %I IS %L;', $1::text, "
    "  pg_catalog.shobj_description(oid, 'pg_database')) FROM d WHERE "
    "  pg_catalog.shobj_description(oid, 'pg_database') IS NOT NULL "
    "UNION ALL SELECT 2, pg_catalog.format('REVOKE %s ON DATABASE %I FROM PUBLIC;', "
    "  b.privilege_type, $1::text) FROM b, d WHERE d.datacl IS NOT NULL AND NOT EXISTS (SELECT "
    "FROM a "
    "  WHERE a.grantee = b.grantee AND a.privilege_type = b.privilege_type) "
    "UNION ALL SELECT 3, pg_catalog.format('GRANT %s ON DATABASE %I TO %s%s;', a.privilege_type, "
    "  $1::text, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END, "
    "  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM a LEFT JOIN "
    "  pg_catalog.pg_roles r ON r.oid = a.grantee WHERE a.is_grantable OR NOT EXISTS (SELECT FROM "
    "b "
    "  WHERE a.grantee = b.grantee AND a.privilege_type = b.privilege_type) "
    "UNION ALL SELECT 4, CASE WHEN rolname IS NULL THEN pg_catalog.format('ALTER DATABASE %I', "
    "$1::text) "
    "  ELSE pg_catalog.format('ALTER ROLE %I IN DATABASE %I', rolname, $1::text) END || "
    "  pg_catalog.format(' SET %I TO %s;', name, CASE WHEN name IN ('search_path', "
    "  'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries') AND value <> '' "
    "  THEN value ELSE pg_catalog.quote_literal(value) END) FROM s WHERE name <> "
    "  'default_transaction_read_only' "
    "ORDER BY 1, 2";

const char *
copy_database_sql(PgSession *source, PgSession *target, CopyRoles *roles, Arena *arena, Error *err)
{
	PgRows *name = pg_session_query(target, err, "SELECT pg_catalog.current_database()", 0, NULL);
	const char *params[1];
	const char *result, *rewritten;
	PgRows *rows;
	StrBuf sql;

	if (name == NULL)
		return NULL;
	params[0] = pg_rows_get(name, 0, 0);
	rows = pg_session_query(source, err, database_sql, 1, params);
	pg_rows_free(name);
	if (rows == NULL)
	{
		error_context(err, "reading the settings of the source's database");
		return NULL;
	}
	strbuf_init(&sql);
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		strbuf_puts(&sql, pg_rows_get(rows, i, 1));
		strbuf_putc(&sql, '\n');
	}
	pg_rows_free(rows);
	result = sql.len == 0 ? "" : arena_strdup(arena, sql.data);
	strbuf_free(&sql);
	rewritten = copy_roles_rewrite(roles, result);
	return rewritten != NULL ? rewritten : result;
}
