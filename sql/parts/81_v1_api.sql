/*
 * The older API of Inngest: /v0 and /v1, and what its dev server tells of itself.  Forms are those of protocol.md 16.1,
 * with snake_case keys.  Answers are never cached, so cached_until is null.
 *
 * Functions have the form that 80_http_api.sql describes.  Query parameters that they do not know are ignored here, as
 * tools send what some server knows.
 */

/* ---- pieces ---- */

CREATE FUNCTION inngest.v1_answer(data jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT jsonb_build_object('data', data, 'metadata', jsonb_build_object('fetched_at', inngest.iso_time(clock_timestamp()), 'cached_until', NULL)) $$;
COMMENT ON FUNCTION inngest.v1_answer IS 'internal: the envelope of v1';

CREATE FUNCTION inngest.v1_id(request jsonb, what text) RETURNS inngest.ulid
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	RETURN (request #>> '{path,id}')::inngest.ulid;
EXCEPTION WHEN invalid_text_representation THEN
	PERFORM inngest.raise_parameter(format('Invalid %s ID: %s', what, request #>> '{path,id}'));
END
$$;
COMMENT ON FUNCTION inngest.v1_id IS 'internal: the ULID in a path of v1, or the error that v1 has for it';

CREATE FUNCTION inngest.v1_run(request jsonb) RETURNS inngest.function_runs
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted inngest.ulid := inngest.v1_id(request, 'run');
	run    inngest.function_runs;
BEGIN
	SELECT * INTO run FROM inngest.function_runs r WHERE r.id = wanted;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN020', MESSAGE = format('Unable to load function run: %s', wanted);
	END IF;
	RETURN run;
END
$$;
COMMENT ON FUNCTION inngest.v1_run IS 'internal: the run in a path of v1, or the error that v1 has for it';

CREATE FUNCTION inngest.v1_event_json(e inngest.events) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object('internal_id', e.id, 'account_id', '00000000-0000-4000-a000-000000000000', 'environment_id', '00000000-0000-4000-b000-000000000000',
			'source', '', 'source_id', NULL, 'received_at', inngest.iso_time(e.received_at), 'id', coalesce(e.caller_id, e.id::text), 'name', e.name,
			'data', e.data, 'ts', floor(extract(epoch FROM e.ts) * 1000)::bigint)
		|| jsonb_strip_nulls(jsonb_build_object('v', e.v)) || CASE WHEN e."user" IS NULL THEN '{}' ELSE jsonb_build_object('user', e."user") END
$$;
COMMENT ON FUNCTION inngest.v1_event_json IS 'internal: an event as v1 shows it';

CREATE FUNCTION inngest.v1_run_json(r inngest.function_runs) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object('run_id', r.id, 'run_started_at', inngest.iso_time(inngest.ulid_timestamp(r.id)), 'function_id', r.function_id,
			'function_version', r.function_version, 'environment_id', '00000000-0000-4000-b000-000000000000', 'event_id', r.event_id,
			'status', CASE inngest.run_status(r.outcome, r.started_at) WHEN 'QUEUED' THEN 'Scheduled' ELSE initcap(inngest.run_status(r.outcome, r.started_at)) END,
			'ended_at', inngest.iso_time(r.ended_at))
		|| jsonb_strip_nulls(jsonb_build_object('original_run_id', r.original_run_id, 'batch_id', r.batch_id,
			'cron', (SELECT e.data->'cron' FROM inngest.events e WHERE e.id OPERATOR(inngest.=) r.event_id AND e.name = 'inngest/scheduled.timer')))
		|| CASE WHEN inngest.run_result(r) IS NULL THEN '{}' ELSE jsonb_build_object('output', inngest.run_result(r)) END
$$;
COMMENT ON FUNCTION inngest.v1_run_json IS 'internal: a run as v1 shows it';

/* ---- events ---- */

CREATE FUNCTION inngest.v1_event_filter(request jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	rule  text := 'true';
	given text;
BEGIN
	given := nullif(inngest.query_value(request, 'name'), '');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND e.name = %L', given);
	END IF;
	IF lower(inngest.query_value(request, 'include_internal')) IS DISTINCT FROM 'true' THEN
		rule := rule || ' AND NOT starts_with(e.name, ''inngest/'')';
	END IF;
	-- the time in an internal id is when the event was received
	given := nullif(inngest.query_value(request, 'received_after'), '');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND e.id >= %L::inngest.ulid', inngest.parse_time(given, 'received_after')::inngest.ulid);
	END IF;
	given := nullif(inngest.query_value(request, 'received_before'), '');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND e.id < %L::inngest.ulid', inngest.parse_time(given, 'received_before')::inngest.ulid);
	END IF;
	given := nullif(inngest.query_value(request, 'cursor'), '');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND e.id < %L::inngest.ulid', inngest.parse_ulid(given, 'cursor'));
	END IF;
	RETURN rule;
END
$$;
COMMENT ON FUNCTION inngest.v1_event_filter IS 'internal: the filters of an events list as a condition on e';

CREATE FUNCTION inngest.v1_list_events(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	given text := inngest.query_value(request, 'limit');
	items jsonb;
BEGIN
	EXECUTE format('SELECT coalesce(jsonb_agg(inngest.v1_event_json(e) ORDER BY e.id DESC), ''[]'')
			FROM (SELECT * FROM inngest.events e WHERE %s ORDER BY e.id DESC LIMIT %s) e',
			inngest.v1_event_filter(request), CASE WHEN given ~ '^[0-9]{1,9}$' THEN least(greatest(given::integer, 1), 51) ELSE 20 END)
		INTO items;
	status := 200;
	body := inngest.v1_answer(items);
END
$$;
COMMENT ON FUNCTION inngest.v1_list_events IS 'GET /v1/events';

CREATE FUNCTION inngest.v1_get_event(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted inngest.ulid := inngest.v1_id(request, 'event');
BEGIN
	SELECT inngest.v1_answer(inngest.v1_event_json(e)) INTO body FROM inngest.events e WHERE e.id = wanted;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN006', MESSAGE = 'Event not found';
	END IF;
	status := 200;
END
$$;
COMMENT ON FUNCTION inngest.v1_get_event IS 'GET /v1/events/{id}';

CREATE FUNCTION inngest.v1_event_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted inngest.ulid := inngest.v1_id(request, 'event');
	most CONSTANT integer := 1000;
BEGIN
	status := 200;
	SELECT inngest.v1_answer(coalesce(jsonb_agg(inngest.v1_run_json(r) ORDER BY r.id), '[]')) INTO body
	FROM (SELECT * FROM inngest.function_runs r WHERE r.id = ANY (ARRAY(SELECT inngest.event_run_ids(wanted))) ORDER BY r.id LIMIT most) x
	JOIN inngest.function_runs r ON r.id = x.id;
END
$$;
COMMENT ON FUNCTION inngest.v1_event_runs IS 'GET /v1/events/{id}/runs';

/* ---- runs ---- */

CREATE FUNCTION inngest.v1_get_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT 200, inngest.v1_answer(inngest.v1_run_json(inngest.v1_run(request))) $$;
COMMENT ON FUNCTION inngest.v1_get_run IS 'GET /v1/runs/{id}';

CREATE FUNCTION inngest.v1_cancel_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.function_runs := inngest.v1_run(request);
BEGIN
	PERFORM inngest.cancel_run(run.id);
	status := 200;
END
$$;
COMMENT ON FUNCTION inngest.v1_cancel_run IS 'DELETE /v1/runs/{id}; a run that has ended stays as it is';

/* The step is named as in the code, or by its hash. */
CREATE FUNCTION inngest.v1_metadata_step(target jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	step  text := target->>'step_id';
	index numeric;
BEGIN
	IF jsonb_typeof(target) <> 'object' THEN
		PERFORM inngest.raise_parameter('target must be an object: {"step_id"?, "step_index"?, "step_attempt"?, "span_id"?}');
	ELSIF coalesce(step, '') = '' THEN
		IF jsonb_strip_nulls(target) ?| '{step_index,step_attempt,span_id}' THEN
			PERFORM inngest.raise_parameter('target.step_id is required with step_index, step_attempt or span_id');
		END IF;
		RETURN '';
	ELSIF jsonb_typeof(target->'step_id') <> 'string' OR length(step) > 1024 THEN
		PERFORM inngest.raise_parameter('target.step_id must be a text of at most 1024 characters');
	ELSIF jsonb_typeof(target->'step_index') NOT IN ('number', 'null') THEN
		PERFORM inngest.raise_parameter('target.step_index must be a whole number from 0');
	END IF;
	index := coalesce((target->>'step_index')::numeric, 0);
	IF index < 0 OR index <> trunc(index) OR index > 1000000 THEN
		PERFORM inngest.raise_parameter('target.step_index must be a whole number from 0');
	END IF;
	RETURN CASE WHEN step ~ '^[0-9a-f]{40}$' THEN step ELSE inngest.step_hash(step || CASE WHEN index > 0 THEN ':' || trunc(index)::text ELSE '' END) END;
END
$$;
COMMENT ON FUNCTION inngest.v1_metadata_step IS 'internal: which step a target of metadata means; empty: the run itself';

CREATE FUNCTION inngest.v1_change_metadata(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run    inngest.function_runs := inngest.v1_run(request);
	step   text;
	fault  text;
	change jsonb;
BEGIN
	IF jsonb_typeof(input) IS DISTINCT FROM 'object' OR jsonb_typeof(input->'metadata') IS DISTINCT FROM 'array' THEN
		PERFORM inngest.raise_parameter('The body must be an object: {"target"?: {...}, "metadata": [{"kind", "op", "values"}]}');
	END IF;
	IF jsonb_array_length(input->'metadata') > inngest.metadata_max() THEN
		PERFORM inngest.raise_parameter(format('metadata must have at most %s entries', inngest.metadata_max()));
	END IF;
	step := inngest.v1_metadata_step(coalesce(nullif(input->'target', 'null'), '{}'));
	SELECT format('metadata[%s]: %s', n - 1, inngest.metadata_fault(c)) INTO fault
	FROM jsonb_array_elements(input->'metadata') WITH ORDINALITY AS x (c, n) WHERE inngest.metadata_fault(c) IS NOT NULL ORDER BY n LIMIT 1;
	IF FOUND THEN
		PERFORM inngest.raise_parameter(fault);
	END IF;
	PERFORM inngest.claim_run(run.id);
	FOR change IN SELECT c FROM jsonb_array_elements(input->'metadata') WITH ORDINALITY AS x (c, n) ORDER BY (c->>'kind') COLLATE "C", n LOOP
		PERFORM inngest.change_metadata(run.id, step, change);
	END LOOP;
	status := 200;
END
$$;
COMMENT ON FUNCTION inngest.v1_change_metadata IS 'POST /v1/runs/{id}/metadata';

CREATE FUNCTION inngest.v0_cancel_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.function_runs := inngest.v1_run(request);
BEGIN
	IF NOT inngest.cancel_run(run.id) THEN
		RAISE EXCEPTION USING ERRCODE = 'IN022', MESSAGE = format('function run %s has ended already', run.id);
	END IF;
	status := 204;
END
$$;
COMMENT ON FUNCTION inngest.v0_cancel_run IS 'DELETE /v0/runs/{id}';

CREATE FUNCTION inngest.v1_run_jobs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.function_runs := inngest.v1_run(request);
	most CONSTANT integer := 10;
BEGIN
	status := 200;
	SELECT inngest.v1_answer(coalesce(jsonb_agg(x.job || jsonb_build_object('position', x.position) ORDER BY x.position), '[]')) INTO body
	FROM (
		SELECT jsonb_build_object('JobID', w.id::text, 'at', inngest.iso_time(w.at), 'kind', w.kind, 'attempt', w.attempt, 'Raw', w.raw) AS job,
			   row_number() OVER (ORDER BY w.at, w.id) AS position
		FROM (
			SELECT j.id, coalesce(nullif(j.run_at, 'infinity'), j.queued_at) AS at, j.kind, j.attempt, to_jsonb(j) AS raw FROM inngest.jobs j WHERE j.run_id = run.id AND j.kind <> 'place_freed'
			UNION ALL
			SELECT q.id, q.run_at, q.kind, q.attempt, to_jsonb(q) FROM inngest.queue q WHERE q.run_id = run.id
		) w
		LIMIT most
	) x;
END
$$;
COMMENT ON FUNCTION inngest.v1_run_jobs IS 'GET /v1/runs/{id}/jobs: what the run has still to do';

/* ---- bulk cancellations ---- */

CREATE FUNCTION inngest.v1_cancellation_json(c inngest.cancellations) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('id', c.id, 'environment_id', '00000000-0000-4000-b000-000000000000', 'function_id', f.slug, 'function_internal_id', f.id,
		'started_after', inngest.iso_time(c.started_after), 'started_before', inngest.iso_time(c.started_before), 'if', c.expression))
	FROM inngest.functions f WHERE f.id = c.function_id
$$;
COMMENT ON FUNCTION inngest.v1_cancellation_json IS 'internal: a bulk cancellation as v1 shows it';

CREATE FUNCTION inngest.v1_input_text(input jsonb, field text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	IF coalesce(jsonb_typeof(input->field), 'null') NOT IN ('string', 'null') THEN
		PERFORM inngest.raise_parameter('Invalid cancellation request');
	END IF;
	RETURN nullif(input->>field, '');
END
$$;
COMMENT ON FUNCTION inngest.v1_input_text IS 'internal: a text of a request of v1; null if there is none';

CREATE FUNCTION inngest.v1_cancel_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	app      text;
	wanted   text;
	since    text;
	until    text;
	rule     text;
	missing  text;
	function inngest.functions;
	made     inngest.ulid;
BEGIN
	IF jsonb_typeof(input) IS DISTINCT FROM 'object' THEN
		PERFORM inngest.raise_parameter('Invalid cancellation request');
	END IF;
	app := inngest.v1_input_text(input, 'app_id');
	wanted := inngest.v1_input_text(input, 'function_id');
	until := inngest.v1_input_text(input, 'started_before');
	since := inngest.v1_input_text(input, 'started_after');
	rule := inngest.v1_input_text(input, 'if');
	missing := concat_ws(E'\n', CASE WHEN app IS NULL THEN 'app_id is required' END, CASE WHEN wanted IS NULL THEN 'function_id is required' END,
		CASE WHEN until IS NULL THEN 'started_before is required' END);
	IF missing <> '' THEN
		PERFORM inngest.raise_parameter(missing);
	END IF;
	SELECT f.* INTO function FROM inngest.apps a JOIN inngest.functions f ON f.app_id = a.id
	WHERE a.env_id = '00000000-0000-4000-b000-000000000000' AND a.name = app AND f.slug IN (wanted, app || '-' || wanted)
	ORDER BY f.slug = wanted LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN011', MESSAGE = 'function not found';
	END IF;
	made := inngest.cancel_runs(function.slug, inngest.parse_time(until, 'started_before'), CASE WHEN since IS NOT NULL THEN inngest.parse_time(since, 'started_after') END, rule);
	SELECT 201, inngest.v1_cancellation_json(c) INTO status, body FROM inngest.cancellations c WHERE c.id = made;
END
$$;
COMMENT ON FUNCTION inngest.v1_cancel_runs IS 'POST /v1/cancellations';

CREATE FUNCTION inngest.v1_list_cancellations(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT 200, coalesce(jsonb_agg(inngest.v1_cancellation_json(c) ORDER BY c.id DESC), '[]') FROM inngest.cancellations c $$;
COMMENT ON FUNCTION inngest.v1_list_cancellations IS 'GET /v1/cancellations, an array without an envelope';

CREATE FUNCTION inngest.v1_delete_cancellation(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	IF NOT inngest.delete_cancellation(inngest.v1_id(request, 'cancellation')) THEN
		RAISE EXCEPTION USING ERRCODE = 'IN028', MESSAGE = 'cancellation not found';
	END IF;
	status := 200;
	body := inngest.v1_answer('{"ok": true}');
END
$$;
COMMENT ON FUNCTION inngest.v1_delete_cancellation IS 'DELETE /v1/cancellations/{id}';

/* ---- functions ---- */

CREATE FUNCTION inngest.v1_app_functions(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, coalesce(jsonb_agg(jsonb_build_object('internal_id', f.id, 'env_id', f.env_id, 'app_id', f.app_id, 'id', f.slug, 'name', f.name,
			'config', f.config, 'version', f.version, 'created_at', inngest.iso_time(f.created_at), 'updated_at', inngest.iso_time(f.updated_at)) ORDER BY f.slug), '[]')
	FROM inngest.apps a
	JOIN inngest.functions f ON f.app_id = a.id
	WHERE a.env_id = '00000000-0000-4000-b000-000000000000' AND a.name = request #>> '{path,app}' AND f.archived_at IS NULL
$$;
COMMENT ON FUNCTION inngest.v1_app_functions IS 'GET /v1/apps/{app}/functions, an array without an envelope';

/* ---- the dev server ---- */

CREATE FUNCTION inngest.dev_info(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, jsonb_build_object('version', inngest.library_version(), 'authed', false,
		'startOpts', jsonb_build_object('dir', '', 'urls', '[]'::jsonb, 'autodiscover', false, 'poll', false, 'require_keys', false,
			'retry_interval', (SELECT s.setting::bigint / 1000 FROM pg_settings s WHERE s.name = 'inngest.retry_interval')),
		'functions', (SELECT coalesce(jsonb_agg(f.config || jsonb_build_object('id', f.id, 'slug', f.slug, 'name', f.name) ORDER BY f.slug), '[]')
			FROM inngest.functions f WHERE f.env_id = '00000000-0000-4000-b000-000000000000' AND f.archived_at IS NULL),
		'handlers', NULL,
		'isSingleNodeService', true,
		'isMissingSigningKey', NOT EXISTS (SELECT FROM inngest.signing_keys),
		'isMissingEventKeys', NOT EXISTS (SELECT FROM inngest.event_keys),
		'features', '{}'::jsonb)
$$;
COMMENT ON FUNCTION inngest.dev_info IS 'GET /dev';
