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
