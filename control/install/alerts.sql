-- alerts: who is told, how, and of what.  A rule belongs to a job; what it watches for becomes a delivery, which the
-- daemon posts, or which is a notification in this database.  The text names job, state and figures, never rows, error
-- texts or secrets.

-- Where alerts may go.  Only dts_admin adds to it.
CREATE TABLE dts.alert_host (
	host pg_catalog.text PRIMARY KEY CHECK (host = pg_catalog.lower(host)),
	plain_http pg_catalog.bool NOT NULL,
	internal pg_catalog.bool NOT NULL,
	allowed_by pg_catalog.text NOT NULL,
	allowed_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE dts.alert_host IS 'the hosts that alerts may be posted to';
INSERT INTO dts.alert_host (host, plain_http, internal, allowed_by) VALUES
	('oapi.dingtalk.com', false, false, 'dts'), ('open.feishu.cn', false, false, 'dts'),
	('open.larksuite.com', false, false, 'dts');

CREATE VIEW @extschema@.dts_alert_hosts AS
	SELECT h.host, h.plain_http, h.internal, h.allowed_by, h.allowed_at AS allowed FROM dts.alert_host h;
COMMENT ON VIEW @extschema@.dts_alert_hosts IS 'the hosts that alerts may be posted to';

CREATE FUNCTION @extschema@.dts_allow_alert_host(host pg_catalog.text, plain_http pg_catalog.bool DEFAULT false,
		internal pg_catalog.bool DEFAULT false)
	RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF host IS NULL OR plain_http IS NULL OR internal IS NULL OR lower(host) !~ '^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$'
		AND host !~* '^\[[0-9a-f:.]+\]$'
	THEN
		RAISE EXCEPTION 'invalid name of a host: %', coalesce(quote_literal(host), 'null')
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'A host is a name or an address as it stands in a URL, without port.',
				HINT = 'Example: dts_allow_alert_host(''hooks.example.com'').';
	END IF;
	INSERT INTO dts.alert_host AS h VALUES (lower(dts_allow_alert_host.host), dts_allow_alert_host.plain_http,
			dts_allow_alert_host.internal, dts.caller())
		ON CONFLICT ON CONSTRAINT alert_host_pkey DO UPDATE SET plain_http = excluded.plain_http,
			internal = excluded.internal, allowed_by = excluded.allowed_by, allowed_at = clock_timestamp();
	RETURN format('alerts may be posted to host "%s"', lower(host));
END
$$;
COMMENT ON FUNCTION @extschema@.dts_allow_alert_host(pg_catalog.text, pg_catalog.bool, pg_catalog.bool) IS
	'lets alerts be posted to a host; plain_http: also without TLS; internal: also at a loopback, private or link-local address';

CREATE FUNCTION @extschema@.dts_refuse_alert_host(host pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM dts.alert_host h WHERE h.host = lower(dts_refuse_alert_host.host);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'host % is not allowed anyway', coalesce('"' || host || '"', 'null')
			USING ERRCODE = 'undefined_object', DETAIL = 'No such host is listed.',
				HINT = 'Look at dts_alert_hosts.';
	END IF;
	RETURN format('alerts are no longer posted to host "%s"', lower(host));
END
$$;
COMMENT ON FUNCTION @extschema@.dts_refuse_alert_host(pg_catalog.text) IS 'lets no alert be posted to a host any more';

CREATE TABLE dts.alert (
	job_id pg_catalog.int8 PRIMARY KEY REFERENCES dts.job ON DELETE CASCADE,
	states pg_catalog.text[] NOT NULL,
	errors pg_catalog.bool NOT NULL,
	latency_seconds pg_catalog.int4,
	latency_for_seconds pg_catalog.int4 NOT NULL,
	retained_wal_mb pg_catalog.int8,
	frequency_seconds pg_catalog.int4 NOT NULL,
	method pg_catalog.text NOT NULL CHECK (method IN ('webhook', 'dingtalk', 'lark', 'pg_notify')),
	url pg_catalog.text,                   -- may hold a token
	secret pg_catalog.text,
	channel pg_catalog.text,
	latency_since pg_catalog.timestamptz,  -- above the threshold since then
	set_by pg_catalog.text NOT NULL,
	set_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE dts.alert IS 'the alert rule of each job, with its secrets';

CREATE TABLE dts.alert_reason (
	job_id pg_catalog.int8 NOT NULL REFERENCES dts.job ON DELETE CASCADE,
	reason pg_catalog.text NOT NULL,
	last_at pg_catalog.timestamptz NOT NULL,
	suppressed pg_catalog.int4 NOT NULL DEFAULT 0,
	PRIMARY KEY (job_id, reason)
);
COMMENT ON TABLE dts.alert_reason IS 'when a job last alerted for a reason, and how often it has held back since';

CREATE TABLE dts.alert_delivery (
	id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	job_id pg_catalog.int8 NOT NULL,
	job pg_catalog.text NOT NULL,
	at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	reason pg_catalog.text NOT NULL,
	severity pg_catalog.text NOT NULL,
	body pg_catalog.jsonb NOT NULL,
	method pg_catalog.text NOT NULL,
	destination pg_catalog.text NOT NULL,
	state pg_catalog.text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
	attempts pg_catalog.int4 NOT NULL DEFAULT 0,
	next_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	http_status pg_catalog.int4,
	error pg_catalog.text,
	done_at pg_catalog.timestamptz
);
CREATE INDEX alert_delivery_pending ON dts.alert_delivery (next_at) WHERE state = 'pending';
COMMENT ON TABLE dts.alert_delivery IS 'alerts, sent and to be sent';

CREATE VIEW @extschema@.dts_alerts AS
	SELECT j.name AS job, a.states, a.errors, a.latency_seconds, a.latency_for_seconds, a.retained_wal_mb,
			a.frequency_seconds, a.method,
			COALESCE(a.channel, pg_catalog.substring(a.url, '^https?://([^/?#]+)')) AS destination,
			a.secret IS NOT NULL AS signed, a.set_by, a.set_at
		FROM dts.alert a JOIN dts.job j ON j.id = a.job_id;
COMMENT ON VIEW @extschema@.dts_alerts IS 'the alert rules of the jobs, without their secrets';

CREATE VIEW @extschema@.dts_alert_log AS
	SELECT d.id, d.job, d.at, d.reason, d.severity, d.method, d.destination, d.state, d.attempts, d.http_status, d.error,
			d.done_at AS done, d.body
		FROM dts.alert_delivery d;
COMMENT ON VIEW @extschema@.dts_alert_log IS 'the alerts of the jobs and what became of them';

INSERT INTO dts.option_spec
	(ord, path, types, required, low, high, allowed, default_value, meaning) VALUES
	(901, '$alert', '{object}', false, NULL, NULL, NULL, NULL, 'the alert rule of a job'),
	(902, '$alert.states', '{array}', false, 0, 100, NULL, '["error", "failed", "start_failed", "stop_failed"]',
		'states whose entering alerts'),
	(903, '$alert.states[]', '{string}', false, NULL, NULL, (SELECT pg_catalog.array_agg(s.state) FROM dts.job_states() s), NULL, 'one state'),
	(904, '$alert.errors', '{boolean}', false, NULL, NULL, NULL, 'true', 'whether other events of severity error alert'),
	(905, '$alert.latency_seconds', '{integer,"null"}', false, 1, 86400, NULL, 'null',
		'a lag above it alerts, in seconds; null: never'),
	(906, '$alert.latency_for_seconds', '{integer}', false, 0, 86400, NULL, '60', 'for how long the lag must be above it, in seconds'),
	(907, '$alert.retained_wal_mb', '{integer,"null"}', false, 1, 1000000000, NULL, 'null',
		'WAL retained on the source above it alerts, in MB; null: never'),
	(908, '$alert.frequency_seconds', '{integer}', false, 60, 604800, NULL, '600',
		'for so long a reason that has alerted does not alert again, in seconds'),
	(909, '$alert.method', '{string}', true, NULL, NULL, '{webhook,dingtalk,lark,pg_notify}', NULL, 'how the alert goes out'),
	(910, '$alert.url', '{string}', false, NULL, NULL, NULL, 'null', 'where webhook, dingtalk and lark post to; shown to nobody'),
	(911, '$alert.secret', '{string}', false, NULL, NULL, NULL, 'null', 'signs what is posted; shown to nobody'),
	(912, '$alert.channel', '{name,"null"}', false, NULL, NULL, NULL, 'null', 'channel of pg_notify');

-- The host of a URL that may be posted to, or an error.  The URL itself is not repeated: it may hold a token.
CREATE FUNCTION dts.alert_url_host(p_url pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parts text[] := regexp_match(p_url, '^(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:[/?][!-~]*)?$');
	allowed dts.alert_host;
BEGIN
	IF parts IS NULL OR length(p_url) > 2000 THEN
		RAISE EXCEPTION 'the URL of the alert is not valid'
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'It must be https://host[:port]/path, without a user, blanks or a fragment.',
				HINT = 'Copy the address that the receiving service shows.';
	END IF;
	SELECT * INTO allowed FROM dts.alert_host h WHERE h.host = lower(parts[2]);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'alerts may not be posted to host "%"', lower(parts[2])
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = 'It is not among the hosts that are allowed.',
				HINT = format('Have a member of dts_admin call dts_allow_alert_host(%L).', lower(parts[2]));
	END IF;
	IF parts[1] = 'http' AND NOT allowed.plain_http THEN
		RAISE EXCEPTION 'alerts may not be posted to host "%" without TLS', allowed.host
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = 'The URL begins with http.',
				HINT = format('Use https, or have a member of dts_admin call dts_allow_alert_host(%L, plain_http => true).', allowed.host);
	END IF;
	RETURN allowed.host;
END
$$;
COMMENT ON FUNCTION dts.alert_url_host(pg_catalog.text) IS 'the host of a URL that alerts may be posted to, or an error';

CREATE FUNCTION @extschema@.dts_set_alert(job pg_catalog.text, rule pg_catalog.jsonb) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
	r jsonb;
BEGIN
	-- a value that is refused is shown, so secrets are looked at by their type alone
	PERFORM dts.options_walk(coalesce(rule, 'null') || CASE WHEN jsonb_typeof(rule) = 'object' THEN
			(SELECT coalesce(jsonb_object_agg(k, '"***"'::jsonb), '{}') FROM unnest('{url,secret}'::text[]) k
				WHERE jsonb_typeof(rule -> k) = 'string') ELSE '[]' END, '$alert', '$alert');
	r := (SELECT jsonb_object_agg(substr(path, 8), default_value) FROM dts.option_spec
		WHERE path ~ '^[$]alert[.][a-z_]+$' AND default_value IS NOT NULL) || jsonb_strip_nulls(rule);
	IF r ->> 'method' = 'pg_notify' THEN
		IF r ->> 'channel' IS NULL OR r ->> 'url' IS NOT NULL THEN
			RAISE EXCEPTION 'method pg_notify takes a channel and no url'
				USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The alert is a notification in this database.',
					HINT = 'Example: {"method": "pg_notify", "channel": "dts_alert"}.';
		END IF;
	ELSE
		IF r ->> 'url' IS NULL OR r ->> 'channel' IS NOT NULL THEN
			RAISE EXCEPTION 'method % takes a url and no channel', r ->> 'method'
				USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The alert is posted to that address.',
					HINT = format('Example: {"method": %s, "url": "https://..."}.', r -> 'method');
		END IF;
		PERFORM dts.alert_url_host(r ->> 'url');
	END IF;
	DELETE FROM dts.alert a WHERE a.job_id = j.id;
	DELETE FROM dts.alert_reason a WHERE a.job_id = j.id;
	INSERT INTO dts.alert (job_id, states, errors, latency_seconds, latency_for_seconds, retained_wal_mb, frequency_seconds,
			method, url, secret, channel, set_by)
		VALUES (j.id, ARRAY(SELECT jsonb_array_elements_text(r -> 'states')), (r ->> 'errors')::bool,
			(r ->> 'latency_seconds')::int4, (r ->> 'latency_for_seconds')::int4, (r ->> 'retained_wal_mb')::int8,
			(r ->> 'frequency_seconds')::int4, r ->> 'method', r ->> 'url', r ->> 'secret', r ->> 'channel', dts.caller());
	PERFORM dts.job_log(j, 'info', 'set_alert', NULL, NULL, dts.caller(), format('alerts go out by %s', r ->> 'method'));
	RETURN format('alert of job "%s" set', j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_set_alert(pg_catalog.text, pg_catalog.jsonb) IS
	'sets the alert rule of a job in place of the one it had';

CREATE FUNCTION @extschema@.dts_set_alert(jobs pg_catalog.text[], rule pg_catalog.jsonb,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_set_alert', jobs, ARRAY[rule::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_set_alert(pg_catalog.text[], pg_catalog.jsonb) IS
	'the same for each job of an array: one row per job, with accepted and message';

-- The rule of a job, or an error.
CREATE FUNCTION dts.alert_find(j dts.job) RETURNS dts.alert
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	a dts.alert;
BEGIN
	SELECT * INTO a FROM dts.alert o WHERE o.job_id = j.id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'job "%" has no alert', j.name
			USING ERRCODE = 'undefined_object', DETAIL = 'No rule is set.',
				HINT = 'dts_set_alert sets one.';
	END IF;
	RETURN a;
END
$$;
COMMENT ON FUNCTION dts.alert_find(dts.job) IS 'the alert rule of a job, or an error';

CREATE FUNCTION @extschema@.dts_drop_alert(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
	a dts.alert := dts.alert_find(j);
BEGIN
	DELETE FROM dts.alert o WHERE o.job_id = a.job_id;
	DELETE FROM dts.alert_reason o WHERE o.job_id = a.job_id;
	PERFORM dts.job_log(j, 'info', 'drop_alert', NULL, NULL, dts.caller(), 'alerts are off');
	RETURN format('alert of job "%s" dropped', j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_drop_alert(pg_catalog.text) IS 'drops the alert rule of a job';

CREATE FUNCTION @extschema@.dts_drop_alert(jobs pg_catalog.text[],
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_drop_alert', jobs, '{}') $$;
COMMENT ON FUNCTION @extschema@.dts_drop_alert(pg_catalog.text[]) IS
	'the same for each job of an array: one row per job, with accepted and message';

-- One alert of a job, unless the same reason has alerted within the rule's frequency.
CREATE FUNCTION dts.alert_raise(a dts.alert, j dts.job, p_reason pg_catalog.text, p_severity pg_catalog.text,
		p_text pg_catalog.text, p_more pg_catalog.jsonb)
	RETURNS pg_catalog.int8
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	held int4 := 0;
	body jsonb;
	id int8;
BEGIN
	IF p_reason <> 'test' THEN
		SELECT r.suppressed INTO held FROM dts.alert_reason r WHERE r.job_id = j.id AND r.reason = p_reason
			AND r.last_at <= clock_timestamp() - make_interval(secs => a.frequency_seconds) FOR UPDATE;
		IF NOT FOUND THEN
			INSERT INTO dts.alert_reason AS r (job_id, reason, last_at) VALUES (j.id, p_reason, clock_timestamp())
				ON CONFLICT ON CONSTRAINT alert_reason_pkey DO UPDATE SET suppressed = r.suppressed + 1
				RETURNING r.suppressed INTO held;
			IF held > 0 THEN
				RETURN NULL;
			END IF;
		ELSE
			UPDATE dts.alert_reason r SET last_at = clock_timestamp(), suppressed = 0
				WHERE r.job_id = j.id AND r.reason = p_reason;
		END IF;
	END IF;
	body := jsonb_strip_nulls(jsonb_build_object('version', 1, 'job', j.name, 'reason', p_reason, 'severity', p_severity,
		'text', p_text, 'state', j.state, 'phase', j.phase, 'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
		'suppressed', nullif(held, 0)) || p_more);
	INSERT INTO dts.alert_delivery AS d (job_id, job, reason, severity, body, method, destination, state, attempts, done_at)
		VALUES (j.id, j.name, p_reason, p_severity, body, a.method, coalesce(a.channel, substring(a.url, '^https?://([^/?#]+)')),
			CASE a.method WHEN 'pg_notify' THEN 'sent' ELSE 'pending' END,
			CASE a.method WHEN 'pg_notify' THEN 1 ELSE 0 END,
			CASE a.method WHEN 'pg_notify' THEN clock_timestamp() END)
		RETURNING d.id INTO id;
	IF a.method = 'pg_notify' THEN
		PERFORM pg_notify(a.channel, body::text);
	END IF;
	RETURN id;
END
$$;
COMMENT ON FUNCTION dts.alert_raise(dts.alert, dts.job, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'makes an alert of a job into a delivery, or counts it as suppressed (null)';

-- States and errors, as they are written down.
CREATE FUNCTION dts.alert_on_event() RETURNS trigger
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	a dts.alert;
	j dts.job;
BEGIN
	SELECT * INTO a FROM dts.alert o WHERE o.job_id = new.job_id;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	SELECT * INTO j FROM dts.job o WHERE o.id = new.job_id;
	IF new.to_state IS NOT NULL THEN
		IF new.to_state = ANY (a.states) AND new.to_state IS DISTINCT FROM new.from_state THEN
			PERFORM dts.alert_raise(a, j, 'state:' || new.to_state, new.severity,
				format('job "%s" went from state "%s" to "%s"', j.name, new.from_state, new.to_state),
				jsonb_build_object('from_state', new.from_state, 'sqlstate', j.error_sqlstate));
		END IF;
	ELSIF a.errors THEN
		PERFORM dts.alert_raise(a, j, 'event:' || new.event, new.severity,
			format('job "%s" reports "%s"', j.name, new.event), jsonb_build_object('event', new.event));
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION dts.alert_on_event() IS 'alerts of what an event says';
CREATE TRIGGER alert AFTER INSERT ON dts.job_event FOR EACH ROW
	WHEN (new.to_state IS NOT NULL OR new.severity = 'error') EXECUTE FUNCTION dts.alert_on_event();

CREATE FUNCTION @extschema@.dts_test_alert(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
	a dts.alert := dts.alert_find(j);
	id int8;
BEGIN
	id := dts.alert_raise(a, j, 'test', 'info', format('test of the alert of job "%s"', j.name), '{}');
	PERFORM pg_notify('dts_job', '');
	RETURN format('test alert %s of job "%s" goes out by %s; dts_alert_log says what became of it', id, j.name, a.method);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_test_alert(pg_catalog.text) IS 'sends an alert at once, whatever the rule watches for';

CREATE FUNCTION @extschema@.dts_test_alert(jobs pg_catalog.text[],
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_test_alert', jobs, '{}') $$;
COMMENT ON FUNCTION @extschema@.dts_test_alert(pg_catalog.text[]) IS
	'the same for each job of an array: one row per job, with accepted and message';
