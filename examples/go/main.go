// Two endpoints, one request, one decision with its reason.
package main

import (
	"fmt"
	"log"

	kthena "github.com/kthena/kthena/bindings/go"
)

func main() {
	pool, err := kthena.NewPool([]kthena.Endpoint{{ID: "pod-a"}, {ID: "pod-b"}})
	check(err)
	check(pool.SetSignal(kthena.SignalRunning, []float64{7, 2}, 0))
	check(pool.SetSignal(kthena.SignalInFlight, []float64{9, 2}, 0))
	policy, err := kthena.NewPolicy("kthena-default")
	check(err)
	workspace := kthena.NewWorkspace() // one per goroutine
	decision, err := policy.Decide(pool, &kthena.Request{ID: "request-1", Model: "llama", Seed: 42}, workspace)
	check(err)
	fmt.Printf("%s: %s\n", pool.ID(decision.Endpoint), decision.Reason.Text())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
