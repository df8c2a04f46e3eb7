-- Registration of a whole app by its SDK: what SDKs of three languages send, all or nothing, again and again, what becomes
-- of functions that are missing, and whose a function is.
SET search_path TO inngest, public;
SET timezone TO 'UTC';
\pset format unaligned
\pset tuples_only on
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
BEGIN;
-- that of functions without an app, if other tests have had any
DELETE FROM apps WHERE name = 'default';

\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/fixtures/register-js.json'
CREATE TEMP TABLE js AS SELECT pg_read_file(:'file')::jsonb AS body;

-- what is answered, the ids as whether they are there
CREATE FUNCTION pg_temp.register(input jsonb, headers jsonb DEFAULT '{}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	answer record;
BEGIN
	SELECT * INTO answer FROM inngest.api_fn_register(jsonb_build_object('query', '[]'::jsonb, 'headers', headers), input);
	RETURN NEXT answer.status || ' ' || (answer.body - 'error' - 'data' - 'sync_id' - 'app_id');
	IF answer.body ? 'sync_id' THEN
		RETURN NEXT (SELECT format('app %s: sync id %s', a.name, CASE WHEN a.sync_id = (answer.body->>'sync_id')::uuid THEN 'kept' ELSE 'lost' END)
			FROM inngest.apps a WHERE a.id = (answer.body->>'app_id')::uuid);
	END IF;
	RETURN QUERY SELECT unnest(string_to_array(answer.body->>'error', E'\n'));
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT SQLSTATE || ' ' || SQLERRM;
END $$;

-- an app with functions of the given ids
CREATE FUNCTION pg_temp.app(app text, ids text[] DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('appName', app, 'url', 'http://127.0.0.1:3000/api/inngest', 'v', '0.1', 'sdk', 'js:v4.0.0', 'functions',
		coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', id, 'triggers', jsonb_build_array(jsonb_build_object('event', 'on/' || id)),
			'steps', jsonb_build_object('step', jsonb_build_object('id', 'step', 'name', 'step', 'runtime',
				jsonb_build_object('type', 'http', 'url', 'http://127.0.0.1:3000/api/inngest?fnId=' || id || '&stepId=step'))))), '[]'))
	FROM unnest(ids) AS id
$$;
CREATE VIEW pg_temp.stored AS
	SELECT f.slug, a.name AS app, f.version, f.language, f.archived_at IS NOT NULL AS archived, (SELECT string_agg(t.event_name, ' ') FROM triggers t WHERE t.function_id = f.id) AS events
	FROM functions f JOIN apps a ON a.id = f.app_id ORDER BY f.slug;

-- recorded from the TypeScript SDK: 60 functions; all or none
SELECT pg_temp.register(jsonb_set(body, '{functions,41,steps,step,runtime,type}', '"ws"')) FROM js;
SELECT count(*) FROM functions;
SELECT count(*) FROM apps;
SELECT pg_temp.register(body) FROM js;
SELECT count(*) FROM functions;
SELECT count(*) FROM apps;
UPDATE js SET body = jsonb_set(body, '{functions}', (SELECT jsonb_agg(f) FROM jsonb_array_elements(body->'functions') AS f
	WHERE NOT f ?| '{concurrency,throttle,rateLimit,debounce,batchEvents,priority,idempotency,singleton}'));
SELECT pg_temp.register(body, '{"x-inngest-sdk": "inngest-js:v4.24.0", "x-inngest-framework": "express", "x-inngest-platform": "vercel"}') FROM js;
SELECT name, method, url, sdk, framework, platform, app_version, status, synced_at = now(), error_code, error, functions FROM apps_status;
SELECT runtime, language, max_attempts, count(*), min(url) FROM functions GROUP BY 1, 2, 3 ORDER BY 3;
SELECT event_name, expression, timeout FROM function_cancels ORDER BY position;
SELECT cron FROM schedules;
-- the same again, also when it says other things by the way
SELECT pg_temp.register(jsonb_set(body, '{featureObservations}', '{"x": 1}') || '{"deployId": "new"}') FROM js;
SELECT DISTINCT version FROM functions;
-- a new version of one function
SELECT pg_temp.register(jsonb_set(body, '{functions,0,triggers}', '[{"event": "cp/other"}]')) FROM js;
SELECT version, count(*), min(slug) FROM functions GROUP BY version ORDER BY version;
SELECT archive_app('peer-app');
SELECT status, functions, error FROM apps_status;
SELECT pg_temp.register(body) FROM js;
SELECT status, functions FROM apps_status;
SELECT archive_app('peer-app');
SELECT archive_app('peer-app');
DELETE FROM functions;

-- Python and Go spell things in their own ways
SELECT pg_temp.register('{"appname": "py-app", "deploy_type": "ping", "framework": "fast_api", "sdk": "py:v0.5.0", "url": "http://localhost:8000/api/inngest", "v": "0.1",
	"capabilities": {"in_band_sync": "v1", "trust_probe": "v1"}, "functions": [{"id": "py-app-fn", "name": "fn", "triggers": [{"event": "py"}],
	"steps": {"step": {"id": "step", "name": "step", "retries": {"attempts": 2}, "runtime": {"type": "http", "url": "http://localhost:8000/api/inngest?fnId=py-app-fn&stepId=step"}}}}]}');
SELECT pg_temp.register('{"appName": "go-app", "deployType": "ping", "sdk": "go:v0.16.0", "url": "http://0.0.0.0:8080/api/inngest?deployId=1", "v": "1", "appVersion": "",
	"headers": {"env": "", "platform": "railway"}, "capabilities": {"in_band_sync": "v1", "trust_probe": "v1"}, "functions": [{"id": "go-app-fn", "name": "fn",
	"priority": null, "Singleton": null, "concurrency": {"fn": null, "step": null}, "timeouts": null, "checkpoint": {"batch_interval": 1000000}, "retries": 3,
	"triggers": [{"event": "go", "expression": null}], "cancel": [], "steps": {"step": {"id": "step", "name": "fn", "retries": null,
	"runtime": {"type": "http", "url": "http://0.0.0.0:8080/api/inngest?fnId=go-app-fn&step=step"}}}}]}');
SELECT * FROM pg_temp.stored WHERE NOT archived;
SELECT name, url, sdk, framework, platform, app_version, method FROM apps WHERE archived_at IS NULL ORDER BY name;

-- functions that are missing are archived, and come back with their ids and versions
SELECT pg_temp.register(pg_temp.app('a', '{a-1,a-2,a-3}'));
SELECT id AS a_2 FROM functions WHERE slug = 'a-2' \gset
SELECT pg_temp.register(pg_temp.app('a', '{a-3,a-1}'));
SELECT * FROM pg_temp.stored WHERE app = 'a';
SELECT pg_temp.register(pg_temp.app('a', '{a-2}'));
SELECT * FROM pg_temp.stored WHERE app = 'a';
SELECT id = :'a_2' FROM functions WHERE slug = 'a-2';
SELECT pg_temp.register(pg_temp.app('a'));
SELECT status, functions FROM apps_status WHERE name = 'a';
SELECT pg_temp.register(pg_temp.app('a') || '{"functions": null}');

-- equal is not the same when somebody else has changed a function, or when the app has an error
SELECT pg_temp.register(pg_temp.app('a', '{a-1}'));
SELECT delete_function('a-1');
SELECT pg_temp.register(pg_temp.app('a', '{a-1}'));
SELECT FROM register_function('{"id": "a-1", "app_id": "a"}');
SELECT pg_temp.register(pg_temp.app('a', '{a-1}'));
SELECT FROM register_function('{"id": "a-2", "app_id": "a", "runtime": "pull"}');
SELECT pg_temp.register(pg_temp.app('a', '{a-1}'));
SELECT pg_temp.register(pg_temp.app('a', '{a-1}'));
SELECT pg_temp.register(jsonb_set(pg_temp.app('a', '{a-1}'), '{functions,0,retries}', '-1'));
SELECT status, error_code, error FROM apps_status WHERE name = 'a';
SELECT pg_temp.register(pg_temp.app('a', '{a-1}'));
SELECT status, error_code, error FROM apps_status WHERE name = 'a';
SELECT * FROM pg_temp.stored WHERE app = 'a';

-- nothing is stolen from another app, unless that has given it up
SELECT pg_temp.register(pg_temp.app('b', '{b-1,a-1}'));
SELECT count(*) FROM apps WHERE name = 'b';
SELECT pg_temp.register(pg_temp.app('b', '{b-1,a-2}'));
SELECT * FROM pg_temp.stored WHERE app IN ('a', 'b');
SELECT pg_temp.register(pg_temp.app('a', '{a-1,a-2}'));

-- everything that is wrong, at once
SELECT pg_temp.register('[]');
SELECT pg_temp.register(NULL);
SELECT pg_temp.register('{}');
SELECT pg_temp.register('{"appName": 1, "url": "ftp://h", "sdk": [1], "framework": 5, "functions": {"id": "a"}}');
SELECT pg_temp.register('{"appName": "c", "url": "http://h", "functions": [1, {}, {"id": "x", "runtime": "sql"}, {"id": "x", "runtime": "pull"}, {"id": "y", "steps": {"step": {"runtime": {"type": "http", "url": "h"}}},
	"triggers": [{"event": "a", "expression": "evnt.data"}]}]}');
SELECT pg_temp.register('{"appName": "c", "url": "ws://h/connect", "deployType": "connect", "functions": []}');
SELECT pg_temp.register(pg_temp.app('c', (SELECT array_agg('c-' || n) FROM generate_series(1, 1001) AS n)));
SELECT count(*) FROM apps WHERE name = 'c';
SELECT status, body - 'error' FROM api_fn_register('{"headers": {}}', '{"appName": "c", "url": "http://h", "functions": [{"id": "x", "runtime": "pull", "priority": {"run": "1"}}]}');

-- the kind of server that the app expects
SELECT pg_temp.register(pg_temp.app('d'), '{"x-inngest-expected-server-kind": "cloud"}');
SELECT pg_temp.register(pg_temp.app('d'), '{"x-inngest-expected-server-kind": "dev"}');
SELECT pg_temp.register(pg_temp.app('d'), '{"x-inngest-expected-server-kind": ""}');

-- apps by their URL, whatever its spelling
SELECT name, url FROM apps_status WHERE status = 'ok' ORDER BY name COLLATE "C";
SELECT * FROM api_fn_remove('{"query": [["url", "http://localhost:3000/api/inngest"]]}', NULL);
SELECT name FROM apps_status WHERE status = 'ok' ORDER BY name COLLATE "C";
SELECT * FROM pg_temp.stored WHERE NOT archived;
SELECT api_fn_remove('{"query": [["url", "http://localhost:3000/api/inngest"]]}', NULL);
SELECT api_fn_remove('{"query": [["url", "localhost"]]}', NULL);
SELECT api_fn_remove('{"query": []}', NULL);
SELECT archive_app('nobody');

-- requests to ask an app, and what an app answers instead of registering by itself
SELECT sync_app('http://127.0.0.1:3000/api/inngest?deployId=1') IS NOT NULL;
SELECT url, status, finished_at, error_code FROM syncs;
SELECT sync_app('ws://h');
SELECT sync_app('h');
UPDATE syncs SET status = 'failed', finished_at = now() - interval '2 days', error_code = 'unreachable', error = 'x';
INSERT INTO syncs (id, url, requested_at) SELECT gen_random_uuid(), 'http://h', now() FROM generate_series(1, 999);
SELECT sync_app('http://i') IS NOT NULL;
SELECT status, count(*) FROM syncs GROUP BY status;
SELECT sync_app('http://i');
SELECT in_band_registration('{"app_id": "in", "env": null, "framework": "express", "functions": [], "inspection": {}, "platform": null, "sdk_author": "inngest", "sdk_language": "js", "sdk_version": "4.24.0",
	"url": "http://h", "appVersion": "1"}');
SELECT in_band_registration('{"app_id": "in", "sdk_language": "py", "sdk_version": "v0.5.0"}')->>'sdk';
SELECT pg_temp.register(in_band_registration('{"app_id": "in", "functions": [], "sdk_language": "go", "sdk_version": "v0.16.0", "url": "http://h", "framework": null}'));
SELECT pg_temp.register(in_band_registration('{}'));
ROLLBACK;
