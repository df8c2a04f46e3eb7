/*-------------------------------------------------------------------------
 *
 * events.c
 *	  Writing and reading inngest.events.
 *
 * IDENTIFICATION
 *	  src/store/events.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "base/timer.h"
#include "store/events.h"

#define EVENT_COLUMNS 9
#define EVENT_TYPES \
	{ \
		UUIDOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, JSONBOID, \
			TIMESTAMPTZOID \
	}
#define EVENT_ARRAY_TYPES \
	{ \
		UUIDARRAYOID, TEXTARRAYOID, JSONBARRAYOID, JSONBARRAYOID, TEXTARRAYOID, \
			TIMESTAMPTZARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID \
	}

static InnPlan insert_one =
	{"INSERT INTO inngest.events (id, name, data, \"user\", caller_id, ts, v, meta, received_at)"
	 " VALUES ($1::inngest.ulid, $2, $3, $4, $5, $6, $7, $8, $9)",
	 EVENT_COLUMNS, EVENT_TYPES};

static InnPlan insert_many =
	{"INSERT INTO inngest.events (id, name, data, \"user\", caller_id, ts, v, meta, received_at)"
	 " SELECT id::inngest.ulid, name, data, u, caller_id, ts, v, meta, received_at"
	 " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	 " AS e (id, name, data, u, caller_id, ts, v, meta, received_at)",
	 EVENT_COLUMNS, EVENT_ARRAY_TYPES};

/* The ids of those that were not known come back, in the order of the array. */
static InnPlan insert_seeded =
	{"INSERT INTO inngest.events (id, name, data, \"user\", caller_id, ts, v, meta, received_at)"
	 " SELECT id::inngest.ulid, name, data, u, caller_id, ts, v, meta, received_at"
	 " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	 " AS e (id, name, data, u, caller_id, ts, v, meta, received_at)"
	 " ON CONFLICT DO NOTHING"
	 " RETURNING id",
	 EVENT_COLUMNS, EVENT_ARRAY_TYPES};

static InnPlan read_one = {"SELECT" INN_EVENT_COLUMNS " FROM inngest.events e"
						   " WHERE e.id = $1::inngest.ulid",
						   1,
						   {UUIDOID},
						   .is_generic = true};

static void event_args(const InnEvent *event, InnArg *args);
static void event_array_args(const InnEvent *events, int nevents, InnArg *args);
static void note_known(InnEvent *events, int nevents, uint64 nstored);
static Jsonb *row_jsonb(uint64 row, int column);
static void put_object(JsonbParseState **state, const char *key, Jsonb *object);

void
inn_events_insert(InnEvent *events, int nevents)
{
	InnArg args[EVENT_COLUMNS];
	bool any_seeded = false;

	for (int i = 0; i < nevents; i++)
		any_seeded |= events[i].is_seeded;

	if (nevents == 1 && !any_seeded)
	{
		event_args(&events[0], args);
		inn_plan_run(&insert_one, EVENT_COLUMNS, args);
		return;
	}

	event_array_args(events, nevents, args);
	if (any_seeded)
		note_known(events, nevents, inn_plan_run(&insert_seeded, EVENT_COLUMNS, args));
	else
		inn_plan_run(&insert_many, EVENT_COLUMNS, args);
}

static void
event_args(const InnEvent *event, InnArg *args)
{
	int n = 0;

	args[n++] = inn_arg_ulid(&event->id);
	args[n++] = inn_arg_cstring(event->name);
	args[n++] = inn_arg_pointer(event->data);
	args[n++] = inn_arg_pointer(event->user);
	args[n++] = inn_arg_cstring(event->caller_id);
	args[n++] = inn_arg_time(event->ts);
	args[n++] = inn_arg_cstring(event->version);
	args[n++] = inn_arg_pointer(event->meta);
	args[n++] = inn_arg_time(event->received_at);
	Assert(n == EVENT_COLUMNS);
}

/* Turn rows into columns for unnest(). */
static void
event_array_args(const InnEvent *events, int nevents, InnArg *args)
{
	static const Oid types[EVENT_COLUMNS] = EVENT_TYPES;
	Datum *values[EVENT_COLUMNS];
	bool *nulls[EVENT_COLUMNS];

	for (int c = 0; c < EVENT_COLUMNS; c++)
	{
		values[c] = palloc(nevents * sizeof(Datum));
		nulls[c] = palloc(nevents * sizeof(bool));
	}
	for (int i = 0; i < nevents; i++)
	{
		event_args(&events[i], args);
		for (int c = 0; c < EVENT_COLUMNS; c++)
		{
			values[c][i] = args[c].value;
			nulls[c][i] = args[c].is_null;
		}
	}
	for (int c = 0; c < EVENT_COLUMNS; c++)
		args[c] = inn_arg_array(values[c], nulls[c], nevents, types[c]);
}

/* The result lists the events that were stored.  Of two with one id, the first was. */
static void
note_known(InnEvent *events, int nevents, uint64 nstored)
{
	uint64 next = 0;

	for (int i = 0; i < nevents; i++)
	{
		InnUlid stored;

		events[i].is_known = true;
		if (next == nstored)
			continue;
		stored = inn_row_ulid(next, 1);
		if (memcmp(&stored, &events[i].id, sizeof(InnUlid)) != 0)
			continue;
		events[i].is_known = false;
		next++;
	}
	if (next != nstored)
		elog(ERROR, "events were stored in another order than they were given");
}

bool
inn_events_read(const InnUlid *id, InnEvent *event)
{
	if (INN_RUN(&read_one, inn_arg_ulid(id)) == 0)
		return false;
	inn_events_row(0, 1, id, event);

	/* Events are large, and one transaction may read many. */
	SPI_freetuptable(SPI_tuptable);
	return true;
}

void
inn_events_row(uint64 row, int column, const InnUlid *id, InnEvent *event)
{
	*event = (InnEvent){
		.id = *id,
		.name = inn_row_text(row, column),
		.data = row_jsonb(row, column + 1),
		.user = row_jsonb(row, column + 2),
		.caller_id = inn_row_text(row, column + 3),
		.ts = inn_row_time(row, column + 4, 0),
		.version = inn_row_text(row, column + 5),
		.meta = row_jsonb(row, column + 6),
		.received_at = inn_row_time(row, column + 7, 0),
	};
}

static Jsonb *
row_jsonb(uint64 row, int column)
{
	bool is_null;
	Datum value = inn_row_datum(row, column, &is_null);

	return is_null ? NULL : DatumGetJsonbPCopy(value);
}

Jsonb *
inn_event_to_jsonb(const InnEvent *event)
{
	JsonbParseState *state = NULL;
	char id[INN_ULID_TEXT_LEN + 1];

	inn_ulid_format(&event->id, id);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	inn_json_put_text(&state, "name", event->name);
	put_object(&state, "data", event->data);
	put_object(&state, "user", event->user);
	inn_json_put_text(&state, "id", event->caller_id == NULL ? id : event->caller_id);
	inn_json_put_integer(&state, "ts", inn_unix_ms(event->ts));
	inn_json_put_text(&state, "v", event->version);
	inn_json_put(&state, "meta", event->meta);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* NULL: an empty one */
static void
put_object(JsonbParseState **state, const char *key, Jsonb *object)
{
	if (object != NULL)
	{
		inn_json_put(state, key, object);
		return;
	}
	inn_json_put_key(state, key);
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}
