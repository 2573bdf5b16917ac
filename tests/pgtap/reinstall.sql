-- The extension goes without a trace, comes back, and lies beside the bookkeeping of a target.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT plan(7);
SELECT lives_ok('DROP EXTENSION dts', 'DROP EXTENSION');
SELECT hasnt_schema('dts');
SELECT is_empty($$SELECT proname FROM pg_proc WHERE proname LIKE 'dts\_%'$$, 'nothing of it stays');
SELECT lives_ok('CREATE EXTENSION dts', 'CREATE EXTENSION again');
SELECT has_function('public', 'dts_create_job', 'its functions lie in public by default');
DROP EXTENSION dts;
-- a database that is a target has a schema dts already
CREATE SCHEMA dts;
CREATE TABLE dts.target_progress (a int);
SELECT lives_ok('CREATE EXTENSION dts', 'beside a target''s bookkeeping');
DROP EXTENSION dts;
SELECT has_table('dts', 'target_progress', 'which stays when the extension goes');
SELECT * FROM finish();
ROLLBACK;
