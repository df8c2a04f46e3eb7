-- Registration: what a config may say, what is stored of it, and that everything wrong with it is
-- reported at once, each fault with its path; that what this version cannot do is told apart.
SET search_path TO inngest, public;
SET timezone TO 'UTC';
\pset format unaligned
\pset tuples_only on
\set ON_ERROR_ROLLBACK on
BEGIN;

-- all that is wrong with a config: SQLSTATE and message, then a line for each fault
CREATE FUNCTION pg_temp.judge(config jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	PERFORM inngest.register_function(config);
	RETURN NEXT 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN NEXT SQLSTATE || ' ' || message;
	RETURN QUERY SELECT unnest(string_to_array(detail, E'\n'));
END $$;

-- the faults of one trigger
CREATE FUNCTION pg_temp.judge_trigger(trigger jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT fault FROM pg_temp.judge(jsonb_build_object('id', 't', 'triggers', jsonb_build_array(trigger))) AS fault
	WHERE fault LIKE 'triggers%'
$$;

CREATE FUNCTION pg_temp.judge_concurrency(concurrency jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT * FROM pg_temp.judge(jsonb_build_object('id', 'c', 'concurrency', concurrency))
$$;

CREATE VIEW pg_temp.stored AS
	SELECT f.slug, f.name, a.name AS app, f.runtime, f.max_attempts, f.version, f.archived_at IS NOT NULL AS archived,
		   (SELECT array_agg(t.event_name ORDER BY t.position) FROM triggers t WHERE t.function_id = f.id) AS triggers
	FROM functions f JOIN apps a ON a.id = f.app_id
	ORDER BY f.slug;

-- the least there is
SELECT slug, name, runtime, version, max_attempts, config FROM register_function('{"id": "hello"}');
-- a useful one
SELECT slug, name, runtime, version, max_attempts FROM register_function('{
	"id": "greet", "name": "Greet", "app_id": "shop", "runtime": "pull", "retries": 2,
	"triggers": [{"event": "shop/user.created"}, {"event": "shop/order.*"}, {"event": "inngest/function.failed"}]}');
SELECT * FROM pg_temp.stored;

-- the same again, changed, deleted, back
SELECT version FROM register_function('{"id": "hello"}');
SELECT version, max_attempts FROM register_function('{"id": "hello", "retries": 0, "triggers": [{"event": "a"}]}');
SELECT delete_function('hello');
SELECT * FROM pg_temp.stored WHERE slug = 'hello';
SELECT version, max_attempts FROM register_function('{"id": "hello", "triggers": [{"event": "b"}, {"event": "a"}]}');
SELECT * FROM pg_temp.stored WHERE slug = 'hello';

-- keys in any case; options left out in any way; keys that nobody knows
SELECT slug, name, max_attempts FROM register_function('{
	"Id": "lenient", "NAME": "Lenient", "Retries": 1e0, "Triggers": [{"Event": "a/*", "expression": ""}],
	"concurrency": 0, "throttle": {}, "rateLimit": null, "debounce": [], "batchEvents": null, "priority": {},
	"idempotency": "", "cancel": [], "timeouts": {}, "Singleton": null, "checkpoint": {"batch_steps": 3},
	"steps": {}, "runtime": null, "app_id": null, "colour": "blue"}');

-- retries of the function, of its step, and too many
SELECT max_attempts FROM register_function('{"id": "r", "retries": 20}');
SELECT max_attempts FROM register_function('{"id": "r", "retries": 21}');
SELECT max_attempts FROM register_function('{"id": "r", "runtime": "pull", "retries": 7, "steps": {"step": {"retries": {"attempts": 1}}}}');
SELECT max_attempts FROM register_function('{"id": "r", "runtime": "pull", "retries": 7, "steps": {"step": {"retries": null}}}');

-- not an object, nothing, everything wrong
SELECT pg_temp.judge('[]');
SELECT pg_temp.judge('"hello"');
SELECT pg_temp.judge('{}');
SELECT pg_temp.judge('{"id": 1, "name": "", "app_id": [1], "runtime": "lambda", "retries": -1, "triggers": {"event": "a"}}');
SELECT pg_temp.judge('{"id": "", "name": 1, "app_id": "", "retries": 1.5, "steps": [1]}');

-- ids
SELECT id, pg_temp.judge(jsonb_build_object('id', id))
FROM (VALUES ('A_b-c.d:9'), ('_a'), ('-a'), ('.'), ('a/b'), ('a b'), ('é')) AS sample (id);
SELECT pg_temp.judge(jsonb_build_object('id', repeat('x', 255), 'name', repeat('é', 255), 'app_id', repeat('é', 255)));
SELECT pg_temp.judge(jsonb_build_object('id', repeat('x', 256), 'name', repeat('é', 256), 'app_id', repeat('é', 256)));

-- triggers
SELECT trigger, fault
FROM unnest(ARRAY['1', '{}', '{"event": ""}', '{"event": 1}', '{"event": "a", "cron": "* * * * *"}', '{"event": "*"}',
				  '{"event": "app/*"}', '{"event": "app/user.*"}', '{"event": "app/user*"}', '{"event": "app/*/x"}',
				  '{"event": "app/**"}', '{"event": "a", "expression": "event.data.n > 1"}', '{"event": "a", "expression": true}',
				  '{"cron": "* * * * *", "jitter": "6m"}', '{"cron": "* * * * *", "jitter": "0s"}', '{"cron": 5}']::jsonb[]) AS trigger
LEFT JOIN LATERAL pg_temp.judge_trigger(trigger) AS fault ON true;
SELECT pg_temp.judge_trigger(jsonb_build_object('event', repeat('é', 255)));
SELECT pg_temp.judge_trigger(jsonb_build_object('event', repeat('é', 256)));
SELECT pg_temp.judge(jsonb_build_object('id', 't', 'triggers', jsonb_agg(jsonb_build_object('event', n::text)))) FROM generate_series(1, 10) AS n;
SELECT pg_temp.judge(jsonb_build_object('id', 't', 'triggers', jsonb_agg(jsonb_build_object('event', n::text)))) FROM generate_series(1, 11) AS n;
SELECT pg_temp.judge('{"id": "t", "triggers": [
	{"event": "a"}, {"event": "a", "expression": "true"}, {"event": "a"}, {"cron": "0 0 * * *"}, {"cron": "0 0 * * *", "jitter": "1m"}]}');

-- cron expressions
SELECT cron, fault
FROM unnest(ARRAY['* * * * *', ' */5 0-6,12/2 ?  JAN-mar sun ', 'TZ=Europe/Paris 0 9 * * mon-fri', 'CRON_TZ=UTC 0 0 30 2 *',
				  '@daily', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * * 13 *', '* * * * 7',
				  '5-1 * * * *', '*/0 * * * *', '*/ * * * *', '1,,2 * * * *', '1- * * * *', '*5 * * * *', 'noon * * * *', 'mon * * * *',
				  '', '   ', 'TZ= * * * * *', 'TZ=Mars/Olympus * * * * *', 'TZ=ABC+5 * * * * *',
				  'TZ=Etc/GMT+5 * * * * *', 'TZ=est5edt * * * * *', 'TZ=UTC', repeat('*', 256)]) AS cron
LEFT JOIN LATERAL pg_temp.judge_trigger(jsonb_build_object('cron', cron)) AS fault ON true;

-- a function of an app, with what cancels its runs; the runtime can be named, too
SELECT slug, runtime, version, max_attempts, url, step_id, language, start_timeout, finish_timeout, has_cancels FROM register_function('{
	"id": "called", "triggers": [{"event": "a"}], "steps": {"step": {"id": "step", "name": "step",
	"runtime": {"type": "http", "url": "https://localhost:3000/api/inngest?stepId=step&fnId=called"}, "retries": {"attempts": 3}}},
	"timeouts": {"start": "1500ms", "finish": "2d"},
	"cancel": [{"event": "b", "if": "event.data.id == async.data.id"}, {"event": "c", "timeout": "1d"}, {"event": "c", "timeout": "0s"},
		{"event": "d", "timeout": "2024-02-29T23:59:60.5+01:00"}, {"event": "d", "timeout": "1900-03-01T00:00:00.1234567-00:30", "if": ""}]}');
SELECT position, event_name, expression, timeout, expires_at FROM function_cancels ORDER BY position;
SELECT runtime, step_id, has_cancels, start_timeout FROM register_function('{"id": "called", "runtime": "HTTP", "steps": {"one": {"runtime": {"type": "http", "url": "http://h"}}}}');
SELECT count(*) FROM function_cancels;
SELECT FROM register_function('{"id": "called", "cancel": [{"event": "b"}]}');
-- as the SDK for Go says it
SELECT runtime, step_id FROM register_function('{"id": "go", "Singleton": null, "steps": {"step": {"id": "step", "name": "go", "runtime": {"url": "http://h/?fnId=go&step=step"}, "retries": null}}}');
SELECT runtime, url, step_id, has_cancels, (SELECT count(*) FROM function_cancels) FROM functions WHERE slug = 'called';
SELECT delete_function('called');
SELECT count(*) FROM function_cancels;

-- the one form of URLs
SELECT url, (register_function(jsonb_build_object('id', 'u', 'steps', jsonb_build_object('step', jsonb_build_object('runtime',
	jsonb_build_object('type', 'http', 'url', url)))))).url
FROM unnest(ARRAY['HTTP://Example.COM:80/Api/Inngest', 'https://h:443', 'http://h:443/', 'https://h:?b=2&a=1', 'http://127.0.0.1:3000/x', 'http://0.0.0.0:3000',
	'http://127.0.0.1/x', 'http://127.0.0.1:80/x', 'http://u:p@h:8080/x', 'http://[::1]:3000/x', 'http://h/x?stepId=step&fnId=a-b&deployId=7&probe=trust#frag',
	'http://h?a=%7e%20+%C3%A9%zz&&a=1&a&b=c=d', 'http://h/x?', 'http://h/ä?ä=ö']) AS url;
SELECT url, pg_temp.judge(jsonb_build_object('id', 'u', 'steps', jsonb_build_object('step', jsonb_build_object('runtime',
	jsonb_build_object('type', 'http', 'url', url)))))
FROM unnest(ARRAY['http://h:0', 'http://h:65536', 'http://h:x', 'http://[::1', 'http://[]', 'http://a b/', E'http://a/\n', 'http://a{b}/', 'http://u@', 'ws://h', 'wss://h']) AS url;
SELECT pg_temp.judge('{"id": "u", "steps": {"step": {"runtime": {"type": "ws", "url": "http://h"}}}}');
SELECT pg_temp.judge(jsonb_build_object('id', 'u', 'steps', jsonb_build_object('step', jsonb_build_object('runtime',
	jsonb_build_object('type', 'http', 'url', 'http://h/' || repeat('x', n)))))) FROM unnest(ARRAY[2048 - 9, 2048 - 8]) AS n;

-- what is right but cannot be done yet has an SQLSTATE of its own
SELECT pg_temp.judge('{"id": "x", "runtime": "sql"}');
SELECT pg_temp.judge('{"id": "x", "triggers": [{"cron": "0 0 * * *"}, {"event": "a", "expression": "true"}],
	"concurrency": 5, "throttle": {"limit": 1, "period": "1s", "burst": 0, "key": ""}, "rateLimit": {"limit": 1, "period": "24h"},
	"debounce": {"period": "7d", "timeout": "1h"}, "priority": {"run": "10"}, "idempotency": "event.data.id",
	"cancel": [{"event": "b"}, {"event": "b", "timeout": "1d"}, {"event": "b", "timeout": "2024-02-29T23:59:60.5+01:00", "if": "true"}],
	"timeouts": {"start": "1s", "finish": "1w"}, "singleton": {"mode": "skip", "key": "event.data.id"}}');
SELECT pg_temp.judge('{"id": "x", "batchEvents": {"maxSize": 2, "timeout": "1s", "key": "event.data.a", "if": "event.data.b"}}');

-- expressions: every problem of each, at its place
SELECT pg_temp.judge('{"id": "x", "triggers": [
	{"event": "a", "expression": "event.data.n >"}, {"event": "b", "expression": "evnt.data.n > 1 && lower(event.data.s)"},
	{"event": "c", "expression": ""}, {"event": "d", "expression": "event.data.s.matches(''('')"}, {"event": "e", "expression": "''ä'' + size()"}]}');
SELECT pg_temp.judge(jsonb_build_object('id', 'x', 'triggers', jsonb_build_array(jsonb_build_object('event', 'a', 'expression', repeat(' ', 65537)))));
SELECT pg_temp.judge('{"id": "x", "idempotency": "async.data.id", "priority": {"run": "event.data.p ?"}, "throttle": {"limit": 1, "period": "1s", "key": "foo"},
	"concurrency": {"limit": 1, "key": "bar"}, "cancel": [{"event": "a", "if": "event.data.id == async.data.id && size(async.data.l) > 1"}]}');

-- steps
SELECT pg_temp.judge('{"id": "x", "runtime": "HTTP"}');
SELECT pg_temp.judge('{"id": "x", "steps": {"a": {}, "b": {}}}');
SELECT pg_temp.judge('{"id": "x", "steps": {"step": null}}');
SELECT pg_temp.judge('{"id": "x", "steps": {"step": {}}}');
SELECT pg_temp.judge('{"id": "x", "steps": {"step": {"id": 1, "name": 2, "runtime": {"type": "ftp"}, "retries": 3}}}');
SELECT pg_temp.judge('{"id": "x", "runtime": "pull", "steps": {"step": {"runtime": {"type": "WS", "url": "ftp://host"}, "retries": {"attempts": -1}}}}');
SELECT pg_temp.judge(jsonb_build_object('id', 'x', 'runtime', 'pull', 'steps', jsonb_build_object(repeat('é', 100), 1)));
SELECT url, pg_temp.judge(jsonb_build_object('id', 'x', 'runtime', 'pull', 'steps', jsonb_build_object('s',
	jsonb_build_object('runtime', jsonb_build_object('type', 'http', 'url', url)))))
FROM unnest(ARRAY['HTTP://h', 'wss://h/p', 'http://', 'http:///p', 'http://?q', 'h']) AS url;

-- flow control: every member of every option
SELECT pg_temp.judge('{"id": "x",
	"throttle": {"limit": -1, "period": "999ms", "burst": 1.5, "key": 1},
	"rateLimit": {"limit": 0, "period": "24h1s", "key": []},
	"debounce": {"period": "7d1s", "timeout": 5},
	"batchEvents": {"maxSize": 1, "timeout": "999ms", "key": 1, "if": 2},
	"priority": {"run": ""}, "idempotency": 5,
	"cancel": [{}, {"event": ""}, {"event": "b", "timeout": "soon", "if": 3}, 4],
	"timeouts": {"start": "0s", "finish": "1 h"}, "singleton": {"mode": "queue"}}');
SELECT pg_temp.judge('{"id": "x", "throttle": 5, "rateLimit": {"key": "event.data.a"}, "debounce": {"key": "event.data.a"}, "batchEvents": {"key": "event.data.a"},
	"priority": {"key": 1}, "singleton": {"key": "event.data.a"}, "cancel": [1, 2, 3, 4, 5, 6]}');
SELECT concurrency, pg_temp.judge_concurrency(concurrency)
FROM unnest(ARRAY['0', '-1', '1.5', '"5"', '{"limit": 0}', '{"limit": 5}', '{"key": "event.data.a"}', '{"limit": -1}',
				  '[{"limit": 5, "scope": "Fn", "hash": "x"}, {"limit": 5, "scope": "Account", "key": "event.data.a"}]', '[{"limit": 5, "scope": "env"}]',
				  '[{"limit": 1}, {"limit": 1}, {"limit": 1}]', '[5]', '{"fn": [{"limit": 1}], "step": [{"limit": 0}]}',
				  '{"fn": [{"limit": 0}]}', '{"fn": [{"limit": 1}, {"limit": 1}]}', '{"fn": [{"limit": 1, "scope": "app"}], "step": null}',
				  '{"step": 5}']::jsonb[]) AS concurrency;
SELECT timeout, count(*) FILTER (WHERE fault LIKE 'cancel[0].timeout:%') AS faults
FROM unnest(ARRAY['2024-01-01t00:00:00z', '2024-01-01T00:00:00.5-23:59', '2024-12-31T23:59:60Z', '1w2d', '',
				  '2023-02-29T00:00:00Z', '2024-13-01T00:00:00Z', '2024-01-01T24:00:00Z', '2024-01-01T00:60:00Z', '2024-01-01T00:00:00',
				  '2024-01-01T00:00:00.Z', '2024-01-01T00:00:00+1:00', '2024-01-01T00:00:00Zz', '2024-01-01', '2 days'])
	WITH ORDINALITY AS sample (timeout, position),
	pg_temp.judge(jsonb_build_object('id', 'x', 'cancel', jsonb_build_array(jsonb_build_object('event', 'a', 'timeout', timeout)))) AS fault
GROUP BY timeout, position ORDER BY position;

-- what SDKs send: only what is not supported yet is held against it
SELECT pg_temp.judge('{"id": "app-fn", "name": "fn", "triggers": [{"event": "a", "expression": "event.data.x"}],
	"steps": {"step": {"id": "step", "name": "step", "runtime": {"type": "http", "url": "http://localhost:3000/api/inngest?fnId=app-fn&stepId=step"},
	"retries": {"attempts": 3}}}, "batchEvents": null, "rateLimit": null, "concurrency": [{"limit": 2, "key": "event.data.x", "scope": "fn"}]}');
SELECT pg_temp.judge('{"id": "app-fn", "name": "fn", "retries": 3, "priority": null, "Singleton": null, "timeouts": null,
	"triggers": [{"event": "a", "cron": null}], "steps": {"step": {"id": "step", "name": "fn", "retries": null,
	"runtime": {"type": "http", "url": "http://localhost:8080/api/inngest?fnId=app-fn&step=step"}}},
	"concurrency": {"fn": [], "step": [{"limit": 2, "key": "event.data.x", "scope": "Env", "hash": "x"}]}, "checkpoint": {"batch_interval": 1000000}}');

-- limits of the whole: size, and the number of faults that are listed
SELECT pg_temp.judge(jsonb_build_object('id', 'x', 'pad', repeat('x', 262000)));
SELECT pg_temp.judge(jsonb_build_object('id', 'x', 'pad', repeat('x', 262144)));
SELECT count(*), string_agg(fault, ' ') FILTER (WHERE fault LIKE '% more %')
FROM pg_temp.judge(jsonb_build_object('triggers', array_fill('{"event": 1, "cron": 2, "expression": 3, "jitter": 4}'::jsonb, ARRAY[10]))) AS fault;

-- a config that was refused has left nothing behind, and has not changed what was there
SELECT pg_temp.judge('{"id": "greet", "retries": 0, "app_id": "refused", "triggers": [{"event": "*"}]}');
SELECT * FROM pg_temp.stored WHERE slug = 'greet';
SELECT count(*) FROM apps WHERE name = 'refused';

-- null is no config
SELECT register_function(NULL) IS NULL;

ROLLBACK;
