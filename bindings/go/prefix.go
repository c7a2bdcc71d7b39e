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

// NoWorker is no worker: FindFor gives 0 for it.
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
	BlockTokens     uint32 // 1..65536; 0: 16
	MaxWorkers      uint32 // 1..16384; 0: 1024
	MaxOrphanBlocks uint64 // blocks that wait for a parent that was not stored yet; 0: 65536
	Seed            uint64 // secret; random in production
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
}

// PrefixIndex knows who holds how much of a prompt, from what engines say about their KV blocks. One goroutine at a time may call a
// method that changes it (AddWorker, RemoveWorker, Store, Remove, Clear), and then nobody may call another; any number may call those
// that read.
type PrefixIndex struct {
	handle handle[*C.kthena_prefix_index]
}

func freePrefixIndex(c *C.kthena_prefix_index) { C.kthena_prefix_index_free(c) }

// NewPrefixIndex makes an empty index. Any goroutine.
func NewPrefixIndex(options PrefixIndexOptions) (*PrefixIndex, error) {
	given := C.kthena_prefix_index_options{
		struct_size:       C.uint32_t(unsafe.Sizeof(C.kthena_prefix_index_options{})),
		block_tokens:      C.uint32_t(options.BlockTokens),
		max_workers:       C.uint32_t(options.MaxWorkers),
		max_orphan_blocks: C.uint64_t(options.MaxOrphanBlocks),
		seed:              C.uint64_t(options.Seed),
	}
	var c *C.kthena_prefix_index
	e := newError()
	if err := toError(C.kthena_prefix_index_create(&given, &c, e), e); err != nil {
		return nil, err
	}
	x := &PrefixIndex{}
	own(x, &x.handle, c, freePrefixIndex)
	return x, nil
}

// Close frees the index. Queries made by it live on.
func (x *PrefixIndex) Close() {
	if x != nil {
		x.handle.close(freePrefixIndex)
	}
}

func (x *PrefixIndex) open() bool { return x != nil && x.handle.c != nil }

// AddWorker returns a new worker, or the one of that name. Changes the index.
func (x *PrefixIndex) AddWorker(name string) (Worker, error) {
	if !x.open() {
		return NoWorker, ErrClosed
	}
	worker := C.uint32_t(C.KTHENA_NONE)
	e := newError()
	status := C.kthena_prefix_add_worker(x.handle.c, str(name), &worker, e)
	runtime.KeepAlive(x)
	return Worker(worker), toError(status, e)
}

// FindWorker returns the worker of that name, NoWorker when there is none. Reads the index.
func (x *PrefixIndex) FindWorker(name string) Worker {
	if !x.open() {
		return NoWorker
	}
	worker := C.kthena_prefix_find_worker(x.handle.c, str(name))
	runtime.KeepAlive(x)
	return Worker(worker)
}

// RemoveWorker drops a worker and all it holds. Its number may be given out again. Changes the index.
func (x *PrefixIndex) RemoveWorker(worker Worker) error {
	if !x.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_remove_worker(x.handle.c, C.uint32_t(worker), e)
	runtime.KeepAlive(x)
	return toError(status, e)
}

// WorkerLimit returns one more than the largest worker in use: the length of depths that Find wants. Reads the index.
func (x *PrefixIndex) WorkerLimit() int {
	if !x.open() {
		return 0
	}
	limit := C.kthena_prefix_worker_limit(x.handle.c)
	runtime.KeepAlive(x)
	return int(limit)
}

// Store says that a worker stored blocks that follow one another. parent points to the engine hash of the block before the first, or is
// nil at the start of a prompt. namespaceKey is NamespaceKey's; contentHashes are HashBlocks'. Changes the index.
func (x *PrefixIndex) Store(worker Worker, namespaceKey uint64, parent *uint64, engineHashes, contentHashes []uint64, tier Tier) error {
	if !x.open() {
		return ErrClosed
	}
	if len(engineHashes) != len(contentHashes) {
		return &Error{Code: CodeInvalidArgument,
			Message: fmt.Sprintf("contentHashes: %d for %d engine hashes", len(contentHashes), len(engineHashes))}
	}
	e := newError()
	status := C.kthena_prefix_store(x.handle.c, C.uint32_t(worker), C.uint64_t(namespaceKey), (*C.uint64_t)(parent), uint64s(engineHashes),
		uint64s(contentHashes), C.size_t(len(engineHashes)), C.int32_t(tier), e)
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

// Find fills depths: leading blocks of the query that each worker holds, by worker. depths has at least WorkerLimit elements; all are
// written. candidates has one bit for each worker, bit w%64 of element w/64, bits beyond it are 0; nil: all workers. Reads the index.
func (x *PrefixIndex) Find(query *PrefixQuery, candidates []uint64, depths []uint32) error {
	if !x.open() || !query.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_find(x.handle.c, query.handle.c, uint64s(candidates), C.size_t(len(candidates)), uint32s(depths),
		C.size_t(len(depths)), e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(query)
	return toError(status, e)
}

// FindFor fills depths for chosen workers: depths[i] belongs to workers[i], 0 for NoWorker. Workers in the order of a pool's endpoints give
// the depths of a Request. Reads the index.
func (x *PrefixIndex) FindFor(query *PrefixQuery, workers []Worker, depths []uint32) error {
	if !x.open() || !query.open() {
		return ErrClosed
	}
	if len(workers) != len(depths) {
		return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("depths: %d for %d workers", len(depths), len(workers))}
	}
	e := newError()
	status := C.kthena_prefix_find_for(x.handle.c, query.handle.c, (*C.uint32_t)(unsafe.SliceData(workers)), C.size_t(len(workers)),
		uint32s(depths), e)
	runtime.KeepAlive(x)
	runtime.KeepAlive(query)
	return toError(status, e)
}

// Stats returns counts. Reads the index.
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
	}, nil
}

// NewQuery returns an empty prompt in a namespace, with the index's block size and seed. Reads the index.
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
	if !q.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_prefix_query_extend_contents(q.handle.c, uint64s(contentHashes), C.size_t(len(contentHashes)), e)
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
	C.kthena_prefix_hash_blocks(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(blockTokens), C.uint64_t(seed), uint64s(hashes[start:]))
	return hashes
}
