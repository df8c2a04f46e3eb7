/*-------------------------------------------------------------------------
 *
 * channel.c
 *	  Slots in shared memory, arguments and answers in a dynamic area.
 *
 * A slot goes through
 *
 *		FREE	-> POSTED	[inn_channel_post]
 *		POSTED	-> TAKEN	[inn_channel_take]
 *		TAKEN	-> ANSWERED	[inn_channel_answer, or the exit of the taker]
 *		ANSWERED -> FREE	[inn_channel_poll]
 *
 * and every transition is made under one lock, which is held for a few instructions.  If the caller exits,
 * its slots become free, those that are taken when they are answered.  If the taker exits, the caller
 * gets an answer that says so.  A crash of either resets shared memory.
 *
 * IDENTIFICATION
 *	  src/http/channel.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#include "base/wake.h"
#include "http/channel.h"

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_POSTED,
	SLOT_TAKEN,
	SLOT_ANSWERED
} SlotState;

typedef struct Slot
{
	SlotState state;
	uint64 number;	/* calls are taken in the order of their numbers */
	int caller_pid; /* 0: the caller is gone */
	int taker_pid;
	Latch *caller_latch;
	void *cookie;
	bool is_quick;
	int error_form;
	int status;
	dsa_pointer payload; /* argument, then answer */
	size_t size;
	char function[INN_CHANNEL_FUNCTION_LEN];
} Slot;

typedef struct Channel
{
	LWLock lock;
	int tranche;
	dsa_handle area; /* DSA_HANDLE_INVALID until somebody needs it */
	uint64 next_number;
	Slot slots[INN_CHANNEL_SLOTS];
} Channel;

static Channel *channel;
static dsa_area *area;

static bool put_payload(const char *data, size_t size, dsa_pointer *payload);
static char *get_payload(dsa_pointer payload, size_t size);
static void free_payload(dsa_pointer *payload);
static Slot *oldest(SlotState state, bool quick_only, int caller_pid);
static void free_slot(Slot *slot);
static void leave(int code, Datum arg);

Size
inn_channel_shmem_size(void)
{
	return MAXALIGN(sizeof(Channel));
}

void
inn_channel_shmem_init(void)
{
	bool found;

	channel = ShmemInitStruct("inngest channel", sizeof(Channel), &found);
	if (found)
		return;
	memset(channel, 0, sizeof(Channel));
	channel->tranche = LWLockNewTrancheId();
	LWLockInitialize(&channel->lock, channel->tranche);
	channel->area = DSM_HANDLE_INVALID;
}

void
inn_channel_attach(void)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	LWLockRegisterTranche(channel->tranche, "inngest_channel");
	LWLockAcquire(&channel->lock, LW_EXCLUSIVE);
	if (channel->area == DSM_HANDLE_INVALID)
	{
		area = dsa_create(channel->tranche);
		dsa_pin(area);
		dsa_set_size_limit(area, INN_CHANNEL_MAX_BYTES);
		channel->area = dsa_get_handle(area);
	}
	else
		area = dsa_attach(channel->area);
	dsa_pin_mapping(area);
	LWLockRelease(&channel->lock);
	MemoryContextSwitchTo(caller);
	before_shmem_exit(leave, (Datum) 0);
}

bool
inn_channel_post(const char *function, int error_form, bool is_quick, const char *argument,
				 size_t size, void *cookie)
{
	dsa_pointer payload;
	Slot *slot;

	Assert(strlen(function) < INN_CHANNEL_FUNCTION_LEN);
	if (!put_payload(argument, size, &payload))
		return false;

	LWLockAcquire(&channel->lock, LW_EXCLUSIVE);
	slot = oldest(SLOT_FREE, false, 0);
	if (slot != NULL)
	{
		*slot = (Slot){
			.state = SLOT_POSTED,
			.number = channel->next_number++,
			.caller_pid = MyProcPid,
			.caller_latch = MyLatch,
			.cookie = cookie,
			.is_quick = is_quick,
			.error_form = error_form,
			.payload = payload,
			.size = size,
		};
		strlcpy(slot->function, function, sizeof(slot->function));
	}
	LWLockRelease(&channel->lock);

	if (slot == NULL)
	{
		free_payload(&payload);
		return false;
	}
	inn_wake(INN_ROLE_API);
	return true;
}

bool
inn_channel_poll(InnAnswer *answer)
{
	Slot *slot;
	Slot copy;

	LWLockAcquire(&channel->lock, LW_EXCLUSIVE);
	slot = oldest(SLOT_ANSWERED, false, MyProcPid);
	if (slot != NULL)
	{
		copy = *slot;
		*slot = (Slot){.state = SLOT_FREE};
	}
	LWLockRelease(&channel->lock);
	if (slot == NULL)
		return false;

	*answer = (InnAnswer){
		.cookie = copy.cookie,
		.status = copy.status,
		.body = get_payload(copy.payload, copy.size),
		.size = copy.size,
	};
	free_payload(&copy.payload);
	return true;
}

bool
inn_channel_take(bool quick_only, InnCall *call)
{
	Slot *slot;

	LWLockAcquire(&channel->lock, LW_EXCLUSIVE);
	slot = oldest(SLOT_POSTED, quick_only, 0);
	if (slot != NULL)
	{
		slot->state = SLOT_TAKEN;
		slot->taker_pid = MyProcPid;
	}
	LWLockRelease(&channel->lock);
	if (slot == NULL)
		return false;

	/* The slot is ours alone until it is answered. */
	call->slot = slot - channel->slots;
	strlcpy(call->function, slot->function, sizeof(call->function));
	call->error_form = slot->error_form;
	call->argument = get_payload(slot->payload, slot->size);
	call->size = slot->size;
	free_payload(&slot->payload);
	return true;
}

void
inn_channel_answer(const InnCall *call, int status, const char *body, size_t size)
{
	Slot *slot = &channel->slots[call->slot];
	dsa_pointer payload;

	if (!put_payload(body, size, &payload))
		status = INN_CHANNEL_LOST;

	LWLockAcquire(&channel->lock, LW_EXCLUSIVE);
	Assert(slot->state == SLOT_TAKEN);
	Assert(slot->taker_pid == MyProcPid);
	slot->status = status;
	slot->payload = payload;
	slot->size = status == INN_CHANNEL_LOST ? 0 : size;
	slot->taker_pid = 0;
	if (slot->caller_pid == 0)
		free_slot(slot);
	else
	{
		slot->state = SLOT_ANSWERED;
		SetLatch(slot->caller_latch);
	}
	LWLockRelease(&channel->lock);
}

/* The slot in this state with the lowest number; caller_pid 0 for anybody's. */
static Slot *
oldest(SlotState state, bool quick_only, int caller_pid)
{
	Slot *found = NULL;

	for (int i = 0; i < INN_CHANNEL_SLOTS; i++)
	{
		Slot *slot = &channel->slots[i];

		if (slot->state != state || (quick_only && !slot->is_quick) ||
			(caller_pid != 0 && slot->caller_pid != caller_pid))
			continue;
		if (state == SLOT_FREE)
			return slot;
		if (found == NULL || slot->number < found->number)
			found = slot;
	}
	return found;
}

static bool
put_payload(const char *data, size_t size, dsa_pointer *payload)
{
	*payload = InvalidDsaPointer;
	if (size == 0)
		return true;
	*payload = dsa_allocate_extended(area, size, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
	if (!DsaPointerIsValid(*payload))
		return false;
	memcpy(dsa_get_address(area, *payload), data, size);
	return true;
}

static char *
get_payload(dsa_pointer payload, size_t size)
{
	char *data = palloc_extended(size + 1, MCXT_ALLOC_HUGE);

	if (size > 0)
		memcpy(data, dsa_get_address(area, payload), size);
	data[size] = '\0';
	return data;
}

static void
free_payload(dsa_pointer *payload)
{
	if (DsaPointerIsValid(*payload))
		dsa_free(area, *payload);
	*payload = InvalidDsaPointer;
}

static void
free_slot(Slot *slot)
{
	free_payload(&slot->payload);
	*slot = (Slot){.state = SLOT_FREE};
}

/* This worker exits: give up its calls, and those that it was carrying out. */
static void
leave(int code, Datum arg)
{
	LWLockAcquire(&channel->lock, LW_EXCLUSIVE);
	for (int i = 0; i < INN_CHANNEL_SLOTS; i++)
	{
		Slot *slot = &channel->slots[i];

		if (slot->state == SLOT_FREE)
			continue;
		if (slot->caller_pid == MyProcPid)
		{
			slot->caller_pid = 0;
			if (slot->state != SLOT_TAKEN)
				free_slot(slot);
		}
		else if (slot->state == SLOT_TAKEN && slot->taker_pid == MyProcPid)
		{
			if (slot->caller_pid == 0)
			{
				free_slot(slot);
				continue;
			}
			free_payload(&slot->payload);
			slot->status = INN_CHANNEL_LOST;
			slot->size = 0;
			slot->taker_pid = 0;
			slot->state = SLOT_ANSWERED;
			SetLatch(slot->caller_latch);
		}
	}
	LWLockRelease(&channel->lock);
}
