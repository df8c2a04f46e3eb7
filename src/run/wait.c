/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Ops that make a run wait.
 *
 * A pause for an event keeps its expression as it was written; event stands for the event that has started the run, which never changes, so
 * nothing has to be copied into the text (semantics.md 3.5).  Where the expression requires that a value of the new
 * event equals one that is known, the pause is found by that value.
 *
 * Who waits for the end of another run waits for inngest/function.finished with the correlation id that went along with the
 * invocation: an event as any other.
 *
 * IDENTIFICATION
 *	  src/run/wait.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/ident.h"
#include "base/json.h"
#include "base/timer.h"
#include "base/when.h"
#include "cel/calendar.h"
#include "cel/cel.h"
#include "run/fault.h"
#include "run/finish.h"
#include "run/opcode.h"
#include "run/wait.h"
#include "store/events.h"
#include "store/steps.h"

#define MAX_WAIT_USEC ((int64) INN_MAX_WAIT_DAYS * USECS_PER_DAY)
#define DEFAULT_WAIT_USEC ((int64) INN_DEFAULT_WAIT_DAYS * USECS_PER_DAY)

/* Shorter texts are no dates (protocol.md 8.4). */
#define DATE_MIN_LEN 10

#define PATH_CORRELATION "data.correlation_id"

/* How often another may be faster. */
#define SIGNAL_TRIES 10

static bool read_deadline(const InnWaiting *waiting, const char *text, TimestampTz *until);
static bool read_date(const char *text, TimestampTz *until);
static bool read_timeout(const InnWaiting *waiting, int64 default_usec, TimestampTz *until);
static void fail(const InnWaiting *waiting, const char *name, const char *message);
static char *option(const InnWaiting *waiting, const char *key);
static bool find_option(const InnWaiting *waiting, const char *key, JsonbValue *value);
static InnPause new_pause(const InnWaiting *waiting, InnPauseKind kind, TimestampTz expires_at);
static bool is_condition(const char *expression, const char **error);
static void note_problem(void *arg, InnCelProblem problem, const InnCelFault *fault);
static bool take_signal(const InnWaiting *waiting, const char *signal);
static bool has_begun(const InnWaiting *waiting);
static void throw_busy(const char *signal) pg_attribute_noreturn();
static InnEvent invocation(const InnWaiting *waiting, const char *target, const char *correlation,
						   TimestampTz expires_at);
static Jsonb *invocation_data(const InnWaiting *waiting, JsonbContainer *payload,
							  const char *target, const char *correlation, TimestampTz expires_at);
static void put_members(JsonbParseState **state, JsonbContainer *object);
static void put_internal(JsonbParseState **state, const InnWaiting *waiting, const char *target,
						 const char *correlation, TimestampTz expires_at);
static Jsonb *payload_object(JsonbContainer *payload, const char *key);

bool
inn_wait_until(const InnWaiting *waiting, TimestampTz *until)
{
	char *duration = option(waiting, "duration");

	if (duration == NULL || duration[0] == '\0')
		duration = pstrdup(waiting->op->wire_name);
	*until = waiting->changes->now;
	return duration[0] == '\0' || read_deadline(waiting, duration, until);
}

/* A date or a duration, which may have a sign; what is past is now.  Neither, or too long: the run fails. */
static bool
read_deadline(const InnWaiting *waiting, const char *text, TimestampTz *until)
{
	TimestampTz now = waiting->changes->now;
	int has_sign = text[0] == '-' || text[0] == '+';
	int64 usec;

	if (strlen(text) >= DATE_MIN_LEN && read_date(text, until))
		*until = Max(*until, now);
	else if (inn_duration_parse(text + has_sign, strlen(text + has_sign), &usec))
		*until = text[0] == '-' ? now : usec > MAX_WAIT_USEC ? INN_NEVER : now + usec;
	else
	{
		fail(waiting, "Error",
			 psprintf("\"%.100s\" of step \"%s\" is neither a duration nor a date", text,
					  waiting->op->name));
		return false;
	}
	if (*until == INN_NEVER || *until - now > MAX_WAIT_USEC)
	{
		fail(waiting, "InngestErrTimeoutTooLong",
			 psprintf("step \"%s\" waits for more than %d days", waiting->op->name,
					  INN_MAX_WAIT_DAYS));
		return false;
	}
	return true;
}

static bool
read_date(const char *text, TimestampTz *until)
{
	CelTime time;

	if (!cel_date_parse(text, strlen(text), &time))
		return false;
	*until = inn_from_unix_ms(time.seconds * 1000) + time.nanos / 1000;
	return true;
}

/* opts.timeout.  Not given: the default; empty: now, or the default if that is not 0. */
static bool
read_timeout(const InnWaiting *waiting, int64 default_usec, TimestampTz *until)
{
	char *timeout = option(waiting, "timeout");

	if (timeout != NULL && timeout[0] != '\0')
		return read_deadline(waiting, timeout, until);
	*until = waiting->changes->now + default_usec;
	return true;
}

/* No attempt would be better. */
static void
fail(const InnWaiting *waiting, const char *name, const char *message)
{
	InnCallNews news = {
		.job = waiting->job,
		.function = waiting->function,
		.event_id = waiting->event_id,
		.started_at = waiting->changes->now,
	};

	inn_apply_fault(waiting->changes, &news,
					&(InnCallFault){
						.error = inn_fault_make(name, message),
						.is_fatal = true,
						.retry_at = INN_NEVER,
					});
}

/* A text of opts; NULL if there is none. */
static char *
option(const InnWaiting *waiting, const char *key)
{
	JsonbValue value;

	if (!find_option(waiting, key, &value) || value.type != jbvString)
		return NULL;
	return inn_json_string(&value);
}

static bool
find_option(const InnWaiting *waiting, const char *key, JsonbValue *value)
{
	return waiting->op->opts != NULL && inn_json_find(&waiting->op->opts->root, key, value);
}

static InnPause
new_pause(const InnWaiting *waiting, InnPauseKind kind, TimestampTz expires_at)
{
	return (InnPause){
		.run_id = waiting->job->run_id,
		.step_id = waiting->op->id,
		.kind = kind,
		.app_id = waiting->job->app_id,
		.function_id = waiting->job->function_id,
		.name = waiting->op->name,
		.is_grouped = waiting->is_grouped,
		.is_race = waiting->is_race,
		.created_at = waiting->changes->now,
		.expires_at = expires_at,
	};
}

void
inn_wait_for_event(const InnWaiting *waiting)
{
	InnPause pause;
	TimestampTz expires_at;
	char *name = option(waiting, "event");
	char *expression = option(waiting, "if");
	const char *error;

	if (name == NULL || name[0] == '\0')
		name = pstrdup(waiting->op->wire_name);
	if (name[0] == '\0')
	{
		fail(waiting, "Error",
			 psprintf("step \"%s\" waits for an event without a name", waiting->op->name));
		return;
	}
	if (!read_timeout(waiting, 0, &expires_at))
		return;
	pause = new_pause(waiting, INN_PAUSE_EVENT, expires_at);
	pause.event_name = name;
	if (expression != NULL && expression[0] != '\0')
	{
		pause.expression = expression;
		if (!is_condition(expression, &error) ||
			!inn_pause_set_key(&pause, inn_pause_starting_event(&waiting->event_id), &error))
		{
			fail(waiting, "InvalidExpression",
				 psprintf("the expression of step \"%s\" is invalid: %s", waiting->op->name,
						  error));
			return;
		}
	}
	inn_changes_pause(waiting->changes, &pause);
}

/* Names that it may use: the event that has started the run, and the one that comes. */
static bool
is_condition(const char *expression, const char **error)
{
	static const char *const roots[] = {"event", "async"};
	static const InnCelPolicy policy = {.roots = roots, .nroots = lengthof(roots)};

	*error = NULL;
	return inn_cel_judge(expression, strlen(expression), &policy, note_problem, error);
}

static void
note_problem(void *arg, InnCelProblem problem, const InnCelFault *fault)
{
	const char **error = arg;

	if (*error == NULL)
		*error = pstrdup(fault->message);
}

Jsonb *
inn_pause_starting_event(const InnUlid *event_id)
{
	InnEvent event;

	if (!inn_events_read(event_id, &event))
		event = (InnEvent){.id = *event_id, .name = ""};
	return inn_event_to_jsonb(&event);
}

bool
inn_pause_set_key(InnPause *pause, Jsonb *event, const char **error)
{
	InnCelInput input = {.event = &event->root, .event_is_captured = true};
	InnCelFault fault;
	InnCelKey keys[INN_CEL_MAX_KEYS];
	InnCelProgram *program = inn_cel_compile(pause->expression, strlen(pause->expression), &fault);

	if (program == NULL)
	{
		*error = pstrdup(fault.message);
		return false;
	}
	if (inn_cel_keys(program, "async", &input, keys) == 1)
	{
		pause->path = keys[0].path;
		pause->value_hash = (int64) keys[0].hash;
	}
	return true;
}

void
inn_wait_for_signal(const InnWaiting *waiting)
{
	char *signal = option(waiting, "signal");
	InnPause pause;
	TimestampTz expires_at;

	if (signal == NULL || signal[0] == '\0')
	{
		fail(waiting, "Error",
			 psprintf("step \"%s\" waits for a signal without a name", waiting->op->name));
		return;
	}
	if (!read_timeout(waiting, DEFAULT_WAIT_USEC, &expires_at))
		return;

	/* At once, so that the next in line sees that it is taken; if another was faster, look once more. */
	for (int i = 0; i < SIGNAL_TRIES; i++)
	{
		if (!take_signal(waiting, signal))
			return;
		pause = new_pause(waiting, INN_PAUSE_SIGNAL, expires_at);
		pause.signal = signal;
		inn_pauses_put(&pause, 1);
		if (pause.is_new || has_begun(waiting))
			return;
	}
	throw_busy(signal);
}

/* Something of that id is under way already; the app says it twice. */
static bool
has_begun(const InnWaiting *waiting)
{
	const char *id = waiting->op->id;
	bool has_begun;

	inn_steps_begun(&waiting->job->run_id, &id, 1, &has_begun);
	return has_begun;
}

/* The answer is settled a little later. */
static void
throw_busy(const char *signal)
{
	ereport(ERROR,
			errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			errmsg("who waits for the signal \"%s\" is just being changed", signal));
}

/* One run at a time waits for a signal: true if it may be this one, and does not wait yet. */
static bool
take_signal(const InnWaiting *waiting, const char *signal)
{
	char *conflict = option(waiting, "conflict");
	InnPause holder;
	bool is_of_run;

	if (!inn_pauses_find_signal(signal, &holder))
		return true;
	is_of_run = memcmp(&holder.run_id, &waiting->job->run_id, sizeof(InnUlid)) == 0;
	if (is_of_run && strcmp(holder.step_id, waiting->op->id) == 0)
		return false;
	if (conflict != NULL && strcmp(conflict, "replace") == 0)
	{
		if (!inn_run_claim(&holder.run_id))
			throw_busy(signal);
		inn_pauses_give_up_signal(signal);
		return true;
	}

	/* It waits for its turn: it is reported again when the other has ended. */
	if (is_of_run)
		return false;
	fail(waiting, "Error", "Signal conflict; signal wait already exists for another run");
	return false;
}

void
inn_wait_for_invoked(const InnWaiting *waiting)
{
	char *target = option(waiting, "function_id");
	char run_id[INN_ULID_TEXT_LEN + 1];
	char *correlation;
	InnPause pause;
	InnEvent event;
	TimestampTz expires_at;

	if (target == NULL || target[0] == '\0')
	{
		fail(waiting, "Error",
			 psprintf("step \"%s\" invokes a function without an id", waiting->op->name));
		return;
	}
	if (!read_timeout(waiting, DEFAULT_WAIT_USEC, &expires_at))
		return;
	inn_ulid_format(&waiting->job->run_id, run_id);
	correlation = psprintf("%s.%s", run_id, waiting->op->id);
	pause = new_pause(waiting, INN_PAUSE_INVOKE, expires_at);
	inn_pause_set_correlation(&pause, correlation);
	inn_changes_pause(waiting->changes, &pause);
	event = invocation(waiting, target, correlation, expires_at);
	inn_changes_send(waiting->changes, &event);
}

void
inn_pause_set_correlation(InnPause *pause, const char *correlation)
{
	JsonbParseState *state = NULL;
	Jsonb *event;
	uint64 hash;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_key(&state, "data");
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "correlation_id", correlation);
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	event = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	if (!inn_cel_key_hash(&event->root, PATH_CORRELATION, &hash))
		elog(ERROR, "a correlation id has no hash");

	pause->event_name = INN_EVENT_FINISHED;
	pause->expression = psprintf("async.%s == '%s'", PATH_CORRELATION, correlation);
	pause->path = PATH_CORRELATION;
	pause->value_hash = (int64) hash;
}

/* The event that starts the function (protocol.md 8.7). */
static InnEvent
invocation(const InnWaiting *waiting, const char *target, const char *correlation,
		   TimestampTz expires_at)
{
	TimestampTz now = waiting->changes->now;
	JsonbValue payload;
	JsonbValue value;
	JsonbContainer *object = NULL;
	int64 ts;
	InnEvent event = {.name = INN_EVENT_INVOKED, .ts = now, .received_at = now};

	if (find_option(waiting, "payload", &payload) && payload.type == jbvBinary &&
		JsonContainerIsObject(payload.val.binary.data))
		object = payload.val.binary.data;
	event.data = invocation_data(waiting, object, target, correlation, expires_at);
	if (object == NULL)
		return event;
	event.user = payload_object(object, "user");
	event.meta = payload_object(object, "meta");
	if (inn_json_find(object, "v", &value) && value.type == jbvString)
		event.version = inn_json_string(&value);
	if (inn_json_find(object, "id", &value) && value.type == jbvString && value.val.string.len > 0)
		event.caller_id = inn_json_string(&value);
	if (inn_json_find(object, "ts", &value) && inn_json_is_integer(&value, &ts) && ts > 0)
		event.ts = inn_from_unix_ms(ts);
	return event;
}

/* payload.data, and what we have to know of the invocation. */
static Jsonb *
invocation_data(const InnWaiting *waiting, JsonbContainer *payload, const char *target,
				const char *correlation, TimestampTz expires_at)
{
	JsonbParseState *state = NULL;
	JsonbValue data;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (payload != NULL && inn_json_find(payload, "data", &data) && data.type == jbvBinary &&
		JsonContainerIsObject(data.val.binary.data))
		put_members(&state, data.val.binary.data);
	put_internal(&state, waiting, target, correlation, expires_at);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
put_members(JsonbParseState **state, JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue value;

	(void) JsonbIteratorNext(&it, &value, true); /* WJB_BEGIN_OBJECT */
	while ((token = JsonbIteratorNext(&it, &value, true)) == WJB_KEY || token == WJB_VALUE)
		(void) pushJsonbValue(state, token, &value);
}

static void
put_internal(JsonbParseState **state, const InnWaiting *waiting, const char *target,
			 const char *correlation, TimestampTz expires_at)
{
	char app[INN_UUID_TEXT_SIZE];
	char function[INN_UUID_TEXT_SIZE];

	inn_uuid_format(&waiting->job->app_id, app);
	inn_uuid_format(&waiting->job->function_id, function);
	inn_json_put_key(state, "_inngest");
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(state, "source_app_id", app);
	inn_json_put_text(state, "source_fn_id", function);
	inn_json_put_integer(state, "source_fn_v", waiting->function->version);
	inn_json_put_text(state, "fn_id", target);
	inn_json_put_text(state, "correlation_id", correlation);
	inn_json_put_integer(state, "expire", inn_unix_ms(expires_at));
	inn_json_put_text(state, "name", waiting->op->name);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static Jsonb *
payload_object(JsonbContainer *payload, const char *key)
{
	JsonbValue value;

	if (!inn_json_find(payload, key, &value) || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		return NULL;
	return inn_json_to_jsonb(&value);
}
