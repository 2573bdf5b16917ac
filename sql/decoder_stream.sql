-- Transactions in progress are streamed in pieces when asked for; subtransactions keep their names (14 and later).
SELECT slot_name FROM pg_create_logical_replication_slot('st', 'dts_decoder');
CREATE TABLE st (id int PRIMARY KEY, pad text);
CREATE TABLE other (id int PRIMARY KEY, pad text);
BEGIN; INSERT INTO st SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i; COMMIT;
SELECT count(*) FILTER (WHERE r LIKE 'stream xid%') > 1 AS pieces, count(*) FILTER (WHERE r LIKE 'insert%') AS rows, count(*) FILTER (WHERE r LIKE 'stream_commit%') AS commits,
	count(*) FILTER (WHERE r LIKE 'txn%') AS plain, count(*) FILTER (WHERE r LIKE 'relation%') AS descriptions FROM wire_test.changes('st', 'streaming', 'on') r;
-- Off by default.
BEGIN; DELETE FROM st; COMMIT;
SELECT count(*) FILTER (WHERE r LIKE 'stream%') AS streamed, count(*) FILTER (WHERE r LIKE 'delete%') AS rows, count(*) FILTER (WHERE r LIKE 'txn flags=F %') AS first, count(*) FILTER (WHERE r LIKE 'txn flags=L %') AS last,
	count(*) FILTER (WHERE r LIKE 'txn%') BETWEEN 10 AND 60 AS chunks FROM wire_test.changes('st', 'chunk_size', '1024') r;
-- Subtransactions: one that lasts, one that is rolled back.
BEGIN;
INSERT INTO st SELECT i, repeat('x', 100) FROM generate_series(1, 1000) i;
SAVEPOINT a; INSERT INTO st SELECT i, repeat('x', 100) FROM generate_series(1001, 2000) i;
SAVEPOINT b; INSERT INTO st SELECT i, repeat('x', 100) FROM generate_series(2001, 3000) i; ROLLBACK TO b;
RELEASE a; TRUNCATE other; INSERT INTO st VALUES (5000, 'last');
COMMIT;
-- Rows by the subtransaction they came with, and what was aborted (how many rows of that came before is not fixed).
WITH r AS (SELECT r, n FROM wire_test.changes('st', 'streaming', 'on') WITH ORDINALITY q(r, n)),
	s AS (SELECT *, max(CASE WHEN r ~ '^(stream xid|subxact)' THEN n END) OVER (ORDER BY n) AS owner FROM r)
SELECT substring(o.r FROM 'x\d+') AS xid, substring(s.r FROM '^\w+') AS record, count(*), min(s.r) FILTER (WHERE s.r LIKE 'stream_abort%') AS abort
FROM s JOIN r o ON o.n = s.owner WHERE s.r !~ '^(stream xid|subxact|relation)' AND NOT (o.r = 'subxact x3' AND s.r LIKE 'insert%') GROUP BY 1, 2, s.r LIKE 'stream_abort%' ORDER BY min(s.n);
-- Nothing selected: nothing at all is sent; rolled back as a whole: either nothing, or it is said.
BEGIN; INSERT INTO other SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i; COMMIT;
SELECT count(*) AS named, count(*) FILTER (WHERE r LIKE 'stream_commit%') AS committed FROM wire_test.changes('st', 'streaming', 'on', 'exclude_tables', 'public.other') r WHERE r LIKE '%other%' OR r LIKE 'stream_commit%';
BEGIN; INSERT INTO other SELECT i, repeat('x', 100) FROM generate_series(5001, 9000) i; ROLLBACK;
SELECT count(*) FILTER (WHERE r LIKE 'stream xid%') > 0 AS begun, count(*) FILTER (WHERE r LIKE 'stream_abort%') AS aborted, count(*) FILTER (WHERE r LIKE 'stream_commit%') AS committed FROM wire_test.changes('st', 'streaming', 'on') r
HAVING count(*) FILTER (WHERE r LIKE 'stream xid%') > 0 AND count(*) FILTER (WHERE r LIKE 'stream_abort%') = 0;
-- Long values in a streamed subtransaction: fragments cross pieces.
BEGIN; INSERT INTO st SELECT i, repeat('y', 100) FROM generate_series(6000, 6500) i; SAVEPOINT a;
INSERT INTO st SELECT 7000 + i, string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 5) i, generate_series(1, 1000) j GROUP BY i; COMMIT;
SELECT count(*) FILTER (WHERE r LIKE 'insert%' AND r LIKE '%, long %bytes of%') AS long, count(*) FILTER (WHERE r LIKE 'fragment%') > 100 AS fragments FROM wire_test.changes('st', 'streaming', 'on', 'chunk_size', '1024') r;
SELECT pg_drop_replication_slot('st');
DROP TABLE st, other;
