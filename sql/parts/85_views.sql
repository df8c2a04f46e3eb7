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
		   count(q.run_at) FILTER (WHERE q.run_at <= now()) AS ready,
		   count(q.run_at) FILTER (WHERE q.run_at > now()) AS scheduled,
		   (SELECT count(*) FROM inngest.leases l WHERE l.function_id = f.id) AS leased,
		   min(q.run_at) AS oldest
	FROM inngest.functions f
	LEFT JOIN inngest.queue q ON q.function_id = f.id
	GROUP BY f.id, f.slug;
COMMENT ON VIEW inngest.queue_depth IS 'per function: attempts that wait, wait for a time, or are being made';

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
