// An app that processes orders: steps that are retried, a sleep, a wait for another event.
//
//	npm install && npm start
//
// It listens on port 3000 (PORT), the server finds its functions at /api/inngest.
import express from "express";
import { Inngest } from "inngest";
import { serve } from "inngest/express";

const inngest = new Inngest({ id: "shop" });

const processOrder = inngest.createFunction(
  { id: "process-order", retries: 3, triggers: [{ event: "shop/order.placed" }] },
  async ({ event, step, attempt }) => {
    const { order, items } = event.data;

    // A step runs once: its result is kept in the database, whatever happens to this app afterwards.
    const total = await step.run("add up", () => items.reduce((sum, item) => sum + item.price, 0));

    // A step that throws is tried again, later; the others are not.
    const payment = await step.run("charge the card", () => {
      if (attempt === 0) {
        throw new Error("the bank did not answer");
      }
      return { paid: total };
    });

    // Nothing of this app has to be running meanwhile.
    await step.sleep("let it sink in", "2s");

    const parcel = await step.waitForEvent("wait for the parcel", {
      event: "shop/parcel.sent",
      match: "data.order",
      timeout: "3d",
    });
    if (!parcel) {
      await step.run("pay back", () => ({ paidBack: payment.paid }));
      return { order, state: "cancelled" };
    }
    return { order, state: "sent", total, tracking: parcel.data.tracking };
  },
);

const app = express();
app.use(express.json({ limit: "10mb" }));
app.use("/api/inngest", serve({ client: inngest, functions: [processOrder] }));

const port = Number(process.env.PORT ?? 3000);
app.listen(port, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${port}/api/inngest`));
