// Package hint says what follows from events, where something follows with
// certainty: why a record cannot be opened, or why a socket did not get what it
// asked for. Each rule is data, and docs/hints.md explains it.
package hint

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// keyUpdate is the message's msg_type, RFC 8446 §4.
const keyUpdate = 24

// Rule is a conclusion.
type Rule struct {
	// ID is what the rule is called in JSON, and in docs/hints.md.
	ID string
	// Says is the conclusion, in one line.
	Says string
	when func(*event.Error, *received) bool
}

// Rules are all that is ever concluded. The first that holds is told.
var Rules = []Rule{
	{"key-updated", "the peer has changed its key (KeyUpdate), and the kernel still has the one before", func(e *event.Error, r *received) bool {
		return notOpened(e) && r.updated && e.Gen == r.updatedGen
	}},
	{"never-opened", "no record was ever opened under this key: key or sequence is wrong from the start, as where bytes were read before the switch",
		func(e *event.Error, r *received) bool {
			return notOpened(e) && r.begun && e.Gen == r.gen && e.Seq == r.start
		}},
	{"control-record", "the next record is no application data, and the read had no room for its type (recvmsg with a control message)",
		func(e *event.Error, _ *received) bool {
			return e.Func == "tls_sw_recvmsg" && is(e, unix.EIO) && e.Type != 0 && e.Type != event.ApplicationData
		}},
	{"no-record", "what comes next cannot be the header of a TLS record: the peer does not speak TLS here, or bytes are missing",
		func(e *event.Error, _ *received) bool { return e.Func == "tls_strp_abort_strp" }},
	{"not-connected", "TLS was asked for before the socket was connected",
		func(e *event.Error, _ *received) bool { return e.Option == event.OptionULP && is(e, unix.ENOTCONN) }},
	{"no-module", "the module tls is not loaded, and the program may not load it: modprobe tls",
		func(e *event.Error, _ *received) bool { return e.Option == event.OptionULP && is(e, unix.ENOENT) }},
	{"no-cipher", "the kernel has no implementation of the cipher: its module is missing, or the program may not load it",
		func(e *event.Error, _ *received) bool { return isKey(e) && is(e, unix.ENOENT) }},
	{"second-key", "this direction has a key, and this kernel takes no other (rekeying came with Linux 6.14)",
		func(e *event.Error, _ *received) bool { return isKey(e) && is(e, unix.EBUSY) }},
}

func is(e *event.Error, errno unix.Errno) bool { return e.Errno == uint32(errno) }

func isKey(e *event.Error) bool {
	return e.Func == "tls_setsockopt" && (e.Option == event.OptionTX || e.Option == event.OptionRX)
}

func notOpened(e *event.Error) bool {
	return e.Dir == event.RX && is(e, unix.EBADMSG) && (e.Func == "tls_rx_one_record" || e.Func == "tls_decrypt_done")
}

// received is what is known of a connection's receiving direction.
type received struct {
	// begun: its present key was seen to come, which is the one of gen and begins with
	// the sequence start.
	begun bool
	gen   uint32
	start uint64
	// updated: under the key of updatedGen the peer has announced another.
	updated    bool
	updatedGen uint32
}

// Book remembers what the rules ask of connections, whatever of them the filters let
// it see. It is for one goroutine.
type Book struct {
	conns *lru.Map[uint64, *received]
}

// NewBook returns a Book that knows nothing.
func NewBook() *Book { return &Book{lru.New[uint64, *received](event.MaxConns)} }

// Observe takes an event in, and gives an error its hint.
func (b *Book) Observe(ev event.Event) {
	switch ev := ev.(type) {
	case *event.Record:
		b.record(ev)
	case *event.Socket:
		b.socket(ev)
	case *event.Error:
		b.conclude(ev)
	}
}

func (b *Book) of(conn uint64) *received {
	r, ok := b.conns.Get(conn)
	if !ok {
		r = new(received)
		b.conns.Put(conn, r)
	}
	return r
}

func (b *Book) record(rec *event.Record) {
	if rec.Dir == event.RX && rec.Type == event.Handshake && rec.Control != nil && slices.Contains(rec.Control.Handshakes, keyUpdate) {
		r := b.of(rec.Conn.ID)
		r.updated, r.updatedGen = true, rec.Gen
	}
}

func (b *Book) socket(s *event.Socket) {
	switch {
	case s.State == event.SocketClose:
		b.conns.Delete(s.Conn.ID)
	case (s.State == event.SocketOpen || s.State == event.SocketRekey) && s.Dir == event.RX:
		*b.of(s.Conn.ID) = received{begun: true, gen: s.GenRX, start: s.NextRX}
	}
}

func (b *Book) conclude(e *event.Error) {
	if e.Hint != nil { // of a recording
		return
	}
	r, ok := b.conns.Peek(e.Conn.ID)
	if !ok {
		r = new(received)
	}
	for i := range Rules {
		if Rules[i].when(e, r) {
			e.Hint = &event.Hint{ID: Rules[i].ID, Text: Rules[i].Says}
			return
		}
	}
}
