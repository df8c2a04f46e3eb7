/*
 * Type inngest.ulid: the name of an event or a run.  16 bytes that sort by the time they were made; on the
 * wire 26 characters of Crockford's base 32.  Stored like uuid, so the two are cast without a function.
 */
CREATE TYPE inngest.ulid;

-- input and output
CREATE FUNCTION inngest.ulid_in(cstring) RETURNS inngest.ulid
	AS 'MODULE_PATHNAME', 'inngest_ulid_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_out(inngest.ulid) RETURNS cstring
	AS 'MODULE_PATHNAME', 'inngest_ulid_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_recv(internal) RETURNS inngest.ulid
	AS 'MODULE_PATHNAME', 'inngest_ulid_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_send(inngest.ulid) RETURNS bytea
	AS 'MODULE_PATHNAME', 'inngest_ulid_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION inngest.ulid_in(cstring) IS 'I/O';
COMMENT ON FUNCTION inngest.ulid_out(inngest.ulid) IS 'I/O';
COMMENT ON FUNCTION inngest.ulid_recv(internal) IS 'I/O';
COMMENT ON FUNCTION inngest.ulid_send(inngest.ulid) IS 'I/O';

CREATE TYPE inngest.ulid (
	INPUT = inngest.ulid_in,
	OUTPUT = inngest.ulid_out,
	RECEIVE = inngest.ulid_recv,
	SEND = inngest.ulid_send,
	INTERNALLENGTH = 16,
	ALIGNMENT = char,
	STORAGE = plain
);

COMMENT ON TYPE inngest.ulid IS 'universally unique identifier that sorts by time of creation';

-- order
CREATE FUNCTION inngest.ulid_eq(inngest.ulid, inngest.ulid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'inngest_ulid_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_ne(inngest.ulid, inngest.ulid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'inngest_ulid_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_lt(inngest.ulid, inngest.ulid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'inngest_ulid_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_le(inngest.ulid, inngest.ulid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'inngest_ulid_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_gt(inngest.ulid, inngest.ulid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'inngest_ulid_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_ge(inngest.ulid, inngest.ulid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'inngest_ulid_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_cmp(inngest.ulid, inngest.ulid) RETURNS integer
	AS 'MODULE_PATHNAME', 'inngest_ulid_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'inngest_ulid_sortsupport' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_hash(inngest.ulid) RETURNS integer
	AS 'MODULE_PATHNAME', 'inngest_ulid_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_hash_extended(inngest.ulid, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'inngest_ulid_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION inngest.ulid_eq(inngest.ulid, inngest.ulid) IS 'implementation of = operator';
COMMENT ON FUNCTION inngest.ulid_ne(inngest.ulid, inngest.ulid) IS 'implementation of <> operator';
COMMENT ON FUNCTION inngest.ulid_lt(inngest.ulid, inngest.ulid) IS 'implementation of < operator';
COMMENT ON FUNCTION inngest.ulid_le(inngest.ulid, inngest.ulid) IS 'implementation of <= operator';
COMMENT ON FUNCTION inngest.ulid_gt(inngest.ulid, inngest.ulid) IS 'implementation of > operator';
COMMENT ON FUNCTION inngest.ulid_ge(inngest.ulid, inngest.ulid) IS 'implementation of >= operator';
COMMENT ON FUNCTION inngest.ulid_cmp(inngest.ulid, inngest.ulid) IS 'less-equal-greater';
COMMENT ON FUNCTION inngest.ulid_sortsupport(internal) IS 'sort support';
COMMENT ON FUNCTION inngest.ulid_hash(inngest.ulid) IS 'hash';
COMMENT ON FUNCTION inngest.ulid_hash_extended(inngest.ulid, bigint) IS 'hash';

CREATE OPERATOR inngest.= (
	LEFTARG = inngest.ulid, RIGHTARG = inngest.ulid, FUNCTION = inngest.ulid_eq,
	COMMUTATOR = OPERATOR(inngest.=), NEGATOR = OPERATOR(inngest.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR inngest.<> (
	LEFTARG = inngest.ulid, RIGHTARG = inngest.ulid, FUNCTION = inngest.ulid_ne,
	COMMUTATOR = OPERATOR(inngest.<>), NEGATOR = OPERATOR(inngest.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR inngest.< (
	LEFTARG = inngest.ulid, RIGHTARG = inngest.ulid, FUNCTION = inngest.ulid_lt,
	COMMUTATOR = OPERATOR(inngest.>), NEGATOR = OPERATOR(inngest.>=),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR inngest.<= (
	LEFTARG = inngest.ulid, RIGHTARG = inngest.ulid, FUNCTION = inngest.ulid_le,
	COMMUTATOR = OPERATOR(inngest.>=), NEGATOR = OPERATOR(inngest.>),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR inngest.> (
	LEFTARG = inngest.ulid, RIGHTARG = inngest.ulid, FUNCTION = inngest.ulid_gt,
	COMMUTATOR = OPERATOR(inngest.<), NEGATOR = OPERATOR(inngest.<=),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR inngest.>= (
	LEFTARG = inngest.ulid, RIGHTARG = inngest.ulid, FUNCTION = inngest.ulid_ge,
	COMMUTATOR = OPERATOR(inngest.<=), NEGATOR = OPERATOR(inngest.<),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);

COMMENT ON OPERATOR inngest.= (inngest.ulid, inngest.ulid) IS 'equal';
COMMENT ON OPERATOR inngest.<> (inngest.ulid, inngest.ulid) IS 'not equal';
COMMENT ON OPERATOR inngest.< (inngest.ulid, inngest.ulid) IS 'less than';
COMMENT ON OPERATOR inngest.<= (inngest.ulid, inngest.ulid) IS 'less than or equal';
COMMENT ON OPERATOR inngest.> (inngest.ulid, inngest.ulid) IS 'greater than';
COMMENT ON OPERATOR inngest.>= (inngest.ulid, inngest.ulid) IS 'greater than or equal';

CREATE OPERATOR CLASS inngest.ulid_ops DEFAULT FOR TYPE inngest.ulid USING btree AS
	OPERATOR 1 inngest.<,
	OPERATOR 2 inngest.<=,
	OPERATOR 3 inngest.=,
	OPERATOR 4 inngest.>=,
	OPERATOR 5 inngest.>,
	FUNCTION 1 inngest.ulid_cmp(inngest.ulid, inngest.ulid),
	FUNCTION 2 inngest.ulid_sortsupport(internal),
	FUNCTION 4 btequalimage(oid);

CREATE OPERATOR CLASS inngest.ulid_ops DEFAULT FOR TYPE inngest.ulid USING hash AS
	OPERATOR 1 inngest.=,
	FUNCTION 1 inngest.ulid_hash(inngest.ulid),
	FUNCTION 2 inngest.ulid_hash_extended(inngest.ulid, bigint);

COMMENT ON OPERATOR CLASS inngest.ulid_ops USING btree IS 'order of inngest.ulid: by time';
COMMENT ON OPERATOR CLASS inngest.ulid_ops USING hash IS 'hash of inngest.ulid';
COMMENT ON OPERATOR FAMILY inngest.ulid_ops USING btree IS 'order of inngest.ulid: by time';
COMMENT ON OPERATOR FAMILY inngest.ulid_ops USING hash IS 'hash of inngest.ulid';

-- the first and the last
CREATE FUNCTION inngest.ulid_smaller(inngest.ulid, inngest.ulid) RETURNS inngest.ulid
	AS 'MODULE_PATHNAME', 'inngest_ulid_smaller' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_larger(inngest.ulid, inngest.ulid) RETURNS inngest.ulid
	AS 'MODULE_PATHNAME', 'inngest_ulid_larger' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION inngest.ulid_smaller(inngest.ulid, inngest.ulid) IS 'smaller of two';
COMMENT ON FUNCTION inngest.ulid_larger(inngest.ulid, inngest.ulid) IS 'larger of two';

CREATE AGGREGATE inngest.min(inngest.ulid) (
	SFUNC = inngest.ulid_smaller,
	STYPE = inngest.ulid,
	COMBINEFUNC = inngest.ulid_smaller,
	SORTOP = OPERATOR(inngest.<),
	PARALLEL = SAFE
);
CREATE AGGREGATE inngest.max(inngest.ulid) (
	SFUNC = inngest.ulid_larger,
	STYPE = inngest.ulid,
	COMBINEFUNC = inngest.ulid_larger,
	SORTOP = OPERATOR(inngest.>),
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE inngest.min(inngest.ulid) IS 'minimum value of all inngest.ulid input values';
COMMENT ON AGGREGATE inngest.max(inngest.ulid) IS 'maximum value of all inngest.ulid input values';

-- time
CREATE FUNCTION inngest.ulid_timestamp(inngest.ulid) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'inngest_ulid_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.ulid_at(timestamptz) RETURNS inngest.ulid
	AS 'MODULE_PATHNAME', 'inngest_ulid_at' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION inngest.generate_ulid() RETURNS inngest.ulid
	AS 'MODULE_PATHNAME', 'inngest_generate_ulid' LANGUAGE C VOLATILE PARALLEL SAFE;

COMMENT ON FUNCTION inngest.ulid_timestamp(inngest.ulid) IS 'time of a ULID, to the millisecond';
COMMENT ON FUNCTION inngest.ulid_at(timestamptz) IS 'lowest ULID of a millisecond: a bound for ranges of time';
COMMENT ON FUNCTION inngest.generate_ulid() IS 'make a ULID, greater than every one that the same process made before';

-- casts
CREATE CAST (inngest.ulid AS uuid) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (uuid AS inngest.ulid) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (inngest.ulid AS text) WITH INOUT AS ASSIGNMENT;
CREATE CAST (text AS inngest.ulid) WITH INOUT;
CREATE CAST (inngest.ulid AS timestamptz) WITH FUNCTION inngest.ulid_timestamp(inngest.ulid) AS ASSIGNMENT;
CREATE CAST (timestamptz AS inngest.ulid) WITH FUNCTION inngest.ulid_at(timestamptz);

COMMENT ON CAST (inngest.ulid AS uuid) IS 'the same 16 bytes';
COMMENT ON CAST (uuid AS inngest.ulid) IS 'the same 16 bytes';
COMMENT ON CAST (inngest.ulid AS text) IS 'the 26 characters';
COMMENT ON CAST (text AS inngest.ulid) IS 'the 26 characters';
COMMENT ON CAST (inngest.ulid AS timestamptz) IS 'time of the ULID, to the millisecond';
COMMENT ON CAST (timestamptz AS inngest.ulid) IS 'lowest ULID of the millisecond';
