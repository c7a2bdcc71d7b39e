package kthena

// #include "kthena/kthena.h"
import "C"

import "runtime"

// DecisionLog collects decisions with all that they hung on, as bytes that another policy can decide again (docs/decision-log.md). One
// goroutine at a time.
type DecisionLog struct {
	handle handle[*C.kthena_decision_log]
}

func freeDecisionLog(c *C.kthena_decision_log) { C.kthena_decision_log_free(c) }

// NewDecisionLog makes an empty log of decisions of a policy. Any goroutine.
func NewDecisionLog(policy *Policy) (*DecisionLog, error) {
	if !policy.open() {
		return nil, ErrClosed
	}
	var c *C.kthena_decision_log
	e := newError()
	status := C.kthena_decision_log_create(policy.handle.c, &c, e)
	runtime.KeepAlive(policy)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	l := &DecisionLog{}
	own(l, &l.handle, c, freeDecisionLog)
	return l, nil
}

// Close frees the log and the bytes that were not taken.
func (l *DecisionLog) Close() {
	if l != nil {
		l.handle.close(freeDecisionLog)
	}
}

func (l *DecisionLog) open() bool { return l != nil && l.handle.c != nil }

// SetPolicy says who decides from the next decision on.
func (l *DecisionLog) SetPolicy(policy *Policy) error {
	if !l.open() || !policy.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_decision_log_set_policy(l.handle.c, policy.handle.c, e)
	runtime.KeepAlive(l)
	runtime.KeepAlive(policy)
	return toError(status, e)
}

// Restart lets the next decision begin a log of its own, for the next file.
func (l *DecisionLog) Restart() error {
	if !l.open() {
		return ErrClosed
	}
	e := newError()
	status := C.kthena_decision_log_restart(l.handle.c, e)
	runtime.KeepAlive(l)
	return toError(status, e)
}

// Take returns the bytes since the last call, which are then forgotten: to be put behind those of before.
func (l *DecisionLog) Take() ([]byte, error) {
	if !l.open() {
		return nil, ErrClosed
	}
	defer runtime.KeepAlive(l)
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_decision_log_take(l.handle.c, buffer, capacity, needed, e)
	})
}

// Hash returns a hash of all of the policy but its names, the same in every language.
func (p *Policy) Hash() uint64 {
	if !p.open() {
		return 0
	}
	defer runtime.KeepAlive(p)
	return uint64(C.kthena_policy_hash(p.handle.c))
}

// DiffJSON returns what another policy would have decided of the decisions in a log: {"policy", "limit"} in, a report out
// (docs/schemas/log_diff.schema.json). A log that is damaged is an ErrInvalidArgument with the byte; one that is cut is decided again up to
// the cut. Any goroutine.
func DiffJSON(log, question []byte) ([]byte, error) {
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_log_diff_json(bytesStr(log), bytesStr(question), buffer, capacity, needed, e)
	})
}

// LintJSON returns what of a policy is known to go wrong: {"policy", "fleet"} in, findings out (docs/lint.md, docs/schemas/lint.schema.json).
// Any goroutine.
func LintJSON(document []byte) ([]byte, error) {
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_lint_json(bytesStr(document), buffer, capacity, needed, e)
	})
}
