-- Sending from SQL: what is stored of an event, what is refused and with which words, and that an event
-- exists exactly if its transaction commits.  All in one transaction, so that no worker takes part.
SET search_path TO inngest, public;
SET timezone TO 'UTC';
\pset format unaligned
\pset tuples_only on
\set ON_ERROR_ROLLBACK on
SELECT (SELECT count(*) FROM function_runs) AS runs, (SELECT count(*) FROM queue) AS items, (SELECT count(*) FROM redis_outbox) AS told \gset
BEGIN;

-- what a statement is refused with: SQLSTATE, message, hint
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || message || CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
END $$;

CREATE FUNCTION pg_temp.sent(name text) RETURNS TABLE (data jsonb, "user" jsonb, caller_id text, ts text, v text, meta jsonb) LANGUAGE sql AS $$
	SELECT e.data, e."user", e.caller_id, CASE WHEN e.ts = e.received_at THEN 'now' ELSE e.ts::text END, e.v, e.meta
	FROM inngest.events e WHERE e.name = sent.name ORDER BY e.id
$$;

SELECT slug FROM register_function('{"id": "greet", "triggers": [{"event": "s/hello"}]}');

-- every argument, and what stands for one that is not given
SELECT count(*) FROM (SELECT send_event('s/hello')) x;
SELECT * FROM pg_temp.sent('s/hello');
SELECT count(*) FROM (SELECT send_event('s/all', '{"a": [1, {"b": null}]}', 'mine', '2026-01-02 03:04:05.678+00', '{"id": 7}')) x;
SELECT * FROM pg_temp.sent('s/all');
SELECT count(*) FROM (SELECT send_event(name => 's/nulls', data => NULL, id => NULL, ts => NULL, "user" => NULL)) x;
SELECT * FROM pg_temp.sent('s/nulls');
SELECT count(*) FROM (SELECT send_event('s/empty', '{}', '', NULL, '{}')) x;
SELECT * FROM pg_temp.sent('s/empty');
SELECT count(*) FROM (SELECT send_event('s/reserved-key', '{"_inngest": {"x": 1}, "kept": true}')) x;
SELECT * FROM pg_temp.sent('s/reserved-key');
-- the id that is returned is the id that is stored, and its time is now
CREATE TEMP TABLE ids AS SELECT send_event('s/id') AS id;
SELECT e.name, abs(extract(epoch FROM e.id::timestamptz - e.received_at)) < 1 AS of_now FROM ids JOIN events e USING (id);

-- what it started
SELECT r.status, r.function_id, e.name, r.queued_at >= e.received_at - interval '1 ms' AS after_event
FROM runs r JOIN events e ON e.id = r.event_id WHERE e.name LIKE 's/%';
SELECT q.kind, q.attempt, q.run_at = e.ts AS at_ts
FROM queue q JOIN function_runs r ON r.id = q.run_id JOIN events e ON e.id = r.event_id WHERE e.name LIKE 's/%';
-- a future ts delays the run, a past one does not bring it forward
SELECT count(*) FROM (SELECT send_event('s/hello', '{"t": "future"}', ts => now() + interval '1 day')) x;
SELECT count(*) FROM (SELECT send_event('s/hello', '{"t": "past"}', ts => '1990-01-01')) x;
SELECT e.data->>'t', q.run_at > now() + interval '23 hours' AS late, q.run_at = e.received_at AS at_once
FROM queue q JOIN function_runs r ON r.id = q.run_id JOIN events e ON e.id = r.event_id
WHERE e.data ? 't' ORDER BY 1;

-- refusals
SELECT pg_temp.refusal($$SELECT inngest.send_event(NULL)$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('inngest/function.finished')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('InnGest/x')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('inngest')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', '[1]')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', '1')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', 'null')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', '{}', "user" => '"me"')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', ts => '1979-12-31 23:59:59+00')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', ts => '1980-01-01 00:00:00+00')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', ts => '2100-01-01 00:00:01+00')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', ts => 'infinity')$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', ts => '-infinity')$$);
-- limits, the last that fits and the first that does not
SELECT pg_temp.refusal($$SELECT inngest.send_event(repeat('n', 1024))$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event(repeat('n', 1025))$$);
SELECT left(pg_temp.refusal(format('SELECT inngest.send_event(''s/x'', id => repeat(''i'', %s))', n)), 60)
FROM (VALUES (1024), (1025)) AS v (n);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', jsonb_build_object('x', repeat('x', 512 * 1024 - 9)))$$);
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', jsonb_build_object('x', repeat('x', 512 * 1024 - 8)))$$);
-- the text counts, not how it is stored
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', jsonb_build_object('x', repeat(E'\x01', 100000)))$$);
-- a text that cannot be stored does not get so far
SELECT pg_temp.refusal($$SELECT inngest.send_event('s/x', '{"x": "\u0000"}')$$);

-- several: all or none, ids in the order given
SELECT count(*) FROM send_events('[]');
SELECT count(*) FROM send_events('{"name": "s/one"}');
CREATE TEMP TABLE many AS SELECT * FROM send_events('[
	{"name": "s/many", "data": {"n": 1}, "user": {"u": 1}, "id": "m1", "ts": 1767323045678, "v": "2", "unknown": 1},
	{"name": "s/many", "data": {"n": 2}, "ts": 0, "id": "", "v": null},
	{"name": "s/many", "meta": {"sessions": {"cart": "c1"}}}]') WITH ORDINALITY AS s (id, position);
SELECT m.position, e.data FROM many m JOIN events e USING (id) ORDER BY 1;
SELECT bool_and(id > before) FROM (SELECT id, lag(id) OVER (ORDER BY position) AS before FROM many) x;
SELECT * FROM pg_temp.sent('s/many');
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"name": "s/none"}, {"name": "inngest/x"}]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"name": "s/none"}, 7]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"data": {}}]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('"text"')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"name": "s/none", "data": []}]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"name": "s/none", "ts": "now"}]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"name": "s/none", "ts": 1e30}]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"name": "s/none", "id": 7}]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events('[{"name": 7}]')$$);
SELECT pg_temp.refusal($$SELECT * FROM inngest.send_events((SELECT jsonb_agg('{"name": "s/none"}'::jsonb) FROM generate_series(1, 5001)))$$);
SELECT count(*) FROM pg_temp.sent('s/none');
SELECT count(*), count(DISTINCT s) FROM send_events((SELECT jsonb_agg('{"name": "s/limit"}'::jsonb) FROM generate_series(1, 5000))) s;

-- a savepoint takes back what was sent after it, and nothing else
SELECT count(*) AS runs_before FROM function_runs \gset
SELECT count(*) FROM (SELECT send_event('s/hello', '{"sp": 1}')) x;
SAVEPOINT s;
SELECT count(*) FROM (SELECT send_event('s/hello', '{"sp": 2}')) x;
ROLLBACK TO s;
SELECT count(*) FROM (SELECT send_event('s/hello', '{"sp": 3}')) x;
RELEASE s;
SELECT data FROM events WHERE data ? 'sp' ORDER BY id;
SELECT count(*) - :runs_before FROM function_runs;

-- a trigger of the user's may send, in the transaction of what it is about
CREATE TEMP TABLE orders (id int);
CREATE FUNCTION pg_temp.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM inngest.send_event('s/order', to_jsonb(new));
	RETURN new;
END $$;
CREATE TRIGGER tell AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION pg_temp.tell();
INSERT INTO orders SELECT generate_series(1, 3);
SELECT data FROM pg_temp.sent('s/order');
ROLLBACK;

-- nothing happened
SELECT count(*) FROM events WHERE name LIKE 's/%';
SELECT count(*) - :runs FROM function_runs;
SELECT count(*) - :items FROM queue;
SELECT count(*) - :told FROM redis_outbox;
-- what commits is there, also if the transaction was prepared in between
BEGIN;
SELECT count(*) FROM (SELECT send_event('s/prepared')) x;
PREPARE TRANSACTION 'sender';
SELECT count(*) FROM events WHERE name = 's/prepared';
COMMIT PREPARED 'sender';
SELECT count(*) FROM events WHERE name = 's/prepared';

-- a number that is short in jsonb and long as text
SELECT inngest.send_event('numbers/long', '{"n": 1e100000}');
SELECT inngest.send_event('numbers/long', '{"n": [1e-500]}');
