package kthena

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestDecisionLog(t *testing.T) {
	policy, err := NewPolicyJSON([]byte(`{"scorers": ["kv-utilization"]}`))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool([]Endpoint{{ID: "c"}, {ID: "a"}, {ID: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.SetSignal(SignalKVUsage, []float64{0.2, 0, 0.1}, 5); err != nil {
		t.Fatal(err)
	}
	if err := pool.SetSignal(SignalInFlight, []float64{1, 3, 2}, 5); err != nil {
		t.Fatal(err)
	}
	log, err := NewDecisionLog(policy)
	if err != nil {
		t.Fatal(err)
	}
	request := &Request{ID: "request-1", Prefix: Match{Depths: []uint32{1, 0, 2}, Total: 4}}
	decision, err := policy.Decide(pool, request, NewWorkspace())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(pool, request, &decision); err != nil {
		t.Fatal(err)
	}
	bytes, err := log.Take()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := log.Take(); err != nil || len(again) != 0 {
		t.Fatal(again, err)
	}
	var report struct {
		Identical, Changed int
		First              []struct {
			Before, After struct{ Endpoint string }
			Regret        float64
		}
	}
	ask := func(question string) {
		t.Helper()
		answer, err := DiffJSON(bytes, []byte(question))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(answer, &report); err != nil {
			t.Fatal(err)
		}
	}
	if ask(`{"policy": {"scorers": ["kv-utilization"]}}`); report.Identical != 1 {
		t.Error(report)
	}
	ask(`{"policy": "least-request"}`)
	if report.Changed != 1 || report.First[0].Before.Endpoint != "a" || report.First[0].After.Endpoint != "c" || report.First[0].Regret != 20 {
		t.Error(report)
	}
	if _, err := DiffJSON([]byte("no log"), []byte(`{"policy": "random"}`)); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	decision.Endpoint = 3
	if err := log.Append(pool, request, &decision); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	if err := errors.Join(log.SetPolicy(policy), log.Restart()); err != nil {
		t.Error(err)
	}
	log.Close()
	if err := log.Append(pool, request, &decision); err != ErrClosed {
		t.Error(err)
	}
}

func TestPolicyHash(t *testing.T) {
	policy, err := NewPolicyJSON([]byte(`{"name": "mine", "scorers": ["random"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := policy.Hash(); got != 0x51328DA9180C0D8B {
		t.Errorf("%#x", got)
	}
}

func TestLintVectors(t *testing.T) {
	files, err := filepath.Glob("../../tests/vectors/lint/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var vectors struct {
			Cases []struct {
				Name     string
				Document json.RawMessage
				Expect   [][3]string
				Error    string
			}
		}
		if err := json.Unmarshal(content, &vectors); err != nil {
			t.Fatal(err)
		}
		for _, c := range vectors.Cases {
			text, err := LintJSON(c.Document)
			if c.Error != "" {
				if !errors.Is(err, &Error{Code: CodeInvalidArgument, Message: c.Error}) {
					t.Errorf("%s: %v", c.Name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			var answer struct {
				Findings []struct{ Code, Severity, Path string }
			}
			if err := json.Unmarshal(text, &answer); err != nil {
				t.Fatal(err)
			}
			found := [][3]string{}
			for _, f := range answer.Findings {
				found = append(found, [3]string{f.Code, f.Severity, f.Path})
			}
			if !reflect.DeepEqual(found, c.Expect) {
				t.Errorf("%s: %v", c.Name, found)
			}
		}
	}
}
