-- states: the table of states, actions and transitions that daemon and SQL share, as compiled in.
CREATE FUNCTION dts.job_states(OUT state pg_catalog.text, OUT is_end pg_catalog.bool,
		OUT needs_worker pg_catalog.bool, OUT meaning pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_job_states';
COMMENT ON FUNCTION dts.job_states() IS 'the states of a job, in the order of its life';

CREATE FUNCTION dts.job_actions(OUT action pg_catalog.text, OUT function pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_job_actions';
COMMENT ON FUNCTION dts.job_actions() IS 'what an operator may ask for, and the function that asks for it';

CREATE FUNCTION dts.job_allowed(OUT state pg_catalog.text, OUT action pg_catalog.text,
		OUT leads_to pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_job_allowed';
COMMENT ON FUNCTION dts.job_allowed() IS 'the actions that each state allows';

CREATE FUNCTION dts.job_transitions(OUT state pg_catalog.text, OUT event pg_catalog.text,
		OUT next_state pg_catalog.text, OUT doing pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_job_transitions';
COMMENT ON FUNCTION dts.job_transitions() IS 'the moves between states that the daemon may report';

CREATE FUNCTION dts.job_phases(OUT phase pg_catalog.text)
	RETURNS SETOF pg_catalog.text
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_job_phases';
COMMENT ON FUNCTION dts.job_phases() IS 'the phases of a job, in the order they run';

CREATE FUNCTION dts.is_job_state(state pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_is_job_state';
COMMENT ON FUNCTION dts.is_job_state(pg_catalog.text) IS 'whether a state of that name exists';

CREATE FUNCTION dts.is_job_phase(phase pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_is_job_phase';
COMMENT ON FUNCTION dts.is_job_phase(pg_catalog.text) IS 'whether a phase of that name exists';

CREATE FUNCTION dts.is_job_action(action pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_is_job_action';
COMMENT ON FUNCTION dts.is_job_action(pg_catalog.text) IS 'whether an action of that name exists';

CREATE FUNCTION dts.action_leads_to(state pg_catalog.text, action pg_catalog.text)
	RETURNS pg_catalog.text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_action_leads_to';
COMMENT ON FUNCTION dts.action_leads_to(pg_catalog.text, pg_catalog.text) IS
	'the state an action leads to, null when the state does not allow it';

CREATE FUNCTION dts.transition_event(from_state pg_catalog.text, to_state pg_catalog.text)
	RETURNS pg_catalog.text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_transition_event';
COMMENT ON FUNCTION dts.transition_event(pg_catalog.text, pg_catalog.text) IS
	'the event that moves a job between two states, null when none does';
