package inspect

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Kind says what a piece of a payload is.
type Kind uint8

// The kinds. Text is what the application said; Frame is HTTP/2's framing, or
// what is not shown.
const (
	Text Kind = iota
	Frame
)

// Piece is a stretch of a record's payload with one meaning. Note, if not empty,
// says in lines what it is; it is not safe for a terminal yet.
type Piece struct {
	From, To int
	Kind     Kind
	Note     string
}

// Output takes what may be shown.
type Output interface {
	// Record takes a record whose payload is masked. Both are valid until it
	// returns.
	Record(r *event.Record, pieces []Piece) error
	// Write takes every other event.
	Write(ev event.Event) error
	Flush() error
}

// Config says how to inspect.
type Config struct {
	Rules *Rules
	// OneWay says that only one direction is traced: a request or a response is
	// told as soon as it ends.
	OneWay bool
}

// Inspector takes the events of a run, in their order, and hands on all of them
// with the secrets masked, and besides an finding.HTTP for each request and its
// response and an finding.Note where something cannot be decoded. The summary ends
// it. It is not safe for concurrent use.
type Inspector struct {
	cfg    Config
	out    Output
	conns  map[uint64]*conn
	held   int // bytes in all streams
	full   bool
	pieces []Piece
}

// New returns an Inspector that writes to out.
func New(out Output, cfg Config) *Inspector {
	return &Inspector{cfg: cfg, out: out, conns: map[uint64]*conn{}}
}

// Write takes the next event.
func (in *Inspector) Write(ev event.Event) error {
	switch ev := ev.(type) {
	case *event.Record:
		return in.record(ev)
	case *event.Socket:
		if err := in.socket(ev); err != nil {
			return err
		}
	case *event.Summary:
		if err := in.closeAll(); err != nil {
			return err
		}
	}
	return in.out.Write(ev)
}

// Flush hands everything that may be shown to the file.
func (in *Inspector) Flush() error { return in.out.Flush() }

func (in *Inspector) record(r *event.Record) error {
	c := in.conn(&r.Conn)
	if c == nil {
		return in.unfollowed(r)
	}
	return c.streams[r.Dir&1].record(r)
}

// Hide takes a record that was there, and whose bytes a filter keeps back: it is
// no loss, and a gap in its stream.
func (in *Inspector) Hide(r *event.Record) error {
	c := in.conn(&r.Conn)
	if c == nil {
		return nil
	}
	hidden := *r
	hidden.Payload = nil
	return c.streams[r.Dir&1].skip(&hidden)
}

// unfollowed shows a record of a connection that there is no room for.
func (in *Inspector) unfollowed(r *event.Record) error {
	bare := *r
	bare.Payload = nil
	return in.out.Record(&bare, nil)
}

// conn returns the state of a connection, nil if there is no room for it.
func (in *Inspector) conn(id *event.Conn) *conn {
	if c, ok := in.conns[id.ID]; ok {
		return c
	}
	if len(in.conns) >= maxConns {
		if !in.full {
			in.full = true
			_ = in.out.Write(&finding.Note{Conn: *id, Text: fmt.Sprintf(
				"more than %d connections are open: the plaintext of others is not shown", maxConns)})
		}
		return nil
	}
	c := newConn(in)
	in.conns[id.ID] = c
	return c
}

func (in *Inspector) socket(s *event.Socket) error {
	if s.State == event.SocketClose {
		return in.close(s.Conn.ID)
	}
	if c := in.conn(&s.Conn); c != nil {
		c.told = true
		c.kernel = [2]bool{s.TX.Mode != event.ModeNone, s.RX.Mode != event.ModeNone}
		if s.State == event.SocketOpen {
			c.streams[s.Dir&1].fresh = true
		}
	}
	return nil
}

// close ends a connection that is followed.
func (in *Inspector) close(id uint64) error {
	c, ok := in.conns[id]
	if !ok {
		return nil
	}
	delete(in.conns, id)
	return c.close()
}

func (in *Inspector) closeAll() error {
	for _, id := range slices.Sorted(maps.Keys(in.conns)) {
		if err := in.close(id); err != nil {
			return err
		}
	}
	return nil
}

// note tells of a stream what cannot be decoded.
func (in *Inspector) note(s *stream, format string, args ...any) {
	n := &finding.Note{Dir: s.dir, Text: fmt.Sprintf(format, args...)}
	if s.now != nil {
		n.Conn, n.Proc, n.Mono = s.now.Conn, s.now.Proc, s.now.Mono
	}
	s.after(n)
}
