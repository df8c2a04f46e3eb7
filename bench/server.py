"""What is measured: a private installation of this checkout, a cluster, a Redis, and the baseline.

Nothing outside a directory under $TMPDIR is touched.  PostgreSQL refuses root, so root's servers run as
the user postgres.
"""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATABASE = "inngest"

SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{work}'
port = {postgres_port}
shared_preload_libraries = 'inngest'
shared_buffers = 256MB
min_wal_size = 4GB
max_wal_size = 4GB
max_connections = 60
max_worker_processes = 16
inngest.database = '{database}'
inngest.http_port = {http_port}
inngest.redis_url = 'redis://127.0.0.1:{redis_port}'
"""


class Failure(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command, timeout=120, **options):
    """Its standard output; an exception with its standard error if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command[:6])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def wait_for(condition, what, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Failure(f"timed out waiting for {what}")
        time.sleep(0.05)


class Server:
    """A cluster with what it needs; further ones share the installation and the constant answers of the first."""

    def __init__(self, first=None):
        self.first = first
        self.work = tempfile.mkdtemp(prefix="inngest-bench.")
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        self.children = []
        self.postgres_port, self.http_port, self.redis_port, self.constant_port, self.app_port, self.sdk_port = (
            free_port() for _ in range(6))
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.constant_url = f"http://127.0.0.1:{self.constant_port}/"
        os.chmod(self.work, 0o755)

    def start(self):
        if self.first is None:
            self.install()
            self.start_child("constant", self.build("constant", "-lmicrohttpd"), str(self.constant_port))
        else:
            self.bindir, self.constant_url = self.first.bindir, self.first.constant_url
        self.start_child("app", self.build("app"), str(self.app_port))
        for name in ("data", "redis"):
            os.mkdir(f"{self.work}/{name}")
            if self.user:
                shutil.chown(f"{self.work}/{name}", "postgres")
        if self.user:
            shutil.chown(self.work, "postgres")
        self.start_redis()
        self.start_cluster()

    def start_redis(self):
        self.start_child("redis", "redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1",
                         "--save", "", "--appendonly", "no", "--dir", f"{self.work}/redis", as_user=True)

    def install(self):
        """The server's files linked into a private tree, and the extension installed there."""
        pg_config = os.environ.get("PG_CONFIG", "pg_config")
        bindir, sharedir, libdir = (run(pg_config, o) for o in ("--bindir", "--sharedir", "--pkglibdir"))
        private = f"{self.work}/install"

        run("make", "-s", "all", cwd=TREE, timeout=600)
        for path in (sharedir, libdir):
            os.makedirs(private + path)
            run("cp", "-as", path + "/.", private + path)
        for path in glob.glob(f"{private}{libdir}/**/inngest*", recursive=True) + \
                glob.glob(f"{private}{sharedir}/**/inngest*", recursive=True):
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
        os.makedirs(private + bindir)
        for program in ("initdb", "psql", "postgres", "pg_config", "pg_ctl", "pgbench"):
            shutil.copy(f"{bindir}/{program}", f"{private}{bindir}/{program}")
        self.bindir = private + bindir
        run("make", "-s", "install", f"PG_CONFIG={self.bindir}/pg_config", cwd=TREE, timeout=600)

    def build(self, name, *libraries):
        program = f"{self.work}/{name}"
        run(os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-o", program, f"{TREE}/bench/{name}.c", *libraries)
        return program

    def start_sdk_app(self):
        """bench/app.mjs, with what test/sdk/ts needs.  False if that cannot be installed."""
        prepared = run(f"{TREE}/test/sdk/prepare", f"{TREE}/test/sdk/ts", timeout=600).split("\t")
        if prepared[1] == "skip":
            print(f"   no TypeScript SDK: {prepared[2]}", flush=True)
            return False
        os.mkdir(f"{self.work}/sdk")
        shutil.copy(f"{TREE}/bench/app.mjs", f"{self.work}/sdk")
        os.symlink(os.path.realpath(f"{TREE}/test/sdk/ts/node_modules"), f"{self.work}/sdk/node_modules")
        self.start_child("sdk", "env", f"PORT={self.sdk_port}", f"INNGEST_DEV={self.url}", prepared[1].split()[0],
                         f"{self.work}/sdk/app.mjs")
        wait_for(lambda: self.listens(self.sdk_port), "the app of the SDK")
        return True

    def build_evaluate(self):
        """A library with the evaluator of expressions, for CREATE FUNCTION."""
        library = f"{self.work}/evaluate.so"
        base = [f"{TREE}/src/base/{name}.c" for name in ("cron", "guc", "json", "url", "when", "zone")]
        cel = [path for path in glob.glob(f"{TREE}/src/cel/*.c") if not path.endswith("/eval.c")]
        cppflags = run("make", "-s", "cppflags", cwd=TREE).splitlines()
        run(os.environ.get("CC", "cc"), "-O2", "-fPIC", "-shared", "-w", "-Wl,-Bsymbolic", *cppflags, f"-I{TREE}/src",
            f"{TREE}/bench/evaluate.c", *cel, *base, "-lpcre2-8", "-o", library)
        return library

    def start_cluster(self):
        data = f"{self.work}/data"

        self.as_user(f"{self.bindir}/initdb", "-D", data, "-A", "trust", "-U", "postgres",
                     "-E", "UTF8", "--no-locale")
        with open(f"{data}/postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(SETTINGS.format(work=self.work, database=DATABASE, postgres_port=self.postgres_port,
                                       http_port=self.http_port, redis_port=self.redis_port))
        self.start_child("postgres", f"{self.bindir}/postgres", "-D", data, as_user=True)
        wait_for(lambda: os.path.exists(f"{data}/postmaster.pid") and
                 self.try_sql("SELECT 1", "postgres"), "PostgreSQL")
        self.sql(f"CREATE DATABASE {DATABASE}", "postgres")
        self.sql("CREATE EXTENSION inngest")
        self.grow_wal()
        wait_for(lambda: len(self.workers()) >= 6 and self.listens(self.http_port), "the workers")

    def grow_wal(self):
        """A server that has run for a while recycles its WAL files; a new one makes each as it needs it,
        which takes who needs it 40 ms and more, and would be what the slowest requests wait for."""
        self.sql("DO $$ BEGIN FOR i IN 1..250 LOOP PERFORM pg_logical_emit_message(false, 'x', 'x');"
                 " PERFORM pg_switch_wal(); END LOOP; END $$")
        self.sql("CHECKPOINT")

    def set(self, **settings):
        """Settings of the extension, until they are set again; None is what it comes with."""
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET inngest.{name} = '{value}'" if value is not None
                     else f"ALTER SYSTEM RESET inngest.{name}")
        self.sql("SELECT pg_reload_conf()")

    def start_child(self, name, *command, as_user=False):
        log = open(f"{self.work}/{name}.log", "wb")
        # the leader of its own session: ^C is for us, and we end it
        child = subprocess.Popen((self.user if as_user else []) + list(command), stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log, cwd="/", start_new_session=True)
        self.children.append((name, child))

    def stop_child(self, name):
        child = next(child for known, child in self.children if known == name and child.poll() is None)
        os.kill(([int(p) for p in self.offspring(child.pid)] or [child.pid])[0], signal.SIGTERM)
        child.wait(timeout=60)

    def stop(self, keep=False):
        for name, child in reversed(self.children):
            if child.poll() is None:
                # runuser passes SIGTERM on, but not SIGINT
                pids = [int(p) for p in self.offspring(child.pid)] or [child.pid]
                os.kill(pids[0], signal.SIGINT if name == "postgres" else signal.SIGTERM)
                try:
                    child.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(child.pid, signal.SIGKILL)
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)

    def offspring(self, pid):
        if not self.user:
            return []
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return children.read().split()

    def listens(self, port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def as_user(self, *command, timeout=120):
        return run(*self.user, *command, cwd="/", timeout=timeout)

    def connection(self, database=DATABASE):
        return ["-h", self.work, "-p", str(self.postgres_port), "-U", "postgres", database]

    def sql(self, text, database=DATABASE, timeout=300):
        return run(f"{self.bindir}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text,
                   *self.connection(database), timeout=timeout)

    def sql_later(self, text):
        return subprocess.Popen([f"{self.bindir}/psql", "-XAtq", "-c", text, *self.connection()],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def try_sql(self, text, database):
        try:
            return self.sql(text, database)
        except Failure:
            return None

    def workers(self):
        """{pid: name} of our background workers."""
        rows = self.sql("SELECT pid, backend_type FROM pg_stat_activity"
                        " WHERE backend_type LIKE 'inngest %' ORDER BY backend_type, pid", "postgres")
        return {int(pid): name for pid, name in (row.split("|") for row in rows.splitlines())}

    def redis(self, *command):
        return run("redis-cli", "-p", str(self.redis_port), *command)

    def wrk(self, url, connections, seconds, *arguments):
        """Figures of one run: requests per second, p50 and p99 in milliseconds."""
        out = run("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s",
                  f"{TREE}/bench/post.lua", url, "--", *(str(a) for a in arguments), timeout=seconds + 60)
        found = re.search(r"^figures (\d+) (\d+) (\d+) (\d+) (\d+)$", out, re.M)
        if found is None:
            raise Failure(f"wrk said: {out}")
        requests, failed, usec, p50, p99 = (int(f) for f in found.groups())
        if failed > 0:
            raise Failure(f"{failed} of {requests} requests to {url} failed: {out}")
        return {"rate": requests / (usec / 1e6), "requests": requests, "p50": p50 / 1e3, "p99": p99 / 1e3}

    def pgbench(self, script, clients, seconds, setup=""):
        """Transactions per second of a script given as text."""
        path = f"{self.work}/script.sql"
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        environment = dict(os.environ, PGOPTIONS=setup)
        out = run(f"{self.bindir}/pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j",
                  str(min(clients, 2)), "-T", str(seconds), "-f", path, *self.connection(),
                  timeout=seconds + 60, env=environment)
        return float(re.search(r"^tps = ([0-9.]+) ", out, re.M).group(1))
