package loader

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Sizes and values of bpf/ktls_event.h.
const (
	eventSize   = 184
	payloadSize = 40

	kindRecord = 1
	kindSocket = 2
	kindError  = 3
	kindOpened = 4

	flagZeroCopy    = 1
	flagReturnLater = 2
	flagKthread     = 4
	flagPayload     = 8
	flagAsync       = 16
	flagHidden      = 32
	flagControl     = 64
	flagPushed      = 128
)

// modeNoPad is MODE_NO_PAD; the bits below are the mode.
const modeNoPad = 0x80

// wireEvent is struct event of bpf/ktls_event.h, field for field.
type wireEvent struct {
	Stamp                      [4]uint64
	Seq, Conn, Cookie, Cgroup  uint64
	PID, TID, UID, NetNS       uint32
	Len, Gen                   uint32
	Hidden, Start              uint64
	LAddr, RAddr               [16]byte
	Comm                       event.Comm
	Err                        int32
	Version, Cipher            uint16
	LPort, RPort               uint16
	Kind, Dir, Type, Op        uint8
	Mode, Family, Flags, State uint8
	Ctl                        [2]uint8
	ModeTX, ModeRX, Func       uint8
	Matched                    uint8
	Hits                       uint16
	Skipped                    uint32
}

// decode reads one event of the ring; b stays the ring's.
func (w *wireEvent) decode(b []byte) error {
	if len(b) < eventSize {
		return fmt.Errorf("event of %d bytes, want %d: the BPF object and this program do not match", len(b), eventSize)
	}
	le := binary.NativeEndian
	for i := range w.Stamp {
		w.Stamp[i] = le.Uint64(b[8*i:])
	}
	w.Seq, w.Conn, w.Cookie, w.Cgroup = le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:]), le.Uint64(b[56:])
	w.PID, w.TID, w.UID, w.NetNS = le.Uint32(b[64:]), le.Uint32(b[68:]), le.Uint32(b[72:]), le.Uint32(b[76:])
	w.Len, w.Gen, w.Hidden = le.Uint32(b[80:]), le.Uint32(b[84:]), le.Uint64(b[88:])
	w.Start = le.Uint64(b[96:])
	copy(w.LAddr[:], b[104:120])
	copy(w.RAddr[:], b[120:136])
	copy(w.Comm[:], b[136:152])
	w.Err = int32(le.Uint32(b[152:]))
	w.Version, w.Cipher = le.Uint16(b[156:]), le.Uint16(b[158:])
	w.LPort, w.RPort = le.Uint16(b[160:]), le.Uint16(b[162:])
	w.Kind, w.Dir, w.Type, w.Op = b[164], b[165], b[166], b[167]
	w.Mode, w.Family, w.Flags, w.State = b[168], b[169], b[170], b[171]
	w.Ctl = [2]uint8{b[172], b[173]}
	w.ModeTX, w.ModeRX, w.Func = b[174], b[175], b[176]
	w.Matched, w.Hits = b[177], le.Uint16(b[178:])
	w.Skipped = le.Uint32(b[180:])
	return nil
}

// wirePayload is the head of struct payload.
type wirePayload struct {
	key  payloadKey
	data []byte
}

// payloadKey names the record that a payload belongs to.
type payloadKey struct {
	conn, seq, begun uint64
	gen              uint32
	dir              uint8
}

func (p *wirePayload) decode(b []byte) error {
	if len(b) < payloadSize {
		return fmt.Errorf("payload of %d bytes is shorter than its head", len(b))
	}
	le := binary.NativeEndian
	p.key = payloadKey{le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint32(b[24:]), b[32]}
	n := int(le.Uint32(b[28:]))
	if n > len(b)-payloadSize {
		return fmt.Errorf("payload of %d bytes in a reservation of %d", n, len(b)-payloadSize)
	}
	p.data = b[payloadSize : payloadSize+n]
	return nil
}

func (w *wireEvent) conn() event.Conn {
	return event.Conn{
		ID: w.Conn, Cookie: w.Cookie, NetNS: w.NetNS, Family: event.Family(w.Family),
		LAddr: w.addr(&w.LAddr), RAddr: w.addr(&w.RAddr), LPort: w.LPort, RPort: w.RPort,
	}
}

func (w *wireEvent) addr(b *[16]byte) netip.Addr {
	switch event.Family(w.Family) {
	case event.FamilyINET:
		return netip.AddrFrom4([4]byte(b[:4]))
	case event.FamilyINET6:
		return netip.AddrFrom16(*b)
	}
	return netip.Addr{}
}

func (w *wireEvent) process() event.Process {
	return event.Process{
		PID: w.PID, TID: w.TID, UID: w.UID, Comm: w.Comm,
		Kernel: w.Flags&flagKthread != 0, CgroupID: w.Cgroup,
	}
}

func (w *wireEvent) tls(mode uint8) event.TLS {
	return event.TLS{
		Version: event.Version(w.Version), Cipher: event.Cipher(w.Cipher),
		Mode: event.Mode(mode &^ modeNoPad), ZeroCopy: w.Flags&flagZeroCopy != 0, NoPad: mode&modeNoPad != 0,
	}
}

// record fills r. The payload is the assembler's business.
func (w *wireEvent) record(r *event.Record) {
	*r = event.Record{
		Conn: w.conn(), TLS: w.tls(w.Mode), Proc: w.process(),
		Dir: event.Dir(w.Dir), Seq: w.Seq, Gen: w.Gen, Type: event.ContentType(w.Type),
		Len: w.Len, Op: event.Op(w.Op), Hidden: w.Hidden, Start: w.Start, HasStart: true, Skipped: uint64(w.Skipped),
		Mono: max(w.Stamp[0], w.Stamp[1], w.Stamp[2], w.Stamp[3]),
		Lat:  latency(&w.Stamp),
	}
	if w.Flags&flagControl != 0 {
		r.Control = control(r.Type, w.Ctl)
	}
}

// latency turns points in time into stages. A stage with an unknown end is 0,
// and so is the total when one of its ends is.
func latency(stamp *[4]uint64) (l event.Latency) {
	for i := range l.Stage {
		l.Stage[i] = span(stamp[i], stamp[i+1])
	}
	l.Total = span(stamp[0], stamp[3])
	return l
}

func span(from, to uint64) uint64 {
	if from == 0 || to < from {
		return 0
	}
	return to - from
}

func control(t event.ContentType, b [2]uint8) *event.Control {
	if t == event.Alert {
		return &event.Control{AlertLevel: b[0], AlertDescription: b[1]}
	}
	return &event.Control{HandshakeType: b[0]}
}

func (w *wireEvent) socket() *event.Socket {
	s := &event.Socket{
		State: event.SocketState(w.State), Conn: w.conn(), Proc: w.process(), Mono: w.Seq,
		Dir: event.Dir(w.Dir), TX: w.tls(w.ModeTX), RX: w.tls(w.ModeRX),
		NextTX: w.Stamp[0], NextRX: w.Stamp[1], Hidden: [2]uint64{w.Stamp[2], w.Stamp[3]},
		Skipped: [2]uint64{uint64(w.Skipped), uint64(w.Len)},
		GenTX:   w.Gen & 0xffff, GenRX: w.Gen >> 16,
	}
	return s
}

// funcDecryptDone is FUNC_DECRYPT_DONE of bpf/ktls_event.h.
const funcDecryptDone = 3

var funcs = [...]string{"", "tls_rx_one_record", "tls_err_abort", funcDecryptDone: "tls_decrypt_done", "tls_sw_recvmsg", "tls_encrypt_done", "tls_strp_abort_strp"}

func (w *wireEvent) failure() *event.Error {
	e := &event.Error{
		Conn: w.conn(), TLS: w.tls(w.Mode), Proc: w.process(), Mono: w.Stamp[3],
		Dir: event.Dir(w.Dir), Errno: uint32(w.Err), Seq: w.Seq, Gen: w.Gen, Type: event.ContentType(w.Type),
	}
	if int(w.Func) < len(funcs) {
		e.Func = funcs[w.Func]
	}
	return e
}
