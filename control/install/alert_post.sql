-- alert_post: the daemon's side of alerts: what must be watched by the clock, and what is to be posted, signed.

CREATE FUNCTION dts.hmac_sha256(p_key pg_catalog.bytea, p_message pg_catalog.bytea) RETURNS pg_catalog.bytea
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k bytea := CASE WHEN length(p_key) > 64 THEN sha256(p_key) ELSE p_key END;
	inner_pad bytea := decode(repeat('36', 64), 'hex');
	outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	FOR i IN 0 .. length(k) - 1 LOOP
		inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(k, i));
		outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(k, i));
	END LOOP;
	RETURN sha256(outer_pad || sha256(inner_pad || p_message));
END
$$;
COMMENT ON FUNCTION dts.hmac_sha256(pg_catalog.bytea, pg_catalog.bytea) IS 'HMAC with SHA-256, RFC 2104';

CREATE FUNCTION dts.url_encode(p_text pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
	AS $$ SELECT replace(replace(replace(p_text, '+', '%2B'), '/', '%2F'), '=', '%3D') $$;
COMMENT ON FUNCTION dts.url_encode(pg_catalog.text) IS 'base64 as part of a URL';

-- Lag and retained WAL.
CREATE FUNCTION dts.daemon_alert_watch() RETURNS pg_catalog.void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	a dts.alert;
	j dts.job;
	lag numeric;
	retained int8;
BEGIN
	FOR a IN SELECT * FROM dts.alert WHERE latency_seconds IS NOT NULL OR retained_wal_mb IS NOT NULL
		ORDER BY job_id FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		SELECT * INTO j FROM dts.job o WHERE o.id = a.job_id;
		SELECT v.lag_seconds INTO lag FROM @extschema@.dts_jobs v WHERE v.job = j.name AND v.phase = 'incremental'
			AND v.state IN ('running', 'ready', 'modifying', 'retrying', 'pausing', 'paused', 'resuming', 'error');
		IF lag > a.latency_seconds THEN
			IF a.latency_since IS NULL THEN
				UPDATE dts.alert o SET latency_since = clock_timestamp() WHERE o.job_id = a.job_id;
				a.latency_since := clock_timestamp();
			END IF;
			IF a.latency_since <= clock_timestamp() - make_interval(secs => a.latency_for_seconds) THEN
				PERFORM dts.alert_raise(a, j, 'latency', 'warning', format('job "%s" lags %s s behind its source', j.name, round(lag)),
					jsonb_build_object('lag_seconds', lag, 'threshold', a.latency_seconds));
			END IF;
		ELSIF a.latency_since IS NOT NULL THEN
			UPDATE dts.alert o SET latency_since = NULL WHERE o.job_id = a.job_id;
		END IF;
		SELECT s.retained_bytes INTO retained FROM @extschema@.dts_slots s WHERE s.job = j.name;
		IF retained > a.retained_wal_mb * 1048576 THEN
			PERFORM dts.alert_raise(a, j, 'retained_wal', 'warning',
				format('the source retains %s of WAL for job "%s"', pg_size_pretty(retained), j.name),
				jsonb_build_object('retained_bytes', retained, 'threshold', a.retained_wal_mb * 1048576));
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dts.daemon_alert_watch() IS 'looks at the figures that alert rules watch';

-- Takes deliveries; one whose outcome is not reported within two minutes comes again.
CREATE FUNCTION dts.daemon_alert_next(OUT id pg_catalog.int8, OUT url pg_catalog.text, OUT headers pg_catalog.text,
		OUT body pg_catalog.text, OUT internal pg_catalog.bool, OUT checks_code pg_catalog.bool)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	d dts.alert_delivery;
	a dts.alert;
	seconds int8 := floor(extract(epoch FROM clock_timestamp()));
	millis text := seconds || '000';
	to_host text;
BEGIN
	FOR d IN SELECT * FROM dts.alert_delivery o WHERE o.state = 'pending' AND o.next_at <= clock_timestamp()
		ORDER BY o.next_at, o.id LIMIT 5 FOR UPDATE SKIP LOCKED
	LOOP
		SELECT * INTO a FROM dts.alert o WHERE o.job_id = d.job_id;
		IF NOT FOUND OR a.url IS NULL THEN
			UPDATE dts.alert_delivery o SET state = 'failed', error = 'the rule was dropped', done_at = clock_timestamp() WHERE o.id = d.id;
			CONTINUE;
		END IF;
		BEGIN
			to_host := dts.alert_url_host(a.url);
		EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
			UPDATE dts.alert_delivery o SET state = 'failed', error = sqlerrm, done_at = clock_timestamp() WHERE o.id = d.id;
			CONTINUE;
		END;
		UPDATE dts.alert_delivery o SET attempts = o.attempts + 1, next_at = clock_timestamp() + interval '2 min' WHERE o.id = d.id;
		id := d.id;
		url := a.url;
		headers := '';
		internal := (SELECT h.internal FROM dts.alert_host h WHERE h.host = to_host);
		checks_code := a.method <> 'webhook';
		CASE a.method
			WHEN 'webhook' THEN
				body := (d.body || jsonb_build_object('id', d.id))::text;
				IF a.secret IS NOT NULL THEN
					headers := format(E'X-Dts-Timestamp: %s\nX-Dts-Signature: sha256=%s', seconds, encode(dts.hmac_sha256(
						convert_to(a.secret, 'UTF8'), convert_to(seconds || '.' || body, 'UTF8')), 'hex'));
				END IF;
			WHEN 'dingtalk' THEN
				body := jsonb_build_object('msgtype', 'text', 'text', jsonb_build_object('content', 'dts: ' || (d.body ->> 'text')))::text;
				IF a.secret IS NOT NULL THEN
					url := a.url || CASE WHEN strpos(a.url, '?') > 0 THEN '&' ELSE '?' END || format('timestamp=%s&sign=%s', millis,
						dts.url_encode(encode(dts.hmac_sha256(convert_to(a.secret, 'UTF8'), convert_to(millis || E'\n' || a.secret, 'UTF8')), 'base64')));
				END IF;
			ELSE -- lark
				body := (jsonb_build_object('msg_type', 'text', 'content', jsonb_build_object('text', 'dts: ' || (d.body ->> 'text')))
					|| CASE WHEN a.secret IS NULL THEN '{}' ELSE jsonb_build_object('timestamp', seconds::text, 'sign',
						encode(dts.hmac_sha256(convert_to(seconds || E'\n' || a.secret, 'UTF8'), ''), 'base64')) END)::text;
		END CASE;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dts.daemon_alert_next() IS
	'alerts to be posted now: address, headers (one a line) and body, whether internal addresses are allowed, whether the answer carries a code';

-- again: another attempt may help; there are five, 10 s to 4.5 min apart.
CREATE FUNCTION dts.daemon_alert_done(id pg_catalog.int8, ok pg_catalog.bool, http_status pg_catalog.int4, error pg_catalog.text,
		again pg_catalog.bool)
	RETURNS pg_catalog.void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	d dts.alert_delivery;
BEGIN
	UPDATE dts.alert_delivery o SET http_status = nullif(daemon_alert_done.http_status, 0), error = CASE WHEN ok THEN NULL ELSE daemon_alert_done.error END,
			state = CASE WHEN ok THEN 'sent' WHEN again AND o.attempts < 5 THEN 'pending' ELSE 'failed' END,
			next_at = clock_timestamp() + interval '10 s' * 3 ^ least(o.attempts - 1, 3),
			done_at = CASE WHEN ok OR NOT again OR o.attempts >= 5 THEN clock_timestamp() END
		WHERE o.id = daemon_alert_done.id AND o.state = 'pending' RETURNING * INTO d;
END
$$;
COMMENT ON FUNCTION dts.daemon_alert_done(pg_catalog.int8, pg_catalog.bool, pg_catalog.int4, pg_catalog.text, pg_catalog.bool) IS
	'says what became of an alert that was posted';
