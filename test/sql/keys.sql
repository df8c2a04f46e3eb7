-- Keys: what they look like, what is refused, what readers may see.
\pset format unaligned
\pset null '(none)'
SET search_path TO inngest, public;
BEGIN;
SELECT create_event_key('mine', 'evkey1234abcd'), length(create_event_key('new'));
SELECT name, octet_length(hash) FROM event_keys ORDER BY 1;
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
	result text;
BEGIN
	EXECUTE statement INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || coalesce(nullif(' / ' || hint, ' / '), '');
END $$;
SELECT pg_temp.try(s) FROM (VALUES
	('SELECT create_event_key(''mine'')'),
	('SELECT create_event_key(''other'', ''evkey1234abcd'')'),
	('SELECT create_event_key(NULL)'),
	('SELECT create_event_key('''')'),
	('SELECT create_event_key(repeat(''ü'', 101))'),
	('SELECT create_event_key(repeat(''ü'', 100)) <> '''''),
	('SELECT create_event_key(''short'', ''1234567'')'),
	('SELECT create_event_key(''long'', repeat(''x'', 257))'),
	('SELECT length(create_event_key(''longest'', repeat(''x'', 256)))'),
	('SELECT create_event_key(''slash'', ''1234/5678'')'),
	('SELECT create_event_key(''blank'', ''1234 5678'')'),
	('SELECT delete_event_key(''unknown'')'),
	('SELECT create_event_key(''new'')'),
	('SELECT delete_event_key(''new'')')) AS v (s);

SELECT pg_temp.try(s) FROM (VALUES
	('SELECT rotate_signing_key()'),
	('SELECT retire_signing_key()'),
	('SELECT delete_signing_keys()'),
	('SELECT create_signing_key('''')'),
	('SELECT create_signing_key(''abcdef012345678'')'),
	('SELECT create_signing_key(''abcdef01234567'')'),
	('SELECT create_signing_key(''abcdef012345678g'')'),
	('SELECT create_signing_key(repeat(''ab'', 129))'),
	('SELECT create_signing_key(''signkey-abcdef0123456789'')'),
	('SELECT create_signing_key(''signkey-test-abcdef0123456789'')'),
	('SELECT rotate_signing_key()'),
	('SELECT create_signing_key(''abcdef0123456789'')'),
	('SELECT create_signing_key() ~ ''^signkey-prod-[0-9a-f]{64}$'''),
	('SELECT create_signing_key()'),
	('SELECT rotate_signing_key()'),
	('SELECT key FROM signing_keys WHERE NOT is_current'),
	('SELECT rotate_signing_key()'),
	('SELECT key FROM signing_keys WHERE is_current'),
	('SELECT retire_signing_key()'),
	('SELECT count(*) FROM signing_keys'),
	('SELECT length(create_signing_key(repeat(''ab'', 128)))'),
	('SELECT delete_signing_keys()')) AS v (s);
\set VERBOSITY terse
INSERT INTO signing_keys (key, is_current) VALUES ('abc', true);
\set VERBOSITY default
ROLLBACK;

-- the most there can be
BEGIN;
SELECT count(create_event_key('k' || n)) FROM generate_series(1, 1000) n;
SELECT create_event_key('one more');
ROLLBACK;

-- what readers see
BEGIN;
SELECT create_event_key('mine', 'evkey1234abcd'), create_signing_key('abcdef0123456789');
SET LOCAL ROLE inngest_reader;
SELECT name, created_at = now() AS is_new FROM event_keys;
SELECT is_current, created_at = now() AS is_new FROM signing_keys;
SAVEPOINT s;
SELECT hash FROM event_keys;
ROLLBACK TO s;
SELECT key FROM signing_keys;
ROLLBACK TO s;
SELECT create_event_key('x');
ROLLBACK;
