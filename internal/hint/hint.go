// Package hint says what follows from events, where something follows with
// certainty: why a record cannot be opened, or why a socket did not get what it
// asked for. Each rule is data, and docs/hints.md explains it.
package hint

import (
	"slices"

	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// keyUpdate is the message's msg_type, RFC 8446 §4.
const keyUpdate = 24

// Linux' numbers of errors, whatever system an event is looked at on: <errno.h> of
// x86-64 and arm64.
const (
	enoent   = 2
	eio      = 5
	ebusy    = 16
	einval   = 22
	ebadmsg  = 74
	enotconn = 107
)

// Rule is a conclusion, of an error or of what a socket event sums up.
type Rule struct {
	// ID is what the rule is called in JSON, and in docs/hints.md.
	ID string
	// Text is the conclusion, in one line.
	Text   string
	failed func(*event.Error, *seen) bool
	socket func(*event.Socket, *seen) bool
}

// Rules are all that is ever concluded. The first that holds is reported.
var Rules = []Rule{
	{ID: "key-updated", Text: "the peer has changed its key (KeyUpdate), and the kernel still has the one before",
		failed: func(e *event.Error, s *seen) bool { return notOpened(e) && s.updated && e.Gen == s.updatedGen }},
	{ID: "never-opened", Text: "the first record under this key cannot be opened: key, salt or sequence is not the peer's, as where bytes were read before the switch, or the record is not as it was sealed",
		failed: func(e *event.Error, s *seen) bool {
			return notOpened(e) && s.begun && e.Gen == s.gen && e.Seq == s.start
		}},
	{ID: "control-record", Text: "the next record is no application data, and the read had no room for its type (recvmsg with a control message)",
		failed: func(e *event.Error, _ *seen) bool {
			refused := e.Func == "tls_sw_recvmsg" && is(e, eio) || e.Func == "tls_sw_splice_read" && is(e, einval)
			return refused && e.Type != 0 && e.Type != event.ApplicationData
		}},
	{ID: "other-version", Text: "the next record is of another version than TLS 1.2 and 1.3 have on the wire, or bytes before it are missing",
		failed: func(e *event.Error, _ *seen) bool { return parserFails(e) && is(e, einval) }},
	{ID: "no-record", Text: "what comes next cannot be the header of a TLS record: the peer does not speak TLS here, or bytes are missing",
		failed: func(e *event.Error, _ *seen) bool { return parserFails(e) }},
	{ID: "not-connected", Text: "TLS was asked for before the socket was connected",
		failed: func(e *event.Error, _ *seen) bool { return e.Option == event.OptionULP && is(e, enotconn) }},
	{ID: "no-module", Text: "the module tls is not loaded and could not be: the program may not load it (modprobe tls), or this kernel has none",
		failed: func(e *event.Error, _ *seen) bool { return e.Option == event.OptionULP && is(e, enoent) }},
	{ID: "no-cipher", Text: "the kernel has no implementation of the cipher: its module is missing, or may not be loaded",
		failed: func(e *event.Error, _ *seen) bool { return isKey(e) && is(e, enoent) }},
	{ID: "second-key", Text: "this direction has a key, and the kernel takes no other: it changes keys of TLS 1.3 only, and that from Linux 6.14 on",
		failed: func(e *event.Error, _ *seen) bool { return isKey(e) && is(e, ebusy) }},
	{ID: "key-worn", Text: "more than 2^24 records went under one key: AES-GCM is to have a new one before 2^24.5 (RFC 8446 section 5.5)",
		socket: func(s *event.Socket, _ *seen) bool {
			return nearKeyLimit(&s.TX, s.NextTX) || nearKeyLimit(&s.RX, s.NextRX)
		}},
	{ID: "nginx-chunks", Text: "nginx sent files in records of at most 8 KiB: HTTP/2 cuts them there (http2_chunk_size)",
		socket: func(s *event.Socket, seen *seen) bool {
			return s.State == event.SocketClose && seen.allCounted(s) && s.Proc.Comm == nginx && seen.files >= 16 && seen.largest == 8192 &&
				4*seen.eights >= 3*seen.files
		}},
	{ID: "small-records", Text: "nine of ten records sent were of 64 bytes or less: each costs a header, a tag and a run of the cipher; the program writes in small pieces",
		socket: func(s *event.Socket, seen *seen) bool {
			return s.State == event.SocketClose && seen.allCounted(s) && seen.sent >= 1000 && 10*seen.small >= 9*seen.sent
		}},
}

var nginx = event.MakeComm("nginx")

// nearKeyLimit reports whether a key of AES-GCM is near its end.
func nearKeyLimit(t *event.TLS, records uint64) bool {
	const aes128, aes256 = 51, 52 // TLS_CIPHER_AES_GCM_128 and 256 of the kernel's linux/tls.h
	aesGCM := t.Cipher == aes128 || t.Cipher == aes256
	return t.Mode != event.ModeNone && aesGCM && records > 1<<24
}

func parserFails(e *event.Error) bool { return e.Func == "tls_strp_abort_strp" }

func is(e *event.Error, errno uint32) bool { return e.Errno == errno }

func isKey(e *event.Error) bool {
	return e.Func == "tls_setsockopt" && (e.Option == event.OptionTX || e.Option == event.OptionRX)
}

func notOpened(e *event.Error) bool {
	return e.Dir == event.RX && is(e, ebadmsg) && (e.Func == "tls_rx_one_record" || e.Func == "tls_decrypt_done")
}

// seen is what is known of a connection.
type seen struct {
	// begun: the current key of what is received was seen to come, which is the one of gen and begins with
	// the sequence start.
	begun bool
	gen   uint32
	start uint64
	// updated: under the key of updatedGen the peer has announced another.
	updated    bool
	updatedGen uint32
	// sent counts records of application data sent, small those of at most 64 bytes.
	sent, small uint64
	// files counts those of sendfile, eights those of 8 KiB among them; the largest of
	// them has so many bytes.
	files, eights uint64
	largest       uint32
	others        uint64 // other records sent
	// keyed: the only key of what is sent was seen to come, before its record first.
	keyed bool
	first uint64
}

// allCounted reports whether all records that were sent are counted.
func (s *seen) allCounted(e *event.Socket) bool {
	return s.keyed && e.GenTX == 0 && s.sent+s.others == e.NextTX-s.first
}

// Engine remembers what the rules ask of connections, whatever of them the filters let
// it see. It is for one goroutine.
type Engine struct {
	conns *lru.Map[uint64, *seen]
}

// NewEngine returns a Book that knows nothing.
func NewEngine() *Engine { return &Engine{lru.New[uint64, *seen](event.MaxConns)} }

// Observe takes an event in, and gives an error its hint.
func (b *Engine) Observe(ev event.Event) {
	switch ev := ev.(type) {
	case *event.Record:
		if !ev.TLS.Version.IsDTLS() { // what the rules say is of TLS
			b.record(ev)
		}
	case *event.Socket:
		if !max(ev.TX.Version, ev.RX.Version).IsDTLS() {
			b.socket(ev)
		}
	case *event.Error:
		b.conclude(ev)
	}
}

func (b *Engine) of(conn uint64) *seen {
	r, ok := b.conns.Get(conn)
	if !ok {
		r = new(seen)
		b.conns.Put(conn, r)
	}
	return r
}

func (b *Engine) record(rec *event.Record) {
	switch {
	case rec.Unsent:
	case rec.Dir == event.TX:
		b.of(rec.Conn.ID).send(rec)
	case rec.Type == event.Handshake && rec.Control != nil && slices.Contains(rec.Control.Handshakes, keyUpdate):
		s := b.of(rec.Conn.ID)
		s.updated, s.updatedGen = true, rec.Gen
	}
}

func (s *seen) send(rec *event.Record) {
	const small, eight = 64, 8192
	if rec.Type != event.ApplicationData {
		s.others++
		return
	}
	s.sent++
	if rec.Len <= small {
		s.small++
	}
	if rec.Op == event.OpSendfile {
		s.files++
		s.largest = max(s.largest, rec.Len)
		if rec.Len == eight {
			s.eights++
		}
	}
}

func (b *Engine) socket(s *event.Socket) {
	known, ok := b.conns.Peek(s.Conn.ID)
	if !ok {
		known = new(seen)
	}
	s.Hint = conclude(func(r *Rule) bool { return r.socket != nil && r.socket(s, known) }, s.Hint)
	switch {
	case s.State == event.SocketClose:
		b.conns.Delete(s.Conn.ID)
	case s.State == event.SocketOpen && s.Dir == event.TX:
		known := b.of(s.Conn.ID)
		known.keyed, known.first = true, s.NextTX
	case (s.State == event.SocketOpen || s.State == event.SocketRekey) && s.Dir == event.RX:
		known := b.of(s.Conn.ID)
		known.begun, known.gen, known.start, known.updated = true, s.GenRX, s.NextRX, false
	}
}

func (b *Engine) conclude(e *event.Error) {
	known, ok := b.conns.Peek(e.Conn.ID)
	if !ok {
		known = new(seen)
	}
	e.Hint = conclude(func(r *Rule) bool { return r.failed != nil && r.failed(e, known) }, e.Hint)
}

// conclude is the first rule that holds, or what a recording has concluded before.
func conclude(holds func(*Rule) bool, before *event.Hint) *event.Hint {
	if before != nil {
		return before
	}
	for i := range Rules {
		if holds(&Rules[i]) {
			return &event.Hint{ID: Rules[i].ID, Text: Rules[i].Text}
		}
	}
	return nil
}
