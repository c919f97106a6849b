package e2e

import (
	"testing"

	"golang.org/x/sys/unix"
)

// unsentCase is a connection whose last records never reach its peer.
type unsentCase struct {
	name string
	// kill sends records that arrive, makes sure that no more can, sends more and closes the
	// sender. It returns how many records and bytes the program had accepted after the last
	// that arrived, if that is known.
	kill func(t *testing.T, p *pair)
	// errors is how many the trace reports.
	errors int
}

var unsentCases = []unsentCase{
	{"sending is shut down", killShutDown, 1},
	{"the peer has reset", killReset, -1},
	{"the peer's window is full", killFull, 0},
}

func killShutDown(t *testing.T, p *pair) {
	p.send(t, []byte("last words"), 0)
	must(t, unix.Shutdown(p.a, unix.SHUT_WR))
	sendInVain(p)
	readToEnd(t, p)
	p.closeEnd(0)
}

// sendInVain sends data that the kernel may refuse or accept.
func sendInVain(p *pair) {
	for i := range 5 {
		again(func() error { return unix.Send(p.a, pattern(100, i), unix.MSG_NOSIGNAL) })
	}
}

// readToEnd reads all that arrives.
func readToEnd(t *testing.T, p *pair) {
	for p.recvfrom(t, make([]byte, 1<<16), 0) > 0 {
	}
}

func killReset(t *testing.T, p *pair) {
	p.send(t, []byte("last words"), 0)
	p.recv(t, 10, 10)
	must(t, unix.SetsockoptLinger(p.b, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	p.closeEnd(1)
	p.until(t, unix.POLLIN)
	sendInVain(p)
	p.closeEnd(0)
}

// killFull sends until TCP accepts no more, and of the last record only a part.
func killFull(t *testing.T, p *pair) {
	must(t, unix.SetNonblock(p.a, true))
	b := pattern(16000, 1)
	for {
		if err := again(func() error { return unix.Send(p.a, b, 0) }); err == unix.EAGAIN {
			break
		} else {
			must(t, err)
		}
	}
	must(t, unix.SetsockoptLinger(p.a, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	p.closeEnd(0)
}

// TestUnsent: records that were sealed and never reached TCP are reported as such, are in no
// total, and the reason is reported once. The records sent are those that the peer could
// open.
func TestUnsent(t *testing.T) {
	tr := startTracer(t, "-s", "64")
	dashes := map[string]*tracer{"stages on": startDashboard(t), "stages off": startDashboard(t, "--stages", "off")}
	var pairs []*pair
	for _, d := range unsentCases {
		p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
		d.kill(t, p)
		p.close()
		pairs = append(pairs, p)
	}
	got := tr.stop()
	got.noLosses(t)
	for i, d := range unsentCases {
		t.Run(d.name, func(t *testing.T) { checkUnsent(t, got, pairs[i], d) })
	}
	for about, dash := range dashes {
		snaps := dash.stopDashboard()
		t.Run(about, func(t *testing.T) { checkAddsUp(t, got, snaps[len(snaps)-1]) })
	}
}

func checkUnsent(t *testing.T, got trace, p *pair, d unsentCase) {
	t.Helper()
	var sent, unsent totals
	for _, l := range got.stream(p.lport, p.rport, "tx") {
		if l.unsent() {
			unsent.Records, unsent.Bytes = unsent.Records+1, unsent.Bytes+uint64(l.Len)
			continue
		}
		if unsent.Records > 0 {
			t.Errorf("record %d was sent behind one that was not", l.Seq)
		}
		sent.Records, sent.Bytes = sent.Records+1, sent.Bytes+uint64(l.Len)
	}
	var opened totals
	for _, l := range got.stream(p.rport, p.lport, "rx") {
		opened.Records, opened.Bytes = opened.Records+1, opened.Bytes+uint64(l.Len)
	}
	t.Logf("sent %+v, unsent %+v, opened %+v", sent, unsent, opened)
	if d.errors >= 0 && sent != opened && opened.Records > 0 {
		t.Errorf("%+v were sent, the peer opened %+v", sent, opened)
	}
	of := got.of(p.lport, p.rport)
	closed := of.filter(func(l *line) bool { return l.Type == "socket" && l.State == "close" })
	if len(closed) != 1 || closed[0].Totals["tx"] != sent {
		t.Errorf("the close says %+v, sent was %+v", closed, sent)
	}
	failures := of.ofType("error")
	for _, l := range failures {
		t.Logf("%s by %s, record %d", l.Errno, l.Func, l.Seq)
	}
	if d.errors >= 0 && len(failures) != d.errors {
		t.Errorf("%d errors, want %d", len(failures), d.errors)
	}
	if d.errors > 0 && unsent.Records == 0 {
		t.Error("no record is reported as unsent")
	}
}

// unsent reports whether a record was never sent.
func (l *line) unsent() bool { return l.Type == "unsent" && l.Sent != nil && !*l.Sent }
