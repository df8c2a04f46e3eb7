/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  SQLSTATE to HTTP.
 *
 * IDENTIFICATION
 *	  src/base/errors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"

/* PostgreSQL's own conditions that a request can cause. */
static const struct
{
	int sqlerrcode;
	InnHttpError http;
} server_conditions[] = {
	{ERRCODE_FEATURE_NOT_SUPPORTED, {400, "not_supported"}},
	{ERRCODE_INVALID_TEXT_REPRESENTATION, {400, "invalid_parameter"}},
	{ERRCODE_INVALID_PARAMETER_VALUE, {400, "invalid_parameter"}},
	{ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, {400, "invalid_parameter"}},
	{ERRCODE_INVALID_DATETIME_FORMAT, {400, "invalid_parameter"}},
	{ERRCODE_DATETIME_FIELD_OVERFLOW, {400, "invalid_parameter"}},
	{ERRCODE_UNTRANSLATABLE_CHARACTER, {400, "invalid_json"}},
	{ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, {400, "invalid_json"}},
	{ERRCODE_STATEMENT_TOO_COMPLEX, {400, "invalid_json"}},
	{ERRCODE_PROGRAM_LIMIT_EXCEEDED, {413, "too_large"}},
	{ERRCODE_QUERY_CANCELED, {503, "timeout"}},
	{ERRCODE_LOCK_NOT_AVAILABLE, {503, "busy"}},
	{ERRCODE_T_R_SERIALIZATION_FAILURE, {503, "busy"}},
	{ERRCODE_T_R_DEADLOCK_DETECTED, {503, "busy"}},
	{ERRCODE_READ_ONLY_SQL_TRANSACTION, {503, "read_only"}},
	{ERRCODE_DISK_FULL, {503, "disk_full"}},
	{ERRCODE_OUT_OF_MEMORY, {503, "out_of_memory"}},
	{ERRCODE_ADMIN_SHUTDOWN, {503, "shutting_down"}},
};

InnHttpError
inn_error_to_http(int sqlerrcode)
{
	switch (sqlerrcode)
	{
#define INN_ERROR_CASE(name, c, d, e, status, code) \
	case ERRCODE_INN_##name: \
		return (InnHttpError){status, code};
		INN_ERROR_TABLE(INN_ERROR_CASE)
#undef INN_ERROR_CASE
	}

	for (int i = 0; i < (int) lengthof(server_conditions); i++)
	{
		if (server_conditions[i].sqlerrcode == sqlerrcode)
			return server_conditions[i].http;
	}
	return (InnHttpError){500, "internal_error"};
}
