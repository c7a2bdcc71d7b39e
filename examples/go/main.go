// One routing decision: three endpoints, two columns of signals, one request.
//
//	go run -tags kthena_build .
package main

import (
	"fmt"
	"log"

	kthena "github.com/kthena/kthena/bindings/go"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	pool, err := kthena.NewPool([]kthena.Endpoint{{ID: "pod-a"}, {ID: "pod-b"}, {ID: "pod-c"}})
	check(err)
	check(pool.SetSignal(kthena.SignalWaiting, []float64{5, 0, 0}, 0))
	check(pool.SetSignal(kthena.SignalKVUsage, []float64{0.4, 0.9, 0.2}, 0))
	policy, err := kthena.NewPolicy("kthena-helm")
	check(err)
	workspace := kthena.NewWorkspace() // one per goroutine
	decision, err := policy.Decide(pool, &kthena.Request{ID: "request-1", Seed: 1}, workspace)
	check(err)
	if decision.Outcome == kthena.Routed {
		fmt.Printf("%s: %s\n", pool.ID(decision.Endpoint), decision.Reason.Text())
	}
}
