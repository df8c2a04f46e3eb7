/*
 * Flow control: what the config of a function says of how its runs begin and go on, and what there is to remember for that.
 *
 * Counters and windows are written by the scheduler alone, after senders have committed, so no sender ever waits for another.
 */

/* What was decided about a run when it was created, and holds until it ends; its row goes with the end. */
CREATE TABLE inngest.run_controls (
	run_id    inngest.ulid NOT NULL PRIMARY KEY,
	priority  integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE inngest.run_controls IS 'runs that have not ended, of functions with flow control that goes beyond their start';
COMMENT ON COLUMN inngest.run_controls.priority IS 'seconds by which it goes before runs that were queued earlier';

SELECT pg_catalog.pg_extension_config_dump('inngest.run_controls', '');
