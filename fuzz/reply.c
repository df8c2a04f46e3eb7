/*
 * Fuzz target: answers of apps.
 *
 * The first byte chooses the status and what headers there are, the second how many of the bytes that follow are the
 * value of one of them.  The rest is taken as a body, and as a recipe for one.
 */
#include "postgres.h"

#include "base/json.h"
#include "execute/reply.h"
#include "fuzz/in_server.h"

static void check_answers(void);
static int test_one_input(const uint8_t *data, size_t size);
static void check_answer(const InnAnswer *answer, bool is_targeted);
static void check_ops(const InnOutcomeOfCall *outcome);
static void check_error(Jsonb *error);

static const int statuses[] = {200, 201, 204, 206, 400, 500, 302, 401};
static const char *const sdks[] = {NULL, "inngest-js:v4.24.0", "inngest-js:v1.9.0", "go:v0.16.0"};

static const char *const words[] = {
	"[",
	"]",
	"{",
	"}",
	",",
	"null",
	"true",
	"1",
	"\"x\"",
	"[{\"op\":\"StepRun\",\"id\":\"a\",\"data\":",
	"}]",
	"},{",
	"\"op\":\"StepError\",",
	"\"op\":\"stepplanned\",",
	"\"op\":\"RunComplete\",",
	"\"op\":\"Foo\",",
	"\"id\":\"a\",",
	"\"name\":\"1d\",",
	"\"displayName\":\"d\",",
	"\"name\":",
	"\"opts\":{\"parallelMode\":\"race\",\"type\":\"t\"},",
	"\"opts\":",
	"\"data\":",
	"\"error\":{\"message\":\"m\",\"noRetry\":true,\"cause\":{}}",
	"\"error\":",
	"\"timing\":{\"a\":1,\"b\":2},",
	"{\"status\":206,\"headers\":{\"x-inngest-sdk\":\"js:v4\"},\"body\":",
	"{\"status\":500,\"noRetry\":true,\"retryAt\":\"2026-01-01T00:00:00Z\",\"body\":",
	"{\"status\":200,\"body\":",
	"\"[{\\\"op\\\":\\\"None\\\"}]\"",
	"\"{\\\"message\\\":\\\"m\\\"}\"",
	"\"headers\":{\"Retry-After\":[\"5\"],\"X-Inngest-No-Retry\":\"true\"},",
	"{\"message\":\"m\",\"name\":\"N\",\"stack\":\"s\"",
	"{\"error\":",
	"{\"body\":",
	"\"\\u0000\"",
	"\"\\ud800\"",
	"1e500",
	" ",
	"hello",
};

static MemoryContext per_input;

PG_FUNCTION_INFO_V1(inngest_fuzz_reply);

Datum
inngest_fuzz_reply(PG_FUNCTION_ARGS)
{
	per_input = AllocSetContextCreate(CurrentMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);
	check_answers();
	return fuzz_run(fcinfo, test_one_input);
}

/* What is known to be right. */
static void
check_answers(void)
{
	static const char body[] = "[{\"op\":\"StepRun\",\"id\":\"a\",\"data\":1}]";
	InnAnswer answer = {.status = 206, .sdk = "js:v4.24.0", .body = body, .size = strlen(body)};
	InnOutcomeOfCall outcome;

	inn_answer_read(&answer, false, 0, &outcome);
	if (outcome.kind != INN_OUTCOME_OPS || outcome.nops != 1 ||
		outcome.ops[0].kind != INN_OP_STEP_RUN)
		elog(PANIC, "an op is not read");
}

static int
test_one_input(const uint8_t *data, size_t size)
{
	MemoryContext caller = MemoryContextSwitchTo(per_input);
	InnAnswer answer = {0};
	StringInfoData recipe;
	size_t header_len;
	char *header;

	if (size >= 2)
	{
		answer.status = statuses[data[0] % lengthof(statuses)];
		answer.sdk = sdks[(data[0] >> 3) % lengthof(sdks)];
		header_len = Min((size_t) (data[1] >> 2), size - 2);
		header = pnstrdup((const char *) data + 2, header_len);
		switch (data[1] & 3)
		{
			case 0:
				answer.retry_after = header;
				break;
			case 1:
				answer.request_version = header;
				break;
			case 2:
				answer.content_type = header;
				break;
			default:
				answer.no_retry = header;
				break;
		}
		answer.body = (const char *) data + 2 + header_len;
		answer.size = size - 2 - header_len;
		check_answer(&answer, (data[0] & 0x20) != 0);

		initStringInfo(&recipe);
		fuzz_append_words(&recipe, words, lengthof(words), (const uint8_t *) answer.body,
						  answer.size);
		answer.body = recipe.data;
		answer.size = recipe.len;
		check_answer(&answer, (data[0] & 0x20) != 0);
	}

	MemoryContextSwitchTo(caller);
	MemoryContextReset(per_input);
	return 0;
}

static void
check_answer(const InnAnswer *answer, bool is_targeted)
{
	TimestampTz now = INT64CONST(800000000000000);
	InnOutcomeOfCall outcome;

	inn_answer_read(answer, is_targeted, now, &outcome);

	Assert(outcome.request_version >= -1);
	Assert(outcome.retry_at == INN_NEVER || (outcome.retry_at >= now + INN_RETRY_AFTER_MIN_USEC &&
											 outcome.retry_at <= now + INN_RETRY_AFTER_MAX_USEC));
	Assert(answer->sdk != NULL || outcome.kind == INN_OUTCOME_ERROR);
	Assert((outcome.kind == INN_OUTCOME_ERROR) == (outcome.error != NULL));
	Assert(outcome.kind != INN_OUTCOME_RESULT || outcome.result != NULL);
	Assert(!outcome.is_fatal || outcome.kind == INN_OUTCOME_ERROR);
	if (outcome.kind == INN_OUTCOME_OPS)
		check_ops(&outcome);
	if (outcome.kind == INN_OUTCOME_ERROR)
		check_error(outcome.error);
}

static void
check_ops(const InnOutcomeOfCall *outcome)
{
	Assert(outcome->ops != NULL);
	Assert(outcome->nops >= 0 && outcome->nops <= INN_MAX_OPS);
	for (int i = 0; i < outcome->nops; i++)
	{
		const InnOp *op = &outcome->ops[i];

		Assert(op->kind < INN_OP_COUNT);
		Assert(strlen(op->id) <= INN_STEP_ID_MAX_BYTES);
		Assert(op->id[0] != '\0' || !inn_op_needs_id(op->kind));
		Assert(strlen(op->name) <= INN_STEP_NAME_MAX_BYTES);
		Assert(op->wire_name != NULL);
		Assert(op->opts == NULL || JB_ROOT_IS_OBJECT(op->opts));
		Assert(op->error == NULL || JB_ROOT_IS_OBJECT(op->error));
		Assert(op->error != NULL ||
			   (op->kind != INN_OP_STEP_ERROR && op->kind != INN_OP_STEP_FAILED));
	}
}

static void
check_error(Jsonb *error)
{
	static const char *const keys[] = {"error", "name", "message"};
	JsonbValue value;

	Assert(JB_ROOT_IS_OBJECT(error));
	for (int i = 0; i < lengthof(keys); i++)
	{
		Assert(inn_json_find(&error->root, keys[i], &value));
		Assert(value.type == jbvString && value.val.string.len <= 32 * 1024);
	}
}
