package sink

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// generator makes events of whatever bytes it is given, zeros when they are used
// up.
type generator struct{ raw []byte }

func newGenerator(seed uint64) *generator {
	raw := make([]byte, 4096)
	rng := rand.New(rand.NewPCG(seed, 7))
	for i := range raw {
		raw[i] = byte(rng.Uint32())
	}
	return &generator{raw: raw}
}

func (g *generator) bytes(n int) []byte {
	out := make([]byte, n)
	g.raw = g.raw[copy(out, g.raw):]
	return out
}

func (g *generator) byte() byte { return g.bytes(1)[0] }

// uint leans to small numbers and to the largest ones.
func (g *generator) uint() uint64 {
	switch v := binary.LittleEndian.Uint64(g.bytes(8)); g.byte() % 4 {
	case 0:
		return v
	case 1:
		return ^(v & 3)
	default:
		return v & 0xffff
	}
}

func (g *generator) string() string { return string(g.bytes(int(g.byte() % 20))) }

func (g *generator) addr() netip.Addr {
	switch g.byte() % 4 {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom4([4]byte(g.bytes(4)))
	case 2:
		return netip.AddrFrom16([16]byte(g.bytes(16))).WithZone(g.string())
	}
	return netip.AddrFrom16(netip.AddrFrom4([4]byte(g.bytes(4))).As16())
}

func (g *generator) conn() event.Conn {
	families := []event.Family{0, event.FamilyINET, event.FamilyINET6, 77}
	return event.Conn{
		ID: g.uint(), Cookie: g.uint(), NetNS: uint32(g.uint()), Family: families[g.byte()%4],
		LAddr: g.addr(), RAddr: g.addr(), LPort: uint16(g.uint()), RPort: uint16(g.uint()), KernelUser: g.string(),
	}
}

func (g *generator) proc() event.Process {
	p := event.Process{
		PID: uint32(g.uint()), TID: uint32(g.uint()), UID: uint32(g.uint()),
		Comm: event.Comm(g.bytes(16)), Kernel: g.byte()%2 == 0, CgroupID: g.uint(),
	}
	switch g.byte() % 4 {
	case 0:
		p.Place = &event.Place{Unit: g.string(), Container: g.string()}
	case 1:
		p.Place = &event.Place{Unit: g.string(), Container: g.string(), Namespace: g.string(), Pod: g.string(), ContainerName: g.string(), PodUID: g.string()}
	}
	return p
}

func (g *generator) tls() event.TLS {
	versions := []event.Version{0, 0x0303, 0x0304, event.DTLS12, event.Version(g.uint())}
	if versions[4].IsDTLS() { // others than 1.2 have no name by which they are read back
		versions[4] = event.DTLS12
	}
	return event.TLS{
		Version: versions[g.byte()%5], Cipher: event.Cipher(g.byte()), Mode: event.Mode(g.byte() % 6), Card: event.Card(g.byte() % 4),
		ZeroCopy: g.byte()%2 == 0, NoPad: g.byte()%2 == 0,
	}
}

func (g *generator) record() *event.Record {
	r := &event.Record{
		Conn: g.conn(), TLS: g.tls(), Proc: g.proc(), Dir: event.Dir(g.byte() % 2),
		Seq: g.uint(), Gen: uint32(g.uint()), Type: event.ContentType(g.byte()), Len: uint32(g.uint()),
		Op: event.Op(g.byte() % 9), Mono: g.uint(),
		Lat: event.Latency{Stage: [3]uint64{g.uint(), g.uint(), g.uint()}, Total: g.uint()},
	}
	if r.Dir == event.RX && g.byte()%2 == 0 {
		r.Call = event.Call{Records: max(1, uint32(uint16(g.uint()))), Time: g.uint()}
	}
	if r.TLS.Version.IsDTLS() {
		r.Epoch, r.Datagram = uint16(g.uint()), uint32(uint16(g.uint()))
	}
	r.Skipped = g.uint() % (1 << 16) // more of the longest stands for too much to be read back
	if r.Unsent = g.byte()%4 == 0; r.Unsent {
		r.Errno = uint32(g.uint())
	}
	if r.Type%2 == 0 {
		r.Type = 20 + r.Type%4
		r.Control = g.control(r.Type)
	}
	if g.byte()%3 == 0 {
		r.Payload = g.bytes(int(g.byte()))
	}
	return r
}

// control is what a recording can hold of a control record.
func (g *generator) control(t event.ContentType) *event.Control {
	switch t {
	case event.Alert:
		return &event.Control{AlertLevel: g.byte(), AlertDescription: g.byte()}
	case event.Handshake:
		c := &event.Control{ContinuesPrevious: g.byte()%2 == 0, ContinuesInNext: g.byte()%2 == 0}
		for range g.byte() % 9 {
			c.Handshakes = append(c.Handshakes, g.byte())
		}
		if c.Messages = len(c.Handshakes); c.Messages == 8 {
			c.Messages += int(g.byte())
		}
		return c
	}
	return nil
}

func (g *generator) socket() *event.Socket {
	s := &event.Socket{
		State: event.SocketState(g.byte()%6 + 1), Conn: g.conn(), Proc: g.proc(), Mono: g.uint(),
		Dir: event.Dir(g.byte() % 2), TX: g.tls(), RX: g.tls(), NextTX: g.uint(), NextRX: g.uint(),
		GenTX: uint32(g.uint()), GenRX: uint32(g.uint()), Blocked: g.uint(), Probed: g.uint(), UnsentBytes: g.uint(), Truncated: g.uint(), Totals: g.totals(), Hidden: [2]uint64{g.uint(), g.uint()}, Skipped: [2]uint64{g.uint(), g.uint()},
	}
	if s.AwaitsKey = g.byte()%2 == 0; s.AwaitsKey {
		s.AwaitsKeyFor = g.uint()
	}
	if g.byte()%2 == 0 {
		s.Held = &event.Held{OpenBytes: uint32(g.uint()), OpenFor: g.uint(), Incomplete: uint32(g.uint()), RecordBytes: uint32(g.uint()),
			QuietFor: g.uint(), Unread: uint32(g.uint()), UnreadBytes: g.uint()}
	}
	if s.State == event.SocketCard {
		s.Offload = &event.Offload{Resyncs: [2]uint64{g.uint(), g.uint()}, Fallback: g.uint(), Removed: g.byte()%2 == 0}
	}
	for i := range s.Drivers {
		if g.byte()%2 == 0 {
			s.Drivers[i] = event.Driver{Name: "x" + g.string(), Async: g.byte()%2 == 0}
		}
	}
	if g.byte()%4 == 0 {
		s.Hint = &event.Hint{ID: g.string(), Text: g.string()}
	}
	if s.Ended = event.Ending(g.byte() % 6); s.Ended != 0 {
		s.CloseNotify = [2]event.Answer{event.Answer(g.byte() % 3), event.Answer(g.byte() % 3)}
	}
	return s
}

func (g *generator) totals() event.Totals {
	return event.Totals{Records: [2]uint64{g.uint(), g.uint()}, Bytes: [2]uint64{g.uint(), g.uint()}, Sampled: [2]uint64{g.uint(), g.uint()}}
}

func (g *generator) error() *event.Error {
	return &event.Error{
		Conn: g.conn(), TLS: g.tls(), Proc: g.proc(), Mono: g.uint(), Dir: event.Dir(g.byte() % 2),
		Errno: uint32(g.uint()), Func: g.string(), Seq: g.uint(), Type: event.ContentType(g.byte()), ProcIsOwner: g.byte()%2 == 0,
		Option: event.Option(g.byte()), More: uint32(g.uint()),
	}
}

func (g *generator) drop() *event.Drop {
	return &event.Drop{
		Conn: g.conn(), TLS: g.tls(), Proc: g.proc(), Mono: g.uint(), Epoch: uint16(g.uint()), Seq: g.uint(), Type: event.ContentType(g.byte()),
		Len: uint32(g.uint()), Datagram: uint32(g.uint()), Reason: event.DropReason(g.byte() % 12), Count: max(g.uint(), 1),
	}
}

func (g *generator) lost() *event.Lost {
	l := &event.Lost{Mono: g.uint(), Cause: g.string(), Count: g.uint()}
	switch g.byte() % 3 {
	case 0:
		c := g.conn()
		l.Conn, l.Dir, l.First, l.Last = &c, event.Dir(g.byte()%2), g.uint(), g.uint()
	case 1:
		l.Dir, l.HasDir = event.Dir(g.byte()%2), true
	}
	return l
}

func (g *generator) summary() *event.Summary {
	s := &event.Summary{
		Mono: g.uint(), Duration: time.Duration(g.uint()), Totals: g.totals(), Sockets: g.uint(), Errors: g.uint(), Dropped: g.uint(), Unmatched: g.uint(), Forgotten: g.uint(), Duplicates: g.uint(),
		Tier: event.Tier(g.byte() % 4), Lost: map[string]uint64{}, CostOver: time.Duration(g.uint()),
		Skipped: [2]uint64{g.uint(), g.uint()}, Stopped: []string{"", "max_cpu"}[g.byte()%2],
	}
	for range g.byte() % 3 {
		// Small, since the schema bounds the sum.
		s.Lost[g.string()] = g.uint() >> 8
		if s.Evicted == nil {
			s.Evicted = map[string]uint64{}
		}
		s.Evicted[g.string()] = g.uint()
		s.Missing = append(s.Missing, g.string())
		s.Cost = append(s.Cost, event.ProgramCost{Name: g.string(), Runs: g.uint(), Nanos: g.uint(), Skipped: g.uint()})
	}
	return s
}

func (g *generator) trigger() *event.Trigger {
	return &event.Trigger{Mono: g.uint(), By: event.TriggerBy(g.byte() % 3), Expr: g.string(), Requested: g.uint(), Kept: g.uint(), Again: g.uint()}
}

func (g *generator) message() (m finding.Message) {
	for range g.byte() % 3 {
		m.Headers = append(m.Headers, finding.Header{Name: g.string(), Value: g.string()})
	}
	m.HeadLen, m.BodyLen = g.uint(), g.uint()
	return m
}

func (g *generator) http() *finding.HTTP {
	h := &finding.HTTP{
		Conn: g.conn(), TLS: g.tls(), Proc: g.proc(), Mono: g.uint(), Dir: event.Dir(g.byte() % 2),
		Version: []string{"1.0", "1.1", "2"}[g.byte()%3], Stream: uint32(g.uint()) >> 1, Duration: g.uint(),
		End: finding.End(g.byte() % 9),
	}
	if g.byte()%2 == 0 {
		h.Request = &finding.Request{Method: g.string(), Path: g.string(), Host: g.string(), Message: g.message()}
	}
	if g.byte()%2 == 0 {
		h.Response = &finding.Response{Status: int(g.uint() % 1000), Message: g.message()}
	}
	h.Ambiguous = int(uint16(g.uint()))
	if g.byte()%4 == 1 {
		h.Upstream = []finding.Upstream{{HTTP: g.http(), By: finding.ByID + finding.JoinedBy(g.byte()%2), After: g.uint()}}
		h.Added = g.uint()
	}
	return h
}

func (g *generator) exchange() *finding.Exchange {
	return &finding.Exchange{
		Conn: g.conn(), TLS: g.tls(), Proc: g.proc(), Mono: g.uint(), Dir: event.Dir(g.byte() % 2),
		Protocol: g.string(), ID: g.string(), Op: g.string(), Detail: g.string(), Status: g.string(),
		RequestLen: g.uint(), ReplyLen: g.uint(), Duration: g.uint(), End: finding.End(g.byte() % 9),
	}
}

func (g *generator) note() *finding.Note {
	return &finding.Note{Conn: g.conn(), Proc: g.proc(), Mono: g.uint(), Dir: event.Dir(g.byte() % 2), Text: g.string()}
}

// events ends with those whose text may be of any width.
func (g *generator) events() []event.Event {
	return []event.Event{g.record(), g.record(), g.socket(), g.error(), g.drop(), g.lost(), g.trigger(), g.summary(), g.http(), g.exchange(), g.note()}
}
