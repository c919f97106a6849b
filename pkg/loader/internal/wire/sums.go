package wire

import (
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Sums is what the programs add up of a connection, struct sums of
// bpf/ktls_sums.h.
type Sums object.KtlsSums

// SumsSize is the size of struct sums of bpf/ktls_sums.h.
const SumsSize = int64(unsafe.Sizeof(Sums{}))

// Bytes is w's memory, as the kernel lays it out.
func (w *Sums) Bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(w)), SumsSize) }

type side object.KtlsSide

func (w *Sums) side(d event.Dir) *side { return (*side)(&w.Side[d]) }

// Sample fills s.
func (w *Sums) Sample(s *event.Sample) {
	id := Event{Conn: w.Conn, Cookie: w.Cookie, Netns: w.Netns, Family: w.Family,
		Lport: w.Lport, Rport: w.Rport, Laddr: w.Laddr, Raddr: w.Raddr}
	s.Conn, s.Final = id.conn(), w.Closed != 0
	last := w.side(event.TX)
	if w.Side[event.RX].Mono > last.Mono {
		last = w.side(event.RX)
	}
	s.Mono, s.Proc = last.Mono, last.process()
	for d := range event.Dir(2) {
		side := w.side(d)
		s.TLS[d] = side.tls()
		s.Totals.Records[d], s.Totals.Bytes[d] = side.Records, side.Bytes
		s.Gen[d], s.Next[d] = side.Gen, side.Next
		for i := range side.Log2 {
			s.Lat[d][i] = event.Log2Hist{N: side.Log2[i], Sum: side.Sum[i], Max: side.Max[i]}
		}
	}
}

func (w *side) process() event.Process {
	who := Event{Pid: w.Pid, Tid: w.Tid, Uid: w.Uid, Cgroup: w.Cgroup, Comm: w.Comm, Flags: w.Flags}
	return who.process()
}

func (w *side) tls() event.TLS {
	return event.TLS{Version: event.Version(w.Version), Cipher: event.Cipher(w.Cipher),
		Mode: event.Mode(w.Mode &^ modeNoPad), NoPad: w.Mode&modeNoPad != 0, ZeroCopy: w.Zerocopy > 0}
}

// Add counts a record that was finished but not told when the hooks went away.
func (w *Sums) Add(e *Event) {
	if w.Conn == 0 {
		w.Conn, w.Cookie, w.Netns, w.Family = e.Conn, e.Cookie, e.Netns, e.Family
		w.Lport, w.Rport, w.Laddr, w.Raddr, w.User = e.Lport, e.Rport, e.Laddr, e.Raddr, e.User()
	}
	s := &w.Side[e.Dir&1]
	s.Records++
	s.Bytes += uint64(e.Rec.Len)
	s.Mono, s.Next, s.Gen = max(e.Rec.Stamp[0], e.Rec.Stamp[1], e.Rec.Stamp[2]), e.Rec.Seq+1, e.Gen
	s.Pid, s.Tid, s.Uid, s.Cgroup, s.Comm = e.Pid, e.Tid, e.Uid, e.Cgroup, e.Comm
	s.Version, s.Cipher, s.Mode, s.Flags = e.Version, e.Cipher, e.Mode, e.Flags
}
