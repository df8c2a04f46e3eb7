/*
 * Durable endpoints: requests to an app that became runs while the app answered them (protocol.md 12.3).  src/endpoints.c says how.
 *
 * A user whose request goes on in the background is sent to the output of its run with a token, which is good for an hour and for this
 * run.  Tokens are signed with a secret that is made when the extension is, and is in no dump: nobody else can make them,
 * and those of a database do not open its copy.
 */
CREATE TABLE inngest.secrets (
	name    text NOT NULL PRIMARY KEY,
	secret  text NOT NULL
);
COMMENT ON TABLE inngest.secrets IS 'what only this database knows';
COMMENT ON COLUMN inngest.secrets.secret IS 'token: what tokens for the output of runs are signed with';

INSERT INTO inngest.secrets (name, secret)
SELECT 'token', encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');

CREATE FUNCTION inngest.start_endpoint_run(input jsonb, sdk text, OUT fn_id uuid, OUT app_id uuid)
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_start_endpoint_run';
COMMENT ON FUNCTION inngest.start_endpoint_run IS 'internal: a run that its app has begun and executes; its function is registered if it is new';

CREATE FUNCTION inngest.report_endpoint_run(run inngest.ulid, input jsonb) RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_report_endpoint_run';
COMMENT ON FUNCTION inngest.report_endpoint_run IS 'internal: what an app says of a run that it has begun';

CREATE FUNCTION inngest.sign_token(claims jsonb) RETURNS text
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_sign_token';
COMMENT ON FUNCTION inngest.sign_token IS 'internal: a JSON Web Token with these claims';

CREATE FUNCTION inngest.read_token(token text) RETURNS jsonb
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_read_token';
COMMENT ON FUNCTION inngest.read_token IS 'internal: the claims of a token of ours; null if it is none';

CREATE FUNCTION inngest.run_token(run inngest.ulid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT inngest.sign_token(jsonb_build_object('iss', 'api.inngest.com', 'sub', 'run-claim', 'iat', now_s, 'exp', now_s + 3600,
		'Env', '00000000-0000-4000-b000-000000000000', 'RunID', run))
	FROM floor(extract(epoch FROM clock_timestamp())) AS now_s
$$;
COMMENT ON FUNCTION inngest.run_token IS 'internal: a token for the output of a run, good for an hour';

-- SDKs want one; there is nothing yet that it opens.
CREATE FUNCTION inngest.realtime_token(run inngest.ulid) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT inngest.sign_token(jsonb_build_object('iss', 'rt.inngest.com', 'sub', '00000000-0000-4000-a000-000000000000', 'iat', now_s, 'exp', now_s + 960,
		'jti', inngest.generate_ulid(), 'env', '00000000-0000-4000-b000-000000000000', 'publish', false,
		'topics', jsonb_build_array(jsonb_build_object('kind', 'run', 'env_id', '00000000-0000-4000-b000-000000000000', 'channel', run, 'name', '$stream'))))
	FROM floor(extract(epoch FROM clock_timestamp())) AS now_s
$$;
COMMENT ON FUNCTION inngest.realtime_token IS 'internal: a token for what a run publishes';

CREATE FUNCTION inngest.v1_start_endpoint(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	made record;
	run  inngest.ulid;
BEGIN
	SELECT * INTO made FROM inngest.start_endpoint_run(coalesce(input, 'null'), request #>> '{headers,x-inngest-sdk}');
	run := (input->>'run_id')::inngest.ulid;
	status := 200;
	body := inngest.v1_answer(jsonb_build_object('fn_id', made.fn_id, 'app_id', made.app_id, 'run_id', run, 'realtime_token', inngest.realtime_token(run))
		|| CASE WHEN jsonb_typeof(input->'steps') = 'array' AND input->'steps' <> '[]' THEN jsonb_build_object('token', inngest.run_token(run)) ELSE '{}' END);
END
$$;
COMMENT ON FUNCTION inngest.v1_start_endpoint IS 'POST /v1/checkpoint';

CREATE FUNCTION inngest.v1_endpoint_steps(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	PERFORM inngest.report_endpoint_run(inngest.v1_id(request, 'run'), coalesce(input, 'null'));
	status := 200;
END
$$;
COMMENT ON FUNCTION inngest.v1_endpoint_steps IS 'POST /v1/checkpoint/{id}/steps';

/*
 * What an endpoint has answered, as "Name: value" lines, an empty one, and the body.  What is about the connection is not for
 * another one.
 */
CREATE FUNCTION inngest.endpoint_answer(answer jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
	SELECT coalesce((
			SELECT string_agg(format(E'%s: %s\n', h.key, h.value), '' ORDER BY h.key)
			FROM (SELECT * FROM jsonb_each_text(CASE jsonb_typeof(answer->'headers') WHEN 'object' THEN answer->'headers' ELSE '{}' END) LIMIT 64) h
			WHERE h.key ~ '^[A-Za-z][A-Za-z0-9_-]*$' AND h.value ~ '^[ -~]*$' AND NOT starts_with(lower(h.key), 'x-inngest-')
			  AND lower(h.key) NOT IN ('connection', 'keep-alive', 'transfer-encoding', 'content-length', 'content-encoding', 'date', 'server', 'trailer', 'upgrade', 'x-run-id')), '')
		|| E'\n'
		|| coalesce(CASE jsonb_typeof(answer->'body') WHEN 'string' THEN answer->>'body' WHEN 'null' THEN '' ELSE (answer->'body')::text END, '')
$$;
COMMENT ON FUNCTION inngest.endpoint_answer IS 'internal: the head and the body of what an endpoint has answered';

CREATE FUNCTION inngest.is_endpoint_answer(answer jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN jsonb_typeof(answer) = 'object' AND jsonb_typeof(answer->'status') = 'number' AND answer ? 'body' THEN (answer->>'status')::numeric BETWEEN 200 AND 599 ELSE false END $$;
COMMENT ON FUNCTION inngest.is_endpoint_answer IS 'internal: is it what an endpoint has answered, and not just what its function returned?';

CREATE FUNCTION inngest.v1_endpoint_output(request jsonb, input jsonb, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	wait_ms CONSTANT integer := 300000;
	look_ms CONSTANT integer := 2000;
	claims  jsonb := inngest.read_token(coalesce(inngest.query_value(request, 'token'), ''));
	now_ms  bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
	run     inngest.function_runs;
	result  jsonb;
BEGIN
	IF claims->>'RunID' IS DISTINCT FROM upper(request #>> '{path,id}') OR (claims->>'exp')::numeric * 1000 < now_ms THEN
		RAISE EXCEPTION USING ERRCODE = 'IN014', MESSAGE = 'the token is not one for this run, or its time is over';
	END IF;
	run := inngest.v1_run(request);
	IF run.outcome IS NULL THEN
		status := 202;
		body := to_jsonb(format('%s %s', wait_ms, now_ms + look_ms));
		RETURN;
	END IF;
	result := inngest.run_result(run);
	IF run.outcome = 'COMPLETED' AND inngest.is_endpoint_answer(result) THEN
		status := (result->>'status')::numeric::integer;
		body := to_jsonb(inngest.endpoint_answer(result));
		RETURN;
	END IF;
	status := CASE run.outcome WHEN 'COMPLETED' THEN 200 ELSE 500 END;
	body := to_jsonb(E'Content-Type: application/json\n\n' || coalesce(result, jsonb_build_object('name', 'Error', 'message', format('the run was %s', lower(run.outcome::text))))::text);
END
$$;
COMMENT ON FUNCTION inngest.v1_endpoint_output IS 'GET /v1/checkpoint/{id}/output: what the run has come to; waits for that';
