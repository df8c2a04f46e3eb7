/*
 * For people.
 */
CREATE VIEW inngest.runs AS
	SELECT r.id, f.slug AS function_id, a.name AS app_id, r.event_id,
		   inngest.run_status(r.outcome, r.started_at) AS status,
		   inngest.ulid_timestamp(r.id) AS queued_at, r.started_at, r.ended_at, r.original_run_id
	FROM inngest.function_runs r
	JOIN inngest.functions f ON f.id = r.function_id
	JOIN inngest.apps a ON a.id = f.app_id;
COMMENT ON VIEW inngest.runs IS 'runs with their status and the names of their function and app';

CREATE VIEW inngest.queue_depth AS
	SELECT f.slug AS function_id,
		   count(q.at) FILTER (WHERE q.at <= now()) AS ready,
		   count(q.at) FILTER (WHERE q.at > now()) AS scheduled,
		   (SELECT count(*) FROM inngest.leases l WHERE l.function_id = f.id) AS leased,
		   min(q.at) AS oldest
	FROM inngest.functions f
	LEFT JOIN (
		SELECT function_id, run_at FROM inngest.queue
		UNION ALL
		SELECT function_id, coalesce(nullif(run_at, 'infinity'), queued_at) FROM inngest.jobs WHERE kind IN ('call', 'throttle', 'start', 'sleep')
	) q (function_id, at) ON q.function_id = f.id
	GROUP BY f.id, f.slug;
COMMENT ON VIEW inngest.queue_depth IS 'per function: attempts that wait, wait for a time, or are being made by pull workers';

CREATE VIEW inngest.run_steps AS
	SELECT s.run_id, s.id AS step_id, s.name, s.op,
		   CASE WHEN s.op IN ('run', 'invoke', 'ai', 'fetch') AND s.memo->'error' IS NOT NULL THEN 'FAILED' ELSE 'COMPLETED' END AS status,
		   s.attempt, s.started_at, s.ended_at, NULL::timestamptz AS due_at, s.memo
	FROM inngest.steps s
	UNION ALL
	SELECT j.run_id, j.step_id, j.step_name, CASE j.kind WHEN 'sleep' THEN 'sleep' ELSE 'run' END,
		   CASE WHEN j.kind = 'sleep' THEN 'SLEEPING' WHEN j.attempt > 0 THEN 'RETRYING' ELSE 'QUEUED' END,
		   j.attempt, j.queued_at, NULL, nullif(j.run_at, 'infinity'), NULL
	FROM inngest.jobs j WHERE j.step_id IS NOT NULL AND j.kind NOT IN ('throttle', 'place_freed')
	UNION ALL
	SELECT p.run_id, p.step_id, p.name, CASE p.kind WHEN 'event' THEN 'wait' ELSE p.kind END,
		   CASE p.kind WHEN 'invoke' THEN 'INVOKING' ELSE 'WAITING' END, 0::smallint, p.created_at, NULL, p.expires_at, NULL
	FROM inngest.pauses p WHERE p.kind <> 'cancel';
COMMENT ON VIEW inngest.run_steps IS 'the steps of runs: those that have ended with their results, and those that run, sleep or wait';

CREATE VIEW inngest.trigger_errors AS
	SELECT f.slug AS function_id, x.position, t.event_name, t.expression, x.error_count, x.last_error, x.last_error_at
	FROM inngest.trigger_faults x
	JOIN inngest.functions f ON f.id = x.function_id
	JOIN inngest.triggers t ON t.function_id = x.function_id AND t.position = x.position;
COMMENT ON VIEW inngest.trigger_errors IS 'triggers whose expression failed for some event, or gave something else than true or false';

CREATE VIEW inngest.apps_status AS
	SELECT a.name, a.method, a.url, a.sdk, a.framework, a.platform, a.app_version,
		   CASE WHEN a.archived_at IS NOT NULL THEN 'archived' WHEN a.error_code IS NOT NULL THEN 'failing' ELSE 'ok' END AS status,
		   a.synced_at, a.error_code, a.error,
		   (SELECT count(*) FROM inngest.functions f WHERE f.app_id = a.id AND f.archived_at IS NULL) AS functions
	FROM inngest.apps a;
COMMENT ON VIEW inngest.apps_status IS 'apps: where and what they are, and whether their last registration went well';
