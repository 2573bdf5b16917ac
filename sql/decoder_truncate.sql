-- TRUNCATE names the selected relations only.
SELECT slot_name FROM pg_create_logical_replication_slot('tr', 'dts_decoder');
CREATE TABLE tr_a (id serial PRIMARY KEY); CREATE TABLE tr_b (id int PRIMARY KEY, a int REFERENCES tr_a); CREATE TABLE tr_c (x int);
CREATE UNLOGGED TABLE tr_u (x int);
TRUNCATE tr_c;
TRUNCATE tr_a CASCADE;
TRUNCATE tr_c, tr_a, tr_b, tr_u RESTART IDENTITY;
TRUNCATE tr_u;
BEGIN; TRUNCATE tr_c; ROLLBACK;
SELECT * FROM wire_test.changes('tr');
TRUNCATE tr_c, tr_a, tr_b;
TRUNCATE tr_b;
SELECT * FROM wire_test.changes('tr', 'tables', 'public.tr_c,public.tr_a');
CREATE TABLE tr_p (id int) PARTITION BY LIST (id); CREATE TABLE tr_p1 PARTITION OF tr_p FOR VALUES IN (1);
TRUNCATE tr_p;
SELECT * FROM wire_test.changes('tr');
SELECT pg_drop_replication_slot('tr');
DROP TABLE tr_a, tr_b, tr_c, tr_u, tr_p;
