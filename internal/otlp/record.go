package otlp

import "github.com/ktlstop/ktlstop/pkg/event"

// record is what this package copies from an event.Record: numbers, names and addresses. It
// has no room for bytes of a plaintext, and facts are made only from it.
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

// mayBeCloseNotify reports an alert that ends a connection in good order, or an alert that
// was not read: most of those are close_notify too, and a warning for each would be useless.
func (r *record) mayBeCloseNotify() bool { return !r.read || r.description == closeNotify }

// strip copies the numbers of a record, without its payload.
func strip(r *event.Record) record {
	s := record{conn: r.Conn, tls: r.TLS, proc: r.Proc, mono: r.Mono, dir: r.Dir, seq: r.Seq, gen: r.Gen,
		typ: r.Type, len: r.Len, op: r.Op, lat: r.Lat}
	if r.Type == event.Alert && r.Control != nil {
		s.level, s.description, s.read = r.Control.AlertLevel, r.Control.AlertDescription, true
	}
	return s
}
