package rpc

import "encoding/binary"

// cursor walks XDR (RFC 4506). It may go past the end of the bytes that are there:
// bytes that it skips may be missing, bytes that it reads may not.
type cursor struct {
	b  []byte
	at uint64
	// short: the bytes to read are not there yet.
	short bool
	// malformed: the format of the next bytes is not known.
	malformed bool
}

// maxOpaque limits the lengths that a cursor accepts. It is above what any server
// accepts in one message.
const maxOpaque = 1 << 28

// stopped reports whether nothing more can be read.
func (c *cursor) stopped() bool { return c.short || c.malformed }

// bytes returns the next n bytes, nil if they are not all there.
func (c *cursor) bytes(n uint64) []byte {
	if c.stopped() || c.at+n > uint64(len(c.b)) {
		c.short = !c.malformed
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at]
}

// word reads an unsigned integer, 0 if it is not there.
func (c *cursor) word() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// hyper reads an unsigned hyper integer, 0 if it is not there.
func (c *cursor) hyper() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// skip skips n bytes, which may be missing.
func (c *cursor) skip(n uint64) {
	if !c.stopped() {
		c.at += n
	}
}

// length reads a length, and rejects lengths that no message can have.
func (c *cursor) length() uint64 {
	n := c.word()
	if n > maxOpaque {
		c.malformed = true
		return 0
	}
	return uint64(n)
}

// opaque skips bytes of variable length, RFC 4506 §4.10, and returns their length.
func (c *cursor) opaque() uint64 {
	n := c.length()
	c.skip(padded(n))
	return n
}

// value returns bytes of variable length, nil if they are not all there.
func (c *cursor) value() []byte {
	n := c.length()
	b := c.bytes(padded(n))
	if b == nil {
		return nil
	}
	return b[:n]
}

// padded is n rounded up to whole words.
func padded(n uint64) uint64 { return (n + 3) &^ 3 }
