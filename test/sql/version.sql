-- The version of the library and of the SQL, and that they belong together.
\pset format unaligned
SELECT library = installed AS same, installed = extversion AS installed, library = inngest.library_version() AS loaded, library ~ '^\d+\.\d+\.\d+$' AS form
FROM inngest.version(), pg_extension WHERE extname = 'inngest';
-- where it lives, and that it stays there
SELECT extnamespace::regnamespace, extrelocatable FROM pg_extension WHERE extname = 'inngest';
ALTER EXTENSION inngest SET SCHEMA public;
CREATE EXTENSION inngest;
CREATE EXTENSION IF NOT EXISTS inngest;
-- nothing to do
ALTER EXTENSION inngest UPDATE;
-- every setting is of a kind, has a sentence, and refuses what makes no sense
SELECT name, unit, vartype, context, boot_val FROM pg_settings WHERE name LIKE 'inngest.%' ORDER BY name COLLATE "C";
SELECT name FROM pg_settings WHERE name LIKE 'inngest.%' AND (short_desc IS NULL OR short_desc !~ '\.$');
SET inngest.http_port = 1;
SET inngest.no_such_thing = 1;
-- what a dump adds to a table is in the order of its columns
SELECT x.oid::regclass, said.position, said.name, a.attname
FROM pg_extension e
CROSS JOIN unnest(e.extconfig, e.extcondition) AS x (oid, condition)
CROSS JOIN regexp_split_to_table(substring(x.condition FROM 'UNION ALL SELECT (.*?) FROM'), ', ') WITH ORDINALITY AS said (name, position)
LEFT JOIN pg_attribute a ON a.attrelid = x.oid AND a.attnum = said.position
WHERE e.extname = 'inngest' AND said.name !~ '::|^(true|false)$' AND trim(said.name, '"') IS DISTINCT FROM a.attname;
SELECT x.oid::regclass, count(*) = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = x.oid AND a.attnum > 0) AS are_all
FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS x (oid, condition),
	 regexp_split_to_table(substring(x.condition FROM 'UNION ALL SELECT (.*?) FROM'), ', ') AS said
WHERE e.extname = 'inngest' GROUP BY x.oid ORDER BY x.oid::regclass::text COLLATE "C";
