package kthena

/*
#cgo noescape kthena_go_decide
#cgo nocallback kthena_go_decide

#include "kthena/kthena.h"

// A struct that holds Go pointers may not go to C. So what it holds goes one by one, and the struct is made here.
static inline kthena_request kthena_go_request(const char* id, size_t id_size, const char* model, size_t model_size,
                                               uint32_t prompt_tokens, const uint32_t* prefix_depths, uint32_t prefix_total,
                                               const uint32_t* history_depths, uint32_t history_total, size_t depth_count,
                                               uint64_t sequence, int64_t now_ns, uint64_t seed) {
  kthena_request request = KTHENA_INIT(kthena_request);
  request.id.data = id;
  request.id.size = id_size;
  request.model.data = model;
  request.model.size = model_size;
  request.prompt_tokens = prompt_tokens;
  request.prefix_depths = prefix_depths;
  request.prefix_total = prefix_total;
  request.history_depths = history_depths;
  request.history_total = history_total;
  request.depth_count = depth_count;
  request.sequence = sequence;
  request.now_ns = now_ns;
  request.seed = seed;
  return request;
}

static inline kthena_status kthena_go_decide(const kthena_policy* policy, const kthena_pool* pool, kthena_workspace* workspace,
                                             const char* id, size_t id_size, const char* model, size_t model_size,
                                             uint32_t prompt_tokens, const uint32_t* prefix_depths, uint32_t prefix_total,
                                             const uint32_t* history_depths, uint32_t history_total, size_t depth_count,
                                             uint64_t sequence, int64_t now_ns, uint64_t seed, kthena_decision* decision,
                                             kthena_error* error) {
  kthena_request request = kthena_go_request(id, id_size, model, model_size, prompt_tokens, prefix_depths, prefix_total,
                                             history_depths, history_total, depth_count, sequence, now_ns, seed);
  decision->struct_size = (uint32_t)sizeof *decision;
  return kthena_decide(policy, pool, &request, workspace, decision, error);
}

static inline kthena_status kthena_go_explain(const kthena_policy* policy, const kthena_pool* pool, const char* id, size_t id_size,
                                              const char* model, size_t model_size, uint32_t prompt_tokens,
                                              const uint32_t* prefix_depths, uint32_t prefix_total, const uint32_t* history_depths,
                                              uint32_t history_total, size_t depth_count, uint64_t sequence, int64_t now_ns,
                                              uint64_t seed, char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
  kthena_request request = kthena_go_request(id, id_size, model, model_size, prompt_tokens, prefix_depths, prefix_total,
                                             history_depths, history_total, depth_count, sequence, now_ns, seed);
  return kthena_explain_json(policy, pool, &request, buffer, capacity, needed, error);
}
*/
import "C"

import (
	"runtime"
	"strconv"
)

// Match says how much of a prompt each endpoint is known to hold.
type Match struct {
	Depths []uint32 // leading blocks held, one for each endpoint in the order of the pool; nil: not known
	Total  uint32   // full blocks of the prompt; depths above it count as it
}

// Request is what a decision may know about a request.
type Request struct {
	ID           string // ties and random choices hang on it
	Model        string // model or adapter asked for
	PromptTokens uint32
	Prefix       Match  // from an index of what engines hold
	History      Match  // by the router's own memory of what it sent; policies that want it read Prefix when it is not known
	Sequence     uint64 // count of requests so far; round robin follows it
	NowNS        int64  // nanoseconds since an epoch of the caller's choice
	Seed         uint64
}

// Outcome says whether a request has somewhere to go.
type Outcome int32

// The outcomes.
const (
	Routed     Outcome = C.KTHENA_ROUTED
	NoEndpoint Outcome = C.KTHENA_NO_ENDPOINT // nobody can take it; the reason says why
)

// String returns the name that documents use, "Outcome(n)" for a number that is none.
func (o Outcome) String() string {
	switch o {
	case Routed:
		return "routed"
	case NoEndpoint:
		return "no_endpoint"
	}
	return "Outcome(" + strconv.Itoa(int(o)) + ")"
}

// Decision says where a request goes, where next if that fails, and why.
type Decision struct {
	Outcome       Outcome
	Endpoint      int    // the chosen one; -1 when not routed
	Reason        Reason // ReasonSubject, ReasonA and ReasonB are what its text says
	ReasonSubject uint32
	ReasonA       float64
	ReasonB       float64
	Score         float64 // total of the chosen one, in the policy's unit
	Margin        float64 // score minus that of the runner-up
	Candidates    int     // endpoints left after the filters
	rankedCount   int
	ranked        [MaxRanked]int
}

// Ranking returns the best endpoints, best first: the chosen one, then those to try when it fails. The slice is part of d.
func (d *Decision) Ranking() []int { return d.ranked[:d.rankedCount] }

// Failover returns those to try when the chosen one fails, in this order. The slice is part of d.
func (d *Decision) Failover() []int { return d.ranked[min(1, d.rankedCount):d.rankedCount] }

// Workspace is scratch memory of decisions, for any pool and policy. One decision at a time.
type Workspace struct {
	handle handle[*C.kthena_workspace]
}

func freeWorkspace(c *C.kthena_workspace) { C.kthena_workspace_free(c) }

// NewWorkspace makes an empty one. Any goroutine.
func NewWorkspace() *Workspace {
	w := &Workspace{}
	if c := C.kthena_workspace_create(); c != nil { // nil: out of memory; decisions will refuse it
		own(w, &w.handle, c, freeWorkspace)
	}
	return w
}

// Close frees the workspace.
func (w *Workspace) Close() {
	if w != nil {
		w.handle.close(freeWorkspace)
	}
}

func (w *Workspace) open() bool { return w != nil && w.handle.c != nil }

// depthCount returns the number of depths as C wants it: one for both arrays. Where they differ it is the one that does not fit.
func depthCount(pool *Pool, request *Request) int {
	n := len(request.Prefix.Depths)
	if request.History.Depths != nil && (request.Prefix.Depths == nil || n == pool.Size()) {
		n = len(request.History.Depths)
	}
	return n
}

// Decide makes one decision. Pool and policy may be read by any number of goroutines at once, each with a workspace of its own. With an error
// comes a decision that is not routed.
func (p *Policy) Decide(pool *Pool, request *Request, workspace *Workspace) (Decision, error) {
	decision := Decision{Outcome: NoEndpoint, Endpoint: -1}
	err := p.DecideInto(pool, request, workspace, &decision)
	return decision, err
}

// DecideInto is Decide with the place for the answer, which stays as it was on an error. It allocates nothing once the workspace has grown
// to the pool.
func (p *Policy) DecideInto(pool *Pool, request *Request, workspace *Workspace, decision *Decision) error {
	if !p.open() || !pool.open() || !workspace.open() {
		return ErrClosed
	}
	if request == nil || decision == nil {
		return &Error{Code: CodeInvalidArgument, Message: "request and decision must not be nil"}
	}
	var c C.kthena_decision
	status := p.decide(pool, request, workspace, &c, nil)
	if status != C.KTHENA_OK {
		return p.decideError(pool, request, workspace)
	}
	decision.Outcome = Outcome(c.outcome)
	decision.Endpoint = index(c.endpoint)
	decision.Reason = Reason(c.reason)
	decision.ReasonSubject = uint32(c.reason_subject)
	decision.ReasonA = float64(c.reason_a)
	decision.ReasonB = float64(c.reason_b)
	decision.Score = float64(c.score)
	decision.Margin = float64(c.margin)
	decision.Candidates = int(c.candidates)
	ranked := c.ranked[:c.ranked_count]
	decision.rankedCount = len(ranked)
	for i, endpoint := range ranked {
		decision.ranked[i] = int(endpoint)
	}
	clear(decision.ranked[len(ranked):]) // so that equal decisions are ==
	return nil
}

func (p *Policy) decide(pool *Pool, request *Request, workspace *Workspace, c *C.kthena_decision, e *C.kthena_error) C.kthena_status {
	status := C.kthena_go_decide(p.handle.c, pool.handle.c, workspace.handle.c,
		chars(request.ID), C.size_t(len(request.ID)),
		chars(request.Model), C.size_t(len(request.Model)), C.uint32_t(request.PromptTokens),
		uint32s(request.Prefix.Depths), C.uint32_t(request.Prefix.Total),
		uint32s(request.History.Depths), C.uint32_t(request.History.Total), C.size_t(depthCount(pool, request)),
		C.uint64_t(request.Sequence), C.int64_t(request.NowNS), C.uint64_t(request.Seed), c, e)
	runtime.KeepAlive(p)
	runtime.KeepAlive(pool)
	runtime.KeepAlive(workspace)
	return status
}

// decideError asks once more, for the text. Apart, because an error struct is larger than all else that a decision needs.
//
//go:noinline
func (p *Policy) decideError(pool *Pool, request *Request, workspace *Workspace) error {
	var c C.kthena_decision
	e := newError()
	return toError(p.decide(pool, request, workspace, &c, e), e)
}

// Explain returns the same decision taken apart, candidate by candidate, as JSON (docs/schemas/explanation.schema.json). It may run beside
// decisions.
func (p *Policy) Explain(pool *Pool, request *Request) ([]byte, error) {
	if !p.open() || !pool.open() {
		return nil, ErrClosed
	}
	if request == nil {
		return nil, &Error{Code: CodeInvalidArgument, Message: "request must not be nil"}
	}
	defer runtime.KeepAlive(p)
	defer runtime.KeepAlive(pool)
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_go_explain(p.handle.c, pool.handle.c,
			chars(request.ID), C.size_t(len(request.ID)),
			chars(request.Model), C.size_t(len(request.Model)), C.uint32_t(request.PromptTokens),
			uint32s(request.Prefix.Depths), C.uint32_t(request.Prefix.Total),
			uint32s(request.History.Depths), C.uint32_t(request.History.Total), C.size_t(depthCount(pool, request)),
			C.uint64_t(request.Sequence), C.int64_t(request.NowNS), C.uint64_t(request.Seed), buffer, capacity, needed, e)
	})
}

// DecideJSON takes one document, {"pool", "policy", "request", "explain"}, and returns a decision or explanation. Any goroutine.
func DecideJSON(document []byte) ([]byte, error) {
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_route_decide_json(bytesStr(document), buffer, capacity, needed, e)
	})
}
