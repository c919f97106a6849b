package e2e

import (
	"slices"
	"testing"
)

// TestUringReceives: records that a ring reads are reported as such, also if other
// calls read there.
func TestUringReceives(t *testing.T) {
	tr := startTracer(t)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	b := pattern(500, 1)
	for range 2 {
		p.send(t, b, 0)
		got := make([]byte, len(b))
		must(t, uring(p.b, uringOpRecv, got))
		checkSame(t, got, b)
		p.send(t, b, 0)
		p.recv(t, len(b), len(b))
	}
	got := tr.stop()
	got.noLosses(t)
	var ops []string
	for _, l := range got.stream(p.rport, p.lport, "rx") {
		ops = append(ops, l.Op)
	}
	if want := []string{"uring_recv", "recv", "uring_recv", "recv"}; !slices.Equal(ops, want) {
		t.Errorf("read by %v, want %v", ops, want)
	}
}
