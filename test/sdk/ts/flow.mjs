// Functions with flow control: their event's word, options, handler.
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const controls = {
  "conc": ["conc", { concurrency: { limit: 1, key: "event.data.k" } }, ({ step }) => step.run("work", () => pause(700)).then(() => 1)],
  "conc2": ["conc2", { concurrency: [{ limit: 2 }, { limit: 5, key: '"global"', scope: "account" }] }, () => 1],
  "throttle": ["throttle", { throttle: { limit: 1, period: "3s", burst: 1, key: "event.data.k" } }, ({ event }) => event.data.n],
  "ratelimit": ["ratelimit", { rateLimit: { limit: 1, period: "1m", key: "event.data.k" } }, ({ event }) => event.data.n],
  "debounce": ["debounce", { debounce: { period: "2s", key: "event.data.k", timeout: "10s" } }, ({ event }) => event.data.n],
  "batch": ["batch", { batchEvents: { maxSize: 3, timeout: "4s", key: "event.data.k" } },
    ({ events, step }) => step.run("sum", () => events.map((event) => event.data.n))],
  "batch-cond": ["batchcond", { batchEvents: { maxSize: 3, timeout: "4s", if: "event.data.batch == true" } },
    ({ events }) => events.map((event) => event.data.n)],
  "priority": ["priority", { concurrency: 1, priority: { run: "event.data.p" } },
    ({ event, step }) => step.run("w", () => pause(300)).then(() => event.data.n)],
  "idem": ["idem", { idempotency: "event.data.k" }, ({ event }) => event.data.n],
  "singleton-skip": ["singleskip", { singleton: { key: "event.data.k", mode: "skip" } }, ({ event }) => event.data.n],
  "singleton-cancel": ["singlecancel", { singleton: { key: "event.data.k", mode: "cancel" } }, ({ event }) => event.data.n],
  "timeout-finish": ["timeoutfinish", { timeouts: { finish: "3s", start: "10s" } }, ({ step }) => step.sleep("s", "1h")],
};
