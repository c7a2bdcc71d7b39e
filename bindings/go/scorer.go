package kthena

/*
#include <stdlib.h>

#include "kthena/kthena.h"

extern kthena_status kthenaGoScore(uintptr_t scorer, uintptr_t call, kthena_score_input* input, double* out, size_t n, kthena_error* error);
extern void kthenaGoFreeScorer(uintptr_t scorer);

// The decision that this thread makes: a callback comes on the thread that called.
static __thread uintptr_t kthena_go_call;

static kthena_status kthena_go_score(void* scorer, const kthena_score_input* input, double* out, size_t n, kthena_error* error) {
  const uintptr_t call = kthena_go_call; // a scorer may decide
  const kthena_status status = kthenaGoScore((uintptr_t)scorer, call, (kthena_score_input*)input, out, n, error);
  kthena_go_call = call;
  return status;
}

static void kthena_go_free_scorer(void* scorer) { kthenaGoFreeScorer((uintptr_t)scorer); }

static kthena_status kthena_go_policy_create_with(const char* json, size_t json_size, const char* names, const uint64_t* offsets,
                                                  const uintptr_t* handles, size_t n, kthena_policy** policy, kthena_error* error) {
  kthena_scorer* scorers = calloc(n + 1, sizeof *scorers);
  const kthena_scorer** list = calloc(n + 1, sizeof *list);
  kthena_status status = KTHENA_RESOURCE_EXHAUSTED;
  if (scorers != NULL && list != NULL) {
    for (size_t i = 0; i < n; ++i) {
      scorers[i].struct_size = (uint32_t)sizeof *scorers;
      scorers[i].name = (kthena_str){names + offsets[i], offsets[i + 1] - offsets[i]};
      scorers[i].context = (void*)handles[i];
      scorers[i].score = kthena_go_score;
      scorers[i].free_context = kthena_go_free_scorer;
      list[i] = &scorers[i];
    }
    status = kthena_policy_create_with((kthena_str){json, json_size}, list, n, policy, error);
  }
  free(scorers);
  free(list);
  return status;
}

static void kthena_go_set_call(uintptr_t call) { kthena_go_call = call; }
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/cgo"
	"slices"
	"unsafe"
)

// Scorer writes an opinion for each candidate, higher is better, by convention 0 to 100. NaN or an infinity abstains, and so does what is
// not written. An error or a panic fails the decision with a [ScorerError]. It is called on the goroutine that decides, on several at once
// where several do, and must not use the workspace of the decision. Neither input nor out may be kept.
type Scorer func(input *ScoreInput, out []float64) error

// ScorerError says that a scorer of the caller's own failed. Nothing has changed.
type ScorerError struct {
	Scorer string // its name, without "user:"
	Err    error  // what it returned, or its panic
}

func (e *ScorerError) Error() string {
	return fmt.Sprintf("kthena: scorer \"user:%s\": %v", e.Scorer, e.Err)
}

// Unwrap returns what the scorer returned.
func (e *ScorerError) Unwrap() error { return e.Err }

// ScoreInput is what a scorer may see: the candidates, by number. Slices are of C memory and live for the call of the scorer.
type ScoreInput struct {
	c       *C.kthena_score_input
	n       int
	request *Request
}

// Len returns the number of candidates.
func (in *ScoreInput) Len() int { return in.n }

// Column returns the values of a signal, NaN where never sampled; nil for a signal that is not known.
func (in *ScoreInput) Column(signal Signal) []float64 {
	column := C.kthena_score_input_column(in.c, C.int32_t(signal))
	if column == nil {
		return nil
	}
	return unsafe.Slice((*float64)(unsafe.Pointer(column)), in.n)
}

// Keys returns HashID of the ids of the candidates.
func (in *ScoreInput) Keys() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(C.kthena_score_input_keys(in.c))), in.n)
}

// PrefixDepths returns the leading blocks of the prompt that each candidate holds, all 0 when it is not known, and the blocks of the prompt.
func (in *ScoreInput) PrefixDepths() (depths []uint32, total uint32) {
	var c C.uint32_t
	first := C.kthena_score_input_prefix_depths(in.c, &c)
	return unsafe.Slice((*uint32)(unsafe.Pointer(first)), in.n), uint32(c)
}

// HistoryDepths is PrefixDepths by the router's own memory; without one it is the same.
func (in *ScoreInput) HistoryDepths() (depths []uint32, total uint32) {
	var c C.uint32_t
	first := C.kthena_score_input_history_depths(in.c, &c)
	return unsafe.Slice((*uint32)(unsafe.Pointer(first)), in.n), uint32(c)
}

// Endpoints returns the endpoint of the pool behind each candidate.
func (in *ScoreInput) Endpoints() []int {
	numbers := make([]uint32, in.n)
	C.kthena_score_input_endpoints(in.c, (*C.uint32_t)(unsafe.Pointer(unsafe.SliceData(numbers))))
	endpoints := make([]int, in.n)
	for i, number := range numbers {
		endpoints[i] = int(number)
	}
	return endpoints
}

// Request returns the request that is decided about.
func (in *ScoreInput) Request() *Request { return in.request }

type namedScorer struct {
	name  string
	score Scorer
}

// A scorerCall is one decision of a policy with scorers of the caller's own.
type scorerCall struct {
	request *Request
	failure *ScorerError
}

// NewPolicyWith is NewPolicyJSON with scorers of the caller's own by name; the document names them "user:" and the name. Those that it does
// not name are not asked. The policy holds on to them until Close. Any goroutine.
func NewPolicyWith(document []byte, scorers map[string]Scorer) (*Policy, error) {
	names := slices.Sorted(maps.Keys(scorers))
	var bytes []byte
	offsets := make([]uint64, 1, len(names)+1)
	handles := make([]C.uintptr_t, 0, len(names)+1)
	for _, name := range names {
		if scorers[name] == nil {
			return nil, &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("scorers[%q]: must not be nil", name)}
		}
		bytes = append(bytes, name...)
		offsets = append(offsets, uint64(len(bytes)))
	}
	for _, name := range names {
		handles = append(handles, C.uintptr_t(cgo.NewHandle(namedScorer{name, scorers[name]})))
	}
	var c *C.kthena_policy
	e := newError()
	document_, bytes_ := bytesStr(document), bytesStr(bytes)
	status := C.kthena_go_policy_create_with(document_.data, document_.size, bytes_.data,
		(*C.uint64_t)(unsafe.Pointer(unsafe.SliceData(offsets))), unsafe.SliceData(handles), C.size_t(len(handles)), &c, e)
	if status != C.KTHENA_OK {
		for _, handle := range handles { // still ours
			cgo.Handle(handle).Delete()
		}
	}
	p, err := newPolicy(c, toError(status, e))
	if err == nil {
		p.calls = len(names) > 0
	}
	return p, err
}

// calling runs a decision whose scorers may call back.
func calling(request *Request, decide func() error) error {
	copied := *request // so that requests of decisions without callbacks may stay on the stack
	call := &scorerCall{request: &copied}
	handle := cgo.NewHandle(call)
	defer handle.Delete()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	C.kthena_go_set_call(C.uintptr_t(handle))
	defer C.kthena_go_set_call(0)
	err := decide()
	if err != nil && call.failure != nil {
		return call.failure
	}
	return err
}

// ask runs a scorer; a panic becomes an error.
func ask(scorer Scorer, input *ScoreInput, out []float64) (err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		switch r := recover().(type) {
		case nil: // runtime.Goexit, which ends the goroutine all the same
			err = errors.New("the scorer ended its goroutine")
		case error:
			err = fmt.Errorf("panic: %w", r)
		default:
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	err = scorer(input, out)
	finished = true
	return err
}
