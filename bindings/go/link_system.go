//go:build !kthena_build && !kthena_static

package kthena

// The installed library, found by pkg-config.

// #cgo pkg-config: kthena
import "C"
