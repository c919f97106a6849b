package inspect

import (
	"maps"
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// conn is a connection: its two streams, and the requests that wait for their
// responses.
type conn struct {
	in      *Inspector
	streams [2]*stream
	// kernel holds which directions are kernel TLS, if kernelKnown is set.
	kernelKnown bool
	kernel      [2]bool
	// web reports that the connection has spoken HTTP. dialogue is its other protocol, nil if
	// that is not known.
	web      bool
	dialogue *dialogue
	// advised reports that a note has said what shows more of it.
	advised bool
	// storage follows the connection if it carries a file system or a disk; reporting is
	// the stream that it reports about.
	storage   storage
	reporting *stream
	// broken reports that a decoder panicked.
	broken bool
	// tunnel reports that HTTP/1 switched to another protocol.
	tunnel bool
	// saidUnseen reports that a note has said that requests are not seen.
	saidUnseen bool

	// waiting are the requests of HTTP/1 without a response, the oldest first.
	waiting []*exchange
	// uncertain reports that records are missing, so that the next response may belong to a
	// request that was not seen. answered is when the latest response ended.
	uncertain bool
	answered  uint64

	// open are the streams of HTTP/2; client is the direction of requests.
	open        map[uint32]*exchange
	client      event.Dir
	clientKnown bool
}

func newConn(in *Inspector) *conn {
	c := &conn{in: in, open: map[uint32]*exchange{}}
	for d := range c.streams {
		c.streams[d] = &stream{in: in, conn: c, dir: event.Dir(d), rules: in.cfg.Rules}
	}
	return c
}

// request begins an exchange of HTTP/1.
func (c *conn) request(s *stream) *exchange {
	c.resolveDoubt(s)
	ex := newExchange(s, s.dir)
	if len(c.waiting) >= maxPending {
		c.in.note(s, "more than %d requests wait for a response: the oldest is given up", maxPending)
		c.report(s, c.pop(), finding.Unanswered)
	}
	c.waiting = append(c.waiting, ex)
	return ex
}

// resolveDoubt clears uncertain when a client sends a request after it got a response: it
// waits for no other response, unless it uses pipelining, which hardly any client does.
func (c *conn) resolveDoubt(s *stream) {
	n := len(c.waiting)
	if !c.uncertain || c.answered == 0 || n > 0 && c.waiting[n-1].begun > c.answered {
		return
	}
	if h, ok := c.streams[s.dir^1].decoder.(*http1); ok && h.at != nil {
		return
	}
	for len(c.waiting) > 0 {
		c.report(s, c.pop(), finding.Unanswered)
	}
	c.uncertain = false
}

func (c *conn) pop() *exchange {
	ex := c.waiting[0]
	c.waiting = c.waiting[1:]
	return ex
}

// awaited returns the method of the request that the next response answers, empty if that is
// not known.
func (c *conn) awaited() string {
	if len(c.waiting) == 0 || !c.waiting[0].sure {
		return ""
	}
	return c.waiting[0].method
}

// response returns the exchange that a response of HTTP/1 belongs to.
func (c *conn) response(s *stream) *exchange {
	if len(c.waiting) > 0 {
		if ex := c.pop(); ex.sure {
			return ex
		} else {
			c.report(s, ex, finding.Unanswered)
		}
	}
	c.noteUnseen(s)
	c.noteEarly(s)
	return newExchange(s, s.dir^1)
}

// noteEarly notes once that a response has no request although the connection was seen from
// its beginning and the kernel protects the direction of requests. nginx can read a request
// together with the end of a resumed handshake, before it gives the kernel that key.
func (c *conn) noteEarly(s *stream) {
	if requests := c.streams[s.dir^1]; !c.saidUnseen && !c.oneWay(s.dir) && requests.fresh && requests.decoder == nil {
		c.saidUnseen = true
		c.in.note(s, "no request was seen before this response: it may have come before the kernel had the keys of its direction")
	}
}

// noteUnseen notes once why requests are not seen.
func (c *conn) noteUnseen(s *stream) {
	if !c.saidUnseen && !c.in.cfg.OneWay && c.oneWay(s.dir) {
		c.saidUnseen = true
		c.in.note(s, [...]reason{event.TX: "tx", event.RX: "rx"}[s.dir^1]+" is not kernel TLS on this connection: requests are not seen")
	}
}

// oneWay reports whether only this direction is seen.
func (c *conn) oneWay(d event.Dir) bool {
	return c.in.cfg.OneWay || c.kernelKnown && !c.kernel[d^1]
}

// unsure marks that the next response may not belong to the oldest request.
func (c *conn) unsure() {
	c.uncertain, c.answered = true, 0
	for _, ex := range c.waiting {
		ex.sure = false
	}
}

// ended processes the end of an HTTP/1 message.
func (c *conn) ended(s *stream, ex *exchange, m *finding.Message, how finding.End) {
	switch {
	case ex.ev.Response != nil && m == &ex.ev.Response.Message:
		c.report(s, ex, how)
		c.answered = s.now.Mono
	case how == finding.Gap:
		c.report(s, ex, how)
	case how == finding.Complete && c.oneWay(s.dir):
		c.report(s, ex, how)
		c.waiting = slices.DeleteFunc(c.waiting, func(w *exchange) bool { return w == ex })
	}
}

// setClient sets the direction of requests.
func (c *conn) setClient(d event.Dir) { c.client, c.clientKnown = d, true }

// stream returns a stream of HTTP/2, which it creates if necessary.
func (c *conn) stream(s *stream, id uint32) *exchange {
	if ex, ok := c.open[id]; ok {
		return ex
	}
	if len(c.open) >= maxPending {
		oldest := slices.Min(slices.Collect(maps.Keys(c.open)))
		c.in.note(s, "more than %d streams are open: stream %d is given up", maxPending, uint64(oldest))
		c.drop(s, oldest, finding.Unanswered)
	}
	ex := newExchange(s, s.dir)
	ex.ev.Version, ex.ev.Stream = "2", id
	c.open[id] = ex
	return ex
}

// drop reports a stream of HTTP/2 and forgets it.
func (c *conn) drop(s *stream, id uint32, how finding.End) {
	ex, ok := c.open[id]
	if !ok {
		return
	}
	c.report(s, ex, how)
	for d := range ex.sides {
		ex.sides[d].content.cut(c.streams[d])
	}
	delete(c.open, id)
}

// close reports the exchanges that have not ended and shows the bytes that wait.
func (c *conn) close() error {
	for _, s := range c.streams {
		s.finish()
	}
	for len(c.waiting) > 0 {
		ex := c.pop()
		c.report(c.streams[ex.ev.Dir], ex, finding.Unanswered)
	}
	if c.dialogue != nil {
		c.dialogue.giveUp(c.latest(), finding.Closed)
	}
	c.endStorage()
	for _, id := range slices.Sorted(maps.Keys(c.open)) {
		c.drop(c.latest(), id, c.open[id].cut())
	}
	for _, s := range c.streams {
		if err := s.release(); err != nil {
			return err
		}
	}
	return nil
}

// latest returns the stream that had the latest record.
func (c *conn) latest() *stream {
	a, b := c.streams[0], c.streams[1]
	if a.now == nil || b.now != nil && b.now.Mono > a.now.Mono {
		return b
	}
	return a
}
