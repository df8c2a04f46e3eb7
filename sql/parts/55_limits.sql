/*
 * Flow control: what the config of a function says of how its runs begin and go on, and what there is to remember for that.
 *
 * Counters and windows are written by the scheduler alone, after senders have committed, so no sender ever waits for another.
 */

/* What was decided about a run when it was created, and holds until it ends; its row goes with the end. */
CREATE TABLE inngest.run_controls (
	run_id      inngest.ulid NOT NULL PRIMARY KEY,
	priority    integer NOT NULL DEFAULT 0,
	singleton   uuid,
	limit_1     text,
	value_1     text,
	limit_2     text,
	value_2     text,
	place       uuid,
	rank        bigint,
	is_waiting  boolean NOT NULL DEFAULT false,
	has_place   boolean NOT NULL DEFAULT false
);
CREATE INDEX run_controls_waiting ON inngest.run_controls (place, rank, run_id) WHERE is_waiting;
CREATE INDEX run_controls_taken ON inngest.run_controls (place) WHERE has_place;
CREATE INDEX run_controls_singleton ON inngest.run_controls (singleton, run_id) WHERE singleton IS NOT NULL;
COMMENT ON TABLE inngest.run_controls IS 'runs that have not ended, of functions with flow control that goes beyond their start';
COMMENT ON COLUMN inngest.run_controls.priority IS 'seconds by which it goes before runs that were queued earlier';

COMMENT ON COLUMN inngest.run_controls.singleton IS 'it is to be the only run with this value, which stands for its function and key; null: it is no singleton';
COMMENT ON COLUMN inngest.run_controls.limit_1 IS 'a limit of concurrency with a key: its scope and that';
COMMENT ON COLUMN inngest.run_controls.value_1 IS 'what the key has come to';
COMMENT ON COLUMN inngest.run_controls.place IS 'what those have in common of which only so many may be in progress; null: there is no such limit';
COMMENT ON COLUMN inngest.run_controls.rank IS 'of those that wait for a place the least has it first: microseconds since 2000, less its priority';
COMMENT ON COLUMN inngest.run_controls.is_waiting IS 'it could start, but for a place';
COMMENT ON COLUMN inngest.run_controls.has_place IS 'it is in progress, and counts';

SELECT pg_catalog.pg_extension_config_dump('inngest.run_controls', '');

/*
 * How far rate limits and throttles are used up: until when everything that was let through would have taken, one after the other (the
 * "theoretical arrival time" of GCRA).  A row whose time has passed means nothing.
 */
CREATE TABLE inngest.rates (
	function_id  uuid NOT NULL,
	kind         text NOT NULL,
	key          uuid NOT NULL,
	busy_until   bigint NOT NULL,
	PRIMARY KEY (function_id, kind, key)
);
CREATE INDEX rates_busy_until ON inngest.rates (busy_until);
COMMENT ON TABLE inngest.rates IS 'how far rate limits and throttles of functions are used up';
COMMENT ON COLUMN inngest.rates.kind IS 'limit or throttle';
COMMENT ON COLUMN inngest.rates.key IS 'first 16 bytes of the SHA-256 of what the key expression came to; zeroes: there is none';
COMMENT ON COLUMN inngest.rates.busy_until IS 'nanoseconds since 2000';

/* Events that wait until no other has come for a while: the last of each function and key. */
CREATE TABLE inngest.debounces (
	function_id  uuid NOT NULL,
	key          uuid NOT NULL,
	event_id     inngest.ulid NOT NULL,
	ts           timestamptz NOT NULL,
	is_paused    boolean NOT NULL,
	fire_at      timestamptz NOT NULL,
	latest_at    timestamptz NOT NULL,
	PRIMARY KEY (function_id, key)
);
CREATE INDEX debounces_fire_at ON inngest.debounces (fire_at);
COMMENT ON TABLE inngest.debounces IS 'events that start a run if no other comes in the meantime';
COMMENT ON COLUMN inngest.debounces.key IS 'as in inngest.rates';
COMMENT ON COLUMN inngest.debounces.ts IS 'of the event';
COMMENT ON COLUMN inngest.debounces.is_paused IS 'the function was paused when the event came';
COMMENT ON COLUMN inngest.debounces.fire_at IS 'when it starts the run, if nothing comes';
COMMENT ON COLUMN inngest.debounces.latest_at IS 'when it does whatever comes; infinity: never';

SELECT pg_catalog.pg_extension_config_dump('inngest.rates', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.debounces', '');
