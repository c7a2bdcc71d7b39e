package kthena

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func usageScorer(input *ScoreInput, out []float64) error {
	for i, usage := range input.Column(SignalKVUsage) {
		out[i] = math.Trunc((1 - usage) * 100)
	}
	return nil
}

func scorerPool(t testing.TB) *Pool {
	t.Helper()
	pool, err := NewPool([]Endpoint{{ID: "b"}, {ID: "c"}, {ID: "a"}})
	if err == nil {
		err = pool.SetSignal(SignalKVUsage, []float64{0.5, 0.25, math.NaN()}, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func policyWith(t testing.TB, name string, scorer Scorer) *Policy {
	t.Helper()
	policy, err := NewPolicyWith(fmt.Appendf(nil, `{"scorers": ["user:%s", "random"]}`, name), map[string]Scorer{name: scorer})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func TestScorerEqualToOneOfTheLibrary(t *testing.T) {
	pool, workspace := scorerPool(t), NewWorkspace()
	own := policyWith(t, "usage", usageScorer)
	defer own.Close()
	builtIn, err := NewPolicyJSON([]byte(`{"scorers": ["gpu-usage", "random"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(100) {
		request := &Request{ID: "r", Seed: seed}
		want, err := builtIn.Decide(pool, request, workspace)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := own.Decide(pool, request, workspace); err != nil || got != want {
			t.Fatalf("seed %d: got %v, %v, want %v", seed, got, err, want)
		}
	}
	if got := workspace.Abstentions(); got != 100 {
		t.Errorf("Abstentions() = %d, want 100", got)
	}
	document, err := own.Explain(pool, &Request{ID: "r"})
	if err != nil || !strings.Contains(string(document), `"user:usage"`) {
		t.Errorf("Explain() = %s, %v", document, err)
	}
}

func TestScorerSeesTheCandidates(t *testing.T) {
	pool, workspace := scorerPool(t), NewWorkspace()
	asked := false
	policy := policyWith(t, "look", func(input *ScoreInput, out []float64) error {
		asked = true
		depths, total := input.PrefixDepths()
		history, _ := input.HistoryDepths()
		if got := fmt.Sprintf("%d %d %v %v %d %v %s", input.Len(), len(out), input.Endpoints(), depths, total, history, input.Request().Model); got != "3 3 [2 0 1] [3 1 2] 4 [3 1 2] llama" {
			t.Error(got)
		}
		if input.Keys()[0] != HashID("a") || input.Column(-1) != nil {
			t.Error("keys or columns are wrong")
		}
		return nil
	})
	request := &Request{ID: "r", Model: "llama", Prefix: Match{Depths: []uint32{1, 2, 3}, Total: 4}}
	if _, err := policy.Decide(pool, request, workspace); err != nil || !asked {
		t.Error(err, asked)
	}
	if got := workspace.Abstentions(); got != 3 {
		t.Errorf("Abstentions() = %d, want 3: nothing was written", got)
	}
}

func TestScorerThatFails(t *testing.T) {
	pool, workspace := scorerPool(t), NewWorkspace()
	cold := errors.New("not warm yet")
	for name, scorer := range map[string]Scorer{
		"error":  func(*ScoreInput, []float64) error { return cold },
		"panic":  func(*ScoreInput, []float64) error { panic("oh") },
		"panics": func(*ScoreInput, []float64) error { panic(cold) },
		"beyond": func(_ *ScoreInput, out []float64) error { out[len(out)] = 1; return nil },
	} {
		policy := policyWith(t, name, scorer)
		decision := Decision{Endpoint: 77}
		err := policy.DecideInto(pool, &Request{ID: "r"}, workspace, &decision)
		var failed *ScorerError
		if !errors.As(err, &failed) || failed.Scorer != name || decision != (Decision{Endpoint: 77}) {
			t.Errorf("%s: %v, %v", name, err, decision)
		}
		if (name == "error" || name == "panics") && !errors.Is(err, cold) {
			t.Errorf("%s: %v does not wrap what the scorer returned", name, err)
		}
		if _, err := policy.Explain(pool, &Request{ID: "r"}); !errors.As(err, &failed) {
			t.Errorf("%s: Explain: %v", name, err)
		}
	}
	if got := workspace.Abstentions(); got != 0 {
		t.Errorf("Abstentions() = %d, want 0", got)
	}
}

func TestScorerMayDecide(t *testing.T) {
	pool, workspace, inner := scorerPool(t), NewWorkspace(), NewWorkspace()
	second := policyWith(t, "usage", usageScorer)
	policy := policyWith(t, "nested", func(input *ScoreInput, out []float64) error {
		id := input.Request().ID
		decision, err := second.Decide(pool, &Request{ID: "inner"}, inner)
		if err != nil || decision.Endpoint != 1 || input.Request().ID != id {
			t.Error(decision, err)
		}
		runtime.GC()
		return errors.New("outer")
	})
	var failed *ScorerError
	if _, err := policy.Decide(pool, &Request{ID: "r"}, workspace); !errors.As(err, &failed) || failed.Scorer != "nested" {
		t.Error(err)
	}
}

func TestScorersInGoroutines(t *testing.T) {
	pool := scorerPool(t)
	policy := policyWith(t, "usage", usageScorer)
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			workspace := NewWorkspace()
			for i := range uint64(500) {
				if decision, err := policy.Decide(pool, &Request{ID: "r", Sequence: i}, workspace); err != nil || decision.Candidates != 3 {
					t.Error(decision, err)
					return
				}
			}
			if workspace.Abstentions() != 500 {
				t.Error(workspace.Abstentions())
			}
		}()
	}
	group.Wait()
}

func TestScorersThatAreRefused(t *testing.T) {
	document := []byte(`{"scorers": ["user:usage"]}`)
	for _, scorers := range []map[string]Scorer{{"usage": nil}, {"use": usageScorer}, {"": usageScorer}, nil} {
		if _, err := NewPolicyWith(document, scorers); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%v: %v", scorers, err)
		}
	}
	_, err := NewPolicyWith(document, map[string]Scorer{"use": usageScorer})
	if err == nil || !strings.Contains(err.Error(), "user:use") {
		t.Errorf("%v does not list user:use", err)
	}
}

func BenchmarkDecideWithScorer(b *testing.B) {
	pool, workspace := scorerPool(b), NewWorkspace()
	policy := policyWith(b, "usage", usageScorer)
	request := &Request{ID: "r"}
	var decision Decision
	for b.Loop() {
		if err := policy.DecideInto(pool, request, workspace, &decision); err != nil {
			b.Fatal(err)
		}
	}
}
