-- Triggers with expressions: which functions an event starts.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET search_path TO inngest, public;

-- other tests list all functions that there are
BEGIN;

CREATE FUNCTION pg_temp.register(id text, VARIADIC triggers text[]) RETURNS text LANGUAGE sql AS $$
	SELECT (inngest.register_function(jsonb_build_object('id', id, 'triggers',
		(SELECT jsonb_agg(CASE WHEN x = '' THEN jsonb_build_object('event', e) ELSE jsonb_build_object('event', e, 'expression', x) END)
		 FROM (SELECT split_part(t, ' if ', 1) AS e, split_part(t, ' if ', 2) AS x FROM unnest(triggers) t) s)))).slug
$$;

-- the functions that an event started
CREATE FUNCTION pg_temp.started(name text, data jsonb DEFAULT '{}', id text DEFAULT NULL, "user" jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	event inngest.ulid := inngest.send_event(name, data, id, NULL, "user");
BEGIN
	RETURN coalesce((SELECT string_agg(r.function_id, ' ' ORDER BY r.function_id) FROM inngest.runs r WHERE r.event_id = event), 'none');
END
$$;

-- a condition, the first of two triggers, both of them once, a trigger after one that fails
SELECT pg_temp.register('pro', 'x/order if event.data.plan == "pro"');
SELECT pg_temp.register('large', 'x/order if event.data.amount > 100');
SELECT pg_temp.register('either', 'x/order if event.data.plan == "pro"', 'x/order if event.data.amount > 100', 'x/* if event.data.all');
SELECT pg_temp.register('fails', 'x/order if 1 / 0', 'x/order if event.data.amount > 100');
SELECT pg_temp.register('text', 'x/order if event.data.plan');
SELECT pg_temp.register('always', 'x/order');
SELECT pg_temp.started('x/order', '{"plan": "pro", "amount": 5}');
SELECT pg_temp.started('x/order', '{"plan": "pro", "amount": 500}');
SELECT pg_temp.started('x/order', '{"plan": "free", "amount": 500, "all": true}');
SELECT pg_temp.started('x/order', '{"all": true}');
SELECT pg_temp.started('x/other', '{"all": true}');
SELECT pg_temp.started('x/order');

-- which of them are looked up by a key
SELECT f.slug, t.position, t.expression, t.is_keyed, array_agg(k.path ORDER BY k.path) FILTER (WHERE k.path IS NOT NULL) AS paths
FROM triggers t JOIN functions f ON f.id = t.function_id LEFT JOIN trigger_keys k ON k.function_id = t.function_id AND k.position = t.position
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2;

-- what an expression sees of the event
SELECT pg_temp.register('sees', 'x/sees if event.name == "x/sees" && event.id == "mine" && event.user.plan == "gold" && event.ts > 1000.0 && !has(event.v) && !has(event.meta)');
SELECT pg_temp.started('x/sees', '{}', 'mine', '{"plan": "gold"}');
SELECT pg_temp.register('sees-id', 'x/sees-id if event.id.size() == 26 && event.user == {} && event.data == {}');
SELECT pg_temp.started('x/sees-id');
SELECT send_events('[{"name": "x/meta", "v": "2", "meta": {"sessions": {"a": "1"}}}]') IS NOT NULL;
SELECT pg_temp.register('sees-meta', 'x/meta if event.v == "2" && event.meta.sessions.a == "1"');
WITH sent AS (SELECT send_events('[{"name": "x/meta", "v": "2", "meta": {"sessions": {"a": "1"}}}]') AS id)
SELECT count(*) FROM sent;
SELECT count(*) FROM runs WHERE function_id = 'sees-meta';

-- keys: null finds what is missing, numbers are one line, lists of literals, both sides of ||
SELECT pg_temp.register('null', 'k/a if event.data.x == null');
SELECT pg_temp.register('one', 'k/a if event.data.x == 1');
SELECT pg_temp.register('one-point-five', 'k/a if 1.5 == event.data.x');
SELECT pg_temp.register('in', 'k/a if event.data.x in ["a", 1u, true, null]');
SELECT pg_temp.register('or', 'k/* if event.data.x == "a" || event.data.y.z == "b"');
SELECT pg_temp.register('zero', 'k/a if event.data.x == 0.0');
SELECT pg_temp.register('big', 'k/a if event.data.x == 9007199254740993');
SELECT pg_temp.register('and', 'k/a if event.data.y.z in ["b", "c"] && event.data.x == "a" && event.data.w > 1');
SELECT pg_temp.register('or-open', 'k/a if event.data.x == "a" || event.data.w > 1');
SELECT f.slug, array_agg(k.path ORDER BY k.path) AS paths FROM functions f JOIN trigger_keys k ON k.function_id = f.id WHERE k.event_name LIKE 'k/%' GROUP BY 1 ORDER BY 1;
SELECT data, pg_temp.started('k/a', data) FROM unnest(ARRAY['{}', '{"x": null}', '{"x": {}}', '{"x": []}', '{"x": ["a"]}', '{"x": "a"}', '{"x": "A"}', '{"x": 1}', '{"x": 1.0}', '{"x": 1.5}',
	'{"x": "1"}', '{"x": true}', '{"x": -0.0}', '{"x": 9007199254740992}', '{"x": 9007199254740993}', '{"y": 5}', '{"x": "c", "y": {"z": "b"}}', '{"x": "a", "y": {"z": "b"}, "w": 2}']::jsonb[]) AS data;
SELECT pg_temp.started('k/other', '{"x": "a"}');

-- a change counts at once, also when what an event found was cached
SELECT pg_temp.register('pro', 'x/order if event.data.plan == "gold"');
SELECT pg_temp.started('x/order', '{"plan": "pro"}');
SELECT pg_temp.started('x/order', '{"plan": "gold"}');
SELECT delete_function('pro');
SELECT pg_temp.started('x/order', '{"plan": "gold"}');
SELECT count(*) FROM trigger_keys k JOIN functions f ON f.id = k.function_id WHERE f.slug = 'pro';

-- one event that many keyed functions match, each with a trigger without keys, too: once each
SELECT count(pg_temp.register('many-' || n, 'many/x if event.data.x == "a"', 'many/x if event.data.n > 0', 'many/x if event.data.y == "b"')) FROM generate_series(1, 40) n;
SELECT array_length(string_to_array(pg_temp.started('many/x', '{"x": "a", "y": "b", "n": 1}'), ' '), 1);
SELECT array_length(string_to_array(pg_temp.started('many/x', '{"x": "b", "n": 1}'), ' '), 1);

-- nothing fits the cache: the answer is the same
SET inngest.expression_cache_size = '64kB';
SELECT count(pg_temp.register('wide-' || n, 'wide/x if event.data.n >= ' || n)) FROM generate_series(1, 300) n;
SELECT array_length(string_to_array(pg_temp.started('wide/x', '{"n": 7}'), ' '), 1), array_length(string_to_array(pg_temp.started('wide/x', '{"n": 250}'), ' '), 1);
RESET inngest.expression_cache_size;

-- what is looked up is what evaluation finds: random expressions and random events
SELECT setseed(0.42);
CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text VOLATILE LANGUAGE sql AS $$ SELECT choices[1 + floor(random() * array_length(choices, 1))::int] $$;
CREATE FUNCTION pg_temp.term() RETURNS text VOLATILE LANGUAGE sql AS $$
	SELECT format(pg_temp.pick('%2$s == event.data.%1$s', 'event.data.%1$s == %2$s', 'event.data.%1$s in [%2$s, "z"]', 'event.data.%1$s != %2$s'),
		pg_temp.pick('a', 'b', 'c.d', 'e'), pg_temp.pick('1', '1.0', '"1"', 'null', 'true', '"x"', '2u', '0'))
$$;
CREATE TEMP TABLE expression AS
	SELECT n, CASE n % 3 WHEN 0 THEN pg_temp.term() WHEN 1 THEN pg_temp.term() || pg_temp.pick(' && ', ' || ') || pg_temp.term()
		ELSE '(' || pg_temp.term() || pg_temp.pick(' && ', ' || ') || pg_temp.term() || ')' || pg_temp.pick(' && ', ' || ') || pg_temp.term() END AS text
	FROM generate_series(1, 200) n;
SELECT count(pg_temp.register('random-' || n, 'random/x if ' || text)) FROM expression;
CREATE TEMP TABLE event AS
	SELECT n, format('{"%s": %s, "b": %s, "c": %s}', pg_temp.pick('a', 'other'), pg_temp.pick('1', '1.00', '"1"', 'null', 'true', '"x"', '2', '-0', '[1]'),
		pg_temp.pick('1', '"x"', 'null', '0'), pg_temp.pick('{"d": 1}', '{"d": "x"}', '{"d": null}', '{}', '5', '"1"'))::jsonb AS data
	FROM generate_series(1, 100) n;
CREATE TEMP TABLE sent AS SELECT n, data, send_event('random/x', data) AS id FROM event;
SELECT count(*) AS pairs, count(*) FILTER (WHERE (r.id IS NOT NULL) <> (cel_eval(x.text, jsonb_build_object('event', jsonb_build_object('data', s.data))) = 'true')) AS wrong,
	   count(r.id) > 1000 AS many_match
FROM sent s CROSS JOIN expression x LEFT JOIN runs r ON r.event_id = s.id AND r.function_id = 'random-' || x.n;

ROLLBACK;
