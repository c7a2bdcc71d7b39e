// Package kthena decides for LLM-inference platforms: snapshot in, decision out, with the reason attached.
//
//	pool, err := kthena.NewPool([]kthena.Endpoint{{ID: "pod-a"}, {ID: "pod-b"}})
//	err = pool.SetSignal(kthena.SignalWaiting, []float64{5, 0}, nowNS)
//	policy, err := kthena.NewPolicy("kthena-default")
//	workspace := kthena.NewWorkspace() // one per goroutine that decides
//	decision, err := policy.Decide(pool, &kthena.Request{ID: "request-1", NowNS: nowNS, Seed: 1}, workspace)
//	// pool.ID(decision.Endpoint), decision.Ranking(), decision.Reason.Text()
//
// It is a thin layer over the C interface (kthena/kthena.h); everything is decided there, so the same input gives the same decision in
// C++, C, Python and Go. Nothing reads a clock or a random source: NowNS and Seed are arguments.
//
// # Ownership
//
// Pool, Policy, Workspace, PrefixIndex, PrefixQuery, EngineParser, EngineSample, KvStream, DecisionLog, Fleet and Simulation own memory
// outside Go's heap. Close gives it back at once; without it the garbage collector does so some time after the last use. A second Close does
// nothing, and a closed or zero value refuses its work with [ErrClosed]. Slices and strings are read during the call and never kept.
//
// # Goroutines
//
// Each method says which calls it may run beside. What is not allowed to overlap must be ordered by the caller, as with a map; Close
// must not overlap with anything on the same value.
//
// # Order
//
// Endpoints are numbered as the caller gave them. The order never changes a decision.
package kthena

// #include "kthena/kthena.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// NeverSampled is the sample time of a signal that was never sampled, or at a time that is not known.
const NeverSampled int64 = C.KTHENA_NEVER

// MaxRanked is the length of the longest ranking.
const MaxRanked = C.KTHENA_MAX_RANKED

// Version returns major, minor and patch of the library that is linked. Any goroutine.
func Version() (major, minor, patch int) {
	v := uint32(C.kthena_version())
	return int(v >> 16), int(v >> 8 & 0xFF), int(v & 0xFF)
}

// HashID returns the hash of an id, as used for ties. Any goroutine.
func HashID(id string) uint64 {
	return uint64(C.kthena_hash_id(str(id)))
}

// RandomUint64 returns the number at place counter of a stream of a seed, uniform over 64 bits and the same in every language. Any
// goroutine.
func RandomUint64(seed, stream, counter uint64) uint64 {
	return uint64(C.kthena_random_u64(C.uint64_t(seed), C.uint64_t(stream), C.uint64_t(counter)))
}

// str borrows a string for the duration of one C call.
func str(s string) C.kthena_str {
	return C.kthena_str{data: chars(s), size: C.size_t(len(s))}
}

// chars borrows the bytes of a string for the duration of one C call.
func chars(s string) *C.char { return (*C.char)(unsafe.Pointer(unsafe.StringData(s))) }

// bytesStr borrows bytes for the duration of one C call.
func bytesStr(b []byte) C.kthena_str {
	return C.kthena_str{data: (*C.char)(unsafe.Pointer(unsafe.SliceData(b))), size: C.size_t(len(b))}
}

// A handle owns one C object, known by a pointer of type P. The zero value is closed.
type handle[P comparable] struct {
	c       P
	cleanup runtime.Cleanup
}

// own makes h, which must be part of owner, the owner of c.
func own[P comparable, Owner any](owner *Owner, h *handle[P], c P, free func(P)) {
	h.c = c
	h.cleanup = runtime.AddCleanup(owner, free, c)
}

func (h *handle[P]) close(free func(P)) {
	var none P
	if h.c == none {
		return
	}
	h.cleanup.Stop()
	free(h.c)
	h.c = none
}

// text calls a C function that writes text into a buffer, at most twice.
func text(call func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status) ([]byte, error) {
	buffer := make([]byte, 4096)
	for {
		var needed C.size_t
		e := newError()
		status := call((*C.char)(unsafe.Pointer(unsafe.SliceData(buffer))), C.size_t(len(buffer)), &needed, e)
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
