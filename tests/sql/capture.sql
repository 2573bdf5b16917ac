-- Installs the capture as the daemon does, for one job, and defines what the cases of sql/capture_*.sql show with.
\set ECHO none
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\set capture `echo $DTS_TOP/control/capture`
\i :capture/tables.sql
\i :capture/state.sql
\i :capture/mirror.sql
\i :capture/session.sql
\i :capture/event.sql
\i :capture/calls.sql
\o /dev/null
SELECT dts.capture_join('dts_sync_test');
\o
\i :capture/triggers.sql
-- The rows of the queue without what differs from run to run, or by version: since 18 not-null constraints have names.
\set shown 'SELECT event, tag, nested AS n, (SELECT string_agg(concat_ws('' '', d.doc ->> ''type'', coalesce(d.doc ->> ''identity'', ''?'')), '', '' ORDER BY pos) FROM jsonb_array_elements(commands) WITH ORDINALITY d(doc, pos) WHERE coalesce(d.doc ->> ''identity'', '''') !~ ''_not_null on '') AS commands, left(error, 70) AS error FROM public.dts_ddl_command ORDER BY id; DELETE FROM public.dts_ddl_command; DELETE FROM public.dts_args_session;'
-- What each command changed: paths whose value is not what it was, at the top of each object.
\set changes 'SELECT c.tag, coalesce(o.doc #>> ''{after,name}'', o.doc #>> ''{before,name}'') AS object, f.field, left(o.doc #>> ARRAY[''before'', f.field], 90) AS before, left(o.doc #>> ARRAY[''after'', f.field], 90) AS after FROM public.dts_ddl_command c, jsonb_array_elements(c.objects) o(doc), LATERAL (SELECT jsonb_object_keys(coalesce(o.doc -> ''before'', ''{}'') || coalesce(o.doc -> ''after'', ''{}''))) f(field) WHERE o.doc #> ARRAY[''before'', f.field] IS DISTINCT FROM o.doc #> ARRAY[''after'', f.field] AND f.field NOT IN (''columns'', ''constraints'', ''attached'', ''index'', ''sequence'', ''owned_by'', ''labels'') ORDER BY c.id, 2, 3; DELETE FROM public.dts_ddl_command; DELETE FROM public.dts_args_session;'
\set ECHO all
