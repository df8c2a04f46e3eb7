/*
 * Functions that a run wants started when it has ended, whatever its outcome (protocol.md 8.9): one event inngest/deferred.schedule each.
 *
 * A row is written once, by the op of that id; only its status changes, and never back:
 *
 *	after_run	waits for the end of the run
 *	scheduled	the event was sent
 *	aborted		the run has thought better of it
 *	rejected	it cannot be done, see reason; the run goes on all the same
 */
CREATE TABLE inngest.defers (
	run_id      inngest.ulid NOT NULL,
	id          text COLLATE "C" NOT NULL,
	name        text NOT NULL,
	fn_slug     text,
	status      text NOT NULL,
	reason      text,
	input       jsonb,
	meta        jsonb,
	size        integer NOT NULL,
	created_at  timestamptz NOT NULL,
	changed_at  timestamptz NOT NULL,
	PRIMARY KEY (run_id, id)
) PARTITION BY RANGE (run_id);
CREATE TABLE inngest.defers_default PARTITION OF inngest.defers DEFAULT;

COMMENT ON TABLE inngest.defers IS 'functions that runs want started when they have ended; kept as long as the run';
COMMENT ON TABLE inngest.defers_default IS 'defers of runs for whose time there is no dated partition';
COMMENT ON COLUMN inngest.defers.id IS 'as the SDK says it: SHA-1 of the id in the code, in hex';
COMMENT ON COLUMN inngest.defers.name IS 'the id in the code';
COMMENT ON COLUMN inngest.defers.fn_slug IS 'the id of the function to be started; null if there is none, then it is rejected';
COMMENT ON COLUMN inngest.defers.status IS 'after_run, scheduled, aborted or rejected';
COMMENT ON COLUMN inngest.defers.reason IS 'why it was rejected; else null';
COMMENT ON COLUMN inngest.defers.input IS 'data of the event that starts the function; null if it was rejected';
COMMENT ON COLUMN inngest.defers.meta IS 'meta of that event; null if there is none';
COMMENT ON COLUMN inngest.defers.size IS 'bytes of input';

SELECT pg_catalog.pg_extension_config_dump('inngest.defers_default',
	'UNION ALL SELECT run_id, id, name, fn_slug, status, reason, input, meta, size, created_at, changed_at FROM inngest.defers WHERE tableoid <> ''inngest.defers_default''::pg_catalog.regclass');
