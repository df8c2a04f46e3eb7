/*-------------------------------------------------------------------------
 *
 * eval.c
 *	  From a program and data to a value: a function per kind of node.
 *
 * Data is read where it lies, in its on-disk form; values made on the way live in blocks that are reused by
 * the next evaluation.  Errors are values, and so is "missing", which a dotted path that leads nowhere
 * gives in the dialect of Inngest: what they mean is for the call above to decide (binary.c, call()).
 *
 * Work is paid for with steps, memory with bytes.  Whoever cannot pay marks the context: from then on
 * cel_eval_node() returns at once and loops end, so that nothing, not even || or a nest of macros, can
 * carry on.
 *
 * IDENTIFICATION
 *	  src/cel/eval.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "cel/internal.h"

/* look for interrupts after so many steps */
#define STEPS_PER_CHECK 1024

/* the first block is always there; most evaluations need no other */
#define FIRST_BLOCK_BYTES 8192

static MemoryContext memory; /* further blocks, and what functions of the server leave behind */
static int64 first_block[FIRST_BLOCK_BYTES / sizeof(int64)];

static void begin(CelContext *cx, const InnCelProgram *program, InnCelDialect dialect,
				  const InnCelInput *input);
static bool finish(const CelContext *cx, CelValue *value, InnCelFault *fault);
static bool grow(CelContext *cx, size_t size);
static CelValue eval_inner(CelContext *cx, const CelNode *node);
static CelValue eval_path(CelContext *cx, const CelNode *node);
static bool find_root(const CelContext *cx, const CelNode *node, CelValue *root, int *used);
static bool find_dotted(const CelContext *cx, const CelNode *node, CelValue *root, int *used);
static CelValue eval_local(CelContext *cx, const CelNode *node);
static CelValue field_of(CelContext *cx, CelValue object, CelName name);
static CelValue eval_select(CelContext *cx, const CelNode *node);
static CelValue eval_index(CelContext *cx, const CelNode *node);
static CelValue element_of(CelContext *cx, CelValue list, CelValue index);
static CelValue eval_call(CelContext *cx, const CelNode *node);
static CelValue absent_argument(const CelContext *cx, const CelNode *node, CelValue absent);
static CelValue eval_chain(CelContext *cx, const CelNode *node);
static CelValue eval_in_constants(CelContext *cx, CelValue element, const CelNode *list);
static CelValue eval_and_or(CelContext *cx, const CelNode *node);
static CelValue eval_strict_and_or(CelContext *cx, const CelNode *node);
static CelValue eval_not(CelContext *cx, const CelNode *node);
static CelValue eval_minus(CelContext *cx, const CelNode *node);
static CelValue eval_condition(CelContext *cx, const CelNode *node);
static CelValue eval_list(CelContext *cx, const CelNode *node);
static CelValue eval_map(CelContext *cx, const CelNode *node);
static CelValue add_pair(CelContext *cx, CelMap *map, CelValue key, CelValue value);
static CelValue eval_has(CelContext *cx, const CelNode *node);
static CelValue has_path(CelContext *cx, const CelNode *path);
static CelValue eval_macro(CelContext *cx, const CelNode *node);
static CelValue macro_all_exists(CelContext *cx, const CelNode *node, CelCursor *cursor);
static CelValue macro_exists_one(CelContext *cx, const CelNode *node, CelCursor *cursor);
static CelValue macro_collect(CelContext *cx, const CelNode *node, CelCursor *cursor);
static bool decide(CelContext *cx, CelValue condition, CelValue *error);
static CelValue take_into(bool is_strict, bool is_or, CelValue sum, CelValue value);

Jsonb *
inn_cel_eval(const InnCelProgram *program, InnCelDialect dialect, const InnCelInput *input,
			 InnCelFault *fault)
{
	MemoryContext caller = CurrentMemoryContext;
	CelContext cx;
	CelValue value;
	Jsonb *json;
	Jsonb *result;
	bool is_value;

	begin(&cx, program, dialect, input);
	value = cel_eval_node(&cx, &program->nodes[program->root]);
	is_value = finish(&cx, &value, fault) && cel_to_jsonb(&cx, value, &json, fault);
	MemoryContextSwitchTo(caller);
	if (!is_value)
		return NULL;
	result = palloc(VARSIZE(json));
	memcpy(result, json, VARSIZE(json));
	return result;
}

InnCelVerdict
inn_cel_test(const InnCelProgram *program, const InnCelInput *input, InnCelFault *fault)
{
	MemoryContext caller = CurrentMemoryContext;
	CelContext cx;
	CelValue value;
	bool is_value;

	begin(&cx, program, INN_CEL_INNGEST, input);
	value = cel_eval_node(&cx, &program->nodes[program->root]);
	is_value = finish(&cx, &value, fault);
	MemoryContextSwitchTo(caller);
	if (!is_value)
		return INN_CEL_FAILED;
	if (value.kind == CEL_BOOL)
		return value.u.boolean ? INN_CEL_TRUE : INN_CEL_FALSE;
	cel_fault(fault, ERRCODE_DATATYPE_MISMATCH, program->nodes[program->root].position,
			  "the expression gives a %s, not true or false", cel_type_name(value.kind));
	return INN_CEL_FAILED;
}

bool
cel_eval_operand(const InnCelProgram *program, const CelNode *node, const InnCelInput *input,
				 uint64 *hash)
{
	MemoryContext caller = CurrentMemoryContext;
	CelContext cx;
	CelValue value;
	bool has_hash;

	begin(&cx, program, INN_CEL_INNGEST, input);
	value = cel_eval_node(&cx, node);
	has_hash = !cx.has_exceeded && cel_hash(value, hash);
	MemoryContextSwitchTo(caller);
	return has_hash;
}

/* Leaves the current context switched, for what functions of the server allocate. */
static void
begin(CelContext *cx, const InnCelProgram *program, InnCelDialect dialect, const InnCelInput *input)
{
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "inngest expression values",
									   ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(memory);
	MemoryContextSwitchTo(memory);

	cx->program = program;
	cx->input = input;
	cx->is_strict = dialect == INN_CEL_STRICT;
	cx->has_exceeded = false;
	cx->position = 0;
	cx->steps = INN_CEL_MAX_STEPS;
	cx->checkpoint = INN_CEL_MAX_STEPS - STEPS_PER_CHECK;
	cx->next = (char *) first_block;
	cx->end = cx->next + sizeof(first_block);
	cx->memory = INN_CEL_MAX_MEMORY;
	Assert(program->nslots <= lengthof(cx->slots));
}

/* Does a whole result exist?  Missing is false; a fault of a limit goes before an error. */
static bool
finish(const CelContext *cx, CelValue *value, InnCelFault *fault)
{
	if (cx->has_exceeded)
	{
		*fault = cx->limit;
		return false;
	}
	if (value->kind == CEL_ERROR)
	{
		cel_fault_from_error(fault, *value);
		return false;
	}
	if (value->kind == CEL_MISSING)
		*value = cel_bool(false);
	return true;
}

/* ---- limits ---- */

CelValue
cel_exceed(CelContext *cx, int sqlerrcode, const char *message)
{
	if (!cx->has_exceeded)
		cel_fault(&cx->limit, sqlerrcode, cx->position, "%s", message);
	cx->has_exceeded = true;
	cx->checkpoint = PG_INT64_MAX;
	return (CelValue){.kind = CEL_ERROR};
}

bool
cel_charge_slowly(CelContext *cx)
{
	if (cx->has_exceeded)
		return false;
	CHECK_FOR_INTERRUPTS();
	if (cx->steps <= 0)
	{
		(void) cel_exceed(cx, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "expression takes too many steps");
		return false;
	}
	cx->checkpoint = Max(cx->steps - STEPS_PER_CHECK, 0);
	return true;
}

void *
cel_alloc(CelContext *cx, size_t size)
{
	void *result;

	size = MAXALIGN(size);
	cx->next = (char *) MAXALIGN(cx->next);
	if (cx->next > cx->end || size > (size_t) (cx->end - cx->next))
	{
		if (!grow(cx, size))
			return NULL;
	}
	result = cx->next;
	cx->next += size;
	return result;
}

static bool
grow(CelContext *cx, size_t size)
{
	size_t block = Max(size, FIRST_BLOCK_BYTES * 8);

	if (!cel_note_memory(cx, block))
		return false;
	cx->next = MemoryContextAlloc(memory, block);
	cx->end = cx->next + block;
	return true;
}

bool
cel_note_memory(CelContext *cx, size_t size)
{
	if (!cel_charge(cx, size / 64))
		return false;
	if (size > (size_t) cx->memory)
	{
		(void) cel_exceed(cx, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "expression needs too much memory");
		return false;
	}
	cx->memory -= size;
	return true;
}

/* ---- nodes ---- */

CelValue
cel_eval_node(CelContext *cx, const CelNode *node)
{
	if (!cel_charge(cx, 1))
		return (CelValue){.kind = CEL_ERROR};
	switch ((CelNodeType) node->type)
	{
		case CEL_NODE_LITERAL:
			return node->u.literal;
		case CEL_NODE_PATH:
			return eval_path(cx, node);
		case CEL_NODE_LOCAL:
			return eval_local(cx, node);
		default:
			return eval_inner(cx, node);
	}
}

/* What goes deeper. */
static CelValue
eval_inner(CelContext *cx, const CelNode *node)
{
	if (unlikely(stack_is_too_deep()))
		return cel_exceed(cx, ERRCODE_STATEMENT_TOO_COMPLEX, "expression is nested too deeply");

	switch ((CelNodeType) node->type)
	{
		case CEL_NODE_CHAIN:
			return eval_chain(cx, node);
		case CEL_NODE_AND:
		case CEL_NODE_OR:
			return cx->is_strict ? eval_strict_and_or(cx, node) : eval_and_or(cx, node);
		case CEL_NODE_NOT:
			return eval_not(cx, node);
		case CEL_NODE_MINUS:
			return eval_minus(cx, node);
		case CEL_NODE_CONDITION:
			return eval_condition(cx, node);
		case CEL_NODE_SELECT:
			return eval_select(cx, node);
		case CEL_NODE_INDEX:
			return eval_index(cx, node);
		case CEL_NODE_CALL:
			return eval_call(cx, node);
		case CEL_NODE_LIST:
			return eval_list(cx, node);
		case CEL_NODE_MAP:
			return eval_map(cx, node);
		case CEL_NODE_HAS:
			return eval_has(cx, node);
		default:
			return eval_macro(cx, node);
	}
}

/* ---- names, fields, elements ---- */

static CelValue
eval_path(CelContext *cx, const CelNode *node)
{
	const CelName *names = node->u.s.names;
	CelValue value;
	CelKind type;
	int at = 1;

	cx->position = node->position;
	if (!find_root(cx, node, &value, &at))
	{
		if ((node->flags & CEL_NODE_MAY_BE_TYPE) &&
			cel_type_by_name(names[node->count - 1].text, node->count == 3, &type))
			return (CelValue){.kind = CEL_TYPE, .u.type = type};
		if (!cx->is_strict)
			return (CelValue){.kind = CEL_MISSING};
		return cel_error_text(cx, CEL_ERR_NO_VARIABLE, names[0].text, names[0].length);
	}

	for (; at < node->count; at++)
	{
		if (value.kind == CEL_JSON_MAP &&
			cel_json_field(value.u.json, names[at].text, names[at].length, &value))
			continue;
		if (cx->input->event_is_captured && node->slot == CEL_ROOT_EVENT)
			return (CelValue){.kind = CEL_NULL};
		if (!cx->is_strict)
			return (CelValue){.kind = CEL_MISSING};
		return field_of(cx, value, names[at]);
	}
	return value;
}

/* *used is the number of names that have been used up, 1 on entry. */
static bool
find_root(const CelContext *cx, const CelNode *node, CelValue *root, int *used)
{
	const InnCelInput *input = cx->input;
	const CelName *name = &node->u.s.names[0];
	JsonbContainer *bound = node->slot == CEL_ROOT_EVENT   ? input->event
							: node->slot == CEL_ROOT_ASYNC ? input->async
														   : NULL;

	if (bound != NULL)
	{
		*root = (CelValue){.kind = CEL_JSON_MAP, .u.json = bound};
		return true;
	}
	if (input->variables == NULL)
		return false;
	if (cx->is_strict && node->count > 1 && find_dotted(cx, node, root, used))
		return true;
	return cel_json_field(input->variables, name->text, name->length, root);
}

/* The specification lets variables have dotted names, and the longest that fits is meant. */
static bool
find_dotted(const CelContext *cx, const CelNode *node, CelValue *root, int *used)
{
	char name[NAMEDATALEN * 4];

	for (int count = node->count; count > 1; count--)
	{
		size_t len = 0;

		for (int i = 0; i < count && len < sizeof(name); i++)
			len += snprintf(name + len, sizeof(name) - len, i == 0 ? "%s" : ".%s",
							node->u.s.names[i].text);
		if (len < sizeof(name) && cel_json_field(cx->input->variables, name, len, root))
		{
			*used = count;
			return true;
		}
	}
	return false;
}

/* The variable of a macro and fields of it. */
static CelValue
eval_local(CelContext *cx, const CelNode *node)
{
	CelValue value = cx->slots[node->slot];

	cx->position = node->position;
	for (int i = 1; i < node->count && !cel_is_absent(value); i++)
		value = field_of(cx, value, node->u.s.names[i]);
	return value;
}

/* Of what is missing or null, in the dialect of Inngest, a field is missing. */
static CelValue
field_of(CelContext *cx, CelValue object, CelName name)
{
	CelValue value;

	if (object.kind == CEL_JSON_MAP)
	{
		if (cel_json_field(object.u.json, name.text, name.length, &value))
			return value;
		return cel_error_text(cx, CEL_ERR_NO_KEY, name.text, name.length);
	}
	if (object.kind == CEL_MAP)
	{
		if (cel_find(cx, object, cel_text(CEL_STRING, name.text, name.length), &value))
			return value;
		return cel_error_text(cx, CEL_ERR_NO_KEY, name.text, name.length);
	}
	if (cel_is_absent(object))
		return object;
	if (object.kind == CEL_NULL && !cx->is_strict)
		return (CelValue){.kind = CEL_MISSING};
	return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_UNARY, "field", object.kind, 0);
}

static CelValue
eval_select(CelContext *cx, const CelNode *node)
{
	CelValue object = cel_eval_node(cx, CEL_FIRST_CHILD(cx->program, node));

	cx->position = node->position;
	return field_of(cx, object, node->u.s.names[0]);
}

static CelValue
eval_index(CelContext *cx, const CelNode *node)
{
	const CelNode *child = CEL_FIRST_CHILD(cx->program, node);
	CelValue container = cel_eval_node(cx, child);
	CelValue index;
	CelValue value;

	if (cel_is_absent(container))
		return container;
	index = cel_eval_node(cx, CEL_NEXT_CHILD(cx->program, child));
	if (cel_is_absent(index))
		return index;

	cx->position = node->position;
	if (cel_is_list(container))
		return element_of(cx, container, index);
	if (container.kind == CEL_NULL && !cx->is_strict)
		return (CelValue){.kind = CEL_MISSING};
	if (!cel_is_map(container))
		return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_CALL, "[]", container.kind,
								  index.kind);
	if (cel_find(cx, container, index, &value))
		return value;
	if (index.kind == CEL_STRING)
		return cel_error_text(cx, CEL_ERR_NO_KEY, index.u.text, index.length);
	index = cel_to_text(cx, index);
	return cel_error_text(cx, CEL_ERR_NO_KEY, index.u.text, index.length);
}

static CelValue
element_of(CelContext *cx, CelValue list, CelValue index)
{
	int64 i;
	CelValue error;

	if (!cel_to_integer(index, &i))
		return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_CALL, "[]", list.kind,
								  index.kind);
	if (i >= 0 && i < cel_container_size(list))
		return list.kind == CEL_LIST ? list.u.list->items[i]
									 : cel_json_element(list.u.json, (uint32) i);
	error = cel_error(cx, CEL_ERR_NO_ELEMENT);
	error.u.i = i;
	return error;
}

/* ---- calls ---- */

static CelValue
eval_call(CelContext *cx, const CelNode *node)
{
	const CelFunction *function = &cel_functions[node->function];
	CelValue args[CEL_MAX_ARGS];
	int nargs = 0;

	cx->position = node->position;
	if (node->function == CEL_NO_FUNCTION || (function->is_inngest && cx->is_strict))
		return cel_error_text(cx, CEL_ERR_NO_FUNCTION, node->u.s.names[0].text,
							  node->u.s.names[0].length);
	if (node->count < function->min_args || node->count > function->max_args ||
		!(node->flags & CEL_NODE_IS_METHOD ? function->is_method : function->is_global))
		return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_NAME, function->name, 0, 0);

	for (CEL_EACH_CHILD(child, cx->program, node))
	{
		args[nargs] = cel_eval_node(cx, child);
		if (unlikely(cel_is_absent(args[nargs])))
			return absent_argument(cx, node, args[nargs]);
		nargs++;
	}
	cx->position = node->position;
	return function->call(cx, node, args, nargs);
}

/* size() of nothing is 0, any other function of nothing false; what must not be absorbed is not. */
static CelValue
absent_argument(const CelContext *cx, const CelNode *node, CelValue absent)
{
	if (cx->is_strict || cx->has_exceeded || cel_is_nothing(absent))
		return absent;
	if (strcmp(cel_functions[node->function].name, "size") == 0)
		return cel_int(0);
	return cel_bool(false);
}

static CelValue
eval_chain(CelContext *cx, const CelNode *node)
{
	const CelNode *child = CEL_FIRST_CHILD(cx->program, node);
	CelValue value = cel_eval_node(cx, child);

	for (child = CEL_NEXT_CHILD(cx->program, child); child != cx->program->nodes;
		 child = CEL_NEXT_CHILD(cx->program, child))
	{
		CelOperator op = child->joined_by;

		if (op == CEL_OP_IN && child->type == CEL_NODE_LIST &&
			(child->flags & CEL_NODE_IS_CONSTANT) && !cel_is_absent(value))
			value = eval_in_constants(cx, value, child);
		else
		{
			CelValue right = cel_eval_node(cx, child);

			cx->position = child->join_position;
			value = cel_binary(cx, op, value, right);
		}
	}
	return value;
}

/* No list has to be made of literals to look into them. */
static CelValue
eval_in_constants(CelContext *cx, CelValue element, const CelNode *list)
{
	for (CEL_EACH_CHILD(child, cx->program, list))
	{
		if (!cel_charge(cx, 1))
			return (CelValue){.kind = CEL_ERROR};
		if (cel_equal(cx, element, child->u.literal))
			return cel_bool(true);
	}
	return cel_bool(false);
}

/* ---- logic ---- */

/*
 * As in JavaScript: the first operand that decides, or else the last; of booleans that is ordinary logic.
 * An error or a missing operand counts as false.
 */
static CelValue
eval_and_or(CelContext *cx, const CelNode *node)
{
	bool decisive = node->type == CEL_NODE_OR;
	CelValue value = {.kind = CEL_MISSING};

	for (CEL_EACH_CHILD(child, cx->program, node))
	{
		value = cel_eval_node(cx, child);
		if (cel_is_truthy(value) == decisive)
			return value;
	}
	return value;
}

/* An error yields to an operand that decides, wherever that stands. */
static CelValue
eval_strict_and_or(CelContext *cx, const CelNode *node)
{
	bool is_or = node->type == CEL_NODE_OR;
	CelValue sum = cel_bool(!is_or);

	for (CEL_EACH_CHILD(child, cx->program, node))
	{
		CelValue value = cel_eval_node(cx, child);

		cx->position = child->position;
		if (!cel_is_absent(value) && value.kind != CEL_BOOL)
			value = cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_UNARY,
									   is_or ? "||" : "&&", value.kind, 0);
		sum = take_into(true, is_or, sum, value);
		if (sum.kind == CEL_BOOL && sum.u.boolean == is_or)
			break;
	}
	return sum;
}

/* One step of && and ||, of all() and exists(): what was there, and one more operand. */
static CelValue
take_into(bool is_strict, bool is_or, CelValue sum, CelValue value)
{
	if (!is_strict)
		return cel_is_truthy(sum) == is_or ? sum : value;
	if (value.kind == CEL_BOOL && value.u.boolean == is_or)
		return value;
	return sum.kind == CEL_ERROR ? sum : value;
}

static CelValue
eval_not(CelContext *cx, const CelNode *node)
{
	CelValue value = cel_eval_node(cx, CEL_FIRST_CHILD(cx->program, node));

	if (value.kind == CEL_BOOL)
		return cel_bool(!value.u.boolean);
	if (cx->has_exceeded || cel_is_nothing(value) || (cx->is_strict && cel_is_absent(value)))
		return value;
	if (!cx->is_strict && !cel_is_truthy(value))
		return cel_bool(true);
	cx->position = node->position;
	return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_UNARY, "!", value.kind, 0);
}

static CelValue
eval_minus(CelContext *cx, const CelNode *node)
{
	CelValue value = cel_eval_node(cx, CEL_FIRST_CHILD(cx->program, node));

	cx->position = node->position;
	switch (value.kind)
	{
		case CEL_INT:
			return value.u.i == PG_INT64_MIN ? cel_error(cx, CEL_ERR_OVERFLOW)
											 : cel_int(-value.u.i);
		case CEL_DOUBLE:
			return cel_double(-value.u.d);
		case CEL_NUMBER:
			return cel_double(-inn_number_to_double(value.u.number));
		case CEL_MISSING:
		case CEL_ERROR:
			if (cx->is_strict || cx->has_exceeded || cel_is_nothing(value))
				return value;
			return cel_bool(false);
		default:
			return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_UNARY, "-", value.kind, 0);
	}
}

static CelValue
eval_condition(CelContext *cx, const CelNode *node)
{
	const CelNode *condition = CEL_FIRST_CHILD(cx->program, node);
	const CelNode *then = CEL_NEXT_CHILD(cx->program, condition);
	CelValue value = cel_eval_node(cx, condition);
	CelValue error;

	cx->position = condition->position;
	if (decide(cx, value, &error))
		return cel_eval_node(cx, then);
	if (cel_is_absent(error))
		return error;
	return cel_eval_node(cx, CEL_NEXT_CHILD(cx->program, then));
}

/* Is a condition met?  *error is an error, or something that is none, if it is not. */
static bool
decide(CelContext *cx, CelValue condition, CelValue *error)
{
	*error = condition;
	if (condition.kind == CEL_BOOL)
		return condition.u.boolean;
	if (cx->has_exceeded || cel_is_nothing(condition))
		return false;
	if (!cx->is_strict)
	{
		*error = cel_bool(false);
		return cel_is_truthy(condition);
	}
	if (condition.kind != CEL_ERROR)
		*error =
			cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_UNARY, "?:", condition.kind, 0);
	return false;
}

/* ---- lists and maps ---- */

/* An error inside is the error of the whole, and what is missing makes the whole missing. */
static CelValue
eval_list(CelContext *cx, const CelNode *node)
{
	CelList *list = cel_alloc(cx, offsetof(CelList, items) + node->count * sizeof(CelValue));
	CelValue absent = {.kind = CEL_NULL};

	if (list == NULL)
		return (CelValue){.kind = CEL_ERROR};
	list->count = 0;
	for (CEL_EACH_CHILD(child, cx->program, node))
	{
		CelValue value = cel_eval_node(cx, child);

		if (value.kind == CEL_ERROR)
			return value;
		if (value.kind == CEL_MISSING)
			absent = value;
		list->items[list->count++] = value;
	}
	if (cel_is_absent(absent))
		return absent;
	return (CelValue){.kind = CEL_LIST, .u.list = list};
}

static CelValue
eval_map(CelContext *cx, const CelNode *node)
{
	CelMap *map = cel_alloc(cx, offsetof(CelMap, pairs) + node->count * sizeof(CelValue));
	CelValue absent = {.kind = CEL_NULL};

	if (map == NULL)
		return (CelValue){.kind = CEL_ERROR};
	map->count = 0;
	for (const CelNode *child = CEL_FIRST_CHILD(cx->program, node); child != cx->program->nodes;)
	{
		const CelNode *value_node = CEL_NEXT_CHILD(cx->program, child);
		CelValue key = cel_eval_node(cx, child);
		CelValue value = cel_eval_node(cx, value_node);
		CelValue added;

		cx->position = child->position;
		added = add_pair(cx, map, key, value);
		if (added.kind == CEL_ERROR)
			return added;
		if (added.kind == CEL_MISSING)
			absent = added;
		child = CEL_NEXT_CHILD(cx->program, value_node);
	}
	if (cel_is_absent(absent))
		return absent;
	return (CelValue){.kind = CEL_MAP, .u.map = map};
}

/* A value, or why there is none. */
static CelValue
add_pair(CelContext *cx, CelMap *map, CelValue key, CelValue value)
{
	CelValue unused;

	if (cel_is_absent(key))
		return key;
	if (cel_is_absent(value))
		return value;
	if (key.kind == CEL_NUMBER && !cx->is_strict && cel_to_integer(key, &key.u.i))
		key.kind = CEL_INT;
	if (key.kind != CEL_BOOL && key.kind != CEL_INT && key.kind != CEL_UINT &&
		key.kind != CEL_STRING)
		return cel_error_operands(cx, CEL_ERR_KEY_TYPE, CEL_SHAPE_TYPE, "", key.kind, 0);
	if (cel_find(cx, (CelValue){.kind = CEL_MAP, .u.map = map}, key, &unused))
		return cel_error(cx, CEL_ERR_SAME_KEY);
	map->pairs[map->count * 2] = key;
	map->pairs[map->count * 2 + 1] = value;
	map->count++;
	return value;
}

/* ---- macros ---- */

static CelValue
eval_has(CelContext *cx, const CelNode *node)
{
	const CelNode *argument = CEL_FIRST_CHILD(cx->program, node);
	CelValue object;
	CelValue value;

	cx->position = argument->position;
	if (argument->type != CEL_NODE_SELECT)
		return has_path(cx, argument);

	object = cel_eval_node(cx, CEL_FIRST_CHILD(cx->program, argument));
	cx->position = argument->position;
	if (cx->has_exceeded || cel_is_nothing(object) || (cx->is_strict && object.kind == CEL_ERROR))
		return object;
	value = field_of(cx, object, argument->u.s.names[0]);
	if (value.kind == CEL_ERROR && cx->is_strict && !cel_is_map(object))
		return value;
	return cel_bool(!cel_is_absent(value));
}

/* In the strict dialect only the last name may lead nowhere. */
static CelValue
has_path(CelContext *cx, const CelNode *path)
{
	CelNode prefix = *path;
	CelValue object;

	prefix.count--;
	object = path->type == CEL_NODE_PATH ? eval_path(cx, &prefix) : eval_local(cx, &prefix);
	if (cel_is_map(object))
		return cel_bool(!cel_is_absent(field_of(cx, object, path->u.s.names[prefix.count])));
	if (!cx->is_strict)
		return cel_bool(false);
	return field_of(cx, object, path->u.s.names[prefix.count]);
}

static CelValue
eval_macro(CelContext *cx, const CelNode *node)
{
	CelValue range = cel_eval_node(cx, CEL_FIRST_CHILD(cx->program, node));
	CelCursor cursor;

	cx->position = node->position;
	if (cel_is_absent(range))
		return range;
	if (!cel_cursor_open(&cursor, range))
		return cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_UNARY, "macro", range.kind, 0);
	switch ((CelNodeType) node->type)
	{
		case CEL_NODE_ALL:
		case CEL_NODE_EXISTS:
			return macro_all_exists(cx, node, &cursor);
		case CEL_NODE_EXISTS_ONE:
			return macro_exists_one(cx, node, &cursor);
		default:
			return macro_collect(cx, node, &cursor);
	}
}

/* all() is a long &&, exists() a long ||. */
static CelValue
macro_all_exists(CelContext *cx, const CelNode *node, CelCursor *cursor)
{
	const CelNode *condition = CEL_NEXT_CHILD(cx->program, CEL_FIRST_CHILD(cx->program, node));
	bool is_or = node->type == CEL_NODE_EXISTS;
	CelValue sum = cel_bool(!is_or);

	while (cel_cursor_next(cursor, &cx->slots[node->slot], NULL))
	{
		CelValue value = cel_eval_node(cx, condition);

		if (cx->has_exceeded)
			return value;
		cx->position = condition->position;
		if (cx->is_strict && !cel_is_absent(value) && value.kind != CEL_BOOL)
			value = cel_error_operands(cx, CEL_ERR_NO_OVERLOAD, CEL_SHAPE_UNARY,
									   is_or ? "exists" : "all", value.kind, 0);
		sum = take_into(cx->is_strict, is_or, sum, value);
		if (cx->is_strict ? cel_is_true(sum) == is_or && sum.kind == CEL_BOOL
						  : cel_is_truthy(sum) == is_or)
			break;
	}
	return sum;
}

static CelValue
macro_exists_one(CelContext *cx, const CelNode *node, CelCursor *cursor)
{
	const CelNode *condition = CEL_NEXT_CHILD(cx->program, CEL_FIRST_CHILD(cx->program, node));
	int64 count = 0;

	while (cel_cursor_next(cursor, &cx->slots[node->slot], NULL))
	{
		CelValue value = cel_eval_node(cx, condition);
		CelValue error;

		cx->position = condition->position;
		if (decide(cx, value, &error))
			count++;
		else if (cel_is_absent(error))
			return error;
	}
	return cel_bool(count == 1);
}

/* filter(x, condition), map(x, body), map(x, condition, body) */
static CelValue
macro_collect(CelContext *cx, const CelNode *node, CelCursor *cursor)
{
	const CelNode *first = CEL_NEXT_CHILD(cx->program, CEL_FIRST_CHILD(cx->program, node));
	const CelNode *second = CEL_NEXT_CHILD(cx->program, first);
	bool has_body = node->type == CEL_NODE_TRANSFORM;
	const CelNode *condition = has_body && node->count == 2 ? NULL : first;
	const CelNode *body = !has_body ? NULL : node->count == 2 ? first : second;
	CelList *list = cel_alloc(cx, offsetof(CelList, items) + cursor->count * sizeof(CelValue));
	CelValue element;

	if (list == NULL)
		return (CelValue){.kind = CEL_ERROR};
	list->count = 0;
	while (cel_cursor_next(cursor, &element, NULL))
	{
		CelValue value = element;
		CelValue error = element;

		cx->slots[node->slot] = element;
		if (condition != NULL)
		{
			cx->position = condition->position;
			if (!decide(cx, cel_eval_node(cx, condition), &error))
			{
				if (cel_is_absent(error))
					return error;
				continue;
			}
		}
		if (body != NULL)
			value = cel_eval_node(cx, body);
		if (value.kind == CEL_MISSING) /* as list + missing is the list */
			continue;
		if (cel_is_absent(value))
			return value;
		list->items[list->count++] = value;
	}
	return (CelValue){.kind = CEL_LIST, .u.list = list};
}
