/*-------------------------------------------------------------------------
 *
 * metadata.h
 *	  What apps say of steps beside their results: table inngest.run_metadata.
 *
 * IDENTIFICATION
 *	  src/store/metadata.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_METADATA_H
#define INN_METADATA_H

#include "utils/jsonb.h"

#include "store/sql.h"

/* Most changes of one answer of an app. */
#define INN_METADATA_MAX_CHANGES 1000

/*
 * Note what was reported with a step (empty: with the run itself): an array of {"kind", "op", "values", "scope"}, protocol.md 16.4.
 * What is wrong in it, or too large, is dropped and logged.  To be called before the step is recorded; of one that is, it counts for nothing.
 */
extern void inn_metadata_note(const InnUlid *run_id, const char *step_id, Jsonb *changes);

#endif /* INN_METADATA_H */
