-- The life of a run: lease, extend, complete, fail, retry, cancel, pause; what is refused; what stays of it.
-- In transactions, so that the scheduler takes no part; leases expire by hand.
SET search_path TO inngest, public;
SET timezone TO 'UTC';
\pset format unaligned
\pset tuples_only on
\pset null '(none)'
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
BEGIN;

-- what a statement is refused with, without the id of the run
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-7][0-9A-HJKMNP-TV-Z]{25}', 'X');
END $$;

CREATE TEMP TABLE held (run_id inngest.ulid, lease_id inngest.ulid, function_id text, attempt int, expires_at timestamptz, event jsonb);
-- lease one run of a function; the lease held before is forgotten
CREATE FUNCTION pg_temp.lease(function text, lease interval DEFAULT '60s') RETURNS SETOF text LANGUAGE sql AS $$
	DELETE FROM held;
	INSERT INTO held SELECT * FROM inngest.lease_runs(ARRAY[function], 1, lease);
	SELECT format('%s attempt %s %s', function_id, attempt, event->'data') FROM held;
$$;
-- all there is to know about the runs of a function
CREATE FUNCTION pg_temp.tell(function text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s%s; %s item, %s lease; %s', r.status, CASE WHEN r.ended_at IS NOT NULL THEN ' ended' END,
		(SELECT count(*) FROM inngest.queue q WHERE q.run_id = r.id), (SELECT count(*) FROM inngest.leases l WHERE l.run_id = r.id),
		coalesce((SELECT string_agg(format('%s %s%s%s', a.attempt, a.status, ' ' || coalesce(a.output, a.error)::text,
			CASE WHEN a.retry_at IS NOT NULL THEN ' retry' END), ', ' ORDER BY a.attempt) FROM inngest.attempts a WHERE a.run_id = r.id), 'no attempts'))
	FROM inngest.runs r WHERE r.function_id = function ORDER BY r.id
$$;
-- the next attempt is due now
CREATE FUNCTION pg_temp.hasten(function text) RETURNS void LANGUAGE sql AS $$
	UPDATE inngest.queue SET run_at = now() WHERE function_id = (SELECT id FROM inngest.functions WHERE slug = function)
$$;
-- the id or lease of the run held
CREATE FUNCTION pg_temp.run() RETURNS inngest.ulid LANGUAGE sql AS $$ SELECT run_id FROM held $$;
CREATE FUNCTION pg_temp.lease_id() RETURNS inngest.ulid LANGUAGE sql AS $$ SELECT lease_id FROM held $$;

SELECT slug FROM register_function('{"id": "done", "triggers": [{"event": "r/done"}]}');
SELECT slug FROM register_function('{"id": "fails", "retries": 2, "triggers": [{"event": "r/fails"}]}');

-- lease and complete
SELECT count(*) FROM lease_runs(ARRAY['done', 'fails']);
SELECT count(*) FROM (SELECT send_event('r/done', '{"n": 1}', 'my-id', "user" => '{"id": 1}')) x;
SELECT pg_temp.tell('done');
SELECT pg_temp.lease('done');
SELECT event - 'ts', expires_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '60s' FROM held;
SELECT pg_temp.tell('done');
SELECT count(*) FROM lease_runs(ARRAY['done']);
SELECT complete_run(pg_temp.run(), pg_temp.lease_id(), '{"ok": true}');
SELECT pg_temp.tell('done');
SELECT started_at <= ended_at, queued_at <= started_at + interval '1 ms' FROM runs WHERE function_id = 'done';
-- once
SELECT pg_temp.refusal('SELECT inngest.complete_run(pg_temp.run(), pg_temp.lease_id())');
SELECT pg_temp.refusal('SELECT inngest.fail_run(pg_temp.run(), pg_temp.lease_id())');
SELECT pg_temp.refusal('SELECT inngest.extend_lease(pg_temp.run(), pg_temp.lease_id())');
SELECT cancel_run(pg_temp.run());
SELECT pg_temp.tell('done');
-- output may be anything, or nothing
SELECT count(*) FROM send_events('[{"name": "r/done"}, {"name": "r/done"}, {"name": "r/done"}]');
SELECT complete_run(run_id, lease_id, (ARRAY['[1, null]', 'null', NULL]::jsonb[])[row_number() OVER (ORDER BY run_id)])
FROM lease_runs(ARRAY['done'], 10);
SELECT pg_temp.tell('done');

-- a lease that is extended, and one that is not
SELECT count(*) FROM (SELECT send_event('r/done')) x;
SELECT pg_temp.lease('done', '2s');
SELECT until BETWEEN clock_timestamp() + interval '59 min' AND clock_timestamp() + interval '1 hour' FROM (SELECT extend_lease(pg_temp.run(), pg_temp.lease_id(), '1 hour') AS until) x;
SELECT expires_at > now() + interval '59 min' FROM leases WHERE run_id = pg_temp.run();
UPDATE leases SET expires_at = now() WHERE run_id = pg_temp.run();
SELECT pg_temp.refusal('SELECT inngest.complete_run(pg_temp.run(), pg_temp.lease_id())');
SELECT pg_temp.refusal('SELECT inngest.fail_run(pg_temp.run(), pg_temp.lease_id())');
SELECT pg_temp.refusal('SELECT inngest.extend_lease(pg_temp.run(), pg_temp.lease_id())');
SELECT cancel_run(pg_temp.run());
SELECT right(pg_temp.tell('done'), 60) LIMIT 1 OFFSET 4;

-- fail, and try again until no attempt is left
SELECT count(*) FROM (SELECT send_event('r/fails', '{"n": 2}')) x;
SELECT pg_temp.lease('fails');
SELECT wait BETWEEN interval '14s' AND interval '46s' FROM (SELECT fail_run(pg_temp.run(), pg_temp.lease_id(), '{"message": "first"}') - clock_timestamp() AS wait) x;
SELECT pg_temp.tell('fails');
SELECT count(*) FROM lease_runs(ARRAY['fails']);
SELECT pg_temp.hasten('fails');
SELECT pg_temp.refusal('SELECT inngest.complete_run(pg_temp.run(), pg_temp.lease_id())');
SELECT pg_temp.lease('fails');
SELECT wait BETWEEN interval '29s' AND interval '61s' FROM (SELECT fail_run(pg_temp.run(), pg_temp.lease_id(), '"second"') - clock_timestamp() AS wait) x;
SELECT pg_temp.hasten('fails');
SELECT pg_temp.lease('fails');
SELECT fail_run(pg_temp.run(), pg_temp.lease_id());
SELECT pg_temp.tell('fails');
SELECT count(*) FROM lease_runs(ARRAY['fails']);
-- no retry wanted
SELECT count(*) FROM (SELECT send_event('r/fails')) x;
SELECT pg_temp.lease('fails');
SELECT fail_run(pg_temp.run(), pg_temp.lease_id(), '{"message": "fatal"}', false);
SELECT right(pg_temp.tell('fails'), 70) OFFSET 1;
-- success after a failure
SELECT count(*) FROM (SELECT send_event('r/fails')) x;
SELECT pg_temp.lease('fails');
SELECT fail_run(pg_temp.run(), pg_temp.lease_id(), NULL, NULL) IS NOT NULL;
SELECT pg_temp.hasten('fails');
SELECT pg_temp.lease('fails');
SELECT complete_run(pg_temp.run(), pg_temp.lease_id(), '2');
SELECT pg_temp.tell('fails') OFFSET 2;
SELECT slug FROM register_function('{"id": "once", "retries": 0, "triggers": [{"event": "r/once"}]}');
SELECT count(*) FROM (SELECT send_event('r/once')) x;
SELECT pg_temp.lease('once');
SELECT fail_run(pg_temp.run(), pg_temp.lease_id());
SELECT pg_temp.tell('once');

-- how long until the next attempt, without jitter: the table, and its end
SELECT slug FROM register_function('{"id": "often", "retries": 11, "triggers": [{"event": "r/often"}]}');
SELECT count(*) FROM (SELECT send_event('r/often')) x;
CREATE FUNCTION pg_temp.backoff() RETURNS TABLE (attempt int, delay interval, jitter_fits boolean) LANGUAGE plpgsql AS $$
DECLARE
	l record;
	failed_at timestamptz;
	wait interval;
BEGIN
	FOR i IN 0..10 LOOP
		PERFORM pg_temp.hasten('often');
		SELECT * INTO l FROM inngest.lease_runs(ARRAY['often']);
		failed_at := clock_timestamp();
		wait := inngest.fail_run(l.run_id, l.lease_id) - failed_at;
		attempt := l.attempt;
		delay := (ARRAY['15s', '30s', '1m', '2m', '5m', '10m', '20m', '40m', '1h', '2h', '2h']::interval[])[i + 1];
		jitter_fits := wait BETWEEN delay AND delay + interval '31s';
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM pg_temp.backoff();

-- cancel: waiting, leased, ended; the holder of the lease learns it
SELECT slug FROM register_function('{"id": "stopped", "triggers": [{"event": "r/stopped"}]}');
SELECT count(*) FROM send_events('[{"name": "r/stopped"}, {"name": "r/stopped"}]');
SELECT cancel_run(id) FROM runs WHERE function_id = 'stopped' ORDER BY id LIMIT 1;
SELECT pg_temp.lease('stopped');
SELECT cancel_run(pg_temp.run());
SELECT cancel_run(pg_temp.run());
SELECT pg_temp.refusal('SELECT inngest.complete_run(pg_temp.run(), pg_temp.lease_id())');
SELECT pg_temp.tell('stopped');

-- pause: new runs are skipped, waiting ones wait, leased ones go on
SELECT slug FROM register_function('{"id": "rests", "triggers": [{"event": "r/rests"}]}');
SELECT count(*) FROM send_events('[{"name": "r/rests"}, {"name": "r/rests"}]');
SELECT pg_temp.lease('rests');
SELECT pause_function('rests');
SELECT pause_function('rests');
SELECT count(*) FROM (SELECT send_event('r/rests')) x;
SELECT count(*) FROM lease_runs(ARRAY['rests']);
SELECT fail_run(pg_temp.run(), pg_temp.lease_id()) IS NOT NULL;
SELECT pg_temp.hasten('rests');
SELECT count(*) FROM lease_runs(ARRAY['rests']);
SELECT pg_temp.tell('rests');
SELECT resume_function('rests');
SELECT resume_function('rests');
SELECT complete_run(run_id, lease_id) FROM lease_runs(ARRAY['rests'], 10);
SELECT pg_temp.tell('rests');

-- delete: what exists goes on
SELECT count(*) FROM (SELECT send_event('r/once', '{"last": true}')) x;
SELECT delete_function('once');
SELECT pg_temp.lease('once');
SELECT complete_run(pg_temp.run(), pg_temp.lease_id());
SELECT pg_temp.tell('once');
SELECT pg_temp.refusal('SELECT inngest.delete_function(''once'')');

-- many functions, many runs, only some of them
SELECT count(*) FROM send_events('[{"name": "r/done"}, {"name": "r/done"}, {"name": "r/fails"}, {"name": "r/fails"}]');
SELECT count(*) FROM lease_runs(ARRAY['done'], 10, runs => ARRAY(SELECT id FROM function_runs WHERE ended_at IS NULL AND function_id = (SELECT id FROM functions WHERE slug = 'fails')));
SELECT count(*) FROM lease_runs(ARRAY['fails'], 1, runs => ARRAY(SELECT id FROM function_runs WHERE ended_at IS NULL AND function_id = (SELECT id FROM functions WHERE slug = 'fails')));
SELECT count(*), count(DISTINCT function_id) FROM lease_runs(ARRAY['done', 'fails'], 10);
SELECT count(*) FROM lease_runs(ARRAY[]::text[]);
SELECT count(*) FROM lease_runs(ARRAY['done'], runs => ARRAY[]::inngest.ulid[]);

-- refusals
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['nobody'])$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY[NULL])$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(NULL)$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['done'], 0)$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['done'], 1001)$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['done'], 1, '0.9s')$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['done'], 1, '1 day 1 ms')$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['done'], 1, '1 month')$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['done'], 1, '-1 day')$$);
SELECT pg_temp.refusal($$SELECT inngest.lease_runs(ARRAY['done'], 1, '100000000 days')$$);
SELECT pg_temp.refusal($$SELECT inngest.complete_run('01J00000000000000000000000', '01J00000000000000000000000')$$);
SELECT pg_temp.refusal($$SELECT inngest.fail_run('01J00000000000000000000000', '01J00000000000000000000000')$$);
SELECT pg_temp.refusal($$SELECT inngest.extend_lease('01J00000000000000000000000', '01J00000000000000000000000')$$);
SELECT pg_temp.refusal($$SELECT inngest.cancel_run('01J00000000000000000000000')$$);
SELECT pg_temp.refusal($$SELECT inngest.cancel_run('no')$$);
SELECT pg_temp.refusal($$SELECT inngest.complete_run(NULL, NULL)$$);
SELECT pg_temp.refusal($$SELECT inngest.fail_run('01J00000000000000000000000', NULL)$$);
SELECT cancel_run(NULL);
SELECT pg_temp.refusal($$SELECT inngest.pause_function('nobody')$$);
SELECT pg_temp.refusal($$SELECT inngest.resume_function('nobody')$$);
SELECT pg_temp.refusal($$SELECT inngest.delete_function('nobody')$$);
-- a report with the lease of another run
SELECT count(*) FROM send_events('[{"name": "r/done"}, {"name": "r/done"}]');
CREATE TEMP TABLE two AS SELECT * FROM lease_runs(ARRAY['done'], 2);
SELECT pg_temp.refusal($$SELECT inngest.complete_run((SELECT min(run_id) FROM two), (SELECT lease_id FROM two ORDER BY run_id DESC LIMIT 1))$$);
SELECT complete_run(run_id, lease_id) FROM two;
ROLLBACK;

-- a lease that runs out counts as an attempt: the scheduler gives the run to the next one
SELECT slug FROM register_function('{"id": "expires", "retries": 1, "triggers": [{"event": "r/expires"}]}');
SELECT count(*) FROM (SELECT send_event('r/expires')) x;
CREATE TEMP TABLE first AS SELECT * FROM lease_runs(ARRAY['expires'], lease => '1s');
CREATE FUNCTION pg_temp.until(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	is_true boolean;
BEGIN
	FOR i IN 1..3000 LOOP
		EXECUTE 'SELECT ' || condition INTO is_true;
		IF is_true THEN
			RETURN 'yes';
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN 'no: ' || condition;
END $$;
SELECT pg_temp.until('EXISTS (SELECT FROM inngest.attempts JOIN first USING (run_id))');
DO $$ BEGIN PERFORM inngest.complete_run(run_id, lease_id) FROM first; EXCEPTION WHEN SQLSTATE 'IN021' THEN RAISE NOTICE '%', SQLSTATE; END $$;
CREATE TEMP TABLE second AS SELECT * FROM lease_runs(ARRAY['expires'], lease => '1s');
SELECT attempt FROM second;
SELECT pg_temp.until('(SELECT outcome FROM inngest.function_runs r JOIN second s ON s.run_id = r.id) = ''FAILED''');
SELECT a.attempt, a.status, a.retry_at = a.ended_at, a.error FROM attempts a JOIN second USING (run_id) ORDER BY 1;
SELECT delete_function('expires');
DELETE FROM functions WHERE slug = 'expires';

-- once more: a new run with the same event, as often as one likes
SELECT slug FROM inngest.register_function('{"id": "again", "triggers": [{"event": "again/x"}]}');
SELECT inngest.send_event('again/x', '{"n": 1}', id => 'once') IS NOT NULL AS sent;
SELECT id AS first FROM inngest.runs WHERE function_id = 'again' \gset
SELECT inngest.rerun(:'first') AS second \gset
SELECT inngest.rerun(:'second') AS third \gset
SELECT status, id = :'first' AS is_first, original_run_id = :'first' AS is_rerun, event_id = min(event_id::text) OVER ()::inngest.ulid AS same_event
FROM inngest.runs WHERE function_id = 'again' ORDER BY id;
SELECT (inngest.run_detail_json(:'third')->>'original_run_id')::inngest.ulid = :'first' AS shown, inngest.run_detail_json(:'third')->'events'->0->'data' AS data;
SELECT count(*) FROM inngest.lease_runs('{again}', 10);
SELECT inngest.pause_function('again');
SELECT inngest.rerun(:'first') AS paused \gset
SELECT status FROM inngest.runs WHERE id = :'paused';
SELECT inngest.delete_function('again');
SELECT inngest.rerun('01ARZ3NDEKTSV4RRFFQ69G5FAV');
CREATE FUNCTION pg_temp.refusal(run inngest.ulid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM inngest.rerun(run);
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || replace(SQLERRM, run::text, 'X');
END $$;
SELECT pg_temp.refusal(:'first');
SELECT slug FROM inngest.register_function('{"id": "again", "triggers": [{"event": "again/x"}]}');
DELETE FROM inngest.events WHERE name = 'again/x';
SELECT pg_temp.refusal(:'first');
SELECT inngest.delete_function('again');
DELETE FROM functions WHERE slug = 'again';
