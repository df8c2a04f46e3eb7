/*
 * Who may do what.  Everything belongs to the engine; nobody else gets anything but what is written here.
 */
DO $$
DECLARE
	object record;
BEGIN
	FOR object IN
		SELECT format('ALTER %s %s OWNER TO inngest_engine', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass) AS change
		FROM pg_class c
		WHERE c.relnamespace = 'inngest'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
		  -- a sequence that belongs to a column follows its table
		  AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'))
		UNION ALL
		SELECT format('ALTER FUNCTION %s OWNER TO inngest_engine', p.oid::regprocedure)
		FROM pg_proc p
		WHERE p.pronamespace = 'inngest'::regnamespace AND p.prokind = 'f'
		UNION ALL
		-- what makes a ULID a value like any other may be used by everybody
		SELECT format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', p.oid::regprocedure)
		FROM pg_proc p
		WHERE p.pronamespace = 'inngest'::regnamespace AND p.prokind = 'f' AND p.proname NOT LIKE 'ulid\_%'
	LOOP
		EXECUTE object.change;
	END LOOP;
END
$$;

GRANT EXECUTE ON FUNCTION
	inngest.send_event(text, jsonb, text, timestamptz, jsonb),
	inngest.send_events(jsonb),
	inngest.invoke_function(text, jsonb, text, timestamptz, jsonb),
	inngest.send_signal(text, jsonb)
TO inngest_sender;

GRANT EXECUTE ON FUNCTION
	inngest.cel_eval(text, jsonb, text), inngest.cron_next(text, timestamptz),
	inngest.cel_check(text, text[], boolean), inngest.canonical_json(jsonb)
TO inngest_sender, inngest_reader;

GRANT SELECT ON
	inngest.environments, inngest.apps, inngest.syncs, inngest.functions, inngest.triggers, inngest.function_cancels, inngest.trigger_keys, inngest.trigger_faults, inngest.schedules, inngest.events, inngest.function_runs, inngest.attempts, inngest.steps, inngest.defers, inngest.run_metadata,
	inngest.jobs, inngest.run_controls, inngest.rates, inngest.debounces, inngest.batches, inngest.batch_events, inngest.pauses, inngest.pause_matches, inngest.deliveries, inngest.cancellations,
	inngest.idempotency_keys, inngest.queue, inngest.leases, inngest.redis_outbox,
	inngest.runs, inngest.run_steps, inngest.queue_depth, inngest.partitions, inngest.trigger_errors, inngest.apps_status
TO inngest_reader;
-- which keys there are, but nothing that could be used as one, or guessed from
GRANT SELECT (name, created_at) ON inngest.event_keys TO inngest_reader;
GRANT SELECT (is_current, created_at) ON inngest.signing_keys TO inngest_reader;
GRANT EXECUTE ON FUNCTION
	inngest.version(), inngest.library_version(), inngest.counters(), inngest.redis_status(), inngest.run_status(inngest.run_outcome, timestamptz),
	inngest.event_json(inngest.events), inngest.run_detail_json(inngest.ulid), inngest.steps_json(inngest.ulid), inngest.defers_json(inngest.ulid), inngest.metadata_json(inngest.ulid, text), inngest.run_result(inngest.function_runs), inngest.run_json(inngest.function_runs), inngest.run_events(inngest.function_runs),
	inngest.function_json(inngest.functions), inngest.iso_time(timestamptz)
TO inngest_reader;
GRANT EXECUTE ON FUNCTION inngest.version(), inngest.library_version() TO inngest_sender;
GRANT EXECUTE ON FUNCTION inngest.generate_ulid(), inngest.duration(text), inngest.step_hash(text) TO inngest_sender, inngest_reader;

GRANT EXECUTE ON FUNCTION
	inngest.register_function(jsonb), inngest.sync_app(text), inngest.archive_app(text), inngest.delete_function(text), inngest.pause_function(text), inngest.resume_function(text),
	inngest.cancel_run(inngest.ulid), inngest.rerun(inngest.ulid, text, jsonb),
	inngest.cancel_runs(text, timestamptz, timestamptz, text), inngest.delete_cancellation(inngest.ulid),
	inngest.lease_runs(text[], integer, interval, inngest.ulid[]), inngest.extend_lease(inngest.ulid, inngest.ulid, interval),
	inngest.complete_run(inngest.ulid, inngest.ulid, jsonb), inngest.fail_run(inngest.ulid, inngest.ulid, jsonb, boolean),
	inngest.create_event_key(text, text), inngest.delete_event_key(text),
	inngest.create_signing_key(text), inngest.rotate_signing_key(), inngest.retire_signing_key(), inngest.delete_signing_keys(),
	inngest.maintain()
TO inngest_admin;

CREATE FUNCTION inngest.installed() RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME', 'inngest_installed';
COMMENT ON FUNCTION inngest.installed IS 'internal: the last word of CREATE EXTENSION';
REVOKE ALL ON FUNCTION inngest.installed() FROM PUBLIC;
SELECT inngest.installed();
