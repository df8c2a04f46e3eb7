/*-------------------------------------------------------------------------
 *
 * value.c
 *	  What values are: reading jsonb, comparing, looking up, iterating.
 *
 * Values of the data are read where they lie.  The server's own functions return elements of an array only
 * as copies, so entries are decoded here; their form is documented in utils/jsonb.h.
 *
 * IDENTIFICATION
 *	  src/cel/value.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "cel/internal.h"

static const struct
{
	CelKind kind;
	const char *name;
	bool is_protobuf;
} types[] = {
	{CEL_NULL, "null_type", false},
	{CEL_BOOL, "bool", false},
	{CEL_INT, "int", false},
	{CEL_UINT, "uint", false},
	{CEL_DOUBLE, "double", false},
	{CEL_STRING, "string", false},
	{CEL_BYTES, "bytes", false},
	{CEL_LIST, "list", false},
	{CEL_MAP, "map", false},
	{CEL_TYPE, "type", false},
	{CEL_TIMESTAMP, "Timestamp", true},
	{CEL_DURATION, "Duration", true},
};

static CelValue decode_entry(const JsonbContainer *container, uint32 index, uint32 offset);
static bool equal_lists(CelContext *cx, CelValue a, CelValue b);
static bool equal_maps(CelContext *cx, CelValue a, CelValue b);
static CelOrder compare_numbers(CelValue a, CelValue b);
static CelValue plain_number(CelValue number);
static CelOrder compare_double_to_int(double d, int64 i);
static CelOrder compare_double_to_uint(double d, uint64 u);
static CelOrder compare_doubles(double a, double b);
static CelOrder compare_texts(CelValue a, CelValue b);

#define COMPARE(a, b) ((a) < (b) ? CEL_LESS : (a) > (b) ? CEL_GREATER : CEL_SAME)

/* Of what is written in JSON the type that CEL gives it. */
static CelKind
public_kind(CelKind kind)
{
	switch (kind)
	{
		case CEL_NUMBER:
			return CEL_DOUBLE;
		case CEL_JSON_LIST:
			return CEL_LIST;
		case CEL_JSON_MAP:
			return CEL_MAP;
		default:
			return kind;
	}
}

CelValue
cel_type_of(CelValue value)
{
	return (CelValue){.kind = CEL_TYPE, .u.type = public_kind(value.kind)};
}

const char *
cel_type_name(CelKind kind)
{
	kind = public_kind(kind);
	if (kind == CEL_TIMESTAMP)
		return "google.protobuf.Timestamp";
	if (kind == CEL_DURATION)
		return "google.protobuf.Duration";
	for (int i = 0; i < (int) lengthof(types); i++)
	{
		if (types[i].kind == kind)
			return types[i].name;
	}
	return "error";
}

bool
cel_type_by_name(const char *name, bool is_protobuf, CelKind *kind)
{
	for (int i = 0; i < (int) lengthof(types); i++)
	{
		if (types[i].is_protobuf == is_protobuf && strcmp(types[i].name, name) == 0)
		{
			*kind = types[i].kind;
			return true;
		}
	}
	return false;
}

/* ---- jsonb ---- */

CelValue
cel_from_jsonb_value(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return cel_text(CEL_STRING, value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return (CelValue){.kind = CEL_NUMBER, .u.number = value->val.numeric};
		case jbvBool:
			return cel_bool(value->val.boolean);
		case jbvBinary:
			return (CelValue){.kind = JsonContainerIsObject(value->val.binary.data) ? CEL_JSON_MAP
																					: CEL_JSON_LIST,
							  .u.json = value->val.binary.data};
		default:
			return (CelValue){.kind = CEL_NULL};
	}
}

bool
cel_json_field(JsonbContainer *object, const char *key, size_t len, CelValue *out)
{
	JsonbValue value;

	if (getKeyJsonValueFromContainer(object, key, (int) len, &value) == NULL)
		return false;
	*out = cel_from_jsonb_value(&value);
	return true;
}

CelValue
cel_json_element(JsonbContainer *array, uint32 index)
{
	return decode_entry(array, index, getJsonbOffset(array, (int) index));
}

/* The offset is that of the entry's data from the start of all data. */
static CelValue
decode_entry(const JsonbContainer *container, uint32 index, uint32 offset)
{
	JEntry entry = container->children[index];
	uint32 count = JsonContainerSize(container) * (JsonContainerIsObject(container) ? 2 : 1);
	char *base = (char *) &container->children[count];
	JsonbContainer *inner;

	switch (entry & JENTRY_TYPEMASK)
	{
		case JENTRY_ISSTRING:
			return cel_text(CEL_STRING, base + offset, getJsonbLength(container, (int) index));
		case JENTRY_ISNUMERIC:
			return (CelValue){.kind = CEL_NUMBER, .u.number = (Numeric) (base + INTALIGN(offset))};
		case JENTRY_ISBOOL_TRUE:
			return cel_bool(true);
		case JENTRY_ISBOOL_FALSE:
			return cel_bool(false);
		case JENTRY_ISCONTAINER:
			inner = (JsonbContainer *) (base + INTALIGN(offset));
			return (CelValue){.kind = JsonContainerIsObject(inner) ? CEL_JSON_MAP : CEL_JSON_LIST,
							  .u.json = inner};
		default:
			return (CelValue){.kind = CEL_NULL};
	}
}

bool
cel_to_integer(CelValue value, int64 *out)
{
	switch (value.kind)
	{
		case CEL_INT:
			*out = value.u.i;
			return true;
		case CEL_UINT:
			*out = (int64) value.u.u;
			return value.u.u <= (uint64) PG_INT64_MAX;
		case CEL_NUMBER:
			return inn_number_to_int(value.u.number, out);
		case CEL_DOUBLE:
			if (!(value.u.d >= -0x1p63 && value.u.d < 0x1p63) || value.u.d != trunc(value.u.d))
				return false;
			*out = (int64) value.u.d;
			return true;
		default:
			return false;
	}
}

/* ---- containers ---- */

uint32
cel_container_size(CelValue container)
{
	switch (container.kind)
	{
		case CEL_LIST:
			return container.u.list->count;
		case CEL_MAP:
			return container.u.map->count;
		default:
			return JsonContainerSize(container.u.json);
	}
}

/* Keys are compared as values, so 1.0 finds 1; keys of the data are strings. */
bool
cel_find(CelContext *cx, CelValue map, CelValue key, CelValue *out)
{
	if (map.kind == CEL_JSON_MAP)
		return key.kind == CEL_STRING && cel_json_field(map.u.json, key.u.text, key.length, out);

	for (uint32 i = 0; i < map.u.map->count; i++)
	{
		if (!cel_charge(cx, 1))
			return false;
		if (!cel_equal(cx, map.u.map->pairs[i * 2], key))
			continue;
		*out = map.u.map->pairs[i * 2 + 1];
		return true;
	}
	return false;
}

bool
cel_cursor_open(CelCursor *cursor, CelValue container)
{
	if (!cel_is_list(container) && !cel_is_map(container))
		return false;
	*cursor = (CelCursor){.container = container, .count = cel_container_size(container)};
	if (container.kind == CEL_JSON_MAP)
		cursor->value_offset = getJsonbOffset(container.u.json, (int) cursor->count);
	return true;
}

/* value may be NULL; of a list it is not set. */
bool
cel_cursor_next(CelCursor *cursor, CelValue *element, CelValue *value)
{
	uint32 i = cursor->index;
	const JsonbContainer *json = cursor->container.u.json;

	if (i >= cursor->count)
		return false;
	cursor->index++;

	switch (cursor->container.kind)
	{
		case CEL_LIST:
			*element = cursor->container.u.list->items[i];
			return true;
		case CEL_MAP:
			*element = cursor->container.u.map->pairs[i * 2];
			if (value != NULL)
				*value = cursor->container.u.map->pairs[i * 2 + 1];
			return true;
		default:
			*element = decode_entry(json, i, cursor->offset);
			JBE_ADVANCE_OFFSET(cursor->offset, json->children[i]);
			if (cursor->container.kind == CEL_JSON_LIST)
				return true;
			if (value != NULL)
				*value = decode_entry(json, i + cursor->count, cursor->value_offset);
			JBE_ADVANCE_OFFSET(cursor->value_offset, json->children[i + cursor->count]);
			return true;
	}
}

/* ---- equality ---- */

bool
cel_equal(CelContext *cx, CelValue a, CelValue b)
{
	if (a.kind == CEL_STRING && b.kind == CEL_STRING)
		return a.length == b.length && memcmp(a.u.text, b.u.text, a.length) == 0;
	if (cel_is_numeric(a) && cel_is_numeric(b))
		return compare_numbers(a, b) == CEL_SAME;
	if (cel_is_list(a) && cel_is_list(b))
		return equal_lists(cx, a, b);
	if (cel_is_map(a) && cel_is_map(b))
		return equal_maps(cx, a, b);
	if (a.kind != b.kind)
		return false;

	switch (a.kind)
	{
		case CEL_BOOL:
			return a.u.boolean == b.u.boolean;
		case CEL_BYTES:
			return compare_texts(a, b) == CEL_SAME;
		case CEL_TIMESTAMP:
			return a.u.i == b.u.i && a.length == b.length;
		case CEL_DURATION:
			return a.u.i == b.u.i;
		case CEL_TYPE:
			return a.u.type == b.u.type;
		default:
			return a.kind == CEL_NULL;
	}
}

static bool
equal_lists(CelContext *cx, CelValue a, CelValue b)
{
	CelCursor x;
	CelCursor y;
	CelValue left;
	CelValue right;

	if (cel_container_size(a) != cel_container_size(b))
		return false;
	if (stack_is_too_deep())
	{
		(void) cel_exceed(cx, ERRCODE_STATEMENT_TOO_COMPLEX, "data is nested too deeply");
		return false;
	}
	(void) cel_cursor_open(&x, a);
	(void) cel_cursor_open(&y, b);
	while (cel_cursor_next(&x, &left, NULL) && cel_cursor_next(&y, &right, NULL))
	{
		if (!cel_charge(cx, 1) || !cel_equal(cx, left, right))
			return false;
	}
	return true;
}

static bool
equal_maps(CelContext *cx, CelValue a, CelValue b)
{
	CelCursor cursor;
	CelValue key;
	CelValue left;
	CelValue right;

	if (cel_container_size(a) != cel_container_size(b))
		return false;
	if (stack_is_too_deep())
	{
		(void) cel_exceed(cx, ERRCODE_STATEMENT_TOO_COMPLEX, "data is nested too deeply");
		return false;
	}
	(void) cel_cursor_open(&cursor, a);
	while (cel_cursor_next(&cursor, &key, &left))
	{
		if (!cel_charge(cx, 1) || !cel_find(cx, b, key, &right) || !cel_equal(cx, left, right))
			return false;
	}
	return true;
}

/* ---- order ---- */

CelOrder
cel_compare(CelValue a, CelValue b)
{
	if (cel_is_numeric(a) && cel_is_numeric(b))
		return compare_numbers(a, b);
	if (a.kind != b.kind)
		return CEL_UNRELATED;

	switch (a.kind)
	{
		case CEL_BOOL:
			return COMPARE(a.u.boolean, b.u.boolean);
		case CEL_STRING:
		case CEL_BYTES:
			return compare_texts(a, b);
		case CEL_DURATION:
			return COMPARE(a.u.i, b.u.i);
		case CEL_TIMESTAMP:
			return a.u.i != b.u.i ? COMPARE(a.u.i, b.u.i) : COMPARE(a.length, b.length);
		default:
			return CEL_UNRELATED;
	}
}

/* Byte by byte, which in UTF-8 is by code point. */
static CelOrder
compare_texts(CelValue a, CelValue b)
{
	int order = memcmp(a.u.text, b.u.text, Min(a.length, b.length));

	return order != 0 ? COMPARE(order, 0) : COMPARE(a.length, b.length);
}

/*
 * All numbers lie on one line.  A number of the data that is an int is compared as one, so ids beyond 2^53 are
 * told apart; between ints and doubles cel-go's way.
 */
static CelOrder
compare_numbers(CelValue a, CelValue b)
{
	CelOrder order;

	a = plain_number(a);
	b = plain_number(b);
	if (a.kind == b.kind)
		return a.kind == CEL_INT	? COMPARE(a.u.i, b.u.i)
			   : a.kind == CEL_UINT ? COMPARE(a.u.u, b.u.u)
									: compare_doubles(a.u.d, b.u.d);
	if (b.kind == CEL_DOUBLE || a.kind == CEL_UINT)
	{
		order = compare_numbers(b, a);
		return order == CEL_UNORDERED ? order : (CelOrder) - (int) order;
	}
	if (a.kind == CEL_DOUBLE)
		return b.kind == CEL_INT ? compare_double_to_int(a.u.d, b.u.i)
								 : compare_double_to_uint(a.u.d, b.u.u);
	/* int and uint */
	if (a.u.i < 0)
		return CEL_LESS;
	return COMPARE((uint64) a.u.i, b.u.u);
}

/* An int, a uint or a double. */
static CelValue
plain_number(CelValue number)
{
	int64 i;

	if (number.kind != CEL_NUMBER)
		return number;
	if (inn_number_to_int(number.u.number, &i))
		return cel_int(i);
	return cel_double(inn_number_to_double(number.u.number));
}

static CelOrder
compare_double_to_int(double d, int64 i)
{
	if (d < -0x1p63)
		return CEL_LESS;
	if (d > 0x1p63)
		return CEL_GREATER;
	return compare_doubles(d, (double) i);
}

static CelOrder
compare_double_to_uint(double d, uint64 u)
{
	if (d < 0)
		return CEL_LESS;
	if (d > 0x1p64)
		return CEL_GREATER;
	return compare_doubles(d, (double) u);
}

static CelOrder
compare_doubles(double a, double b)
{
	return isnan(a) || isnan(b) ? CEL_UNORDERED : COMPARE(a, b);
}
