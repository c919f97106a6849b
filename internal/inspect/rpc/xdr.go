package rpc

import "encoding/binary"

// cursor walks XDR (RFC 4506). It may go past the end of what there is: what it
// skips need not be at hand, but what it reads has to.
type cursor struct {
	b  []byte
	at uint64
	// short: what was to be read is not there yet.
	short bool
	// malformed: it does not know what comes next.
	malformed bool
}

// maxOpaque bounds the length that a cursor believes. It is above what any server
// takes in one message.
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

// skip passes n bytes, which may not have come.
func (c *cursor) skip(n uint64) {
	if !c.stopped() {
		c.at += n
	}
}

// length reads how long what follows is, and refuses what no message holds.
func (c *cursor) length() uint64 {
	n := c.word()
	if n > maxOpaque {
		c.malformed = true
		return 0
	}
	return uint64(n)
}

// opaque passes bytes of variable length, RFC 4506 §4.10, and returns their length.
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

// padded is the length that n bytes take: whole words.
func padded(n uint64) uint64 { return (n + 3) &^ 3 }
