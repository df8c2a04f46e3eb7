/*
 * What fuzz targets share that single-user mode loads as a library: their arguments, a recipe of words.
 *
 * A recipe makes text of an input: each byte chooses the next word, so that mutations reach what is behind the
 * parser.
 */
#ifndef FUZZ_IN_SERVER_H
#define FUZZ_IN_SERVER_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

extern int LLVMFuzzerRunDriver(int *argc, char ***argv,
							   int (*callback)(const uint8_t *data, size_t size));

/* Run libFuzzer with the words of the SQL function's first argument. */
static inline Datum
fuzz_run(FunctionCallInfo fcinfo, int (*test_one_input)(const uint8_t *data, size_t size))
{
	Datum *words;
	int nwords;
	char **argv;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &words, NULL,
					  &nwords);
	argv = palloc0((nwords + 1) * sizeof(char *));
	for (int i = 0; i < nwords; i++)
		argv[i] = TextDatumGetCString(words[i]);
	PG_RETURN_INT32(LLVMFuzzerRunDriver(&nwords, &argv, test_one_input));
}

/* Words that the bytes of an input choose, joined. */
static inline void
fuzz_append_words(StringInfo out, const char *const *words, int nwords, const uint8_t *data,
				  size_t size)
{
	for (size_t i = 0; i < size; i++)
		appendStringInfoString(out, words[data[i] % nwords]);
}

#endif /* FUZZ_IN_SERVER_H */
