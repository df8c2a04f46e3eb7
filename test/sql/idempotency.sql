-- One run per function and event id within 24 hours; the event itself is stored each time.
SET search_path TO inngest, public;
\pset format unaligned
\pset tuples_only on
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT slug FROM register_function('{"id": "one", "triggers": [{"event": "i/a"}, {"event": "i/both"}]}');
SELECT slug FROM register_function('{"id": "two", "triggers": [{"event": "i/b"}, {"event": "i/both"}]}');

-- send with an id: what has been sent with it so far, and the runs of each function
CREATE FUNCTION pg_temp.send(name text, id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM inngest.send_event(name, id => id);
	RETURN (SELECT format('%s events, runs: one %s, two %s', count(DISTINCT e.id), count(r.id) FILTER (WHERE r.function_id = 'one'),
				count(r.id) FILTER (WHERE r.function_id = 'two'))
			FROM inngest.events e LEFT JOIN inngest.runs r ON r.event_id = e.id WHERE e.caller_id = send.id OR send.id IS NULL AND e.caller_id IS NULL AND e.name = send.name);
END $$;

SELECT pg_temp.send('i/a', 'x');
SELECT pg_temp.send('i/a', 'x');
-- the name does not matter, the function does
SELECT pg_temp.send('i/b', 'x');
SELECT pg_temp.send('i/both', 'x');
SELECT pg_temp.send('i/both', 'y');
SELECT pg_temp.send('i/a', 'y');
-- ids are compared as they are
SELECT pg_temp.send('i/a', 'X');
SELECT pg_temp.send('i/a', ' x');
-- no id: never the same
SELECT pg_temp.send('i/a', NULL);
SELECT pg_temp.send('i/a', NULL);
-- in one call
SELECT count(*) FROM send_events('[{"name": "i/a", "id": "z"}, {"name": "i/both", "id": "z"}, {"name": "i/a", "id": "z"}]');
SELECT pg_temp.send('i/none', 'z');
-- whether it ended does not matter
SELECT count(complete_run(run_id, lease_id)::text) FROM lease_runs(ARRAY['one', 'two'], 100);
SELECT pg_temp.send('i/both', 'x');
-- 24 hours
SELECT count(*), bool_and(expires_at BETWEEN now() + interval '23 hours 59 min' AND clock_timestamp() + interval '1 day') FROM idempotency_keys;
UPDATE idempotency_keys SET expires_at = now() + interval '1 hour';
SELECT pg_temp.send('i/both', 'x');
UPDATE idempotency_keys SET expires_at = now() WHERE function_id = (SELECT id FROM functions WHERE slug = 'one');
SELECT pg_temp.send('i/both', 'x');
SELECT pg_temp.send('i/both', 'x');
-- a rolled back sender has used up nothing
SAVEPOINT s;
SELECT pg_temp.send('i/a', 'sp');
ROLLBACK TO s;
SELECT pg_temp.send('i/a', 'sp');
-- a skipped run neither
SELECT pause_function('one');
SELECT pg_temp.send('i/a', 'paused');
SELECT resume_function('one');
SELECT pg_temp.send('i/a', 'paused');
SELECT pg_temp.send('i/a', 'paused');
-- a function that was deleted and is registered again is the same
SELECT delete_function('one');
SELECT slug FROM register_function('{"id": "one", "triggers": [{"event": "i/a"}]}');
SELECT pg_temp.send('i/a', 'paused');
ROLLBACK;
