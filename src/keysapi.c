/*-------------------------------------------------------------------------
 *
 * keysapi.c
 *	  The SQL door to keys: unwrap Datums, call the inside, wrap the answer.  No logic.
 *
 * The functions are declared SECURITY DEFINER with a pinned search_path (sql/parts/25_keys.sql), so
 * everything below runs as inngest_engine.
 *
 * IDENTIFICATION
 *	  src/keysapi.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "store/keys.h"

PG_FUNCTION_INFO_V1(inngest_create_event_key);
PG_FUNCTION_INFO_V1(inngest_delete_event_key);
PG_FUNCTION_INFO_V1(inngest_create_signing_key);
PG_FUNCTION_INFO_V1(inngest_rotate_signing_key);
PG_FUNCTION_INFO_V1(inngest_retire_signing_key);
PG_FUNCTION_INFO_V1(inngest_delete_signing_keys);

static char *text_arg(FunctionCallInfo fcinfo, int n);

/* create_event_key(name text, key text) returns text */
Datum
inngest_create_event_key(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char *name = text_arg(fcinfo, 0);
	text *result;
	char *key;

	if (name == NULL)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("the name of an event key must not be null"));
	inn_sql_begin();
	key = inn_keys_create_event_key(name, text_arg(fcinfo, 1));
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(key);
	inn_sql_end();
	PG_RETURN_TEXT_P(result);
}

/* delete_event_key(name text) */
Datum
inngest_delete_event_key(PG_FUNCTION_ARGS)
{
	char *name = text_arg(fcinfo, 0);
	bool found;

	inn_sql_begin();
	found = inn_keys_delete_event_key(name);
	inn_sql_end();
	if (!found)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("event key \"%s\" does not exist", name));
	PG_RETURN_VOID();
}

/* create_signing_key(key text) returns text */
Datum
inngest_create_signing_key(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	text *result;
	char *key;

	inn_sql_begin();
	key = inn_keys_create_signing_key(text_arg(fcinfo, 0));
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(key);
	inn_sql_end();
	PG_RETURN_TEXT_P(result);
}

/* rotate_signing_key() */
Datum
inngest_rotate_signing_key(PG_FUNCTION_ARGS)
{
	inn_sql_begin();
	inn_keys_rotate();
	inn_sql_end();
	PG_RETURN_VOID();
}

/* retire_signing_key() returns boolean */
Datum
inngest_retire_signing_key(PG_FUNCTION_ARGS)
{
	bool found;

	inn_sql_begin();
	found = inn_keys_retire();
	inn_sql_end();
	PG_RETURN_BOOL(found);
}

/* delete_signing_keys() returns integer */
Datum
inngest_delete_signing_keys(PG_FUNCTION_ARGS)
{
	int nkeys;

	inn_sql_begin();
	nkeys = inn_keys_delete_signing_keys();
	inn_sql_end();
	PG_RETURN_INT32(nkeys);
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}
