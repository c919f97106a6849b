package rpc

// The values of a message's head, RFC 5531 §9.
const (
	call  = 0
	reply = 1

	rpcVersion = 2

	// securityGSS is the flavor whose arguments may be wrapped, RFC 2203 §5.
	securityGSS = 6
	// gssPlain is its service that wraps nothing, gssData its procedure for a call of
	// the program.
	gssPlain = 1
	gssData  = 0

	// maxAuth is the longest credential or verifier.
	maxAuth = 400
	// maxFlavor is the greatest flavor of those in use: AUTH_TLS is 7.
	maxFlavor = 7
)

// head has the fields of a message's head.
type head struct {
	xid   uint32
	reply bool
	// program, version and procNumber are the call's, also in its reply if the call is
	// known.
	program, version, procNumber uint32
	// wrapped says that RPCSEC_GSS encrypts the arguments, or may have changed them.
	wrapped bool
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
		c.malformed = true
	}
	m.read = !c.stopped()
	return next
}

// auth reads a credential or a verifier, RFC 5531 §8.2.
func (c *cursor) auth() (flavor uint32, body []byte) {
	flavor = c.word()
	if body = c.value(); flavor > maxFlavor || len(body) > maxAuth {
		c.malformed = true
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

// wraps reports whether a credential of RPCSEC_GSS says that the following bytes are
// not the program's arguments: RFC 2203 §5.3.1.
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
			_, m.known = k.callOf(m, h.xid)
		}
		return nil
	}
	c.auth()
	state := c.word()
	if c.stopped() {
		return nil
	}
	request, known := k.callOf(m, h.xid)
	if known {
		h.program, h.version, h.procNumber, h.wrapped = request.program, request.version, request.procNumber, request.wrapped
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

// readStatus reads the first result of an NFS server.
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
