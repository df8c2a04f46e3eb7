/*
 * What the steps of a run have come to: written once, when a step has ended, and never changed.
 *
 * memo is what the function is told of the step when it is called again (protocol.md 9.1): {"data": …} or {"error": …} of a step
 * that ran, the event of a wait, null of a sleep.  It is canonical JSON (RFC 8785), because calls are put together
 * from it byte by byte and are signed.
 *
 * Steps that have not ended are elsewhere: those that run, sleep or are retried in inngest.jobs, those that wait in
 * inngest.pauses.  inngest.run_steps shows them all.
 */
CREATE SEQUENCE inngest.step_position AS bigint;

CREATE TABLE inngest.steps (
	run_id      inngest.ulid NOT NULL,
	id          text COLLATE "C" NOT NULL,
	position    bigint NOT NULL DEFAULT nextval('inngest.step_position'),
	op          text NOT NULL,
	name        text NOT NULL,
	memo        json NOT NULL,
	size        integer NOT NULL,
	attempt     smallint NOT NULL,
	started_at  timestamptz NOT NULL,
	ended_at    timestamptz NOT NULL,
	PRIMARY KEY (run_id, id)
) PARTITION BY RANGE (run_id);
CREATE TABLE inngest.steps_default PARTITION OF inngest.steps DEFAULT;

COMMENT ON SEQUENCE inngest.step_position IS 'orders the steps of a run as they ended';
COMMENT ON TABLE inngest.steps IS 'the recorded result of each step that has ended; kept as long as its run';
COMMENT ON TABLE inngest.steps_default IS 'steps of runs for whose time there is no dated partition';
COMMENT ON COLUMN inngest.steps.id IS 'as the SDK says it: SHA-1 of the id in the code, in hex';
COMMENT ON COLUMN inngest.steps.position IS 'the order in which the steps of a run ended';
COMMENT ON COLUMN inngest.steps.op IS 'run, sleep, wait, signal, invoke; ai and fetch: a request that was made for the function';
COMMENT ON COLUMN inngest.steps.name IS 'the id in the code';
COMMENT ON COLUMN inngest.steps.memo IS 'what the function is told of the step: {"data"}, {"error"}, an event or null';
COMMENT ON COLUMN inngest.steps.size IS 'bytes of memo';
COMMENT ON COLUMN inngest.steps.attempt IS 'the attempt that this is the result of, from 0';

SELECT pg_catalog.pg_extension_config_dump('inngest.steps_default',
	'UNION ALL SELECT run_id, id, position, op, name, memo, size, attempt, started_at, ended_at FROM inngest.steps WHERE tableoid <> ''inngest.steps_default''::pg_catalog.regclass');
SELECT pg_catalog.pg_extension_config_dump('inngest.step_position', '');
