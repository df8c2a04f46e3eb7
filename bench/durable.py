"""Durable execution: executors call an app in C (bench/app.c).  Speed, and what may not change it."""

import contextlib
import http.client
import json
import selectors
import socket
import statistics
import threading
import time

from measure import bare_inserts, number, private_sizes
from server import Failure, Server, wait_for

BATCH = 500  # events of one request
AHEAD = 4_000  # runs that have not ended, while throughput is measured
SDK_AHEAD = 500  # the same with an app that takes longer
RATE = 500  # events a second, while latency is
SDK_RATE = 100  # the same with an app that can do no more
SENDERS = 16  # connections
OFTEN = 25  # rounds of a second: a tenth of half a millisecond is less than one differs from the next by
KINDS = ("none", "one", "five", "parallel", "sleep", "wait", "mix", "big", "hang")
TABLES = ("jobs", "pauses", "deliveries", "steps")
SOME_RUN = "01JD7V3W0000000000000000000"[:26]


class App:
    """What is called: it tells what it has seen."""

    def __init__(self, server, name, port):
        self.server, self.name = server, name
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def figures(self):
        """What the program has seen since it was asked last, whatever the app."""
        self.connection.request("GET", "/figures")
        text = self.connection.getresponse().read().decode()
        return {key: int(value) for key, value in (pair.split("=") for pair in text.split())}

    def send(self, kind, count, **data):
        """Events, BATCH in a request."""
        while count > 0:
            n = min(count, BATCH)
            post(self.server, "/e/key", [{"name": f"{self.name}/{kind}", "data": data}] * n)
            count -= n

    def wait_for(self, what, count, seconds=120):
        """Until so many calls were made, or runs have ended, since figures were asked for last: how many calls were made meanwhile."""
        until = time.monotonic() + seconds
        calls = 0
        while count > 0:
            if time.monotonic() > until:
                raise Failure(f"{count} {what} are missing")
            time.sleep(0.005)
            figures = self.figures()
            count -= figures[what]
            calls += figures["calls"]
        return calls

    def throughput(self, kind, seconds, ends=1, ahead=AHEAD):
        """
        Runs per second from event to end, with enough of them under way that nobody waits for events.  Each counts by its calls, as they
        are made: runs that begin together end together, some two seconds apart if they have five steps, so that counting ends would find
        one such wave or two in the same time.
        """
        self.figures()
        sent = ended = calls = 0
        begin = None
        while begin is None or now - begin < seconds:
            while sent - ended < ahead:
                self.send(kind, BATCH)
                sent += BATCH
            time.sleep(0.02)
            now = time.monotonic()
            figures = self.figures()
            ended += figures["ended"] / ends
            calls += figures["calls"]
            if begin is None and ended >= ahead // 2:
                begin, before = now, calls
        rate = (calls - before) / (now - begin)
        calls += self.wait_for("ended", ends * (sent - ended))
        return rate / (calls / sent)

    def latency(self, seconds, rate=RATE):
        """From events, so many a second, to the first call of their function: p50 and p99 in milliseconds."""
        self.figures()
        send_at_rate(self.server.http_port, "/e/key", seconds, rate,
                     '{"name":"%s/none","data":{"sent_us":%%d}}' % self.name)
        time.sleep(0.2)
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


class Stub(App):
    """An app of the program bench/app.c, registered with a server."""

    def __init__(self, server, name="bench", sdk="js:v4.24.0", kinds=KINDS):
        super().__init__(server, name, server.app_port)
        url = f"http://127.0.0.1:{server.app_port}/{name}"
        functions = [{
            "id": f"{name}-{kind}", "name": kind, "triggers": [{"event": f"{name}/{kind}"}],
            "steps": {"step": {"id": "step", "name": "step",
                               "runtime": {"type": "http", "url": f"{url}?fnId={name}-{kind}&stepId=step"}}},
        } for kind in kinds]
        post(server, "/fn/register", {"url": url, "appName": name, "deployType": "ping", "sdk": sdk, "v": "0.1",
                                      "framework": "stub", "functions": functions})
        self.figures()

    def latency_without_server(self, seconds):
        """The same, if the app is called by who would send the event."""
        self.figures()
        send_at_rate(self.server.app_port, f"/x?fnId={self.name}-none", seconds, RATE,
                     '{"run_id":"%s","data":{"sent_us":%%d}}' % SOME_RUN)
        return self.milliseconds("first")

    def calls_without_server(self, seconds):
        """Calls per second that the program answers, if it is asked by wrk."""
        return self.server.wrk(f"http://127.0.0.1:{self.server.app_port}/x?fnId=bench-none", 64, seconds, SOME_RUN)["rate"]

    def sleep(self, count):
        self.send("sleep", count)
        wait_for(lambda: count_rows(self.server, "jobs", "kind = 'sleep'") >= count, "runs to sleep", 600)

    def wait(self, ids):
        """A run for each id, which waits for bench/go with it."""
        for i in range(0, len(ids), BATCH):
            post(self.server, "/e/key", [{"name": f"{self.name}/wait", "data": {"id": id}} for id in ids[i:i + BATCH]])

    def handle(self, ids):
        """Milliseconds from an event to the call of the one run that it resumes, one after the other."""
        self.figures()
        for id in ids:
            post(self.server, "/e/key", {"name": "bench/go", "data": {"id": id, "sent_us": int(time.time() * 1e6)}})
            self.connection.request("GET", "/")  # as much as figures, but they are kept
            self.connection.getresponse().read()
            time.sleep(0.05)
        figures = self.figures()
        if figures["first"] != len(ids):
            raise Failure(f"{figures['first']} of {len(ids)} runs were resumed")
        return figures["first_p50"] / 1e3


class SdkApp(App):
    """bench/app.mjs, asked to register; "sdk" with checkpoints, "plain" without."""

    def __init__(self, server, name):
        super().__init__(server, name, server.sdk_port)
        url = f"/api/{name}"
        self.connection.request("PUT", url, json.dumps({"url": f"http://127.0.0.1:{server.sdk_port}{url}"}),
                                {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise Failure(f"PUT {url}: {reply.status} {text[:300]}")
        self.figures()


connections = {}


def post(server, path, body):
    """Over a connection that is kept; the server closes one that was idle for long."""
    text = json.dumps(body)
    for _ in range(2):
        connection = connections.pop(server.http_port, None) or connect(server.http_port)
        try:
            connection.request("POST", path, text, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = reply.read()
            break
        except (ConnectionError, http.client.RemoteDisconnected):
            connection.close()
    if reply.status != 200:
        raise Failure(f"POST {path}: {reply.status} {answer[:300]}")
    connections[server.http_port] = connection


def connect(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send_at_rate(port, path, seconds, rate, text):
    """One request each time it is due, whatever has become of those before; %d in the text is the time."""
    selector = selectors.DefaultSelector()
    idle = []
    for _ in range(SENDERS):
        sender = socket.create_connection(("127.0.0.1", port))
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sender, selectors.EVENT_READ)
        idle.append(sender)
    begin = time.monotonic()
    sent = 0
    while sent < rate * seconds or len(idle) < SENDERS:
        wait = begin + sent / rate - time.monotonic()
        if sent < rate * seconds and wait <= 0 and idle:
            body = (text % (time.time() * 1e6)).encode()
            idle.pop().sendall(b"POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body))
            sent += 1
            continue
        for key, _ in selector.select(max(wait, 0) if idle and sent < rate * seconds else 1):
            if not key.fileobj.recv(4096).startswith(b"HTTP/1.1 200"):
                raise Failure("a request was not accepted")
            idle.append(key.fileobj)
    for sender in idle:
        sender.close()


@contextlib.contextmanager
def another(server):
    """One more server, which nobody else has used."""
    fresh = Server(server)
    try:
        fresh.start()
        yield fresh
    finally:
        fresh.stop()


def count_rows(server, table, condition="true"):
    return int(server.sql(f"SELECT count(*) FROM inngest.{table} WHERE {condition}"))


def speed(server, table, effort):
    """Alone, and beside many runs that sleep and wait: two servers take turns."""
    app = Stub(server)
    with another(server) as crowded:
        crowd = Stub(crowded)
        settle(app, crowd)
        compare_alike(table, effort, app, crowd)
        count = effort.crowd
        print(f"   {number(count)} runs begin to sleep, {number(count)} to wait", flush=True)
        crowd.sleep(count)
        crowd.wait(range(count))
        wait_for(lambda: count_rows(crowded, "pauses") >= count, "runs to wait", 600)
        settle(app, crowd)
        compare_speed(table, effort, app, crowd)
        compare_waits(table, effort, app, crowd)


def settle(*apps):
    """What each has to tidy up is done, and falls due at the same time from now on."""
    for app in apps:
        app.throughput("one", 1)
        app.server.sql("VACUUM ANALYZE")
    for app in apps:
        app.server.sql("CHECKPOINT")


def compare_alike(table, effort, app, other):
    """What two servers that are the same differ by: no ratio below says more than that."""
    figures = effort.compare(OFTEN, one=lambda: app.latency(1), other=lambda: other.latency(1))
    for i, what in enumerate(("p50", "p99")):
        table.compare(f"event to first call at {RATE}/s, {what}: a second server, alike", [each[i] for each in figures["other"]], "ms",
                      [each[i] for each in figures["one"]])


def compare_speed(table, effort, app, crowd):
    seconds = effort.seconds
    figures = effort.compare(OFTEN, without=lambda: app.latency_without_server(1), alone=lambda: app.latency(1),
                             beside=lambda: crowd.latency(1))
    for i, (what, bound) in enumerate((("p50", 3), ("p99", 20))):
        without, alone, beside = ([each[i] for each in figures[name]] for name in ("without", "alone", "beside"))
        table.compare(f"event to first call at {RATE}/s, {what}, against a direct call", alone, "ms", without,
                      f"<= {bound} ms", lambda figure, _, bound=bound: figure <= bound)
        table.compare(f"the same, {what}, {beside_whom(effort)}", beside, "ms", alone, "<= 1.10", lambda _, ratio: ratio <= 1.1)

    for what, kind, steps, bound in (("runs of one step", "one", 1, 2_000), ("steps, five in a run", "five", 5, 5_000)):
        figures = effort.compare(9, without=lambda: app.calls_without_server(seconds),
                                 alone=lambda: steps * app.throughput(kind, seconds),
                                 beside=lambda: steps * crowd.throughput(kind, seconds))
        table.compare(f"{what}, against calls that the app answers alone", figures["alone"], "/s", figures["without"],
                      f">= {number(bound)}/s", lambda figure, _: figure >= bound)
        table.compare(f"the same, {beside_whom(effort)}", figures["beside"], "/s", figures["alone"], ">= 0.90",
                      lambda _, ratio: ratio >= 0.9)

    figures = effort.compare(7, commit=lambda: 1000 / bare_inserts(app.server, 1, effort), alone=lambda: app.overhead(seconds),
                             beside=lambda: crowd.overhead(seconds))
    table.compare("an answer to the next call, p50, against one client's INSERT", figures["alone"], "ms", figures["commit"],
                  "<= 1.5 ms", lambda figure, _: figure <= 1.5)
    table.compare(f"the same, {beside_whom(effort)}", figures["beside"], "ms", figures["alone"], "<= 1.10",
                  lambda _, ratio: ratio <= 1.1)


def beside_whom(effort):
    return f"beside {number(effort.crowd)} asleep, {number(effort.crowd)} waiting"


def compare_waits(table, effort, app, crowd):
    """An event that one of ten runs waits for, and one of many; and one that all wait for."""
    ids = iter(range(effort.crowd))

    def one_of_ten():
        few = [f"few-{next(ids)}" for _ in range(10)]
        app.wait(few)
        wait_for(lambda: count_rows(app.server, "pauses") == 10, "runs to wait")
        return app.handle(few)

    figures = effort.compare(ten=one_of_ten, all=lambda: crowd.handle([next(ids) for _ in range(10)]))
    table.compare(f"an event to the call of one of {number(effort.crowd)} runs that wait, against one of 10", figures["all"],
                  "ms", figures["ten"], "<= 2.00", lambda _, ratio: ratio <= 2)

    count = 10_000
    app.figures()
    app.wait(["all"] * count)
    wait_for(lambda: count_rows(app.server, "pauses") == count, "runs to wait", 300)
    app.figures()
    begin = time.monotonic()
    post(app.server, "/e/key", {"name": "bench/go", "data": {"id": "all"}})
    app.wait_for("ended", count)
    seconds = time.monotonic() - begin
    left = count_rows(app.server, "pauses")
    table.add(f"an event that resumes {number(count)} runs: until all have ended", seconds, "s", "all", left == 0)


def snapshot(server, table, effort):
    """A transaction that stays open: nothing that was deleted can be cleaned up."""
    keep_open(server, table, effort.snapshot_seconds)


def long_snapshot(server, table, effort):
    keep_open(server, table, 30 * 60)


MIXES = (("runs of one step", "one", 1), ("runs with a step, a sleep and an invocation", "mix", 2))


def keep_open(server, table, seconds):
    """
    Work without a pause while a snapshot is open; then without it, when what it has kept was cleaned up.  Afterwards the database is as
    large as it was at the end, so that what its growth costs is seen apart from what the snapshot does.
    """
    with another(server) as fresh:
        app = Stub(fresh)
        slice_seconds = min(20, seconds / 6)
        begin = time.monotonic()

        def rates():
            """Runs per second of each of MIXES."""
            figures = [app.throughput(kind, slice_seconds, ends) for _, kind, ends in MIXES]
            print(f"   {time.monotonic() - begin:.0f} s: " + ", ".join(number(figure) for figure in figures), flush=True)
            return figures

        def rounds(count):
            return [rates() for _ in range(count)]

        rates()
        before = rounds(3)
        sizes = [table_sizes(fresh)]
        holder = fresh.sql_later("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM inngest.apps; SELECT pg_sleep(86400)")
        begin = time.monotonic()
        during = []
        while time.monotonic() - begin < seconds:
            during.append(rates())
        minutes = f"{(time.monotonic() - begin) / 60:.0f} minutes"
        sizes.append(table_sizes(fresh))
        fresh.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()")
        holder.wait(30)
        fresh.sql("VACUUM")
        rates()
        after = rounds(3)

        for i, (what, _, _) in enumerate(MIXES):
            figures = {name: [each[i] for each in some] for name, some in (("before", before), ("last", during[-3:]), ("after", after))}
            table.compare(f"{what}, when a snapshot was open for {minutes}, against afterwards", figures["last"], "/s", figures["after"],
                          ">= 0.80", lambda _, ratio: ratio >= 0.8)
            table.compare("the same, against before", figures["last"], "/s", figures["before"])
        for i, name in enumerate(TABLES):
            for j, part in enumerate(("rows", "indexes")):
                table.compare(f"{name}, then: its {part}, against before", [sizes[1][i][j] / 1e6], "MB", [sizes[0][i][j] / 1e6])


def table_sizes(server):
    """Of each of TABLES, with its partitions: bytes of rows, and of indexes."""
    return [tuple(int(size) for size in server.sql(
        "SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid))"
        f" FROM (SELECT 'inngest.{name}'::regclass AS relid UNION SELECT relid FROM pg_partition_tree('inngest.{name}')) t").split("|")) for name in TABLES]


def calls(server, table, effort):
    """What calls that are under way cost: memory, and the patience of other apps."""
    with another(server) as fresh:
        hanging, other = Stub(fresh, "hanging"), Stub(fresh, "other")
        other.throughput("one", 1)
        pids = [pid for pid, name in fresh.workers().items() if name == "inngest executor"]
        before = sum(private_sizes(pids).values())
        fresh.set(max_calls_per_app=1000)
        other.figures()
        hanging.send("hang", 1000)
        other.wait_for("calls", 1000)
        size = sum(private_sizes(pids).values())
        table.add("executor, 1 000 calls in flight, against idle", size / 1e6, "MB", "<= 64 MB", size <= 64e6,
                  baseline=before / 1e6)

    with another(server) as fresh:
        big = Stub(fresh, "big", sdk="go:v0.16.0")
        pids = [pid for pid, name in fresh.workers().items() if name == "inngest executor"]
        peak = Peak(pids)
        big.figures()
        big.send("big", 20)
        big.wait_for("ended", 20, 600)
        size = peak.stop()
        table.add("executor, 20 runs with 31 MB of state each, all of it in each call: peak", size / 1e6, "MB", "<= 512 MB",
                  size <= 512e6)


class Peak(threading.Thread):
    """The most memory that processes have had, looked at ten times a second."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.size, self.is_over = pids, 0, False
        self.start()

    def run(self):
        while not self.is_over:
            self.size = max(self.size, sum(private_sizes(self.pids).values()))
            time.sleep(0.1)

    def stop(self):
        self.is_over = True
        self.join()
        return self.size


def hanging(server, table, effort):
    """Ten thousand runs of an app that does not answer; another app is called as before."""
    with another(server) as quiet, another(server) as fresh:
        alone, other, app = Stub(quiet), Stub(fresh), Stub(fresh, "hanging")
        count = 10_000
        for stub in (alone, other):
            stub.throughput("one", 1)
        app.send("hang", count)
        wait_for(lambda: count_rows(fresh, "function_runs", "outcome IS NULL") == count, "the runs")
        time.sleep(1)
        figures = effort.compare(alone=lambda: alone.latency(effort.seconds), beside=lambda: other.latency(effort.seconds))
        for i, what in enumerate(("p50", "p99")):
            table.compare(f"event to first call, {what}, beside {number(count)} runs of an app that hangs",
                          [each[i] for each in figures["beside"]], "ms", [each[i] for each in figures["alone"]],
                          "<= 1.10", lambda _, ratio: ratio <= 1.1)


def sdk(server, table, effort):
    """The same with the TypeScript SDK, against the app in C."""
    if not server.start_sdk_app():
        return
    seconds = effort.seconds
    stub = Stub(server)
    for name, what in (("sdk", "TypeScript SDK"), ("plain", "TypeScript SDK without checkpoints")):
        app = SdkApp(server, name)
        app.throughput("one", 1, ahead=SDK_AHEAD)
        figures = effort.compare(stub=lambda: stub.latency(seconds, SDK_RATE),
                                 app=lambda: app.latency(seconds, SDK_RATE))
        for i, point in enumerate(("p50", "p99")):
            table.compare(f"{what}: event to first call at {SDK_RATE}/s, {point}", [each[i] for each in figures["app"]], "ms",
                          [each[i] for each in figures["stub"]])
        for unit, kind, steps in (("runs of one step", "one", 1), ("steps, five in a run", "five", 5)):
            figures = effort.compare(stub=lambda: steps * stub.throughput(kind, seconds),
                                     app=lambda: steps * app.throughput(kind, seconds, ahead=SDK_AHEAD))
            table.compare(f"{what}: {unit}", figures["app"], "/s", figures["stub"])
        if name == "plain":
            figures = effort.compare(stub=lambda: stub.overhead(seconds), app=lambda: app.overhead(seconds))
            table.compare(f"{what}: an answer to the next call, p50", figures["app"], "ms", figures["stub"])


MEASUREMENTS = (("speed", speed), ("sdk", sdk), ("snapshot", snapshot), ("calls", calls), ("hanging", hanging))
ON_REQUEST = (("long-snapshot", long_snapshot),)
