-- The type inngest.ulid: what it reads and writes, its order, its casts, and that indexes, sorts, hashes
-- and aggregates agree with the order of the bytes.
SET search_path TO inngest, public;
SET timezone TO 'UTC';

-- text: either case, I and L are 1, O is 0; written in upper case
SELECT text::ulid AS ulid, uuid_send(text::ulid::uuid) AS bytes
FROM (VALUES ('01HF7YAT00041061050R3GG28A'),
			 ('01hf7yat00041061050r3gg28a'),
			 ('oIHF7YATOOO4lO6iO5OR3GG28A'),
			 ('00000000000000000000000000'),
			 ('7ZZZZZZZZZZZZZZZZZZZZZZZZZ'),
			 ('0123456789ABCDEFGHJKMNPQRS'),
			 ('0TVWXYZ0123456789abcdefghj')) AS sample (text);

-- text that is no ULID: too big, too short, too long, U, a hyphen, a space, not ASCII, nothing, a uuid
SELECT '80000000000000000000000000'::ulid;
SELECT '01HF7YAT00041061050R3GG28'::ulid;
SELECT '01HF7YAT00041061050R3GG28AA'::ulid;
SELECT '01HF7YAT00041061050R3GG28U'::ulid;
SELECT '01HF7YAT-0041061050R3GG28A'::ulid;
SELECT ' 1HF7YAT00041061050R3GG28A'::ulid;
SELECT '01HF7YAT00041061050R3GG28é'::ulid;
SELECT ''::ulid;
SELECT '018bcfe5-6800-0102-0304-05060708090a'::ulid;
\set VERBOSITY sqlstate
SELECT '01HF7YAT00041061050R3GG28U'::ulid;
\set VERBOSITY default

-- casts; what is not there by assignment or implicitly must be asked for
SELECT '018bcfe5-6800-0102-0304-05060708090a'::uuid::ulid,
	   '01HF7YAT00041061050R3GG28A'::ulid::uuid,
	   '01HF7YAT00041061050R3GG28A'::text::ulid,
	   '01HF7YAT00041061050R3GG28A'::ulid::text;
CREATE TEMP TABLE casts (u uuid, l ulid, t text, z timestamptz);
INSERT INTO casts
SELECT l, u, l, l
FROM (VALUES ('01HF7YAT00041061050R3GG28A'::ulid, '018bcfe5-6800-0102-0304-05060708090b'::uuid)) AS sample (l, u);
SELECT * FROM casts;
INSERT INTO casts (l) SELECT t FROM casts;
INSERT INTO casts (l) SELECT z FROM casts;
SELECT length('01HF7YAT00041061050R3GG28A'::ulid);
SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod
FROM pg_cast
WHERE 'ulid'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text, casttarget::regtype::text;

-- a uuid parameter reaches an index on a ULID: the cast costs nothing
CREATE TEMP TABLE indexed (id ulid PRIMARY KEY);
PREPARE find (uuid) AS SELECT * FROM indexed WHERE id = $1::ulid;
SET enable_seqscan TO off;
SET enable_bitmapscan TO off;
SET plan_cache_mode TO force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE find ('018bcfe5-6800-0102-0304-05060708090a');
RESET plan_cache_mode;
RESET enable_bitmapscan;
RESET enable_seqscan;

-- time: to the millisecond, from 1970 to the year 10889
SELECT ulid_timestamp('01HF7YAT00041061050R3GG28A'), '01HF7YAT00041061050R3GG28A'::ulid::timestamptz;
SELECT '00000000000000000000000000'::ulid::timestamptz, '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'::ulid::timestamptz;
SELECT z::ulid, z::ulid::timestamptz
FROM (VALUES ('1970-01-01 00:00:00Z'::timestamptz), ('1999-12-31 23:59:59.9999Z'),
			 ('2023-11-14 22:13:20Z'), ('2023-11-14 22:13:20.123999Z'),
			 ('10889-08-02 05:31:50.655999Z')) AS sample (z);
SELECT '1969-12-31 23:59:59.999999Z'::timestamptz::ulid;
SELECT '10889-08-02 05:31:50.656Z'::timestamptz::ulid;
SELECT 'infinity'::timestamptz::ulid;
SELECT '-infinity'::timestamptz::ulid;

-- operators
SELECT a, b, a = b AS eq, a <> b AS ne, a < b AS lt, a <= b AS le, a > b AS gt, a >= b AS ge, ulid_cmp(a, b) < 0 AS cmp
FROM (VALUES ('01HF7YAT00041061050R3GG28A'::ulid, '01HF7YAT00041061050R3GG28B'::ulid),
			 ('01HF7YAT00041061050R3GG28B', '01HF7YAT00041061050R3GG28B'),
			 ('01HF7YAT01041061050R3GG28A', '01HF7YAT00041061050R3GG28B'),
			 ('00000000000000000000000000', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ')) AS sample (a, b);

-- 20 000 ULIDs; the first 1 000 pairs differ in the last byte only, beyond an abbreviated sort key
CREATE TEMP TABLE many AS
SELECT md5((i % 19000)::text)::uuid::ulid AS id FROM generate_series(0, 18999) AS i
UNION ALL
SELECT overlay(md5(i::text) PLACING lpad(to_hex(i % 256), 2, '0') FROM 31)::uuid::ulid FROM generate_series(0, 999) AS i;

-- sorts, with abbreviated keys and in an index, follow the bytes and the text
SELECT count(*) AS out_of_order
FROM (SELECT id, lag(id) OVER (ORDER BY id) AS before FROM many) AS sorted
WHERE uuid_send(id::uuid) < uuid_send(before::uuid)
   OR id::text COLLATE "C" < before::text COLLATE "C";
CREATE INDEX many_id ON many (id);
ANALYZE many;
SET enable_seqscan TO off;
EXPLAIN (COSTS OFF) SELECT id FROM many ORDER BY id;
SELECT count(*) AS out_of_order
FROM (SELECT id, lag(id) OVER (ORDER BY id) AS before FROM many) AS sorted
WHERE id < before;
SELECT (SELECT count(*) FROM many WHERE id >= '40000000000000000000000000' AND id < '60000000000000000000000000')
	 = (SELECT count(*) FROM many WHERE get_byte(uuid_send(id::uuid), 0) BETWEEN 128 AND 191) AS same_range;
RESET enable_seqscan;

-- min and max, by index and by scan
SELECT min(id), max(id) FROM many;
SET enable_indexscan TO off;
SET enable_indexonlyscan TO off;
SET enable_bitmapscan TO off;
SELECT min(id), max(id) FROM many;
SELECT min(id), max(id) FROM many WHERE false;
SELECT aggfnoid::regproc, oprname AS sort_operator, aggcombinefn::regproc
FROM pg_aggregate JOIN pg_operator AS o ON o.oid = aggsortop
WHERE oprleft = 'ulid'::regtype
ORDER BY oprname;
RESET enable_indexscan;
RESET enable_indexonlyscan;
RESET enable_bitmapscan;

-- hashes: aggregation, join, index; alike in uuid, so that a cast does not change the bucket
SET enable_sort TO off;
SET enable_mergejoin TO off;
SET enable_nestloop TO off;
SELECT count(*) FROM (SELECT id FROM many GROUP BY id) AS grouped;
SELECT count(*) FROM many AS a JOIN many AS b ON a.id = b.id;
RESET enable_sort;
RESET enable_nestloop;
SET enable_hashjoin TO off;
SET enable_mergejoin TO on;
SELECT count(*) FROM many AS a JOIN many AS b ON a.id = b.id;
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT count(*) AS hashes_differ
FROM many
WHERE ulid_hash(id) <> uuid_hash(id::uuid) OR ulid_hash_extended(id, 7) <> uuid_hash_extended(id::uuid, 7);
CREATE INDEX many_hash ON many USING hash (id);
DROP INDEX many_id;
SET enable_seqscan TO off;
SELECT count(*) FROM many WHERE id = md5('42')::uuid::ulid;
RESET enable_seqscan;

-- partitions by range of time and by hash
CREATE TEMP TABLE parted (id ulid PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TEMP TABLE parted_2023 PARTITION OF parted
	FOR VALUES FROM ('01GNNA1J000000000000000000') TO ('01HK153X000000000000000000');
CREATE TEMP TABLE parted_other PARTITION OF parted DEFAULT;
INSERT INTO parted
VALUES ('01GNNA1J000000000000000000'), ('01HF7YAT00041061050R3GG28A'), ('01HK153X000000000000000000');
SELECT tableoid::regclass, id FROM parted ORDER BY id;
EXPLAIN (COSTS OFF) SELECT * FROM parted WHERE id < '2023-06-01Z'::timestamptz::ulid AND id >= '2023-05-01Z'::timestamptz::ulid;
CREATE TEMP TABLE hashed (id ulid) PARTITION BY HASH (id);
CREATE TEMP TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed SELECT id FROM many;
SELECT count(*), count(DISTINCT tableoid) FROM hashed;

-- generated: each greater than the one before, also within a millisecond, and close to the clock
SELECT count(*), bool_and(id > before) FILTER (WHERE before IS NOT NULL) AS ascending,
	   count(DISTINCT id::timestamptz) < count(*) AS within_a_millisecond
FROM (SELECT id, lag(id) OVER (ORDER BY i) AS before
	  FROM (SELECT i, generate_ulid() AS id FROM generate_series(1, 20000) AS i) AS made) AS compared;
SELECT generate_ulid()::timestamptz - clock_timestamp() BETWEEN '-1 min' AND '1 min' AS close_to_the_clock;

-- binary form: what COPY writes it reads
CREATE TEMP TABLE copied (id ulid);
\copy (SELECT id FROM many ORDER BY id LIMIT 100) to program 'cat > "$PG_ABS_BUILDDIR/results/ulid.bin"' (FORMAT binary)
\copy copied from program 'cat "$PG_ABS_BUILDDIR/results/ulid.bin"' (FORMAT binary)
SELECT count(*) FROM copied JOIN (SELECT id FROM many ORDER BY id LIMIT 100) AS original USING (id);
SELECT ulid_send('01HF7YAT00041061050R3GG28A');

-- nothing of it is left without a comment, and the operator classes are sound
SELECT pg_describe_object(classid, objid, 0) AS uncommented
FROM (SELECT 'pg_proc'::regclass AS classid, oid AS objid
	  FROM pg_proc
	  WHERE pronamespace = 'inngest'::regnamespace
		AND (prorettype = 'ulid'::regtype OR 'ulid'::regtype = ANY (proargtypes) OR proname LIKE 'ulid%')
	  UNION ALL SELECT 'pg_type'::regclass, 'ulid'::regtype
	  UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprleft = 'ulid'::regtype
	  UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE opcintype = 'ulid'::regtype
	  UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE 'ulid'::regtype IN (castsource, casttarget)) AS object
WHERE obj_description(objid, classid::regclass::name) IS NULL;
SELECT amname, amvalidate(c.oid), opcdefault
FROM pg_opclass AS c JOIN pg_am AS a ON a.oid = opcmethod
WHERE opcintype = 'ulid'::regtype
ORDER BY amname;
SELECT o.oprname, c.oprname AS commutator, n.oprname AS negator, o.oprcanmerge, o.oprcanhash
FROM pg_operator AS o
JOIN pg_operator AS c ON c.oid = o.oprcom
JOIN pg_operator AS n ON n.oid = o.oprnegate
WHERE o.oprleft = 'ulid'::regtype
ORDER BY o.oprname COLLATE "C";
