/*-------------------------------------------------------------------------
 *
 * channel.h
 *	  Calls from HTTP workers to API workers, through shared memory.
 *
 * An HTTP worker accepts events and nothing else in its own transactions; everything that may read for
 * long or wait for a lock is a call: the name of a function in schema inngest, taking JSON
 * and giving JSON.  API workers carry calls out, one at a time each.
 *
 * IDENTIFICATION
 *	  src/http/channel.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CHANNEL_H
#define INN_CHANNEL_H

/* Calls that wait or are being carried out, of all HTTP workers together. */
#define INN_CHANNEL_SLOTS 256

/* Longest name of a function. */
#define INN_CHANNEL_FUNCTION_LEN 64

/* Most memory for arguments and answers together. */
#define INN_CHANNEL_MAX_BYTES (INT64CONST(512) * 1024 * 1024)

/* An answer with this status and no body: whoever carried the call out is gone. */
#define INN_CHANNEL_LOST 0

typedef struct InnCall
{
	int slot;
	char function[INN_CHANNEL_FUNCTION_LEN];
	int error_form; /* as given to inn_channel_post() */
	char *argument; /* palloc'ed, with a NUL; what inn_route_argument() made */
	size_t size;
} InnCall;

typedef struct InnAnswer
{
	void *cookie; /* as given to inn_channel_post() */
	int status;	  /* HTTP status, or INN_CHANNEL_LOST */
	char *body;	  /* palloc'ed, with a NUL */
	size_t size;
} InnAnswer;

extern Size inn_channel_shmem_size(void);
extern void inn_channel_shmem_init(void);

/* Get ready to use the channel, in either role; once per worker. */
extern void inn_channel_attach(void);

/*
 * HTTP side: make a call.  False if the channel is full.  The cookie comes back with the answer; error_form is
 * for whoever makes the answer.
 */
extern bool inn_channel_post(const char *function, int error_form, bool is_quick,
							 const char *argument, size_t size, void *cookie);

/* HTTP side: the next answer to one of this worker's calls, if there is one. */
extern bool inn_channel_poll(InnAnswer *answer);

/* API side: take the oldest call; quick_only leaves the others. */
extern bool inn_channel_take(bool quick_only, InnCall *call);

/* API side: answer a call that was taken. */
extern void inn_channel_answer(const InnCall *call, int status, const char *body, size_t size);

#endif /* INN_CHANNEL_H */
