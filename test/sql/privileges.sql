-- Who may do what: nobody anything but what is granted; functions that act for others cannot be misled by
-- what callers have in their search_path; every object says what it is for.
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

-- all that is granted to anybody but the owner
SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC') AS grantee, a.privilege_type, n.nspname
FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'inngest' AND a.grantee NOT IN (n.nspowner) ORDER BY 1, 2;
SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC') AS grantee, a.privilege_type, c.oid::regclass
FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'inngest'::regnamespace AND a.grantee <> c.relowner ORDER BY 1, 2, c.relname COLLATE "C";
SELECT nullif(a.grantee, 0)::regrole AS grantee, a.privilege_type, p.oid::regprocedure
FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = 'inngest'::regnamespace AND a.grantee <> p.proowner ORDER BY 1, 2, p.proname COLLATE "C";
-- functions without a list of grants are open to all: only what makes a ULID a value
SELECT count(*) > 0 FROM pg_proc WHERE pronamespace = 'inngest'::regnamespace AND proacl IS NULL;
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'inngest'::regnamespace AND proacl IS NULL AND proname NOT LIKE 'ulid\_%' AND prokind = 'f';
-- everything belongs to the engine
SELECT oid::regclass FROM pg_class WHERE relnamespace = 'inngest'::regnamespace AND relowner <> 'inngest_engine'::regrole AND relkind IN ('r', 'p', 'v', 'S', 'i', 'I');
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'inngest'::regnamespace AND proowner <> 'inngest_engine'::regrole AND proname NOT LIKE 'ulid\_%' ORDER BY 1;
-- the roles themselves may nothing else
SELECT rolname, rolsuper, rolcanlogin, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname LIKE 'inngest\_%' ORDER BY 1;
SELECT m.roleid::regrole, m.member::regrole FROM pg_auth_members m WHERE m.roleid::regrole::text LIKE 'inngest\_%' ORDER BY 1, 2;
-- who acts for others has a search_path of its own
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'inngest'::regnamespace AND prosecdef
AND NOT coalesce('search_path=pg_catalog, inngest, pg_temp' = ANY (proconfig), false);
-- what has no comment
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'inngest') AND d.deptype = 'e'
AND obj_description(d.objid, d.classid::regclass::text) IS NULL
-- (17 counts row types)
AND NOT EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (t.typrelid <> 0 OR t.typcategory = 'A'))
ORDER BY 1;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'inngest\_%' AND shobj_description(oid, 'pg_authid') IS NULL;

-- the roles at work
CREATE ROLE regress_inngest_nobody;
CREATE ROLE regress_inngest_sender IN ROLE inngest_sender;
CREATE ROLE regress_inngest_reader IN ROLE inngest_reader;
CREATE ROLE regress_inngest_admin IN ROLE inngest_admin;
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'yes';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN '42501' THEN 'no' ELSE SQLSTATE END;
END $$;
CREATE FUNCTION pg_temp.tries() RETURNS TABLE (what text, verdict text) LANGUAGE sql AS $$
	SELECT s, pg_temp.try(s) FROM (VALUES
		('SELECT inngest.send_event(''q/x'')'),
		('SELECT inngest.send_events(''[{"name": "q/x"}]'')'),
		('SELECT inngest.send_events_array(''[]'')'),
		('SELECT inngest.version()'),
		('SELECT * FROM inngest.events'),
		('SELECT * FROM inngest.runs'),
		('SELECT * FROM inngest.queue_depth'),
		('SELECT * FROM inngest.attempts'),
		('SELECT inngest.run_detail_json(inngest.generate_ulid())'),
		('SELECT inngest.register_function(''{"id": "q"}'')'),
		('SELECT inngest.register_function_slug(''{"id": "q"}'')'),
		('SELECT inngest.register_outcome(''{"id": "q"}'')'),
		('SELECT inngest.pause_function(''q'')'),
		('SELECT inngest.resume_function(''q'')'),
		('SELECT inngest.lease_runs(ARRAY[''q''])'),
		('SELECT inngest.lease_runs_ids(ARRAY[''q''], 1, ''60s'', NULL)'),
		('SELECT inngest.extend_lease(''01J00000000000000000000000'', ''01J00000000000000000000000'')'),
		('SELECT inngest.complete_run(''01J00000000000000000000000'', ''01J00000000000000000000000'')'),
		('SELECT inngest.fail_run(''01J00000000000000000000000'', ''01J00000000000000000000000'')'),
		('SELECT inngest.cancel_run(''01J00000000000000000000000'')'),
		('SELECT inngest.delete_function(''q'')'),
		('SELECT inngest.create_event_key(''q'')'),
		('SELECT inngest.delete_event_key(''q'')'),
		('SELECT inngest.create_signing_key()'),
		('SELECT inngest.rotate_signing_key()'),
		('SELECT inngest.retire_signing_key()'),
		('SELECT inngest.delete_signing_keys()'),
		('SELECT name, created_at FROM inngest.event_keys'),
		('SELECT hash FROM inngest.event_keys'),
		('SELECT is_current, created_at FROM inngest.signing_keys'),
		('SELECT key FROM inngest.signing_keys'),
		('INSERT INTO inngest.environments (id, name) VALUES (gen_random_uuid(), ''mine'')'),
		('UPDATE inngest.functions SET name = name'),
		('DELETE FROM inngest.events WHERE false'),
		('TRUNCATE inngest.queue'),
		('SELECT nextval(''inngest.queue_id'')'),
		('SELECT inngest.partition_drop(''events'', ''0'', 0)'),
		('SELECT inngest.partition_adopt(''inngest.events'')'),
		('SELECT inngest.installed()'),
		('CREATE TABLE inngest.mine ()'),
		('ALTER TABLE inngest.events ADD mine int'),
		('SET LOCAL ROLE inngest_engine')) AS v (s)
$$;
GRANT EXECUTE ON FUNCTION pg_temp.try(text), pg_temp.tries() TO PUBLIC;
SET search_path TO pg_catalog, pg_temp;
BEGIN;
CREATE TEMP TABLE verdicts (who text, what text, verdict text, position serial);
GRANT ALL ON verdicts, verdicts_position_seq TO PUBLIC;
SET LOCAL SESSION AUTHORIZATION regress_inngest_nobody;
INSERT INTO verdicts SELECT 'nobody', t.* FROM pg_temp.tries() t;
SET LOCAL SESSION AUTHORIZATION regress_inngest_sender;
INSERT INTO verdicts SELECT 'sender', t.* FROM pg_temp.tries() t;
SET LOCAL SESSION AUTHORIZATION regress_inngest_reader;
INSERT INTO verdicts SELECT 'reader', t.* FROM pg_temp.tries() t;
SET LOCAL SESSION AUTHORIZATION regress_inngest_admin;
INSERT INTO verdicts SELECT 'admin', t.* FROM pg_temp.tries() t;
RESET SESSION AUTHORIZATION;
\pset tuples_only off
SELECT what, string_agg(verdict, '') FILTER (WHERE who = 'nobody') AS nobody, string_agg(verdict, '') FILTER (WHERE who = 'sender') AS sender,
	   string_agg(verdict, '') FILTER (WHERE who = 'reader') AS reader, string_agg(verdict, '') FILTER (WHERE who = 'admin') AS admin
FROM verdicts GROUP BY what ORDER BY min(position);
\pset tuples_only on
ROLLBACK;
-- secrets
BEGIN;
SET LOCAL ROLE regress_inngest_admin;
SELECT pg_temp.try('SHOW inngest.redis_url');
ROLLBACK;

-- traps in the way of the engine: functions, operators, tables and types of the same names as those it uses
CREATE SCHEMA trap;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
CREATE TABLE trap.sprung (what text);
GRANT ALL ON trap.sprung TO PUBLIC;
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOREACH f IN ARRAY ARRAY['now()', 'clock_timestamp()', 'floor(numeric)', 'floor(double precision)', 'unnest(anyarray)', 'current_setting(text)', 'upper(text)',
		'jsonb_array_elements(jsonb)', 'to_char(timestamp, text)', 'to_jsonb(anyelement)', 'jsonb_typeof(jsonb)', 'jsonb_array_length(jsonb)', 'date_trunc(text, timestamptz)',
		'nextval(regclass)', 'pg_current_xact_id()']::regprocedure[] LOOP
		EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO trap.sprung VALUES (%L); RETURN%s; END $f$',
			(SELECT proname FROM pg_proc WHERE oid = f), pg_get_function_identity_arguments(f), pg_get_function_result(f), f,
			(SELECT CASE WHEN proretset THEN '' ELSE ' NULL' END FROM pg_proc WHERE oid = f));
	END LOOP;
END $$;
CREATE FUNCTION trap.equal(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trap.sprung VALUES ('uuid ='); RETURN true; END $$;
CREATE FUNCTION trap.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trap.sprung VALUES ('text ='); RETURN true; END $$;
CREATE FUNCTION trap.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trap.sprung VALUES ('<='); RETURN true; END $$;
CREATE OPERATOR trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.equal);
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equal);
CREATE OPERATOR trap.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.less);
CREATE DOMAIN trap.ulid AS text;
CREATE TABLE trap.functions (id int);
BEGIN;
SET LOCAL search_path TO trap, pg_catalog, public;
CREATE TEMP TABLE events (id int);
CREATE TEMP TABLE queue (id int);
CREATE TEMP TABLE functions (id int);
SET LOCAL ROLE regress_inngest_admin;
SELECT slug FROM inngest.register_function('{"id": "trapped", "triggers": [{"event": "t/*"}]}');
SELECT count(*) FROM (SELECT inngest.send_event('t/one', id => 'i')) x;
SELECT count(*) FROM inngest.send_events('[{"name": "t/two"}, {"name": "t/three"}]');
CREATE TEMP TABLE held AS SELECT * FROM inngest.lease_runs(ARRAY['trapped'], 2);
SELECT inngest.complete_run(run_id, lease_id, '1') FROM (SELECT * FROM held LIMIT 1) x;
SELECT inngest.extend_lease(run_id, lease_id) IS NOT NULL, inngest.fail_run(run_id, lease_id) IS NOT NULL FROM (SELECT * FROM held OFFSET 1) x;
SELECT inngest.cancel_run(run_id) FROM (SELECT * FROM held OFFSET 1) x;
SELECT inngest.pause_function('trapped'), inngest.resume_function('trapped');
SELECT status, pg_catalog.count(*) FROM inngest.runs WHERE function_id OPERATOR(pg_catalog.=) 'trapped' GROUP BY status ORDER BY status;
SELECT pg_catalog.count(*) FROM (SELECT inngest.maintain()) x;
SELECT inngest.delete_function('trapped');
SELECT pg_catalog.count(*) FROM trap.sprung;
SELECT DISTINCT what COLLATE "C" FROM trap.sprung ORDER BY 1;
-- (they would have told)
SELECT now(), upper('x');
SELECT what FROM trap.sprung ORDER BY what COLLATE "C";
ROLLBACK;

SET client_min_messages TO warning;
DROP SCHEMA trap CASCADE;
DROP ROLE regress_inngest_nobody, regress_inngest_sender, regress_inngest_reader, regress_inngest_admin;
