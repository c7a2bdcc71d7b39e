package kthena

// #include "kthena/kthena.h"
import "C"

import (
	"encoding/json"
	"runtime"
)

// Policy says how to choose among endpoints. It never changes; any number of goroutines may use it while nobody calls Close.
type Policy struct {
	handle handle[*C.kthena_policy]
	calls  bool // scorers of the caller's own
}

func freePolicy(c *C.kthena_policy) { C.kthena_policy_free(c) }

// NewPolicy makes a policy from the name of a preset, such as "kthena-default". An unknown name is an ErrNotFound that lists all
// names. Any goroutine.
func NewPolicy(preset string) (*Policy, error) {
	var c *C.kthena_policy
	e := newError()
	status := C.kthena_policy_create_preset(str(preset), &c, e)
	return newPolicy(c, toError(status, e))
}

// NewPolicyJSON makes a policy from its JSON form (docs/schemas/policy.schema.json). All faults are reported together. Any goroutine.
func NewPolicyJSON(document []byte) (*Policy, error) {
	var c *C.kthena_policy
	e := newError()
	status := C.kthena_policy_create_json(bytesStr(document), &c, e)
	return newPolicy(c, toError(status, e))
}

func newPolicy(c *C.kthena_policy, err error) (*Policy, error) {
	if err != nil {
		return nil, err
	}
	p := &Policy{}
	own(p, &p.handle, c, freePolicy)
	return p, nil
}

// Close frees the policy.
func (p *Policy) Close() {
	if p != nil {
		p.handle.close(freePolicy)
	}
}

func (p *Policy) open() bool { return p != nil && p.handle.c != nil }

// JSON returns the policy in its full JSON form.
func (p *Policy) JSON() ([]byte, error) {
	if !p.open() {
		return nil, ErrClosed
	}
	defer runtime.KeepAlive(p)
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_policy_json(p.handle.c, buffer, capacity, needed, e)
	})
}

// Presets returns the names of all presets. Any goroutine.
func Presets() ([]string, error) {
	document, err := text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_presets_json(buffer, capacity, needed, e)
	})
	if err != nil {
		return nil, err
	}
	var names []string
	err = json.Unmarshal(document, &names)
	return names, err
}

// PartsJSON returns all filters, scorers and pickers with their options as a JSON array. Any goroutine.
func PartsJSON() ([]byte, error) {
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_parts_json(buffer, capacity, needed, e)
	})
}
