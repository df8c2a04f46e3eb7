// Every feature that was recorded of the reference, one function or a few for each; the event of a
// function is its prefix and a word.
import { NonRetriableError, RetryAfterError, experiment, fetch, group, openai, realtime, referenceFunction } from "inngest";
import { createDefer } from "inngest/experimental";
import { controls } from "./flow.mjs";

const message = (error) => ({ name: error.name, message: error.message });

// Functions of an app; fake is the URL of the service that fetch and AI steps talk to.
export function features(inngest, prefix, fake) {
  const functions = [];
  const on = (id, word, handler, options = {}) => {
    const { triggers = [{ event: `${prefix}/${word}` }], ...rest } = options;
    const made = inngest.createFunction({ id, triggers, ...rest }, handler);
    functions.push(made);
    return made;
  };

  // Steps that run.
  on("no-step", "nostep", ({ event }) => ({ ok: true, echo: event.data }));
  on("one-step", "one", async ({ step }) => ({ done: await step.run("a", () => ({ v: 1 })) }));
  on("three-step", "three", async ({ step }) => {
    const a = await step.run("a", () => 1);
    const b = await step.run("b", () => a + 1);
    return await step.run("c", () => b + 1);
  });
  on("loop-step", "loop", async ({ event, step }) => {
    let sum = 0;
    for (let i = 0; i < event.data.n; i++) {
      sum += await step.run("again", () => i);
    }
    return sum;
  });
  on("undef", "undef", async ({ step }) => {
    await step.run("returns-undefined", () => {});
    await step.run("returns-null", () => null);
    await step.run("returns-string", () => "str");
  });
  on("run-input", "runinput", async ({ step }) => await step.run("with-input", (a, b) => a + b, 1, 2));
  on("big", "big", async ({ event, step }) => {
    const sizes = [];
    for (let i = 0; i < event.data.n; i++) {
      sizes.push((await step.run(`big-${i}`, () => "x".repeat(event.data.size))).length);
    }
    return sizes;
  });
  on("step-timing", "timing", async ({ step }) => {
    const pause = () => new Promise((resolve) => setTimeout(resolve, 200));
    await step.run("t1", pause);
    await step.sleep("z", "1s");
    await step.run("t2", pause);
    return 1;
  });
  on("slow-runtime", "slowruntime", async ({ step }) => {
    for (let i = 0; i < 4; i++) {
      await step.run(`s${i}`, () => new Promise((resolve) => setTimeout(resolve, 700)));
    }
    return "ok";
  }, { checkpointing: prefix === "cp" ? { maxRuntime: "2s" } : false });

  // Steps that wait.
  on("sleeper", "sleep", async ({ step }) => {
    await step.run("before", () => "b");
    await step.sleep("nap", "2s");
    await step.run("after", () => "a");
    return "slept";
  });
  on("sleep-until", "sleepuntil", async ({ event, step }) => {
    await step.sleepUntil("until", new Date(event.data.at));
    return "slept";
  });
  on("wait-match", "wait", async ({ step }) => ({
    got: await step.waitForEvent("w", { event: `${prefix}/wait.done`, timeout: "1m", match: "data.id" }),
  }));
  on("wait-if", "waitif", async ({ step }) => ({
    got: await step.waitForEvent("w", { event: `${prefix}/waitif.done`, timeout: "1m", if: "async.data.n > event.data.n" }),
  }));
  on("wait-timeout", "waittimeout", async ({ step }) => ({
    got: await step.waitForEvent("w", { event: `${prefix}/never`, timeout: "2s" }),
  }));
  on("signal", "signal", ({ event, step }) =>
    step.waitForSignal("sig", { signal: `sig-${event.data.id}`, timeout: "1m", onConflict: "fail" }));
  on("signal-send", "signalsend", ({ event, step }) =>
    step.sendSignal("send", { signal: `sig-${event.data.id}`, data: { hello: 1 } }));
  on("signal-timeout", "signaltimeout", ({ event, step }) =>
    step.waitForSignal("sig", { signal: `never-${event.data.id}`, timeout: "2s", onConflict: "replace" }));

  // Functions that call others.
  const target = on("invoke-target", "target", async ({ event, step }) => ({
    r: await step.run("t", () => event.data.n * 2),
    event,
  }));
  const failing = on("invoke-fail-target", "failtarget", () => {
    throw new NonRetriableError("target failed");
  }, { retries: 0 });
  const slow = on("invoke-slow-target", "slowtarget", async ({ step }) => {
    await step.sleep("s", "30s");
    return 1;
  });
  const missing = referenceFunction({ functionId: "nope" });
  on("invoker", "invoke", ({ step }) => step.invoke("inv", { function: target, data: { n: 21 } }));
  on("invoker-ref", "invokeref", ({ step }) =>
    step.invoke("invref", { function: referenceFunction({ functionId: "invoke-target" }), data: { n: 4 } }));
  on("invoker-fail", "invokefail", async ({ step }) => {
    try {
      return await step.invoke("inv", { function: failing, data: { n: 1 } });
    } catch (error) {
      return { caught: { ...message(error), cause: String(error.cause) } };
    }
  }, { retries: 0 });
  on("invoker-missing", "invokemissing", async ({ step }) => {
    try {
      return await step.invoke("inv", { function: missing, data: {} });
    } catch (error) {
      return { caught: message(error) };
    }
  }, { retries: 0 });
  on("invoker-timeout", "invoketimeout", async ({ step }) => {
    try {
      return await step.invoke("inv", { function: slow, data: {}, timeout: "2s" });
    } catch (error) {
      return { caught: message(error) };
    }
  }, { retries: 0 });
  on("send-event", "sendevent", ({ step }) =>
    step.sendEvent("emit", [
      { name: `${prefix}/one`, data: { from: "sendEvent" } },
      { name: `${prefix}/unmatched`, data: { x: 1 }, user: { id: "9" } },
    ]));

  // Steps side by side.
  on("parallel", "parallel", async ({ step }) => {
    const parts = await Promise.all([1, 2, 3].map((n) => step.run(`p${n}`, () => n)));
    return await step.run("join", () => parts.reduce((a, b) => a + b));
  });
  on("parallel-noopt", "parallelnoopt", async ({ step }) => {
    const parts = await Promise.all([1, 2].map((n) => step.run(`p${n}`, () => n)));
    return await step.run("join", () => parts);
  }, { optimizeParallelism: false });
  on("parallel-mixed", "parallelmixed", async ({ step }) => {
    const [ran, , got] = await Promise.all([
      step.run("r", () => "ran"),
      step.sleep("s", "1s"),
      step.waitForEvent("w", { event: `${prefix}/never`, timeout: "1s" }),
    ]);
    return { ran, got };
  });
  on("parallel-chain", "parallelchain", async ({ step }) => {
    const chain = async (name) => {
      const first = await step.run(`${name}1`, () => `${name}1`);
      return await step.run(`${name}2`, () => `${first} ${name}2`);
    };
    return await Promise.all([chain("a"), chain("b")]);
  });
  on("race", "race", ({ step }) => group.parallel(() => Promise.race([
    step.run("fast", () => "fast"),
    step.sleep("slow", "3s").then(() => "slow"),
  ])));

  // Failures.
  on("fail-fn", "failfn", ({ attempt }) => {
    throw new Error(`boom ${attempt}`);
  }, {
    retries: 1,
    onFailure: async ({ error, step }) => {
      await step.run("handle", () => `handled:${error.message}`);
      return "of";
    },
  });
  on("fail-step", "failstep", async ({ step }) => {
    await step.run("ok", () => 1);
    await step.run("bad", () => {
      throw new TypeError("step boom");
    });
  }, { retries: 1, onFailure: () => "of2" });
  on("fail-step-caught", "failcaught", async ({ step }) => {
    try {
      await step.run("bad", () => {
        throw new TypeError("step boom");
      });
    } catch (error) {
      return { name: error.name, msg: error.message, isStepError: error.constructor.name === "StepError" };
    }
  }, { retries: 1 });
  on("fail-once", "failonce", ({ attempt, step }) => step.run("once", () => {
    if (attempt === 0) {
      throw new Error("once");
    }
    return `attempt ${attempt}`;
  }), { retries: 3 });
  on("nonretriable", "nonretriable", ({ step }) => step.run("x", () => {
    throw new NonRetriableError("never again", { cause: new Error("the cause") });
  }), { retries: 3 });
  on("nonretriable-fn", "nonretriablefn", () => {
    throw new NonRetriableError("never again");
  }, { retries: 3 });
  on("retryafter", "retryafter", ({ attempt, step }) => step.run("later", () => {
    if (attempt === 0) {
      throw new RetryAfterError("later", "1s");
    }
    return attempt;
  }), { retries: 1 });
  on("retryafter-fn", "retryafterfn", ({ attempt }) => {
    if (attempt === 0) {
      throw new RetryAfterError("later fn", "3s");
    }
    return attempt;
  }, { retries: 1 });
  on("retry-default", "retrydefault", ({ attempt }) => {
    throw new Error(`always ${attempt}`);
  });
  on("cancel-on", "longrun", async ({ step }) => {
    await step.sleep("long", "1h");
    return "not cancelled";
  }, {
    cancelOn: [
      { event: `${prefix}/cancel`, match: "data.id", timeout: "1h" },
      { event: `${prefix}/cancelif`, if: "async.data.id == event.data.id" },
    ],
  });

  // Calls that the server makes.
  on("fetcher", "fetch", async () => {
    const reply = await fetch(`${fake}/hello?x=1`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-a": "b" },
      body: JSON.stringify({ hi: 1 }),
    });
    return { status: reply.status, body: await reply.text(), h: reply.headers.get("x-stub") };
  });
  on("fetcher-err", "fetcherr", async () => {
    try {
      return { status: (await fetch("http://127.0.0.1:1/nobody")).status };
    } catch (error) {
      return { caught: message(error) };
    }
  }, { retries: 0 });
  on("ai-infer", "aiinfer", ({ step }) => step.ai.infer("infer", {
    model: openai({ model: "gpt-x", apiKey: "sk-test", baseUrl: `${fake}/v1/` }),
    body: { messages: [{ role: "user", content: "hi" }] },
  }), { retries: 0 });
  on("ai-wrap", "aiwrap", ({ step }) => step.ai.wrap("wrap", (input) => ({ out: input }), { prompt: "p" }));

  // Triggers.
  on("trig-if", "trigif", ({ event }) => event.data.n, { triggers: [{ event: `${prefix}/trigif`, if: "event.data.n > 5" }] });
  on("trig-multi", "", ({ event }) => event.name, {
    triggers: [{ event: `${prefix}/multi.a` }, { event: `${prefix}/multi.b` }, { cron: "TZ=Europe/Berlin 0 0 1 1 *" }],
  });
  on("trig-wild", "wild.*", ({ event }) => event.name);
  on("realtime", "realtime", async ({ step }) => {
    const channel = realtime.channel({ name: "ch1", topics: { t1: {} } });
    return await step.realtime.publish("pub", channel.t1, { m: 1 });
  });

  // Flow control.
  for (const [id, [word, options, handler]] of Object.entries(controls)) {
    on(id, word, handler, options);
  }

  // Not recorded: what is said of steps and runs beside results.
  on("scored", "scored", async ({ step }) => {
    const { result, experimentRef } = await group.experiment("exp", {
      variants: { a: () => step.run("a", () => "A"), b: () => step.run("b", () => "B") },
      select: experiment.fixed("a"),
    });
    await step.run("judge", () => inngest.score({ name: "quality", value: 0.5 }).then(() => null));
    await inngest.score.experiment({ name: "late", value: true, experiment: experimentRef });
    return result;
  });

  // Not recorded: functions that run after the one that asks for them.
  const later = createDefer(inngest, { id: "later" }, ({ event }) => ({ later: event.data.n }));
  on("defer", "defer", async ({ defer, step }) => {
    defer("now", { function: later, data: { n: 1 } });
    return await step.run("a", () => "deferred");
  });
  functions.push(later);
  return functions;
}
