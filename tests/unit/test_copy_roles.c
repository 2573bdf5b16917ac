/*
 * test_copy_roles.c
 *		Roles in definitions: what the target lacks is left out, what the map names is replaced, and
 *		nothing else is touched.  A fake session stands for the target.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "copy_roles.h"

/* The target's roles. */
static const char *const target_roles[] = {"admin", "reader", "New \"Owner\"", "owner"};

struct PgRows
{
	int count;
};
static struct PgRows fake_rows = {sizeof(target_roles) / sizeof(target_roles[0])};

PgRows *
pg_session_query(PgSession *session, Error *err, const char *sql, int nparams,
                 const char *const *params)
{
	(void) session;
	(void) err;
	(void) sql;
	(void) nparams;
	(void) params;
	return &fake_rows;
}

int
pg_rows_count(const PgRows *rows)
{
	return rows->count;
}

const char *
pg_rows_get(const PgRows *rows, int row, int column)
{
	(void) rows;
	(void) column;
	return target_roles[row];
}

/* Ours is no member of the reader. */
bool
pg_rows_bool(const PgRows *rows, int row, int column)
{
	(void) rows;
	(void) column;
	return strcmp(target_roles[row], "reader") != 0;
}

void
pg_rows_free(PgRows *rows)
{
	(void) rows;
}

static Job job;
static CopyRoles *roles;

static int
setup(void **state)
{
	Error err;

	(void) state;
	job = (Job){.arena = arena_create(1024)};
	if (!job_options_parse(
	        &job,
	        "{\"phases\": [\"schema\"], \"missing_roles\": {\"map\": {\"old\": \"New "
	        "\\\"Owner\\\"\", \"older\": \"owner\"}}}",
	        &err))
		return -1;
	roles = copy_roles_read(&job, NULL, job.arena, &err);
	return roles == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void) state;
	arena_destroy(job.arena);
	return 0;
}

/* What a definition becomes; the roles that are right are quoted all the same. */
static void
becomes(const char *sql, const char *wanted)
{
	const char *got = copy_roles_rewrite(roles, sql);

	assert_string_equal(got == NULL ? sql : got, wanted);
}

static void
privileges(void **state)
{
	(void) state;
	becomes("GRANT SELECT ON TABLE s.t TO reader;\n", "GRANT SELECT ON TABLE s.t TO \"reader\";");
	becomes("GRANT SELECT ON TABLE s.t TO gone;\n", "");
	becomes("REVOKE ALL ON TABLE s.t FROM gone;\nGRANT ALL ON TABLE s.t TO PUBLIC;\n"
	        "GRANT SELECT(a),UPDATE(b) ON TABLE s.t TO old WITH GRANT OPTION;\n",
	        "\nGRANT ALL ON TABLE s.t TO PUBLIC;\nGRANT SELECT(a),UPDATE(b) ON TABLE s.t TO \"New "
	        "\"\"Owner\"\"\" WITH GRANT OPTION;");
	becomes("GRANT ALL ON FUNCTION s.\"f TO gone;\"(a text, \"to\" gone) TO reader;",
	        "GRANT ALL ON FUNCTION s.\"f TO gone;\"(a text, \"to\" gone) TO \"reader\";");
	becomes("GRANT SELECT ON TABLE s.t TO \"go\"\"ne\";", "");
}

static void
another_users_session(void **state)
{
	(void) state;
	becomes("SET SESSION AUTHORIZATION gone;\nGRANT SELECT ON TABLE s.t TO reader;\n"
	        "RESET SESSION AUTHORIZATION;\nGRANT INSERT ON TABLE s.t TO reader;",
	        "\nGRANT INSERT ON TABLE s.t TO \"reader\";");
	becomes("SET SESSION AUTHORIZATION old;\nGRANT SELECT ON TABLE s.t TO gone;\n"
	        "RESET SESSION AUTHORIZATION;",
	        "SET SESSION AUTHORIZATION \"New \"\"Owner\"\"\";\nRESET SESSION AUTHORIZATION;");
}

static void
default_privileges(void **state)
{
	(void) state;
	becomes("ALTER DEFAULT PRIVILEGES FOR ROLE old IN SCHEMA s GRANT SELECT ON TABLES TO reader;",
	        "ALTER DEFAULT PRIVILEGES FOR ROLE \"New \"\"Owner\"\"\" IN SCHEMA s GRANT SELECT ON "
	        "TABLES TO \"reader\";");
	becomes("ALTER DEFAULT PRIVILEGES FOR ROLE gone GRANT SELECT ON TABLES TO reader;", "");
	becomes(
	    "ALTER DEFAULT PRIVILEGES FOR ROLE old REVOKE ALL ON TYPES FROM PUBLIC;",
	    "ALTER DEFAULT PRIVILEGES FOR ROLE \"New \"\"Owner\"\"\" REVOKE ALL ON TYPES FROM PUBLIC;");
}

static void
policies(void **state)
{
	(void) state;
	becomes("CREATE POLICY p ON s.t USING ((who = 'TO gone'::text));",
	        "CREATE POLICY p ON s.t USING ((who = 'TO gone'::text));");
	becomes("CREATE POLICY p ON s.t AS RESTRICTIVE FOR SELECT TO gone, old, reader USING (true);",
	        "CREATE POLICY p ON s.t AS RESTRICTIVE FOR SELECT TO \"New \"\"Owner\"\"\", \"reader\" "
	        "USING (true);");
	becomes("CREATE POLICY p ON s.t TO older, owner USING (true);",
	        "CREATE POLICY p ON s.t TO \"owner\" USING (true);");
	becomes("CREATE POLICY \"TO gone\" ON s.t TO gone USING ((a OR (b TO gone)));", "");
}

static void
mappings_and_settings(void **state)
{
	(void) state;
	becomes("CREATE USER MAPPING FOR old SERVER x OPTIONS (\n    password 'a; TO gone''b'\n);",
	        "CREATE USER MAPPING IF NOT EXISTS FOR \"New \"\"Owner\"\"\" SERVER x OPTIONS (\n    "
	        "password 'a; TO gone''b'\n);");
	becomes("CREATE USER MAPPING FOR gone SERVER x;", "");
	becomes("CREATE USER MAPPING FOR public SERVER x;",
	        "CREATE USER MAPPING IF NOT EXISTS FOR PUBLIC SERVER x;");
	becomes("ALTER ROLE gone IN DATABASE d SET work_mem TO '1MB';ALTER DATABASE d SET role TO 'x';",
	        "ALTER DATABASE d SET role TO 'x';");
	becomes("ALTER DATABASE d SET a.b TO E'x\\\\'';y';",
	        "ALTER DATABASE d SET a.b TO E'x\\\\'';y';");
	becomes("ALTER LARGE OBJECT 7 OWNER TO old;COMMENT ON LARGE OBJECT 7 IS 'OWNER TO gone;';",
	        "ALTER LARGE OBJECT 7 OWNER TO \"New \"\"Owner\"\"\";COMMENT ON LARGE OBJECT 7 IS "
	        "'OWNER TO "
	        "gone;';");
}

static void
missing_roles_are_counted_once(void **state)
{
	const char *const *names;

	(void) state;
	assert_string_equal(copy_roles_name(roles, "admin"), "admin");
	assert_string_equal(copy_roles_name(roles, "old"), "New \"Owner\"");
	assert_null(copy_roles_name(roles, "gone"));
	assert_null(copy_roles_name(roles, "gone"));
	becomes("GRANT SELECT ON TABLE s.t TO \"also gone\";", "");
	assert_int_equal(copy_roles_missing(roles, &names), 2);
	assert_string_equal(names[0], "gone");
	assert_string_equal(names[1], "also gone");
}

static void
owners_are_roles_that_ours_is_a_member_of(void **state)
{
	const char *const *names;

	(void) state;
	assert_string_equal(copy_roles_owner(roles, "admin"), "admin");
	assert_string_equal(copy_roles_owner(roles, "older"), "owner");
	assert_null(copy_roles_owner(roles, "reader"));
	assert_null(copy_roles_owner(roles, "gone"));
	assert_int_equal(copy_roles_missing(roles, &names), 1);
	assert_int_equal(copy_roles_foreign(roles, &names), 1);
	assert_string_equal(names[0], "reader");
}

static void
broken_sql_ends(void **state)
{
	(void) state;
	becomes("", "");
	becomes("GRANT", "GRANT");
	becomes("GRANT x TO", "");
	becomes("CREATE POLICY p TO 'open", "");
	becomes("GRANT \"open", "GRANT \"open");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(privileges, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_users_session, setup, teardown),
	    cmocka_unit_test_setup_teardown(default_privileges, setup, teardown),
	    cmocka_unit_test_setup_teardown(policies, setup, teardown),
	    cmocka_unit_test_setup_teardown(mappings_and_settings, setup, teardown),
	    cmocka_unit_test_setup_teardown(missing_roles_are_counted_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(owners_are_roles_that_ours_is_a_member_of, setup, teardown),
	    cmocka_unit_test_setup_teardown(broken_sql_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
