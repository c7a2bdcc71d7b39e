package kthena

/*
#include "structs.h"

static inline kthena_status kthena_go_pool(size_t n, KTHENA_GO_ENDPOINT_POINTERS, kthena_pool** pool, kthena_error* error) {
  KTHENA_GO_ENDPOINTS;
  return kthena_pool_create_from(&endpoints, pool, error);
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"strconv"
	"unsafe"
)

// Signal is what is known about an endpoint as a number.
type Signal int32

// The signals. A value is finite and at least 0; NaN says that it was never sampled.
const (
	SignalRunning  Signal = C.KTHENA_SIGNAL_RUNNING   // requests in the engine's batch, as scraped
	SignalWaiting  Signal = C.KTHENA_SIGNAL_WAITING   // requests in the engine's queue, as scraped
	SignalKVUsage  Signal = C.KTHENA_SIGNAL_KV_USAGE  // share of KV blocks in use, 0..1, as scraped
	SignalTTFT     Signal = C.KTHENA_SIGNAL_TTFT_S    // mean time to first token since the scrape before, seconds; 0: none finished
	SignalTPOT     Signal = C.KTHENA_SIGNAL_TPOT_S    // mean time per output token since the scrape before, seconds; 0: none finished
	SignalInFlight Signal = C.KTHENA_SIGNAL_IN_FLIGHT // requests this router sent and that have not ended
	// The router's own bookings too: of those in flight.
	SignalPrefillRequests Signal = C.KTHENA_SIGNAL_PREFILL_REQUESTS // without a first token
	SignalPrefillTokens   Signal = C.KTHENA_SIGNAL_PREFILL_TOKENS   // their prompt tokens
	SignalUncachedTokens  Signal = C.KTHENA_SIGNAL_UNCACHED_TOKENS  // of these, not in the endpoint's cache when they were sent
	SignalOutputTokens    Signal = C.KTHENA_SIGNAL_OUTPUT_TOKENS    // reserved for answers and not produced yet
	SignalKVTokens        Signal = C.KTHENA_SIGNAL_KV_TOKENS        // prompts and answers of all in flight
	// What the endpoint can do: facts, or learned.
	SignalKVCapacityTokens Signal = C.KTHENA_SIGNAL_KV_CAPACITY_TOKENS // tokens its KV memory holds
	SignalPrefillTPS       Signal = C.KTHENA_SIGNAL_PREFILL_TPS        // prompt tokens it computes in a second when it does nothing else
	SignalDecodeTPS        Signal = C.KTHENA_SIGNAL_DECODE_TPS         // answer tokens it makes in a second with a usual batch
	SignalMaxRunning       Signal = C.KTHENA_SIGNAL_MAX_RUNNING        // requests its batch holds at most
	SignalMaxAdapters      Signal = C.KTHENA_SIGNAL_MAX_ADAPTERS       // adapters (LoRA) that may run at once
	SignalContextMinTokens Signal = C.KTHENA_SIGNAL_CONTEXT_MIN_TOKENS // shortest and longest request that it is meant for
	SignalContextMaxTokens Signal = C.KTHENA_SIGNAL_CONTEXT_MAX_TOKENS
	// What the router remembers.
	SignalHeldBlocks Signal = C.KTHENA_SIGNAL_HELD_BLOCKS // blocks that it holds by the router's prefix index
	SignalColdTurn   Signal = C.KTHENA_SIGNAL_COLD_TURN   // Request.Sequence of the last request without a hit that was sent there
	SignalReadyAt    Signal = C.KTHENA_SIGNAL_READY_AT_S  // when it became ready, in seconds on the clock of Request.NowNS
	signalCount             = C.KTHENA_SIGNAL_COUNT
)

var signalNames = func() (names [signalCount]string) {
	for signal := range names {
		name := C.kthena_signal_name(C.int32_t(signal))
		names[signal] = C.GoStringN(name.data, C.int(name.size))
	}
	return names
}()

// String returns the name that documents use, "Signal(n)" for a number that is none.
func (s Signal) String() string {
	if s >= 0 && s < signalCount {
		return signalNames[s]
	}
	return "Signal(" + strconv.Itoa(int(s)) + ")"
}

// Endpoint is an engine that can take requests.
type Endpoint struct {
	ID            string   // unique in a pool, not empty
	Models        []string // models and adapters it serves; when no endpoint of a pool has any, nobody says
	WaitingModels []string // adapters that requests wait for and that are not loaded; none in Models
	Place         Place
}

// Place says where an endpoint runs, or a peer that a request should be near to, from near to far. Names are unique within their level; an
// empty one is not known.
type Place struct {
	Host, Rack, Zone, Region string
}

// Pool is a set of endpoints and what is known about them. Any number of goroutines may read it, decisions among them, while nobody
// calls SetSignal, SetSignalSampled, SetValue or Close.
type Pool struct {
	handle handle[*C.kthena_pool]
	ids    []string
}

func freePool(c *C.kthena_pool) { C.kthena_pool_free(c) }

// NewPool makes a pool of these endpoints, numbered as they stand. No signal is sampled yet. All faults are reported together. Any
// goroutine.
func NewPool(endpoints []Endpoint) (*Pool, error) {
	f := flattenEndpoints(endpoints)
	var c *C.kthena_pool
	e := newError()
	status := C.kthena_go_pool(C.size_t(len(endpoints)), f.ids.data(), f.ids.offset(), f.models.names.data(), f.models.names.offset(),
		f.models.start(), f.waiting.names.data(), f.waiting.names.offset(), f.waiting.start(), f.places.data(), f.places.offset(), &c, e)
	return newPool(c, toError(status, e))
}

// flatEndpoints are endpoints as they travel to C.
type flatEndpoints struct {
	ids, places     flat
	models, waiting *lists
}

func flattenEndpoints(endpoints []Endpoint) flatEndpoints {
	f := flatEndpoints{models: newLists(len(endpoints)), waiting: newLists(len(endpoints))}
	for _, endpoint := range endpoints {
		f.ids.add(endpoint.ID)
		f.models.add(endpoint.Models)
		f.waiting.add(endpoint.WaitingModels)
		for _, name := range [C.KTHENA_PLACE_LEVELS]string{endpoint.Place.Host, endpoint.Place.Rack, endpoint.Place.Zone, endpoint.Place.Region} {
			f.places.add(name)
		}
	}
	return f
}

// NewPoolJSON makes a pool from its JSON form (docs/schemas/pool.schema.json), numbered as the document. Any goroutine.
func NewPoolJSON(document []byte) (*Pool, error) {
	var c *C.kthena_pool
	e := newError()
	status := C.kthena_pool_create_json(bytesStr(document), &c, e)
	return newPool(c, toError(status, e))
}

func newPool(c *C.kthena_pool, err error) (*Pool, error) {
	if err != nil {
		return nil, err
	}
	p := &Pool{ids: make([]string, int(C.kthena_pool_size(c)))}
	own(p, &p.handle, c, freePool)
	for i := range p.ids {
		id := C.kthena_pool_id(c, C.uint32_t(i))
		p.ids[i] = C.GoStringN(id.data, C.int(id.size))
	}
	return p, nil
}

// Close frees the pool.
func (p *Pool) Close() {
	if p != nil {
		p.handle.close(freePool)
	}
}

func (p *Pool) open() bool { return p != nil && p.handle.c != nil }

// Size returns how many endpoints there are. It may be called after Close.
func (p *Pool) Size() int {
	if p == nil {
		return 0
	}
	return len(p.ids)
}

// ID returns the id of an endpoint, "" when there is no such endpoint. It may be called after Close.
func (p *Pool) ID(endpoint int) string {
	if p == nil || endpoint < 0 || endpoint >= len(p.ids) {
		return ""
	}
	return p.ids[endpoint]
}

// Find returns the number of the endpoint with this id, -1 when there is none.
func (p *Pool) Find(id string) int {
	if !p.open() {
		return -1
	}
	found := C.kthena_pool_find(p.handle.c, str(id))
	runtime.KeepAlive(p)
	return index(found)
}

// SetSignal replaces a whole signal: one value for each endpoint in the order of the pool, NaN where not sampled, all sampled at one time
// (nanoseconds, as Request.NowNS). On a fault nothing changes and every value at fault is named. It must not run beside any other
// call on the pool.
func (p *Pool) SetSignal(signal Signal, values []float64, sampledNS int64) error {
	return p.setSignal(signal, values, nil, sampledNS)
}

// SetSignalSampled is SetSignal with a sample time for each endpoint.
func (p *Pool) SetSignalSampled(signal Signal, values []float64, sampledNS []int64) error {
	if len(sampledNS) != len(values) {
		return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("sampledNS: %d sample times for %d values", len(sampledNS), len(values))}
	}
	return p.setSignal(signal, values, sampledNS, 0)
}

func (p *Pool) setSignal(signal Signal, values []float64, times []int64, time int64) error {
	if !p.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_pool_set_signal(p.handle.c, C.int32_t(signal), (*C.double)(unsafe.SliceData(values)), C.size_t(len(values)),
		(*C.int64_t)(unsafe.SliceData(times)), C.int64_t(time), e)
	runtime.KeepAlive(p)
	return toError(status, e)
}

// SetValue sets one value, or forgets it (NaN): for a signal that changes with every request, as SignalInFlight does. NeverSampled as time
// says that the time is not known. It must not run beside any other call on the pool.
func (p *Pool) SetValue(endpoint int, signal Signal, value float64, sampledNS int64) error {
	if !p.open() {
		return ErrClosed
	}
	if endpoint < 0 || endpoint >= len(p.ids) {
		return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("endpoint: no endpoint %d in a pool of %d", endpoint, len(p.ids))}
	}
	e := newError()
	status := C.kthena_pool_set_value(p.handle.c, C.uint32_t(endpoint), C.int32_t(signal), C.double(value), C.int64_t(sampledNS), e)
	runtime.KeepAlive(p)
	return toError(status, e)
}

// Signal reads a signal back: values, NaN where not sampled, and sample times in nanoseconds, NeverSampled where not sampled.
func (p *Pool) Signal(signal Signal) (values []float64, sampledNS []int64, err error) {
	if !p.open() {
		return nil, nil, ErrClosed
	}
	values = make([]float64, len(p.ids))
	sampledNS = make([]int64, len(p.ids))
	e := newError()
	status := C.kthena_pool_get_signal(p.handle.c, C.int32_t(signal), (*C.double)(unsafe.SliceData(values)),
		(*C.int64_t)(unsafe.SliceData(sampledNS)), C.size_t(len(values)), e)
	runtime.KeepAlive(p)
	if err := toError(status, e); err != nil {
		return nil, nil, err
	}
	return values, sampledNS, nil
}

// index turns the number of an endpoint as C writes it into Go's: -1 for none.
func index(c C.uint32_t) int {
	if c == C.KTHENA_NONE {
		return -1
	}
	return int(c)
}

// flat is a list of strings as it travels to C: bytes and offsets. The zero value is empty.
type flat struct {
	bytes   []byte
	offsets []uint64
}

func (f *flat) add(s string) {
	if len(f.offsets) == 0 {
		f.offsets = append(f.offsets, 0)
	}
	f.bytes = append(f.bytes, s...)
	f.offsets = append(f.offsets, uint64(len(f.bytes)))
}

// lists is a list of strings for each endpoint, and where each starts.
type lists struct {
	names  flat
	starts []uint64
}

func newLists(n int) *lists { return &lists{starts: make([]uint64, 1, n+1)} }

func (l *lists) add(names []string) {
	for _, name := range names {
		l.names.add(name)
	}
	l.starts = append(l.starts, uint64(l.names.size()))
}

// start returns NULL when all are empty.
func (l *lists) start() *C.uint64_t {
	if l.names.size() == 0 {
		return nil
	}
	return uint64s(l.starts)
}

func (f *flat) size() int { return max(len(f.offsets)-1, 0) }

func (f *flat) data() *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(f.bytes))) }

func (f *flat) offset() *C.uint64_t { return uint64s(f.offsets) }

func uint64s(s []uint64) *C.uint64_t { return (*C.uint64_t)(unsafe.SliceData(s)) }

func uint32s(s []uint32) *C.uint32_t { return (*C.uint32_t)(unsafe.SliceData(s)) }
