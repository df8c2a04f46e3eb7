-- Cron triggers: when they fire.  That they do is t/043_cron.pl.
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- the next time after a Friday's
SELECT cron, inngest.cron_next(cron, '2024-02-23 10:30:30') FROM unnest(ARRAY[
	'* * * * *', '*/15 * * * *', '30 * * * *', '31 * * * *', '0 9 * * *', '0 9 * * 1', '0 9 * * mon-fri', '0 0 29 2 *', '0 0 1 1 *',
	'5/20 * * * *', '10-20/5 * * * *', '5-5/2 * * * *', '0 0-6/2,22 * * *', '0 12 13 * fri', '0 12 */10 * fri', '0 12 */1 * fri', '0 12 ? mar 5', '0 0 31 4,6 *',
	'0 0 30 2 *', '0 0 29 2 mon', 'TZ=America/New_York 0 9 * * *', 'CRON_TZ=Asia/Kathmandu 0 9 * * *', 'TZ=europe/berlin 0 0 1 * *', 'TZ=Etc/GMT+5 0 0 * * *']) AS cron;

-- a minute is over when the next begins; seconds do not count
SELECT inngest.cron_next('30 10 * * *', t) FROM unnest(ARRAY['2024-02-23 10:29:59.999999', '2024-02-23 10:30:00', '2024-02-23 10:30:59']::timestamptz[]) AS t;

-- clocks: forward, what they skip does not come; back, what they repeat comes twice
CREATE FUNCTION pg_temp.times(cron text, since timestamptz, n int) RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		since := inngest.cron_next(cron, since);
		RETURN NEXT since;
	END LOOP;
END $$;
SELECT * FROM pg_temp.times('TZ=Europe/Paris 30 2 * * *', '2024-03-29 12:00', 3);
SELECT * FROM pg_temp.times('TZ=Europe/Paris 30 2 * * *', '2024-10-26 12:00', 3);
SELECT * FROM pg_temp.times('TZ=Europe/Paris 0 3 * * *', '2024-03-30 12:00', 2);
SELECT * FROM pg_temp.times('TZ=Europe/Paris */30 1-3 31 3 *', '2024-03-30 12:00', 5);
SELECT * FROM pg_temp.times('TZ=Australia/Lord_Howe 45 1 * * *', '2024-04-05 00:00', 4);
SELECT * FROM pg_temp.times('TZ=America/Sao_Paulo 0 0 * * *', '2018-11-03 12:00', 2);
SELECT * FROM pg_temp.times('TZ=Pacific/Apia 0 12 * * *', '2011-12-29 00:00', 3);

-- every minute of four years of a zone, against what the server thinks of its clocks
WITH ours AS (SELECT t FROM pg_temp.times('TZ=America/St_Johns 17 0-3 1,10 * sun', '2022-01-01', 1500) t WHERE t < '2026-01-01'),
theirs AS (
	SELECT t FROM generate_series('2022-01-01'::timestamptz, '2025-12-31 23:59', '1 minute') t, LATERAL (SELECT t AT TIME ZONE 'America/St_Johns' AS local) l
	WHERE extract(minute FROM local) = 17 AND extract(hour FROM local) < 4 AND (extract(day FROM local) IN (1, 10) OR extract(dow FROM local) = 0))
SELECT (SELECT count(*) FROM theirs) AS times, (SELECT count(*) FROM (TABLE theirs EXCEPT TABLE ours) x) AS missing, (SELECT count(*) FROM (TABLE ours EXCEPT TABLE theirs) x) AS wrong;

-- what is none, and what has no end
SELECT inngest.cron_next('@daily');
SELECT inngest.cron_next('* * * * * *');
SELECT inngest.cron_next('* * * * *', 'infinity') IS NULL, inngest.cron_next('* * * * *', '-infinity') IS NULL, inngest.cron_next('* * * * *', '10000-01-01') IS NULL,
	inngest.cron_next('* * * * *', '1900-01-01'), inngest.cron_next(NULL) IS NULL;

-- a row per trigger: new ones from now, the others stay what they are if that is not too late, those that are gone are gone
SELECT (inngest.register_function('{"id": "by-time", "triggers": [{"cron": "0 0 1 1 *"}, {"cron": "0 0 30 2 *"}, {"cron": "TZ=Asia/Tokyo 0 0 * * *", "jitter": "90s"}, {"event": "t/x"}]}')).version;
SELECT cron, jitter, next_at > now(), next_at = 'infinity' FROM inngest.schedules ORDER BY cron;
UPDATE inngest.schedules SET next_at = next_at - interval '1 second' WHERE cron = '0 0 1 1 *';
SELECT (inngest.register_function('{"id": "by-time", "triggers": [{"cron": "0 0 1 1 *", "jitter": "5s"}, {"cron": "1 1 1 1 *", "jitter": "0"}]}')).version;
SELECT cron, jitter, extract(second FROM next_at) = 59 FROM inngest.schedules ORDER BY cron;
SELECT t->>'cron', t->>'jitter', t->>'next_at' LIKE '%-12-31T23:59:59.000Z' FROM inngest.functions f, jsonb_array_elements(inngest.triggers_json(f)) t WHERE f.slug = 'by-time';
SELECT inngest.delete_function('by-time');
SELECT count(*) FROM inngest.schedules;
DELETE FROM inngest.functions WHERE slug = 'by-time';
