package kthena

// #include "kthena/kthena.h"
import "C"

import (
	"errors"
	"runtime/cgo"
	"unsafe"
)

// A file with exports may not define anything in C: hence this one.

//export kthenaGoScore
func kthenaGoScore(scorer, call C.uintptr_t, input *C.kthena_score_input, out *C.double, n C.size_t, e *C.kthena_error) C.kthena_status {
	named := cgo.Handle(scorer).Value().(namedScorer)
	given := &ScoreInput{c: input, n: int(n)}
	var made *scorerCall
	if call != 0 {
		made = cgo.Handle(call).Value().(*scorerCall)
		given.request = made.request
	}
	err := ask(named.score, given, unsafe.Slice((*float64)(unsafe.Pointer(out)), int(n)))
	if err == nil {
		return C.KTHENA_OK
	}
	if made != nil {
		made.failure = &ScorerError{Scorer: named.name, Err: err}
	}
	message := unsafe.Slice((*byte)(unsafe.Pointer(&e.message[0])), len(e.message))
	message[copy(message[:len(message)-1], err.Error())] = 0
	code := CodeUnknown
	if typed := (*Error)(nil); errors.As(err, &typed) && typed.Code > CodeOK {
		code = typed.Code
	}
	return C.kthena_status(code)
}

//export kthenaGoFreeScorer
func kthenaGoFreeScorer(scorer C.uintptr_t) { cgo.Handle(scorer).Delete() }
