// A Go program against the installed libkthena.so, found by pkg-config. run.sh puts the module's path in place of MODULE.
package main

import (
	"fmt"
	"log"

	kthena "MODULE"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	pool, err := kthena.NewPool([]kthena.Endpoint{{ID: "pod-a"}, {ID: "pod-b"}})
	check(err)
	check(pool.SetSignal(kthena.SignalRunning, []float64{9, 1}, 0))
	check(pool.SetSignal(kthena.SignalWaiting, []float64{5, 0}, 0))
	policy, err := kthena.NewPolicy("kthena-2025-09/least-request")
	check(err)
	workspace := kthena.NewWorkspace()
	decision, err := policy.Decide(pool, &kthena.Request{ID: "req-1", Seed: 1}, workspace)
	check(err)
	if decision.Outcome == kthena.Routed {
		fmt.Println(pool.ID(decision.Endpoint))
	}
}
