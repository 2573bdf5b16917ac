-- What the capture writes: the commands, in the stream's way to the applier, and a mirror of the catalogs.
--
-- dts_ddl_command and dts_args_session are a queue: rows are appended by event triggers, read from WAL, and trimmed when
-- every job has applied them.  The mirror (dts_pg_class, dts_pg_attribute, dts_pg_type, dts_pg_enum, and dts.capture_object
-- for everything else) holds each object as it was after the last captured command.  So a command finds there what the
-- object was before, by OID and attribute number; and a command whose capture failed is made up for by the next one of
-- the same object, whose "before" then is what the target really has.
--
-- Nobody but the owner has any right on any of these.
CREATE SCHEMA IF NOT EXISTS dts;

CREATE TABLE public.dts_ddl_command (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	xid xid8 NOT NULL,
	at timestamptz NOT NULL,
	event text NOT NULL,           -- command, drop, rewrite, gap
	tag text NOT NULL,             -- of the command that the event belongs to
	query text,                    -- the whole string that the client sent
	nested bool,                   -- run by a function or DO block rather than by the client; NULL: not known
	commands jsonb,                -- what pg_event_trigger_ddl_commands() or pg_event_trigger_dropped_objects() says
	objects jsonb,                 -- each object touched: class, oid, before, after
	error text                     -- event gap: why nothing more is known
);
CREATE TABLE public.dts_args_session (
	command bigint PRIMARY KEY,    -- the id in dts_ddl_command; written before it
	role text,                     -- NULL: not known, as is all that follows
	session_role text NOT NULL,
	search_path text,
	schemas text[],                -- what the search path came to
	settings jsonb
);
CREATE TABLE public.dts_pg_class (oid oid PRIMARY KEY, state jsonb NOT NULL);
CREATE INDEX dts_pg_class_table_idx ON public.dts_pg_class ((state #>> '{index,table}'));
CREATE INDEX dts_pg_class_parents_idx ON public.dts_pg_class USING gin ((state -> 'parents') jsonb_path_ops) WITH (fastupdate = off);
CREATE TABLE public.dts_pg_attribute (attrelid oid, attnum int, state jsonb NOT NULL, PRIMARY KEY (attrelid, attnum));
CREATE TABLE public.dts_pg_type (oid oid PRIMARY KEY, state jsonb NOT NULL);
CREATE TABLE public.dts_pg_enum (oid oid PRIMARY KEY, enumtypid oid NOT NULL, state jsonb NOT NULL);
CREATE INDEX dts_pg_enum_enumtypid_idx ON public.dts_pg_enum (enumtypid);
CREATE TABLE dts.capture_object (class oid, oid oid, state jsonb NOT NULL, PRIMARY KEY (class, oid));

-- The jobs that want the capture; it goes when the last one leaves.
CREATE TABLE dts.capture_job (slot_name text PRIMARY KEY, joined_at timestamptz NOT NULL DEFAULT clock_timestamp());
-- What may be trimmed once every job is past that position: at most one row.
CREATE TABLE dts.capture_mark (visible pg_snapshot NOT NULL, lsn pg_lsn NOT NULL, only_row bool PRIMARY KEY DEFAULT true CHECK (only_row));

REVOKE ALL ON public.dts_ddl_command, public.dts_args_session, public.dts_pg_class, public.dts_pg_attribute, public.dts_pg_type,
	public.dts_pg_enum, dts.capture_object, dts.capture_job, dts.capture_mark FROM PUBLIC;
COMMENT ON TABLE public.dts_ddl_command IS 'dts: commands on their way to the targets of its jobs';
COMMENT ON TABLE public.dts_args_session IS 'dts: settings of the sessions that ran the commands in dts_ddl_command';
COMMENT ON TABLE public.dts_pg_class IS 'dts: relations as they were after the last captured command';
COMMENT ON TABLE public.dts_pg_attribute IS 'dts: columns as they were after the last captured command';
COMMENT ON TABLE public.dts_pg_type IS 'dts: types as they were after the last captured command';
COMMENT ON TABLE public.dts_pg_enum IS 'dts: labels of enums as they were after the last captured command';
COMMENT ON TABLE dts.capture_object IS 'dts: other objects as they were after the last captured command';
