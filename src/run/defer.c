/*-------------------------------------------------------------------------
 *
 * defer.c
 *	  Functions that a run wants started when it has ended.
 *
 * A function subscribes to inngest/deferred.schedule, with an expression on _inngest.fn_slug; so it is started as any other.  The id
 * of the event follows from the run and the op, so that it starts once.
 *
 * IDENTIFICATION
 *	  src/run/defer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/ident.h"
#include "base/jcs.h"
#include "base/json.h"
#include "run/defer.h"
#include "store/apps.h"
#include "store/defers.h"

static void add(InnChanges *changes, const InnUlid *run_id, const InnOp *op);
static const char *judge(InnDefer *defer, const InnOp *op, const InnDeferTally *tally);
static const char *judge_input(InnDefer *defer, const InnOp *op, const InnDeferTally *tally);
static const char *judge_meta(InnDefer *defer, const InnOp *op);
static bool is_function(const char *slug);
static char *text_option(const InnOp *op, const char *key);
static bool find_object(const InnOp *op, const char *key, JsonbValue *value);
static Jsonb *event_data(const InnDefer *defer, const InnEnding *ending);
static void put_parent(JsonbParseState **state, const InnDefer *defer, const InnEnding *ending);
static char *event_id(const InnDefer *defer);

void
inn_defers_apply(InnChanges *changes, const InnUlid *run_id, const InnOp *ops, int nops)
{
	for (int i = 0; i < nops; i++)
	{
		if (ops[i].kind == INN_OP_DEFER_ADD)
			add(changes, run_id, &ops[i]);
		else if (ops[i].kind == INN_OP_DEFER_ABORT)
		{
			char *target = text_option(&ops[i], "target_hashed_id");

			if (target != NULL)
				inn_defers_abort(run_id, target, changes->now);
		}
	}
}

static void
add(InnChanges *changes, const InnUlid *run_id, const InnOp *op)
{
	InnDeferTally tally = inn_defers_tally(run_id, op->id);
	InnDefer defer = {.run_id = *run_id, .id = op->id, .name = op->name};

	if (tally.is_known || tally.nrecorded >= INN_DEFERS_MAX_RECORDED)
		return;
	defer.reason = judge(&defer, op, &tally);
	if (defer.reason != NULL)
	{
		defer.input = defer.meta = NULL;
		defer.size = 0;
	}
	inn_defers_put(&defer, changes->now);
}

/* Why it is rejected; NULL if it is not: then it is complete. */
static const char *
judge(InnDefer *defer, const InnOp *op, const InnDeferTally *tally)
{
	const char *reason;

	defer->function_slug = text_option(op, "fn_slug");
	if (defer->function_slug == NULL || defer->function_slug[0] == '\0')
		return "opts.fn_slug must name a function";
	if (tally->naccepted >= INN_DEFERS_MAX)
		return psprintf("the run has %d defers already, which is the limit", INN_DEFERS_MAX);
	reason = judge_input(defer, op, tally);
	if (reason == NULL)
		reason = judge_meta(defer, op);
	if (reason == NULL && !is_function(defer->function_slug))
		reason = "there is no such function";
	return reason;
}

static const char *
judge_input(InnDefer *defer, const InnOp *op, const InnDeferTally *tally)
{
	JsonbValue input;
	StringInfoData text;

	if (!find_object(op, "input", &input))
		return "opts.input must be an object";
	if (!inn_jcs_is_within(&input, INN_DEFER_INPUT_MAX_BYTES))
		return psprintf("opts.input has more than %d bytes", INN_DEFER_INPUT_MAX_BYTES);

	initStringInfo(&text);
	if (inn_jcs_append_value(&text, &input) != INN_JCS_GOOD)
		return "opts.input has no canonical JSON";
	defer->size = text.len;
	pfree(text.data);
	if (tally->bytes + defer->size > INN_DEFER_INPUTS_MAX_BYTES)
		return psprintf("the inputs of the run's defers have more than %d bytes together",
						INN_DEFER_INPUTS_MAX_BYTES);
	defer->input = inn_json_to_jsonb(&input);
	return NULL;
}

static const char *
judge_meta(InnDefer *defer, const InnOp *op)
{
	JsonbValue meta;

	if (!inn_json_find(&op->opts->root, "meta", &meta) || meta.type == jbvNull)
		return NULL;
	if (!find_object(op, "meta", &meta))
		return "opts.meta must be an object";
	if (!inn_jcs_is_within(&meta, INN_DEFER_META_MAX_BYTES))
		return psprintf("opts.meta has more than %d bytes", INN_DEFER_META_MAX_BYTES);
	defer->meta = inn_json_to_jsonb(&meta);
	return NULL;
}

static bool
is_function(const char *slug)
{
	InnFunction function;

	return inn_functions_by_slug(slug, &function) && !function.is_archived;
}

/* NULL if there is none. */
static char *
text_option(const InnOp *op, const char *key)
{
	JsonbValue value;

	if (op->opts == NULL || !inn_json_find(&op->opts->root, key, &value) || value.type != jbvString)
		return NULL;
	return inn_json_string(&value);
}

static bool
find_object(const InnOp *op, const char *key, JsonbValue *value)
{
	return op->opts != NULL && inn_json_find(&op->opts->root, key, value) &&
		   value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

void
inn_defers_announce(InnChanges *changes, const InnEnding *ending)
{
	int ndefers;
	InnDefer *defers = inn_defers_schedule(&ending->id, changes->now, &ndefers);

	Assert(ending->has_ended);
	for (int i = 0; i < ndefers; i++)
	{
		Jsonb *meta = defers[i].meta;

		if (meta == NULL && ending->has_event)
			meta = ending->event.meta;
		inn_changes_send(changes, &(InnEvent){
									  .name = INN_EVENT_DEFERRED,
									  .data = event_data(&defers[i], ending),
									  .caller_id = event_id(&defers[i]),
									  .ts = changes->now,
									  .meta = meta,
									  .received_at = changes->now,
								  });
	}
}

/* The input, and whose it was. */
static Jsonb *
event_data(const InnDefer *defer, const InnEnding *ending)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it = JsonbIteratorInit(&defer->input->root);
	JsonbIteratorToken token;
	JsonbValue value;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	(void) JsonbIteratorNext(&it, &value, true); /* WJB_BEGIN_OBJECT */
	while ((token = JsonbIteratorNext(&it, &value, true)) == WJB_KEY || token == WJB_VALUE)
		(void) pushJsonbValue(&state, token, &value);
	put_parent(&state, defer, ending);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Calls and defers belong to the trace of their run (execute/request.c); the span is named after the op. */
static void
put_parent(JsonbParseState **state, const InnDefer *defer, const InnEnding *ending)
{
	char app[INN_UUID_TEXT_SIZE];
	char function[INN_UUID_TEXT_SIZE];
	char run_id[INN_ULID_TEXT_LEN + 1];

	inn_uuid_format(&ending->app_id, app);
	inn_uuid_format(&ending->function_id, function);
	inn_ulid_format(&defer->run_id, run_id);
	inn_json_put_key(state, "_inngest");
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(state, "fn_slug", defer->function_slug);
	inn_json_put_text(state, "parent_app_id", app);
	inn_json_put_text(state, "parent_fn_id", function);
	inn_json_put_text(state, "parent_fn_slug", ending->function_slug);
	inn_json_put_text(state, "parent_run_id", run_id);
	inn_json_put_text(state, "parent_defer_span", psprintf("%.16s", defer->id));
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Of the time of the run, with the entropy that the hash of the run and the op gives. */
static char *
event_id(const InnDefer *defer)
{
	char *text = palloc(INN_ULID_TEXT_LEN + 1);
	uint8 digest[INN_SHA256_BYTES];
	char run_id[INN_ULID_TEXT_LEN + 1];
	char *named;
	InnUlid id;

	inn_ulid_format(&defer->run_id, run_id);
	named = psprintf("%s.%s", run_id, defer->id);
	inn_sha256(named, strlen(named), digest);
	inn_ulid_from_seed(inn_ulid_unix_ms(&defer->run_id), digest, 0, &id);
	inn_ulid_format(&id, text);
	return text;
}
