-- Options: what is asked for, and errors that say what would be right.
SELECT slot_name FROM pg_create_logical_replication_slot('o', 'dts_decoder');
CREATE FUNCTION pg_temp.try(VARIADIC o text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE h text; d text;
BEGIN
	PERFORM pg_logical_slot_peek_binary_changes('o', NULL, NULL, VARIADIC o);
	RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS h = pg_exception_hint, d = pg_exception_detail;
	RETURN sqlstate || ' ' || sqlerrm || coalesce(E'\nDETAIL: ' || nullif(d, ''), '') || coalesce(E'\nHINT: ' || nullif(h, ''), '');
END $$;
\pset format unaligned
\t on
SELECT pg_temp.try();
SELECT pg_temp.try('protocol_version', '2');
SELECT pg_temp.try('protocol_version', 'one');
SELECT pg_temp.try('protocol_version', '1');
SELECT pg_temp.try('protocol_version', '1', 'protocol_version', '1');
SELECT pg_temp.try('protocol_version', '1', 'table', 'public.t');
SELECT pg_temp.try('protocol_version', '1', 'chunk_size', '1023');
SELECT pg_temp.try('protocol_version', '1', 'chunk_size', '1024');
SELECT pg_temp.try('protocol_version', '1', 'chunk_size', '1048576');
SELECT pg_temp.try('protocol_version', '1', 'chunk_size', '99999999999999999999');
SELECT pg_temp.try('protocol_version', '1', 'schemas', 'a, "B b" ,c');
SELECT pg_temp.try('protocol_version', '1', 'schemas', '');
SELECT pg_temp.try('protocol_version', '1', 'schemas', 'a,');
SELECT pg_temp.try('protocol_version', '1', 'schemas', '"a');
SELECT pg_temp.try('protocol_version', '1', 'tables', 'a."b.c" , "d,""".e');
SELECT pg_temp.try('protocol_version', '1', 'tables', 'a');
SELECT pg_temp.try('protocol_version', '1', 'exclude_tables', 'a.b.c');
SELECT pg_temp.try('protocol_version', '1', 'exclude_schemas', repeat('x', 64));
SELECT pg_temp.try('protocol_version', '1', 'table_oids', '16384, 4294967295');
SELECT pg_temp.try('protocol_version', '1', 'table_oids', '-1');
SELECT pg_temp.try('protocol_version', '1', 'table_oids', '4294967296');
SELECT pg_temp.try('protocol_version', '1', 'origin', 'some');
SELECT pg_temp.try('protocol_version', '1', 'streaming', 'parallel');
SELECT pg_temp.try('protocol_version', '1', 'rewrites', 'yes');
SELECT pg_temp.try('protocol_version', '1', 'on_no_identity', 'ignore');
-- Binary only, and in the database's encoding.
SELECT pg_logical_slot_peek_changes('o', NULL, NULL, 'protocol_version', '1');
SET client_encoding = 'LATIN1';
SELECT pg_temp.try('protocol_version', '1');
RESET client_encoding;
SELECT pg_drop_replication_slot('o');
