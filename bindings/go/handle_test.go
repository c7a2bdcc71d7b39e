package kthena

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// resource stands for a C object; freed counts how often each was freed.
type resource struct{ freed *atomic.Int32 }

type owner struct {
	handle handle[*resource]
	name   string // so that an owner is not too small for a cleanup of its own
}

func freeResource(r *resource) { r.freed.Add(1) }

func newOwner() (*owner, *atomic.Int32) {
	freed := new(atomic.Int32)
	o := &owner{name: "owner"}
	own(o, &o.handle, &resource{freed}, freeResource)
	return o, freed
}

func TestForgottenHandlesAreFreedOnce(t *testing.T) {
	_, freed := newOwner()
	for deadline := time.Now().Add(10 * time.Second); freed.Load() == 0 && time.Now().Before(deadline); {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if freed.Load() != 1 {
		t.Errorf("a forgotten handle was freed %d times", freed.Load())
	}
}

func TestClosedHandlesAreFreedOnce(t *testing.T) {
	o, freed := newOwner()
	o.handle.close(freeResource)
	if freed.Load() != 1 {
		t.Error("Close did not free")
	}
	o.handle.close(freeResource)
	runtime.KeepAlive(o)
	o = nil
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if freed.Load() != 1 {
		t.Errorf("a closed handle was freed %d times", freed.Load())
	}
}
