/*
 * Keys, asked for in cloud mode (inngest.mode).
 *
 * An event key says who may send events over HTTP.  Its hash is enough to recognise it.
 *
 * The signing key is known to this server and to the apps: both sign with it, and it opens the rest of the
 * HTTP API.  So it has to be stored as it is, and only the engine may read it.  A second one is accepted but
 * not signed with: the next one until rotation, the last one afterwards.
 *
 * Workers keep them in memory (src/store/keys.c); a change tells them through the relation cache.
 */
CREATE TABLE inngest.event_keys (
	name        text NOT NULL PRIMARY KEY,
	hash        bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
	created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE inngest.event_keys IS 'who may send events to POST /e/{key} in cloud mode';
COMMENT ON COLUMN inngest.event_keys.name IS 'for people';
COMMENT ON COLUMN inngest.event_keys.hash IS 'SHA-256 of the key';

CREATE TABLE inngest.signing_keys (
	key         text NOT NULL PRIMARY KEY CHECK (key ~ '^([0-9A-Fa-f]{2})+$'),
	is_current  boolean NOT NULL UNIQUE DEFERRABLE INITIALLY IMMEDIATE,
	created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE inngest.signing_keys IS 'what this server and its apps prove to each other in cloud mode; two at most';
COMMENT ON COLUMN inngest.signing_keys.key IS 'hexadecimal, without a prefix such as signkey-prod-';
COMMENT ON COLUMN inngest.signing_keys.is_current IS 'true: signed with and accepted; false: accepted only';

CREATE FUNCTION inngest.create_event_key(name text, key text DEFAULT NULL) RETURNS text
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_create_event_key';
COMMENT ON FUNCTION inngest.create_event_key IS 'a new event key (INNGEST_EVENT_KEY of the SDKs), which is not shown again; with key, one that exists already';

CREATE FUNCTION inngest.delete_event_key(name text) RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_delete_event_key';
COMMENT ON FUNCTION inngest.delete_event_key IS 'accept an event key no more';

CREATE FUNCTION inngest.create_signing_key(key text DEFAULT NULL) RETURNS text
LANGUAGE C SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_create_signing_key';
COMMENT ON FUNCTION inngest.create_signing_key IS 'a new signing key (INNGEST_SIGNING_KEY of the SDKs), which is not shown again; with key, one that exists already; the second one is accepted, but signed with only after rotate_signing_key()';

CREATE FUNCTION inngest.rotate_signing_key() RETURNS void
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_rotate_signing_key';
COMMENT ON FUNCTION inngest.rotate_signing_key IS 'sign with the other signing key from now on; both are accepted until retire_signing_key()';

CREATE FUNCTION inngest.retire_signing_key() RETURNS boolean
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_retire_signing_key';
COMMENT ON FUNCTION inngest.retire_signing_key IS 'accept the signing key no more that is not signed with; false if there is none';

CREATE FUNCTION inngest.delete_signing_keys() RETURNS integer
LANGUAGE C STRICT SECURITY DEFINER SET search_path TO pg_catalog, inngest, pg_temp
AS 'MODULE_PATHNAME', 'inngest_delete_signing_keys';
COMMENT ON FUNCTION inngest.delete_signing_keys IS 'sign and accept with none any more; returns how many there were';

SELECT pg_catalog.pg_extension_config_dump('inngest.event_keys', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.signing_keys', '');
