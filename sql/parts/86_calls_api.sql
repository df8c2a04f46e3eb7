/*
 * What SDKs ask and say while they execute a run (protocol.md 7 and 12).
 */
CREATE FUNCTION inngest.checkpoint(run inngest.ulid, input jsonb) RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_checkpoint';
COMMENT ON FUNCTION inngest.checkpoint IS 'internal: record steps that have ended while a call goes on';

CREATE FUNCTION inngest.v1_checkpoint(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	IF input IS NULL OR jsonb_typeof(input) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'IN025', MESSAGE = 'the request body must be a JSON object';
	END IF;
	PERFORM inngest.checkpoint(inngest.v1_id(request, 'run'), input);
	status := 200;
END
$$;
COMMENT ON FUNCTION inngest.v1_checkpoint IS 'POST /v1/checkpoint/{id}/async';

CREATE FUNCTION inngest.v0_living_run(request jsonb) RETURNS inngest.function_runs
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	run    inngest.ulid;
	living inngest.function_runs;
BEGIN
	BEGIN
		run := (request #>> '{path,id}')::inngest.ulid;
	EXCEPTION WHEN invalid_text_representation THEN
		RAISE EXCEPTION USING ERRCODE = 'IN030', MESSAGE = 'The run ID specified is invalid';
	END;
	SELECT * INTO living FROM inngest.function_runs r WHERE r.id = run AND r.outcome IS NULL;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN027', MESSAGE = format('runtime state is no longer available for runID: %s', run);
	END IF;
	RETURN living;
END
$$;
COMMENT ON FUNCTION inngest.v0_living_run IS 'internal: the run of a request, which must not have ended';

-- In the order in which the steps ended, and as they are recorded: SDKs may need the one, and signatures the other.  Then what a rerun has
-- given a step that has not ended.
CREATE FUNCTION inngest.v0_run_actions(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, to_jsonb('{' || concat_ws(',',
		(SELECT string_agg(to_json(s.id)::text || ':' || s.memo::text, ',' ORDER BY s.position) FROM inngest.steps s WHERE s.run_id = r.id),
		(SELECT string_agg(to_json(j.step_id)::text || ':{"input":' || j.input::text || '}', ',') FROM inngest.jobs j
			WHERE j.run_id = r.id AND j.input IS NOT NULL AND NOT EXISTS (SELECT FROM inngest.steps s WHERE s.run_id = r.id AND s.id = j.step_id))) || '}')
	FROM inngest.v0_living_run(request) r
$$;
COMMENT ON FUNCTION inngest.v0_run_actions IS 'GET /v0/runs/{id}/actions';

CREATE FUNCTION inngest.v0_run_batch(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT 200, coalesce((SELECT jsonb_agg(inngest.event_json(e)) FROM inngest.run_events(r) e), '[]')
	FROM inngest.v0_living_run(request) r
$$;
COMMENT ON FUNCTION inngest.v0_run_batch IS 'GET /v0/runs/{id}/batch';
