package programs

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// nothingLost checks that the trace reports no losses. A kernel that preempts itself may skip
// hooks: then the losses are reported, no more than the kernel counts, and the rest of the test,
// which compares every byte, is skipped.
func (tr *trace) nothingLost(t *testing.T) {
	t.Helper()
	tr.checkFound(t)
	if len(tr.summary.Missing) != 0 {
		t.Errorf("hooks are missing: %v", tr.summary.Missing)
	}
	if len(tr.summary.Lost) == 0 && len(tr.lost) == 0 {
		return
	}
	if !onlySkipped(tr.summary) {
		t.Fatalf("lost %v", tr.summary.Lost)
	}
	t.Skipf("lost %v: the kernel skipped their hooks, and records that were not seen cannot be compared", tr.summary.Lost)
}

// mostSkipped is how many records a kernel that preempts itself may skip in one test: more are a fault.
const mostSkipped = 12

// skippedFor are the programs whose skipping loses a record for a cause: its bytes, or all of it.
var skippedFor = map[string][]string{
	"payload_unreadable": {"verdict_enter", "open_enter"},
	"skipped":            {"verdict_enter", "open_exit"},
}

// onlySkipped reports whether something was lost, and all of it because the kernel skipped hooks.
func onlySkipped(s *event.Summary) bool {
	for cause, n := range s.Lost {
		if n > min(mostSkipped, skips(s, skippedFor[cause]...)) {
			return false
		}
	}
	return len(s.Lost) != 0
}

// skips is how often at most the kernel skipped some programs.
func skips(s *event.Summary, programs ...string) (n uint64) {
	for _, c := range s.Cost {
		if slices.Contains(programs, c.Name) {
			n += c.Skipped
		}
	}
	return n
}

func TestOnlySkipped(t *testing.T) {
	for _, c := range []struct {
		cause  string
		lost   uint64
		hook   string
		counts uint64
		want   bool
	}{
		{"skipped", 2, "open_exit", 2, true},
		{"payload_unreadable", 1, "open_enter", 5, true},
		{"skipped", 2, "open_exit", 1, false},
		{"skipped", 2, "open_enter", 2, false}, // another hook's
		{"skipped", mostSkipped + 1, "open_exit", 100, false},
		{"ring_full", 1, "open_exit", 1, false},
	} {
		s := &event.Summary{Lost: map[string]uint64{c.cause: c.lost}, Cost: []event.ProgramCost{{Name: c.hook, Skipped: c.counts}}}
		if got := onlySkipped(s); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if onlySkipped(&event.Summary{}) {
		t.Error("gaps without a cause are explained")
	}
}

// stream is the application data that the socket with these ports sent or received, in order, and
// its length.
func (tr *trace) stream(lport, rport int, dir event.Dir) (data []byte, n int) {
	for _, r := range tr.records {
		if int(r.Conn.LPort) == lport && int(r.Conn.RPort) == rport && r.Dir == dir && r.Type == event.ApplicationData {
			data = append(data, r.Payload...)
			n += int(r.Len)
		}
	}
	return data, n
}

// bytesOf is the number of bytes of application data that all sockets of a side sent or received.
func (tr *trace) bytesOf(s side, dir event.Dir) (n int) {
	for _, r := range tr.records {
		if s.has(&r.Conn) && r.Dir == dir && r.Type == event.ApplicationData {
			n += int(r.Len)
		}
	}
	return n
}

// ops counts the bytes of application data of a side by call.
func (tr *trace) ops(s side, dir event.Dir) map[string]int {
	n := map[string]int{}
	for _, r := range tr.records {
		if s.has(&r.Conn) && r.Dir == dir && r.Type == event.ApplicationData {
			n[r.Op.String()] += int(r.Len)
		}
	}
	return n
}

// has reports whether a socket is this side's.
func (s *side) has(c *event.Conn) bool {
	if s.serves() {
		return int(c.LPort) == s.port
	}
	return int(c.RPort) == s.port
}

// clients are the client ports of connections to a port, in the order in which the trace first
// reported them.
func (tr *trace) clients(port int) (ports []int) {
	seen := map[int]bool{}
	for _, s := range tr.sockets {
		client := 0
		switch {
		case int(s.Conn.LPort) == port:
			client = int(s.Conn.RPort)
		case int(s.Conn.RPort) == port:
			client = int(s.Conn.LPort)
		}
		if client != 0 && !seen[client] {
			seen[client] = true
			ports = append(ports, client)
		}
	}
	return ports
}

// bothEnds checks connections with both ends in the kernel: the data sent by one is received by the
// other, byte for byte. It returns the number of bytes.
func (tr *trace) bothEnds(t *testing.T, port int) (conns, n int) {
	t.Helper()
	for _, client := range tr.clients(port) {
		conns++
		n += tr.oneWay(t, client, port) + tr.oneWay(t, port, client)
	}
	if n == 0 {
		t.Errorf("no bytes between the two ends at port %d", port)
	}
	return conns, n
}

// oneWay compares the data sent from a port to another with the data received there.
func (tr *trace) oneWay(t *testing.T, from, to int) int {
	t.Helper()
	sent, n := tr.stream(from, to, event.TX)
	got, m := tr.stream(to, from, event.RX)
	if n != m || !bytes.Equal(sent, got) || len(sent) != n {
		t.Errorf("from port %d to %d: %d bytes sent, of which %d are shown; %d bytes received, of which %d are shown", from, to, n, len(sent), m, len(got))
	}
	return n
}
