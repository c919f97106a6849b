// Package wire reads what the BPF programs write: events, payloads, connections
// and sums. The structs' Go types are made of the object.
package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Sizes of bpf/ktls_event.h.
const (
	EventSize   = int(unsafe.Sizeof(Event{}))
	payloadSize = 40
)

// Layout is EVENT_VERSION, the others are those of enum proto.
const (
	Layout    = 1
	ProtoTLS  = uint8(event.ProtoTLS)
	ProtoDTLS = uint8(event.ProtoDTLS)
)

// Kinds of events.
const (
	KindRecord = 1
	KindSocket = 2
	KindError  = 3
	KindOpened = 4
	KindHeld   = 5
	KindCard   = 6
	KindDrop   = 7
)

// Bits of Event.Flags.
const (
	FlagZeroCopy    = 1
	FlagReturnLater = 2
	FlagKthread     = 4
	FlagPayload     = 8
	FlagAsync       = 16
	FlagHidden      = 32
	FlagControl     = 64
	FlagPushed      = 128
)

// modeNoPad is MODE_NO_PAD; the bits below are the mode.
const modeNoPad = 0x80

// Event is what the programs tell; its fields are those of struct event. By its
// kind Rec is another part, see AboutSocket and AboutFailure.
type Event object.KtlsEvent

// Rec is the part of an Event that reports a record.
type Rec = object.KtlsRecord

// Decode copies one event of the ring; b stays the ring's.
func (w *Event) Decode(b []byte) error {
	if len(b) < EventSize {
		return fmt.Errorf("event of %d bytes, want %d: the BPF object and this program do not match", len(b), EventSize)
	}
	copy(w.Bytes(), b)
	if w.Layout != Layout || (w.Proto != ProtoTLS && w.Proto != ProtoDTLS) {
		return fmt.Errorf("event of layout %d and protocol %d, want %d, and %d or %d: the BPF object and this program do not match", w.Layout, w.Proto, Layout, ProtoTLS, ProtoDTLS)
	}
	return nil
}

// VisitEvent hands an event that lies in b to visit, as the caller's own.
func VisitEvent(b []byte, visit func(*Event) error) error {
	w := new(Event)
	if err := w.Decode(b); err != nil {
		return err
	}
	return visit(w)
}

// Bytes is w's memory, as the kernel lays it out.
func (w *Event) Bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(w)), EventSize) }

// Key identifies the record of w.
func (w *Event) Key() PayloadKey { return PayloadKey{w.Conn, w.Rec.Seq, w.Rec.Stamp[1], w.Gen, w.Dir} }

// Payload is the plaintext of a record, struct payload of bpf/ktls_event.h. The
// object does not name that struct, and so its layout is written down here.
type Payload struct {
	Key  PayloadKey
	Data []byte
}

// PayloadKey names the record that a payload belongs to.
type PayloadKey struct {
	Conn, Seq, Begun uint64
	Gen              uint32
	Dir              uint8
}

// Decode reads a payload; its data stays the ring's.
func (p *Payload) Decode(b []byte) error {
	if len(b) < payloadSize {
		return fmt.Errorf("payload of %d bytes is shorter than its head", len(b))
	}
	le := binary.NativeEndian
	p.Key = PayloadKey{le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint32(b[24:]), uint8(le.Uint64(b[32:]))}
	n := int(le.Uint32(b[28:]))
	if n > len(b)-payloadSize {
		return fmt.Errorf("payload of %d bytes in a reservation of %d", n, len(b)-payloadSize)
	}
	p.Data = b[payloadSize : payloadSize+n]
	return nil
}

func (w *Event) conn() event.Conn {
	return event.Conn{
		ID: w.Conn, Cookie: w.Cookie, NetNS: w.Netns, Family: event.Family(w.Family),
		LAddr: w.addr(&w.Laddr), RAddr: w.addr(&w.Raddr), LPort: w.Lport, RPort: w.Rport,
	}
}

func (w *Event) addr(b *[16]byte) netip.Addr {
	switch event.Family(w.Family) {
	case event.FamilyINET:
		return netip.AddrFrom4([4]byte(b[:4]))
	case event.FamilyINET6:
		return netip.AddrFrom16(*b)
	}
	return netip.Addr{}
}

// datagram is how many bytes the datagram had that carried a record of DTLS.
func (w *Event) datagram() uint32 {
	if w.Proto != ProtoDTLS {
		return 0
	}
	return uint32(w.DatagramOrUser)
}

// User is the place, counted from 1, of the part of the kernel that has a socket of TLS;
// 0: none is known.
func (w *Event) User() uint16 {
	if w.Proto != ProtoTLS {
		return 0
	}
	return w.DatagramOrUser
}

func (w *Event) process() event.Process {
	return event.Process{
		PID: w.Pid, TID: w.Tid, UID: w.Uid, Comm: w.Comm,
		Kernel: w.Flags&FlagKthread != 0, CgroupID: w.Cgroup,
	}
}

func (w *Event) tls(mode uint8) event.TLS {
	return event.TLS{
		Version: event.Version(w.Version), Cipher: event.Cipher(w.Cipher),
		Mode: event.Mode(mode &^ modeNoPad), ZeroCopy: w.Flags&FlagZeroCopy != 0, NoPad: mode&modeNoPad != 0,
	}
}

// Record fills r. The payload is the assembler's business.
func (w *Event) Record(r *event.Record) {
	*r = event.Record{
		Conn: w.conn(), TLS: w.tls(w.Mode), Proc: w.process(),
		Dir: event.Dir(w.Dir), Seq: w.Rec.Seq, Gen: w.Gen, Type: event.ContentType(w.Type),
		Len: w.Rec.Len, Op: event.Op(w.Rec.Op), Hidden: w.Rec.Hidden, Start: w.Rec.Start, HasStart: true, Skipped: uint64(w.Rec.Skipped),
		Unsent: w.Rec.Unsent != 0,
		Mono:   max(w.Rec.Stamp[0], w.Rec.Stamp[1], w.Rec.Stamp[2], w.Rec.Stamp[3]),
		Lat:    latency(&w.Rec.Stamp),
		Epoch:  w.Epoch, Datagram: w.datagram(),
	}
	if r.Unsent {
		r.Errno = uint32(w.Rec.Err)
	}
	r.TLS.Card = event.Card(w.Rec.Card)
	r.Control = w.control()
	r.Call = w.call()
}

// call is known of the record with which it returned.
func (w *Event) call() event.Call {
	if w.Dir != uint8(event.RX) || w.Flags&FlagReturnLater != 0 || w.Rec.Stamp[3] == 0 || w.Rec.CallRecords == 0 {
		return event.Call{}
	}
	return event.Call{Records: uint32(w.Rec.CallRecords), Time: Span(w.callBegun(), w.Rec.Stamp[3])}
}

// callBegun is when the call that returned with a record took up its first one. A control
// record says it only where it was that one.
func (w *Event) callBegun() uint64 {
	switch {
	case event.ContentType(w.Type) == event.ApplicationData:
		return binary.NativeEndian.Uint64(w.Rec.Ctl[:])
	case w.Rec.CallRecords == 1:
		return w.Rec.Stamp[1]
	}
	return 0
}

// latency turns points in time into stages. A stage with an unknown end is 0,
// and so is the total when one of its ends is.
func latency(stamp *[4]uint64) (l event.Latency) {
	for i := range l.Stage {
		l.Stage[i] = Span(stamp[i], stamp[i+1])
	}
	l.Total = Span(stamp[0], stamp[3])
	return l
}

// Span is the time between two points, 0 where one is unknown.
func Span(from, to uint64) uint64 {
	if from == 0 || to < from {
		return 0
	}
	return to - from
}

// Bits of Rec.MessageBits.
const (
	messageContinued = 1
	messageContinues = 2
)

// control is what an alert or a handshake record says; of the latter it may be that it
// is not known.
func (w *Event) control() *event.Control {
	known := w.Flags&FlagControl != 0
	switch t := event.ContentType(w.Type); {
	case t == event.Alert && known:
		return &event.Control{AlertLevel: w.Rec.Ctl[0], AlertDescription: w.Rec.Ctl[1]}
	case t == event.Handshake && w.Rec.Len == 0 && !known: // no message is in it
		return nil
	case t == event.Handshake && !known:
		return new(event.Control)
	case t == event.Handshake:
		n := int(w.Rec.Messages)
		return &event.Control{
			Handshakes: slices.Clone(w.Rec.Ctl[:min(max(n, 1), len(w.Rec.Ctl))]), Messages: n,
			ContinuesPrevious: w.Rec.MessageBits&messageContinued != 0, ContinuesInNext: w.Rec.MessageBits&messageContinues != 0,
		}
	}
	return nil
}

// AboutSocket is the part of a KindSocket.
func (w *Event) AboutSocket() *object.KtlsAboutSocket {
	return (*object.KtlsAboutSocket)(unsafe.Pointer(&w.Rec))
}

// AboutFailure is the part of a KindError.
func (w *Event) AboutFailure() *object.KtlsFailure {
	return (*object.KtlsFailure)(unsafe.Pointer(&w.Rec))
}

// Drop returns the records that nobody reads, of a KindDrop.
func (w *Event) Drop() *event.Drop {
	d := (*object.DtlsDrop)(unsafe.Pointer(&w.Rec))
	return &event.Drop{
		Conn: w.conn(), TLS: w.tls(w.Mode), Proc: w.process(), Mono: d.Time, Epoch: w.Epoch, Seq: d.Seq,
		Type: event.ContentType(w.Type), Len: d.Len, Datagram: uint32(w.DatagramOrUser), Reason: event.DropReason(d.Reason), Count: uint64(d.Count),
	}
}

// Held returns what a connection holds back, of a KindHeld.
func (w *Event) Held() *event.Held { return HeldOf((*object.KtlsHeld)(unsafe.Pointer(&w.Rec))) }

// HeldOf is what the programs answer.
func HeldOf(h *object.KtlsHeld) *event.Held {
	out := &event.Held{
		OpenBytes: h.Open, OpenFor: Span(h.OpenSince, h.Time), Incomplete: h.Incomplete, RecordBytes: h.Whole, QuietFor: h.Quiet,
		Unread: h.Unread, UnreadBytes: h.UnreadBytes,
	}
	out.AwaitsKey, out.AwaitsKeyFor = awaited(h.Awaited, h.Time)
	return out
}

// DriverOf is an implementation of a cipher.
func DriverOf(d *object.KtlsDriver) event.Driver {
	var b [len(d.Name)]byte
	for i, c := range d.Name {
		b[i] = byte(c)
	}
	name, _, _ := bytes.Cut(b[:], []byte{0})
	return event.Driver{Name: string(name), Async: d.Async != 0}
}

// sinceBefore is instead of a time: before the trace.
const sinceBefore = 1

// awaited reports whether a key is awaited, and for how long; 0 where that is not known.
func awaited(since, now uint64) (bool, uint64) {
	if since == sinceBefore {
		return true, 0
	}
	return since != 0, Span(since, now)
}

// Socket returns the socket event of w.
func (w *Event) Socket() *event.Socket {
	a := w.AboutSocket()
	s := &event.Socket{
		State: event.SocketState(a.State), Conn: w.conn(), Proc: w.process(), Mono: a.Time,
		Dir: event.Dir(w.Dir), TX: w.tls(a.Mode[event.TX]), RX: w.tls(a.Mode[event.RX]),
		NextTX: a.Next[event.TX], NextRX: a.Next[event.RX], Hidden: a.Hidden,
		Ended: event.Ending(a.Ended), CloseNotify: [2]event.Answer{event.Answer(a.Notified[event.TX]), event.Answer(a.Notified[event.RX])}, Truncated: uint64(a.Cut),
		Blocked: uint64(a.Blocked), Probed: uint64(a.Probed), UnsentBytes: uint64(a.Open),
		Skipped: [2]uint64{uint64(a.Skipped[event.TX]), uint64(a.Skipped[event.RX])},
		GenTX:   a.Gen[event.TX], GenRX: a.Gen[event.RX],
	}
	s.AwaitsKey, s.AwaitsKeyFor = awaited(a.Awaited, a.Time)
	return s
}

// SocketOfCard is what a KindCard tells.
func (w *Event) SocketOfCard() *event.Socket {
	a := (*object.KtlsAboutCard)(unsafe.Pointer(&w.Rec))
	return &event.Socket{
		State: event.SocketCard, Conn: w.conn(), Proc: w.process(), Mono: a.Time,
		TX: w.tls(a.Mode[event.TX]), RX: w.tls(a.Mode[event.RX]),
		NextTX: a.Next[event.TX], NextRX: a.Next[event.RX], GenTX: a.Gen[event.TX], GenRX: a.Gen[event.RX],
		Offload: &event.Offload{Resyncs: a.Resyncs, Fallback: a.Fallback, Removed: a.Gone != 0},
	}
}

// FuncDecryptDone is FUNC_DECRYPT_DONE of bpf/ktls_event.h.
const FuncDecryptDone = 3

// Others of enum func: they are about what is sent.
const (
	funcSendmsg    = 7
	funcWaitMemory = 8
)

var funcs = [...]string{"", "tls_rx_one_record", "tls_err_abort", FuncDecryptDone: "tls_decrypt_done", "tls_sw_recvmsg", "tls_encrypt_done", "tls_strp_abort_strp",
	"tls_sw_sendmsg", "sk_stream_wait_memory", "tls_sw_splice_read", "tls_setsockopt", "tls_getsockopt", "tcp_set_ulp", "tls_device_sendmsg"}

// Failure returns the error of w.
func (w *Event) Failure() *event.Error {
	f := w.AboutFailure()
	e := &event.Error{
		Conn: w.conn(), TLS: w.tls(w.Mode), Proc: w.process(), Mono: f.Time,
		Dir: event.Dir(w.Dir), Errno: f.Err, Seq: f.Seq, Gen: w.Gen, Type: event.ContentType(w.Type),
		ProcIsOwner: f.Owner != 0 && w.Pid != 0, More: f.More, Option: event.Option(f.Option),
	}
	if int(f.Func) < len(funcs) {
		e.Func = funcs[f.Func]
	}
	return e
}

// notMeasured is NOT_MEASURED of bpf/ktls_stages.h.
const notMeasured = 1

// ForgetUnmeasured lets times be unknown that the programs have not measured.
func (w *Event) ForgetUnmeasured() {
	for i, at := range w.Rec.Stamp {
		if at == notMeasured {
			w.Rec.Stamp[i] = 0
		}
	}
}
