"""An app that processes orders: steps that are retried, a sleep, a wait for another event.

    pip install -r requirements.txt
    INNGEST_DEV=http://127.0.0.1:8288 python app.py

It listens on port 3000 (PORT), the server finds its functions at /api/inngest.
"""
import datetime
import os

import fastapi
import inngest
import inngest.fast_api
import uvicorn

client = inngest.Inngest(app_id="shop-python")


@client.create_function(fn_id="process-order", retries=3, trigger=inngest.TriggerEvent(event="shop/order.placed"))
async def process_order(ctx: inngest.Context):
    order, items = ctx.event.data["order"], ctx.event.data["items"]

    # A step runs once: its result is kept in the database, whatever happens to this app afterwards.
    async def add_up() -> int:
        return sum(item["price"] for item in items)

    total = await ctx.step.run("add up", add_up)

    # A step that raises is tried again, later; the others are not.
    async def charge() -> dict:
        if ctx.attempt == 0:
            raise RuntimeError("the bank did not answer")
        return {"paid": total}

    payment = await ctx.step.run("charge the card", charge)

    # Nothing of this app has to be running meanwhile.
    await ctx.step.sleep("let it sink in", datetime.timedelta(seconds=2))

    parcel = await ctx.step.wait_for_event(
        "wait for the parcel",
        event="shop/parcel.sent",
        if_exp="event.data.order == async.data.order",
        timeout=datetime.timedelta(days=3),
    )
    if parcel is None:
        async def pay_back() -> dict:
            return {"paid_back": payment["paid"]}

        await ctx.step.run("pay back", pay_back)
        return {"order": order, "state": "cancelled"}
    return {"order": order, "state": "sent", "total": total, "tracking": parcel.data["tracking"]}


app = fastapi.FastAPI()
inngest.fast_api.serve(app, client, [process_order])

if __name__ == "__main__":
    port = int(os.environ.get("PORT", "3000"))
    print(f"listening on http://127.0.0.1:{port}/api/inngest", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
