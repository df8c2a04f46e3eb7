"""The app of 090_chaos.pl: a function whose results are random, and a log of all that it said and was told.

    a, b, then p1, p2, p3 at the same time, a nap, c, a wait for chaos/go, d, the invocation of a child, e

It answers as an SDK does.  Runs whose key is odd are checkpointed: steps that follow each other are executed in one call, and
each is posted to the server before the next.  A result is in the log before anybody is told of it; the log is written
without a buffer, so it survives SIGKILL.  Its lines are JSON:

    {"run":, "step":, "value":}     a step was executed with this result
    {"run":, "acked":, "value":}    the server has said that it has stored the result of this step
    {"run":, "seen": {step: ...}}   what a call says of the steps before it
    {"run":, "result": {...}}       the function has returned
"""
import argparse
import asyncio
import json
import os
import random
import resource
import secrets
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../perl"))
from stub_app import read_request, step_hash  # noqa: E402

FLOW = [["a"], ["b"], ["p1", "p2", "p3"], ["nap"], ["c"], ["go"], ["d"], ["child"], ["e"]]
NAMES = {step_hash(name): name for names in FLOW for name in names}
FAILURES = 0.03                     # of steps
CHECKPOINT_TRIES = 3


def op(kind, name, /, **more):
    return {"op": kind, "id": step_hash(name), "name": name, "displayName": name, "userland": {"id": name}, **more}


class App:
    def __init__(self, options):
        self.options = options
        self.log_fd = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def log(self, **line):
        os.write(self.log_fd, (json.dumps(line) + "\n").encode())

    async def serve(self, reader, writer):
        try:
            while True:
                request = await read_request(reader, writer)
                if request is None:
                    break
                status, headers, value = await self.answer(request)
                body = json.dumps(value).encode()
                head = {"content-type": "application/json", "content-length": len(body), "x-inngest-sdk": "inngest-js:v4.24.0",
                        "x-inngest-req-version": "2", **headers}
                writer.write(f"HTTP/1.1 {status} Whatever\r\n".encode()
                             + "".join(f"{k}: {v}\r\n" for k, v in head.items()).encode() + b"\r\n" + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, request):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request["target"]).query))
        body = json.loads(request["text"])
        run = body["ctx"]["run_id"]
        memos = body["steps"]
        self.log(run=run, seen={NAMES[step]: memo for step, memo in memos.items()})
        if query["fnId"] == "chaos-child":
            return await self.be_invoked(run)
        target = query.get("stepId", "step")
        if target != "step":
            return await self.execute(run, NAMES[target], body)
        return await self.go_on(run, body, memos)

    async def go_on(self, run, body, memos):
        """Until there is something to tell the server."""
        ctx = body["ctx"]
        key = body["event"]["data"]["key"]
        has_checkpoints = int(key.split("-")[-1]) % 2 == 1 and ctx["attempt"] == 0 and not ctx["disable_immediate_execution"]
        while True:
            found = next((missing for missing in ([name for name in names if step_hash(name) not in memos] for names in FLOW)
                          if missing), None)
            if found is None:
                return self.finish(run, memos, has_checkpoints)
            if found == ["nap"]:
                return 206, {}, [op("Sleep", "nap", name=random.choice(["100ms", "500ms", "1s"]), opts={})]
            if found == ["go"]:
                condition = "event.data.key == async.data.key"
                return 206, {}, [op("WaitForEvent", "go", opts={"event": "chaos/go", "timeout": "1h", "if": condition})]
            if found == ["child"]:
                return 206, {}, [op("InvokeFunction", "child", opts={"function_id": "chaos-child", "payload": {"data": {"key": key}}})]
            if len(found) > 1 or found[0].startswith("p") or ctx["disable_immediate_execution"]:
                return 206, {}, [op("StepPlanned", name) for name in found]
            status, headers, ops = await self.execute(run, found[0], body)
            if not has_checkpoints or ops[0]["op"] != "StepRun":
                return status, headers, ops
            stored = await self.checkpoint(run, ctx, ops)
            if stored == 409:
                return 400, {"x-inngest-no-retry": "true"}, {"name": "Error", "message": "somebody else goes on with this"}
            if stored != 200:
                return status, headers, ops
            self.log(run=run, acked=found[0], value=ops[0]["data"])
            memos[step_hash(found[0])] = {"data": ops[0]["data"]}

    async def execute(self, run, name, body):
        await asyncio.sleep(random.random() * 0.02)
        if random.random() < FAILURES:
            return 206, {"x-inngest-no-retry": "false"}, [op("StepError", name, error={"name": "Error", "message": "bad luck"})]
        value = secrets.token_hex(8)
        self.log(run=run, step=name, value=value)
        return 206, {}, [op("StepRun", name, data=value)]

    async def be_invoked(self, run):
        status, headers, ops = await self.execute(run, "child", None)
        if ops[0]["op"] != "StepRun":
            return 500, headers, ops[0]["error"]
        return 200, {}, ops[0]["data"]

    def finish(self, run, memos, has_checkpoints):
        result = {NAMES[step]: memo["data"] for step, memo in memos.items() if NAMES[step] not in ("nap", "go")}
        self.log(run=run, result=result)
        if has_checkpoints:
            return 206, {}, [{"op": "RunComplete", "id": step_hash("complete"), "data": result}]
        return 200, {}, result

    async def checkpoint(self, run, ctx, ops):
        """The status; 0 if there was none, however often it was tried."""
        data = json.dumps({"run_id": run, "fn_id": ctx["fn_id"], "qi_id": ctx["qi_id"], "request_id": ctx["request_id"],
                           "generation_id": ctx["generation_id"], "steps": ops}).encode()
        for attempt in range(CHECKPOINT_TRIES):
            try:
                status = await asyncio.wait_for(self.post(f"/v1/checkpoint/{run}/async", data), 5)
            except (OSError, ValueError, IndexError, asyncio.TimeoutError):
                status = 0
            if status in (200, 409):
                return status
            await asyncio.sleep(0.1 * 2 ** attempt)
        return status

    async def post(self, path, data):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.options.server)
        try:
            writer.write(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
            return int((await reader.read()).split(b" ", 2)[1])
        finally:
            writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--server", type=int, required=True)
    parser.add_argument("--log", required=True)
    app = App(parser.parse_args())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = await asyncio.start_server(app.serve, "127.0.0.1", app.options.port, limit=1 << 20, backlog=4096)
    asyncio.get_running_loop().add_reader(0, os._exit, 0)      # the test has ended, however
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
