package e2e

import (
	"slices"
	"testing"
)

// TestLoadAndTrace is all that runs on a kernel that is only checked, and runs
// there only, because on the others more is shown of all this: every
// group of programs passes its verifier, attaches and misses no hook, and of a
// hundred records sent and received each one is told exactly.
func TestLoadAndTrace(t *testing.T) {
	onlyOn(t, "6.16", "6.17")
	const each = 50
	tr := startTracer(t, "-s", "16384", "--match", "len > 0")
	dash := startDashboard(t, "-d", "200ms")
	type played struct {
		*pair
		s    security
		sent [][]byte
	}
	var all []played
	var bytes uint64
	for _, version := range []string{"1.2", "1.3"} {
		s := security{version, "AES-GCM-128", "sw"}
		x := played{pair: newPair(t, s), s: s}
		for i := range each {
			b := pattern(1+i*334, i)
			x.send(t, b, 0)
			x.recv(t, len(b), len(b))
			x.sent = append(x.sent, b)
			bytes += uint64(len(b))
		}
		all = append(all, x)
	}
	listed := listedPorts(t)
	for _, x := range all {
		if !slices.Contains(listed, x.lport) || !slices.Contains(listed, x.rport) {
			t.Errorf("list shows the ports %v and not %d and %d", listed, x.lport, x.rport)
		}
		x.close()
	}
	got, snaps := tr.stop(), dash.stopDashboard()
	got.noLosses(t)
	for _, x := range all {
		got.compare(t, x.lport, x.rport, "tx", data("send", x.sent...), x.s)
		got.compare(t, x.rport, x.lport, "rx", data("recv", x.sent...), x.s)
	}
	last, want := snaps[len(snaps)-1], totals{Records: 2 * each, Bytes: bytes}
	if last.TX.totals != want || last.RX.totals != want || last.Lost != 0 {
		t.Errorf("the dashboard has %+v, %+v and %d lost, want %+v", last.TX.totals, last.RX.totals, last.Lost, want)
	}
}

// listedPorts are the local ports of what ktlstop list finds.
func listedPorts(t *testing.T) (ports []int) {
	t.Helper()
	stdout, stderr, status := ktlstop(t, "list", "-o", "json")
	if status != 0 {
		t.Fatal(stderr)
	}
	for _, l := range parse(t, []byte(stdout)) {
		if l.Type == "socket" && l.State == "found" {
			ports = append(ports, l.Sock.LPort)
		}
	}
	return ports
}
