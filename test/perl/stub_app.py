"""The app of StubApp.pm: an HTTP server that answers calls of the server as its rules say.

One process, one asyncio loop, Python's standard library.  It is told what to do over a Unix socket
(one JSON object a connection, one back) and writes a journal, a JSON object a line:

    {"call": {...}}                    a request has arrived, whole
    {"end": n, "state": ..., ...}      what became of request n: answered, gone (the caller hung up
                                       before), failed (the stub itself could not go on)

The journal is written without a buffer, so it survives whatever kills the process.  See StubApp.pm
for what replies can say; here is what they do.
"""
import argparse
import asyncio
import collections
import gzip
import hashlib
import hmac
import json
import os
import re
import resource
import socket
import struct
import time
import traceback
import urllib.parse

MAX_HEAD_BYTES = 1 << 20
PIECE_BYTES = 1 << 16           # of what is sent at once


# --- canonical JSON and signatures ------------------------------------------------------------

def canonical(value):
    """The text of a JSON value as RFC 8785 wants it."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(quoted(key) + ":" + canonical(item) for key, item in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return number(value)


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def number(value):
    """As ECMAScript prints it: all are doubles, shortest digits, exponents from 1e21 and below 1e-6."""
    value = float(value)
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    n = len(digits)
    if n <= point <= 21:
        return sign + digits + "0" * (point - n)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    exponent = point - 1
    return (sign + digits[0] + ("." + digits[1:] if n > 1 else "")
            + "e" + ("+" if exponent >= 0 else "-") + str(abs(exponent)))


def key_text(key):
    return re.sub(r"^signkey-\w+-", "", key)


def hashed_key(key):
    prefix = re.match(r"(signkey-\w+-)?", key).group(0)
    return prefix + hashlib.sha256(bytes.fromhex(key_text(key))).hexdigest()


def signature(key, text, at):
    mac = hmac.new(key_text(key).encode(), text.encode() + str(at).encode(), hashlib.sha256)
    return f"t={at}&s={mac.hexdigest()}"


def judge_signature(key, header, text):
    """good, missing, malformed, old, or wrong."""
    if not header:
        return "missing"
    match = re.fullmatch(r"t=(\d+)&s=([0-9a-f]{64})", header)
    if not match:
        return "malformed"
    if not hmac.compare_digest(signature(key, text, int(match.group(1))), header):
        return "wrong"
    return "good" if abs(time.time() - int(match.group(1))) <= 300 else "old"


def step_hash(step):
    return hashlib.sha1(step.encode()).hexdigest()


# --- what a reply says about the call -----------------------------------------------------------

def resolve(value, body):
    """Replace {"$echo": "path"} by what stands there in the call's body; "step ID" is a step's memo."""
    if isinstance(value, dict):
        if set(value) == {"$echo"}:
            return looked_up(value["$echo"], body)
        return {key: resolve(item, body) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, body) for item in value]
    return value


def looked_up(path, body):
    if path.startswith("step "):
        memo = (body.get("steps") or {}).get(step_hash(path[5:]))
        return memo["data"] if isinstance(memo, dict) and "data" in memo else memo
    for part in path.split("."):
        if isinstance(body, list):
            body = body[int(part)] if part.isdigit() and int(part) < len(body) else None
        else:
            body = body.get(part) if isinstance(body, dict) else None
    return body


class Program:
    """Statements run as an SDK runs a function: one round over them with the memos of the call."""

    def __init__(self, statements, call):
        body = call["body"]
        self.statements = statements
        self.call = call
        self.memos = body.get("steps") or {}
        self.target = call["step"]
        self.attempt = body["ctx"]["attempt"]
        self.is_last = self.attempt + 1 >= body["ctx"]["max_attempts"]
        self.must_plan = bool(body["ctx"]["disable_immediate_execution"])
        self.found = []
        self.thrown = None
        self.reply = None

    def answer(self):
        self.walk(self.statements)
        if self.target != "step":
            return self.targeted()
        if self.found:
            return self.report()
        if self.thrown is not None:
            return {"status": 400, "headers": {"x-inngest-no-retry": "true"}, "json": self.thrown}
        return self.reply or {"json": None}

    def walk(self, statements):
        """False if what follows cannot be reached yet."""
        for statement in statements:
            if self.thrown is not None or self.reply is not None:
                return False
            if "parallel" in statement:
                if not all([self.walk(branch) for branch in statement["parallel"]]):
                    return False
            elif "op" in statement:
                if not self.step(statement):
                    return False
            else:
                self.reply = statement
                return False
        return True

    def step(self, statement):
        if statement["id"] not in self.memos:
            self.found.append(statement)
            return False
        memo = self.memos[statement["id"]]
        if isinstance(memo, dict) and "input" in memo and len(memo) == 1:
            self.found.append(statement)
            return False
        if isinstance(memo, dict) and set(memo) == {"error"} and not statement.get("is_caught"):
            self.thrown = memo["error"]
            return False
        return True

    def targeted(self):
        for statement in self.found:
            if statement["id"] == self.target:
                return self.executed(statement)
        return {"status": 500, "json": {"name": "Error", "message": f"step {self.target} not found"}}

    def report(self):
        if len(self.found) == 1 and not (self.must_plan and self.found[0]["op"] == "StepRun"):
            return self.executed(self.found[0])
        return {"ops": [planned(statement) if statement["op"] == "StepRun" else bare(statement)
                        for statement in self.found]}

    def executed(self, statement):
        reply = {"ops": [bare(statement)]}
        if self.attempt < statement.get("fails", 0):
            error = statement.get("error") or {"name": "Error", "message": "failed as told"}
            reply["ops"] = [{**bare(statement), "op": "StepFailed" if self.is_last else "StepError", "error": error}]
            reply["ops"][0].pop("data", None)
            reply["headers"] = {"x-inngest-no-retry": "true" if self.is_last else "false"}
        return {**reply, **statement.get("reply", {})}


def bare(statement):
    return {key: value for key, value in statement.items() if key not in ("fails", "is_caught", "reply", "error")
            or (key == "error" and "fails" not in statement)}


def planned(statement):
    return {key: value for key, value in {**bare(statement), "op": "StepPlanned"}.items() if key != "data"}


# --- the server ---------------------------------------------------------------------------------

class Gone(Exception):
    """The caller has hung up."""


class Rule:
    """Replies for the calls that fit, in turn; the last one goes on for ever."""

    def __init__(self, replies, used=0):
        self.replies = replies
        self.used = used

    def take(self):
        reply = self.replies[min(self.used, len(self.replies) - 1)]
        self.used += 1
        return reply


class App:
    def __init__(self, options):
        self.options = options
        self.rules = {}
        self.config = {}
        self.holds = collections.defaultdict(asyncio.Event)
        self.serial = options.first
        self.in_flight = 0
        self.journal = os.open(options.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, entry):
        os.write(self.journal, (json.dumps(entry) + "\n").encode())

    # What StubApp.pm asks for.

    async def control(self, reader, writer):
        try:
            command = json.loads(await reader.read())
            answer = getattr(self, "do_" + command.pop("do"))(**command)
            if asyncio.iscoroutine(answer):
                answer = await answer
        except Exception:
            answer = {"error": traceback.format_exc()}
        writer.write(json.dumps(answer if answer is not None else {}).encode())
        writer.close()

    def do_configure(self, **config):
        self.config.update(config)

    def do_rule(self, key, replies, used):
        self.rules[key] = Rule(replies, used)

    def do_forget(self, function):
        for key in [key for key in self.rules if key.split(" ")[0] == function]:
            del self.rules[key]

    def do_release(self, name):
        self.holds[name].set()

    def do_hold(self, name):
        self.holds[name].clear()

    def do_in_flight(self):
        return {"in_flight": self.in_flight}

    # Connections.

    async def serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while await self.serve_request(reader, writer):
                pass
        except (Gone, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def serve_request(self, reader, writer):
        request = await read_request(reader, writer)
        if request is None:
            return False
        self.serial += 1
        self.in_flight += 1
        call = self.describe(request)
        end = {"end": call["n"], "state": "answered"}
        try:
            is_open = await self.handle(call, request["text"], reader, writer, end)
        except (Gone, ConnectionError):
            end["state"] = "gone"
            raise Gone from None
        except Exception:
            end.update(state="failed", trace=traceback.format_exc())
            raise Gone from None
        finally:
            self.in_flight -= 1
            self.write({**end, "ended_at": time.time()})
        return is_open and request["headers"].get("connection", "").lower() != "close"

    def describe(self, request):
        """What the journal says of a request."""
        url = urllib.parse.urlsplit(request["target"])
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        call = {"n": self.serial, "at": time.time(), "method": request["method"], "url": request["target"],
                "path": url.path, "query": query, "headers": request["headers"]}
        text = request["text"].decode("utf-8", "surrogateescape")
        try:
            call["body"] = json.loads(text) if text else None
            call["is_canonical"] = not text or canonical(call["body"]) == text
        except ValueError:
            call["text"] = text
        if self.config.get("signing_key"):
            call["signature"] = judge_signature(self.config["signing_key"],
                                                request["headers"].get("x-inngest-signature"), text)
        if request["method"] == "POST" and "fnId" in query and url.path == self.config.get("path"):
            call["function"] = query["fnId"]
            call["step"] = query.get("stepId", "")
            call["attempt"] = looked_up("ctx.attempt", call.get("body") or {})
        return call

    async def handle(self, call, text, reader, writer, end):
        found = self.find_rule(call)
        if found:
            call["rule"] = found
        self.write({"call": call})
        if found:
            reply = self.rules[found].take()
        elif "function" in call:
            reply = {"status": 500, "json": {"name": "Error", "message": f"no rule for function {call['function']}"}}
        else:
            reply = await self.default_reply(call)
        reply = await self.make(reply, call, text)
        end.update({key: value for key, value in reply.items() if key in ("status", "json", "ops", "checkpoints")})
        return await self.send(reply, reader, writer)

    def find_rule(self, call):
        """The rule for the path, or for function, step and attempt, or for less."""
        names = [call["path"]]
        if "function" in call:
            function, step, attempt = call["function"], call["step"], call["attempt"]
            names += [f"{function} {step} {attempt}", f"{function} {step} *",
                      f"{function} * {attempt}", f"{function} * *"]
        return next((name for name in names if name in self.rules), None)

    async def make(self, reply, call, text):
        """The reply with everything decided: a sub asked, a program run, a checkpoint posted."""
        body = call.get("body") or {}
        if "sub" in reply:
            reply = await asked(reply["sub"], call)
        if "program" in reply:
            rest = {key: value for key, value in reply.items() if key != "program"}
            reply = {**Program(reply["program"], call).answer(), **rest}
        reply = resolve(reply, body)
        if reply.get("hold") and reply.get("hold_before"):
            await self.holds[reply["hold"]].wait()
        for ops in reply.get("checkpoint", []):
            reply.setdefault("checkpoints", []).append(await self.checkpoint(ops, body))
        return reply

    async def checkpoint(self, ops, body):
        ctx = body["ctx"]
        status, _, text = await self.ask_server("POST", f"/v1/checkpoint/{ctx['run_id']}/async", {
            "run_id": ctx["run_id"], "fn_id": ctx["fn_id"], "qi_id": ctx.get("qi_id"), "steps": ops,
            "request_id": ctx.get("request_id"), "generation_id": ctx.get("generation_id"),
            "ts": int(time.time() * 1000)})
        return {"status": status, "body": text}

    async def ask_server(self, method, path, body):
        """One request of the app to the server, over a connection of its own."""
        url = urllib.parse.urlsplit(self.config["server"])
        data = json.dumps(body).encode()
        key = self.config.get("signing_key")
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
                         f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
                         f"X-Inngest-SDK: {self.config['sdk_header']}\r\n"
                         f"Authorization: Bearer {hashed_key(key) if key else ''}\r\n\r\n".encode() + data)
            head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if b"transfer-encoding: chunked" in head.lower():
            rest = unchunked(rest)
        lines = head.decode("latin-1").split("\r\n")
        return int(lines[0].split(" ")[1]), lines[1:], rest.decode()

    # What an SDK answers besides calls.

    async def default_reply(self, call):
        if call["path"] != self.config.get("path"):
            return {"status": 404, "body": "not found", "no_sdk": True}
        if call["method"] == "GET":
            return {"json": {"schema_version": "2024-05-24", "function_count": len(self.config["functions"]),
                             "has_event_key": False, "has_signing_key": bool(self.config.get("signing_key")),
                             "has_signing_key_fallback": False,
                             "mode": "cloud" if self.config.get("signing_key") else "dev"}}
        if call["method"] == "PUT":
            return await self.sync(call)
        return {"status": 405, "body": "method not allowed", "no_sdk": True}

    async def sync(self, call):
        if call.get("signature", "good") not in ("good", "missing"):
            return {"status": 401, "json": {"message": "Unauthorized"}, "no_sdk": True}
        if self.config.get("in_band"):
            return self.in_band_reply()
        status, _, text = await self.ask_server("POST", "/fn/register", self.config["registration"])
        try:
            answer = json.loads(text)
        except ValueError:
            return {"status": 500, "json": {"message": text}}
        return {"status": status, "headers": {"x-inngest-sync-kind": "out_of_band"},
                "json": {"message": answer.get("error", "Successfully registered"),
                         "modified": answer.get("modified", False)}}

    def in_band_reply(self):
        registration = self.config["registration"]
        language, _, version = registration["sdk"].partition(":")
        reply = {"app_id": registration["appName"], "env": None, "framework": None, "platform": None,
                 "functions": registration["functions"], "inspection": {}, "sdk_author": "inngest",
                 "sdk_language": language, "sdk_version": version, "url": registration["url"],
                 "appVersion": registration.get("appVersion")}
        headers = {"x-inngest-sync-kind": "in_band"}
        if language == "go":        # which signs it without the line feed
            text = json.dumps(reply)
            if self.config.get("signing_key"):
                headers["x-inngest-signature"] = signature(self.config["signing_key"], text, int(time.time()))
            return {"headers": headers, "body": text + "\n"}
        return {"headers": headers, "json": reply, "sign": True}

    # Sending.

    async def send(self, reply, reader, writer):
        """False if the connection has to end."""
        if reply.get("hold"):
            await self.hold(reply["hold"], reader)
        if reply.get("hang"):
            await watch(reader)
            raise Gone
        if reply.get("reset"):
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if reply.get("close"):
            return False
        status, headers, pieces = self.wire(reply)
        head = f"HTTP/1.1 {status} Whatever\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        for _ in range(2 if reply.get("twice") else 1):
            await put(writer, head.encode("latin-1"))
            sent = await self.send_pieces(reply, pieces(), writer)
        return sent and not reply.get("close_after")

    async def hold(self, name, reader):
        """Wait until the test releases the reply, or the caller hangs up."""
        released = asyncio.ensure_future(self.holds[name].wait())
        gone = asyncio.ensure_future(watch(reader))
        await asyncio.wait({released, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        await asyncio.wait({gone})
        if not released.done():
            released.cancel()
            raise Gone

    def wire(self, reply):
        """Status, headers, and a maker of the body's pieces."""
        status, headers, body = self.contents(reply)
        if reply.get("gzip"):
            body = gzip.compress(body)
            headers["content-encoding"] = "gzip"
        if reply.get("sign") and self.config.get("signing_key"):
            headers["x-inngest-signature"] = signature(self.config["signing_key"], body.decode(), int(time.time()))
        size = reply.get("size")
        if reply.get("chunked"):
            headers["transfer-encoding"] = "chunked"
        elif status != 204:
            headers["content-length"] = str(size if size is not None else len(body))
        headers = {key: value for key, value in headers.items() if value is not None}
        if status == 204:
            return status, headers, lambda: iter(())
        if size is not None:
            return status, headers, lambda: filler(size)
        return status, headers, lambda: (body[at:at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES))

    def contents(self, reply):
        status = reply.get("status", 206 if "ops" in reply else 200)
        headers = {"content-type": "application/json"}
        if not reply.get("no_sdk"):
            headers["x-inngest-sdk"] = self.config["sdk_header"]
            headers["x-inngest-req-version"] = str(reply.get("req_version", self.config.get("req_version", 2)))
        headers.update(reply.get("headers", {}))
        if "body" in reply:
            body = reply["body"].encode("utf-8", "surrogateescape")
        else:
            body = json.dumps(reply["ops"] if "ops" in reply else reply.get("json")).encode()
        if reply.get("stream"):
            text = body.decode()
            body = (" " * 10 + json.dumps({"status": status, "headers": headers, "body": text})).encode()
            status, headers = 201, dict(headers)
        return status, headers, body

    async def send_pieces(self, reply, pieces, writer):
        """False if the body was cut: the connection has to end then."""
        left = reply.get("cut")
        step = reply.get("trickle_bytes")
        for piece in pieces:
            for at in range(0, len(piece), step or len(piece)):
                part = piece[at:at + (step or len(piece))]
                if left is not None and len(part) >= left:
                    await put(writer, part[:left])
                    return False
                left = None if left is None else left - len(part)
                await put(writer, b"%x\r\n%s\r\n" % (len(part), part) if reply.get("chunked") else part)
                if step:
                    await asyncio.sleep(reply.get("trickle_ms", 100) / 1000)
        if reply.get("chunked"):
            await put(writer, b"0\r\n\r\n")
        return left is None


def filler(size):
    """A JSON string of so many bytes, quotation marks included."""
    yield b'"'
    left = size - 2
    while left > 0:
        yield b"x" * min(left, PIECE_BYTES)
        left -= PIECE_BYTES
    yield b'"'


async def put(writer, data):
    if writer.is_closing():
        raise Gone
    writer.write(data)
    await writer.drain()


async def watch(reader):
    """Return when the caller has hung up.  Callers do not send ahead, so nothing is taken away."""
    await reader.read(1)


async def asked(path, call):
    """The reply of a sub, which runs in a process of its own."""
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 28)
    try:
        writer.write(json.dumps(call).encode())
        writer.write_eof()
        return json.loads(await reader.read())
    finally:
        writer.close()


async def read_request(reader, writer):
    """A whole request, or None if there is no further one."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = await reader.readline()
        if not line or len(head) > MAX_HEAD_BYTES:
            return None
        head += line
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {}
    for line in filter(None, lines[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        text = await read_chunks(reader)
    else:
        text = await reader.readexactly(int(headers.get("content-length", 0)))
    return {"method": method, "target": target, "headers": headers, "text": text}


async def read_chunks(reader):
    text = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        if size == 0:
            while (await reader.readline()).strip():
                pass
            return text
        text += await reader.readexactly(size)
        await reader.readline()


def unchunked(data):
    text = b""
    while data:
        line, _, data = data.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        text, data = text + data[:size], data[size + 2:]
        if size == 0:
            break
    return text


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control", required=True)
    parser.add_argument("--journal", required=True)
    parser.add_argument("--first", type=int, default=0)
    app = App(parser.parse_args())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    await asyncio.start_unix_server(app.control, app.options.control, limit=1 << 28)
    server = await asyncio.start_server(app.serve, "127.0.0.1", app.options.port, limit=1 << 20, backlog=4096)
    asyncio.get_running_loop().add_reader(0, os._exit, 0)      # the test has ended, however
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
