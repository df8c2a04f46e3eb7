#!/usr/bin/env python3
"""A worker that waits on the Redis stream of its function instead of polling the server.

The stream says which runs there are; PostgreSQL decides who gets one.  So an entry is only a hint: the
worker leases exactly that run over HTTP, and an entry whose run is gone is simply acknowledged.

    apt-get install python3-redis
    python3 redis-worker.py [--redis redis://127.0.0.1:6379/0] [--prefix inngest] [--url …] [--once]
"""

import argparse
import importlib.util
import os
import pathlib
import socket
import sys

import redis

# The calls and the handlers are those of the plain worker next door.
spec = importlib.util.spec_from_file_location(
    "pull_worker", pathlib.Path(__file__).with_name("pull-worker.py")
)
pull_worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pull_worker)

GROUP = "workers"  # the server creates it with the stream
CONSUMER = f"{socket.gethostname()}-{os.getpid()}"
ABANDONED_MS = 120_000  # an entry that long with a worker that never acknowledged it is taken over


def entries(client, streams):
    """Entries abandoned by dead workers first, then new ones; [] after ten quiet seconds."""
    for stream in streams:
        found = client.xautoclaim(stream, GROUP, CONSUMER, ABANDONED_MS, count=1)[1]
        if found:
            return [(stream, found)]
    return client.xreadgroup(GROUP, CONSUMER, {stream: ">" for stream in streams}, count=1, block=10_000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--prefix", default="inngest")
    parser.add_argument("--url", default="http://127.0.0.1:8288")
    parser.add_argument("--once", action="store_true", help="end after one run")
    arguments = parser.parse_args()

    api = pull_worker.Api(arguments.url)
    client = redis.Redis.from_url(arguments.redis, decode_responses=True)
    streams = [f"{arguments.prefix}:queue:{function}" for function in pull_worker.HANDLERS]
    while True:
        for stream, found in entries(client, streams):
            for entry, fields in found:
                runs = api.lease([fields["function_id"]], run_ids=[fields["run_id"]], wait="0s")
                for run in runs:
                    pull_worker.work(api, run)
                client.xack(stream, GROUP, entry)
                if arguments.once and runs:
                    return


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except pull_worker.urllib.error.HTTPError as error:
        sys.exit(f"redis-worker: {error}: {error.read().decode()}")
    except (OSError, redis.RedisError) as error:
        sys.exit(f"redis-worker: {error}")
