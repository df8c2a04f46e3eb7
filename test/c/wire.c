/*-------------------------------------------------------------------------
 *
 * wire.c
 *	  Test functions: what is said to apps and what they say.
 *
 * IDENTIFICATION
 *	  test/c/wire.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/jcs.h"
#include "base/json.h"
#include "base/sign.h"
#include "execute/reply.h"
#include "execute/request.h"
#include "run/op.h"

PG_FUNCTION_INFO_V1(inngest_test_read_ops);
PG_FUNCTION_INFO_V1(inngest_test_build_request);
PG_FUNCTION_INFO_V1(inngest_test_parse_queue_ref);
PG_FUNCTION_INFO_V1(inngest_test_measure_request);
PG_FUNCTION_INFO_V1(inngest_test_read_answer);
PG_FUNCTION_INFO_V1(inngest_test_measure_answer);
PG_FUNCTION_INFO_V1(inngest_test_sign);
PG_FUNCTION_INFO_V1(inngest_test_verify);

/* ---- writing JSON: text is easiest ---- */

static void
put_json(StringInfo out, const char *key, Jsonb *value)
{
	if (value == NULL)
		return;
	appendStringInfo(out, ",\"%s\":", key);
	(void) JsonbToCString(out, &value->root, VARSIZE(value));
}

static void
put_text(StringInfo out, const char *key, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(out, ",\"%s\":", key);
	inn_json_append_string(out, value);
}

static void
put_flag(StringInfo out, const char *key, bool value)
{
	if (value)
		appendStringInfo(out, ",\"%s\":true", key);
}

static Datum
parsed(const StringInfoData *text)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text->data));
}

/* ---- ops ---- */

static void
put_op(StringInfo out, const InnOp *op)
{
	appendStringInfo(out, "{\"op\":\"%s\"", inn_op_wire_name(op->kind));
	put_text(out, "id", op->id);
	put_text(out, "name", op->name);
	put_text(out, "wire_name", op->wire_name);
	put_text(out, "type", op->type);
	put_flag(out, "is_race", op->is_race);
	put_json(out, "opts", op->opts);
	put_json(out, "data", op->data);
	put_json(out, "error", op->error);
	put_flag(out, "is_final", op->is_final);
	if (op->started_ns != 0)
		appendStringInfo(out, ",\"timing\":[" INT64_FORMAT "," INT64_FORMAT "]", op->started_ns,
						 op->duration_ns);
	appendStringInfoChar(out, '}');
}

static void
put_ops(StringInfo out, const InnOp *ops, int nops)
{
	appendStringInfoChar(out, '[');
	for (int i = 0; i < nops; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		put_op(out, &ops[i]);
	}
	appendStringInfoChar(out, ']');
}

/* read_ops(ops jsonb): an array, or {"error", "overflow"} */
Datum
inngest_test_read_ops(PG_FUNCTION_ARGS)
{
	Jsonb *json = PG_GETARG_JSONB_P(0);
	JsonbValue value = {.type = jbvBinary,
						.val.binary = {.data = &json->root, .len = VARSIZE(json) - VARHDRSZ}};
	StringInfoData out;
	bool is_overflow;
	char *error;
	int nops;
	InnOp *ops = inn_ops_read(&value, &nops, &is_overflow, &error);

	initStringInfo(&out);
	if (ops != NULL)
		put_ops(&out, ops, nops);
	else
	{
		appendStringInfo(&out, "{\"overflow\":%s", is_overflow ? "true" : "false");
		put_text(&out, "error", error);
		appendStringInfoChar(&out, '}');
	}
	PG_RETURN_DATUM(parsed(&out));
}

/* ---- requests ---- */

static char *
text_of(JsonbContainer *object, const char *key)
{
	JsonbValue value;

	return inn_json_find(object, key, &value) && value.type == jbvString ? inn_json_string(&value)
																		 : NULL;
}

static int64
integer_of(JsonbContainer *object, const char *key)
{
	JsonbValue value;
	int64 number = 0;

	if (inn_json_find(object, key, &value))
		(void) inn_json_is_integer(&value, &number);
	return number;
}

static bool
flag_of(JsonbContainer *object, const char *key)
{
	JsonbValue value;

	return inn_json_find(object, key, &value) && value.type == jbvBool && value.val.boolean;
}

static void
ulid_of(JsonbContainer *object, const char *key, InnUlid *out)
{
	char *text = text_of(object, key);

	if (text == NULL || !inn_ulid_parse(text, strlen(text), out))
		elog(ERROR, "\"%s\" is not a ULID", key);
}

/* Elements of the array under a key; NULL and 0 if there is none. */
static JsonbContainer *
array_of(JsonbContainer *object, const char *key, int *count)
{
	JsonbValue value;

	*count = 0;
	if (!inn_json_find(object, key, &value) || value.type != jbvBinary)
		return NULL;
	*count = (int) JsonContainerSize(value.val.binary.data);
	return value.val.binary.data;
}

static char *
canonical(const JsonbValue *value)
{
	StringInfoData buf;
	InnJcsFault fault;

	initStringInfo(&buf);
	fault = inn_jcs_append_value(&buf, value);
	if (fault != INN_JCS_GOOD)
		elog(ERROR, "%s", inn_jcs_sentence(fault));
	return buf.data;
}

static void
read_subject(JsonbContainer *object, InnRequestSubject *subject)
{
	JsonbContainer *events = array_of(object, "events", &subject->nevents);
	JsonbContainer *stack = array_of(object, "stack", &subject->nstack);
	JsonbValue value;
	InnMemo *memos = palloc(subject->nstack * sizeof(InnMemo) + 1);
	pg_uuid_t *function_id = DatumGetUUIDP(
		DirectFunctionCall1(uuid_in, CStringGetDatum(text_of(object, "function_id"))));

	subject->url = text_of(object, "url");
	subject->step_id = text_of(object, "step_id");
	subject->target = text_of(object, "target");
	subject->function_id = *function_id;
	ulid_of(object, "run_id", &subject->run_id);
	ulid_of(object, "request_id", &subject->request_id);
	subject->job_id = integer_of(object, "job_id");
	subject->generation = (int) integer_of(object, "generation");
	subject->attempt = (int) integer_of(object, "attempt");
	subject->max_attempts = (int) integer_of(object, "max_attempts");
	subject->request_version = (int) integer_of(object, "request_version");
	subject->is_planning = flag_of(object, "is_planning");
	subject->always_inline = flag_of(object, "always_inline");
	subject->current = (int) integer_of(object, "current");
	subject->input_id = text_of(object, "input_id");
	if (inn_json_find(object, "input", &value))
		subject->input = canonical(&value);
	subject->signing_key = text_of(object, "signing_key");
	subject->now_s = integer_of(object, "now_s");

	subject->events = palloc(subject->nevents * sizeof(char *));
	for (int i = 0; i < subject->nevents; i++)
		subject->events[i] = canonical(getIthJsonbValueFromContainer(events, i));
	for (int i = 0; i < subject->nstack; i++)
	{
		JsonbValue *memo = getIthJsonbValueFromContainer(stack, i);

		memos[i].step_id = text_of(memo->val.binary.data, "id");
		if (!inn_json_find(memo->val.binary.data, "memo", &value))
			elog(ERROR, "step %d has no memo", i);
		memos[i].json = canonical(&value);
		memos[i].size = strlen(memos[i].json);
	}
	subject->stack = memos;
}

/* build_request(subject jsonb): {"url", "headers": [...], "body": "...", "size", "uses_api"} */
Datum
inngest_test_build_request(PG_FUNCTION_ARGS)
{
	Jsonb *json = PG_GETARG_JSONB_P(0);
	InnRequestSubject subject = {0};
	InnRequestText text;
	StringInfoData out;

	read_subject(&json->root, &subject);
	inn_request_build(&subject, &text);

	initStringInfo(&out);
	appendStringInfo(&out, "{\"size\":%d", text.body.len);
	put_text(&out, "url", text.url);
	put_text(&out, "body", text.body.data);
	put_flag(&out, "uses_api", text.uses_api);
	appendStringInfoString(&out, ",\"headers\":[");
	for (int i = 0; i < text.nheaders; i++)
	{
		if (i > 0)
			appendStringInfoChar(&out, ',');
		inn_json_append_string(&out, text.headers[i]);
	}
	appendStringInfoString(&out, "]}");
	PG_RETURN_DATUM(parsed(&out));
}

/* parse_queue_ref(ref text) */
Datum
inngest_test_parse_queue_ref(PG_FUNCTION_ARGS)
{
	int64 job_id;

	if (!inn_request_parse_queue_ref(text_to_cstring(PG_GETARG_TEXT_PP(0)), &job_id))
		PG_RETURN_NULL();
	PG_RETURN_INT64(job_id);
}

/* measure_request(subject jsonb, times integer): microseconds for one */
Datum
inngest_test_measure_request(PG_FUNCTION_ARGS)
{
	Jsonb *json = PG_GETARG_JSONB_P(0);
	int times = PG_GETARG_INT32(1);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "measure", ALLOCSET_DEFAULT_SIZES);
	InnRequestSubject subject = {0};
	instr_time start;
	instr_time end;

	read_subject(&json->root, &subject);
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < times; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);
		InnRequestText text;

		inn_request_build(&subject, &text);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1e6 / times);
}

/* ---- replies ---- */

static void
read_given_answer(JsonbContainer *object, bytea *body, InnAnswer *answer)
{
	*answer = (InnAnswer){
		.trouble = (InnNoAnswer) integer_of(object, "trouble"),
		.sentence = text_of(object, "sentence"),
		.status = (int) integer_of(object, "status"),
		.sdk = text_of(object, "sdk"),
		.no_retry = text_of(object, "no_retry"),
		.retry_after = text_of(object, "retry_after"),
		.request_version = text_of(object, "request_version"),
		.content_type = text_of(object, "content_type"),
		.body = VARDATA_ANY(body),
		.size = VARSIZE_ANY_EXHDR(body),
	};
}

/*
 * read_answer(answer jsonb, body bytea, is_targeted boolean, now timestamptz): {"kind", "ops"?, "result"?, "error"?, ...};
 * retry_after is in seconds from now
 */
Datum
inngest_test_read_answer(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"ops", "result", "error"};
	TimestampTz now = PG_GETARG_TIMESTAMPTZ(3);
	InnOutcomeOfCall outcome;
	InnAnswer answer;
	StringInfoData out;

	read_given_answer(&PG_GETARG_JSONB_P(0)->root, PG_GETARG_BYTEA_PP(1), &answer);
	inn_answer_read(&answer, PG_GETARG_BOOL(2), now, &outcome);

	initStringInfo(&out);
	appendStringInfo(&out, "{\"kind\":\"%s\"", kinds[outcome.kind]);
	if (outcome.kind == INN_OUTCOME_OPS)
	{
		appendStringInfoString(&out, ",\"ops\":");
		put_ops(&out, outcome.ops, outcome.nops);
	}
	put_json(&out, "result", outcome.result);
	put_json(&out, "error", outcome.error);
	put_flag(&out, "is_fatal", outcome.is_fatal);
	put_flag(&out, "no_retry", outcome.no_retry);
	if (outcome.retry_at != INN_NEVER)
		appendStringInfo(&out, ",\"retry_after\":%g", (outcome.retry_at - now) / 1e6);
	if (outcome.request_version != -1)
		appendStringInfo(&out, ",\"version\":%d", outcome.request_version);
	appendStringInfoChar(&out, '}');
	PG_RETURN_DATUM(parsed(&out));
}

/* measure_answer(answer jsonb, body bytea, times integer): microseconds for one */
Datum
inngest_test_measure_answer(PG_FUNCTION_ARGS)
{
	int times = PG_GETARG_INT32(2);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "measure", ALLOCSET_DEFAULT_SIZES);
	InnAnswer answer;
	instr_time start;
	instr_time end;

	read_given_answer(&PG_GETARG_JSONB_P(0)->root, PG_GETARG_BYTEA_PP(1), &answer);
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < times; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);
		InnOutcomeOfCall outcome;

		inn_answer_read(&answer, false, 0, &outcome);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1e6 / times);
}

/* ---- signatures ---- */

/* sign(key text, body bytea, now_s bigint) */
Datum
inngest_test_sign(PG_FUNCTION_ARGS)
{
	bytea *body = PG_GETARG_BYTEA_PP(1);
	char signature[INN_SIGNATURE_SIZE];

	inn_sign(text_to_cstring(PG_GETARG_TEXT_PP(0)), VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body),
			 PG_GETARG_INT64(2), signature);
	PG_RETURN_TEXT_P(cstring_to_text(signature));
}

/* verify(header text, key text, body bytea, now_s bigint, or_canonical boolean) */
Datum
inngest_test_verify(PG_FUNCTION_ARGS)
{
	bytea *body = PG_GETARG_BYTEA_PP(2);

	PG_RETURN_BOOL(inn_sign_verify(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								   text_to_cstring(PG_GETARG_TEXT_PP(1)), VARDATA_ANY(body),
								   VARSIZE_ANY_EXHDR(body), PG_GETARG_INT64(3), PG_GETARG_BOOL(4)));
}
