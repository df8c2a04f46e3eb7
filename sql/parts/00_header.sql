/* inngest: a durable-functions server inside PostgreSQL */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION inngest" to load this file. \quit

-- Every name below is written out, so nothing that a user left in a schema can be picked up by mistake.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- CREATE EXTENSION takes a schema that is there already: it must not be somebody's trap.
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
			   WHERE n.nspname = 'inngest' AND NOT r.rolsuper AND r.rolname <> current_user)
		OR EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = 'inngest'::regnamespace)
		OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = 'inngest'::regnamespace)
		OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oprnamespace = 'inngest'::regnamespace)
		OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = 'inngest'::regnamespace)
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'schema "inngest" exists and belongs to somebody else, or is not empty',
			HINT = 'Rename or drop it; CREATE EXTENSION makes its own.';
	END IF;
END
$$;
