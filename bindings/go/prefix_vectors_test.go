package kthena

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The documents of tests/vectors/prefix, as their README describes them.
type prefixCase struct {
	Name    string
	Options struct {
		BlockTokens        uint32 `json:"block_tokens"`
		MaxWorkers         uint32 `json:"max_workers"`
		MaxOrphanBlocks    uint64 `json:"max_orphan_blocks"`
		MaxExpectedBlocks  uint64 `json:"max_expected_blocks"`
		ExpectedTTLNS      int64  `json:"expected_ttl_ns"`
		SharedEngineHashes bool   `json:"shared_engine_hashes"`
		CountCopies        bool   `json:"count_copies"`
		WideContents       bool   `json:"wide_contents"`
	}
	Refused *prefixRefusal
	Steps   []prefixStep
}

type prefixRefusal struct{ Status, Field string }

type prefixStep struct {
	Do, Worker, Model, Adapter, Tenant, Tier string
	Names                                    []uint64
	Tokens                                   *[]uint32
	Parent                                   *uint64
	NowNS                                    int64   `json:"now_ns"`
	MaxBlocks                                *uint64 `json:"max_blocks"`
	Among                                    *[]string
	Loads                                    map[string]uint32
	BlockCost                                *uint32 `json:"block_cost"`
	TieSeed                                  uint64  `json:"tie_seed"`
	Of                                       []string
	Expect                                   json.RawMessage
	Refused                                  *prefixRefusal
}

const notInUse Worker = 4711

type prefixRun struct {
	index   *PrefixIndex
	wide    bool
	numbers map[string]Worker
	inUse   map[string]bool
}

func (r *prefixRun) worker(step *prefixStep) Worker {
	if number, ok := r.numbers[step.Worker]; ok {
		return number
	}
	return notInUse
}

func (s *prefixStep) tier() Tier {
	if s.Tier == "" {
		return TierDevice
	}
	if at := slices.Index([]string{"device", "host", "disk", "external"}, s.Tier); at >= 0 {
		return Tier(at)
	}
	return 9
}

func (s *prefixStep) space() Namespace {
	return Namespace{Model: s.Model, Adapter: s.Adapter, Tenant: s.Tenant}
}

func (r *prefixRun) query(t *testing.T, step *prefixStep) *PrefixQuery {
	query := must(r.index.NewQuery(step.space()))(t)
	t.Cleanup(query.Close)
	ok(t, query.ExtendTokens(*step.Tokens))
	return query
}

func (r *prefixRun) mask(step *prefixStep) []uint64 {
	if step.Among == nil {
		return nil
	}
	words := make([]uint64, r.index.WorkerLimit()/64+1)
	for _, name := range *step.Among {
		words[r.numbers[name]/64] |= 1 << (r.numbers[name] % 64)
	}
	return words
}

// take takes a step and returns what it says, nil where it says nothing.
func (r *prefixRun) take(t *testing.T, step *prefixStep) (any, error) {
	x := r.index
	switch step.Do {
	case "add_worker":
		number, err := x.AddWorker(step.Worker)
		if err == nil {
			r.numbers[step.Worker], r.inUse[step.Worker] = number, true
		}
		return nil, err
	case "remove_worker":
		err := x.RemoveWorker(r.worker(step))
		if err == nil {
			delete(r.inUse, step.Worker)
		}
		return nil, err
	case "sweep":
		for must(x.Sweep(7))(t) != 0 {
		}
		return nil, nil
	case "store":
		event := PrefixEvent{Kind: PrefixStored, Worker: r.worker(step), NamespaceKey: x.NamespaceKey(step.space()), Parent: step.Parent,
			EngineHashes: step.Names, Tier: step.tier()}
		if step.Tokens != nil {
			options := must(x.Options())(t)
			event.ContentHashes = must(x.HashBlocks([]uint64{}, *step.Tokens))(t)
			if r.wide {
				event.ContentUppers = HashBlocksUpper(nil, *step.Tokens, options.BlockTokens, options.Seed)
			}
		}
		return nil, x.Apply(event)
	case "remove":
		return nil, x.Remove(r.worker(step), step.Names, step.tier())
	case "clear":
		return nil, x.Clear(r.worker(step))
	case "expect":
		return nil, x.Expect(r.worker(step), r.query(t, step), step.NowNS)
	case "expire":
		most := uint64(math.MaxInt64)
		if step.MaxBlocks != nil {
			most = *step.MaxBlocks
		}
		return x.Expire(step.NowNS, most)
	case "find":
		query, mask := r.query(t, step), r.mask(step)
		depths, row := make([]uint32, x.WorkerLimit()), make([]uint32, x.WorkerLimit())
		ok(t, x.FindByWorker(query, mask, depths))
		ok(t, x.FindBatch([]*PrefixQuery{query}, mask, row))
		if !slices.Equal(row, depths) {
			t.Errorf("in a batch %v, alone %v", row, depths)
		}
		found := map[string]uint32{}
		for name := range r.inUse {
			found[name] = depths[r.numbers[name]]
			chosen := []uint32{99}
			ok(t, x.Find(query, []Worker{r.numbers[name]}, chosen))
			if mask == nil && chosen[0] != found[name] {
				t.Errorf("%q: chosen %d, by worker %d", name, chosen[0], found[name])
			}
		}
		return found, nil
	case "find_tiers":
		n := x.WorkerLimit()
		rows := make([]uint32, TierCount*n)
		ok(t, x.FindTiers(r.query(t, step), nil, rows))
		found := map[string][]uint32{}
		for name := range r.inUse {
			for tier := range TierCount {
				found[name] = append(found[name], rows[tier*n+int(r.numbers[name])])
			}
		}
		return found, nil
	case "find_best":
		loads := make([]uint32, x.WorkerLimit())
		for name, load := range step.Loads {
			loads[r.numbers[name]] = load
		}
		pick, err := x.FindBest(r.query(t, step), r.mask(step), loads, PickRule{BlockCost: step.BlockCost, TieSeed: step.TieSeed})
		if err != nil || pick.Worker == NoWorker {
			return nil, err
		}
		return map[string]any{"worker": x.WorkerName(pick.Worker), "depth": pick.Depth, "cost": pick.Cost}, nil
	case "stats":
		s := must(x.Stats())(t)
		counts := map[string]uint64{
			"workers": s.Workers, "memberships": s.Memberships, "unique_blocks": s.UniqueBlocks, "orphan_blocks": s.OrphanBlocks,
			"orphans_dropped": s.OrphansDropped, "unknown_removes": s.UnknownRemoves, "rehashed_blocks": s.RehashedBlocks,
			"unswept_blocks": s.UnsweptBlocks, "sweeps": s.Sweeps, "unresolved_stores": s.UnresolvedStores,
			"expected_blocks": s.ExpectedBlocks, "promoted_blocks": s.PromotedBlocks, "expired_blocks": s.ExpiredBlocks,
			"evicted_blocks": s.EvictedBlocks, "copied_blocks": s.CopiedBlocks,
		}
		found := map[string]uint64{}
		for _, name := range step.Of {
			count, known := counts[name]
			if !known {
				t.Errorf("no count %q", name)
			}
			found[name] = count
		}
		return found, nil
	}
	t.Fatalf("no step %q", step.Do)
	return nil, nil
}

func refusedAs(t *testing.T, err error, want *prefixRefusal) {
	t.Helper()
	codes := map[string]*Error{"invalid_argument": ErrInvalidArgument, "not_found": ErrNotFound, "resource_exhausted": ErrResourceExhausted,
		"failed_precondition": ErrFailedPrecondition}
	refused(t, err, codes[want.Status])
	if !strings.HasPrefix(err.(*Error).Message, want.Field+": ") {
		t.Errorf("%q does not begin with %q", err.(*Error).Message, want.Field)
	}
}

// asJSON is a value as JSON makes it.
func asJSON(t *testing.T, value any) (plain any) {
	ok(t, json.Unmarshal(must(json.Marshal(value))(t), &plain))
	return plain
}

func TestPrefixVectors(t *testing.T) {
	files := must(filepath.Glob(filepath.Join("..", "..", "tests", "vectors", "prefix", "*.json")))(t)
	var all []prefixCase
	for _, file := range files {
		var document struct{ Cases []prefixCase }
		ok(t, json.Unmarshal(must(os.ReadFile(file))(t), &document))
		all = append(all, document.Cases...)
	}
	if len(all) < 60 {
		t.Fatalf("%d cases", len(all))
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			options := PrefixIndexOptions{BlockTokens: max(c.Options.BlockTokens, 1), MaxWorkers: c.Options.MaxWorkers,
				MaxOrphanBlocks: c.Options.MaxOrphanBlocks, Seed: 5, SharedEngineHashes: c.Options.SharedEngineHashes,
				MaxExpectedBlocks: c.Options.MaxExpectedBlocks, ExpectedTTLNS: c.Options.ExpectedTTLNS, CountCopies: c.Options.CountCopies,
				WideContents: c.Options.WideContents}
			index, err := NewPrefixIndex(options)
			if c.Refused != nil {
				refusedAs(t, err, c.Refused)
				return
			}
			ok(t, err)
			defer index.Close()
			run := &prefixRun{index, options.WideContents, map[string]Worker{}, map[string]bool{}}
			for i := range c.Steps {
				step := &c.Steps[i]
				answer, err := run.take(t, step)
				if step.Refused != nil {
					refusedAs(t, err, step.Refused)
					continue
				}
				ok(t, err)
				var want any
				if step.Expect != nil {
					ok(t, json.Unmarshal(step.Expect, &want))
				}
				if got := asJSON(t, answer); !reflect.DeepEqual(got, want) {
					t.Errorf("step %d: got %v, want %v", i, got, want)
				}
			}
		})
	}
}
