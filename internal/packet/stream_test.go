package packet

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// streams rebuilds connections with gopacket's own reassembly, from frames.
type streams struct {
	t         *testing.T
	assembler *reassembly.Assembler
	halves    map[uint16]*half // by the sender's port
}

// half is what one direction carried. Skipped bytes are marked.
type half struct {
	bytes.Buffer
	ended bool
}

func newStreams(t *testing.T) *streams {
	s := &streams{t: t, halves: map[uint16]*half{}}
	s.assembler = reassembly.NewAssembler(reassembly.NewStreamPool(s))
	return s
}

func (s *streams) New(_, _ gopacket.Flow, tcp *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return &stream{s, uint16(tcp.SrcPort), uint16(tcp.DstPort)}
}

type stream struct {
	*streams
	client, server uint16
}

func (s *stream) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

func (s *stream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, end, skip := sg.Info()
	port := s.client
	if dir == reassembly.TCPDirServerToClient {
		port = s.server
	}
	h := s.half(port)
	for range max(0, skip) {
		h.WriteByte('_')
	}
	n, _ := sg.Lengths()
	h.Write(sg.Fetch(n))
	h.ended = h.ended || end
}

func (s *stream) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }

func (s *streams) half(port uint16) *half {
	if s.halves[port] == nil {
		s.halves[port] = &half{}
	}
	return s.halves[port]
}

// packet takes one frame, whose checksums must hold.
func (s *streams) packet(frame []byte) {
	s.t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if e := p.ErrorLayer(); e != nil || !ok {
		s.t.Fatalf("frame % x: %v", frame[:min(len(frame), 80)], e)
	}
	if err := tcp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
		s.t.Fatal(err)
	}
	if err, bad := p.VerifyChecksums(); len(bad) > 0 || err != nil {
		s.t.Fatalf("checksums: %v, %v", bad, err)
	}
	s.assembler.Assemble(p.NetworkLayer().NetworkFlow(), tcp)
}

// TestRandomConversations: whatever happens in which order, each direction is
// the bytes that were sent, in order, with a mark for each missing record.
func TestRandomConversations(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := newStreams(t)
		cfg := Config{MTU: []int{576, 1500, 65535}[rnd.IntN(3)], Acks: rnd.IntN(2) == 0}
		b, frames := NewBuilder(cfg), NewFramer(cfg.MTU)
		emit := func(p *Packet) error {
			frame, err := frames.Frame(p)
			if err == nil {
				s.packet(frame)
			}
			return err
		}
		want := converse(t, rnd, b, emit)
		s.assembler.FlushAll()
		for port, sent := range want {
			if got := s.half(port); !bytes.Equal(got.Bytes(), sent) || !got.ended {
				t.Fatalf("seed %d, port %d: %d bytes (ended %v), want %d", seed, port, got.Len(), got.ended, len(sent))
			}
		}
	}
}

// converse plays a conversation and returns what each port sent. Both ends are
// traced, and the receivers report late.
func converse(t *testing.T, rnd *rand.Rand, b *Builder, emit Emit) map[uint16][]byte {
	t.Helper()
	local, remote := "192.0.2.1:443", "192.0.2.9:50000"
	if rnd.IntN(2) == 0 {
		local, remote = "[2001:db8::1]:443", "[2001:db8::9]:50000"
	}
	ends := [2]event.Conn{conn(1, local, remote), conn(2, remote, local)}
	want := map[uint16][]byte{443: nil, 50000: nil}
	var seq [2]uint64
	var unread [2][]*event.Record // by the sender
	do := func(ev event.Event) {
		if err := b.Event(ev, emit); err != nil {
			t.Fatal(err)
		}
	}
	do(opened(ends[0]))
	do(opened(ends[1]))
	read := func(from int) {
		r := *unread[from][0]
		r.Conn, r.Dir = ends[1-from], event.RX
		unread[from] = unread[from][1:]
		do(&r)
	}
	send := func(from int, lost bool) {
		payload := make([]byte, rnd.IntN(16385))
		for i := range payload {
			payload[i] = byte('a' + rnd.IntN(26))
		}
		r := data(ends[from], event.TX, seq[from], string(payload))
		r.HasStart = true
		seq[from]++
		unread[from] = append(unread[from], r)
		port := ends[from].LPort
		if lost {
			want[port] = append(want[port], '_')
			return
		}
		want[port] = append(want[port], payload...)
		do(r)
	}
	// The first record says who speaks, and gopacket does not report bytes that
	// are missing before a FIN.
	send(0, false)
	send(1, false)
	for range rnd.IntN(30) {
		from := rnd.IntN(2)
		if len(unread[from]) > 0 && rnd.IntN(2) == 0 {
			read(from)
		} else {
			send(from, rnd.IntN(5) == 0)
		}
	}
	send(0, false)
	send(1, false)
	for len(unread[1]) > 0 {
		read(1)
	}
	do(closed(ends[0], seq[0], seq[1]))
	for len(unread[0]) > 0 {
		read(0)
	}
	do(closed(ends[1], seq[1], seq[0]))
	return want
}
