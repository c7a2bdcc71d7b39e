package kthena

import (
	"fmt"
	"testing"
)

// BenchmarkDecide is BM_Route_Decide/kthena-default of bench/route_bench.cpp from Go: the same pools, signals and requests.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{16, 64, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := make([]Endpoint, n)
			for i := range list {
				list[i].ID = fmt.Sprintf("pod-%05d", i)
			}
			pool := must(NewPool(list))(b)
			defer pool.Close()
			maxima := [signalCount]float64{SignalRunning: 64, SignalWaiting: 9, SignalKVUsage: 1, SignalTTFT: 0.5, SignalTPOT: 0.05, SignalInFlight: 70}
			for signal := range Signal(signalCount) {
				values := make([]float64, n)
				for i := range values {
					values[i] = maxima[signal] * float64(RandomUint64(1, uint64(signal), uint64(i))>>11) / (1 << 53)
				}
				ok(b, pool.SetSignal(signal, values, 0))
			}
			depths := make([]uint32, n)
			for i := range depths {
				depths[i] = uint32(RandomUint64(1, 100, uint64(i)) % 128)
			}
			policy := must(NewPolicy("kthena-default"))(b)
			defer policy.Close()
			workspace := NewWorkspace()
			defer workspace.Close()
			request := Request{ID: "request-1", Model: "m", Prefix: Match{Depths: depths, Total: 128}}
			var decision Decision
			b.ReportAllocs()
			for b.Loop() {
				request.Sequence++
				if err := policy.DecideInto(pool, &request, workspace, &decision); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCall is the cheapest call into the library: what cgo itself costs.
func BenchmarkCall(b *testing.B) {
	for b.Loop() {
		RandomUint64(1, 2, 3)
	}
}
