package kthena

import (
	"slices"
	"testing"
)

func tokens(n int) []uint32 {
	list := make([]uint32, n)
	for i := range list {
		list[i] = uint32(100 + i)
	}
	return list
}

var space = Namespace{Model: "m"}

// store makes a worker hold the blocks of a prompt under engine hashes first, first+1, ...
func store(t *testing.T, x *PrefixIndex, worker Worker, prompt []uint32, first uint64, tier Tier) {
	t.Helper()
	contents := HashBlocks(nil, prompt, 4, 11)
	engine := make([]uint64, len(contents))
	for i := range engine {
		engine[i] = first + uint64(i)
	}
	ok(t, x.Store(worker, NamespaceKey(space, 4, 11), nil, engine, contents, tier))
}

func depths(t *testing.T, x *PrefixIndex, query *PrefixQuery) []uint32 {
	t.Helper()
	found := make([]uint32, x.WorkerLimit())
	ok(t, x.FindByWorker(query, nil, found))
	return found
}

func TestPrefix(t *testing.T) {
	x := must(NewPrefixIndex(PrefixIndexOptions{BlockTokens: 4, Seed: 11}))(t)
	defer x.Close()
	a := must(x.AddWorker("a"))(t)
	b := must(x.AddWorker("b"))(t)
	if x.FindWorker("b") != b || x.FindWorker("c") != NoWorker || must(x.AddWorker("a"))(t) != a || x.WorkerLimit() != 2 {
		t.Error("workers")
	}
	store(t, x, a, tokens(20), 1000, TierDevice)
	store(t, x, b, tokens(8), 1000, TierHost)
	query := must(x.NewQuery(space))(t)
	defer query.Close()
	ok(t, query.ExtendTokens(tokens(18)))
	if query.Blocks() != 4 {
		t.Errorf("%d blocks", query.Blocks())
	}
	if found := depths(t, x, query); !slices.Equal(found, []uint32{4, 2}) {
		t.Errorf("depths %v", found)
	}
	other := must(x.NewQuery(Namespace{Model: "m", Tenant: "t"}))(t)
	defer other.Close()
	ok(t, other.ExtendTokens(tokens(18)))
	if found := depths(t, x, other); !slices.Equal(found, []uint32{0, 0}) {
		t.Errorf("depths of another tenant %v", found)
	}

	found := []uint32{9, 9, 9}
	ok(t, x.FindByWorker(query, []uint64{1 << b}, found))
	if !slices.Equal(found, []uint32{0, 2, 0}) {
		t.Errorf("masked depths %v", found)
	}
	ok(t, x.FindByWorker(query, []uint64{}, found))
	if !slices.Equal(found, []uint32{0, 0, 0}) {
		t.Errorf("depths behind an empty mask %v", found)
	}
	ok(t, x.Find(query, []Worker{NoWorker, b, a}, found))
	if !slices.Equal(found, []uint32{0, 2, 4}) {
		t.Errorf("depths by worker %v", found)
	}
	ok(t, x.Find(query, nil, nil))

	ok(t, x.Remove(a, []uint64{1001, 4711}, TierDevice))
	if found := depths(t, x, query); !slices.Equal(found, []uint32{1, 2}) {
		t.Errorf("depths with a hole %v", found)
	}
	if stats := must(x.Stats())(t); stats.Workers != 2 || stats.UnknownRemoves != 1 || stats.ApproximateBytes == 0 {
		t.Errorf("stats %+v", stats)
	}
	ok(t, x.Clear(b))
	ok(t, x.RemoveWorker(a))
	refused(t, x.RemoveWorker(a), ErrNotFound)
	if x.FindWorker("a") != NoWorker {
		t.Error("a removed worker is found")
	}
}

func TestPrefixStoreAfterParent(t *testing.T) {
	x := must(NewPrefixIndex(PrefixIndexOptions{BlockTokens: 4, Seed: 11}))(t)
	defer x.Close()
	a := must(x.AddWorker("a"))(t)
	prompt := tokens(12)
	store(t, x, a, prompt[:4], 1, TierDevice)
	parent := uint64(1)
	ok(t, x.Store(a, NamespaceKey(space, 4, 11), &parent, []uint64{2, 3}, HashBlocks(nil, prompt[4:], 4, 11), TierDevice))
	query := must(x.NewQuery(space))(t)
	defer query.Close()
	ok(t, query.ExtendContents(HashBlocks(nil, prompt, 4, 11)))
	if found := depths(t, x, query); !slices.Equal(found, []uint32{3}) {
		t.Errorf("depths %v", found)
	}
	query.Clear()
	ok(t, query.ExtendTokens(prompt[:3]))
	refused(t, query.ExtendContents([]uint64{1}), ErrFailedPrecondition)
}

func TestPrefixRefuses(t *testing.T) {
	_, err := NewPrefixIndex(PrefixIndexOptions{BlockTokens: 65537, MaxWorkers: 16385})
	refused(t, err, ErrInvalidArgument, "block_tokens", "max_workers")
	x := must(NewPrefixIndex(PrefixIndexOptions{MaxWorkers: 1}))(t)
	defer x.Close()
	a := must(x.AddWorker("a"))(t)
	_, err = x.AddWorker("b")
	refused(t, err, ErrResourceExhausted)
	_, err = x.AddWorker("")
	refused(t, err, ErrInvalidArgument)
	query := must(x.NewQuery(Namespace{}))(t)
	defer query.Close()
	refused(t, x.Store(a, 0, nil, []uint64{1}, []uint64{}, TierDevice), ErrInvalidArgument, "contentHashes: 0 for 1 engine hashes")
	refused(t, x.Store(a, 0, nil, nil, nil, Tier(9)), ErrInvalidArgument, "tier: no tier 9")
	refused(t, x.Store(7, 0, nil, nil, nil, TierDevice), ErrNotFound)
	refused(t, x.Remove(a, nil, Tier(-1)), ErrInvalidArgument, "tier: no tier -1")
	refused(t, x.Remove(7, nil, TierDevice), ErrNotFound)
	refused(t, x.Clear(NoWorker), ErrNotFound)
	ok(t, x.FindByWorker(query, nil, nil))
	refused(t, x.Find(query, []Worker{a}, nil), ErrInvalidArgument, "depths: 0 for 1 workers")
}

func TestHashBlocks(t *testing.T) {
	hashes := HashBlocks([]uint64{7}, tokens(40), 0, 5)
	if len(hashes) != 3 || hashes[0] != 7 || !slices.Equal(hashes[1:], HashBlocks(nil, tokens(40), 16, 5)) {
		t.Errorf("hashes %v", hashes)
	}
	if len(HashBlocks(nil, tokens(15), 16, 5)) != 0 || len(HashBlocks(nil, nil, 16, 5)) != 0 {
		t.Error("hashes of no full block")
	}
	if NamespaceKey(space, 0, 1) != NamespaceKey(space, 16, 1) || NamespaceKey(space, 16, 1) == NamespaceKey(space, 16, 2) {
		t.Error("namespace keys")
	}
}
