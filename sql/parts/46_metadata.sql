/*
 * What apps say of runs and their steps beside results: scores, variants of experiments, costs, whatever they like (protocol.md 16.4).
 * It comes with the ops of steps, and at any time by POST /v1/runs/{id}/metadata.  Nothing that a run does depends on it.
 *
 * Whoever changes it has claimed the run, as for any other change of it, so nobody waits for a row of it.  An executor that has to, because
 * of somebody else's statements, drops what it has to say after lock_timeout rather than lose the result of a step.
 */
CREATE TABLE inngest.run_metadata (
	run_id      inngest.ulid NOT NULL,
	step_id     text COLLATE "C" NOT NULL,
	kind        text COLLATE "C" NOT NULL,
	data        jsonb NOT NULL,
	size        integer NOT NULL,
	changed_at  timestamptz NOT NULL,
	PRIMARY KEY (run_id, step_id, kind)
) PARTITION BY RANGE (run_id);
CREATE TABLE inngest.run_metadata_default PARTITION OF inngest.run_metadata DEFAULT;

COMMENT ON TABLE inngest.run_metadata IS 'what apps say of runs and their steps beside results; kept as long as the run';
COMMENT ON TABLE inngest.run_metadata_default IS 'metadata of runs for whose time there is no dated partition';
COMMENT ON COLUMN inngest.run_metadata.step_id IS 'the step, as in inngest.steps; empty: the run itself';
COMMENT ON COLUMN inngest.run_metadata.kind IS 'userland.… of users, inngest.… of SDKs: inngest.score, inngest.experiment, …';
COMMENT ON COLUMN inngest.run_metadata.data IS 'an object';
COMMENT ON COLUMN inngest.run_metadata.size IS 'what it counts for the limits, in bytes';

SELECT pg_catalog.pg_extension_config_dump('inngest.run_metadata_default',
	'UNION ALL SELECT run_id, step_id, kind, data, size, changed_at FROM inngest.run_metadata WHERE tableoid <> ''inngest.run_metadata_default''::pg_catalog.regclass');

CREATE FUNCTION inngest.step_hash(id text) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'inngest_step_hash';
COMMENT ON FUNCTION inngest.step_hash IS 'what SDKs call the step that has this id in the code; the second one of the same id is id:1';

/* Most changes at a time. */
CREATE FUNCTION inngest.metadata_max() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 100 $$;
COMMENT ON FUNCTION inngest.metadata_max IS 'internal: most changes of metadata at a time';

/* A change: {"kind", "op", "values"}.  What is wrong with it; null: nothing. */
CREATE FUNCTION inngest.metadata_fault(change jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT CASE
		WHEN jsonb_typeof(change) IS DISTINCT FROM 'object' THEN 'must be an object: {"kind", "op", "values"}'
		WHEN jsonb_typeof(change->'kind') IS DISTINCT FROM 'string' THEN 'kind must be a text'
		WHEN length(change->>'kind') > 128 THEN 'kind must have at most 128 characters'
		WHEN change->>'kind' !~ '^userland\..' AND change->>'kind' <> ALL ('{inngest.ai,inngest.http,inngest.http.timing,inngest.response_headers,inngest.warnings,inngest.experiment,inngest.score}')
			THEN 'kind must begin with "userland.", or be inngest.ai, inngest.http, inngest.http.timing, inngest.response_headers, inngest.warnings, inngest.experiment or inngest.score'
		WHEN jsonb_typeof(change->'op') IS DISTINCT FROM 'string' OR change->>'op' NOT IN ('merge', 'set', 'delete', 'add') THEN 'op must be merge, set, delete or add'
		WHEN jsonb_typeof(change->'values') IS DISTINCT FROM 'object' THEN 'values must be an object'
		WHEN change->>'op' = 'add' AND EXISTS (SELECT FROM jsonb_each(change->'values') v
				WHERE CASE jsonb_typeof(v.value) WHEN 'number' THEN abs(v.value::numeric) > 1e300 ELSE true END)
			THEN 'values must be numbers of at most 1e300, to be added'
	END
$$;
COMMENT ON FUNCTION inngest.metadata_fault IS 'internal: what is wrong with a change of metadata; null: nothing';

/* What it makes of an object.  What is no number counts as 0, when another is added. */
CREATE FUNCTION inngest.metadata_changed(data jsonb, change jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT CASE change->>'op'
		WHEN 'set' THEN change->'values'
		WHEN 'merge' THEN data || (change->'values')
		WHEN 'delete' THEN data - ARRAY(SELECT jsonb_object_keys(change->'values'))
		ELSE data || coalesce((SELECT jsonb_object_agg(v.key, v.value::numeric + CASE jsonb_typeof(data->v.key) WHEN 'number' THEN (data->v.key)::numeric ELSE 0 END)
			FROM jsonb_each(change->'values') v), '{}')
	END
$$;
COMMENT ON FUNCTION inngest.metadata_changed IS 'internal: metadata after a change';

CREATE FUNCTION inngest.claim_run(run inngest.ulid) RETURNS void
LANGUAGE C STRICT
AS 'MODULE_PATHNAME', 'inngest_claim_run';
COMMENT ON FUNCTION inngest.claim_run IS 'internal: nobody else changes the run until this transaction has ended; an error if somebody does, and does not end in a moment';

/* Of a run that is claimed; step is empty for the run itself.  ERRORs: program_limit_exceeded. */
CREATE FUNCTION inngest.change_metadata(run inngest.ulid, step text, change jsonb) RETURNS void
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	row_size CONSTANT integer := 256; -- of a kind, beside its data, so that there are not too many of them
	step_max CONSTANT integer := 64 * 1024;
	run_max  CONSTANT integer := 1024 * 1024;
	of_step  bigint;
	of_run   bigint;
	changed  jsonb;
BEGIN
	SELECT m.data INTO changed FROM inngest.run_metadata m WHERE m.run_id = run AND m.step_id = step AND m.kind = change->>'kind';
	changed := inngest.metadata_changed(coalesce(changed, '{}'), change);
	INSERT INTO inngest.run_metadata AS m (run_id, step_id, kind, data, size, changed_at)
	VALUES (run, step, change->>'kind', changed, row_size + octet_length(changed::text), clock_timestamp())
	ON CONFLICT (run_id, step_id, kind) DO UPDATE SET data = excluded.data, size = excluded.size, changed_at = excluded.changed_at;

	SELECT sum(m.size) FILTER (WHERE m.step_id = step), sum(m.size) INTO of_step, of_run FROM inngest.run_metadata m WHERE m.run_id = run;
	IF of_step > step_max OR of_run > run_max THEN
		RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE = CASE WHEN of_step > step_max
			THEN format('the metadata would be %s bytes; the limit is %s for a step, or the run itself', of_step, step_max)
			ELSE format('the metadata of the run would be %s bytes; the limit is %s', of_run, run_max) END;
	END IF;
END
$$;
COMMENT ON FUNCTION inngest.change_metadata IS 'internal: change the metadata of a step, or of a run';

/* What comes with the op of a step.  It has happened, so a fault in what is said of it changes nothing but that it is not kept. */
CREATE FUNCTION inngest.note_metadata(run inngest.ulid, step text, changes jsonb) RETURNS void
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	change jsonb;
	fault  text;
BEGIN
	IF jsonb_array_length(changes) > inngest.metadata_max() THEN
		RAISE LOG 'inngest dropped metadata that came with step "%" of run %: % changes; the limit is %', step, run, jsonb_array_length(changes), inngest.metadata_max();
		RETURN;
	END IF;
	FOR change IN
		SELECT c FROM jsonb_array_elements(changes) WITH ORDINALITY AS x (c, n)
		ORDER BY coalesce(c->>'scope' = 'run', false) DESC, (c->>'kind') COLLATE "C", n
	LOOP
		fault := inngest.metadata_fault(change);
		IF fault IS NULL THEN
			BEGIN
				PERFORM inngest.change_metadata(run, CASE change->>'scope' WHEN 'run' THEN '' ELSE step END, change);
			EXCEPTION WHEN program_limit_exceeded OR lock_not_available OR deadlock_detected THEN
				fault := SQLERRM;
			END;
		END IF;
		IF fault IS NOT NULL THEN
			RAISE LOG 'inngest dropped metadata that came with step "%" of run %: %', step, run, fault;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION inngest.note_metadata IS 'internal: the metadata that an app has reported with a step';

CREATE FUNCTION inngest.metadata_json(run inngest.ulid, step text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('kind', m.kind, 'values', m.data)
		|| CASE WHEN step IS NULL THEN jsonb_build_object('step_id', nullif(m.step_id, ''), 'changed_at', inngest.iso_time(m.changed_at)) ELSE '{}' END
		ORDER BY m.step_id, m.kind), '[]')
	FROM inngest.run_metadata m WHERE m.run_id = run AND (step IS NULL OR m.step_id = step)
$$;
COMMENT ON FUNCTION inngest.metadata_json IS 'the metadata of a run and its steps as the API shows it, or of one step (empty: the run itself)';
