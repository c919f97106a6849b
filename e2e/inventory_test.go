package e2e

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestListKernelSockets: the inventory has sockets that are in no task's files, in each
// network namespace: one that the kernel connection multiplexor alone still holds.
func TestListKernelSockets(t *testing.T) {
	here := heldByKernel(t)
	var there *pair
	inNetns(t, func() { there = heldByKernel(t) })
	all := list(t)
	for _, p := range []*pair{here, there} {
		// The sender's end has its file, the receiver's none.
		found := all.filter(func(l *line) bool { return l.Sock.LPort == p.rport && l.Sock.RPort == p.lport })
		if len(found) != 1 || found[0].PID != 0 || found[0].RX.Mode != "sw" || found[0].Sock.Cookie == 0 {
			t.Errorf("socket without a file: %+v, want one", found)
		}
	}
	if len(all) < 4 {
		t.Errorf("%d sockets, want 4: %+v", len(all), all)
	}
}

// heldByKernel returns a pair whose second socket only a multiplexor has.
func heldByKernel(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	kcm := multiplexor(t, p.b, kcmSize)
	p.closeEnd(1)
	t.Cleanup(func() {
		unix.Close(kcm)
		p.closeEnd(0)
	})
	return p
}
