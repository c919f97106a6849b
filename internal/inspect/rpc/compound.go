package rpc

import (
	"hash/crc32"
	"strconv"
	"strings"
)

// work has the operations of a call, and how far the server got.
type work struct {
	minor     string   // of version 4, empty until it is known
	remaining uint32   // operations that are not read yet
	names     []string // of those that are
	// more says that there are operations without a name.
	more bool
	// sealed says that Kerberos encrypts them.
	sealed bool
	// file is a checksum of the latest handle, transfer what is read or written in that
	// file.
	file     string
	transfer string

	failed bool
	done   uint32 // operations with a result in the reply
}

// readCompound reads the fields before the operations, RFC 8881 §16.2.
func readCompound(m *message, c *cursor) part {
	c.opaque() // the tag
	minor, n := c.word(), c.word()
	return m.begin(c, minor, n, operations)
}

// readCallback does the same for a callback, RFC 8881 §20.
func readCallback(m *message, c *cursor) part {
	c.opaque() // the tag
	minor := c.word()
	c.word() // the client that it is for
	n := c.word()
	return m.begin(c, minor, n, callbacks)
}

func (m *message) begin(c *cursor, minor, n uint32, known map[uint32]operation) part {
	if c.stopped() {
		return nil
	}
	m.minor, m.remaining = strconv.FormatUint(uint64(minor), 10), n
	return m.next(known)
}

// next is the part that reads the next operation.
func (m *message) next(known map[uint32]operation) part {
	switch {
	case m.remaining == 0:
		return nil
	case len(m.names) == maxOperations:
		m.more = true
		return nil
	}
	return func(m *message, c *cursor) part { return m.operation(known, c) }
}

func (m *message) operation(known map[uint32]operation, c *cursor) part {
	number := c.word()
	if c.stopped() {
		return nil
	}
	op, ok := known[number]
	if !ok {
		op.name = strconv.FormatUint(uint64(number), 10)
	}
	if op.arguments != nil {
		if op.arguments(c); c.short && len(c.b) < maxPart {
			return nil
		}
	}
	if !m.look(op.name, cursor{b: c.b, at: 4}) && len(c.b) < maxPart {
		c.short = true
		return nil
	}
	m.names = append(m.names, op.name)
	m.remaining--
	if op.arguments == nil || c.stopped() { // its name is known, but not where it ends
		m.more = m.remaining > 0
		c.short, c.malformed = false, false
		return nil
	}
	return m.next(known)
}

// look takes the reported values from an operation's arguments; false says that they
// are not all there.
func (m *message) look(op string, c cursor) bool {
	switch op {
	case "PUTFH":
		if file := c.value(); !c.stopped() {
			m.setFile(file)
		}
	case "READ", "READ_PLUS":
		c.bytes(16) // the state
		m.setTransfer(&c, c.hyper(), uint64(c.word()))
	case "WRITE":
		c.bytes(16)
		offset := c.hyper()
		c.word() // how stable
		m.setTransfer(&c, offset, c.length())
	}
	return !c.short
}

// readTransfer3 reads the arguments of READ and WRITE of NFS 3, RFC 1813 §3.3.6.
func readTransfer3(m *message, c *cursor) part {
	file := c.value()
	offset, count := c.hyper(), uint64(c.word())
	if !c.stopped() {
		m.setFile(file)
		m.setTransfer(c, offset, count)
	}
	return nil
}

// setFile records the file's handle. Only the server can interpret a handle: to
// distinguish files, the checksum is enough, which Wireshark shows too.
func (m *message) setFile(handle []byte) {
	m.file = strconv.FormatUint(uint64(crc32.ChecksumIEEE(handle))|1<<32, 16)[1:]
}

func (m *message) setTransfer(c *cursor, offset, count uint64) {
	if c.stopped() {
		return
	}
	m.transfer = "offset " + strconv.FormatUint(offset, 10) + " count " + strconv.FormatUint(count, 10)
}

// op is a call's procedure, with its operations.
func (m *message) op() string {
	s := m.procedure()
	if len(m.names) > 0 {
		s += " " + strings.Join(m.names, " ")
	}
	if m.more {
		s += " …"
	}
	return s
}

// detail describes the call's argument, in one line.
func (m *message) detail() string {
	var words []string
	switch {
	case m.sealed:
		words = append(words, "sealed by RPCSEC_GSS")
	case m.minor != "":
		words = append(words, "v4."+m.minor)
	case m.isNFS3():
		words = append(words, "v3")
	}
	if m.file != "" {
		words = append(words, "fh "+m.file)
	}
	if m.transfer != "" {
		words = append(words, m.transfer)
	}
	return strings.Join(words, " ")
}
