-- Functions of test builds of the library (src/base/testing.h); InngestTest->new(testing => 1) runs this.
CREATE SCHEMA IF NOT EXISTS inngest_test;

CREATE FUNCTION inngest_test.set_time("to" timestamptz) RETURNS timestamptz LANGUAGE c STRICT AS '$libdir/inngest', 'inngest_testing_set_time';
CREATE FUNCTION inngest_test.advance("by" interval) RETURNS timestamptz LANGUAGE c STRICT AS '$libdir/inngest', 'inngest_testing_advance';
CREATE FUNCTION inngest_test.real_time() RETURNS timestamptz LANGUAGE c STRICT AS '$libdir/inngest', 'inngest_testing_real_time';
CREATE FUNCTION inngest_test.now() RETURNS timestamptz LANGUAGE c STRICT AS '$libdir/inngest', 'inngest_testing_now';

CREATE FUNCTION inngest_test.arm(name text) RETURNS void LANGUAGE c STRICT AS '$libdir/inngest', 'inngest_testing_arm';
CREATE FUNCTION inngest_test.wait_until_reached(name text, how_often integer DEFAULT 1) RETURNS integer LANGUAGE c STRICT
AS '$libdir/inngest', 'inngest_testing_wait_until_reached';
CREATE FUNCTION inngest_test.release(name text) RETURNS void LANGUAGE c STRICT AS '$libdir/inngest', 'inngest_testing_release';
