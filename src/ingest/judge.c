/*-------------------------------------------------------------------------
 *
 * judge.c
 *	  Judging a JSON object field by field, and collecting what is wrong.
 *
 * Paths are put together only when there is a fault to report, except for
 * those of nested objects, of which there are few.
 *
 * IDENTIFICATION
 *	  src/ingest/judge.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "base/json.h"
#include "base/when.h"
#include "ingest/judge.h"

const InnCelPolicy inn_event_policy = {(const char *const[]){"event"}, 1, false};
const InnCelPolicy inn_cancel_policy = {(const char *const[]){"event", "async"}, 2, true};

/* Where a problem of an expression is to be reported. */
typedef struct ExpressionSink
{
	const InnPlace *place;
	const char *key;
	const char *text;
} ExpressionSink;

static char *join_path(const InnPlace *place, const char *key);
static void append_fault(StringInfo buf, const InnFault *fault);
static char *omitted(const InnFaults *faults);
static bool get_required(const InnPlace *place, const InnField *field, JsonbValue *out);
static bool is_left_empty(const InnField *field, const JsonbValue *value);
static void put_problem(void *arg, InnCelProblem problem, const InnCelFault *fault);
static bool read_duration(const JsonbValue *value, int64 *usec);
static bool read_rfc3339(const char *text, TimestampTz *when);
static bool read_offset(const char *text, int *minutes);
static bool fits(const char *text, const char *pattern);
static int two_digits(const char *text);

Jsonb *
inn_faults_to_json(const InnFaults *faults)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '[');
	for (int i = 0; i < faults->count; i++)
		append_fault(&buf, &faults->items[i]);
	if (faults->nomitted > 0)
		append_fault(&buf,
					 &(InnFault){
						 .kind = faults->has_invalid ? INN_FAULT_INVALID : INN_FAULT_UNSUPPORTED,
						 .path = "",
						 .message = omitted(faults),
					 });
	appendStringInfoChar(&buf, ']');

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data)));
}

static void
append_fault(StringInfo buf, const InnFault *fault)
{
	appendStringInfoString(buf, buf->len > 1 ? ",{\"path\":" : "{\"path\":");
	inn_json_append_string(buf, fault->path);
	if (fault->subject != NULL)
	{
		appendStringInfoString(buf, ",\"function_id\":");
		inn_json_append_string(buf, fault->subject);
	}
	appendStringInfo(buf, ",\"code\":\"%s\",\"message\":",
					 fault->kind == INN_FAULT_UNSUPPORTED ? "not_supported" : "invalid");
	inn_json_append_string(buf, fault->message);
	appendStringInfoChar(buf, '}');
}

static char *
omitted(const InnFaults *faults)
{
	return psprintf("%d more faults are not listed.", faults->nomitted);
}

char *
inn_faults_to_detail(const InnFaults *faults)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < faults->count; i++)
	{
		const InnFault *fault = &faults->items[i];

		if (i > 0)
			appendStringInfoChar(&buf, '\n');
		appendStringInfoString(&buf, fault->path);
		if (fault->subject != NULL)
			appendStringInfo(&buf, " (%s)", fault->subject);
		appendStringInfo(&buf, "%s%s", fault->path[0] != '\0' ? ": " : "", fault->message);
	}
	if (faults->nomitted > 0)
		appendStringInfo(&buf, "\n%s", omitted(faults));

	return buf.data;
}

void
inn_place_fault(const InnPlace *place, const char *key, InnFaultKind kind, const char *format, ...)
{
	InnFaults *faults = place->faults;
	StringInfoData message;

	if (kind == INN_FAULT_INVALID)
		faults->has_invalid = true;
	if (faults->count == INN_FAULTS_MAX)
	{
		faults->nomitted++;
		return;
	}

	if (faults->items == NULL)
		faults->items = palloc(INN_FAULTS_MAX * sizeof(InnFault));

	initStringInfo(&message);
	for (;;)
	{
		va_list args;
		int missing;

		va_start(args, format);
		missing = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (missing == 0)
			break;
		enlargeStringInfo(&message, missing);
	}

	faults->items[faults->count++] = (InnFault){.kind = kind,
												.path = join_path(place, key),
												.subject = faults->subject,
												.message = message.data};
}

static char *
join_path(const InnPlace *place, const char *key)
{
	if (key == NULL)
		return pstrdup(place->path);
	if (place->path[0] == '\0')
		return pstrdup(key);
	return psprintf("%s.%s", place->path, key);
}

bool
inn_place_get(const InnPlace *place, const char *key, JsonbValue *out)
{
	if (!inn_json_find_ci(place->object, key, out) || out->type == jbvNull)
		return false;
	return out->type != jbvBinary || JsonContainerSize(out->val.binary.data) > 0;
}

bool
inn_place_open(const InnPlace *place, const char *key, const JsonbValue *value, InnPlace *out)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
	{
		inn_place_fault(place, key, INN_FAULT_INVALID, "Must be an object.");
		return false;
	}

	*out = (InnPlace){
		.object = value->val.binary.data,
		.path = join_path(place, key),
		.faults = place->faults,
	};
	return true;
}

bool
inn_place_enter(const InnPlace *place, const char *key, InnPlace *out)
{
	JsonbValue value;

	return inn_place_get(place, key, &value) && inn_place_open(place, key, &value, out);
}

JsonbValue *
inn_place_elements(const InnPlace *place, const char *key, int max, int *count)
{
	JsonbValue value;
	JsonbValue *elements;
	JsonbContainer *array;

	*count = 0;
	if (!inn_place_get(place, key, &value))
		return NULL;

	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
	{
		inn_place_fault(place, key, INN_FAULT_INVALID, "Must be an array.");
		return NULL;
	}
	array = value.val.binary.data;
	if (JsonContainerSize(array) > max)
	{
		inn_place_fault(place, key, INN_FAULT_INVALID, "Must not have more than %d %s.", max,
						max == 1 ? "entry" : "entries");
		return NULL;
	}

	*count = JsonContainerSize(array);
	elements = palloc(*count * sizeof(JsonbValue));
	for (int i = 0; i < *count; i++)
		elements[i] = *getIthJsonbValueFromContainer(array, i);
	return elements;
}

/* Get the value of a field; one that is required and not set is a fault. */
static bool
get_required(const InnPlace *place, const InnField *field, JsonbValue *out)
{
	if (inn_place_get(place, field->key, out) && !is_left_empty(field, out))
		return true;
	if (field->is_required)
		inn_place_fault(place, field->key, INN_FAULT_INVALID, "Required.");
	return false;
}

bool
inn_place_is_set(const InnPlace *place, const InnField *field)
{
	JsonbValue value;

	return inn_place_get(place, field->key, &value) && !is_left_empty(field, &value);
}

/* Some clients write an option that is not set as an empty text. */
static bool
is_left_empty(const InnField *field, const JsonbValue *value)
{
	if (value->type != jbvString || value->val.string.len > 0)
		return false;
	return field->type == INN_FIELD_DURATION || field->type == INN_FIELD_DEADLINE ||
		   field->type == INN_FIELD_EXPRESSION ||
		   (field->type == INN_FIELD_TEXT && field->min == 0);
}

char *
inn_place_text(const InnPlace *place, const InnField *field)
{
	JsonbValue value;
	int nchars;

	Assert(field->type == INN_FIELD_TEXT);
	if (!get_required(place, field, &value))
		return NULL;
	if (value.type != jbvString)
	{
		inn_place_fault(place, field->key, INN_FAULT_INVALID, "Must be a string.");
		return NULL;
	}

	nchars = pg_mbstrlen_with_len(value.val.string.val, value.val.string.len);
	if (nchars < field->min)
	{
		inn_place_fault(place, field->key, INN_FAULT_INVALID, "Must not be empty.");
		return NULL;
	}
	if (field->max > 0 && nchars > field->max)
	{
		inn_place_fault(place, field->key, INN_FAULT_INVALID,
						"Must not be longer than " INT64_FORMAT " characters.", field->max);
		return NULL;
	}
	return inn_json_string(&value);
}

/* Every problem is a fault of its own. */
char *
inn_place_expression(const InnPlace *place, const InnField *field)
{
	const InnCelPolicy *policy = field->policy == NULL ? &inn_event_policy : field->policy;
	InnField text_field = {field->key, INN_FIELD_TEXT, field->is_required};
	char *text;
	ExpressionSink sink = {place, field->key};

	Assert(field->type == INN_FIELD_EXPRESSION);
	text = inn_place_text(place, &text_field);
	if (text == NULL)
		return NULL;
	sink.text = text;
	return inn_cel_judge(text, strlen(text), policy, put_problem, &sink) ? text : NULL;
}

static void
put_problem(void *arg, InnCelProblem problem, const InnCelFault *fault)
{
	const ExpressionSink *sink = arg;

	inn_place_fault(sink->place, sink->key, INN_FAULT_INVALID, "At character %d: %s.",
					pg_mbstrlen_with_len(sink->text, fault->position) + 1, fault->message);
}

bool
inn_place_integer(const InnPlace *place, const InnField *field, int64 *out)
{
	JsonbValue value;

	Assert(field->type == INN_FIELD_INTEGER);
	if (!get_required(place, field, &value))
		return false;
	if (inn_json_is_integer(&value, out) && *out >= field->min &&
		(field->max == 0 || *out <= field->max))
		return true;

	if (field->max == 0)
		inn_place_fault(place, field->key, INN_FAULT_INVALID,
						"Must be an integer of at least " INT64_FORMAT ".", field->min);
	else
		inn_place_fault(place, field->key, INN_FAULT_INVALID,
						"Must be an integer from " INT64_FORMAT " to " INT64_FORMAT ".", field->min,
						field->max);
	return false;
}

const char *
inn_place_choice(const InnPlace *place, const InnField *field)
{
	JsonbValue value;
	StringInfoData words;

	Assert(field->type == INN_FIELD_CHOICE);
	if (!get_required(place, field, &value))
		return NULL;

	initStringInfo(&words);
	for (int i = 0; field->choices[i] != NULL; i++)
	{
		const char *choice = field->choices[i];
		const char *separator = field->choices[i + 1] == NULL ? " or " : ", ";

		if (value.type == jbvString && value.val.string.len == (int) strlen(choice) &&
			pg_strncasecmp(value.val.string.val, choice, value.val.string.len) == 0)
			return choice;
		appendStringInfo(&words, "%s\"%s\"", i > 0 ? separator : "", choice);
	}
	inn_place_fault(place, field->key, INN_FAULT_INVALID, "Must be %s.", words.data);
	return NULL;
}

void
inn_place_judge(const InnPlace *place, const InnField *fields, int nfields)
{
	for (int i = 0; i < nfields; i++)
	{
		const InnField *field = &fields[i];
		int64 unused;
		TimestampTz unused_time;

		switch (field->type)
		{
			case INN_FIELD_TEXT:
				(void) inn_place_text(place, field);
				break;
			case INN_FIELD_INTEGER:
				(void) inn_place_integer(place, field, &unused);
				break;
			case INN_FIELD_DURATION:
				(void) inn_place_duration(place, field, &unused);
				break;
			case INN_FIELD_DEADLINE:
				(void) inn_place_deadline(place, field, &unused, &unused_time);
				break;
			case INN_FIELD_CHOICE:
				(void) inn_place_choice(place, field);
				break;
			case INN_FIELD_EXPRESSION:
				(void) inn_place_expression(place, field);
				break;
		}
	}
}

bool
inn_place_duration(const InnPlace *place, const InnField *field, int64 *usec)
{
	JsonbValue value;
	char min[INN_DURATION_TEXT_SIZE];
	char max[INN_DURATION_TEXT_SIZE];

	Assert(field->type == INN_FIELD_DURATION);
	if (!get_required(place, field, &value))
		return false;
	if (!read_duration(&value, usec))
	{
		inn_place_fault(place, field->key, INN_FAULT_INVALID,
						"Must be a duration such as \"30s\" or \"1d12h\".");
		return false;
	}
	if (*usec >= field->min && (field->max == 0 || *usec <= field->max))
		return true;

	inn_duration_format(field->min, min, sizeof(min));
	inn_duration_format(field->max, max, sizeof(max));
	if (field->max == 0)
		inn_place_fault(place, field->key, INN_FAULT_INVALID, "Must be at least %s.", min);
	else
		inn_place_fault(place, field->key, INN_FAULT_INVALID, "Must be from %s to %s.", min, max);
	return false;
}

/* A duration of zero has passed already, and so has its time. */
bool
inn_place_deadline(const InnPlace *place, const InnField *field, int64 *usec, TimestampTz *when)
{
	JsonbValue value;

	Assert(field->type == INN_FIELD_DEADLINE);
	*usec = 0;
	*when = 0;
	if (!get_required(place, field, &value))
		return false;
	if (read_duration(&value, usec))
		return true;
	if (value.type == jbvString && read_rfc3339(inn_json_string(&value), when))
		return true;
	inn_place_fault(place, field->key, INN_FAULT_INVALID,
					"Must be a duration such as \"30s\" or \"1d12h\", or a time such as "
					"\"2030-01-31T12:00:00Z\".");
	return false;
}

static bool
read_duration(const JsonbValue *value, int64 *usec)
{
	return value->type == jbvString &&
		   inn_duration_parse(value->val.string.val, value->val.string.len, usec);
}

/* date-time of RFC 3339: "2030-01-31T12:00:00[.000](Z|+01:00)" */
static bool
read_rfc3339(const char *text, TimestampTz *when)
{
	static const char pattern[] = "0000-00-00T00:00:00";
	int year, month, day, hour, minute, second;
	int64 fraction = 0;
	int offset;

	if (!fits(text, pattern))
		return false;
	year = two_digits(text) * 100 + two_digits(text + 2);
	month = two_digits(text + 5);
	day = two_digits(text + 8);
	hour = two_digits(text + 11);
	minute = two_digits(text + 14);
	second = two_digits(text + 17);
	if (month < 1 || month > MONTHS_PER_YEAR || day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;

	text += sizeof(pattern) - 1;
	if (*text == '.')
	{
		int64 unit = USECS_PER_SEC / 10;

		if (!fits(++text, "0"))
			return false;
		for (; *text >= '0' && *text <= '9'; text++, unit /= 10)
			fraction += (*text - '0') * unit;
	}
	if (!read_offset(text, &offset))
		return false;
	*when = (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY +
			(hour * MINS_PER_HOUR + minute - offset) * USECS_PER_MINUTE + second * USECS_PER_SEC +
			fraction;
	return true;
}

/* In minutes east of Greenwich. */
static bool
read_offset(const char *text, int *minutes)
{
	*minutes = 0;
	if (*text == 'Z' || *text == 'z')
		return text[1] == '\0';
	if (*text != '+' && *text != '-')
		return false;
	if (strlen(text) != 6 || !fits(text + 1, "00:00") || two_digits(text + 1) > 23 ||
		two_digits(text + 4) > 59)
		return false;
	*minutes = two_digits(text + 1) * MINS_PER_HOUR + two_digits(text + 4);
	if (*text == '-')
		*minutes = -*minutes;
	return true;
}

/* Does a text begin like a pattern, where 0 stands for a digit and a letter for itself in either case? */
static bool
fits(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; pattern++, text++)
	{
		if (*pattern == '0' ? (*text < '0' || *text > '9')
							: pg_ascii_toupper((unsigned char) *text) != (unsigned char) *pattern)
			return false;
	}
	return true;
}

static int
two_digits(const char *text)
{
	return (text[0] - '0') * 10 + (text[1] - '0');
}
