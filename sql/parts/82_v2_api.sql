/*
 * The newer API of Inngest: /v2.  Forms are those of protocol.md 16.2: camelCase keys, nothing that is null, counts of
 * milliseconds as strings.  Other than there, an empty list is shown.
 *
 * Functions have the form that 80_http_api.sql describes.
 */

/* ---- pieces ---- */

CREATE FUNCTION inngest.v2_answer(data jsonb, page jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object('data', data, 'metadata', jsonb_build_object('fetchedAt', inngest.iso_time(clock_timestamp())))
		|| CASE WHEN page IS NULL THEN '{}' ELSE jsonb_build_object('page', page) END
$$;
COMMENT ON FUNCTION inngest.v2_answer IS 'internal: the envelope of v2';

CREATE FUNCTION inngest.v2_page(items jsonb, wanted integer, cursor_key text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT inngest.v2_answer(p.page->'data', jsonb_build_object('hasMore', p.page #> '{page,has_more}', 'limit', wanted)
		|| jsonb_strip_nulls(jsonb_build_object('cursor', p.page #> '{page,cursor}')))
	FROM inngest.page(items, wanted, cursor_key) AS p (page)
$$;
COMMENT ON FUNCTION inngest.v2_page IS 'internal: a list answer of v2 from up to wanted + 1 items';

CREATE FUNCTION inngest.v2_limit(request jsonb, most integer) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	given text := nullif(inngest.query_value(request, 'limit'), '');
BEGIN
	IF given IS NULL THEN
		RETURN 20;
	END IF;
	IF given !~ '^[0-9]{1,4}$' OR given::integer NOT BETWEEN 1 AND most THEN
		PERFORM inngest.raise_parameter(format('limit must be a number from 1 to %s', most));
	END IF;
	RETURN given::integer;
END
$$;
COMMENT ON FUNCTION inngest.v2_limit IS 'internal: how many items a page of v2 has';

CREATE FUNCTION inngest.v2_flag(request jsonb, wanted text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT coalesce(lower(inngest.query_value(request, wanted)) IN ('true', '1', ''), false) $$;
COMMENT ON FUNCTION inngest.v2_flag IS 'internal: a query parameter that is true or false';

CREATE FUNCTION inngest.v2_id(given text, what text) RETURNS inngest.ulid
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	RETURN given::inngest.ulid;
EXCEPTION WHEN invalid_text_representation THEN
	PERFORM inngest.raise_parameter(format('%s must be a valid ULID', what));
END
$$;
COMMENT ON FUNCTION inngest.v2_id IS 'internal: a ULID of a request of v2, or the error that v2 has for it';

CREATE FUNCTION inngest.v2_run(request jsonb) RETURNS inngest.function_runs
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted inngest.ulid := inngest.v2_id(request #>> '{path,id}', 'Run ID');
	run    inngest.function_runs;
BEGIN
	SELECT * INTO run FROM inngest.function_runs r WHERE r.id = wanted;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN020', MESSAGE = 'Run not found';
	END IF;
	RETURN run;
END
$$;
COMMENT ON FUNCTION inngest.v2_run IS 'internal: the run in a path of v2, or the error that v2 has for it';

CREATE FUNCTION inngest.v2_app(wanted text) RETURNS inngest.apps
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	app inngest.apps;
BEGIN
	SELECT * INTO app FROM inngest.apps a WHERE a.env_id = '00000000-0000-4000-b000-000000000000' AND a.name = wanted;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN012', MESSAGE = 'App not found';
	END IF;
	RETURN app;
END
$$;
COMMENT ON FUNCTION inngest.v2_app IS 'internal: an app by its name, or the error that v2 has for it';

CREATE FUNCTION inngest.v2_function(app inngest.apps, wanted text) RETURNS inngest.functions
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	function inngest.functions;
BEGIN
	SELECT * INTO function FROM inngest.functions f
	WHERE f.env_id = app.env_id AND f.app_id = app.id AND f.slug IN (wanted, app.name || '-' || wanted)
	ORDER BY f.slug = wanted LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN011', MESSAGE = 'Function not found';
	END IF;
	RETURN function;
END
$$;
COMMENT ON FUNCTION inngest.v2_function IS 'internal: a function of an app, by its id with or without that of the app, or the error that v2 has for it';

CREATE FUNCTION inngest.v2_function_id(slug text, app text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN starts_with(slug, app || '-') THEN substr(slug, length(app) + 2) ELSE slug END $$;
COMMENT ON FUNCTION inngest.v2_function_id IS 'internal: the id of a function within its app';

/* From the beginning of the run, or what else is measured, to its end. */
CREATE FUNCTION inngest.v2_times(queued_at timestamptz, started_at timestamptz, ended_at timestamptz) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('queuedAt', inngest.iso_time(queued_at), 'startedAt', inngest.iso_time(started_at), 'endedAt', inngest.iso_time(ended_at),
		'durationMs', floor(extract(epoch FROM ended_at - started_at) * 1000)::bigint::text))
$$;
COMMENT ON FUNCTION inngest.v2_times IS 'internal: when something was queued, began and ended';

CREATE FUNCTION inngest.v2_run_json(r inngest.function_runs, with_output boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object('id', r.id, 'status', inngest.run_status(r.outcome, r.started_at),
			'app', jsonb_build_object('id', a.name),
			'function', jsonb_build_object('id', inngest.v2_function_id(f.slug, a.name), 'name', f.name, 'app', jsonb_build_object('id', a.name)),
			'trigger', jsonb_build_object('eventIds', coalesce((SELECT jsonb_agg(b.event_id ORDER BY b.position) FROM inngest.batch_events b WHERE b.batch_id OPERATOR(inngest.=) r.batch_id), jsonb_build_array(r.event_id)))
				|| jsonb_strip_nulls(jsonb_build_object('isBatch', CASE WHEN r.batch_id IS NOT NULL THEN true END, 'batchId', r.batch_id, 'eventName', e.name, 'cronSchedule', CASE WHEN e.name = 'inngest/scheduled.timer' THEN e.data->'cron' END)))
		|| inngest.v2_times(inngest.ulid_timestamp(r.id), r.started_at, r.ended_at)
		|| CASE WHEN with_output AND inngest.run_result(r) IS NOT NULL THEN jsonb_build_object('output', inngest.run_result(r)) ELSE '{}' END
	FROM inngest.functions f
	JOIN inngest.apps a ON a.id = f.app_id
	LEFT JOIN inngest.events e ON e.id OPERATOR(inngest.=) r.event_id
	WHERE f.id = r.function_id
$$;
COMMENT ON FUNCTION inngest.v2_run_json IS 'internal: a run as v2 shows it';

/* ---- the server ---- */

CREATE FUNCTION inngest.v2_health(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT 200, inngest.v2_answer('{"status": "ok"}') $$;
COMMENT ON FUNCTION inngest.v2_health IS 'GET /v2/health';

CREATE FUNCTION inngest.v2_account(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, inngest.v2_answer(jsonb_build_object('id', '00000000-0000-4000-a000-000000000000', 'name', 'inngest', 'email', 'inngest@localhost',
		'createdAt', inngest.iso_time(n.created_at), 'updatedAt', inngest.iso_time(n.created_at)))
	FROM inngest.environments n WHERE n.id = '00000000-0000-4000-b000-000000000000'
$$;
COMMENT ON FUNCTION inngest.v2_account IS 'GET /v2/account; there is one';

CREATE FUNCTION inngest.v2_list_envs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, inngest.v2_answer(coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'name', n.name, 'createdAt', inngest.iso_time(n.created_at),
		'type', CASE current_setting('inngest.mode') WHEN 'dev' THEN 'TEST' ELSE 'PRODUCTION' END) ORDER BY n.name), '[]'), '{"hasMore": false}')
	FROM inngest.environments n
$$;
COMMENT ON FUNCTION inngest.v2_list_envs IS 'GET /v2/envs';

/* Which keys there are, and never what could be used as one. */
CREATE FUNCTION inngest.v2_list_event_keys(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, inngest.v2_answer(coalesce(jsonb_agg(jsonb_build_object('name', k.name, 'environment', n.name, 'createdAt', inngest.iso_time(k.created_at)) ORDER BY k.name), '[]'),
		'{"hasMore": false}')
	FROM inngest.event_keys k, inngest.environments n WHERE n.id = '00000000-0000-4000-b000-000000000000'
$$;
COMMENT ON FUNCTION inngest.v2_list_event_keys IS 'GET /v2/keys/events';

CREATE FUNCTION inngest.v2_list_signing_keys(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, inngest.v2_answer(coalesce(jsonb_agg(jsonb_build_object('isCurrent', k.is_current, 'environment', n.name, 'createdAt', inngest.iso_time(k.created_at))
		ORDER BY k.is_current DESC), '[]'), '{"hasMore": false}')
	FROM inngest.signing_keys k, inngest.environments n WHERE n.id = '00000000-0000-4000-b000-000000000000'
$$;
COMMENT ON FUNCTION inngest.v2_list_signing_keys IS 'GET /v2/keys/signing';

/* ---- events ---- */

/* The fields of a body, in the form of protojson: each name in either spelling, and no others; what is null is not there. */
CREATE FUNCTION inngest.v2_fields(input jsonb, VARIADIC known text[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	fields  jsonb;
	unknown text;
BEGIN
	IF coalesce(jsonb_typeof(input), 'null') = 'null' THEN
		RETURN '{}';
	END IF;
	IF jsonb_typeof(input) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'IN031', MESSAGE = format('what is sent must be an object with: %s', array_to_string(known, ', '));
	END IF;
	SELECT min(i.key) FILTER (WHERE k.name IS NULL), coalesce(jsonb_object_agg(k.name, i.value) FILTER (WHERE k.name IS NOT NULL AND i.value <> 'null'), '{}')
		INTO unknown, fields
	FROM jsonb_each(input) i LEFT JOIN unnest(known) k (name) ON i.key IN (k.name, lower(regexp_replace(k.name, '([A-Z])', '_\1', 'g')));
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'IN031', MESSAGE = format('unknown field "%s"; there are: %s', unknown, array_to_string(known, ', '));
	END IF;
	RETURN fields;
END
$$;
COMMENT ON FUNCTION inngest.v2_fields IS 'internal: the fields of a body that v2 knows; an error if there are others, which would be ignored silently';

CREATE FUNCTION inngest.v2_send_event(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	most CONSTANT integer := 512;
	id   inngest.ulid;
BEGIN
	IF jsonb_typeof(input) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'IN031', MESSAGE = 'The body must be an event object';
	END IF;
	IF length(input->>'name') > most THEN
		PERFORM inngest.raise_parameter(format('Event name must be at most %s characters', most));
	END IF;
	BEGIN
		SELECT s INTO id FROM inngest.send_events(jsonb_build_array(input)) s;
	EXCEPTION WHEN SQLSTATE 'IN001' OR SQLSTATE 'IN002' OR SQLSTATE 'IN003' THEN
		-- which of them is at fault need not be said
		RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = regexp_replace(SQLERRM, '^event 1: ', '');
	END;
	status := 200;
	body := inngest.v2_answer(jsonb_build_object('eventId', id));
END
$$;
COMMENT ON FUNCTION inngest.v2_send_event IS 'POST /v2/events';

/* ---- runs ---- */

CREATE FUNCTION inngest.v2_run_rule(request jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	rule  text := 'true';
	given text;
BEGIN
	given := upper(coalesce(inngest.query_value(request, 'timeField'), 'QUEUED_AT'));
	IF given NOT IN ('QUEUED_AT', 'QUEUEDAT') THEN
		PERFORM inngest.raise_parameter('timeField can only be QUEUED_AT');
	END IF;
	given := nullif(inngest.query_value(request, 'from'), '');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND r.id >= %L::inngest.ulid', inngest.parse_time(given, 'from')::inngest.ulid);
	END IF;
	given := nullif(inngest.query_value(request, 'until'), '');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND r.id < %L::inngest.ulid', inngest.parse_time(given, 'until')::inngest.ulid);
	END IF;
	IF inngest.v2_flag(request, 'isDeferred') THEN
		rule := rule || ' AND EXISTS (SELECT FROM inngest.events e WHERE e.id = r.event_id AND e.name = ''inngest/deferred.schedule'')';
	END IF;
	RETURN rule;
END
$$;
COMMENT ON FUNCTION inngest.v2_run_rule IS 'internal: those filters of a runs list of v2 that all of them have, as a condition on r';

CREATE FUNCTION inngest.v2_page_of_runs(request jsonb, rule text, most integer) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted integer := inngest.v2_limit(request, most);
	given  text := nullif(inngest.query_value(request, 'cursor'), '');
	order_ text := upper(coalesce(inngest.query_value(request, 'order'), 'DESC'));
	items  jsonb;
BEGIN
	IF order_ NOT IN ('ASC', 'DESC') THEN
		PERFORM inngest.raise_parameter('order must be ASC or DESC');
	END IF;
	IF given IS NOT NULL THEN
		rule := rule || format(' AND r.id %s %L::inngest.ulid', CASE order_ WHEN 'ASC' THEN '>' ELSE '<' END, inngest.v2_id(given, 'cursor'));
	END IF;
	EXECUTE format('SELECT coalesce(jsonb_agg(inngest.v2_run_json(r, %L) ORDER BY r.id %s), ''[]'') FROM (%s) x JOIN inngest.function_runs r ON r.id = x.id',
			inngest.v2_flag(request, 'includeOutput'), order_, inngest.runs_query(request, rule, order_, wanted + 1))
		INTO items;
	RETURN inngest.v2_page(items, wanted, 'id');
END
$$;
COMMENT ON FUNCTION inngest.v2_page_of_runs IS 'internal: a page of the runs that a condition on r lets through';

CREATE FUNCTION inngest.v2_list_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	rule     text := inngest.v2_run_rule(request);
	app_name text := nullif(inngest.query_value(request, 'appId'), '');
	wanted   text := nullif(inngest.query_value(request, 'functionId'), '');
	app      inngest.apps;
	function inngest.functions;
BEGIN
	IF wanted IS NOT NULL AND app_name IS NULL THEN
		PERFORM inngest.raise_parameter('functionId needs appId');
	END IF;
	IF app_name IS NOT NULL THEN
		app := inngest.v2_app(app_name);
		rule := rule || inngest.runs_of_app(app.id);
	END IF;
	IF wanted IS NOT NULL THEN
		function := inngest.v2_function(app, wanted);
		rule := rule || inngest.runs_of_functions(function.id);
	END IF;
	status := 200;
	body := inngest.v2_page_of_runs(request, rule, 100);
END
$$;
COMMENT ON FUNCTION inngest.v2_list_runs IS 'GET /v2/runs';

CREATE FUNCTION inngest.v2_function_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	function inngest.functions := inngest.v2_function(inngest.v2_app(request #>> '{path,app}'), request #>> '{path,function}');
BEGIN
	status := 200;
	body := inngest.v2_page_of_runs(request, inngest.v2_run_rule(request) || inngest.runs_of_functions(function.id), 100);
END
$$;
COMMENT ON FUNCTION inngest.v2_function_runs IS 'GET /v2/apps/{app}/functions/{function}/runs';

CREATE FUNCTION inngest.v2_event_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	status := 200;
	body := inngest.v2_page_of_runs(request, format('r.id = ANY (ARRAY(SELECT inngest.event_run_ids(%L::inngest.ulid)))', inngest.v2_id(request #>> '{path,id}', 'Event ID')), 40);
END
$$;
COMMENT ON FUNCTION inngest.v2_event_runs IS 'GET /v2/events/{id}/runs';

CREATE FUNCTION inngest.v2_get_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT 200, inngest.v2_answer(inngest.v2_run_json(inngest.v2_run(request), inngest.v2_flag(request, 'includeOutput'))) $$;
COMMENT ON FUNCTION inngest.v2_get_run IS 'GET /v2/runs/{id}';

CREATE FUNCTION inngest.v2_cancel_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.function_runs := inngest.v2_run(request);
BEGIN
	IF NOT inngest.cancel_run(run.id) THEN
		run := inngest.v2_run(request);
		IF run.outcome = 'CANCELLED' THEN
			RAISE EXCEPTION USING ERRCODE = 'IN023', MESSAGE = 'Run is cancelled already';
		END IF;
		RAISE EXCEPTION USING ERRCODE = 'IN022', MESSAGE = 'Cannot cancel an ended run';
	END IF;
	status := 200;
	body := inngest.v2_answer(inngest.v2_run_json(inngest.v2_run(request), false));
END
$$;
COMMENT ON FUNCTION inngest.v2_cancel_run IS 'POST /v2/runs/{id}/cancel';

CREATE FUNCTION inngest.v2_rerun(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run  inngest.function_runs := inngest.v2_run(request);
	step jsonb := inngest.v2_fields(input, 'fromStep')->'fromStep';
BEGIN
	IF step IS NOT NULL THEN
		step := inngest.v2_fields(step, 'stepId', 'input');
	END IF;
	IF step IS NOT NULL AND coalesce(step->>'stepId', '') = '' THEN
		PERFORM inngest.raise_parameter('fromStep.stepId must name a step');
	END IF;
	status := 200;
	body := inngest.v2_answer(jsonb_build_object('runId', inngest.rerun(run.id, step->>'stepId', step->'input')));
END
$$;
COMMENT ON FUNCTION inngest.v2_rerun IS 'POST /v2/runs/{id}/rerun';

/* ---- traces ---- */

CREATE FUNCTION inngest.v2_span_id(run inngest.ulid, what text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT left(md5(run::text || ' ' || what), 16) $$;
COMMENT ON FUNCTION inngest.v2_span_id IS 'internal: a name for a part of a trace';

/* Of a step, or with null of the function itself. */
CREATE FUNCTION inngest.v2_attempt_spans(run inngest.ulid, step text, with_output boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT jsonb_agg(jsonb_build_object('id', inngest.v2_span_id(run, format('attempt %s %s', a.job_id, a.attempt)), 'name', format('Attempt %s', a.attempt),
			'status', CASE a.status WHEN 'EXPIRED' THEN 'FAILED' ELSE a.status END)
		|| inngest.v2_times(a.started_at, a.started_at, a.ended_at)
		|| CASE WHEN with_output AND coalesce(a.output, a.error) IS NOT NULL THEN jsonb_build_object('output', coalesce(a.output, a.error)) ELSE '{}' END
		ORDER BY a.ended_at, a.attempt)
	FROM inngest.attempts a WHERE a.run_id = run AND a.step_id IS NOT DISTINCT FROM step
$$;
COMMENT ON FUNCTION inngest.v2_attempt_spans IS 'internal: attempts as parts of a trace; null if there are none';

CREATE FUNCTION inngest.v2_metadata(run inngest.ulid, step text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT CASE inngest.metadata_json(run, step) WHEN '[]' THEN '{}' ELSE jsonb_build_object('metadata', inngest.metadata_json(run, step)) END $$;
COMMENT ON FUNCTION inngest.v2_metadata IS 'internal: the metadata of a part of a trace, if there is any';

CREATE FUNCTION inngest.v2_step_spans(run inngest.ulid, with_output boolean) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	RETURN (SELECT jsonb_agg(jsonb_build_object('id', inngest.v2_span_id(run, s.step_id), 'name', s.name, 'stepId', s.step_id,
			'status', CASE WHEN s.status IN ('SLEEPING', 'WAITING', 'INVOKING') THEN 'WAITING' WHEN s.status = 'RETRYING' THEN 'QUEUED' ELSE s.status END,
			'stepOp', CASE s.op WHEN 'wait' THEN 'WAIT_FOR_EVENT' WHEN 'signal' THEN 'WAIT_FOR_SIGNAL' WHEN 'ai' THEN 'AI_GATEWAY' ELSE upper(s.op) END)
		|| inngest.v2_times(s.started_at, CASE WHEN s.status <> 'QUEUED' THEN s.started_at END, s.ended_at)
		|| inngest.v2_metadata(run, s.step_id)
		|| CASE WHEN inngest.v2_attempt_spans(run, s.step_id, false) IS NULL THEN '{}'
			ELSE jsonb_build_object('children', inngest.v2_attempt_spans(run, s.step_id, with_output)) END
		|| CASE WHEN with_output AND s.memo IS NOT NULL
			THEN jsonb_build_object('output', CASE WHEN s.op IN ('wait', 'sleep') THEN s.memo WHEN s.status = 'FAILED' THEN s.memo->'error' ELSE s.memo->'data' END) ELSE '{}' END
		ORDER BY s.started_at, s.ended_at, s.step_id)
		FROM inngest.run_steps s WHERE s.run_id = run);
END
$$;
COMMENT ON FUNCTION inngest.v2_step_spans IS 'internal: steps as parts of a trace; null if there are none';

CREATE FUNCTION inngest.v2_get_trace(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run         inngest.function_runs := inngest.v2_run(request);
	with_output CONSTANT boolean := inngest.v2_flag(request, 'includeOutput');
	children    jsonb := coalesce(inngest.v2_step_spans(run.id, with_output), '[]') || coalesce(inngest.v2_attempt_spans(run.id, NULL, with_output), '[]');
	root        jsonb;
BEGIN
	SELECT jsonb_build_object('id', inngest.v2_span_id(run.id, 'run'), 'name', f.name, 'status', inngest.run_status(run.outcome, run.started_at), 'children', children)
			|| inngest.v2_times(inngest.ulid_timestamp(run.id), run.started_at, run.ended_at)
			|| inngest.v2_metadata(run.id, '')
			|| CASE WHEN with_output AND inngest.run_result(run) IS NOT NULL THEN jsonb_build_object('output', inngest.run_result(run)) ELSE '{}' END
		INTO root FROM inngest.functions f WHERE f.id = run.function_id;
	status := 200;
	body := inngest.v2_answer(jsonb_build_object('runId', run.id, 'rootSpan', root));
END
$$;
COMMENT ON FUNCTION inngest.v2_get_trace IS 'GET /v2/runs/{id}/trace';

/* ---- apps ---- */

CREATE FUNCTION inngest.v2_app_json(a inngest.apps) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('id', a.name, 'name', a.name, 'method', upper(a.method), 'appVersion', a.app_version,
		'createdAt', inngest.iso_time(a.created_at), 'isArchived', CASE WHEN a.archived_at IS NOT NULL THEN true END, 'archivedAt', inngest.iso_time(a.archived_at),
		'functionCount', (SELECT count(*) FROM inngest.functions f WHERE f.app_id = a.id AND f.archived_at IS NULL),
		'latestSync', CASE WHEN a.sdk IS NOT NULL OR a.synced_at IS NOT NULL THEN jsonb_build_object(
			'status', CASE WHEN a.error_code IS NULL THEN 'SUCCESS' ELSE 'ERROR' END, 'syncedAt', inngest.iso_time(a.synced_at),
			'sdkLanguage', split_part(a.sdk, ':', 1), 'sdkVersion', nullif(split_part(a.sdk, ':', 2), ''), 'framework', a.framework, 'platform', a.platform,
			'url', a.url, 'error', a.error, 'appVersion', a.app_version) END))
$$;
COMMENT ON FUNCTION inngest.v2_app_json IS 'internal: an app as v2 shows it';

CREATE FUNCTION inngest.v2_list_apps(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted   integer := inngest.v2_limit(request, 100);
	archived boolean := inngest.v2_flag(request, 'archived');
	given    text := nullif(inngest.query_value(request, 'cursor'), '');
	items    jsonb;
BEGIN
	IF given IS NOT NULL AND NOT EXISTS (SELECT FROM inngest.apps c WHERE c.env_id = '00000000-0000-4000-b000-000000000000' AND c.name = given) THEN
		PERFORM inngest.raise_parameter('cursor must be that of a page before');
	END IF;
	SELECT coalesce(jsonb_agg(inngest.v2_app_json(a) ORDER BY a.created_at DESC, a.name DESC), '[]') INTO items
	FROM (
		SELECT * FROM inngest.apps a
		WHERE a.env_id = '00000000-0000-4000-b000-000000000000' AND (a.archived_at IS NOT NULL) = archived
		  AND (given IS NULL OR (a.created_at, a.name) < (SELECT c.created_at, c.name FROM inngest.apps c WHERE c.env_id = a.env_id AND c.name = given))
		ORDER BY a.created_at DESC, a.name DESC LIMIT wanted + 1
	) x
	JOIN inngest.apps a ON a.id = x.id;
	status := 200;
	body := inngest.v2_page(items, wanted, 'id');
END
$$;
COMMENT ON FUNCTION inngest.v2_list_apps IS 'GET /v2/apps';

CREATE FUNCTION inngest.v2_get_app(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT 200, inngest.v2_answer(inngest.v2_app_json(inngest.v2_app(request #>> '{path,app}'))) $$;
COMMENT ON FUNCTION inngest.v2_get_app IS 'GET /v2/apps/{app}';

/* ---- functions ---- */

/* SDKs spell keys as they like; null is as good as nothing. */
CREATE FUNCTION inngest.config_value(config jsonb, wanted text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT c.value FROM jsonb_each(CASE jsonb_typeof(config) WHEN 'object' THEN config ELSE '{}' END) AS c (key, value)
	WHERE lower(c.key) = lower(wanted) AND c.value <> 'null' ORDER BY c.key = wanted DESC, c.key LIMIT 1
$$;
COMMENT ON FUNCTION inngest.config_value IS 'internal: a value of a function config by its key in any case; SQL null if there is none';

CREATE FUNCTION inngest.config_items(config jsonb, wanted text) RETURNS SETOF jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT i FROM jsonb_array_elements(CASE jsonb_typeof(inngest.config_value(config, wanted)) WHEN 'array' THEN inngest.config_value(config, wanted)
		ELSE '[]' END) i
$$;
COMMENT ON FUNCTION inngest.config_items IS 'internal: the elements of an array of a function config';

/* Without a limit of its own a function has that of the account, of which there is none. */
CREATE FUNCTION inngest.v2_concurrency(config jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('limit', jsonb_build_object('value', l.value->'limit'), 'key', l.value->'key',
			'scope', CASE lower(l.value->>'scope') WHEN 'account' THEN 'ACCOUNT' WHEN 'env' THEN 'ENVIRONMENT' ELSE 'FUNCTION' END))),
		'[{"limit": {"value": -1, "isPlanLimit": true}, "scope": "ACCOUNT"}]')
	FROM (SELECT inngest.config_value(config, 'concurrency') AS given) g,
		jsonb_array_elements(CASE jsonb_typeof(g.given) WHEN 'number' THEN jsonb_build_array(jsonb_build_object('limit', g.given)) WHEN 'array' THEN g.given
			WHEN 'object' THEN CASE WHEN g.given ? 'limit' THEN jsonb_build_array(g.given)
				ELSE coalesce(nullif(inngest.config_value(g.given, 'fn'), 'null'), '[]') || coalesce(nullif(inngest.config_value(g.given, 'step'), 'null'), '[]') END
			ELSE '[]' END) AS l (value)
$$;
COMMENT ON FUNCTION inngest.v2_concurrency IS 'internal: the concurrency limits of a function config as v2 shows them';

CREATE FUNCTION inngest.v2_function_json(f inngest.functions, app text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('id', inngest.v2_function_id(f.slug, app), 'slug', inngest.v2_function_id(f.slug, app), 'name', f.name,
		'app', jsonb_build_object('id', app),
		'isPaused', CASE WHEN f.paused_at IS NOT NULL THEN true END, 'isArchived', CASE WHEN f.archived_at IS NOT NULL THEN true END,
		'triggers', (SELECT jsonb_agg(jsonb_build_object('type', CASE WHEN inngest.config_value(t, 'cron') IS NULL THEN 'EVENT' ELSE 'CRON' END,
				'value', coalesce(inngest.config_value(t, 'cron'), inngest.config_value(t, 'event')), 'if', inngest.config_value(t, 'expression')))
			FROM inngest.config_items(f.config, 'triggers') t),
		'failureHandler', (SELECT jsonb_build_object('slug', inngest.v2_function_id(h.slug, app), 'name', h.name) FROM inngest.functions h
			WHERE h.env_id = f.env_id AND h.slug = f.slug || '-failure' AND h.archived_at IS NULL),
		'configuration', jsonb_build_object(
			'cancellations', (SELECT jsonb_agg(jsonb_build_object('event', inngest.config_value(c, 'event'), 'timeout', inngest.config_value(c, 'timeout'),
				'condition', inngest.config_value(c, 'if'))) FROM inngest.config_items(f.config, 'cancel') c),
			'retries', jsonb_build_object('value', f.max_attempts - 1, 'isDefault', CASE WHEN f.max_attempts = 5 THEN true END),
			'priority', inngest.config_value(inngest.config_value(f.config, 'priority'), 'run'),
			'eventsBatch', inngest.config_value(f.config, 'batchEvents'),
			'concurrency', inngest.v2_concurrency(f.config),
			'rateLimit', inngest.config_value(f.config, 'rateLimit'), 'debounce', inngest.config_value(f.config, 'debounce'),
			'throttle', inngest.config_value(f.config, 'throttle'), 'singleton', inngest.config_value(f.config, 'singleton'))))
$$;
COMMENT ON FUNCTION inngest.v2_function_json IS 'internal: a function as v2 shows it';

CREATE FUNCTION inngest.v2_list_functions(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	app    inngest.apps := inngest.v2_app(request #>> '{path,app}');
	wanted integer := inngest.v2_limit(request, 100);
	given  text := nullif(inngest.query_value(request, 'cursor'), '');
	items  jsonb;
BEGIN
	SELECT coalesce(jsonb_agg(inngest.v2_function_json(f, app.name) ORDER BY inngest.v2_function_id(f.slug, app.name) COLLATE "C"), '[]') INTO items
	FROM (
		SELECT f.id FROM inngest.functions f
		WHERE f.app_id = app.id AND (f.archived_at IS NOT NULL) = inngest.v2_flag(request, 'archived')
		  AND (given IS NULL OR inngest.v2_function_id(f.slug, app.name) COLLATE "C" > given)
		ORDER BY inngest.v2_function_id(f.slug, app.name) COLLATE "C" LIMIT wanted + 1
	) x
	JOIN inngest.functions f ON f.id = x.id;
	status := 200;
	body := inngest.v2_page(items, wanted, 'id');
END
$$;
COMMENT ON FUNCTION inngest.v2_list_functions IS 'GET /v2/apps/{app}/functions';

CREATE FUNCTION inngest.v2_get_function(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	app inngest.apps := inngest.v2_app(request #>> '{path,app}');
BEGIN
	status := 200;
	body := inngest.v2_answer(inngest.v2_function_json(inngest.v2_function(app, request #>> '{path,function}'), app.name));
END
$$;
COMMENT ON FUNCTION inngest.v2_get_function IS 'GET /v2/apps/{app}/functions/{function}';
