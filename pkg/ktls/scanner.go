package ktls

import "encoding/binary"

// recordHeaderLen is the length in bytes of a record's header (RFC 8446, section 5.1).
const recordHeaderLen = 5

// recordScanner cuts one direction's byte stream into records.
type recordScanner struct {
	partial []byte
	visit   func(record []byte) // called with each whole record, which it must not keep
}

// missing returns how many bytes the header being read still lacks or, once it is there,
// how many the body does. A reader that never takes more than that never holds a byte of
// the record after the current one.
func (s *recordScanner) missing() int {
	if len(s.partial) < recordHeaderLen {
		return recordHeaderLen - len(s.partial)
	}
	body := int(binary.BigEndian.Uint16(s.partial[3:]))
	return recordHeaderLen + body - len(s.partial)
}

// feed takes the stream's next bytes.
func (s *recordScanner) feed(p []byte) {
	for len(p) > 0 {
		n := min(s.missing(), len(p))
		s.partial = append(s.partial, p[:n]...)
		p = p[n:]
		if len(s.partial) >= recordHeaderLen && s.missing() == 0 {
			s.visit(s.partial)
			s.partial = s.partial[:0]
		}
	}
}
