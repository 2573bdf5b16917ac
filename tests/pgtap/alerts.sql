-- Alerts: who may set what, what a rule accepts, what it raises and holds back, how it is signed; the daemon's part played from here.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job('j', 'a', 'b'), dts_create_job('k', 'a', 'b');
CREATE FUNCTION pg_temp.id(job text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM dts.job WHERE name = $1 $$;
CREATE FUNCTION pg_temp.set(rule jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE said text; h text; d text;
BEGIN
	RETURN dts_set_alert('j', rule);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS h = PG_EXCEPTION_HINT, d = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, sqlerrm, d, h);
END $$;
CREATE FUNCTION pg_temp.put(job text, s text) RETURNS bool LANGUAGE sql AS $$
	SELECT dts.job_set_state(id, state, s, 'test', 'me', NULL, NULL, NULL, NULL) FROM dts.job WHERE name = $1 $$;

-- HMAC-SHA256: cases 1, 2 and 6 of RFC 4231
SELECT is(encode(dts.hmac_sha256(decode(repeat('0b', 20), 'hex'), 'Hi There'), 'hex'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7', 'HMAC, a short key');
SELECT is(encode(dts.hmac_sha256('Jefe', 'what do ya want for nothing?'), 'hex'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843', 'HMAC, a word');
SELECT is(encode(dts.hmac_sha256(decode(repeat('aa', 131), 'hex'), 'Test Using Larger Than Block-Size Key - Hash Key First'), 'hex'), '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54', 'HMAC, a key longer than a block');

-- what a rule may be
SELECT alike(pg_temp.set(r::jsonb), e, r) FROM (VALUES
	('{}', '22023 option $alert.method is missing%'),
	('null', '22023 invalid value of option $alert%'),
	('[]', '22023 invalid value of option $alert%'),
	('{"method": "mail"}', '22023 invalid value of option $alert.method%webhook%'),
	('{"method": "pg_notify"}', '22023 method pg_notify takes a channel%'),
	('{"method": "webhook"}', '22023 method webhook takes a url%'),
	('{"method": "pg_notify", "channel": "c", "frequency_seconds": 59}', '22023 %from 60 to 604800.'),
	('{"method": "pg_notify", "channel": "c", "frequency_seconds": 604801}', '22023 %from 60 to 604800.'),
	('{"method": "pg_notify", "channel": "c", "states": ["asleep"]}', '22023 invalid value of option $alert.states[0]%'),
	('{"method": "webhook", "url": "https://hooks.example.com/x"}', '42501 alerts may not be posted to host "hooks.example.com"%dts_allow_alert_host%'),
	('{"method": "webhook", "url": "http://open.feishu.cn/x"}', '42501 %without TLS%'),
	('{"method": "webhook", "url": "https://me:pass@open.feishu.cn/x"}', '22023 the URL of the alert is not valid%'),
	('{"method": "webhook", "url": "https://open.feishu.cn@evil.example/x"}', '22023 the URL of the alert is not valid%'),
	('{"method": "webhook", "url": "file:///etc/passwd"}', '22023 the URL of the alert is not valid%'),
	('{"method": "webhook", "url": "https://open.feishu.cn/x\r\nX-Evil: 1"}', '22023 the URL of the alert is not valid%'),
	('{"method": "webhook", "url": "https://open.feishu.cn/x\nfoo"}', '22023 the URL of the alert is not valid%')) v(r, e);
SELECT unalike(pg_temp.set('{"method": "webhook", "url": ["tok3n"], "secret": 7}'), '%tok3n"%***%', 'what is refused names its place');
SELECT unalike(pg_temp.set('{"method": "webhook", "url": "https://open.feishu.cn/ s3cr3t"}'), '%s3cr3t%', 'a URL is never repeated');
SELECT unalike(pg_temp.set('{"method": "webhook", "secret": "s3cr3t", "nope": 1}'), '%s3cr3t%', 'nor a secret');
SELECT alike(dts_allow_alert_host(h), '%may be posted%', h || ' can be allowed') FROM unnest('{Hooks.example.com,127.0.0.1,[::1]}'::text[]) h;
SELECT throws_ok(format('SELECT dts_allow_alert_host(%L)', h), '22023', NULL, coalesce(h, 'null') || ' cannot') FROM unnest('{"",a/b,a:1,*.com,a..b,NULL}'::text[]) h;
SELECT lives_ok($$SELECT dts_set_alert('j', '{"method": "webhook", "url": "https://hooks.example.com:8443/x?token=t0ken", "secret": "s3cr3t"}')$$, 'a host that is allowed');
SELECT is(row(destination, signed, frequency_seconds, method)::text, '(hooks.example.com:8443,t,600,webhook)', 'is shown without path and token') FROM dts_alerts;
SELECT is_empty($$SELECT * FROM dts_alerts a WHERE a::text ~ 't0ken|s3cr3t'$$, 'a view shows no secret');
SELECT dts_refuse_alert_host('hooks.example.com');
SELECT dts_test_alert('j');
SELECT is_empty('SELECT * FROM dts.daemon_alert_next()', 'a host that is no longer allowed gets nothing');
SELECT is(row(state, error)::text, '(failed,"alerts may not be posted to host ""hooks.example.com""")', 'and the log says why') FROM dts_alert_log;
SELECT dts_allow_alert_host('hooks.example.com');

-- what is posted
SELECT dts_test_alert('j');
CREATE TEMP TABLE post AS SELECT * FROM dts.daemon_alert_next();
SELECT is(row(url, internal, checks_code)::text, '(https://hooks.example.com:8443/x?token=t0ken,f,f)', 'a webhook') FROM post;
SELECT is(row(body::jsonb ->> 'job', body::jsonb ->> 'reason', body::jsonb ->> 'state', body::jsonb -> 'version')::text, '(j,test,draft,1)', 'its body') FROM post;
SELECT is((regexp_match(headers, 'X-Dts-Signature: sha256=(.*)'))[1], encode(dts.hmac_sha256('s3cr3t', convert_to((regexp_match(headers, 'X-Dts-Timestamp: (\d+)'))[1] || '.' || body, 'UTF8')), 'hex'), 'its signature covers time and body') FROM post;
SELECT unalike(row(headers, body)::text, '%s3cr3t%', 'no secret in it') FROM post;
SELECT is_empty('SELECT * FROM dts.daemon_alert_next()', 'what was taken does not come again at once');
SELECT dts.daemon_alert_done((SELECT max(id) FROM dts_alert_log), false, 503, 'busy', true);
SELECT is(row(state, attempts, http_status, error)::text, '(pending,1,503,busy)', 'a failure that may pass is tried again') FROM dts_alert_log WHERE id = (SELECT max(id) FROM dts_alert_log);
UPDATE dts.alert_delivery SET attempts = 5 WHERE state = 'pending';
SELECT dts.daemon_alert_done((SELECT max(id) FROM dts_alert_log), false, 0, 'no route', true);
SELECT is(row(state, http_status, error)::text, '(failed,,"no route")', 'five times') FROM dts_alert_log WHERE id = (SELECT max(id) FROM dts_alert_log);
SELECT is(severity, 'warning', 'then it needs a person') FROM dts_health WHERE what LIKE '%could not be sent%';
SELECT dts_set_alert('j', '{"method": "dingtalk", "url": "https://oapi.dingtalk.com/robot/send?access_token=t", "secret": "SEC"}'), dts_test_alert('j');
SELECT is(row(body::jsonb ->> 'msgtype', body::jsonb #>> '{text,content}', url ~ '^https://oapi.dingtalk.com/robot/send\?access_token=t&timestamp=\d{13}&sign=[A-Za-z0-9%]+$')::text, '(text,"dts: test of the alert of job ""j""",t)', 'DingTalk') FROM dts.daemon_alert_next();
SELECT dts_set_alert('j', '{"method": "lark", "url": "https://open.feishu.cn/open-apis/bot/v2/hook/x", "secret": "SEC"}'), dts_test_alert('j');
SELECT is(body::jsonb ->> 'sign', encode(dts.hmac_sha256(convert_to((body::jsonb ->> 'timestamp') || E'\nSEC', 'UTF8'), ''), 'base64'), 'Lark, signed') FROM dts.daemon_alert_next();
SELECT is(body::jsonb, '{"msg_type": "text", "content": {"text": "dts: test of the alert of job \"j\""}}', 'Lark, plain') FROM (SELECT dts_set_alert('j', '{"method": "lark", "url": "https://open.feishu.cn/x"}'), dts_test_alert('j')) s, dts.daemon_alert_next();

-- states, errors, and how often
SELECT is(bool_and(accepted), true, 'one rule for many jobs') FROM dts_set_alert(ARRAY['j', 'k'], '{"method": "pg_notify", "channel": "dts_alert", "states": ["running", "error"], "frequency_seconds": 60}');
TRUNCATE dts.alert_delivery;
SELECT pg_temp.put('j', 'paused'), pg_temp.put('j', 'running'), pg_temp.put('j', 'error'), pg_temp.put('j', 'running'), pg_temp.put('k', 'error');
SELECT results_eq('SELECT job, reason, state FROM dts_alert_log ORDER BY id', $$VALUES ('j', 'state:running', 'sent'), ('j', 'state:error', 'sent'), ('k', 'state:error', 'sent')$$, 'the states of the rule alert, each once within its frequency');
UPDATE dts.alert_reason SET last_at = last_at - interval '61 s';
SELECT pg_temp.put('j', 'error');
SELECT pg_temp.put('j', 'running');
SELECT is(body -> 'suppressed', '1', 'what was held back is counted') FROM dts_alert_log WHERE reason = 'state:running' ORDER BY id DESC LIMIT 1;
SELECT dts.job_log(o, 'error', 'start_missed', NULL, NULL, 'me', 'Key (id)=(1) of a row') FROM dts.job o WHERE name = 'k';
SELECT is(body ->> 'text', 'job "k" reports "start_missed"', 'other errors alert, without their text') FROM dts_alert_log WHERE reason = 'event:start_missed';
SELECT is_empty($$SELECT FROM dts_alert_log WHERE body::text LIKE '%Key%'$$, 'no data of a row goes out');
-- what somebody's comparison of the two ends found
SELECT dts_report_comparison('k', 'app.orders: row 7 is missing');
SELECT is(row(reason, severity, body ->> 'text')::text, '(event:difference,error,"job ""k"" reports ""difference""")', 'a difference alerts') FROM dts_alert_log ORDER BY id DESC LIMIT 1;
SELECT is(count(*), 1::bigint, 'equal ends do not') FROM (SELECT dts_report_comparison('k', NULL)) r, dts_alert_log WHERE reason ~ 'difference|compared';

-- lag and WAL
SELECT dts_set_alert('j', '{"method": "pg_notify", "channel": "c", "latency_seconds": 30, "latency_for_seconds": 10, "retained_wal_mb": 100}');
UPDATE dts.job SET phase = 'incremental', footprint = true WHERE name = 'j';
UPDATE dts.job_progress SET commit_time = clock_timestamp() - interval '20 s', reported_at = now() WHERE job_id = pg_temp.id('j');
SELECT dts.daemon_alert_watch();
SELECT is(latency_since, NULL, 'a lag below the threshold is none') FROM dts.alert WHERE job_id = pg_temp.id('j');
UPDATE dts.job_progress SET commit_time = now() - interval '99 s' WHERE job_id = pg_temp.id('j');
SELECT dts.daemon_alert_watch();
SELECT is(count(*), 0::bigint, 'not before it lasted') FROM dts_alert_log WHERE reason = 'latency';
UPDATE dts.alert SET latency_since = latency_since - interval '11 s';
SELECT dts.daemon_alert_watch(), dts.daemon_alert_watch();
SELECT is(count(*), 1::bigint, 'then once') FROM dts_alert_log WHERE reason = 'latency';
UPDATE dts.job_progress SET commit_time = clock_timestamp() WHERE job_id = pg_temp.id('j');
SELECT dts.daemon_alert_watch();
SELECT is(latency_since, NULL, 'and afresh when it is over') FROM dts.alert WHERE job_id = pg_temp.id('j');
SELECT dts.daemon_slot(pg_temp.id('j'), '{"active": true, "wal_status": "reserved", "restart_lsn": "0/1", "confirmed_lsn": "0/1", "current_lsn": "0/6400001", "retained_bytes": 104857600, "left_bytes": null}');
SELECT dts.daemon_alert_watch();
SELECT is(count(*), 0::bigint, 'WAL at the limit') FROM dts_alert_log WHERE reason = 'retained_wal';
SELECT dts.daemon_slot(pg_temp.id('j'), '{"active": true, "wal_status": "reserved", "restart_lsn": "0/1", "confirmed_lsn": "0/1", "current_lsn": "0/6400002", "retained_bytes": 104857601, "left_bytes": null}');
SELECT dts.daemon_alert_watch();
SELECT is(count(*), 1::bigint, 'and above it') FROM dts_alert_log WHERE reason = 'retained_wal';
SELECT lives_ok($$SELECT dts_drop_alert('j')$$, 'dropped');
SELECT throws_ok($$SELECT dts_test_alert('j')$$, '42704', NULL, 'nothing to test then');
SELECT throws_ok($$SELECT dts_drop_alert('j')$$, '42704', NULL, 'nor to drop');
SELECT * FROM finish();
ROLLBACK;
