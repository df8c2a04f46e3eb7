/*
 * What is registered: environments, apps, functions and their triggers.
 *
 * Rows here are few and change rarely.  Every backend caches what it looks up by event name
 * (src/match/match.c); a change tells the others through the relation cache.
 *
 * No foreign keys: a parallel pg_restore loads the tables of an extension in any order, with their
 * constraints in place.  Only src/store/apps.c writes here, and rows of environments, apps and functions
 * are never deleted.
 */
CREATE TABLE inngest.environments (
	id          uuid NOT NULL PRIMARY KEY,
	name        text NOT NULL UNIQUE,
	created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE inngest.environments IS 'a world of its own: apps, functions and events of one environment do not see another''s';

INSERT INTO inngest.environments (id, name) VALUES ('00000000-0000-4000-b000-000000000000', 'default');

CREATE TABLE inngest.apps (
	id           uuid NOT NULL PRIMARY KEY,
	env_id       uuid NOT NULL,
	name         text NOT NULL,
	created_at   timestamptz NOT NULL DEFAULT now(),
	updated_at   timestamptz NOT NULL DEFAULT now(),
	url          text,
	method       text NOT NULL DEFAULT 'api' CHECK (method IN ('api', 'serve', 'connect')),
	sdk          text,
	framework    text,
	platform     text,
	app_version  text,
	sync_id      uuid,
	synced_at    timestamptz,
	checksum     bytea,
	error_code   text,
	error        text,
	archived_at  timestamptz,
	UNIQUE (env_id, name)
);
CREATE INDEX apps_url ON inngest.apps (url);
COMMENT ON TABLE inngest.apps IS 'a group of functions deployed together';
COMMENT ON COLUMN inngest.apps.name IS 'the app id of the SDKs; app_id in the API';
COMMENT ON COLUMN inngest.apps.url IS 'where its SDK is asked for its functions; null: nobody is asked';
COMMENT ON COLUMN inngest.apps.method IS 'api: functions are registered one by one; serve: its SDK registers them all and is called at the url; connect: its SDK comes to us';
COMMENT ON COLUMN inngest.apps.sdk IS 'language and version, such as js:v4.24.0';
COMMENT ON COLUMN inngest.apps.app_version IS 'what the app says its own version is';
COMMENT ON COLUMN inngest.apps.sync_id IS 'of the last registration by an SDK that was accepted';
COMMENT ON COLUMN inngest.apps.checksum IS 'of that registration, as long as nothing else has changed a function of the app';
COMMENT ON COLUMN inngest.apps.error IS 'why the last try to register or to reach it failed; null: it did not';
COMMENT ON COLUMN inngest.apps.archived_at IS 'set: put away together with its functions, until it registers again';

CREATE TABLE inngest.syncs (
	id            uuid NOT NULL PRIMARY KEY,
	url           text NOT NULL,
	status        text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ok', 'failed')),
	requested_at  timestamptz NOT NULL,
	finished_at   timestamptz CHECK ((finished_at IS NULL) = (status = 'pending')),
	app_id        uuid,
	error_code    text,
	error         text
);
CREATE INDEX syncs_pending ON inngest.syncs (requested_at) WHERE status = 'pending';
CREATE INDEX syncs_finished_at ON inngest.syncs (finished_at) WHERE status <> 'pending';
COMMENT ON TABLE inngest.syncs IS 'apps that are to be asked to register, or were; kept for a day';
COMMENT ON COLUMN inngest.syncs.status IS 'pending, ok, or failed';
COMMENT ON COLUMN inngest.syncs.app_id IS 'of the app that has registered';

CREATE TABLE inngest.functions (
	id              uuid NOT NULL PRIMARY KEY,
	env_id          uuid NOT NULL,
	app_id          uuid NOT NULL,
	slug            text NOT NULL,
	name            text NOT NULL,
	runtime         text NOT NULL CHECK (runtime IN ('pull', 'http', 'sql')),
	version         integer NOT NULL DEFAULT 1,
	max_attempts    smallint NOT NULL CHECK (max_attempts BETWEEN 1 AND 21),
	config          jsonb NOT NULL,
	url             text CHECK (runtime <> 'http' OR url IS NOT NULL),
	step_id         text CHECK (url IS NULL OR step_id IS NOT NULL),
	language        text,
	start_timeout   interval,
	finish_timeout  interval,
	has_cancels     boolean NOT NULL DEFAULT false,
	has_controls    boolean NOT NULL DEFAULT false,
	is_stateful     boolean NOT NULL DEFAULT false,
	is_endpoint     boolean NOT NULL DEFAULT false,
	paused_at       timestamptz,
	archived_at     timestamptz,
	created_at      timestamptz NOT NULL DEFAULT now(),
	updated_at      timestamptz NOT NULL DEFAULT now(),
	UNIQUE (env_id, slug)
);
COMMENT ON TABLE inngest.functions IS 'what runs when an event arrives; kept when archived, because runs go on';
COMMENT ON COLUMN inngest.functions.slug IS 'the id that users know; function_id in the API';
COMMENT ON COLUMN inngest.functions.version IS 'grows with every change of the config';
COMMENT ON COLUMN inngest.functions.max_attempts IS 'first attempt included: retries + 1';
COMMENT ON COLUMN inngest.functions.config IS 'the config object as registered';
COMMENT ON COLUMN inngest.functions.url IS 'where it is called: the URL of its step, in the form by which URLs are compared';
COMMENT ON COLUMN inngest.functions.step_id IS 'the id of that step, in most cases "step"';
COMMENT ON COLUMN inngest.functions.language IS 'of the SDK that registered it: js, py, go; null: registered without one';
COMMENT ON COLUMN inngest.functions.start_timeout IS 'a run that has not begun so long after it was queued is cancelled; null: never';
COMMENT ON COLUMN inngest.functions.finish_timeout IS 'a run that has not ended so long after it began is cancelled; null: never';
COMMENT ON COLUMN inngest.functions.has_cancels IS 'there are rows in function_cancels';
COMMENT ON COLUMN inngest.functions.has_controls IS 'its runs have rows in run_controls';
COMMENT ON COLUMN inngest.functions.is_stateful IS 'whether an event starts a run depends on what went before, so the scheduler decides';
COMMENT ON COLUMN inngest.functions.is_endpoint IS 'an endpoint of an app that has begun runs by itself: to call it is to repeat the request of the run';
COMMENT ON COLUMN inngest.functions.paused_at IS 'set: new events make skipped runs, waiting attempts wait';
COMMENT ON COLUMN inngest.functions.archived_at IS 'set: deleted; triggers nothing any more';

CREATE TABLE inngest.triggers (
	function_id  uuid NOT NULL,
	position     smallint NOT NULL,
	event_name   text NOT NULL,
	expression   text,
	is_keyed     boolean NOT NULL DEFAULT false,
	PRIMARY KEY (function_id, position)
);
CREATE INDEX triggers_event_name ON inngest.triggers (event_name) WHERE NOT is_keyed;
COMMENT ON TABLE inngest.triggers IS 'which events start which function; only of functions that are not archived';
COMMENT ON COLUMN inngest.triggers.position IS 'in the config, from 1';
COMMENT ON COLUMN inngest.triggers.event_name IS 'an exact name, or a prefix up to a / or . followed by *';
COMMENT ON COLUMN inngest.triggers.expression IS 'starts the function only if this is true of the event; null: always';
COMMENT ON COLUMN inngest.triggers.is_keyed IS 'the expression can be true only if one of its rows in trigger_keys fits, and is tried only then';

CREATE TABLE inngest.function_cancels (
	function_id  uuid NOT NULL,
	position     smallint NOT NULL,
	event_name   text NOT NULL,
	expression   text,
	timeout      interval,
	expires_at   timestamptz,
	PRIMARY KEY (function_id, position)
);
COMMENT ON TABLE inngest.function_cancels IS 'which events cancel the runs of a function; only of functions that are not archived';
COMMENT ON COLUMN inngest.function_cancels.position IS 'in the config, from 1';
COMMENT ON COLUMN inngest.function_cancels.expression IS 'cancels only if this is true of the event that started the run and this one; null: always';
COMMENT ON COLUMN inngest.function_cancels.timeout IS 'after the run was queued it cancels no more; null: see expires_at';
COMMENT ON COLUMN inngest.function_cancels.expires_at IS 'from then on it cancels no run; null: see timeout; both null: always';

-- A path names what is hashed in the event, such as data.tenant; the hash is that of src/cel/key.c, the same everywhere.
CREATE TABLE inngest.trigger_keys (
	function_id  uuid NOT NULL,
	position     smallint NOT NULL,
	event_name   text NOT NULL,
	path         text COLLATE "C" NOT NULL,
	value_hash   bigint NOT NULL
);
CREATE INDEX trigger_keys_lookup ON inngest.trigger_keys (event_name, path, value_hash);
CREATE INDEX trigger_keys_function ON inngest.trigger_keys (function_id);
COMMENT ON TABLE inngest.trigger_keys IS 'equalities, one of which must hold for the expression of a trigger to be true: triggers are looked up by them';

-- Counted in shared memory by whoever sends events, and moved here by the scheduler: no sender writes a row that
-- another one writes.
CREATE TABLE inngest.trigger_faults (
	function_id    uuid NOT NULL,
	position       smallint NOT NULL,
	error_count    bigint NOT NULL,
	last_error     text NOT NULL,
	last_error_at  timestamptz NOT NULL,
	PRIMARY KEY (function_id, position)
);
COMMENT ON TABLE inngest.trigger_faults IS 'expressions of triggers that failed, since the function was registered; see the view trigger_errors';

-- A row per cron trigger of a function that is not archived.  The scheduler fires what is due, and moves the row on.
CREATE TABLE inngest.schedules (
	function_id  uuid NOT NULL,
	cron         text NOT NULL,
	jitter       interval,
	next_at      timestamptz NOT NULL CHECK (next_at > '1970-01-02 00:00 UTC'),
	PRIMARY KEY (function_id, cron)
);
CREATE INDEX schedules_next_at ON inngest.schedules (next_at);
COMMENT ON TABLE inngest.schedules IS 'when cron triggers fire next';
COMMENT ON COLUMN inngest.schedules.jitter IS 'the run starts up to so much later; null: at once';
COMMENT ON COLUMN inngest.schedules.next_at IS 'in the past: missed, and made up for one by one; infinity: never';

-- The default environment comes with CREATE EXTENSION, so a dump must not bring it again.
SELECT pg_catalog.pg_extension_config_dump('inngest.environments', 'WHERE id <> ''00000000-0000-4000-b000-000000000000''');
SELECT pg_catalog.pg_extension_config_dump('inngest.apps', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.syncs', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.functions', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.triggers', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.function_cancels', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.trigger_keys', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.trigger_faults', '');
SELECT pg_catalog.pg_extension_config_dump('inngest.schedules', '');
