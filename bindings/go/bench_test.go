//go:build linux

package kthena

import (
	"cmp"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// stream is kthena::RandomStream.
type stream struct{ seed, stream, counter uint64 }

func (s *stream) next() uint64 {
	s.counter++
	return RandomUint64(s.seed, s.stream, s.counter-1)
}

func (s *stream) below(n uint64) uint64 {
	high, _ := bits.Mul64(s.next(), n)
	return high
}

func (s *stream) float() float64 { return float64(s.next()>>11) / (1 << 53) }

const benchBlocks = 34

type row struct {
	id     string
	values [signalCount]float64
}

// fleet is that of bench/route_bench.cpp, in the order of ids.
func fleet(b *testing.B, n int, less func(a, b row) int) *Pool {
	random := stream{2025, uint64(n), 0}
	rows := make([]row, n)
	for i := range rows {
		running := float64(random.below(200))
		waiting := 0.0
		if random.below(4) == 0 {
			waiting = float64(random.below(10))
		}
		rows[i].id = fmt.Sprintf("llm/qwen-7b-%d-%d", random.below(1_000_000), i)
		rows[i].values[SignalRunning] = running
		rows[i].values[SignalWaiting] = waiting
		rows[i].values[SignalInFlight] = running + waiting + float64(random.below(5))
		rows[i].values[SignalKVUsage] = 0.2 + 0.8*random.float()
		rows[i].values[SignalTTFT] = 0.05 + 2*random.float()
		rows[i].values[SignalTPOT] = 0.01 + 0.04*random.float()
	}
	slices.SortFunc(rows, less)
	list := make([]Endpoint, n)
	for i := range rows {
		list[i].ID = rows[i].id
	}
	pool := must(NewPool(list))(b)
	values := make([]float64, n)
	for signal := range Signal(signalCount) {
		for i := range rows {
			values[i] = rows[i].values[signal]
		}
		ok(b, pool.SetSignal(signal, values, 0))
	}
	return pool
}

// traffic is that of bench/route_bench.cpp.
func traffic(n int) []Request {
	random := stream{7, uint64(n), 0}
	requests := make([]Request, min(max(65536/n, 64), 1024))
	for r := range requests {
		id := fmt.Sprintf("8f3e%d-%d", random.next(), r)
		depths := make([]uint32, n)
		for i := range depths {
			if random.below(4) == 0 {
				depths[i] = uint32(random.below(benchBlocks + 1))
			}
		}
		match := Match{Depths: depths, Total: benchBlocks}
		requests[r] = Request{ID: id, Prefix: match, History: match, Seed: 17}
	}
	return requests
}

// cpu is the time that this thread has computed, in nanoseconds. On a busy machine it tells more than the clock.
func cpu() int64 {
	const thread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if syscall.Getrusage(thread, &usage) != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func decideBench(b *testing.B, n int, less func(a, b row) int) {
	pool := fleet(b, n, less)
	defer pool.Close()
	policy := must(NewPolicy("kthena-default"))(b)
	defer policy.Close()
	workspace := NewWorkspace()
	defer workspace.Close()
	requests := traffic(n)
	var decision Decision
	var at int
	var sequence uint64
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	start := cpu()
	for b.Loop() {
		if at++; at == len(requests) {
			at = 0
		}
		sequence++
		requests[at].Sequence = sequence
		if err := policy.DecideInto(pool, &requests[at], workspace, &decision); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op")
}

// BenchmarkDecide/N is BM_Route_Decide/kthena-default/N of bench/route_bench.cpp from Go: the same fleets and requests.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{16, 64, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			decideBench(b, n, func(a, b row) int { return cmp.Compare(a.id, b.id) })
		})
	}
}

// BenchmarkDecideUnsorted is BenchmarkDecide where the caller's order of endpoints is not that of their ids.
func BenchmarkDecideUnsorted(b *testing.B) {
	for _, n := range []int{16, 64, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			decideBench(b, n, func(a, b row) int { return cmp.Compare(b.id, a.id) })
		})
	}
}

// BenchmarkCall is the cheapest call into the library: what cgo itself costs.
func BenchmarkCall(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := cpu()
	for b.Loop() {
		RandomUint64(1, 2, 3)
	}
	b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op")
}
