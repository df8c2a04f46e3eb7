/*
 * Bulk cancellations: end the runs of a function that were created within a time, all of them or those whose event fulfils a
 * condition.
 *
 * The scheduler sweeps over the runs that are alive, from the oldest to the youngest of the time, a piece in each
 * transaction; until it has come to a run, executors hold that back.  One round is not enough: a run may be created, or become visible,
 * after it has passed.  So there is a round a second after started_before (which lies a few seconds ahead at most): who has created a run of that time has a row by
 * then; and a last round when all transactions that had rows then have ended.
 */
CREATE TABLE inngest.cancellations (
	id              inngest.ulid NOT NULL PRIMARY KEY,
	function_id     uuid NOT NULL,
	started_after   timestamptz,
	started_before  timestamptz NOT NULL,
	expression      text,
	due_at          timestamptz NOT NULL,
	swept_to        inngest.ulid NOT NULL,
	since_xact      xid8,
	is_last_round   boolean NOT NULL DEFAULT false,
	cancelled       bigint NOT NULL DEFAULT 0
);
CREATE INDEX cancellations_due_at ON inngest.cancellations (due_at);
COMMENT ON TABLE inngest.cancellations IS 'bulk cancellations of runs, those that are being carried out and those that are over';
COMMENT ON COLUMN inngest.cancellations.started_before IS 'runs that were created later live on; the same for started_after, null: any time';
COMMENT ON COLUMN inngest.cancellations.expression IS 'only runs for whose event this is true; null: all';
COMMENT ON COLUMN inngest.cancellations.due_at IS 'when the scheduler goes on; infinity: it is over';
COMMENT ON COLUMN inngest.cancellations.swept_to IS 'runs up to this one have been looked at in this round';
COMMENT ON COLUMN inngest.cancellations.since_xact IS 'once transactions before this one have ended, no more run of the time can appear; null: not known yet';
COMMENT ON COLUMN inngest.cancellations.cancelled IS 'how many runs were cancelled';

-- Transactions of another server mean nothing: what is not over begins anew.
SELECT pg_catalog.pg_extension_config_dump('inngest.cancellations',
	'WHERE false UNION ALL SELECT id, function_id, started_after, started_before, expression, due_at, swept_to, NULL::pg_catalog.xid8, false, cancelled FROM inngest.cancellations');

CREATE FUNCTION inngest.wake_scheduler() RETURNS void
LANGUAGE C STRICT
AS 'MODULE_PATHNAME', 'inngest_wake_scheduler';
COMMENT ON FUNCTION inngest.wake_scheduler IS 'internal: have the scheduler look for work when this transaction has committed';

CREATE FUNCTION inngest.cancel_runs(function_id text, started_before timestamptz DEFAULT now(), started_after timestamptz DEFAULT NULL, condition text DEFAULT NULL)
RETURNS inngest.ulid
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	most     CONSTANT integer := 1000;
	new_id   CONSTANT inngest.ulid := inngest.generate_ulid();
	internal uuid;
	fault    text;
BEGIN
	IF cancel_runs.started_before IS NULL OR cancel_runs.started_before > now() + interval '5 seconds' OR cancel_runs.started_before < '1970-01-02' THEN
		PERFORM inngest.raise_parameter('started_before must be a time that lies no more than 5 seconds ahead');
	END IF;
	IF cancel_runs.started_after > cancel_runs.started_before THEN
		PERFORM inngest.raise_parameter('started_after must not be later than started_before');
	END IF;
	IF condition IS NOT NULL THEN
		SELECT c.message INTO fault FROM inngest.cel_check(condition) c LIMIT 1;
		IF FOUND THEN
			PERFORM inngest.raise_parameter(format('the condition is not valid: %s', fault));
		END IF;
	END IF;
	SELECT f.id INTO internal FROM inngest.functions f WHERE f.env_id = '00000000-0000-4000-b000-000000000000' AND f.slug = cancel_runs.function_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'IN011', MESSAGE = format('function "%s" does not exist', cancel_runs.function_id);
	END IF;
	-- those that are over are kept for the list, for a month
	DELETE FROM inngest.cancellations c WHERE c.due_at = 'infinity' AND c.id < (now() - interval '30 days')::inngest.ulid;
	IF (SELECT count(*) FROM inngest.cancellations) >= most THEN
		RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE = format('there are %s bulk cancellations already, which is the most there can be', most),
			HINT = 'Delete those that are over.';
	END IF;
	INSERT INTO inngest.cancellations (id, function_id, started_after, started_before, expression, due_at, swept_to)
	VALUES (new_id, internal, cancel_runs.started_after, cancel_runs.started_before, condition, clock_timestamp(),
		greatest(coalesce(cancel_runs.started_after, '-infinity'), '1970-01-01 00:00 UTC')::inngest.ulid);
	PERFORM inngest.wake_scheduler();
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION inngest.cancel_runs IS 'cancel the runs of a function that were created within a time, if their event fulfils the condition; goes on in the background, returns the id of the cancellation';

CREATE FUNCTION inngest.is_condition_met(condition text, run_event inngest.ulid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	RETURN coalesce((SELECT inngest.cel_eval(condition, jsonb_build_object('event', inngest.event_json(e))) = 'true' FROM inngest.events e WHERE e.id = run_event), false);
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END
$$;
COMMENT ON FUNCTION inngest.is_condition_met IS 'internal: is an expression true of an event; false if it fails, or the event is gone';

CREATE FUNCTION inngest.cancels_run(c inngest.cancellations, run inngest.ulid, run_event inngest.ulid) RETURNS boolean
LANGUAGE sql STABLE SET search_path TO pg_catalog, inngest, pg_temp
AS $$
	SELECT run >= greatest(coalesce(c.started_after, '-infinity'), '1970-01-01 00:00 UTC')::inngest.ulid
		AND run < (c.started_before + interval '1 millisecond')::inngest.ulid
		AND (c.expression IS NULL OR inngest.is_condition_met(c.expression, run_event))
$$;
COMMENT ON FUNCTION inngest.cancels_run IS 'internal: is a run of its function one of those that a bulk cancellation is meant for?';

CREATE FUNCTION inngest.try_cancel_run(run inngest.ulid) RETURNS boolean
LANGUAGE C STRICT SET search_path TO pg_catalog, inngest, pg_temp SET enable_seqscan TO off SET enable_bitmapscan TO off
AS 'MODULE_PATHNAME', 'inngest_try_cancel_run';
COMMENT ON FUNCTION inngest.try_cancel_run IS 'internal: cancel_run, but null at once if somebody else is changing the run';

/*
 * A piece of a round.  A run that somebody else keeps makes another round necessary.
 */
CREATE FUNCTION inngest.cancellation_step(c inngest.cancellations) RETURNS inngest.cancellations
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	piece CONSTANT integer := 200;
	bound CONSTANT inngest.ulid := (c.started_before + interval '1 millisecond')::inngest.ulid;
	seen  integer := 0;
	run   record;
	done  boolean;
BEGIN
	FOR run IN SELECT r.id, r.function_id, r.event_id FROM inngest.function_runs r
		WHERE r.outcome IS NULL AND r.id > c.swept_to AND r.id < bound ORDER BY r.id LIMIT piece
	LOOP
		seen := seen + 1;
		c.swept_to := run.id;
		CONTINUE WHEN run.function_id <> c.function_id OR NOT inngest.cancels_run(c, run.id, run.event_id);
		done := inngest.try_cancel_run(run.id);
		IF done THEN
			c.cancelled := c.cancelled + 1;
		ELSIF done IS NULL THEN
			c.is_last_round := false;
		END IF;
	END LOOP;
	IF seen = piece THEN
		RETURN c;
	END IF;

	-- the end of a round
	IF c.is_last_round THEN
		c.due_at := 'infinity';
		RETURN c;
	END IF;
	c.swept_to := greatest(coalesce(c.started_after, '-infinity'), '1970-01-01 00:00 UTC')::inngest.ulid;
	IF clock_timestamp() < c.started_before + interval '1 second' THEN
		c.due_at := c.started_before + interval '1 second';
		RETURN c;
	END IF;
	c.since_xact := coalesce(c.since_xact, pg_snapshot_xmax(pg_current_snapshot())::text::xid8);
	c.is_last_round := pg_snapshot_xmin(pg_current_snapshot())::text::xid8 >= c.since_xact;
	c.due_at := clock_timestamp() + CASE WHEN c.is_last_round THEN interval '0' ELSE interval '1 second' END;
	RETURN c;
END
$$;
COMMENT ON FUNCTION inngest.cancellation_step IS 'internal: carry a bulk cancellation on by one piece';

CREATE FUNCTION inngest.carry_on_cancellation() RETURNS void
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	c inngest.cancellations;
BEGIN
	SELECT * INTO c FROM inngest.cancellations x WHERE x.due_at <= clock_timestamp() ORDER BY x.due_at, x.id LIMIT 1 FOR UPDATE SKIP LOCKED;
	IF FOUND THEN
		c := inngest.cancellation_step(c);
		UPDATE inngest.cancellations x SET due_at = c.due_at, swept_to = c.swept_to, since_xact = c.since_xact, is_last_round = c.is_last_round, cancelled = c.cancelled
		WHERE x.id = c.id;
	END IF;
END
$$;
COMMENT ON FUNCTION inngest.carry_on_cancellation IS 'internal: carry one bulk cancellation on that is due';

CREATE FUNCTION inngest.delete_cancellation(id inngest.ulid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS $$
BEGIN
	DELETE FROM inngest.cancellations c WHERE c.id = delete_cancellation.id;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION inngest.delete_cancellation IS 'cancel no more runs; those that are cancelled stay so; false if there is no such bulk cancellation';
