/*-------------------------------------------------------------------------
 *
 * metadata.c
 *	  Writing inngest.run_metadata.
 *
 * Few steps have any, so each is a call of its own; what a change means is said once, in SQL (46_metadata.sql), for the HTTP API, too.
 *
 * IDENTIFICATION
 *	  src/store/metadata.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "store/metadata.h"

/* A step that was recorded before is reported once more: its metadata was noted then, too. */
static InnPlan note_metadata =
	{"SELECT inngest.note_metadata($1::inngest.ulid, $2, $3)"
	 " WHERE NOT EXISTS (SELECT FROM inngest.steps WHERE run_id = $1::inngest.ulid AND id = $2)",
	 3,
	 {UUIDOID, TEXTOID, JSONBOID}};

void
inn_metadata_note(const InnUlid *run_id, const char *step_id, Jsonb *changes)
{
	(void) INN_RUN(&note_metadata, inn_arg_ulid(run_id), inn_arg_cstring(step_id),
				   inn_arg(JsonbPGetDatum(changes)));
}
