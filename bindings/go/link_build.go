//go:build kthena_build && !kthena_static

package kthena

// The shared library of the build tree (cmake --workflow --preset release), found at run time without further settings.

// #cgo CPPFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: -L${SRCDIR}/../../build/release -lkthena -Wl,-rpath,${SRCDIR}/../../build/release
import "C"
