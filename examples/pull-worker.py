#!/usr/bin/env python3
"""A worker for functions of runtime "pull", over HTTP and with nothing but the standard library.

It takes a run on lease, calls the handler of its function with the event, and reports the outcome.
What happens around a crash is the server's business: a lease that expires makes the run available
again, and a report that comes too late is answered with 409 and changes nothing.

    python3 pull-worker.py [--url http://127.0.0.1:8288] [--once]
"""

import argparse
import json
import sys
import urllib.error
import urllib.request

LEASE = "60s"  # how long a handler may take before the run is given to somebody else
WAIT = "10s"  # how long the server may hold our question while there is nothing to do


def hello(event, attempt):
    """Demo handler: what it returns becomes the run's output, what it raises makes the run retry."""
    name = event["data"].get("name", "world")
    return {"greeting": f"Hello, {name}!", "attempt": attempt}


HANDLERS = {"hello": hello}


class Api:
    """The four calls a worker needs."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def post(self, path, body):
        request = urllib.request.Request(
            f"{self.url}/api/v1/runs{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def lease(self, functions, **more):
        body = {"functions": functions, "max": 1, "lease": LEASE, "wait": WAIT}
        return self.post("/lease", body | more)["data"]

    def complete(self, run, output):
        return self.post(f"/{run['run_id']}/complete", {"lease_id": run["lease_id"], "output": output})

    def fail(self, run, error):
        what = {"name": type(error).__name__, "message": str(error)}
        body = {"lease_id": run["lease_id"], "error": what, "retry": True}
        return self.post(f"/{run['run_id']}/fail", body)


def work(api, run):
    """Handle one leased run and report it."""
    print(f"run {run['run_id']}: {run['function_id']}, attempt {run['attempt']}", flush=True)
    try:
        output = HANDLERS[run["function_id"]](run["event"], run["attempt"])
    except Exception as error:  # whatever a handler raises is the run's failure, not ours
        report, outcome = api.fail, error
    else:
        report, outcome = api.complete, output
    try:
        report(run, outcome)
        print(f"run {run['run_id']}: {report.__name__}, {outcome}", flush=True)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
        print(f"run {run['run_id']}: the lease had expired, the outcome was not taken", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8288")
    parser.add_argument("--once", action="store_true", help="end after one run")
    arguments = parser.parse_args()
    api = Api(arguments.url)
    while True:
        runs = api.lease(list(HANDLERS))
        for run in runs:
            work(api, run)
        if arguments.once and runs:
            return


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except urllib.error.HTTPError as error:
        sys.exit(f"pull-worker: {error}: {error.read().decode()}")
    except OSError as error:  # no server there
        sys.exit(f"pull-worker: {error}")
