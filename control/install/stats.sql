-- stats: what the stream of a job has done, and where its time went.
CREATE TABLE dts.stream_measure (
	ord pg_catalog.int4 GENERATED ALWAYS AS IDENTITY,
	measure pg_catalog.text PRIMARY KEY,
	unit pg_catalog.text NOT NULL,
	gauge pg_catalog.bool NOT NULL, -- of now, not a count
	meaning pg_catalog.text NOT NULL
);
COMMENT ON TABLE dts.stream_measure IS 'the measures of a stream that dts_job_stats shows; a name that ends in _us is reported in microseconds';
INSERT INTO dts.stream_measure (measure, unit, gauge, meaning) VALUES
	('source_transactions', 'transactions', false, 'received whole from the source'),
	('source_bytes', 'bytes', false, 'received from the source'),
	('bytes_spooled', 'bytes', true, 'kept of transactions that are in progress on the source'),
	('wait_source', 's', false, 'all that had been received was done'),
	('work', 's', false, 'the daemon itself worked: reading, planning, sending'),
	('plan', 's', false, 'of this work, making batches into statements and sending them; the rest is reading what the source sends'),
	('wait_target', 's', false, 'the daemon waited for the target: for answers, or for room to send more'),
	('wait_throttle', 's', false, 'the daemon waited because the job is throttled'),
	('busy', 's', false, 'the target had something to do'),
	('commit_wait', 's', false, 'from handing a transaction over to the target''s answer, summed over transactions that overlap'),
	('transactions', 'transactions', false, 'of the target, each holding whole ones of the source'),
	('inserts', 'rows', false, 'inserts of the source'),
	('updates', 'rows', false, 'updates of the source'),
	('deletes', 'rows', false, 'deletes of the source'),
	('truncates', 'commands', false, 'truncates of the source'),
	('statements', 'statements', false, 'sent to the target'),
	('rows_per_statement', 'rows', true, 'changes of the source for each statement; low: little could be batched'),
	('rows_net', 'rows', false, 'left of batched changes when all changes of one row were made one'),
	('rows_single', 'rows', false, 'of these, sent by a statement of their own'),
	('rows_copied', 'rows', false, 'of these, sent by COPY, of large transactions that were in progress on the source'),
	('rows_ordered', 'rows', false, 'changes sent one by one, in the order of the source'),
	('units', 'units', false, 'pieces in which work was handed over'),
	('units_repeated', 'units', false, 'of these, failed as a batch and repeated one by one'),
	('transactions_parallel', 'transactions', false, 'of the target, begun on another session while the one before was under way'),
	('rows_early', 'rows', false, 'net rows of these that did not have to wait for the one before'),
	('order_waits', 'transactions', false, 'of these, had to wait for the one before'),
	('mispredictions', 'transactions', false, 'of these, failed for not having waited, and were done again one after another'),
	('transactions_ahead', 'transactions', false, 'of the source, applied while they were in progress there'),
	('ahead_dropped', 'transactions', false, 'so begun, and rolled back to be applied when they had committed'),
	('bytes_in_flight', 'bytes', true, 'sent to the target and not answered'),
	('bytes_held', 'bytes', true, 'kept until the target has answered, to be able to repeat it'),
	('ordered_asked', 'tables', false, 'tables of units sent one by one: the session was told to keep to the order'),
	('ordered_no_key', 'tables', false, 'the same: no unique key of the target finds the row'),
	('ordered_key_change', 'tables', false, 'the same: an update changed the key'),
	('ordered_sequence', 'tables', false, 'the same: the changes of one key do not follow from each other'),
	('ordered_trigger', 'tables', false, 'the same: a trigger or rule of the target fires for replicated rows'),
	('ordered_partitioned', 'tables', false, 'the same: the table is partitioned on the target'),
	('ordered_identity', 'tables', false, 'the same: a GENERATED ALWAYS column outside of the key'),
	('ordered_truncate', 'tables', false, 'the same: a truncate'),
	('ordered_few', 'tables', false, 'the same: too few changes for a batch to pay'),
	('ordered_failed', 'tables', false, 'the same: the batch had failed'),
	('ordered_remembered', 'tables', false, 'the same: the table''s batches had failed a short while before');

-- A measure of a report; times in seconds.
CREATE FUNCTION dts.measure_value(stats pg_catalog.jsonb, measure pg_catalog.text) RETURNS pg_catalog.numeric
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN measure = 'rows_per_statement' THEN
			round(((stats ->> 'inserts')::numeric + (stats ->> 'updates')::numeric + (stats ->> 'deletes')::numeric)
				/ nullif((stats ->> 'statements')::numeric, 0), 2)
		WHEN stats ? (measure || '_us') THEN round((stats ->> (measure || '_us'))::numeric / 1000000, 3)
		ELSE (stats ->> measure)::numeric END
$$;
COMMENT ON FUNCTION dts.measure_value(pg_catalog.jsonb, pg_catalog.text) IS 'a measure out of a report of the daemon; times in seconds';

-- In words, what holds a stream up.
CREATE FUNCTION dts.stream_held_up_by(p dts.job_progress, running pg_catalog.bool) RETURNS pg_catalog.text
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	source numeric := dts.measure_value(p.stats, 'wait_source') - dts.measure_value(p.stats_before, 'wait_source');
	work numeric := dts.measure_value(p.stats, 'work') - dts.measure_value(p.stats_before, 'work');
	target numeric := dts.measure_value(p.stats, 'wait_target') - dts.measure_value(p.stats_before, 'wait_target');
	-- a worker begun before the upgrade of the extension does not report it
	throttle numeric := coalesce(dts.measure_value(p.stats, 'wait_throttle') - dts.measure_value(p.stats_before, 'wait_throttle'), 0);
	spent numeric := source + work + target + throttle;
BEGIN
	IF p.stats IS NULL THEN
		RETURN 'nothing has been reported yet';
	ELSIF NOT running OR p.reported_at < clock_timestamp() - interval '10 s' THEN
		RETURN format('the stream does not run; last reported at %s', p.reported_at);
	ELSIF spent IS NULL OR spent <= 0 OR source < 0 OR work < 0 OR target < 0 OR throttle < 0 THEN
		RETURN 'the stream has just begun';
	END IF;
	RETURN format('%s; of its time it waited %s %% for the source and %s %% for the target, and worked %s %%'
			|| CASE WHEN throttle > 0 THEN format('; it was throttled %s %%%% of it', round(100 * throttle / spent)) ELSE '' END,
		CASE WHEN throttle >= spent * 0.5 THEN 'the throttle of the job'
			WHEN p.caught_up AND source >= spent * 0.5 THEN 'nothing, all that was received is applied'
			WHEN target >= work AND target >= source THEN 'the target'
			WHEN work >= source THEN 'the daemon itself'
			ELSE 'the source, which has not sent more' END,
		round(100 * source / spent), round(100 * target / spent), round(100 * work / spent));
END
$$;
COMMENT ON FUNCTION dts.stream_held_up_by(dts.job_progress, pg_catalog.bool) IS 'says what a stream waited for between its last two reports';

CREATE FUNCTION @extschema@.dts_job_stats(job pg_catalog.text, OUT measure pg_catalog.text, OUT total pg_catalog.numeric,
		OUT per_second pg_catalog.numeric, OUT unit pg_catalog.text, OUT meaning pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	j dts.job := dts.job_find(dts_job_stats.job, false);
	p dts.job_progress;
	seconds numeric;
BEGIN
	SELECT * INTO p FROM dts.job_progress o WHERE o.job_id = j.id;
	seconds := extract(epoch FROM p.reported_at - p.reported_before_at);
	RETURN QUERY
		SELECT 'held_up_by', NULL::numeric, NULL::numeric, NULL, dts.stream_held_up_by(p, j.state IN ('running', 'ready', 'modifying'))
		UNION ALL
		SELECT m.measure, v.now,
				-- a new worker counts from 0 again
				CASE WHEN NOT m.gauge AND v.now >= v.before AND seconds > 0 THEN round((v.now - v.before) / seconds, 3) END,
				m.unit, m.meaning
			FROM (SELECT m.ord, m.measure, m.unit, m.gauge, m.meaning FROM dts.stream_measure m
				UNION ALL
				SELECT 1000000, k, NULL, false, NULL FROM jsonb_object_keys(p.stats) k
					WHERE NOT EXISTS (SELECT FROM dts.stream_measure m WHERE k IN (m.measure, m.measure || '_us'))
				ORDER BY 1, 2) m,
			LATERAL (SELECT dts.measure_value(p.stats, m.measure) AS now, dts.measure_value(p.stats_before, m.measure) AS before) v;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_job_stats(pg_catalog.text) IS
	'what the stream of a job has done since its worker started, per second between its last two reports, and what holds it up';
