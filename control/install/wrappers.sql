-- wrappers: one foreign-data wrapper for each engine; an endpoint is a server of one of them.
CREATE FUNCTION dts.postgresql_validator(options pg_catalog.text[], catalog pg_catalog.oid)
	RETURNS pg_catalog.void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dts_postgresql_validator';
COMMENT ON FUNCTION dts.postgresql_validator(pg_catalog.text[], pg_catalog.oid) IS
	'checks the options of PostgreSQL endpoints';

CREATE FUNCTION dts.mariadb_validator(options pg_catalog.text[], catalog pg_catalog.oid)
	RETURNS pg_catalog.void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dts_mariadb_validator';
COMMENT ON FUNCTION dts.mariadb_validator(pg_catalog.text[], pg_catalog.oid) IS
	'checks the options of MariaDB endpoints';

CREATE FOREIGN DATA WRAPPER dts_postgresql VALIDATOR dts.postgresql_validator;
COMMENT ON FOREIGN DATA WRAPPER dts_postgresql IS 'PostgreSQL endpoints of dts';

CREATE FOREIGN DATA WRAPPER dts_mariadb VALIDATOR dts.mariadb_validator;
COMMENT ON FOREIGN DATA WRAPPER dts_mariadb IS 'MariaDB and MySQL endpoints of dts';
