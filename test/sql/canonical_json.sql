-- Canonical JSON: one text for one value (RFC 8785).
\set VERBOSITY default

-- the example of the RFC, 3.2.2 and 3.2.4
SELECT inngest.canonical_json('{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
	"string": "\u20ac$\u000F\u000aA''\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}');

-- its example of sorting, 3.2.3: by UTF-16 code units, so the smiley sorts before U+FB33
SELECT inngest.canonical_json('{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
	"\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}');

-- its numbers, appendix B: the bits of a double, a decimal that means it, the canonical one
SELECT bits, decimal, inngest.canonical_json(decimal::jsonb) = canonical AS is_right, inngest.canonical_json(decimal::jsonb)
FROM (VALUES
	('0000000000000000', '0', '0'),
	('8000000000000000', '-0', '0'),
	('0000000000000001', '4.9406564584124654e-324', '5e-324'),
	('8000000000000001', '-4.9406564584124654e-324', '-5e-324'),
	('7fefffffffffffff', '1.7976931348623157e+308', '1.7976931348623157e+308'),
	('ffefffffffffffff', '-1.7976931348623157e+308', '-1.7976931348623157e+308'),
	('4340000000000000', '9007199254740992', '9007199254740992'),
	('c340000000000000', '-9007199254740992', '-9007199254740992'),
	('4430000000000000', '2.9514790517935283e+20', '295147905179352830000'),
	('44b52d02c7e14af5', '9.9999999999999975e+22', '9.999999999999997e+22'),
	('44b52d02c7e14af6', '9.9999999999999992e+22', '9.999999999999999e+22'),
	('44b52d02c7e14af7', '1.0000000000000001e+23', '1e+23'),
	('444b1ae4d6e2ef4e', '9.9999999999999974e+20', '999999999999999700000'),
	('444b1ae4d6e2ef4f', '9.9999999999999987e+20', '999999999999999900000'),
	('444b1ae4d6e2ef50', '1e+21', '1e+21'),
	('3eb0c6f7a0b5ed8c', '9.9999999999999974e-07', '9.999999999999997e-7'),
	('3eb0c6f7a0b5ed8d', '9.9999999999999995e-07', '0.000001'),
	('41b3de4355555553', '333333333.33333319', '333333333.3333332'),
	('41b3de4355555554', '333333333.33333325', '333333333.33333325'),
	('41b3de4355555555', '333333333.33333331', '333333333.3333333'),
	('41b3de4355555556', '333333333.33333337', '333333333.3333334'),
	('41b3de4355555557', '333333333.33333343', '333333333.33333343'),
	('becbf647612f3696', '-3.3333333333333333e-06', '-0.0000033333333333333333'),
	('43143ff3c1cb0959', '1424953923781206.2', '1424953923781206.2')) AS t (bits, decimal, canonical);

-- other numbers: what is stored with zeros, what is between two doubles, what is rounded
SELECT n, inngest.canonical_json(n::jsonb) FROM unnest(ARRAY['1.0', '100', '1e3', '-0', '-0.0', '0.10', '1e20', '1e21', '123456789012345678', '9007199254740993', '-1234.5678e-8',
	'0.000001', '0.0000001', '1e23', '2e23', '5e-324', '2e-324', '1e-400', '3.14159265358979323846264338327950288', '1.7976931348623158e308', '12e20', '4.5e15', '0.1e-6']) AS n;

-- there is no text for what no double can be
SELECT inngest.canonical_json('1.7976931348623159e308');
SELECT inngest.canonical_json('{"a": [1, {"b": -1e309}]}');

-- every character that is escaped, and none that is not
SELECT inngest.canonical_json(to_jsonb(string_agg(chr(i), '' ORDER BY i))) FROM generate_series(1, 127) AS i;
SELECT inngest.canonical_json('"\u007f\u0080\u2028\u2029\ufeff\ud834\udd1e/é"') = '"' || U&'\007f\0080\2028\2029\feff' || U&'\+01D11E' || '/é"' AS is_right;

-- values of every kind, alone and nested; keys that begin alike; more members than fit the stack
SELECT inngest.canonical_json(v::jsonb) FROM unnest(ARRAY['null', 'true', 'false', '""', '"a"', '1', '[]', '{}', '[[]]', '[{}]', '{"":{"":[]}}', '[1, "a", null, true, [false], {"b": 2, "a": 1}]']) AS v;
SELECT inngest.canonical_json('{"b": 1, "aa": 2, "a": 3, "ab": {"d": 4, "c": 4.5}, "": 5, "B": 6}');
SELECT inngest.canonical_json(jsonb_object_agg(i::text, i)) FROM generate_series(1, 40) AS i;
SELECT length(inngest.canonical_json(jsonb_agg(repeat('x', i)))) FROM generate_series(1, 1000) AS i;

-- nesting is bounded by the stack, as jsonb's is
SET max_stack_depth = '100kB';
SELECT length(inngest.canonical_json((repeat('[', 20) || repeat(']', 20))::jsonb));
RESET max_stack_depth;
SELECT repeat('[', 3000) || repeat(']', 3000) AS deep \gset
CREATE TEMP TABLE deep AS SELECT :'deep'::jsonb AS value;
SELECT length(inngest.canonical_json(value)) FROM deep;
SET max_stack_depth = '100kB';
SELECT length(inngest.canonical_json(value)) FROM deep;
RESET max_stack_depth;

-- what it writes it reads, and there is one text for one value
SELECT inngest.canonical_json('{"a": 1.50, "b": [1e2]}') = inngest.canonical_json('{"b": [100.0], "a": 1.5}') AS same,
	inngest.canonical_json('{"a": 1.50, "b": [1e2]}')::jsonb = '{"a": 1.50, "b": [1e2]}' AS reads_back, inngest.canonical_json(NULL) IS NULL AS of_null;

-- for planners
SELECT provolatile, proparallel, proisstrict, prosecdef FROM pg_proc WHERE proname = 'canonical_json';
