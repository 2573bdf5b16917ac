CREATE TABLE IF NOT EXISTS public.dts_postgres_heartbeat (
	slot_name pg_catalog.text PRIMARY KEY,
	beat pg_catalog.int8 NOT NULL DEFAULT 0,
	written_at pg_catalog.timestamptz,
	receive_lsn pg_catalog.pg_lsn,
	flush_lsn pg_catalog.pg_lsn,
	flush_time pg_catalog.timestamptz) WITH (fillfactor = 20);
COMMENT ON TABLE public.dts_postgres_heartbeat IS 'dts: beats of its jobs, and how far each had come';
