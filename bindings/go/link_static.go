//go:build kthena_static

package kthena

// The static library of the build tree: the program needs no libkthena.so. Abseil's archives are those of the system; a library that was
// built with KTHENA_USE_ABSL=OFF ignores them.

// #cgo CPPFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: -L${SRCDIR}/../../build/release -l:libkthena.a -l:libabsl_raw_hash_set.a -l:libabsl_raw_logging_internal.a -lstdc++ -lm
import "C"
