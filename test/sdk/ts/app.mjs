// The test app of the TypeScript SDK.  The same functions are served twice, as the recordings were
// made: /api/inngest with the SDK's defaults (checkpointing), /api/nocp without; /api/stream answers
// in streams, /endpoint/* are durable
// endpoints.  Environment: PORT, FAKE (URL of the service that fetch and AI steps talk to), and what
// the SDK itself reads: INNGEST_DEV, or INNGEST_BASE_URL, INNGEST_SIGNING_KEY and INNGEST_EVENT_KEY.
import { createServer } from "node:http";
import express from "express";
import { Inngest, step } from "inngest";
import { endpointAdapter } from "inngest/edge";
import { serve } from "inngest/express";
import { features } from "./features.mjs";

const app = express();
app.use("/api", express.json({ limit: "64mb" }));

const served = (path, client, functions, options = {}) => {
  app.use(path, serve({ client, functions, ...options }));
};

const fake = process.env.FAKE;
const main = new Inngest({ id: "peer-app", appVersion: "v-1.2.3" });
served("/api/inngest", main, features(main, "cp", fake));

const plain = new Inngest({ id: "peer-nocp", appVersion: "v-1.2.3", checkpointing: false });
served("/api/nocp", plain, features(plain, "nc", fake));

const stream = new Inngest({ id: "peer-stream" });
served("/api/stream", stream, [
  stream.createFunction({ id: "st", triggers: [{ event: "st/one" }] }, async ({ step }) => {
    await step.run("a", () => 1);
    await step.sleep("z", "1s");
    return await step.run("b", () => "streamed");
  }),
], { streaming: true });

const timer = new Inngest({ id: "peer-cron" });
served("/api/cron", timer, [
  timer.createFunction({ id: "cron-min", triggers: [{ cron: "* * * * *" }] }, ({ event }) => event),
]);

// Durable endpoints speak in Requests and Responses.
const endpoints = new Inngest({ id: "peer-endpoints", endpointAdapter });
const routes = {
  "/endpoint/hello": endpoints.endpoint(async () => {
    const a = await step.run("e1", () => 1);
    const b = await step.run("e2", () => a + 1);
    return Response.json({ b });
  }),
  "/endpoint/async": endpoints.endpoint(async () => {
    const a = await step.run("e1", () => 1);
    const b = await step.run("e2", () => a + 1);
    await step.sleep("z", "1s");
    return Response.json({ b });
  }),
};
app.use("/endpoint", express.raw({ type: () => true, limit: "64mb" }), async (request, response) => {
  const url = new URL(request.originalUrl, `http://${request.headers.host}`);
  const handler = routes[url.pathname];
  if (!handler) {
    return response.status(404).end();
  }
  const body = request.body?.length ? request.body : undefined;
  const reply = await handler(new Request(url, { method: request.method, headers: request.headers, body, duplex: "half" }));
  response.status(reply.status);
  reply.headers.forEach((value, name) => response.setHeader(name, value));
  response.end(Buffer.from(await reply.arrayBuffer()));
});

// End with the test, however that ends.
process.stdin.on("end", () => process.exit(0)).resume();
createServer(app).listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
