-- Rivals: other jobs at work between the same databases, by name of the endpoint or by its options.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION dts;
SELECT dts_create_endpoint('a', 'postgresql', 'host=a dbname=x user=u password=one'), dts_create_endpoint('a2', 'postgresql', 'dbname=x host=a user=v password=two'),
	dts_create_endpoint('b', 'postgresql', 'host=b'), dts_create_endpoint('c', 'postgresql', 'host=c');
SELECT dts_create_job('j', 'a', 'b'), dts_create_job('same', 'a', 'b', options => '{"objects": [{"schema": "s", "tables": ["t"]}]}'),
	dts_create_job('alias', 'a2', 'b', options => '{"exclude": [{"schema": "s"}]}'), dts_create_job('elsewhere', 'a', 'c'), dts_create_job('back', 'b', 'a');
SELECT dts.job_rivals(id) FROM dts.job WHERE name = 'j';
-- only those that have made something count
UPDATE dts.job SET footprint = true;
SELECT name, dts.job_rivals(id) FROM dts.job ORDER BY id;
UPDATE dts.job SET footprint = false;
SELECT dts_destroy_job(name) FROM dts.job;
DROP EXTENSION dts CASCADE;
