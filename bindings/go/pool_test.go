package kthena

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// must(f())(t) is the value of f, which must not fail.
func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks kind and message of an error.
func refused(t testing.TB, err error, target error, parts ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func endpoints(ids ...string) []Endpoint {
	list := make([]Endpoint, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return list
}

// same compares where NaN equals NaN.
func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) })
}

func TestPoolKeepsTheCallersNumbers(t *testing.T) {
	for _, ids := range [][]string{{"a", "b", "c"}, {"c", "a", "b"}, {"only"}, {}, {"", ""}} {
		pool, err := NewPool(endpoints(ids...))
		if len(ids) > 0 && ids[0] == "" {
			refused(t, err, ErrInvalidArgument, "endpoints[0].id", "endpoints[1].id")
			continue
		}
		ok(t, err)
		defer pool.Close()
		if pool.Size() != len(ids) {
			t.Errorf("%d endpoints, want %d", pool.Size(), len(ids))
		}
		for i, id := range ids {
			if pool.ID(i) != id || pool.Find(id) != i {
				t.Errorf("endpoint %d is %q, %q is %d", i, pool.ID(i), id, pool.Find(id))
			}
		}
		if pool.Find("nobody") != -1 || pool.ID(len(ids)) != "" || pool.ID(-1) != "" {
			t.Error("an endpoint that is none is found")
		}
	}
}

func TestPoolSignals(t *testing.T) {
	pool := must(NewPool(endpoints("z", "a", "m")))(t)
	defer pool.Close()
	nan := math.NaN()
	values, times, err := pool.Signal(SignalWaiting)
	ok(t, err)
	if !same(values, []float64{nan, nan, nan}) || !slices.Equal(times, []int64{NeverSampled, NeverSampled, NeverSampled}) {
		t.Errorf("not sampled: %v at %v", values, times)
	}
	ok(t, pool.SetSignal(SignalWaiting, []float64{1, nan, 3}, 7))
	values, times, err = pool.Signal(SignalWaiting)
	ok(t, err)
	if !same(values, []float64{1, nan, 3}) || !slices.Equal(times, []int64{7, NeverSampled, 7}) {
		t.Errorf("one time: %v at %v", values, times)
	}
	ok(t, pool.SetSignalSampled(SignalWaiting, []float64{4, 5, 6}, []int64{10, 20, 30}))
	values, times, err = pool.Signal(SignalWaiting)
	ok(t, err)
	if !same(values, []float64{4, 5, 6}) || !slices.Equal(times, []int64{10, 20, 30}) {
		t.Errorf("many times: %v at %v", values, times)
	}

	ok(t, pool.SetValue(1, SignalInFlight, 3, 9))
	values, times, err = pool.Signal(SignalInFlight)
	ok(t, err)
	if !same(values, []float64{nan, 3, nan}) || !slices.Equal(times, []int64{NeverSampled, 9, NeverSampled}) {
		t.Errorf("one value: %v at %v", values, times)
	}
	ok(t, pool.SetValue(1, SignalInFlight, nan, 9))
	if values, _, _ = pool.Signal(SignalInFlight); !same(values, []float64{nan, nan, nan}) {
		t.Errorf("a forgotten value: %v", values)
	}

	refused(t, pool.SetValue(1, SignalInFlight, -3, 9), ErrInvalidArgument, "in_flight[a]")
	refused(t, pool.SetValue(3, SignalInFlight, 3, 9), ErrInvalidArgument, "endpoint: no endpoint 3 in a pool of 3")
	refused(t, pool.SetValue(-1, SignalInFlight, 3, 9), ErrInvalidArgument, "endpoint: no endpoint -1")
	refused(t, pool.SetValue(1, Signal(signalCount), 3, 9), ErrInvalidArgument, fmt.Sprintf("signal: no signal %d", signalCount))
	refused(t, pool.SetSignal(SignalKVUsage, []float64{-1, 2, math.Inf(1)}, 0), ErrInvalidArgument, "kv_usage[z]", "kv_usage[a]", "kv_usage[m]")
	refused(t, pool.SetSignal(SignalWaiting, []float64{1}, 0), ErrInvalidArgument, "n: 1", "3 endpoints")
	refused(t, pool.SetSignal(SignalWaiting, nil, 0), ErrInvalidArgument, "n: 0")
	refused(t, pool.SetSignal(Signal(99), []float64{1, 2, 3}, 0), ErrInvalidArgument, "signal: no signal 99")
	refused(t, pool.SetSignalSampled(SignalWaiting, []float64{1, 2, 3}, []int64{1}), ErrInvalidArgument, "sampledNS: 1 sample times for 3 values")
	_, _, err = pool.Signal(Signal(-1))
	refused(t, err, ErrInvalidArgument, "signal: no signal -1")
	if values, _, _ = pool.Signal(SignalWaiting); !same(values, []float64{4, 5, 6}) {
		t.Errorf("bad input changed the pool: %v", values)
	}
}

func TestPoolModels(t *testing.T) {
	list := endpoints("b", "a")
	list[0].Models = []string{"llama", "llama"}
	_, err := NewPool(list)
	refused(t, err, ErrInvalidArgument, "endpoints[0].models[1]")
	list[0].Models = []string{"llama", "lora-1"}
	pool := must(NewPool(list))(t)
	defer pool.Close()
	policy := must(NewPolicyJSON([]byte(`{"filters": ["lora-affinity"], "picker": "round-robin"}`)))(t)
	defer policy.Close()
	decision := must(policy.Decide(pool, &Request{Model: "lora-1"}, NewWorkspace()))(t)
	if decision.Endpoint != 0 || decision.Candidates != 1 {
		t.Errorf("decision: %+v", decision)
	}
}

func TestPoolWaitingModelsAndPlaces(t *testing.T) {
	list := endpoints("b", "a", "c")
	list[0].Models, list[0].WaitingModels = []string{"llama"}, []string{"chat", "llama"}
	list[2].WaitingModels = []string{"chat", "chat"}
	_, err := NewPool(list)
	refused(t, err, ErrInvalidArgument, "endpoints[0].waiting_models[1]", "endpoints[2].waiting_models[1]")
	list[0].WaitingModels, list[0].Place = []string{"sql"}, Place{Host: "h1", Region: "eu"}
	list[1].Models, list[1].Place = []string{"llama", "sql"}, Place{Zone: "z1"}
	list[2].WaitingModels = nil
	pool := must(NewPool(list))(t)
	defer pool.Close()
	policy := must(NewPolicyJSON([]byte(`{"filters": ["lora-affinity"], "picker": "round-robin"}`)))(t)
	defer policy.Close()
	workspace := NewWorkspace()
	defer workspace.Close()
	for model, candidates := range map[string]int{"llama": 2, "sql": 1, "chat": 0} {
		if decision := must(policy.Decide(pool, &Request{Model: model}, workspace))(t); decision.Candidates != candidates {
			t.Errorf("%s: %+v", model, decision)
		}
	}
}

func TestEverySignal(t *testing.T) {
	pool := must(NewPool(endpoints("b", "a")))(t)
	defer pool.Close()
	for signal := range Signal(signalCount) {
		ok(t, pool.SetSignal(signal, []float64{1, 0}, int64(signal)))
		values, times, err := pool.Signal(signal)
		ok(t, err)
		if !same(values, []float64{1, 0}) || !slices.Equal(times, []int64{int64(signal), int64(signal)}) {
			t.Errorf("%v: %v at %v", signal, values, times)
		}
		refused(t, pool.SetValue(1, signal, 1e16, 0), ErrInvalidArgument, signal.String()+"[a]: must not exceed ")
	}
}

func TestPoolJSON(t *testing.T) {
	pool := must(NewPoolJSON([]byte(`{"endpoints": [{"id": "z", "running": 4, "sampled_ns": 8}, {"id": "a"}]}`)))(t)
	defer pool.Close()
	if pool.ID(0) != "z" || pool.ID(1) != "a" {
		t.Errorf("ids: %q, %q", pool.ID(0), pool.ID(1))
	}
	_, err := NewPoolJSON([]byte(`{"endpoints": [{"id": "z", "running": -4}, {"id": 7}]}`))
	refused(t, err, ErrInvalidArgument, "endpoints[0].running", "endpoints[1].id")
	_, err = NewPoolJSON(nil)
	refused(t, err, ErrInvalidArgument)
}

func TestNames(t *testing.T) {
	for value, want := range map[fmt.Stringer]string{
		SignalKVUsage: "kv_usage", SignalInFlight: "in_flight", SignalPrefillTPS: "prefill_tps", SignalReadyAt: "ready_at_s", Signal(-1): "Signal(-1)", Signal(21): "Signal(21)",
		Routed: "routed", NoEndpoint: "no_endpoint", Outcome(9): "Outcome(9)",
		TierDisk: "disk", Tier(9): "Tier(9)",
		CodeNotFound: "not found", CodeUnauthenticated: "unauthenticated", Code(17): "Code(17)", Code(-1): "Code(-1)",
		ReasonBestScore: "best_score",
	} {
		if value.String() != want {
			t.Errorf("%d is called %q, want %q", value, value, want)
		}
	}
}

func TestErrors(t *testing.T) {
	err := error(&Error{Code: CodeNotFound, Message: "no preset"})
	if err.Error() != "kthena: not found: no preset" || (&Error{Code: CodeInternal}).Error() != "kthena: internal" {
		t.Error(err)
	}
	if !errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalidArgument) || errors.Is(err, errors.New("x")) {
		t.Error("Is compares codes")
	}
	if !errors.Is(ErrClosed, ErrFailedPrecondition) || errors.Is(ErrFailedPrecondition, ErrClosed) {
		t.Error("ErrClosed is one kind of ErrFailedPrecondition")
	}
}

func TestVersionHashRandom(t *testing.T) {
	if major, minor, patch := Version(); major != 0 || minor != 1 || patch != 0 {
		t.Errorf("version %d.%d.%d", major, minor, patch)
	}
	if HashID("a") == HashID("b") || HashID("") != HashID("") {
		t.Error("HashID")
	}
	if RandomUint64(1, 2, 3) != RandomUint64(1, 2, 3) || RandomUint64(1, 2, 3) == RandomUint64(1, 2, 4) {
		t.Error("RandomUint64")
	}
}

// TestClosed uses everything after Close, and as a zero value and nil.
func TestClosed(t *testing.T) {
	pool := must(NewPool(endpoints("a")))(t)
	policy := must(NewPolicy("random"))(t)
	workspace := NewWorkspace()
	index := must(NewPrefixIndex(PrefixIndexOptions{}))(t)
	query := must(index.NewQuery(Namespace{}))(t)
	for range 2 {
		index.Close()
		query.Close()
		workspace.Close()
	}
	openPool, openPolicy := pool, policy
	_, err := openPolicy.Decide(openPool, &Request{}, workspace)
	refused(t, err, ErrClosed)
	pool.Close()
	_, err = openPolicy.Decide(pool, &Request{}, NewWorkspace())
	refused(t, err, ErrClosed)
	_, err = openPolicy.Explain(pool, &Request{})
	refused(t, err, ErrClosed)
	policy.Close()
	for _, pool := range []*Pool{pool, {}, nil} {
		refused(t, pool.SetSignal(SignalRunning, []float64{1}, 0), ErrClosed)
		refused(t, pool.SetValue(0, SignalRunning, 1, 0), ErrClosed)
		_, _, err := pool.Signal(SignalRunning)
		refused(t, err, ErrClosed)
		if pool.Find("a") != -1 || pool.ID(3) != "" || pool.Size() > 1 {
			t.Error("a closed pool")
		}
		pool.Close()
	}
	for _, policy := range []*Policy{policy, {}, nil} {
		_, err := policy.JSON()
		refused(t, err, ErrClosed)
		_, err = policy.Decide(pool, &Request{}, workspace)
		refused(t, err, ErrClosed)
		_, err = policy.Explain(pool, &Request{})
		refused(t, err, ErrClosed)
		policy.Close()
	}
	for _, workspace := range []*Workspace{workspace, {}, nil} {
		workspace.Close()
	}
	for _, index := range []*PrefixIndex{index, {}, nil} {
		_, err := index.AddWorker("a")
		refused(t, err, ErrClosed)
		refused(t, index.RemoveWorker(0), ErrClosed)
		refused(t, index.Store(0, 0, nil, nil, nil, TierDevice), ErrClosed)
		refused(t, index.Remove(0, nil, TierDevice), ErrClosed)
		refused(t, index.Clear(0), ErrClosed)
		refused(t, index.FindByWorker(query, nil, nil), ErrClosed)
		refused(t, index.Find(query, nil, nil), ErrClosed)
		_, err = index.Stats()
		refused(t, err, ErrClosed)
		_, err = index.NewQuery(Namespace{})
		refused(t, err, ErrClosed)
		if index.FindWorker("a") != NoWorker || index.WorkerLimit() != 0 {
			t.Error("a closed index")
		}
		index.Close()
	}
	for _, query := range []*PrefixQuery{query, {}, nil} {
		refused(t, query.ExtendTokens(nil), ErrClosed)
		refused(t, query.ExtendContents(nil), ErrClosed)
		query.Clear()
		if query.Blocks() != 0 {
			t.Error("a closed query")
		}
		query.Close()
	}
}
