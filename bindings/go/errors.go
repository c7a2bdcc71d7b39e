package kthena

// #include "kthena/kthena.h"
import "C"

import (
	"strconv"
	"unsafe"
)

// Code says what kind of error it is. The numbers are gRPC's.
type Code int32

// The codes.
const (
	CodeOK                 Code = C.KTHENA_OK
	CodeCancelled          Code = C.KTHENA_CANCELLED
	CodeUnknown            Code = C.KTHENA_UNKNOWN
	CodeInvalidArgument    Code = C.KTHENA_INVALID_ARGUMENT
	CodeDeadlineExceeded   Code = C.KTHENA_DEADLINE_EXCEEDED
	CodeNotFound           Code = C.KTHENA_NOT_FOUND
	CodeAlreadyExists      Code = C.KTHENA_ALREADY_EXISTS
	CodePermissionDenied   Code = C.KTHENA_PERMISSION_DENIED
	CodeResourceExhausted  Code = C.KTHENA_RESOURCE_EXHAUSTED
	CodeFailedPrecondition Code = C.KTHENA_FAILED_PRECONDITION
	CodeAborted            Code = C.KTHENA_ABORTED
	CodeOutOfRange         Code = C.KTHENA_OUT_OF_RANGE
	CodeUnimplemented      Code = C.KTHENA_UNIMPLEMENTED
	CodeInternal           Code = C.KTHENA_INTERNAL
	CodeUnavailable        Code = C.KTHENA_UNAVAILABLE
	CodeDataLoss           Code = C.KTHENA_DATA_LOSS
	CodeUnauthenticated    Code = C.KTHENA_UNAUTHENTICATED
)

var codeNames = [...]string{
	CodeOK:                 "ok",
	CodeCancelled:          "cancelled",
	CodeUnknown:            "unknown",
	CodeInvalidArgument:    "invalid argument",
	CodeDeadlineExceeded:   "deadline exceeded",
	CodeNotFound:           "not found",
	CodeAlreadyExists:      "already exists",
	CodePermissionDenied:   "permission denied",
	CodeResourceExhausted:  "resource exhausted",
	CodeFailedPrecondition: "failed precondition",
	CodeAborted:            "aborted",
	CodeOutOfRange:         "out of range",
	CodeUnimplemented:      "unimplemented",
	CodeInternal:           "internal",
	CodeUnavailable:        "unavailable",
	CodeDataLoss:           "data loss",
	CodeUnauthenticated:    "unauthenticated",
}

// String returns the name in words, "Code(n)" for a number that is none.
func (c Code) String() string {
	if c >= 0 && int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "Code(" + strconv.Itoa(int(c)) + ")"
}

// Error is what every function of this package fails with: bad input, never an outcome of a decision. Nothing has changed.
type Error struct {
	Code    Code
	Message string // names the fields at fault, all of them
}

func (e *Error) Error() string {
	if e.Message == "" {
		return "kthena: " + e.Code.String()
	}
	return "kthena: " + e.Code.String() + ": " + e.Message
}

// Is makes errors.Is(err, ErrInvalidArgument) compare codes. A target with a message must have the same message too.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// Targets for errors.Is.
var (
	ErrInvalidArgument    = &Error{Code: CodeInvalidArgument}
	ErrNotFound           = &Error{Code: CodeNotFound}
	ErrResourceExhausted  = &Error{Code: CodeResourceExhausted}
	ErrFailedPrecondition = &Error{Code: CodeFailedPrecondition}
	ErrInternal           = &Error{Code: CodeInternal}

	// ErrClosed is what a value refuses its work with after Close. It is an ErrFailedPrecondition.
	ErrClosed = &Error{Code: CodeFailedPrecondition, Message: "a value that was closed, or never made, is used"}
)

func newError() *C.kthena_error {
	return &C.kthena_error{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_error{}))}
}

// toError is nil for KTHENA_OK.
func toError(status C.kthena_status, e *C.kthena_error) error {
	if status == C.KTHENA_OK {
		return nil
	}
	return &Error{Code: Code(status), Message: C.GoString(&e.message[0])}
}
