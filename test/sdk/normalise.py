"""What an app and the server said to each other, without what differs from time to time.

    normalise.py expected CAPTURES FOLDER     write FOLDER/ts-cp.json and ts-nc.json from recordings of
                                              the reference (a file a feature, cp-*.json and nc-*.json)
    normalise.py ours JOURNAL PLAN            print the same of a journal of recorder.py; PLAN is JSON:
                                              {"features": {name: [ids of the events that it sent]},
                                               "runs": {run id: {"status", "output"}}}
    normalise.py brief JOURNAL PLAN           print a line a run: function, status, output | step/attempt answer, ...;
                                              INN_TEST_KEEP=1 test/run keeps it beside the journal, under
                                              sdk_LANGUAGE: new ones can be read, judged and copied from there
    normalise.py diff EXPECTED OURS FEATURE   print how they differ, nothing if they do not

A feature's form:

    script      the test's own POSTs: {"events": [...], "after_calls": n} (sent when n calls were over)
    runs        by function and event: function, event (name), status, output, calls, checkpoints
    requests    what else the app asked the server for, in order of their text

A call says what was asked (step is the name of the step that it targets, or "step"; stack and steps
by names, not hashes) and what the app answered (status, ops or value).  Ids, times, ports and stack
traces become "<ulid>", "<ms>", ...; long strings become their length.  What comes in any order, the
steps of a parallel group, is sorted or left out, see LOOSE.  Where the reference is not what we want
to be, see OVERRIDES; docs/compatibility.md says it to people.
"""
import difflib
import json
import os
import re
import sys

CTX_KEYS = {"attempt", "disable_immediate_execution", "env", "fn_id", "generation_id", "job_id", "max_attempts",
            "qi_id", "request_id", "run_id", "stack", "step_id", "use_api"}
BODY_KEYS = {"ctx", "defers", "event", "events", "steps", "use_api", "version"}
LONG = 500          # characters; the recordings are cut later than this

# Features whose calls race: the stacks of targeted calls, the order of stacks, and jobs are left out.
LOOSE = {"parallel", "parallel-noopt", "parallel-mixed", "parallel-chain"}
# Of these even what a call sees races: only steps, attempts and the last call count.
VERY_LOOSE = {"parallel-noopt"}
# Batches of the reference are in any order, so there is nothing to compare with; ts-cp-more.json has ours.
LEFT_OUT = {"batch", "batch-cond"}
# Recordings that end before the run does: the calls that are there must come first.
CUT_SHORT = {"retry-default"}


def name_steps(exchanges):
    """Hash of a step -> its name, as the app said it."""
    names = {}

    def learn(ops):
        for op in ops if isinstance(ops, list) else []:
            if isinstance(op, dict) and isinstance(op.get("id"), str) and "op" in op:
                names[op["id"]] = op.get("displayName") or (op.get("userland") or {}).get("id") or op["op"]

    for exchange in exchanges:
        body, reply = exchange.get("body"), exchange.get("reply")
        learn(reply)
        if isinstance(body, dict):
            learn(body.get("steps"))
        if isinstance(reply, dict) and isinstance(reply.get("body"), str) and "status" in reply:
            try:
                learn(json.loads(reply["body"]))
            except ValueError:
                pass
    return names


class Steady:
    """Values without what differs from run to run."""

    DROPPED = {"timing", "isr", "gid", "tc", "dsid", "dstp", "__serialized", "cached_until"}
    PATTERNS = [
        (re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\.[0-9a-f]{40}"), "<correlation>"),
        (re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}"), "<ulid>"),
        (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
        (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"), "<time>"),
        (re.compile(r"(127\.0\.0\.1|localhost):\d+"), "<host>"),
        (re.compile(r"\bpeer-(?:app|nocp|python|gocp|go)-"), ""),
    ]

    def __init__(self, names):
        self.names = names

    def value(self, value, key=None):
        if isinstance(value, dict):
            if "user-agent" in value and "host" in value:       # what the fake service was sent
                value = {name: value[name] for name in ("content-type", "x-a") if name in value}
            if key == "headers" and "X-Stub" in value:          # what it answered
                value = {name: value[name] for name in ("X-Stub",)}
            return {self.names.get(name, name): self.value(item, name) for name, item in value.items()
                    if name not in self.DROPPED}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, str):
            return self.text(value, key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > 1e11:
            return "<ms>" if value < 1e15 else "<ns>"
        return value

    def text(self, text, key):
        cut = re.search(r"…\[(\d+) chars\]$", text)
        if key == "stack" or "\n    at " in text:
            return "<stack>"
        if cut:
            return f"<{cut.group(1)} characters>"
        if len(text) > LONG:
            return f"<{len(text)} characters>"
        if text.startswith("{"):
            try:
                return self.value(json.loads(text))
            except ValueError:
                pass
        if text in self.names:
            return self.names[text]
        for pattern, word in self.PATTERNS:
            text = pattern.sub(word, text)
        return text


class Feature:
    def __init__(self, name, exchanges, is_own_event, roots, ends):
        self.name = name
        self.exchanges = sorted(exchanges, key=lambda exchange: (exchange.get("n", 0), exchange.get("at_ms", 0)))
        self.steady = Steady(name_steps(exchanges))
        self.is_own_event = is_own_event
        self.roots = set(roots)
        self.sent = set()       # events that the runs sent: what they start is another matter
        self.ends = ends
        self.runs = {}
        self.collect()

    # Which runs belong here.

    def collect(self):
        children = {}
        for exchange in self.exchanges:
            if is_call(exchange):
                run = exchange["body"]["ctx"]["run_id"]
                if run in self.runs or self.belongs(exchange["body"]["event"]):
                    self.runs.setdefault(run, []).append(exchange)
                    for op in ops_of(exchange):
                        if isinstance(op.get("data"), dict):
                            self.sent.update(filter(is_text, op["data"].get("ids") or []))
            elif (match := re.match(r"POST /v1/checkpoint/(\w+)/async", exchange["request"])):
                children.setdefault(match.group(1), []).append(exchange)
                for op in exchange["body"].get("steps", []):
                    if match.group(1) in self.runs and isinstance(op.get("data"), dict):
                        self.sent.update(filter(is_text, op["data"].get("ids") or []))
        self.checkpoints = {run: children.get(run, []) for run in self.runs}

    def belongs(self, event):
        data = event.get("data") or {}
        ours = data.get("_inngest") or {}
        return (event.get("id") in self.roots
                or (ours.get("correlation_id") or "").split(".")[0] in self.runs
                or ours.get("parent_run_id") in self.runs
                or (event.get("name") == "inngest/function.failed" and data.get("run_id") in self.runs))

    # Its form.

    def form(self):
        runs = [self.run_form(run, calls) for run, calls in self.runs.items()]
        return {"script": self.script(), "runs": sorted(runs, key=lambda run: json.dumps(run, sort_keys=True)),
                "requests": self.requests()}

    def script(self):
        script, calls = [], 0
        for exchange in self.exchanges:
            if is_call(exchange) and exchange["body"]["ctx"]["run_id"] in self.runs:
                calls += 1
            elif self.is_own_event(exchange):
                script.append({"events": self.events(exchange["body"]), "after_calls": calls if script else 0})
        return script

    def events(self, body):
        """As they can be sent again: times relative to the moment."""
        events = body if isinstance(body, list) else [body]
        if self.name == "event-future":
            return [{**event, "ts": "+3000"} for event in events]
        return [{**event, "ts": "+0"} if "ts" in event else event for event in events]

    def run_form(self, run, calls):
        output = self.returned(calls)
        first = calls[0]["body"]
        form = {"function": function_of(calls[0]), "event": first["event"]["name"],
                "status": self.ends.get(run, {}).get("status"),
                "output": self.output(run) if output is None else self.steady.value(output[0]),
                "calls": self.calls(calls)}
        if self.checkpoints[run]:
            form["checkpoints"] = [self.checkpoint(exchange, calls) for exchange in self.checkpoints[run]]
        return form

    def output(self, run):
        """As the API says it: nothing of a run that was cancelled; errors with or without "error"."""
        end = self.ends.get(run, {})
        if end.get("status") == "Cancelled":
            return None
        output = self.steady.value(end.get("output"))
        if end.get("status") == "Failed" and isinstance(output, dict):
            output.pop("error", None)
        return output

    def returned(self, calls):
        """What a run that was checkpointed to its end returned: the reference's API does not know."""
        for op in ops_of(calls[-1]):
            if op.get("op") == "RunComplete":
                return [op.get("data")]
        return None

    def calls(self, calls):
        jobs = {}
        forms = [self.call(exchange, jobs) for exchange in calls]
        if self.name in VERY_LOOSE:
            return sorted(({key: form[key] for key in ("step", "attempt", "version", "disable_immediate_execution")}
                           for form in forms), key=json.dumps) + [forms[-1]["answer"]]
        if self.name in LOOSE:
            for form in forms:
                form.pop("job")
                form["stack"].sort()
                if form["step"] != "step":
                    del form["stack"], form["steps"]
            forms.sort(key=lambda form: (len(form.get("stack", [])), form["step"]))
        return forms

    def call(self, exchange, jobs):
        body, ctx = exchange["body"], exchange["body"]["ctx"]
        headers = {name.lower(): value for name, value in exchange["headers"].items()}
        query = dict(part.split("=", 1) for part in exchange["request"].split("?", 1)[1].split("&"))
        form = {
            "step": self.steady.value(query["stepId"]),
            "step_header": self.steady.value(headers.get("x-inngest-step-id")),
            "attempt": ctx["attempt"], "max_attempts": ctx["max_attempts"],
            "version": body["version"], "version_header": headers.get("x-inngest-req-version"),
            "job": jobs.setdefault(ctx["job_id"], len(jobs) + 1), "generation": ctx.get("generation_id"),
            "disable_immediate_execution": ctx["disable_immediate_execution"],
            "use_api": [ctx["use_api"], body["use_api"]],
            "stack": [self.steady.value(step) for step in ctx["stack"]["stack"]], "current": ctx["stack"]["current"],
            "steps": self.steady.value(body["steps"]), "defers": body["defers"],
            "event": self.steady.value(body["event"]), "events": self.steady.value(body["events"]),
            "answer": self.answer(exchange),
        }
        wrong = [f"header {header} is not ctx.{key}" for header, key in
                 (("x-run-id", "run_id"), ("x-request-id", "request_id"), ("x-inngest-job-id", "job_id"),
                  ("x-inngest-generation-id", "generation_id"))
                 if str(ctx.get(key)) != headers.get(header)]
        for what, keys, standard in (("ctx", ctx.keys(), CTX_KEYS), ("body", body.keys(), BODY_KEYS)):
            wrong += [f"{what} lacks {key}" for key in sorted(standard - keys)]
            wrong += [f"{what} has {key}" for key in sorted(keys - standard)]
        if wrong:
            form["wrong"] = wrong
        return form

    def answer(self, exchange):
        headers = {name.lower(): value for name, value in exchange["reply_headers"].items()}
        answer = {"status": exchange["status"]}
        answer.update({name: headers[name] for name in ("x-inngest-no-retry", "retry-after") if name in headers})
        if exchange["status"] == 201 and isinstance(exchange["reply"], dict):
            answer["status"] = f"201 {exchange['reply'].get('status')}"
        if exchange["status"] == 206 or ops_of(exchange):
            answer["ops"] = [self.op(op) for op in ops_of(exchange)]
        else:
            answer["value"] = self.steady.value(exchange["reply"])
        return answer

    def op(self, op):
        kept = {key: op[key] for key in ("op", "opts", "data", "error") if key in op}
        if op["op"] in ("Sleep", "WaitForEvent"):
            kept["name"] = op.get("name")
        return self.steady.value({"step": op["id"], **kept})

    def checkpoint(self, exchange, calls):
        body = exchange["body"]
        told = [{key: call["body"]["ctx"].get(key) for key in ("fn_id", "qi_id", "request_id", "generation_id")}
                for call in calls]
        said = {key: body.get(key) for key in ("fn_id", "qi_id", "request_id", "generation_id")}
        return {"ops": [self.op(op) for op in body["steps"]], "of_call": told.index(said) + 1 if said in told else None,
                "status": exchange["status"], "reply": exchange["reply"]}

    def requests(self):
        """Besides calls, checkpoints and the test's own events."""
        found = []
        for exchange in self.exchanges:
            if exchange["dir"] != "sdk->server" or "/v1/checkpoint/" in exchange["request"]:
                continue
            if self.is_own_event(exchange) or not self.is_asked_here(exchange):
                continue
            request = self.steady.value(exchange["request"])
            request = re.sub(r"^POST /e/\S+", "POST /e/KEY", request)
            found.append({"request": request, "body": self.steady.value(exchange["body"]),
                          "status": exchange["status"], "reply": self.steady.value(exchange["reply"])})
        return sorted(found, key=lambda request: json.dumps(request, sort_keys=True))

    def is_asked_here(self, exchange):
        text = exchange["request"] + json.dumps([exchange["body"], exchange["reply"]])
        return any(run in text for run in self.runs) or (
            exchange["request"].startswith("POST /e/") and isinstance(exchange["reply"], dict)
            and set(exchange["reply"].get("ids", [])) & self.sent)


def is_text(value):
    return isinstance(value, str)


def is_call(exchange):
    return (exchange["dir"] == "server->sdk" and exchange["request"].startswith("POST ")
            and isinstance(exchange["body"], dict) and "ctx" in exchange["body"])


def function_of(exchange):
    slug = re.search(r"fnId=([^&]+)", exchange["request"]).group(1)
    return re.sub(r"^peer-(app|nocp|stream|cron|python-stream|python|go-stream|gocp|go)-", "", slug)


def ops_of(exchange):
    reply = exchange.get("reply")
    if exchange.get("status") == 201 and isinstance(reply, dict):
        body = reply.get("body")
        reply = None if reply.get("status") != 206 else json.loads(body) if isinstance(body, str) else body
    if isinstance(reply, dict) and "op" in reply:
        reply = [reply]
    return [op for op in reply if isinstance(op, dict) and "op" in op] if isinstance(reply, list) else []


# --- where we mean to differ ----------------------------------------------------------------------

def override(name, form):
    """The form that we want, from what the reference did."""
    if name == "event-id-dedupe":       # the second event overtook the first one there, once
        form = json.loads(json.dumps(form).replace('"dedupe": 2', '"dedupe": 1'))
        form["script"][1]["events"][0]["data"]["dedupe"] = 2
    for run in form["runs"]:
        for call in run["calls"]:
            if isinstance(call, dict) and "event" in call:
                failed_events(call["event"])
                for event in call["events"]:
                    failed_events(event)
    for request in form["requests"]:
        if request["request"].endswith("/batch"):       # events have a user everywhere, here too
            for event in request["reply"]:
                event.setdefault("user", {})
    return form


def failed_events(event):
    """The events of an internal event have no user there, unlike everywhere else."""
    for inner in (event.get("data") or {}).get("events") or []:
        inner.setdefault("user", {})


# --- commands ---------------------------------------------------------------------------------------

def write_expected(captures, folder):
    for prefix in ("cp", "nc"):
        forms = {}
        for file in sorted(os.listdir(captures)):
            if not (file.startswith(prefix + "-") and file.endswith(".json")):
                continue
            with open(os.path.join(captures, file), encoding="utf-8") as source:
                recording = json.load(source)
            name = recording["feature"]
            if name in LEFT_OUT:
                continue
            roots = [identity for exchange in recording["exchanges"] if is_by_test(exchange)
                     for identity in own_ids(exchange)]
            ends = {run["run_id"]: run for run in recording["runs"]}
            forms[name] = override(name, Feature(name, recording["exchanges"], is_by_test, roots, ends).form())
            if name in CUT_SHORT:
                forms[name]["is_cut_short"] = True
        with open(os.path.join(folder, f"ts-{prefix}.json"), "w", encoding="utf-8") as target:
            target.write(compact(forms))


def is_by_test(exchange):
    return exchange["request"] == "POST /e/test"


def own_ids(exchange):
    """Ids that runs of these events show: the caller's own, or what the server made."""
    events = exchange["body"] if isinstance(exchange["body"], list) else [exchange["body"]]
    return [event.get("id") or identity for event, identity in zip(events, exchange["reply"]["ids"])]


def features(journal, plan):
    with open(journal, encoding="utf-8") as source:
        exchanges = [json.loads(line) for line in source]
    with open(plan, encoding="utf-8") as source:
        plan = json.load(source)
    found = {}
    for name, ids in plan["features"].items():
        own = own_events(set(ids))
        roots = [identity for exchange in exchanges if own(exchange) for identity in own_ids(exchange)]
        found[name] = Feature(name, exchanges, own, roots, plan["runs"])
    return found


def own_events(ids):
    return lambda exchange: (exchange["request"].startswith("POST /e/") and isinstance(exchange["reply"], dict)
                             and bool(set(exchange["reply"].get("ids") or []) & ids))


def ours(journal, plan):
    return {name: feature.form() for name, feature in features(journal, plan).items()}


def brief(journal, plan):
    return {name: sorted(brief_run(feature, run, calls) for run, calls in feature.runs.items())
            for name, feature in features(journal, plan).items()}


def brief_run(feature, run, calls):
    status = feature.ends.get(run, {}).get("status")
    told = [feature.call(exchange, {}) for exchange in calls]
    if any("StepPlanned" in json.dumps(call["answer"]) for call in told):
        told.sort(key=lambda call: (len(call["stack"]), call["step"]))      # parallel: in any order
    output = json.dumps(feature.output(run), sort_keys=True, ensure_ascii=False)
    text = ", ".join(f"{call['step']}/{call['attempt']} {brief_answer(call['answer'])}" for call in told)
    return f"{function_of(calls[0])} {status} {output} | {text}"


def brief_answer(answer):
    status = str(answer["status"])
    ops = "+".join(op["op"] for op in answer.get("ops", []))
    return ops if status == "206" and ops else f"{status} {ops}".strip()


def diff(expected, got):
    if expected.get("is_cut_short"):
        for run, recorded in zip(got["runs"], expected["runs"]):
            run["calls"] = run["calls"][:len(recorded["calls"])]
            recorded["status"], recorded["output"] = run["status"], run["output"]
    sides = [[line for part in ("runs", "requests") for line in lines(form.get(part))] for form in (expected, got)]
    return "\n".join(difflib.unified_diff(*sides, "expected", "got", lineterm="", n=4))


def lines(value):
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).split("\n")


def compact(forms):
    """A line a call: small, and its diffs are readable."""
    out = ["{"]
    for at, (name, form) in enumerate(forms.items()):
        text = json.dumps(form, ensure_ascii=False, sort_keys=True)
        text = re.sub(r'(, )?(\{"answer": |\{"function": |\{"calls": |"requests": |"runs": |"script": )', r"\1\n \2", text)
        out.append(f"{json.dumps(name)}: {text}" + ("," if at < len(forms) - 1 else ""))
    return "\n".join(out + ["}"]) + "\n"


def main():
    command, *arguments = sys.argv[1:]
    if command == "expected":
        write_expected(*arguments)
    elif command == "ours":
        json.dump(ours(*arguments), sys.stdout)
    elif command == "brief":
        json.dump(brief(*arguments), sys.stdout, indent=1)
    elif command == "diff":
        forms = []
        for path in arguments[:2]:
            with open(path, encoding="utf-8") as source:
                forms.append(json.load(source).get(arguments[2], {"runs": [], "requests": []}))
        print(diff(*forms), end="")


if __name__ == "__main__":
    main()
