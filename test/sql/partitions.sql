-- Partitions are made ahead and dropped by retention; what may not be dropped survives.
-- CREATE EXTENSION has made the first ones; the rest happens in a transaction, as the engine.
SET search_path TO inngest, public;
SET timezone TO 'UTC';
\pset format unaligned
\pset tuples_only on
\pset null '(none)'
\set SHOW_CONTEXT never

BEGIN;
SET LOCAL ROLE inngest_engine;

-- today's and the next, without a gap
SELECT parent, count(*), min(lower) = date_trunc('day', now()) AS from_today, bool_and(upper - lower = interval '1 day' * CASE parent WHEN 'events' THEN 1 ELSE 5 END) AS width,
	   max(upper) - min(lower) = sum(upper - lower) AS without_gap
FROM partitions GROUP BY parent ORDER BY parent;
SELECT count(*) AS of_extension, bool_and(c.relowner = 'inngest_engine'::regrole) AS of_engine, bool_and(obj_description(c.oid) LIKE 'inngest.% from 20__-__-__') AS with_comment
FROM partitions p JOIN pg_class c ON c.relname = p.partition AND c.relnamespace = 'inngest'::regnamespace
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';
SELECT reloptions, count(*) FROM pg_class WHERE relname ~ '^function_runs_\d{8}$' GROUP BY reloptions;
-- every index of the parent
SELECT p.parent, count(i.indexrelid) = 2 * (SELECT count(*) FROM pg_index x WHERE x.indrelid = p.parent::regclass) AS indexed
FROM partitions p JOIN pg_index i ON i.indrelid = p.partition::regclass GROUP BY p.parent ORDER BY p.parent;

-- all done: there is nothing more to make, the next look is in an hour
CREATE FUNCTION pg_temp.maintain() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	changes int := 0;
	next_at timestamptz;
BEGIN
	LOOP
		next_at := inngest.maintain();
		EXIT WHEN next_at <> now() OR changes = 50;
		changes := changes + 1;
	END LOOP;
	RETURN format('%s changes, then again in %s', changes, next_at - now());
END $$;
SELECT pg_temp.maintain();

-- where a row goes: events of now into today's partition, ids of other times into the default one
CREATE FUNCTION pg_temp.place(name text) RETURNS TABLE (event text, place text) LANGUAGE sql AS $$
	SELECT e.name || coalesce(' ' || e.v, ''), CASE e.tableoid::regclass::text WHEN 'events_default' THEN 'default' ELSE 'dated' END
	FROM inngest.events e WHERE e.name = place.name ORDER BY e.v
$$;
CREATE FUNCTION pg_temp.put(name text, note text, t timestamptz) RETURNS inngest.ulid LANGUAGE sql AS $$
	INSERT INTO inngest.events (id, name, data, v, ts, received_at) VALUES (t::inngest.ulid, name, '{}', note, t, t) RETURNING id
$$;
SELECT count(*) FROM (SELECT send_event('p/now')) x;
SELECT count(pg_temp.put('p/other', 'a', '2020-01-01 12:00')), count(pg_temp.put('p/other', 'b', '2100-01-01 12:00'));
SELECT * FROM pg_temp.place('p/now');
SELECT * FROM pg_temp.place('p/other');

-- rows that are in the default partition already move when their partition is made, if they are not too many
SELECT partition AS last, upper - interval '1 hour' AS inside FROM partitions WHERE parent = 'events' ORDER BY lower DESC LIMIT 1 \gset
SELECT partition_release(:'last');
DROP TABLE :last;
SELECT count(pg_temp.put('p/early', 'a', :'inside')), count(pg_temp.put('p/early', 'b', timestamptz :'inside' + interval '1 s'));
SELECT * FROM pg_temp.place('p/early');
SELECT partition_make('events', 1);
SELECT * FROM pg_temp.place('p/early');
SELECT partition_make('events', 2);
SELECT * FROM pg_temp.place('p/early');
SELECT partition_make('events', 2);

-- none for a time that has begun: whoever is putting a row into the default partition would be refused
DO $$
DECLARE
	part text;
BEGIN
	FOR part IN SELECT partition FROM inngest.partitions WHERE parent = 'defers' LOOP
		PERFORM inngest.partition_release(format('inngest.%I', part)::regclass);
		EXECUTE format('DROP TABLE inngest.%I', part);
	END LOOP;
END $$;
SELECT partition_make('defers', 10), partition_make('defers', 10), partition_make('defers', 10);
SELECT min(lower) = date_trunc('day', now()) + interval '1 day' AS from_tomorrow, count(*) FROM partitions WHERE parent = 'defers';

-- retention: a day of 2020 with all that can be in it
CREATE FUNCTION pg_temp.make_old(parent text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE inngest.%I (LIKE inngest.%I INCLUDING ALL)', parent || '_20200110', parent);
	PERFORM inngest.partition_adopt(format('inngest.%I', parent || '_20200110')::regclass);
	EXECUTE format('ALTER TABLE inngest.%I ATTACH PARTITION inngest.%I FOR VALUES FROM (%L) TO (%L)', parent, parent || '_20200110',
		'2020-01-10'::timestamptz::inngest.ulid, '2020-01-11'::timestamptz::inngest.ulid);
END $$;
SELECT pg_temp.make_old(p) FROM unnest(ARRAY['events', 'function_runs', 'attempts']) p;
SELECT slug FROM register_function('{"id": "old", "triggers": [{"event": "p/old"}]}');
CREATE FUNCTION pg_temp.put_run(note text, t timestamptz, ended boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	run inngest.ulid := t::inngest.ulid;
BEGIN
	INSERT INTO inngest.function_runs (id, function_id, function_version, event_id, outcome, started_at, ended_at)
	VALUES (run, (SELECT id FROM inngest.functions WHERE slug = 'old'), 1, pg_temp.put('p/old', note, t),
			CASE WHEN ended THEN 'COMPLETED'::inngest.run_outcome END, t, CASE WHEN ended THEN t END);
	INSERT INTO inngest.attempts (run_id, attempt, status, started_at, ended_at) VALUES (run, 0, CASE WHEN ended THEN 'COMPLETED' ELSE 'FAILED' END, t, t);
END $$;
SELECT pg_temp.put_run('ended', '2020-01-10 01:00', true), pg_temp.put_run('open', '2020-01-10 02:00', false), pg_temp.put('p/old', 'alone', '2020-01-10 03:00') IS NULL;
-- and in the default partition
SELECT pg_temp.put_run('outlier ended', '2020-02-10 01:00', true), pg_temp.put_run('outlier open', '2020-02-10 02:00', false), pg_temp.put('p/old', 'outlier alone', '2020-02-10 03:00') IS NULL;
-- what is old by its id, but new by its arrival, stays
INSERT INTO events (id, name, data, v, ts, received_at) VALUES ('2020-02-11'::timestamptz::ulid, 'p/old', '{}', 'outlier new', now(), now());
INSERT INTO idempotency_keys (function_id, key, run_id, expires_at) SELECT id, gen_random_uuid(), generate_ulid(), now() + d * interval '1 hour' FROM functions, (VALUES (-1), (1)) AS v (d) WHERE slug = 'old';
CREATE FUNCTION pg_temp.rest() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s: %s run, %s attempts; %s', e.v, (SELECT count(*) FROM inngest.function_runs r WHERE r.event_id = e.id),
		(SELECT count(*) FROM inngest.attempts a WHERE a.run_id = e.id), CASE e.tableoid::regclass::text WHEN 'events_default' THEN 'default' ELSE 'dated' END)
	FROM inngest.events e WHERE e.name = 'p/old' ORDER BY e.id
$$;
SELECT * FROM pg_temp.rest();
-- too many rows that must stay: not now, nor what belongs to these runs; but that of others
CREATE TABLE inngest.attempts_20200112 (LIKE inngest.attempts INCLUDING ALL);
SELECT partition_adopt('inngest.attempts_20200112');
ALTER TABLE inngest.attempts ATTACH PARTITION inngest.attempts_20200112 FOR VALUES FROM ('01DYBGSQ000000000000000000') TO ('01DYE36E000000000000000000');
SELECT partition_drop(p, '1 day', 0) FROM unnest(ARRAY['events', 'function_runs', 'attempts', 'attempts']) p;
SELECT pg_temp.maintain();
SELECT * FROM pg_temp.rest();
SELECT parent, count(*) FROM partitions GROUP BY parent ORDER BY parent;
SELECT count(*) FROM idempotency_keys WHERE function_id = (SELECT id FROM functions WHERE slug = 'old');
-- the run that was not lost ends, and then it goes
UPDATE function_runs SET outcome = 'CANCELLED', ended_at = now() - interval '31 days' WHERE function_id = (SELECT id FROM functions WHERE slug = 'old');
SELECT count(*) FROM (SELECT pg_temp.maintain()) x;
SELECT * FROM pg_temp.rest();
-- an ended run is kept as long as its retention says, not its age, and so is what belongs to it
SELECT pg_temp.put_run('long', '2020-03-10 01:00', false);
INSERT INTO run_metadata (run_id, step_id, kind, data, size, changed_at) VALUES ('2020-03-10 01:00'::timestamptz::ulid, '', 'userland.x', '{}', 0, '2020-03-10 01:00');
UPDATE function_runs SET outcome = 'CANCELLED', ended_at = now() - interval '29 days' WHERE id = '2020-03-10 01:00'::timestamptz::ulid;
SELECT count(*) FROM (SELECT pg_temp.maintain()) x;
CREATE FUNCTION pg_temp.long_run(OUT runs bigint, OUT attempts bigint, OUT metadata bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM inngest.function_runs WHERE id = long), (SELECT count(*) FROM inngest.attempts WHERE run_id = long),
		(SELECT count(*) FROM inngest.run_metadata WHERE run_id = long)
	FROM (SELECT '2020-03-10 01:00'::timestamptz::inngest.ulid) x (long)
$$;
SELECT * FROM pg_temp.long_run();
UPDATE function_runs SET ended_at = now() - interval '31 days' WHERE id = '2020-03-10 01:00'::timestamptz::ulid;
SELECT count(*) FROM (SELECT pg_temp.maintain()) x;
SELECT * FROM pg_temp.long_run();

-- only our own partitions may join the extension or leave it
SAVEPOINT s;
RESET ROLE;
CREATE TABLE public.foreign_table (id int);
SET LOCAL ROLE inngest_engine;
DO $$ BEGIN PERFORM inngest.partition_adopt('public.foreign_table'); EXCEPTION WHEN insufficient_privilege THEN RAISE NOTICE '%', SQLSTATE; END $$;
ROLLBACK TO s;
ROLLBACK;
