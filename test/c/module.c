/*-------------------------------------------------------------------------
 *
 * module.c
 *	  What tests ask that no SQL of the extension answers: the inside, as SQL functions.
 *
 * The module is linked from the objects of the library, all but its entry, and from the files here; test/run makes
 * and installs it, and $inn->load_module creates its functions in the schema inngest_test (module.sql).  Its variables
 * are its own, so what is tested by it has to be pure: settings have the values they have in C.
 *
 * A new function: PG_FUNCTION_INFO_V1(inngest_test_...) in a file here, CREATE FUNCTION in module.sql.
 *
 * IDENTIFICATION
 *	  test/c/module.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;
