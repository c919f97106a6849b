package loader

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// wireSide is struct side of bpf/ktls_stats.h, without padding, so that the
// kernel's bytes need no decoding.
type wireSide struct {
	Records, Bytes, ZeroCopy uint64
	Mono, Next, Cgroup       uint64
	Sum, Max                 [4]uint64
	PID, TID, UID, Gen       uint32
	Version, Cipher          uint16
	Mode, Flags              uint8
	Pad                      [2]uint8
	Comm                     event.Comm
	Log2                     [4][event.Log2Buckets]uint32
}

// wireStats is struct stats of bpf/ktls_stats.h.
type wireStats struct {
	Conn, Cookie   uint64
	NetNS          uint32
	LPort, RPort   uint16
	Family, Closed uint8
	Pad            [6]uint8
	LAddr, RAddr   [16]byte
	Side           [2]wireSide
}

func (w *wireStats) sample(s *event.Sample) {
	id := wireEvent{Conn: w.Conn, Cookie: w.Cookie, NetNS: w.NetNS, Family: w.Family,
		LPort: w.LPort, RPort: w.RPort, LAddr: w.LAddr, RAddr: w.RAddr}
	s.Conn, s.Final = id.conn(), w.Closed != 0
	last := &w.Side[event.TX]
	if w.Side[event.RX].Mono > last.Mono {
		last = &w.Side[event.RX]
	}
	s.Mono, s.Proc = last.Mono, last.process()
	for d := range w.Side {
		side := &w.Side[d]
		s.TLS[d] = side.tls()
		s.Totals.Records[d], s.Totals.Bytes[d] = side.Records, side.Bytes
		s.Gen[d], s.Next[d] = side.Gen, side.Next
		for i := range side.Log2 {
			s.Lat[d][i] = event.Log2Hist{N: side.Log2[i], Sum: side.Sum[i], Max: side.Max[i]}
		}
	}
}

func (w *wireSide) process() event.Process {
	who := wireEvent{PID: w.PID, TID: w.TID, UID: w.UID, Cgroup: w.Cgroup, Comm: w.Comm, Flags: w.Flags}
	return who.process()
}

func (w *wireSide) tls() event.TLS {
	return event.TLS{Version: event.Version(w.Version), Cipher: event.Cipher(w.Cipher),
		Mode: event.Mode(w.Mode &^ modeNoPad), NoPad: w.Mode&modeNoPad != 0, ZeroCopy: w.ZeroCopy > 0}
}

// add counts a record that was finished but not told when the hooks went away.
func (w *wireStats) add(e *wireEvent) {
	if w.Conn == 0 {
		w.Conn, w.Cookie, w.NetNS, w.Family = e.Conn, e.Cookie, e.NetNS, e.Family
		w.LPort, w.RPort, w.LAddr, w.RAddr = e.LPort, e.RPort, e.LAddr, e.RAddr
	}
	s := &w.Side[e.Dir&1]
	s.Records++
	s.Bytes += uint64(e.Len)
	s.Mono, s.Next, s.Gen = max(e.Stamp[0], e.Stamp[1], e.Stamp[2]), e.Seq+1, e.Gen
	s.PID, s.TID, s.UID, s.Cgroup, s.Comm = e.PID, e.TID, e.UID, e.Cgroup, e.Comm
	s.Version, s.Cipher, s.Mode, s.Flags = e.Version, e.Cipher, e.Mode, e.Flags
}
