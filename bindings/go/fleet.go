package kthena

/*
#cgo noescape kthena_go_fleet_decide
#cgo nocallback kthena_go_fleet_decide
#cgo noescape kthena_go_fleet_book
#cgo nocallback kthena_go_fleet_book
#cgo noescape kthena_go_fleet_decide_batch
#cgo nocallback kthena_go_fleet_decide_batch
#cgo noescape kthena_fleet_sample
#cgo nocallback kthena_fleet_sample
#cgo noescape kthena_go_fleet_signal
#cgo nocallback kthena_go_fleet_signal
#cgo noescape kthena_fleet_get_counts
#cgo nocallback kthena_fleet_get_counts

#include <stdlib.h>

#include "structs.h"

// All of a request and its prompt that is no pointer.
typedef struct kthena_go_fleet_numbers {
  kthena_go_numbers request;
  size_t tokens, space_model_size, adapter_size, tenant_size;
  uint32_t has_prompt;
} kthena_go_fleet_numbers;

typedef struct kthena_go_routed {
  kthena_decision decision;
  kthena_ticket ticket;
} kthena_go_routed;

typedef struct kthena_go_fleet_sample {
  double value;
  int64_t sampled_ns;
} kthena_go_fleet_sample;

#define KTHENA_GO_PROMPT_POINTERS const uint32_t *tokens, const char *space_model, const char *adapter, const char *tenant
#define KTHENA_GO_PROMPT                                            \
  kthena_prompt prompt = KTHENA_INIT(kthena_prompt);                \
  prompt.tokens = tokens;                                           \
  prompt.n = all->tokens;                                           \
  prompt.model = (kthena_str){space_model, all->space_model_size};  \
  prompt.adapter = (kthena_str){adapter, all->adapter_size};        \
  prompt.tenant = (kthena_str){tenant, all->tenant_size}

static inline kthena_status kthena_go_fleet_create(const kthena_fleet_options* given, const kthena_prefix_index_options* prefix,
                                                   kthena_fleet** fleet, kthena_error* error) {
  kthena_fleet_options options = *given;
  options.prefix = prefix;
  return kthena_fleet_create(&options, fleet, error);
}

static inline kthena_status kthena_go_fleet_add(kthena_fleet* fleet, size_t n, KTHENA_GO_ENDPOINT_POINTERS, int64_t now_ns,
                                                uint32_t* numbers, kthena_error* error) {
  KTHENA_GO_ENDPOINTS;
  return kthena_fleet_add_endpoints(fleet, &endpoints, now_ns, numbers, error);
}

static inline kthena_status kthena_go_fleet_signal(const kthena_fleet* fleet, uint32_t endpoint, int32_t signal,
                                                   kthena_go_fleet_sample* sample, kthena_error* error) {
  return kthena_fleet_get_signal(fleet, endpoint, signal, &sample->value, &sample->sampled_ns, error);
}

static inline kthena_status kthena_go_fleet_decide(kthena_fleet* fleet, const kthena_policy* policy, kthena_workspace* workspace,
                                                   const kthena_go_fleet_numbers* all, KTHENA_GO_STRINGS, KTHENA_GO_PROMPT_POINTERS,
                                                   kthena_go_routed* routed, kthena_error* error) {
  const kthena_go_numbers* numbers = &all->request;
  KTHENA_GO_PLAIN_REQUEST;
  KTHENA_GO_PROMPT;
  routed->decision.struct_size = (uint32_t)sizeof routed->decision;
  return kthena_fleet_decide(fleet, policy, &request, all->has_prompt ? &prompt : NULL, workspace, &routed->decision,
                             &routed->ticket, error);
}

// The same for policies whose scorers call back: its name is not among those above that never do.
static inline kthena_status kthena_go_fleet_decide_calling(kthena_fleet* fleet, const kthena_policy* policy,
                                                           kthena_workspace* workspace, const kthena_go_fleet_numbers* all,
                                                           KTHENA_GO_STRINGS, KTHENA_GO_PROMPT_POINTERS, kthena_go_routed* routed,
                                                           kthena_error* error) {
  return kthena_go_fleet_decide(fleet, policy, workspace, all, id, model, session, host, rack, zone, region, tokens, space_model,
                                adapter, tenant, routed, error);
}

static inline kthena_status kthena_go_fleet_book(kthena_fleet* fleet, uint32_t endpoint, const kthena_go_fleet_numbers* all,
                                                 KTHENA_GO_STRINGS, KTHENA_GO_PROMPT_POINTERS, kthena_ticket* ticket,
                                                 kthena_error* error) {
  const kthena_go_numbers* numbers = &all->request;
  KTHENA_GO_PLAIN_REQUEST;
  KTHENA_GO_PROMPT;
  return kthena_fleet_book(fleet, endpoint, &request, all->has_prompt ? &prompt : NULL, ticket, error);
}

// text: the strings of all requests one behind the other, ten each, in the order of the parameters above.
static kthena_status kthena_go_fleet_decide_batch(kthena_fleet* fleet, const kthena_policy* policy, kthena_workspace* workspace,
                                                  const kthena_go_fleet_numbers* all, const char* text,
                                                  const uint32_t* const* all_tokens, size_t n, kthena_go_routed* routed,
                                                  size_t* decided, kthena_error* error) {
  kthena_request* requests = calloc(n + 1, sizeof *requests);
  kthena_prompt* prompts = calloc(n + 1, sizeof *prompts);
  void** pointers = calloc(3 * n + 1, sizeof *pointers);
  kthena_ticket* tickets = calloc(n + 1, sizeof *tickets);
  kthena_status status = KTHENA_RESOURCE_EXHAUSTED;
  error->message[0] = 0;
  if (requests != NULL && prompts != NULL && pointers != NULL && tickets != NULL) {
    const kthena_request** request_list = (const kthena_request**)pointers;
    const kthena_prompt** prompt_list = (const kthena_prompt**)(pointers + n);
    kthena_decision** decisions = (kthena_decision**)(pointers + 2 * n);
    for (size_t i = 0; i < n; ++i, ++all) {
      const kthena_go_numbers* numbers = &all->request;
      const char* id = text;
      const char* model = id + numbers->id_size;
      const char* session = model + numbers->model_size;
      const char* host = session + numbers->session_size;
      const char* rack = host + numbers->near_sizes[0];
      const char* zone = rack + numbers->near_sizes[1];
      const char* region = zone + numbers->near_sizes[2];
      const char* space_model = region + numbers->near_sizes[3];
      const char* adapter = space_model + all->space_model_size;
      const char* tenant = adapter + all->adapter_size;
      const uint32_t* tokens = all_tokens[i];
      text = tenant + all->tenant_size;
      KTHENA_GO_PLAIN_REQUEST;
      KTHENA_GO_PROMPT;
      requests[i] = request;
      prompts[i] = prompt;
      request_list[i] = &requests[i];
      prompt_list[i] = all->has_prompt ? &prompts[i] : NULL;
      routed[i].decision.struct_size = (uint32_t)sizeof routed[i].decision;
      decisions[i] = &routed[i].decision;
    }
    status = kthena_fleet_decide_batch(fleet, policy, request_list, prompt_list, n, workspace, decisions, tickets, decided, error);
    for (size_t i = 0; status == KTHENA_OK && i < *decided; ++i) routed[i].ticket = tickets[i];
  }
  free(requests);
  free(prompts);
  free(pointers);
  free(tickets);
  return status;
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"strconv"
	"unsafe"
)

// Estimator says how a fleet makes SignalInFlight of its own bookings and of what endpoints say.
type Estimator int32

// The estimators (docs/fleet.md).
const (
	EstimatorDefault         Estimator = C.KTHENA_ESTIMATE_DEFAULT // EstimatorSamplePlusLater
	EstimatorOwn             Estimator = C.KTHENA_ESTIMATE_OWN
	EstimatorSample          Estimator = C.KTHENA_ESTIMATE_SAMPLE
	EstimatorSamplePlusLater Estimator = C.KTHENA_ESTIMATE_SAMPLE_PLUS_LATER
	EstimatorMaximum         Estimator = C.KTHENA_ESTIMATE_MAXIMUM
)

// FleetOptions are the options of a Fleet. The zero value has all defaults.
type FleetOptions struct {
	MaxTickets     uint32 // in flight at once, 1..2^24; 0: 2^20
	MaxEndpoints   uint32 // 1..2^20; 0: 65536
	MaxHomeEntries uint32 // prefixes whose last endpoint is remembered, 4..2^28; 0: 2^18
	Routers        uint32 // that send to these endpoints, this one included, 1..65536; 0: 1
	Estimator      Estimator
	FixedRates     bool  // rates of endpoints are not learned
	IdleLimitNS    int64 // a ticket silent for so long is expired, 1 ms..30 days; 0: 600 s
	ArrivalNS      int64 // from a booking until the endpoint counts it, 0..1 h
	Prefix         PrefixIndexOptions
}

// Prompt is a prompt as token ids, in the namespace of engines that would share its blocks.
type Prompt struct {
	Tokens []uint32
	Space  Namespace
}

// Ticket is a booked request. A value, to be copied; the zero value is none and stale everywhere.
type Ticket struct {
	generation uint64
	slot       uint32
}

// IsZero says that it is none: what comes with a decision that is not routed.
func (t Ticket) IsZero() bool { return t == Ticket{} }

func (t Ticket) c() C.kthena_ticket {
	return C.kthena_ticket{generation: C.uint64_t(t.generation), slot: C.uint32_t(t.slot)}
}

func toTicket(c *C.kthena_ticket) Ticket { return Ticket{uint64(c.generation), uint32(c.slot)} }

// TicketOutcome says what became of a call with a ticket.
type TicketOutcome int32

// The outcomes of calls with tickets.
const (
	TicketApplied  TicketOutcome = C.KTHENA_TICKET_APPLIED
	TicketRepeated TicketOutcome = C.KTHENA_TICKET_REPEATED // that had been said before
	TicketStale    TicketOutcome = C.KTHENA_TICKET_STALE    // it is not in flight (any more); counted, nothing else changed
)

// String returns the name, "TicketOutcome(n)" for a number that is none.
func (o TicketOutcome) String() string {
	switch o {
	case TicketApplied:
		return "applied"
	case TicketRepeated:
		return "repeated"
	case TicketStale:
		return "stale"
	}
	return "TicketOutcome(" + strconv.Itoa(int(o)) + ")"
}

// RequestEnd says how a request ended.
type RequestEnd int32

// The ends.
const (
	EndDone   RequestEnd = C.KTHENA_END_DONE
	EndFailed RequestEnd = C.KTHENA_END_FAILED // refused or broken off
)

// FleetCounts are counts of a Fleet. Booked is the sum of Done, Failed, Expired, Dropped and InFlight.
type FleetCounts struct {
	InFlight     uint32
	Booked       uint64
	Done         uint64
	Failed       uint64
	Expired      uint64
	Dropped      uint64 // with an endpoint that restarted or was removed
	Stale        uint64 // calls with a ticket that was not in flight
	OlderSamples uint64 // samples that came too late
	ClockBehind  uint64 // calls whose nowNS was before the latest
}

// Booking is a decision and what was booked for it.
type Booking struct {
	Decision Decision // its endpoints are numbers of the fleet
	Ticket   Ticket   // zero when not routed
}

// Fleet is what one router keeps: endpoints, what is known of them, what they hold and what was sent to them (docs/fleet.md). Decisions are
// booked as they are made, so that each sees those before it.
//
// An endpoint's number is given when it is added and stays until it is removed, then it may be given again. It is also the number of its
// Worker in Index. Times are of any clock that the caller uses for all of it.
//
// One goroutine at a time, Index included: lock around it, or give each goroutine a fleet of its own. Hot calls allocate nothing.
type Fleet struct {
	handle handle[*C.kthena_fleet]
	e      *C.kthena_error
	index  *PrefixIndex
	// Scratch of batches.
	numbers []C.kthena_go_fleet_numbers
	routed  []C.kthena_go_routed
	tokens  []*C.uint32_t
	text    []byte
	pinner  runtime.Pinner
}

func freeFleet(c *C.kthena_fleet) { C.kthena_fleet_free(c) }

// NewFleet makes a fleet without endpoints. Any goroutine.
func NewFleet(options FleetOptions) (*Fleet, error) {
	prefix := options.Prefix.c()
	given := C.kthena_fleet_options{
		struct_size:      C.uint32_t(unsafe.Sizeof(C.kthena_fleet_options{})),
		max_tickets:      C.uint32_t(options.MaxTickets),
		max_endpoints:    C.uint32_t(options.MaxEndpoints),
		max_home_entries: C.uint32_t(options.MaxHomeEntries),
		routers:          C.uint32_t(options.Routers),
		estimator:        C.int32_t(options.Estimator),
		idle_limit_ns:    C.int64_t(options.IdleLimitNS),
		arrival_ns:       C.int64_t(options.ArrivalNS),
	}
	if options.FixedRates {
		given.fixed_rates = 1
	}
	var c *C.kthena_fleet
	e := newError()
	if err := toError(C.kthena_go_fleet_create(&given, &prefix, &c, e), e); err != nil {
		return nil, err
	}
	f := &Fleet{e: e}
	own(f, &f.handle, c, freeFleet)
	f.index = &PrefixIndex{fleet: f}
	f.index.handle.c = C.kthena_fleet_index(c)
	return f, nil
}

// Close frees the fleet; its index is closed with it.
func (f *Fleet) Close() {
	if f != nil {
		if f.index != nil {
			f.index.handle.c = nil
		}
		f.handle.close(freeFleet)
	}
}

func (f *Fleet) open() bool { return f != nil && f.handle.c != nil }

// Index returns the fleet's index, for KV events: Apply, Store, Remove, Clear, KvStream.Feed and what reads. It keeps the fleet alive; to
// Close it does nothing. Workers are added and removed by the fleet alone. nil once the fleet is closed.
func (f *Fleet) Index() *PrefixIndex {
	if !f.open() {
		return nil
	}
	return f.index
}

// AddEndpoints adds all or none and returns their numbers. What is known of them beside names is told by Sample. All faults are reported
// together.
func (f *Fleet) AddEndpoints(endpoints []Endpoint, nowNS int64) ([]int, error) {
	if !f.open() {
		return nil, ErrClosed
	}
	flat := flattenEndpoints(endpoints)
	given := make([]uint32, len(endpoints))
	status := C.kthena_go_fleet_add(f.handle.c, C.size_t(len(endpoints)), flat.ids.data(), flat.ids.offset(), flat.models.names.data(),
		flat.models.names.offset(), flat.models.start(), flat.waiting.names.data(), flat.waiting.names.offset(), flat.waiting.start(),
		flat.places.data(), flat.places.offset(), C.int64_t(nowNS), uint32s(given), f.e)
	if err := f.done(status); err != nil {
		return nil, err
	}
	added := make([]int, len(given))
	for i, number := range given {
		added[i] = int(number)
	}
	return added, nil
}

// done ends a call.
func (f *Fleet) done(status C.kthena_status) error {
	err := toError(status, f.e)
	runtime.KeepAlive(f)
	return err
}

// endpointNumber is an endpoint as C wants it; no endpoint where it cannot be one.
func endpointNumber(endpoint int) C.uint32_t {
	if endpoint < 0 || endpoint >= C.KTHENA_NONE {
		return C.KTHENA_NONE
	}
	return C.uint32_t(endpoint)
}

// RemoveEndpoint removes an endpoint; its tickets are dropped.
func (f *Fleet) RemoveEndpoint(endpoint int, nowNS int64) error {
	if !f.open() {
		return ErrClosed
	}
	return f.done(C.kthena_fleet_remove_endpoint(f.handle.c, endpointNumber(endpoint), C.int64_t(nowNS), f.e))
}

// RestartEndpoint says that an endpoint's process began anew: tickets, samples, cache and learned rates are gone.
func (f *Fleet) RestartEndpoint(endpoint int, nowNS int64) error {
	if !f.open() {
		return ErrClosed
	}
	return f.done(C.kthena_fleet_restart_endpoint(f.handle.c, endpointNumber(endpoint), C.int64_t(nowNS), f.e))
}

// SetModels says what an endpoint serves, and adapters that requests wait for and that are not loaded.
func (f *Fleet) SetModels(endpoint int, models, waitingModels []string) error {
	if !f.open() {
		return ErrClosed
	}
	var served, waiting flat
	for _, name := range models {
		served.add(name)
	}
	for _, name := range waitingModels {
		waiting.add(name)
	}
	return f.done(C.kthena_fleet_set_models(f.handle.c, endpointNumber(endpoint), served.data(), served.offset(), C.size_t(len(models)),
		waiting.data(), waiting.offset(), C.size_t(len(waitingModels)), f.e))
}

// Sample says what an endpoint said at sampledNS, when it was read: values[i] is of signals[i], NaN forgets. Not SignalInFlight and the
// other signals that are made of bookings, and not SignalHeldBlocks. SignalRunning and SignalWaiting together are a sample of load. A value
// older than the one at hand is ignored.
func (f *Fleet) Sample(endpoint int, signals []Signal, values []float64, sampledNS, nowNS int64) error {
	if !f.open() {
		return ErrClosed
	}
	if len(signals) != len(values) {
		return &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("values: %d for %d signals", len(values), len(signals))}
	}
	return f.done(C.kthena_fleet_sample(f.handle.c, endpointNumber(endpoint), (*C.int32_t)(unsafe.SliceData(signals)),
		(*C.double)(unsafe.SliceData(values)), C.size_t(len(values)), C.int64_t(sampledNS), C.int64_t(nowNS), f.e))
}

// Size returns how many endpoints there are.
func (f *Fleet) Size() int {
	if !f.open() {
		return 0
	}
	size := C.kthena_fleet_size(f.handle.c)
	runtime.KeepAlive(f)
	return int(size)
}

// Find returns the number of the endpoint with this id, -1 when there is none.
func (f *Fleet) Find(id string) int {
	if !f.open() {
		return -1
	}
	found := C.kthena_fleet_find(f.handle.c, str(id))
	runtime.KeepAlive(f)
	return index(found)
}

// ID returns the id of an endpoint, "" when there is no such endpoint. It makes a copy.
func (f *Fleet) ID(endpoint int) string {
	if !f.open() {
		return ""
	}
	id := C.kthena_fleet_id(f.handle.c, endpointNumber(endpoint))
	text := C.GoStringN(id.data, C.int(id.size))
	runtime.KeepAlive(f)
	return text
}

// Signal returns what is known of an endpoint: NaN and NeverSampled where never sampled.
func (f *Fleet) Signal(endpoint int, signal Signal) (value float64, sampledNS int64, err error) {
	if !f.open() {
		return 0, NeverSampled, ErrClosed
	}
	var c C.kthena_go_fleet_sample
	if err := f.done(C.kthena_go_fleet_signal(f.handle.c, endpointNumber(endpoint), C.int32_t(signal), &c, f.e)); err != nil {
		return 0, NeverSampled, err
	}
	return float64(c.value), int64(c.sampled_ns), nil
}

func fleetNumbers(request *Request, prompt *Prompt) C.kthena_go_fleet_numbers {
	all := C.kthena_go_fleet_numbers{request: numbers(nil, request)}
	if prompt != nil {
		all.has_prompt = 1
		all.tokens = C.size_t(len(prompt.Tokens))
		all.space_model_size = C.size_t(len(prompt.Space.Model))
		all.adapter_size = C.size_t(len(prompt.Space.Adapter))
		all.tenant_size = C.size_t(len(prompt.Space.Tenant))
	}
	return all
}

func checkFleetRequest(request *Request) error {
	if request == nil {
		return &Error{Code: CodeInvalidArgument, Message: "request must not be nil"}
	}
	for _, match := range [...]*Match{&request.Prefix, &request.History} {
		if match.Depths != nil || match.HostDepths != nil || match.DiskDepths != nil {
			return &Error{Code: CodeInvalidArgument, Message: "request.Prefix, request.History: a fleet finds depths itself"}
		}
	}
	return nil
}

var noPrompt Prompt

// Decide makes one decision and books it at request.NowNS when it is routed; the ticket is zero when it is not. prompt nil: nothing is known of
// it but request.PromptTokens; with it PromptTokens 0 becomes its length. Depths of the request must not be given, they are found here;
// OutputTokens 0 becomes the mean of answers so far. ErrResourceExhausted: MaxTickets are in flight. On an error nothing is booked and
// comes a decision that is not routed. Scorers of the caller's own must not use the fleet.
func (f *Fleet) Decide(policy *Policy, request *Request, prompt *Prompt, workspace *Workspace) (Decision, Ticket, error) {
	decision := Decision{Outcome: NoEndpoint, Endpoint: -1}
	ticket, err := f.DecideInto(policy, request, prompt, workspace, &decision)
	return decision, ticket, err
}

// DecideInto is Decide with the place for the decision, which stays as it was on an error.
func (f *Fleet) DecideInto(policy *Policy, request *Request, prompt *Prompt, workspace *Workspace, decision *Decision) (Ticket, error) {
	if !f.open() || !policy.open() || !workspace.open() {
		return Ticket{}, ErrClosed
	}
	if err := checkFleetRequest(request); err != nil {
		return Ticket{}, err
	}
	if decision == nil {
		return Ticket{}, &Error{Code: CodeInvalidArgument, Message: "decision must not be nil"}
	}
	if policy.calls {
		return f.decideCalling(policy, request, prompt, workspace, decision)
	}
	all := fleetNumbers(request, prompt)
	given := prompt
	if given == nil {
		given = &noPrompt
	}
	var routed C.kthena_go_routed
	status := C.kthena_go_fleet_decide(f.handle.c, policy.handle.c, workspace.handle.c, &all,
		chars(request.ID), chars(request.Model), chars(request.Session),
		chars(request.Near.Host), chars(request.Near.Rack), chars(request.Near.Zone), chars(request.Near.Region),
		uint32s(given.Tokens), chars(given.Space.Model), chars(given.Space.Adapter), chars(given.Space.Tenant), &routed, f.e)
	runtime.KeepAlive(policy)
	runtime.KeepAlive(workspace)
	if err := f.done(status); err != nil {
		return Ticket{}, err
	}
	decision.set(&routed.decision)
	return toTicket(&routed.ticket), nil
}

// decideCalling is DecideInto for a policy with scorers of the caller's own: a stack may move while they run, so nothing that C gets is on it.
//
//go:noinline
func (f *Fleet) decideCalling(policy *Policy, request *Request, prompt *Prompt, workspace *Workspace, decision *Decision) (Ticket, error) {
	all := fleetNumbers(request, prompt)
	var given Prompt
	if prompt != nil {
		given = *prompt
	}
	var routed C.kthena_go_routed
	err := calling(request, func() error {
		err := f.done(C.kthena_go_fleet_decide_calling(f.handle.c, policy.handle.c, workspace.handle.c, &all,
			chars(request.ID), chars(request.Model), chars(request.Session),
			chars(request.Near.Host), chars(request.Near.Rack), chars(request.Near.Zone), chars(request.Near.Region),
			uint32s(given.Tokens), chars(given.Space.Model), chars(given.Space.Adapter), chars(given.Space.Tenant), &routed, f.e))
		if err == nil && routed.decision.outcome > C.KTHENA_NO_ENDPOINT {
			err = &Error{Code: CodeUnknown, Message: "a scorer failed"}
		}
		return err
	})
	runtime.KeepAlive(policy)
	runtime.KeepAlive(workspace)
	if err != nil {
		return Ticket{}, err
	}
	decision.set(&routed.decision)
	return toTicket(&routed.ticket), nil
}

// DecideBatch decides several at once in one call, one after the other, each seeing the bookings of those before it. prompts is nil or as long
// as requests, elements of it may be nil; routed is as long as requests. All are checked first: what is wrong is named by its place and
// then none is booked. It returns how many were decided, fewer than there are when MaxTickets are in flight, and then only so many of routed
// are written. A policy with scorers of the caller's own is refused: they would not know of which request they are asked.
func (f *Fleet) DecideBatch(policy *Policy, requests []*Request, prompts []*Prompt, workspace *Workspace, routed []Booking) (int, error) {
	if !f.open() || !policy.open() || !workspace.open() {
		return 0, ErrClosed
	}
	n := len(requests)
	switch {
	case prompts != nil && len(prompts) != n:
		return 0, &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("prompts: %d for %d requests", len(prompts), n)}
	case len(routed) != n:
		return 0, &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("routed: %d for %d requests", len(routed), n)}
	case policy.calls:
		return 0, &Error{Code: CodeUnimplemented, Message: "policy: has scorers of the caller's own"}
	}
	f.numbers, f.tokens, f.text = f.numbers[:0], f.tokens[:0], f.text[:0]
	defer f.release()
	for i, request := range requests {
		if err := checkFleetRequest(request); err != nil {
			return 0, &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("requests[%d]: %s", i, err.(*Error).Message)}
		}
		prompt := &noPrompt
		if prompts == nil || prompts[i] == nil {
			f.numbers = append(f.numbers, fleetNumbers(request, nil))
		} else {
			prompt = prompts[i]
			f.numbers = append(f.numbers, fleetNumbers(request, prompt))
		}
		for _, s := range [...]string{request.ID, request.Model, request.Session, request.Near.Host, request.Near.Rack, request.Near.Zone,
			request.Near.Region, prompt.Space.Model, prompt.Space.Adapter, prompt.Space.Tenant} {
			f.text = append(f.text, s...)
		}
		var tokens *C.uint32_t
		if len(prompt.Tokens) > 0 {
			tokens = uint32s(prompt.Tokens)
			f.pinner.Pin(tokens)
		}
		f.tokens = append(f.tokens, tokens)
	}
	if cap(f.routed) < n {
		f.routed = make([]C.kthena_go_routed, n)
	}
	f.routed = f.routed[:n]
	var decided C.size_t
	status := C.kthena_go_fleet_decide_batch(f.handle.c, policy.handle.c, workspace.handle.c, unsafe.SliceData(f.numbers),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(f.text))), unsafe.SliceData(f.tokens), C.size_t(n), unsafe.SliceData(f.routed), &decided, f.e)
	runtime.KeepAlive(policy)
	runtime.KeepAlive(workspace)
	if err := f.done(status); err != nil {
		return 0, err
	}
	for i := range int(decided) {
		routed[i].Decision.set(&f.routed[i].decision)
		routed[i].Ticket = toTicket(&f.routed[i].ticket)
	}
	return int(decided), nil
}

// release lets go of the prompts of a batch.
func (f *Fleet) release() {
	f.pinner.Unpin()
	clear(f.tokens)
}

// Book books a request that was sent to an endpoint whatever a decision said, a failover say.
func (f *Fleet) Book(endpoint int, request *Request, prompt *Prompt) (Ticket, error) {
	if !f.open() {
		return Ticket{}, ErrClosed
	}
	if err := checkFleetRequest(request); err != nil {
		return Ticket{}, err
	}
	all := fleetNumbers(request, prompt)
	given := prompt
	if given == nil {
		given = &noPrompt
	}
	var ticket C.kthena_ticket
	status := C.kthena_go_fleet_book(f.handle.c, endpointNumber(endpoint), &all,
		chars(request.ID), chars(request.Model), chars(request.Session),
		chars(request.Near.Host), chars(request.Near.Rack), chars(request.Near.Zone), chars(request.Near.Region),
		uint32s(given.Tokens), chars(given.Space.Model), chars(given.Space.Adapter), chars(given.Space.Tenant), &ticket, f.e)
	if err := f.done(status); err != nil {
		return Ticket{}, err
	}
	return toTicket(&ticket), nil
}

// FirstToken says that the first token of the answer came. TicketStale once the fleet is closed.
func (f *Fleet) FirstToken(ticket Ticket, nowNS int64) TicketOutcome {
	if !f.open() {
		return TicketStale
	}
	outcome := C.kthena_fleet_first_token(f.handle.c, ticket.c(), C.int64_t(nowNS))
	runtime.KeepAlive(f)
	return TicketOutcome(outcome)
}

// Progress says how many tokens the answer has since its start. TicketStale once the fleet is closed.
func (f *Fleet) Progress(ticket Ticket, outputTokens, nowNS int64) TicketOutcome {
	if !f.open() {
		return TicketStale
	}
	outcome := C.kthena_fleet_progress(f.handle.c, ticket.c(), C.int64_t(outputTokens), C.int64_t(nowNS))
	runtime.KeepAlive(f)
	return TicketOutcome(outcome)
}

// Finish says that a request ended, with so many tokens of the whole answer; negative: not known. TicketStale once the fleet is closed.
func (f *Fleet) Finish(ticket Ticket, end RequestEnd, outputTokens, nowNS int64) TicketOutcome {
	if !f.open() {
		return TicketStale
	}
	outcome := C.kthena_fleet_finish(f.handle.c, ticket.c(), C.int32_t(end), C.int64_t(outputTokens), C.int64_t(nowNS))
	runtime.KeepAlive(f)
	return TicketOutcome(outcome)
}

// Expire releases tickets that were silent for IdleLimitNS and expected blocks that are due. It returns the number of tickets; call it every
// few seconds.
func (f *Fleet) Expire(nowNS int64) int {
	if !f.open() {
		return 0
	}
	expired := C.kthena_fleet_expire(f.handle.c, C.int64_t(nowNS))
	runtime.KeepAlive(f)
	return int(expired)
}

// Counts returns counts.
func (f *Fleet) Counts() (FleetCounts, error) {
	if !f.open() {
		return FleetCounts{}, ErrClosed
	}
	c := C.kthena_fleet_counts{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_fleet_counts{}))}
	if err := f.done(C.kthena_fleet_get_counts(f.handle.c, &c, f.e)); err != nil {
		return FleetCounts{}, err
	}
	return FleetCounts{
		InFlight:     uint32(c.in_flight),
		Booked:       uint64(c.booked),
		Done:         uint64(c.done),
		Failed:       uint64(c.failed),
		Expired:      uint64(c.expired),
		Dropped:      uint64(c.dropped),
		Stale:        uint64(c.stale),
		OlderSamples: uint64(c.older_samples),
		ClockBehind:  uint64(c.clock_behind),
	}, nil
}
