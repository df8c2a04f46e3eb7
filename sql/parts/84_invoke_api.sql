/*
 * What SDKs ask of the HTTP API beside events: invocations and signals (protocol.md 13).  See 80_http_api.sql for the form of
 * these functions.
 */
CREATE FUNCTION inngest.api_invoke(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	status := 200;
	body := jsonb_build_object('id', inngest.invoke_event(request #>> '{path,id}', coalesce(input, '{}')), 'status', 200);
END
$$;
COMMENT ON FUNCTION inngest.api_invoke IS 'POST /invoke/{id}';

/*
 * What has become of an invocation: the answer, or status 202 as long as the scheduler has not decided.  Each statement sees what was
 * committed before it, and a decision is one transaction: who finds the item gone finds what came of it.
 */
CREATE FUNCTION inngest.v2_invoked(function inngest.functions, event inngest.ulid, idempotency_key text, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	look_ms CONSTANT integer := 50;
	give_up CONSTANT interval := '10 s';
	run     inngest.function_runs;
	code    text;
	reason  text;
BEGIN
	IF EXISTS (SELECT FROM inngest.queue q WHERE q.kind = 'admit' AND q.event_id = event AND q.function_id = function.id) THEN
		IF clock_timestamp() < event::timestamptz + give_up THEN
			status := 202;
			body := to_jsonb(format('0 %s %s', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + look_ms, event));
			RETURN;
		END IF;
		status := 503;
		code := 'undecided';
		reason := format('Event %s was accepted, but it is not decided yet whether it starts a run; ask GET /v2/events/%1$s/runs', event);
	ELSE
		SELECT * INTO run FROM inngest.function_runs r WHERE r.id = ANY (ARRAY(SELECT inngest.event_run_ids(event))) AND r.function_id = function.id;
		IF run.outcome IS DISTINCT FROM 'SKIPPED' AND run.id IS NOT NULL THEN
			status := 200;
			body := inngest.v2_answer(jsonb_build_object('runId', run.id, 'queuedAt', inngest.iso_time(run.id::timestamptz)));
			RETURN;
		END IF;
		status := 422;
		IF run.id IS NOT NULL THEN
			code := 'function_skipped';
			reason := CASE WHEN function.paused_at IS NOT NULL THEN 'The function is paused' ELSE 'A run of this singleton function has not ended yet' END;
		ELSIF EXISTS (SELECT FROM inngest.debounces d WHERE d.function_id = function.id AND d.event_id = event) THEN
			code := 'function_debounced';
			reason := 'The function is debounced: its run begins when no other event has come for a while';
		ELSIF EXISTS (SELECT FROM inngest.batches t JOIN inngest.batch_events b ON b.batch_id = t.id WHERE t.function_id = function.id AND b.event_id = event) THEN
			code := 'function_batched';
			reason := 'The function takes batches: its run begins when there are enough events, or the time of this batch is over';
		ELSE
			SELECT k.run_id INTO run.id FROM inngest.idempotency_keys k
			WHERE k.function_id = function.id AND k.key = encode(substr(sha256(convert_to(idempotency_key, 'UTF8')), 1, 16), 'hex')::uuid;
			IF FOUND THEN
				status := 409;
				body := jsonb_build_object('data', jsonb_build_object('runId', run.id));
				code := 'run_exists';
				reason := format('Run %s was started with this idempotency key within the last 24 hours', run.id);
			ELSIF inngest.config_value(function.config, 'rateLimit') IS NOT NULL OR inngest.config_value(function.config, 'idempotency') IS NOT NULL THEN
				code := 'rate_limited';
				reason := 'The rate limit of the function, or its idempotency, leaves no run for this event now';
			ELSE
				code := 'function_debounced';
				reason := 'The function is debounced, and the run will begin with a later event than this';
			END IF;
		END IF;
	END IF;
	body := coalesce(body, '{}') || jsonb_build_object('errors', jsonb_build_array(jsonb_build_object('code', code, 'message', reason)));
END
$$;
COMMENT ON FUNCTION inngest.v2_invoked IS 'internal: what has become of an invocation by POST /v2/apps/{app}/functions/{function}/invoke';

CREATE FUNCTION inngest.v2_invoke(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	function inngest.functions := inngest.v2_function(inngest.v2_app(request #>> '{path,app}'), request #>> '{path,function}');
	fields   jsonb;
	given    jsonb;
	key      text;
	event    inngest.ulid := request->>'continued';
BEGIN
	IF jsonb_typeof(input) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'IN031', MESSAGE = 'The body must be an object: {"data"?: {...}, "idempotencyKey"?: "..."}';
	END IF;
	fields := inngest.v2_fields(input, 'data', 'idempotencyKey');
	given := coalesce(fields->'idempotencyKey', '""');
	IF jsonb_typeof(given) <> 'string' THEN
		PERFORM inngest.raise_parameter('idempotencyKey must be a text');
	END IF;
	key := nullif(given #>> '{}', '');
	IF event IS NULL THEN
		event := inngest.invoke_event(function.slug, jsonb_strip_nulls(jsonb_build_object('id', key))
			|| jsonb_build_object('data', coalesce(fields->'data', '{}')));
	END IF;
	SELECT * INTO status, body FROM inngest.v2_invoked(function, event, key);
END
$$;
COMMENT ON FUNCTION inngest.v2_invoke IS 'POST /v2/apps/{app}/functions/{function}/invoke: the id of the run, or why there is none';

CREATE FUNCTION inngest.v1_send_signal(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run inngest.ulid;
BEGIN
	IF coalesce(jsonb_typeof(input), 'null') <> 'object' OR jsonb_typeof(input->'signal') IS DISTINCT FROM 'string' OR input->>'signal' = '' THEN
		status := 400;
		body := '{"error": "Invalid signal data", "data": null, "status": 400}';
		RETURN;
	END IF;
	run := inngest.send_signal(input->>'signal', input->'data');
	IF run IS NULL THEN
		status := 404;
		body := '{"error": "No signal found", "data": null, "status": 404}';
		RETURN;
	END IF;
	status := 200;
	body := inngest.v1_answer(jsonb_build_object('run_id', run));
END
$$;
COMMENT ON FUNCTION inngest.v1_send_signal IS 'POST /v1/signals';
