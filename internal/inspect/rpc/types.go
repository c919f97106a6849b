package rpc

// skipFunc skips a value of one type.
type skipFunc func(c *cursor)

// fixed is a type of n bytes.
func fixed(n uint64) skipFunc { return func(c *cursor) { c.skip(n) } }

// The types of NFSv4's arguments, as RFC 7530 §2, RFC 8881 §3 and RFC 7862 name
// them. An enum and a bool are words.
var (
	void       = fixed(0)
	word       = fixed(4)
	hyper      = fixed(8)
	verifier   = fixed(8)
	stateid    = fixed(16)
	session    = fixed(16)
	device     = fixed(16)
	moment     = fixed(12) // nfstime4
	opaque     = skipFunc(passOpaque)
	bitmap     = words                                         // bitmap4
	attributes = all(bitmap, opaque)                           // fattr4
	owner      = all(hyper, opaque)                            // open_owner4, lock_owner4
	handle     = opaque                                        // nfs_fh4
	name       = opaque                                        // component4
	typed      = all(word, opaque)                             // layoutupdate4
	address    = all(opaque, opaque)                           // netaddr4
	location   = choice{1: opaque, 2: opaque, 3: address}.pass // netloc4
)

func passOpaque(c *cursor) { c.opaque() }

// words is an array of words of variable length.
func words(c *cursor) { c.skip(4 * c.length()) }

// all is a struct.
func all(fields ...skipFunc) skipFunc {
	return func(c *cursor) {
		for _, f := range fields {
			if f(c); c.stopped() {
				return
			}
		}
	}
}

// list is an array of variable length.
func list(of skipFunc) skipFunc {
	return func(c *cursor) {
		for n := c.length(); n > 0 && !c.stopped(); n-- {
			of(c)
			if c.at > uint64(len(c.b)) { // the next one has a length, which is missing
				c.short = n > 1
			}
		}
	}
}

// choice is a union by its discriminant. An unlisted discriminant is unknown.
type choice map[uint32]skipFunc

func (arms choice) pass(c *cursor) {
	d := c.word()
	if c.stopped() {
		return
	}
	arm, ok := arms[d]
	if !ok {
		c.malformed = true
		return
	}
	arm(c)
}

// otherwise is a union with a default arm.
func (arms choice) otherwise(p skipFunc) skipFunc {
	return func(c *cursor) {
		d := c.word()
		if c.stopped() {
			return
		}
		if arm, ok := arms[d]; ok {
			arm(c)
			return
		}
		p(c)
	}
}
