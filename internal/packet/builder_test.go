package packet

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func conn(id uint64, local, remote string) event.Conn {
	l, r := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	return event.Conn{ID: id, NetNS: 1, LAddr: l.Addr(), LPort: l.Port(), RAddr: r.Addr(), RPort: r.Port()}
}

var (
	server = conn(1, "192.0.2.1:443", "192.0.2.9:50000")
	client = conn(2, "192.0.2.9:50000", "192.0.2.1:443")
)

func data(c event.Conn, d event.Dir, seq uint64, payload string) *event.Record {
	return &event.Record{Conn: c, Dir: d, Seq: seq, Type: event.ApplicationData, Len: uint32(len(payload)), Payload: []byte(payload)}
}

func closed(c event.Conn, tx, rx uint64) *event.Socket {
	return &event.Socket{State: event.SocketClose, Conn: c, NextTX: tx, NextRX: rx}
}

func opened(c event.Conn) *event.Socket { return &event.Socket{State: event.SocketOpen, Conn: c} }

// brief is what the tests compare of a packet: numbers count from the
// direction's first.
type brief struct {
	From     uint16 // port
	Flags    Flags
	Seq, Ack uint32
	Data     string
	Missing  int
	Gap      uint64
}

// run returns the packets of some events.
func run(t *testing.T, cfg Config, events ...event.Event) (all []brief) {
	t.Helper()
	b := NewBuilder(cfg)
	start := map[uint16]uint32{}
	for _, ev := range events {
		err := b.Event(ev, func(p *Packet) error {
			if p.Flags&SYN != 0 {
				start[p.Src.Port()] = p.Seq
			}
			x := brief{p.Src.Port(), p.Flags, p.Seq - start[p.Src.Port()], 0, string(p.Payload), p.Missing, p.Gap}
			if p.Flags&ACK != 0 {
				x.Ack = p.Ack - start[p.Dst.Port()]
			}
			all = append(all, x)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func expect(t *testing.T, got []brief, want ...brief) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// hello is the handshake: the end with the higher port is the client.
var hello = []brief{{50000, SYN, 0, 0, "", 0, 0}, {443, SYN | ACK, 0, 1, "", 0, 0}, {50000, ACK, 1, 1, "", 0, 0}}

func TestConversation(t *testing.T) {
	got := run(t, Config{}, opened(server), opened(server),
		data(server, event.RX, 0, "GET"), data(server, event.TX, 0, "200 OK"), data(server, event.TX, 1, "body"), closed(server, 2, 1))
	expect(t, got, append(hello,
		brief{50000, PSH | ACK, 1, 1, "GET", 0, 0},
		brief{443, PSH | ACK, 1, 4, "200 OK", 0, 0},
		brief{443, PSH | ACK, 7, 4, "body", 0, 0},
		brief{443, FIN | ACK, 11, 4, "", 0, 0},
		brief{50000, FIN | ACK, 4, 12, "", 0, 0},
		brief{443, ACK, 12, 5, "", 0, 0})...)
}

func TestAcks(t *testing.T) {
	got := run(t, Config{Acks: true}, data(server, event.RX, 5, "GET"))
	expect(t, got, append(hello, brief{50000, PSH | ACK, 1, 1, "GET", 0, 0}, brief{443, ACK, 1, 4, "", 0, 0})...)
}

// TestFoundIsSilent: a connection that was there before begins when it speaks.
func TestFoundIsSilent(t *testing.T) {
	found := &event.Socket{State: event.SocketFound, Conn: server}
	expect(t, run(t, Config{}, found))
	expect(t, run(t, Config{}, found, closed(server, 7, 9)))
	expect(t, run(t, Config{}, found, data(server, event.TX, 7, "x")), append(hello, brief{443, PSH | ACK, 1, 1, "x", 0, 0})...)
}

func TestSegments(t *testing.T) {
	long := string(bytes.Repeat([]byte("abcdefgh"), 150)) // 1200 bytes
	got := run(t, Config{MTU: 640}, data(server, event.TX, 0, long))
	expect(t, got, append(hello, brief{443, ACK, 1, 1, long[:600], 0, 0}, brief{443, PSH | ACK, 601, 1, long[600:], 0, 0})...)
	short := data(server, event.TX, 0, long)
	short.Payload = short.Payload[:700]
	short.Len = 1300
	got = run(t, Config{MTU: 640}, short)
	expect(t, got, append(hello, brief{443, ACK, 1, 1, long[:600], 0, 0},
		brief{443, ACK, 601, 1, long[600:700], 500, 0}, brief{443, PSH | ACK, 1201, 1, "", 100, 0})...)
	expect(t, run(t, Config{}, data(server, event.TX, 0, "")), append(hello, brief{443, PSH | ACK, 1, 1, "", 0, 0})...)
}

// TestGaps: each record that is missing counts as one byte.
func TestGaps(t *testing.T) {
	first := data(server, event.TX, 4, "e")
	first.Start, first.HasStart = 2, true
	alert := data(server, event.TX, 8, "..")
	alert.Type = event.Alert
	got := run(t, Config{}, first, data(server, event.TX, 5, "f"), data(server, event.TX, 7, "h"), alert,
		data(server, event.TX, 9, "j"), data(server, event.TX, 6, "late"), closed(server, 12, 0))
	expect(t, got, append(hello,
		brief{443, PSH | ACK, 3, 1, "e", 0, 2},
		brief{443, PSH | ACK, 4, 1, "f", 0, 0},
		brief{443, PSH | ACK, 6, 1, "h", 0, 1},
		brief{443, PSH | ACK, 7, 1, "j", 0, 0},
		brief{443, PSH | ACK, 8, 1, "late", 0, 0},
		brief{443, FIN | ACK, 14, 1, "", 0, 2},
		brief{50000, FIN | ACK, 1, 15, "", 0, 0},
		brief{443, ACK, 15, 2, "", 0, 0})...)
}

// TestNewKeys: sequences start again with a key.
// What never left is no packet, and no hole either.
func TestUnsent(t *testing.T) {
	dead := data(server, event.TX, 1, "never")
	dead.Unsent = true
	got := run(t, Config{}, opened(server), data(server, event.TX, 0, "hello"), dead, closed(server, 2, 0))
	for _, p := range got {
		if p.Gap != 0 || p.Missing != 0 || p.Data == "never" {
			t.Errorf("%+v", p)
		}
	}
	if last := got[len(got)-1]; last.Seq > 1+uint32(len("hello"))+1 {
		t.Errorf("the last packet is %+v", last)
	}
}

func TestNewKeys(t *testing.T) {
	next := data(server, event.TX, 1, "b")
	next.Gen, next.HasStart = 1, true
	got := run(t, Config{}, data(server, event.TX, 9, "a"), next)
	expect(t, got, append(hello, brief{443, PSH | ACK, 1, 1, "a", 0, 0}, brief{443, PSH | ACK, 3, 1, "b", 0, 1})...)
}

// TestBothEnds: what both sockets report is shown once, even when one closes
// long before the other reads.
func TestBothEnds(t *testing.T) {
	got := run(t, Config{}, opened(client), opened(server),
		data(client, event.TX, 0, "GET"), data(server, event.RX, 0, "GET"),
		data(server, event.TX, 0, "200"), data(server, event.TX, 1, "body"),
		closed(server, 2, 1), data(client, event.RX, 0, "200"), data(client, event.RX, 1, "body"),
		closed(client, 1, 2))
	expect(t, got, append(hello,
		brief{50000, PSH | ACK, 1, 1, "GET", 0, 0},
		brief{443, PSH | ACK, 1, 4, "200", 0, 0},
		brief{443, PSH | ACK, 4, 4, "body", 0, 0},
		brief{443, FIN | ACK, 8, 4, "", 0, 0},
		brief{50000, FIN | ACK, 4, 9, "", 0, 0},
		brief{50000, ACK, 5, 9, "", 0, 0})...)
}

// TestLateEnd: an end that is met only after the other has closed repeats nothing.
func TestLateEnd(t *testing.T) {
	got := run(t, Config{}, data(client, event.TX, 0, "GET"), closed(client, 1, 0), data(server, event.RX, 0, "GET"), closed(server, 0, 1))
	if n := len(got); n != len(hello)+1+3 {
		t.Errorf("%d packets: %v", n, got)
	}
}

func TestEachSocket(t *testing.T) {
	got := run(t, Config{EachSocket: true}, data(client, event.TX, 0, "GET"), data(server, event.RX, 0, "GET"))
	if n := len(got); n != 2*(len(hello)+1) {
		t.Errorf("%d packets: %v", n, got)
	}
}

// TestAddressesUsedAgain: a new connection between the same ends is a new one.
func TestAddressesUsedAgain(t *testing.T) {
	again := server
	again.ID = 9
	got := run(t, Config{}, data(server, event.TX, 0, "a"), closed(server, 1, 0), data(again, event.TX, 0, "b"))
	expect(t, got[len(hello)+4:], append(hello, brief{443, PSH | ACK, 1, 1, "b", 0, 0})...)
	lost := run(t, Config{}, data(server, event.TX, 0, "a"), data(again, event.TX, 0, "b")) // its close was lost
	expect(t, lost[len(hello)+1:], append(hello, brief{443, PSH | ACK, 1, 1, "b", 0, 0})...)
}

// TestNamespaces: loopback addresses name different hosts in different
// namespaces, others the same.
func TestNamespaces(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{{"127.0.0.1:443", "127.0.0.1:50000", false}, {"192.0.2.1:443", "192.0.2.2:50000", true}, {"[::1]:443", "[::1]:50000", false}} {
		here, there := conn(1, c.a, c.b), conn(2, c.b, c.a)
		there.NetNS = 2
		got := run(t, Config{}, data(here, event.TX, 0, "x"), data(there, event.RX, 0, "x"))
		if same := len(got) == len(hello)+1; same != c.same {
			t.Errorf("%s: one connection %v, want %v", c.a, same, c.same)
		}
	}
}

// TestBounded: what is closed is forgotten.
func TestBounded(t *testing.T) {
	b := NewBuilder(Config{})
	drop := func(*Packet) error { return nil }
	for id := range uint64(5 * maxClosed) {
		c := conn(id+1, "192.0.2.1:443", "192.0.2.9:50000")
		c.RPort, c.RAddr = uint16(id), netip.AddrFrom4([4]byte{10, 0, byte(id >> 16), 1})
		for _, ev := range []event.Event{opened(c), data(c, event.TX, 0, "x"), closed(c, 1, 0)} {
			if err := b.Event(ev, drop); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(b.ends) != 0 || len(b.tuples) > maxClosed {
		t.Errorf("%d ends and %d connections are remembered", len(b.ends), len(b.tuples))
	}
}

// TestConnectionsAreBounded: those whose close was lost go, the idlest first,
// and one that speaks again is met in its middle: no gap, other numbers.
func TestConnectionsAreBounded(t *testing.T) {
	b := NewBuilder(Config{})
	b.flows = lru.New[*flow, struct{}](2)
	var last Packet
	write := func(ev event.Event) {
		t.Helper()
		if err := b.Event(ev, func(p *Packet) error { last = *p; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	speak := func(c event.Conn, seq uint64) {
		r := data(c, event.TX, seq, "x")
		r.HasStart = true // at 0
		write(r)
	}
	third := conn(3, "192.0.2.1:443", "192.0.2.9:50003")
	other := conn(4, "192.0.2.1:443", "192.0.2.9:50004")
	speak(server, 0)
	before := last.Seq
	speak(third, 0)
	speak(server, 1)
	speak(other, 0) // third was idler
	speak(server, 3)
	if last.Gap != 1 || b.Forgotten() != 1 {
		t.Errorf("gap %d of the one that is known, %d forgotten", last.Gap, b.Forgotten())
	}
	speak(third, 9)
	speak(other, 9)
	speak(server, 9)
	if last.Gap != 0 || last.Seq == before {
		t.Errorf("gap %d before the first record of a returning connection, numbers from %d again", last.Gap, last.Seq)
	}
	speak(server, 11)
	if last.Gap != 1 {
		t.Errorf("gap %d behind it", last.Gap)
	}
	fresh := conn(5, "192.0.2.1:443", "192.0.2.9:50005")
	write(opened(fresh))
	speak(fresh, 2)
	if last.Gap != 2 {
		t.Errorf("gap %d of a connection whose beginning was seen", last.Gap)
	}
	for id := range uint64(1000) {
		speak(conn(100+id, "192.0.2.1:443", netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), uint16(id+1)).String()), 0)
	}
	if len(b.ends) > 2 || len(b.tuples) > 2 || b.flows.Len() > 2 {
		t.Errorf("%d ends, %d tuples, %d connections", len(b.ends), len(b.tuples), b.flows.Len())
	}
}

// TestFoundLate: what shows that a socket was open before may come behind its
// first record, and takes nothing away from what is known of it.
func TestFoundLate(t *testing.T) {
	b := NewBuilder(Config{})
	var gap uint64
	for _, ev := range []event.Event{
		data(server, event.TX, 5, "x"),
		&event.Socket{State: event.SocketFound, Conn: server},
		data(server, event.TX, 8, "x"),
	} {
		if err := b.Event(ev, func(p *Packet) error { gap = p.Gap; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if gap != 2 {
		t.Errorf("gap %d, and 2 records are missing", gap)
	}
}
