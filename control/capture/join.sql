-- Run after the others, or alone when the capture stands already.  (The caller holds the lock, and adds its row.)
SELECT dts.capture_baseline() WHERE NOT EXISTS (SELECT FROM dts.capture_job);
-- lookups by table and parent must not go through all of it
ANALYZE public.dts_pg_class, public.dts_pg_attribute, public.dts_pg_type, public.dts_pg_enum, dts.capture_object;
