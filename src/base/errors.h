/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  What can go wrong by the user's doing: our SQLSTATE class.
 *
 * Each line is one fault that a caller may want to tell apart.  SQL callers see the SQLSTATE, HTTP
 * callers the status and the code; both come from this table, so they cannot disagree.
 *
 * IDENTIFICATION
 *	  src/base/errors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_ERRORS_H
#define INN_ERRORS_H

/* X(name, last three characters of the SQLSTATE "IN...", HTTP status, public code) */
#define INN_ERROR_TABLE(X) \
	X(EVENT_INVALID, '0', '0', '1', 400, "invalid_event") \
	X(EVENT_TOO_LARGE, '0', '0', '2', 413, "event_too_large") \
	X(EVENT_NAME_RESERVED, '0', '0', '3', 400, "event_name_reserved") \
	X(TOO_MANY_EVENTS, '0', '0', '4', 400, "too_many_events") \
	X(EVENT_GONE, '0', '0', '5', 410, "event_gone") \
	X(EVENT_NOT_FOUND, '0', '0', '6', 404, "event_not_found") \
	X(FUNCTION_INVALID, '0', '1', '0', 400, "invalid_function") \
	X(FUNCTION_NOT_FOUND, '0', '1', '1', 404, "function_not_found") \
	X(APP_NOT_FOUND, '0', '1', '2', 404, "app_not_found") \
	X(RUN_NOT_FOUND, '0', '2', '0', 404, "run_not_found") \
	X(LEASE_LOST, '0', '2', '1', 409, "lease_lost") \
	X(RUN_ENDED, '0', '2', '2', 409, "run_already_ended") \
	X(RUN_CANCELLED, '0', '2', '3', 409, "run_already_cancelled") \
	X(DISPATCH_STALE, '0', '2', '4', 409, "stale_dispatch") \
	X(CHECKPOINT_INVALID, '0', '2', '5', 400, "invalid_checkpoint") \
	X(STATE_TOO_LARGE, '0', '2', '6', 413, "state_too_large") \
	X(STATE_GONE, '0', '2', '7', 410, "state_gone") \
	X(CANCELLATION_NOT_FOUND, '0', '2', '8', 404, "cancellation_not_found") \
	X(STEP_NOT_FOUND, '0', '2', '9', 404, "step_not_found") \
	X(RUN_EXISTS, '0', '1', '3', 409, "run_exists") \
	X(TOKEN_INVALID, '0', '1', '4', 401, "unauthorized") \
	X(PARAMETER_INVALID, '0', '3', '0', 400, "invalid_parameter") \
	X(JSON_INVALID, '0', '3', '1', 400, "invalid_json")

#define INN_ERROR_DECLARE(name, c, d, e, status, code) \
	ERRCODE_INN_##name = MAKE_SQLSTATE('I', 'N', c, d, e),

enum InnErrorCode
{
	INN_ERROR_TABLE(INN_ERROR_DECLARE)
};

#undef INN_ERROR_DECLARE

typedef struct InnHttpError
{
	int status;
	const char *code;
} InnHttpError;

/* How an SQLSTATE is told over HTTP; anything that is nobody's fault but ours is 500 "internal_error". */
extern InnHttpError inn_error_to_http(int sqlerrcode);

#endif /* INN_ERRORS_H */
