package inspect

import (
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Kind says what a piece of a payload is.
type Kind uint8

// The kinds. Text is what the application said; Frame is a protocol's framing, or
// what is not shown. Talk is Text in a protocol that is not known.
const (
	Text Kind = iota
	Frame
	Talk
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
	// Join tells the requests that a proxy makes upstream with those of its clients.
	Join bool
}

// Inspector takes the events of a run, in their order, and hands on all of them
// with the secrets masked, and besides an finding.HTTP for each request and its
// response and an finding.Note where something cannot be decoded. The summary ends
// it. It is not safe for concurrent use.
type Inspector struct {
	cfg    Config
	out    Output
	conns  *lru.Map[uint64, *conn]
	join   *joiner // nil: nothing is joined
	held   int     // bytes in all streams
	pieces []Piece
	strict bool // a decoder's panic is not recovered, so that tests see it
}

// New returns an Inspector that writes to out.
func New(out Output, cfg Config) *Inspector {
	in := &Inspector{cfg: cfg, out: out, conns: lru.New[uint64, *conn](maxConns)}
	if cfg.Join {
		in.join = newJoiner()
	}
	return in
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
		if err := in.reportEvicted(); err != nil {
			return err
		}
	}
	return in.out.Write(ev)
}

// Flush hands everything that may be shown to the file.
func (in *Inspector) Flush() error { return in.out.Flush() }

func (in *Inspector) record(r *event.Record) error {
	c, err := in.conn(&r.Conn, false)
	if err != nil {
		return err
	}
	if r.Unsent {
		return c.streams[r.Dir&1].unsent(r)
	}
	return c.streams[r.Dir&1].record(r)
}

// Hide takes a record that was there, and whose bytes a filter suppresses: it is
// no loss, and a gap in its stream.
func (in *Inspector) Hide(r *event.Record) error {
	c, err := in.conn(&r.Conn, false)
	if err != nil {
		return err
	}
	hidden := *r
	hidden.Payload = nil
	return c.streams[r.Dir&1].skip(&hidden)
}

// conn returns the state of a connection. opened says that it begins now.
func (in *Inspector) conn(id *event.Conn, opened bool) (*conn, error) {
	if c, ok := in.conns.Get(id.ID); ok {
		return c, nil
	}
	c := newConn(in)
	_, idle, evicted := in.conns.Put(id.ID, c)
	for _, s := range c.streams {
		// It may be one that was given up: then what it had is not missing.
		s.order.joined = in.conns.Evicted() > 0 && !opened
	}
	if !evicted {
		return c, nil
	}
	return c, in.evict(idle)
}

// evict ends a connection that was idle for the longest time. Those that end
// unseen must not keep the others out.
func (in *Inspector) evict(c *conn) error {
	if s := c.latest(); in.conns.Evicted() == 1 && s.now != nil {
		in.note(s, "more than %d connections are open: this one was idle for the longest time and is given up", maxConns)
	}
	return c.close()
}

// reportEvicted tells how many connections were given up.
func (in *Inspector) reportEvicted() error {
	given := in.conns.Evicted()
	if given == 0 {
		return nil
	}
	return in.out.Write(&finding.Note{Text: reason(
		"more than %d connections were open: %d idle ones were given up").with([]uint64{maxConns, given})})
}

func (in *Inspector) socket(s *event.Socket) error {
	if s.State == event.SocketClose {
		return in.close(s.Conn.ID)
	}
	opened := s.State == event.SocketOpen
	c, err := in.conn(&s.Conn, opened)
	if err != nil {
		return err
	}
	c.rolesKnown = true
	c.kernel = [2]bool{s.TX.Mode != event.ModeNone, s.RX.Mode != event.ModeNone}
	if opened {
		c.streams[s.Dir&1].fresh = true
	}
	return nil
}

// close ends a connection that is followed.
func (in *Inspector) close(id uint64) error {
	c, ok := in.conns.Delete(id)
	if !ok {
		return nil
	}
	return c.close()
}

func (in *Inspector) closeAll() error {
	ids := make([]uint64, 0, in.conns.Len())
	for id := range in.conns.All() {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := in.close(id); err != nil {
			return err
		}
	}
	return nil
}
