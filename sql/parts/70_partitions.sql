/*
 * Partitions made ahead, retention that drops them.
 *
 * The first ones are made with the tables, in the transaction of CREATE EXTENSION, when nobody can use them.  After that no
 * partition is made for a time that has begun: PostgreSQL refuses a row that was on its way into the default partition when
 * the partition of its time was attached.  Whoever comes back from a restore or a long stop has the rest of the day in the
 * default partitions.
 *
 * The scheduler calls inngest.maintain() and sleeps until the time it returns.  Each call makes at most
 * one change to one table, in one short transaction, and gives up rather than make senders wait for a
 * lock; it then asks to be called again.
 *
 * What may not be dropped (runs that have not ended, their events, steps and attempts, and events that have still to start a run) moves to the default
 * partition when its dated partition goes.  Default partitions are the only place where retention
 * deletes rows, in small batches.
 *
 * Rows move only under a lock that keeps everybody away from the whole table.  One that keeps them from the partitions is not enough: who
 * waits there has planned its statement already, and would not look into the partition that the rows have gone to.
 *
 * Days begin at midnight UTC, whatever the time zone of the session: where clocks are put forward, a day
 * of 23 hours would give two partitions one name.
 *
 * Dated partitions are members of the extension, so that pg_dump leaves them out (30_events.sql) and
 * DROP EXTENSION takes them along.
 */
CREATE FUNCTION inngest.partition_adopt(partition regclass) RETURNS void
LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'inngest_partition_adopt';
COMMENT ON FUNCTION inngest.partition_adopt IS 'internal: make a new partition a member of the extension';

CREATE FUNCTION inngest.partition_release(partition regclass) RETURNS void
LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'inngest_partition_release';
COMMENT ON FUNCTION inngest.partition_release IS 'internal: end the membership of a partition that is about to be dropped';

CREATE VIEW inngest.partitions AS
	SELECT parent.relname::text AS parent,
		   part.relname::text AS partition,
		   (bound[1]::inngest.ulid)::timestamptz AS lower,
		   (bound[2]::inngest.ulid)::timestamptz AS upper
	FROM pg_catalog.pg_inherits i
	JOIN pg_catalog.pg_class parent ON parent.oid = i.inhparent
	JOIN pg_catalog.pg_class part ON part.oid = i.inhrelid,
	LATERAL pg_catalog.regexp_match(pg_catalog.pg_get_expr(part.relpartbound, part.oid), 'FROM \(''(\w{26})''\) TO \(''(\w{26})''\)') AS bound
	WHERE parent.relnamespace = 'inngest'::regnamespace
	  AND parent.relkind = 'p'
	  AND bound IS NOT NULL;
COMMENT ON VIEW inngest.partitions IS 'dated partitions and the time they cover';

/* The column that a table is partitioned by: the ULID that gives its rows their time. */
CREATE FUNCTION inngest.partition_key(parent text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN parent IN ('attempts', 'steps', 'defers', 'run_metadata') THEN 'run_id' WHEN parent = 'batch_events' THEN 'batch_id' ELSE 'id' END $$;
COMMENT ON FUNCTION inngest.partition_key IS 'internal: the column that a table is partitioned by';

CREATE FUNCTION inngest.partition_width(parent text) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE parent WHEN 'events' THEN interval '1 day' ELSE interval '5 days' END $$;
COMMENT ON FUNCTION inngest.partition_width IS 'internal: the time that a partition of a table covers';

/* The first of up to two missing partitions ahead; true if one was made.  in_use: others may put rows into the table. */
CREATE FUNCTION inngest.partition_make(parent text, move_limit integer, in_use boolean DEFAULT true) RETURNS boolean
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp SET timezone TO 'UTC'
AS $$
DECLARE
	width   CONSTANT interval := inngest.partition_width(parent);
	horizon timestamptz;
	today   timestamptz := date_trunc('day', now(), 'UTC');
	lo      timestamptz;
	hi      timestamptz;
	part    text;
	outlier bigint;
BEGIN
	SELECT max(p.upper) INTO horizon FROM inngest.partitions p WHERE p.parent = partition_make.parent;
	lo := greatest(horizon, today + CASE WHEN in_use THEN interval '1 day' ELSE interval '0' END);
	IF lo > now() + width THEN
		RETURN false;
	END IF;

	-- A range of which the default partition already holds too many rows to move stays there.
	LOOP
		hi := lo + width;
		EXECUTE format('SELECT count(*) FROM (SELECT FROM inngest.%I WHERE %I >= $1 AND %2$I < $2 LIMIT $3) x',
					   parent || '_default', inngest.partition_key(parent))
			INTO outlier USING lo::inngest.ulid, hi::inngest.ulid, move_limit + 1;
		EXIT WHEN outlier <= move_limit;
		lo := lo + interval '1 day';
		IF lo > now() + width THEN
			RETURN false;
		END IF;
	END LOOP;

	part := format('%s_%s', parent, to_char(lo AT TIME ZONE 'UTC', 'YYYYMMDD'));
	EXECUTE format('CREATE TABLE inngest.%I (LIKE inngest.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMPRESSION)%s',
				   part, parent, CASE parent WHEN 'function_runs' THEN ' WITH (fillfactor = 45)' ELSE '' END);
	EXECUTE format('COMMENT ON TABLE inngest.%I IS %L', part, format('inngest.%s from %s', parent, to_char(lo AT TIME ZONE 'UTC', 'YYYY-MM-DD')));
	PERFORM inngest.partition_adopt(format('inngest.%I', part)::regclass);
	IF outlier > 0 THEN
		EXECUTE format('LOCK TABLE inngest.%I IN ACCESS EXCLUSIVE MODE', parent);
		EXECUTE format('WITH moved AS (DELETE FROM inngest.%I WHERE %I >= $1 AND %2$I < $2 RETURNING *) INSERT INTO inngest.%I SELECT * FROM moved',
					   parent || '_default', inngest.partition_key(parent), part)
			USING lo::inngest.ulid, hi::inngest.ulid;
	END IF;
	EXECUTE format('ALTER TABLE inngest.%I ATTACH PARTITION inngest.%I FOR VALUES FROM (%L) TO (%L)',
				   parent, part, lo::inngest.ulid, hi::inngest.ulid);
	RETURN true;
END
$$;
COMMENT ON FUNCTION inngest.partition_make IS 'internal: make the next missing partition, if one is due';

CREATE FUNCTION inngest.partition_parents() RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ VALUES ('events'), ('function_runs'), ('steps'), ('defers'), ('run_metadata'), ('attempts'), ('batch_events') $$;
COMMENT ON FUNCTION inngest.partition_parents IS 'internal: the tables that have partitions';

CREATE FUNCTION inngest.partitions_begin() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS $$
DECLARE
	parent text;
BEGIN
	FOR parent IN SELECT inngest.partition_parents() LOOP
		WHILE inngest.partition_make(parent, 0, in_use => false) LOOP
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION inngest.partitions_begin IS 'internal: make the first partitions, in the transaction that makes the tables';

/* Views, so that both sides of a comparison with a whole partition can be hashed. */
CREATE VIEW inngest.needed_batches AS
	SELECT b.id FROM inngest.batches b
	UNION ALL
	SELECT r.batch_id FROM inngest.function_runs r WHERE r.batch_id IS NOT NULL AND r.outcome IS NULL;
COMMENT ON VIEW inngest.needed_batches IS 'internal: batches that are open, or whose run has not ended';

CREATE VIEW inngest.needed_events AS
	SELECT r.event_id AS id FROM inngest.function_runs r WHERE r.outcome IS NULL
	UNION ALL
	SELECT e.event_id FROM inngest.needed_batches n JOIN inngest.batch_events e ON e.batch_id OPERATOR(inngest.=) n.id
	UNION ALL
	SELECT q.event_id FROM inngest.queue q WHERE q.kind = 'admit'
	UNION ALL
	SELECT d.event_id FROM inngest.debounces d;
COMMENT ON VIEW inngest.needed_events IS 'internal: events of runs that have not ended, or not begun yet';

CREATE VIEW inngest.needed_runs AS
	SELECT r.id FROM inngest.function_runs_default r
	UNION ALL
	SELECT r.id FROM inngest.function_runs r WHERE r.outcome IS NULL;
COMMENT ON VIEW inngest.needed_runs IS 'internal: runs that have not ended, or have outlived their partition and are kept';

/* Rows of a table that retention must not touch, as a condition on its alias r. */
CREATE FUNCTION inngest.retained_rows(parent text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE parent
		WHEN 'events' THEN 'EXISTS (SELECT FROM inngest.needed_events n WHERE n.id = r.id)'
		WHEN 'function_runs' THEN 'r.outcome IS NULL'
		WHEN 'batch_events' THEN 'EXISTS (SELECT FROM inngest.needed_batches n WHERE n.id = r.batch_id)'
		ELSE 'EXISTS (SELECT FROM inngest.needed_runs n WHERE n.id = r.run_id)'
	END
$$;
COMMENT ON FUNCTION inngest.retained_rows IS 'internal: which rows of a table retention keeps, as a condition';

/* What makes a row of a table large, in bytes as it is stored. */
CREATE FUNCTION inngest.row_bulk(parent text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE parent
		WHEN 'events' THEN 'pg_column_size(r.data)'
		WHEN 'steps' THEN 'pg_column_size(r.memo)'
		WHEN 'attempts' THEN 'pg_column_size(r.output)'
		WHEN 'defers' THEN 'pg_column_size(r.input)'
		ELSE '0'
	END
$$;
COMMENT ON FUNCTION inngest.row_bulk IS 'internal: how large a row of a table is, as an expression';

/* Drop the oldest partition whose time has passed; true if one was dropped. */
CREATE FUNCTION inngest.partition_drop(parent text, keep interval, move_limit integer, bulk_limit bigint DEFAULT 100000000) RETURNS boolean
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp SET timezone TO 'UTC'
AS $$
DECLARE
	part text;
	kept bigint;
	bulk bigint;
	rule text := inngest.retained_rows(parent);
BEGIN
	FOR part IN
		SELECT p.partition FROM inngest.partitions p
		WHERE p.parent = partition_drop.parent AND p.upper <= now() - keep
			-- what belongs to runs goes after them, because it stays with those that do
			AND (p.parent IN ('events', 'function_runs')
				OR NOT EXISTS (SELECT FROM inngest.partitions f WHERE f.parent = 'function_runs' AND f.lower < p.upper AND f.upper > p.lower))
		ORDER BY p.upper
	LOOP
		EXECUTE format('SELECT count(*), coalesce(sum(x.bulk), 0) FROM (SELECT %s AS bulk FROM inngest.%I r WHERE %s LIMIT $1) x',
					   inngest.row_bulk(parent), part, rule)
			INTO kept, bulk USING move_limit + 1;
		-- too much that is alive to move while senders wait: it ends, or moves, later
		CONTINUE WHEN kept > move_limit OR bulk > bulk_limit;
		EXECUTE format('ALTER TABLE inngest.%I DETACH PARTITION inngest.%I', parent, part);
		EXECUTE format('INSERT INTO inngest.%I SELECT r.* FROM inngest.%I r WHERE %s', parent, part, rule);
		PERFORM inngest.partition_release(format('inngest.%I', part)::regclass);
		EXECUTE format('DROP TABLE inngest.%I', part);
		RETURN true;
	END LOOP;
	RETURN false;
END
$$;
COMMENT ON FUNCTION inngest.partition_drop IS 'internal: drop the oldest partition that retention has reached';

/* Delete a batch of what retention has reached in a default partition; true if the batch was full. */
CREATE FUNCTION inngest.default_expire(parent text, keep interval, batch integer) RETURNS boolean
LANGUAGE plpgsql SET search_path TO pg_catalog, inngest, pg_temp SET timezone TO 'UTC'
AS $$
DECLARE
	deleted bigint;
	age text := CASE parent
		WHEN 'events' THEN 'r.received_at < $1'
		WHEN 'defers' THEN 'r.changed_at < $1'
		WHEN 'run_metadata' THEN 'r.changed_at < $1'
		WHEN 'batch_events' THEN 'inngest.ulid_timestamp(r.batch_id) < $1'
		ELSE 'r.ended_at < $1'
	END;
BEGIN
	EXECUTE format('DELETE FROM inngest.%I WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM inngest.%1$I r WHERE %s AND NOT (%s) LIMIT $2))',
				   parent || '_default', age, inngest.retained_rows(parent))
		USING now() - keep, batch;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted = batch;
END
$$;
COMMENT ON FUNCTION inngest.default_expire IS 'internal: delete a batch of expired rows from a default partition';

CREATE FUNCTION inngest.maintain() RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp SET timezone TO 'UTC' SET lock_timeout TO '100ms'
AS $$
DECLARE
	move_limit CONSTANT integer := 10000;
	batch      CONSTANT integer := 10000;
	soon       timestamptz := now() + interval '1 minute';
	next_at    timestamptz := now() + interval '1 hour';
	parent     text;
	keep       interval;
BEGIN
	FOR parent IN SELECT inngest.partition_parents() LOOP
		keep := current_setting(CASE parent WHEN 'events' THEN 'inngest.event_retention' ELSE 'inngest.run_retention' END)::interval;
		BEGIN
			IF inngest.partition_make(parent, move_limit)
				OR inngest.partition_drop(parent, keep, move_limit)
				OR inngest.default_expire(parent, keep, batch)
			THEN
				RETURN now();
			END IF;
		EXCEPTION WHEN lock_not_available OR check_violation THEN
			-- somebody is using the table, or put a row in the way: no hurry
			next_at := soon;
		END;
	END LOOP;

	BEGIN
		DELETE FROM inngest.rates k WHERE k.ctid = ANY (ARRAY(
			SELECT i.ctid FROM inngest.rates i
			WHERE i.busy_until <= (extract(epoch FROM now() - timestamptz '2000-01-01 00:00Z') * 1e9)::bigint LIMIT batch FOR UPDATE SKIP LOCKED));
		IF FOUND THEN
			next_at := least(next_at, soon);
		END IF;
	EXCEPTION WHEN lock_not_available THEN
		next_at := least(next_at, soon);
	END;

	BEGIN
		DELETE FROM inngest.idempotency_keys k WHERE k.ctid = ANY (ARRAY(
			SELECT i.ctid FROM inngest.idempotency_keys i WHERE i.expires_at <= now() LIMIT batch FOR UPDATE SKIP LOCKED));
		IF FOUND THEN
			next_at := least(next_at, soon);
		END IF;
	EXCEPTION WHEN lock_not_available THEN
		next_at := least(next_at, soon);
	END;
	RETURN next_at;
END
$$;
COMMENT ON FUNCTION inngest.maintain IS 'make the partitions that are due and drop those that retention has reached; returns when to call it again';
