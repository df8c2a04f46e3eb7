"""The test app of the Python SDK: the features that were recorded with the TypeScript one, as far as this SDK has them.

/api/inngest serves them all, /api/stream one that answers in streams, /api/flow those with flow
control.  Environment: PORT, FAKE (URL of the service that AI steps talk to), and what the SDK reads:
INNGEST_DEV, or INNGEST_API_BASE_URL, INNGEST_EVENT_API_BASE_URL, INNGEST_SIGNING_KEY and INNGEST_EVENT_KEY.
"""
import datetime
import logging
import os
import sys
import threading

import fastapi
import inngest
import inngest.fast_api
import uvicorn
from inngest.experimental import ai

FAKE = os.environ.get("FAKE", "")
SECOND = datetime.timedelta(seconds=1)

client = inngest.Inngest(app_id="peer-python", app_version="v-1.2.3")
functions = []


def on(fn_id, word, **options):
    """Make a function of what is decorated, on the event py/WORD."""
    def decorate(handler):
        trigger = options.pop("trigger", inngest.TriggerEvent(event=f"py/{word}"))
        made = client.create_function(fn_id=fn_id, trigger=trigger, **options)(handler)
        functions.append(made)
        return made
    return decorate


def value(result):
    """A handler of a step that returns this."""
    async def handler():
        return result
    return handler


# --- steps that run -----------------------------------------------------------------------------

@on("no-step", "nostep")
async def no_step(ctx):
    return {"ok": True, "echo": ctx.event.data}


@on("one-step", "one")
async def one_step(ctx):
    return {"done": await ctx.step.run("a", value({"v": 1}))}


@on("three-step", "three")
async def three_step(ctx):
    a = await ctx.step.run("a", value(1))
    b = await ctx.step.run("b", value(a + 1))
    return await ctx.step.run("c", value(b + 1))


@on("loop-step", "loop")
async def loop_step(ctx):
    total = 0
    for i in range(ctx.event.data["n"]):
        total += await ctx.step.run("again", value(i))
    return total


@on("undef", "undef")
async def undef(ctx):
    await ctx.step.run("returns-none", value(None))
    await ctx.step.run("returns-string", value("str"))


@on("run-input", "runinput")
async def run_input(ctx):
    async def add(a, b):
        return a + b
    return await ctx.step.run("with-input", add, 1, 2)


@on("big", "big")
async def big(ctx):
    sizes = []
    for i in range(ctx.event.data["n"]):
        sizes.append(len(await ctx.step.run(f"big-{i}", value("x" * ctx.event.data["size"]))))
    return sizes


# --- steps that wait ------------------------------------------------------------------------------

@on("sleeper", "sleep")
async def sleeper(ctx):
    await ctx.step.run("before", value("b"))
    await ctx.step.sleep("nap", 2 * SECOND)
    await ctx.step.run("after", value("a"))
    return "slept"


@on("sleep-until", "sleepuntil")
async def sleep_until(ctx):
    await ctx.step.sleep_until("until", datetime.datetime.fromisoformat(ctx.event.data["at"].replace("Z", "+00:00")))
    return "slept"


def got(event):
    return {"got": None if event is None else {"name": event.name, "data": event.data}}


@on("wait-match", "wait")
async def wait_match(ctx):
    return got(await ctx.step.wait_for_event("w", event="py/wait.done", timeout=60 * SECOND,
                                             if_exp="event.data.id == async.data.id"))


@on("wait-timeout", "waittimeout")
async def wait_timeout(ctx):
    return got(await ctx.step.wait_for_event("w", event="py/never", timeout=2 * SECOND))


# --- functions that call others ---------------------------------------------------------------------

@on("invoke-target", "target")
async def invoke_target(ctx):
    return {"r": await ctx.step.run("t", value(ctx.event.data["n"] * 2)), "event": ctx.event.name}


@on("invoke-fail-target", "failtarget", retries=0)
async def invoke_fail_target(ctx):
    raise inngest.NonRetriableError("target failed")


@on("invoke-slow-target", "slowtarget")
async def invoke_slow_target(ctx):
    await ctx.step.sleep("s", 30 * SECOND)
    return 1


@on("invoker", "invoke")
async def invoker(ctx):
    return await ctx.step.invoke("inv", function=invoke_target, data={"n": 21})


@on("invoker-ref", "invokeref")
async def invoker_ref(ctx):
    return await ctx.step.invoke_by_id("invref", app_id="peer-python", function_id="invoke-target", data={"n": 4})


async def caught(promise):
    try:
        return await promise
    except inngest.StepError as error:
        return {"caught": error.message}


@on("invoker-fail", "invokefail", retries=0)
async def invoker_fail(ctx):
    return await caught(ctx.step.invoke("inv", function=invoke_fail_target, data={}))


@on("invoker-missing", "invokemissing", retries=0)
async def invoker_missing(ctx):
    return await caught(ctx.step.invoke_by_id("inv", app_id="peer-python", function_id="nope", data={}))


@on("invoker-timeout", "invoketimeout", retries=0)
async def invoker_timeout(ctx):
    return await caught(ctx.step.invoke("inv", function=invoke_slow_target, data={}, timeout=2 * SECOND))


@on("send-event", "sendevent")
async def send_event(ctx):
    ids = await ctx.step.send_event("emit", [inngest.Event(name="py/one", data={"from": "send_event"}),
                                             inngest.Event(name="py/unmatched", data={"x": 1})])
    return len(ids)


# --- steps side by side -----------------------------------------------------------------------------

@on("parallel", "parallel")
async def parallel(ctx):
    parts = await ctx.group.parallel(tuple(lambda n=n: ctx.step.run(f"p{n}", value(n)) for n in (1, 2, 3)))
    return await ctx.step.run("join", value(sum(parts)))


@on("parallel-mixed", "parallelmixed")
async def parallel_mixed(ctx):
    ran, _, event = await ctx.group.parallel((
        lambda: ctx.step.run("r", value("ran")),
        lambda: ctx.step.sleep("s", SECOND),
        lambda: ctx.step.wait_for_event("w", event="py/never", timeout=SECOND),
    ))
    return {"ran": ran, **got(event)}


@on("parallel-chain", "parallelchain")
async def parallel_chain(ctx):
    async def chain(name):
        first = await ctx.step.run(f"{name}1", value(f"{name}1"))
        return await ctx.step.run(f"{name}2", value(f"{first} {name}2"))
    return list(await ctx.group.parallel((lambda: chain("a"), lambda: chain("b"))))


# --- failures -----------------------------------------------------------------------------------------

async def of(ctx):
    await ctx.step.run("handle", value(f"handled:{ctx.event.data['error']['message']}"))
    return "of"


@on("fail-fn", "failfn", retries=1, on_failure=of)
async def fail_fn(ctx):
    raise ValueError(f"boom {ctx.attempt}")


async def boom():
    raise TypeError("step boom")


@on("fail-step", "failstep", retries=1, on_failure=of)
async def fail_step(ctx):
    await ctx.step.run("ok", value(1))
    await ctx.step.run("bad", boom)


@on("fail-step-caught", "failcaught", retries=1)
async def fail_step_caught(ctx):
    try:
        await ctx.step.run("bad", boom)
    except inngest.StepError as error:
        return {"name": error.name, "msg": error.message}


@on("fail-once", "failonce", retries=3)
async def fail_once(ctx):
    async def once():
        if ctx.attempt == 0:
            raise ValueError("once")
        return f"attempt {ctx.attempt}"
    return await ctx.step.run("once", once)


@on("nonretriable", "nonretriable", retries=3)
async def nonretriable(ctx):
    async def never():
        raise inngest.NonRetriableError("never again")
    await ctx.step.run("x", never)


@on("nonretriable-fn", "nonretriablefn", retries=3)
async def nonretriable_fn(ctx):
    raise inngest.NonRetriableError("never again")


@on("retryafter", "retryafter", retries=1)
async def retryafter(ctx):
    async def later():
        if ctx.attempt == 0:
            raise inngest.RetryAfterError("later", SECOND)
        return ctx.attempt
    return await ctx.step.run("later", later)


@on("retryafter-fn", "retryafterfn", retries=1)
async def retryafter_fn(ctx):
    if ctx.attempt == 0:
        raise inngest.RetryAfterError("later fn", SECOND)
    return ctx.attempt


@on("retry-default", "retrydefault")
async def retry_default(ctx):
    raise ValueError(f"always {ctx.attempt}")


@on("cancel-on", "longrun", cancel=[
    inngest.Cancel(event="py/cancel", if_exp="event.data.id == async.data.id", timeout=3600 * SECOND),
    inngest.Cancel(event="py/cancelif", if_exp="async.data.id == event.data.id"),
])
async def cancel_on(ctx):
    await ctx.step.sleep("long", 3600 * SECOND)
    return "not cancelled"


# --- calls that the server makes, triggers ----------------------------------------------------------

@on("ai-infer", "aiinfer", retries=0)
async def ai_infer(ctx):
    adapter = ai.openai.Adapter(auth_key="sk-test", base_url=f"{FAKE}/v1", model="gpt-x")
    reply = await ctx.step.ai.infer("infer", adapter=adapter, body={"messages": [{"role": "user", "content": "hi"}]})
    return reply["choices"][0]["message"]["content"]


@on("trig-if", "", trigger=inngest.TriggerEvent(event="py/trigif", expression="event.data.n > 5"))
async def trig_if(ctx):
    return ctx.event.data["n"]


@on("trig-multi", "", trigger=[inngest.TriggerEvent(event="py/multi.a"), inngest.TriggerEvent(event="py/multi.b"),
                               inngest.TriggerCron(cron="TZ=Europe/Berlin 0 0 1 1 *")])
async def trig_multi(ctx):
    return ctx.event.name


@on("trig-wild", "wild.*")
async def trig_wild(ctx):
    return ctx.event.name


# --- serving ------------------------------------------------------------------------------------------

app = fastapi.FastAPI()
inngest.fast_api.serve(app, client, functions)

stream = inngest.Inngest(app_id="peer-python-stream")


@stream.create_function(fn_id="st", trigger=inngest.TriggerEvent(event="pyst/one"))
async def streamed(ctx):
    await ctx.step.run("a", value(1))
    await ctx.step.sleep("z", SECOND)
    return await ctx.step.run("b", value("streamed"))


inngest.fast_api.serve(app, stream, [streamed], serve_path="/api/stream", streaming=inngest.Streaming.FORCE)

CONTROLS = {
    "conc": {"concurrency": [inngest.Concurrency(limit=1, key="event.data.k")]},
    "throttle": {"throttle": inngest.Throttle(limit=1, period=3 * SECOND, burst=1, key="event.data.k")},
    "ratelimit": {"rate_limit": inngest.RateLimit(limit=1, period=60 * SECOND, key="event.data.k")},
    "debounce": {"debounce": inngest.Debounce(period=2 * SECOND, key="event.data.k")},
    "batch": {"batch_events": inngest.Batch(max_size=3, timeout=4 * SECOND, key="event.data.k")},
    "priority": {"priority": inngest.Priority(run="event.data.p")},
    "idem": {"idempotency": "event.data.k"},
}
flow = inngest.Inngest(app_id="flow-python")


async def controlled(ctx):
    return [event.data["n"] for event in ctx.events]


inngest.fast_api.serve(app, flow, [
    flow.create_function(fn_id=name, trigger=inngest.TriggerEvent(event=f"pyfc/{name}"), **control)(controlled)
    for name, control in CONTROLS.items()], serve_path="/api/flow")


class Ready(uvicorn.Server):
    """Say when it listens; end with the test, however that ends."""

    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("ready", flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()


logging.basicConfig(level=logging.INFO)
Ready(uvicorn.Config(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")).run()
