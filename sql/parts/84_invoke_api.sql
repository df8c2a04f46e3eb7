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
