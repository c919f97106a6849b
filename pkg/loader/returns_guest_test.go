package loader

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestReturnOfALaterCall: where the return of the call that has read a record was not
// seen, that of a later call lets it go, and the record is not reported as read by that one.
func TestReturnOfALaterCall(t *testing.T) {
	needGuest(t)
	tr, err := Open(t.Context(), Config{Backend: BackendEBPF})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	a, b := kernelTLS(t)
	unhook(t, tr, "splice_read_exit")
	spliceThenRead(t, fdOf(t, a), fdOf(t, b))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var ops []event.Op
	if err := tr.Run(ctx, func(ev event.Event) error {
		if r, ok := ev.(*event.Record); ok && r.Dir == event.RX {
			ops = append(ops, r.Op)
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ops, []event.Op{event.OpSpliceRead}) {
		t.Errorf("read as %v, want one splice_read", ops)
	}
}

// unhook detaches one program: for each call the kernel then does as if it had skipped it.
func unhook(t *testing.T, tr *Tracer, program string) {
	t.Helper()
	b := tr.backend.(*ebpfBackend)
	info, err := b.coll.Programs[program].Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	at := slices.IndexFunc(b.links, func(l link.Link) bool {
		info, err := l.Info()
		return err == nil && info.Program == id
	})
	if at < 0 {
		t.Fatalf("%s is not attached", program)
	}
	if err := b.links[at].Close(); err != nil {
		t.Fatal(err)
	}
	b.links = slices.Delete(b.links, at, at+1)
}

// spliceThenRead sends a record, splices it out on the other side, and then asks there
// for more, which is not there: all on one thread.
func spliceThenRead(t *testing.T, out, in int) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if _, err := unix.Write(out, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	poll(t, unix.PollFd{Fd: int32(in), Events: unix.POLLIN})
	if n, err := unix.Splice(in, nil, pipe[1], nil, 100, 0); n != 100 || err != nil {
		t.Fatalf("spliced %d: %v", n, err)
	}
	if _, err := unix.Read(in, make([]byte, 100)); !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("%v, want EAGAIN", err)
	}
}
