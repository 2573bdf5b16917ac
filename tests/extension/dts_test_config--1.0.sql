-- Configuration of three sorts: rows told apart by a condition, all rows (some of which the script itself brings), and a sequence.
CREATE TABLE setting (kind text, value text, PRIMARY KEY (kind, value));
INSERT INTO setting VALUES ('built in', 'comes with the script');
SELECT pg_extension_config_dump('setting', $$WHERE kind <> 'built in'$$);
CREATE TABLE everything (id int PRIMARY KEY, v text);
INSERT INTO everything VALUES (1, 'comes with the script');
SELECT pg_extension_config_dump('everything', '');
CREATE SEQUENCE numbers;
SELECT pg_extension_config_dump('numbers', '');
CREATE TABLE internal_state (id int);
CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42';
