package kthena

import (
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// small is four endpoints in an order that is not that of their ids.
func small(t testing.TB, policy string) (*Pool, *Policy, *Workspace) {
	pool := must(NewPool(endpoints("c", "a", "d", "b")))(t)
	t.Cleanup(pool.Close)
	ok(t, pool.SetSignal(SignalKVUsage, []float64{0.2, 0.9, 0.1, 0.5}, 0))
	made := must(NewPolicyJSON([]byte(policy)))(t)
	t.Cleanup(made.Close)
	workspace := NewWorkspace()
	t.Cleanup(workspace.Close)
	return pool, made, workspace
}

const usageAndPrefix = `{"scorers": ["gpu-usage", {"name": "prefix-cache", "weight": 2}], "ranked_limit": 3}`

func TestDecide(t *testing.T) {
	pool, policy, workspace := small(t, usageAndPrefix)
	request := &Request{ID: "request-1", Seed: 7, Prefix: Match{Depths: []uint32{0, 9, 10, 1}, Total: 10}}
	decision := must(policy.Decide(pool, request, workspace))(t)
	if decision.Outcome != Routed || pool.ID(decision.Endpoint) != "d" || decision.Reason != ReasonBestScore || decision.Candidates != 4 {
		t.Errorf("decision: %+v", decision)
	}
	if ranking := decision.Ranking(); len(ranking) != 3 || ranking[0] != decision.Endpoint || pool.ID(ranking[1]) != "a" {
		t.Errorf("ranking: %v", ranking)
	}
	if failover := decision.Failover(); !slices.Equal(failover, decision.Ranking()[1:]) {
		t.Errorf("failover: %v", failover)
	}
	// The router's own memory is a column of its own.
	request.History = Match{Depths: []uint32{0, 0, 0, 10}, Total: 10}
	decision = must(policy.Decide(pool, request, workspace))(t)
	if pool.ID(decision.Endpoint) != "b" {
		t.Errorf("with memory: %+v", decision)
	}
	var explanation struct {
		Decision struct{ Endpoint string }
	}
	ok(t, json.Unmarshal(must(policy.Explain(pool, request))(t), &explanation))
	if explanation.Decision.Endpoint != "b" {
		t.Errorf("explanation: %+v", explanation)
	}
}

func TestDecideNoEndpoint(t *testing.T) {
	_, policy, workspace := small(t, usageAndPrefix)
	pool := must(NewPool(nil))(t)
	defer pool.Close()
	decision := must(policy.Decide(pool, &Request{}, workspace))(t)
	if decision.Outcome != NoEndpoint || decision.Endpoint != -1 || decision.Reason != ReasonPoolEmpty || len(decision.Ranking()) != 0 || len(decision.Failover()) != 0 {
		t.Errorf("decision: %+v", decision)
	}
}

func TestDecideRefuses(t *testing.T) {
	pool, policy, workspace := small(t, usageAndPrefix)
	fits := Match{Depths: []uint32{1, 2, 3, 4}, Total: 9}
	short := Match{Depths: []uint32{1, 2, 3}, Total: 9}
	for _, request := range []*Request{
		{Prefix: short},
		{History: short},
		{Prefix: fits, History: short},
		{Prefix: short, History: fits},
		{Prefix: Match{Depths: fits.Depths, HostDepths: short.Depths}},
		{Prefix: fits, History: Match{Depths: fits.Depths, HostDepths: fits.Depths, DiskDepths: short.Depths}},
	} {
		decision := Decision{Endpoint: 42}
		refused(t, policy.DecideInto(pool, request, workspace, &decision), ErrInvalidArgument, "request.depth_count: 3, but the pool has 4 endpoints")
		if decision.Endpoint != 42 {
			t.Error("the decision was written")
		}
		_, err := policy.Explain(pool, request)
		refused(t, err, ErrInvalidArgument, "request.depth_count: 3")
	}
	refused(t, policy.DecideInto(pool, &Request{Prefix: Match{Depths: []uint32{}}}, workspace, new(Decision)), ErrInvalidArgument, "request.depth_count: 0")
	refused(t, policy.DecideInto(pool, &Request{Prefix: Match{Total: 1 << 31}}, workspace, new(Decision)), ErrInvalidArgument, "request.prefix_total")
	less := []uint32{1, 2, 3, 3}
	for message, request := range map[string]*Request{
		"request.prefix_block_tokens: must not exceed 65536":                                 {Prefix: Match{BlockTokens: 65537}},
		"request.history_block_tokens: must not exceed 65536":                                {History: Match{BlockTokens: 1 << 31}},
		"request.prefix_host_depths: needs request.prefix_depths beside it":                  {Prefix: Match{HostDepths: less}},
		"request.history_disk_depths: needs request.history_depths beside it":                {History: Match{DiskDepths: less}},
		"request.prefix_host_depths[3]: must be at least request.prefix_depths[3], 4":        {Prefix: Match{Depths: fits.Depths, HostDepths: less}},
		"request.history_disk_depths[3]: must be at least request.history_host_depths[3], 4": {History: Match{Depths: less, HostDepths: fits.Depths, DiskDepths: less}},
		"request.slo_ttft_s: must be finite and not negative":                                {SLOTTFT: math.NaN()},
		"request.slo_tpot_s: must be finite and not negative":                                {SLOTPOT: -1},
	} {
		refused(t, policy.DecideInto(pool, request, workspace, new(Decision)), ErrInvalidArgument, message)
		_, err := policy.Explain(pool, request)
		refused(t, err, ErrInvalidArgument, message)
	}
	refused(t, policy.DecideInto(pool, nil, workspace, new(Decision)), ErrInvalidArgument)
	refused(t, policy.DecideInto(pool, &Request{}, workspace, nil), ErrInvalidArgument)
	if decision, err := policy.Decide(pool, nil, workspace); err == nil || decision.Outcome != NoEndpoint || decision.Endpoint != -1 {
		t.Errorf("with an error comes %+v", decision)
	}
	_, err := policy.Explain(pool, nil)
	refused(t, err, ErrInvalidArgument)
}

func TestWhatNoPartReadsChangesNothing(t *testing.T) {
	pool, policy, workspace := small(t, usageAndPrefix)
	depths, deeper := []uint32{1, 2, 3, 4}, []uint32{9, 2, 3, 5}
	plain := Request{ID: "r", Seed: 7, Prefix: Match{Depths: depths, Total: 10}}
	full := plain
	full.Prefix.BlockTokens, full.Prefix.HostDepths, full.Prefix.DiskDepths = 16, depths, deeper
	full.OutputTokens, full.Session, full.Near = 100, "conversation", Place{Host: "h", Rack: "r", Zone: "z", Region: "eu"}
	full.SLOTTFT, full.SLOTPOT = 0.5, 0.025
	if a, b := must(policy.Decide(pool, &plain, workspace))(t), must(policy.Decide(pool, &full, workspace))(t); a != b {
		t.Errorf("%+v is not %+v", a, b)
	}
	if a, b := must(policy.Explain(pool, &plain))(t), must(policy.Explain(pool, &full))(t); string(a) != string(b) {
		t.Errorf("%s is not %s", a, b)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	pool, policy, workspace := small(t, usageAndPrefix)
	depths := []uint32{1, 2, 3, 4}
	var decision Decision
	id := strings.Repeat("x", 40)
	allocations := testing.AllocsPerRun(200, func() {
		request := Request{ID: id, Seed: 7, Prefix: Match{Depths: depths, Total: 10}, History: Match{Depths: depths, Total: 10}}
		if policy.DecideInto(pool, &request, workspace, &decision) != nil {
			t.Error("refused")
		}
	})
	if allocations != 0 {
		t.Errorf("DecideInto: %v allocations", allocations)
	}
	allocations = testing.AllocsPerRun(200, func() {
		match := Match{Depths: depths, Total: 10, BlockTokens: 16, HostDepths: depths, DiskDepths: depths}
		request := Request{ID: id, Prefix: match, History: match, Session: id, Near: Place{Host: id, Region: id}, SLOTTFT: 1, OutputTokens: 3}
		if policy.DecideInto(pool, &request, workspace, &decision) != nil {
			t.Error("refused")
		}
	})
	if allocations != 0 {
		t.Errorf("DecideInto with all fields: %v allocations", allocations)
	}
	allocations = testing.AllocsPerRun(200, func() {
		if d, err := policy.Decide(pool, &Request{ID: id}, workspace); err != nil || d.Endpoint < 0 {
			t.Error("refused")
		}
	})
	if allocations != 0 {
		t.Errorf("Decide: %v allocations", allocations)
	}
}

func TestDecideFromManyGoroutines(t *testing.T) {
	pool, policy, _ := small(t, usageAndPrefix)
	chosen := make([][]int, 8)
	var group sync.WaitGroup
	for i := range chosen {
		group.Add(1)
		go func() {
			defer group.Done()
			workspace := NewWorkspace()
			defer workspace.Close()
			for sequence := range uint64(500) {
				decision, err := policy.Decide(pool, &Request{ID: "r", Sequence: sequence}, workspace)
				if err != nil {
					t.Error(err)
				}
				chosen[i] = append(chosen[i], decision.Endpoint)
				if sequence%100 == 0 {
					if _, err := policy.Explain(pool, &Request{ID: "r", Sequence: sequence}); err != nil {
						t.Error(err)
					}
					runtime.GC() // what is not kept alive would be freed here
				}
			}
		}()
	}
	group.Wait()
	for _, mine := range chosen {
		if !slices.Equal(mine, chosen[0]) {
			t.Error("goroutines decided differently")
		}
	}
}

func TestPolicy(t *testing.T) {
	names := must(Presets())(t)
	if len(names) < 9 || !slices.Contains(names, "kthena-default") {
		t.Errorf("presets: %q", names)
	}
	for _, name := range names {
		preset := must(NewPolicy(name))(t)
		document := must(preset.JSON())(t)
		again := must(NewPolicyJSON(document))(t)
		if string(must(again.JSON())(t)) != string(document) {
			t.Errorf("%s does not come back from its JSON", name)
		}
		preset.Close()
		again.Close()
	}
	if parts := must(PartsJSON())(t); !json.Valid(parts) || !strings.Contains(string(parts), `"least-request"`) {
		t.Errorf("parts: %s", parts)
	}
	_, err := NewPolicy("nope")
	refused(t, err, ErrNotFound, "kthena-default")
	_, err = NewPolicy("")
	refused(t, err, ErrNotFound)
	_, err = NewPolicyJSON([]byte(`{"scorers": [{"name": "gpu-usage", "weight": -1}], "ranked_limit": 99}`))
	refused(t, err, ErrInvalidArgument, "scorers[0].weight", "ranked_limit")
	var typed *Error
	if !errors.As(err, &typed) || typed.Code != CodeInvalidArgument {
		t.Error("errors.As")
	}
}

func TestDecideJSON(t *testing.T) {
	_, err := DecideJSON([]byte(`{"policy": "random"}`))
	refused(t, err, ErrInvalidArgument, "pool")
	_, err = DecideJSON(nil)
	refused(t, err, ErrInvalidArgument)
	long := strings.Repeat("x", 9000) // longer than the first buffer for text
	document := `{"pool": {"endpoints": [{"id": "` + long + `"}]}, "policy": "random"}`
	if answer := must(DecideJSON([]byte(document)))(t); !json.Valid(answer) || len(answer) < 9000 {
		t.Errorf("%d bytes", len(answer))
	}
}
