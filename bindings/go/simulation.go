package kthena

// #include "kthena/kthena.h"
import "C"

import "runtime"

// Simulation is a simulated fleet under one workload and policy. One goroutine at a time.
type Simulation struct {
	handle handle[*C.kthena_simulation]
}

func freeSimulation(c *C.kthena_simulation) { C.kthena_simulation_free(c) }

// NewSimulation makes a simulation from a scenario (docs/schemas/scenario.schema.json) and, where the scenario names a trace, the text of
// the trace. All faults are reported together. Any goroutine.
func NewSimulation(scenario, trace []byte) (*Simulation, error) {
	var c *C.kthena_simulation
	e := newError()
	if err := toError(C.kthena_simulation_create(bytesStr(scenario), bytesStr(trace), &c, e), e); err != nil {
		return nil, err
	}
	s := &Simulation{}
	own(s, &s.handle, c, freeSimulation)
	return s, nil
}

// Close frees the simulation.
func (s *Simulation) Close() {
	if s != nil {
		s.handle.close(freeSimulation)
	}
}

func (s *Simulation) open() bool { return s != nil && s.handle.c != nil }

// Advance runs at most maxEvents more events and says whether nothing is left. How the events are cut up changes nothing.
func (s *Simulation) Advance(maxEvents uint64) (done bool, err error) {
	if !s.open() {
		return false, ErrClosed
	}
	var ended C.uint8_t
	e := newError()
	status := C.kthena_simulation_advance(s.handle.c, C.uint64_t(maxEvents), &ended, e)
	runtime.KeepAlive(s)
	return ended != 0, toError(status, e)
}

// Progress returns how many requests have ended, over all runs, and how many there will be.
func (s *Simulation) Progress() (ended, total uint64) {
	if !s.open() {
		return 0, 0
	}
	var e, t C.uint64_t
	C.kthena_simulation_progress(s.handle.c, &e, &t)
	runtime.KeepAlive(s)
	return uint64(e), uint64(t)
}

// ReportJSON returns the report (docs/simulator.md). ErrFailedPrecondition before the end.
func (s *Simulation) ReportJSON() ([]byte, error) {
	if !s.open() {
		return nil, ErrClosed
	}
	defer runtime.KeepAlive(s)
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_simulation_report_json(s.handle.c, buffer, capacity, needed, e)
	})
}

// RequestsCSV returns one row per request and run, with a header line. ErrFailedPrecondition before the end.
func (s *Simulation) RequestsCSV() ([]byte, error) {
	if !s.open() {
		return nil, ErrClosed
	}
	defer runtime.KeepAlive(s)
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_simulation_requests_csv(s.handle.c, buffer, capacity, needed, e)
	})
}
