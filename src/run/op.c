/*-------------------------------------------------------------------------
 *
 * op.c
 *	  What an SDK reports: ops, read from JSON; and what is told of a step afterwards.
 *
 * SDKs put much into an op that is for themselves, so nothing is refused for a key of the wrong type that can do
 * without: it counts as absent.  What is refused is what would change the meaning of a run.
 *
 * IDENTIFICATION
 *	  src/run/op.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "base/jcs.h"
#include "base/json.h"
#include "run/fault.h"
#include "run/op.h"

/* what is quoted of an unknown op */
#define QUOTE_MAX_BYTES 64

static bool read_op(JsonbContainer *object, InnOp *op, char **error);
static bool read_kind(JsonbContainer *object, InnOp *op, char **error);
static bool read_id(JsonbContainer *object, InnOp *op, char **error);
static void read_names(JsonbContainer *object, InnOp *op);
static void read_opts(JsonbContainer *object, InnOp *op);
static void read_error(JsonbContainer *object, InnOp *op);
static void read_metadata(JsonbContainer *object, InnOp *op);
static void read_timing(JsonbContainer *object, InnOp *op);
static int64 read_integer(JsonbContainer *object, const char *key);
static const char *find_text(JsonbContainer *object, const char *key);
static JsonbContainer *find_object(JsonbContainer *object, const char *key);
static bool is_small_enough(JsonbContainer *object, const char *key, char **error);
static char *wrap(const char *key, Jsonb *value);

static const char *const wire_names[] = {
#define INN_OP_NAME(name, text) [INN_OP_##name] = text,
	INN_OP_TABLE(INN_OP_NAME)
#undef INN_OP_NAME
};

const char *
inn_op_wire_name(InnOpKind kind)
{
	Assert(kind < INN_OP_COUNT);
	return wire_names[kind];
}

InnOp *
inn_ops_read(const JsonbValue *value, int *nops, bool *is_overflow, char **error)
{
	JsonbContainer *container = value->type == jbvBinary ? value->val.binary.data : NULL;
	bool is_array;
	InnOp *ops;

	*nops = 0;
	*is_overflow = false;
	*error = NULL;
	if (container == NULL || JsonContainerIsScalar(container))
	{
		*error = pstrdup("neither an array of ops nor an op");
		return NULL;
	}
	is_array = JsonContainerIsArray(container);
	*nops = is_array ? (int) JsonContainerSize(container) : 1;
	if (*nops > INN_MAX_OPS)
	{
		*is_overflow = true;
		*error = psprintf("%d ops; the limit is %d", *nops, INN_MAX_OPS);
		return NULL;
	}

	ops = palloc0(Max(*nops, 1) * sizeof(InnOp));
	for (int i = 0; i < *nops; i++)
	{
		JsonbValue *element = is_array ? getIthJsonbValueFromContainer(container, i) : NULL;
		JsonbContainer *object = is_array ? NULL : container;
		char *reason = "not an object";

		CHECK_FOR_INTERRUPTS();
		if (element != NULL && element->type == jbvBinary &&
			JsonContainerIsObject(element->val.binary.data))
			object = element->val.binary.data;
		if (object == NULL || !read_op(object, &ops[i], &reason))
		{
			*error = psprintf("%s (op %d)", reason, i);
			return NULL;
		}
	}
	return ops;
}

static bool
read_op(JsonbContainer *object, InnOp *op, char **error)
{
	JsonbValue value;

	if (!read_kind(object, op, error) || !read_id(object, op, error) ||
		!is_small_enough(object, "error", error))
		return false;

	/* The result of a function is no step's, and as large as an answer may be. */
	if (op->kind != INN_OP_RUN_COMPLETE && op->kind != INN_OP_SYNC_RUN_COMPLETE &&
		!is_small_enough(object, "data", error))
		return false;

	/* Whatever is wrong with a defer is no fault of the call (run/defer.h). */
	if (op->kind != INN_OP_DEFER_ADD && !is_small_enough(object, "opts", error))
		return false;

	read_names(object, op);
	read_opts(object, op);
	if (inn_json_find(object, "data", &value))
		op->data = inn_json_to_jsonb(&value);
	read_error(object, op);
	read_metadata(object, op);
	read_timing(object, op);
	return true;
}

static bool
read_kind(JsonbContainer *object, InnOp *op, char **error)
{
	const char *name = find_text(object, "op");

	if (name == NULL)
	{
		*error = "\"op\" is missing or not a string";
		return false;
	}
	for (int kind = 0; kind < INN_OP_COUNT; kind++)
	{
		if (pg_strcasecmp(name, wire_names[kind]) != 0)
			continue;
		op->kind = kind;
		return true;
	}
	/* as the Inngest server says it, because people search for it */
	*error = psprintf("%.*s does not belong to Opcode values",
					  pg_mbcliplen(name, (int) strlen(name), QUOTE_MAX_BYTES), name);
	return false;
}

static bool
read_id(JsonbContainer *object, InnOp *op, char **error)
{
	const char *id = find_text(object, "id");

	op->id = id == NULL ? "" : id;
	if (op->id[0] == '\0' && inn_op_needs_id(op->kind))
	{
		*error = psprintf("%s without an id", inn_op_wire_name(op->kind));
		return false;
	}
	if (strlen(op->id) > INN_STEP_ID_MAX_BYTES)
	{
		*error =
			psprintf("id of %zu bytes; the limit is %d", strlen(op->id), INN_STEP_ID_MAX_BYTES);
		return false;
	}
	return true;
}

/* What people see is cut off; what carries an argument is not. */
static void
read_names(JsonbContainer *object, InnOp *op)
{
	const char *name = find_text(object, "displayName");
	const char *wire_name = find_text(object, "name");
	int len;

	op->wire_name = wire_name == NULL ? "" : wire_name;
	if (name == NULL || name[0] == '\0')
		name = op->wire_name;
	if (name[0] == '\0')
		name = op->id;
	len = (int) strlen(name);
	op->name = len <= INN_STEP_NAME_MAX_BYTES
				   ? name
				   : pnstrdup(name, pg_mbcliplen(name, len, INN_STEP_NAME_MAX_BYTES));
}

static void
read_opts(JsonbContainer *object, InnOp *op)
{
	JsonbContainer *opts = find_object(object, "opts");
	const char *mode;
	JsonbValue value;

	if (opts == NULL)
		return;
	op->type = find_text(opts, "type");
	mode = find_text(opts, "parallelMode");
	op->is_race = mode != NULL && pg_strcasecmp(mode, "race") == 0; /* Go says "Race" */
	if (inn_json_find(object, "opts", &value))
		op->opts = inn_json_to_jsonb(&value);
}

/* Old SDKs have their error in the data. */
static void
read_error(JsonbContainer *object, InnOp *op)
{
	bool is_needed = op->kind == INN_OP_STEP_ERROR || op->kind == INN_OP_STEP_FAILED;
	JsonbValue value;
	JsonbValue flag;
	bool is_given = inn_json_find(object, "error", &value) && value.type != jbvNull;

	if (is_needed && !is_given)
		is_given = inn_json_find(object, "data", &value);
	if (is_needed || is_given)
		op->error = inn_fault_of_step(is_given ? &value : NULL);
	op->is_final = op->error != NULL && inn_json_find(&op->error->root, "noRetry", &flag) &&
				   flag.val.boolean;
}

static void
read_metadata(JsonbContainer *object, InnOp *op)
{
	JsonbValue value;

	if (inn_json_find(object, "metadata", &value) && value.type == jbvBinary &&
		JsonContainerIsArray(value.val.binary.data) && JsonContainerSize(value.val.binary.data) > 0)
		op->metadata = inn_json_to_jsonb(&value);
}

static void
read_timing(JsonbContainer *object, InnOp *op)
{
	JsonbContainer *timing = find_object(object, "timing");

	if (timing == NULL)
		return;
	op->started_ns = read_integer(timing, "a");
	op->duration_ns = read_integer(timing, "b");
}

static int64
read_integer(JsonbContainer *object, const char *key)
{
	JsonbValue value;
	int64 number;

	return inn_json_find(object, key, &value) && inn_json_is_integer(&value, &number) && number > 0
			   ? number
			   : 0;
}

/* NULL if it is absent or not a string. */
static const char *
find_text(JsonbContainer *object, const char *key)
{
	JsonbValue value;

	return inn_json_find(object, key, &value) && value.type == jbvString ? inn_json_string(&value)
																		 : NULL;
}

static JsonbContainer *
find_object(JsonbContainer *object, const char *key)
{
	JsonbValue value;

	return inn_json_find(object, key, &value) && value.type == jbvBinary &&
				   JsonContainerIsObject(value.val.binary.data)
			   ? value.val.binary.data
			   : NULL;
}

static bool
is_small_enough(JsonbContainer *object, const char *key, char **error)
{
	JsonbValue value;

	if (!inn_json_find(object, key, &value) || inn_jcs_is_within(&value, INN_STEP_MAX_BYTES))
		return true;
	*error = psprintf("\"%s\" of a step has more than %d bytes of JSON", key, INN_STEP_MAX_BYTES);
	return false;
}

char *
inn_op_memo(const InnOp *op)
{
	if (op->kind == INN_OP_STEP_FAILED || op->kind == INN_OP_STEP_ERROR)
		return wrap("error", op->error);
	return wrap(op->kind == INN_OP_STEP ? NULL : "data", op->data);
}

/* A value that has no canonical text cannot be told: that is the step's error. */
static char *
wrap(const char *key, Jsonb *value)
{
	StringInfoData memo;
	InnJcsFault fault = INN_JCS_GOOD;

	initStringInfo(&memo);
	if (key != NULL)
		appendStringInfo(&memo, "{\"%s\":", key);
	if (value == NULL)
		appendStringInfoString(&memo, "null");
	else
		fault = inn_jcs_append(&memo, value);
	if (key != NULL)
		appendStringInfoChar(&memo, '}');
	if (fault == INN_JCS_GOOD)
		return memo.data;
	return wrap("error", inn_fault_make("Error", inn_jcs_sentence(fault)));
}

const char *
inn_op_step_kind(const InnOp *op)
{
	/* step.ai.wrap is code of the function, as any other step that it runs. */
	if (op->type != NULL && strcmp(op->type, "step.ai.infer") == 0)
		return "ai";
	if (op->type != NULL && strcmp(op->type, "step.fetch") == 0)
		return "fetch";
	return "run";
}
