// The test app of the Go SDK: the features that were recorded with the TypeScript one, as far as this
// SDK has them.
//
// /api/inngest serves them without checkpointing, /api/checkpoint with it, /api/stream has one that
// answers in streams, /api/flow those with flow control, /endpoint/* are durable endpoints.  Environment: PORT, FAKE (URL of the
// service that fetch and AI steps talk to), and what the SDK reads: INNGEST_DEV, or
// INNGEST_BASE_URL, INNGEST_SIGNING_KEY and INNGEST_EVENT_KEY.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/inngest/inngest/pkg/enums"
	"github.com/inngest/inngestgo"
	"github.com/inngest/inngestgo/errors"
	"github.com/inngest/inngestgo/group"
	"github.com/inngest/inngestgo/pkg/checkpoint"
	"github.com/inngest/inngestgo/step"
	"github.com/inngest/inngestgo/stephttp"
)

type (
	data    = map[string]any
	input   = inngestgo.Input[data]
	handler = func(context.Context, input) (any, error)
)

func main() {
	for path, prefix := range map[string]string{"/api/inngest": "go", "/api/checkpoint": "gocp"} {
		options := inngestgo.ClientOpts{AppID: "peer-" + prefix, AppVersion: inngestgo.StrPtr("v-1.2.3")}
		if prefix == "gocp" {
			options.Checkpoint = checkpoint.ConfigSafe
			// Checkpoints are the one thing that ignores INNGEST_BASE_URL.
			if base := os.Getenv("INNGEST_BASE_URL"); base != "" {
				options.APIBaseURL = &base
			}
		}
		client := serve(path, options)
		features(client, prefix)
	}

	stream := serve("/api/stream", inngestgo.ClientOpts{AppID: "peer-go-stream", UseStreaming: true})
	function(stream, inngestgo.FunctionOpts{ID: "st"}, inngestgo.EventTrigger("gost/one", nil), streamed)
	flow := serve("/api/flow", inngestgo.ClientOpts{AppID: "flow-go"})
	for name, options := range controls() {
		options.ID = name
		function(flow, options, inngestgo.EventTrigger("gofc/"+name, nil), func(_ context.Context, in input) (any, error) {
			return len(in.Events), nil
		})
	}

	endpoints()

	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	must(err)
	fmt.Println("ready")
	go func() { // end with the test, however that ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	must(http.Serve(listener, nil))
}

// Durable endpoints: requests that are runs.
func endpoints() {
	options := stephttp.SetupOpts{Domain: "endpoints-go"}
	options.Optional.SigningKey = os.Getenv("INNGEST_SIGNING_KEY")
	options.Optional.BaseURL = os.Getenv("INNGEST_BASE_URL")
	provider := stephttp.Setup(options)
	one := func(context.Context) (int, error) { return 1, nil }
	http.HandleFunc("/endpoint/hello", provider.ServeHTTP(func(w http.ResponseWriter, r *http.Request) {
		a, _ := step.Run(r.Context(), "e1", one)
		b, _ := step.Run(r.Context(), "e2", one)
		_, _ = fmt.Fprintf(w, "%d", a+b)
	}))
	http.HandleFunc("/endpoint/async", provider.ServeHTTP(func(w http.ResponseWriter, r *http.Request) {
		a, _ := step.Run(r.Context(), "e1", one)
		step.Sleep(r.Context(), "z", time.Second)
		b, _ := step.Run(r.Context(), "e2", one)
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(201)
		_, _ = fmt.Fprintf(w, "%d of %s", a+b, r.URL.Query().Get("q"))
	}))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func serve(path string, options inngestgo.ClientOpts) inngestgo.Client {
	client, err := inngestgo.NewClient(options)
	must(err)
	http.Handle(path, client.Serve())
	return client
}

func function(client inngestgo.Client, options inngestgo.FunctionOpts, trigger interface {
	Triggers() []inngestgo.Trigger
}, run handler) {
	_, err := inngestgo.CreateFunction(client, options, trigger, run)
	must(err)
}

func features(client inngestgo.Client, prefix string) {
	on := func(id, word string, run handler, change ...func(*inngestgo.FunctionOpts)) {
		options := inngestgo.FunctionOpts{ID: id}
		for _, apply := range change {
			apply(&options)
		}
		function(client, options, inngestgo.EventTrigger(prefix+"/"+word, nil), run)
	}
	retries := func(n int) func(*inngestgo.FunctionOpts) {
		return func(options *inngestgo.FunctionOpts) { options.Retries = &n }
	}
	call := calls{app: client.AppID(), prefix: prefix}
	wait := waits{prefix: prefix}

	on("no-step", "nostep", noStep)
	on("one-step", "one", oneStep)
	on("three-step", "three", threeStep)
	on("loop-step", "loop", loopStep)
	on("undef", "undef", undef)
	on("big", "big", big)
	on("sleeper", "sleep", sleeper)
	on("wait-match", "wait", wait.match)
	on("wait-timeout", "waittimeout", wait.timeout)
	on("signal", "signal", signal)
	on("signal-timeout", "signaltimeout", signalTimeout)
	on("invoke-target", "target", invokeTarget)
	on("invoke-fail-target", "failtarget", invokeFailTarget, retries(0))
	on("invoke-slow-target", "slowtarget", invokeSlowTarget)
	on("invoker", "invoke", call.invoke)
	on("invoker-fail", "invokefail", call.failing, retries(0))
	on("invoker-missing", "invokemissing", call.missing, retries(0))
	on("invoker-timeout", "invoketimeout", call.slow, retries(0))
	on("send-event", "sendevent", call.send)
	on("parallel", "parallel", parallel)
	on("parallel-mixed", "parallelmixed", wait.mixed)
	on("race", "race", race)
	on("fail-fn", "failfn", failFn, retries(1))
	on("fail-step", "failstep", failStep, retries(1))
	on("fail-step-caught", "failcaught", failStepCaught, retries(1))
	on("fail-once", "failonce", failOnce, retries(3))
	on("nonretriable", "nonretriable", nonretriable, retries(3))
	on("nonretriable-fn", "nonretriablefn", nonretriableFn, retries(3))
	on("retryafter", "retryafter", retryAfter, retries(1))
	on("retryafter-fn", "retryafterfn", retryAfterFn, retries(1))
	on("retry-default", "retrydefault", retryDefault)
	on("cancel-on", "longrun", cancelOn, func(options *inngestgo.FunctionOpts) {
		options.Cancel = []inngestgo.ConfigCancel{
			{Event: prefix + "/cancel", If: inngestgo.StrPtr("event.data.id == async.data.id"), Timeout: inngestgo.StrPtr("1h")},
			{Event: prefix + "/cancelif", If: inngestgo.StrPtr("async.data.id == event.data.id")},
		}
	})
	on("fetcher", "fetch", fetcher)
	on("ai-infer", "aiinfer", aiInfer, retries(0))
	on("trig-wild", "wild.*", eventName)
	function(client, inngestgo.FunctionOpts{ID: "trig-if"},
		inngestgo.EventTrigger(prefix+"/trigif", inngestgo.StrPtr("event.data.n > 5")), eventNumber)
	function(client, inngestgo.FunctionOpts{ID: "trig-multi"}, inngestgo.MultipleTriggers{
		inngestgo.EventTrigger(prefix+"/multi.a", nil), inngestgo.EventTrigger(prefix+"/multi.b", nil),
		inngestgo.CronTrigger("TZ=Europe/Berlin 0 0 1 1 *"),
	}, eventName)
}

// The handler of a step that returns this.
func value[T any](it T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return it, nil }
}

func number(in input, name string) int {
	n, _ := in.Event.Data[name].(float64)
	return int(n)
}

// Steps that run.

func noStep(_ context.Context, in input) (any, error) {
	return data{"ok": true, "echo": in.Event.Data}, nil
}

func eventName(_ context.Context, in input) (any, error) { return in.Event.Name, nil }

func eventNumber(_ context.Context, in input) (any, error) { return number(in, "n"), nil }

func oneStep(ctx context.Context, _ input) (any, error) {
	a, err := step.Run(ctx, "a", value(data{"v": 1}))
	return data{"done": a}, err
}

func threeStep(ctx context.Context, _ input) (any, error) {
	a, _ := step.Run(ctx, "a", value(1))
	b, _ := step.Run(ctx, "b", value(a+1))
	return step.Run(ctx, "c", value(b+1))
}

func loopStep(ctx context.Context, in input) (any, error) {
	sum := 0
	for i := range number(in, "n") {
		it, err := step.Run(ctx, "again", value(i))
		if err != nil {
			return nil, err
		}
		sum += it
	}
	return sum, nil
}

func undef(ctx context.Context, _ input) (any, error) {
	_, _ = step.Run(ctx, "returns-nil", value[any](nil))
	_, _ = step.Run(ctx, "returns-string", value("str"))
	return nil, nil
}

func big(ctx context.Context, in input) (any, error) {
	sizes := []int{}
	for i := range number(in, "n") {
		text, _ := step.Run(ctx, fmt.Sprintf("big-%d", i), value(strings.Repeat("x", number(in, "size"))))
		sizes = append(sizes, len(text))
	}
	return sizes, nil
}

func streamed(ctx context.Context, _ input) (any, error) {
	_, _ = step.Run(ctx, "a", value(1))
	step.Sleep(ctx, "z", time.Second)
	return step.Run(ctx, "b", value("streamed"))
}

// Steps that wait.

func sleeper(ctx context.Context, _ input) (any, error) {
	_, _ = step.Run(ctx, "before", value("b"))
	step.Sleep(ctx, "nap", 2*time.Second)
	_, _ = step.Run(ctx, "after", value("a"))
	return "slept", nil
}

type waits struct{ prefix string }

func (w waits) match(ctx context.Context, _ input) (any, error) {
	got, err := step.WaitForEvent[inngestgo.GenericEvent[data]](ctx, "w", step.WaitForEventOpts{
		Event: w.prefix + "/wait.done", Timeout: time.Minute, If: inngestgo.StrPtr("event.data.id == async.data.id"),
	})
	return data{"got": data{"name": got.Name, "data": got.Data}}, err
}

func (w waits) timeout(ctx context.Context, _ input) (any, error) {
	_, err := step.WaitForEvent[any](ctx, "w", step.WaitForEventOpts{Event: w.prefix + "/never", Timeout: 2 * time.Second})
	return data{"is_timeout": err == step.ErrEventNotReceived}, nil
}

func signal(ctx context.Context, in input) (any, error) {
	return step.WaitForSignal[data](ctx, "sig", step.WaitForSignalOpts{
		Signal: fmt.Sprintf("sig-%s", in.Event.Data["id"]), Timeout: time.Minute,
	})
}

func signalTimeout(ctx context.Context, in input) (any, error) {
	_, err := step.WaitForSignal[data](ctx, "sig", step.WaitForSignalOpts{
		Signal: fmt.Sprintf("never-%s", in.Event.Data["id"]), Timeout: 2 * time.Second, OnConflict: step.SignalConflictReplace,
	})
	return data{"is_timeout": err == step.ErrSignalNotReceived}, nil
}

// Functions that call others.

func invokeTarget(ctx context.Context, in input) (any, error) {
	r, err := step.Run(ctx, "t", value(number(in, "n")*2))
	return data{"r": r, "event": in.Event.Name}, err
}

func invokeFailTarget(context.Context, input) (any, error) {
	return nil, errors.NoRetryError(fmt.Errorf("target failed"))
}

func invokeSlowTarget(ctx context.Context, _ input) (any, error) {
	step.Sleep(ctx, "s", 30*time.Second)
	return 1, nil
}

type calls struct{ app, prefix string }

func (c calls) invoke(ctx context.Context, _ input) (any, error) {
	return step.Invoke[any](ctx, "inv", step.InvokeOpts{FunctionId: c.app + "-invoke-target", Data: data{"n": 21}})
}

func (c calls) caught(ctx context.Context, options step.InvokeOpts) (any, error) {
	if _, err := step.Invoke[any](ctx, "inv", options); err != nil {
		return data{"caught": err.Error()}, nil
	}
	return "no error", nil
}

func (c calls) failing(ctx context.Context, _ input) (any, error) {
	return c.caught(ctx, step.InvokeOpts{FunctionId: c.app + "-invoke-fail-target"})
}

func (c calls) missing(ctx context.Context, _ input) (any, error) {
	return c.caught(ctx, step.InvokeOpts{FunctionId: c.app + "-nope"})
}

func (c calls) slow(ctx context.Context, _ input) (any, error) {
	return c.caught(ctx, step.InvokeOpts{FunctionId: c.app + "-invoke-slow-target", Timeout: 2 * time.Second})
}

func (c calls) send(ctx context.Context, _ input) (any, error) {
	ids, err := step.SendMany(ctx, "emit", []inngestgo.GenericEvent[data]{
		{Name: c.prefix + "/one", Data: data{"from": "send"}}, {Name: c.prefix + "/unmatched", Data: data{"x": 1}},
	})
	return len(ids), err
}

// Steps side by side.

func branch[T any](id string, it T) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) { return step.Run(ctx, id, value(it)) }
}

func parallel(ctx context.Context, _ input) (any, error) {
	results := group.Parallel(ctx, branch("p1", 1), branch("p2", 2), branch("p3", 3))
	sum := 0
	for _, result := range results {
		sum += result.Value.(int)
	}
	return step.Run(ctx, "join", value(sum))
}

func (w waits) mixed(ctx context.Context, _ input) (any, error) {
	results := group.Parallel(ctx, branch("r", "ran"),
		func(ctx context.Context) (any, error) { step.Sleep(ctx, "s", time.Second); return nil, nil },
		func(ctx context.Context) (any, error) {
			return step.WaitForEvent[any](ctx, "w", step.WaitForEventOpts{Event: w.prefix + "/never", Timeout: time.Second})
		})
	return data{"ran": results[0].Value, "is_timeout": results[2].Error == step.ErrEventNotReceived}, nil
}

func race(ctx context.Context, _ input) (any, error) {
	group.ParallelWithOpts(ctx, group.ParallelOpts{ParallelMode: enums.ParallelModeRace}, branch("fast", "fast"),
		func(ctx context.Context) (any, error) { step.Sleep(ctx, "slow", 2*time.Second); return "slow", nil })
	return "both", nil
}

// Failures.

func failFn(_ context.Context, in input) (any, error) {
	return nil, fmt.Errorf("boom %d", in.InputCtx.Attempt)
}

func boom(context.Context) (any, error) { return nil, fmt.Errorf("step boom") }

func failStep(ctx context.Context, _ input) (any, error) {
	_, _ = step.Run(ctx, "ok", value(1))
	return step.Run(ctx, "bad", boom)
}

func failStepCaught(ctx context.Context, _ input) (any, error) {
	_, err := step.Run(ctx, "bad", boom)
	return data{"msg": err.Error(), "is_step_error": errors.IsStepError(err)}, nil
}

func failOnce(ctx context.Context, in input) (any, error) {
	return step.Run(ctx, "once", func(context.Context) (string, error) {
		if in.InputCtx.Attempt == 0 {
			return "", fmt.Errorf("once")
		}
		return fmt.Sprintf("attempt %d", in.InputCtx.Attempt), nil
	})
}

func nonretriable(ctx context.Context, _ input) (any, error) {
	return step.Run(ctx, "x", func(context.Context) (any, error) {
		return nil, errors.NoRetryError(fmt.Errorf("never again"))
	})
}

func nonretriableFn(context.Context, input) (any, error) {
	return nil, errors.NoRetryError(fmt.Errorf("never again"))
}

func retryAfter(ctx context.Context, in input) (any, error) {
	return step.Run(ctx, "later", func(context.Context) (int, error) {
		if in.InputCtx.Attempt == 0 {
			return 0, errors.RetryAtError(fmt.Errorf("later"), time.Now().Add(time.Second))
		}
		return in.InputCtx.Attempt, nil
	})
}

func retryAfterFn(_ context.Context, in input) (any, error) {
	if in.InputCtx.Attempt == 0 {
		return nil, errors.RetryAtError(fmt.Errorf("later fn"), time.Now().Add(time.Second))
	}
	return in.InputCtx.Attempt, nil
}

func retryDefault(_ context.Context, in input) (any, error) {
	return nil, fmt.Errorf("always %d", in.InputCtx.Attempt)
}

func cancelOn(ctx context.Context, _ input) (any, error) {
	step.Sleep(ctx, "long", time.Hour)
	return "not cancelled", nil
}

// Calls that the server makes.

func fetcher(ctx context.Context, _ input) (any, error) {
	reply, err := step.Fetch[any](ctx, "fetch", step.FetchOpts{
		URL: os.Getenv("FAKE") + "/hello?x=1", Method: "POST", Body: `{"hi":1}`,
		Headers: map[string]string{"content-type": "application/json", "x-a": "b"},
	})
	return data{"status": reply.StatusCode, "body": reply.Body}, err
}

func aiInfer(ctx context.Context, _ input) (any, error) {
	base, key := os.Getenv("FAKE"), "sk-test"
	reply, err := step.Infer[data, data](ctx, "infer", step.InferOpts[data]{
		Opts: step.InferOpenAIOpts(&key, &base),
		Body: data{"model": "gpt-x", "messages": []data{{"role": "user", "content": "hi"}}},
	})
	return reply["model"], err
}

// Flow control.

func controls() map[string]inngestgo.FunctionOpts {
	key := inngestgo.StrPtr("event.data.k")
	return map[string]inngestgo.FunctionOpts{
		"conc":      {Concurrency: &inngestgo.ConfigConcurrency{Step: []inngestgo.ConfigStepConcurrency{{Limit: 1, Key: key}}}},
		"fnconc":    {Concurrency: &inngestgo.ConfigConcurrency{Fn: []inngestgo.ConfigFnConcurrency{{Limit: 1, Key: key}}}},
		"throttle":  {Throttle: &inngestgo.ConfigThrottle{Limit: 1, Period: 3 * time.Second, Burst: 1, Key: key}},
		"ratelimit": {RateLimit: &inngestgo.ConfigRateLimit{Limit: 1, Period: time.Minute, Key: key}},
		"debounce":  {Debounce: &inngestgo.ConfigDebounce{Period: 2 * time.Second, Key: *key}},
		"batch":     {BatchEvents: &inngestgo.ConfigBatchEvents{MaxSize: 3, Timeout: 4 * time.Second, Key: key}},
		"priority":  {Priority: &inngestgo.ConfigPriority{Run: inngestgo.StrPtr("event.data.p")}},
		"idem":      {Idempotency: key},
		"singleton": {Singleton: &inngestgo.ConfigSingleton{Key: key, Mode: enums.SingletonModeSkip}},
	}
}
