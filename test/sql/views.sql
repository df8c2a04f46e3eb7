-- What people look at: inngest.runs, inngest.queue_depth, and the JSON forms.
SET search_path TO inngest, public;
SET timezone TO 'UTC';
\pset format unaligned
\pset null '(none)'
BEGIN;
SELECT slug FROM register_function('{"id": "busy", "app_id": "shop", "triggers": [{"event": "v/busy"}]}');
SELECT slug FROM register_function('{"id": "idle", "triggers": [{"event": "v/idle"}]}');
SELECT count(*) FROM send_events((SELECT jsonb_agg(jsonb_build_object('name', 'v/busy', 'data', jsonb_build_object('n', n))) FROM generate_series(1, 6) n));
SELECT count(*) FROM (SELECT send_event('v/busy', '{"n": 7}', ts => now() + interval '1 day')) x;
SELECT pause_function('idle');
SELECT count(*) FROM (SELECT send_event('v/idle', '{"n": 8}')) x;
CREATE TEMP TABLE held AS SELECT * FROM lease_runs(ARRAY['busy'], 4);
SELECT complete_run(run_id, lease_id, '1') FROM held WHERE event->'data'->>'n' = '1';
SELECT fail_run(run_id, lease_id, '{"message": "no"}', false) FROM held WHERE event->'data'->>'n' = '2';
SELECT cancel_run(run_id) FROM held WHERE event->'data'->>'n' = '3';

-- every status; what it takes to be in it
SELECT e.data->'n' AS n, r.function_id, r.app_id, r.status, r.started_at IS NOT NULL AS started, r.ended_at IS NOT NULL AS ended,
	   abs(extract(epoch FROM r.queued_at - e.received_at)) < 1 AS queued_then
FROM runs r JOIN events e ON e.id = r.event_id WHERE r.function_id IN ('busy', 'idle') ORDER BY 1;
SELECT function_id, ready, scheduled, leased, oldest <= clock_timestamp() AS oldest_is_due FROM queue_depth WHERE function_id IN ('busy', 'idle') ORDER BY 1;
SELECT run_status(NULL, NULL), run_status(NULL, now()), run_status('SKIPPED', NULL);

-- an event as functions see it
SELECT event_json(e) - 'ts' - 'id' FROM events e WHERE data->>'n' = '1';
CREATE TEMP TABLE full_event AS SELECT * FROM send_events('[{"name": "v/full", "data": {"a": 1}, "user": {"b": 2}, "id": "mine", "ts": 1767323045678, "v": "3", "meta": {"sessions": {"s": "t"}}}]') AS s (id);
SELECT event_json(e) FROM events e JOIN full_event USING (id);
SELECT event_json(e)->>'id' = e.id::text AS own_id FROM events e WHERE data->>'n' = '2';

-- a run in full; keys first, then what can be told without ids and times
SELECT string_agg(k, ' ' ORDER BY k) AS keys FROM jsonb_object_keys((SELECT run_detail_json(run_id) FROM held LIMIT 1)) k;
SELECT h.event->'data'->'n' AS n, d->>'status' AS status, d->'output' AS output, d->'error' AS error, jsonb_array_length(d->'events') AS events,
	   d #>> '{attempts,0,status}' AS attempt, d->'lease' ? 'expires_at' AS leased, d->>'next_attempt_at' AS next
FROM held h, LATERAL run_detail_json(h.run_id) d ORDER BY 1;
SELECT run_detail_json(generate_ulid());
SELECT iso_time('2026-01-02 03:04:05.6789+00'), iso_time(NULL);
ROLLBACK;
