package otlp

import "github.com/ktlstop/ktlstop/pkg/event"

// record is what this package takes over of an event.Record: numbers, names and addresses.
// It has no room for bytes of a plaintext, and what makes facts is given nothing else.
type record struct {
	conn event.Conn
	tls  event.TLS
	proc event.Process
	mono uint64
	dir  event.Dir
	seq  uint64
	gen  uint32
	typ  event.ContentType
	len  uint32
	op   event.Op
	lat  event.Latency
	// level and description are an alert's; read says that they are known.
	level, description uint8
	read               bool
}

// mayBeCloseNotify is of an alert that ends a connection in good order, and of one that
// nobody looked at: most of those are that too, and a warning of each would warn of nothing.
func (r *record) mayBeCloseNotify() bool { return !r.read || r.description == closeNotify }

// strip takes the numbers of a record and leaves its payload.
func strip(r *event.Record) record {
	s := record{conn: r.Conn, tls: r.TLS, proc: r.Proc, mono: r.Mono, dir: r.Dir, seq: r.Seq, gen: r.Gen,
		typ: r.Type, len: r.Len, op: r.Op, lat: r.Lat}
	if r.Type == event.Alert && r.Control != nil {
		s.level, s.description, s.read = r.Control.AlertLevel, r.Control.AlertDescription, true
	}
	return s
}
