package kthena

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The documents of tests/vectors/route, route_errors and sim, as their READMEs describe them.
type vector struct {
	Name    string
	Pool    json.RawMessage
	Policy  json.RawMessage
	Request json.RawMessage
	Expect  json.RawMessage
	// of route_errors
	Document json.RawMessage
	Text     string
	Status   string
	Faults   []string
	// of sim
	Scenario json.RawMessage
	Trace    string
}

type poolDocument struct {
	Endpoints []map[string]json.RawMessage
}

type matchDocument struct {
	TotalBlocks uint32            `json:"total_blocks"`
	BlockTokens uint32            `json:"block_tokens"`
	DepthBlocks map[string]uint32 `json:"depth_blocks"`
	HostBlocks  map[string]uint32 `json:"host_depth_blocks"`
	DiskBlocks  map[string]uint32 `json:"disk_depth_blocks"`
}

type requestDocument struct {
	ID           string
	Model        string
	PromptTokens uint32 `json:"prompt_tokens"`
	OutputTokens uint32 `json:"output_tokens"`
	Prefix       *matchDocument
	History      *matchDocument
	Session      string
	Near         Place
	SLOTTFT      float64 `json:"slo_ttft_s"`
	SLOTPOT      float64 `json:"slo_tpot_s"`
	Sequence     uint64
	NowNS        int64 `json:"now_ns"`
	Seed         uint64
}

type expectDocument struct {
	Outcome  string
	Endpoint *string
	Reason   struct {
		Code    Reason
		Name    string
		Subject uint32
		A, B    float64
	}
	Score      float64
	Margin     float64
	Candidates int
	Stage      int
	Ranked     []string
}

func vectors(t *testing.T, directory string) []vector {
	files, err := filepath.Glob(filepath.Join("..", "..", "tests", "vectors", directory, "*.json"))
	ok(t, err)
	var all []vector
	for _, file := range files {
		var document struct{ Cases []vector }
		ok(t, json.Unmarshal(must(os.ReadFile(file))(t), &document))
		all = append(all, document.Cases...)
	}
	return all
}

func decode[T any](t *testing.T, document json.RawMessage) (value T) {
	t.Helper()
	if document != nil {
		ok(t, json.Unmarshal(document, &value))
	}
	return value
}

// build makes the pool by the typed calls.
func (d poolDocument) build(t *testing.T) *Pool {
	list := make([]Endpoint, len(d.Endpoints))
	for i, endpoint := range d.Endpoints {
		list[i] = Endpoint{
			ID: decode[string](t, endpoint["id"]), Models: decode[[]string](t, endpoint["models"]),
			WaitingModels: decode[[]string](t, endpoint["waiting_models"]), Place: decode[Place](t, endpoint["place"]),
		}
	}
	pool := must(NewPool(list))(t)
	for signal := range Signal(signalCount) {
		values := make([]float64, len(list))
		times := make([]int64, len(list))
		for i, endpoint := range d.Endpoints {
			values[i], times[i] = math.NaN(), decode[int64](t, endpoint["sampled_ns"])
			switch given := endpoint[signal.String()]; {
			case len(given) == 0 || string(given) == "null":
			case given[0] == '{':
				sample := decode[struct {
					Value     float64
					SampledNS *int64 `json:"sampled_ns"`
				}](t, given)
				values[i] = sample.Value
				if sample.SampledNS != nil {
					times[i] = *sample.SampledNS
				}
			default:
				values[i] = decode[float64](t, given)
			}
		}
		ok(t, pool.SetSignalSampled(signal, values, times))
	}
	return pool
}

// match turns depths by id into depths by endpoint. Who is not named holds nothing, or in a slower tier what the faster one has.
func (d *matchDocument) match(pool *Pool) Match {
	if d == nil {
		return Match{}
	}
	faster := make([]uint32, pool.Size())
	tier := func(byID map[string]uint32) []uint32 {
		if byID == nil {
			return nil
		}
		faster = slices.Clone(faster)
		for i := range faster {
			if depth, named := byID[pool.ID(i)]; named {
				faster[i] = depth
			}
		}
		return faster
	}
	match := Match{Total: d.TotalBlocks, BlockTokens: d.BlockTokens, Depths: faster}
	if d.DepthBlocks != nil {
		match.Depths = tier(d.DepthBlocks)
	}
	match.HostDepths = tier(d.HostBlocks)
	match.DiskDepths = tier(d.DiskBlocks)
	return match
}

func TestVectors(t *testing.T) {
	all := vectors(t, "route")
	if len(all) < 60 {
		t.Fatalf("%d vectors", len(all))
	}
	workspace := NewWorkspace()
	defer workspace.Close()
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			pool := decode[poolDocument](t, v.Pool).build(t)
			defer pool.Close()
			policy := must(NewPolicyJSON(v.Policy))(t)
			defer policy.Close()
			given := decode[requestDocument](t, v.Request)
			request := &Request{
				ID: given.ID, Model: given.Model, PromptTokens: given.PromptTokens, Prefix: given.Prefix.match(pool),
				History: given.History.match(pool), Sequence: given.Sequence, NowNS: given.NowNS, Seed: given.Seed,
				OutputTokens: given.OutputTokens, Session: given.Session, Near: given.Near, SLOTTFT: given.SLOTTFT, SLOTPOT: given.SLOTPOT,
			}
			decision := must(policy.Decide(pool, request, workspace))(t)

			var got expectDocument
			got.Outcome = decision.Outcome.String()
			if decision.Endpoint >= 0 {
				id := pool.ID(decision.Endpoint)
				got.Endpoint = &id
			}
			got.Reason.Code, got.Reason.Name, got.Reason.Subject = decision.Reason, decision.Reason.String(), decision.ReasonSubject
			got.Reason.A, got.Reason.B = decision.ReasonA, decision.ReasonB
			got.Score, got.Margin, got.Candidates = decision.Score, decision.Margin, decision.Candidates
			got.Stage = decision.Stage
			got.Ranked = []string{}
			for _, endpoint := range decision.Ranking() {
				got.Ranked = append(got.Ranked, pool.ID(endpoint))
			}
			if want := decode[expectDocument](t, v.Expect); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}

			parts := map[string]json.RawMessage{"pool": v.Pool, "policy": v.Policy, "request": v.Request}
			if v.Request == nil {
				delete(parts, "request")
			}
			answer := must(DecideJSON(must(json.Marshal(parts))(t)))(t)
			if !bytes.Equal(answer, v.Expect) {
				t.Errorf("got  %s\nwant %s", answer, v.Expect)
			}
			parts["explain"] = json.RawMessage("true")
			explained := must(DecideJSON(must(json.Marshal(parts))(t)))(t)
			if typed := must(policy.Explain(pool, request))(t); !bytes.Equal(typed, explained) {
				t.Errorf("Explain    %s\nDecideJSON %s", typed, explained)
			}
		})
	}
}

func TestVectorsOfErrors(t *testing.T) {
	all := vectors(t, "route_errors")
	if len(all) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			document := []byte(v.Text)
			if v.Text == "" {
				document = v.Document
			}
			_, err := DecideJSON(document)
			refused(t, err, ErrInvalidArgument)
			if v.Status != "invalid_argument" {
				t.Errorf("status %q", v.Status)
			}
			rest := "; " + err.(*Error).Message
			for _, fault := range v.Faults {
				at := strings.Index(rest, "; "+fault)
				if at < 0 {
					t.Fatalf("%q is not in %q", fault, err)
				}
				rest = rest[at+len(fault):]
			}
		})
	}
}
