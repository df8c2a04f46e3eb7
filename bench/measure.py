"""What is measured, and what it must reach.  Each function adds rows to the table."""

import http.client
import json
import statistics
import threading
import time

from server import wait_for

MATCHING = "bench/matched"
PLAIN = "bench/plain"
DATA = '{"user_id": "u-4711", "plan": "pro", "amount": 1299, "tags": ["a", "b"]}'
RUNS = 1_000_000
OWNER = "SET ROLE inngest_engine;"


class Effort:
    def __init__(self, is_quick):
        self.repetitions = 1 if is_quick else 3
        self.seconds = 2 if is_quick else 3
        self.idle_seconds = 5 if is_quick else 10
        self.snapshot_seconds = 60 if is_quick else 240
        self.crowd = 20_000 if is_quick else 100_000  # runs that sleep, and as many that wait

    def compare(self, times=1, **subjects):
        """
        Let them take turns, times as many as usual: {name: [what it returned in each round]}.  Every other round goes backwards: what
        one leaves to be written disturbs the next.
        """
        results = {name: [] for name in subjects}
        for turn in range(times * self.repetitions):
            for name, subject in list(subjects.items())[::-1 if turn % 2 else 1]:
                results[name].append(subject())
        return results


def ratio_of(values, baseline):
    """The median of the ratios of each round: what else the machine does changes more slowly."""
    return statistics.median(value / base for value, base in zip(values, baseline))


class Table:
    """Rows of what, figure, baseline, ratio and bound."""

    def __init__(self):
        self.rows = []
        self.bounded = self.missed = 0

    def compare(self, what, values, unit, baseline, bound=None, holds=None):
        """A row of medians; holds is a function of figure and ratio."""
        figure, ratio = statistics.median(values), ratio_of(values, baseline)
        self.add(what, figure, unit, bound, holds and holds(figure, ratio), statistics.median(baseline), ratio)

    def add(self, what, figure, unit, bound=None, holds=None, baseline=None, ratio=None):
        verdict = ""
        if bound is not None:
            self.bounded += 1
            self.missed += not holds
            verdict = "ok" if holds else "MISSED"
        row = (what, number(figure) + " " + unit, "" if baseline is None else number(baseline),
               "" if ratio is None else f"{ratio:.2f}", bound or "", verdict)
        self.rows.append(row)
        print("   " + "  ".join(cell for cell in row if cell), flush=True)

    def __str__(self):
        head = ("what", "figure", "baseline", "ratio", "bound", "")
        widths = [max(len(row[c]) for row in [head] + self.rows) for c in range(len(head))]
        lines = ["| " + " | ".join(cell.ljust(width) if c in (0, 4) else cell.rjust(width)
                                   for c, (cell, width) in enumerate(zip(row, widths))) + " |"
                 for row in [head] + self.rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(lines)


def number(value):
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def register(server, slug, event, app="default"):
    config = {"id": slug, "name": slug, "app_id": app, "runtime": "pull", "triggers": [{"event": event}]}
    server.sql(f"SELECT FROM inngest.register_function('{json.dumps(config)}')")


def idle(server, table, effort):
    """Nobody asks for anything."""
    server.sql("ALTER SYSTEM SET autovacuum = off", "postgres")
    server.sql("SELECT pg_reload_conf()", "postgres")
    time.sleep(3)

    def transactions():
        return int(server.sql("SELECT xact_commit + xact_rollback FROM pg_stat_database"
                              " WHERE datname = 'inngest'", "postgres"))

    pids = server.workers()
    queries, cpu = transactions(), cpu_seconds(pids)
    time.sleep(effort.idle_seconds)
    cpu = 100 * (cpu_seconds(pids) - cpu) / effort.idle_seconds
    queries = transactions() - queries
    table.add(f"idle for {effort.idle_seconds} s: transactions", queries, "", bound="0", holds=queries == 0)
    table.add("idle: CPU of all workers", cpu, "%", bound="< 0.5 %", holds=cpu < 0.5)
    server.sql("ALTER SYSTEM RESET autovacuum", "postgres")
    server.sql("SELECT pg_reload_conf()", "postgres")


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def memory(server, table, effort):
    """Private memory and mapped files of each worker: idle, after 100 000 runs, 200 000 and 300 000.

    A leak grows each time.  Buffers and caches grow once, when there is first a use for them.
    """
    register(server, "bench-matched", MATCHING)
    pids = server.workers()
    sizes = [private_sizes(pids)]
    anonymous = []
    for _ in range(3):
        left = 100_000
        while left > 0:
            left -= 10 * server.wrk(server.url + "/api/v1/events", 16, effort.seconds, MATCHING, 10)["requests"]
        wait_for_relay(server)
        sizes.append(private_sizes(pids))
        anonymous.append(private_sizes(pids, ("Pss_Anon:",)))

    for pid, name in pids.items():
        series = [size[pid] / 1e6 for size in sizes]
        figures = " / ".join(f"{mb:.1f}" for mb in series)
        table.add(f"{name}: idle / 100 k / 200 k / 300 k runs: {figures}", max(series), "MB", bound="<= 8.7 MB",
                  holds=max(series) <= 8.7)
    growth = sum(max(0, min(after[pid] - before[pid] for before, after in zip(anonymous, anonymous[1:])))
                 for pid in pids)
    table.add("all workers: growth with each further 100 k runs", growth / 1e3, "kB", bound="<= 64 kB",
              holds=growth <= 64_000)
    open_connections(server, table)


def open_connections(server, table):
    count = 500
    pids = [pid for pid, name in server.workers().items() if name == "inngest http"]
    before = sum(private_sizes(pids).values())
    connections = []
    for _ in range(count):
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)
        connection.request("POST", "/api/v1/events", json.dumps({"name": PLAIN}),
                           {"Content-Type": "application/json"})
        connection.getresponse().read()
        connections.append(connection)
    each = (sum(private_sizes(pids).values()) - before) / count / 1e3
    for connection in connections:
        connection.close()
    table.add(f"http worker: each of {count} open connections", max(each, 0), "kB", bound="<= 40 kB",
              holds=each <= 40)


def private_sizes(pids, kinds=("Pss_Anon:", "Pss_File:")):
    """{pid: bytes} without shared memory."""
    sizes = {}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            sizes[pid] = sum(1024 * int(line.split()[1]) for line in rollup
                             if line.startswith(kinds))
    return sizes


def wait_for_relay(server):
    until = time.monotonic() + 60
    while server.sql("SELECT count(*) FROM inngest.redis_outbox") != "0":
        if time.monotonic() > until:
            break
        time.sleep(0.2)


def post(server, table, effort):
    """One event per request, against the daemon that answers a constant."""
    register(server, "bench-matched", MATCHING)
    url = server.url + "/api/v1/events"
    for connections in (1, 16, 64, 256):
        figures = effort.compare(
            constant=lambda: server.wrk(server.constant_url, connections, effort.seconds, PLAIN),
            plain=lambda: server.wrk(url, connections, effort.seconds, PLAIN),
            matched=lambda: server.wrk(url, connections, effort.seconds, MATCHING))
        rates, p99 = ({name: [figure[key] for figure in all] for name, all in figures.items()}
                      for key in ("rate", "p99"))
        is_bound = connections == 64
        table.compare(f"POST, no match, {connections} connections", rates["plain"], "/s", rates["constant"],
                      ">= 0.25" if is_bound else None, lambda _, ratio: ratio >= 0.25)
        table.compare(f"POST, one match, {connections} connections", rates["matched"], "/s", rates["constant"])
        if is_bound:
            table.compare("POST, no match, 64 connections, p99", p99["plain"], "ms", p99["constant"],
                          "< 25 ms", lambda figure, _: figure < 25)
            table.compare("POST, one match, 64 connections, p99", p99["matched"], "ms", p99["constant"])

    rates = effort.compare(bare=lambda: bare_inserts(server, 1, effort),
                           plain=lambda: server.wrk(url, 1, effort.seconds, PLAIN)["rate"])
    table.compare("POST, no match, 1 connection, against 1 client's INSERT", rates["plain"], "/s", rates["bare"])

    rates = effort.compare(
        constant=lambda: server.wrk(server.constant_url, 64, effort.seconds, PLAIN, 1, "seed")["rate"],
        seeded=lambda: server.wrk(server.url + "/e/key", 64, effort.seconds, PLAIN, 1, "seed")["rate"])
    table.compare("POST as SDKs do, with a seed, no match, 64 connections", rates["seeded"], "/s",
                  rates["constant"])


def bare_inserts(server, clients, effort):
    """Transactions per second that do nothing but insert a row of the same payload."""
    server.sql("CREATE TABLE IF NOT EXISTS inbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
               " name text NOT NULL, data jsonb NOT NULL)")
    return server.pgbench(f"INSERT INTO inbox (name, data) VALUES ('{PLAIN}', '{DATA}');\n", clients,
                          effort.seconds)


def batch(server, table, effort):
    """A hundred events per request."""
    url = server.url + "/api/v1/events"
    rates = effort.compare(
        constant=lambda: 100 * server.wrk(server.constant_url, 16, effort.seconds, PLAIN, 100)["rate"],
        plain=lambda: 100 * server.wrk(url, 16, effort.seconds, PLAIN, 100)["rate"],
        seeded=lambda: 100 * server.wrk(server.url + "/e/key", 16, effort.seconds, PLAIN, 100, "seed")["rate"])
    table.compare("POST of 100 events, no match", rates["plain"], "events/s", rates["constant"],
                  ">= 60 000/s", lambda figure, _: figure >= 60_000)
    table.compare("POST of 100 events with a seed, no match", rates["seeded"], "events/s", rates["constant"])


def sql(server, table, effort):
    """From SQL: single events and arrays, against INSERT into a table with a name, jsonb and a key."""
    register(server, "bench-matched", MATCHING)
    send = "SELECT inngest.send_event('{}', '{}');\n"
    switch_redis(server, False)
    rates = effort.compare(
        bare=lambda: bare_inserts(server, 16, effort),
        plain=lambda: server.pgbench(send.format(PLAIN, DATA), 16, effort.seconds),
        matched=lambda: server.pgbench(send.format(MATCHING, DATA), 16, effort.seconds))
    table.compare("send_event, no match, 16 clients", rates["plain"], "/s", rates["bare"])
    table.compare("send_event, one match, 16 clients", rates["matched"], "/s", rates["bare"], ">= 0.50",
                  lambda _, ratio: ratio >= 0.5)

    switch_redis(server, True)
    rates = effort.compare(
        bare=lambda: bare_inserts(server, 16, effort),
        matched=lambda: server.pgbench(send.format(MATCHING, DATA), 16, effort.seconds))
    table.compare("the same, relay and Redis on the same processors", rates["matched"], "/s", rates["bare"])
    wait_for_relay(server)

    # the arrays wait in a table, so that making them is not measured
    server.sql("CREATE TABLE IF NOT EXISTS thousand AS SELECT jsonb_agg(jsonb_build_object("
               f"'name', '{PLAIN}', 'data', '{DATA}'::jsonb)) AS events FROM generate_series(1, 1000)")
    rates = effort.compare(
        bare=lambda: 1000 * server.pgbench(
            "INSERT INTO inbox (name, data) SELECT e->>'name', e->'data'"
            " FROM thousand, jsonb_array_elements(events) e;\n", 2, effort.seconds),
        plain=lambda: 1000 * server.pgbench(
            "SELECT count(*) FROM thousand, inngest.send_events(events);\n", 2, effort.seconds))
    table.compare("send_events of 1 000, no match, 2 clients", rates["plain"], "events/s", rates["bare"],
                  ">= 80 000/s", lambda figure, _: figure >= 80_000)


def switch_redis(server, is_on):
    """Run with or without the relay."""
    server.sql("ALTER SYSTEM RESET inngest.redis_url" if is_on else "ALTER SYSTEM SET inngest.redis_url = ''")
    server.sql("SELECT pg_reload_conf()")
    wait_for(lambda: ("relay" in server.sql("SELECT string_agg(backend_type, ' ') FROM pg_stat_activity")) == is_on,
             "the relay to come or go")


def match(server, table, effort):
    """Names that no cache knows: 1 000 different ones in one call, one of them registered."""
    cost = {}
    script = ("\\set r random(1, 1000000000)\n"
              "SELECT count(*) FROM inngest.send_events((SELECT jsonb_agg(jsonb_build_object('name',"
              " CASE i WHEN 1 THEN 'many/event.1' ELSE 'many/none.' || (:r + i) END))"
              " FROM generate_series(1, 1000) i));\n")
    for triggers in (10, 1_000, 100_000):
        register_many(server, triggers)
        cost[triggers] = effort.compare(
            usec=lambda: 1000 / server.pgbench(script, 1, effort.seconds, "-c synchronous_commit=off"))["usec"]
        table.compare(f"event with a new name, {triggers} triggers", cost[triggers], "us", cost[10],
                      "<= 1.30" if triggers == 100_000 else None, lambda _, ratio: ratio <= 1.3)
    server.sql(OWNER + "DELETE FROM inngest.functions WHERE slug LIKE 'many-%'")


def register_many(server, count):
    """Up to so many functions, each with a trigger of its own."""
    server.sql(
        OWNER + "INSERT INTO inngest.apps (id, env_id, name)"
        " SELECT md5('bench')::uuid, id, 'bench' FROM inngest.environments ON CONFLICT DO NOTHING;"
        "INSERT INTO inngest.functions (id, env_id, app_id, slug, name, runtime, max_attempts, config)"
        " SELECT md5('bench' || i)::uuid, e.id, md5('bench')::uuid, 'many-' || i, 'many', 'pull', 4, '{}'"
        f" FROM inngest.environments e, generate_series(1, {count}) i ON CONFLICT DO NOTHING;"
        "INSERT INTO inngest.triggers (function_id, position, event_name)"
        f" SELECT md5('bench' || i)::uuid, 1, 'many/event.' || i FROM generate_series(1, {count}) i"
        " ON CONFLICT DO NOTHING")
    server.sql("VACUUM ANALYZE inngest.functions, inngest.triggers")


# What DESIGN.md's users write, and the nanoseconds that one evaluation may take.
EXPRESSIONS = (
    ("a field", "event.data.amount", 100),
    ("string equality", 'event.data.plan == "enterprise"', 150),
    ("&& of two", 'event.data.plan == "enterprise" && event.data.amount > 1000', 300),
    ("a key of three parts", 'event.data.userId + "-" + event.data.plan', 500),
    ("exists over three", 'event.data.tags.exists(t, t == "beta")', 600),
    ("matches", r"""event.data.email.matches("^[a-z]+@example\\.com$")""", 800),
    ("a key of 64 parts", ' + "-" + '.join(["event.data.userId"] * 32) + ' + "."', 10_000),
)
EVENT = """{"event": {"id": "01HZX3V5T6W7Y8Z9A0B1C2D3E4", "name": "shop/order.created", "ts": 1774512121538,
 "user": {"id": "u9", "plan": "gold"}, "data": {"id": "ord_123", "userId": "user_42", "plan": "enterprise",
 "amount": 1299.5, "email": "ann@example.com", "tags": ["vip", "eu", "beta"], "items": [{"sku": "a", "qty": 2},
 {"sku": "b", "qty": 1}], "address": {"city": "Berlin", "zip": "10115", "country": "DE"}, "note": "please leave it at the door",
 "currency": "EUR", "attempt": 3}}}"""
ROWS = 1_000_000


def expressions(server, table, effort):
    """One evaluation in a loop in C, against the same comparison written by hand; compiling; and from SQL."""
    library = server.build_evaluate()
    for name, arguments in (("evaluate_nsec", "text, jsonb, int"), ("compile_nsec", "text, int"), ("by_hand_nsec", "jsonb, int")):
        server.sql(f"CREATE FUNCTION {name}({arguments}) RETURNS float8 LANGUAGE c AS '{library}'")

    def nsec(call):
        return float(server.sql(f"SELECT {call}"))

    for what, expression, bound in EXPRESSIONS:
        figures = effort.compare(
            by_hand=lambda: nsec(f"by_hand_nsec('{EVENT}', 1000000)"),
            evaluate=lambda: nsec(f"evaluate_nsec('{expression}', '{EVENT}', 1000000)"),
            compile=lambda: nsec(f"compile_nsec('{expression}', 20000)"))
        table.compare(f"evaluate {what}", figures["evaluate"], "ns", figures["by_hand"], f"<= {bound:,} ns".replace(",", " "),
                      lambda figure, _: figure <= bound)
        table.compare(f"compile {what}", figures["compile"], "ns", figures["by_hand"],
                      "<= 10 000 ns" if bound < 10_000 else None, lambda figure, _: figure <= 10_000)

    server.sql(f"CREATE UNLOGGED TABLE events_of_sql AS SELECT '{EVENT}'::jsonb AS e FROM generate_series(1, {ROWS})")
    server.sql("VACUUM ANALYZE events_of_sql")

    def per_row(value):
        begin = time.perf_counter()
        server.sql(f"SET max_parallel_workers_per_gather = 0; SELECT count({value}) FROM events_of_sql")
        return (time.perf_counter() - begin) * 1e9 / ROWS

    figures = effort.compare(
        nothing=lambda: per_row("jsonb_typeof(e)"),
        operators=lambda: per_row("e->'event'->'data'->>'plan' = 'enterprise'"),
        cel=lambda: per_row("""inngest.cel_eval('event.data.plan == "enterprise"', e)"""))
    table.compare("a row, with the operators of jsonb", figures["operators"], "ns", figures["nothing"])
    table.compare("a row, with cel_eval", figures["cel"], "ns", figures["nothing"])
    server.sql("DROP TABLE events_of_sql")


def conditions(server, table, effort):
    """Functions on one event name with a condition each: found by their equalities, or all tried."""
    def usec(name, tenants):
        """Of one event, one run included if it has a match: arrays of 1 000."""
        script = ("SELECT count(*) FROM inngest.send_events((SELECT jsonb_agg(jsonb_build_object('name', "
                  f"'{name}', 'data', jsonb_build_object('tenant', 't' || (i * 7919::bigint + :r) % {tenants} + 1, 'n', 0)))"
                  " FROM generate_series(1, 1000) i));\n")
        return 1000 / server.pgbench("\\set r random(1, 1000000000)\n" + script, 1, effort.seconds,
                                     "-c synchronous_commit=off")

    switch_redis(server, False)
    register_conditions(server, "ten", 10, 'event.data.tenant == "t%s"')
    register_conditions(server, "hundred-thousand", 100_000, 'event.data.tenant == "t%s"')
    figures = effort.compare(
        ten=lambda: usec("ten", 10),
        same=lambda: usec("hundred-thousand", 10),
        all=lambda: usec("hundred-thousand", 100_000))
    table.compare("event with one match of 100 000 by equality, of 10 tenants", figures["same"], "us", figures["ten"],
                  "<= 1.50", lambda _, ratio: ratio <= 1.5)
    table.compare("event with one match of 100 000 by equality, of 100 000 tenants", figures["all"], "us", figures["ten"])
    server.sql(OWNER + "DELETE FROM inngest.functions WHERE slug LIKE 'ten-%' OR slug LIKE 'hundred-thousand-%'")

    # in one session, because the first event of a session compiles all of them
    register_conditions(server, "tried", 100_000, "event.data.n > %s")
    nsec = float(server.sql(
        "SET client_min_messages = error; SELECT inngest.send_event('tried', '{\"n\": 0}'); CREATE TEMP TABLE t AS SELECT clock_timestamp() AS begin;"
        f" SELECT count(inngest.send_event('tried', '{{\"n\": 0}}')) FROM generate_series(1, {20 * effort.seconds});"
        f" SELECT extract(epoch FROM clock_timestamp() - begin) * 1e9 / {20 * effort.seconds} / 100000 FROM t").splitlines()[-1])
    table.add("each of 100 000 conditions without an equality", nsec, "ns", "<= 300 ns", nsec <= 300)
    server.sql(OWNER + "DELETE FROM inngest.functions WHERE slug LIKE 'tried-%'")
    switch_redis(server, True)


def register_conditions(server, name, count, expression):
    """Through the front door: keys are made there."""
    server.sql(
        "DO $$ BEGIN FOR n IN 1.." + str(count) + " LOOP PERFORM inngest.register_function(jsonb_build_object("
        f"'id', '{name}-' || n, 'triggers', jsonb_build_array(jsonb_build_object('event', '{name}', 'expression',"
        f" format('{expression}', n))))); IF n % 5000 = 0 THEN COMMIT; END IF; END LOOP; END $$")
    server.sql("VACUUM ANALYZE inngest.functions, inngest.triggers, inngest.trigger_keys")


def runs_list(server, table, effort):
    """The first page of runs of a million."""
    register(server, "bench-matched", MATCHING)
    register(server, "bench-rare", "bench/rare", app="rare")
    register(server, "bench-rarest", "bench/rarest", app="rare")
    server.sql(
        OWNER + "INSERT INTO inngest.function_runs"
        " (id, function_id, function_version, event_id, outcome, started_at, ended_at)"
        " SELECT inngest.generate_ulid(), CASE WHEN i % 50000 = 0 THEN rare.id ELSE usual.id END, 1,"
        " inngest.generate_ulid(), o, CASE WHEN o IS NOT NULL THEN now() END,"
        " CASE WHEN o IS NOT NULL THEN now() END"
        f" FROM generate_series(1, {RUNS}) i,"
        " LATERAL (SELECT CASE WHEN i % 20000 = 1 THEN 'FAILED' WHEN i % 10 = 2 THEN NULL ELSE 'COMPLETED' END"
        "  ::inngest.run_outcome AS o) outcome,"
        " (SELECT id FROM inngest.functions WHERE slug = 'bench-rare') rare,"
        " (SELECT id FROM inngest.functions WHERE slug = 'bench-matched') usual")
    server.sql("ANALYZE inngest.function_runs")
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
    event = server.sql("SELECT event_id FROM inngest.function_runs LIMIT 1")
    for what, path in (("", "/api/v1/runs"), (", status=FAILED (50)", "/api/v1/runs?status=FAILED"),
                       (", function_id (all but 20)", "/api/v1/runs?function_id=bench-matched"),
                       (", function_id (20 runs)", "/api/v1/runs?function_id=bench-rare"),
                       (", function_id (none)", "/api/v1/runs?function_id=bench-rarest"),
                       (", app_id (all but 20)", "/api/v1/runs?app_id=default"),
                       (", app_id (20 runs)", "/api/v1/runs?app_id=rare"),
                       (", app_id and status=FAILED", "/api/v1/runs?app_id=default&status=FAILED"),
                       (", event_id", f"/api/v1/runs?event_id={event}"),
                       (", those of an event in v1", f"/v1/events/{event}/runs"),
                       (", those of an event in v2", f"/v2/events/{event}/runs")):
        usec = [get_usec(connection, path) for _ in range(20)]
        median = statistics.median(usec) / 1000
        table.add(f"first page of 1 M runs{what}", median, "ms", bound="< 20 ms", holds=median < 20)
    connection.close()


def get_usec(connection, path):
    begin = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"GET {path}: {answer.status} {body[:200]}")
    return (time.perf_counter() - begin) * 1e6


def slow_read(server, table, effort):
    """Requests that read wait for two seconds; those that send events must not notice."""
    url = server.url + "/api/v1/events"
    readers = []

    def read():
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
        get_usec(connection, "/api/v1/runs")
        connection.close()

    def beside_slow_reads():
        lock = server.sql_later("BEGIN; LOCK TABLE inngest.apps IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2)")
        time.sleep(0.2)
        readers[:] = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        figures = server.wrk(url, 16, 2, PLAIN)
        for reader in readers:
            reader.join()
        lock.wait(30)
        return figures["p99"]

    p99 = effort.compare(alone=lambda: server.wrk(url, 16, 2, PLAIN)["p99"], beside=beside_slow_reads)
    table.compare("POST, no match, 16 connections, p99 beside 2 s reads", p99["beside"], "ms", p99["alone"],
                  "< 25 ms", lambda figure, _: figure < 25)


def outage(server, table, effort):
    """Redis stops for a minute under load and comes back empty: who accepts, and what is in the stream?"""
    seconds = 20 * effort.repetitions
    register(server, "bench-matched", MATCHING)
    server.sql("ALTER SYSTEM SET inngest.redis_stream_maxlen = 0")
    server.sql("SELECT pg_reload_conf()")

    def accepted_per_second(duration):
        return server.wrk(server.url + "/api/v1/events", 16, duration, MATCHING)["rate"]

    before = [accepted_per_second(10) for _ in range(3)]
    server.stop_child("redis")
    during = [accepted_per_second(seconds // 3) for _ in range(3)]
    backlog = int(server.sql("SELECT count(*) FROM inngest.redis_outbox"))
    server.start_redis()
    begin = time.monotonic()
    wait_for(lambda: server.sql("SELECT status FROM inngest.redis_status()") == "ok"
             and server.sql("SELECT NOT EXISTS (SELECT FROM inngest.redis_outbox)") == "t", "the backlog to drain", 300)
    drained = time.monotonic() - begin
    runs = int(server.sql("SELECT count(*) FROM inngest.function_runs"))
    wait_for(lambda: int(server.redis("XLEN", "inngest:runs")) >= runs, "every run in the stream", 300)

    table.compare(f"events accepted while Redis is away for {seconds} s, against before", during, "/s", before, ">= 0.85",
                  lambda _, ratio: ratio >= 0.85)
    table.add("outbox rows when it came back", backlog, "rows")
    table.add("until they were drained", drained, "s")
    table.add("runs that are in the stream, which was empty", runs, "runs")


MEASUREMENTS = (
    ("idle", idle),
    ("memory", memory),
    ("http", post),
    ("batch", batch),
    ("sql", sql),
    ("match", match),
    ("expressions", expressions),
    ("conditions", conditions),
    ("read", slow_read),
    ("list", runs_list),
)

# Too long for every day: run by name, bench/run --only outage.
ON_REQUEST = (("outage", outage),)
