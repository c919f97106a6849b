package programs

import (
	"bytes"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// nothingLost checks that the trace knows of nothing that it missed.
func (tr *trace) nothingLost(t *testing.T) {
	t.Helper()
	if len(tr.summary.Lost) != 0 || len(tr.lost) != 0 {
		t.Errorf("lost %v", tr.summary.Lost)
	}
	if len(tr.summary.Missing) != 0 {
		t.Errorf("hooks are missing: %v", tr.summary.Missing)
	}
}

// stream is the application data that the socket with these ports sent or got, in order,
// and how many bytes that is.
func (tr *trace) stream(lport, rport int, dir event.Dir) (data []byte, n int) {
	for _, r := range tr.records {
		if int(r.Conn.LPort) == lport && int(r.Conn.RPort) == rport && r.Dir == dir && r.Type == event.ApplicationData {
			data = append(data, r.Payload...)
			n += int(r.Len)
		}
	}
	return data, n
}

// bytesOf are the bytes of application data that all sockets of a side sent or got.
func (tr *trace) bytesOf(s side, dir event.Dir) (n int) {
	for _, r := range tr.records {
		if s.has(&r.Conn) && r.Dir == dir && r.Type == event.ApplicationData {
			n += int(r.Len)
		}
	}
	return n
}

// ops counts the bytes of application data of a side by the call that sent or got them.
func (tr *trace) ops(s side, dir event.Dir) map[string]int {
	n := map[string]int{}
	for _, r := range tr.records {
		if s.has(&r.Conn) && r.Dir == dir && r.Type == event.ApplicationData {
			n[r.Op.String()] += int(r.Len)
		}
	}
	return n
}

// has says whether a socket is this side's.
func (s *side) has(c *event.Conn) bool {
	if s.serves() {
		return int(c.LPort) == s.port
	}
	return int(c.RPort) == s.port
}

// clients are the ports that connections to a port come from, in the order in which the
// trace met them.
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

// bothEnds checks connections of which both ends are the kernel's: what one sent is what
// the other got, byte for byte. It returns how much that was.
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

// oneWay compares what was sent from a port to another with what came out there.
func (tr *trace) oneWay(t *testing.T, from, to int) int {
	t.Helper()
	sent, n := tr.stream(from, to, event.TX)
	got, m := tr.stream(to, from, event.RX)
	if n != m || !bytes.Equal(sent, got) || len(sent) != n {
		t.Errorf("from port %d to %d: %d bytes sent, of which %d are shown; %d bytes received, of which %d are shown", from, to, n, len(sent), m, len(got))
	}
	return n
}
