package kthena

/*
#cgo noescape kthena_go_decide
#cgo nocallback kthena_go_decide

#include "structs.h"

static inline kthena_status kthena_go_decide(const kthena_policy* policy, const kthena_pool* pool, kthena_workspace* workspace,
                                             const kthena_go_numbers* numbers, KTHENA_GO_POINTERS, kthena_decision* decision,
                                             kthena_error* error) {
  KTHENA_GO_REQUEST;
  decision->struct_size = (uint32_t)sizeof *decision;
  return kthena_decide(policy, pool, &request, workspace, decision, error);
}

// The same for policies whose scorers call back: its name is not among those above that never do.
static inline kthena_status kthena_go_decide_calling(const kthena_policy* policy, const kthena_pool* pool, kthena_workspace* workspace,
                                                     const kthena_go_numbers* numbers, KTHENA_GO_POINTERS, kthena_decision* decision,
                                                     kthena_error* error) {
  return kthena_go_decide(policy, pool, workspace, numbers, id, model, session, host, rack, zone, region, prefix, prefix_host,
                          prefix_disk, history, history_host, history_disk, decision, error);
}

static inline kthena_status kthena_go_explain(const kthena_policy* policy, const kthena_pool* pool, const kthena_go_numbers* numbers,
                                              KTHENA_GO_POINTERS, char* buffer, size_t capacity, size_t* needed,
                                              kthena_error* error) {
  KTHENA_GO_REQUEST;
  return kthena_explain_json(policy, pool, &request, buffer, capacity, needed, error);
}

static inline kthena_status kthena_go_log_append(kthena_decision_log* log, const kthena_pool* pool, const kthena_go_numbers* numbers,
                                                 KTHENA_GO_POINTERS, kthena_decision* decision, kthena_error* error) {
  KTHENA_GO_REQUEST;
  decision->struct_size = (uint32_t)sizeof *decision;
  return kthena_decision_log_append(log, pool, &request, decision, error);
}
*/
import "C"

import (
	"runtime"
	"strconv"
)

// Match says how much of a prompt each endpoint is known to hold.
type Match struct {
	Depths      []uint32 // leading blocks held, one for each endpoint in the order of the pool; nil: not known
	Total       uint32   // full blocks of the prompt; depths above it count as it
	BlockTokens uint32   // tokens per block, at most 65536; 0: Request.PromptTokens / Total
	HostDepths  []uint32 // held in host memory or faster, beside Depths and no less; nil: not known
	DiskDepths  []uint32 // held on disk or faster, beside Depths and no less than the faster tier has; nil: not known
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
	OutputTokens uint32  // that the answer is expected or allowed to have; 0: not known
	Session      string  // what is to be kept together: a conversation, a user; "": nothing
	Near         Place   // the place to be near to: a peer's, a client's
	SLOTTFT      float64 // time to first token that the client was promised, seconds; 0: nothing
	SLOTPOT      float64 // time per output token that the client was promised, seconds; 0: nothing
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
	Stage         int     // whose parts decided: 0 the policy's own, n its n-th stage of otherwise; the last one when not routed
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

// Abstentions returns how many opinions of scorers of the caller's own were NaN or infinite, in all decisions with this workspace.
func (w *Workspace) Abstentions() uint64 {
	if !w.open() {
		return 0
	}
	defer runtime.KeepAlive(w)
	return uint64(C.kthena_workspace_abstentions(w.handle.c))
}

func (w *Workspace) open() bool { return w != nil && w.handle.c != nil }

// depthCount returns the number of depths as C wants it: one for all arrays. Where they differ it is one that does not fit.
func depthCount(pool *Pool, request *Request) int {
	n := 0
	for _, depths := range [...][]uint32{
		request.Prefix.Depths, request.Prefix.HostDepths, request.Prefix.DiskDepths,
		request.History.Depths, request.History.HostDepths, request.History.DiskDepths,
	} {
		if depths == nil {
			continue
		}
		if n = len(depths); n != pool.Size() {
			break
		}
	}
	return n
}

func numbers(pool *Pool, request *Request) C.kthena_go_numbers {
	near := &request.Near
	return C.kthena_go_numbers{
		sequence: C.uint64_t(request.Sequence), seed: C.uint64_t(request.Seed), now_ns: C.int64_t(request.NowNS),
		slo_ttft_s: C.double(request.SLOTTFT), slo_tpot_s: C.double(request.SLOTPOT),
		id_size: C.size_t(len(request.ID)), model_size: C.size_t(len(request.Model)), session_size: C.size_t(len(request.Session)),
		depth_count:   C.size_t(depthCount(pool, request)),
		near_sizes:    [C.KTHENA_PLACE_LEVELS]C.size_t{C.size_t(len(near.Host)), C.size_t(len(near.Rack)), C.size_t(len(near.Zone)), C.size_t(len(near.Region))},
		prompt_tokens: C.uint32_t(request.PromptTokens), output_tokens: C.uint32_t(request.OutputTokens),
		prefix_total: C.uint32_t(request.Prefix.Total), prefix_block_tokens: C.uint32_t(request.Prefix.BlockTokens),
		history_total: C.uint32_t(request.History.Total), history_block_tokens: C.uint32_t(request.History.BlockTokens),
	}
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
	if p.calls {
		made, err := p.decideCalling(pool, request, workspace)
		if err != nil {
			return err
		}
		c = made
	} else if status := p.decide(pool, request, workspace, &c, nil); status != C.KTHENA_OK {
		return p.decideError(pool, request, workspace)
	}
	decision.set(&c)
	return nil
}

func (d *Decision) set(c *C.kthena_decision) {
	d.Outcome = Outcome(c.outcome)
	d.Endpoint = index(c.endpoint)
	d.Reason = Reason(c.reason)
	d.ReasonSubject = uint32(c.reason_subject)
	d.ReasonA = float64(c.reason_a)
	d.ReasonB = float64(c.reason_b)
	d.Score = float64(c.score)
	d.Margin = float64(c.margin)
	d.Candidates = int(c.candidates)
	d.Stage = int(c.stage)
	ranked := c.ranked[:c.ranked_count]
	d.rankedCount = len(ranked)
	for i, endpoint := range ranked {
		d.ranked[i] = int(endpoint)
	}
	clear(d.ranked[len(ranked):]) // so that equal decisions are ==
}

func (p *Policy) decide(pool *Pool, request *Request, workspace *Workspace, c *C.kthena_decision, e *C.kthena_error) C.kthena_status {
	n := numbers(pool, request)
	status := C.kthena_go_decide(p.handle.c, pool.handle.c, workspace.handle.c, &n,
		chars(request.ID), chars(request.Model), chars(request.Session),
		chars(request.Near.Host), chars(request.Near.Rack), chars(request.Near.Zone), chars(request.Near.Region),
		uint32s(request.Prefix.Depths), uint32s(request.Prefix.HostDepths), uint32s(request.Prefix.DiskDepths),
		uint32s(request.History.Depths), uint32s(request.History.HostDepths), uint32s(request.History.DiskDepths), c, e)
	runtime.KeepAlive(p)
	runtime.KeepAlive(pool)
	runtime.KeepAlive(workspace)
	return status
}

// decideCalling is decide for a policy with scorers of the caller's own: a stack may move while they run, so nothing that C gets is on it.
//
//go:noinline
func (p *Policy) decideCalling(pool *Pool, request *Request, workspace *Workspace) (C.kthena_decision, error) {
	n := numbers(pool, request)
	var c C.kthena_decision
	err := calling(request, func() error {
		e := newError()
		return toError(C.kthena_go_decide_calling(p.handle.c, pool.handle.c, workspace.handle.c, &n,
			chars(request.ID), chars(request.Model), chars(request.Session),
			chars(request.Near.Host), chars(request.Near.Rack), chars(request.Near.Zone), chars(request.Near.Region),
			uint32s(request.Prefix.Depths), uint32s(request.Prefix.HostDepths), uint32s(request.Prefix.DiskDepths),
			uint32s(request.History.Depths), uint32s(request.History.HostDepths), uint32s(request.History.DiskDepths), &c, e), e)
	})
	runtime.KeepAlive(p)
	runtime.KeepAlive(pool)
	runtime.KeepAlive(workspace)
	return c, err
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
	n := numbers(pool, request)
	explain := func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_go_explain(p.handle.c, pool.handle.c, &n,
			chars(request.ID), chars(request.Model), chars(request.Session),
			chars(request.Near.Host), chars(request.Near.Rack), chars(request.Near.Zone), chars(request.Near.Region),
			uint32s(request.Prefix.Depths), uint32s(request.Prefix.HostDepths), uint32s(request.Prefix.DiskDepths),
			uint32s(request.History.Depths), uint32s(request.History.HostDepths), uint32s(request.History.DiskDepths),
			buffer, capacity, needed, e)
	}
	if !p.calls {
		return text(explain)
	}
	var document []byte
	err := calling(request, func() (err error) {
		document, err = text(explain)
		return err
	})
	return document, err
}

// DecideJSON takes one document, {"pool", "policy", "request", "explain"}, and returns a decision or explanation. Any goroutine.
func DecideJSON(document []byte) ([]byte, error) {
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_route_decide_json(bytesStr(document), buffer, capacity, needed, e)
	})
}

// Append adds a decision that was made of this pool, as it still is, and this request. One goroutine per log; beside others that read the
// pool. What it needs grows with the pool and is kept.
func (l *DecisionLog) Append(pool *Pool, request *Request, decision *Decision) error {
	if !l.open() || !pool.open() {
		return ErrClosed
	}
	if request == nil || decision == nil {
		return &Error{Code: CodeInvalidArgument, Message: "request and decision must not be nil"}
	}
	c := C.kthena_decision{
		outcome: C.int32_t(decision.Outcome), endpoint: C.KTHENA_NONE, reason: C.int32_t(decision.Reason),
		reason_subject: C.uint32_t(decision.ReasonSubject), candidates: C.uint32_t(decision.Candidates),
		reason_a: C.double(decision.ReasonA), reason_b: C.double(decision.ReasonB), score: C.double(decision.Score),
		margin: C.double(decision.Margin), ranked_count: C.uint32_t(decision.rankedCount), stage: C.uint32_t(decision.Stage),
	}
	if decision.Endpoint >= 0 {
		c.endpoint = C.uint32_t(decision.Endpoint)
	}
	for i, endpoint := range decision.Ranking() {
		c.ranked[i] = C.uint32_t(endpoint)
	}
	n := numbers(pool, request)
	e := newError()
	status := C.kthena_go_log_append(l.handle.c, pool.handle.c, &n,
		chars(request.ID), chars(request.Model), chars(request.Session),
		chars(request.Near.Host), chars(request.Near.Rack), chars(request.Near.Zone), chars(request.Near.Region),
		uint32s(request.Prefix.Depths), uint32s(request.Prefix.HostDepths), uint32s(request.Prefix.DiskDepths),
		uint32s(request.History.Depths), uint32s(request.History.HostDepths), uint32s(request.History.DiskDepths), &c, e)
	runtime.KeepAlive(l)
	runtime.KeepAlive(pool)
	return toError(status, e)
}
