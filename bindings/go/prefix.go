package kthena

// #include "kthena/kthena.h"
import "C"

import (
	"fmt"
	"runtime"
	"strconv"
	"unsafe"
)

// Worker is an engine replica, or one data-parallel rank of it, as a prefix index numbers it.
type Worker uint32

// NoWorker is no worker: Find gives 0 for it, and FindBest gives it when there is no candidate.
const NoWorker Worker = C.KTHENA_NONE

// Tier is where a block lies, from fast to slow.
type Tier int32

// The tiers.
const (
	TierDevice   Tier = C.KTHENA_TIER_DEVICE
	TierHost     Tier = C.KTHENA_TIER_HOST
	TierDisk     Tier = C.KTHENA_TIER_DISK
	TierExternal Tier = C.KTHENA_TIER_EXTERNAL
)

// TierCount is the number of tiers: the rows that FindTiers fills.
const TierCount = C.KTHENA_TIER_COUNT

// String returns the name, "Tier(n)" for a number that is none.
func (t Tier) String() string {
	switch t {
	case TierDevice:
		return "device"
	case TierHost:
		return "host"
	case TierDisk:
		return "disk"
	case TierExternal:
		return "external"
	}
	return "Tier(" + strconv.Itoa(int(t)) + ")"
}

// Namespace is what must be equal before two equal blocks of tokens may share KV.
type Namespace struct {
	Model   string
	Adapter string // "": base model
	Tenant  string // "": shared
}

// PrefixIndexOptions are the options of a PrefixIndex. The zero value has all defaults.
type PrefixIndexOptions struct {
	BlockTokens        uint32 // 1..65536; 0: 16
	MaxWorkers         uint32 // 1..16384; 0: 1024
	MaxOrphanBlocks    uint64 // blocks that wait for a parent that was not stored yet, 1..2^32-1; 0: 65536
	Seed               uint64 // secret; random in production
	SharedEngineHashes bool   // the engines mean the same block by the same hash, so one table serves all workers
	MaxExpectedBlocks  uint64 // blocks that each worker may be expected to hold, 0..2^32-1; 0: Expect is off
	ExpectedTTLNS      int64  // how long an expected block counts; 0: until it is evicted
	CountCopies        bool   // a store of a block that is held there already is one more copy, held until as many removals have come (vLLM)
	WideContents       bool   // contents have 128 bits: stores go through Apply with ContentUppers
}

func (o PrefixIndexOptions) c() C.kthena_prefix_index_options {
	given := C.kthena_prefix_index_options{
		struct_size:         C.uint32_t(unsafe.Sizeof(C.kthena_prefix_index_options{})),
		block_tokens:        C.uint32_t(o.BlockTokens),
		max_workers:         C.uint32_t(o.MaxWorkers),
		max_orphan_blocks:   C.uint64_t(o.MaxOrphanBlocks),
		seed:                C.uint64_t(o.Seed),
		max_expected_blocks: C.uint64_t(o.MaxExpectedBlocks),
		expected_ttl_ns:     C.int64_t(o.ExpectedTTLNS),
	}
	if o.SharedEngineHashes {
		given.shared_engine_hashes = 1
	}
	if o.CountCopies {
		given.count_copies = 1
	}
	if o.WideContents {
		given.wide_contents = 1
	}
	return given
}

// PrefixStats are counts of a PrefixIndex.
type PrefixStats struct {
	Workers          uint64
	Memberships      uint64 // (worker, block) pairs held
	UniqueBlocks     uint64
	OrphanBlocks     uint64 // waiting for a parent
	OrphansDropped   uint64 // ever
	UnknownRemoves   uint64 // ever: removal of a block the worker did not hold
	RehashedBlocks   uint64 // ever: an engine hash stored again under another parent or content
	ApproximateBytes uint64
	Runs             uint64 // stretches of blocks that the tree is made of
	UnsweptBlocks    uint64 // of removed workers, still in memory
	Sweeps           uint64 // ever: removed workers that Sweep was done with
	UnresolvedStores uint64 // ever: blocks stored without contents whose hash means nothing here
	ExpectedBlocks   uint64 // (worker, block) pairs that are only expected; among the memberships
	PromotedBlocks   uint64 // ever: expected, then stored
	ExpiredBlocks    uint64 // ever: expected, and gone because of ExpectedTTLNS
	EvictedBlocks    uint64 // ever: expected, and gone because of MaxExpectedBlocks
	CopiedBlocks     uint64 // copies beyond the first (CountCopies)
}

// PickRule says what FindBest minimises: load + cost of a block * blocks of the query that the worker lacks, in integers. The zero
// value has all defaults.
type PickRule struct {
	BlockCost *uint32 // of a block that has to be computed, in the unit of the loads; nil: 1
	TieSeed   uint64  // equal costs go to the worker with the smallest mix of this and its number
}

// Pick is what FindBest says.
type Pick struct {
	Worker Worker // NoWorker: there is no candidate
	Depth  uint32 // leading blocks of the query that it holds
	Cost   uint64
}

// PrefixEventKind says what an event of a PrefixIndex is.
type PrefixEventKind int32

// The kinds of events.
const (
	PrefixStored  PrefixEventKind = C.KTHENA_EVENT_STORED
	PrefixRemoved PrefixEventKind = C.KTHENA_EVENT_REMOVED
	PrefixCleared PrefixEventKind = C.KTHENA_EVENT_CLEARED
)

// PrefixEvent is one call of Store, Remove or Clear.
type PrefixEvent struct {
	Kind          PrefixEventKind
	Worker        Worker
	NamespaceKey  uint64
	Parent        *uint64
	EngineHashes  []uint64
	ContentHashes []uint64 // nil: a store without contents
	ContentUppers []uint64 // upper halves of contents of 128 bits; nil: they have 64
	Tier          Tier
}

// PrefixIndex knows who holds how much of a prompt, from what engines say about their KV blocks.
//
// One goroutine at a time is the writer: it may call everything. Beside it any number may call the methods that say "reads beside the
// writer": they take no lock, wait for nothing, and each depth that they give was true at some moment of the call. What says "reads at
// rest" belongs to the writer, or to any number of goroutines while nobody writes.
//
// That of a Fleet is part of it and one goroutine at a time may use it, with the fleet.
type PrefixIndex struct {
	handle handle[*C.kthena_prefix_index]
	fleet  *Fleet // that it is part of; nil: its own
}

func freePrefixIndex(c *C.kthena_prefix_index) { C.kthena_prefix_index_free(c) }

// NewPrefixIndex makes an empty index. Any goroutine.
func NewPrefixIndex(options PrefixIndexOptions) (*PrefixIndex, error) {
	given := options.c()
	var c *C.kthena_prefix_index
	e := newError()
	if err := toError(C.kthena_prefix_index_create(&given, &c, e), e); err != nil {
		return nil, err
	}
	return ownPrefixIndex(c), nil
}

// LoadPrefixIndex makes the index that Dump wrote. ErrFailedPrecondition names the option that differs: BlockTokens, Seed and
// SharedEngineHashes must be equal, the limits large enough for what is there. ErrInvalidArgument for bytes that no dump has; any bytes are
// safe. Any goroutine.
func LoadPrefixIndex(dump []byte, options PrefixIndexOptions) (*PrefixIndex, error) {
	given := options.c()
	var c *C.kthena_prefix_index
	e := newError()
	if err := toError(C.kthena_prefix_index_load(bytesStr(dump), &given, &c, e), e); err != nil {
		return nil, err
	}
	return ownPrefixIndex(c), nil
}

func ownPrefixIndex(c *C.kthena_prefix_index) *PrefixIndex {
	x := &PrefixIndex{}
	own(x, &x.handle, c, freePrefixIndex)
	return x
}

// Close frees the index. Queries made by it live on. It does nothing to that of a fleet.
func (x *PrefixIndex) Close() {
	if x != nil && x.fleet == nil {
		x.handle.close(freePrefixIndex)
	}
}

func (x *PrefixIndex) open() bool { return x != nil && x.handle.c != nil }

// errFleetIndex is what the index of a fleet refuses changes of its workers with.
var errFleetIndex = &Error{Code: CodeFailedPrecondition, Message: "the workers of this index are a fleet's endpoints: add and remove those"}

// Options returns the options in force, defaults filled in. Reads beside the writer.
func (x *PrefixIndex) Options() (PrefixIndexOptions, error) {
	if !x.open() {
		return PrefixIndexOptions{}, ErrClosed
	}
	c := C.kthena_prefix_index_options{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_prefix_index_options{}))}
	e := newError()
	status := C.kthena_prefix_index_get_options(x.handle.c, &c, e)
	runtime.KeepAlive(x)
	if err := toError(status, e); err != nil {
		return PrefixIndexOptions{}, err
	}
	return PrefixIndexOptions{
		BlockTokens:        uint32(c.block_tokens),
		MaxWorkers:         uint32(c.max_workers),
		MaxOrphanBlocks:    uint64(c.max_orphan_blocks),
		Seed:               uint64(c.seed),
		SharedEngineHashes: c.shared_engine_hashes == 1,
		MaxExpectedBlocks:  uint64(c.max_expected_blocks),
		ExpectedTTLNS:      int64(c.expected_ttl_ns),
		CountCopies:        c.count_copies == 1,
		WideContents:       c.wide_contents == 1,
	}, nil
}

// NamespaceKey returns the key of a namespace with the block size and seed of the index; 0 once it is closed. Reads beside the writer.
func (x *PrefixIndex) NamespaceKey(space Namespace) uint64 {
	if !x.open() {
		return 0
	}
	key := C.kthena_prefix_index_namespace_key(x.handle.c, str(space.Model), str(space.Adapter), str(space.Tenant))
	runtime.KeepAlive(x)
	return uint64(key)
}

// HashBlocks appends the content hashes of the full blocks of tokens to hashes, with the block size and seed of the index. Reads beside the
// writer.
func (x *PrefixIndex) HashBlocks(hashes []uint64, tokens []uint32) ([]uint64, error) {
	options, err := x.Options()
	if err != nil {
		return hashes, err
	}
	return HashBlocks(hashes, tokens, options.BlockTokens, options.Seed), nil
}

// AddWorker returns a new worker, or the one of that name. Changes the index.
func (x *PrefixIndex) AddWorker(name string) (Worker, error) {
	if !x.open() {
		return NoWorker, ErrClosed
	}
	if x.fleet != nil {
		return NoWorker, errFleetIndex
	}
	worker := C.uint32_t(C.KTHENA_NONE)
	e := newError()
	status := C.kthena_prefix_add_worker(x.handle.c, str(name), &worker, e)
	runtime.KeepAlive(x)
	return Worker(worker), toError(status, e)
}

// FindWorker returns the worker of that name, NoWorker when there is none. Reads at rest.
func (x *PrefixIndex) FindWorker(name string) Worker {
	if !x.open() {
		return NoWorker
	}
	worker := C.kthena_prefix_find_worker(x.handle.c, str(name))
	runtime.KeepAlive(x)
	return Worker(worker)
}

// WorkerName returns the name of a worker, "" for a number that is not in use. Reads at rest.
func (x *PrefixIndex) WorkerName(worker Worker) string {
	if !x.open() {
		return ""
	}
	name := C.kthena_prefix_worker_name(x.handle.c, C.uint32_t(worker))
	text := C.GoStringN(name.data, C.int(name.size))
	runtime.KeepAlive(x)
	return text
}

// RemoveWorker drops a worker and all it holds: no answer and no count has it any more, and its number may be given out again. Its blocks
// stay in memory until Sweep. Changes the index.
func (x *PrefixIndex) RemoveWorker(worker Worker) error {
	if !x.open() {
		return ErrClosed
	}
	if x.fleet != nil {
		return errFleetIndex
	}
	e := newError()
	status := C.kthena_prefix_remove_worker(x.handle.c, C.uint32_t(worker), e)
	runtime.KeepAlive(x)
	return toError(status, e)
}

// Sweep frees what removed workers held, looking at maxBlocks places of their tables at most. It returns what is left to do: 0 at the end.
// Changes the index.
func (x *PrefixIndex) Sweep(maxBlocks uint64) (left uint64, err error) {
	if !x.open() {
		return 0, ErrClosed
	}
	var c C.uint64_t
	e := newError()
	status := C.kthena_prefix_sweep(x.handle.c, C.uint64_t(maxBlocks), &c, e)
	runtime.KeepAlive(x)
	return uint64(c), toError(status, e)
}

// WorkerLimit returns one more than the largest worker in use: with as many depths FindByWorker leaves nobody out. Reads beside the writer.
func (x *PrefixIndex) WorkerLimit() int {
	if !x.open() {
		return 0
	}
	limit := C.kthena_prefix_worker_limit(x.handle.c)
	runtime.KeepAlive(x)
	return int(limit)
}

// Store says that a worker stored blocks that follow one another. parent points to the engine hash of the block before the first, or is
// nil at the start of a prompt. namespaceKey is NamespaceKey's; contentHashes are HashBlocks'.
//
// contentHashes nil with engineHashes is a store without contents (offloading): each engine hash by itself is a block that the worker holds
// or that waits, now in this tier too. parent and namespaceKey are not looked at then, and hashes that mean nothing are counted. Changes the
// index.
func (x *PrefixIndex) Store(worker Worker, namespaceKey uint64, parent *uint64, engineHashes, contentHashes []uint64, tier Tier) error {
	return x.store(PrefixEvent{Worker: worker, NamespaceKey: namespaceKey, Parent: parent, EngineHashes: engineHashes,
		ContentHashes: contentHashes, Tier: tier})
}

func (x *PrefixIndex) store(event PrefixEvent) error {
	if !x.open() {
		return ErrClosed
	}
	n := len(event.EngineHashes)
	if event.ContentHashes != nil && len(event.ContentHashes) != n {
		return &Error{Code: CodeInvalidArgument,
			Message: fmt.Sprintf("contentHashes: %d for %d engine hashes", len(event.ContentHashes), n)}
	}
	if event.ContentUppers != nil && len(event.ContentUppers) != n {
		return &Error{Code: CodeInvalidArgument,
			Message: fmt.Sprintf("contentUppers: %d for %d engine hashes", len(event.ContentUppers), n)}
	}
	e := newError()
	status := C.kthena_prefix_store(x.handle.c, C.uint32_t(event.Worker), C.uint64_t(event.NamespaceKey), (*C.uint64_t)(event.Parent),
		uint64s(event.EngineHashes), uint64s(event.ContentHashes), uint64s(event.ContentUppers), C.size_t(n), C.int32_t(event.Tier), e)
	runtime.KeepAlive(x)
	return toError(status, e)
}

// Remove says that a worker dropped blocks from a tier. Unknown ones are counted and skipped. Changes the index.
func (x *PrefixIndex) Remove(worker Worker, engineHashes []uint64, tier Tier) error {
	if !x.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_remove(x.handle.c, C.uint32_t(worker), uint64s(engineHashes), C.size_t(len(engineHashes)), C.int32_t(tier), e)
	runtime.KeepAlive(x)
	return toError(status, e)
}

// Clear says that a worker dropped everything. Changes the index.
func (x *PrefixIndex) Clear(worker Worker) error {
	if !x.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_clear(x.handle.c, C.uint32_t(worker), e)
	runtime.KeepAlive(x)
	return toError(status, e)
}

// Apply applies one event: it is Store, Remove or Clear of event.Worker, for contents of 64 or 128 bits. Changes the index.
func (x *PrefixIndex) Apply(event PrefixEvent) error {
	switch event.Kind {
	case PrefixStored:
		return x.store(event)
	case PrefixRemoved:
		return x.Remove(event.Worker, event.EngineHashes, event.Tier)
	case PrefixCleared:
		return x.Clear(event.Worker)
	}
	return &Error{Code: CodeInvalidArgument, Message: "Kind: no kind " + strconv.Itoa(int(event.Kind))}
}

// Expect says that a prompt was sent to a worker, which will soon hold its full blocks: until they are stored, evicted or expired they count
// as held. nowNS is a steady clock of the caller's. ErrFailedPrecondition where MaxExpectedBlocks is 0, ErrInvalidArgument for a query under
// another seed. Changes the index.
func (x *PrefixIndex) Expect(worker Worker, query *PrefixQuery, nowNS int64) error {
	if !x.open() || !query.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_expect(x.handle.c, C.uint32_t(worker), query.handle.c, C.int64_t(nowNS), e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(query)
	return toError(status, e)
}

// Expire drops guesses that were expected last ExpectedTTLNS or longer ago, maxBlocks at most, and returns how many: less than maxBlocks when
// none is left that is due. Changes the index.
func (x *PrefixIndex) Expire(nowNS int64, maxBlocks uint64) (expired uint64, err error) {
	if !x.open() {
		return 0, ErrClosed
	}
	var c C.uint64_t
	e := newError()
	status := C.kthena_prefix_expire(x.handle.c, C.int64_t(nowNS), C.uint64_t(maxBlocks), &c, e)
	runtime.KeepAlive(x)
	return uint64(c), toError(status, e)
}

// Find fills depths for chosen workers: depths[i] is the number of leading blocks of the query that workers[i] holds in any tier, 0 for
// NoWorker. Workers in the order of a pool's endpoints give the depths of a Request. Reads beside the writer.
func (x *PrefixIndex) Find(query *PrefixQuery, workers []Worker, depths []uint32) error {
	if !x.open() || !query.open() {
		return ErrClosed
	}
	if len(workers) != len(depths) {
		return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("depths: %d for %d workers", len(depths), len(workers))}
	}
	e := newError()
	status := C.kthena_prefix_find(x.handle.c, query.handle.c, (*C.uint32_t)(unsafe.SliceData(workers)), C.size_t(len(workers)),
		uint32s(depths), e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(query)
	return toError(status, e)
}

// FindByWorker fills depths: leading blocks of the query that each worker holds, by worker. All are written; workers beyond them are left out.
// candidates has one bit for each worker, bit w%64 of element w/64, bits beyond it are 0; nil: all workers, empty but not nil: nobody. Reads beside the writer.
func (x *PrefixIndex) FindByWorker(query *PrefixQuery, candidates []uint64, depths []uint32) error {
	if !x.open() || !query.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_find_by_worker(x.handle.c, query.handle.c, uint64s(candidates), C.size_t(len(candidates)), uint32s(depths),
		C.size_t(len(depths)), e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(query)
	return toError(status, e)
}

// FindBatch is FindByWorker for several queries, whose waits for memory overlap: depths is a row for each query, len(depths)/len(queries)
// long, which must come out even. Reads beside the writer.
func (x *PrefixIndex) FindBatch(queries []*PrefixQuery, candidates []uint64, depths []uint32) error {
	if !x.open() {
		return ErrClosed
	}
	if len(queries) == 0 {
		if len(depths) != 0 {
			return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("depths: %d for no queries", len(depths))}
		}
		return nil
	}
	if len(depths)%len(queries) != 0 {
		return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("depths: %d are no whole rows of %d queries", len(depths), len(queries))}
	}
	list := make([]*C.kthena_prefix_query, len(queries))
	for i, query := range queries {
		if !query.open() {
			return ErrClosed
		}
		list[i] = query.handle.c
	}
	e := newError()
	status := C.kthena_prefix_find_batch(x.handle.c, unsafe.SliceData(list), C.size_t(len(list)), uint64s(candidates),
		C.size_t(len(candidates)), uint32s(depths), C.size_t(len(depths)/len(queries)), e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(queries)
	return toError(status, e)
}

// FindTiers fills depths by tier: a row for each of TierCount tiers, len(depths)/TierCount long, which must come out even. Row t says how many
// leading blocks of the query each worker holds in tier t or in a faster one; the last row is what FindByWorker says. Reads beside the
// writer.
func (x *PrefixIndex) FindTiers(query *PrefixQuery, candidates []uint64, depths []uint32) error {
	if !x.open() || !query.open() {
		return ErrClosed
	}
	if len(depths)%TierCount != 0 {
		return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("depths: %d are no whole rows of %d tiers", len(depths), TierCount)}
	}
	e := newError()
	status := C.kthena_prefix_find_tiers(x.handle.c, query.handle.c, uint64s(candidates), C.size_t(len(candidates)), uint32s(depths),
		C.size_t(len(depths)/TierCount), e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(query)
	return toError(status, e)
}

// FindBest returns the candidate of the least cost under a rule. loads[w] belongs to worker w; workers beyond them are no candidates. Reads
// beside the writer.
func (x *PrefixIndex) FindBest(query *PrefixQuery, candidates []uint64, loads []uint32, rule PickRule) (Pick, error) {
	if !x.open() || !query.open() {
		return Pick{Worker: NoWorker}, ErrClosed
	}
	given := C.kthena_prefix_pick_rule{
		struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_prefix_pick_rule{})),
		tie_seed:    C.uint64_t(rule.TieSeed),
	}
	if rule.BlockCost != nil {
		given.has_block_cost, given.block_cost = 1, C.uint32_t(*rule.BlockCost)
	}
	c := C.kthena_prefix_pick{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_prefix_pick{}))}
	e := newError()
	status := C.kthena_prefix_find_best(x.handle.c, query.handle.c, uint64s(candidates), C.size_t(len(candidates)), uint32s(loads),
		C.size_t(len(loads)), &given, &c, e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(query)
	if err := toError(status, e); err != nil {
		return Pick{Worker: NoWorker}, err
	}
	return Pick{Worker: Worker(c.worker), Depth: uint32(c.depth), Cost: uint64(c.cost)}, nil
}

// Stats returns counts. Reads at rest.
func (x *PrefixIndex) Stats() (PrefixStats, error) {
	if !x.open() {
		return PrefixStats{}, ErrClosed
	}
	c := C.kthena_prefix_stats{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_prefix_stats{}))}
	e := newError()
	status := C.kthena_prefix_get_stats(x.handle.c, &c, e)
	runtime.KeepAlive(x)
	if err := toError(status, e); err != nil {
		return PrefixStats{}, err
	}
	return PrefixStats{
		Workers:          uint64(c.workers),
		Memberships:      uint64(c.memberships),
		UniqueBlocks:     uint64(c.unique_blocks),
		OrphanBlocks:     uint64(c.orphan_blocks),
		OrphansDropped:   uint64(c.orphans_dropped),
		UnknownRemoves:   uint64(c.unknown_removes),
		RehashedBlocks:   uint64(c.rehashed_blocks),
		ApproximateBytes: uint64(c.approximate_bytes),
		Runs:             uint64(c.runs),
		UnsweptBlocks:    uint64(c.unswept_blocks),
		Sweeps:           uint64(c.sweeps),
		UnresolvedStores: uint64(c.unresolved_stores),
		ExpectedBlocks:   uint64(c.expected_blocks),
		PromotedBlocks:   uint64(c.promoted_blocks),
		ExpiredBlocks:    uint64(c.expired_blocks),
		EvictedBlocks:    uint64(c.evicted_blocks),
		CopiedBlocks:     uint64(c.copied_blocks),
	}, nil
}

// Dump returns all of the index as bytes, the same on every machine: what LoadPrefixIndex takes. Reads at rest.
func (x *PrefixIndex) Dump() ([]byte, error) {
	stats, err := x.Stats()
	if err != nil {
		return nil, err
	}
	// About what it takes, so that one call is enough.
	buffer := make([]byte, 4096+64*stats.Workers+12*stats.UniqueBlocks+24*stats.Memberships+64*stats.OrphanBlocks)
	for {
		var needed C.size_t
		e := newError()
		status := C.kthena_prefix_index_dump(x.handle.c, (*C.char)(unsafe.Pointer(unsafe.SliceData(buffer))), C.size_t(len(buffer)), &needed, e)
		runtime.KeepAlive(x)
		switch {
		case status == C.KTHENA_OK:
			return buffer[:needed:needed], nil
		case status == C.KTHENA_OUT_OF_RANGE && int(needed) > len(buffer):
			buffer = make([]byte, needed)
		default:
			return nil, toError(status, e)
		}
	}
}

// DumpEvents returns what a worker holds as events for another index: applied in order they give equal depths in every tier and equal
// orphans. The first is PrefixCleared. Guesses are left out. Set Worker where the other index has another number for it. Reads at rest.
func (x *PrefixIndex) DumpEvents(worker Worker) ([]PrefixEvent, error) {
	if !x.open() {
		return nil, ErrClosed
	}
	var c *C.kthena_prefix_events
	e := newError()
	status := C.kthena_prefix_events_create(x.handle.c, C.uint32_t(worker), &c, e)
	runtime.KeepAlive(x)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	defer C.kthena_prefix_events_free(c)
	events := make([]PrefixEvent, int(C.kthena_prefix_events_count(c)))
	for i := range events {
		event := C.kthena_prefix_event{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_prefix_event{}))}
		if err := toError(C.kthena_prefix_events_get(c, C.size_t(i), &event, e), e); err != nil {
			return nil, err
		}
		events[i] = PrefixEvent{
			Kind:          PrefixEventKind(event.kind),
			Worker:        Worker(event.worker),
			NamespaceKey:  uint64(event.namespace_key),
			EngineHashes:  copied(event.engine_hashes, event.n),
			ContentHashes: copied(event.content_hashes, event.n),
			ContentUppers: copied(event.content_uppers, event.n),
			Tier:          Tier(event.tier),
		}
		if event.has_parent == 1 {
			parent := uint64(event.parent)
			events[i].Parent = &parent
		}
	}
	return events, nil
}

// copied is an array of the library as a slice of Go's; nil for NULL.
func copied(array *C.uint64_t, n C.size_t) []uint64 {
	if array == nil {
		return nil
	}
	return append(make([]uint64, 0, int(n)), unsafe.Slice((*uint64)(array), int(n))...)
}

// NewQuery returns an empty prompt in a namespace, with the index's block size and seed. Reads beside the writer.
func (x *PrefixIndex) NewQuery(space Namespace) (*PrefixQuery, error) {
	if !x.open() {
		return nil, ErrClosed
	}
	var c *C.kthena_prefix_query
	e := newError()
	status := C.kthena_prefix_query_create(x.handle.c, str(space.Model), str(space.Adapter), str(space.Tenant), &c, e)
	runtime.KeepAlive(x)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	q := &PrefixQuery{}
	own(q, &q.handle, c, freePrefixQuery)
	return q, nil
}

// PrefixQuery is a prompt prepared for lookups. One goroutine while it is extended or cleared, any number after.
type PrefixQuery struct {
	handle handle[*C.kthena_prefix_query]
}

func freePrefixQuery(c *C.kthena_prefix_query) { C.kthena_prefix_query_free(c) }

// Close frees the query.
func (q *PrefixQuery) Close() {
	if q != nil {
		q.handle.close(freePrefixQuery)
	}
}

func (q *PrefixQuery) open() bool { return q != nil && q.handle.c != nil }

// ExtendTokens appends tokens. Full blocks are hashed, the rest waits for the next call.
func (q *PrefixQuery) ExtendTokens(tokens []uint32) error {
	if !q.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_query_extend_tokens(q.handle.c, uint32s(tokens), C.size_t(len(tokens)), e)
	runtime.KeepAlive(q)
	return toError(status, e)
}

// ExtendContents appends content hashes that are ready. ErrFailedPrecondition while tokens of a partial block wait.
func (q *PrefixQuery) ExtendContents(contentHashes []uint64) error {
	return q.ExtendWideContents(contentHashes, nil)
}

// ExtendWideContents is ExtendContents for contents of 128 bits: contentUppers are their upper halves.
func (q *PrefixQuery) ExtendWideContents(contentHashes, contentUppers []uint64) error {
	if !q.open() {
		return ErrClosed
	}
	if len(contentUppers) != 0 && len(contentUppers) != len(contentHashes) {
		return &Error{Code: CodeInvalidArgument,
			Message: fmt.Sprintf("contentUppers: %d for %d content hashes", len(contentUppers), len(contentHashes))}
	}
	e := newError()
	status := C.kthena_prefix_query_extend_contents(q.handle.c, uint64s(contentHashes), uint64s(contentUppers), C.size_t(len(contentHashes)), e)
	runtime.KeepAlive(q)
	return toError(status, e)
}

// Clear forgets the prompt and keeps namespace and memory.
func (q *PrefixQuery) Clear() {
	if q.open() {
		C.kthena_prefix_query_clear(q.handle.c)
		runtime.KeepAlive(q)
	}
}

// Blocks returns how many full blocks the prompt has so far.
func (q *PrefixQuery) Blocks() int {
	if !q.open() {
		return 0
	}
	blocks := C.kthena_prefix_query_blocks(q.handle.c)
	runtime.KeepAlive(q)
	return int(blocks)
}

// NamespaceKey returns the key of a namespace under a seed: nothing matches across namespaces. blockTokens 0: 16. Any goroutine.
func NamespaceKey(space Namespace, blockTokens uint32, seed uint64) uint64 {
	return uint64(C.kthena_prefix_namespace_key(str(space.Model), str(space.Adapter), str(space.Tenant), C.uint32_t(blockTokens),
		C.uint64_t(seed)))
}

// HashBlocks appends the content hashes of the full blocks of tokens to hashes. blockTokens 0: 16. Any goroutine.
func HashBlocks(hashes []uint64, tokens []uint32, blockTokens uint32, seed uint64) []uint64 {
	if blockTokens == 0 {
		blockTokens = 16
	}
	start := len(hashes)
	hashes = append(hashes, make([]uint64, len(tokens)/int(blockTokens))...)
	C.kthena_prefix_hash_blocks(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(blockTokens), C.uint64_t(seed),
		uint64s(hashes[start:]), nil)
	return hashes
}

// HashBlocksUpper appends the upper halves of contents of 128 bits, whose lower halves HashBlocks gives. Any goroutine.
func HashBlocksUpper(uppers []uint64, tokens []uint32, blockTokens uint32, seed uint64) []uint64 {
	if blockTokens == 0 {
		blockTokens = 16
	}
	start := len(uppers)
	uppers = append(uppers, make([]uint64, len(tokens)/int(blockTokens))...)
	C.kthena_prefix_hash_blocks(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(blockTokens), C.uint64_t(seed), nil,
		uint64s(uppers[start:]))
	return uppers
}
