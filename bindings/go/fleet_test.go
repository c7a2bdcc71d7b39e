package kthena

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func newFleet(t testing.TB, options FleetOptions, ids ...string) (*Fleet, *Policy, *Workspace, []int) {
	t.Helper()
	fleet := must(NewFleet(options))(t)
	t.Cleanup(fleet.Close)
	policy := must(NewPolicy("cost"))(t)
	t.Cleanup(policy.Close)
	workspace := NewWorkspace()
	t.Cleanup(workspace.Close)
	return fleet, policy, workspace, must(fleet.AddEndpoints(endpoints(ids...), 0))(t)
}

func promptOf(n int, first uint32) *Prompt {
	tokens := make([]uint32, n)
	for i := range tokens {
		tokens[i] = first + uint32(i)
	}
	return &Prompt{Tokens: tokens, Space: Namespace{Model: "m"}}
}

func signalOf(t testing.TB, fleet *Fleet, endpoint int, signal Signal) float64 {
	t.Helper()
	value, _, err := fleet.Signal(endpoint, signal)
	ok(t, err)
	return value
}

func TestFleetBooks(t *testing.T) {
	fleet, policy, workspace, numbers := newFleet(t, FleetOptions{}, "c", "a", "b")
	if fleet.Size() != 3 || fleet.ID(numbers[0]) != "c" || fleet.Find("b") != numbers[2] || fleet.Find("x") != -1 || fleet.ID(-1) != "" {
		t.Error("endpoints")
	}
	prompt := promptOf(500, 0)
	request := &Request{OutputTokens: 100, NowNS: 1000}
	decision, ticket, err := fleet.Decide(policy, request, prompt, workspace)
	ok(t, err)
	if decision.Outcome != Routed || ticket.IsZero() || decision.Ranking()[0] != decision.Endpoint || len(decision.Ranking()) != 3 {
		t.Fatalf("%+v %+v", decision, ticket)
	}
	at := decision.Endpoint
	if signalOf(t, fleet, at, SignalInFlight) != 1 || signalOf(t, fleet, at, SignalUncachedTokens) != 500 {
		t.Error("not booked")
	}
	for i, want := range []TicketOutcome{TicketApplied, TicketRepeated} {
		if got := fleet.FirstToken(ticket, 2000); got != want {
			t.Errorf("first token %d: %v", i, got)
		}
	}
	if got := fleet.Progress(ticket, 40, 3000); got != TicketApplied || signalOf(t, fleet, at, SignalOutputTokens) != 60 {
		t.Errorf("progress: %v", got)
	}
	for i, want := range []TicketOutcome{TicketApplied, TicketStale} {
		if got := fleet.Finish(ticket, EndDone, 60, 4000); got != want {
			t.Errorf("finish %d: %v", i, got)
		}
	}
	if signalOf(t, fleet, at, SignalInFlight) != 0 {
		t.Error("still in flight")
	}
	if got := fleet.Finish(Ticket{}, EndFailed, -1, 4000); got != TicketStale {
		t.Errorf("no ticket: %v", got)
	}
	if counts := must(fleet.Counts())(t); counts != (FleetCounts{Booked: 1, Done: 1, Stale: 2}) {
		t.Errorf("%+v", counts)
	}

	failed := must(fleet.Book(numbers[0], request, prompt))(t)
	if got := fleet.Finish(failed, EndFailed, -1, 4000); got != TicketApplied || must(fleet.Counts())(t).Failed != 1 {
		t.Errorf("failed: %v", got)
	}
	restarted := must(fleet.Book(numbers[0], request, prompt))(t)
	silent := must(fleet.Book(numbers[1], request, nil))(t)
	removed := must(fleet.Book(numbers[2], request, prompt))(t)
	ok(t, fleet.RestartEndpoint(numbers[0], 5000))
	ok(t, fleet.RemoveEndpoint(numbers[2], 5000))
	for _, ticket := range []Ticket{restarted, removed} {
		if got := fleet.FirstToken(ticket, 5000); got != TicketStale {
			t.Errorf("dropped: %v", got)
		}
	}
	if fleet.ID(numbers[1]) != "a" || fleet.ID(numbers[2]) != "" || fleet.Size() != 2 { // numbers stay
		t.Error("after removal")
	}
	if got := fleet.Expire(5000 + 600_000_000_000); got != 1 || fleet.Progress(silent, 1, 5000+600_000_000_000) != TicketStale {
		t.Errorf("expired: %d", got)
	}
	if counts := must(fleet.Counts())(t); counts.InFlight != 0 || counts.Dropped != 2 || counts.Expired != 1 || counts.Booked != 5 {
		t.Errorf("%+v", counts)
	}
}

func TestFleetSamplesAndModels(t *testing.T) {
	fleet, policy, workspace, numbers := newFleet(t, FleetOptions{}, "a", "b")
	if value, at, err := fleet.Signal(numbers[0], SignalRunning); err != nil || !math.IsNaN(value) || at != NeverSampled {
		t.Errorf("%v at %v: %v", value, at, err)
	}
	ok(t, fleet.Sample(numbers[0], []Signal{SignalRunning, SignalWaiting}, []float64{3, 1}, 5, 6))
	if value, at, err := fleet.Signal(numbers[0], SignalRunning); err != nil || value != 3 || at != 5 {
		t.Errorf("%v at %v: %v", value, at, err)
	}
	if signalOf(t, fleet, numbers[0], SignalInFlight) != 4 {
		t.Error("a sample is load")
	}
	if decision, _, err := fleet.Decide(policy, &Request{NowNS: 7}, nil, workspace); err != nil || decision.Endpoint != numbers[1] {
		t.Errorf("%+v: %v", decision, err)
	}
	ok(t, fleet.SetModels(numbers[0], []string{"m", "adapter"}, []string{"late"}))
	ok(t, fleet.SetModels(numbers[0], nil, nil))
	refused(t, fleet.SetModels(numbers[0], []string{"m", "m"}, nil), ErrInvalidArgument)
}

func TestFleetIndex(t *testing.T) {
	fleet, policy, workspace, numbers := newFleet(t, FleetOptions{}, "a", "b", "c")
	prompt := promptOf(500, 0)
	index := fleet.Index()
	if index.WorkerName(Worker(numbers[1])) != "b" {
		t.Error("workers")
	}
	contents := must(index.HashBlocks(nil, prompt.Tokens))(t)
	for _, holder := range numbers { // whoever holds it gets it
		ok(t, index.Store(Worker(holder), index.NamespaceKey(prompt.Space), nil, contents, contents, TierDevice))
		decision, ticket, err := fleet.Decide(policy, &Request{NowNS: 1}, prompt, workspace)
		ok(t, err)
		if decision.Endpoint != holder || signalOf(t, fleet, holder, SignalUncachedTokens) != 4 || signalOf(t, fleet, holder, SignalHeldBlocks) != 31 {
			t.Errorf("%d holds it: %+v", holder, decision)
		}
		fleet.Finish(ticket, EndDone, -1, 2)
		ok(t, index.Apply(PrefixEvent{Kind: PrefixCleared, Worker: Worker(holder)}))
	}
	_, err := index.AddWorker("d")
	refused(t, err, ErrFailedPrecondition, "endpoints")
	refused(t, index.RemoveWorker(Worker(numbers[0])), ErrFailedPrecondition, "endpoints")
	index.Close() // not its own
	if must(index.Stats())(t).Workers != 3 {
		t.Error("the index of a fleet was closed")
	}
}

// The index is part of the fleet, so it keeps it.
func TestFleetIndexKeepsFleet(t *testing.T) {
	index := func() *PrefixIndex {
		fleet := must(NewFleet(FleetOptions{}))(t)
		must(fleet.AddEndpoints(endpoints("a"), 0))(t)
		return fleet.Index()
	}()
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
		if index.FindWorker("a") == NoWorker {
			t.Fatal("the fleet is gone")
		}
	}
	index.fleet.Close()
}

func TestFleetKeepsEqualPrefixesTogether(t *testing.T) {
	ids := make([]string, 16)
	for i := range ids {
		ids[i] = fmt.Sprintf("pod-%d", i)
	}
	fleet, policy, workspace, _ := newFleet(t, FleetOptions{}, ids...)
	const groups, each = 64, 8
	homes, sent := map[[2]int]int{}, map[int]int{}
	for i := range groups * each {
		prompt := promptOf(2048, uint32(i%groups)*10_000)
		prompt.Tokens = append(prompt.Tokens, promptOf(64, 1_000_000+uint32(i)*64).Tokens...)
		decision, ticket, err := fleet.Decide(policy, &Request{OutputTokens: 5, Sequence: uint64(i)}, prompt, workspace)
		ok(t, err)
		if ticket.IsZero() {
			t.Fatal("not booked")
		}
		homes[[2]int{i % groups, decision.Endpoint}]++
		sent[decision.Endpoint]++
	}
	if len(homes) > groups*5/4 { // of groups * each if they did not see each other
		t.Errorf("%d groups have %d homes", groups, len(homes))
	}
	for endpoint, count := range sent {
		if count > 2*groups*each/len(ids) {
			t.Errorf("%d got %d", endpoint, count)
		}
	}
	if len(sent) != len(ids) {
		t.Errorf("different prompts are not spread: %v", sent)
	}
}

func TestFleetBatch(t *testing.T) {
	fleet, policy, workspace, numbers := newFleet(t, FleetOptions{MaxTickets: 7}, "c", "a", "b")
	const n = 9
	requests, prompts, routed := make([]*Request, n), make([]*Prompt, n), make([]Booking, n)
	for i := range requests {
		requests[i] = &Request{ID: fmt.Sprint(i), Session: "s", Near: Place{Zone: "z"}, OutputTokens: 100, NowNS: 1, Sequence: uint64(i)}
	}
	prompts[0], prompts[1] = promptOf(64, 7), &Prompt{Space: Namespace{Tenant: "t"}}
	for _, bad := range []func() error{
		func() error {
			_, err := fleet.DecideBatch(policy, requests, prompts[:3], workspace, routed)
			return err
		},
		func() error {
			_, err := fleet.DecideBatch(policy, requests, prompts, workspace, routed[:3])
			return err
		},
	} {
		refused(t, bad(), ErrInvalidArgument, "3 for 9 requests")
	}
	requests[4].SLOTTFT = -1
	_, err := fleet.DecideBatch(policy, requests, prompts, workspace, routed)
	refused(t, err, ErrInvalidArgument, "slo_ttft_s")
	requests[4].SLOTTFT, requests[5] = 0, nil
	_, err = fleet.DecideBatch(policy, requests, prompts, workspace, routed)
	refused(t, err, ErrInvalidArgument, "requests[5]")
	requests[5] = &Request{NowNS: 1}
	if counts := must(fleet.Counts())(t); counts.Booked != 0 {
		t.Errorf("booked: %+v", counts)
	}
	if routed[0] != (Booking{}) {
		t.Error("written")
	}
	decided := must(fleet.DecideBatch(policy, requests, prompts, workspace, routed))(t)
	if decided != 7 || routed[6].Ticket.IsZero() || !routed[7].Ticket.IsZero() {
		t.Errorf("%d: %+v", decided, routed)
	}
	for _, number := range numbers {
		if signalOf(t, fleet, number, SignalInFlight) < 2 {
			t.Error("not spread")
		}
	}
	_, _, err = fleet.Decide(policy, requests[0], nil, workspace)
	refused(t, err, ErrResourceExhausted)
	for _, one := range routed[:decided] {
		if fleet.Finish(one.Ticket, EndDone, 1, 2) != TicketApplied {
			t.Error("a ticket of a batch")
		}
	}
	if decided := must(fleet.DecideBatch(policy, nil, nil, workspace, nil))(t); decided != 0 {
		t.Errorf("of none: %d", decided)
	}

	// One batch is as many decisions.
	one, _, _, _ := newFleet(t, FleetOptions{}, "c", "a", "b")
	many, _, _, _ := newFleet(t, FleetOptions{}, "c", "a", "b")
	must(many.DecideBatch(policy, requests, prompts, workspace, routed))(t)
	for i := range requests {
		decision, ticket, err := one.Decide(policy, requests[i], prompts[i], workspace)
		ok(t, err)
		if (Booking{decision, ticket}) != routed[i] {
			t.Errorf("%d: %+v, but in a batch %+v", i, decision, routed[i])
		}
	}
}

func TestFleetRefuses(t *testing.T) {
	for part, options := range map[string]FleetOptions{
		"options.estimator":       {Estimator: 5},
		"ledger.idle_limit_ns: 3": {IdleLimitNS: 3},
		"max_tickets":             {MaxTickets: 1 << 30},
		"block_tokens":            {Prefix: PrefixIndexOptions{BlockTokens: 1 << 20}},
	} {
		fleet, err := NewFleet(options)
		refused(t, err, ErrInvalidArgument, part)
		if fleet != nil {
			t.Error("made")
		}
	}
	fleet, policy, workspace, numbers := newFleet(t, FleetOptions{}, "a", "b")
	_, err := fleet.AddEndpoints(endpoints("c", "", "c"), 0)
	refused(t, err, ErrInvalidArgument)
	_, err = fleet.AddEndpoints(endpoints("c", "a"), 0)
	refused(t, err, ErrInvalidArgument)
	depths := []uint32{1, 2}
	for _, request := range []*Request{nil, {Prefix: Match{Depths: depths}}, {History: Match{DiskDepths: depths}}, {SLOTPOT: math.NaN()}} {
		decision, ticket, err := fleet.Decide(policy, request, nil, workspace)
		refused(t, err, ErrInvalidArgument, "request")
		if decision.Endpoint != -1 || !ticket.IsZero() {
			t.Errorf("%+v %+v", decision, ticket)
		}
		_, err = fleet.Book(numbers[0], request, nil)
		refused(t, err, ErrInvalidArgument, "request")
	}
	_, err = fleet.DecideInto(policy, &Request{}, nil, workspace, nil)
	refused(t, err, ErrInvalidArgument, "decision")
	for _, none := range []int{-1, 99, 1 << 40} {
		_, err = fleet.Book(none, &Request{}, nil)
		refused(t, err, ErrNotFound, "endpoint")
		refused(t, fleet.RestartEndpoint(none, 1), ErrNotFound)
		refused(t, fleet.RemoveEndpoint(none, 1), ErrNotFound)
		refused(t, fleet.SetModels(none, nil, nil), ErrNotFound)
		refused(t, fleet.Sample(none, nil, nil, 1, 1), ErrNotFound)
		_, _, err = fleet.Signal(none, SignalRunning)
		refused(t, err, ErrNotFound)
	}
	load := []Signal{SignalRunning, SignalWaiting}
	refused(t, fleet.Sample(numbers[0], load, []float64{3}, 1, 1), ErrInvalidArgument, "1 for 2")
	refused(t, fleet.Sample(numbers[0], load, []float64{3, 1}, 10, 5), ErrInvalidArgument) // from the future
	refused(t, fleet.Sample(numbers[0], []Signal{SignalRunning, SignalInFlight}, []float64{3, 1}, 1, 1), ErrInvalidArgument)
	refused(t, fleet.Sample(numbers[0], []Signal{99}, []float64{3}, 1, 1), ErrInvalidArgument, "signals[0]")
	if !math.IsNaN(signalOf(t, fleet, numbers[0], SignalRunning)) || fleet.Size() != 2 || must(fleet.Counts())(t).Booked != 0 {
		t.Error("something has changed")
	}
	empty := must(NewFleet(FleetOptions{}))(t)
	defer empty.Close()
	decision, ticket, err := empty.Decide(policy, &Request{}, promptOf(20, 0), workspace)
	if err != nil || decision.Outcome != NoEndpoint || !ticket.IsZero() || decision.Reason != ReasonPoolEmpty {
		t.Errorf("%+v %+v %v", decision, ticket, err)
	}
}

func TestFleetClosed(t *testing.T) {
	closed, policy, workspace, _ := newFleet(t, FleetOptions{}, "a")
	index := closed.Index()
	_, ticket, err := closed.Decide(policy, &Request{}, nil, workspace)
	ok(t, err)
	_, _, err = closed.Decide(nil, &Request{}, nil, workspace)
	refused(t, err, ErrClosed)
	_, _, err = closed.Decide(policy, &Request{}, nil, &Workspace{})
	refused(t, err, ErrClosed)
	closed.Close()
	closed.Close()
	_, err = index.Stats()
	refused(t, err, ErrClosed)
	for _, fleet := range []*Fleet{closed, {}, nil} {
		_, err := fleet.AddEndpoints(nil, 0)
		refused(t, err, ErrClosed)
		refused(t, fleet.RemoveEndpoint(0, 0), ErrClosed)
		refused(t, fleet.RestartEndpoint(0, 0), ErrClosed)
		refused(t, fleet.SetModels(0, nil, nil), ErrClosed)
		refused(t, fleet.Sample(0, nil, nil, 0, 0), ErrClosed)
		_, _, err = fleet.Signal(0, SignalRunning)
		refused(t, err, ErrClosed)
		_, _, err = fleet.Decide(policy, &Request{}, nil, workspace)
		refused(t, err, ErrClosed)
		_, err = fleet.DecideBatch(policy, nil, nil, workspace, nil)
		refused(t, err, ErrClosed)
		_, err = fleet.Book(0, &Request{}, nil)
		refused(t, err, ErrClosed)
		_, err = fleet.Counts()
		refused(t, err, ErrClosed)
		if fleet.Size() != 0 || fleet.Find("a") != -1 || fleet.ID(0) != "" || fleet.Index() != nil || fleet.Expire(1) != 0 ||
			fleet.FirstToken(ticket, 1) != TicketStale || fleet.Progress(ticket, 1, 1) != TicketStale ||
			fleet.Finish(ticket, EndDone, 1, 1) != TicketStale {
			t.Error("a closed fleet")
		}
		fleet.Close()
	}
}

func TestFleetManyGoroutines(t *testing.T) {
	fleet, policy, _, numbers := newFleet(t, FleetOptions{}, "a", "b", "c", "d")
	const goroutines, each = 8, 200
	var lock sync.Mutex
	var group sync.WaitGroup
	for g := range goroutines {
		group.Add(1)
		go func() {
			defer group.Done()
			workspace := NewWorkspace()
			defer workspace.Close()
			for i := range each {
				prompt := promptOf(100+i, uint32(g)*1000)
				lock.Lock()
				_, ticket, err := fleet.Decide(policy, &Request{ID: fmt.Sprint(g, i), NowNS: int64(i)}, prompt, workspace)
				lock.Unlock()
				if err != nil || ticket.IsZero() {
					t.Error(ticket, err)
					return
				}
				runtime.Gosched()
				lock.Lock()
				outcome := fleet.Finish(ticket, EndDone, 1, int64(i))
				lock.Unlock()
				if outcome != TicketApplied {
					t.Error(outcome)
				}
			}
		}()
	}
	group.Wait()
	if counts := must(fleet.Counts())(t); counts.Done != goroutines*each || counts.InFlight != 0 {
		t.Errorf("%+v", counts)
	}
	for _, number := range numbers {
		if signalOf(t, fleet, number, SignalInFlight) != 0 {
			t.Error("in flight")
		}
	}
}

func TestFleetAsksScorers(t *testing.T) {
	fleet, _, workspace, numbers := newFleet(t, FleetOptions{}, "a", "b", "c")
	oops := errors.New("oops")
	fail := false
	var seen []string
	policy := must(NewPolicyWith([]byte(`{"scorers": ["user:mine"]}`), map[string]Scorer{"mine": func(input *ScoreInput, out []float64) error {
		seen = append(seen, input.Request().ID)
		if fail {
			return oops
		}
		for i := range out {
			out[i] = -input.Column(SignalInFlight)[i]
		}
		return nil
	}}))(t)
	defer policy.Close()
	used := map[int]bool{}
	for i := range numbers {
		decision, ticket, err := fleet.Decide(policy, &Request{ID: fmt.Sprint(i)}, promptOf(20, 0), workspace)
		ok(t, err)
		if ticket.IsZero() {
			t.Error("not booked")
		}
		used[decision.Endpoint] = true
	}
	if len(used) != 3 || !slices.Equal(seen, []string{"0", "1", "2"}) {
		t.Errorf("%v %v", used, seen)
	}
	fail = true
	_, ticket, err := fleet.Decide(policy, &Request{}, nil, workspace)
	if !errors.Is(err, oops) || !ticket.IsZero() || must(fleet.Counts())(t).Booked != 3 {
		t.Errorf("%v %v", ticket, err)
	}
	_, err = fleet.DecideBatch(policy, nil, nil, workspace, nil)
	if failure := (*Error)(nil); !errors.As(err, &failure) || failure.Code != CodeUnimplemented {
		t.Error(err)
	}
}

func TestFleetAllocatesNothing(t *testing.T) {
	fleet, policy, workspace, numbers := newFleet(t, FleetOptions{}, "a", "b", "c")
	id := strings.Repeat("x", 40)
	prompt := promptOf(4096, 0)
	tokens := prompt.Tokens
	var now int64
	counts := map[string]func(){
		"Decide": func() {
			now++
			request := Request{ID: id, Model: id, Session: id, Near: Place{Host: id, Region: id}, NowNS: now}
			prompt := Prompt{Tokens: tokens, Space: Namespace{Model: id, Adapter: id, Tenant: id}}
			_, ticket, err := fleet.Decide(policy, &request, &prompt, workspace)
			if err != nil || fleet.FirstToken(ticket, now) != TicketApplied || fleet.Progress(ticket, 1, now) != TicketApplied ||
				fleet.Finish(ticket, EndDone, 2, now) != TicketApplied {
				t.Error("refused")
			}
		},
		"Decide without a prompt": func() {
			now++
			_, ticket, err := fleet.Decide(policy, &Request{ID: id, PromptTokens: 99, NowNS: now}, nil, workspace)
			if err != nil || fleet.Finish(ticket, EndDone, 2, now) != TicketApplied {
				t.Error("refused")
			}
		},
		"Book": func() {
			now++
			ticket, err := fleet.Book(numbers[1], &Request{ID: id, NowNS: now}, prompt)
			if err != nil || fleet.Finish(ticket, EndDone, 2, now) != TicketApplied {
				t.Error("refused")
			}
		},
		"Sample": func() {
			now++
			err := fleet.Sample(numbers[0], []Signal{SignalRunning, SignalWaiting}, []float64{3, 1}, now, now)
			if _, _, again := fleet.Signal(numbers[0], SignalRunning); err != nil || again != nil {
				t.Error("refused")
			}
		},
		"Expire, Counts": func() {
			if _, err := fleet.Counts(); err != nil || fleet.Expire(now) != 0 {
				t.Error("refused")
			}
		},
	}
	for name, call := range counts {
		if allocations := testing.AllocsPerRun(200, call); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

// BenchmarkFleetDecide/N is a booked decision at N endpoints with 8 requests in flight each, its first token and its end: token ids in, 4,096 of
// them, of 256 groups that share three quarters, which one endpoint holds. It is about BM_Route_Pick/cost/N of bench/fleet_bench.cpp. In
// N/expected nobody says what it holds: prompts are expected where they were sent.
func BenchmarkFleetDecide(b *testing.B) {
	for _, n := range []int{16, 64, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { fleetBench(b, n, FleetOptions{}) })
		b.Run(fmt.Sprintf("%d/expected", n), func(b *testing.B) {
			fleetBench(b, n, FleetOptions{Prefix: PrefixIndexOptions{MaxExpectedBlocks: 4096}})
		})
	}
}

func fleetBench(b *testing.B, n int, options FleetOptions) {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("engine-%d", i)
	}
	options.Prefix.MaxWorkers = 2048
	fleet, policy, workspace, numbers := newFleet(b, options, ids...)
	const groups, shared, all = 256, 3072, 4096
	prompts := make([]*Prompt, 4*groups)
	for i := range prompts {
		prompts[i] = promptOf(shared, uint32(i%groups)*10_000)
		prompts[i].Tokens = append(prompts[i].Tokens, promptOf(all-shared, 1<<30+uint32(i)*all).Tokens...)
	}
	if options.Prefix.MaxExpectedBlocks == 0 {
		for group, prompt := range prompts[:groups] {
			index := fleet.Index()
			contents := must(index.HashBlocks(nil, prompt.Tokens[:shared]))(b)
			holder := Worker(numbers[group%n])
			ok(b, index.Store(holder, index.NamespaceKey(prompt.Space), nil, contents, contents, TierDevice))
		}
	}
	tickets := make([]Ticket, 8*n) // in flight
	var count int
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	for b.Loop() {
		count++
		now := int64(count) * 1_000_000
		request := Request{ID: "request", NowNS: now, Sequence: uint64(count), OutputTokens: 200}
		_, ticket, err := fleet.Decide(policy, &request, prompts[count%len(prompts)], workspace)
		if err != nil {
			b.Fatal(err)
		}
		slot := &tickets[count%len(tickets)]
		fleet.FirstToken(ticket, now)
		fleet.Finish(*slot, EndDone, 200, now)
		*slot = ticket
	}
}
