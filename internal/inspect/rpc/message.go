package rpc

import "github.com/ktlstop/ktlstop/pkg/event"

// The values of a message's head, RFC 5531 §9.
const (
	call  = 0
	reply = 1

	rpcVersion = 2

	// securityGSS is the flavor whose arguments may be wrapped, RFC 2203 §5.
	securityGSS = 6
	// gssPlain is its service that wraps nothing, gssData its procedure that is a
	// call of the program.
	gssPlain = 1
	gssData  = 0

	// maxAuth is how long a credential or verifier is at most.
	maxAuth = 400
	// maxFlavor is the greatest flavor of those in use: AUTH_TLS is 7.
	maxFlavor = 7
)

const (
	// maxPart is how much of a message is kept to read one part of it: its head, or
	// one operation without the data at its end.
	maxPart = 8 << 10
	// maxOperations is how many operations of one COMPOUND are named.
	maxOperations = 32
)

// head is what a message says of itself.
type head struct {
	xid   uint32
	reply bool
	// program, version and procNumber are the call's, also for its reply if that
	// is known.
	program, version, procNumber uint32
	// wrapped says that RPCSEC_GSS seals the arguments, or may have changed them.
	wrapped bool
}

// message is a call or a reply under way.
type message struct {
	head
	dir event.Dir
	// begun is when its first byte came, in the caller's clock.
	begun uint64
	// length is its bytes in the stream, with record marks.
	length uint64
	// read says that the head was, strange that it is none. cut says that some of the
	// message was not seen, quiet that it is perhaps no message at all.
	read, strange, cut, quiet bool

	// part reads what comes next, nil where nothing of the rest matters.
	part part
	buf  []byte // what has come of that part
	skip uint64 // bytes to pass before it

	work
	status string
	known  bool // the reply is one to a call that was seen
}

// part reads one part of a message and returns the one behind it. Where its cursor
// stops, it must have changed nothing.
type part func(m *message, c *cursor) part

// feed takes more bytes of a message.
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

// parse takes the parts that are there.
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

// lose passes n bytes that were not seen.
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

// stop gives up what is not read yet.
func (m *message) stop() {
	m.part, m.buf = nil, nil
	m.strange = !m.read
	m.more = m.more || m.left > 0
}

// readHead is the first part of every message.
func (k *Conn) readHead(m *message, c *cursor) part {
	h := head{xid: c.word()}
	kind, second := c.word(), c.word()
	if c.stopped() {
		return nil
	}
	var next part
	switch {
	case kind == reply && second <= 1:
		h.reply = true
		next = k.readReply(m, h, second == 1, c)
	case kind == call && second == rpcVersion:
		next = readCall(m, h, c)
	default:
		c.strange = true
	}
	m.read = !c.stopped()
	return next
}

// auth reads a credential or a verifier, RFC 5531 §8.2.
func (c *cursor) auth() (flavor uint32, body []byte) {
	flavor = c.word()
	if body = c.value(); flavor > maxFlavor || len(body) > maxAuth {
		c.strange = true
	}
	return flavor, body
}

// readCall reads the head of a call, RFC 5531 §9.
func readCall(m *message, h head, c *cursor) part {
	h.program, h.version, h.procNumber = c.word(), c.word(), c.word()
	flavor, credential := c.auth()
	c.auth()
	if c.stopped() {
		return nil
	}
	h.wrapped = flavor == securityGSS && wraps(credential)
	m.head = h
	switch {
	case h.wrapped:
		m.sealed = true
		return nil
	case h.isCompound():
		return readCompound
	case h.isCallback() && h.procNumber == 1:
		return readCallback
	case h.isNFS3() && (h.procNumber == 6 || h.procNumber == 7):
		return readTransfer3
	}
	return nil
}

// wraps reports whether a credential of RPCSEC_GSS says that what follows is not
// what the program takes: RFC 2203 §5.3.1.
func wraps(credential []byte) bool {
	c := cursor{b: credential}
	c.word() // the version
	proc := c.word()
	c.word() // the sequence
	service := c.word()
	return c.short || proc != gssData || service != gssPlain
}

// readReply reads the head of a reply, RFC 5531 §9.
func (k *Conn) readReply(m *message, h head, denied bool, c *cursor) part {
	if denied {
		status := readDenial(c)
		if !c.stopped() {
			m.head, m.status = h, status
			_, m.known = k.asked(m, h.xid)
		}
		return nil
	}
	c.auth()
	state := c.word()
	if c.stopped() {
		return nil
	}
	asked, known := k.asked(m, h.xid)
	if known {
		h.program, h.version, h.procNumber, h.wrapped = asked.program, asked.version, asked.procNumber, asked.wrapped
	}
	m.head, m.known, m.status = h, known, "accepted"
	switch {
	case state != 0:
		m.status = numbered(accepted, state, "")
	case !known || h.wrapped || h.procNumber == 0:
	case h.isCompound(), h.isCallback(), h.isNFS3():
		return readStatus
	}
	return nil
}

// readDenial reads why a call was not accepted.
func readDenial(c *cursor) string {
	if why := c.word(); why == 0 {
		return "RPC_MISMATCH"
	}
	return numbered(refused, c.word(), "")
}

// readStatus reads what an NFS server answers first.
func readStatus(m *message, c *cursor) part {
	status := c.word()
	if c.stopped() {
		return nil
	}
	m.status = nfsStatus(m.version, status)
	if m.isCallback() {
		m.status = nfsStatus(4, status)
	}
	m.failed = status != 0
	if m.isNFS3() {
		return nil
	}
	return readResults
}

// readResults reads how many operations were done: the last is the one that failed.
func readResults(m *message, c *cursor) part {
	c.opaque() // the tag
	n := c.word()
	if !c.stopped() {
		m.done = n
	}
	return nil
}
