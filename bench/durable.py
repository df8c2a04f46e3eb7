"""Durable execution: an app in C (bench/app.c), called by executors; speed, and what may not change it."""

import http.client
import json
import selectors
import socket
import statistics
import time

from measure import number, private_sizes
from server import Failure, wait_for

BATCH = 500
AHEAD = 4_000  # events that have not ended yet, while throughput is measured
RATE = 500
SENDERS = 16


class Stub:
    """An app of the program bench/app.c, registered with a server."""

    def __init__(self, server, name="bench", sdk="js:v4.24.0", kinds=("none", "one", "five", "parallel", "sleep", "wait")):
        self.server, self.name = server, name
        self.connection = http.client.HTTPConnection("127.0.0.1", server.app_port, timeout=60)
        url = f"http://127.0.0.1:{server.app_port}/api/inngest"
        functions = [{
            "id": f"{name}-{kind}", "name": kind, "triggers": [{"event": f"{name}/{kind}"}],
            "steps": {"step": {"id": "step", "name": "step",
                               "runtime": {"type": "http", "url": f"{url}?fnId={name}-{kind}&stepId=step"}}},
        } for kind in kinds]
        post(server, "/fn/register", {"url": url, "appName": name, "deployType": "ping", "sdk": sdk, "v": "0.1",
                                      "framework": "stub", "functions": functions})
        self.figures()

    def figures(self):
        """What the program has seen since it was asked last."""
        self.connection.request("GET", "/figures")
        text = self.connection.getresponse().read().decode()
        return {key: int(value) for key, value in (pair.split("=") for pair in text.split())}

    def send(self, kind, count, **data):
        """Events, BATCH in a request."""
        while count > 0:
            n = min(count, BATCH)
            post(self.server, "/e/key", [{"name": f"{self.name}/{kind}", "data": data}] * n)
            count -= n

    def wait_for_ends(self, count, seconds=120):
        until = time.monotonic() + seconds
        while count > 0:
            if time.monotonic() > until:
                raise Failure(f"{count} runs have not ended")
            time.sleep(0.02)
            count -= self.figures()["ended"]

    def throughput(self, kind, seconds):
        """Runs per second from event to end, with enough events ahead that nobody waits for them."""
        self.figures()
        sent = ended = 0
        begin = None
        while True:
            while sent - ended < AHEAD:
                self.send(kind, BATCH)
                sent += BATCH
            time.sleep(0.02)
            now = time.monotonic()
            ended += self.figures()["ended"]
            if begin is None and ended >= AHEAD // 2:
                begin, before = now, ended
            if begin is not None and now - begin >= seconds:
                break
        rate = (ended - before) / (now - begin)
        self.wait_for_ends(sent - ended)
        return rate

    def latency(self, seconds):
        """From events, RATE a second, to the first call of their function: p50 and p99 in milliseconds."""
        self.figures()
        send_at_rate(self.server, f"{self.name}/none", seconds)
        return self.milliseconds("first")

    def overhead(self, seconds):
        """From the answer of an app to the next call of the run, while there is nothing else to do: p50 in milliseconds."""
        self.figures()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.send("five", 1)
            time.sleep(0.1)
        return self.milliseconds("between")[0]

    def milliseconds(self, what):
        figures = self.figures()
        if figures[what] == 0:
            raise Failure(f"the app has seen no call ({figures})")
        return figures[what + "_p50"] / 1e3, figures[what + "_p99"] / 1e3


connections = {}


def post(server, path, body):
    connection = connections.get(server.http_port)
    if connection is None:
        connection = connections[server.http_port] = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != 200:
        raise Failure(f"POST {path}: {reply.status} {text[:300]}")


def send_at_rate(server, name, seconds):
    """One event in each request, when it is its time, whatever has become of those before."""
    selector = selectors.DefaultSelector()
    idle = []
    for _ in range(SENDERS):
        sender = socket.create_connection(("127.0.0.1", server.http_port))
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sender, selectors.EVENT_READ)
        idle.append(sender)
    begin = time.monotonic()
    sent = 0
    while sent < RATE * seconds or len(idle) < SENDERS:
        wait = begin + sent / RATE - time.monotonic()
        if sent < RATE * seconds and wait <= 0 and idle:
            body = '{"name":"%s","data":{"sent_us":%d}}' % (name, time.time() * 1e6)
            idle.pop().sendall(b"POST /e/key HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(body), body.encode()))
            sent += 1
            continue
        for key, _ in selector.select(max(wait, 0) if idle and sent < RATE * seconds else 1):
            if not key.fileobj.recv(4096).startswith(b"HTTP/1.1 200"):
                raise Failure("an event was not accepted")
            idle.append(key.fileobj)
    for sender in idle:
        sender.close()
    time.sleep(0.2)


def speed(server, table, effort):
    app = Stub(server)
    seconds = effort.seconds
    app.throughput("one", 1)
    latencies = [app.latency(seconds) for _ in range(effort.repetitions)]
    for i, (what, bound) in enumerate((("p50", 3), ("p99", 20))):
        value = statistics.median(each[i] for each in latencies)
        table.add(f"event to first call at {RATE}/s, {what}", value, "ms", f"<= {bound} ms", value <= bound)
    for what, kind, steps, bound in (("runs of one step", "one", 1, 2_000), ("steps, five in a run", "five", 5, 5_000)):
        value = statistics.median(steps * app.throughput(kind, seconds) for _ in range(effort.repetitions))
        table.add(what, value, "/s", f">= {number(bound)}/s", value >= bound)
    value = statistics.median(app.overhead(seconds) for _ in range(effort.repetitions))
    table.add("from an answer to the next call, p50", value, "ms", "<= 1.5 ms", value <= 1.5)


MEASUREMENTS = (("speed", speed),)
