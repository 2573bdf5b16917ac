-- Every action in every state: allowed exactly where the table of states says so, and leading where it says.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job('j', 'a', 'b');
-- how each action is asked for
CREATE FUNCTION pg_temp.call(action text, function text) RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT %I(''j''%s)', function, CASE action WHEN 'configure' THEN ', ''{}''' WHEN 'schedule' THEN ', now() + ''1 day'''
		WHEN 'ignore_check' THEN ', ''w''' WHEN 'resize' THEN ', 3' WHEN 'throttle' THEN ', ''full'', ''{}''' WHEN 'modify' THEN ', ''[{"schema": "x"}]''' ELSE '' END) $$;
INSERT INTO dts.job_check (job_id, ord, item, result) SELECT id, 1, 'w', 'warn' FROM dts.job;

-- the table itself
SELECT is(count(*), 22::bigint, 'states') FROM dts.job_states();
SELECT set_eq('SELECT phase FROM dts.job_phases() p(phase)', ARRAY['schema', 'full', 'incremental'], 'phases');
SELECT has_function('public', function, 'the action "' || action || '" has its function') FROM dts.job_actions();
SELECT is_empty($$SELECT state FROM dts.job_states() WHERE NOT dts.is_job_state(state)$$, 'every state can be stored');
SELECT ok(NOT dts.is_job_state('unknown') AND NOT dts.is_job_phase('unknown') AND NOT dts.is_job_action('unknown'), 'nothing else can');
SELECT is_empty($$SELECT * FROM dts.job_transitions() t WHERE NOT dts.is_job_state(state) OR NOT dts.is_job_state(next_state)$$, 'transitions name states');
SELECT is_empty($$SELECT state, next_state, count(DISTINCT event) FROM dts.job_transitions() GROUP BY 1, 2 HAVING count(DISTINCT event) > 1$$,
	'two states are joined by one event at most');
SELECT is_empty($$SELECT state, event FROM dts.job_transitions() GROUP BY 1, 2 HAVING count(*) > 1$$, 'an event leads from a state to one other');
SELECT is_empty($$SELECT a.* FROM dts.job_allowed() a WHERE action IN ('check', 'start', 'pause', 'resume', 'retry', 'complete', 'reset', 'stop')
	AND NOT EXISTS (SELECT FROM dts.job_transitions() t WHERE t.state = a.state AND t.next_state = a.leads_to AND t.event = 'WISH_' || upper(a.action))$$,
	'whatever may be wished can be carried out');
SELECT is_empty($$SELECT t.* FROM dts.job_transitions() t WHERE event LIKE 'WISH\_%'
	AND dts.action_leads_to(state, lower(substr(event, 6))) IS DISTINCT FROM next_state$$, 'whatever is carried out may be wished');
SELECT is_empty($$SELECT state FROM dts.job_states() WHERE is_end AND dts.action_leads_to(state, 'stop') IS NOT NULL
	OR NOT is_end AND state NOT IN ('stopping', 'completing') AND dts.action_leads_to(state, 'stop') IS NULL$$, 'stop is allowed in every state that is not an end state');
SELECT is_empty($$SELECT state FROM dts.job_states() s WHERE is_end AND EXISTS (SELECT FROM dts.job_transitions() t WHERE t.state = s.state)$$,
	'no daemon moves a job out of an end state');
SELECT is_empty($$SELECT state FROM dts.job_states() EXCEPT SELECT state FROM dts_state_names$$, 'dts_state_names names every state');
SELECT is_empty($$SELECT state FROM dts_state_names WHERE coalesce(tencent, huawei, oceanbase) IS NULL$$, 'and what others call it');

-- all pairs
CREATE TEMP TABLE outcome (state text, action text, allowed text, message text, after text, wish text);
DO $$
DECLARE
	s record;
	a record;
	said text;
BEGIN
	FOR s IN SELECT * FROM dts.job_states() LOOP
		FOR a IN SELECT * FROM dts.job_actions() LOOP
			BEGIN
				UPDATE dts.job SET state = s.state, wish = NULL, isolated_from = CASE s.state WHEN 'isolated' THEN 'completed' END,
					phase = CASE a.action WHEN 'modify' THEN 'incremental' END WHERE name = 'j';
				DELETE FROM dts.job_change;
				BEGIN
					EXECUTE pg_temp.call(a.action, a.function) INTO said;
					said := 'accepted';
				EXCEPTION WHEN object_not_in_prerequisite_state THEN
					said := sqlerrm;
				END;
				-- what came of it is kept, the job is set back
				INSERT INTO outcome SELECT s.state, a.action, dts.action_leads_to(s.state, a.action), said, j.state, j.wish
					FROM (SELECT) one LEFT JOIN dts.job j ON j.name = 'j';
				IF NOT EXISTS (SELECT FROM dts.job WHERE name = 'j') THEN
					PERFORM dts_create_job('j', 'a', 'b');
					INSERT INTO dts.job_check (job_id, ord, item, result) SELECT id, 1, 'w', 'warn' FROM dts.job;
				END IF;
			END;
		END LOOP;
	END LOOP;
END
$$;
SELECT is(count(*), (SELECT count(*) FROM dts.job_states(), dts.job_actions()), 'every pair was tried') FROM outcome;
SELECT is(message, CASE WHEN allowed IS NOT NULL OR action = 'stop' AND state IN ('stopping', 'completing') THEN 'accepted'
		ELSE format('job "j" is in state "%s", which does not allow "%s"', state, action) END, format('%s in state %s', action, state)) FROM outcome;
SELECT is(row(after, wish)::text, CASE
		WHEN message <> 'accepted' OR action = 'stop' AND state IN ('stopping', 'completing') THEN row(state, NULL::text)::text
		WHEN action = 'destroy' THEN row(NULL::text, NULL::text)::text
		WHEN action IN ('configure', 'isolate', 'recover', 'schedule', 'unschedule', 'ignore_check', 'resize', 'throttle', 'modify') THEN row(allowed, NULL::text)::text
		ELSE row(state, action)::text END, format('and what %s does in state %s', action, state)) FROM outcome;

-- with something asked for already, only stop replaces it, and a throttle changes beside it
UPDATE dts.job SET state = 'draft', wish = 'check', wish_by = 'me' WHERE name = 'j';
SELECT throws_like(pg_temp.call(action, function),
	'job "j" has not yet carried out "check"', action || ' waits its turn') FROM dts.job_actions() WHERE action NOT IN ('stop', 'throttle');
SELECT lives_ok($$SELECT dts_stop_job('j')$$, 'stop does not');
SELECT is(wish, 'stop', 'it replaces what was asked') FROM dts_jobs;

-- all moves that a daemon could report
UPDATE dts.job_lease SET owner = 'me', epoch = 1, job_id = job_id;
CREATE FUNCTION pg_temp.move(s text, t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	event text := (SELECT event FROM dts.job_transitions() WHERE state = s AND next_state = t);
	id bigint := (SELECT id FROM dts.job WHERE name = 'j');
	done bool;
BEGIN
	UPDATE dts.job SET state = s, wish = CASE WHEN event LIKE 'WISH\_%' THEN lower(substr(event, 6)) END WHERE name = 'j';
	done := dts.daemon_set_state(id, 1, s, t, NULL, NULL, (SELECT wish FROM dts.job WHERE name = 'j'), NULL);
	RETURN done::text || ' ' || (SELECT state || coalesce(' ' || wish, '') FROM dts.job WHERE name = 'j');
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN 'refused';
END
$$;
SELECT is_empty($$SELECT * FROM (SELECT s.state, t.state AS next_state, pg_temp.move(s.state, t.state) AS said,
			EXISTS (SELECT FROM dts.job_transitions() x WHERE x.state = s.state AND x.next_state = t.state) AS legal
		FROM dts.job_states() s, dts.job_states() t) m
	WHERE said <> CASE WHEN legal THEN 'true ' || next_state ELSE 'refused' END$$, 'a daemon may move a job exactly as the table of transitions says');
SELECT is_empty($$SELECT * FROM (SELECT t.state, t.next_state, t.event, dts.transition_event(t.state, t.next_state) AS found FROM dts.job_transitions() t) m
	WHERE event <> found$$, 'and each move is its event');
SELECT * FROM finish();
ROLLBACK;
