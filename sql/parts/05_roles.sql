/*
 * Roles.  They belong to the cluster, not to the database, so DROP EXTENSION leaves them and a second
 * database finds them.  A role of that name which may log in or is powerful was made by somebody else
 * for something else: refuse it rather than hand it our tables.
 */
DO $$
DECLARE
	wanted   text;
	existing pg_catalog.pg_roles;
BEGIN
	FOREACH wanted IN ARRAY ARRAY['inngest_engine', 'inngest_admin', 'inngest_sender', 'inngest_reader'] LOOP
		SELECT * INTO existing FROM pg_catalog.pg_roles WHERE rolname = wanted;
		IF NOT FOUND THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
		ELSIF existing.rolsuper OR existing.rolcanlogin OR existing.rolcreaterole OR existing.rolbypassrls
			OR existing.rolcreatedb OR existing.rolreplication THEN
			RAISE EXCEPTION USING
				ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = pg_catalog.format('role "%s" exists and is not a plain group role', wanted),
				DETAIL = 'The extension needs this name for a role without LOGIN, SUPERUSER, CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS.',
				HINT = pg_catalog.format('Rename it, or run ALTER ROLE %I NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS.', wanted);
		ELSIF wanted = 'inngest_engine' AND EXISTS (
			SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
			WHERE m.roleid = existing.oid AND NOT r.rolsuper)
		THEN
			RAISE EXCEPTION USING
				ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = 'role "inngest_engine" has members',
				DETAIL = 'It owns the tables of the extension, so a member could do anything to them.',
				HINT = 'Revoke it from its members.';
		END IF;
	END LOOP;
END
$$;

COMMENT ON ROLE inngest_engine IS 'owns the tables of the inngest extension; its background workers act as this role';
COMMENT ON ROLE inngest_admin IS 'may do everything the inngest extension offers: register functions, lease and complete runs, cancel';
COMMENT ON ROLE inngest_sender IS 'may send events to inngest';
COMMENT ON ROLE inngest_reader IS 'may read everything inngest stores';

GRANT inngest_sender, inngest_reader TO inngest_admin;
GRANT USAGE ON SCHEMA inngest TO inngest_sender, inngest_reader, inngest_admin;
-- the engine makes partitions ahead of time
GRANT USAGE, CREATE ON SCHEMA inngest TO inngest_engine;

COMMENT ON SCHEMA inngest IS 'durable functions: events, functions, runs (extension inngest)';
