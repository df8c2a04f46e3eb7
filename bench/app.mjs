// The functions none, one and five of bench/app.c with the TypeScript SDK, and GET /figures as it has it.  Served twice: /api/sdk with
// the SDK's defaults (checkpointing), /api/plain without.  Environment: PORT, INNGEST_DEV.
import { createServer } from "node:http";
import express from "express";
import { Inngest } from "inngest";
import { serve } from "inngest/express";

const seen = { calls: 0, ended: 0, first: [], between: [] };
const answered = new Map(); // by run, of calls that were answered last
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

const app = express();
app.get("/figures", (request, response) => {
  const of = (name) => {
    const sorted = seen[name].sort((a, b) => a - b);
    const at = (share) => sorted[Math.floor(sorted.length * share)] ?? 0;
    return `${name}=${sorted.length} ${name}_p50=${at(0.5)} ${name}_p99=${at(0.99)}`;
  };
  response.send(`calls=${seen.calls} ended=${seen.ended} ${of("first")} ${of("between")}`);
  Object.assign(seen, { calls: 0, ended: 0, first: [], between: [] });
});

app.use("/api", express.json({ limit: "64mb" }), (request, response, next) => {
  const run = request.body?.ctx?.run_id;
  if (run) {
    const sent = request.body.event.data?.sent_us;
    seen.calls++;
    if (sent && request.body.ctx.stack.stack.length === 0) {
      seen.first.push(now() - sent);
    }
    if (answered.has(run)) {
      seen.between.push(now() - answered.get(run));
    }
    response.on("finish", () => {
      if (response.statusCode === 206) {
        answered.set(run, now());
      } else {
        answered.delete(run);
      }
    });
  }
  next();
});

const steps = (count) => async ({ step }) => {
  for (let i = 0; i < count; i++) {
    await step.run(`step-${i}`, () => ({ ok: true }));
  }
  seen.ended++;
  return "done";
};

for (const [name, options] of [["sdk", {}], ["plain", { checkpointing: false }]]) {
  const client = new Inngest({ id: name, ...options });
  const functions = Object.entries({ none: 0, one: 1, five: 5 }).map(([id, count]) =>
    client.createFunction({ id, triggers: [{ event: `${name}/${id}` }] }, steps(count)));
  app.use(`/api/${name}`, serve({ client, functions }));
}

const server = createServer(app);
server.keepAliveTimeout = 120_000; // longer than anything that is measured in between
server.listen(Number(process.env.PORT), "127.0.0.1");
