/*
 * What runs of apps have still to do, and what they wait for.
 *
 * A job is work to be done: a call of an app that is to be made now (position is set, run_at is not), or something that has
 * to wait for its time (the other way round; infinity: for a place).  Jobs are inserted and deleted; what has come due is deleted and
 * inserted anew as ready, with the same id. They are updated only to be blocked by a limit, and to be ready again.
 *
 *	call			call the app: for the step step_id, or to find out what is next
 *	throttle		the run is queued from when its throttle lets it start; step_id is what is throttled together
 *	start			the first call of a run that needs a place among those in progress; waits for ever if there is none
 *	sleep			step_id is asleep; then as a call
 *	start_timeout	cancel the run if it has not started
 *	finish_timeout	cancel the run if it has not ended
 *	place_freed		the run has ended, and its place (step_id) is for another
 *
 * A job that an executor finds to be beyond a limit of concurrency is blocked: it is put aside under the key of the limit, so that it is in nobody's
 * way, and made ready again when others of that key have ended (src/execute/blocked.h).
 *
 * Executors take ready jobs app by app, in the order of their positions, and remember how far they have come (src/base/tide.h).
 * Which of them is being executed lives in shared memory: a crash forgets it and the rows are still there.
 */
CREATE SEQUENCE inngest.job_id AS bigint CACHE 32;
CREATE SEQUENCE inngest.job_position AS bigint;

CREATE TABLE inngest.jobs (
	app_id       uuid NOT NULL,
	position     bigint,
	run_at       timestamptz,
	id           bigint NOT NULL DEFAULT nextval('inngest.job_id'),
	kind         text NOT NULL,
	run_id       inngest.ulid NOT NULL,
	function_id  uuid NOT NULL,
	step_id      text COLLATE "C",
	step_name    text,
	after_id     text COLLATE "C",
	attempt      smallint NOT NULL DEFAULT 0,
	generation   integer NOT NULL DEFAULT 1,
	is_planning  boolean NOT NULL DEFAULT false,
	is_grouped   boolean NOT NULL DEFAULT false,
	is_race      boolean NOT NULL DEFAULT false,
	input        json,
	queued_at    timestamptz NOT NULL,
	blocked_on   uuid,
	rank         bigint
);
ALTER SEQUENCE inngest.job_id OWNED BY inngest.jobs.id;
ALTER SEQUENCE inngest.job_position OWNED BY inngest.jobs.position;
CREATE INDEX jobs_ready ON inngest.jobs (app_id, position) WHERE position IS NOT NULL;
CREATE INDEX jobs_timed ON inngest.jobs (run_at, id) WHERE run_at IS NOT NULL;
CREATE INDEX jobs_blocked ON inngest.jobs (blocked_on, function_id, rank, id) WHERE blocked_on IS NOT NULL;
CREATE INDEX jobs_run ON inngest.jobs (run_id);
COMMENT ON TABLE inngest.jobs IS 'calls of apps that are to be made, now or later; sleeps; timeouts of runs; places of runs that have ended';
COMMENT ON SEQUENCE inngest.job_id IS 'names jobs; a job keeps its id when it is tried again';
COMMENT ON SEQUENCE inngest.job_position IS 'orders the jobs that are ready';
COMMENT ON COLUMN inngest.jobs.position IS 'ready: the order in which the jobs of an app are taken; null while the job waits for its time';
COMMENT ON COLUMN inngest.jobs.run_at IS 'not before; infinity when the run waits for a place; null when the job is ready';
COMMENT ON COLUMN inngest.jobs.blocked_on IS 'ready, but for a limit of concurrency that is reached: what those that count together have in common; then it has neither position nor run_at';
COMMENT ON COLUMN inngest.jobs.rank IS 'set with blocked_on: of those that are blocked the least goes on first';
COMMENT ON COLUMN inngest.jobs.kind IS 'call, throttle, start, sleep, start_timeout, finish_timeout or place_freed';
COMMENT ON COLUMN inngest.jobs.step_id IS 'the planned step to be called for, or the step that sleeps; null: find out what is next; of place_freed the place; of throttle what is throttled together';
COMMENT ON COLUMN inngest.jobs.after_id IS 'the step whose end has caused this; null: none';
COMMENT ON COLUMN inngest.jobs.attempt IS 'counts from 0, for each job anew';
COMMENT ON COLUMN inngest.jobs.generation IS 'how often the job was queued';
COMMENT ON COLUMN inngest.jobs.is_planning IS 'the function is to plan its steps rather than run the first';
COMMENT ON COLUMN inngest.jobs.is_grouped IS 'one of several steps at once: only the end of the last one causes a call';
COMMENT ON COLUMN inngest.jobs.is_race IS 'of several steps at once, whose every end causes a call';
COMMENT ON COLUMN inngest.jobs.input IS 'arguments for step_id instead of those in the code; null: none';

/*
 * A step that waits for an event (invoke: for the end of the run it has started; signal: for a signal), or an event that would
 * cancel the run.  A pause ends when it is deleted: by what it waits for, by its timeout, or with its run.
 *
 * path and value_hash look it up by value, as triggers are (20_apps.sql): the event at path must hash to value_hash.  A pause whose
 * expression needs no such equality has neither, and is tried for every event of its name.
 */
CREATE TABLE inngest.pauses (
	run_id       inngest.ulid NOT NULL,
	step_id      text COLLATE "C" NOT NULL,
	kind         text NOT NULL,
	app_id       uuid NOT NULL,
	function_id  uuid NOT NULL,
	name         text NOT NULL,
	event_name   text,
	expression   text,
	path         text COLLATE "C",
	value_hash   bigint,
	signal       text,
	is_grouped   boolean NOT NULL DEFAULT false,
	is_race      boolean NOT NULL DEFAULT false,
	since_xact   xid8 NOT NULL,
	created_at   timestamptz NOT NULL,
	expires_at   timestamptz NOT NULL,
	PRIMARY KEY (run_id, step_id)
);
CREATE INDEX pauses_keyed ON inngest.pauses (event_name, path, value_hash, run_id) WHERE path IS NOT NULL;
CREATE INDEX pauses_unkeyed ON inngest.pauses (event_name, run_id) WHERE path IS NULL;
CREATE UNIQUE INDEX pauses_signal ON inngest.pauses (signal) WHERE signal IS NOT NULL;
CREATE INDEX pauses_expires_at ON inngest.pauses (expires_at);
COMMENT ON TABLE inngest.pauses IS 'steps that wait for an event, a signal or another run, and events that would cancel a run';
COMMENT ON COLUMN inngest.pauses.step_id IS 'the step that waits; of kind cancel: the position in the config, from 1';
COMMENT ON COLUMN inngest.pauses.kind IS 'event, invoke, signal or cancel';
COMMENT ON COLUMN inngest.pauses.expression IS 'over event (the one that has started the run) and async (the new one); null: any event of the name';
COMMENT ON COLUMN inngest.pauses.path IS 'where in the event a value must stand for the expression to be true; null: it has to be tried';
COMMENT ON COLUMN inngest.pauses.value_hash IS 'what that value hashes to (src/cel/key.c)';
COMMENT ON COLUMN inngest.pauses.since_xact IS 'events of transactions before this one were there before the pause, and are not for it';

/*
 * Pauses that an event has ended while their run was busy: what follows is done when it is not.  Beside the pauses, and not in
 * them, because whoever is busy with the run may hold their rows, for as long as his transaction is open.
 */
CREATE TABLE inngest.pause_matches (
	run_id    inngest.ulid NOT NULL,
	step_id   text COLLATE "C" NOT NULL,
	event_id  inngest.ulid NOT NULL,
	PRIMARY KEY (run_id, step_id)
);
COMMENT ON TABLE inngest.pause_matches IS 'pauses that have been ended by an event, while their run was busy';

/*
 * Events that pauses have still to be shown.  Each transaction that sends events leaves one row; the scheduler looks at it
 * after the commit, which no check before the commit could replace: a wait may commit while the sender is open.
 */
CREATE SEQUENCE inngest.delivery_position AS bigint;

CREATE TABLE inngest.deliveries (
	position   bigint NOT NULL DEFAULT nextval('inngest.delivery_position'),
	xact       xid8 NOT NULL DEFAULT pg_current_xact_id(),
	names      text[] NOT NULL,
	event_ids  uuid[] NOT NULL
);
ALTER SEQUENCE inngest.delivery_position OWNED BY inngest.deliveries.position;
CREATE INDEX deliveries_position ON inngest.deliveries (position);
COMMENT ON TABLE inngest.deliveries IS 'events that waiting runs have still to be shown';
COMMENT ON SEQUENCE inngest.delivery_position IS 'orders deliveries';
COMMENT ON COLUMN inngest.deliveries.xact IS 'the transaction that sent the events';
COMMENT ON COLUMN inngest.deliveries.names IS 'the different names of the events';

SELECT pg_catalog.pg_extension_config_dump('inngest.jobs', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.job_id', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.job_position', '');
-- Transactions of another server mean nothing: what is restored was sent after everything that is restored was waiting.
SELECT pg_catalog.pg_extension_config_dump('inngest.pauses',
	'WHERE false UNION ALL SELECT run_id, step_id, kind, app_id, function_id, name, event_name, expression, path, value_hash, signal, is_grouped, is_race, ''0''::pg_catalog.xid8, created_at, expires_at FROM inngest.pauses');
SELECT pg_catalog.pg_extension_config_dump('inngest.pause_matches', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.deliveries',
	'WHERE false UNION ALL SELECT position, ''18446744073709551615''::pg_catalog.xid8, names, event_ids FROM inngest.deliveries');
SELECT pg_catalog.pg_extension_config_dump('inngest.delivery_position', '');
