/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Errors of functions and steps, as they are recorded.
 *
 * SDKs report errors in many forms (protocol.md 6.5, 8.1); what is stored, shown and sent back to them has one
 * form each.  More keys than these would mean something else to an SDK that reads a memo (protocol.md 9.1).
 *
 * IDENTIFICATION
 *	  src/run/fault.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_FAULT_H
#define INN_FAULT_H

#include "utils/jsonb.h"

/* Most bytes of all texts of an error, and of its cause; what is beyond is cut off, the cause is left out. */
#define INN_FAULT_MAX_BYTES (32 * 1024)

/*
 * An error that we report ourselves: {"error": "NAME: MESSAGE", "name", "message"}.  Where the name is "Error",
 * "error" is the message alone.
 */
extern Jsonb *inn_fault_make(const char *name, const char *message);
extern Jsonb *inn_fault_make_full(const char *error, const char *name, const char *message);

/*
 * The error of a function: {"error", "name", "message", "stack"?, "cause"?}.
 *
 * What was reported may have these keys itself or in an object or a JSON text under "error" or "body", may be a
 * JSON text of all that, or any text, which is the message then; NULL: nothing.  no_retry only chooses what
 * "error" says if the app does not.
 */
extern Jsonb *inn_fault_of_function(const JsonbValue *reported, bool no_retry);

/*
 * The error of a step, as it is memoised: {"name", "message", "stack"?, "cause"?, "data"?, "noRetry"?}, of any of the
 * same forms.  "data" is kept as it came: Go reads its zero result from it.
 */
extern Jsonb *inn_fault_of_step(const JsonbValue *reported);

#endif /* INN_FAULT_H */
