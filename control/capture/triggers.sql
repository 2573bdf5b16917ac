-- The event triggers, last: from here on commands are captured.  Of one event they fire in the order of their names.
-- ALWAYS: sessions with session_replication_role = replica are captured too.
CREATE EVENT TRIGGER dts_capture_end_1 ON ddl_command_end EXECUTE FUNCTION dts.capture_session();
CREATE EVENT TRIGGER dts_capture_end_2 ON ddl_command_end EXECUTE FUNCTION dts.capture_event();
CREATE EVENT TRIGGER dts_capture_drop_1 ON sql_drop EXECUTE FUNCTION dts.capture_session();
CREATE EVENT TRIGGER dts_capture_drop_2 ON sql_drop EXECUTE FUNCTION dts.capture_event();
CREATE EVENT TRIGGER dts_capture_rewrite_1 ON table_rewrite EXECUTE FUNCTION dts.capture_session();
CREATE EVENT TRIGGER dts_capture_rewrite_2 ON table_rewrite EXECUTE FUNCTION dts.capture_event();
ALTER EVENT TRIGGER dts_capture_end_1 ENABLE ALWAYS;
ALTER EVENT TRIGGER dts_capture_end_2 ENABLE ALWAYS;
ALTER EVENT TRIGGER dts_capture_drop_1 ENABLE ALWAYS;
ALTER EVENT TRIGGER dts_capture_drop_2 ENABLE ALWAYS;
ALTER EVENT TRIGGER dts_capture_rewrite_1 ENABLE ALWAYS;
ALTER EVENT TRIGGER dts_capture_rewrite_2 ENABLE ALWAYS;
