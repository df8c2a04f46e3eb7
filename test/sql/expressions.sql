-- cel_eval and cel_check as people type them.

\set VERBOSITY default

-- a value of every kind
SELECT inngest.cel_eval('event.data.plan == "pro" && event.data.n > 1', '{"event": {"data": {"plan": "pro", "n": 2}}}');
SELECT inngest.cel_eval(e, '{"event": {"data": {"n": 5, "list": ["a"]}}}') FROM unnest(ARRAY[
	'event.data.n', 'event.data.n + 1', '"n-" + event.data.n', 'event.data', 'event.data.list', 'event.data.nope', 'null',
	'b"abc"', 'timestamp(0)', 'duration("90s")', 'int', '0.0 / 0.0', '18446744073709551615u', '{1: true}']) AS e;

-- dialects
SELECT inngest.cel_eval('event.data.nope == 1', '{"event": {"data": {}}}');
SELECT inngest.cel_eval('event.data.nope == 1', '{"event": {"data": {}}}', 'strict');
SELECT inngest.cel_eval('1', '{}', 'Strict');
SELECT inngest.cel_eval('1', '{}', '');

-- other variables, none, and what is no object
SELECT inngest.cel_eval('order.total * vat', '{"order": {"total": 100}, "vat": 0.2}');
SELECT inngest.cel_eval('1 + 1', '{}');
SELECT inngest.cel_eval('1', '[]');
SELECT inngest.cel_eval('1', '1');

-- NULL
SELECT inngest.cel_eval(NULL, '{}') IS NULL, inngest.cel_eval('1', NULL) IS NULL, inngest.cel_eval('1', '{}', NULL) IS NULL;

-- the detail shows the place, also in a text of several lines and of wide characters
SELECT inngest.cel_eval('event.data.n = 1', '{}');
SELECT inngest.cel_eval('1 +', '{}');
SELECT inngest.cel_eval('', '{}');
SELECT inngest.cel_eval(E'event.data.plan == "pro"\n\t&& event.data. == 1\n&& true', '{}');
SELECT inngest.cel_eval('"äöü" + nope(1)', '{}');
SELECT inngest.cel_eval('1 / (2 - 2)', '{}');
SELECT inngest.cel_eval('event.data["nope"]', '{"event": {"data": {}}}');
SELECT inngest.cel_eval('"' || repeat('x', 300) || '" == 1 ? 2 : 3 +', '{}');
SELECT inngest.cel_eval('"a\u0000b"', '{}');

-- what a driver can rely on
CREATE FUNCTION sqlstate_of(expression text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM inngest.cel_eval(expression, '{}');
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT e, sqlstate_of(e) FROM unnest(ARRAY['1', '1 +', '99999999999999999999', '1 / 0', 'int("x")', '{"a": 1}["b"]', 'has(1)', 'nope()', '"a".matches("(")']) AS e;
DROP FUNCTION sqlstate_of(text);

-- what is wrong, before there is data
SELECT * FROM inngest.cel_check('event.data.plan == "pro"');
SELECT * FROM inngest.cel_check('evnt.data.plan == "pro" && size(1, 2) > frob(event) || async.x == "a".matches("[")');
SELECT * FROM inngest.cel_check('event.data.id == async.data.id');
SELECT * FROM inngest.cel_check('event.data.id == async.data.id', '{event,async}');
SELECT * FROM inngest.cel_check('event.data.list.exists(x, x == y)');
SELECT * FROM inngest.cel_check('event.data.id ==');
SELECT * FROM inngest.cel_check('x', '{}');
SELECT * FROM inngest.cel_check('event.data.n + 1 > 2 && event.data.l.exists(x, x) && size(event.data.s) == 1 && int(event.data.n) == 1', restrictive => true);
SELECT count(*) FROM inngest.cel_check(NULL);

-- for planners
SELECT proname, provolatile, proparallel, proisstrict, prosecdef, proconfig
FROM pg_proc WHERE pronamespace = 'inngest'::regnamespace AND proname LIKE 'cel\_%' ORDER BY proname;

-- nobody was granted anything
CREATE ROLE regress_expressions_nobody;
CREATE ROLE regress_expressions_reader IN ROLE inngest_reader;
SET ROLE regress_expressions_nobody;
SELECT inngest.cel_eval('1', '{}');
RESET ROLE;
SET ROLE regress_expressions_reader;
SELECT inngest.cel_eval('1', '{}');
SELECT count(*) FROM inngest.cel_check('1');
RESET ROLE;
DROP ROLE regress_expressions_nobody, regress_expressions_reader;

-- many rows, one text; one row, many texts
SELECT count(*) FILTER (WHERE inngest.cel_eval('event.data.n % 2.5 == 0 || int(event.data.n) % 2 == 0', jsonb_build_object('event', jsonb_build_object('data', jsonb_build_object('n', n)))) = 'true') FROM generate_series(1, 1000) n;
SELECT sum((inngest.cel_eval('x + ' || n, '{"x": 1}'))::numeric) FROM generate_series(1, 1000) n;
PREPARE evaluate(text, jsonb) AS SELECT inngest.cel_eval($1, $2);
EXECUTE evaluate('x + 1', '{"x": 1}');
EXECUTE evaluate('x +', '{"x": 1}');
EXECUTE evaluate('x + 2', '{"x": 1}');
DEALLOCATE evaluate;
