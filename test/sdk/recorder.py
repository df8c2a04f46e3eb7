"""What stands between the server and an app, and writes down what they say to each other.

    recorder.py --journal FILE --server URL --app URL

Three ports, printed as one line of JSON: "to_app" (the server calls the app here), "to_server" (the
app talks to the server here), "fake" (a service that steps can call: it tells what it was sent, and
knows one AI model).  Each exchange is a line of the journal once it is over:

    {"n", "at_ms", "dir": "server->sdk" | "sdk->server" | "fake", "request": "POST /path?query",
     "headers", "body", "status", "reply_headers", "reply"}

FILE.index has a short line for each: n, dir, request and status, parted by tabs.
n counts requests as they arrive.  Bodies are JSON where they are JSON, text else.  The Host header is
handed on as it was, so an app that registers itself by the Host it was asked for names the recorder.
It ends with its standard input.
"""
import argparse
import http.client
import itertools
import json
import os
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection", "content-length"}


class Journal:
    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.index = os.open(path + ".index", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.numbers = itertools.count(1)
        self.start = time.time()

    def begin(self, direction, request, headers, body):
        return {"n": next(self.numbers), "at_ms": round((time.time() - self.start) * 1000), "dir": direction,
                "request": request, "headers": headers, "body": parsed(body)}

    def end(self, exchange, status, headers, reply):
        exchange.update(status=status, reply_headers=headers, reply=parsed(reply))
        os.write(self.file, (json.dumps(exchange) + "\n").encode())
        os.write(self.index, f"{exchange['n']}\t{exchange['dir']}\t{exchange['request']}\t{status}\n".encode())


def parsed(data):
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 300

    def log_message(self, *_):
        pass

    def request_body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def answer(self, status, headers, reply):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def handle_any(self):
        body = self.request_body()
        exchange = self.server.journal.begin(self.server.direction, f"{self.command} {self.path}",
                                             dict(self.headers.items()), body)
        status, headers, reply = self.reply_to(body)
        self.server.journal.end(exchange, status, dict(headers), reply)
        try:
            self.answer(status, headers, reply)
        except ConnectionError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_any


class Proxy(Quiet):
    def reply_to(self, body):
        target = self.server.target
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=300)
        try:
            connection.request(self.command, self.path, body=body, headers={**headers, "Content-Length": str(len(body))})
            reply = connection.getresponse()
            content = reply.read()
        except OSError as error:
            return 502, [("X-Recorder", "no answer")], str(error).encode()
        finally:
            connection.close()
        kept = [(name, value) for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP]
        return reply.status, kept, content


class Fake(Quiet):
    def reply_to(self, body):
        if self.path == "/v1/chat/completions":
            reply = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-x",
                     "choices": [{"index": 0, "finish_reason": "stop",
                                  "message": {"role": "assistant", "content": "hello"}}],
                     "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
        else:
            reply = {"method": self.command, "url": self.path,
                     "headers": {name.lower(): value for name, value in self.headers.items()}, "body": parsed(body)}
        headers = [("Content-Type", "application/json"), ("X-Stub", "yes")]
        return 200, headers, json.dumps(reply, separators=(",", ":")).encode()


def listen(handler, journal, direction, target=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.journal, server.direction, server.target = journal, direction, target
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--app", required=True)
    options = parser.parse_args()
    ThreadingHTTPServer.request_queue_size = 1024
    journal = Journal(options.journal)
    print(json.dumps({"to_app": listen(Proxy, journal, "server->sdk", urllib.parse.urlsplit(options.app)),
                      "to_server": listen(Proxy, journal, "sdk->server", urllib.parse.urlsplit(options.server)),
                      "fake": listen(Fake, journal, "fake")}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
