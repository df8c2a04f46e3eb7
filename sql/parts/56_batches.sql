/*
 * Batches: events of a function that are gathered for one run.  The scheduler adds them in the order in which it decides on them, and creates
 * the run when there are enough, or the time of the batch is over.
 */
CREATE TABLE inngest.batches (
	function_id  uuid NOT NULL,
	key          uuid NOT NULL,
	id           inngest.ulid NOT NULL UNIQUE,
	nevents      integer NOT NULL,
	bytes        bigint NOT NULL,
	fire_at      timestamptz NOT NULL,
	PRIMARY KEY (function_id, key)
);
CREATE INDEX batches_fire_at ON inngest.batches (fire_at);
COMMENT ON TABLE inngest.batches IS 'batches whose run has not been created yet';
COMMENT ON COLUMN inngest.batches.key IS 'as in inngest.rates';
COMMENT ON COLUMN inngest.batches.bytes IS 'of its events';
COMMENT ON COLUMN inngest.batches.fire_at IS 'when its run is created, if it is not full before';

CREATE TABLE inngest.batch_events (
	batch_id  inngest.ulid NOT NULL,
	position  integer NOT NULL,
	event_id  inngest.ulid NOT NULL,
	bytes     integer NOT NULL,
	PRIMARY KEY (batch_id, position)
) PARTITION BY RANGE (batch_id);
CREATE INDEX batch_events_event ON inngest.batch_events (event_id);
CREATE TABLE inngest.batch_events_default PARTITION OF inngest.batch_events DEFAULT;
COMMENT ON TABLE inngest.batch_events IS 'which events a batch has; function_runs.batch_id is the batch of a run';
COMMENT ON TABLE inngest.batch_events_default IS 'events of batches for whose time there is no dated partition';
COMMENT ON COLUMN inngest.batch_events.bytes IS 'of the event, as jsonb';
COMMENT ON COLUMN inngest.batch_events.position IS 'counts from 0';

/* The events of a run, in their order. */
CREATE FUNCTION inngest.run_events(run inngest.function_runs) RETURNS SETOF inngest.events
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT x.e FROM (
		SELECT 0 AS position, e FROM inngest.events e WHERE run.batch_id IS NULL AND e.id = run.event_id
		UNION ALL
		SELECT b.position, e FROM inngest.batch_events b JOIN inngest.events e ON e.id = b.event_id WHERE b.batch_id = run.batch_id
	) x (position, e) ORDER BY x.position
$$;
COMMENT ON FUNCTION inngest.run_events IS 'internal: the events of a run, in their order';

CREATE FUNCTION inngest.event_run_ids(event inngest.ulid) RETURNS SETOF inngest.ulid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT r.id FROM inngest.function_runs r WHERE r.event_id = event
	UNION
	SELECT r.id FROM inngest.batch_events b JOIN inngest.function_runs r ON r.batch_id = b.batch_id WHERE b.event_id = event
$$;
COMMENT ON FUNCTION inngest.event_run_ids IS 'internal: the runs that an event has started, alone or with others';

SELECT pg_catalog.pg_extension_config_dump('inngest.batches', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.batch_events_default',
	'UNION ALL SELECT batch_id, position, event_id, bytes FROM inngest.batch_events WHERE tableoid <> ''inngest.batch_events_default''::pg_catalog.regclass');
