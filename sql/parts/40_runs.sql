/*
 * Runs: one execution of one function for one event, or a batch of them.
 *
 * The row of a run is small and changes when it starts, when its app has said which version of the protocol it speaks, and when it ends.  Payloads are
 * elsewhere, in rows that are written once: the input is the event, the output belongs to the attempt
 * that made it.  The first two changes are of columns that no index has, so they are HOT updates if their page has room: that is why it
 * is filled by less than a half.
 *
 * The tables that every event or report writes to have no CHECK constraints: PostgreSQL would parse them
 * anew in each statement, which costs more than the insertion.
 *
 * The status that people see is not stored, it follows from the columns (inngest.run_status below).
 */
CREATE TYPE inngest.run_outcome AS ENUM ('COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED');
COMMENT ON TYPE inngest.run_outcome IS 'how a run ended';

CREATE TABLE inngest.function_runs (
	id                inngest.ulid NOT NULL PRIMARY KEY,
	function_id       uuid NOT NULL,
	function_version  integer NOT NULL,
	event_id          inngest.ulid NOT NULL,
	outcome           inngest.run_outcome,
	started_at        timestamptz,
	ended_at          timestamptz,
	original_run_id   inngest.ulid,
	batch_id          inngest.ulid,
	request_version   smallint NOT NULL DEFAULT -1,
	is_planning       boolean NOT NULL DEFAULT false,
	has_controls      boolean NOT NULL DEFAULT false,
	has_defers        boolean NOT NULL DEFAULT false
) PARTITION BY RANGE (id);
CREATE INDEX function_runs_function ON inngest.function_runs (function_id, id);
CREATE INDEX function_runs_event ON inngest.function_runs (event_id);
CREATE INDEX function_runs_batch ON inngest.function_runs (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX function_runs_outcome ON inngest.function_runs (outcome, id);
CREATE TABLE inngest.function_runs_default PARTITION OF inngest.function_runs DEFAULT WITH (fillfactor = 45);

COMMENT ON TABLE inngest.function_runs IS 'one row per run; ended runs are kept for inngest.run_retention; read it through inngest.runs';
COMMENT ON TABLE inngest.function_runs_default IS 'runs for whose time there is no dated partition';
COMMENT ON COLUMN inngest.function_runs.id IS 'its time is when the run was created (queued_at)';
COMMENT ON COLUMN inngest.function_runs.outcome IS 'null until the run has ended, as is ended_at';
COMMENT ON COLUMN inngest.function_runs.started_at IS 'when the first attempt was taken up';
COMMENT ON COLUMN inngest.function_runs.request_version IS 'version of the protocol that the SDK speaks; -1: it has not said yet';
COMMENT ON COLUMN inngest.function_runs.is_planning IS 'the function is to plan its steps, from now on (version 1 of the protocol)';
COMMENT ON COLUMN inngest.function_runs.has_controls IS 'until it ends there is a row in run_controls';
COMMENT ON COLUMN inngest.function_runs.has_defers IS 'there are rows of it in inngest.defers';
COMMENT ON COLUMN inngest.function_runs.event_id IS 'the event that has started the run; the first one of a batch';
COMMENT ON COLUMN inngest.function_runs.batch_id IS 'set: it was started by the events of this batch';
COMMENT ON COLUMN inngest.function_runs.original_run_id IS 'a rerun: the first run for this event, of which this is a repetition; else null';

/*
 * What became of an attempt: written once, when it ends.  Of a pull run every attempt is here.  Of other runs those are that
 * failed, and the one that ended the run: a step that succeeded is in inngest.steps.  The output of a run is the output of
 * its completed attempt, the error of a failed run that of its last.
 */
CREATE TABLE inngest.attempts (
	run_id      inngest.ulid NOT NULL,
	job_id      bigint NOT NULL DEFAULT 0,
	attempt     smallint NOT NULL,
	status      text NOT NULL,
	started_at  timestamptz NOT NULL,
	ended_at    timestamptz NOT NULL,
	retry_at    timestamptz,
	step_id     text COLLATE "C",
	step_name   text,
	output      jsonb,
	error       jsonb,
	PRIMARY KEY (run_id, job_id, attempt)
) PARTITION BY RANGE (run_id);
CREATE TABLE inngest.attempts_default PARTITION OF inngest.attempts DEFAULT;

COMMENT ON TABLE inngest.attempts IS 'finished attempts of runs, with their output or error';
COMMENT ON TABLE inngest.attempts_default IS 'attempts of runs for whose time there is no dated partition';
COMMENT ON COLUMN inngest.attempts.job_id IS 'the job that was attempted; 0: the run is of the pull runtime';
COMMENT ON COLUMN inngest.attempts.attempt IS 'counts from 0, for each job anew';
COMMENT ON COLUMN inngest.attempts.step_id IS 'the step that failed; null: the function itself';
COMMENT ON COLUMN inngest.attempts.status IS 'COMPLETED, FAILED, EXPIRED or CANCELLED; EXPIRED: the lease ran out before a report came';
COMMENT ON COLUMN inngest.attempts.retry_at IS 'when the next attempt may start; null: there is none';

/*
 * One run per function and event id within 24 hours.  Only events with an id of the sender's need a row:
 * internal ids are unique.
 */
CREATE TABLE inngest.idempotency_keys (
	function_id  uuid NOT NULL,
	key          uuid NOT NULL,
	run_id       inngest.ulid NOT NULL,
	expires_at   timestamptz NOT NULL,
	PRIMARY KEY (function_id, key)
);
CREATE INDEX idempotency_keys_expires_at ON inngest.idempotency_keys (expires_at);
COMMENT ON TABLE inngest.idempotency_keys IS 'which event ids have started a run of a function in the last 24 hours';
COMMENT ON COLUMN inngest.idempotency_keys.key IS 'first 16 bytes of the SHA-256 of the event id';

CREATE FUNCTION inngest.run_status(outcome inngest.run_outcome, started_at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN outcome IS NOT NULL THEN outcome::text WHEN started_at IS NULL THEN 'QUEUED' ELSE 'RUNNING' END $$;
COMMENT ON FUNCTION inngest.run_status IS 'QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED or SKIPPED';

SELECT pg_catalog.pg_extension_config_dump('inngest.function_runs_default',
	'UNION ALL SELECT id, function_id, function_version, event_id, outcome, started_at, ended_at, original_run_id, batch_id, request_version, is_planning, has_controls, has_defers FROM inngest.function_runs WHERE tableoid <> ''inngest.function_runs_default''::pg_catalog.regclass');
SELECT pg_catalog.pg_extension_config_dump('inngest.attempts_default',
	'UNION ALL SELECT run_id, job_id, attempt, status, started_at, ended_at, retry_at, step_id, step_name, output, error FROM inngest.attempts WHERE tableoid <> ''inngest.attempts_default''::pg_catalog.regclass');
SELECT pg_catalog.pg_extension_config_dump('inngest.idempotency_keys', '');
