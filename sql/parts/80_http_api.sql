/*
 * What the HTTP API says, apart from the acceptance of events: src/http/routes.c names the function of
 * each route.  All have one form: (request, input) gives (status, body).
 *
 *	request	{"query": [[name, value], …], "path": {"id": <what {id} matched>, …}, "headers": {name: value, …}}
 *	input	the body of the request, or null
 *
 * Faults are raised; src/base/errors.h says what they are over HTTP.
 */

CREATE FUNCTION inngest.duration(text text) RETURNS interval
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'inngest_duration';
COMMENT ON FUNCTION inngest.duration IS 'a duration as Inngest writes it ("90s", "1d12h") as an interval';

CREATE FUNCTION inngest.counters(OUT name text, OUT type text, OUT help text, OUT value bigint) RETURNS SETOF record
LANGUAGE C STABLE STRICT
AS 'MODULE_PATHNAME', 'inngest_counters';
COMMENT ON FUNCTION inngest.counters IS 'what the HTTP workers have counted since the server started';

CREATE FUNCTION inngest.routes(OUT method text, OUT path text, OUT summary text, OUT is_own boolean) RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT
AS 'MODULE_PATHNAME', 'inngest_routes';
COMMENT ON FUNCTION inngest.routes IS 'the routes of the HTTP API; is_own: not of the surface of Inngest';

CREATE FUNCTION inngest.redis_status(OUT status text, OUT error text, OUT since timestamptz, OUT pushed bigint, OUT failures bigint)
LANGUAGE C STABLE STRICT
AS 'MODULE_PATHNAME', 'inngest_redis_status';
COMMENT ON FUNCTION inngest.redis_status IS 'ok, down or disabled, as the relay sees it';

CREATE FUNCTION inngest.register_outcome(config jsonb, OUT outcome text, OUT slug text, OUT faults jsonb)
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_register_outcome';
COMMENT ON FUNCTION inngest.register_outcome IS 'internal: register_function, with the faults as data';

/* ---- pieces ---- */

CREATE FUNCTION inngest.iso_time(t timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;
COMMENT ON FUNCTION inngest.iso_time IS 'a time as the API writes it: RFC 3339, UTC, milliseconds';

CREATE FUNCTION inngest.query_value(request jsonb, wanted text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT q.pair->>1 FROM jsonb_array_elements(request->'query') WITH ORDINALITY AS q (pair, position) WHERE q.pair->>0 = wanted ORDER BY q.position LIMIT 1 $$;
COMMENT ON FUNCTION inngest.query_value IS 'internal: a query parameter; the first if it is repeated';

CREATE FUNCTION inngest.query_values(request jsonb, wanted text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT array_agg(v) FROM jsonb_array_elements(request->'query') AS q (pair), regexp_split_to_table(q.pair->>1, ',') AS v WHERE q.pair->>0 = wanted $$;
COMMENT ON FUNCTION inngest.query_values IS 'internal: all values of a repeatable query parameter, null if there are none';

CREATE FUNCTION inngest.raise_parameter(message text) RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'IN030', MESSAGE = message; END $$;
COMMENT ON FUNCTION inngest.raise_parameter IS 'internal: refuse a request parameter';

CREATE FUNCTION inngest.check_query(request jsonb, VARIADIC known text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	unknown text;
BEGIN
	SELECT q.pair->>0 INTO unknown FROM jsonb_array_elements(request->'query') AS q (pair) WHERE q.pair->>0 <> ALL (known) LIMIT 1;
	IF FOUND THEN
		PERFORM inngest.raise_parameter(format('query parameter "%s" is not known here; there are: %s', unknown, array_to_string(known, ', ')));
	END IF;
END
$$;
COMMENT ON FUNCTION inngest.check_query IS 'internal: refuse query parameters that a route does not know, which would be ignored silently';

CREATE FUNCTION inngest.page_limit(request jsonb) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	given text := inngest.query_value(request, 'limit');
BEGIN
	IF given IS NULL THEN
		RETURN 20;
	END IF;
	IF given !~ '^[0-9]{1,4}$' OR given::integer NOT BETWEEN 1 AND 100 THEN
		PERFORM inngest.raise_parameter(format('limit must be a number from 1 to 100, not "%s"', given));
	END IF;
	RETURN given::integer;
END
$$;
COMMENT ON FUNCTION inngest.page_limit IS 'internal: how many rows a page has';

CREATE FUNCTION inngest.page(items jsonb, wanted integer, cursor_key text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object(
		'data', coalesce(jsonb_path_query_array(items, '$[0 to $last]', jsonb_build_object('last', wanted - 1)), '[]'),
		'page', jsonb_build_object(
			'has_more', jsonb_array_length(items) > wanted,
			'cursor', CASE WHEN jsonb_array_length(items) > wanted THEN items->(wanted - 1)->cursor_key END))
$$;
COMMENT ON FUNCTION inngest.page IS 'internal: a list answer from up to wanted + 1 items';

CREATE FUNCTION inngest.parse_ulid(given text, what text) RETURNS inngest.ulid
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	RETURN given::inngest.ulid;
EXCEPTION WHEN invalid_text_representation THEN
	PERFORM inngest.raise_parameter(format('%s must be a ULID (26 characters), not "%s"', what, given));
END
$$;
COMMENT ON FUNCTION inngest.parse_ulid IS 'internal: a ULID of a request, or an error that names it';

CREATE FUNCTION inngest.parse_time(given text, what text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp SET timezone TO 'UTC'
AS $$
BEGIN
	-- words like "yesterday" are times to PostgreSQL, and "infinity" has no ULID
	IF given !~ '^\d{4}-\d\d-\d\d' THEN
		RAISE invalid_datetime_format;
	END IF;
	RETURN greatest(least(given::timestamptz, timestamptz '9999-01-01'), timestamptz '1970-01-01');
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_time_zone_displacement_value THEN
	PERFORM inngest.raise_parameter(format('%s must be a time such as 2026-01-31T12:00:00Z, not "%s"', what, given));
END
$$;
COMMENT ON FUNCTION inngest.parse_time IS 'internal: a time of a request, or an error that names it';

/* Those of the config, each with what became of its expression, and when it fires if it is a cron trigger. */
CREATE FUNCTION inngest.triggers_json(f inngest.functions) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT coalesce(jsonb_agg(t.trigger || jsonb_build_object('errors', jsonb_build_object('count', coalesce(x.error_count, 0),
		'last_error', x.last_error, 'last_error_at', inngest.iso_time(x.last_error_at)), 'next_at', inngest.iso_time(s.next_at)) ORDER BY t.position), '[]')
	FROM jsonb_each(f.config) AS c (key, value),
		jsonb_array_elements(CASE jsonb_typeof(c.value) WHEN 'array' THEN c.value ELSE '[]' END) WITH ORDINALITY AS t (trigger, position)
	LEFT JOIN inngest.trigger_faults x ON x.function_id = f.id AND x.position = t.position
	LEFT JOIN inngest.schedules s ON s.function_id = f.id AND s.next_at < 'infinity'
		AND s.cron = (SELECT v.value #>> '{}' FROM jsonb_each(t.trigger) AS v WHERE lower(v.key) = 'cron')
	WHERE lower(c.key) = 'triggers'
$$;
COMMENT ON FUNCTION inngest.triggers_json IS 'the triggers of a function as the API shows them';

CREATE FUNCTION inngest.function_json(f inngest.functions) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object('id', f.slug, 'uuid', f.id, 'name', f.name, 'app_id', a.name, 'runtime', f.runtime, 'version', f.version,
		'max_attempts', f.max_attempts, 'is_paused', f.paused_at IS NOT NULL, 'config', f.config,
		'triggers', inngest.triggers_json(f),
		'created_at', inngest.iso_time(f.created_at), 'updated_at', inngest.iso_time(f.updated_at))
	FROM inngest.apps a WHERE a.id = f.app_id
$$;
COMMENT ON FUNCTION inngest.function_json IS 'a function as the API shows it';

CREATE FUNCTION inngest.run_json(r inngest.function_runs) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object('id', r.id, 'function_id', f.slug, 'app_id', a.name, 'event_id', r.event_id,
		'status', inngest.run_status(r.outcome, r.started_at),
		'queued_at', inngest.iso_time(inngest.ulid_timestamp(r.id)), 'started_at', inngest.iso_time(r.started_at), 'ended_at', inngest.iso_time(r.ended_at),
		'original_run_id', r.original_run_id)
	FROM inngest.functions f JOIN inngest.apps a ON a.id = f.app_id WHERE f.id = r.function_id
$$;
COMMENT ON FUNCTION inngest.run_json IS 'a run as lists of the API show it';

/* ---- the server ---- */

CREATE FUNCTION inngest.api_root(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, jsonb_build_object('name', 'inngest', 'version', inngest.library_version(),
		'routes', (SELECT jsonb_agg(jsonb_build_object('method', method, 'path', path, 'summary', summary)) FROM inngest.routes()))
$$;
COMMENT ON FUNCTION inngest.api_root IS 'GET /';

/* Counting stops somewhere: a health check must be quick when things are bad. */
CREATE FUNCTION inngest.api_health(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, jsonb_build_object(
		'status', CASE WHEN r.status = 'down' THEN 'degraded' ELSE 'ok' END,
		'version', inngest.library_version(),
		'backends', jsonb_build_object(
			'postgres', jsonb_build_object('status', 'ok', 'database', current_database(), 'server_version', current_setting('server_version')),
			'redis', jsonb_strip_nulls(jsonb_build_object('status', r.status, 'error', r.error, 'since', inngest.iso_time(r.since),
				'backlog', (SELECT count(*) FROM (SELECT FROM inngest.redis_outbox LIMIT 1000000) x)))),
		'queue', jsonb_build_object(
			'ready', (SELECT count(*) FROM (SELECT FROM inngest.queue WHERE run_at <= now() LIMIT 100000) x),
			'scheduled', (SELECT count(*) FROM (SELECT FROM inngest.queue WHERE run_at > now() LIMIT 100000) x),
			'leased', (SELECT count(*) FROM (SELECT FROM inngest.leases LIMIT 100000) x)))
	FROM inngest.redis_status() r
$$;
COMMENT ON FUNCTION inngest.api_health IS 'GET /health';

CREATE FUNCTION inngest.api_metrics(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, to_jsonb(string_agg(format(E'# HELP inngest_%1$s %2$s\n# TYPE inngest_%1$s %3$s\ninngest_%1$s %4$s\n', m.name, m.help, m.type, m.value), ''))
	FROM (
		SELECT name, type, help, value::text FROM inngest.counters()
		UNION ALL
		SELECT 'queue_ready', 'gauge', 'Items whose time has come.', count(*)::text FROM inngest.queue WHERE run_at <= now()
		UNION ALL
		SELECT 'queue_scheduled', 'gauge', 'Items whose time lies ahead.', count(*)::text FROM inngest.queue WHERE run_at > now()
		UNION ALL
		SELECT 'leases', 'gauge', 'Attempts that pull workers are making.', count(*)::text FROM inngest.leases
		UNION ALL
		SELECT 'redis_backlog', 'gauge', 'Entries that Redis has not acknowledged.', count(*)::text FROM inngest.redis_outbox
		UNION ALL
		SELECT 'redis_up', 'gauge', '1 if the relay is connected to Redis.', (r.status = 'ok')::integer::text FROM inngest.redis_status() r WHERE r.status <> 'disabled'
		UNION ALL
		SELECT 'redis_pushed_total', 'counter', 'Outbox rows that Redis has acknowledged.', r.pushed::text FROM inngest.redis_status() r WHERE r.status <> 'disabled'
		UNION ALL
		SELECT 'functions', 'gauge', 'Registered functions.', count(*)::text FROM inngest.functions WHERE archived_at IS NULL
		UNION ALL
		SELECT 'trigger_errors', 'gauge', 'Events for which an expression failed, of functions as they are registered now.', coalesce(sum(error_count), 0)::text FROM inngest.trigger_faults
		UNION ALL
		SELECT 'schedule_lag_seconds', 'gauge', 'How late the cron trigger is that has been due for longest.', greatest(extract(epoch FROM now() - min(next_at)), 0)::text FROM inngest.schedules WHERE next_at <= now()
	) m
$$;
COMMENT ON FUNCTION inngest.api_metrics IS 'GET /metrics';

/* ---- functions ---- */

CREATE FUNCTION inngest.api_list_functions(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted integer := inngest.page_limit(request);
	after  text := inngest.query_value(request, 'cursor');
	items  jsonb;
BEGIN
	PERFORM inngest.check_query(request, 'limit', 'cursor');
	SELECT coalesce(jsonb_agg(inngest.function_json(f) ORDER BY f.slug), '[]') INTO items
	FROM (
		SELECT * FROM inngest.functions x
		WHERE x.env_id = '00000000-0000-4000-b000-000000000000' AND x.archived_at IS NULL AND (after IS NULL OR x.slug > after)
		ORDER BY x.slug
		LIMIT wanted + 1
	) f;
	status := 200;
	body := inngest.page(items, wanted, 'id');
END
$$;
COMMENT ON FUNCTION inngest.api_list_functions IS 'GET /api/v1/functions';

CREATE FUNCTION inngest.api_get_function(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	SELECT 200, jsonb_build_object('data', inngest.function_json(f)) INTO status, body
	FROM inngest.functions f
	WHERE f.env_id = '00000000-0000-4000-b000-000000000000' AND f.slug = request #>> '{path,id}' AND f.archived_at IS NULL;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN011', MESSAGE = format('function "%s" does not exist', request #>> '{path,id}');
	END IF;
END
$$;
COMMENT ON FUNCTION inngest.api_get_function IS 'GET /api/v1/functions/{id}';

CREATE FUNCTION inngest.api_register_function(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	result record;
BEGIN
	IF input IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'IN031', MESSAGE = 'the request body must be the config of a function, as a JSON object';
	END IF;
	SELECT * INTO result FROM inngest.register_outcome(input);
	IF result.faults IS NOT NULL THEN
		status := 400;
		body := jsonb_build_object('status', 400, 'faults', result.faults)
			|| CASE WHEN result.outcome = 'unsupported'
				THEN '{"code": "not_supported", "error": "the function configuration uses what is not supported yet"}'::jsonb
				ELSE '{"code": "invalid_function", "error": "the function configuration is invalid"}' END;
		RETURN;
	END IF;
	status := CASE result.outcome WHEN 'created' THEN 201 ELSE 200 END;
	SELECT jsonb_build_object('data', inngest.function_json(f)) INTO body
	FROM inngest.functions f
	WHERE f.env_id = '00000000-0000-4000-b000-000000000000' AND f.slug = result.slug;
END
$$;
COMMENT ON FUNCTION inngest.api_register_function IS 'POST /api/v1/functions';

CREATE FUNCTION inngest.api_delete_function(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT inngest.delete_function(request #>> '{path,id}');
	SELECT 200, jsonb_build_object('data', jsonb_build_object('id', request #>> '{path,id}', 'deleted', true))
$$;
COMMENT ON FUNCTION inngest.api_delete_function IS 'DELETE /api/v1/functions/{id}';

/* ---- runs ---- */

/*
 * Ids stand in the rule as constants, because only of those does the planner know how frequent they are: of a value that it will
 * see later it takes the average, and may read all runs for those of a function that has few.
 */
CREATE FUNCTION inngest.runs_of_functions(VARIADIC ids uuid[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	-- those of one come in the order of an index
	SELECT CASE cardinality(ids) WHEN 1 THEN format(' AND r.function_id = %L', ids[1]) ELSE format(' AND r.function_id = ANY (%L::uuid[])', ids) END
$$;
COMMENT ON FUNCTION inngest.runs_of_functions IS 'internal: runs of these functions, as a condition on r';

/* Not of more functions than a statement should name. */
CREATE FUNCTION inngest.runs_of_app(app uuid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT CASE WHEN count(*) <= 1000 THEN inngest.runs_of_functions(VARIADIC coalesce(array_agg(x.id), '{}'))
		ELSE format(' AND r.function_id IN (SELECT f.id FROM inngest.functions f WHERE f.app_id = %L)', app) END
	FROM (SELECT f.id FROM inngest.functions f WHERE f.app_id = app LIMIT 1001) x
$$;
COMMENT ON FUNCTION inngest.runs_of_app IS 'internal: runs of the functions of an app, as a condition on r';

CREATE FUNCTION inngest.run_filter(request jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	rule  text := 'true';
	given text;
BEGIN
	given := inngest.query_value(request, 'function_id');
	IF given IS NOT NULL THEN
		rule := rule || inngest.runs_of_functions(VARIADIC ARRAY(SELECT f.id FROM inngest.functions f
			WHERE f.env_id = '00000000-0000-4000-b000-000000000000' AND f.slug = given));
	END IF;
	given := inngest.query_value(request, 'app_id');
	IF given IS NOT NULL THEN
		rule := rule || coalesce((SELECT inngest.runs_of_app(a.id) FROM inngest.apps a
			WHERE a.env_id = '00000000-0000-4000-b000-000000000000' AND a.name = given), ' AND false');
	END IF;
	given := inngest.query_value(request, 'event_id');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND r.id = ANY (ARRAY(SELECT inngest.event_run_ids(%L::inngest.ulid)))', inngest.parse_ulid(given, 'event_id'));
	END IF;
	given := inngest.query_value(request, 'from');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND r.id >= %L::inngest.ulid', inngest.parse_time(given, 'from')::inngest.ulid);
	END IF;
	given := inngest.query_value(request, 'until');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND r.id < %L::inngest.ulid', inngest.parse_time(given, 'until')::inngest.ulid);
	END IF;
	given := inngest.query_value(request, 'cursor');
	IF given IS NOT NULL THEN
		rule := rule || format(' AND r.id < %L::inngest.ulid', inngest.parse_ulid(given, 'cursor'));
	END IF;
	RETURN rule;
END
$$;
COMMENT ON FUNCTION inngest.run_filter IS 'internal: the filters of a runs list as a condition on r';

CREATE FUNCTION inngest.status_filters(request jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	one    text;
	result text[] := '{}';
BEGIN
	FOREACH one IN ARRAY coalesce(inngest.query_values(request, 'status'), '{}') LOOP
		one := upper(one);
		result := result || CASE one
			WHEN 'QUEUED' THEN 'r.outcome IS NULL AND r.started_at IS NULL'
			WHEN 'RUNNING' THEN 'r.outcome IS NULL AND r.started_at IS NOT NULL'
			WHEN 'COMPLETED' THEN 'r.outcome = ''COMPLETED'''
			WHEN 'FAILED' THEN 'r.outcome = ''FAILED'''
			WHEN 'CANCELLED' THEN 'r.outcome = ''CANCELLED'''
			WHEN 'SKIPPED' THEN 'r.outcome = ''SKIPPED'''
		END;
		IF result[cardinality(result)] IS NULL THEN
			PERFORM inngest.raise_parameter(format('status must be QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED or SKIPPED, not "%s"', one));
		END IF;
	END LOOP;
	IF cardinality(result) = 0 THEN
		RETURN ARRAY['true'];
	END IF;
	RETURN ARRAY(SELECT DISTINCT unnest(result));
END
$$;
COMMENT ON FUNCTION inngest.status_filters IS 'internal: one condition on r per wanted status';

/*
 * One branch per status, each in the order of its index (outcome, id), so that a rare status among a
 * million runs costs no more than a frequent one.
 */
CREATE FUNCTION inngest.runs_query(request jsonb, rule text, order_ text, wanted integer) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT format('SELECT * FROM (%s) u ORDER BY u.id %s LIMIT %s',
		string_agg(format('(SELECT r.* FROM inngest.function_runs r WHERE %s AND %s ORDER BY r.id %s LIMIT %s)', rule, s, order_, wanted), ' UNION ALL '), order_, wanted)
	FROM unnest(inngest.status_filters(request)) s
$$;
COMMENT ON FUNCTION inngest.runs_query IS 'internal: a query for the first runs of the wanted status that a condition on r lets through';

CREATE FUNCTION inngest.api_list_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wanted integer := inngest.page_limit(request);
	rule   text := inngest.run_filter(request);
	items  jsonb;
BEGIN
	PERFORM inngest.check_query(request, 'limit', 'cursor', 'function_id', 'app_id', 'event_id', 'status', 'from', 'until');
	EXECUTE format('SELECT coalesce(jsonb_agg(inngest.run_json(r) ORDER BY r.id DESC), ''[]'') FROM (%s) x JOIN inngest.function_runs r ON r.id = x.id',
			inngest.runs_query(request, rule, 'DESC', wanted + 1))
		INTO items;
	status := 200;
	body := inngest.page(items, wanted, 'id');
END
$$;
COMMENT ON FUNCTION inngest.api_list_runs IS 'GET /api/v1/runs';

CREATE FUNCTION inngest.run_result(r inngest.function_runs) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT CASE r.outcome
		WHEN 'COMPLETED' THEN coalesce((SELECT a.output FROM inngest.attempts a WHERE a.run_id OPERATOR(inngest.=) r.id AND a.status = 'COMPLETED' LIMIT 1), 'null')
		WHEN 'FAILED' THEN coalesce((SELECT a.error FROM inngest.attempts a WHERE a.run_id OPERATOR(inngest.=) r.id AND a.error IS NOT NULL
			ORDER BY a.ended_at DESC, a.attempt DESC LIMIT 1), 'null')
	END
$$;
COMMENT ON FUNCTION inngest.run_result IS 'internal: output of a completed run, error of a failed one, SQL null of others';

/* What the function is told of a step differs by what the step is (protocol.md 9.1). */
CREATE FUNCTION inngest.steps_json(run inngest.ulid) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('id', s.step_id, 'name', s.name, 'op', s.op, 'status', s.status, 'attempt', s.attempt,
			'started_at', inngest.iso_time(s.started_at), 'ended_at', inngest.iso_time(s.ended_at), 'due_at', inngest.iso_time(s.due_at),
			'output', CASE WHEN s.op IN ('wait', 'sleep') THEN s.memo ELSE s.memo->'data' END,
			'error', CASE WHEN s.status = 'FAILED' THEN s.memo->'error' END) ORDER BY s.started_at, s.ended_at, s.step_id), '[]')
		FROM inngest.run_steps s WHERE s.run_id = run);
END
$$;
COMMENT ON FUNCTION inngest.steps_json IS 'the steps of a run as the API shows them';

CREATE FUNCTION inngest.defers_json(run inngest.ulid) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'name', d.name, 'function_id', d.fn_slug, 'status', d.status, 'reason', d.reason,
			'input', d.input, 'created_at', inngest.iso_time(d.created_at), 'changed_at', inngest.iso_time(d.changed_at)) ORDER BY d.created_at, d.id), '[]')
	FROM inngest.defers d WHERE d.run_id = run
$$;
COMMENT ON FUNCTION inngest.defers_json IS 'what a run has deferred, as the API shows it';

CREATE FUNCTION inngest.run_detail_json(run inngest.ulid) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT inngest.run_json(r) || jsonb_build_object(
		'function_version', r.function_version,
		'events', coalesce((SELECT jsonb_agg(inngest.event_json(e)) FROM inngest.run_events(r) e), '[]'),
		'steps', inngest.steps_json(r.id),
		'defers', inngest.defers_json(r.id),
		'metadata', inngest.metadata_json(r.id),
		'attempts', coalesce((SELECT jsonb_agg(jsonb_build_object('attempt', a.attempt, 'status', a.status, 'step_id', a.step_id, 'step_name', a.step_name,
				'started_at', inngest.iso_time(a.started_at), 'ended_at', inngest.iso_time(a.ended_at),
				'retry_at', inngest.iso_time(a.retry_at), 'error', a.error) ORDER BY a.ended_at, a.attempt)
			FROM inngest.attempts a WHERE a.run_id = r.id), '[]'),
		'output', CASE WHEN r.outcome = 'COMPLETED' THEN inngest.run_result(r) END,
		'error', CASE WHEN r.outcome = 'FAILED' THEN inngest.run_result(r) END,
		'lease', (SELECT jsonb_build_object('attempt', l.attempt, 'leased_at', inngest.iso_time(l.leased_at), 'expires_at', inngest.iso_time(l.expires_at))
			FROM inngest.leases l WHERE l.run_id = r.id),
		'next_attempt_at', coalesce((SELECT inngest.iso_time(q.run_at) FROM inngest.queue q WHERE q.run_id = r.id),
			(SELECT inngest.iso_time(min(coalesce(nullif(j.run_at, 'infinity'), j.queued_at))) FROM inngest.jobs j WHERE j.run_id = r.id AND j.kind IN ('call', 'throttle', 'start'))))
	FROM inngest.function_runs r WHERE r.id = run
$$;
COMMENT ON FUNCTION inngest.run_detail_json IS 'a run with its events, steps, metadata, attempts, output or error; null if there is none';

CREATE FUNCTION inngest.api_get_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run    inngest.ulid := inngest.parse_ulid(request #>> '{path,id}', 'run id');
	detail jsonb := inngest.run_detail_json(run);
BEGIN
	IF detail IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'IN020', MESSAGE = format('run %s does not exist', run);
	END IF;
	status := 200;
	body := jsonb_build_object('data', detail);
END
$$;
COMMENT ON FUNCTION inngest.api_get_run IS 'GET /api/v1/runs/{id}';

CREATE FUNCTION inngest.api_cancel_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.ulid := inngest.parse_ulid(request #>> '{path,id}', 'run id');
BEGIN
	PERFORM inngest.cancel_run(run);
	status := 200;
	body := jsonb_build_object('data', inngest.run_detail_json(run));
END
$$;
COMMENT ON FUNCTION inngest.api_cancel_run IS 'DELETE /api/v1/runs/{id}; a run that has ended stays as it is';

/* ---- the pull runtime ---- */

CREATE FUNCTION inngest.input_object(input jsonb, VARIADIC known text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	unknown text;
BEGIN
	IF input IS NULL OR jsonb_typeof(input) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'IN031', MESSAGE = format('the request body must be a JSON object with: %s', array_to_string(known, ', '));
	END IF;
	SELECT k INTO unknown FROM jsonb_object_keys(input) k WHERE k <> ALL (known) LIMIT 1;
	IF FOUND THEN
		PERFORM inngest.raise_parameter(format('field "%s" is not known here; there are: %s', unknown, array_to_string(known, ', ')));
	END IF;
END
$$;
COMMENT ON FUNCTION inngest.input_object IS 'internal: a body must be an object, without fields that would be ignored silently';

CREATE FUNCTION inngest.input_duration(input jsonb, field text, absent text) RETURNS interval
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	IF input->field IS NULL OR input->field = 'null' THEN
		RETURN inngest.duration(absent);
	END IF;
	IF jsonb_typeof(input->field) <> 'string' THEN
		PERFORM inngest.raise_parameter(format('field "%s" must be a duration such as "30s"', field));
	END IF;
	RETURN inngest.duration(input->>field);
EXCEPTION WHEN SQLSTATE 'IN030' THEN
	PERFORM inngest.raise_parameter(format('field "%s" must be a duration such as "30s", not %s', field, input->field));
END
$$;
COMMENT ON FUNCTION inngest.input_duration IS 'internal: a duration of a request';

CREATE FUNCTION inngest.input_array(input jsonb, field text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	most CONSTANT integer := 1000;
BEGIN
	IF input->field IS NULL OR input->field = 'null' THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(input->field) <> 'array' OR jsonb_array_length(input->field) NOT BETWEEN 1 AND most
		OR jsonb_path_exists(input->field, '$[*] ? (@.type() != "string")')
	THEN
		PERFORM inngest.raise_parameter(format('field "%s" must be an array of 1 to %s strings', field, most));
	END IF;
	RETURN ARRAY(SELECT jsonb_array_elements_text(input->field));
END
$$;
COMMENT ON FUNCTION inngest.input_array IS 'internal: an array of strings of a request, null if absent';

CREATE FUNCTION inngest.api_lease_runs(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	functions text[];
	runs      inngest.ulid[];
	most      integer := 1;
	duration  interval;
	wait      interval;
	next_at   timestamptz;
BEGIN
	PERFORM inngest.input_object(input, 'functions', 'max', 'lease', 'wait', 'run_ids');
	functions := inngest.input_array(input, 'functions');
	IF functions IS NULL THEN
		PERFORM inngest.raise_parameter('field "functions" is missing: the ids of the functions to take runs of');
	END IF;
	SELECT array_agg(inngest.parse_ulid(r, 'run_ids')) INTO runs FROM unnest(inngest.input_array(input, 'run_ids')) r;
	IF coalesce(input->'max', 'null') <> 'null' THEN
		IF input->>'max' !~ '^[0-9]{1,4}$' OR (input->>'max')::integer NOT BETWEEN 1 AND 1000 THEN
			PERFORM inngest.raise_parameter(format('field "max" must be a number from 1 to 1000, not %s', input->'max'));
		END IF;
		most := (input->>'max')::integer;
	END IF;
	duration := inngest.input_duration(input, 'lease', '60s');
	wait := least(inngest.input_duration(input, 'wait', '0s'), interval '60 seconds');

	SELECT jsonb_agg(jsonb_build_object('run_id', l.run_id, 'lease_id', l.lease_id, 'function_id', l.function_id, 'attempt', l.attempt,
			'expires_at', inngest.iso_time(l.expires_at), 'event', l.event, 'events', CASE WHEN l.event IS NULL THEN '[]' ELSE jsonb_build_array(l.event) END))
		INTO body FROM inngest.lease_runs(functions, most, duration, runs) l;
	IF body IS NOT NULL OR wait = interval '0' THEN
		status := 200;
		body := jsonb_build_object('data', coalesce(body, '[]'));
		RETURN;
	END IF;

	-- nothing yet: the HTTP worker asks again when there may be something (src/http/calls.c)
	SELECT min(q.run_at) INTO next_at
	FROM unnest(functions) AS u (slug)
	JOIN inngest.functions f ON f.slug = u.slug AND f.env_id = '00000000-0000-4000-b000-000000000000' AND f.paused_at IS NULL,
	LATERAL (SELECT x.run_at FROM inngest.queue x WHERE x.function_id = f.id AND x.kind = 'attempt' ORDER BY x.run_at, x.id LIMIT 1) q;
	status := 202;
	body := to_jsonb(format('%s %s', floor(extract(epoch FROM wait) * 1000),
		CASE WHEN next_at IS NULL THEN 0
			 ELSE ceil(extract(epoch FROM greatest(next_at, now() + interval '100 milliseconds')) * 1000) END));
END
$$;
COMMENT ON FUNCTION inngest.api_lease_runs IS 'POST /api/v1/runs/lease';

CREATE FUNCTION inngest.input_lease(input jsonb) RETURNS inngest.ulid
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	IF jsonb_typeof(input->'lease_id') IS DISTINCT FROM 'string' THEN
		PERFORM inngest.raise_parameter('field "lease_id" is missing: the lease_id that came with the run');
	END IF;
	RETURN inngest.parse_ulid(input->>'lease_id', 'lease_id');
END
$$;
COMMENT ON FUNCTION inngest.input_lease IS 'internal: the lease that a report is about';

CREATE FUNCTION inngest.api_complete_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.ulid := inngest.parse_ulid(request #>> '{path,id}', 'run id');
BEGIN
	PERFORM inngest.input_object(input, 'lease_id', 'output');
	PERFORM inngest.complete_run(run, inngest.input_lease(input), input->'output');
	status := 200;
	body := jsonb_build_object('data', inngest.run_detail_json(run));
END
$$;
COMMENT ON FUNCTION inngest.api_complete_run IS 'POST /api/v1/runs/{id}/complete';

CREATE FUNCTION inngest.api_fail_run(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.ulid := inngest.parse_ulid(request #>> '{path,id}', 'run id');
BEGIN
	PERFORM inngest.input_object(input, 'lease_id', 'error', 'retry');
	IF coalesce(jsonb_typeof(input->'retry'), 'null') NOT IN ('boolean', 'null') THEN
		PERFORM inngest.raise_parameter('field "retry" must be true or false');
	END IF;
	PERFORM inngest.fail_run(run, inngest.input_lease(input), input->'error', coalesce((input->>'retry')::boolean, true));
	status := 200;
	body := jsonb_build_object('data', inngest.run_detail_json(run));
END
$$;
COMMENT ON FUNCTION inngest.api_fail_run IS 'POST /api/v1/runs/{id}/fail';

CREATE FUNCTION inngest.api_extend_lease(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run        inngest.ulid := inngest.parse_ulid(request #>> '{path,id}', 'run id');
	expires_at timestamptz;
BEGIN
	PERFORM inngest.input_object(input, 'lease_id', 'lease');
	expires_at := inngest.extend_lease(run, inngest.input_lease(input), inngest.input_duration(input, 'lease', '60s'));
	status := 200;
	body := jsonb_build_object('data', jsonb_build_object('run_id', run, 'lease_id', input->'lease_id', 'expires_at', inngest.iso_time(expires_at)));
END
$$;
COMMENT ON FUNCTION inngest.api_extend_lease IS 'POST /api/v1/runs/{id}/extend';
