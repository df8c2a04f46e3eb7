/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  From the tokens of an expression to a program: a function per rule of the grammar.
 *
 *	  expr     = or [ "?" or ":" expr ]
 *	  or       = and { "||" and }
 *	  and      = rel { "&&" rel }
 *	  rel      = sum { relop sum }
 *	  sum      = prod { ("+" | "-") prod }
 *	  prod     = unary { ("*" | "/" | "%") unary }
 *	  unary    = { "!" } member | { "-" } member
 *	  member   = primary { "." name [ "(" args ")" ] | "[" expr "]" }
 *	  primary  = ["."] name [ "(" args ")" ] | "(" expr ")" | list | map | literal
 *
 * Operands of one precedence are children of one node, so a long chain is wide and not deep, and its
 * evaluation is a loop.  root.field.field is one node.  A macro's variable gets a slot.
 *
 * While parsing, nodes are in an array that grows, and names and texts lie about; pack() then lays
 * everything out in one allocation of the size it needs, because a server may hold a hundred thousand
 * programs.
 *
 * IDENTIFICATION
 *	  src/cel/parse.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "cel/internal.h"

/* so much of what is wrong is quoted */
#define QUOTED_BYTES 40

/* The node of what could not be parsed, and of nothing. */
#define NOBODY 0

typedef struct Scope
{
	CelName variable;
	uint16 slot;
	struct Scope *outer;
} Scope;

typedef struct Parser
{
	CelLexer lexer;
	CelToken token; /* the next one */
	bool has_failed;
	int depth; /* of nesting */
	Scope *scope;
	uint16 nslots;
	CelNode *nodes;
	int nnodes;
	int nodes_size;
} Parser;

static bool parse(Parser *parser, uint16 *root);
static uint16 parse_expr(Parser *parser);
static uint16 parse_condition(Parser *parser, uint16 condition);
static uint16 parse_or(Parser *parser);
static uint16 parse_and(Parser *parser);
static uint16 parse_rel(Parser *parser);
static uint16 parse_sum(Parser *parser);
static uint16 parse_prod(Parser *parser);
static uint16 parse_chain(Parser *parser, CelNodeType type, uint16 (*operand)(Parser *),
						  CelOperator first, CelOperator last);
static uint16 parse_unary(Parser *parser);
static uint16 parse_magnitude(Parser *parser, bool is_negative);
static uint16 parse_member(Parser *parser);
static uint16 parse_suffixes(Parser *parser, uint16 target);
static uint16 parse_field(Parser *parser, uint16 target);
static uint16 append_field(Parser *parser, uint16 target, CelName name, uint16 dot);
static uint16 parse_index(Parser *parser, uint16 container);
static uint16 parse_primary(Parser *parser);
static uint16 parse_parenthesized(Parser *parser);
static uint16 parse_name(Parser *parser);
static uint16 parse_root_or_local(Parser *parser, CelToken name, bool is_absolute);
static uint16 parse_list(Parser *parser);
static uint16 parse_map(Parser *parser);
static uint16 parse_call(Parser *parser, CelToken name, uint16 target);
static bool parse_arguments(Parser *parser, uint16 call, uint16 last);
static uint16 parse_has(Parser *parser, CelToken name);
static bool macro_type(const Parser *parser, CelToken name, CelNodeType *type);
static uint16 parse_macro(Parser *parser, CelNodeType type, CelToken name, uint16 range);
static uint16 parse_macro_body(Parser *parser, uint16 macro, uint16 range);
static bool enter(Parser *parser);
static bool advance(Parser *parser);
static bool expect(Parser *parser, char punctuation, const char *what);
static bool next_is(const Parser *parser, char punctuation);
static bool next_is_name(Parser *parser, const char *what);
static bool expect_identifier(Parser *parser, const char *what);
static uint16 refuse(Parser *parser, const char *expected);
static uint16 refuse_at(Parser *parser, int position, const char *message);
static uint16 add_node(Parser *parser, CelNodeType type, int position);
static void add_child(Parser *parser, uint16 parent, uint16 *last, uint16 child);
static void add_name(CelNode *node, CelName name);
static CelName token_name(const Parser *parser, CelToken token);
static bool is_word(const Parser *parser, CelToken token, const char *word);
static void resolve_paths(Parser *parser);
static void resolve_path(CelNode *path);
static uint8 find_function(const char *name);
static InnCelProgram *pack(const Parser *parser, uint16 root);
static Size packed_size(const Parser *parser);
static void pack_names(CelNode *node, CelName **names, char **texts);
static void pack_text(CelNode *node, char **texts);
static void compile_patterns(InnCelProgram *program);
static MemoryContextCallback *watch_context(InnCelProgram *program);
static void free_patterns(void *arg);

InnCelProgram *
inn_cel_compile(const char *text, size_t len, InnCelFault *fault)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	Parser parser = {.lexer = {.text = text, .len = len, .fault = fault}};
	InnCelProgram *program = NULL;
	uint16 root;

	if (len > INN_CEL_MAX_BYTES)
	{
		cel_fault(fault, ERRCODE_PROGRAM_LIMIT_EXCEEDED, 0, "expression is longer than %d bytes",
				  INN_CEL_MAX_BYTES);
		return NULL;
	}

	scratch = AllocSetContextCreate(caller, "inngest expression", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	parser.lexer.room = palloc(len + 1);
	if (parse(&parser, &root))
	{
		MemoryContextSwitchTo(caller);
		program = pack(&parser, root);
		compile_patterns(program);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return program;
}

static bool
parse(Parser *parser, uint16 *root)
{
	(void) add_node(parser, CEL_NODE_LITERAL, 0); /* NOBODY */
	if (!advance(parser))
		return false;
	*root = parse_expr(parser);
	if (!parser->has_failed && parser->token.type != CEL_TOKEN_END)
		(void) refuse(parser, "an operator or the end");
	if (parser->has_failed)
		return false;
	resolve_paths(parser);
	return true;
}

/* expr = or [ "?" or ":" expr ] */
static uint16
parse_expr(Parser *parser)
{
	uint16 node;

	if (!enter(parser))
		return NOBODY;
	node = parse_or(parser);
	if (next_is(parser, '?'))
		node = parse_condition(parser, node);
	parser->depth--;
	return node;
}

static uint16
parse_condition(Parser *parser, uint16 condition)
{
	uint16 node = add_node(parser, CEL_NODE_CONDITION, parser->nodes[condition].position);
	uint16 last = NOBODY;

	add_child(parser, node, &last, condition);
	if (!advance(parser))
		return NOBODY;
	add_child(parser, node, &last, parse_or(parser));
	if (!expect(parser, ':', "\":\""))
		return NOBODY;
	add_child(parser, node, &last, parse_expr(parser));
	return node;
}

/* or = and { "||" and } */
static uint16
parse_or(Parser *parser)
{
	return parse_chain(parser, CEL_NODE_OR, parse_and, CEL_OP_OR, CEL_OP_OR);
}

/* and = rel { "&&" rel } */
static uint16
parse_and(Parser *parser)
{
	return parse_chain(parser, CEL_NODE_AND, parse_rel, CEL_OP_AND, CEL_OP_AND);
}

/* rel = sum { relop sum } */
static uint16
parse_rel(Parser *parser)
{
	return parse_chain(parser, CEL_NODE_CHAIN, parse_sum, CEL_OP_EQ, CEL_OP_IN);
}

/* sum = prod { ("+" | "-") prod } */
static uint16
parse_sum(Parser *parser)
{
	return parse_chain(parser, CEL_NODE_CHAIN, parse_prod, CEL_OP_ADD, CEL_OP_SUBTRACT);
}

/* prod = unary { ("*" | "/" | "%") unary } */
static uint16
parse_prod(Parser *parser)
{
	return parse_chain(parser, CEL_NODE_CHAIN, parse_unary, CEL_OP_MULTIPLY, CEL_OP_MODULO);
}

/* Operands joined by operators from first to last of CelOperator; a single one is itself. */
static uint16
parse_chain(Parser *parser, CelNodeType type, uint16 (*operand)(Parser *), CelOperator first,
			CelOperator last_op)
{
	uint16 chain = NOBODY;
	uint16 last = NOBODY;
	uint16 node = operand(parser);

	while (!parser->has_failed && parser->token.type == CEL_TOKEN_OPERATOR &&
		   parser->token.op >= first && parser->token.op <= last_op)
	{
		CelToken op = parser->token;

		if (chain == NOBODY)
		{
			chain = add_node(parser, type, parser->nodes[node].position);
			add_child(parser, chain, &last, node);
		}
		if (!advance(parser))
			return NOBODY;
		node = operand(parser);
		add_child(parser, chain, &last, node);
		parser->nodes[node].joined_by = op.op;
		parser->nodes[node].join_position = op.position;
	}
	return chain == NOBODY ? node : chain;
}

/* unary = { "!" } member | { "-" } member.  The last "-" before a number belongs to it. */
static uint16
parse_unary(Parser *parser)
{
	char sign = next_is(parser, '!') ? '!' : next_is(parser, '-') ? '-' : '\0';
	int position = parser->token.position;
	uint16 node;
	uint16 last = NOBODY;

	if (sign == '\0')
		return parse_member(parser);
	if (!enter(parser) || !advance(parser))
		return NOBODY;
	if (sign == '-' && parser->token.type == CEL_TOKEN_MAGNITUDE)
		node = parse_suffixes(parser, parse_magnitude(parser, true));
	else if (sign == '-' && parser->token.literal.kind == CEL_DOUBLE)
	{
		parser->token.literal.u.d = -parser->token.literal.u.d;
		node = parse_member(parser);
	}
	else
	{
		uint16 operand = next_is(parser, sign) ? parse_unary(parser) : parse_member(parser);

		node = add_node(parser, sign == '!' ? CEL_NODE_NOT : CEL_NODE_MINUS, position);
		add_child(parser, node, &last, operand);
	}
	parser->depth--;
	return node;
}

/* A whole number whose sign is known. */
static uint16
parse_magnitude(Parser *parser, bool is_negative)
{
	uint16 node = add_node(parser, CEL_NODE_LITERAL, parser->token.position);
	uint64 magnitude = parser->token.literal.u.u;

	if (magnitude > (uint64) PG_INT64_MAX + (is_negative ? 1 : 0))
		return refuse_at(parser, parser->token.position, "whole number is out of range of an int");
	parser->nodes[node].u.literal = cel_int((int64) (is_negative ? -magnitude : magnitude));
	return advance(parser) ? node : NOBODY;
}

/* member = primary { "." name [ "(" args ")" ] | "[" expr "]" } */
static uint16
parse_member(Parser *parser)
{
	return parse_suffixes(parser, parse_primary(parser));
}

static uint16
parse_suffixes(Parser *parser, uint16 node)
{
	int depth = parser->depth;

	while (!parser->has_failed && (next_is(parser, '.') || next_is(parser, '[')))
	{
		uint16 inner = node;

		node = next_is(parser, '.') ? parse_field(parser, node) : parse_index(parser, node);
		/* evaluation goes down into what is on the left */
		if (node != inner && !parser->has_failed && !enter(parser))
			return NOBODY;
	}
	parser->depth = depth;
	return node;
}

static uint16
parse_field(Parser *parser, uint16 target)
{
	uint16 dot = parser->token.position;
	CelToken name;

	if (!advance(parser) || !next_is_name(parser, "the name of a field"))
		return NOBODY;
	name = parser->token;
	if (!advance(parser))
		return NOBODY;
	if (next_is(parser, '('))
		return parse_call(parser, name, target);
	return append_field(parser, target, token_name(parser, name), dot);
}

static uint16
append_field(Parser *parser, uint16 target, CelName name, uint16 dot)
{
	CelNode *node = &parser->nodes[target];
	uint16 select;
	uint16 last = NOBODY;

	if ((node->type == CEL_NODE_PATH || node->type == CEL_NODE_LOCAL) &&
		!(node->flags & CEL_NODE_IS_PARENTHESIZED))
	{
		add_name(node, name);
		return target;
	}
	select = add_node(parser, CEL_NODE_SELECT, dot);
	add_child(parser, select, &last, target);
	add_name(&parser->nodes[select], name);
	return select;
}

static uint16
parse_index(Parser *parser, uint16 container)
{
	uint16 node = add_node(parser, CEL_NODE_INDEX, parser->token.position);
	uint16 last = NOBODY;

	add_child(parser, node, &last, container);
	if (!advance(parser))
		return NOBODY;
	add_child(parser, node, &last, parse_expr(parser));
	return expect(parser, ']', "\"]\"") ? node : NOBODY;
}

/* primary = ["."] name [ "(" args ")" ] | "(" expr ")" | list | map | literal */
static uint16
parse_primary(Parser *parser)
{
	uint16 node;

	if (parser->has_failed)
		return NOBODY;
	switch (parser->token.type)
	{
		case CEL_TOKEN_NAME:
			return parse_name(parser);
		case CEL_TOKEN_MAGNITUDE:
			return parse_magnitude(parser, false);
		case CEL_TOKEN_LITERAL:
			node = add_node(parser, CEL_NODE_LITERAL, parser->token.position);
			parser->nodes[node].u.literal = parser->token.literal;
			return advance(parser) ? node : NOBODY;
		default:
			break;
	}
	if (next_is(parser, '('))
		return parse_parenthesized(parser);
	if (next_is(parser, '['))
		return parse_list(parser);
	if (next_is(parser, '{'))
		return parse_map(parser);
	if (next_is(parser, '.'))
		return parse_name(parser);
	return refuse(parser, "a value");
}

static uint16
parse_parenthesized(Parser *parser)
{
	uint16 node;

	if (!advance(parser))
		return NOBODY;
	node = parse_expr(parser);
	parser->nodes[node].flags |= CEL_NODE_IS_PARENTHESIZED;
	return expect(parser, ')', "\")\"") ? node : NOBODY;
}

/* A variable or a call of a global function; "." in front: not a macro's variable. */
static uint16
parse_name(Parser *parser)
{
	bool is_absolute = next_is(parser, '.');
	CelToken name;

	if (is_absolute && !advance(parser))
		return NOBODY;
	name = parser->token;
	if (!expect_identifier(parser, "a name"))
		return NOBODY;
	if (next_is(parser, '('))
		return parse_call(parser, name, NOBODY);
	return parse_root_or_local(parser, name, is_absolute);
}

static uint16
parse_root_or_local(Parser *parser, CelToken token, bool is_absolute)
{
	CelName name = token_name(parser, token);
	const Scope *scope = is_absolute ? NULL : parser->scope;
	uint16 node;

	while (scope != NULL && strcmp(scope->variable.text, name.text) != 0)
		scope = scope->outer;

	node = add_node(parser, scope == NULL ? CEL_NODE_PATH : CEL_NODE_LOCAL, token.position);
	if (scope != NULL)
		parser->nodes[node].slot = scope->slot;
	add_name(&parser->nodes[node], name);
	return node;
}

/* "[" [ expr {"," expr} ] [","] "]" */
static uint16
parse_list(Parser *parser)
{
	uint16 node = add_node(parser, CEL_NODE_LIST, parser->token.position);
	uint16 last = NOBODY;
	bool is_constant = true;

	if (!advance(parser))
		return NOBODY;
	if (next_is(parser, ',')) /* [,] is a list */
		return advance(parser) && expect(parser, ']', "\"]\"") ? node : NOBODY;
	while (!next_is(parser, ']'))
	{
		uint16 element = parse_expr(parser);

		is_constant = is_constant && parser->nodes[element].type == CEL_NODE_LITERAL;
		add_child(parser, node, &last, element);
		if (!next_is(parser, ']') && !expect(parser, ',', "\",\" or \"]\""))
			return NOBODY;
	}
	if (is_constant)
		parser->nodes[node].flags |= CEL_NODE_IS_CONSTANT;
	return advance(parser) ? node : NOBODY;
}

/* "{" [ expr ":" expr {"," expr ":" expr} ] [","] "}" */
static uint16
parse_map(Parser *parser)
{
	uint16 node = add_node(parser, CEL_NODE_MAP, parser->token.position);
	uint16 last = NOBODY;

	if (!advance(parser))
		return NOBODY;
	if (next_is(parser, ','))
		return advance(parser) && expect(parser, '}', "\"}\"") ? node : NOBODY;
	while (!next_is(parser, '}'))
	{
		add_child(parser, node, &last, parse_expr(parser));
		if (!expect(parser, ':', "\":\""))
			return NOBODY;
		add_child(parser, node, &last, parse_expr(parser));
		if (!next_is(parser, '}') && !expect(parser, ',', "\",\" or \"}\""))
			return NOBODY;
	}
	return advance(parser) ? node : NOBODY;
}

/* The next token is "(". */
static uint16
parse_call(Parser *parser, CelToken name, uint16 target)
{
	CelNodeType macro;
	uint16 node;
	uint16 last = NOBODY;

	if (target == NOBODY && is_word(parser, name, "has"))
		return parse_has(parser, name);
	if (target != NOBODY && macro_type(parser, name, &macro))
		return parse_macro(parser, macro, name, target);

	node = add_node(parser, CEL_NODE_CALL, name.position);
	add_name(&parser->nodes[node], token_name(parser, name));
	parser->nodes[node].count = 0;
	parser->nodes[node].function = find_function(parser->nodes[node].u.s.names[0].text);
	if (target != NOBODY)
	{
		parser->nodes[node].flags |= CEL_NODE_IS_METHOD;
		add_child(parser, node, &last, target);
	}
	return parse_arguments(parser, node, last) ? node : NOBODY;
}

static bool
parse_arguments(Parser *parser, uint16 call, uint16 last)
{
	if (!advance(parser))
		return false;
	if (next_is(parser, ')'))
		return advance(parser);
	for (;;)
	{
		add_child(parser, call, &last, parse_expr(parser));
		if (!next_is(parser, ','))
			return expect(parser, ')', "\",\" or \")\"");
		if (!advance(parser))
			return false;
	}
}

/* has(e.f) */
static uint16
parse_has(Parser *parser, CelToken name)
{
	uint16 node = add_node(parser, CEL_NODE_HAS, name.position);
	uint16 last = NOBODY;
	const CelNode *argument;

	if (!advance(parser))
		return NOBODY;
	add_child(parser, node, &last, parse_expr(parser));
	if (!expect(parser, ')', "\")\""))
		return NOBODY;
	argument = &parser->nodes[parser->nodes[node].child];
	if (argument->type == CEL_NODE_SELECT)
		return node;
	if ((argument->type == CEL_NODE_PATH || argument->type == CEL_NODE_LOCAL) &&
		argument->count > 1)
		return node;
	return refuse_at(parser, argument->position,
					 "invalid argument to has() macro: it takes a field, as in has(event.data.id)");
}

static bool
macro_type(const Parser *parser, CelToken name, CelNodeType *type)
{
	static const struct
	{
		const char *name;
		CelNodeType type;
	} macros[] = {
		{"all", CEL_NODE_ALL},
		{"exists", CEL_NODE_EXISTS},
		{"exists_one", CEL_NODE_EXISTS_ONE},
		{"existsOne", CEL_NODE_EXISTS_ONE},
		{"filter", CEL_NODE_FILTER},
		{"map", CEL_NODE_TRANSFORM},
	};

	for (int i = 0; i < (int) lengthof(macros); i++)
	{
		if (!is_word(parser, name, macros[i].name))
			continue;
		*type = macros[i].type;
		return true;
	}
	return false;
}

/* range.macro(variable, condition or body [, body of map]); the next token is "(" */
static uint16
parse_macro(Parser *parser, CelNodeType type, CelToken name, uint16 range)
{
	uint16 macro = add_node(parser, type, name.position);
	CelToken variable;
	Scope scope = {.outer = parser->scope,
				   .slot = parser->scope == NULL ? 0 : parser->scope->slot + 1};

	parser->nodes[macro].slot = scope.slot;
	if (!advance(parser))
		return NOBODY;
	variable = parser->token;
	if (!expect_identifier(parser, "the name of a variable"))
		return NOBODY;
	if (!expect(parser, ',', "\",\" after the variable of a macro"))
		return NOBODY;

	scope.variable = token_name(parser, variable);
	parser->scope = &scope;
	parser->nslots = Max(parser->nslots, scope.slot + 1);
	macro = parse_macro_body(parser, macro, range);
	parser->scope = scope.outer;
	return macro;
}

static uint16
parse_macro_body(Parser *parser, uint16 macro, uint16 range)
{
	uint16 last = NOBODY;

	add_child(parser, macro, &last, range);
	add_child(parser, macro, &last, parse_expr(parser));
	if (parser->nodes[macro].type == CEL_NODE_TRANSFORM && next_is(parser, ','))
	{
		if (!advance(parser))
			return NOBODY;
		add_child(parser, macro, &last, parse_expr(parser));
	}
	return expect(parser, ')', "\")\"") ? macro : NOBODY;
}

/* ---- tokens and faults ---- */

/* Go a level deeper; whoever does goes up again by lowering depth. */
static bool
enter(Parser *parser)
{
	if (parser->has_failed)
		return false;
	if (++parser->depth <= INN_CEL_MAX_DEPTH && !stack_is_too_deep())
		return true;
	parser->has_failed = true;
	cel_fault(parser->lexer.fault, ERRCODE_STATEMENT_TOO_COMPLEX, parser->token.position,
			  "expression is nested deeper than %d levels", INN_CEL_MAX_DEPTH);
	return false;
}

static bool
advance(Parser *parser)
{
	if (parser->has_failed)
		return false;
	parser->token = cel_lex(&parser->lexer);
	parser->has_failed = parser->token.type == CEL_TOKEN_FAULT;
	return !parser->has_failed;
}

static bool
expect(Parser *parser, char punctuation, const char *what)
{
	if (next_is(parser, punctuation))
		return advance(parser);
	(void) refuse(parser, what);
	return false;
}

static bool
next_is(const Parser *parser, char punctuation)
{
	return !parser->has_failed && parser->token.punctuation == punctuation;
}

static bool
next_is_name(Parser *parser, const char *what)
{
	if (!parser->has_failed && parser->token.type == CEL_TOKEN_NAME)
		return true;
	(void) refuse(parser, what);
	return false;
}

/* A name that stands for a value or a function; what comes after a dot may be a reserved word. */
static bool
expect_identifier(Parser *parser, const char *what)
{
	static const char *const reserved[] = {
		"as",  "break", "const",   "continue",	"else",	  "for", "function", "if",	  "import",
		"let", "loop",	"package", "namespace", "return", "var", "void",	 "while",
	};

	if (!next_is_name(parser, what))
		return false;
	for (int i = 0; i < (int) lengthof(reserved); i++)
	{
		if (is_word(parser, parser->token, reserved[i]))
		{
			(void) refuse(parser, "a name that is not a reserved word");
			return false;
		}
	}
	return advance(parser);
}

static uint16
refuse(Parser *parser, const char *expected)
{
	CelToken token = parser->token;
	const char *text = parser->lexer.text + token.position;

	if (parser->has_failed)
		return NOBODY;
	parser->has_failed = true;
	if (token.type == CEL_TOKEN_END)
		cel_fault(parser->lexer.fault, ERRCODE_SYNTAX_ERROR, (int) parser->lexer.len,
				  "syntax error at the end: expected %s", expected);
	else
		cel_fault(parser->lexer.fault, ERRCODE_SYNTAX_ERROR, token.position,
				  "syntax error at \"%.*s\": expected %s",
				  pg_mbcliplen(text, token.length, QUOTED_BYTES), text, expected);
	return NOBODY;
}

static uint16
refuse_at(Parser *parser, int position, const char *message)
{
	if (!parser->has_failed)
		cel_fault(parser->lexer.fault, ERRCODE_SYNTAX_ERROR, position, "%s", message);
	parser->has_failed = true;
	return NOBODY;
}

/* ---- nodes ---- */

static uint16
add_node(Parser *parser, CelNodeType type, int position)
{
	if (parser->nnodes > INN_CEL_MAX_NODES)
	{
		if (!parser->has_failed)
			cel_fault(parser->lexer.fault, ERRCODE_PROGRAM_LIMIT_EXCEEDED, position,
					  "expression has more than %d parts", INN_CEL_MAX_NODES);
		parser->has_failed = true;
		return NOBODY;
	}
	if (parser->nnodes == parser->nodes_size)
	{
		parser->nodes_size = Max(16, parser->nodes_size * 2);
		parser->nodes = parser->nodes == NULL
							? palloc(parser->nodes_size * sizeof(CelNode))
							: repalloc(parser->nodes, parser->nodes_size * sizeof(CelNode));
	}
	parser->nodes[parser->nnodes] = (CelNode){.type = type, .position = (uint16) position};
	return (uint16) parser->nnodes++;
}

/* *last is the child that was added last, NOBODY at first. */
static void
add_child(Parser *parser, uint16 parent, uint16 *last, uint16 child)
{
	if (child == NOBODY || parent == NOBODY)
		return;
	if (*last == NOBODY)
		parser->nodes[parent].child = child;
	else
		parser->nodes[*last].next = child;
	parser->nodes[parent].count++;
	*last = child;
}

/* Arrays of names grow at powers of two. */
static void
add_name(CelNode *node, CelName name)
{
	CelName *names = unconstify(CelName *, node->u.s.names);
	int n = node->type == CEL_NODE_SELECT ? 0 : node->count;

	if (n == 0)
		names = palloc(sizeof(CelName));
	else if ((n & (n - 1)) == 0)
		names = repalloc(names, n * 2 * sizeof(CelName));
	names[n] = name;
	node->u.s.names = names;
	if (node->type != CEL_NODE_SELECT)
		node->count++;
}

static CelName
token_name(const Parser *parser, CelToken token)
{
	return (CelName){pnstrdup(parser->lexer.text + token.position, token.length), token.length};
}

static bool
is_word(const Parser *parser, CelToken token, const char *word)
{
	return token.length == strlen(word) &&
		   memcmp(parser->lexer.text + token.position, word, token.length) == 0;
}

/* What is known of a path only when all of it has been read. */
static void
resolve_paths(Parser *parser)
{
	for (int i = 1; i < parser->nnodes; i++)
	{
		if (parser->nodes[i].type == CEL_NODE_PATH)
			resolve_path(&parser->nodes[i]);
	}
}

static void
resolve_path(CelNode *path)
{
	const CelName *names = path->u.s.names;
	CelKind kind;

	if (strcmp(names[0].text, "event") == 0)
		path->slot = CEL_ROOT_EVENT;
	else if (strcmp(names[0].text, "async") == 0)
		path->slot = CEL_ROOT_ASYNC;
	else
		path->slot = CEL_ROOT_OTHER;

	/* of the dotted names of types, which begin with google.protobuf, the end tells */
	if (path->count == 1 || (path->count == 3 && strcmp(names[0].text, "google") == 0 &&
							 strcmp(names[1].text, "protobuf") == 0))
	{
		if (cel_type_by_name(names[path->count - 1].text, path->count == 3, &kind))
			path->flags |= CEL_NODE_MAY_BE_TYPE;
	}
}

static uint8
find_function(const char *name)
{
	for (int i = 0; i < cel_function_count; i++)
	{
		if (strcmp(cel_functions[i].name, name) == 0)
			return (uint8) i;
	}
	return CEL_NO_FUNCTION;
}

/* ---- the program ---- */

static bool
has_names(const CelNode *node)
{
	return node->type == CEL_NODE_PATH || node->type == CEL_NODE_LOCAL ||
		   node->type == CEL_NODE_SELECT || node->type == CEL_NODE_CALL;
}

static int
name_count(const CelNode *node)
{
	return node->type == CEL_NODE_PATH || node->type == CEL_NODE_LOCAL ? node->count : 1;
}

static bool
has_text(const CelNode *node)
{
	return node->type == CEL_NODE_LITERAL &&
		   (node->u.literal.kind == CEL_STRING || node->u.literal.kind == CEL_BYTES);
}

/* Header, nodes, names, texts. */
static InnCelProgram *
pack(const Parser *parser, uint16 root)
{
	InnCelProgram *program = palloc(packed_size(parser));
	CelName *names = (CelName *) &program->nodes[parser->nnodes];
	char *texts = (char *) names;

	program->nnodes = (uint16) parser->nnodes;
	program->root = root;
	program->nslots = parser->nslots;
	memcpy(program->nodes, parser->nodes, parser->nnodes * sizeof(CelNode));

	for (int i = 1; i < parser->nnodes; i++)
	{
		if (has_names(&parser->nodes[i]))
			texts += name_count(&parser->nodes[i]) * sizeof(CelName);
	}
	for (int i = 1; i < parser->nnodes; i++)
	{
		if (has_names(&program->nodes[i]))
			pack_names(&program->nodes[i], &names, &texts);
		else if (has_text(&program->nodes[i]))
			pack_text(&program->nodes[i], &texts);
	}
	return program;
}

static Size
packed_size(const Parser *parser)
{
	Size size = offsetof(InnCelProgram, nodes) + parser->nnodes * sizeof(CelNode);

	for (int i = 1; i < parser->nnodes; i++)
	{
		const CelNode *node = &parser->nodes[i];

		if (has_text(node))
			size += node->u.literal.length;
		if (!has_names(node))
			continue;
		for (int j = 0; j < name_count(node); j++)
			size += sizeof(CelName) + node->u.s.names[j].length + 1;
	}
	return size;
}

static void
pack_names(CelNode *node, CelName **names, char **texts)
{
	CelName *copies = *names;
	int n = name_count(node);

	for (int i = 0; i < n; i++)
	{
		CelName name = node->u.s.names[i];

		memcpy(*texts, name.text, name.length + 1);
		copies[i] = (CelName){*texts, name.length};
		*texts += name.length + 1;
	}
	node->u.s.names = copies;
	*names += n;
}

static void
pack_text(CelNode *node, char **texts)
{
	uint32 length = node->u.literal.length;

	memcpy(*texts, node->u.literal.u.text, length);
	node->u.literal.u.text = *texts;
	*texts += length;
}

/* Patterns that are literals, once.  One that is wrong is an error when it is used. */
static void
compile_patterns(InnCelProgram *program)
{
	MemoryContextCallback *callback = NULL;
	char unused[1];

	for (int i = 1; i < program->nnodes; i++)
	{
		CelNode *call = &program->nodes[i];
		const CelNode *pattern;

		if (call->type != CEL_NODE_CALL || call->function == CEL_NO_FUNCTION || call->count != 2 ||
			!cel_functions[call->function].takes_pattern)
			continue;
		pattern = CEL_NEXT_CHILD(program, CEL_FIRST_CHILD(program, call));
		if (pattern->type != CEL_NODE_LITERAL || pattern->u.literal.kind != CEL_STRING)
			continue;
		if (callback == NULL)
			callback = watch_context(program);
		call->u.s.regex = cel_regex_compile(pattern->u.literal.u.text, pattern->u.literal.length,
											true, unused, sizeof(unused));
	}
}

/* PCRE2's memory is malloc's, and goes when the program does. */
static MemoryContextCallback *
watch_context(InnCelProgram *program)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = free_patterns;
	callback->arg = program;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return callback;
}

static void
free_patterns(void *arg)
{
	InnCelProgram *program = arg;

	for (int i = 1; i < program->nnodes; i++)
	{
		if (program->nodes[i].type == CEL_NODE_CALL && program->nodes[i].u.s.regex != NULL)
			cel_regex_free(program->nodes[i].u.s.regex);
	}
}
