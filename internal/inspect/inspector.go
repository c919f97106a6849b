package inspect

import (
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Kind is the kind of a piece of a payload.
type Kind uint8

// The kinds. Text is text of the application. Frame is framing of a protocol, or bytes that
// are not shown. Talk is text in an unknown protocol.
const (
	Text Kind = iota
	Frame
	Talk
)

// Piece is a part of a record's payload of one Kind. Note, if not empty, describes it in
// lines. Note must be escaped before it reaches a terminal.
type Piece struct {
	From, To int
	Kind     Kind
	Note     string
}

// Output gets what may be shown.
type Output interface {
	// Record gets a record with a masked payload, and its pieces. They are valid until
	// it returns.
	Record(r *event.Record, pieces []Piece) error
	// Write gets every other event.
	Write(ev event.Event) error
	Flush() error
}

// Config configures an Inspector.
type Config struct {
	Rules *Rules
	// OneWay reports that only one direction is traced: an Inspector then reports a
	// request or a response as soon as it ends.
	OneWay bool
	// Join reports the upstream requests of a proxy together with those of its clients.
	Join bool
}

// Inspector reads the events of a run, in order, and writes all of them to its Output, with
// secrets masked. It adds a finding.HTTP for each request with its response, and a
// finding.Note where it cannot decode something. It ends with the summary. It is not safe
// for concurrent use.
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

// Write processes the next event.
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

// Flush flushes the Output.
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

// Hide processes a record whose bytes a filter suppresses. It is a gap in its stream, and not
// a loss.
func (in *Inspector) Hide(r *event.Record) error {
	c, err := in.conn(&r.Conn, false)
	if err != nil {
		return err
	}
	hidden := *r
	hidden.Payload = nil
	return c.streams[r.Dir&1].skip(&hidden)
}

// conn returns the state of a connection. opened reports that it begins now.
func (in *Inspector) conn(id *event.Conn, opened bool) (*conn, error) {
	if c, ok := in.conns.Get(id.ID); ok {
		return c, nil
	}
	c := newConn(in)
	_, idle, evicted := in.conns.Put(id.ID, c)
	for _, s := range c.streams {
		// It may have been evicted: then its earlier records are not missing.
		s.order.joined = in.conns.Evicted() > 0 && !opened
	}
	if !evicted {
		return c, nil
	}
	return c, in.evict(idle)
}

// evict ends the connection that was idle longest. Connections whose close was lost must not
// take the room of others.
func (in *Inspector) evict(c *conn) error {
	if s := c.latest(); in.conns.Evicted() == 1 && s.now != nil {
		in.note(s, "more than %d connections are open: this one was idle for the longest time and is given up", maxConns)
	}
	return c.close()
}

// reportEvicted reports how many connections were evicted.
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
	c.kernelKnown = true
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
