/*
 * The SQL API.  Functions act as inngest_engine, with a search_path of their own.
 *
 * Those that take from the queue forbid sequential scans: their plans are kept, and may have been made
 * when the queue was empty.
 */
CREATE FUNCTION inngest.send_event(
	name text, data jsonb DEFAULT '{}', id text DEFAULT NULL, ts timestamptz DEFAULT NULL, "user" jsonb DEFAULT NULL)
RETURNS inngest.ulid
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_send_event';
COMMENT ON FUNCTION inngest.send_event IS 'send an event: it exists, and starts what it triggers, exactly if the transaction commits; returns its internal id';

CREATE FUNCTION inngest.send_events_array(events jsonb) RETURNS uuid[]
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_send_events';
COMMENT ON FUNCTION inngest.send_events_array IS 'internal: send_events, as an array';

CREATE FUNCTION inngest.send_events(events jsonb) RETURNS SETOF inngest.ulid
LANGUAGE sql STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT e.id::inngest.ulid FROM unnest(inngest.send_events_array($1)) WITH ORDINALITY AS e (id, position) ORDER BY e.position $$;
COMMENT ON FUNCTION inngest.send_events IS 'send an array of events, all or none; returns their internal ids in order';

CREATE FUNCTION inngest.invoke_event(id text, event jsonb) RETURNS inngest.ulid
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_invoke_event';
COMMENT ON FUNCTION inngest.invoke_event IS 'internal: invoke_function, with an event that has no name';

CREATE FUNCTION inngest.invoke_function(
	id text, data jsonb DEFAULT '{}', event_id text DEFAULT NULL, ts timestamptz DEFAULT NULL, "user" jsonb DEFAULT NULL)
RETURNS inngest.ulid
LANGUAGE sql SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT inngest.invoke_event(id, jsonb_build_object('data', data, 'id', event_id, 'ts', floor(extract(epoch FROM ts) * 1000)::bigint, 'user', "user"))
$$;
COMMENT ON FUNCTION inngest.invoke_function IS 'start a function, whatever its triggers are, exactly if the transaction commits; returns the id of the event that does it';

CREATE FUNCTION inngest.send_signal(signal text, data jsonb DEFAULT NULL) RETURNS inngest.ulid
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_send_signal';
COMMENT ON FUNCTION inngest.send_signal IS 'tell the run that waits for a signal; returns that run, or null if none does';

CREATE FUNCTION inngest.register_function_slug(config jsonb) RETURNS text
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_register_function';
COMMENT ON FUNCTION inngest.register_function_slug IS 'internal: register_function, returning the slug only';

CREATE FUNCTION inngest.register_function(config jsonb) RETURNS inngest.functions
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	registered text := inngest.register_function_slug(config);
	stored     inngest.functions;
BEGIN
	-- a statement of its own, so that it sees what has just been written
	SELECT * INTO stored FROM inngest.functions f
	WHERE f.env_id = '00000000-0000-4000-b000-000000000000' AND f.slug = registered;
	RETURN stored;
END
$$;
COMMENT ON FUNCTION inngest.register_function IS 'register a function, or change it; reports every fault of the config at once; returns its row';

CREATE FUNCTION inngest.delete_function(id text) RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_delete_function';
COMMENT ON FUNCTION inngest.delete_function IS 'no new runs of this function; those that exist go on';

CREATE FUNCTION inngest.sync_app(url text) RETURNS uuid
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_sync_app';
COMMENT ON FUNCTION inngest.sync_app IS 'ask the app at a URL to register its functions, after the commit; what becomes of it is in the row of inngest.syncs with this id';

CREATE FUNCTION inngest.archive_app(name text) RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_archive_app';
COMMENT ON FUNCTION inngest.archive_app IS 'no new runs of the functions of an app, and nobody asks it for them, until it registers again; runs that exist go on';

CREATE FUNCTION inngest.archive_app_url(url text) RETURNS integer
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_archive_app_url';
COMMENT ON FUNCTION inngest.archive_app_url IS 'internal: archive_app for all apps at a URL; returns how many';

CREATE FUNCTION inngest.register_app(body jsonb, sdk text, framework text, platform text,
	OUT error_code text, OUT error text, OUT faults jsonb, OUT is_modified boolean, OUT sync_id uuid, OUT app_id uuid)
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_register_app';
COMMENT ON FUNCTION inngest.register_app IS 'internal: what an SDK registers of its app, with what its headers say; the faults as data';

CREATE FUNCTION inngest.in_band_registration(reply jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT jsonb_build_object('appName', reply->'app_id', 'functions', reply->'functions', 'url', reply->'url',
		'framework', reply->'framework', 'platform', reply->'platform', 'appVersion', coalesce(reply->'appVersion', reply->'app_version'),
		'capabilities', reply->'capabilities',
		'sdk', (reply->>'sdk_language') || ':v' || ltrim(reply->>'sdk_version', 'v'))
$$;
COMMENT ON FUNCTION inngest.in_band_registration IS 'internal: what an SDK says of its app in its answer, in the form of what it sends to POST /fn/register';

CREATE FUNCTION inngest.pause_function(id text) RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_pause_function';
COMMENT ON FUNCTION inngest.pause_function IS 'events make skipped runs only, and waiting attempts wait, until the function is resumed';

CREATE FUNCTION inngest.resume_function(id text) RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_resume_function';
COMMENT ON FUNCTION inngest.resume_function IS 'end of a pause';

CREATE FUNCTION inngest.cancel_run(run inngest.ulid) RETURNS boolean
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_cancel_run';
COMMENT ON FUNCTION inngest.cancel_run IS 'end a run as CANCELLED; false if it had ended already';

CREATE FUNCTION inngest.rerun(run inngest.ulid, from_step text DEFAULT NULL, input jsonb DEFAULT NULL) RETURNS inngest.ulid
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_rerun';
COMMENT ON FUNCTION inngest.rerun IS 'start the function of a run once more with the same event, or go on from a step as if only what was before it had happened; returns the new run';

CREATE FUNCTION inngest.lease_runs_ids(functions text[], max integer, lease interval, runs inngest.ulid[],
	OUT run_id inngest.ulid, OUT lease_id inngest.ulid, OUT function_id uuid, OUT attempt integer, OUT expires_at timestamptz)
RETURNS SETOF record
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_lease_runs';
COMMENT ON FUNCTION inngest.lease_runs_ids IS 'internal: lease_runs without what is to be read';

CREATE FUNCTION inngest.event_json(e inngest.events) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT jsonb_build_object('id', coalesce(e.caller_id, e.id::text), 'name', e.name, 'data', e.data, 'user', coalesce(e."user", '{}'),
			'ts', floor(extract(epoch FROM e.ts) * 1000)::bigint)
		|| CASE WHEN e.v IS NULL THEN '{}' ELSE jsonb_build_object('v', e.v) END
		|| CASE WHEN e.meta IS NULL THEN '{}' ELSE jsonb_build_object('meta', e.meta) END
$$;
COMMENT ON FUNCTION inngest.event_json IS 'an event as functions see it (protocol: name, data, user, id, ts, v, meta)';

CREATE FUNCTION inngest.lease_runs(functions text[], max integer DEFAULT 1, lease interval DEFAULT '60s', runs inngest.ulid[] DEFAULT NULL,
	OUT run_id inngest.ulid, OUT lease_id inngest.ulid, OUT function_id text, OUT attempt integer, OUT expires_at timestamptz, OUT event jsonb)
RETURNS SETOF record
LANGUAGE sql SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT l.run_id, l.lease_id, f.slug, l.attempt, l.expires_at, CASE WHEN e.id IS NOT NULL THEN inngest.event_json(e) END
	FROM inngest.lease_runs_ids($1, $2, $3, $4) l
	JOIN inngest.functions f ON f.id = l.function_id
	LEFT JOIN inngest.function_runs r ON r.id = l.run_id
	LEFT JOIN inngest.events e ON e.id = r.event_id
$$;
COMMENT ON FUNCTION inngest.lease_runs IS 'take up to max waiting attempts of pull functions for a time; with runs, only of those';

CREATE FUNCTION inngest.extend_lease(run inngest.ulid, lease inngest.ulid, duration interval DEFAULT '60s') RETURNS timestamptz
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_extend_lease';
COMMENT ON FUNCTION inngest.extend_lease IS 'let a lease expire so long from now; returns when that is';

CREATE FUNCTION inngest.complete_run(run inngest.ulid, lease inngest.ulid, output jsonb DEFAULT NULL) RETURNS void
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_complete_run';
COMMENT ON FUNCTION inngest.complete_run IS 'end a leased run as COMPLETED; an error if the lease is lost';

CREATE FUNCTION inngest.fail_run(run inngest.ulid, lease inngest.ulid, error jsonb DEFAULT NULL, retry boolean DEFAULT true) RETURNS timestamptz
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_fail_run';
COMMENT ON FUNCTION inngest.fail_run IS 'report a failed attempt; returns when the next may start, null if the run has FAILED for good';

CREATE FUNCTION inngest.library_version() RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'inngest_library_version';
COMMENT ON FUNCTION inngest.library_version IS 'version of the loaded library';

CREATE FUNCTION inngest.version(OUT library text, OUT installed text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$ SELECT inngest.library_version(), extversion FROM pg_extension WHERE extname = 'inngest' $$;
COMMENT ON FUNCTION inngest.version IS 'version of the loaded library and of the installed SQL; they differ until ALTER EXTENSION inngest UPDATE';

-- They read no table and look up no name, so they act as their caller and pin no search_path, which would cost more than
-- most evaluations.
CREATE FUNCTION inngest.cron_next(cron text, after timestamptz DEFAULT now()) RETURNS timestamptz
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'inngest_cron_next';
COMMENT ON FUNCTION inngest.cron_next IS 'when a cron trigger fires next after a time; null: never';

CREATE FUNCTION inngest.cel_eval(expression text, variables jsonb, dialect text DEFAULT 'inngest') RETURNS jsonb
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'inngest_cel_eval';
COMMENT ON FUNCTION inngest.cel_eval IS 'evaluate an expression; variables is an object whose keys are the names it can use, dialect is inngest or strict';

CREATE FUNCTION inngest.cel_check(expression text, roots text[] DEFAULT '{event}', restrictive boolean DEFAULT false)
RETURNS TABLE (problem text, "position" integer, message text)
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'inngest_cel_check';
COMMENT ON FUNCTION inngest.cel_check IS 'what is wrong with an expression, a row each; roots are the names it may use, restrictive forbids what cancelOn does not allow';

CREATE FUNCTION inngest.canonical_json(value jsonb) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'inngest_canonical_json';
COMMENT ON FUNCTION inngest.canonical_json IS 'the one text of a value that RFC 8785 defines, which is what requests to apps are signed over';
