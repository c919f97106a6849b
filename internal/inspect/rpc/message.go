package rpc

import "github.com/ktlstop/ktlstop/pkg/event"

const (
	// maxPart is how much of a message is kept to read one part of it: its head, or one
	// operation without the data at its end.
	maxPart = 8 << 10
	// maxOperations is how many operations of one COMPOUND are named.
	maxOperations = 32
)

// message is a call or a reply in progress.
type message struct {
	head
	dir event.Dir
	// begun is when its first byte came, in the caller's clock.
	begun uint64
	// length is its bytes in the stream, with record marks.
	length uint64
	// read reports that the head was read, malformed that it is not a valid head. cut reports
	// that a part of the message was not seen, uncertain that it may not be a message at all.
	read, malformed, cut, uncertain bool

	// part reads the next bytes, nil if nothing of the rest is needed.
	part part
	buf  []byte // bytes of that part so far
	skip uint64 // bytes to skip before it

	work
	status string
	known  bool // the reply to a call that was seen
}

// part reads one part of a message and returns the next part. If its cursor stops, it must
// have changed nothing.
type part func(m *message, c *cursor) part

// feed adds more bytes of a message.
func (m *message) feed(b []byte) {
	for len(b) > 0 && m.part != nil {
		if m.skip > 0 {
			n := min(m.skip, uint64(len(b)))
			m.skip -= n
			b = b[n:]
			continue
		}
		n := min(len(b), maxPart-len(m.buf))
		m.buf = append(m.buf, b[:n]...)
		b = b[n:]
		m.parse()
	}
}

// parse reads the parts that are complete.
func (m *message) parse() {
	for m.part != nil && m.skip == 0 {
		c := cursor{b: m.buf}
		next := m.part(m, &c)
		if c.short && len(m.buf) < maxPart {
			return
		}
		if c.stopped() {
			m.stop()
			return
		}
		m.part = next
		if c.at >= uint64(len(m.buf)) {
			m.skip, m.buf = c.at-uint64(len(m.buf)), m.buf[:0]
			if m.skip == 0 && len(m.buf) == 0 {
				return
			}
			continue
		}
		m.buf = append(m.buf[:0], m.buf[c.at:]...)
	}
}

// lose skips n bytes that were not seen.
func (m *message) lose(n uint64) {
	m.cut = true
	if m.part == nil {
		return
	}
	if n <= m.skip {
		m.skip -= n
		return
	}
	m.stop()
}

// stop drops the unread rest.
func (m *message) stop() {
	m.part, m.buf = nil, nil
	m.malformed = !m.read
	m.more = m.more || m.remaining > 0
}
