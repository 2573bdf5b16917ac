/*
 * target_pg.h
 *		The Target that is a PostgreSQL database: one session, its transactions pipelined.
 *
 * The position commits with the data: through the session's replication origin (named as the slot),
 * or, where the origin functions are not granted, in the job's row of dts.target_progress.
 */
#ifndef DTS_TARGET_PG_H
#define DTS_TARGET_PG_H

#include <stdint.h>

#include "error.h"
#include "lsn.h"
#include "object_map.h"
#include "pg_session.h"
#include "target.h"

/*
 * A transaction's turn (parallel_order.c): waits for the end of the one before, on another connection,
 * and fails unless that has committed.  When nobody holds its lock it has not begun yet, or is over.  The lock
 * comes first: an origin moves on before its transaction's rows can be seen, the lock goes after that.
 */
#define TARGET_PG_FOLLOW_DDL                                                                       \
	"CREATE OR REPLACE FUNCTION dts.target_follow(slot text, origin text, turn integer, "          \
	"before pg_lsn) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS "    \
	"$f$DECLARE class CONSTANT int := hashtext('dts.order ' || slot); waited boolean := false; "   \
	"there boolean; "                                                                              \
	"until CONSTANT timestamptz := clock_timestamp() + interval '2 s'; BEGIN LOOP "                \
	"IF pg_try_advisory_lock_shared(class, turn) AND pg_advisory_unlock_shared(class, turn) "      \
	"THEN IF origin IS NULL THEN SELECT p.end_lsn >= before INTO there "                           \
	"FROM dts.target_progress p WHERE p.slot_name = slot; "                                        \
	"ELSE there := pg_replication_origin_progress(origin, false) >= before; END IF; "              \
	"IF there THEN RETURN waited; END IF; "                                                        \
	"IF waited OR clock_timestamp() > until THEN RAISE EXCEPTION USING ERRCODE = 'DTS10', "        \
	"MESSAGE = 'the transaction before has not committed'; END IF; PERFORM pg_sleep(0.001); "      \
	"ELSE PERFORM pg_advisory_xact_lock_shared(class, turn); waited := true; END IF; "             \
	"END LOOP; END$f$;"                                                                            \
	"COMMENT ON FUNCTION dts.target_follow(text, text, integer, pg_lsn) IS "                       \
	"'waits for the transaction before, on another connection, and fails unless it commits';"

/*
 * Functions that statements of the stream call on the server; part of the bookkeeping's set-up.
 * They exist so that a statement can fail there, where the COMMIT behind it is already waiting.
 */
#define TARGET_PG_DDL                                                                              \
	"CREATE OR REPLACE FUNCTION dts.target_rows_wrong(hits bigint) RETURNS bigint "                \
	"LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS "                                   \
	"$f$BEGIN RAISE EXCEPTION USING ERRCODE = 'DTS02', MESSAGE = hits; END$f$;"                    \
	"CREATE OR REPLACE FUNCTION dts.target_fenced() RETURNS bigint "                               \
	"LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS "                                   \
	"$f$BEGIN RAISE EXCEPTION USING ERRCODE = 'DTS03', "                                           \
	"MESSAGE = 'another daemon owns the job now'; END$f$;" TARGET_PG_FOLLOW_DDL                    \
	"COMMENT ON FUNCTION dts.target_rows_wrong(bigint) IS "                                        \
	"'ends a transaction in which a change hit the wrong number of rows';"                         \
	"COMMENT ON FUNCTION dts.target_fenced() IS "                                                  \
	"'ends a transaction of a daemon that lost its job';" TARGET_COMMAND_DDL TARGET_TIE_DDL

/*
 * Foreign keys to and from tables that are empty for a while, taken off and made again, but for those that the
 * command has made anew itself; the list of them lasts as long as the transaction.
 */
#define TARGET_TIE_DDL                                                                             \
	"CREATE OR REPLACE FUNCTION dts.target_untie(tables jsonb, gone jsonb) RETURNS void LANGUAGE " \
	"plpgsql SET search_path = pg_catalog, pg_temp AS $f$DECLARE f record; saved jsonb := '[]'; "  \
	"BEGIN FOR f IN SELECT c.conrelid::regclass::text AS r, c.conname AS n, "                      \
	"pg_get_constraintdef(c.oid) AS d, obj_description(c.oid, 'pg_constraint') AS m "              \
	"FROM pg_constraint c WHERE c.contype = 'f' AND c.conparentid = 0 AND EXISTS (SELECT FROM "    \
	"jsonb_array_elements_text(tables) t(name) WHERE to_regclass(t.name) IN (c.conrelid, "         \
	"c.confrelid)) LOOP "                                                                          \
	"EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', f.r, f.n); "                              \
	"CONTINUE WHEN gone ? f.n; "                                                                   \
	"saved := saved || jsonb_build_object('r', f.r, 'n', f.n, 'd', f.d, 'm', f.m); "               \
	"END LOOP; PERFORM set_config('dts.untied', saved::text, true); END$f$;"                       \
	"CREATE OR REPLACE FUNCTION dts.target_tie() RETURNS void LANGUAGE plpgsql SET search_path = " \
	"pg_catalog, pg_temp AS $f$DECLARE f record; "                                                 \
	"BEGIN FOR f IN SELECT s.k ->> 'r' AS r, s.k ->> 'n' AS n, s.k ->> 'd' AS d, s.k ->> 'm' AS m" \
	" FROM jsonb_array_elements(current_setting('dts.untied')::jsonb) s(k) LOOP "                  \
	"CONTINUE WHEN EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = to_regclass(f.r) "       \
	"AND c.conname = f.n); "                                                                       \
	"EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', f.r, f.n, f.d); "                       \
	"IF f.m IS NOT NULL THEN EXECUTE format('COMMENT ON CONSTRAINT %I ON %s IS %L', f.n, f.r, "    \
	"f.m); END IF; END LOOP; END$f$;"                                                              \
	"REVOKE ALL ON FUNCTION dts.target_untie(jsonb, jsonb), dts.target_tie() FROM PUBLIC;"         \
	"COMMENT ON FUNCTION dts.target_untie(jsonb, jsonb) IS "                                       \
	"'takes off foreign keys of tables whose rows are written anew';"                              \
	"COMMENT ON FUNCTION dts.target_tie() IS 'makes them again';"

/*
 * Runs a command of the source as its role: a superuser's after SET ROLE, another's through a
 * function that belongs to it, where nothing can take our own role back (target_pg_ddl.c).  Not
 * under a search path of its own, because the command runs under the session's: all is qualified.
 */
#define TARGET_COMMAND_DDL                                                                         \
	"CREATE OR REPLACE FUNCTION dts.target_command(role pg_catalog.name, needed pg_catalog.bool, " \
	"command pg_catalog.text) RETURNS pg_catalog.void LANGUAGE plpgsql AS $f$"                     \
	"DECLARE ours CONSTANT pg_catalog.name := current_user; "                                      \
	"we pg_catalog.pg_roles; they pg_catalog.pg_roles; "                                           \
	"BEGIN "                                                                                       \
	"SELECT * INTO we FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) ours; "    \
	"SELECT * INTO they FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) role; "  \
	"IF role IS NOT NULL AND they.oid IS NULL AND needed THEN "                                    \
	"RAISE EXCEPTION USING ERRCODE = '42704', "                                                    \
	"MESSAGE = pg_catalog.format('role \"%s\" does not exist on the target', role), "              \
	"HINT = 'Create it there, or name another for it in the option missing_roles.'; "              \
	"ELSIF they.oid IS NULL OR they.oid OPERATOR(pg_catalog.=) we.oid THEN EXECUTE command; "      \
	"ELSIF we.rolsuper AND NOT they.rolsuper THEN "                                                \
	"EXECUTE 'CREATE FUNCTION pg_temp.dts_command(command pg_catalog.text) RETURNS "               \
	"pg_catalog.void LANGUAGE plpgsql SECURITY DEFINER AS $b$BEGIN EXECUTE command; END$b$'; "     \
	"EXECUTE pg_catalog.format('ALTER FUNCTION pg_temp.dts_command(pg_catalog.text) OWNER TO "     \
	"%I', role); "                                                                                 \
	"EXECUTE 'SELECT pg_temp.dts_command($1)' USING command; "                                     \
	"EXECUTE 'DROP FUNCTION pg_temp.dts_command(pg_catalog.text)'; "                               \
	"ELSIF we.rolsuper OR pg_catalog.pg_has_role(ours, they.oid, 'MEMBER') THEN "                  \
	"PERFORM pg_catalog.set_config('role', role::pg_catalog.text, true); "                         \
	"EXECUTE command; "                                                                            \
	"PERFORM pg_catalog.set_config('role', CASE WHEN ours OPERATOR(pg_catalog.=) session_user "    \
	"THEN 'none' ELSE ours::pg_catalog.text END, true); "                                          \
	"ELSE RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = "                                     \
	"pg_catalog.format('role \"%s\" may not run commands as \"%s\"', ours, role), "                \
	"HINT = pg_catalog.format('Grant it: GRANT %I TO %I; or name another role in the option "      \
	"missing_roles.', role, ours); "                                                               \
	"END IF; END$f$;"                                                                              \
	"REVOKE ALL ON FUNCTION dts.target_command(name, bool, text) FROM PUBLIC;"                     \
	"COMMENT ON FUNCTION dts.target_command(name, bool, text) IS "                                 \
	"'runs a command of the source as the role that ran it there';"

typedef struct TargetPgOptions
{
	const char *conninfo;  /* secret */
	const char *slot_name; /* also the origin's and the session's name */
	int64_t epoch;
	int lane;             /* 0, or the number of a further session beside that one */
	int64_t lane_rows;    /* changes from which a transaction pays for another lane; 0: as usual */
	int64_t load_rows;    /* inserts in a row from which a COPY pays, a short one; 0: as usual */
	int lanes;            /* that the job uses; 0: one */
	bool keep_order;      /* every change by a statement of its own, in order */
	bool synchronous;     /* every commit waits until it is durable */
	const ObjectMap *map; /* of the job; must outlive the target */
} TargetPgOptions;

/* What the target remembers of the source. */
typedef struct TargetPgStored
{
	SourceLsn position; /* everything before it is durable here; 0: never set */
	char system[24];
	int timeline;
	char database[256];
	char encoding[64];
	bool use_origin;
} TargetPgStored;

/*
 * Connects and takes the stream's place: ends an older session of the same job that still holds it,
 * then reads the position, which nobody moves any more from then on.  Blocks while connecting.
 * A further session (lane > 0) takes *stored from the first one instead.
 * ERR_LOST: there is no bookkeeping of the job; 55006: the place could not be had in time.
 */
Target *
target_pg_open(const TargetPgOptions *options, TargetPgStored *stored, Error *err) must_check;

/* Whether this role may use replication origins here. */
bool target_pg_may_use_origin(PgSession *session, bool *may, Error *err) must_check;

#endif /* DTS_TARGET_PG_H */
