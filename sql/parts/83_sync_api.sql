/*
 * What SDKs ask of the HTTP API when they register their app (protocol.md 5).  See 80_http_api.sql for the form of these
 * functions.
 */
CREATE FUNCTION inngest.api_fn_register(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	headers CONSTANT jsonb := request->'headers';
	ours    CONSTANT text := current_setting('inngest.mode');
	theirs  CONSTANT text := headers->>'x-inngest-expected-server-kind';
	result  record;
BEGIN
	IF input IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'IN031', MESSAGE = 'Invalid request: the body must be a JSON object';
	END IF;
	IF theirs <> '' AND theirs <> ours THEN
		status := 400;
		body := jsonb_build_object('error', format('Expected server kind %s, got %s', ours, theirs), 'status', 400);
		RETURN;
	END IF;
	SELECT * INTO result FROM inngest.register_app(input, headers->>'x-inngest-sdk', headers->>'x-inngest-framework', headers->>'x-inngest-platform');
	IF result.error_code IS NULL THEN
		status := 200;
		body := jsonb_build_object('ok', true, 'modified', result.is_modified, 'sync_id', result.sync_id, 'app_id', result.app_id);
	ELSE
		status := 400;
		body := jsonb_build_object('code', result.error_code, 'error', result.error, 'data', jsonb_build_object('errors', result.faults), 'status', 400);
	END IF;
END
$$;
COMMENT ON FUNCTION inngest.api_fn_register IS 'POST /fn/register';

CREATE FUNCTION inngest.api_fn_remove(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	url CONSTANT text := inngest.query_value(request, 'url');
BEGIN
	IF url IS NULL THEN
		PERFORM inngest.raise_parameter('query parameter "url" is missing: the URL of the app');
	END IF;
	IF inngest.archive_app_url(url) = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'IN012', MESSAGE = format('no app at "%s" is registered', url);
	END IF;
	status := 200;
	body := '{"ok": true}';
END
$$;
COMMENT ON FUNCTION inngest.api_fn_remove IS 'DELETE /fn/remove';
