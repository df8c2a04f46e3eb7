/*
 * The inbox.  A row is written once, in the sender's transaction, and never changed.
 *
 * Partitioned by time: a ULID begins with its time.  The dated partitions are made ahead by the
 * scheduler (70_partitions.sql).  The default partition is for ids that carry another time than now (callers may seed them), and for
 * a time without a partition, after a restore or a long stop.
 *
 * Dump and restore: dated partitions are not dumped.  The filter below makes pg_dump write all
 * events as the contents of the default partition, which in a fresh database accepts every id.
 */
CREATE TABLE inngest.events (
	id           inngest.ulid NOT NULL PRIMARY KEY,
	name         text NOT NULL,
	data         jsonb NOT NULL,
	"user"       jsonb,
	caller_id    text,
	ts           timestamptz NOT NULL,
	v            text,
	meta         jsonb,
	received_at  timestamptz NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE inngest.events_default PARTITION OF inngest.events DEFAULT;

COMMENT ON TABLE inngest.events IS 'every accepted event, for inngest.event_retention';
COMMENT ON TABLE inngest.events_default IS 'events whose id carries a time for which there is no dated partition';
COMMENT ON COLUMN inngest.events.id IS 'internal id, unique';
COMMENT ON COLUMN inngest.events.caller_id IS 'id given by the sender: one run per function and id within 24 hours; null: the internal id stands for it';
COMMENT ON COLUMN inngest.events.ts IS 'when it happened, as the sender says; a future time delays the start of runs';
COMMENT ON COLUMN inngest.events."user" IS 'null means {}';
COMMENT ON COLUMN inngest.events.v IS 'version of the payload, as the sender says';
COMMENT ON COLUMN inngest.events.meta IS '{"sessions": {key: id}} or null';

SELECT pg_catalog.pg_extension_config_dump('inngest.events_default',
	'UNION ALL SELECT id, name, data, "user", caller_id, ts, v, meta, received_at FROM inngest.events WHERE tableoid <> ''inngest.events_default''::pg_catalog.regclass');
