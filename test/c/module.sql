-- Functions of the test module; $inn->load_module runs this.
CREATE SCHEMA IF NOT EXISTS inngest_test;

CREATE FUNCTION inngest_test.read_ops(ops jsonb) RETURNS jsonb LANGUAGE c STRICT AS 'inngest_test', 'inngest_test_read_ops';

CREATE FUNCTION inngest_test.build_request(subject jsonb) RETURNS jsonb LANGUAGE c STRICT AS 'inngest_test', 'inngest_test_build_request';
CREATE FUNCTION inngest_test.parse_queue_ref(ref text) RETURNS bigint LANGUAGE c STRICT AS 'inngest_test', 'inngest_test_parse_queue_ref';
CREATE FUNCTION inngest_test.measure_request(subject jsonb, times integer) RETURNS double precision LANGUAGE c STRICT AS 'inngest_test', 'inngest_test_measure_request';

CREATE FUNCTION inngest_test.sign(key text, body bytea, now_s bigint) RETURNS text LANGUAGE c STRICT AS 'inngest_test', 'inngest_test_sign';
CREATE FUNCTION inngest_test.verify(header text, key text, body bytea, now_s bigint, or_canonical boolean DEFAULT false) RETURNS boolean LANGUAGE c STRICT
AS 'inngest_test', 'inngest_test_verify';

CREATE FUNCTION inngest_test.read_answer(answer jsonb, body bytea, is_targeted boolean DEFAULT false, now timestamptz DEFAULT '2026-11-23 08:14:00Z') RETURNS jsonb
LANGUAGE c STRICT AS 'inngest_test', 'inngest_test_read_answer';
CREATE FUNCTION inngest_test.measure_answer(answer jsonb, body bytea, times integer) RETURNS double precision LANGUAGE c STRICT AS 'inngest_test', 'inngest_test_measure_answer';
