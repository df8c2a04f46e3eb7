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
			'trigger', jsonb_build_object('eventIds', jsonb_build_array(r.event_id))
				|| jsonb_strip_nulls(jsonb_build_object('eventName', e.name, 'cronSchedule', CASE WHEN e.name = 'inngest/scheduled.timer' THEN e.data->'cron' END)))
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
	-- there are no deferred runs
	IF inngest.v2_flag(request, 'isDeferred') THEN
		rule := 'false';
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
		rule := rule || format(' AND r.function_id IN (SELECT f.id FROM inngest.functions f WHERE f.app_id = %L)', app.id);
	END IF;
	IF wanted IS NOT NULL THEN
		function := inngest.v2_function(app, wanted);
		rule := rule || format(' AND r.function_id = %L', function.id);
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
	body := inngest.v2_page_of_runs(request, inngest.v2_run_rule(request) || format(' AND r.function_id = %L', function.id), 100);
END
$$;
COMMENT ON FUNCTION inngest.v2_function_runs IS 'GET /v2/apps/{app}/functions/{function}/runs';

CREATE FUNCTION inngest.v2_event_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	status := 200;
	body := inngest.v2_page_of_runs(request, format('r.event_id = %L::inngest.ulid', inngest.v2_id(request #>> '{path,id}', 'Event ID')), 40);
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
	run inngest.function_runs := inngest.v2_run(request);
BEGIN
	IF coalesce(input->'fromStep', 'null') <> 'null' THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'fromStep is not supported';
	END IF;
	status := 200;
	body := inngest.v2_answer(jsonb_build_object('runId', inngest.rerun(run.id)));
END
$$;
COMMENT ON FUNCTION inngest.v2_rerun IS 'POST /v2/runs/{id}/rerun';
