-- Which functions an event starts: exact names and prefixes, one run per function and event, and that a
-- change of the functions counts at once in its own transaction, and not after its rollback.
SET search_path TO inngest, public;
\pset format unaligned
\pset tuples_only on
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
BEGIN;

-- the functions that a new event of this name starts, sorted; those that skip it in brackets
CREATE FUNCTION pg_temp.started(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	event inngest.ulid := inngest.send_event(name);
BEGIN
	RETURN (SELECT string_agg(CASE r.status WHEN 'QUEUED' THEN r.function_id ELSE '[' || r.function_id || ']' END, ' ' ORDER BY r.function_id)
			FROM inngest.runs r WHERE r.event_id = event);
END $$;
CREATE FUNCTION pg_temp.register(id text, VARIADIC triggers text[]) RETURNS text LANGUAGE sql AS $$
	SELECT (inngest.register_function(jsonb_build_object('id', id, 'triggers', (SELECT jsonb_agg(jsonb_build_object('event', t)) FROM unnest(triggers) t)))).slug
$$;
\pset null '(none)'

-- every text a name can be matched by
SELECT pg_temp.register('all-exact', 'a/b/c.d'), pg_temp.register('all-a', 'a/*'), pg_temp.register('all-ab', 'a/b/*'), pg_temp.register('all-dot', 'a/b/c.*');
SELECT n, pg_temp.started(n) FROM (VALUES ('a/b/c.d'), ('a/b/c.x'), ('a/b/c'), ('a/b'), ('a/'), ('a'), ('a/b/c.d.e'), ('A/b/c.d'), ('b/a/b/c.d'), ('a.b')) AS v (n);
-- any depth below the delimiter; the part before it literally
SELECT pg_temp.register('app-any', 'app/*'), pg_temp.register('app-user', 'app/user.*');
SELECT n, pg_temp.started(n) FROM (VALUES ('app/user.created'), ('app/x/y'), ('application/x'), ('app/user'), ('app/user.'), ('App/user.created'), ('app//'), ('app/user.a.b/c')) AS v (n);
-- an event that is called like the prefix
SELECT n, pg_temp.started(n) FROM (VALUES ('app/*'), ('app/user.*'), ('*')) AS v (n);
-- what is no prefix
SELECT pg_temp.register('bare', 'star*');
SELECT pg_temp.register('middle', 'st/*/ar');
-- one run for each function, however many of its triggers match
SELECT pg_temp.register('twice', 'two/b', 'two/*', 'other/name');
SELECT n, pg_temp.started(n) FROM (VALUES ('two/b'), ('two/c'), ('other/name')) AS v (n);
-- characters that mean something elsewhere
SELECT pg_temp.register('odd', 'odd/%_\x''"{}$1', 'odd/ünï');
SELECT n, pg_temp.started(n) FROM (VALUES ('odd/%_\x''"{}$1'), ('odd/abxc'), ('odd/ünï'), ('odd/ÜNÏ')) AS v (n);
-- many delimiters
SELECT pg_temp.register('deep', repeat('d/', 100) || '*');
SELECT pg_temp.started(repeat('d/', 100) || 'x'), pg_temp.started(repeat('d/', 99) || 'x'), pg_temp.started(repeat('d/', 250) || 'x');

-- the answer for a name is remembered, until something changes
SELECT pg_temp.started('c/one');
SELECT pg_temp.register('later', 'c/one');
SELECT pg_temp.started('c/one');
SELECT pg_temp.register('later', 'c/two');
SELECT pg_temp.started('c/one'), pg_temp.started('c/two');
SELECT pg_temp.register('later', 'c/one');
SELECT pause_function('later');
SELECT pg_temp.started('c/one');
SELECT resume_function('later');
SELECT pg_temp.started('c/one');
SELECT delete_function('later');
SELECT pg_temp.started('c/one');
SELECT pg_temp.register('later', 'c/one');
SELECT pg_temp.started('c/one');
-- a rollback brings back what was before
SAVEPOINT before;
SELECT delete_function('later');
SELECT pg_temp.started('c/one');
ROLLBACK TO before;
SELECT pg_temp.started('c/one');
SELECT pg_temp.register('sub', 'c/one');
SELECT pg_temp.started('c/one');
ROLLBACK TO before;
SELECT pg_temp.started('c/one');
SELECT pause_function('later');
SELECT pg_temp.started('c/one');
ROLLBACK TO before;
SELECT pg_temp.started('c/one');
-- more names than are remembered
SELECT count(*) FROM (SELECT pg_temp.started('c/' || i) FROM generate_series(1, 1500) i) x;
SELECT pg_temp.started('c/one');
ROLLBACK;

-- and so does the end of the transaction, whose functions another one does not see
SELECT slug FROM register_function('{"id": "match-kept", "triggers": [{"event": "kept/one"}]}');
BEGIN;
SELECT delete_function('match-kept');
SELECT count(*) FROM (SELECT send_event('kept/one')) x;
SELECT count(*) FROM runs WHERE function_id = 'match-kept';
ROLLBACK;
BEGIN;
SELECT slug FROM register_function('{"id": "match-lost", "triggers": [{"event": "kept/one"}]}');
ROLLBACK;
BEGIN;
SELECT count(*) FROM (SELECT send_event('kept/one')) x;
SELECT function_id, status FROM runs WHERE function_id LIKE 'match-%';
ROLLBACK;
-- a snapshot that is older than a change does not keep the old answer alive
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM (SELECT send_event('kept/one')) x;
SELECT function_id, status FROM runs WHERE function_id LIKE 'match-%';
ROLLBACK;
SELECT delete_function('match-kept');
SELECT count(*) FROM (SELECT send_event('kept/one')) x;
SELECT count(*) FROM runs WHERE function_id LIKE 'match-%';
DELETE FROM functions WHERE slug = 'match-kept';
