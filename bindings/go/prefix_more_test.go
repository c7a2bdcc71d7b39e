package kthena

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func newIndex(t *testing.T, options PrefixIndexOptions, names ...string) *PrefixIndex {
	t.Helper()
	options.BlockTokens, options.Seed = 4, 11
	x := must(NewPrefixIndex(options))(t)
	t.Cleanup(x.Close)
	for i, name := range names {
		if worker := must(x.AddWorker(name))(t); worker != Worker(i) {
			t.Fatalf("%q is worker %d", name, worker)
		}
	}
	return x
}

func newQuery(t *testing.T, x *PrefixIndex, prompt []uint32) *PrefixQuery {
	t.Helper()
	query := must(x.NewQuery(space))(t)
	t.Cleanup(query.Close)
	ok(t, query.ExtendTokens(prompt))
	return query
}

func equalDepths(t *testing.T, got []uint32, want ...uint32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPrefixFindBest(t *testing.T) {
	x := newIndex(t, PrefixIndexOptions{}, "a", "b")
	store(t, x, 0, tokens(32), 1, TierDevice)
	store(t, x, 1, tokens(8), 1, TierDevice)
	query := newQuery(t, x, tokens(32))
	loads := []uint32{5, 0}
	free, dear := uint32(0), uint32(100)
	for _, c := range []struct {
		rule       PickRule
		candidates []uint64
		want       Pick
	}{
		{PickRule{}, nil, Pick{Worker: 0, Depth: 8, Cost: 5}},
		{PickRule{BlockCost: &free}, nil, Pick{Worker: 1, Depth: 2, Cost: 0}},
		{PickRule{BlockCost: &dear}, []uint64{2}, Pick{Worker: 1, Depth: 2, Cost: 600}},
		{PickRule{BlockCost: &dear}, []uint64{}, Pick{Worker: NoWorker}},
	} {
		if got := must(x.FindBest(query, c.candidates, loads, c.rule))(t); got != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.rule, got, c.want)
		}
	}
	if got := must(x.FindBest(query, nil, nil, PickRule{}))(t); got.Worker != NoWorker {
		t.Errorf("without loads: %+v", got)
	}
	var chosen [2]int
	for seed := range uint64(40) {
		chosen[must(x.FindBest(query, nil, []uint32{0, 6}, PickRule{TieSeed: seed}))(t).Worker]++
	}
	if chosen[0] != 40 {
		t.Errorf("the cheaper one was chosen %d times of 40", chosen[0])
	}
	chosen = [2]int{}
	for seed := range uint64(40) {
		chosen[must(x.FindBest(query, nil, []uint32{6, 0}, PickRule{TieSeed: seed}))(t).Worker]++
	}
	if chosen[0] == 0 || chosen[1] == 0 {
		t.Errorf("equal costs went %v", chosen)
	}
}

func TestPrefixFindTiersAndBatch(t *testing.T) {
	x := newIndex(t, PrefixIndexOptions{}, "a", "b")
	store(t, x, 0, tokens(8), 1, TierDevice)
	store(t, x, 0, tokens(12), 1, TierDisk)
	store(t, x, 1, tokens(4), 1, TierHost)
	query, short := newQuery(t, x, tokens(16)), newQuery(t, x, tokens(4))
	rows := make([]uint32, 2*TierCount)
	ok(t, x.FindTiers(query, nil, rows))
	equalDepths(t, rows, 2, 0, 2, 1, 3, 1, 3, 1)
	refused(t, x.FindTiers(query, nil, rows[:7]), ErrInvalidArgument, "depths: 7 are no whole rows of 4 tiers")

	rows = make([]uint32, 4)
	ok(t, x.FindBatch([]*PrefixQuery{query, short}, nil, rows))
	equalDepths(t, rows, 3, 1, 1, 1)
	ok(t, x.FindBatch([]*PrefixQuery{query, short}, []uint64{2}, rows))
	equalDepths(t, rows, 0, 1, 0, 1)
	ok(t, x.FindBatch(nil, nil, nil))
	refused(t, x.FindBatch(nil, nil, rows), ErrInvalidArgument, "depths: 4 for no queries")
	refused(t, x.FindBatch([]*PrefixQuery{query, short}, nil, rows[:3]), ErrInvalidArgument, "depths: 3 are no whole rows of 2 queries")
	refused(t, x.FindBatch([]*PrefixQuery{query, nil}, nil, rows), ErrClosed)

	one := []uint32{9, 9}
	ok(t, x.FindByWorker(query, nil, one[:1]))
	equalDepths(t, one, 3, 9)
}

func TestPrefixSweep(t *testing.T) {
	x := newIndex(t, PrefixIndexOptions{}, "a", "b")
	store(t, x, 0, tokens(1200), 1, TierDevice)
	store(t, x, 1, tokens(8), 1, TierDevice)
	if x.WorkerName(0) != "a" || x.WorkerName(5) != "" {
		t.Error("names")
	}
	ok(t, x.RemoveWorker(0))
	equalDepths(t, depths(t, x, newQuery(t, x, tokens(1200))), 0, 2)
	if stats := must(x.Stats())(t); stats.UnsweptBlocks != 300 || stats.Memberships != 2 {
		t.Errorf("before the sweep: %+v", stats)
	}
	steps := 0
	for left := uint64(1); left != 0 && steps < 1000; steps++ {
		left = must(x.Sweep(64))(t)
	}
	if stats := must(x.Stats())(t); stats.UnsweptBlocks != 0 || stats.Sweeps != 1 || stats.Runs != 1 || steps < 2 {
		t.Errorf("after %d steps: %+v", steps, stats)
	}
}

func TestPrefixStoreWithoutContents(t *testing.T) {
	for _, shared := range []bool{false, true} {
		x := newIndex(t, PrefixIndexOptions{SharedEngineHashes: shared}, "a", "b")
		store(t, x, 0, tokens(8), 1, TierDevice)
		ok(t, x.Store(0, 0, nil, []uint64{1, 2, 99}, nil, TierHost))
		ok(t, x.Store(1, 0, nil, []uint64{1, 2}, nil, TierHost))
		query := newQuery(t, x, tokens(8))
		if shared {
			equalDepths(t, depths(t, x, query), 2, 2)
		} else {
			equalDepths(t, depths(t, x, query), 2, 0)
		}
		ok(t, x.Remove(0, []uint64{1, 2}, TierDevice))
		if found := depths(t, x, query); found[0] != 2 {
			t.Errorf("in the host tier: %v", found)
		}
		want := uint64(3)
		if shared {
			want = 1
		}
		if stats := must(x.Stats())(t); stats.UnresolvedStores != want {
			t.Errorf("shared %v: %d unresolved", shared, stats.UnresolvedStores)
		}
	}
}

func TestPrefixExpect(t *testing.T) {
	x := newIndex(t, PrefixIndexOptions{MaxExpectedBlocks: 6, ExpectedTTLNS: 100}, "a")
	one, two := newQuery(t, x, tokens(16)), newQuery(t, x, []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	ok(t, x.Expect(0, one, 1000))
	equalDepths(t, depths(t, x, one), 4)
	store(t, x, 0, tokens(4), 1, TierDevice)
	ok(t, x.Expect(0, two, 1050))
	equalDepths(t, depths(t, x, one), 3)
	if gone := must(x.Expire(1099, 100))(t); gone != 0 {
		t.Errorf("%d went too early", gone)
	}
	if gone := must(x.Expire(1100, 100))(t); gone != 2 {
		t.Errorf("%d went", gone)
	}
	equalDepths(t, depths(t, x, one), 1)
	stats := must(x.Stats())(t)
	if stats.ExpectedBlocks != 4 || stats.PromotedBlocks != 1 || stats.EvictedBlocks != 1 || stats.ExpiredBlocks != 2 {
		t.Errorf("%+v", stats)
	}
	refused(t, x.Expect(7, one, 1), ErrNotFound)
	refused(t, newIndex(t, PrefixIndexOptions{}, "a").Expect(0, one, 1), ErrFailedPrecondition)
}

func TestPrefixDump(t *testing.T) {
	options := PrefixIndexOptions{BlockTokens: 4, Seed: 11, MaxExpectedBlocks: 10}
	x := newIndex(t, options, "a", "b")
	store(t, x, 0, tokens(40), 1, TierDevice)
	store(t, x, 1, tokens(8), 1, TierHost)
	ok(t, x.Expect(1, newQuery(t, x, tokens(12)), 5))
	dump := must(x.Dump())(t)
	y := must(LoadPrefixIndex(dump, options))(t)
	defer y.Close()
	equalDepths(t, depths(t, y, newQuery(t, y, tokens(40))), 10, 3)
	if !bytes.Equal(must(y.Dump())(t), dump) {
		t.Error("the dump of what was loaded differs")
	}
	_, err := LoadPrefixIndex(dump, PrefixIndexOptions{})
	refused(t, err, ErrFailedPrecondition, "block_tokens")
	_, err = LoadPrefixIndex(dump[:50], options)
	refused(t, err, ErrInvalidArgument, "byte ")
	_, err = LoadPrefixIndex(nil, options)
	refused(t, err, ErrInvalidArgument)
	empty := newIndex(t, PrefixIndexOptions{})
	loaded := must(LoadPrefixIndex(must(empty.Dump())(t), PrefixIndexOptions{BlockTokens: 4, Seed: 11}))(t)
	defer loaded.Close()
	if loaded.WorkerLimit() != 0 {
		t.Error("an empty index came back with workers")
	}
}

func TestPrefixEvents(t *testing.T) {
	x := newIndex(t, PrefixIndexOptions{}, "a")
	store(t, x, 0, tokens(20), 1, TierDevice)
	store(t, x, 0, tokens(8), 1, TierDisk)
	ok(t, x.Remove(0, []uint64{2}, TierDevice))
	ok(t, x.Remove(0, []uint64{2}, TierDisk))
	events := must(x.DumpEvents(0))(t)
	if len(events) < 3 || events[0].Kind != PrefixCleared {
		t.Fatalf("%+v", events)
	}
	y := newIndex(t, PrefixIndexOptions{}, "somebody", "a")
	store(t, y, 1, []uint32{1, 2, 3, 4}, 1, TierDevice)
	kinds := map[PrefixEventKind]int{}
	withoutContents := false
	for _, event := range events {
		kinds[event.Kind]++
		withoutContents = withoutContents || event.Kind == PrefixStored && event.ContentHashes == nil
		event.Worker = 1
		ok(t, y.Apply(event))
	}
	if kinds[PrefixCleared] != 1 || kinds[PrefixStored] == 0 || kinds[PrefixRemoved] == 0 || !withoutContents {
		t.Errorf("kinds %v", kinds)
	}
	equalDepths(t, depths(t, y, newQuery(t, y, tokens(20))), 0, 1)
	parent := uint64(1)
	contents := must(y.HashBlocks(nil, tokens(8)[4:]))(t)
	ok(t, y.Store(1, y.NamespaceKey(space), &parent, []uint64{2}, contents, TierDevice))
	equalDepths(t, depths(t, y, newQuery(t, y, tokens(20))), 0, 5)
	_, err := x.DumpEvents(7)
	refused(t, err, ErrNotFound)
	refused(t, y.Apply(PrefixEvent{Kind: 9}), ErrInvalidArgument, "Kind: no kind 9")
}

func TestPrefixOptions(t *testing.T) {
	given := PrefixIndexOptions{BlockTokens: 4, MaxWorkers: 3, MaxOrphanBlocks: 5, Seed: 11, SharedEngineHashes: true, MaxExpectedBlocks: 6,
		ExpectedTTLNS: 7}
	x := must(NewPrefixIndex(given))(t)
	if got := must(x.Options())(t); got != given {
		t.Errorf("%+v", got)
	}
	if x.NamespaceKey(space) != NamespaceKey(space, 4, 11) {
		t.Error("namespace key")
	}
	if !slices.Equal(must(x.HashBlocks([]uint64{7}, tokens(9)))(t), HashBlocks([]uint64{7}, tokens(9), 4, 11)) {
		t.Error("hashes")
	}
	x.Close()
	_, err := x.Options()
	refused(t, err, ErrClosed)
	for _, call := range []func() error{
		func() error { _, err := x.Sweep(1); return err },
		func() error { return x.Expect(0, nil, 0) },
		func() error { _, err := x.Expire(0, 1); return err },
		func() error { return x.FindBatch(nil, nil, nil) },
		func() error { return x.FindTiers(nil, nil, nil) },
		func() error { _, err := x.FindBest(nil, nil, nil, PickRule{}); return err },
		func() error { _, err := x.Dump(); return err },
		func() error { _, err := x.DumpEvents(0); return err },
		func() error { _, err := x.HashBlocks(nil, nil); return err },
		func() error { return x.Apply(PrefixEvent{Kind: PrefixCleared}) },
	} {
		refused(t, call(), ErrClosed)
	}
	if x.WorkerName(0) != "" || x.NamespaceKey(space) != 0 {
		t.Error("a closed index answers")
	}
	_, err = NewPrefixIndex(PrefixIndexOptions{ExpectedTTLNS: -1, MaxExpectedBlocks: 1 << 32, MaxOrphanBlocks: 1 << 32})
	refused(t, err, ErrInvalidArgument, "max_orphan_blocks", "max_expected_blocks", "expected_ttl_ns")
}

// Go's race detector does not look into C, but it sees what Go does with what it is told.
func TestPrefixFindBesideAWriter(t *testing.T) {
	x := newIndex(t, PrefixIndexOptions{}, "steady", "busy")
	prompt := tokens(800)
	store(t, x, 0, prompt, 1, TierDevice)
	query := newQuery(t, x, prompt)
	var stop atomic.Bool
	var finds, wrong atomic.Int64
	var readers sync.WaitGroup
	for range 3 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for !stop.Load() {
				rows := make([]uint32, x.WorkerLimit()*TierCount)
				n := len(rows) / TierCount
				pair := make([]uint32, 2)
				pick, err := x.FindBest(query, nil, []uint32{0, 201}, PickRule{})
				if err != nil || pick.Worker != 0 || pick.Depth != 200 ||
					x.Find(query, []Worker{1, 0}, pair) != nil || pair[0] > 200 || pair[1] != 200 ||
					x.FindByWorker(query, nil, rows[:n]) != nil || rows[0] != 200 || rows[1] > 200 ||
					x.FindBatch([]*PrefixQuery{query, query}, nil, rows[:2*n]) != nil || rows[n] != 200 ||
					x.FindTiers(query, nil, rows) != nil || rows[0] != 200 || rows[3*n] != 200 {
					wrong.Add(1)
				}
				finds.Add(1)
			}
		}()
	}
	key := x.NamespaceKey(space)
	contents := must(x.HashBlocks(nil, prompt))(t)
	names := make([]uint64, len(contents))
	for i := range names {
		names[i] = uint64(i + 1)
	}
	for round := 0; round < 300 || finds.Load() < 30; round++ {
		n := 1 + round%200
		ok(t, x.Store(1, key, nil, names[:n], contents[:n], TierDevice))
		ok(t, x.Remove(1, names[round%7:round%7+1], TierDevice))
		guest := must(x.AddWorker("guest"))(t)
		ok(t, x.Store(guest, key, nil, names[:20], contents[:20], TierDevice))
		ok(t, x.RemoveWorker(guest))
		if round%3 == 0 {
			must(x.Sweep(1000))(t)
		}
		if round%50 == 49 {
			ok(t, x.Clear(1))
		}
	}
	stop.Store(true)
	readers.Wait()
	if wrong.Load() != 0 {
		t.Errorf("%d of %d rounds of finds were wrong", wrong.Load(), finds.Load())
	}
}

func TestPrefixWideContentsAndCopies(t *testing.T) {
	x := newIndex(t, PrefixIndexOptions{WideContents: true, CountCopies: true}, "a")
	prompt := tokens(12)
	lower, upper := must(x.HashBlocks(nil, prompt))(t), HashBlocksUpper(nil, prompt, 4, 11)
	event := PrefixEvent{Kind: PrefixStored, NamespaceKey: x.NamespaceKey(space), EngineHashes: []uint64{1, 2, 3}, ContentHashes: lower}
	refused(t, x.Apply(event), ErrInvalidArgument, "content_uppers: ")
	event.ContentUppers = upper[:2]
	refused(t, x.Apply(event), ErrInvalidArgument, "contentUppers: 2 for 3 engine hashes")
	event.ContentUppers = upper
	ok(t, x.Apply(event))
	ok(t, x.Apply(event))
	query := newQuery(t, x, prompt)
	equalDepths(t, depths(t, x, query), 3)
	query.Clear()
	refused(t, query.ExtendContents(lower), ErrInvalidArgument, "content_uppers: ")
	refused(t, query.ExtendWideContents(lower, upper[:1]), ErrInvalidArgument, "contentUppers: 1 for 3 content hashes")
	ok(t, query.ExtendWideContents(lower, []uint64{upper[0], upper[2], upper[1]}))
	equalDepths(t, depths(t, x, query), 1)
	if stats := must(x.Stats())(t); stats.CopiedBlocks != 3 {
		t.Errorf("%d copies", stats.CopiedBlocks)
	}
	query.Clear()
	ok(t, query.ExtendWideContents(lower, upper))
	for _, want := range []uint32{3, 0} {
		ok(t, x.Remove(0, event.EngineHashes, TierDevice))
		equalDepths(t, depths(t, x, query), want)
	}
	ok(t, x.Apply(event))
	if events := must(x.DumpEvents(0))(t); len(events) != 2 || !slices.Equal(events[1].ContentUppers, upper) {
		t.Errorf("%+v", events)
	}
	if options := must(x.Options())(t); !options.WideContents || !options.CountCopies {
		t.Errorf("%+v", options)
	}
}
