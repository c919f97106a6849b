package inspect

import (
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/inspect/nvme"
	"github.com/ktlstop/ktlstop/internal/inspect/rpc"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// storage is a connection to a file system or a disk, which a package of its own
// decodes in both directions. None of its bytes are shown: they are binary, and no mask
// knows the contents of files and blocks.
type storage interface {
	Write(d event.Dir, b []byte, now uint64)
	Gap(d event.Dir, n, now uint64)
	Join(d event.Dir)
	Lost(d event.Dir) bool
	Close()
}

// likeness is how certainly a stream continues with a protocol of storage.
type likeness uint8

const (
	unlike likeness = iota
	unclear
	likely
	certain
)

// storages are the protocols, with the ports of their servers. A port is a hint: bytes
// that resemble a message are accepted as one if the connection has such a port.
var storages = []struct {
	ports []uint16
	begin func(b []byte) likeness
	open  func(c *conn, oneWay bool) storage
}{
	{[]uint16{2049, 20049}, func(b []byte) likeness { return likeness(rpc.Begins(b)) }, func(c *conn, oneWay bool) storage {
		r := rpc.New(c.stored)
		r.OneWay = oneWay
		return r
	}},
	{[]uint16{4420, 8009}, func(b []byte) likeness { return likeness(nvme.Begins(b)) }, func(c *conn, oneWay bool) storage {
		n := nvme.New(c.stored)
		n.OneWay = oneWay
		return n
	}},
}

// storage tries the protocols of storage, if no other was recognised.
func (g *guess) storage(s *stream, b []byte) likeness {
	c := s.conn
	if c.web || c.tunnel || s.datagrams || c.dialogue != nil {
		return unlike
	}
	l := c.stores(s, b, g.why == "" && !g.hide)
	if l == certain {
		g.plain.cut(s)
	}
	return l
}

// stores checks whether a stream continues with a protocol of storage, and then decodes
// it. first says that nothing came before. It is unclear if more bytes are needed.
func (c *conn) stores(s *stream, b []byte, first bool) likeness {
	if c.storage != nil {
		c.follow(s, first)
		return certain
	}
	doubt := unlike
	for _, p := range storages {
		switch l := p.begin(b); {
		case l == certain, l == likely && hasPort(&s.now.Conn, p.ports):
			c.storage = p.open(c, c.oneWay(s.dir))
			if !first {
				c.in.note(s, "joined in the middle: earlier requests are not known")
			}
			s.decoder = stored{}
			return certain
		case l == unclear && len(b) < maxUndecided:
			doubt = unclear
		}
	}
	return doubt
}

func hasPort(c *event.Conn, ports []uint16) bool {
	return slices.Contains(ports, c.LPort) || slices.Contains(ports, c.RPort)
}

// mayStore reports whether bytes without any known context may be those of a file or a
// block, which may resemble text.
func (g *guess) mayStore(s *stream) bool {
	if g.why == "" || s.conn.web || s.conn.tunnel || s.conn.dialogue != nil {
		return false
	}
	for _, p := range storages {
		if hasPort(&s.now.Conn, p.ports) {
			return true
		}
	}
	return false
}

// maxUndecided is the longest beginning of a message of RPC: its credential and its
// verifier have 400 bytes at most.
const maxUndecided = 1024

// follow decodes the other direction of a connection whose protocol is known.
func (c *conn) follow(s *stream, first bool) {
	if !first {
		c.storage.Join(s.dir)
	}
	s.decoder = stored{}
}

// stored passes the bytes of one direction to its connection's decoder.
type stored struct{}

func (d stored) decode(s *stream) bool {
	b, c := s.rest(), s.conn
	was := c.storage.Lost(s.dir)
	c.reporting = s
	c.storage.Write(s.dir, b, s.begun(s.pos))
	if !was && c.storage.Lost(s.dir) {
		c.in.note(s, "this is no message of its protocol: decoding goes on where a record begins with one")
	}
	d.hide(s, len(b))
	return true
}

// hide consumes n bytes and shows none of them.
func (stored) hide(s *stream, n int) {
	if s.rules.off {
		s.consume(n, Frame, "")
		return
	}
	maskAll(s.masked(s.pos, s.pos+uint64(n)))
	note := "the bytes of files and blocks are not shown; --no-redact --format hex shows them"
	if s.conn.advised {
		note = ""
	}
	s.conn.advised = true
	s.consume(n, Frame, note)
}

func (stored) pending(*stream) (uint64, bool) { return 0, false }

// flush has nothing to do: step consumes everything.
func (stored) flush(*stream) {}

func (stored) gap(s *stream, n uint64) {
	c := s.conn
	was := c.storage.Lost(s.dir)
	c.reporting = s
	c.storage.Gap(s.dir, n, s.now.Mono)
	if n > 0 && !was && c.storage.Lost(s.dir) {
		c.in.note(s, "bytes are missing here: decoding goes on where a record begins with a message")
	}
}

func (stored) end(*stream) {}

// stored handles an exchange that a decoder reports.
func (c *conn) stored(x *finding.Exchange) {
	s := c.reporting
	x.Conn, x.TLS, x.Proc = s.now.Conn, s.now.TLS, s.now.Proc
	s.after(x)
}

// endStorage reports the requests whose replies will not come.
func (c *conn) endStorage() {
	if c.storage != nil {
		c.reporting = c.latest()
		c.storage.Close()
	}
}
