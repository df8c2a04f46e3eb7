/*
 * The queue: what is to be done, and from when on.  Items are inserted and deleted, never updated.
 *
 *	attempt	make an attempt at a run
 *	admit	decide whether an event starts a run (src/schedule/admit.c says when that cannot be
 *			decided in the sender's transaction)
 *
 * The primary key is the order in which one function's items are taken.  run_at lies in the key, so
 * items of the future cost nothing to those that are ready.
 */
CREATE SEQUENCE inngest.queue_id AS bigint CACHE 32;

CREATE TABLE inngest.queue (
	function_id  uuid NOT NULL,
	run_at       timestamptz NOT NULL,
	id           bigint NOT NULL DEFAULT nextval('inngest.queue_id'),
	kind         text NOT NULL,
	run_id       inngest.ulid,
	event_id     inngest.ulid,
	attempt      smallint NOT NULL DEFAULT 0,
	PRIMARY KEY (function_id, run_at, id)
);
ALTER SEQUENCE inngest.queue_id OWNED BY inngest.queue.id;
CREATE INDEX queue_run ON inngest.queue (run_id);
CREATE INDEX queue_admit ON inngest.queue (run_at, id) WHERE kind = 'admit';
CREATE INDEX queue_admit_event ON inngest.queue (event_id) WHERE kind = 'admit';
COMMENT ON TABLE inngest.queue IS 'work that waits for its time or for somebody to take it';
COMMENT ON SEQUENCE inngest.queue_id IS 'orders queue items of the same time';
COMMENT ON COLUMN inngest.queue.kind IS 'attempt: run_id and attempt are set; admit: event_id is';
COMMENT ON COLUMN inngest.queue.run_at IS 'not before';
COMMENT ON COLUMN inngest.queue.attempt IS 'admit: how far the decision has come (src/store/queue.h)';

/*
 * A lease: an attempt that a pull worker has taken.  It outlives the server, so it is a row.
 * At most one lease of a run exists, and while it does there is no queue item of that run.
 */
CREATE TABLE inngest.leases (
	run_id       inngest.ulid NOT NULL PRIMARY KEY,
	lease_id     inngest.ulid NOT NULL,
	function_id  uuid NOT NULL,
	attempt      smallint NOT NULL,
	leased_at    timestamptz NOT NULL,
	expires_at   timestamptz NOT NULL
);
CREATE INDEX leases_expires_at ON inngest.leases (expires_at);
COMMENT ON TABLE inngest.leases IS 'attempts that pull workers are making';
COMMENT ON COLUMN inngest.leases.expires_at IS 'after that the attempt counts as failed and the next one is queued';

/*
 * What Redis has not acknowledged yet.
 *
 *	created	a new run; with attempt set, also the announcement of its first attempt
 *	attempt	an attempt of a pull run is ready, from due_at on
 *	status	the run started or ended: refresh the cached hash
 *
 * The key begins with the transaction that wrote the row, so that the relay need not start from the
 * beginning each time: it knows from a snapshot which transactions can still bring rows.  A dump cannot
 * take transactions along; its rows come after all of the server they are restored to.
 */
CREATE SEQUENCE inngest.redis_outbox_id AS bigint CACHE 32;

CREATE TABLE inngest.redis_outbox (
	xact         xid8 NOT NULL DEFAULT pg_current_xact_id(),
	id           bigint NOT NULL DEFAULT nextval('inngest.redis_outbox_id'),
	kind         text NOT NULL,
	run_id       inngest.ulid NOT NULL,
	function_id  uuid NOT NULL,
	event_id     inngest.ulid,
	event_name   text,
	attempt      smallint,
	due_at       timestamptz,
	PRIMARY KEY (xact, id)
);
ALTER SEQUENCE inngest.redis_outbox_id OWNED BY inngest.redis_outbox.id;
CREATE INDEX redis_outbox_due_at ON inngest.redis_outbox (due_at, run_id) WHERE due_at IS NOT NULL;
COMMENT ON TABLE inngest.redis_outbox IS 'what the relay has still to tell Redis; empty rows mean all told';
COMMENT ON SEQUENCE inngest.redis_outbox_id IS 'orders the outbox rows of one transaction';
COMMENT ON COLUMN inngest.redis_outbox.xact IS 'the transaction that wrote the row';
COMMENT ON COLUMN inngest.redis_outbox.due_at IS 'null: at once';

SELECT pg_catalog.pg_extension_config_dump('inngest.queue', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.queue_id', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.leases', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.redis_outbox',
	'WHERE false UNION ALL SELECT ''18446744073709551615''::pg_catalog.xid8, id, kind, run_id, function_id, event_id, event_name, attempt, due_at FROM inngest.redis_outbox');
SELECT pg_catalog.pg_extension_config_dump('inngest.redis_outbox_id', '');
